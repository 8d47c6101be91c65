package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/telemetry"
)

// sink keeps what it gets in OTLP form, and fails as told.
type sink struct {
	mu      sync.Mutex
	err     error
	times   int // how often err is returned; at most 0: always
	tenants []string
	names   []string
	spans   int
	hold    chan struct{} // when set, Write waits until it is closed
	entered chan struct{} // when set, Write says that it has begun
}

func (s *sink) Write(b *telemetry.Batch) error {
	s.mu.Lock()
	hold, entered := s.hold, s.entered
	s.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err; err != nil {
		if s.times--; s.times == 0 {
			s.err = nil
		}
		return err
	}
	s.tenants = append(s.tenants, b.Tenant)
	s.spans += b.Spans.N
	if len(s.names) < 1000 && b.Spans.N > 0 {
		s.names = append(s.names, b.Spans.Names.Str(b.Spans.Name[0]))
	}
	return nil
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.times = err, 0
}

func (s *sink) failTimes(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.times = err, n
}

func (s *sink) stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spans
}

// counters remembers every counter by name and labels.
type counters struct {
	mu sync.Mutex
	v  map[string]float64
}

type counter struct {
	c    *counters
	name string
}

func (c counter) Add(d float64) {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	c.c.v[c.name] += d
}

func (c *counters) make(name, help string, labels ...string) receive.Counter {
	return counter{c, name + " " + strings.Join(labels, "=")}
}

func (c *counters) get(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v[name]
}

// rig is a running server.
type rig struct {
	*receive.Server
	sink     *sink
	counters *counters
	grpc     string // host:port
	http     string // URL of /v1/traces
	log      *bytes.Buffer
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func start(t testing.TB, change func(*receive.Options)) *rig {
	t.Helper()
	r := &rig{sink: &sink{}, counters: &counters{v: map[string]float64{}}, log: &bytes.Buffer{}}
	g, h := listen(t), listen(t)
	r.grpc, r.http = g.Addr().String(), "http://"+h.Addr().String()+"/v1/traces"
	o := receive.Options{
		GRPC: g, HTTP: h, Sink: r.sink, Counter: r.counters.make,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Authenticate: func(token, org string, remote net.Addr) (string, error) {
			if remote == nil {
				return "", errors.New("the address of the sender is missing")
			}
			if token == "bad" {
				return "", telemetry.Errorf(telemetry.KindUnauthenticated, "the token is not known here")
			}
			if org == "other" {
				return "", telemetry.Errorf(telemetry.KindForbidden, "the token is for another tenant")
			}
			if org != "" {
				return org, nil
			}
			return "default", nil
		},
	}
	if change != nil {
		change(&o)
	}
	s, err := receive.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	s.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if n := s.InflightBytes(); n != 0 {
			t.Errorf("%d bytes are still reserved after the stop", n)
		}
	})
	return r
}

// request makes n sound spans with text that does not compress to nothing.
func request(n int) *collectorpb.ExportTraceServiceRequest {
	g := rand.New(rand.NewPCG(uint64(n), 3))
	ss := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "lib"}}
	for i := range n {
		id := make([]byte, 24)
		for j := range id {
			id[j] = byte(g.Uint32()) | 1
		}
		ss.Spans = append(ss.Spans, &tracepb.Span{
			TraceId: id[:16], SpanId: id[16:], Name: fmt.Sprintf("GET /%d", i),
			StartTimeUnixNano: uint64(time.Now().UnixNano()), EndTimeUnixNano: uint64(time.Now().UnixNano()),
			Attributes: []*commonpb.KeyValue{{Key: "k", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: fmt.Sprint(g.Uint64())}}}},
		})
	}
	return &collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "cart"}}}}},
		ScopeSpans: []*tracepb.ScopeSpans{ss},
	}}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func toJSON(t testing.TB, body []byte) []byte {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	var d otlp.Decoder
	if _, err := d.DecodeTraces(b, body, 0, otlp.Limits{}); err != nil {
		t.Fatal(err)
	}
	return otlp.AppendTracesJSON(nil, &b.Batch)
}

func pack(t testing.TB, encoding string, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, _ = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	default:
		return body
	}
	w.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// post sends a body and gives the answer with its body read.
func post(t testing.TB, c *http.Client, url, contentType, encoding string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return res, out
}

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

func TestEveryFormIsStored(t *testing.T) {
	r := start(t, nil)
	body := marshal(t, request(100))
	forms := map[string][]byte{protobufType: body, jsonType: toJSON(t, body)}
	want := 0
	for contentType, body := range forms {
		for _, encoding := range []string{"", "identity", "gzip", "zstd"} {
			res, out := post(t, http.DefaultClient, r.http, contentType, encoding, pack(t, encoding, body), "X-Scope-OrgID", "team-a")
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != contentType {
				t.Fatalf("%s %s: %s %s", contentType, encoding, res.Status, out)
			}
			if want += 100; r.sink.stored() != want {
				t.Fatalf("%s %s: %d spans stored, want %d", contentType, encoding, r.sink.stored(), want)
			}
			if empty := map[string]string{protobufType: "", jsonType: "{}"}[contentType]; string(out) != empty {
				t.Errorf("%s %s: answer %q, want %q", contentType, encoding, out, empty)
			}
		}
	}
	for _, tenant := range r.sink.tenants {
		if tenant != "team-a" {
			t.Errorf("tenant %q, want team-a", tenant)
		}
	}
	for name, want := range map[string]float64{
		"clew_receive_spans_total transport=http":          800,
		"clew_receive_requests_total transport=http":       8,
		"clew_receive_inflated_bytes_total ":               float64(4 * (len(body) + len(forms[jsonType]))),
		"clew_receive_bytes_total encoding=identity":       float64(2 * (len(body) + len(forms[jsonType]))),
		"clew_receive_refused_total reason=invalid":        0,
		"clew_receive_marked_spans_total reason=clock_off": 0,
	} {
		if got := r.counters.get(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestPartialSuccess(t *testing.T) {
	r := start(t, nil)
	req := request(3)
	req.ResourceSpans[0].ScopeSpans[0].Spans[1].SpanId = nil
	body := marshal(t, req)
	const place = "resource_spans[0].scope_spans[0].spans[1]: span_id has 0 bytes, not 8"

	_, out := post(t, http.DefaultClient, r.http, protobufType, "", body)
	var got collectorpb.ExportTraceServiceResponse
	if err := proto.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if p := got.GetPartialSuccess(); p.GetRejectedSpans() != 1 || p.GetErrorMessage() != place {
		t.Errorf("partial success %v, want 1 span, %q", p, place)
	}
	text := bytes.Replace(toJSON(t, marshal(t, request(3))), []byte(`"spanId":"`), []byte(`"spanId":"","x":"`), 1)
	_, out = post(t, http.DefaultClient, r.http, jsonType, "", text)
	var tree struct {
		PartialSuccess struct{ RejectedSpans, ErrorMessage string }
	}
	if err := json.Unmarshal(out, &tree); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if p := tree.PartialSuccess; p.RejectedSpans != "1" || p.ErrorMessage != strings.Replace(place, "spans[1]", "spans[0]", 1) {
		t.Errorf("partial success %+v", p)
	}
	if r.sink.stored() != 4 {
		t.Errorf("%d spans stored, want 4", r.sink.stored())
	}
	if n := r.counters.get("clew_receive_rejected_spans_total reason=invalid_id"); n != 2 {
		t.Errorf("%v spans counted as rejected, want 2", n)
	}
}

// TestAnswers asserts status, form and headers of every refusal of OTLP/HTTP, and that
// one connection survives them all.
func TestAnswers(t *testing.T) {
	r := start(t, func(o *receive.Options) { o.MaxRequestBytes = 1 << 20 })
	body := marshal(t, request(2))
	conns := 0
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conns++
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}}
	defer c.CloseIdleConnections()
	base := strings.TrimSuffix(r.http, "/v1/traces")
	for _, test := range []struct {
		name, method, path, contentType, encoding string
		body                                      []byte
		header                                    []string
		sink                                      error
		status                                    int
		message, wantHeader, wantValue            string
	}{
		{name: "method", method: "GET", status: 405, message: "POST", wantHeader: "Allow", wantValue: "POST"},
		{name: "path", path: "/v1/spans", status: 404, message: "/v1/traces"},
		{name: "metrics", path: "/v1/metrics", status: 404, message: "traces only"},
		{name: "logs", path: "/v1/logs", status: 404, message: "traces only"},
		{name: "content type", contentType: "text/plain", status: 415, message: "application/json"},
		{name: "encoding", encoding: "br", status: 415, message: "zstd", wantHeader: "Accept-Encoding", wantValue: "gzip, zstd"},
		{name: "too large as sent", body: make([]byte, 1<<20+1), status: 413, message: "as sent"},
		{name: "too large inflated", encoding: "gzip", body: pack(t, "gzip", make([]byte, 1<<20+1)), status: 413, message: "inflated"},
		{name: "not protobuf", body: []byte("hello"), status: 400, message: "decode traces"},
		{name: "not JSON", contentType: jsonType, body: []byte("hello"), status: 400, message: "decode traces"},
		{name: "not gzip", encoding: "gzip", body: []byte("hello, this is no gzip"), status: 400, message: "gzip"},
		{name: "not zstd", encoding: "zstd", body: []byte("hello, this is no zstd"), status: 400, message: "zstd"},
		{name: "token", header: []string{"Authorization", "Bearer bad"}, status: 401, message: "token", wantHeader: "WWW-Authenticate", wantValue: `Bearer realm="clew"`},
		{name: "scheme", header: []string{"Authorization", "Basic YTpi"}, status: 401, message: "Bearer"},
		{name: "tenant", header: []string{"X-Scope-OrgID", "other"}, status: 403, message: "another tenant"},
		{name: "store exhausted", sink: telemetry.RetryError(telemetry.KindExhausted, 2500*time.Millisecond, "the store is 3 s behind"), status: 429, message: "3 s behind", wantHeader: "Retry-After", wantValue: "3"},
		{name: "store unavailable", sink: telemetry.Errorf(telemetry.KindUnavailable, "replaying"), status: 503, message: "replaying", wantHeader: "Retry-After", wantValue: "1"},
		{name: "store broken", sink: errors.New("secret detail"), status: 500, message: "logged as"},
		{name: "JSON status", contentType: jsonType, body: []byte("{}"), path: "/v1/logs", status: 404, message: "traces only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.method == "" {
				test.method = "POST"
			}
			if test.path == "" {
				test.path = "/v1/traces"
			}
			if test.contentType == "" {
				test.contentType = protobufType
			}
			if test.body == nil {
				test.body = body
			}
			r.sink.fail(test.sink)
			defer r.sink.fail(nil)
			before := r.sink.stored()
			req, err := http.NewRequest(test.method, base+test.path, bytes.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", test.contentType)
			if test.encoding != "" {
				req.Header.Set("Content-Encoding", test.encoding)
			}
			for i := 0; i < len(test.header); i += 2 {
				req.Header.Set(test.header[i], test.header[i+1])
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			out, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			var message string
			switch res.Header.Get("Content-Type") {
			case protobufType:
				var st statuspb.Status
				if err := proto.Unmarshal(out, &st); err != nil {
					t.Fatal(err)
				}
				message = st.Message
			case jsonType:
				var st struct{ Message string }
				if err := json.Unmarshal(out, &st); err != nil {
					t.Fatal(err)
				}
				message = st.Message
			}
			if res.StatusCode != test.status || !strings.Contains(message, test.message) {
				t.Errorf("answer %s %q, want %d and %q", res.Status, message, test.status, test.message)
			}
			if test.contentType != "text/plain" && res.Header.Get("Content-Type") != test.contentType {
				t.Errorf("the answer to %s is %s", test.contentType, res.Header.Get("Content-Type"))
			}
			if test.wantHeader != "" && res.Header.Get(test.wantHeader) != test.wantValue {
				t.Errorf("%s is %q, want %q", test.wantHeader, res.Header.Get(test.wantHeader), test.wantValue)
			}
			if strings.Contains(message, "secret") {
				t.Errorf("the sender is told %q", message)
			}
			if r.sink.stored() != before {
				t.Error("spans were stored")
			}
		})
	}
	if res, out := post(t, c, r.http, protobufType, "", body); res.StatusCode != 200 {
		t.Errorf("after all that: %s %s", res.Status, out)
	}
	if conns != 1 {
		t.Errorf("%d connections were needed, want 1", conns)
	}
	if !strings.Contains(r.log.String(), "secret detail") {
		t.Error("the internal error is not in the log")
	}
}

func TestNewRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := receive.Options{
		HTTP: l, Sink: &sink{}, Counter: (&counters{v: map[string]float64{}}).make, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(string, string, net.Addr) (string, error) { return "default", nil },
	}
	if _, err := receive.New(o); err == nil || !strings.Contains(err.Error(), "without tokens") {
		t.Errorf("an open address without tokens: %v", err)
	}
	o.Guarded = true
	if _, err := receive.New(o); err != nil {
		t.Errorf("an open address with tokens: %v", err)
	}
	o.MaxInflightBytes = 16 << 20
	if _, err := receive.New(o); err == nil || !strings.Contains(err.Error(), "allow at least") {
		t.Errorf("a budget below one request: %v", err)
	}
}
