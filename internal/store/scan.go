package store

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Questions about all spans whose conditions read columns alone are answered by
// scans in Go: conditions work on codes of dictionaries and on whole columns, a
// column is decoded of those pages alone in which a row can still matter, and no
// more of the answer is kept than it needs. The 20 slowest of three conditions over
// 5 M spans took 60 ms of CPU where DuckDB took 165, and the memory is that of one
// page a worker.

// spanScan reads blocks of rows of a segment, as segment.Scan does.
type spanScan interface {
	Groups() int
	Group(i int) segment.Rows
	Longest(group int) int64
	Names(group int) bool
	Read(b *telemetry.Batch, rows segment.Rows, f segment.ScanFields) error
	Close()
}

// block is the rows of one page of a segment, or a whole batch in memory.
type block struct {
	seg     *segmentSource // nil: the rows are in memory, with all of their columns
	group   int            // row group of seg
	batch   *telemetry.Batch
	scan    spanScan
	rows    segment.Rows
	have    segment.ScanFields
	columns []int // of the catalogue, which conditions and labels may read
	reader  *query.Reader
}

// need reads the columns of the block that are not there yet.
func (b *block) need(f segment.ScanFields) error {
	if b.seg == nil {
		return nil
	}
	lacking := false
	miss := func(want bool, have *bool) bool {
		want = want && !*have
		*have = *have || want
		lacking = lacking || want
		return want
	}
	h := &b.have
	todo := segment.ScanFields{
		Trace: miss(f.Trace, &h.Trace), Start: miss(f.Start, &h.Start), Duration: miss(f.Duration, &h.Duration), Kind: miss(f.Kind, &h.Kind),
		Status: miss(f.Status, &h.Status), Resource: miss(f.Resource, &h.Resource), Scope: miss(f.Scope, &h.Scope), Name: miss(f.Name, &h.Name), Seq: miss(f.Seq, &h.Seq),
	}
	if len(f.Columns) > 0 && len(h.Columns) == 0 {
		h.Columns, todo.Columns, lacking = f.Columns, f.Columns, true
		b.reader = nil // which may know that there were none
	}
	if !lacking {
		return nil
	}
	return b.scan.Read(b.batch, b.rows, todo)
}

// read gives a reader of the block, of which all columns that fields name are there.
func (b *block) read(f segment.ScanFields) (*query.Reader, error) {
	if err := b.need(f); err != nil {
		return nil, err
	}
	if b.reader == nil {
		b.reader = query.NewReader(b.batch)
	}
	return b.reader, nil
}

// blockWorker takes blocks, one after the other.
type blockWorker interface {
	// skip reports that no row of a row group matters, of which none lasts longer.
	skip(longest int64) bool
	block(b *block) error
}

// scanner hands the blocks of sources to workers.
type scanner struct {
	src    sources
	fields []query.Field // that conditions, labels and numbers read
	extra  segment.ScanFields
	next   atomic.Int64
	tasks  []scanTask
}

type scanTask struct {
	seg   *segmentSource
	group int
	fresh *telemetry.Batch
}

// maxScanWorkers bounds the workers of one question, each of which has buffers.
const maxScanWorkers = 16

// run calls each worker with its share of the blocks, at the same time as the
// others, and comes back when all have ended.
func (s *scanner) run(ctx context.Context, workers []blockWorker) error {
	if s.tasks == nil {
		for _, b := range s.src.fresh {
			s.tasks = append(s.tasks, scanTask{fresh: b})
		}
		for _, seg := range s.src.segments {
			for g := range seg.meta.RowGroups() {
				s.tasks = append(s.tasks, scanTask{seg: seg, group: g})
			}
		}
	}
	s.next.Store(0)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, w := range workers[:min(len(workers), max(len(s.tasks), 1))] {
		all.Go(func() {
			if err := s.work(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// work does tasks until there are none. A worker has one segment open at a time.
func (s *scanner) work(ctx context.Context, w blockWorker) (err error) {
	var open *segmentSource
	b := &block{}
	defer func() {
		if b.scan != nil {
			b.scan.Close()
		}
	}()
	for n := s.next.Add(1); n <= int64(len(s.tasks)); n = s.next.Add(1) {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := s.tasks[n-1]
		if t.seg == nil {
			if t.fresh.Spans.N == 0 {
				continue
			}
			all := &block{batch: t.fresh, rows: segment.Rows{Hi: t.fresh.Spans.N}}
			if err := s.src.turns.do(ctx, func() error { return w.block(all) }); err != nil {
				return err
			}
			continue
		}
		if t.seg != open {
			if b.scan != nil {
				b.scan.Close()
			}
			*b = block{}
			if b, err = s.open(t.seg); err != nil {
				b = &block{}
				return err
			}
			open = t.seg
		}
		if err := s.group(ctx, b, t.group, w); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) open(seg *segmentSource) (*block, error) {
	f := s.extra
	f.Columns = scanColumns(seg.meta, s.fields)
	for _, x := range s.fields {
		f = f.With(fixedFields(x))
	}
	scan, err := seg.scan(f.Names(seg.meta)...)
	if err != nil {
		return nil, err
	}
	return &block{seg: seg, scan: scan, columns: f.Columns,
		batch: &telemetry.Batch{Resources: *seg.resources, Scopes: *seg.scopes}}, nil
}

// group hands over the blocks of one row group.
func (s *scanner) group(ctx context.Context, b *block, group int, w blockWorker) error {
	if w.skip(b.scan.Longest(group)) {
		return nil
	}
	rows := b.scan.Group(group)
	b.group = group
	for lo := rows.Lo; lo < rows.Hi; lo += segment.ScanRows {
		b.rows = segment.Rows{Lo: lo, Hi: min(lo+segment.ScanRows, rows.Hi)}
		b.have, b.reader = segment.ScanFields{}, nil
		b.batch.Spans.N, b.batch.Spans.Cols = b.rows.Hi-b.rows.Lo, nil
		if err := s.src.turns.do(ctx, func() error { return w.block(b) }); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// scanColumns lists the columns of a segment that hold values of the fields.
func scanColumns(m *segment.Meta, fields []query.Field) []int {
	var out []int
	for i := range m.Columns {
		c := &m.Columns[i]
		if c.Table == segment.TableSpans && !c.Rare && slices.ContainsFunc(fields, func(f query.Field) bool { return columnOf(c, f) }) {
			out = append(out, i)
		}
	}
	return out
}

// columnOf reports whether a column of spans holds values of the field.
func columnOf(c *segment.ColumnInfo, f query.Field) bool {
	if f.Intrinsic == query.StatusMessage {
		return c.Scope == telemetry.ScopeIntrinsic && c.Key == telemetry.KeyStatusMessage
	}
	return c.Scope == telemetry.ScopeSpan && f.Has(c.Key) && f.Scope != telemetry.ScopeIntrinsic &&
		(f.Scope == telemetry.ScopeSpan || f.Level() == query.LevelSpanOrResource)
}

// fixedFields gives the columns that every segment has and the field reads.
func fixedFields(f query.Field) segment.ScanFields {
	out := segment.ScanFields{Duration: f.Intrinsic == query.Duration, Name: f.Intrinsic == query.Name, Kind: f.Intrinsic == query.Kind, Status: f.Intrinsic == query.Status}
	switch f.Level() {
	case query.LevelResource, query.LevelSpanOrResource:
		out.Resource = true
	case query.LevelInstrumentation:
		out.Scope = true
	}
	return out
}

// scannable reports whether blocks have the values of the field in all sources:
// it is of the span, its resource or its scope, and no segment keeps it among the
// rare values.
func scannable(src sources, f query.Field) bool {
	if f.Parent {
		return false
	}
	switch f.Scope {
	case telemetry.ScopeIntrinsic:
		switch f.Intrinsic {
		case query.Duration, query.Name, query.Status, query.Kind, query.StatusMessage, query.ScopeName, query.ScopeVersion:
		default:
			return false
		}
	case telemetry.ScopeSpan, telemetry.ScopeResource, telemetry.ScopeInstrumentation, 0:
	default:
		return false
	}
	for _, seg := range src.segments {
		for i := range seg.meta.Columns {
			if c := &seg.meta.Columns[i]; c.Rare && c.Table == segment.TableSpans && columnOf(c, f) {
				return false
			}
		}
	}
	return true
}

// visible leaves of the chosen rows of the block those that start within the range
// and came before the page was fixed.
func (b *block) visible(chosen []int32, within query.Range, maxSeq int64) ([]int32, error) {
	if maxSeq != 0 && (b.seg == nil || b.seg.meta.MaxSeq > maxSeq) {
		if err := b.need(segment.ScanFields{Seq: true}); err != nil {
			return nil, err
		}
		seq := b.batch.Spans.Seq
		chosen = slices.DeleteFunc(chosen, func(row int32) bool { return seq[row] > maxSeq })
	}
	if b.seg != nil && b.seg.meta.MinStart >= within.Start && b.seg.meta.MaxStart < within.End {
		return chosen, nil
	}
	if err := b.need(segment.ScanFields{Start: true}); err != nil {
		return nil, err
	}
	start := b.batch.Spans.Start
	return slices.DeleteFunc(chosen, func(row int32) bool { return !within.Contains(start[row]) }), nil
}

// every appends the numbers of all rows of the block.
func (b *block) every(chosen []int32) []int32 {
	n := b.rows.Hi - b.rows.Lo
	chosen = slices.Grow(chosen[:0], n)[:n]
	for i := range chosen {
		chosen[i] = int32(i)
	}
	return chosen
}
