package store

import (
	"bytes"
	"math/bits"
	"math/rand/v2"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Identity of a record is (tenant, trace id, span id, kind, content). The hash
// below covers all but the content; equal hashes are candidates that are then
// compared field by field. The seeds are random per process, so that a sender
// cannot choose ids that collide.
var identitySeed = [3]uint64{rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1}

func identityHash(t telemetry.TraceID, s telemetry.SpanID, kind uint8) uint64 {
	hi, lo := bits.Mul64(t.Hi()^identitySeed[0], t.Lo()^identitySeed[1])
	hi, lo = bits.Mul64(hi^lo^s.Uint64(), identitySeed[2]+uint64(kind)<<1)
	return hi ^ lo
}

// sameIDRows bounds how many different records under one id are told apart while
// they are fresh. A sender whose ids never change would else make every row be
// compared with all before. Beyond it rows are marked as collisions and kept;
// repeats among them are dropped when they are written to a segment.
const sameIDRows = 64

// idTable maps identity hashes to row numbers: open addressing at a load of at
// most one half, 8 bytes a slot. Of a hash it keeps the lower half, so that a row
// that it gives may be one of another hash, and several rows may have one.
type idTable struct {
	slots []uint64 // lower half of the hash above, row + 1 below; 0: free
	n     int
}

const (
	minIDs       = 64 // slots
	hashShift    = 32
	slotsPerPage = 4096 / 8
)

// reset makes the table an empty one for rows. Room that would take longer to clear
// than it saves is let go of.
func (t *idTable) reset(rows int) {
	if len(t.slots) > max(minIDs, 16*rows) {
		t.slots = nil
	}
	clear(t.slots)
	t.n = 0
	t.reserve(rows)
}

// reserve makes room for rows in all.
func (t *idTable) reserve(rows int) {
	size := max(minIDs, len(t.slots))
	for size < 2*rows {
		size *= 2
	}
	if size == len(t.slots) {
		return
	}
	old := t.slots
	t.slots = make([]uint64, size)
	// put reads a slot before it writes one. The first read of a new page gives the
	// system's page of zeros, and the write after it interrupts every other processor
	// to take that away again: a write that comes first spares them.
	for i := 0; i < size; i += slotsPerPage {
		t.slots[i] = 0
	}
	for _, s := range old {
		if s != 0 {
			t.put(s)
		}
	}
}

func (t *idTable) add(h uint64, row uint32) {
	t.reserve(t.n + 1)
	t.put(h<<hashShift | (uint64(row) + 1))
	t.n++
}

func (t *idTable) put(s uint64) {
	mask := uint64(len(t.slots) - 1)
	i := s >> hashShift & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// each calls fn with every row of that hash until fn returns false.
func (t *idTable) each(h uint64, fn func(row uint32) bool) {
	if len(t.slots) == 0 {
		return
	}
	mask := uint64(len(t.slots) - 1)
	h &= 1<<hashShift - 1
	for i := h & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if t.slots[i]>>hashShift == h && !fn(uint32(t.slots[i])-1) {
			return
		}
	}
}

// idTables is an idTable in parts, each of which grows by itself: one that holds what
// is fresh would stop every sender for 20 ms when it grew as a whole.
type idTables [64]idTable

func (t *idTables) add(h uint64, row uint32)                { t[h>>58].add(h, row) }
func (t *idTables) each(h uint64, fn func(row uint32) bool) { t[h>>58].each(h, fn) }

// near tells of each hash whether there may be a row of it. It is each's first step
// for a whole batch, without a step that depends on the one before: one miss of the
// cache then hides another, which was most of what a look-up cost.
func (t *idTables) near(hashes []uint64, may []bool) {
	for i, h := range hashes {
		slots := t[h>>58].slots
		if at := int(uint32(h)) & (len(slots) - 1); at < len(slots) && slots[at] != 0 {
			may[i] = true
		}
	}
}

// recentIDs is a Bloom filter over the identities of one flushed generation: it
// spares the look into segments for spans of traces that straddle a flush, which
// a trace filter alone cannot tell from repeats. Each key sets 4 bits of one
// 64-bit word; at 24 bits a key about one look-up in five hundred is a false alarm.
type recentIDs struct {
	words              []uint64
	rows               int
	minStart, maxStart int64
	minSeq, maxSeq     int64
}

func newRecentIDs(rows int) *recentIDs {
	return &recentIDs{words: make([]uint64, max(rows*3/8, 1))}
}

func wordMask(h uint64) uint64 {
	return 1<<(h>>58) | 1<<(h>>52&63) | 1<<(h>>46&63) | 1<<(h>>40&63)
}

// word is where a key's bits are: the lower half of the hash, which wordMask takes no
// bit of, as a fraction of all words.
func (r *recentIDs) word(h uint64) *uint64 {
	return &r.words[h&(1<<32-1)*uint64(len(r.words))>>32]
}

func (r *recentIDs) add(h uint64) { *r.word(h) |= wordMask(h) }
func (r *recentIDs) has(h uint64) bool {
	m := wordMask(h)
	return *r.word(h)&m == m
}

// rowContent appends everything that identity compares of a span beyond its ids
// and kind: times, status, flags, parent, name, attributes, resource, scope,
// events and links, but not seq and marks, which are Clew's own.
func rowContent(dst []byte, b *telemetry.Batch, row uint32) []byte {
	s := &b.Spans
	dst = append(dst, s.Parent[row][:]...)
	dst = appendU64(dst, uint64(s.Start[row]))
	dst = appendU64(dst, uint64(s.Duration[row]))
	dst = append(dst, s.Status[row])
	dst = appendU64(dst, uint64(s.Flags[row]))
	dst = appendText(dst, s.Names.At(s.Name[row]))
	dst = appendCells(dst, &s.Table, row)
	dst = appendCells(dst, &b.Resources, s.Resource[row])
	dst = appendCells(dst, &b.Scopes, s.Scope[row])
	e := &b.Events
	for i := lowerBound(e.Span, row); i < len(e.Span) && e.Span[i] == row; i++ {
		dst = appendU64(append(dst, 'e'), uint64(e.Time[i]))
		dst = appendText(dst, e.Names.At(e.Name[i]))
		dst = appendCells(dst, &e.Table, uint32(i))
	}
	l := &b.Links
	for i := lowerBound(l.Span, row); i < len(l.Span) && l.Span[i] == row; i++ {
		dst = append(append(append(dst, 'l'), l.TraceID[i][:]...), l.SpanID[i][:]...)
		dst = appendU64(dst, uint64(l.Flags[i]))
		dst = appendCells(dst, &l.Table, uint32(i))
	}
	return dst
}

// appendCells appends the sparse values of one row in an order that does not
// depend on where they are and in which order: identity must not.
func appendCells(dst []byte, t *telemetry.Table, row uint32) []byte {
	var parts [][]byte
	for _, cell := range telemetry.RowCells(t, row) {
		parts = append(parts, telemetry.AppendCellKey(nil, t.Cols[cell.Col], int(cell.Pos)))
	}
	lo, hi := t.Rest.Of(row)
	for i := lo; i < hi; i++ {
		parts = append(parts, t.Rest.AppendKey(nil, i))
	}
	sortBytes(parts)
	dst = appendU64(dst, uint64(len(parts)))
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// sameRecord reports whether two rows with the same ids and kind hold the same record.
func sameRecord(a *telemetry.Batch, i uint32, b *telemetry.Batch, j uint32) bool {
	if a.Spans.Start[i] != b.Spans.Start[j] || a.Spans.Duration[i] != b.Spans.Duration[j] {
		return false
	}
	return bytes.Equal(rowContent(nil, a, i), rowContent(nil, b, j))
}
