// Package apitest is a store in memory for tests of what stands in front of one.
// Its answers come from query.EvalTrace over whole traces; it is as slow as that
// is plain. Only tests import it.
package apitest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Fake is a store.Store. Its methods may be called concurrently; the exported
// fields are set before.
type Fake struct {
	Err     error // what every question answers, when set
	Partial string
	Hang    bool          // questions wait until their context ends
	Entered chan struct{} // gets a value from each question that hangs; may be nil
	Panic   bool          // questions panic

	mu      sync.Mutex
	rows    map[string][]*telemetry.Batch // by tenant
	changed chan struct{}
	Flushed int
	Asked   []store.SearchOptions
}

// New returns an empty store.
func New() *Fake {
	return &Fake{rows: map[string][]*telemetry.Batch{}, changed: make(chan struct{})}
}

// Append implements store.Store.
func (f *Fake) Append(b *telemetry.Batch, seq int64, _, _ wal.Position) error {
	copied := telemetry.NewBuilder()
	copied.Reset(b.Tenant)
	copied.Append(b, seq, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows[b.Tenant] = append(f.rows[b.Tenant], &copied.Batch)
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// Admit implements store.Store.
func (f *Fake) Admit(string) error { return f.Err }

func (f *Fake) ask(ctx context.Context) error {
	if f.Panic {
		panic("fake store")
	}
	if f.Hang {
		if f.Entered != nil {
			f.Entered <- struct{}{}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return f.Err
}

// traces gives the tenant's traces, whole, each in order of start and span id.
func (f *Fake) traces(tenant string) []*telemetry.Batch {
	f.mu.Lock()
	all := telemetry.NewBuilder()
	all.Reset(tenant)
	for _, b := range f.rows[tenant] {
		all.Append(b, b.Spans.Seq[0], nil)
	}
	f.mu.Unlock()
	s := &all.Batch.Spans
	rows := map[telemetry.TraceID][]uint32{}
	for i, id := range s.TraceID {
		rows[id] = append(rows[id], uint32(i))
	}
	var out []*telemetry.Batch
	for _, id := range slices.SortedFunc(maps.Keys(rows), func(a, b telemetry.TraceID) int { return cmp.Compare(a.String(), b.String()) }) {
		slices.SortStableFunc(rows[id], func(a, b uint32) int {
			return cmp.Or(cmp.Compare(s.Start[a], s.Start[b]), cmp.Compare(s.SpanID[a].String(), s.SpanID[b].String()))
		})
		out = append(out, telemetry.Gather(&all.Batch, rows[id]))
	}
	return out
}

// Trace implements store.Store.
func (f *Fake) Trace(ctx context.Context, tenant string, id telemetry.TraceID, o store.TraceOptions) (*store.Trace, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	for _, t := range f.traces(tenant) {
		if t.Spans.TraceID[0] != id {
			continue
		}
		if o.MaxSpans > 0 && t.Spans.N > o.MaxSpans {
			return nil, telemetry.Errorf(telemetry.KindExhausted, "trace %s has %d spans, over limits.trace_spans (%d)", id, t.Spans.N, o.MaxSpans)
		}
		return &store.Trace{Batch: t, Partial: f.Partial}, nil
	}
	return nil, telemetry.Errorf(telemetry.KindNotFound, "trace %s is not stored", id)
}

func service(b *telemetry.Batch, row int) string {
	c := b.Resources.Find(telemetry.ScopeResource, telemetry.KeyServiceName, telemetry.TypeString)
	if c == nil {
		return ""
	}
	pos, ok := c.Find(b.Spans.Resource[row])
	if !ok {
		return ""
	}
	return c.Dict.Str(c.Codes[pos])
}

func value(v query.Value) any {
	switch v.Type {
	case query.TypeNil:
		return nil
	case query.TypeInt, query.TypeDuration:
		return v.Int
	case query.TypeFloat:
		return v.Float
	case query.TypeBool:
		return v.Int != 0
	}
	return v.Text()
}

// Search implements store.Store; it knows no cursors.
func (f *Fake) Search(ctx context.Context, tenant string, p *query.Plan, o store.SearchOptions) (*store.SearchResult, error) {
	f.mu.Lock()
	f.Asked = append(f.Asked, o)
	f.mu.Unlock()
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	type ranked struct {
		key int64
		t   store.FoundTrace
	}
	var found []ranked
	for _, t := range f.traces(tenant) {
		r := query.NewReader(t)
		var rows []int
		for _, set := range query.EvalTrace(p, r, query.Range(o.Range)) {
			rows = append(rows, set.Rows...)
		}
		if len(rows) == 0 {
			continue
		}
		key := func(row int) int64 {
			if o.Order == store.OrderSlowest {
				return t.Spans.Duration[row]
			}
			return t.Spans.Start[row]
		}
		slices.SortStableFunc(rows, func(a, b int) int { return cmp.Compare(key(b), key(a)) })
		one := summary(t)
		one.Matched = len(rows)
		for _, row := range rows[:min(len(rows), o.SpansPerTrace)] {
			s := &t.Spans
			span := store.FoundSpan{SpanID: s.SpanID[row], Service: service(t, row), Name: s.Names.Str(s.Name[row]), Kind: s.Kind[row],
				Status: s.Status[row], Start: s.Start[row], Duration: s.Duration[row]}
			for _, field := range slices.Concat(p.Fields, p.Select) {
				if v, ok := r.One(field, row); ok {
					span.Attrs = append(span.Attrs, store.Attr{Name: field.String(), Value: value(v)})
				}
			}
			one.Found = append(one.Found, span)
		}
		found = append(found, ranked{key(rows[0]), one})
	}
	slices.SortStableFunc(found, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.t.TraceID.String(), b.t.TraceID.String()))
	})
	out := &store.SearchResult{Partial: f.Partial, Stats: store.QueryStats{Rows: int64(len(found)), Segments: 1, Took: 1500 * time.Microsecond}}
	for _, r := range found[:min(len(found), o.Limit)] {
		out.Traces = append(out.Traces, r.t)
	}
	if len(found) > o.Limit {
		out.Cursor = "more"
	}
	return out, nil
}

func summary(t *telemetry.Batch) store.FoundTrace {
	s := &t.Spans
	out := store.FoundTrace{TraceID: s.TraceID[0], RootMissing: true, Start: s.Start[0], Spans: s.N,
		RootService: service(t, 0), RootName: s.Names.Str(s.Name[0])}
	end := s.Start[0]
	counts := map[string]*store.ServiceCount{}
	for row := range s.N {
		if s.Parent[row].IsZero() && out.RootMissing {
			out.RootMissing, out.RootService, out.RootName = false, service(t, row), s.Names.Str(s.Name[row])
		}
		end = max(end, s.Start[row]+s.Duration[row])
		c := counts[service(t, row)]
		if c == nil {
			c = &store.ServiceCount{Service: service(t, row)}
			counts[c.Service] = c
		}
		c.Spans++
		if s.Status[row] == telemetry.StatusError {
			c.Errors++
			out.Errors++
		}
	}
	out.Duration = end - out.Start
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out.Services = append(out.Services, *counts[name])
	}
	return out
}

// Metrics implements store.Store.
func (f *Fake) Metrics(ctx context.Context, tenant string, p *query.Plan, o store.MetricsOptions) (*store.MetricsResult, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	step := int64(o.Step)
	if step == 0 {
		step = o.End - o.Start
	}
	steps, err := query.NewSteps(o.Start, o.End, step)
	if err != nil {
		return nil, err
	}
	e := query.NewMetricsEval(p, steps)
	for _, t := range f.traces(tenant) {
		r := query.NewReader(t)
		for _, set := range query.EvalTrace(p, r, query.Range(o.Range)) {
			if err := e.Add(r, set.Rows); err != nil {
				return nil, err
			}
		}
	}
	series, err := e.Series()
	if err != nil {
		return nil, err
	}
	out := &store.MetricsResult{Partial: f.Partial, Stats: store.QueryStats{Took: time.Millisecond}}
	for i := range steps.N {
		out.Times = append(out.Times, o.Start+int64(i)*step)
	}
	for _, s := range series {
		line := store.Series{Values: s.Values}
		for _, l := range s.Labels {
			line.Labels = append(line.Labels, store.Attr{Name: l.Name, Value: value(l.Value)})
		}
		out.Series = append(out.Series, line)
	}
	return out, nil
}

// TagNames implements store.Store.
func (f *Fake) TagNames(ctx context.Context, tenant string, o store.TagOptions) (*store.TagNames, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	names := map[telemetry.Scope]map[string]bool{}
	for _, t := range f.traces(tenant) {
		for _, table := range t.Tables() {
			for _, c := range table.Cols {
				if c.Scope != telemetry.ScopeIntrinsic && strings.HasPrefix(c.Key, o.Prefix) && (o.Scope == 0 || o.Scope == c.Scope) && named(t, c, o) {
					if names[c.Scope] == nil {
						names[c.Scope] = map[string]bool{}
					}
					names[c.Scope][c.Key] = true
				}
			}
		}
	}
	out := &store.TagNames{Partial: f.Partial}
	for _, scope := range []telemetry.Scope{telemetry.ScopeSpan, telemetry.ScopeResource, telemetry.ScopeInstrumentation, telemetry.ScopeEvent, telemetry.ScopeLink} {
		if len(names[scope]) > 0 {
			out.Scopes = append(out.Scopes, store.TagScope{Scope: scope, Names: slices.Sorted(maps.Keys(names[scope]))})
		}
	}
	return out, nil
}

// named reports whether a span that the plan selects has the attribute.
func named(t *telemetry.Batch, c *telemetry.Column, o store.TagOptions) bool {
	if o.Plan == nil {
		return true
	}
	r := query.NewReader(t)
	for _, set := range query.EvalTrace(o.Plan, r, query.Range(o.Range)) {
		for _, row := range set.Rows {
			if r.Eval(query.Exists{Field: query.Field{Scope: c.Scope, Key: c.Key}}, row) {
				return true
			}
		}
	}
	return false
}

// TagValues implements store.Store.
func (f *Fake) TagValues(ctx context.Context, tenant string, field query.Field, o store.TagOptions) (*store.TagValues, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	plan := o.Plan
	if plan == nil {
		var err error
		if plan, err = query.Compile("{}"); err != nil {
			return nil, err
		}
	}
	counts := map[any]int64{}
	for _, t := range f.traces(tenant) {
		r := query.NewReader(t)
		for _, set := range query.EvalTrace(plan, r, query.Range(o.Range)) {
			for _, row := range set.Rows {
				if v, ok := r.One(field, row); ok && strings.HasPrefix(v.Text(), o.Prefix) {
					counts[value(v)]++
				}
			}
		}
	}
	out := &store.TagValues{Partial: f.Partial}
	for v, n := range counts {
		out.Values = append(out.Values, store.TagValue{Value: v, Count: n})
	}
	slices.SortFunc(out.Values, func(a, b store.TagValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(text(a.Value), text(b.Value)))
	})
	if o.Limit > 0 && len(out.Values) > o.Limit {
		out.Values, out.More = out.Values[:o.Limit], true
	}
	return out, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// Services implements store.Store.
func (f *Fake) Services(ctx context.Context, tenant string, r store.Range) (*store.Services, error) {
	list, err := f.summaries(ctx, tenant, r, func(b *telemetry.Batch, row int) (string, uint8, bool) { return service(b, row), 0, true })
	return &store.Services{Services: list, Partial: f.Partial}, err
}

// Operations implements store.Store.
func (f *Fake) Operations(ctx context.Context, tenant, of string, r store.Range) (*store.Operations, error) {
	list, err := f.summaries(ctx, tenant, r, func(b *telemetry.Batch, row int) (string, uint8, bool) {
		return b.Spans.Names.Str(b.Spans.Name[row]), b.Spans.Kind[row], service(b, row) == of
	})
	return &store.Operations{Operations: list, Partial: f.Partial}, err
}

func (f *Fake) summaries(ctx context.Context, tenant string, r store.Range, key func(*telemetry.Batch, int) (string, uint8, bool)) ([]store.Summary, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	type name struct {
		text string
		kind uint8
	}
	byName := map[name]*store.Summary{}
	durations := map[name][]int64{}
	for _, t := range f.traces(tenant) {
		s := &t.Spans
		for row := range s.N {
			text, kind, ok := key(t, row)
			if !ok || s.Start[row] < r.Start || s.Start[row] >= r.End {
				continue
			}
			n := name{text, kind}
			if byName[n] == nil {
				byName[n] = &store.Summary{Name: text, Kind: kind}
			}
			sum := byName[n]
			sum.Spans++
			sum.LastSeen = max(sum.LastSeen, s.Start[row])
			if s.Kind[row] == telemetry.KindServer || s.Kind[row] == telemetry.KindConsumer {
				sum.Requests++
				if s.Status[row] == telemetry.StatusError {
					sum.Errors++
				}
			}
			durations[n] = append(durations[n], s.Duration[row])
		}
	}
	var out []store.Summary
	for n, sum := range byName {
		d := durations[n]
		slices.Sort(d)
		at := func(q float64) int64 { return d[query.QuantileIndex(q, len(d))] }
		sum.P50, sum.P95, sum.P99 = at(0.5), at(0.95), at(0.99)
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(a, b store.Summary) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return out, nil
}

// Tail implements store.Store. It reports one missed span before the first batch.
func (f *Fake) Tail(ctx context.Context, tenant string, p *query.Plan, fn func(*telemetry.Batch, int64) error) error {
	if f.Err != nil {
		return f.Err
	}
	f.mu.Lock()
	seen := len(f.rows[tenant])
	f.mu.Unlock()
	missed := int64(1)
	for {
		f.mu.Lock()
		news, changed := f.rows[tenant][seen:], f.changed
		f.mu.Unlock()
		for _, b := range news {
			r := query.NewReader(b)
			var rows []uint32
			for row := range b.Spans.N {
				if r.Eval(p.Leaves[0], row) {
					rows = append(rows, uint32(row))
				}
			}
			if len(rows) > 0 {
				if err := fn(telemetry.Gather(b, rows), missed); err != nil {
					return err
				}
				missed = 0
			}
			seen++
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Flush implements store.Store.
func (f *Fake) Flush(ctx context.Context) error {
	if err := f.ask(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Flushed++
	return nil
}

// Status implements store.Store.
func (f *Fake) Status() store.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := store.Status{Ready: true, LagBytes: 1, LogBytes: 2, FreshBytes: 3, Segments: 4, DiskBytes: 5, Counters: map[string]int64{"duplicates_dropped": 6}}
	for _, tenant := range slices.Sorted(maps.Keys(f.rows)) {
		t := store.TenantStatus{Tenant: tenant, Segments: 2, Bytes: 100, Oldest: 7}
		for _, b := range f.rows[tenant] {
			t.Spans += int64(b.Spans.N)
		}
		st.SpansStored += t.Spans
		st.FreshRows += t.Spans
		st.Tenants = append(st.Tenants, t)
	}
	return st
}

// Close implements store.Store.
func (f *Fake) Close() error { return nil }

var _ store.Store = (*Fake)(nil)
