package ledger

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of a run, and what zero stands for.
const (
	MaxSpans       = 100_000_000 // a number a trace is held while they are asked for
	MaxBatch       = 8192
	MaxConnections = 64
	maxExamples    = 20
)

// Options say what to send where and how to break the backend. To, Ask and AskURL
// are needed; at most one of Process, Command and Cut is given.
type Options struct {
	To          string // grpc://host:port, grpcs://…, http://host:port or https://…; several, with commas between, are taken in turn
	Ask         string // one of Dialects
	AskURL      string
	Access      Access
	Spans       int           // rounded up to whole traces; default 100,000
	Batch       int           // spans of a request; default 64
	Connections int           // that send at once; default 4
	Cycles      int           // how often to break the backend; default 3, 0 where nothing is to be broken
	Seed        uint64        // of the moments; ids differ in every run
	Start       time.Time     // of span 0, the others follow by a microsecond each; default now
	Process     string        // kill this process: a number, or a file that holds it; somebody else starts it again
	Command     string        // run this with sh, kill it and all it started, run it again
	Cut         bool          // cut the connections by a proxy of our own
	Down        time.Duration // how long a cut lasts; default 200 ms
	Wait        time.Duration // how long the backend may take to acknowledge again; default 1 min
	Settle      time.Duration // how long acknowledged spans may take to be found; default 30 s
	Progress    func(what string)

	// Moment says for a cycle, counted from 0, when to break the backend: as soon as
	// the function that it gives returns, whatever is acknowledged until then. Where
	// it gives nil, a random number of acknowledgements decides. The default lets
	// every fourth kill of a Command come at a random moment of its start.
	Moment func(cycle int) func(ctx context.Context)
}

// Result is what became of the spans.
type Result struct {
	Run          string    `json:"run"` // the attribute ledger.run of every span
	Broken       string    `json:"broken"`
	Cycles       int       `json:"cycles"`
	Sent         int       `json:"sent"` // spans; what was sent again counts once
	Acknowledged int       `json:"acknowledged"`
	Found        int       `json:"found"` // of the acknowledged
	Lost         int       `json:"lost"`
	Doubled      int       `json:"doubled"` // there more than once
	Damaged      int       `json:"damaged"` // there, and not as they were sent
	Repeats      int       `json:"requests_sent_again"`
	SlowestBack  float64   `json:"slowest_back_seconds"`  // from a break, or the beginning, to the next acknowledgement; 0 where nothing is broken
	LongestGap   float64   `json:"longest_gap_seconds"`   // while sending, without an acknowledgement on any connection, whatever the reason
	SlowestFound float64   `json:"slowest_found_seconds"` // from the first question to the last span found
	Seconds      float64   `json:"seconds"`               // of sending, breaks included
	Examples     []Example `json:"examples"`              // the first of what is wrong
}

// Example is a span that is not as it should be.
type Example struct {
	Number  int    `json:"number"`
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id"`
	What    string `json:"what"` // lost, doubled or damaged
}

// Balanced says whether all that was acknowledged is there as it was sent.
func (r *Result) Balanced() bool { return r.Lost == 0 && r.Damaged == 0 }

func (o *Options) setDefaults() error {
	o.Spans, o.Batch, o.Connections = cmp.Or(o.Spans, 100_000), cmp.Or(o.Batch, 64), cmp.Or(o.Connections, 4)
	o.Down, o.Wait, o.Settle = cmp.Or(o.Down, 200*time.Millisecond), cmp.Or(o.Wait, time.Minute), cmp.Or(o.Settle, 30*time.Second)
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	ways := 0
	for _, given := range []bool{o.Process != "", o.Command != "", o.Cut} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return telemetry.Errorf(telemetry.KindInvalid, "process, command and cut are three ways to break a backend: choose one")
	case ways == 0:
		o.Cycles = 0
	case o.Cycles == 0:
		o.Cycles = 3
	}
	for _, b := range []struct {
		name     string
		v, least int
		most     int
	}{{"spans", o.Spans, 1, MaxSpans}, {"batch", o.Batch, 1, MaxBatch}, {"connections", o.Connections, 1, MaxConnections}, {"cycles", o.Cycles, 0, 100_000}} {
		if b.v < b.least || b.v > b.most {
			return telemetry.Errorf(telemetry.KindInvalid, "%s is %d: write %d to %d", b.name, b.v, b.least, b.most)
		}
	}
	// Each cycle needs a request that is not acknowledged yet.
	if requests := o.requests(); requests <= o.Cycles {
		return telemetry.Errorf(telemetry.KindInvalid, "%d spans are %d requests of %d, too few to break %d times: send at least %d spans", o.Spans, requests, o.Batch, o.Cycles, (o.Cycles+1)*o.Batch)
	}
	return nil
}

// requests is how many requests the spans take, rounded up to whole traces.
func (o *Options) requests() int {
	block := o.Batch * spread
	return (o.Spans + block - 1) / block * spread
}

// book is one run.
type book struct {
	o       Options
	n       numbers
	random  *rand.Rand
	victim  victim
	targets []target // that connections take in turn
	asker   *asker
	mu      sync.Mutex
	acked   []bool // by request
	tried   []bool
	last    time.Time // when something was acknowledged, or sending began
	result  Result
	lastBad atomic.Pointer[string] // why the last request was not acknowledged
	start   time.Duration          // the slowest from a break to the next acknowledgement
}

// target is an address to send to.
type target struct {
	to     string
	cutter *cutter // in front of it, or nil
}

// Run sends, breaks, sends on and asks. An error of kind invalid means that the
// options are wrong. Any error means that the run could not be
// made; what the backend did to the spans is in the result.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	b := &book{o: o, random: rand.New(rand.NewPCG(o.Seed, 9))}
	b.n = numbers{run: rand.Uint64(), base: o.Start.UnixMicro() * 1000, batch: o.Batch}
	b.acked = make([]bool, o.requests())
	b.tried = make([]bool, len(b.acked))
	b.result = Result{Run: fmt.Sprintf("%016x", b.n.run), Broken: "nothing", Cycles: o.Cycles, Examples: []Example{}}
	if b.asker, err = newAsker(o.Ask, o.AskURL, o.Access); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.open(); err != nil {
		return nil, err
	}
	if b.o.Moment == nil {
		b.o.Moment = b.inStart
	}
	began := time.Now()
	b.last = began
	for c := range o.Cycles {
		if err := b.cycle(ctx, c); err != nil {
			return nil, fmt.Errorf("cycle %d of %d: %w", c+1, o.Cycles, err)
		}
	}
	if err := b.sendSome(ctx, len(b.acked), len(b.acked), nil); err != nil {
		return nil, fmt.Errorf("send what is left: %w", err)
	}
	b.result.Seconds = time.Since(began).Seconds()
	return &b.result, b.audit(ctx)
}

// open readies what breaks the backend.
func (b *book) open() error {
	all := strings.Split(b.o.To, ",")
	if len(all) > b.o.Connections {
		return telemetry.Errorf(telemetry.KindInvalid, "%d addresses to send to, and %d connections: write at least one connection an address", len(all), b.o.Connections)
	}
	for _, to := range all {
		_, direct, err := checkTarget(to)
		if err != nil {
			return err
		}
		if b.o.Command != "" {
			if err := free(direct); err != nil {
				return err
			}
		}
		t := target{to: to}
		if b.o.Cut {
			if t.cutter, err = newCutter(direct); err != nil {
				return err
			}
		}
		b.targets = append(b.targets, t)
	}
	switch {
	case b.o.Cut:
		b.result.Broken = "connections cut"
	case b.o.Command != "":
		b.result.Broken, b.victim = "command killed", &own{command: b.o.Command}
		return b.victim.start()
	case b.o.Process != "":
		b.result.Broken, b.victim = "process killed", foreign{b.o.Process}
	}
	return nil
}

func (b *book) close() error {
	var errs []error
	if b.victim != nil {
		errs = append(errs, b.victim.stop())
	}
	for _, t := range b.targets {
		if t.cutter != nil {
			errs = append(errs, t.cutter.close())
		}
	}
	return errors.Join(errs...)
}

// cycle sends a share of the requests and breaks the backend as soon as a random
// number of them is acknowledged, or its moment has come, with others in flight.
func (b *book) cycle(ctx context.Context, c int) error {
	upTo := len(b.acked) * (c + 1) / (b.o.Cycles + 1)
	left := 0
	for _, done := range b.acked[:upTo] {
		if !done {
			left++
		}
	}
	enough := 1 + left/4 + b.random.IntN(1+left/2)
	if err := b.sendSome(ctx, upTo, min(enough, max(left, 1)), b.o.Moment(c)); err != nil {
		return err
	}
	b.o.Progress(fmt.Sprintf("cycle %d of %d: broken after %d acknowledged requests", c+1, b.o.Cycles, b.acknowledged()))
	return nil
}

func (b *book) acknowledged() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, done := range b.acked {
		if done {
			n++
		}
	}
	return n
}

// breakIt kills or cuts and begins what brings the backend back.
func (b *book) breakIt() error {
	if b.o.Cut {
		for _, t := range b.targets {
			t.cutter.cut()
			time.AfterFunc(b.o.Down, t.cutter.mend)
		}
		return nil
	}
	if err := b.victim.kill(); err != nil {
		return err
	}
	return b.victim.start()
}

// inStart is the moment of every fourth kill of a command: some time of its start,
// in which it reads again what it acknowledged before.
func (b *book) inStart(cycle int) func(context.Context) {
	if b.o.Command == "" || cycle%4 != 3 || b.start == 0 {
		return nil
	}
	after := time.Duration(b.random.Int64N(int64(b.start)))
	return func(ctx context.Context) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
		}
	}
}

// sendSome sends requests below upTo that are not acknowledged, in any order,
// again and again. When enough of them are acknowledged, or when moment returns where
// there is one, it breaks the backend, with the others still in flight, and returns;
// when enough is all that there are it only returns.
func (b *book) sendSome(ctx context.Context, upTo, enough int, moment func(context.Context)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan int, upTo)
	b.mu.Lock()
	for r := range upTo {
		if !b.acked[r] {
			todo <- r
		}
	}
	b.mu.Unlock()
	final := upTo == len(b.acked) && enough == upTo
	if final {
		enough = len(todo)
	}
	if enough == 0 {
		return nil
	}
	p := &phase{todo: todo, enough: enough, final: final, done: make(chan struct{}), heard: make(chan struct{}, 1), began: time.Now()}
	var group sync.WaitGroup
	failed := make(chan error, b.o.Connections)
	for i := range b.o.Connections {
		group.Go(func() { b.sending(ctx, p, b.targets[i%len(b.targets)], failed) })
	}
	if moment != nil {
		p.moment = make(chan struct{})
		group.Go(func() {
			moment(ctx)
			close(p.moment)
		})
	}
	err := b.await(ctx, p, failed)
	if err == nil && !final {
		err = b.breakIt()
	}
	cancel()
	group.Wait()
	return err
}

// phase is what the senders of one sendSome share.
type phase struct {
	todo   chan int
	enough int
	final  bool          // enough is all
	done   chan struct{} // closed when enough are acknowledged
	moment chan struct{} // where there is one, closed when it has come: then done does not count
	heard  chan struct{} // an acknowledgement came
	began  time.Time
	count  int // guarded by book.mu
}

// await returns when enough is acknowledged, and an error when nothing is for too long.
func (b *book) await(ctx context.Context, p *phase, failed <-chan error) error {
	var gone <-chan struct{}
	if b.victim != nil {
		gone = b.victim.left()
	}
	patience := time.NewTimer(b.o.Wait)
	defer patience.Stop()
	done := p.done
	if p.moment != nil {
		done = p.moment
	}
	for {
		select {
		case <-done:
			return nil
		case <-p.heard:
			patience.Reset(b.o.Wait)
		case err := <-failed:
			return err
		case <-gone:
			return b.victim.ended()
		case <-patience.C:
			why := ""
			if last := b.lastBad.Load(); last != nil {
				why = "; the last answer: " + *last
			}
			return telemetry.Errorf(telemetry.KindUnavailable, "nothing was acknowledged for %s%s: is the backend there and does it take OTLP at %s?", b.o.Wait, why, b.o.To)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// retryAfter is the pause of a sender after a refusal.
const retryAfter = 20 * time.Millisecond

func (b *book) sending(ctx context.Context, p *phase, t target, failed chan<- error) {
	dial := ""
	if t.cutter != nil {
		dial = t.cutter.address()
	}
	s, err := newSender(t.to, dial, b.o.Access)
	if err != nil {
		failed <- err
		return
	}
	defer s.close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-finished(p):
			return
		case r := <-p.todo: // until the break reaches this sender
			if !b.sendOne(ctx, s, p, r, failed) {
				return
			}
		}
	}
}

// finished is done of the last phase, after which nothing is left to send.
func finished(p *phase) <-chan struct{} {
	if p.final {
		return p.done
	}
	return nil
}

// sendOne sends a request and notes what became of it.
func (b *book) sendOne(ctx context.Context, s *sender, p *phase, r int, failed chan<- error) bool {
	b.mu.Lock()
	if b.tried[r] {
		b.result.Repeats++
	}
	b.tried[r] = true
	b.mu.Unlock()
	err := s.send(ctx, b.n.request(r))
	switch {
	case errors.Is(err, errRejected):
		failed <- err
		return false
	case err != nil:
		text := err.Error()
		b.lastBad.Store(&text)
		p.todo <- r // it has room for every request that there is
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked[r] = true
	now := time.Now()
	b.result.LongestGap = max(b.result.LongestGap, now.Sub(b.last).Seconds())
	b.last = now
	if p.count == 0 && b.o.Cycles > 0 {
		b.start = max(b.start, now.Sub(p.began))
		b.result.SlowestBack = b.start.Seconds()
	}
	if p.count++; p.count == p.enough {
		close(p.done)
	}
	select {
	case p.heard <- struct{}{}:
	default:
	}
	return true
}

func (b *book) example(n int, what string) {
	if len(b.result.Examples) == maxExamples {
		return
	}
	trace, id := b.n.traceID(b.n.traceOf(n)), b.n.spanID(n)
	b.result.Examples = append(b.result.Examples, Example{n, hex.EncodeToString(trace[:]), hex.EncodeToString(id[:]), what})
}
