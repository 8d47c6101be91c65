package query_test

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// readSpans builds one Batch a trace from testdata/eval/spans.txt.
func readSpans(t testing.TB) []*telemetry.Batch {
	t.Helper()
	data, err := os.ReadFile("testdata/eval/spans.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []*telemetry.Batch
	builders := map[string]*telemetry.Builder{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		w := strings.Fields(line)
		trace, id, _ := strings.Cut(w[0], "/")
		b := builders[trace]
		if b == nil {
			b = telemetry.NewBuilder()
			builders[trace] = b
			out = append(out, &b.Batch)
		}
		if err := addSpan(b, trace, id, w); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return out
}

func addSpan(b *telemetry.Builder, trace, id string, w []string) error {
	v := telemetry.Span{TraceID: telemetry.TraceID{15: trace[0]}, SpanID: telemetry.SpanID{7: id[0]}}
	if w[1] != "-" {
		v.Parent = telemetry.SpanID{7: w[1][0]}
	}
	start, err := strconv.ParseInt(w[2], 10, 64)
	if err != nil {
		return err
	}
	dur, err := strconv.ParseInt(w[3], 10, 64)
	if err != nil {
		return err
	}
	v.Start, v.Duration = start*1e6, dur*1e6
	v.Resource, v.Scope = b.Resources.AddRow(), b.Scopes.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(v.Resource, []byte(w[4]))
	b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(v.Scope, []byte("lib/"+w[4]))
	row := b.AddSpan(v, []byte(strings.ReplaceAll(w[5], "-", " ")))
	event, link := -1, -1
	for _, attr := range w[6:] {
		name, text, _ := strings.Cut(attr, "=")
		if name == "nan" {
			b.Spans.Col(telemetry.ScopeSpan, []byte("nan"), telemetry.TypeDouble).AddNum(row, math.Float64bits(math.NaN()))
			continue
		}
		if text == "[1]" {
			b.Spans.Col(telemetry.ScopeSpan, []byte("list"), telemetry.TypeValue).AddText(row, []byte(text))
			continue
		}
		e, err := query.CompileFilter("{ " + name + " = " + strings.ReplaceAll(text, "_", " ") + " }")
		if err != nil {
			return err
		}
		c := e.(query.Compare)
		f, val := c.L.(query.Ref).Field, c.R.(query.Lit).Value
		switch f.Intrinsic {
		case query.Kind:
			b.Batch.Spans.Kind[row] = uint8(val.Int)
			continue
		case query.Status:
			b.Batch.Spans.Status[row] = uint8(val.Int)
			continue
		case query.StatusMessage:
			b.Spans.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyStatusMessage), telemetry.TypeString).AddText(row, []byte(val.Str))
			continue
		case query.EventName:
			event = int(b.AddEvent(row, v.Start+5e6, []byte(val.Str)))
			continue
		case query.LinkSpanID:
			sid, err := telemetry.ParseSpanID(val.Str)
			if err != nil {
				return err
			}
			link = int(b.AddLink(row, telemetry.TraceID{15: 9}, sid, 0))
			continue
		}
		switch f.Scope {
		case telemetry.ScopeSpan:
			addValue(&b.Spans, f, row, val)
		case telemetry.ScopeResource:
			addValue(&b.Resources, f, v.Resource, val)
		case telemetry.ScopeEvent:
			addValue(&b.Events, f, uint32(event), val)
		case telemetry.ScopeLink:
			addValue(&b.Links, f, uint32(link), val)
		default:
			return fmt.Errorf("%s cannot be set", f)
		}
	}
	return nil
}

func addValue(t *telemetry.TableBuilder, f query.Field, row uint32, v query.Value) {
	key := []byte(f.Key)
	switch v.Type {
	case query.TypeString:
		t.Col(f.Scope, key, telemetry.TypeString).AddText(row, []byte(v.Str))
	case query.TypeInt:
		t.Col(f.Scope, key, telemetry.TypeInt).AddNum(row, uint64(v.Int))
	case query.TypeFloat:
		t.Col(f.Scope, key, telemetry.TypeDouble).AddNum(row, math.Float64bits(v.Float))
	case query.TypeBool:
		t.Col(f.Scope, key, telemetry.TypeBool).AddNum(row, uint64(v.Int))
	}
}

var always = query.Range{Start: 0, End: math.MaxInt64}

// TestEval runs every query of testdata/eval/queries.txt over every trace and
// writes the ids of the matched spans; spansets in order, groups in brackets.
func TestEval(t *testing.T) {
	const path = "testdata/eval/queries.txt"
	traces := readSpans(t)
	var out strings.Builder
	for i, c := range readCorpus(t, path) {
		got := evalAll(t, traces, c.query)
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(c.comment + c.query + "\n----\n" + got)
		if diff := cmp.Diff(c.want, got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", c.query, diff)
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
	within := always
	if rest, ok := strings.CutPrefix(text, "@"); ok { // @120-160 { … }: a range in milliseconds
		var a, b int64
		span, q, _ := strings.Cut(rest, " ")
		if _, err := fmt.Sscanf(span, "%d-%d", &a, &b); err != nil {
			t.Fatal(err)
		}
		within, text = query.Range{Start: a * 1e6, End: b * 1e6}, q
	}
	p, err := query.Compile(text)
	if err != nil {
		return err.Error() + "\n"
	}
	if p.Metrics != nil {
		return evalMetrics(t, p, traces, within)
	}
	for _, b := range traces {
		checkMatch(t, p, b)
	}
	var out strings.Builder
	for _, b := range traces {
		sets := query.EvalTrace(p, query.NewReader(b), within)
		if len(sets) == 0 {
			continue
		}
		fmt.Fprintf(&out, "trace %c:", b.Spans.TraceID[0][15])
		for _, s := range sets {
			for i, v := range s.By {
				fmt.Fprintf(&out, "%s%s", map[bool]string{true: " [", false: " "}[i == 0], v)
			}
			if len(s.By) > 0 {
				out.WriteString("]")
			}
			for _, row := range s.Rows {
				fmt.Fprintf(&out, " %c", b.Spans.SpanID[row][7])
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func evalMetrics(t *testing.T, p *query.Plan, traces []*telemetry.Batch, within query.Range) string {
	t.Helper()
	if within == always {
		within = query.Range{Start: 100e6, End: 310e6}
	}
	steps, err := query.NewSteps(within.Start, within.End, 100e6)
	if err != nil {
		t.Fatal(err)
	}
	m := query.NewMetricsEval(p, steps)
	for _, b := range traces {
		r := query.NewReader(b)
		for _, s := range query.EvalTrace(p, r, within) {
			if err := m.Add(r, s.Rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	series, err := m.Series()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range series {
		for _, l := range s.Labels {
			fmt.Fprintf(&out, "%s=%s ", l.Name, l.Value)
		}
		fmt.Fprintln(&out, s.Values)
	}
	return out.String()
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
