package query_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestEval runs every query of testdata/eval/queries.txt over every trace and
// writes the ids of the matched spans; spansets in order, groups in brackets.
func TestEval(t *testing.T) {
	const path = "testdata/eval/queries.txt"
	traces := querytest.Traces(t, "testdata/eval/spans.txt")
	var out strings.Builder
	cases := querytest.Cases(t, path)
	if len(cases) < 200 {
		t.Errorf("%d cases are too few to define the language", len(cases))
	}
	for i, c := range cases {
		got := evalAll(t, traces, c.Query)
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(c.Comment + c.Query + "\n----\n" + got)
		if diff := cmp.Diff(c.Want, got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", c.Query, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func evalAll(t *testing.T, traces []*telemetry.Batch, text string) string {
	t.Helper()
	within, text := querytest.Within(t, text)
	p, err := query.Compile(text)
	if err != nil {
		return err.Error() + "\n"
	}
	if p.Metrics != nil {
		return evalMetrics(t, p, traces, querytest.Steps(t, p, within))
	}
	var out strings.Builder
	for _, b := range traces {
		checkMatch(t, p, b)
		out.WriteString(querytest.Sets(b, query.EvalTrace(p, query.NewReader(b), within)))
	}
	return out.String()
}

func evalMetrics(t *testing.T, p *query.Plan, traces []*telemetry.Batch, steps query.Steps) string {
	t.Helper()
	series, err := querytest.EvalSeries(p, traces, steps)
	if err != nil {
		t.Fatal(err)
	}
	return querytest.Series(series)
}

// checkMatch compares the answer by columns with the answer by rows.
func checkMatch(t *testing.T, p *query.Plan, b *telemetry.Batch) {
	t.Helper()
	for _, leaf := range p.Leaves {
		for row, got := range query.Match(leaf, query.NewReader(b)) {
			if want := query.Eval(leaf, b, row); got != want {
				t.Errorf("%s at row %d: by columns %v, by row %v", query.ExprString(leaf), row, got, want)
			}
		}
	}
}
