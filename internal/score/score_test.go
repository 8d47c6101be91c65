package score_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/score"
	"github.com/clew-dev/clew/internal/telemetry"
)

// The weights of the nine rules that are decided sum up to 250.
func TestArithmetic(t *testing.T) {
	for _, tt := range []struct {
		failed string
		want   float64
		band   string
	}{
		{"", 100, "excellent"}, {"RES-001", 92, "excellent"}, {"RES-002", 88, "good"}, {"RES-005", 84, "good"}, {"all", 0, "poor"},
	} {
		got := score.Of(func(i int) bool { return tt.failed != "all" && score.Rules[i].ID != tt.failed })
		if got != tt.want || score.Band(got) != tt.band {
			t.Errorf("without %q: %v %s, want %v %s", tt.failed, got, score.Band(got), tt.want, tt.band)
		}
	}
	if n := len(score.Rules) + len(score.Missing); n != score.RulesTotal {
		t.Errorf("%d rules are decided or missing, want %d", n, score.RulesTotal)
	}
	for edge, want := range map[float64]string{90: "excellent", 89.99: "good", 75: "good", 74.99: "needs_improvement", 50: "needs_improvement", 49.99: "poor"} {
		if got := score.Band(edge); got != want {
			t.Errorf("band of %v: %s, want %s", edge, got, want)
		}
	}
}

// trace makes a trace of a service whose first span is the root; kinds and
// durations of the others are those given.
func trace(kind uint8, ns int64, children int) *telemetry.Batch {
	b := &telemetry.Batch{}
	b.Resources.N = 1
	s := &b.Spans
	for i := range children + 1 {
		s.TraceID = append(s.TraceID, telemetry.TraceID{1})
		s.SpanID = append(s.SpanID, telemetry.SpanID{byte(i + 1)})
		parent := telemetry.SpanID{}
		if i > 0 {
			parent = telemetry.SpanID{1}
		}
		s.Parent, s.Resource = append(s.Parent, parent), append(s.Resource, 0)
		s.Kind, s.Start, s.Duration = append(s.Kind, kind), append(s.Start, 0), append(s.Duration, ns)
		s.N++
	}
	return b
}

func TestBoundsOfSpanRules(t *testing.T) {
	orphan := trace(telemetry.KindServer, 5_000_000, 1)
	orphan.Spans.Parent[1] = telemetry.SpanID{9}
	for _, tt := range []struct {
		name string
		b    *telemetry.Batch
		rule string
		ok   bool
	}{
		{"10 internal", trace(telemetry.KindInternalOp, 5_000_000, 9), "SPA-001", true},
		{"11 internal", trace(telemetry.KindInternalOp, 5_000_000, 10), "SPA-001", false},
		{"parent there", trace(telemetry.KindServer, 5_000_000, 1), "SPA-002", true},
		{"parent missing", orphan, "SPA-002", false},
		{"server root", trace(telemetry.KindServer, 5_000_000, 0), "SPA-004", true},
		{"client root", trace(telemetry.KindClient, 5_000_000, 0), "SPA-004", false},
		{"20 short", trace(telemetry.KindServer, 4_999_999, 19), "SPA-005", true},
		{"21 short", trace(telemetry.KindServer, 4_999_999, 20), "SPA-005", false},
		{"21 of 5 ms", trace(telemetry.KindServer, 5_000_000, 20), "SPA-005", true},
		{"no service.name", trace(telemetry.KindServer, 5_000_000, 0), "RES-005", false},
	} {
		e := score.NewEvaluation(nil)
		e.Add(tt.b)
		for i, rule := range score.Rules {
			if r := e.Results()[0].Rules[i]; rule.ID == tt.rule && (r.Failed == 0) != tt.ok {
				t.Errorf("%s: %s has %+v", tt.name, rule.ID, r)
			}
		}
	}
}

func TestHistory(t *testing.T) {
	h := score.NewHistory(func(service string) bool { return service == "named" })
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 401 {
		h.Put("a", "cart", float64(i%100), day.AddDate(0, 0, i))
	}
	h.Put("a", "cart", 7, day.AddDate(0, 0, 400))
	for i := range 2001 {
		h.Put("a", fmt.Sprint(i), 1, day)
	}
	points := h.Of("a", "cart")
	if len(points) != 400 || points[0].Day != "2026-01-02" || points[399].Score != 7 {
		t.Errorf("%d points, from %v to %v", len(points), points[0], points[len(points)-1])
	}
	if h.Overflow("a") != 2 || h.Overflow("b") != 0 || h.Of("b", "cart") != nil {
		t.Error("overflow of a, b:", h.Overflow("a"), h.Overflow("b"))
	}
	text, _ := h.Snapshot()
	again := score.NewHistory(nil)
	if err := again.Restore(text); err != nil {
		t.Fatal(err)
	}
	if got, _ := again.Snapshot(); string(got) != string(text) {
		t.Error("a restored history is another one")
	}
	if err := again.Restore([]byte(`{"version":2}`)); err == nil {
		t.Error("version 2 was read")
	}
}

// Two thousand names that a stranger thought of leave room for a service that the
// charter names, in an evaluation and in the history; who is gone gives way.
func TestStrangersHideNobody(t *testing.T) {
	named := func(service string) bool { return service == "named" }
	e := score.NewEvaluation(named)
	for i := range 2001 {
		e.Add(of(fmt.Sprint("stranger ", i)))
	}
	e.Add(of("named"))
	if n := len(e.Results()); n != 2001 || e.LeftOut != 1 || e.Judged("named") != 1 || e.Judged("stranger 2000") != 0 {
		t.Errorf("%d services, %d spans left out", n, e.LeftOut)
	}

	h := score.NewHistory(named)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2001 {
		h.Put("a", fmt.Sprint(i), 1, day)
	}
	h.Put("a", "named", 1, day)
	if h.Of("a", "named") == nil || h.Of("a", "2000") != nil || h.Overflow("a") != 1 {
		t.Error("a service that is known has no history, or a stranger beyond the bound has one")
	}
	h.Put("a", "late", 1, day.AddDate(0, 0, 30))
	if h.Of("a", "late") != nil {
		t.Error("a service of 30 days ago gave way")
	}
	h.Put("a", "late", 1, day.AddDate(0, 0, 31))
	if h.Of("a", "late") == nil || h.Of("a", "0") != nil {
		t.Error("a service of 31 days ago did not give way")
	}
	for i := range 2000 {
		h.Put("b", fmt.Sprint(i), 1, day)
	}
	h.Put("c", "one", 1, day)
	if h.Of("b", "1998") == nil || h.Of("b", "1999") != nil || h.Of("c", "one") != nil {
		t.Error("4,000 services of all tenants is the bound")
	}
}

// of makes a trace of one span of a service.
func of(service string) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	row := b.Resources.AddRow()
	b.Scopes.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(row, []byte(service))
	b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Kind: telemetry.KindServer, Duration: 9_000_000}, []byte("x"))
	return &b.Batch
}
