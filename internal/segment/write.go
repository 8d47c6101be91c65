package segment

import (
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// slabGroups is the number of row groups that Write encodes column by column
// before it turns to the next. The columns of a slab lie one after the other,
// so that a scan of one column reads one stretch of the file.
const slabGroups = 4

// Options are the choices of a caller of Write, Merge and Open. The zero value works.
type Options struct {
	// Cache keeps footers, dictionaries and filters of open segments. nil: every
	// read loads what it needs again.
	Cache *Cache
}

// Stats says what a write did. A row is stored, or a duplicate: RowsIn = RowsOut + Duplicates.
type Stats struct {
	RowsIn      int
	RowsOut     int
	Duplicates  int // records that were there already, under a lower or equal seq
	Collisions  int // rows that were newly marked with telemetry.MarkIDCollision
	MendedTexts int // distinct texts of a row group in which invalid UTF-8 became U+FFFD
}

// Write makes a segment in dir from batches of one tenant, in any number, order
// and overlap. It creates dir, whose name is a temporary one that the caller
// gives up by a rename; files and folder are durable when it returns. After an
// error dir holds rubbish, which the caller removes. Sources are read only.
func Write(fs wal.FS, dir string, sources []*telemetry.Batch, _ Options) (*Meta, Stats, error) {
	rows := [3]int{}
	var keys keyIndex
	tenant := ""
	for i, b := range sources {
		if i == 0 {
			tenant = b.Tenant
		} else if b.Tenant != tenant {
			return nil, Stats{}, fmt.Errorf("write segment: batches of tenants %q and %q", tenant, b.Tenant)
		}
		for t, table := range spanTables(b) {
			keys.count(tableLetters[t], table)
			rows[t] += table.N
		}
	}
	w, err := newWriter(fs, dir, tenant, keys, rows)
	if err != nil {
		return nil, Stats{}, fmt.Errorf("write segment: %w", err)
	}
	defer w.close()
	if err := w.add(sources); err != nil {
		return nil, Stats{}, fmt.Errorf("write segment: %w", err)
	}
	m, err := w.finish()
	if err != nil {
		return nil, Stats{}, fmt.Errorf("write segment: %w", err)
	}
	return m, w.stats, nil
}

var tableLetters = [3]byte{TableSpans, TableEvents, TableLinks}

func spanTables(b *telemetry.Batch) [3]*telemetry.Table {
	return [3]*telemetry.Table{&b.Spans.Table, &b.Events.Table, &b.Links.Table}
}

// writer makes one segment out of sets of batches, each of which holds whole
// traces that come after those of the set before.
type writer struct {
	fs        wal.FS
	dir       string
	enc       *encoder
	plan      plan
	files     map[byte]*fileWriter
	rows      map[byte]int // written so far
	slab      slab
	sorter    sorter
	filter    *filter
	resources *rowTable
	scopes    *rowTable
	meta      Meta
	stats     Stats
	ids       []telemetry.TraceID
	base      []uint64 // trace_start_ns
	events    []uint32 // scratch of children
}

// newWriter plans the columns of the tables s, e and l, whose values are counted in
// keys and which get rows rows at most.
func newWriter(fs wal.FS, dir, tenant string, keys keyIndex, rows [3]int) (*writer, error) {
	if rows[0] > maxFileRows || rows[1] > maxFileRows || rows[2] > maxFileRows {
		return nil, telemetry.Errorf(telemetry.KindExhausted, "%d spans, %d events, %d links: a segment holds %d at most", rows[0], rows[1], rows[2], maxFileRows)
	}
	if err := fs.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	enc, err := newEncoder()
	if err != nil {
		return nil, err
	}
	w := &writer{fs: fs, dir: dir, enc: enc, files: map[byte]*fileWriter{}, rows: map[byte]int{},
		resources: newRowTable(TableResources), scopes: newRowTable(TableScopes)}
	w.meta = Meta{Format: formatVersion, Tenant: tenant}
	w.plan.index = keys
	for t, letter := range tableLetters {
		w.plan.table(letter, rareBelow(rows[t]))
	}
	_, err = w.file(TableSpans)
	return w, err
}

// file gives the file of a table, made on first use.
func (w *writer) file(table byte) (*fileWriter, error) {
	if f := w.files[table]; f != nil {
		return f, nil
	}
	sorted := 0
	if table == TableRest {
		sorted = colRestRow
	}
	f, err := createFile(w.fs, w.dir, fileNames[table], tableSpecs(w.plan.cols, table), sorted, w.enc)
	if err != nil {
		return nil, err
	}
	w.files[table] = f
	return f, nil
}

func (w *writer) close() {
	for _, f := range w.files {
		f.f.Close()
	}
}

// add writes a set of batches.
func (w *writer) add(sources []*telemetry.Batch) error {
	resources := make([][]uint32, len(sources))
	scopes := make([][]uint32, len(sources))
	for i, b := range sources {
		w.stats.RowsIn += b.Spans.N
		resources[i] = w.resources.add(&b.Resources, b.Spans.Resource)
		scopes[i] = w.scopes.add(&b.Scopes, b.Spans.Scope)
	}
	o := w.sorter.arrange(sources, resources, scopes)
	w.stats.Duplicates += o.duplicates
	w.stats.Collisions += o.collisions
	w.stats.RowsOut += o.n
	if w.filter == nil {
		w.filter = newFilter(o.traces)
	}
	in := w.collect(sources)
	for lo := 0; lo < o.n; lo += slabGroups * groupRows {
		n := min(slabGroups*groupRows, o.n-lo)
		if err := w.spans(o, lo, n, resources, scopes, in); err != nil {
			return err
		}
	}
	return nil
}

// spans writes the rows [lo, lo+n) of o with their events and links.
func (w *writer) spans(o *order, lo, n int, resources, scopes [][]uint32, in *collected) error {
	f, s := w.files[TableSpans], &w.slab
	s.aim(o.pos, lo, n)
	g := f.addGroups(n)
	src := func(i int) *telemetry.Spans { return &o.sources[i].Spans }

	w.ids = slices.Grow(w.ids[:0], n)[:n]
	for i, place := range o.pos {
		for r, p := range place {
			if q := p - s.lo; q < uint32(n) {
				w.ids[q] = src(i).TraceID[r]
			}
		}
	}
	w.traces()
	f.column(g, colTrace, &values{rows: n, ids: w.ids})
	wide := s.full()
	for i, place := range o.pos {
		for r, p := range place {
			if q := p - s.lo; q < uint32(n) {
				wide[q] = src(i).SpanID[r].Uint64()
			}
		}
	}
	f.column(g, colSpan, s.required())
	w.parents(f, g, o)
	starts := scatterInts(s, func(i int) []int64 { return src(i).Start })
	w.startBase(starts.nums)
	f.column(g, colTraceStart, &values{rows: n, nums: w.base})
	f.column(g, colStartOff, starts)
	f.column(g, colDuration, scatterInts(s, func(i int) []int64 { return src(i).Duration }))
	f.column(g, colKind, scatterInts(s, func(i int) []uint8 { return src(i).Kind }))
	f.column(g, colStatus, scatterInts(s, func(i int) []uint8 { return src(i).Status }))
	f.column(g, colFlags, scatterInts(s, func(i int) []uint32 { return src(i).Flags }))
	marks := scatterInts(s, func(i int) []uint8 { return src(i).Marks })
	for q, m := range o.marks[lo : lo+n] {
		marks.nums[q] |= uint64(m)
	}
	f.column(g, colMarks, marks)
	f.column(g, colScope, s.scatterMapped(func(i int) []uint32 { return src(i).Scope }, scopes))
	f.column(g, colResource, s.scatterMapped(func(i int) []uint32 { return src(i).Resource }, resources))
	s.codes = s.codes[:0]
	for _, r := range s.wide {
		s.codes = append(s.codes, w.resources.service[r])
	}
	f.column(g, colService, &values{rows: n, codes: s.codes, texts: &w.resources.services})
	names, err := s.fixedTexts(func(i int) ([]uint32, *telemetry.Dict) { return src(i).Name, &src(i).Names })
	if err != nil {
		return columnError(&f.foot.cols[colName], err)
	}
	f.column(g, colName, names)
	seqs := scatterInts(s, func(i int) []int64 { return src(i).Seq })
	w.seqRange(seqs.nums)
	f.column(g, colSeq, seqs)
	if err := w.attributes(TableSpans, g, in); err != nil {
		return err
	}
	first := w.rows[TableSpans]
	w.rows[TableSpans] += n
	if err := w.writeEvents(o, lo, n, first, in); err != nil {
		return err
	}
	return w.writeLinks(o, lo, n, first, in)
}

// traces counts the traces of w.ids and enters them in the filter.
func (w *writer) traces() {
	for q, id := range w.ids {
		if q == 0 && w.meta.Traces > 0 && id == w.meta.MaxTrace || q > 0 && id == w.ids[q-1] {
			continue
		}
		if w.meta.Traces == 0 {
			w.meta.MinTrace = id
		}
		w.filter.add(id)
		w.meta.Traces++
		w.meta.MaxTrace = id
	}
}

// parents writes parent_dist and, where the parent is elsewhere, parent_id.
func (w *writer) parents(f *fileWriter, g int, o *order) {
	s := &w.slab
	wide := s.full()
	s.clearBitmap()
	k := 0
	dist := o.dist[s.lo:][:s.n]
	for q, d := range dist {
		if d != noParent {
			wide[k] = uint64(uint32(d))
			k++
			s.bitmap[q/64] |= 1 << (q % 64)
		}
	}
	f.column(g, colParentDist, &values{rows: s.n, bitmap: s.bitmap, nums: wide[:k]})
	s.clearBitmap()
	for i, place := range s.place {
		parents := o.sources[i].Spans.Parent
		for r, p := range place {
			if q := p - s.lo; q < uint32(s.n) && dist[q] == parentGone {
				wide[q] = parents[r].Uint64()
				s.bitmap[q/64] |= 1 << (q % 64)
			}
		}
	}
	k = 0
	for q, d := range dist {
		if d == parentGone {
			wide[k] = wide[q]
			k++
		}
	}
	f.column(g, colParentID, &values{rows: s.n, bitmap: s.bitmap, nums: wide[:k]})
}

// startBase splits the starts of w.ids' spans into a base that is the same for
// a whole trace and what each span adds to it. Where the sum of the two would
// not be the difference of two 64-bit numbers, a span is its own base, so that
// the SQL that adds them never overflows.
func (w *writer) startBase(starts []uint64) {
	w.base = slices.Grow(w.base[:0], len(starts))[:len(starts)]
	base := int64(0)
	for q, v := range starts {
		start := int64(v)
		if w.meta.Rows == 0 {
			w.meta.MinStart, w.meta.MaxStart = start, start
		}
		w.meta.Rows++
		w.meta.MinStart, w.meta.MaxStart = min(w.meta.MinStart, start), max(w.meta.MaxStart, start)
		if q == 0 || w.ids[q] != w.ids[q-1] {
			base = start
		}
		off := start - base
		w.base[q] = uint64(base)
		if off < 0 {
			w.base[q], off = v, 0
		}
		starts[q] = uint64(off)
	}
}

func (w *writer) seqRange(seqs []uint64) {
	for q, v := range seqs {
		seq := int64(v)
		if q == 0 && w.rows[TableSpans] == 0 {
			w.meta.MinSeq, w.meta.MaxSeq = seq, seq
		}
		w.meta.MinSeq, w.meta.MaxSeq = min(w.meta.MinSeq, seq), max(w.meta.MaxSeq, seq)
	}
}
