// Package overhead measures what instrumentation costs the whole fleet: it opens
// the shop bare, with stock OpenTelemetry and with Clew's kit in turn, sends the
// same shoppers through each, and compares the processor time of the members.
//
//	run 1: off  stock  kit     run 2: stock  kit  off     run 3: kit  off  stock …
//
// The stacks take turns, each first as often as the others, so that a machine that
// slows down does so for all of them. Processor time comes from /proc and does
// not depend on who else is on the machine as much as elapsed time does. The bus,
// the shoppers and whatever receives the telemetry are not counted.
package overhead

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/drive"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/launch"
)

// settle is the wait before the processor time is read. What a stack does later, such
// as sending its last batch, is its cost too: stock waits 5 s for a batch to fill
// (OTEL_BSP_SCHEDULE_DELAY), the kits 1 s.
const settle = 5500 * time.Millisecond

// Options of a measurement.
type Options struct {
	BasePort int
	Data     string // folder for the state of the shops; each run has a new one
	Binaries string
	Runs     int
	Journeys int     // in each run, after a tenth of them as a warm-up
	Rate     float64 // journeys a second
	Seed     uint64
	Progress io.Writer
}

// Cost is what one run of one stack took.
type Cost struct {
	Stack fleet.Stack   `json:"stack"`
	CPU   time.Duration `json:"cpu_ns"` // of all members, per journey
	Go    time.Duration `json:"go_ns"`
	Rust  time.Duration `json:"rust_ns"`
	P50   time.Duration `json:"p50_ns"` // of a journey
	P99   time.Duration `json:"p99_ns"`
	RSS   int64         `json:"rss_bytes"` // of all members at the end
	Lost  int64         `json:"failed"`    // journeys that failed
}

// Report is a whole measurement.
type Report struct {
	Costs []Cost
}

// Run measures. The telemetry goes where OTEL_EXPORTER_OTLP_ENDPOINT says.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Runs < 1 || o.Journeys < 10 {
		return Report{}, fmt.Errorf("measure %d runs of %d journeys: use at least 1 of 10", o.Runs, o.Journeys)
	}
	stacks := []fleet.Stack{fleet.Off, fleet.Stock, fleet.Kit}
	var r Report
	for run := range o.Runs {
		for turn := range stacks {
			stack := stacks[(run+turn)%len(stacks)]
			cost, err := measure(ctx, o, stack, filepath.Join(o.Data, fmt.Sprintf("%d-%s", run, stack)))
			if err != nil {
				return r, fmt.Errorf("measure %s: %w", stack, err)
			}
			fmt.Fprintf(o.Progress, "run %d of %d: %-5s %8s of CPU a journey\n", run+1, o.Runs, stack, cost.CPU.Round(time.Microsecond))
			r.Costs = append(r.Costs, cost)
		}
	}
	return r, nil
}

func measure(ctx context.Context, o Options, stack fleet.Stack, data string) (Cost, error) {
	c := Cost{Stack: stack}
	open, closeShop := context.WithCancel(ctx)
	closed := make(chan error, 1)
	go func() {
		closed <- launch.Up(open, launch.Options{BasePort: o.BasePort, Data: data, Binaries: o.Binaries, Stack: stack, Out: io.Discard})
	}()
	err := c.drive(open, o, closed)
	closeShop()
	return c, cmp.Or(err, <-closed)
}

func (c *Cost) drive(ctx context.Context, o Options, closed chan error) error {
	members, err := ready(ctx, o.BasePort, closed)
	if err != nil {
		return err
	}
	// The same shoppers for every stack; the warm-up has others.
	if _, err := send(ctx, o, o.Seed+1, o.Journeys/10, nil); err != nil {
		return err
	}
	time.Sleep(settle)
	before, err := used(members)
	if err != nil {
		return err
	}
	var took []time.Duration
	tally, err := send(ctx, o, o.Seed, o.Journeys, func(d time.Duration) { took = append(took, d) })
	if err != nil {
		return err
	}
	time.Sleep(settle)
	after, err := used(members)
	if err != nil {
		return err
	}
	n := time.Duration(o.Journeys)
	for i, m := range members {
		spent := (after[i].cpu - before[i].cpu) / n
		c.CPU += spent
		if m.Language == string(fleet.Rust) {
			c.Rust += spent
		} else {
			c.Go += spent
		}
		c.RSS += after[i].rss
	}
	slices.Sort(took)
	c.P50, c.P99 = took[len(took)/2], took[len(took)*99/100]
	c.Lost = tally.Failed + tally.TurnedAway
	return nil
}

// ready waits for the shop and gives the members that are counted.
func ready(ctx context.Context, basePort int, closed chan error) ([]launch.MemberState, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-closed:
			closed <- nil
			return nil, err
		default:
		}
		members, err := launch.Control{BasePort: basePort}.Members(ctx)
		if err == nil && !slices.ContainsFunc(members, func(m launch.MemberState) bool { return m.State != "ready" }) {
			return slices.DeleteFunc(members, func(m launch.MemberState) bool { return m.Name == "bus" }), nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the shop is not open after a minute: %v, %+v", err, members)
		}
	}
}

func send(ctx context.Context, o Options, seed uint64, count int, took func(time.Duration)) (drive.Tally, error) {
	plan, err := drive.NewPlan(seed, "")
	if err != nil {
		return drive.Tally{}, err
	}
	return drive.Run(ctx, plan, drive.Options{
		Gateway: "http://127.0.0.1:" + strconv.Itoa(o.BasePort+1), Rate: o.Rate, Count: max(1, count), Took: took,
	})
}

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration
	rss int64
}

func used(members []launch.MemberState) ([]usage, error) {
	out := make([]usage, len(members))
	for i, m := range members {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.PID))
		if err != nil {
			return nil, fmt.Errorf("read what %s has used: %w", m.Name, err)
		}
		// The name stands in brackets and may hold anything; utime, stime and rss are
		// the 12th, 13th and 22nd field after it, in ticks of 10 ms and in pages (proc(5)).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		var n [3]int64
		for k, at := range []int{11, 12, 21} {
			if n[k], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
				return nil, fmt.Errorf("read what %s has used: %w", m.Name, err)
			}
		}
		out[i] = usage{time.Duration(n[0]+n[1]) * 10 * time.Millisecond, n[2] * int64(os.Getpagesize())}
	}
	return out, nil
}

// median of one figure of a stack over the runs.
func (r Report) median(stack fleet.Stack, figure func(Cost) time.Duration) time.Duration {
	var all []time.Duration
	for _, c := range r.Costs {
		if c.Stack == stack {
			all = append(all, figure(c))
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}

// Ratio is (kit − bare) ÷ (stock − bare) of the medians of a figure: the share of
// stock's cost that the kit has.
func (r Report) Ratio(figure func(Cost) time.Duration) float64 {
	bare := r.median(fleet.Off, figure)
	return float64(r.median(fleet.Kit, figure)-bare) / float64(r.median(fleet.Stock, figure)-bare)
}

// Goal is the largest share of stock's cost that the kit may have.
const Goal = 0.40

// Figures of a cost.
var (
	CPU  = func(c Cost) time.Duration { return c.CPU }
	Go   = func(c Cost) time.Duration { return c.Go }
	Rust = func(c Cost) time.Duration { return c.Rust }
)

// Write prints the table: medians over the runs.
func (r Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stack\tCPU a journey\tof Go\tof Rust\tp50\tp99\tmemory\tfailed\t")
	for _, stack := range []fleet.Stack{fleet.Off, fleet.Stock, fleet.Kit} {
		m := func(figure func(Cost) time.Duration) time.Duration {
			return r.median(stack, figure).Round(10 * time.Microsecond)
		}
		memory := r.median(stack, func(c Cost) time.Duration { return time.Duration(c.RSS) })
		failed := int64(0)
		for _, c := range r.Costs {
			if c.Stack == stack {
				failed += c.Lost
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d MiB\t%d\t\n", stack, m(CPU), m(Go), m(Rust),
			m(func(c Cost) time.Duration { return c.P50 }), m(func(c Cost) time.Duration { return c.P99 }), int64(memory)>>20, failed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "(kit − bare) ÷ (stock − bare): %.2f of CPU, %.2f in Go, %.2f in Rust; the goal is at most %.2f of CPU\n", r.Ratio(CPU), r.Ratio(Go), r.Ratio(Rust), Goal)
	return err
}

// WriteJSON prints every run.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r.Costs)
}
