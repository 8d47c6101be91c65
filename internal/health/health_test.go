package health_test

import (
	"context"
	"errors"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/health"
	"github.com/clew-dev/clew/internal/telemetry"
)

func text(t *testing.T, r *health.Registry) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextFormat(t *testing.T) {
	r := health.NewRegistry()
	r.Counter("clew_b_total", "Second.\nWith a \\ line.", "reason", "a\"b\\c\nd").Add(2)
	r.Counter("clew_b_total", "ignored", "reason", "a").Add(1.5)
	r.Counter("clew_b_total", "ignored", "reason", "a").Add(-1)
	g := r.Gauge("clew_a", "First.")
	g.Set(math.Inf(1))
	h := r.Histogram("clew_c_seconds", "Third.", []float64{0.1, 1}, "part", "x")
	for _, v := range []float64{0.05, 0.1, 0.5, 7} {
		h.Observe(v)
	}
	want := `# HELP clew_a First.
# TYPE clew_a gauge
clew_a +Inf
# HELP clew_b_total Second.\nWith a \\ line.
# TYPE clew_b_total counter
clew_b_total{reason="a"} 1.5
clew_b_total{reason="a\"b\\c\nd"} 2
# HELP clew_c_seconds Third.
# TYPE clew_c_seconds histogram
clew_c_seconds_bucket{part="x",le="0.1"} 2
clew_c_seconds_bucket{part="x",le="1"} 3
clew_c_seconds_bucket{part="x",le="+Inf"} 4
clew_c_seconds_sum{part="x"} 7.65
clew_c_seconds_count{part="x"} 4
`
	if diff := cmp.Diff(want, text(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestMirrorNeverFalls(t *testing.T) {
	r := health.NewRegistry()
	total := 5.0
	r.OnCollect(func(r *health.Registry) { r.Mirror("clew_x_total", "X.", total) })
	for _, v := range []float64{5, 3, 9} {
		total = v
		text(t, r)
	}
	if got := r.Counter("clew_x_total", "X.").Value(); got != 9 {
		t.Errorf("got %v", got)
	}
}

func TestMistakesOfTheProgram(t *testing.T) {
	for name, fn := range map[string]func(*health.Registry){
		"name":    func(r *health.Registry) { r.Counter("a-b", "") },
		"pairs":   func(r *health.Registry) { r.Counter("a", "", "k") },
		"label":   func(r *health.Registry) { r.Counter("a", "", "k-", "v") },
		"type":    func(r *health.Registry) { r.Counter("a", ""); r.Gauge("a", "") },
		"buckets": func(r *health.Registry) { r.Histogram("a", "", []float64{1}); r.Histogram("a", "", []float64{2}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			fn(health.NewRegistry())
		})
	}
}

func TestConcurrentCounting(t *testing.T) {
	r := health.NewRegistry()
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for range 1000 {
				r.Counter("clew_n_total", "N.").Add(1)
				r.Histogram("clew_h", "H.", []float64{1}).Observe(2)
			}
			text(t, r)
		})
	}
	g.Wait()
	if !strings.Contains(text(t, r), "clew_n_total 4000\n") || !strings.Contains(text(t, r), "clew_h_sum 8000\n") {
		t.Error(text(t, r))
	}
}

func TestProcessMetrics(t *testing.T) {
	r := health.NewRegistry()
	health.RegisterProcess(r, time.Unix(1_800_000_000, 0))
	got := text(t, r)
	for _, want := range []string{
		`(?m)^clew_build_info\{version="[^"]+",revision="[^"]*",goversion="go1\.[^"]+"\} 1$`,
		`(?m)^process_start_time_seconds 1\.8e\+09$`,
		`(?m)^process_resident_memory_bytes [1-9]`,
		`(?m)^process_cpu_seconds_total [0-9]`,
		`(?m)^process_open_fds [1-9]`,
		`(?m)^go_goroutines [1-9]`,
		`(?m)^go_memstats_heap_alloc_bytes [1-9]`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func TestReadiness(t *testing.T) {
	if got := health.NewReadiness().Reason(); got == "" {
		t.Error("ready before anything was said")
	}
	r := health.NewReadiness("store", "receive")
	var got []string
	got = append(got, r.Reason())
	r.NotReady("store", "replays the log")
	got = append(got, r.Reason())
	r.Ready("receive")
	got = append(got, r.Reason())
	r.Ready("store")
	got = append(got, r.Reason())
	r.Stopping()
	got = append(got, r.Reason())
	want := []string{"receive: starting; store: starting", "receive: starting; store: replays the log", "store: replays the log", "", "stopping"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// sink collects copies of the spans it is given.
type sink struct {
	tenant string
	names  []string
	trace  []telemetry.TraceID
	parent []telemetry.SpanID
	ids    []telemetry.SpanID
	status []uint8
	err    error
}

func (s *sink) Write(b *telemetry.Batch) error {
	if s.err != nil {
		return s.err
	}
	s.tenant = b.Tenant
	for i := range b.Spans.N {
		s.names = append(s.names, b.Spans.Names.Str(b.Spans.Name[i]))
	}
	s.trace = append(s.trace, b.Spans.TraceID...)
	s.parent = append(s.parent, b.Spans.Parent...)
	s.ids = append(s.ids, b.Spans.SpanID...)
	s.status = append(s.status, b.Spans.Status...)
	return nil
}

func newTracer(s *sink, r *health.Registry, now func() time.Time) *health.Tracer {
	return health.NewTracer(health.TracerOptions{Sink: s, Tenant: "clew-self", Version: "1", Registry: r, Now: now, PerSecond: 1, Burst: 2, Buffer: 3})
}

func TestTracerWritesATree(t *testing.T) {
	s := &sink{}
	tr := newTracer(s, health.NewRegistry(), nil)
	ctx, end := tr.Request(context.Background(), "GET", "/api/search", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, child := tr.Start(ctx, "search", telemetry.KindInternalOp)
	child.Int("rows", 7)
	child.End()
	end(500, telemetry.Errorf(telemetry.KindUnavailable, "secret"))
	tr.Flush()
	if diff := cmp.Diff([]string{"search", "GET /api/search"}, s.names); diff != "" {
		t.Fatal(diff)
	}
	if s.tenant != "clew-self" || s.trace[0].String() != "0af7651916cd43dd8448eb211c80319c" || s.trace[1] != s.trace[0] {
		t.Errorf("tenant %s, traces %v", s.tenant, s.trace)
	}
	if s.parent[0] != s.ids[1] || s.parent[1].String() != "b7ad6b7169203331" || s.status[1] != telemetry.StatusError || s.status[0] != 0 {
		t.Errorf("parents %v, ids %v, status %v", s.parent, s.ids, s.status)
	}
}

func TestTracerFollowsAnUnsampledCaller(t *testing.T) {
	s := &sink{}
	tr := newTracer(s, health.NewRegistry(), nil)
	ctx, end := tr.Request(context.Background(), "GET", "/x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	_, child := tr.Start(ctx, "y", telemetry.KindInternalOp)
	child.End()
	end(200, nil)
	tr.Flush()
	if len(s.names) != 0 {
		t.Errorf("got %v", s.names)
	}
}

func TestTracerBounds(t *testing.T) {
	r := health.NewRegistry()
	s := &sink{}
	now := time.Unix(1_800_000_000, 0)
	tr := newTracer(s, r, func() time.Time { return now })
	begin := func() { // one trace of two spans
		ctx, a := tr.Start(context.Background(), "a", telemetry.KindInternalOp)
		_, b := tr.Start(ctx, "b", telemetry.KindInternalOp)
		b.End()
		a.End()
	}
	for range 3 { // two fit into the burst, and three of their four spans into the buffer
		begin()
	}
	tr.Flush()
	now = now.Add(time.Second)
	s.err = errors.New("full")
	begin()
	tr.Flush()
	got := text(t, r)
	for _, want := range []string{
		`clew_self_spans_total 3`, `clew_self_dropped_spans_total{reason="rate"} 1`,
		`clew_self_dropped_spans_total{reason="buffer"} 1`, `clew_self_dropped_spans_total{reason="refused"} 2`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func TestSwitchedOff(t *testing.T) {
	var tr *health.Tracer
	ctx, end := tr.Request(context.Background(), "GET", "/x", "")
	_, s := tr.Start(ctx, "y", 0)
	s.Text("a", "b")
	s.Int("a", 1)
	s.Fail(nil)
	s.End()
	end(200, nil)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	tr.Run(stopped)
}

func TestRunWritesTheRestAtTheEnd(t *testing.T) {
	s := &sink{}
	tr := newTracer(s, health.NewRegistry(), nil)
	_, span := tr.Start(context.Background(), "last", telemetry.KindInternalOp)
	span.End()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	tr.Run(ctx)
	if diff := cmp.Diff([]string{"last"}, s.names); diff != "" {
		t.Error(diff)
	}
}

func TestTraceparent(t *testing.T) {
	const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
	for _, tt := range []struct {
		h           string
		sampled, ok bool
	}{
		{"00-" + ids + "-01", true, true},
		{"00-" + ids + "-00", false, true},
		{"00-" + ids + "-03", true, true},
		{"01-" + ids + "-01-more", true, true},
		{"01-" + ids + "-01", true, true},
		{"01-" + ids + "-01more", false, false},
		{"00-" + ids + "-01-more", false, false},
		{"ff-" + ids + "-01", false, false},
		{"00-" + strings.ToUpper(ids) + "-01", false, false},
		{"00-00000000000000000000000000000000-b7ad6b7169203331-01", false, false},
		{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false, false},
		{"00-" + ids + "-0x", false, false},
		{"00-" + ids[:31] + "--b7ad6b7169203331-01", false, false},
		{"-0-" + ids + "-01", false, false},
		{"", false, false},
		{strings.Repeat("-", 55), false, false},
	} {
		_, _, sampled, ok := health.ParseTraceparent(tt.h)
		if sampled != tt.sampled || ok != tt.ok {
			t.Errorf("%q: got %v, %v", tt.h, sampled, ok)
		}
	}
}
