package query_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
	"github.com/clew-dev/clew/internal/telemetry"
)

func renames(key string) []string {
	for _, group := range [][]string{{"new", "old", "older"}, {"shop.id", "shop_id"}} {
		if slices.Contains(group, key) {
			return group
		}
	}
	return nil
}

// TestRenamedPlans shows what becomes of conditions.
func TestRenamedPlans(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{ span.shop_id = "a" }`, `{ span.shop.id = "a" }`},
		{`{ .other = 1 }`, `{ .other = 1 }`},
		{`{ } | by(.old)`, `{ } | by(.new)`},
		{`{ } | avg(.old) > 2`, `{ } | avg(.new) > 2`},
		{`{ } | rate() by(resource.older)`, `{ } | rate() by(resource.new)`},
		{`{ } | select(span.old)`, `{ } | select(span.new)`},
	} {
		p, err := query.CompileNamed(tt.in, renames)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if p.Text != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, p.Text, tt.want)
		}
	}
}

// TestRenamedQueriesAnswerAsOne compares questions by any name over spans under
// several names with the same questions over the same spans under one name.
func TestRenamedQueriesAnswerAsOne(t *testing.T) {
	questions := []string{`{ .N = 1 }`, `{ .N != 1 }`, `{ .N = nil }`, `{ .N != nil }`, `{ !(.N = 1) }`, `{ span.N > 1 || .other = 1 }`,
		`{ span.N =~ "a.*" }`, `{ .N + 1 = 2 }`, `{ .N = .other }`, `{ .N = 1 } >> { .N = 2 }`, `{ .N }`, `{ !(.N = "ab" && .other = 2) }`,
		`{ .N = 1 } | count() > 1`, `{ } | by(.N) | count() > 1`, `{ } | avg(.N) > 1`, `{ } | select(.N, span.N)`, `{ .N + resource.N = .N * 2 }`, `{ parent.N = 1 }`, `{ .N = 1 && .N != .other } && { span.N = nil }`, `{ } | { .N = 2 }`, `{ .N = resource.N }`}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		mixed, one := renamedTraces(random)
		for _, q := range questions {
			for _, name := range []string{"new", "old", "older"} {
				asked := strings.ReplaceAll(q, "N", name)
				p, err := query.CompileNamed(asked, renames)
				if err != nil {
					t.Fatalf("%s: %v", asked, err)
				}
				plain, err := query.Compile(strings.ReplaceAll(q, "N", "new"))
				if err != nil {
					t.Fatal(err)
				}
				for _, leaf := range p.Leaves { // over columns, as live tails and fresh rows are asked
					for row, held := range query.Match(leaf, query.NewReader(mixed)) {
						if byRow := query.NewReader(mixed).Eval(leaf, row); held != byRow {
							t.Fatalf("round %d: %s of row %d: %v by column, %v by row", round, asked, row, held, byRow)
						}
					}
				}
				all := query.Range{Start: -1 << 62, End: 1 << 62}
				got := querytest.Sets(mixed, query.EvalTrace(p, query.NewReader(mixed), all))
				want := querytest.Sets(one, query.EvalTrace(plain, query.NewReader(one), all))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("round %d: %s (-want +got):\n%s", round, asked, diff)
				}
			}
		}
	}
}

// renamedTraces makes a trace whose spans have attributes under one to three names,
// and the same trace with what counts of them under the present name.
func renamedTraces(random *rand.Rand) (mixed, one *telemetry.Batch) {
	builders := []*telemetry.Builder{telemetry.NewBuilder(), telemetry.NewBuilder()}
	for _, b := range builders {
		b.Reset("t")
		b.Scopes.AddRow()
		b.Resources.AddRow()
	}
	values := []any{1, 2, "ab", "b", true}
	put := func(t [2]*telemetry.TableBuilder, scope telemetry.Scope, row uint32) {
		found := false
		for _, key := range []string{"new", "old", "older"} {
			if random.IntN(3) > 0 {
				continue
			}
			v := values[random.IntN(len(values))]
			addAny(t[0], scope, row, key, v)
			if !found {
				addAny(t[1], scope, row, "new", v)
			}
			found = true
		}
	}
	put([2]*telemetry.TableBuilder{&builders[0].Resources, &builders[1].Resources}, telemetry.ScopeResource, 0)
	for i := range 6 {
		s := telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: byte(i + 1)}, Start: int64(i)}
		if i > 0 {
			s.Parent = telemetry.SpanID{7: byte(random.IntN(i) + 1)}
		}
		for _, b := range builders {
			b.AddSpan(s, fmt.Append(nil, "s", i))
		}
		put([2]*telemetry.TableBuilder{&builders[0].Spans, &builders[1].Spans}, telemetry.ScopeSpan, uint32(i))
		if random.IntN(2) == 0 {
			v := 1 + random.IntN(2)
			for _, b := range builders {
				addAny(&b.Spans, telemetry.ScopeSpan, uint32(i), "other", v)
			}
		}
	}
	return &builders[0].Batch, &builders[1].Batch
}

func addAny(t *telemetry.TableBuilder, scope telemetry.Scope, row uint32, key string, v any) {
	switch v := v.(type) {
	case string:
		t.Col(scope, []byte(key), telemetry.TypeString).AddText(row, []byte(v))
	case int:
		t.Col(scope, []byte(key), telemetry.TypeInt).AddNum(row, uint64(v))
	case bool:
		t.Col(scope, []byte(key), telemetry.TypeBool).AddNum(row, 1)
	}
}

// A field with former names that the Batch has none of costs each row next to nothing.
func BenchmarkRenamedField(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	_, one := renamedTraces(random)
	for _, name := range []string{"other", "shop.id"} {
		b.Run(name, func(b *testing.B) {
			p, err := query.CompileNamed("{ span."+name+" + 1 = 3 }", renames)
			if err != nil {
				b.Fatal(err)
			}
			r := query.NewReader(one)
			b.ReportAllocs()
			for b.Loop() {
				for row := range one.Spans.N {
					r.Eval(p.Leaves[0], row)
				}
			}
		})
	}
}
