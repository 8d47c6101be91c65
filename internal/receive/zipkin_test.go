package receive_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/telemetry"
)

func zipkinSpans(n int) []byte {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`{"traceId":"%x","id":"%x","name":"GET","kind":"SERVER","timestamp":%d,"duration":5,"localEndpoint":{"serviceName":"cart"}}`,
			i+1, i+1, time.Now().UnixMicro()))
	}
	return []byte("[" + strings.Join(parts, ",") + "]")
}

// TestZipkin: spans come in by the port of OTLP/HTTP and by one of their own, plain
// and compressed; the answer waits for the sink and has no body.
func TestZipkin(t *testing.T) {
	var own net.Listener
	r := start(t, func(o *receive.Options) { own = listen(t); o.Zipkin = own })
	sent := 0
	for _, base := range []string{strings.TrimSuffix(r.http, "/v1/traces"), "http://" + own.Addr().String()} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			res, body := post(t, http.DefaultClient, base+"/api/v2/spans", "application/json; charset=utf-8", encoding, pack(t, encoding, zipkinSpans(20)), "X-Scope-OrgID", "team")
			sent += 20
			if res.StatusCode != http.StatusAccepted || len(body) != 0 {
				t.Errorf("%s %q: %s %s", base, encoding, res.Status, body)
			}
		}
	}
	if r.sink.stored() != sent || r.sink.tenants[0] != "team" {
		t.Errorf("%d spans of tenant %v, sent %d", r.sink.stored(), r.sink.tenants, sent)
	}
	if got := r.counters.get("clew_receive_spans_total transport=zipkin"); got != float64(sent) {
		t.Errorf("%v spans counted", got)
	}
	if res, _ := post(t, http.DefaultClient, "http://"+own.Addr().String()+"/api/v2/spans", "application/json", "", []byte("[]")); res.StatusCode != http.StatusAccepted {
		t.Errorf("an empty list: %s", res.Status)
	}
	hold := make(chan struct{})
	r.sink.mu.Lock()
	r.sink.hold, r.sink.entered = hold, make(chan struct{}, 1)
	r.sink.mu.Unlock()
	answered := make(chan int, 1)
	go func() {
		res, err := http.Post("http://"+own.Addr().String()+"/api/v2/spans", "application/json", bytes.NewReader(zipkinSpans(1)))
		if err != nil {
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	<-r.sink.entered
	select {
	case code := <-answered:
		t.Errorf("answered %d before the sink was done", code)
	default:
	}
	close(hold)
	if code := <-answered; code != http.StatusAccepted {
		t.Errorf("answered %d", code)
	}
}

// TestZipkinRefusals are those of OTLP, in the same words.
func TestZipkinRefusals(t *testing.T) {
	body := zipkinSpans(20)
	r := start(t, func(o *receive.Options) { o.MaxRequestBytes, o.Limits = int64(len(body)), otlp.Limits{Spans: 20} })
	url := strings.TrimSuffix(r.http, "/v1/traces")
	for _, tt := range []struct {
		name, path, contentType string
		body                    []byte
		header                  []string
		code                    int
		says                    string
		counted                 string
	}{
		{"fits", "/api/v2/spans", "application/json", body, nil, 202, "", ""},
		{"too large", "/api/v2/spans", "application/json", append(body, ' '), nil, 413, "send smaller batches", "too_large"},
		{"too many spans", "/api/v2/spans", "application/json", []byte("[" + strings.TrimSuffix(strings.Repeat(`{"id":"1","traceId":"1"},`, 21), ",") + "]"), nil, 400, "more than 20 spans", "invalid"},
		{"no id", "/api/v2/spans", "application/json", []byte(`[{"traceId":"1"}]`), nil, 400, "spans[0]: the span has no id", "invalid"},
		{"OTLP", "/api/v2/spans", "application/json", []byte(`{"resourceSpans":[]}`), nil, 400, "an array of spans is wanted", "invalid"},
		{"protobuf", "/api/v2/spans", "application/x-protobuf", body, nil, 415, "send application/json", "unknown_type"},
		{"version 1", "/api/v1/spans", "application/json", body, nil, 404, "version 2 to /api/v2/spans", "unknown_method"},
		{"a token that is not known", "/api/v2/spans", "application/json", body, []string{"Authorization", "Bearer bad"}, 401, "not known here", "unauthenticated"},
	} {
		before := r.counters.get("clew_receive_refused_total reason=" + tt.counted)
		res, out := post(t, http.DefaultClient, url+tt.path, tt.contentType, "", tt.body, tt.header...)
		if res.StatusCode != tt.code || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s: %s %s", tt.name, res.Status, out)
		}
		if tt.counted != "" && r.counters.get("clew_receive_refused_total reason="+tt.counted) != before+1 {
			t.Errorf("%s is not counted as %s", tt.name, tt.counted)
		}
	}
	r.sink.fail(telemetry.RetryError(telemetry.KindExhausted, 3*time.Second, "the store is behind"))
	res, out := post(t, http.DefaultClient, url+"/api/v2/spans", "application/json", "", body)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "3" || !strings.Contains(string(out), "the store is behind") {
		t.Errorf("a store that is behind: %s %q %s", res.Status, res.Header.Get("Retry-After"), out)
	}
	get, err := http.Get(url + "/api/v2/spans")
	if err != nil {
		t.Fatal(err)
	}
	get.Body.Close()
	if get.StatusCode != 405 || get.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s", get.Status)
	}
	if r.sink.stored() != 20 {
		t.Errorf("%d spans stored, acknowledged 20", r.sink.stored())
	}
}

// TestZipkinNeedsTokensToo: a listener that others reach is refused without tokens.
func TestZipkinNeedsTokensToo(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &counters{v: map[string]float64{}}
	_, err = receive.New(receive.Options{Zipkin: l, Sink: &sink{}, Counter: c.make, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(string, string, net.Addr) (string, error) { return "default", nil }})
	if err == nil || !strings.Contains(err.Error(), "without tokens") {
		t.Errorf("got %v", err)
	}
}
