package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// base is the instant at which the spans of the tests begin.
const base = int64(1_700_000_000_000_000_000)

// randomSpans makes n spans in small traces with every kind of attribute: few
// values, so that conditions hit, with types mixed under one key, lists, NaN, −0, missing
// parents, circles, resources without a service (when n is odd), events, links and keys that would break a careless statement.
func randomSpans(rng *rand.Rand, n int) *telemetry.Batch {
	b := telemetry.NewBuilder()
	one := func(of ...string) []byte { return []byte(of[rng.IntN(len(of))]) }
	everyService := n%2 == 0
	for i := range 6 {
		row := b.Resources.AddRow()
		if i > 0 || everyService {
			b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(row, []byte([]string{"", "web", "cart", "db", "it's"}[max(i-1, 0)]))
		}
		if i%2 == 0 {
			b.Resources.Col(telemetry.ScopeResource, []byte("zone"), telemetry.TypeString).AddText(row, one("eu", "us"))
		}
		if i%3 == 0 {
			b.Resources.Col(telemetry.ScopeResource, []byte("n"), telemetry.TypeInt).AddNum(row, uint64(i))
		}
		if i%4 == 1 {
			b.Resources.Col(telemetry.ScopeResource, []byte("zone"), telemetry.TypeValue).AddText(row, one(`["eu","us"]`, `["ap"]`))
		}
		if i%3 == 1 {
			b.Resources.Col(telemetry.ScopeResource, []byte("n"), telemetry.TypeDouble).AddNum(row, math.Float64bits(float64(i)/2))
		}
	}
	for i := range 2 {
		row := b.Scopes.AddRow()
		b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(row, fmt.Append(nil, "lib", i))
		b.Scopes.Col(telemetry.ScopeInstrumentation, []byte("x"), telemetry.TypeBool).AddNum(row, uint64(i))
	}
	for i := range n {
		trace := rng.IntN(max(n/8, 1))
		v := telemetry.Span{
			TraceID:  telemetry.TraceID{0: byte(trace * 37), 14: byte(trace >> 8), 15: byte(trace)},
			SpanID:   telemetry.SpanID{0: byte(i * 89), 6: byte(i >> 8), 7: byte(i)},
			Start:    base + int64(trace)*1e8 + int64(rng.IntN(50))*1e6,
			Duration: int64(rng.IntN(200)) * 1e5,
			Kind:     uint8(rng.IntN(6)), Status: uint8(rng.IntN(3)),
			Resource: uint32(rng.IntN(6)), Scope: uint32(rng.IntN(2)), Seq: base + int64(i),
		}
		if rng.IntN(4) > 0 && i > 0 {
			v.Parent = b.Batch.Spans.SpanID[rng.IntN(i)]
			for try := 0; try < 40; try++ { // prefer a parent in the same trace
				if p := rng.IntN(i); b.Batch.Spans.TraceID[p] == v.TraceID {
					v.Parent = b.Batch.Spans.SpanID[p]
					break
				}
			}
		}
		row := b.AddSpan(v, one("GET /", "POST /cart", "SELECT", "it's; DROP", ""))
		attr := func(key string, t telemetry.Type) *telemetry.ColumnBuilder {
			return b.Spans.Col(telemetry.ScopeSpan, []byte(key), t)
		}
		switch rng.IntN(5) {
		case 0:
			attr("n", telemetry.TypeInt).AddNum(row, uint64(rng.IntN(5)-1))
		case 1:
			attr("n", telemetry.TypeDouble).AddNum(row, math.Float64bits([]float64{0, math.Copysign(0, -1), 1, 1.5, math.NaN(), 3.25}[rng.IntN(6)]))
		case 2:
			attr("n", telemetry.TypeString).AddText(row, one("1", "two"))
		case 3:
			attr("n", telemetry.TypeBool).AddNum(row, uint64(rng.IntN(2)))
			attr("n", telemetry.TypeInt).AddNum(row, 2)
		}
		if rng.IntN(3) == 0 {
			attr("zone", telemetry.TypeString).AddText(row, one("eu", "ap", "a\x00b", "a\nb"))
		}
		if rng.IntN(3) == 0 {
			attr(`a"b'c`, telemetry.TypeInt).AddNum(row, uint64(rng.IntN(3)))
		}
		if rng.IntN(2) == 0 {
			attr("f", telemetry.TypeDouble).AddNum(row, math.Float64bits(float64(rng.IntN(9))/4))
		}
		if rng.IntN(4) == 0 {
			attr("list", telemetry.TypeValue).AddText(row, one(`["x"]`, `["x","y\n\"it's"]`, `[1,2]`, `[2,-1.5,true]`, `[{"@double":"NaN"},{"@double":"-Inf"},0]`, `[]`, `{"x":1}`, `[["x"],{"x":1},null]`, `null`))
		}
		if rng.IntN(20) == 0 { // beside a value of another type, at times
			attr("n", telemetry.TypeValue).AddText(row, one(`[1,"two"]`, `[false]`, `[3.25,2]`))
		}
		if rng.IntN(60) == 0 {
			attr("rare", telemetry.TypeString).AddText(row, one("r1", "r2"))
			attr("rare", telemetry.TypeBool).AddNum(row, 1)
		}
		if rng.IntN(3) == 0 {
			b.Spans.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyStatusMessage), telemetry.TypeString).AddText(row, one("no row", "late"))
		}
		for range rng.IntN(3) {
			e := b.AddEvent(row, v.Start+int64(rng.IntN(5))*1e6, one("exception", "retry"))
			if rng.IntN(2) == 0 {
				b.Events.Col(telemetry.ScopeEvent, []byte("n"), telemetry.TypeInt).AddNum(e, uint64(rng.IntN(4)))
			} else if rng.IntN(8) == 0 {
				b.Events.Col(telemetry.ScopeEvent, []byte("n"), telemetry.TypeValue).AddText(e, one("[1,2]", "[2.5]"))
			}
			if rng.IntN(30) == 0 {
				b.Events.Col(telemetry.ScopeEvent, []byte("rare"), telemetry.TypeString).AddText(e, one("x", "y"))
			}
		}
		if rng.IntN(4) == 0 {
			l := b.AddLink(row, telemetry.TraceID{15: byte(rng.IntN(3) + 1)}, telemetry.SpanID{7: byte(rng.IntN(3) + 1)}, 0)
			b.Links.Col(telemetry.ScopeLink, []byte("kind"), telemetry.TypeString).AddText(l, one("follows", "child"))
		}
	}
	return testkit.Loose(&b.Batch, rng)
}

// bench is one data set in one arrangement.
type bench struct {
	duck   *duck
	src    sources
	traces map[telemetry.TraceID]*telemetry.Batch
	order  []telemetry.TraceID
}

func (b *bench) load(_ context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error) {
	out := make([]*telemetry.Batch, len(ids))
	for i, id := range ids {
		out[i] = b.traces[id]
	}
	return out, nil
}

func openTestDuck(t testing.TB, dir string) *duck {
	t.Helper()
	d, err := openDuck(duckOptions{Dir: dir, MemoryBytes: 256 << 20, Threads: 2, Slots: 2, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func rowsWhere(b *telemetry.Batch, keep func(i int) bool) []uint32 {
	var rows []uint32
	for i := range b.Spans.N {
		if keep(i) {
			rows = append(rows, uint32(i))
		}
	}
	return rows
}

func sourceOf(t testing.TB, folder string, s *segment.Segment) *segmentSource {
	t.Helper()
	resources, err := s.Table(segment.TableResources)
	if err != nil {
		t.Fatal(err)
	}
	scopes, err := s.Table(segment.TableScopes)
	if err != nil {
		t.Fatal(err)
	}
	return &segmentSource{dir: folder, meta: s.Meta(), resources: resources, scopes: scopes, verify: s.Verify,
		structure: func() (structureReader, error) { return s.Structure() },
		scan:      func(...string) (spanScan, error) { return s.Scan() }}
}

// arrange stores the spans in the way asked for: fresh, mixed or segments. Traces
// are spread over all parts.
func arrange(t testing.TB, d *duck, dir, how string, all *telemetry.Batch) *bench {
	t.Helper()
	b := &bench{duck: d, traces: map[telemetry.TraceID]*telemetry.Batch{}}
	parts := map[string]int{"fresh": 0, "mixed": 2, "segments": 3}[how]
	for p := range 3 {
		part := telemetry.Gather(all, rowsWhere(all, func(i int) bool { return i%3 == p }))
		if p >= parts {
			b.src.fresh = append(b.src.fresh, part)
			continue
		}
		folder := filepath.Join(dir, fmt.Sprintf("%s-%d", how, p))
		if err := wal.OS.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		meta, _, err := segment.Write(wal.OS, folder, []*telemetry.Batch{part}, segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := segment.Open(wal.OS, folder, meta, segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		b.src.segments = append(b.src.segments, sourceOf(t, folder, s))
	}
	for _, id := range all.Spans.TraceID {
		if b.traces[id] == nil {
			b.traces[id] = telemetry.Gather(all, rowsWhere(all, func(i int) bool { return all.Spans.TraceID[i] == id }))
			b.order = append(b.order, id)
		}
	}
	return b
}

// model answers a search by evaluating every trace.
func (b *bench) model(p *query.Plan, within query.Range, order Order) []searchKey {
	var out []searchKey
	for _, id := range b.order {
		batch := b.traces[id]
		if sets := query.EvalTrace(p, query.NewReader(batch), within); len(sets) > 0 {
			out = append(out, searchKey{keyOf(order, batch, sets), id})
		}
	}
	slices.SortFunc(out, func(a, b searchKey) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return out
}

// modelSeries answers a metrics query likewise.
func (b *bench) modelSeries(p *query.Plan, steps query.Steps) ([]query.Series, error) {
	traces := make([]*telemetry.Batch, len(b.order))
	for i, id := range b.order {
		traces[i] = b.traces[id]
	}
	return querytest.EvalSeries(p, traces, steps)
}

func sameSeries(a, b []query.Series) bool {
	return slices.EqualFunc(a, b, func(x, y query.Series) bool {
		return slices.EqualFunc(x.Labels, y.Labels, func(l, m query.Label) bool {
			return l.Name == m.Name && query.CompareGroups([]query.Value{l.Value}, []query.Value{m.Value}) == 0
		}) && slices.EqualFunc(x.Values, y.Values, func(v, w float64) bool { return cmp.Compare(v, w) == 0 }) && slices.Equal(x.Exemplars, y.Exemplars)
	})
}

// seriesText writes series for messages and the corpus.
func seriesText(s []query.Series) string {
	out := ""
	for _, x := range s {
		for _, l := range x.Labels {
			out += l.Name + "=" + l.Value.String() + " "
		}
		out += fmt.Sprintln(x.Values)
		for _, e := range x.Exemplars {
			out += fmt.Sprintf("  %s/%s at %d: %v\n", e.TraceID, e.SpanID, e.Start-base, e.Value)
		}
	}
	return out
}
