// Command bench measures a clew binary and prints the table of figures that the
// project is held to.
//
//	bench run     make a load, start clew in a temporary folder, send, ask, print the table, also for peers
//	bench scale   start clew on what is larger than usual in one way: a trace, keys, tenants, an hour, a folder
//	bench ledger  run clew's own ledger on a folder and ports of its own: kill -9 under load, again and again
//
// Figures hold on another machine as well, because work is stated as a share of a
// yardstick taken in the same run: decoding the same requests into the OpenTelemetry
// Collector's objects. CPU and memory of the server come from /proc, bytes from the
// files themselves, and answers are compared with what the load is known to hold,
// so that a wrong answer is an error and not a fast one. The load is made from a
// seed and is the same in every run but for its start time.
//
// It has a go.mod of its own: the server does not depend on what it is measured with.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to do: bench run, bench scale or bench ledger (each has -h)")
	}
	set := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	set.SetOutput(progress)
	clew := set.String("clew", "bin/clew", "the binary to measure")
	seed := set.Uint64("seed", 1, "seed of the load")
	switch args[0] {
	case "run":
		o, err := parseRun(set, args[1:])
		if err != nil {
			return err
		}
		o.clew, o.seed = *clew, *seed
		return runBench(ctx, o, out, progress)
	case "scale":
		o := scaleOptions{}
		set.Float64Var(&o.share, "share", 1, "of the full size: a million spans in a trace, 5,000 keys, 200 tenants, 60 moments, 5 million spans")
		parts := set.String("parts", "", "some of trace,keys,tenants,late,age; all when empty")
		if err := set.Parse(args[1:]); err != nil {
			return err
		}
		if *parts != "" {
			o.parts = strings.Split(*parts, ",")
		}
		o.clew, o.seed = *clew, *seed
		return runScale(ctx, o, out, progress)
	case "ledger":
		cycles := set.Int("cycles", 20, "how often to kill")
		if err := set.Parse(args[1:]); err != nil {
			return err
		}
		r, err := runLedger(ctx, *clew, *cycles)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%d cycles of kill -9 under load: %+v\n", *cycles, r)
		return r.err()
	}
	return fmt.Errorf("unknown verb %q; write run, scale or ledger", args[0])
}

// parseRun reads the flags of bench run.
func parseRun(set *flag.FlagSet, args []string) (o runOptions, err error) {
	o = runOptions{paceFor: 12 * time.Second, idleFor: 3 * time.Second}
	set.StringVar(&o.collector, "collector", "bin/bench-collector", "the Collector to compare with; empty for none")
	set.IntVar(&o.spans, "spans", 1_000_000, "spans of the main load; the other shapes get half, at most 500,000, each")
	set.IntVar(&o.cycles, "cycles", 3, "cycles of the kill -9 ledger")
	set.IntVar(&o.conns, "conns", 4, "connections that send at once")
	set.IntVar(&o.repeats, "runs", 3, "runs of what is given as a median")
	parts := set.String("parts", "", "some of start,shop,charter,ledger,shapes; all when empty; peers are part of shop")
	set.StringVar(&o.json, "json", "", "write the results as JSON to this file, or instead of the table when it is -")
	set.DurationVar(&o.patience, "patience", patience, "what a peer may take for one request or question")
	quick := set.Bool("quick", false, "20,000 spans and one run of everything; no figure fails it, only wrong answers and lost spans")
	set.Func("peer", "`NAME=OTLP,QUERY[,pid=N][,data=FOLDER][,header=NAME:VALUE]`: a backend to measure with the same load and questions; may be given again", func(s string) error {
		p, err := parsePeer(s)
		if err == nil && slices.ContainsFunc(o.peers, func(q *peer) bool { return q.name == p.name }) {
			err = fmt.Errorf("peer %s is there twice", p.name)
		}
		o.peers = append(o.peers, p)
		return err
	})
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", set.Arg(0))
	}
	if o.parts, err = parseParts(*parts); err != nil {
		return o, err
	}
	if *quick {
		o.hurry()
	}
	for name, n := range map[string]int{"spans": o.spans, "conns": o.conns, "runs": o.repeats, "cycles": o.cycles} {
		if n < 1 {
			return o, fmt.Errorf("--%s %d: write 1 or more", name, n)
		}
	}
	if o.conns > inFlight {
		return o, fmt.Errorf("--conns %d: write %d at most", o.conns, inFlight)
	}
	if o.patience <= 0 {
		return o, fmt.Errorf("--patience %s: write more than nothing, such as 30s", o.patience)
	}
	return o, nil
}
