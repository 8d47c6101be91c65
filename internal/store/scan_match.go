package store

import (
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// condition is a condition of a plan over blocks. One worker uses it.
type condition interface {
	// filter leaves of the chosen rows, which ascend, those for which the condition
	// holds, in their place.
	filter(b *block, chosen []int32) ([]int32, error)
}

// columnar reports whether blocks answer a condition about as fast as they are
// read. Regular expressions over attributes are left to DuckDB, whose are faster,
// and so is what compares two columns of spans.
func columnar(src sources, e query.Expr) bool {
	switch e := e.(type) {
	case query.Const:
		return true
	case query.Not:
		return columnar(src, e.X)
	case query.And:
		return allColumnar(src, e.Xs)
	case query.Or:
		return allColumnar(src, e.Xs)
	}
	if level, ok := smallLevel(e); ok {
		fine := level == query.LevelResource || level == query.LevelInstrumentation
		query.WalkFields(e, func(f query.Field) { fine = fine && scannable(src, f) })
		return fine
	}
	c, ok := e.(query.Compare)
	if !ok {
		return false
	}
	ref, ok := c.L.(query.Ref)
	if _, lit := c.R.(query.Lit); !ok || !lit || !scannable(src, ref.Field) {
		return false
	}
	switch {
	case ref.Field.Scope == telemetry.ScopeSpan:
		return c.Regex == nil
	case ref.Field.Scope == telemetry.ScopeIntrinsic:
		return ref.Field.Intrinsic != query.StatusMessage
	}
	return false
}

func allColumnar(src sources, xs []query.Expr) bool {
	for _, x := range xs {
		if !columnar(src, x) {
			return false
		}
	}
	return true
}

// smallLevel gives the level that all fields of a comparison or of an Exists have
// in common, when that is the resource or the scope: small tables have its values.
func smallLevel(e query.Expr) (query.Level, bool) {
	level := query.LevelSpan
	switch e := e.(type) {
	case query.Compare:
		level = onlyLevel(e)
	case query.Exists:
		level = e.Field.Level()
	}
	return level, level == query.LevelResource || level == query.LevelInstrumentation
}

// blockCondition makes a columnar condition ready for one worker.
func blockCondition(e query.Expr) condition {
	switch e := e.(type) {
	case query.And:
		return allOf(blockConditions(e.Xs))
	case query.Or:
		return anyOf(blockConditions(e.Xs))
	case query.Not:
		return noneOf{blockCondition(e.X)}
	case query.Const:
		return always(e.Value)
	}
	if level, ok := smallLevel(e); ok {
		return &heldOf{e: e, resource: level == query.LevelResource}
	}
	c := e.(query.Compare)
	f, lit := c.L.(query.Ref).Field, c.R.(query.Lit).Value
	switch {
	case f.Intrinsic == query.Kind || f.Intrinsic == query.Status:
		return byteOf(c, f.Intrinsic == query.Kind)
	case f.Intrinsic == query.Duration && (lit.Type == query.TypeDuration || lit.Type == query.TypeInt):
		return durationOf{c.Op, lit.Int}
	}
	return &anyColumn{e: e, fields: fixedFields(f)}
}

func blockConditions(xs []query.Expr) []condition {
	out := make([]condition, len(xs))
	for i, x := range xs {
		out[i] = blockCondition(x)
	}
	return out
}

// always is a condition that holds for all rows, or for none.
type always bool

func (k always) filter(_ *block, chosen []int32) ([]int32, error) {
	if !k {
		return chosen[:0], nil
	}
	return chosen, nil
}

type allOf []condition

func (a allOf) filter(b *block, chosen []int32) (_ []int32, err error) {
	for _, x := range a {
		if len(chosen) == 0 {
			break
		}
		if chosen, err = x.filter(b, chosen); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

type anyOf []condition

func (a anyOf) filter(b *block, chosen []int32) ([]int32, error) {
	held := make([]bool, b.rows.Hi-b.rows.Lo)
	for _, x := range a {
		some, err := x.filter(b, append([]int32(nil), chosen...))
		if err != nil {
			return nil, err
		}
		for _, row := range some {
			held[row] = true
		}
	}
	return keepRows(chosen, func(row int32) bool { return held[row] }), nil
}

type noneOf struct{ x condition }

func (n noneOf) filter(b *block, chosen []int32) ([]int32, error) {
	held := make([]bool, b.rows.Hi-b.rows.Lo)
	some, err := n.x.filter(b, append([]int32(nil), chosen...))
	if err != nil {
		return nil, err
	}
	for _, row := range some {
		held[row] = true
	}
	return keepRows(chosen, func(row int32) bool { return !held[row] }), nil
}

func keepRows(chosen []int32, keep func(row int32) bool) []int32 {
	n := 0
	for _, row := range chosen {
		if keep(row) {
			chosen[n] = row
			n++
		}
	}
	return chosen[:n]
}

// heldOf is a condition on the resource or the scope: it is evaluated once for
// each row of their tables.
type heldOf struct {
	e        query.Expr
	resource bool
	seg      *segmentSource
	held     []bool
}

func (h *heldOf) filter(b *block, chosen []int32) ([]int32, error) {
	if b.seg == nil || b.seg != h.seg {
		h.seg = b.seg
		if h.resource {
			h.held = heldRows(h.e, &b.batch.Resources, &telemetry.Table{N: 1})
		} else {
			h.held = heldRows(h.e, &telemetry.Table{N: 1}, &b.batch.Scopes)
		}
	}
	if err := b.need(segment.ScanFields{Resource: h.resource, Scope: !h.resource}); err != nil {
		return nil, err
	}
	of := b.batch.Spans.Scope
	if h.resource {
		of = b.batch.Spans.Resource
	}
	return keepHeld(chosen, of, h.held), nil
}

// keepHeld leaves of the chosen rows those whose number is one for which the condition held.
func keepHeld[T uint8 | uint32](chosen []int32, of []T, held []bool) []int32 {
	n := 0
	for _, row := range chosen {
		if held[of[row]] {
			chosen[n] = row
			n++
		}
	}
	return chosen[:n]
}

// bytesOf is a condition on the kind or the status, of which there are 256.
type bytesOf struct {
	kind bool
	held []bool
}

func byteOf(c query.Compare, kind bool) bytesOf {
	all := make([]uint8, 256)
	for i := range all {
		all[i] = uint8(i)
	}
	probe := &telemetry.Batch{Spans: telemetry.Spans{Table: telemetry.Table{N: len(all)}, Kind: all, Status: all}}
	return bytesOf{kind, query.Match(c, query.NewReader(probe))}
}

func (k bytesOf) filter(b *block, chosen []int32) ([]int32, error) {
	if err := b.need(segment.ScanFields{Kind: k.kind, Status: !k.kind}); err != nil {
		return nil, err
	}
	of := b.batch.Spans.Status
	if k.kind {
		of = b.batch.Spans.Kind
	}
	return keepHeld(chosen, of, k.held), nil
}

// durationOf compares the duration with nanoseconds.
type durationOf struct {
	op query.Op
	ns int64
}

func (d durationOf) filter(b *block, chosen []int32) ([]int32, error) {
	if err := b.need(segment.ScanFields{Duration: true}); err != nil {
		return nil, err
	}
	of := b.batch.Spans.Duration
	less, equal, more := d.op == query.OpLt || d.op == query.OpLe || d.op == query.OpNe,
		d.op == query.OpEq || d.op == query.OpLe || d.op == query.OpGe, d.op == query.OpGt || d.op == query.OpGe || d.op == query.OpNe
	n := 0
	for _, row := range chosen {
		if v := of[row]; v > d.ns && more || v < d.ns && less || v == d.ns && equal {
			chosen[n] = row
			n++
		}
	}
	return chosen[:n], nil
}

// fewRows is the share of a block's rows below which a condition is evaluated row
// by row rather than for the whole column.
const fewRows = 16

// anyColumn is any other comparison of a column with a constant.
type anyColumn struct {
	e      query.Expr
	fields segment.ScanFields
}

func (a *anyColumn) filter(b *block, chosen []int32) ([]int32, error) {
	f := a.fields
	f.Columns = b.columns
	r, err := b.read(f)
	if err != nil {
		return nil, err
	}
	if len(chosen) < (b.rows.Hi-b.rows.Lo)/fewRows {
		return keepRows(chosen, func(row int32) bool { return r.Eval(a.e, int(row)) }), nil
	}
	held := query.Match(a.e, r)
	return keepRows(chosen, func(row int32) bool { return held[row] }), nil
}
