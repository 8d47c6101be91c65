package segment

import (
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Merge writes one segment in dir out of several of one tenant; see Write for
// dir and for what happens to equal and colliding records. Parents that come
// together in one file become distances.
//
// It goes through the segments by ranges of trace ids, so that its memory does
// not depend on their size: it holds about one row group of rows, one page of
// each source, and the largest single trace.
func Merge(fs wal.FS, dir string, segs []*Segment, _ Options) (*Meta, Stats, error) {
	m, st, err := merge(fs, dir, segs)
	if err != nil {
		return nil, Stats{}, fmt.Errorf("merge segments: %w", err)
	}
	return m, st, nil
}

func merge(fs wal.FS, dir string, segs []*Segment) (*Meta, Stats, error) {
	var keys keyIndex
	var rows [3]int
	traces := 0
	for _, s := range segs {
		if s.meta.Tenant != segs[0].meta.Tenant {
			return nil, Stats{}, fmt.Errorf("tenants %q and %q", segs[0].meta.Tenant, s.meta.Tenant)
		}
		traces += s.meta.Traces
		for i, letter := range tableLetters {
			if f := s.meta.File(fileNames[letter]); f != nil {
				rows[i] += f.Rows
			}
			for n := range s.meta.Columns {
				if c := &s.meta.Columns[n]; c.Table == letter && c.Rows > 0 {
					keys.add(keys.find(letter, c.Scope, c.Type, c.Key), c.Rows)
				}
			}
		}
	}
	tenant := ""
	if len(segs) > 0 {
		tenant = segs[0].meta.Tenant
	}
	w, err := newWriter(fs, dir, tenant, keys, rows)
	if err != nil {
		return nil, Stats{}, err
	}
	defer w.close()
	w.filter = newFilter(traces)
	cuts, err := mergeCuts(segs)
	if err != nil {
		return nil, Stats{}, err
	}
	at := make([]int, len(segs)) // next row of each
	for i := range len(cuts) + 1 {
		var batches []*telemetry.Batch
		for k, s := range segs {
			end := s.meta.Rows
			if i < len(cuts) {
				if end, err = s.firstRow(cuts[i]); err != nil {
					return nil, Stats{}, err
				}
			}
			if end <= at[k] {
				continue
			}
			b, err := s.readRows(at[k], end, true)
			if err != nil {
				return nil, Stats{}, err
			}
			at[k] = end
			batches = append(batches, b)
		}
		if err := w.add(batches); err != nil {
			return nil, Stats{}, err
		}
	}
	m, err := w.finish()
	return m, w.stats, err
}

// firstRow gives the first row whose trace id is not below id.
func (s *Segment) firstRow(id telemetry.TraceID) (int, error) {
	t, err := s.open(TableSpans)
	if err != nil {
		return 0, err
	}
	defer t.close()
	return t.lowerBound(colTrace, 0, len(t.foot.groups), id[:])
}

// mergeCuts chooses trace ids at which a merge turns from one set of rows to
// the next: at beginnings of pages, so that a page is read twice at most.
func mergeCuts(segs []*Segment) ([]telemetry.TraceID, error) {
	type page struct {
		first telemetry.TraceID
		rows  int
	}
	var pages []page
	for _, s := range segs {
		t, err := s.open(TableSpans)
		if err != nil {
			return nil, err
		}
		for g := range t.foot.groups {
			group, err := t.group(g)
			if err != nil {
				t.close()
				return nil, err
			}
			c := &group.cols[colTrace]
			for i, v := range c.mins {
				end := group.rows
				if i+1 < len(c.pages) {
					end = int(c.pages[i+1].first)
				}
				if len(v) != len(telemetry.TraceID{}) {
					t.close()
					return nil, t.fail(colTrace, fmt.Errorf("smallest value of %d bytes", len(v)))
				}
				pages = append(pages, page{telemetry.TraceID(v), end - int(c.pages[i].first)})
			}
		}
		t.close()
	}
	slices.SortFunc(pages, func(a, b page) int { return compareIDs(a.first, b.first) })
	target := max(groupRows/2, groupRows-len(segs)*pageRows) // what is left of pages begun before comes on top
	var cuts []telemetry.TraceID
	sum := 0
	for _, p := range pages {
		if sum += p.rows; sum <= target {
			continue
		}
		if n := len(cuts); n == 0 || compareIDs(cuts[n-1], p.first) < 0 {
			cuts = append(cuts, p.first)
			sum = p.rows
		}
	}
	return cuts, nil
}
