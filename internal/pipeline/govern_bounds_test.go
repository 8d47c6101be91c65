package pipeline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/telemetry"
)

// stages builds both stages of a charter in front of next.
func stages(t testing.TB, yaml string, table *finding.Table, counts counters, next telemetry.Sink) telemetry.Sink {
	t.Helper()
	c, err := charter.Parse("charter.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := pipeline.CompileRules(c, []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	now := func() *pipeline.Rules { return rules }
	return pipeline.NewRedact(pipeline.NewCheck(next, now, table, finding.NewCoverage(nil), counts.of), now, table, counts.of)
}

// A sender of a hundred thousand names costs bounded memory, all of them are counted,
// and the finding of another service, sent last, is there with its suggestion when the
// searches of a second are not used up.
func TestHostileNames(t *testing.T) {
	table, counts := finding.NewTable(nil), counters{}
	sent := 0
	chain := stages(t, "charter: 1\nattributes: { shop.order.id: { type: string } }\n", table, counts, sinkFunc(func(b *telemetry.Batch) error { sent += b.Spans.N; return nil }))
	const names = 100_000
	for i := 0; i < names; i += 1000 {
		b := telemetry.NewBuilder()
		b.Reset("t")
		resource, scope := b.Resources.AddRow(), b.Scopes.AddRow()
		b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(resource, []byte("hostile"))
		for j := range 1000 {
			row := b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Resource: resource, Scope: scope}, []byte("s"))
			b.Batch.Spans.Rest.Scope = telemetry.ScopeSpan
			b.Batch.Spans.Rest.Add(row, telemetry.TypeInt, fmt.Append(nil, "zz.", i+j), 1, nil)
		}
		if err := chain.Write(&b.Batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := chain.Write(parseSpans(t, "victim server \"x\" shop.order.total=1\n")); err != nil {
		t.Fatal(err)
	}
	count := map[string]uint64{}
	for _, f := range table.List("t") {
		count[f.Key.Service] += f.Count
	}
	for _, o := range table.Overflows("t") {
		count[o.Service] += o.Count
	}
	var lost float64
	if c := counts["finding_lost"]; c != nil {
		lost = float64(*c)
	}
	if got := count["hostile"] + uint64(lost); got != names {
		t.Errorf("%d of the hostile service's values are counted, %d were sent", got, names)
	}
	if count["victim"] != 1 {
		t.Errorf("the other service has %d findings, want 1", count["victim"])
	}
	if sent != names+1 {
		t.Errorf("%d spans went on, want %d", sent, names+1)
	}
}

// Nested values deeper than is looked into are dropped as a whole, and one less is not.
func TestNestedDepth(t *testing.T) {
	for _, tt := range []struct {
		depth int
		want  string
	}{{63, "[email]"}, {80, "[detector_failed]"}} {
		table := finding.NewTable(nil)
		var got string
		chain := stages(t, "charter: 1\n", table, counters{}, sinkFunc(func(b *telemetry.Batch) error {
			c := b.Spans.Find(telemetry.ScopeSpan, "v", telemetry.TypeValue)
			got = c.Dict.Str(c.Codes[0])
			return nil
		}))
		value := strings.Repeat("[", tt.depth) + `"jane@example.org"` + strings.Repeat("]", tt.depth)
		if err := chain.Write(parseSpans(t, "a server \"x\" v="+value+"\n")); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got, tt.want) || strings.Contains(got, "jane") {
			t.Errorf("at depth %d the value is %.60s…, want %s in it", tt.depth, got, tt.want)
		}
	}
}

// FuzzNested gives the stage what no decoder of ours writes: it answers with canonical
// text in which no detector finds anything, or drops the value.
func FuzzNested(f *testing.F) {
	for _, seed := range []string{`{"mail":"a@example.com","n":[1,2.5,null,true],"@@x":{"@bytes":"amFuZQ=="}}`, `[`, `{"a"`, `"\u0061"`, `{"@bytes":"!"}`, `[4111111111111111]`, `{"@double":"NaN"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 1<<12 {
			return
		}
		table := finding.NewTable(nil)
		b := parseSpans(t, "a server \"x\"\n")
		c := &telemetry.Column{Scope: telemetry.ScopeSpan, Type: telemetry.TypeValue, Key: "v", Rows: []uint32{0}, Codes: []uint32{0}}
		c.Dict.Append([]byte(value))
		b.Spans.Cols = append(b.Spans.Cols, c)
		var first string
		chain := stages(t, "charter: 1\n", table, counters{}, sinkFunc(func(b *telemetry.Batch) error {
			c := b.Spans.Find(telemetry.ScopeSpan, "v", telemetry.TypeValue)
			first = c.Dict.Str(c.Codes[0])
			return nil
		}))
		if err := chain.Write(b); err != nil {
			t.Fatal(err)
		}
		_, valid := otlp.ParseValue([]byte(value))
		if valid == nil && json.Valid([]byte(value)) {
			if _, err := otlp.ParseValue([]byte(first)); err != nil {
				t.Fatalf("%q became %q: %v", value, first, err)
			}
		}
		again := parseSpans(t, "a server \"x\"\n")
		c = &telemetry.Column{Scope: telemetry.ScopeSpan, Type: telemetry.TypeValue, Key: "v", Rows: []uint32{0}, Codes: []uint32{0}}
		c.Dict.Append([]byte(first))
		again.Spans.Cols = append(again.Spans.Cols, c)
		before := first
		if err := chain.Write(again); err != nil {
			t.Fatal(err)
		}
		if first != before {
			t.Fatalf("%q became %q, and that became %q", value, before, first)
		}
	})
}
