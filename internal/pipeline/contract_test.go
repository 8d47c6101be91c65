package pipeline_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/privacy"
	"github.com/clew-dev/clew/internal/telemetry"
)

// redactionCase is a case of kit/contract/span.json that redacts.
type redactionCase struct {
	Name   string
	Redact []struct {
		Key, Action string
		Length      int
	}
	Set, Attributes [][2]any
}

// TestKitsAndGatewayAgree runs the redactions of the kits' contract through the
// gateway: what a kit leaves as it is, cuts or drops, the gateway does too, and what
// a kit hides the gateway hides. What a kit has redacted the gateway changes no more.
func TestKitsAndGatewayAgree(t *testing.T) {
	text, err := os.ReadFile("../../kit/contract/span.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []redactionCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range file.Cases {
		if len(c.Redact) == 0 {
			continue
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			rules := rulesOf(t, c)
			got := redacted(t, rules, c.Set)
			for _, want := range c.Attributes {
				key := want[0].(string)
				hides, expected := want[1] == privacy.Hidden, written(want[1])
				switch is, there := got[key]; {
				case hides && (!there || strings.Trim(strings.ReplaceAll(is, privacy.Hidden, ""), `[]",`) == ""):
				case !hides && there && is == expected:
				default:
					t.Errorf("%s: the gateway has %q (%v), the kits %s", key, is, there, expected)
				}
				delete(got, key)
			}
			if len(got) > 0 {
				t.Errorf("the kits drop %v", got)
			}
			for key, is := range redacted(t, rules, c.Attributes) {
				i := slices.IndexFunc(c.Attributes, func(a [2]any) bool { return a[0] == key })
				if is != written(c.Attributes[i][1]) {
					t.Errorf("%s: the gateway changes what a kit sent, %v, to %q", key, c.Attributes[i][1], is)
				}
			}
		})
	}
	if ran < 4 {
		t.Errorf("%d cases redact", ran)
	}
}

func rulesOf(t *testing.T, c redactionCase) *pipeline.Rules {
	t.Helper()
	yaml := "charter: 1\nprivacy: { detectors: none }\nattributes:\n"
	for _, r := range c.Redact {
		name, family := strings.CutSuffix(r.Key, ".*")
		typ, action := "any", r.Action
		if family {
			typ = "template[any]"
		}
		if action == "truncate" {
			if r.Length == 0 {
				// The least that a charter cuts to is one byte: replacing says the same.
				action = `{ replace: "" }`
			} else {
				action = fmt.Sprintf("{ truncate: %d }", r.Length)
			}
		}
		yaml += fmt.Sprintf("  %s: { type: \"%s\", on_ingest: %s }\n", name, typ, action)
	}
	parsed, err := charter.Parse("charter.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := pipeline.CompileRules(parsed, []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// written gives a value as the gateway stores it.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			if text, ok := one.(string); ok {
				parts[i] = string(telemetry.AppendValueString(nil, []byte(text)))
			} else {
				parts[i] = fmt.Sprint(one)
			}
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprint(v)
}

// redacted gives the attributes of one span after the gateway's redaction.
func redacted(t *testing.T, rules *pipeline.Rules, set [][2]any) map[string]string {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	row := b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}}, []byte("s"))
	for i, one := range set {
		key, last := one[0].(string), true
		for _, later := range set[i+1:] {
			last = last && later[0] != key // the last value counts, as in the kits
		}
		if !last {
			continue
		}
		col := func(typ telemetry.Type) *telemetry.ColumnBuilder {
			return b.Spans.Col(telemetry.ScopeSpan, []byte(key), typ)
		}
		switch v := one[1].(type) {
		case string:
			col(telemetry.TypeString).AddText(row, []byte(v))
		case bool:
			col(telemetry.TypeBool).AddNum(row, 1)
		case float64:
			col(telemetry.TypeInt).AddNum(row, uint64(int64(v)))
		case map[string]any:
			col(telemetry.TypeDouble).AddNum(row, math.Float64bits(v["float"].(float64)))
		case []any:
			col(telemetry.TypeValue).AddText(row, []byte(written(v)))
		}
	}
	out := map[string]string{}
	sink := sinkFunc(func(b *telemetry.Batch) error {
		for _, c := range b.Spans.Cols {
			switch {
			case c.Scope != telemetry.ScopeSpan || len(c.Rows) == 0:
			case c.Type.IsText():
				out[c.Key] = c.Dict.Str(c.Codes[0])
			case c.Type == telemetry.TypeBool:
				out[c.Key] = "true"
			default:
				out[c.Key] = fmt.Sprint(int64(c.Nums[0]))
			}
		}
		return nil
	})
	counts := counters{}
	if err := pipeline.NewRedact(sink, func() *pipeline.Rules { return rules }, finding.NewTable(nil), counts.of).Write(&b.Batch); err != nil {
		t.Fatal(err)
	}
	return out
}
