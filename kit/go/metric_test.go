package clew_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	clew "github.com/clew-dev/clew/kit/go"
)

// page is the OpenMetrics text of the kit.
func page(t *testing.T, k *clew.Kit) string {
	t.Helper()
	w := httptest.NewRecorder()
	k.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text") {
		t.Errorf("content type %q", got)
	}
	text := w.Body.String()
	if !strings.HasSuffix(text, "\n# EOF\n") {
		t.Error("the page has no end")
	}
	return text
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
}

func hasNot(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if strings.Contains(text, line) {
			t.Errorf("%q is in the page", line)
		}
	}
}

// A package variable, as a service has it: it is there before Start.
var metricPlaced = clew.Counter("metric.test.placed", "{order}", clew.Description("Orders placed.")).With(clew.String("shop.channel", "web"))

// metricRuns tells runs of a test in one process apart, because sums go on.
var metricRuns int

func instruments() (wait clew.BoundHistogram, open clew.BoundUpDown, share clew.BoundGauge, run string) {
	metricRuns++
	run = fmt.Sprint(metricRuns)
	attr := clew.String("run", run)
	wait = clew.DurationHistogram("metric.test.duration", clew.ComponentHTTP).With(attr)
	open = clew.UpDown("metric.test.open", "{request}", clew.Needs(clew.ComponentHTTP, clew.Edges)).With(attr)
	share = clew.Gauge("metric.test.share", "1").With(attr)
	return wait, open, share, run
}

// number is the value of a line of the page.
func number(t *testing.T, text, series string) (v float64) {
	t.Helper()
	_, line, found := strings.Cut(text, series+" ")
	if _, err := fmt.Sscan(line, &v); !found || err != nil {
		t.Errorf("%s has no value: %v", series, err)
	}
	return v
}

func TestMetricsOfAService(t *testing.T) {
	k := start(t, "")
	const placed = `metric_test_placed_total{shop_channel="web"}`
	before := number(t, page(t, k.Kit), placed)
	metricWait, metricOpen, metricShare, run := instruments()
	resume := clew.Suspend()
	metricPlaced.Add(100) // Without a kit nothing counts.
	resume()
	metricPlaced.Add(2)
	metricOpen.Add(3)
	metricOpen.Add(-1)
	metricShare.Set(0.5)
	ctx, span := clew.Span(t.Context(), "work")
	metricWait.RecordDuration(ctx, 30*time.Millisecond)
	span.End()
	remove := clew.GaugeFunc("metric.test.temperature", "Cel", func(context.Context) float64 { return 21.5 }, []clew.Attr{clew.String("room", "a")})
	t.Cleanup(remove)
	t.Cleanup(clew.CounterFunc("metric.test.seen", "", func(context.Context) float64 { return 7 }, nil))

	text := page(t, k.Kit)
	has(t, text,
		"# HELP metric_test_placed Orders placed.\n",
		"metric_test_open{run=\""+run+"\"} 2\n",
		"metric_test_share_ratio{run=\""+run+"\"} 0.5\n",
		"metric_test_duration_seconds_bucket{run=\""+run+"\",le=\"0.05\"} 1 # {trace_id=\""+span.SpanContext().TraceID.String()+"\",span_id=\""+span.SpanContext().SpanID.String()+"\"} 0.03 ",
		"metric_test_temperature_celsius{room=\"a\"} 21.5\n",
		"metric_test_seen_total 7\n",
		"go_goroutine_count ", "process_uptime_seconds ",
		"clew_kit_level{component=\"http\"} 2\n", "otel_sdk_span_started_total{otel_span_sampling_result=\"RECORD_AND_SAMPLE\"} 1\n",
	)
	if after := number(t, text, placed); after != before+2 {
		t.Errorf("placed went from %v to %v", before, after)
	}
	remove()
	hasNot(t, page(t, k.Kit), "metric_test_temperature_celsius")

	// A switch of the policy holds at once.
	k.SetLevel(clew.ComponentHTTP, clew.Off)
	if metricWait.Enabled() || metricOpen.Enabled() {
		t.Error("enabled below the level")
	}
	metricOpen.Add(5)
	metricOpen.Always(-1)
	text = page(t, k.Kit)
	hasNot(t, text, "metric_test_duration", "metric_test_open")
	has(t, text, "metric_test_placed_total", "clew_kit_level{component=\"http\"} 0\n")
	k.SetLevel(clew.ComponentHTTP, clew.Edges)
	has(t, page(t, k.Kit), "metric_test_open{run=\""+run+"\"} 1\n")
	k.SetLevel(clew.ComponentMetrics, clew.Edges)
	text = page(t, k.Kit)
	has(t, text, "metric_test_open{run=\""+run+"\"} 1\n")
	hasNot(t, text, "metric_test_placed", "go_goroutine_count", "process_uptime")
	k.SetLevel(clew.ComponentMetrics, clew.Off)
	text = page(t, k.Kit)
	hasNot(t, text, "metric_test_")
	has(t, text, "clew_kit_level{component=\"metrics\"} 0\n")
}

// TestLabelsAreRedacted binds before the live policy comes: it holds all the same, on
// the page and for what is sent when the kit stops. The page that comes first after a
// policy leaves the counter out, which begins anew.
func TestLabelsAreRedacted(t *testing.T) {
	k, sent := startSending(t, clew.Policy([]byte(`{"redact":[{"key":"metric.test.card","action":"truncate","length":4}]}`)))
	requests := clew.Counter("metric.test.redacted", "")
	ada := requests.With(clew.String("metric.test.card", "4111222233334444"), clew.String("user.email", "ada@example.com"))
	bob := requests.With(clew.String("metric.test.card", "4111555566667777"), clew.String("user.email", "bob@example.com"))
	page(t, k)
	ada.Add(1)
	bob.Add(2)
	text := page(t, k)
	has(t, text, `metric_test_redacted_total{metric_test_card="4111",user_email="ada@example.com"} 1`+"\n")
	if err := k.ApplyPolicy([]byte(`{"version":"2","redact":[{"key":"user.*","action":"mask"}]}`)); err != nil {
		t.Fatal(err)
	}
	hasNot(t, page(t, k), "metric_test_redacted")
	ada.Add(3)
	bob.Add(4)
	text = page(t, k)
	has(t, text, `metric_test_redacted_total{metric_test_card="4111",user_email="***"} 7`+"\n")
	hasNot(t, text, "example.com", "41112", "41115")
	if err := k.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if bodies := sent(); !bytes.Contains(bodies, []byte("metric.test.redacted")) || bytes.Contains(bodies, []byte("example.com")) || bytes.Contains(bodies, []byte("41112")) {
		t.Errorf("what was sent is not redacted: %q", bodies)
	}
}

// TestMetricsAreSent stops a kit long before its interval is over: what it has goes
// out, by bound instruments and by those of the OpenTelemetry API.
func TestMetricsAreSent(t *testing.T) {
	k, sent := startSending(t)
	clew.Counter("metric.test.sent", "").With(clew.String("label.of.bound", "x")).Add(1)
	api, err := clew.MeterProvider().Meter("scope.of.library").Int64Counter("metric.test.api")
	if err != nil {
		t.Fatal(err)
	}
	api.Add(t.Context(), 1, metric.WithAttributes(attribute.String("label.of.api", "y")))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := k.Stop(ctx); err != nil {
		t.Error(err)
	}
	bodies := sent()
	for _, want := range []string{"metric-test", "metric.test.sent", "label.of.bound", "metric.test.api", "label.of.api", "scope.of.library", "process.cpu.time", "go.memory.used", "clew.kit.level"} {
		if !bytes.Contains(bodies, []byte(want)) {
			t.Errorf("%s was not sent in %d bytes", want, len(bodies))
		}
	}
}

// startSending starts a kit with a collector of its own; sent is what that has got of
// metrics.
func startSending(t *testing.T, options ...clew.Option) (k *clew.Kit, sent func() []byte) {
	var mu sync.Mutex
	var bodies []byte
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/v1/metrics" {
			mu.Lock()
			bodies = append(bodies, b...)
			mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(collector.Close)
	t.Cleanup(clew.Suspend())
	none := func(string) (string, bool) { return "", false }
	options = append([]clew.Option{clew.Service("metric-test", "1"), clew.Endpoint(collector.URL), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(none)}, options...)
	return clew.Start(t.Context(), options...), func() []byte {
		mu.Lock()
		defer mu.Unlock()
		return bodies
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	start(t, "")
	metricWait, metricOpen, metricShare, _ := instruments()
	ctx, span := clew.Span(t.Context(), "work")
	defer span.End()
	metricWait.Record(ctx, 1)
	for name, f := range map[string]func(){
		"counter":   func() { metricPlaced.Add(1) },
		"up-down":   func() { metricOpen.Add(1) },
		"gauge":     func() { metricShare.Set(1) },
		"histogram": func() { metricWait.RecordDuration(ctx, time.Second) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s allocates %v", name, got)
		}
	}
}
