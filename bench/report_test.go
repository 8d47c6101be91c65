package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func exampleRows() []row {
	return []row{
		{id: "more", what: "more is better", value: 0.12, must: 0.10, aim: 0.15, atLeast: true, peers: []cell{{value: 0.06}, {why: "no pid"}}},
		{id: "less", what: "less is better", value: 30, unit: "B", must: 45, aim: 38, runs: []float64{29, 30, 31}, peers: []cell{{value: 15}, {value: 60}}},
		{id: "missed", what: "missed", value: 12.34, unit: "ms", must: 10, aim: 5, note: "p99 20 ms", peers: []cell{{why: "no order"}, {why: "no pid"}}},
		{id: "aim", what: "aim only", value: 250, unit: "ms", must: none, aim: 200},
		{id: "free", what: "nothing asked", value: 812_345, must: none, aim: none},
		{id: "lost", what: "none lost", value: 0, must: 0, aim: 0, exact: true},
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	writeTable(&b, exampleRows(), "one", "two")
	want := `
| what           | floor   | goal     | measured            | ÷ floor | ÷ goal | ok?     | one            | two           |
|----------------|---------|----------|---------------------|---------|--------|---------|----------------|---------------|
| more is better | ≥ 0.100 | ≥ 0.150  | 0.120               | 1.20 ×  | 0.80 × | floor   | 0.060 (2.00 ×) | – [1]         |
| less is better | ≤ 45 B  | ≤ 38 B   | 30 B                | 1.50 ×  | 1.27 × | goal    | 15 B (0.50 ×)  | 60 B (2.00 ×) |
| missed         | ≤ 10 ms | ≤ 5 ms   | 12.3 ms (p99 20 ms) | 0.81 ×  | 0.41 × | NO      | – [2]          | – [1]         |
| aim only       | –       | ≤ 200 ms | 250 ms              |         | 0.80 × | not yet |                |               |
| nothing asked  | –       | –        | 812345              |         |        |         |                |               |
| none lost      | ≤ 0     | ≤ 0      | 0                   |         |        | goal    |                |               |
[1] two: no pid
[2] one: no order
`
	if b.String() != want[1:] {
		t.Errorf("the table is\n%s", b.String())
	}
	if m := missed(exampleRows()); len(m) != 1 || m[0] != "missed" {
		t.Errorf("missed gives %q", m)
	}
}

// A quick run is judged by what is no measurement, and by nothing else; table and
// JSON show no verdict that does not count.
func TestQuickJudgesNoMeasurement(t *testing.T) {
	b := &bench{rows: exampleRows(), runOptions: runOptions{peers: []*peer{{name: "one"}, {name: "two"}}}}
	b.rows[5].value = 3
	if m := missed(b.judged()); len(m) != 2 {
		t.Errorf("a full run misses %q", m)
	}
	b.quick = true
	if m := missed(b.judged()); len(m) != 1 || m[0] != "none lost" {
		t.Errorf("a quick run misses %q", m)
	}
	for _, r := range b.results(nil).Rows {
		if want := map[bool]string{true: "missed", false: "not judged"}[r.What == "none lost"]; r.Verdict != want {
			t.Errorf("%s: the verdict of a quick run is %q, want %q", r.What, r.Verdict, want)
		}
	}
	var table strings.Builder
	writeTable(&table, b.judged())
	if n := strings.Count(table.String(), "| NO "); n != 1 || strings.Contains(table.String(), "| goal |\n") {
		t.Errorf("the table of a quick run has %d times NO:\n%s", n, table.String())
	}
}

// The JSON is what docs/bench.md says. What differs between two machines is set here.
func TestJSON(t *testing.T) {
	b := &bench{rows: exampleRows(), began: time.Date(2026, 5, 4, 3, 2, 1, 99, time.UTC), version: "clew 1",
		runOptions: runOptions{collector: "x", seed: 1, spans: 2, conns: 3, repeats: 4, cycles: 5, peers: []*peer{{name: "one"}, {name: "two"}}}}
	path := filepath.Join(t.TempDir(), "out.json")
	if err := b.writeJSON(path, nil, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/results.json")
	if err != nil {
		t.Fatal(err)
	}
	var machine struct{ Machine json.RawMessage }
	if err := json.Unmarshal(text, &machine); err != nil {
		t.Fatal(err)
	}
	got := strings.Replace(string(text), string(machine.Machine), `"MACHINE"`, 1)
	if got != string(golden) {
		t.Errorf("the results are\n%s", got)
	}
}
