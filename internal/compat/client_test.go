package compat_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/node"
	"github.com/clew-dev/clew/internal/rpc"
)

// began is the instant of the spans that the node of these tests holds.
var began = time.Date(2026, 3, 1, 11, 30, 0, 0, time.UTC)

// jobs is how many traces of one span the node holds beside the checkout.
const jobs = 60

// clewNode starts a whole node, on ports of its own, that holds known spans.
func clewNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Options{Data: t.TempDir(), ListenHTTP: "127.0.0.1:0", ListenGRPC: "127.0.0.1:0", ListenOTLPHTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	resp, err := http.Post("http://"+n.OTLPHTTPAddr()+"/v1/traces", "application/json", strings.NewReader(knownSpans()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || string(body) != "{}" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	return n
}

// knownSpans is a checkout over two services with an error, and jobs of a worker, a
// second apart.
func knownSpans() string {
	at := func(d time.Duration) string { return fmt.Sprint(began.Add(d).UnixNano()) }
	ms := time.Millisecond
	span := func(trace, id, parent, name string, kind int, start, took time.Duration, more string) string {
		return fmt.Sprintf(`{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":%q,"kind":%d,"startTimeUnixNano":%q,"endTimeUnixNano":%q%s}`,
			trace, id, parent, name, kind, at(start), at(start+took), more)
	}
	resource := func(service string, spans ...string) string {
		return fmt.Sprintf(`{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}}]},"scopeSpans":[{"scope":{"name":"test"},"spans":[%s]}]}`,
			service, strings.Join(spans, ","))
	}
	const checkout = apitest.ShopTrace
	failed := `,"status":{"code":2,"message":"card declined"}`
	parts := []string{
		resource("gateway",
			span(checkout, "0000000000000001", "", "POST /checkout", 2, 0, 120*ms,
				`,"attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}},{"key":"a/b c","value":{"stringValue":"slash"}}]`+failed),
			span(checkout, "0000000000000002", "0000000000000001", "Pay", 3, 2*ms, 100*ms, ``)),
		resource("payment",
			span(checkout, "0000000000000003", "0000000000000002", "Pay", 2, 3*ms, 90*ms,
				`,"attributes":[{"key":"amount","value":{"doubleValue":12.5}},{"key":"retry","value":{"boolValue":true}}],"events":[{"timeUnixNano":"`+at(50*ms)+`","name":"exception"}]`+failed)),
	}
	var spans []string
	for i := range jobs {
		spans = append(spans, span(fmt.Sprintf("000000000000000000000000000%05d", i+1), fmt.Sprintf("%016d", i+1), "", "job", 1,
			time.Minute+time.Duration(i)*time.Second, time.Duration(i+1)*ms, ``))
	}
	parts = append(parts, resource("worker", spans...))
	return `{"resourceSpans":[` + strings.Join(parts, ",") + `]}`
}

// answersOf names the message of tempopb that a path answers with.
func answersOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/tempo/api/v2/traces/"):
		return "TraceByIDResponse"
	case strings.HasPrefix(path, "/tempo/api/traces/"):
		return "Trace"
	case path == "/tempo/api/search":
		return "SearchResponse"
	case path == "/tempo/api/search/tags":
		return "SearchTagsResponse"
	case path == "/tempo/api/v2/search/tags":
		return "SearchTagsV2Response"
	case strings.HasPrefix(path, "/tempo/api/search/tag/"):
		return "SearchTagValuesResponse"
	case strings.HasPrefix(path, "/tempo/api/v2/search/tag/"):
		return "SearchTagValuesV2Response"
	case path == "/tempo/api/metrics/query_range":
		return "QueryRangeResponse"
	case path == "/tempo/api/metrics/query":
		return "QueryInstantResponse"
	}
	return ""
}

// client plays what a client sends to a node, over its real ports, and gives what
// Google's library reads in the answer.
type client struct {
	t    *testing.T
	base string
	conn *grpc.ClientConn
	h2   http.RoundTripper // HTTP/2 without TLS, for calls byte for byte; nil where none are played
}

func newClient(t *testing.T, n *node.Node) *client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:"+n.HTTPAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	h2 := &http.Transport{Protocols: p}
	t.Cleanup(h2.CloseIdleConnections)
	return &client{t, "http://" + n.HTTPAddr(), conn, h2}
}

// http asks and gives the answer; body is JSON, whatever the form it had.
func (c *client) http(target string, header http.Header) (code int, contentType string, body []byte) {
	r, err := http.NewRequest("GET", c.base+target, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Encoding") == "gzip" { // asked for by the header of a fixture
		if resp.Body, err = gzip.NewReader(resp.Body); err != nil {
			c.t.Fatal(err)
		}
	}
	if body, err = io.ReadAll(resp.Body); err != nil {
		c.t.Fatal(err)
	}
	contentType = resp.Header.Get("Content-Type")
	name := answersOf(r.URL.Path)
	switch {
	case resp.StatusCode != http.StatusOK || name == "":
	case contentType == "application/protobuf":
		m := decode(c.t, name, body)
		if strings.Contains(name, "Trace") {
			c.complete(m)
		}
		body = asJSON(c.t, m)
	case !strings.Contains(name, "Trace"): // ids of traces are hexadecimal in JSON, as OTLP has them
		c.strict(name, body)
	}
	return resp.StatusCode, contentType, body
}

// takenForGranted are the messages that the data source reads without looking whether
// they are there: without one it fails on the whole trace.
var takenForGranted = map[protoreflect.FullName][]protoreflect.Name{
	"tempopb.TraceByIDResponse":                  {"trace"},
	"opentelemetry.proto.trace.v1.ResourceSpans": {"resource"},
	"opentelemetry.proto.trace.v1.ScopeSpans":    {"scope"},
	"opentelemetry.proto.trace.v1.Span":          {"status"},
}

// complete demands in every message what the data source takes for granted there.
func (c *client) complete(m protoreflect.Message) {
	c.t.Helper()
	for _, name := range takenForGranted[m.Descriptor().FullName()] {
		if !m.Has(m.Descriptor().Fields().ByName(name)) {
			c.t.Errorf("a %s has no %s, on which the data source fails", m.Descriptor().FullName(), name)
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				c.complete(v.List().Get(i).Message())
			}
		default:
			c.complete(v.Message())
		}
		return true
	})
}

// strict reads JSON as the data source does, which refuses a field that it does not know.
func (c *client) strict(name string, body []byte) *dynamicpb.Message {
	c.t.Helper()
	m := newMessage(name)
	if err := protojson.Unmarshal(body, m); err != nil {
		c.t.Errorf("a client that reads %s strictly refuses the answer: %v\n%s", name, err, body)
	}
	return m
}

func asJSON(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer // the library varies its spaces on purpose
	if err := json.Compact(&compact, b); err != nil {
		t.Fatal(err)
	}
	return compact.Bytes()
}

var streamMessages = map[string][2]string{
	"Search": {"SearchRequest", "SearchResponse"}, "SearchTags": {"SearchTagsRequest", "SearchTagsResponse"},
	"SearchTagsV2": {"SearchTagsRequest", "SearchTagsV2Response"}, "SearchTagValues": {"SearchTagValuesRequest", "SearchTagValuesResponse"},
	"SearchTagValuesV2": {"SearchTagValuesRequest", "SearchTagValuesV2Response"},
	"MetricsQueryRange": {"QueryRangeRequest", "QueryRangeResponse"}, "MetricsQueryInstant": {"QueryInstantRequest", "QueryInstantResponse"},
}

// stream asks over gRPC and gives every message.
func (c *client) stream(ctx context.Context, method, question string) (got []*dynamicpb.Message, err error) {
	c.t.Helper()
	names := streamMessages[method]
	request := newMessage(names[0])
	if err := protojson.Unmarshal([]byte(question), request); err != nil {
		c.t.Fatal(err)
	}
	call, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/tempopb.StreamingQuerier/"+method)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(call.SendMsg(request), call.CloseSend()); err != nil {
		return nil, err
	}
	for {
		m := newMessage(names[1])
		if err := call.RecvMsg(m); err == io.EOF {
			return got, nil
		} else if err != nil {
			return got, err
		}
		if unknown := unknownFields(m); unknown != "" {
			c.t.Errorf("%s has fields that tempopb does not have: %s", method, unknown)
		}
		got = append(got, m)
	}
}

// ServeHTTP plays a fixture: a request of HTTP, or a call of gRPC whose frame stands
// in the header Body in hexadecimal.
func (c *client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/tempopb.StreamingQuerier/")
	if !ok {
		code, contentType, body := c.http(r.URL.RequestURI(), r.Header)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		w.Write(body)
		return
	}
	frame, err := hex.DecodeString(r.Header.Get("Body"))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Del("Body")
	body, _ := json.Marshal(c.frames(r, method, frame))
	w.Write(body)
}

// frames sends a call of gRPC byte for byte and gives each message of the answer, and
// the status behind them.
func (c *client) frames(r *http.Request, method string, frame []byte) (out []any) {
	c.t.Helper()
	call, err := http.NewRequest(http.MethodPost, c.base+r.URL.Path, bytes.NewReader(frame))
	if err != nil {
		c.t.Fatal(err)
	}
	call.Header = r.Header
	resp, err := c.h2.RoundTrip(call)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	for len(body) > 0 {
		if len(body) < rpc.PrefixBytes || body[0] != 0 {
			c.t.Fatalf("no frame of a plain message: %x", body)
		}
		size := rpc.PrefixBytes + int(binary.BigEndian.Uint32(body[1:]))
		if len(body) < size {
			c.t.Fatalf("a frame of %d bytes ends after %d", size, len(body))
		}
		out = append(out, json.RawMessage(asJSON(c.t, decode(c.t, streamMessages[method][1], body[rpc.PrefixBytes:size]))))
		body = body[size:]
	}
	said := resp.Trailer
	if len(out) == 0 && said.Get("Grpc-Status") == "" {
		said = resp.Header
	}
	return append(out, "status "+said.Get("Grpc-Status")+": "+said.Get("Grpc-Message"))
}

// TestRecordedClient plays what Grafana's data source and its Traces Drilldown sent,
// as it was recorded; testdata/client/README.md says of which versions.
func TestRecordedClient(t *testing.T) {
	apitest.Golden(t, newClient(t, clewNode(t)), "testdata/client")
}

// TestFormsAgree asks every question in JSON, in protobuf and over gRPC: the list
// and what is told of it must be the same.
func TestFormsAgree(t *testing.T) {
	c := newClient(t, clewNode(t))
	seconds := fmt.Sprintf(`"start":%d,"end":%d`, began.Unix(), began.Add(10*time.Minute).Unix())
	nanos := fmt.Sprintf(`"start":"%d","end":"%d"`, began.UnixNano(), began.Add(10*time.Minute).UnixNano())
	within := url.Values{"start": {fmt.Sprint(began.Unix())}, "end": {fmt.Sprint(began.Add(10 * time.Minute).Unix())}}
	for _, tt := range []struct{ path, form, method, question, list string }{
		{"/tempo/api/search", "q={}&limit=50", "Search", `{"Query":"{}","Limit":50,` + seconds + `}`, "traces"},
		{"/tempo/api/search", "q={}&limit=1000", "Search", `{"Query":"{}","Limit":1000,` + seconds + `}`, "traces"},
		{"/tempo/api/search", "q={}", "Search", `{"Query":"{}",` + seconds + `}`, "traces"},
		{"/tempo/api/search", "q={status=error}|select(span.amount,span.retry,resource.service.name)&spss=1", "Search",
			`{"Query":"{status=error}|select(span.amount,span.retry,resource.service.name)","SpansPerSpanSet":1,` + seconds + `}`, "traces"},
		{"/tempo/api/search", "tags=service.name=GATE&minDuration=100ms&maxDuration=1s", "Search",
			`{"Tags":{"service.name":"GATE"},"MinDurationMs":100,"MaxDurationMs":1000,` + seconds + `}`, "traces"},
		{"/tempo/api/search/tags", "scope=span", "SearchTags", `{"scope":"span",` + seconds + `}`, "tagNames"},
		{"/tempo/api/v2/search/tags", "q={name=\"job\"}&limit=100", "SearchTagsV2", `{"query":"{name=\"job\"}","maxTagsPerScope":100,` + seconds + `}`, "scopes"},
		{"/tempo/api/search/tag/service.name/values", "limit=2", "SearchTagValues", `{"tagName":"service.name","maxTagValues":2,` + seconds + `}`, "tagValues"},
		{"/tempo/api/v2/search/tag/status/values", "", "SearchTagValuesV2", `{"tagName":"status",` + seconds + `}`, "tagValues"},
		{"/tempo/api/metrics/query_range", "q={}|rate() by (resource.service.name)&step=60s", "MetricsQueryRange",
			`{"query":"{}|rate() by (resource.service.name)","step":"60000000000",` + nanos + `}`, "series"},
		{"/tempo/api/metrics/query_range", "q={}|max_over_time(duration)&exemplars=3&step=60s", "MetricsQueryRange",
			`{"query":"{}|max_over_time(duration)","step":"60000000000","exemplars":3,` + nanos + `}`, "series"},
		{"/tempo/api/metrics/query_range", "q={}|quantile_over_time(duration,.5,.9)", "MetricsQueryRange", `{"query":"{}|quantile_over_time(duration,.5,.9)",` + nanos + `}`, "series"},
		{"/tempo/api/metrics/query", "q={}|max_over_time(duration) by (name)", "MetricsQueryInstant", `{"query":"{}|max_over_time(duration) by (name)",` + nanos + `}`, "series"},
	} {
		form, err := url.ParseQuery(strings.NewReplacer("+", "%2B", ";", "%3B").Replace(tt.form))
		if err != nil {
			t.Fatal(err)
		}
		form["start"], form["end"] = within["start"], within["end"]
		target := tt.path + "?" + form.Encode()
		code, _, body := c.http(target, nil)
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", target, code, body)
			continue
		}
		name := answersOf(tt.path)
		want := c.strict(name, body)
		_, typ, body := c.http(target, http.Header{"Accept": {"application/protobuf"}})
		if inProtobuf := c.strict(name, body); typ != "application/protobuf" || !proto.Equal(want, inProtobuf) {
			t.Errorf("%s: protobuf (%s) says\n%s\nJSON says\n%s", target, typ, asJSON(t, inProtobuf), asJSON(t, want))
		}
		got, err := c.stream(t.Context(), tt.method, tt.question)
		if err != nil {
			t.Errorf("%s: %v", tt.method, err)
			continue
		}
		streamed := joined(got, tt.list)
		if whole := jobsOf(streamed); whole[0] != whole[1] || whole[0] == 0 {
			t.Errorf("%s %s ends with %d of %d jobs", tt.method, tt.question, whole[0], whole[1])
		}
		jobsOf(want)
		if !proto.Equal(want, streamed) {
			t.Errorf("%s %s gives in %d messages\n%s\nHTTP gives\n%s", tt.method, tt.question, len(got), asJSON(t, streamed), asJSON(t, want))
		}
		if n := want.Get(want.Descriptor().Fields().ByName(protoreflect.Name(tt.list))).List().Len(); n == 0 {
			t.Errorf("%s: the answer is empty, so that nothing was compared", target)
		}
	}
}

// jobsOf takes the jobs out of an answer, which a stream may have more of: completed and all.
func jobsOf(m *dynamicpb.Message) (out [2]uint64) {
	metrics := m.Mutable(m.Descriptor().Fields().ByName("metrics")).Message()
	for i, name := range []protoreflect.Name{"completedJobs", "totalJobs"} {
		f := metrics.Descriptor().Fields().ByName(name)
		out[i] = metrics.Get(f).Uint()
		metrics.Clear(f)
	}
	return out
}

// joined is what a client makes of a stream: the lists one behind the other, and
// the rest of the last message.
func joined(got []*dynamicpb.Message, list string) *dynamicpb.Message {
	last := proto.Clone(got[len(got)-1]).(*dynamicpb.Message)
	field := last.Descriptor().Fields().ByName(protoreflect.Name(list))
	last.Clear(field)
	all := last.Mutable(field).List()
	for _, m := range got {
		part := m.Get(field).List()
		for i := range part.Len() {
			all.Append(part.Get(i))
		}
	}
	return last
}
