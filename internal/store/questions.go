package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Limits of answers; see SearchOptions and TagOptions.
const (
	defaultTraces   = 20
	maxTraces       = 1000
	maxFoundSpans   = 100
	defaultTagLimit = 1000
	maxTagLimit     = 10_000
)

// within makes a range that is closed on both sides of one that may be open.
func (r Range) within() (query.Range, error) {
	w := query.Range{Start: r.Start, End: r.End}
	if w.Start == 0 {
		w.Start = math.MinInt64
	}
	if w.End == 0 {
		w.End = math.MaxInt64
	}
	if w.End <= w.Start {
		return w, telemetry.Errorf(telemetry.KindInvalid, "the range from %d to %d is empty: give start before end", r.Start, r.End)
	}
	return w, nil
}

// sources gives the view in the form of the query engine. A segment whose
// resources cannot be read is quarantined and left out.
func (v *view) sources() sources {
	src := sources{fresh: v.fresh, looked: &lookedAt{}, longest: v.e.o.TraceSpans, leaveOut: v.leaveOut, turns: v.e.turns}
	for _, h := range v.segments {
		resources, err := h.seg.Table(segment.TableResources)
		if err == nil {
			var scopes *telemetry.Table
			if scopes, err = h.seg.Table(segment.TableScopes); err == nil {
				src.segments = append(src.segments, &segmentSource{dir: h.seg.Dir(), meta: h.meta, resources: resources, scopes: scopes,
					verify: h.verify(v.e, src.looked), structure: h.structure(v.e), scan: h.scan(v.e, src.looked)})
				continue
			}
		}
		v.partial = v.e.unreadable(h, err)
	}
	return src
}

// verify checks columns before DuckDB, which knows no checksums, reads them.
func (h *handle) verify(e *Embedded, looked *lookedAt) func(table byte, columns ...string) error {
	return func(table byte, columns ...string) error {
		if len(columns) == 0 {
			return nil // for Verify none means all
		}
		for _, c := range columns {
			looked.add(column{h.ID, table, c}, h.meta)
		}
		err := h.seg.Verify(table, columns...)
		if err != nil {
			e.unreadable(h, err)
		}
		return err
	}
}

// structure opens the segment's structure; a segment that cannot be read is quarantined.
func (h *handle) structure(e *Embedded) func() (structureReader, error) {
	return func() (structureReader, error) {
		s, err := h.seg.Structure()
		if err != nil {
			e.unreadable(h, err)
			return nil, err
		}
		return &guarded{s, h, e}, nil
	}
}

// guarded quarantines the segment that it cannot read.
type guarded struct {
	*segment.Structure
	h *handle
	e *Embedded
}

func (g *guarded) check(err error) error {
	if err != nil {
		g.e.unreadable(g.h, err)
	}
	return err
}

func (g *guarded) At(row int) (telemetry.TraceID, segment.Rows, error) {
	id, rows, err := g.Structure.At(row)
	return id, rows, g.check(err)
}

func (g *guarded) Find(id telemetry.TraceID) (segment.Rows, error) {
	rows, err := g.Structure.Find(id)
	return rows, g.check(err)
}

func (g *guarded) Read(ranges []segment.Rows, f segment.Fields) (*telemetry.Spans, error) {
	s, err := g.Structure.Read(ranges, f)
	return s, g.check(err)
}

// scan opens a scan of the segment, which is quarantined when it cannot be read.
func (h *handle) scan(e *Embedded, looked *lookedAt) func(columns ...string) (spanScan, error) {
	return func(columns ...string) (spanScan, error) {
		for _, c := range columns {
			looked.add(column{h.ID, segment.TableSpans, c}, h.meta)
		}
		s, err := h.seg.Scan()
		if err != nil {
			e.unreadable(h, err)
			return nil, err
		}
		return &guardedScan{s, h, e}, nil
	}
}

// guardedScan quarantines the segment that it cannot read.
type guardedScan struct {
	*segment.Scan
	h *handle
	e *Embedded
}

func (g *guardedScan) Read(b *telemetry.Batch, rows segment.Rows, f segment.ScanFields) error {
	err := g.Scan.Read(b, rows, f)
	if err != nil {
		g.e.unreadable(g.h, err)
	}
	return err
}

func (h *handle) why() string {
	return "segment " + h.folder() + " is quarantined: " + *h.broken.Load()
}

// ask runs a question over a view of the tenant. When a segment turns out to be
// damaged on the way, it is quarantined and the question asked again without it.
func (e *Embedded) ask(ctx context.Context, tenant string, r Range, fn func(v *view, src sources) error) (partial string, stats QueryStats, err error) {
	began := time.Now()
	for {
		v := e.view(tenant, r)
		src := v.sources()
		before := e.quarantined()
		err = fn(v, src)
		partial = v.partial
		stored, fresh := src.rows()
		stats = QueryStats{Rows: stored + fresh, Segments: len(src.segments), Bytes: src.looked.bytes(), Fresh: fresh, Took: time.Since(began)}
		v.release()
		if err == nil || e.quarantined() == before || ctx.Err() != nil {
			return partial, stats, err
		}
	}
}

func (e *Embedded) quarantined() int64 { return e.counters.get("segments_quarantined") }

// Search implements Store.
func (e *Embedded) Search(ctx context.Context, tenant string, p *query.Plan, o SearchOptions) (*SearchResult, error) {
	if p.Metrics != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "query: %s gives series, not traces: ask for metrics, or leave out %s", p.Text, p.Metrics.Title())
	}
	o.Order = cmp.Or(o.Order, OrderNewest)
	o.Limit = cmp.Or(o.Limit, defaultTraces)
	switch {
	case o.Order != OrderNewest && o.Order != OrderSlowest && o.Order != OrderSpans:
		return nil, telemetry.Errorf(telemetry.KindInvalid, "order %q is not known: write %s, %s or %s", o.Order, OrderNewest, OrderSlowest, OrderSpans)
	case o.Limit < 1 || o.Limit > maxTraces:
		return nil, telemetry.Errorf(telemetry.KindInvalid, "limit %d: write 1 to %d and follow the cursor for more", o.Limit, maxTraces)
	case o.SpansPerTrace < 0 || o.SpansPerTrace > maxFoundSpans:
		return nil, telemetry.Errorf(telemetry.KindInvalid, "spans %d: write 0 to %d", o.SpansPerTrace, maxFoundSpans)
	}
	page := cursor{Query: queryHash(tenant, p, o), Start: o.Start, End: o.End}
	if o.Cursor != "" {
		if err := page.parse(o.Cursor); err != nil {
			return nil, err
		}
		o.Range = Range{Start: page.Start, End: page.End}
	}
	within, err := o.within()
	if err != nil {
		return nil, err
	}
	res := &SearchResult{}
	// No segment is left out by time here: relations and fields of the trace reach
	// beyond the range. The query engine itself prunes what it scans.
	res.Partial, res.Stats, err = e.ask(ctx, tenant, Range{}, func(v *view, src sources) error {
		if o.Cursor == "" {
			page.MaxSeq, page.Expired = v.maxSeq, v.expired
		} else if page.Expired != v.expired {
			return telemetry.Errorf(telemetry.KindConflict, "the cursor is of before some of its data expired: start the search again")
		}
		src.maxSeq = page.MaxSeq
		res.Traces = []FoundTrace{}
		_, next, err := e.duck.search(ctx, src, searchSpec{plan: p, within: within, order: o.Order, limit: o.Limit,
			after: page.After, timeout: o.Timeout, load: v.loader(wanted(p)),
			show: func(f *found) {
				res.Traces = append(res.Traces, describe(f, p, o))
				f.Batch, f.Sets = nil, nil // a page of long traces must not stay in memory
			},
			unfinished: func(why string) { v.partial = cmp.Or(v.partial, why) }})
		if err != nil {
			return err
		}
		res.Cursor = ""
		if next != nil {
			behind := page
			behind.After = next
			res.Cursor = behind.String()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// describe makes the answer's form of a trace that was found.
func describe(f *found, p *query.Plan, o SearchOptions) FoundTrace {
	s := &f.Batch.Spans
	services := telemetry.ServiceNames(f.Batch)
	out := FoundTrace{TraceID: f.ID, Spans: s.N, RootMissing: true}
	byService := map[string]*ServiceCount{}
	root, first, end := -1, 0, int64(math.MinInt64)
	for i := range s.N {
		name := services[s.Resource[i]]
		c := byService[name]
		if c == nil {
			c = &ServiceCount{Service: name}
			byService[name] = c
		}
		c.Spans++
		if s.Status[i] == telemetry.StatusError {
			c.Errors++
			out.Errors++
		}
		if s.Start[i] < s.Start[first] {
			first = i
		}
		end = max(end, query.SaturatingAdd(s.Start[i], max(s.Duration[i], 0)))
		if s.Parent[i].IsZero() && (root < 0 || cmp.Or(cmp.Compare(s.Start[i], s.Start[root]), cmp.Compare(s.SpanID[i].Uint64(), s.SpanID[root].Uint64())) < 0) {
			root = i
		}
	}
	if root >= 0 {
		out.RootMissing = false
	} else {
		root = first
	}
	out.RootService, out.RootName = services[s.Resource[root]], s.Names.Str(s.Name[root])
	out.Start, out.Duration = s.Start[first], query.SaturatingSub(end, s.Start[first])
	for _, name := range sortedKeys(byService) {
		out.Services = append(out.Services, *byService[name])
	}
	matched := map[int]bool{}
	var rows []int
	for _, set := range f.Sets {
		for _, r := range set.Rows {
			if !matched[r] {
				matched[r] = true
				rows = append(rows, r)
			}
		}
	}
	out.Matched = len(rows)
	slices.SortFunc(rows, func(a, b int) int {
		key := cmp.Compare(s.Start[b], s.Start[a])
		if o.Order == OrderSlowest {
			key = cmp.Compare(s.Duration[b], s.Duration[a])
		}
		return cmp.Or(key, cmp.Compare(s.SpanID[a].Uint64(), s.SpanID[b].Uint64()))
	})
	r := query.NewReader(f.Batch)
	for _, row := range rows[:min(len(rows), o.SpansPerTrace)] {
		out.Found = append(out.Found, FoundSpan{SpanID: s.SpanID[row], Service: services[s.Resource[row]], Name: s.Names.Str(s.Name[row]),
			Kind: s.Kind[row], Status: s.Status[row], Start: s.Start[row], Duration: s.Duration[row], Attrs: fieldAttrs(r, p, row)})
	}
	return out
}

// fieldAttrs gives the values of the fields that a query names or selects.
func fieldAttrs(r *query.Reader, p *query.Plan, row int) []Attr {
	var out []Attr
	add := func(f query.Field, values []query.Value) {
		for _, v := range values {
			if a := (Attr{f.String(), anyValue(v)}); !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	for _, f := range p.Fields {
		if f.Scope != telemetry.ScopeIntrinsic {
			add(f, r.Values(f, row))
		}
	}
	for _, f := range p.Select {
		switch f.Intrinsic {
		case query.Duration, query.Name, query.Status, query.Kind, query.SpanIDField, query.TraceIDField:
			// A span shows these anyway.
		default:
			add(f, r.Selected(f, row))
		}
	}
	return out
}

// anyValue gives a value as the Go type that answers use.
func anyValue(v query.Value) any {
	switch v.Type {
	case query.TypeNil:
		return nil
	case query.TypeInt, query.TypeDuration:
		return v.Int
	case query.TypeFloat:
		return v.Float
	case query.TypeBool:
		return v.Int != 0
	case query.TypeString:
		return v.Str
	}
	return v.String() // status and kind by name
}

// Metrics implements Store.
func (e *Embedded) Metrics(ctx context.Context, tenant string, p *query.Plan, o MetricsOptions) (*MetricsResult, error) {
	step := int64(o.Step)
	if step == 0 {
		step = o.End - o.Start
	}
	steps, err := query.NewSteps(o.Start, o.End, step)
	if err != nil {
		return nil, err
	}
	if p, err = withExemplars(p, o.Exemplars); err != nil {
		return nil, err
	}
	res := &MetricsResult{}
	for i := range steps.N {
		res.Times = append(res.Times, steps.Start+int64(i)*steps.Step)
	}
	res.Partial, res.Stats, err = e.ask(ctx, tenant, Range{}, func(v *view, src sources) error {
		series, err := e.duck.metrics(ctx, src, metricsSpec{plan: p, steps: steps, timeout: o.Timeout, load: v.loader(wanted(p))})
		if err != nil {
			return err
		}
		if len(series) > e.o.MaxSeries && p.Metrics.Compare == nil { // which has a bound of its own
			return telemetry.Errorf(telemetry.KindExhausted, "the answer has %d series, the limit is %d: group by fewer or coarser fields", len(series), e.o.MaxSeries)
		}
		res.Series = make([]Series, len(series))
		for i, s := range series {
			res.Series[i].Values, res.Series[i].Exemplars = s.Values, s.Exemplars
			for _, l := range s.Labels {
				res.Series[i].Labels = append(res.Series[i].Labels, Attr{l.Name, anyValue(l.Value)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// withExemplars is the plan with so many exemplars a series as the caller asks for,
// unless the query says it itself.
func withExemplars(p *query.Plan, n int) (*query.Plan, error) {
	if n < 0 || n > query.MaxExemplars {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "exemplars %d: write 0 to %d", n, query.MaxExemplars)
	}
	if n == 0 || p.Metrics == nil || p.Metrics.Hinted {
		return p, nil
	}
	with, m := *p, *p.Metrics
	m.Exemplars, with.Metrics = n, &m
	return &with, nil
}

func tagLimit(n int) (int, error) {
	if n < 0 || n > maxTagLimit {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "limit %d: write 1 to %d", n, maxTagLimit)
	}
	return cmp.Or(n, defaultTagLimit), nil
}

// TagNames implements Store.
func (e *Embedded) TagNames(ctx context.Context, tenant string, o TagOptions) (*TagNames, error) {
	within, err := o.within()
	if err != nil {
		return nil, err
	}
	limit, err := tagLimit(o.Limit)
	if err != nil {
		return nil, err
	}
	where, err := o.filter("names")
	if err != nil {
		return nil, err
	}
	look := o.Range
	if readsTrace(where) {
		look = Range{} // what a trace has lies outside of the range, too
	}
	out, f, cut := &TagNames{}, nameFilter{o.Scope, o.Prefix}, ""
	out.Partial, _, err = e.ask(ctx, tenant, look, func(_ *view, src sources) (err error) {
		if where == (query.Const{Value: true}) {
			out.Scopes = tagNames(src, within, f, limit+1)
			return nil
		}
		out.Scopes, err = e.duck.tagNamesWhere(ctx, src, within, f, where, limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, s := range out.Scopes {
		if len(s.Names) > limit {
			out.Scopes[i].Names = s.Names[:limit]
			cut = fmt.Sprintf("a scope has more than %d names, the rest is not listed: narrow by prefix or raise limit, to %d at most", limit, maxTagLimit)
		}
	}
	out.Partial = cmp.Or(out.Partial, cut)
	return out, nil
}

// filter gives the condition of the spans whose names or values are asked for.
func (o *TagOptions) filter(what string) (query.Expr, error) {
	if o.Plan == nil {
		return query.Const{Value: true}, nil
	}
	where := onlyFilter(o.Plan)
	if where == nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%s are listed of the spans of one filter: write { … } without relations and stages, not %s", what, telemetry.Clip(o.Plan.Text))
	}
	return where, nil
}

// TagValues implements Store.
func (e *Embedded) TagValues(ctx context.Context, tenant string, f query.Field, o TagOptions) (*TagValues, error) {
	within, err := o.within()
	if err != nil {
		return nil, err
	}
	limit, err := tagLimit(o.Limit)
	if err != nil {
		return nil, err
	}
	where, err := o.filter("values")
	if err != nil {
		return nil, err
	}
	res := &TagValues{}
	look := o.Range
	if f.Level() == query.LevelTrace || readsTrace(where) {
		look = Range{} // what a trace has lies outside of the range, too
	}
	res.Partial, _, err = e.ask(ctx, tenant, look, func(_ *view, src sources) error {
		values, more, err := e.duck.tagValues(ctx, src, within, f, o.Prefix, where, limit)
		if err != nil {
			return err
		}
		res.More = more
		res.Values = make([]TagValue, len(values))
		for i, v := range values {
			res.Values[i] = TagValue{anyValue(v.value), v.count}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// Services implements Store.
func (e *Embedded) Services(ctx context.Context, tenant string, r Range) (*Services, error) {
	out, partial, err := e.summaries(ctx, tenant, r, nil)
	if err != nil {
		return nil, err
	}
	return &Services{out, partial}, nil
}

// Operations implements Store.
func (e *Embedded) Operations(ctx context.Context, tenant, service string, r Range) (*Operations, error) {
	out, partial, err := e.summaries(ctx, tenant, r, &service)
	if err != nil {
		return nil, err
	}
	return &Operations{out, partial}, nil
}

func (e *Embedded) summaries(ctx context.Context, tenant string, r Range, service *string) (out []Summary, partial string, err error) {
	within, err := r.within()
	if err != nil {
		return nil, "", err
	}
	partial, _, err = e.ask(ctx, tenant, r, func(_ *view, src sources) error {
		var err error
		out, err = e.duck.summaries(ctx, src, within, service)
		return err
	})
	return out, partial, err
}
