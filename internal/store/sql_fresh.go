package store

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// everything is the range that all spans start in.
var everything = query.Range{Start: math.MinInt64, End: math.MaxInt64}

// freshColumn makes one column of the table of fresh rows.
type freshColumn struct {
	name string
	typ  arrow.DataType
	// bind prepares a batch and gives the function that appends a row's value.
	bind func(r *query.Reader, b *telemetry.Batch) func(dst array.Builder, row int)
}

// freshRows says how rows in memory become a branch: conditions are evaluated in
// Go, column by column, and only rows that are wanted are handed over. What
// depends on the whole trace, which Go does not have here, is left to SQL over
// columns of the table.
type freshRows struct {
	sh     *shape
	maxSeq int64
	cols   []freshColumn
	parts  []query.Expr // conditions that Go answers, as columns c0, c1 …
	where  string
}

func (c *duckConn) freshBranch(ctx context.Context, src sources, sh *shape) (*branch, error) {
	total := 0
	for _, b := range src.fresh {
		total += b.Spans.N
	}
	if total == 0 {
		return nil, nil
	}
	f := &freshRows{sh: sh, maxSeq: src.maxSeq}
	br := &branch{cols: map[string]string{}}
	f.fixed(br)
	f.conditions(br)
	f.labels(br)
	records, err := f.records(ctx, src)
	if err != nil {
		return nil, err
	}
	if records == nil {
		return nil, nil
	}
	defer records.Release()
	table, err := c.memory(ctx, records, f.columns())
	if err != nil {
		return nil, err
	}
	br.from = table + " f" + sh.joinTrace(br.cols["trace_id"])
	return br, nil
}

func (f *freshRows) add(br *branch, as string, col freshColumn) {
	f.cols = append(f.cols, col)
	if as != "" {
		br.cols[as] = "f." + col.name
	}
}

func (f *freshRows) fixed(br *branch) {
	f.add(br, "trace_id", freshColumn{"trace_id", &arrow.FixedSizeBinaryType{ByteWidth: 16}, func(_ *query.Reader, b *telemetry.Batch) func(array.Builder, int) {
		return func(dst array.Builder, row int) {
			dst.(*array.FixedSizeBinaryBuilder).Append(b.Spans.TraceID[row][:])
		}
	}})
	int64s := func(of func(b *telemetry.Batch) []int64) func(*query.Reader, *telemetry.Batch) func(array.Builder, int) {
		return func(_ *query.Reader, b *telemetry.Batch) func(array.Builder, int) {
			v := of(b)
			return func(dst array.Builder, row int) { dst.(*array.Int64Builder).Append(v[row]) }
		}
	}
	f.add(br, "start", freshColumn{"start", arrow.PrimitiveTypes.Int64, int64s(func(b *telemetry.Batch) []int64 { return b.Spans.Start })})
	if f.sh.duration {
		f.add(br, "duration", freshColumn{"duration", arrow.PrimitiveTypes.Int64, int64s(func(b *telemetry.Batch) []int64 { return b.Spans.Duration })})
	}
	if f.sh.spans {
		br.cols["spans"] = "tr.spans"
	}
	if f.sh.spanID {
		f.add(br, "span_id", freshColumn{"span_id", arrow.PrimitiveTypes.Uint64, func(_ *query.Reader, b *telemetry.Batch) func(array.Builder, int) {
			return func(dst array.Builder, row int) { dst.(*array.Uint64Builder).Append(b.Spans.SpanID[row].Uint64()) }
		}})
	}
}

// conditions makes a column of every part of a leaf that Go can answer, and the
// SQL that joins them with what it cannot.
func (f *freshRows) conditions(br *branch) {
	conds := make([]string, len(f.sh.leaves))
	for i, e := range f.sh.leaves {
		conds[i] = f.condition(e, true)
		br.cols[leafColumn(i)] = coalesceFalse(conds[i])
	}
	f.where = sqlOr(conds...)
	br.where = f.where
	for i, e := range f.parts {
		f.cols = append(f.cols, freshColumn{"c" + strconv.Itoa(i), arrow.FixedWidthTypes.Boolean, func(r *query.Reader, _ *telemetry.Batch) func(array.Builder, int) {
			held := query.Match(e, r)
			return func(dst array.Builder, row int) { dst.(*array.BooleanBuilder).Append(held[row]) }
		}})
	}
}

func readsTrace(e query.Expr) (yes bool) {
	query.WalkFields(e, func(f query.Field) { yes = yes || f.Level() == query.LevelTrace })
	return yes
}

func (f *freshRows) condition(e query.Expr, positive bool) string {
	if k, ok := e.(query.Const); ok {
		if k.Value {
			return sqlTrue
		}
		return sqlFalse
	}
	if !readsTrace(e) {
		f.parts = append(f.parts, e)
		return "f.c" + strconv.Itoa(len(f.parts)-1)
	}
	many := func(xs []query.Expr) []string {
		out := make([]string, len(xs))
		for i, x := range xs {
			out[i] = f.condition(x, positive)
		}
		return out
	}
	switch e := e.(type) {
	case query.And:
		return sqlAnd(many(e.Xs)...)
	case query.Or:
		return sqlOr(many(e.Xs)...)
	case query.Not:
		return sqlNot(f.condition(e.X, !positive))
	case query.Exists:
		if !lowerable(e) {
			return wide(positive)
		}
		return traceField(e.Field.Intrinsic).present
	case query.Compare:
		if !lowerable(e) {
			return wide(positive)
		}
		return compareValues(e, traceOperand(e.L), traceOperand(e.R))
	}
	return sqlFalse
}

// traceOperand is one side of a comparison that reads fields of whole traces only.
func traceOperand(o query.Operand) side {
	field := func(f query.Field) values { return traceField(f.Intrinsic) }
	var number func(o query.Operand) string
	number = func(o query.Operand) string { return numberOf(o, field, number) }
	switch o := o.(type) {
	case query.Lit:
		return side{lit: &o.Value}
	case query.Ref:
		return side{values: field(o.Field)}
	case query.Arith:
		return side{values: values{dbl: arith(o, number)}}
	}
	return side{}
}

func (f *freshRows) labels(br *branch) {
	for i, field := range f.sh.labels {
		if field.Level() == query.LevelTrace {
			labelValues(br.cols, i, traceField(field.Intrinsic))
			continue
		}
		for _, p := range labelParts {
			f.label(br, i, field, p.name)
		}
	}
	if f.sh.arg == nil {
		return
	}
	if r, ok := f.sh.arg.(query.Ref); ok && r.Field.Level() == query.LevelTrace {
		if is := argument(br.cols, traceField(r.Field.Intrinsic)); f.sh.argOnly {
			br.where = sqlAnd(br.where, is)
		}
		return
	}
	number := func(name string, typ arrow.DataType, put func(dst array.Builder, v query.Value)) {
		f.add(br, name, freshColumn{name, typ, func(r *query.Reader, _ *telemetry.Batch) func(array.Builder, int) {
			of := r.AccessNumber(f.sh.arg)
			return func(dst array.Builder, row int) {
				if v, ok := of(row); ok {
					put(dst, v)
				} else {
					dst.AppendNull()
				}
			}
		}})
	}
	number("a_n", arrow.PrimitiveTypes.Int64, func(dst array.Builder, v query.Value) {
		if v.Type == query.TypeFloat {
			dst.AppendNull()
		} else {
			dst.(*array.Int64Builder).Append(v.Int)
		}
	})
	number("a_d", arrow.PrimitiveTypes.Float64, func(dst array.Builder, v query.Value) {
		if v.Type == query.TypeFloat {
			dst.(*array.Float64Builder).Append(v.Float)
		} else {
			dst.AppendNull()
		}
	})
	if f.sh.argOnly {
		br.where = sqlAnd(br.where, "(f.a_n IS NOT NULL OR f.a_d IS NOT NULL)")
	}
}

// label adds one typed column of a label. Attributes may have any type; the rest
// has one.
func (f *freshRows) label(br *branch, i int, field query.Field, part string) {
	want := map[string][]query.Type{"s": {query.TypeString}, "n": {query.TypeInt, query.TypeDuration}, "d": {query.TypeFloat},
		"b": {query.TypeBool}, "e": {query.TypeStatus, query.TypeKind}}[part]
	fits := func(t query.Type) bool { return t == want[0] || t == want[len(want)-1] }
	if t := field.Type(); t == query.TypeAny && part == "e" || t != query.TypeAny && !fits(t) {
		return
	}
	types := map[string]arrow.DataType{"s": arrow.BinaryTypes.String, "n": arrow.PrimitiveTypes.Int64, "d": arrow.PrimitiveTypes.Float64,
		"b": arrow.FixedWidthTypes.Boolean, "e": arrow.PrimitiveTypes.Int32}
	name := labelColumn(i, part)
	f.add(br, name, freshColumn{name, types[part], func(r *query.Reader, _ *telemetry.Batch) func(array.Builder, int) {
		of := r.Access(field)
		return func(dst array.Builder, row int) {
			v := of(row)
			if !fits(v.Type) {
				dst.AppendNull()
				return
			}
			switch dst := dst.(type) {
			case *array.StringBuilder:
				dst.Append(v.Str)
			case *array.Int64Builder:
				dst.Append(v.Int)
			case *array.Float64Builder:
				dst.Append(v.Float)
			case *array.BooleanBuilder:
				dst.Append(v.Int != 0)
			case *array.Int32Builder:
				dst.Append(int32(v.Int))
			}
		}
	}})
}

// records picks the wanted rows of every batch; nil when there are none.
func (f *freshRows) records(ctx context.Context, src sources) (array.RecordReader, error) {
	fields := make([]arrow.Field, len(f.cols))
	for i, c := range f.cols {
		fields[i] = arrow.Field{Name: c.name, Type: c.typ, Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	var records []arrow.RecordBatch
	defer func() {
		for _, r := range records {
			r.Release()
		}
	}()
	for _, b := range src.fresh {
		if err := src.turns.do(ctx, func() error {
			if r := f.record(schema, b); r != nil {
				records = append(records, r)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	reader, err := array.NewRecordReader(schema, records)
	if err != nil {
		return nil, fmt.Errorf("hand fresh rows to the query engine: %w", err)
	}
	return reader, nil
}

// record is the rows of a batch that may be in the answer, nil for none.
func (f *freshRows) record(schema *arrow.Schema, b *telemetry.Batch) arrow.RecordBatch {
	r := query.NewReader(b)
	rows := f.wanted(r, b)
	if len(rows) == 0 {
		return nil
	}
	build := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer build.Release()
	build.Reserve(len(rows))
	for i, c := range f.cols {
		dst, put := build.Field(i), c.bind(r, b)
		for _, row := range rows {
			put(dst, row)
		}
	}
	return build.NewRecordBatch()
}

// columns lists every column of the view in its order, with the trace id made the
// UUID that it is in segments.
func (f *freshRows) columns() string {
	names := make([]string, len(f.cols))
	for i, c := range f.cols {
		names[i] = c.name
		if c.name == "trace_id" {
			names[i] = "trace_id::UUID AS trace_id"
		}
	}
	return strings.Join(names, ", ")
}

// wanted gives the rows that may be in the answer: those for which no leaf can
// hold are left out here.
func (f *freshRows) wanted(r *query.Reader, b *telemetry.Batch) []int {
	var rows []int
	keep := make([]bool, b.Spans.N)
	for _, e := range f.sh.leaves {
		if readsTrace(e) {
			for i := range keep {
				keep[i] = true
			}
			break
		}
		for i, ok := range query.Match(e, r) {
			keep[i] = keep[i] || ok
		}
	}
	for row, ok := range keep {
		if ok && f.sh.within.Contains(b.Spans.Start[row]) && (f.maxSeq == 0 || b.Spans.Seq[row] <= f.maxSeq) {
			rows = append(rows, row)
		}
	}
	return rows
}
