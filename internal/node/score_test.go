package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/node"
)

type scores struct {
	LookedAt struct {
		Traces, Spans int64
		More          bool
	}
	Services []struct {
		Service string
		Score   float64
		Band    string
		Rules   []struct {
			ID              string
			Passed          bool
			Checked, Failed int64
			Examples        []struct{ Trace, Span string }
		}
		History []struct {
			Day   string
			Score float64
		}
	}
}

func askScores(t *testing.T, n *node.Node) (a scores) {
	t.Helper()
	if err := json.Unmarshal(get(t, "http://"+n.HTTPAddr()+"/api/score"), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// zipkin gives a span in the form of that name, which began long enough ago to be judged or just now.
func zipkin(trace, id, parent, kind, service string, ago time.Duration) string {
	return fmt.Sprintf(`{"traceId":%q,"id":%q,"parentId":%q,"kind":%q,"name":"x","timestamp":%d,"duration":9000,"localEndpoint":{"serviceName":%q}}`,
		trace, id, parent, kind, time.Now().Add(-ago).UnixMicro(), service)
}

// Scores come from what is stored, name the spans that fail, and leave out traces
// that may still be arriving; their history is there after a restart, and a damaged
// one stops nothing.
func TestScores(t *testing.T) {
	dir := t.TempDir()
	n := open(t, dir, "", nil)
	if a := askScores(t, n); len(a.Services) != 0 || a.LookedAt.Traces != 0 {
		t.Errorf("of nothing: %+v", a)
	}
	stop(t, n)

	n = open(t, dir, "", nil) // answers are kept for a while, but not over a restart
	spans := []string{
		zipkin("a1", "1", "", "CLIENT", "cart", 5*time.Minute),
		zipkin("a1", "2", "1", "SERVER", "stock", 5*time.Minute),
		zipkin("a2", "3", "f", "SERVER", "stock", 5*time.Minute),
		zipkin("a3", "4", "", "CLIENT", "fresh", 0),
	}
	// The newest of their part by far: cart and stock are found by name.
	for i := range 220 {
		spans = append(spans, zipkin(fmt.Sprintf("b%x", i), "9", "", "SERVER", "busy", 4*time.Minute))
	}
	post(t, "http://"+n.OTLPHTTPAddr()+"/api/v2/spans", "["+strings.Join(spans, ",")+"]")
	post(t, "http://"+n.HTTPAddr()+"/api/flush", "")
	a := askScores(t, n)
	if a.LookedAt.Traces < 102 || a.LookedAt.Traces > 222 || a.LookedAt.Spans != a.LookedAt.Traces+1 || len(a.Services) != 3 || a.LookedAt.More != (a.LookedAt.Traces < 222) {
		t.Fatalf("looked at %+v, services %+v", a.LookedAt, a.Services)
	}
	want := map[string]struct {
		score  float64
		failed map[string]string // the span
	}{
		"cart":  {80, map[string]string{"RES-001": "0000000000000001", "SPA-004": "0000000000000001"}},
		"stock": {84, map[string]string{"RES-001": "", "SPA-002": "0000000000000003"}},
	}
	for _, s := range a.Services {
		if s.Service == "busy" {
			continue
		}
		w := want[s.Service]
		if s.Score != w.score || len(s.History) != 1 || s.History[0].Score != s.Score {
			t.Errorf("%s has %v and history %v, want %v", s.Service, s.Score, s.History, w.score)
		}
		for _, r := range s.Rules {
			span, fails := w.failed[r.ID]
			if r.Passed == fails || fails && span != "" && (len(r.Examples) != 1 || r.Examples[0].Span != span) {
				t.Errorf("%s of %s: %+v", r.ID, s.Service, r)
			}
		}
	}
	stop(t, n)

	file := filepath.Join(dir, "scores.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	past := bytes.ReplaceAll(text, []byte(a.Services[1].History[0].Day), []byte("2026-01-01"))
	if err := os.WriteFile(file, past, 0o600); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir, "", nil)
	if h := askScores(t, n).Services[1].History; len(h) != 2 || h[0].Day != "2026-01-01" || h[1].Score != 80 {
		t.Errorf("history after a restart: %v", h)
	}
	stop(t, n)

	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	n = open(t, dir, "", nil)
	if h := askScores(t, n).Services[1].History; len(h) != 1 {
		t.Errorf("history of a damaged file: %v", h)
	}
	stop(t, n)
	if text, err = os.ReadFile(file); err != nil || !json.Valid(text) {
		t.Errorf("the damaged file was not replaced: %v %q", err, text)
	}
}
