package compat_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/compat"
	"github.com/clew-dev/clew/internal/node"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// serveFake serves the dialect over a fake store.
func serveFake(t *testing.T, f *apitest.Fake) (c *client, done chan struct{}) {
	t.Helper()
	return serve(t, newTempo(f, nil))
}

// serve serves a handler, over plain HTTP/2 too. done gets a value when a request has
// been answered.
func serve(t *testing.T, h http.Handler) (c *client, done chan struct{}) {
	t.Helper()
	done = make(chan struct{}, 100)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		done <- struct{}{}
	}))
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	srv.Config.Protocols = p
	srv.Start()
	t.Cleanup(srv.Close)
	conn, err := grpc.NewClient("passthrough:"+srv.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, base: srv.URL, conn: conn}, done
}

// TestStreamEndsWithItsClient: a client that goes away ends the question, which
// would otherwise hold a place among those that run.
func TestStreamEndsWithItsClient(t *testing.T) {
	f := apitest.Seed()
	f.Hang, f.Entered = true, make(chan struct{}, 1)
	c, done := serveFake(t, f)
	for _, method := range []string{"Search", "MetricsQueryRange", "SearchTagValuesV2"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			question := `{"query":"{} | rate()"}`
			switch method {
			case "Search":
				question = `{"Query":"{}"}`
			case "SearchTagValuesV2":
				question = `{"tagName":"name"}`
			}
			_, err := c.stream(ctx, method, question)
			ended <- err
		}()
		<-f.Entered
		cancel()
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("%s: the client saw %v", method, err)
		}
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: the question goes on without its client", method)
		}
	}
}

// TestStreamErrors gives every failure its code; what is broken inside is not told.
func TestStreamErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code codes.Code
		says string
	}{
		{telemetry.RetryError(telemetry.KindExhausted, time.Second, "too much"), codes.ResourceExhausted, "too much"},
		{telemetry.Errorf(telemetry.KindUnavailable, "closing"), codes.Unavailable, "closing"},
		{fmt.Errorf("pa$$word"), codes.Internal, "something is broken inside Clew; its log says what"},
		{context.DeadlineExceeded, codes.ResourceExhausted, "narrow the time range"},
	} {
		f := apitest.Seed()
		f.Err = tt.err
		c, _ := serveFake(t, f)
		_, err := c.stream(t.Context(), "Search", `{"Query":"{}"}`)
		if st := status.Convert(err); st.Code() != tt.code || !strings.Contains(st.Message(), tt.says) {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
	c, _ := serveFake(t, apitest.Seed())
	for _, tt := range []struct {
		method, question string
		code             codes.Code
		says             string
	}{
		{"Search", `{"Query":"{ name = "}`, codes.InvalidArgument, "query:1:10"},
		{"Search", `{"Query":"{} | rate()"}`, codes.InvalidArgument, "gives series"},
		{"Search", `{"Query":"{}","start":9,"end":8}`, codes.InvalidArgument, "not before end"},
		{"SearchTagValues", `{}`, codes.InvalidArgument, ""},
		{"SearchTagsV2", `{"scope":"planet"}`, codes.InvalidArgument, `"planet" is none of`},
		{"MetricsQueryRange", `{"query":"{}"}`, codes.InvalidArgument, "no metrics stage"},
		{"MetricsQueryRange", `{"query":"{}|rate()","start":"1","end":"9000000000000000000","step":"1"}`, codes.InvalidArgument, "steps"},
	} {
		if _, err := c.stream(t.Context(), tt.method, tt.question); status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %s: %v", tt.method, tt.question, err)
		}
	}
	err := c.conn.Invoke(t.Context(), "/tempopb.StreamingQuerier/Delete", newMessage("SearchRequest"), newMessage("SearchResponse"))
	if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), `"Delete" is no method`) {
		t.Errorf("an unknown method: %v", err)
	}
	resp, err := http.Post(c.base+"/tempopb.StreamingQuerier/Search", "application/grpc", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("gRPC over HTTP/1.1: %s", resp.Status)
	}
}

// TestQuestionLimit holds the size of a question on both sides.
func TestQuestionLimit(t *testing.T) {
	c, _ := serveFake(t, apitest.Seed())
	ask := func(size int) error {
		head := proto.Size(newMessage("SearchRequest"))
		const around = `{} // `
		text := around + strings.Repeat("x", size-head-len(around)-4) // the tag of the field and a length of three bytes
		_, err := c.stream(t.Context(), "Search", fmt.Sprintf(`{"Query":%q}`, text))
		return err
	}
	// The language has a limit of its own, which a question of this size passes.
	if err := ask(64 << 10); err == nil || strings.Contains(err.Error(), "65536 bytes") {
		t.Errorf("64 KiB: %v", err)
	}
	if err := ask(64<<10 + 1); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "over 65536 bytes") {
		t.Errorf("64 KiB and a byte: %v", err)
	}
}

// large fills a store with traces whose names are of that many bytes.
func large(t *testing.T, traces, name int) *apitest.Fake {
	t.Helper()
	f := apitest.New()
	b := telemetry.NewBuilder()
	b.Reset("default")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for i := range traces {
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{14: byte(i >> 8), 15: byte(i + 1)}, SpanID: telemetry.SpanID{7: 1},
			Start: apitest.Now.Add(-time.Minute).UnixNano() + int64(i), Duration: 1}, []byte(strings.Repeat(string(rune('a'+i%26)), name)+fmt.Sprint(i)))
	}
	if err := f.Append(&b.Batch, apitest.Now.UnixNano(), 1, 2); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPackets: a large answer comes in parts that clients take, and is the same.
func TestPackets(t *testing.T) {
	c, _ := serveFake(t, large(t, 20, 60<<10))
	got, err := c.stream(t.Context(), "Search", `{"Query":"{}"}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 5 {
		t.Errorf("%d messages; want the first empty and several packets", len(got))
	}
	for i, m := range got {
		if size := proto.Size(m); size > 1<<20+200<<10 {
			t.Errorf("message %d has %d bytes", i, size)
		}
	}
	_, _, body := c.http("/tempo/api/search?q=%7B%7D", nil)
	if want := c.strict("SearchResponse", body); !proto.Equal(want, joined(got, "traces")) {
		t.Error("the packets together are not the answer")
	}
}

// TestInstantLimit: an instant answer is one message, which must be one that clients take.
func TestInstantLimit(t *testing.T) {
	for bytes, want := range map[int]codes.Code{40 << 10: codes.OK, 44 << 10: codes.ResourceExhausted} {
		c, _ := serveFake(t, large(t, 100, bytes))
		got, err := c.stream(t.Context(), "MetricsQueryInstant", `{"query":"{} | count_over_time() by (name)"}`)
		if status.Code(err) != want || want == codes.OK && len(got) != 1 {
			t.Errorf("100 names of %d bytes: %d messages, %v", bytes, len(got), err)
		}
	}
}

// certificate writes a key pair for 127.0.0.1 and gives the pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	write := func(name, typ string, der []byte) string {
		var b bytes.Buffer
		if err := pem.Encode(&b, &pem.Block{Type: typ, Bytes: der}); err != nil {
			t.Fatal(err)
		}
		if typ == "CERTIFICATE" {
			pool.AppendCertsFromPEM(b.Bytes())
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", keyDER), pool
}

// TestStreamOverTLS: with a certificate, streams and pages share the port as well.
func TestStreamOverTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	n, err := node.Open(t.Context(), node.Options{Data: t.TempDir(), ListenHTTP: "127.0.0.1:0", ListenGRPC: "127.0.0.1:0", ListenOTLPHTTP: "127.0.0.1:0", TLSCert: cert, TLSKey: key})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close(context.Background())
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	conn, err := grpc.NewClient("passthrough:"+n.HTTPAddr(), grpc.WithTransportCredentials(credentials.NewTLS(conf)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{t: t, conn: conn}
	if got, err := c.stream(t.Context(), "Search", `{"Query":"{}","Limit":1}`); err != nil || len(got) != 2 {
		t.Errorf("%d messages, %v", len(got), err)
	}
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
	resp, err := plain.Get("https://" + n.HTTPAddr() + "/tempo/api/echo")
	if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 1 {
		t.Fatalf("HTTP/1.1 on the same port: %v %v", resp, err)
	}
	resp.Body.Close()
	plain.CloseIdleConnections()
}

// TestTenantOfAStream: the tenant of a stream is that of who asks, as with HTTP.
func TestTenantOfAStream(t *testing.T) {
	c, _ := serveFake(t, apitest.Seed())
	got, err := c.stream(t.Context(), "SearchTagValues", `{"tagName":"name"}`)
	if err != nil || strings.Contains(string(asJSON(t, got[0])), "secret") {
		t.Errorf("%v %v", got, err)
	}
}

// FuzzQuestion throws bytes at every method: what is no question is refused as one.
func FuzzQuestion(f *testing.F) {
	limits := charter.Default().Limits()
	for method, names := range streamMessages {
		m := newMessage(names[0])
		f.Add(method, []byte{})
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			switch fd := fields.Get(i); {
			case fd.IsMap():
				f.Add(method, []byte{10, 6, 10, 1, 'k', 18, 1, 'v'})
			case fd.Kind().String() == "string":
				f.Add(method, append([]byte{byte(fd.Number())<<3 | 2, 2}, "{}"...))
			default:
				f.Add(method, []byte{byte(fd.Number()) << 3, 0xff, 1})
			}
		}
	}
	f.Fuzz(func(t *testing.T, method string, question []byte) {
		err := compat.ReadQuestion(tempoOptions(apitest.New(), func(l *charter.Limits) { *l = limits }), method, question)
		if err != nil && telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%s %x: %v", method, question, err)
		}
	})
}

// TestPartial: an answer from which something may be missing says so in every form:
// by a status and a message where Tempo has them, else by a job that is not done.
func TestPartial(t *testing.T) {
	f := apitest.Seed()
	f.Partial = "a segment is quarantined"
	c, _ := serveFake(t, f)
	for _, tt := range []struct{ target, method, question string }{
		{"/tempo/api/search?q=%7B%7D", "Search", `{"Query":"{}"}`},
		{"/tempo/api/search?q=%7B%7D&limit=500", "Search", `{"Query":"{}","Limit":500}`},
		{"/tempo/api/v2/search/tags", "SearchTagsV2", `{}`},
		{"/tempo/api/search/tag/name/values", "SearchTagValues", `{"tagName":"name"}`},
		{"/tempo/api/metrics/query?q=%7B%7D%7Crate()", "MetricsQueryInstant", `{"query":"{}|rate()"}`},
		{"/tempo/api/metrics/query_range?q=%7B%7D%7Crate()", "MetricsQueryRange", `{"query":"{}|rate()"}`},
	} {
		name := streamMessages[tt.method][1]
		_, _, body := c.http(tt.target, nil)
		_, _, packed := c.http(tt.target, http.Header{"Accept": {"application/protobuf"}})
		streamed, err := c.stream(t.Context(), tt.method, tt.question)
		if err != nil {
			t.Errorf("%s: %v", tt.method, err)
			continue
		}
		for form, m := range map[string]*dynamicpb.Message{"JSON": c.strict(name, body), "protobuf": c.strict(name, packed), "gRPC": streamed[len(streamed)-1]} {
			if done := jobsOf(m); done[0] == 0 || done[1] != done[0]+1 {
				t.Errorf("%s in %s: %d of %d jobs", tt.target, form, done[0], done[1])
			}
			if status := m.Descriptor().Fields().ByName("status"); status != nil {
				if m.Get(status).Enum() != 1 || m.Get(m.Descriptor().Fields().ByName("message")).String() != f.Partial {
					t.Errorf("%s in %s: status %v", tt.target, form, m)
				}
			}
		}
	}
	_, _, body := c.http("/tempo/api/v2/traces/"+apitest.ShopTrace, http.Header{"Accept": {"application/protobuf"}})
	if m := c.strict("TraceByIDResponse", body); m.Get(m.Descriptor().Fields().ByName("status")).Enum() != 1 {
		t.Errorf("a trace: %s", body)
	}
}

// halves gives the first page of a search as one from which something is left out.
type halves struct{ *apitest.Fake }

func (h halves) Search(ctx context.Context, tenant string, p *query.Plan, o store.SearchOptions) (*store.SearchResult, error) {
	r, err := h.Fake.Search(ctx, tenant, p, o)
	if err == nil && o.Cursor == "" {
		r.Cursor, r.Partial = "the second page", "left out: a trace that is too long"
	}
	return r, err
}

// TestPartialFirstPage: what is missing from an early part of a stream is missing from
// the whole, whatever the last part says of itself.
func TestPartialFirstPage(t *testing.T) {
	c, _ := serve(t, identified(compat.NewTempo(tempoOptions(halves{apitest.Seed()}, nil))))
	streamed, err := c.stream(t.Context(), "Search", `{"Query":"{}","Limit":500}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(streamed) != 3 {
		t.Fatalf("%d messages, want the empty one and two pages", len(streamed))
	}
	if done := jobsOf(streamed[2]); done[0] == 0 || done[1] != done[0]+1 {
		t.Errorf("%d of %d jobs", done[0], done[1])
	}
}
