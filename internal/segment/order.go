package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

const (
	noRow      = ^uint32(0)
	noParent   = math.MinInt32 // in order.dist
	parentGone = 0
)

// order is the sorted arrangement of the rows of several batches: by trace id,
// start, span id, kind, seq, without the records that are there twice.
type order struct {
	sources []*telemetry.Batch
	pos     [][]uint32 // by source and row: the row's place, or noRow
	n       int
	traces  int
	dist    []int32 // by place: place − place of the parent, parentGone or noParent
	marks   []uint8 // by place: marks to add

	duplicates int
	collisions int // rows newly marked
}

// sortKey leads to a row; most traces differ in the first half of their id.
type sortKey struct {
	hi  uint64
	src uint32
	row uint32
}

// record is a row of the traces being arranged.
type record struct {
	lo    uint64
	start int64
	id    uint64
	seq   int64
	src   uint32
	row   uint32
	kind  uint8
	gone  bool // the same record is there with a lower seq
	marks uint8
}

// sorter arranges rows; it is scratch memory.
type sorter struct {
	keys    []sortKey
	spare   []sortKey // as many, for sortKeys
	starts  []uint32
	recs    []record
	ids     idTable
	content *contentKeys
}

// arrange sorts the rows of sources. resources and scopes give each source's
// rows their number in the segment, so that equal ones compare as equal.
func (s *sorter) arrange(sources []*telemetry.Batch, resources, scopes [][]uint32) *order {
	o := &order{sources: sources, pos: make([][]uint32, len(sources))}
	total := 0
	for _, b := range sources {
		total += b.Spans.N
	}
	s.keys = slices.Grow(s.keys[:0], total)
	for i, b := range sources {
		o.pos[i] = make([]uint32, b.Spans.N)
		for r := range b.Spans.TraceID {
			s.keys = append(s.keys, sortKey{b.Spans.TraceID[r].Hi(), uint32(i), uint32(r)})
		}
	}
	s.sortKeys()
	o.dist = slices.Grow(o.dist, total)
	o.marks = slices.Grow(o.marks, total)
	s.content = &contentKeys{sources: sources, resources: resources, scopes: scopes}
	for i := 0; i < len(s.keys); {
		j := i + 1
		for j < len(s.keys) && s.keys[j].hi == s.keys[i].hi {
			j++
		}
		s.load(sources, s.keys[i:j])
		for recs := s.recs; len(recs) > 0; {
			k := 1
			for k < len(recs) && recs[k].lo == recs[0].lo {
				k++
			}
			s.trace(o, recs[:k])
			recs = recs[k:]
		}
		i = j
	}
	s.content = nil
	if len(s.keys) > 2*groupRows { // a whole flush, not one range of a merge
		s.keys, s.spare, s.starts = nil, nil, nil
	}
	return o
}

// Buckets of sortKeys: about one for so many rows, at most so many.
const (
	bucketRows = 16
	maxBuckets = 1 << 16
)

// sortKeys sorts keys by hi: into buckets by the bits in which they differ most, in
// one pass, and then each bucket. Ids are nearly always random, so that a bucket
// holds a trace or two; where they are not, it costs what it would without buckets.
func (s *sorter) sortKeys() {
	least, most := ^uint64(0), uint64(0)
	for i := range s.keys {
		least, most = min(least, s.keys[i].hi), max(most, s.keys[i].hi)
	}
	n := min(len(s.keys)/bucketRows, maxBuckets)
	if n < 2 || least == most {
		slices.SortFunc(s.keys, compareKeys)
		return
	}
	shift := max(bits.Len64(most-least)-bits.Len(uint(n-1)), 0)
	n = int((most-least)>>shift) + 1
	s.starts = slices.Grow(s.starts[:0], n+1)[:n+1]
	clear(s.starts)
	for i := range s.keys {
		s.starts[(s.keys[i].hi-least)>>shift+1]++
	}
	for i := range n {
		s.starts[i+1] += s.starts[i]
	}
	s.spare = slices.Grow(s.spare[:0], len(s.keys))[:len(s.keys)]
	for _, k := range s.keys {
		at := &s.starts[(k.hi-least)>>shift]
		s.spare[*at] = k
		*at++
	}
	s.keys, s.spare = s.spare, s.keys
	lo := uint32(0)
	for _, hi := range s.starts[:n] { // each start has become the end
		slices.SortFunc(s.keys[lo:hi], compareKeys)
		lo = hi
	}
}

func compareKeys(a, b sortKey) int { return cmp.Compare(a.hi, b.hi) }

func (s *sorter) load(sources []*telemetry.Batch, keys []sortKey) {
	s.recs = s.recs[:0]
	for _, k := range keys {
		p := &sources[k.src].Spans
		s.recs = append(s.recs, record{lo: p.TraceID[k.row].Lo(), start: p.Start[k.row], id: p.SpanID[k.row].Uint64(),
			seq: p.Seq[k.row], src: k.src, row: k.row, kind: p.Kind[k.row]})
	}
	slices.SortFunc(s.recs, func(a, b record) int {
		if a.lo != b.lo {
			return cmp.Compare(a.lo, b.lo)
		}
		if a.start != b.start {
			return cmp.Compare(a.start, b.start)
		}
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.kind, b.kind), cmp.Compare(a.seq, b.seq),
			cmp.Compare(a.src, b.src), cmp.Compare(a.row, b.row))
	})
}

// trace places the rows of one trace.
func (s *sorter) trace(o *order, recs []record) {
	s.ids.reset(len(recs))
	repeated := false
	for i := range recs {
		if !s.ids.add(recs[i].id, uint32(i)) {
			repeated = true
		}
	}
	if repeated {
		s.settle(o, recs)
		s.ids.reset(len(recs)) // places are not the indices of recs any more
	}
	first := o.n
	for i := range recs {
		r := &recs[i]
		if r.gone {
			o.pos[r.src][r.row] = noRow
			continue
		}
		o.pos[r.src][r.row] = uint32(o.n)
		if repeated {
			s.ids.add(r.id, uint32(o.n-first))
		}
		o.marks = append(o.marks, r.marks)
		o.n++
	}
	place := first
	for i := range recs {
		r := &recs[i]
		if r.gone {
			continue
		}
		dist := int32(noParent)
		if parent := o.sources[r.src].Spans.Parent[r.row]; !parent.IsZero() {
			dist = parentGone
			if at, ok := s.ids.find(parent.Uint64()); ok {
				dist = int32(place - first - int(at))
			}
		}
		o.dist = append(o.dist, dist)
		place++
	}
	o.traces++
}

// settle finds equal records under one span id, of which the one with the
// lowest seq stays, and marks different ones.
func (s *sorter) settle(o *order, recs []record) {
	byID := make([]int, len(recs))
	for i := range byID {
		byID[i] = i
	}
	slices.SortStableFunc(byID, func(i, j int) int {
		return cmp.Or(cmp.Compare(recs[i].id, recs[j].id), cmp.Compare(recs[i].seq, recs[j].seq))
	})
	for len(byID) > 0 {
		n := 1
		for n < len(byID) && recs[byID[n]].id == recs[byID[0]].id {
			n++
		}
		if n > 1 {
			s.settleID(o, recs, byID[:n])
		}
		byID = byID[n:]
	}
}

func (s *sorter) settleID(o *order, recs []record, group []int) {
	seen := make(map[uint64][]int, len(group)) // by hash of the content
	kept := group[:0:0]
	for _, i := range group {
		key := s.content.of(recs[i].src, recs[i].row)
		h := telemetry.HashBytes(key)
		same := -1
		for _, j := range seen[h] {
			if bytes.Equal(key, s.content.other(recs[j].src, recs[j].row)) {
				same = j
				break
			}
		}
		if same < 0 {
			seen[h] = append(seen[h], i)
			kept = append(kept, i)
			continue
		}
		recs[i].gone = true
		recs[same].marks |= o.sources[recs[i].src].Spans.Marks[recs[i].row]
		o.duplicates++
	}
	if len(kept) < 2 {
		return
	}
	for _, i := range kept {
		if o.sources[recs[i].src].Spans.Marks[recs[i].row]&telemetry.MarkIDCollision == 0 {
			o.collisions++
		}
		recs[i].marks |= telemetry.MarkIDCollision
	}
}

// idTable finds the place of a span id within a trace. Its hash is salted, so
// that a sender cannot choose ids that fall together.
type idTable struct {
	slots []idSlot
	round uint32
	salt  uint64
}

type idSlot struct {
	id    uint64
	at    uint32
	round uint32 // the slot is free unless it has the table's round
}

func (t *idTable) reset(n int) {
	if t.round++; t.round == 0 || len(t.slots) < 2*n {
		size := 64
		for size < 2*n {
			size *= 2
		}
		t.slots, t.round, t.salt = make([]idSlot, size), 1, rand.Uint64()|1
	}
}

func (t *idTable) slot(id uint64) *idSlot {
	mask := uint64(len(t.slots) - 1)
	h := (id ^ t.salt) * 0x9e3779b97f4a7c15
	for i := (h ^ h>>32) & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.round != t.round || s.id == id {
			return s
		}
	}
}

// add enters id unless it is there, and reports whether it was not.
func (t *idTable) add(id uint64, at uint32) bool {
	s := t.slot(id)
	if s.round == t.round {
		return false
	}
	*s = idSlot{id, at, t.round}
	return true
}

func (t *idTable) find(id uint64) (uint32, bool) {
	s := t.slot(id)
	return s.at, s.round == t.round
}

// contentKeys writes what makes two records equal: everything but seq and marks.
type contentKeys struct {
	sources           []*telemetry.Batch
	resources, scopes [][]uint32
	cols              map[*telemetry.Table][]*telemetry.Column // in order of scope, key, type
	a, b              []byte
}

func (k *contentKeys) of(src, row uint32) []byte {
	k.a = k.append(k.a[:0], src, row)
	return k.a
}

// other is a second key beside the one that of gave.
func (k *contentKeys) other(src, row uint32) []byte {
	k.b = k.append(k.b[:0], src, row)
	return k.b
}

func (k *contentKeys) append(dst []byte, src, row uint32) []byte {
	b := k.sources[src]
	s := &b.Spans
	le := binary.LittleEndian
	dst = append(dst, s.Kind[row], s.Status[row])
	dst = append(dst, s.Parent[row][:]...)
	dst = le.AppendUint64(dst, uint64(s.Start[row]))
	dst = le.AppendUint64(dst, uint64(s.Duration[row]))
	dst = le.AppendUint32(dst, s.Flags[row])
	dst = le.AppendUint32(dst, k.resources[src][s.Resource[row]])
	dst = le.AppendUint32(dst, k.scopes[src][s.Scope[row]])
	dst = appendText(dst, s.Names.At(s.Name[row]))
	dst = k.appendCells(dst, &s.Table, row)
	lo, _ := slices.BinarySearch(b.Events.Span, row)
	for i := lo; i < b.Events.N && b.Events.Span[i] == row; i++ {
		dst = append(dst, 'e')
		dst = le.AppendUint64(dst, uint64(b.Events.Time[i]))
		dst = appendText(dst, b.Events.Names.At(b.Events.Name[i]))
		dst = k.appendCells(dst, &b.Events.Table, uint32(i))
	}
	lo, _ = slices.BinarySearch(b.Links.Span, row)
	for i := lo; i < b.Links.N && b.Links.Span[i] == row; i++ {
		dst = append(dst, 'l')
		dst = append(dst, b.Links.TraceID[i][:]...)
		dst = append(dst, b.Links.SpanID[i][:]...)
		dst = le.AppendUint32(dst, b.Links.Flags[i])
		dst = k.appendCells(dst, &b.Links.Table, uint32(i))
	}
	return dst
}

func appendText(dst, v []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

// appendCells appends the values of a row in order of scope, key and type, be they
// in columns or not.
func (k *contentKeys) appendCells(dst []byte, t *telemetry.Table, row uint32) []byte {
	cols, ok := k.cols[t]
	if !ok {
		cols = slices.Clone(t.Cols)
		slices.SortFunc(cols, func(a, b *telemetry.Column) int {
			return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Type, b.Type))
		})
		if k.cols == nil {
			k.cols = map[*telemetry.Table][]*telemetry.Column{}
		}
		k.cols[t] = cols
	}
	r := &t.Rest
	rest := restOrder(r, row)
	for _, c := range cols {
		at, ok := slices.BinarySearch(c.Rows, row)
		if !ok {
			continue
		}
		for len(rest) > 0 && compareEntry(r, rest[0], c) < 0 {
			dst = r.AppendKey(append(dst, 'a'), rest[0])
			rest = rest[1:]
		}
		dst = telemetry.AppendCellKey(append(dst, 'a'), c, at)
	}
	for _, i := range rest {
		dst = r.AppendKey(append(dst, 'a'), i)
	}
	return dst
}

// restOrder lists the entries of a row in order of key and type.
func restOrder(r *telemetry.Rest, row uint32) []int {
	lo, hi := r.Of(row)
	if lo == hi {
		return nil
	}
	out := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b int) int {
		return cmp.Or(bytes.Compare(r.Keys.At(uint32(a)), r.Keys.At(uint32(b))), cmp.Compare(r.Types[a], r.Types[b]))
	})
	return out
}

func compareEntry(r *telemetry.Rest, i int, c *telemetry.Column) int {
	return cmp.Or(cmp.Compare(r.Scope, c.Scope), cmp.Compare(string(r.Keys.At(uint32(i))), c.Key), cmp.Compare(r.Types[i], c.Type))
}
