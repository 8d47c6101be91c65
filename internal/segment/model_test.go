package segment_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// record is a span as a text of everything that makes its identity, and the
// two fields that do not.
type record struct {
	trace   telemetry.TraceID
	span    telemetry.SpanID
	start   int64
	content string
	seq     int64
	marks   uint8
}

func cellText(t *telemetry.Table, cells []telemetry.Cell) string {
	var b strings.Builder
	for _, cell := range cells {
		c := t.Cols[cell.Col]
		if c.Type.IsText() {
			fmt.Fprintf(&b, " %c.%q:%c=%q", c.Scope, c.Key, c.Type, c.Dict.At(c.Codes[cell.Pos]))
		} else {
			fmt.Fprintf(&b, " %c.%q:%c=%x", c.Scope, c.Key, c.Type, c.Nums[cell.Pos])
		}
	}
	return b.String()
}

// records flattens a batch, in the order of its rows.
func records(b *telemetry.Batch) []record {
	s := &b.Spans
	spans, events, links := telemetry.IndexRows(&s.Table), telemetry.IndexRows(&b.Events.Table), telemetry.IndexRows(&b.Links.Table)
	resources, scopes := telemetry.IndexRows(&b.Resources), telemetry.IndexRows(&b.Scopes)
	children := make([]strings.Builder, s.N)
	for i, row := range b.Events.Span {
		fmt.Fprintf(&children[row], "\n event %d %q%s", b.Events.Time[i], b.Events.Names.At(b.Events.Name[i]), cellText(&b.Events.Table, events.Row(i)))
	}
	for i, row := range b.Links.Span {
		fmt.Fprintf(&children[row], "\n link %s %s %d%s", b.Links.TraceID[i], b.Links.SpanID[i], b.Links.Flags[i], cellText(&b.Links.Table, links.Row(i)))
	}
	out := make([]record, s.N)
	for i := range out {
		out[i] = record{s.TraceID[i], s.SpanID[i], s.Start[i], fmt.Sprintf("%d %d %s %d %d %q%s\n resource%s\n scope%s%s",
			s.Kind[i], s.Status[i], s.Parent[i], s.Duration[i], s.Flags[i], s.Names.At(s.Name[i]), cellText(&s.Table, spans.Row(i)),
			cellText(&b.Resources, resources.Row(int(s.Resource[i]))), cellText(&b.Scopes, scopes.Row(int(s.Scope[i]))), children[i].String()),
			s.Seq[i], s.Marks[i]}
	}
	return out
}

func compareRecords(a, b record) int {
	return cmp.Or(slices.Compare(a.trace[:], b.trace[:]), cmp.Compare(a.start, b.start), slices.Compare(a.span[:], b.span[:]), cmp.Compare(a.content, b.content))
}

// want is the model of Write and Merge: what must be stored of some batches.
func want(batches []*telemetry.Batch) []record {
	type id struct {
		trace telemetry.TraceID
		span  telemetry.SpanID
	}
	byID := map[id]map[string]*record{}
	for _, b := range batches {
		for _, r := range records(b) {
			k := id{r.trace, r.span}
			if byID[k] == nil {
				byID[k] = map[string]*record{}
			}
			content := fmt.Sprint(r.start, r.content)
			if old := byID[k][content]; old != nil {
				old.seq, old.marks = min(old.seq, r.seq), old.marks|r.marks
			} else {
				byID[k][content] = &r
			}
		}
	}
	var out []record
	for _, same := range byID {
		for _, r := range same {
			if len(same) > 1 {
				r.marks |= telemetry.MarkIDCollision
			}
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, compareRecords)
	return out
}

// shape says what kind of random spans to make.
type shape struct {
	spans, traces int
	keys          int     // attribute keys
	fill          float64 // share of the keys that a span has
	children      bool    // events and links
	distinct      int     // values of an attribute
	long          int     // bytes of some texts
	seed          uint64
}

// randomBatches makes spans of every type and arrangement, cut into sources as
// requests arrive: some spans twice, some under the same id with other content,
// parents that are elsewhere, that go in circles, that are the span itself.
func randomBatches(sh shape, sources int) []*telemetry.Batch {
	r := rand.New(rand.NewPCG(sh.seed, 1))
	builders := make([]*telemetry.Builder, sources)
	for i := range builders {
		builders[i] = telemetry.NewBuilder()
		builders[i].Reset("t1")
	}
	request := telemetry.NewBuilder()
	for n := range sh.spans {
		request.Reset("t1")
		randomSpan(r, request, sh, n)
		copies := 1
		if r.IntN(12) == 0 {
			copies = 2 + r.IntN(2)
		}
		for range copies {
			builders[r.IntN(sources)].Append(&request.Batch, 1000+int64(n)+int64(r.IntN(50)), nil)
		}
	}
	out := make([]*telemetry.Batch, sources)
	for i, b := range builders {
		out[i] = &b.Batch
	}
	return out
}

func traceID(n uint64) telemetry.TraceID {
	var id telemetry.TraceID
	binary.BigEndian.PutUint64(id[:], n/3*0x9e3779b97f4a7c15) // some share their first half
	binary.BigEndian.PutUint64(id[8:], n+1)
	return id
}

func randomSpan(r *rand.Rand, b *telemetry.Builder, sh shape, n int) {
	span := func(n int) telemetry.SpanID {
		var id telemetry.SpanID
		binary.BigEndian.PutUint64(id[:], uint64(n+1)*0xff51afd7ed558ccd)
		return id
	}
	trace := r.Uint64N(uint64(sh.traces))
	perTrace := sh.spans/sh.traces + 1
	v := telemetry.Span{TraceID: traceID(trace), SpanID: span(r.IntN(2 * perTrace)), Start: 1_700_000_000_000_000_000 + r.Int64N(1_000_000),
		Duration: r.Int64N(1 << 30), Kind: uint8(r.IntN(6)), Status: uint8(r.IntN(3)), Flags: r.Uint32N(3), Marks: uint8(r.IntN(4)) << 1}
	switch r.IntN(20) {
	case 0:
		v.Parent = v.SpanID
	case 1:
		v.Parent = span(1 << 40) // nowhere
	case 2, 3:
	default:
		v.Parent = span(r.IntN(2 * perTrace))
	}
	switch r.IntN(50) {
	case 0:
		v.Start, v.Duration = math.MinInt64, -5
	case 1:
		v.Start = math.MaxInt64
	}
	for i := range r.IntN(3) {
		row := b.Resources.AddRow()
		randomCells(r, &b.Resources, telemetry.ScopeResource, row, 4, 0.8, shape{distinct: 3})
		if r.IntN(4) > 0 {
			b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "svc-%d", r.IntN(5)))
		}
		v.Resource = uint32(i)
	}
	if b.Batch.Resources.N == 0 {
		b.Resources.AddRow()
	}
	row := b.Scopes.AddRow()
	b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "lib-%d", r.IntN(3)))
	at := b.AddSpan(v, fmt.Appendf(nil, "op %d", r.IntN(12)))
	randomCells(r, &b.Spans, telemetry.ScopeSpan, at, sh.keys, sh.fill, sh)
	if !sh.children {
		return
	}
	for range r.IntN(3) {
		e := b.AddEvent(at, r.Int64N(1000), fmt.Appendf(nil, "event %d", r.IntN(3)))
		randomCells(r, &b.Events, telemetry.ScopeEvent, e, 5, 0.5, sh)
	}
	for range r.IntN(2) {
		l := b.AddLink(at, traceID(r.Uint64N(100)), span(r.IntN(9)), r.Uint32N(2))
		randomCells(r, &b.Links, telemetry.ScopeLink, l, 5, 0.5, sh)
	}
}

var types = []telemetry.Type{telemetry.TypeString, telemetry.TypeInt, telemetry.TypeDouble, telemetry.TypeBool, telemetry.TypeBytes, telemetry.TypeValue}

func randomCells(r *rand.Rand, t *telemetry.TableBuilder, scope telemetry.Scope, row uint32, keys int, fill float64, sh shape) {
	for k := range keys {
		// One key in ten is rare, whatever the shape.
		if r.Float64() > fill || k%10 == 9 && r.IntN(20) > 0 {
			continue
		}
		typ := types[(k+r.IntN(8)/7)%len(types)] // now and then another type under the same key
		c := t.Col(scope, fmt.Appendf(nil, "Key%d \"';--", k), typ)
		n := r.Uint64N(uint64(sh.distinct))
		switch typ {
		case telemetry.TypeInt:
			c.AddNum(row, n*0x9e3779b97f4a7c15)
		case telemetry.TypeDouble:
			c.AddNum(row, math.Float64bits([]float64{float64(n) / 7, math.NaN(), math.Inf(-1), math.Copysign(0, -1), 0}[min(n, uint64(r.IntN(5)))]))
		case telemetry.TypeBool:
			c.AddNum(row, n%2)
		case telemetry.TypeBytes:
			c.AddText(row, []byte{0, 0xff, byte(n), byte(n >> 8)})
		default:
			text := fmt.Appendf(nil, "välue %d", n)
			if sh.long > 0 && r.IntN(100) == 0 {
				text = append(text, strings.Repeat("x", sh.long)...)
			}
			if n == 0 {
				text = nil
			}
			c.AddText(row, text)
		}
	}
}
