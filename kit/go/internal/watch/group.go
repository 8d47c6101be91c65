package watch

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// Group is what belongs to one test: the traces that were started with its context, and the traces linked to those.
type Group struct {
	r *Registry

	// Under the registry's lock.
	pending  int
	records  [][]byte
	dropped  int
	findings []Finding
	changed  chan struct{}
	traces   []TraceID
}

type groupKey struct{}

// grouped counts the groups of the process, so that programs without one do not look through contexts.
var grouped atomic.Int64

func groupOf(ctx context.Context) *Group {
	if ctx == nil || grouped.Load() == 0 {
		return nil
	}
	g, _ := ctx.Value(groupKey{}).(*Group)
	return g
}

// Open makes a group. Close must be called when the test is over.
func (r *Registry) Open() *Group {
	g := &Group{r: r, changed: make(chan struct{})}
	r.mu.Lock()
	r.groups[g] = struct{}{}
	r.mu.Unlock()
	grouped.Add(1)
	return g
}

// Close forgets the group and its traces.
func (g *Group) Close() {
	g.r.mu.Lock()
	defer g.r.mu.Unlock()
	if _, ok := g.r.groups[g]; !ok {
		return
	}
	delete(g.r.groups, g)
	for _, t := range g.traces {
		delete(g.r.routes, t)
	}
	for _, o := range g.r.open {
		if o.group == g {
			o.group = nil
		}
	}
	grouped.Add(-1)
}

// Context returns ctx with the group: roots that are started with it, or with a context made of it, belong to the group.
func (g *Group) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, groupKey{}, g)
}

// route finds the group of a span: that of its trace, of a trace that it links to, of its context, or the only one that there is.
func (r *Registry) route(ctx context.Context, s *Span) *Group {
	if len(r.groups) == 0 {
		return nil
	}
	if g := r.routes[s.Trace]; g != nil {
		return g
	}
	for _, t := range s.Links {
		if g := r.routes[t]; g != nil {
			return r.adopt(g, s.Trace)
		}
	}
	if g := groupOf(ctx); g != nil {
		if _, open := r.groups[g]; open {
			return r.adopt(g, s.Trace)
		}
		return nil
	}
	if g := r.only(); g != nil {
		return r.adopt(g, s.Trace)
	}
	return nil
}

func (r *Registry) adopt(g *Group, t TraceID) *Group {
	if len(g.traces) >= MaxRecords {
		return nil
	}
	r.routes[t] = g
	g.traces = append(g.traces, t)
	return g
}

func (r *Registry) only() *Group {
	if len(r.groups) != 1 {
		return nil
	}
	for g := range r.groups {
		return g
	}
	return nil
}

func (g *Group) keep(record []byte) {
	if len(record) == 0 {
		return
	}
	if len(g.records) >= MaxRecords {
		g.dropped++
		return
	}
	g.records = append(g.records, append([]byte(nil), record...))
}

func (g *Group) done() {
	g.pending--
	close(g.changed)
	g.changed = make(chan struct{})
}

// Task notes work that was handed to another goroutine with ctx, so that Wait waits for it even before it starts a span. The function that
// is returned must be called once, at its end.
func Task(ctx context.Context) func() {
	if grouped.Load() == 0 {
		return nothing
	}
	r := Current()
	if r == nil {
		return nothing
	}
	g := groupOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if g == nil {
		g = r.routes[TraceID(trace.SpanContextFromContext(ctx).TraceID())]
	}
	if g == nil {
		return nothing
	}
	g.pending++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		g.done()
	}
}

func nothing() {}

// Wait returns when the group has at least ended records, and no span and no task of it is open, or when ctx is over.
func (g *Group) Wait(ctx context.Context, ended int) error {
	for {
		g.r.mu.Lock()
		pending, have, changed := g.pending, len(g.records), g.changed
		g.r.mu.Unlock()
		if pending == 0 && have >= ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for spans: %d open, %d of at least %d ended: %w", pending, have, ended, context.Cause(ctx))
		}
	}
}

// Result is what a group has at one moment. Dropped is the number of records over MaxRecords.
type Result struct {
	Records  [][]byte
	Open     []Open
	Findings []Finding
	Dropped  int
}

// Result returns what the group has now. The records must not be changed.
func (g *Group) Result() Result {
	g.r.mu.Lock()
	defer g.r.mu.Unlock()
	res := Result{Dropped: g.dropped}
	res.Records = append(res.Records, g.records...)
	res.Findings = append(res.Findings, g.findings...)
	for _, o := range g.r.open {
		if o.group == g {
			res.Open = append(res.Open, *o)
		}
	}
	return res
}
