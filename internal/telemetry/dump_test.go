package telemetry_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// dump writes each span with all that belongs to it as one text, so that two batches
// can be compared whatever their dictionaries, columns and row numbers are.
func dump(b *telemetry.Batch) []string {
	b = telemetry.Settle(b)
	s := &b.Spans
	index := map[*telemetry.Table]*telemetry.RowIndex{}
	for _, t := range b.Tables() {
		index[t] = telemetry.IndexRows(t)
	}
	cells := func(t *telemetry.Table, row uint32) string {
		var out []string
		for _, cell := range index[t].Row(int(row)) {
			c := t.Cols[cell.Col]
			v := ""
			if c.Type.IsText() {
				v = fmt.Sprintf("%q", c.Dict.At(c.Codes[cell.Pos]))
			} else {
				v = fmt.Sprint(c.Nums[cell.Pos])
			}
			out = append(out, fmt.Sprintf("%c.%s.%c=%s", c.Scope, c.Key, c.Type, v))
		}
		return "{" + strings.Join(out, " ") + "}"
	}
	out := make([]string, s.N)
	for r := range s.N {
		out[r] = fmt.Sprint(s.TraceID[r], s.SpanID[r], s.Parent[r], s.Start[r], s.Duration[r], s.Kind[r], s.Status[r], s.Flags[r], s.Marks[r], s.Seq[r], " ",
			s.Names.Str(s.Name[r]), cells(&s.Table, uint32(r)), " r", cells(&b.Resources, s.Resource[r]), " c", cells(&b.Scopes, s.Scope[r]))
	}
	for r := range b.Events.N {
		out[b.Events.Span[r]] += fmt.Sprint("\n  event ", b.Events.Time[r], b.Events.Names.Str(b.Events.Name[r]), cells(&b.Events.Table, uint32(r)))
	}
	for r := range b.Links.N {
		l := &b.Links
		out[l.Span[r]] += fmt.Sprint("\n  link ", l.TraceID[r], l.SpanID[r], l.Flags[r], cells(&l.Table, uint32(r)))
	}
	return out
}

// random fills a builder with spans spans, in which every type, scope and table occurs.
func random(b *telemetry.Builder, seed uint64, spans int) {
	g := rand.New(rand.NewPCG(seed, 1))
	pick := func(words ...string) []byte { return []byte(words[g.IntN(len(words))]) }
	values := func(t *telemetry.TableBuilder, scope telemetry.Scope, row uint32) {
		// Keys come in another order in every batch, so that columns do as well.
		keys := []string{"a", "b", "service.name", "", "ключ"}
		g.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for _, key := range keys[:g.IntN(len(keys))] {
			typ := []telemetry.Type{telemetry.TypeString, telemetry.TypeInt, telemetry.TypeDouble, telemetry.TypeBool, telemetry.TypeBytes, telemetry.TypeValue}[g.IntN(6)]
			c := t.Col(scope, []byte(key), typ)
			switch {
			case typ == telemetry.TypeBool:
				c.AddNum(row, uint64(g.IntN(2)))
			case !typ.IsText():
				c.AddNum(row, g.Uint64())
			case g.IntN(3) == 0:
				c.AddText(row, fmt.Appendf(nil, "%d", g.Uint64()))
			default:
				c.AddText(row, pick("", "x", "cart", "☃"))
			}
		}
		if g.IntN(4) == 0 {
			t.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyDroppedAttributes), telemetry.TypeInt).AddNum(row, uint64(g.IntN(9)))
		}
	}
	groups := 1 + g.IntN(3)
	for range groups {
		values(&b.Resources, telemetry.ScopeResource, b.Resources.AddRow())
		values(&b.Scopes, telemetry.ScopeInstrumentation, b.Scopes.AddRow())
	}
	for range spans {
		v := telemetry.Span{Start: g.Int64(), Duration: g.Int64N(1e9) - 1e6, Kind: uint8(g.IntN(6)), Status: uint8(g.IntN(3)), Flags: g.Uint32(),
			Marks: uint8(g.IntN(32)), Resource: uint32(g.IntN(groups)), Scope: uint32(g.IntN(groups)), Seq: 7}
		for i := range v.TraceID {
			v.TraceID[i] = byte(g.Uint32())
		}
		v.SpanID[0], v.SpanID[7] = byte(1+g.IntN(255)), byte(g.Uint32())
		v.Parent[3] = byte(g.IntN(3))
		row := b.AddSpan(v, pick("GET /", "SELECT", ""))
		values(&b.Spans, telemetry.ScopeSpan, row)
		for range g.IntN(3) {
			values(&b.Events, telemetry.ScopeEvent, b.AddEvent(row, g.Int64(), pick("exception", "")))
		}
		for range g.IntN(3) {
			values(&b.Links, telemetry.ScopeLink, b.AddLink(row, v.TraceID, v.SpanID, g.Uint32()))
		}
	}
}

func batch(seed uint64, spans int) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	random(b, seed, spans)
	return &b.Batch
}

// loose is batch with some columns in the rest.
func loose(seed uint64, spans int) *telemetry.Batch {
	return testkit.Loose(batch(seed, spans), rand.New(rand.NewPCG(seed, 2)))
}

func choose[T any](all []T, keep func(i int) bool) []T {
	var out []T
	for i, v := range all {
		if keep(i) {
			out = append(out, v)
		}
	}
	return out
}

// withSeq gives the dump that b would have if all its rows had that Seq.
func withSeq(b *telemetry.Batch, seq int64) []string {
	saved := slices.Clone(b.Spans.Seq)
	for i := range b.Spans.Seq {
		b.Spans.Seq[i] = seq
	}
	out := dump(b)
	copy(b.Spans.Seq, saved)
	return out
}
