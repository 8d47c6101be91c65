// Package querytest reads the corpus of the language, which the evaluator and every
// store have to answer alike, and writes answers as the corpus has them. It judges
// none of them: those who ask compare. Nothing in it may run at once with another
// test of the same files that updates them.
package querytest

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Case is a query, a line ----, and what becomes of it. Cases are separated by
// blank lines; lines that begin with # above a query say why it is there.
type Case struct{ Comment, Query, Want string }

// Cases reads a corpus.
func Cases(t testing.TB, path string) []Case {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		var c Case
		head, want, ok := strings.Cut(block+"\n", "----\n")
		if !ok {
			t.Fatalf("%s: no ---- in %q", path, block)
		}
		for _, line := range strings.SplitAfter(head, "\n") {
			if strings.HasPrefix(line, "#") {
				c.Comment += line
			} else {
				c.Query += line
			}
		}
		c.Query, c.Want = strings.TrimSuffix(c.Query, "\n"), want
		cases = append(cases, c)
	}
	return cases
}

// Traces builds one Batch a trace from a file of spans: one span a line, trace/id,
// parent or -, start and duration in milliseconds, service, name with - for spaces,
// then attributes as the language writes them with _ for spaces, and lists as the
// canonical text has them.
func Traces(t testing.TB, path string) []*telemetry.Batch {
	t.Helper()
	data, err := os.ReadFile(path)
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
		if strings.HasPrefix(text, "[") {
			f, err := query.ParseField(name)
			if err != nil {
				return err
			}
			table, of := map[telemetry.Scope]*telemetry.TableBuilder{telemetry.ScopeSpan: &b.Spans, telemetry.ScopeResource: &b.Resources, telemetry.ScopeEvent: &b.Events},
				map[telemetry.Scope]uint32{telemetry.ScopeSpan: row, telemetry.ScopeResource: v.Resource, telemetry.ScopeEvent: uint32(event)}
			table[f.Scope].Col(f.Scope, []byte(f.Key), telemetry.TypeValue).AddText(of[f.Scope], []byte(text))
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

// Always is the range of a case that names none, and of its series.
var Always = query.Range{Start: 0, End: math.MaxInt64}

// Within takes the range off the front of a case: @120-160 { … } is in milliseconds.
func Within(t testing.TB, text string) (query.Range, string) {
	t.Helper()
	rest, ok := strings.CutPrefix(text, "@")
	if !ok {
		return Always, text
	}
	var a, b int64
	span, q, _ := strings.Cut(rest, " ")
	if _, err := fmt.Sscanf(span, "%d-%d", &a, &b); err != nil {
		t.Fatal(err)
	}
	return query.Range{Start: a * 1e6, End: b * 1e6}, q
}

// Steps are those of a case that gives series: of 100 ms, and one for compare.
func Steps(t testing.TB, p *query.Plan, within query.Range) query.Steps {
	t.Helper()
	if within == Always {
		within = query.Range{Start: 100e6, End: 310e6}
	}
	step := int64(100e6)
	if p.Metrics.Compare != nil {
		step = within.End - within.Start
	}
	steps, err := query.NewSteps(within.Start, within.End, step)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// EvalSeries gives the series of a plan by evaluating every trace.
func EvalSeries(p *query.Plan, traces []*telemetry.Batch, steps query.Steps) ([]query.Series, error) {
	if c := p.Metrics.Calculation; c != nil {
		return c.Series(steps, func(part *query.Plan) ([]query.Series, error) { return EvalSeries(part, traces, steps) })
	}
	m := query.NewMetricsEval(p, steps)
	for _, b := range traces {
		r := query.NewReader(b)
		for _, s := range query.EvalTrace(p, r, steps.Range) {
			if err := m.Add(r, s.Rows); err != nil {
				return nil, err
			}
		}
	}
	return m.Series()
}

// Sets writes the spansets of one trace: the ids of spans, groups in brackets.
func Sets(b *telemetry.Batch, sets []query.Spanset) string {
	if len(sets) == 0 {
		return ""
	}
	var out strings.Builder
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
	return out.String() + "\n"
}

// Series writes series, and exemplars as trace/span = value.
func Series(series []query.Series) string {
	var out strings.Builder
	for _, s := range series {
		for _, l := range s.Labels {
			fmt.Fprintf(&out, "%s=%s ", l.Name, l.Value)
		}
		fmt.Fprint(&out, s.Values)
		for _, e := range s.Exemplars {
			fmt.Fprintf(&out, " %c/%c=%v", e.TraceID[15], e.SpanID[7], e.Value)
		}
		out.WriteString("\n")
	}
	return out.String()
}
