// Package clewtest records spans in tests: it waits until they have all ended, without sleeping, draws them as text, and finds spans that were
// never ended, that outlive their parents, or that lost their context.
//
//	func TestPlace(t *testing.T) {
//		t.Parallel()
//		rec := clewtest.Start(t)
//		place(rec.Context(), order)
//		rec.Golden("testdata/place.txt", "http.response.status_code")
//	}
//
// The recorder's kit is the one that runs, so a handler under test is wrapped by a Kit that is nil: var k *clew.Kit; k.HTTP(mux).
//
// One recorder serves the whole process; each test sees the traces that began with its own context (or with a request that carried it), and
// those linked to them. So tests run in parallel. A trace that began without any test's context belongs to the only test that is running
// with a recorder, when there is just one, else to none.
//
// What is recorded is what would have been exported: spans are read back from the encoded bytes.
package clewtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// patience bounds how long Golden and the check at a test's end wait for spans that are still open. It is only used up by tests that fail.
const patience = 5 * time.Second

// Recorder is what one test records.
type Recorder struct {
	t       testing.TB
	group   *watch.Group
	ctx     context.Context
	service string

	mu      sync.Mutex
	allowed bool
}

var process struct {
	once     sync.Once
	registry *watch.Registry
	kit      *clew.Kit
}

// Start gives the test a recorder. The first call in the process starts a kit, called "test", that keeps every trace and exports nothing;
// options (clew.Service, clew.Sample …) count in that call only. When the test ends, spans that are still open, or that lived
// wrongly, fail it, unless AllowLeaks was called.
func Start(t testing.TB, options ...clew.Option) *Recorder {
	t.Helper()
	process.once.Do(func() {
		process.registry = watch.Install(watch.New())
		all := append([]clew.Option{clew.Service("test", "")}, options...)
		process.kit = clew.Start(context.Background(), append(all, clew.WithoutExport())...)
	})
	r := &Recorder{t: t, group: process.registry.Open(), service: process.kit.Status().Service}
	r.ctx = r.group.Context(t.Context())
	t.Cleanup(r.finish)
	return r
}

// Context is the test's context; traces that start with it, or with one made of it, are recorded here. It is cancelled when the test ends,
// as t.Context is.
func (r *Recorder) Context() context.Context { return r.ctx }

// AllowLeaks keeps the recorder from failing the test for open spans and spans that lived wrongly.
func (r *Recorder) AllowLeaks() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allowed = true
}

// Wait returns when no span of the test is open and no work handed on with clew.Go, Detach, Group, Pool or Chan is unfinished, or with an
// error when ctx is over.
func (r *Recorder) Wait(ctx context.Context) error { return r.group.Wait(ctx, 0) }

// WaitFor is Wait that also waits until at least ended spans have ended: for work that the test's process cannot know of yet, such as a
// message that a broker has not delivered.
func (r *Recorder) WaitFor(ctx context.Context, ended int) error { return r.group.Wait(ctx, ended) }

// Spans returns what has been recorded: the ended spans in the order of their ends, then those that are open.
func (r *Recorder) Spans() []Span {
	r.t.Helper()
	result := r.group.Result()
	if result.Dropped > 0 {
		r.t.Errorf("%d spans were not recorded: a test has room for %d", result.Dropped, watch.MaxRecords)
	}
	var spans []Span
	for _, record := range result.Records {
		decoded, err := Decode(record)
		if err != nil {
			r.t.Errorf("a span cannot be read back: %v", err)
		}
		spans = append(spans, decoded...)
	}
	for _, o := range result.Open {
		spans = append(spans, opened(o))
	}
	for i := range spans {
		spans[i].Service = r.service
	}
	return spans
}

func opened(o watch.Open) Span {
	s := Span{Trace: fmt.Sprintf("%x", o.Trace), ID: fmt.Sprintf("%x", o.ID), Kind: kindName(uint64(o.Kind)), Name: o.Name, Start: o.Start,
		Site: o.Site, Attributes: map[string]any{}}
	if o.Parent != (watch.SpanID{}) {
		s.Parent = fmt.Sprintf("%x", o.Parent)
	}
	return s
}

// Tree draws what has been recorded, with the attributes that are named.
func (r *Recorder) Tree(attributes ...string) string {
	r.t.Helper()
	return Tree(r.Spans(), attributes...)
}

// Golden waits until all spans have ended, and compares the drawn tree with a file. With CLEW_UPDATE=1 it writes the file instead.
func (r *Recorder) Golden(file string, attributes ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Wait(ctx); err != nil {
		r.t.Errorf("%v\n%s", err, r.Tree(attributes...))
		return
	}
	got := r.Tree(attributes...)
	if os.Getenv("CLEW_UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		r.t.Errorf("there is no %s; run with CLEW_UPDATE=1 to write it. The tree:\n%s", file, got)
		return
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if got != string(want) {
		r.t.Errorf("the tree is not that of %s (CLEW_UPDATE=1 accepts it):\n%s", file, differences(got, string(want)))
	}
}

// Problems says what is wrong with the lives of the test's spans so far: spans that are open, that outlive their parents, or that lost
// their context; each with file:line.
func (r *Recorder) Problems() []string {
	result := r.group.Result()
	var problems []string
	for _, f := range result.Findings {
		problems = append(problems, f.String())
	}
	for _, o := range result.Open {
		problems = append(problems, fmt.Sprintf("span %q (%s) was never ended: defer its End where it is started", o.Name, o.Site))
	}
	return problems
}

// finish checks what the test leaves behind.
func (r *Recorder) finish() {
	r.mu.Lock()
	allowed := r.allowed
	r.mu.Unlock()
	if !allowed {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_ = r.group.Wait(ctx, 0) // What is open then is among the problems.
		cancel()
		for _, p := range r.Problems() {
			r.t.Error(p)
		}
	}
	r.group.Close()
}

// differences writes the lines of both texts that are not in both, in place.
func differences(got, want string) string {
	var out strings.Builder
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for len(g) > 0 && len(w) > 0 && g[0] == w[0] {
		fmt.Fprintf(&out, "  %s\n", g[0])
		g, w = g[1:], w[1:]
	}
	tail := 0
	for tail < len(g) && tail < len(w) && g[len(g)-1-tail] == w[len(w)-1-tail] {
		tail++
	}
	for _, line := range w[:len(w)-tail] {
		fmt.Fprintf(&out, "- %s\n", line)
	}
	for _, line := range g[:len(g)-tail] {
		fmt.Fprintf(&out, "+ %s\n", line)
	}
	for _, line := range g[len(g)-tail:] {
		fmt.Fprintf(&out, "  %s\n", line)
	}
	return strings.TrimRight(out.String(), " \n") + "\n"
}
