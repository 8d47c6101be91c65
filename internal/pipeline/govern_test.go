package pipeline_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/telemetry"
)

var update = flag.Bool("update", false, "write the expected parts of testdata/check")

// TestGovernance runs each file of testdata/check through both stages: a charter, a
// line of spans, and below ---- what was found and what goes on to the disk.
func TestGovernance(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "----\n")
			got := govern(t, in)
			if *update {
				if err := os.WriteFile(file, []byte(in+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// TestOpenEnums: what the conventions have as an enum is judged by all of its values,
// those that are not stable yet among them, and not at all where it has no list.
func TestOpenEnums(t *testing.T) {
	for _, tt := range []struct {
		charter, attribute, want string
	}{
		{"", `db.system.name="sqlite"`, ""},
		{"", `db.system.name="foodb"`, "information bad_enum_value"},
		{"", `error.type="timeout"`, ""},
		{"", `http.request.method="QUERY"`, ""},
		{"", `deployment.environment.name="moon"`, ""},
		{"environments: [moon, mars]", `deployment.environment.name="moon"`, ""},
		{"environments: [moon, mars]", `deployment.environment.name="production"`, "violation bad_enum_value"},
		{"environments: [moon]\nattributes: { deployment.environment.name: { type: enum, members: { sun: Hot. } } }", `deployment.environment.name="moon"`, "violation bad_enum_value"},
	} {
		c, err := charter.Parse("charter.yaml", []byte("charter: 1\n"+tt.charter+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := governed(t, c.WithVocabulary(registry.Builtin().Attributes()), `checkout server "x" `+tt.attribute+"\n")
		if tt.want == "" && strings.Contains(got, "bad_enum_value") || !strings.Contains(got, tt.want) {
			t.Errorf("%s of %q: %s", tt.attribute, tt.charter, got)
		}
	}
}

func govern(t *testing.T, in string) string {
	yaml, spans, ok := strings.Cut(in, "spans of a batch:\n")
	if !ok {
		t.Fatal("the file has no line: spans of a batch")
	}
	c, err := charter.Parse("charter.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return governed(t, c, spans)
}

func governed(t *testing.T, c *charter.Charter, spans string) string {
	rules, err := pipeline.CompileRules(c, []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	table := finding.NewTable(nil)
	table.Know(c.Services())
	coverage := finding.NewCoverage(nil)
	counts := counters{}
	sink := sinkFunc(func(b *telemetry.Batch) error { dump(&out, b); return nil })
	chain := pipeline.NewRedact(pipeline.NewCheck(sink, func() *pipeline.Rules { return rules }, table, coverage, counts.of),
		func() *pipeline.Rules { return rules }, table, counts.of)
	var rejected *telemetry.Rejected
	if err := chain.Write(parseSpans(t, spans)); errors.As(err, &rejected) {
		fmt.Fprintf(&out, "rejected %d: %s\n", rejected.Spans, rejected.Message)
	} else if err != nil {
		t.Fatal(err)
	}
	for _, f := range table.List("t") {
		fmt.Fprintf(&out, "%s %s %s %s", f.Severity, f.Key.Rule, f.Key.Service, f.Key.Subject)
		if f.Key.Detail != "" {
			fmt.Fprintf(&out, " (%s)", f.Key.Detail)
		}
		fmt.Fprintf(&out, " ×%d %s, span %d\n  %s\n  %s\n", f.Count, f.Action, f.Span[7], f.Message, f.Mend)
	}
	for _, id := range c.Contracts() {
		fmt.Fprintf(&out, "seen %s ×%d\n", id.ID, coverage.Of("t", id.ID).Count)
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if *counts[name] > 0 {
			fmt.Fprintf(&out, "counted %s %v\n", name, float64(*counts[name]))
		}
	}
	return out.String()
}

type counters map[string]*counter

func (c counters) of(name string) pipeline.Counter {
	if c[name] == nil {
		c[name] = new(counter)
	}
	return c[name]
}

// kinds in the words of a file.
var kinds = map[string]uint8{"internal": telemetry.KindInternalOp, "server": telemetry.KindServer, "client": telemetry.KindClient,
	"producer": telemetry.KindProducer, "consumer": telemetry.KindConsumer}

// parseSpans reads a span a line: its service, kind, name and attributes. A span's
// parent is the one that stands before it with fewer spaces in front. Words before the
// name are service, kind and "error"; a key with ~ before it goes to the rest, with @
// to the resource, with ! it is an event's; a value is a Go literal, {…} a nested one.
func parseSpans(t *testing.T, text string) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	scope := b.Scopes.AddRow()
	resources := map[string]uint32{}
	var parents []telemetry.SpanID
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		words := split(line)
		service := words[0]
		row, known := resources[service]
		if !known {
			row = b.Resources.AddRow()
			resources[service] = row
			b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(row, []byte(service))
		}
		s := telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: byte(n + 1)}, Kind: kinds[words[1]], Resource: row, Scope: scope}
		if depth > 0 {
			s.Parent = parents[depth-1]
		}
		parents = append(parents[:depth], s.SpanID)
		words = words[2:]
		if words[0] == "error" {
			s.Status, words = telemetry.StatusError, words[1:]
		}
		name, err := strconv.Unquote(words[0])
		if err != nil {
			t.Fatalf("name %s: %v", words[0], err)
		}
		span := b.AddSpan(s, []byte(name))
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			if k, err := strconv.Unquote(key); err == nil {
				key = k
			}
			typ, num, v := parseValue(value)
			switch {
			case strings.HasPrefix(key, "~"):
				b.Batch.Spans.Rest.Scope = telemetry.ScopeSpan
				b.Batch.Spans.Rest.Add(span, typ, []byte(key[1:]), num, v)
			case strings.HasPrefix(key, "@"):
				add(&b.Resources, telemetry.ScopeResource, row, key[1:], typ, num, v)
			case strings.HasPrefix(key, "!"):
				event := b.AddEvent(span, 0, []byte("e"))
				add(&b.Events, telemetry.ScopeEvent, event, key[1:], typ, num, v)
			default:
				add(&b.Spans, telemetry.ScopeSpan, span, key, typ, num, v)
			}
		}
	}
	return &b.Batch
}

func add(t *telemetry.TableBuilder, scope telemetry.Scope, row uint32, key string, typ telemetry.Type, num uint64, text []byte) {
	c := t.Col(scope, []byte(key), typ)
	if typ.IsText() {
		c.AddText(row, text)
	} else {
		c.AddNum(row, num)
	}
}

func parseValue(v string) (telemetry.Type, uint64, []byte) {
	switch {
	case v == "true":
		return telemetry.TypeBool, 1, nil
	case strings.HasPrefix(v, "{") || strings.HasPrefix(v, "["):
		return telemetry.TypeValue, 0, []byte(v)
	}
	if text, err := strconv.Unquote(v); err == nil {
		return telemetry.TypeString, 0, []byte(text)
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		panic("value " + v)
	}
	return telemetry.TypeInt, uint64(n), nil
}

// split cuts a line at spaces outside of quotes and brackets.
func split(line string) []string {
	var out []string
	var word strings.Builder
	quoted, depth := false, 0
	for i, c := range line {
		switch {
		case c == '"' && (i == 0 || line[i-1] != '\\'):
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			depth++
		case !quoted && (c == '}' || c == ']'):
			depth--
		}
		if c == ' ' && !quoted && depth == 0 {
			if word.Len() > 0 {
				out = append(out, word.String())
				word.Reset()
			}
			continue
		}
		word.WriteRune(c)
	}
	return append(out, word.String())
}

// dump writes what goes on, a span a line with its attributes by name.
func dump(out *strings.Builder, b *telemetry.Batch) {
	b = telemetry.Settle(b)
	for row := range uint32(b.Spans.N) {
		fmt.Fprintf(out, "span %d %q%s", b.Spans.SpanID[row][7], b.Spans.Names.Str(b.Spans.Name[row]), cellsOf(&b.Spans.Table, row))
		for e := range uint32(b.Events.N) {
			if b.Events.Span[e] == row {
				fmt.Fprintf(out, " event{%s }", cellsOf(&b.Events.Table, e))
			}
		}
		out.WriteByte('\n')
	}
	for row := range uint32(b.Resources.N) {
		fmt.Fprintf(out, "resource%s\n", cellsOf(&b.Resources, row))
	}
}

func cellsOf(t *telemetry.Table, row uint32) string {
	var cells []string
	for _, c := range t.Cols {
		at, ok := c.Find(row)
		switch {
		case !ok:
		case c.Type == telemetry.TypeString:
			cells = append(cells, fmt.Sprintf(" %s=%q", c.Key, c.Dict.At(c.Codes[at])))
		case c.Type.IsText():
			cells = append(cells, fmt.Sprintf(" %s=%s", c.Key, c.Dict.At(c.Codes[at])))
		default:
			cells = append(cells, fmt.Sprintf(" %s=%d", c.Key, c.Nums[at]))
		}
	}
	slices.Sort(cells)
	return strings.Join(cells, "")
}
