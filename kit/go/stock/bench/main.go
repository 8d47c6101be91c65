// Command bench measures the kit against the stock OpenTelemetry SDK in the same run and prints a table:
//
//	case | kit ns, allocations | stock ns, allocations | stock ÷ kit
//
// Time is CPU time of the whole process for each operation, garbage collection and exporting included, the median of interleaved rounds;
// absolute figures move with the machine, ratios hardly. Allocations are those of the whole process. Both stacks send what they record to
// a collector on loopback, which is a process of its own and not counted. -json prints the same as JSON; -only runs the cases whose names
// contain a text; -check exits with 1 when a budget is not held.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measure is one case: the same work done n times with the kit and with the stock SDK. stock may be nil. prepare, if set, runs before each
// round of the kit, undo after it.
type measure struct {
	name    string
	n       int
	kit     func(n int)
	stock   func(n int)
	prepare func()
	undo    func()
	// Budgets of the kit; zero of ns means none, allocs below zero none.
	ns     float64
	allocs float64
}

// figure is the cost of one operation.
type figure struct {
	NS     float64 `json:"ns"`
	Allocs float64 `json:"allocs"`
}

// result is a line of the table.
type result struct {
	Case  string  `json:"case"`
	Kit   figure  `json:"kit"`
	Stock figure  `json:"stock"`
	Ratio float64 `json:"ratio"`
	Over  string  `json:"over,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "collector" {
		collect()
		return
	}
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("only", "", "run the cases whose names contain this text")
	rounds := flag.Int("rounds", 7, "interleaved rounds of each case")
	check := flag.Bool("check", false, "exit with 1 when a budget is not held")
	flag.Parse()
	if err := run(*only, *rounds, *asJSON, *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(only string, rounds int, asJSON, check bool) error {
	address, stop, err := startCollector()
	if err != nil {
		return fmt.Errorf("start collector: %w", err)
	}
	defer stop()
	cases, finish, err := prepare(address)
	if err != nil {
		return err
	}
	defer finish()
	var results []result
	over := false
	for _, m := range cases {
		if !strings.Contains(m.name, only) {
			continue
		}
		r := m.run(rounds)
		over = over || r.Over != ""
		results = append(results, r)
		if !asJSON {
			line(r)
		}
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(results); err != nil {
			return err
		}
	}
	if over && check {
		return fmt.Errorf("a budget is not held")
	}
	return nil
}

func line(r result) {
	stock, ratio := "–", "–"
	if r.Stock.NS > 0 {
		stock, ratio = fmt.Sprintf("%8.1f ns, %5.1f", r.Stock.NS, r.Stock.Allocs), fmt.Sprintf("%.1f", r.Ratio)
	}
	fmt.Printf("%-48s | %8.1f ns, %5.1f | %18s | %5s %s\n", r.Case, r.Kit.NS, r.Kit.Allocs, stock, ratio, r.Over)
}

// run measures both sides in turn, so that what else the machine does hits both.
func (m *measure) run(rounds int) result {
	var kit, stock []figure
	for i := range rounds + 1 {
		if m.prepare != nil {
			m.prepare()
		}
		k := cost(m.kit, m.n)
		if m.undo != nil {
			m.undo()
		}
		var s figure
		if m.stock != nil {
			s = cost(m.stock, m.n)
		}
		if i > 0 { // The first round warms up.
			kit, stock = append(kit, k), append(stock, s)
		}
	}
	r := result{Case: m.name, Kit: median(kit), Stock: median(stock)}
	if r.Kit.NS > 0 {
		r.Ratio = r.Stock.NS / r.Kit.NS
	}
	if m.ns > 0 && r.Kit.NS > m.ns {
		r.Over = fmt.Sprintf("over %v ns", m.ns)
	}
	if m.allocs >= 0 && r.Kit.Allocs > m.allocs+0.2 {
		r.Over += fmt.Sprintf(" over %v allocations", m.allocs)
	}
	return r
}

func cost(f func(int), n int) figure {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := cpu()
	f(n)
	took := cpu() - begun
	runtime.ReadMemStats(&after)
	return figure{float64(took) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n)}
}

// cpu is the CPU time of this process, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(f []figure) figure {
	ns, allocs := make([]float64, len(f)), make([]float64, len(f))
	for i := range f {
		ns[i], allocs[i] = f[i].NS, f[i].Allocs
	}
	slices.Sort(ns)
	slices.Sort(allocs)
	return figure{ns[len(ns)/2], allocs[len(allocs)/2]}
}

// startCollector starts this program anew as a collector, so that its work is not counted.
func startCollector() (address string, stop func(), err error) {
	path, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(path, "collector")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close() // It ends when its input does.
		_ = c.Wait()
	}
	if _, err := fmt.Fscanln(out, &address); err != nil {
		stop()
		return "", nil, err
	}
	return address, stop, nil
}
