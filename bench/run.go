package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type runOptions struct {
	clew, collector string
	seed            uint64
	spans, conns    int
	cycles, repeats int
	quick           bool
	parts           []string
	json            string // where results go as JSON; empty: nowhere
	peers           []*peer
	patience        time.Duration // what a peer may take for one request or question
	paceFor         time.Duration // how long acknowledgements are measured at half the rate
	idleFor         time.Duration // how long nothing happens before idle memory is read
}

// hurry makes a run of everything that takes seconds. It judges nothing that was measured.
func (o *runOptions) hurry() {
	o.quick = true
	o.spans, o.cycles, o.repeats = 20_000, 1, 1
	o.paceFor, o.idleFor = 300*time.Millisecond, 100*time.Millisecond
}

// bench is a run: what was asked for, where it works and what it has found so far.
type bench struct {
	runOptions
	folder   string
	progress io.Writer
	began    time.Time
	version  string // of the binary
	rows     []row
}

// runBench measures, prints what it has found, and fails when that is not all or
// not good enough.
func runBench(ctx context.Context, o runOptions, out, progress io.Writer) error {
	folder, err := os.MkdirTemp("", "clew-bench-")
	if err != nil {
		return fmt.Errorf("run the bench: %w", err)
	}
	defer os.RemoveAll(folder)
	b := &bench{runOptions: o, folder: folder, progress: progress, began: time.Now()}
	failed := b.all(ctx)
	if o.json != "-" && len(b.rows) > 0 {
		writeTable(out, b.judged(), b.peerNames()...)
		if o.quick {
			fmt.Fprintln(out, "A quick run judges no measurement: ok? has only what holds for any load on any machine.")
		}
	}
	if o.json != "" {
		if err := b.writeJSON(o.json, out, failed); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	if m := missed(b.judged()); len(m) > 0 {
		return fmt.Errorf("figures miss their floor: %s", strings.Join(m, "; "))
	}
	return nil
}

// judged gives the rows with the word on whether their bounds count: in a quick run
// only those of what is no measurement do.
func (b *bench) judged() []row {
	out := slices.Clone(b.rows)
	for i := range out {
		out[i].unjudged = b.quick && !out[i].exact
	}
	return out
}

func (b *bench) all(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	others, err := bystanders()
	if err != nil {
		return err
	}
	for _, part := range runParts {
		if len(b.parts) > 0 && !slices.Contains(b.parts, part.name) {
			continue
		}
		if err := part.run(b, ctx); err != nil {
			return errors.Join(err, b.peerFailures())
		}
	}
	return errors.Join(b.disturbed(others), b.peerFailures())
}

// disturbed says how busy the machine was with other things, peers among them:
// what is measured by the clock is then no property of Clew.
func (b *bench) disturbed(before float64) error {
	after, err := bystanders()
	if err != nil {
		return err
	}
	share := (after - before) / time.Since(b.began).Seconds() / float64(runtime.NumCPU())
	r := row{id: "machine.others", what: "processors that other programs kept busy meanwhile", value: max(100*share, 0), unit: "%", must: none, aim: none}
	if share > quietShare {
		r.note = "milliseconds and spans a second do not hold on a busy machine"
	}
	b.add(r)
	return nil
}

// quietShare is how much other programs may take before a run says that it was disturbed.
const quietShare = 0.05

// runParts are what a run measures, in the order of the table.
var runParts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"start", (*bench).starts},
	{"shop", (*bench).main},
	{"charter", (*bench).governance},
	{"ledger", (*bench).ledger},
	{"shapes", (*bench).others},
}

// parseParts reads a list of parts; an empty one means all.
func parseParts(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	var known []string
	for _, part := range runParts {
		known = append(known, part.name)
	}
	parts := strings.Split(list, ",")
	for _, part := range parts {
		if !slices.Contains(known, part) {
			return nil, fmt.Errorf("--parts: %q is no part; write some of %s", part, strings.Join(known, ","))
		}
	}
	return parts, nil
}

func (b *bench) others(ctx context.Context) error {
	for _, shape := range shapes[1:] {
		if err := b.shape(ctx, shape); err != nil {
			return fmt.Errorf("shape %s: %w", shape, err)
		}
	}
	return nil
}

// prepare finds out whether all that is needed is there.
func (b *bench) prepare(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, b.clew, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w; make build builds it", b.clew, err)
	}
	b.version = strings.TrimSpace(string(out))
	if b.collector == "" {
		b.say("without --collector nothing is compared with the Collector's queue")
	} else if _, err := os.Stat(b.collector); err != nil {
		return fmt.Errorf("the collector: %w; make bin/bench-collector builds it, --collector= goes without", err)
	}
	for _, p := range b.peers {
		if err := p.connect(ctx, min(5*time.Second, b.patience)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// main measures the shop load: cost, memory, bytes, questions, acknowledgements and
// restarts, and then the peers with the same load.
func (b *bench) main(ctx context.Context) error {
	b.say("making %d spans", b.spans)
	l, err := makeLoad(filepath.Join(b.folder, "load"), "shop", b.spans, perFrame, b.seed)
	if err != nil {
		return err
	}
	b.say("%d spans in %d traces, %.1f spans a trace, %.0f bytes a span", l.facts.spans, l.facts.traces,
		float64(l.facts.spans)/float64(l.facts.traces), float64(l.bytes)/float64(l.facts.spans))
	yard, err := yardstick(l)
	if err != nil {
		return err
	}
	b.add(row{id: "yardstick", what: "yardstick: pdata decode, spans per CPU-second", value: yard, must: none, aim: none, atLeast: true})
	if err := b.server(ctx, l, yard); err != nil {
		return err
	}
	for n := range b.peers {
		// The same spans with the times of the peer's own turn: Tempo does not find by their
		// time spans that come more than two minutes after it.
		if l, err = makeLoad(l.path, l.shape, b.spans, perFrame, b.seed); err != nil {
			return err
		}
		if err := b.beside(ctx, n, l, yard); err != nil {
			return err
		}
	}
	return nil
}

// server takes one clew through everything that is asked of it with the shop's load.
func (b *bench) server(ctx context.Context, l *load, yard float64) error {
	data := filepath.Join(b.folder, "data")
	defer os.RemoveAll(data)
	p, err := startClew(ctx, b.clew, data)
	if err != nil {
		return err
	}
	rate, err := b.cost(ctx, p, l, yard)
	for _, part := range []func() error{
		func() error { return b.asked(ctx, p, l) },
		func() error { return b.visible(ctx, p) },
		func() error { return b.mixed(ctx, p, l) },
		func() error { return b.unhurried(ctx, p, l, rate) },
	} {
		if err == nil {
			err = part()
		}
	}
	if err != nil {
		p.stop()
		return err
	}
	return b.restarts(ctx, p)
}

func (b *bench) asked(ctx context.Context, p *process, l *load) error {
	b.say("asking")
	f := &l.facts
	of := fmt.Sprintf(", %.3g M spans", float64(f.spans)/1e6)
	t, err := byID(ctx, p, f, patience)
	if err != nil {
		return err
	}
	b.add(row{id: "trace.median", what: "trace by id, median" + of, value: millis(t.median()), unit: "ms", must: 6, aim: 3})
	b.add(row{id: "trace.p99", what: "trace by id, p99" + of, value: millis(t.at(0.99)), unit: "ms", must: 25, aim: 10})
	for _, q := range questions {
		if t, err = timed(ctx, q, p, f, rounds, patience); err != nil {
			return err
		}
		r := row{id: q.id, what: q.what + of, value: millis(t.median()), unit: "ms", must: q.must, aim: q.aim, runs: t.millis()}
		if q.note != nil {
			r.note = q.note(f)
		}
		b.add(r)
	}
	return nil
}

// ledger has clew's own ledger kill clew, and fails when that does not balance.
func (b *bench) ledger(ctx context.Context) error {
	b.say("kill -9 ledger, %d cycles", b.cycles)
	r, err := runLedger(ctx, b.clew, b.cycles)
	if err != nil {
		return err
	}
	b.add(row{id: "ledger.lost", what: fmt.Sprintf("acknowledged spans lost in %d kill -9 cycles", b.cycles), value: float64(r.Lost), must: 0, aim: 0, exact: true,
		note: fmt.Sprintf("of %d; %d stored twice, %d damaged", r.Acknowledged, r.Doubled, r.Damaged)})
	return r.err()
}
