package query_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestLimits asks once at each limit, which works, and once over it, which is
// refused with a sentence that names the limit.
func TestLimits(t *testing.T) {
	join := func(n int, one, sep string) string {
		return strings.Repeat(one+sep, n-1) + one
	}
	cases := []struct {
		name string
		text func(n int) string
		max  int
		want string
	}{
		{"bytes", func(n int) string { return "{ }" + strings.Repeat(" ", n-3) }, query.MaxBytes, "over the limit of 16384"},
		{"parentheses in a filter", func(n int) string {
			return "{ " + strings.Repeat("(", n) + ".a" + strings.Repeat(")", n) + " }"
		}, query.MaxDepth, "nested over 64 deep"},
		{"parentheses of spansets", func(n int) string { return strings.Repeat("(", n) + "{ }" + strings.Repeat(")", n) }, query.MaxDepth, "nested over 64 deep"},
		{"signs", func(n int) string { return "{ " + strings.Repeat("!", n) + ".a }" }, query.MaxDepth, "nested over 64 deep"},
		{"powers", func(n int) string { return "{ " + join(n, ".a", " ^ ") + " > 1 }" }, query.MaxDepth, "over 64 deep"},
		{"sums", func(n int) string { return "{ " + join(n, ".a", " + ") + " > 1 }" }, query.MaxDepth, "over 64 deep"},
		{"filters", func(n int) string { return join(n, "{ .a }", " && ") }, query.MaxFilters, "over 64 filters"},
		{"structural filters", func(n int) string { return join(n, "{ .a }", " >> ") }, query.MaxFilters, "over 64 filters"},
		{"comparisons", func(n int) string { return "{ " + join(n, ".a", " && ") + " }" }, query.MaxComparisons, "over 256 comparisons"},
		{"stages", func(n int) string { return "{ }" + strings.Repeat(" | coalesce()", n) }, query.MaxStages, "over 16 stages"},
		{"stages in parentheses", func(n int) string {
			return "({ }" + strings.Repeat(" | coalesce()", n-1) + ") | coalesce()"
		}, query.MaxStages, "over 16 stages"},
		{"pipelines in parentheses", func(n int) string {
			return strings.Repeat("(", n) + "{ } | coalesce()" + strings.Repeat(")", n)
		}, query.MaxDepth, "nested over 64 deep"},
		{"numbers of a calculation", func(n int) string { return "({ } | rate())" + strings.Repeat(" + 1", n) }, query.MaxDepth, "the calculation is over 64 deep"},
		{"parentheses of a calculation", func(n int) string {
			return strings.Repeat("(", n-1) + "({ } | rate())" + strings.Repeat(" * 2)", n-1)
		}, query.MaxDepth, "nested over 64 deep"},
		{"series of a calculation", func(n int) string { return join(n, "({ } | rate())", " + ") }, query.MaxStages, "over 16 stages"},
		{"filters in stages", func(n int) string { return "{ }" + " | " + join(n-1, "{ .a }", " >> ") }, query.MaxFilters, "over 64 filters"},
		{"topk", func(n int) string { return fmt.Sprintf("{ } | rate() | topk(%d)", n) }, query.MaxSeries, "over 1000 series"},
		{"compare", func(n int) string { return fmt.Sprintf("{ } | compare({ }, %d)", n) }, query.MaxCompared, "over 100 values"},
		{"exemplars", func(n int) string { return fmt.Sprintf("{ } | rate() with (exemplars = %d)", n) }, query.MaxExemplars, "up to 100"},
		{"by", func(n int) string { return "{ } | by(" + join(n, ".a", ",") + ")" }, query.MaxBy, "over 8 fields in by"},
		{"select", func(n int) string { return "{ } | select(" + join(n, ".a", ",") + ")" }, query.MaxSelect, "over 64 fields in select"},
		{"two selects", func(n int) string { return "{ } | select(.b) | select(" + join(n-1, ".a", ",") + ")" }, query.MaxSelect, "over 64 fields in all select"},
		{"quantiles", func(n int) string { return "{ } | quantile_over_time(duration, " + join(n, "0.5", ",") + ")" }, query.MaxQuantiles, "over 16 quantiles"},
		{"regex", func(n int) string { return `{ .a =~ "` + strings.Repeat("x", n) + `" }` }, query.MaxRegex, "over 4096 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := query.Compile(c.text(c.max)); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			_, err := query.Compile(c.text(c.max + 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("over the limit: got %v, want it to say %q", err, c.want)
			}
			if telemetry.KindOf(err) != telemetry.KindInvalid {
				t.Errorf("got kind %v, want invalid", telemetry.KindOf(err))
			}
		})
	}
}

// TestCalculationHoldsNoMoreThanItMay gives each side of a calculation as many values
// as may be held, together with one more, and afterwards with one side let go of.
func TestCalculationHoldsNoMoreThanItMay(t *testing.T) {
	steps := query.Steps{Range: query.Range{End: query.MaxSteps}, Step: 1, N: query.MaxSteps}
	values := make([]float64, query.MaxSteps)
	side := func(n int) []query.Series {
		out := make([]query.Series, n)
		for i := range out {
			out[i] = query.Series{Labels: []query.Label{{Name: "name", Value: query.Value{Type: query.TypeInt, Int: int64(i)}}}, Values: values}
		}
		return out
	}
	for _, c := range []struct {
		text  string
		sizes []int
		ok    bool
	}{
		{"({ } | rate() by(name)) + ({ } | rate() by(name))", []int{query.MaxSeries - 1, 1}, true},
		{"({ } | rate() by(name)) + ({ } | rate() by(name))", []int{query.MaxSeries, 1}, false},
		{"({ } | rate() by(name)) + ({ } | rate() by(name)) + ({ } | rate() by(name))", []int{1, query.MaxSeries - 1, query.MaxSeries - 1}, true},
		{"({ } | rate() by(name)) + (({ } | rate() by(name)) + ({ } | rate() by(name)))", []int{2, 1, query.MaxSeries - 2}, false},
	} {
		p, err := query.Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		_, err = p.Metrics.Calculation.Series(steps, func(*query.Plan) ([]query.Series, error) {
			asked++
			return side(c.sizes[asked-1]), nil
		})
		if (err == nil) != c.ok || err != nil && telemetry.KindOf(err) != telemetry.KindExhausted {
			t.Errorf("%s with %d series: got %v", c.text, c.sizes, err)
		}
	}
}

// TestHostileText sends what must be refused without growing the stack or panicking.
func TestHostileText(t *testing.T) {
	for name, text := range map[string]string{
		"open parentheses": strings.Repeat("(", query.MaxBytes),
		"open braces":      strings.Repeat("{", query.MaxBytes),
		"minus signs":      "{" + strings.Repeat("-", query.MaxBytes-1),
		"empty":            " \n\t",
		"only a comment":   "// nothing",
		"not UTF-8":        "{ .a = \"\xff\" }",
		"escaped":          `{ .a = "\xff" }`,
		"nul":              "{ \x00 }",
	} {
		if _, err := query.Compile(text); telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%s: got %v, want an invalid error", name, err)
		}
	}
}

func TestErrorNamesLineAndColumn(t *testing.T) {
	_, err := query.Compile("{ name = \"é\" && // two columns\n  sevice.x = 1 }")
	if err == nil || !strings.HasPrefix(err.Error(), "query:2:3: ") {
		t.Errorf("got %v, want a place in line 2, column 3", err)
	}
	_, err = query.Compile("{ name = \"é\" && x }")
	if err == nil || !strings.HasPrefix(err.Error(), "query:1:17: ") {
		t.Errorf("got %v, want column 17: columns count characters, not bytes", err)
	}
}

func TestParseField(t *testing.T) {
	for _, text := range []string{"parent.a", `parent."span.a"`, "parent.span.a", "parent.resource.service.name", "parent.instrumentation.x", "parent:name", "parent:id", "nestedSetParent",
		".a", `span."a b"`, "resource.service.name", "event:name", "duration", `link."\""`, "instrumentation.x", `."x\u00a0y"`} {
		f, err := query.ParseField(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.String(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
	for _, text := range []string{"", "a", ".a b", "{ }", "span", "5", ".a // x\n.b"} {
		if f, err := query.ParseField(text); err == nil {
			t.Errorf("%q was read as %v", text, f)
		}
	}
}

func TestSaturating(t *testing.T) {
	cases := []struct{ a, b, sum, diff int64 }{
		{1, 2, 3, -1},
		{math.MaxInt64, 1, math.MaxInt64, math.MaxInt64 - 1},
		{math.MinInt64, -1, math.MinInt64, math.MinInt64 + 1},
		{math.MinInt64, 1, math.MinInt64 + 1, math.MinInt64},
		{0, math.MinInt64, math.MinInt64, math.MaxInt64},
		{-1, math.MinInt64, math.MinInt64, math.MaxInt64},
		{math.MaxInt64, math.MinInt64, -1, math.MaxInt64},
	}
	for _, c := range cases {
		if got := query.SaturatingAdd(c.a, c.b); got != c.sum {
			t.Errorf("%d + %d: got %d, want %d", c.a, c.b, got, c.sum)
		}
		if got := query.SaturatingSub(c.a, c.b); got != c.diff {
			t.Errorf("%d - %d: got %d, want %d", c.a, c.b, got, c.diff)
		}
	}
}

func TestSteps(t *testing.T) {
	s, err := query.NewSteps(100, 200, 30)
	if err != nil || s.N != 4 {
		t.Errorf("got %d steps and %v, want 4", s.N, err)
	}
	if s, err = query.NewSteps(0, query.MaxSteps, 1); err != nil || s.N != query.MaxSteps {
		t.Errorf("at the limit: got %d steps and %v", s.N, err)
	}
	for _, bad := range [][3]int64{{0, query.MaxSteps + 1, 1}, {5, 5, 1}, {6, 5, 1}, {0, 5, 0}, {-1, 5, 1}, {0, math.MaxInt64, 1}} {
		if _, err := query.NewSteps(bad[0], bad[1], bad[2]); telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%v: got %v, want an invalid error", bad, err)
		}
	}
}

// spansWith makes n spans with one attribute that is new in each.
func spansWith(n int) (*telemetry.Batch, []int) {
	b := telemetry.NewBuilder()
	res, scope := b.Resources.AddRow(), b.Scopes.AddRow()
	rows := make([]int, n)
	for i := range n {
		row := b.AddSpan(telemetry.Span{Start: 5, Resource: res, Scope: scope, SpanID: telemetry.SpanID{5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)}}, []byte("x"))
		b.Spans.Col(telemetry.ScopeSpan, []byte("i"), telemetry.TypeInt).AddNum(row, uint64(i))
		rows[i] = int(row)
	}
	return &b.Batch, rows
}

// TestManySeries groups by a value that is new in every span. What chooses among
// series may choose from more than an answer can have.
func TestManySeries(t *testing.T) {
	batch, rows := spansWith(100_001)
	for _, c := range []struct {
		text        string
		steps, n    int
		over        bool
		seriesGiven int
	}{
		{"{ } | rate() by(span.i)", 1, query.MaxSeries, false, query.MaxSeries},
		{"{ } | rate() by(span.i)", 1, query.MaxSeries + 1, true, 0},
		{"{ } | rate() by(span.i) | topk(2)", 1, 100_000, false, 2},
		{"{ } | rate() by(span.i) | topk(2)", 1, 100_001, true, 0},
		{"{ } | rate() by(span.i) | bottomk(2)", query.MaxSteps, query.MaxSeries, false, 2},
		{"{ } | rate() by(span.i) | bottomk(2)", query.MaxSteps, query.MaxSeries + 1, true, 0},
		{"{ } | rate() by(span.i) > 0", 1, query.MaxSeries, false, query.MaxSeries},
		{"{ } | rate() by(span.i) > 0", 1, query.MaxSeries + 1, true, 0}, // all of them stay
	} {
		p, err := query.Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := query.NewSteps(0, int64(c.steps)*10, 10)
		if err != nil {
			t.Fatal(err)
		}
		m := query.NewMetricsEval(p, steps)
		var got []query.Series
		if err = m.Add(query.NewReader(batch), rows[:c.n]); err == nil {
			got, err = m.Series()
		}
		if (telemetry.KindOf(err) == telemetry.KindInvalid && err != nil) != c.over || len(got) != c.seriesGiven {
			t.Errorf("%s of %d series, %d steps: got %d and %v", c.text, c.n, c.steps, len(got), err)
		}
	}
}

// TestManyComparedValues compares at both bounds: of values that are counted, and of
// values that are given.
func TestManyComparedValues(t *testing.T) {
	p, err := query.Compile("{ } | compare({ span.i > 1000000 }, 100)")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := query.NewSteps(0, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	const spare = 4 // name, status, kind and rootName have a value each
	for _, over := range []int{0, 1} {
		batch, rows := spansWith(query.MaxComparedValues - spare + over)
		err := query.NewMetricsEval(p, steps).Add(query.NewReader(batch), rows)
		if (telemetry.KindOf(err) == telemetry.KindExhausted && err != nil) != (over > 0) {
			t.Errorf("%d over the limit: got %v", over, err)
		}
	}
	long, err := query.NewSteps(0, query.MaxSteps, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := query.CheckCompared(query.MaxSeries, long); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := query.CheckCompared(query.MaxSeries+1, long); telemetry.KindOf(err) != telemetry.KindExhausted {
		t.Errorf("over the limit: got %v", err)
	}
}

// TestTallyIsIndependentOfOrder adds numbers whose float sum depends on their order.
func TestTallyIsIndependentOfOrder(t *testing.T) {
	nums := []float64{1e300, 3.14, -1e300, 1e-9, 7, -2.5, 1e16, 1, -1e16}
	var want float64
	for shift := range nums {
		var tally query.Tally
		for i := range nums {
			tally.Add(query.Value{Type: query.TypeFloat, Float: nums[(i+shift)%len(nums)]}, false)
		}
		v, ok := tally.Result(query.Sum)
		if !ok || (shift > 0 && v.Float != want) {
			t.Errorf("from %d: got %v, want %v", shift, v.Float, want)
		}
		want = v.Float
	}
	var ints query.Tally
	for range 3 {
		ints.Add(query.Value{Type: query.TypeInt, Int: math.MaxInt64}, false)
	}
	if v, _ := ints.Result(query.Avg); v.Float != math.MaxInt64 {
		t.Errorf("got average %v, want %v: the sum overflows 64 bits", v.Float, float64(math.MaxInt64))
	}
}

func TestBucketsAndQuantiles(t *testing.T) {
	for v, want := range map[float64]int{0: 0, -5: 0, 1: 0, 1.5: 1, 2: 1, 3: 2, 4: 2, 5: 3, 1 << 52: 52, 1<<52 + 1: 53,
		math.MaxFloat64: 1024, math.Inf(1): 1024, math.Inf(-1): 0} {
		if got := query.BucketExponent(v); got != want {
			t.Errorf("bucket of %v: got %d, want %d", v, got, want)
		}
	}
	for _, c := range []struct {
		q    float64
		n    int
		want int
	}{{0, 5, 0}, {0.5, 5, 2}, {0.5, 4, 1}, {0.99, 100, 98}, {1, 5, 4}, {0.2, 5, 0}, {0.21, 5, 1}, {0.07, 100, 6}} {
		if got := query.QuantileIndex(c.q, c.n); got != c.want {
			t.Errorf("quantile %v of %d: got %d, want %d", c.q, c.n, got, c.want)
		}
	}
}
