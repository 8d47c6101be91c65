package store

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// searchKey is the place of a trace in an answer: the latest start or the longest
// duration of its matched spans, or how many spans it has; larger first, then the
// trace id.
type searchKey struct {
	Key int64
	ID  telemetry.TraceID
}

// before reports whether a stands before b.
func (a searchKey) before(b searchKey) bool {
	if a.Key != b.Key {
		return a.Key > b.Key
	}
	return bytes.Compare(a.ID[:], b.ID[:]) < 0
}

// searchSpec is a search over fixed sources.
type searchSpec struct {
	plan    *query.Plan
	within  query.Range
	order   Order
	limit   int
	after   *searchKey // the last key of the page before
	timeout time.Duration
	// load gives complete traces by id, nil for one that is not there: those of the
	// first ids, of one at least.
	load func(ctx context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error)
	show func(f *found) // called with each trace of the answer in turn; may be nil
	// unfinished is told why not all traces were evaluated, when the time limit is
	// reached among them; nil makes that an error.
	unfinished func(why string)
}

// fillTime is what an unfinished search may still take to load what it has found.
const fillTime = 5 * time.Second

// found is one trace of the answer with all of its rows and its matched spans.
type found struct {
	searchKey
	Batch *telemetry.Batch
	Sets  []query.Spanset
}

// search gives the first traces of the answer in order, at most limit, and the key
// behind which the rest comes, or none. SQL ranks all candidates where it can say the
// whole plan; relations are found in the shape of traces, and what lowerable refuses is
// evaluated trace by trace. Either way every candidate is seen before one is
// answered, or the answer says that not all were.
//
// Traces that load leaves out make room for those behind them: a page is short only
// at the end of the answer, or when the time is over.
func (d *duck) search(ctx context.Context, src sources, o searchSpec) (out []found, next *searchKey, err error) {
	err = d.do(ctx, o.timeout, func(ctx context.Context, c *duckConn) error {
		for limit := o.limit; ; {
			keys, unfinished, e := c.ranked(ctx, src, o)
			if e != nil && next != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil
			}
			if e != nil {
				return e
			}
			filling := ctx
			if unfinished {
				late, cancel := context.WithTimeout(context.WithoutCancel(ctx), fillTime)
				defer cancel()
				filling = late
			}
			if next = nil; len(keys) > o.limit {
				keys = keys[:o.limit]
				next = &keys[o.limit-1]
			}
			some, e := fill(filling, src, o, keys)
			if e != nil {
				return e
			}
			if out = append(out, some...); next == nil || unfinished || len(out) == limit {
				return nil
			}
			o.limit, o.after = limit-len(out), next
		}
	})
	return out, next, err
}

// ranked gives the first keys of the order, one more than the limit if there are so
// many. When the time is over among the traces that it evaluates, it tells so and
// gives those of the traces that it has seen.
func (c *duckConn) ranked(ctx context.Context, src sources, o searchSpec) (keys []searchKey, unfinished bool, err error) {
	if sqlSearch(o.plan) && !src.lists(conditions(o.plan)...) {
		keys, err = c.rank(ctx, src, o)
	} else {
		keys, err = c.rankExact(ctx, src, o)
	}
	if err != nil && o.unfinished != nil && c.seen > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		o.unfinished(fmt.Sprintf("the time limit was reached after %d of the traces that can match, in order of their ids: narrow the time range or add a filter", c.seen))
		return keys, true, nil
	}
	return keys, false, err
}

// loadChunk is how many traces are in memory at once while candidates are evaluated.
const loadChunk = 64

// loadEach calls f with the traces of ids that are there, in their order.
func loadEach(ctx context.Context, ids []telemetry.TraceID, load func(context.Context, []telemetry.TraceID) ([]*telemetry.Batch, error),
	f func(i int, b *telemetry.Batch) error) error {
	for from := 0; from < len(ids); {
		batches, err := load(ctx, ids[from:])
		if err != nil {
			return err
		}
		for i, b := range batches {
			batches[i] = nil // let go of it before the next
			if b == nil {
				continue
			}
			if err := f(from+i, b); err != nil {
				return err
			}
		}
		from += len(batches)
	}
	return nil
}

// fill loads the traces of the answer, as far as it needs them.
func fill(ctx context.Context, src sources, o searchSpec, keys []searchKey) ([]found, error) {
	var out []found
	for chunk := range slices.Chunk(keys, loadChunk) {
		ids := make([]telemetry.TraceID, len(chunk))
		for i, k := range chunk {
			ids[i] = k.ID
		}
		err := loadEach(ctx, ids, o.load, func(i int, b *telemetry.Batch) error {
			if b = visible(b, src.maxSeq); b == nil {
				return nil
			}
			if sets := query.EvalTrace(o.plan, query.NewReader(b), o.within); len(sets) > 0 {
				out = append(out, found{chunk[i], b, sets})
				if o.show != nil {
					o.show(&out[len(out)-1])
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// visible leaves out rows that came after the page was fixed.
func visible(b *telemetry.Batch, maxSeq int64) *telemetry.Batch {
	if b == nil || maxSeq == 0 || slices.Max(b.Spans.Seq) <= maxSeq {
		return b
	}
	var rows []uint32
	for i, seq := range b.Spans.Seq {
		if seq <= maxSeq {
			rows = append(rows, uint32(i))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return telemetry.Gather(b, rows)
}

// pipeline is what SQL makes of a plan's stages: conditions on sets of spans
// before or after they are grouped by labels.
type pipeline struct {
	leaves     []query.Expr
	by         []query.Field
	aggregates []query.Stage
}

// sqlPipeline gives the form in which SQL can evaluate a plan without loading
// traces, if there is one.
func sqlPipeline(p *query.Plan) (pipeline, bool) {
	out := pipeline{leaves: slices.Clone(p.Leaves)}
	if p.NeedsStructure || !p.Spans.Plain() {
		return out, false
	}
	for _, l := range p.Leaves {
		if !lowerable(l) {
			return out, false
		}
	}
	single := len(p.Leaves) == 1
	for i, s := range p.Stages {
		switch {
		case s.Kind == query.StageCoalesce && i == len(p.Stages)-1:
		case s.Kind == query.StageFilter && single && out.by == nil && out.aggregates == nil && lowerable(s.Filter):
			out.leaves[0] = query.And{Xs: []query.Expr{out.leaves[0], s.Filter}}
		case s.Kind == query.StageBy && single && out.by == nil && out.aggregates == nil && labelsLowerable(s.By):
			out.by = s.By
		case s.Kind == query.StageAggregate && s.Other == nil && single && argLowerable(s.Arg) && sameArg(out.aggregates, s.Arg):
			out.aggregates = append(out.aggregates, s)
		default:
			return out, false
		}
	}
	return out, true
}

// sameArg reports whether all aggregates read one number, which is what the
// columns a_n and a_d can hold.
func sameArg(stages []query.Stage, arg query.Operand) bool {
	for _, s := range stages {
		if s.Arg != nil && arg != nil && query.OperandString(s.Arg) != query.OperandString(arg) {
			return false
		}
	}
	return true
}

func sqlSearch(p *query.Plan) bool {
	_, ok := sqlPipeline(p)
	return ok
}

func (o searchSpec) keyColumn() string {
	switch o.order {
	case OrderSlowest:
		return "duration"
	case OrderSpans:
		return "spans"
	}
	return "start"
}

// rank orders all matching traces, by a scan or by SQL.
func (c *duckConn) rank(ctx context.Context, src sources, o searchSpec) ([]searchKey, error) {
	if scanRank(src, o) {
		return c.rankScan(ctx, src, o)
	}
	statement, err := c.rankStatement(ctx, src, o)
	if err != nil {
		return nil, err
	}
	return c.keys(ctx, statement)
}

func (c *duckConn) rankStatement(ctx context.Context, src sources, o searchSpec) (string, error) {
	p, _ := sqlPipeline(o.plan)
	sh := &shape{leaves: p.leaves, labels: p.by, within: o.within, duration: o.order == OrderSlowest, spans: o.order == OrderSpans}
	for _, s := range p.aggregates {
		if s.Arg != nil {
			sh.arg = s.Arg
		}
	}
	var err error
	if sh.trace, err = c.traceFacts(ctx, src, o.plan.Fields, sh.spans); err != nil {
		return "", err
	}
	u, err := c.union(ctx, src.within(o.within), sh)
	if err != nil {
		return "", err
	}
	return rankSQL(o, p, u), nil
}

func rankSQL(o searchSpec, p pipeline, u *union) string {
	key := o.keyColumn()
	var inner string
	switch {
	case len(p.leaves) > 1:
		sel := []string{"trace_id"}
		for i := range p.leaves {
			sel = append(sel, fmt.Sprintf("max(%s) FILTER (WHERE %s) AS k%d", key, leafColumn(i), i))
		}
		inner = fmt.Sprintf("SELECT trace_id, %s AS k FROM (SELECT %s FROM %s GROUP BY trace_id)", treeKey(o.plan.Spans), strings.Join(sel, ", "), u.sql)
	case len(p.aggregates) == 0:
		inner = fmt.Sprintf("SELECT trace_id, max(%s) AS k FROM %s GROUP BY trace_id", key, u.sql)
	default:
		group := append([]string{"trace_id"}, u.labelNames(len(p.by))...)
		having := make([]string, len(p.aggregates))
		for i, s := range p.aggregates {
			having[i] = aggregateSQL(s, u)
		}
		inner = fmt.Sprintf("SELECT trace_id, max(k) AS k FROM (SELECT trace_id, max(%s) AS k FROM %s GROUP BY %s HAVING %s) GROUP BY trace_id",
			key, u.sql, strings.Join(group, ", "), sqlAnd(having...))
	}
	where := "k IS NOT NULL"
	if o.after != nil {
		where += fmt.Sprintf(" AND (k < %s OR (k = %s AND trace_id > %s))", integer(o.after.Key), integer(o.after.Key), uuid(o.after.ID))
	}
	return fmt.Sprintf("SELECT trace_id, k FROM (%s) WHERE %s ORDER BY k DESC, trace_id LIMIT %d", inner, where, o.limit+1)
}

// treeKey is the largest key of the spans that a tree of && and || gives, NULL
// when it gives none. greatest ignores NULL.
func treeKey(e *query.SpanExpr) string {
	if e.Op == "" {
		return fmt.Sprintf("k%d", e.Leaf)
	}
	l, r := treeKey(e.L), treeKey(e.R)
	both := fmt.Sprintf("greatest(%s, %s)", l, r)
	if e.Op == "||" {
		return both
	}
	return fmt.Sprintf("(CASE WHEN %s IS NOT NULL AND %s IS NOT NULL THEN %s END)", l, r, both)
}

// aggregateSQL is the condition of an aggregate stage over a group.
func aggregateSQL(s query.Stage, u *union) string {
	if s.Func == query.Count {
		return compareLiteral(s.Op, values{num: "count(*)"}, s.Value)
	}
	n, d := u.has("a_n"), u.has("a_d")
	switch {
	case !n && !d:
		return sqlFalse
	case s.Func == query.Avg:
		return compareLiteral(s.Op, values{dbl: "(" + sumSQL(n, d) + " / nullif(" + countSQL(n, d) + ", 0))"}, s.Value)
	case s.Func == query.Sum && !d:
		return compareLiteral(s.Op, values{num: "sum(a_n)"}, s.Value)
	case s.Func == query.Sum && !n:
		return compareLiteral(s.Op, values{dbl: sumSQL(n, d)}, s.Value)
	case s.Func == query.Sum:
		// As the evaluator does: without floats the sum is compared as an integer.
		return "(CASE WHEN count(a_d) = 0 THEN " + compareLiteral(s.Op, values{num: "sum(a_n)"}, s.Value) +
			" ELSE " + compareLiteral(s.Op, values{dbl: sumSQL(n, d)}, s.Value) + " END)"
	}
	f, pick := s.Func.String(), map[query.Aggregate]string{query.Min: "least", query.Max: "greatest"}[s.Func]
	switch {
	case !d:
		return compareLiteral(s.Op, values{num: f + "(a_n)"}, s.Value)
	case !n:
		return compareLiteral(s.Op, values{dbl: f + "(a_d)"}, s.Value)
	}
	return "(CASE WHEN count(a_d) = 0 THEN " + compareLiteral(s.Op, values{num: f + "(a_n)"}, s.Value) +
		" ELSE " + compareLiteral(s.Op, values{dbl: pick + "(CAST(" + f + "(a_n) AS DOUBLE), " + f + "(a_d))"}, s.Value) + " END)"
}

// sumSQL adds as query.Tally does: integers exactly, floats from small to large.
func sumSQL(n, d bool) string {
	switch {
	case !d:
		return "CAST(sum(a_n) AS DOUBLE)"
	case !n:
		return "fsum(a_d ORDER BY a_d)"
	}
	return "(CAST(coalesce(sum(a_n), 0) AS DOUBLE) + coalesce(fsum(a_d ORDER BY a_d), 0))"
}

// countSQL counts numbers.
func countSQL(n, d bool) string {
	switch {
	case !d:
		return "count(a_n)"
	case !n:
		return "count(a_d)"
	}
	return "(count(a_n) + count(a_d))"
}

func (c *duckConn) keys(ctx context.Context, statement string) ([]searchKey, error) {
	var out []searchKey
	err := c.rows(ctx, statement, func(v []any) error {
		id, err := traceID(v[0])
		k, ok := v[1].(int64)
		if err != nil || !ok {
			return fmt.Errorf("trace %v has the key %v of type %T", v[0], v[1], v[1])
		}
		out = append(out, searchKey{k, id})
		return nil
	})
	return out, err
}

// traceID reads a UUID of an answer.
func traceID(v any) (telemetry.TraceID, error) {
	b, ok := v.([]byte)
	if !ok || len(b) != 16 {
		return telemetry.TraceID{}, fmt.Errorf("trace id %v has type %T", v, v)
	}
	return telemetry.TraceID(b), nil
}

// rankExact evaluates every candidate and keeps the first of the order.
func (c *duckConn) rankExact(ctx context.Context, src sources, o searchSpec) ([]searchKey, error) {
	top := &keyHeap{}
	rank := func(k searchKey) {
		if o.after != nil && !o.after.before(k) {
			return
		}
		if len(*top) > o.limit {
			if !k.before((*top)[0]) {
				return
			}
			heap.Pop(top)
		}
		heap.Push(top, k)
	}
	var err error
	if shape := byRelations(o.plan); len(o.plan.Stages) == 0 && related(src, shape, c.d.markBytes()) {
		err = c.relate(ctx, src, shape, o.within, o.order, func(keys []searchKey) error {
			for _, k := range keys {
				rank(k)
			}
			return nil
		})
	} else {
		err = c.candidates(ctx, src, o.plan, o.within, o.load, func(b *telemetry.Batch, sets []query.Spanset) error {
			rank(searchKey{keyOf(o.order, b, sets), b.Spans.TraceID[0]})
			return nil
		})
	}
	keys := []searchKey(*top)
	slices.SortFunc(keys, func(a, b searchKey) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return keys, err
}

// keyOf is the key of a trace by its matched spans.
func keyOf(order Order, b *telemetry.Batch, sets []query.Spanset) int64 {
	col := b.Spans.Start
	switch order {
	case OrderSlowest:
		col = b.Spans.Duration
	case OrderSpans:
		return int64(b.Spans.N)
	}
	first := true
	var key int64
	for _, s := range sets {
		for _, row := range s.Rows {
			if first || col[row] > key {
				key, first = col[row], false
			}
		}
	}
	return key
}

// keyHeap has the last of its keys on top.
type keyHeap []searchKey

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return h[j].before(h[i]) }
func (h keyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)        { *h = append(*h, x.(searchKey)) }
func (h *keyHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
