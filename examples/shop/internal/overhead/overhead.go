// Package overhead measures what instrumentation costs the whole fleet: it opens
// the shop bare, with stock OpenTelemetry and with Clew's kit, all three at once,
// sends the same shoppers through each, a slice of them after the other, and compares
// the processor time of the members.
//
//	off 1  stock 1  kit 1  stock 2  kit 2  off 2  kit 3  off 3  stock 3 …
//
// Slices are short because a shared machine does not stay as fast as it was: the same
// fleet took from 3.9 to 4.6 ms a journey from one minute to the next, which is more
// than there is to measure. Processor time comes from /proc. The bus, the shoppers and
// whatever receives the telemetry are not counted; what a shop does while it waits for
// its turn is. Both stacks make the same signals at the same intervals. On a machine
// that others share, slices of one shop differ by a tenth, so that the share of seven
// runs is known to about 0.05.
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
// (OTEL_BSP_SCHEDULE_DELAY), the kits 3 s while spans keep coming.
const settle = 5500 * time.Millisecond

// slice is how many journeys one shop has before it is the next one's turn.
const slice = 200

// Options of a measurement.
type Options struct {
	BasePort int    // of the first of three shops, each with fleet.Ports of them
	Data     string // folder for the state of the shops; each run has a new one
	Binaries string
	Runs     int
	Journeys int     // in each run, after a tenth of them as a warm-up
	Rate     float64 // journeys a second
	Seed     uint64
	Progress io.Writer
}

// Cost is what one stack took in one run.
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

// Run measures. The telemetry goes where the environment of OpenTelemetry says.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Runs < 1 || o.Journeys < 10 {
		return Report{}, fmt.Errorf("measure %d runs of %d journeys: use at least 1 of 10", o.Runs, o.Journeys)
	}
	var r Report
	for run := range o.Runs {
		costs, err := measure(ctx, o, run)
		if err != nil {
			return r, err
		}
		fmt.Fprintf(o.Progress, "run %d of %d:", run+1, o.Runs)
		for _, c := range costs {
			fmt.Fprintf(o.Progress, "  %s %s", c.Stack, c.CPU.Round(time.Microsecond))
		}
		fmt.Fprintf(o.Progress, " of CPU a journey\n")
		r.Costs = append(r.Costs, costs...)
	}
	return r, nil
}

// stacks is the order in which the first run opens them; the next run begins with the second.
var stacks = []fleet.Stack{fleet.Off, fleet.Stock, fleet.Kit}

// measure opens a shop of each stack anew and gives what each has used.
func measure(ctx context.Context, o Options, run int) ([]Cost, error) {
	open, closeShops := context.WithCancel(ctx)
	shops := make([]*shop, len(stacks))
	for i := range shops {
		stack := stacks[(run+i)%len(stacks)]
		s := &shop{cost: Cost{Stack: stack}, basePort: o.BasePort + i*fleet.Ports, closed: make(chan error, 1)}
		data := filepath.Join(o.Data, fmt.Sprintf("%d-%s", run, stack))
		go func() {
			s.closed <- launch.Up(open, launch.Options{BasePort: s.basePort, Data: data, Binaries: o.Binaries, Stack: stack, Out: io.Discard})
		}()
		shops[i] = s
	}
	err := drivePast(open, o, shops)
	closeShops()
	costs := make([]Cost, len(shops))
	for i, s := range shops {
		err = cmp.Or(err, <-s.closed)
		costs[i] = s.cost
	}
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	return costs, nil
}

// shop is one open shop of a measurement.
type shop struct {
	cost     Cost
	basePort int
	closed   chan error // what the launcher returned
	members  []launch.MemberState
	before   []usage
	took     []time.Duration // by each journey
}

func drivePast(ctx context.Context, o Options, shops []*shop) error {
	// The same shoppers for every stack; the warm-up has others.
	if err := inEach(shops, func(s *shop) (err error) {
		if s.members, err = ready(ctx, s.basePort, s.closed); err != nil {
			return err
		}
		return s.drive(ctx, o, o.Seed, o.Journeys/10)
	}); err != nil {
		return err
	}
	time.Sleep(settle)
	for _, s := range shops {
		s.took, s.cost.Lost = nil, 0
		var err error
		if s.before, err = used(s.members); err != nil {
			return err
		}
	}
	for sent, turn := 0, 0; sent < o.Journeys; sent, turn = sent+slice, turn+1 {
		n := min(slice, o.Journeys-sent)
		for i := range shops {
			if err := shops[(turn+i)%len(shops)].drive(ctx, o, o.Seed+uint64(1+turn), n); err != nil {
				return err
			}
		}
	}
	time.Sleep(settle)
	return inEach(shops, func(s *shop) error { return s.count(o.Journeys) })
}

func inEach(shops []*shop, step func(*shop) error) error {
	for _, s := range shops {
		if err := step(s); err != nil {
			return fmt.Errorf("the %s shop: %w", s.cost.Stack, err)
		}
	}
	return nil
}

func (s *shop) drive(ctx context.Context, o Options, seed uint64, count int) error {
	tally, err := send(ctx, o, s.basePort, seed, count, func(d time.Duration) { s.took = append(s.took, d) })
	if err != nil {
		return err
	}
	s.cost.Lost += tally.Failed + tally.TurnedAway
	return nil
}

func (s *shop) count(journeys int) error {
	after, err := used(s.members)
	if err != nil {
		return err
	}
	c := &s.cost
	slices.Sort(s.took)
	c.P50, c.P99 = s.took[len(s.took)/2], s.took[len(s.took)*99/100]
	for i, m := range s.members {
		spent := (after[i].cpu - s.before[i].cpu) / time.Duration(journeys)
		c.CPU += spent
		if m.Language == string(fleet.Rust) {
			c.Rust += spent
		} else {
			c.Go += spent
		}
		c.RSS += after[i].rss
	}
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

func send(ctx context.Context, o Options, basePort int, seed uint64, count int, took func(time.Duration)) (drive.Tally, error) {
	plan, err := drive.NewPlan(seed, "")
	if err != nil {
		return drive.Tally{}, err
	}
	return drive.Run(ctx, plan, drive.Options{
		Gateway: "http://127.0.0.1:" + strconv.Itoa(basePort+1), Rate: o.Rate, Count: max(1, count), Took: took,
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
	return middle(all)
}

// middle is the median, 0 of nothing.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}

// Ratio is (kit − bare) ÷ (stock − bare) of a figure, each the median of the runs: the
// share of stock's cost that the kit has. The differences are taken within a run,
// because the speed of the machine is the same for the three there only.
func (r Report) Ratio(figure func(Cost) time.Duration) float64 {
	return float64(r.added(fleet.Kit, figure)) / float64(r.added(fleet.Stock, figure))
}

// added is the median of what a stack costs more than none in the same run.
func (r Report) added(stack fleet.Stack, figure func(Cost) time.Duration) time.Duration {
	var all []time.Duration
	for run := range slices.Chunk(r.Costs, len(stacks)) {
		of := map[fleet.Stack]time.Duration{}
		for _, c := range run {
			of[c.Stack] = figure(c)
		}
		all = append(all, of[stack]-of[fleet.Off])
	}
	return middle(all)
}

// Goal is the largest share of stock's cost that the kit may have.
const Goal = 0.40

// Figures of a cost.
var (
	CPU  = func(c Cost) time.Duration { return c.CPU }
	Go   = func(c Cost) time.Duration { return c.Go }
	Rust = func(c Cost) time.Duration { return c.Rust }
)

// Check says what stands against the goal: a share that is too large, or costs that cannot
// be compared, because a shop has not done what was asked of it or costs less than none.
func (r Report) Check() error {
	for _, c := range r.Costs {
		if c.Lost > 0 {
			return fmt.Errorf("%d journeys of the %s shop failed; what it costs is that of other work", c.Lost, c.Stack)
		}
	}
	for _, stack := range []fleet.Stack{fleet.Stock, fleet.Kit} {
		if more := r.added(stack, CPU); more <= 0 {
			return fmt.Errorf("the %s shop costs %s more than one without telemetry; measure again, with nothing else on the machine", stack, more)
		}
	}
	if ratio := r.Ratio(CPU); ratio > Goal {
		return fmt.Errorf("the kit costs %.2f of what stock costs; the goal is at most %.2f", ratio, Goal)
	}
	return nil
}

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
