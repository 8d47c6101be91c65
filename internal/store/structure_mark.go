package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
)

// What DuckDB answers for a marked row is one number: the segment's place in the
// statement, the row, and a bit for each condition.
const (
	markBits = maxMarkedLeaves + 1
	rowBits  = 40
)

// markRows bounds the rows that one statement looks at: DuckDB holds its whole
// answer, eight bytes a row, before the first is read.
const markRows = 4 << 20

// mark finds out which conditions of the plan hold for which rows. The condition
// after the last one of the plan is that a row starts within the range.
func (c *duckConn) mark(ctx context.Context, src sources, p *query.Plan, within query.Range) ([]*place, error) {
	stored := c.markSQL
	if allColumnar(src, p.Leaves) {
		stored = markScan
	}
	places, err := stored(ctx, src, p, within)
	if err != nil {
		return nil, err
	}
	if fresh := freshPlace(src, p, within); fresh.rows > 0 {
		places = append(places, fresh)
	}
	return places, ctx.Err()
}

// markSQL is mark for the segments, by DuckDB.
func (c *duckConn) markSQL(ctx context.Context, src sources, p *query.Plan, within query.Range) ([]*place, error) {
	var places []*place
	var lot []*place
	var parts []string
	rows := 0
	ask := func() error {
		err := c.markLot(ctx, parts, lot)
		parts, lot, rows = nil, nil, 0
		return err
	}
	for _, seg := range src.segments {
		pl, branch, err := markBranch(seg, p, within, src.maxSeq, len(lot))
		if err != nil {
			return nil, err
		}
		places = append(places, pl)
		if branch == "" {
			continue
		}
		parts, lot, rows = append(parts, branch), append(lot, pl), rows+pl.rows
		if rows >= markRows {
			if err := ask(); err != nil {
				return nil, err
			}
		}
	}
	return places, ask()
}

// markBranch is a segment's part of the statement; empty when no row has to be asked for.
func markBranch(seg *segmentSource, p *query.Plan, within query.Range, maxSeq int64, n int) (*place, string, error) {
	pl := &place{rows: seg.meta.Rows, planes: make([][]uint64, len(p.Leaves)+1), open: seg.structure}
	s := newScan(seg, segment.TableSpans)
	var wanted, marks []string
	add := func(c int, condition string) {
		switch condition {
		case sqlFalse:
		case sqlTrue:
			pl.always |= 1 << c
		default:
			marks = append(marks, fmt.Sprintf("(CASE WHEN %s THEN %d ELSE 0 END)", condition, 1<<c))
		}
	}
	for c, e := range p.Leaves {
		condition := s.condition(e, true)
		add(c, condition)
		if condition != sqlTrue {
			wanted = append(wanted, condition)
		}
	}
	inside := withinSQL(s, within)
	add(len(p.Leaves), inside)
	for c, gives := range outputs(p.Spans, make([]bool, len(p.Leaves))) {
		if gives && pl.always>>c&1 != 0 && inside != sqlTrue {
			wanted = append(wanted, inside) // then each row within can be in the answer
			break
		}
	}
	where := sqlOr(wanted...)
	if maxSeq != 0 && seg.meta.MaxSeq > maxSeq {
		pl.later = true
		where = sqlAnd(where, s.fixed("seq")+" <= "+integer(maxSeq))
	}
	if where == sqlFalse {
		return pl, "", nil
	}
	if err := s.verify(); err != nil {
		return nil, "", err
	}
	return pl, fmt.Sprintf("SELECT %d + %s * %d + %s AS mark FROM %s WHERE %s", n<<(rowBits+markBits), s.rowNumber(), 1<<markBits,
		strings.Join(marks, " + "), s.from("spans.parquet"), where), nil
}

// withinSQL is the condition that a row of the segment starts within the range.
func withinSQL(s *scan, within query.Range) string {
	m := s.seg.meta
	if m.MinStart >= within.End || m.MaxStart < within.Start {
		return sqlFalse
	}
	low, high := sqlTrue, sqlTrue
	if m.MinStart < within.Start {
		low = s.start() + " >= " + integer(within.Start)
	}
	if m.MaxStart >= within.End {
		high = s.start() + " < " + integer(within.End)
	}
	return sqlAnd(low, high)
}

// markLot runs a statement over some segments.
func (c *duckConn) markLot(ctx context.Context, parts []string, lot []*place) error {
	if len(parts) == 0 {
		return nil
	}
	r, err := c.arrow.QueryContext(ctx, strings.Join(parts, "\nUNION ALL "))
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		col, ok := r.RecordBatch().Column(0).(*array.Int64)
		if !ok {
			return fmt.Errorf("marks have type %s", r.RecordBatch().Column(0).DataType())
		}
		for _, v := range col.Int64Values() {
			n, row := v>>(rowBits+markBits), v>>markBits&(1<<rowBits-1)
			if n < 0 || n >= int64(len(lot)) || row >= int64(lot[n].rows) {
				return fmt.Errorf("mark %s is of no row", strconv.FormatInt(v, 10))
			}
			lot[n].mark(int(row), uint64(v)&(1<<markBits-1))
		}
	}
	return r.Err()
}
