package compat_test

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/compat"
	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

func newTempo(f *apitest.Fake, change func(*charter.Limits)) http.Handler {
	return identified(compat.NewTempo(tempoOptions(f, change)))
}

func tempoOptions(f store.Store, change func(*charter.Limits)) compat.TempoOptions {
	l := charter.Default().Limits()
	if change != nil {
		change(&l)
	}
	return compat.TempoOptions{Store: f, Limits: func() charter.Limits { return l }, Version: "1.0+x", Now: func() time.Time { return apitest.Now }}
}

// identified stands for what authenticates in front of the handler.
func identified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant := r.Header.Get("X-Scope-OrgID")
		if tenant == "" {
			tenant = "default"
		}
		h.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), auth.Principal{Tenant: tenant})))
	})
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := apitest.Request("GET", target)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGolden(t *testing.T) { apitest.Golden(t, newTempo(apitest.Seed(), nil), "testdata/http") }

// fields splits a protobuf message.
func fields(t *testing.T, b []byte) map[protowire.Number][]byte {
	t.Helper()
	out := map[protowire.Number][]byte{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v []byte
		if typ == protowire.BytesType {
			v, n = protowire.ConsumeBytes(b)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, b)
			v = b[:max(n, 0)]
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		out[num] = v
		b = b[n:]
	}
	return out
}

// TestTraceRoundTrip decodes both versions with the decoder of what was received.
func TestTraceRoundTrip(t *testing.T) {
	f := apitest.Seed()
	f.Partial = "a segment is quarantined"
	h := newTempo(f, nil)
	v1 := get(h, "/tempo/api/traces/"+apitest.ShopTrace, "Accept", "application/protobuf").Body.Bytes()
	w := get(h, "/tempo/api/v2/traces/"+apitest.ShopTrace, "Accept", "application/protobuf")
	parts := fields(t, w.Body.Bytes())
	if string(parts[1]) != string(v1) || len(v1) == 0 {
		t.Errorf("field 1 of version 2 has %d bytes, version 1 has %d", len(parts[1]), len(v1))
	}
	if len(parts[3]) != 1 || parts[3][0] != 1 || string(parts[4]) != f.Partial {
		t.Errorf("status %v, message %q", parts[3], parts[4])
	}
	b := telemetry.NewBuilder()
	b.Reset("x")
	var d otlp.Decoder
	if _, err := d.DecodeTraces(b, v1, apitest.Now.UnixNano(), otlp.DefaultLimits()); err != nil || b.Batch.Spans.N != 5 {
		t.Errorf("decoded %d spans: %v", b.Batch.Spans.N, err)
	}
	f.Partial = ""
	if parts := fields(t, get(h, "/tempo/api/v2/traces/"+apitest.ShopTrace, "Accept", "application/protobuf").Body.Bytes()); len(parts) != 1 {
		t.Errorf("a whole trace has fields %v", parts)
	}
}

// TestSpanIDBytes pins how a span id stands on the wire: tag 0x12, length 8, bytes.
func TestSpanIDBytes(t *testing.T) {
	body := get(newTempo(apitest.Seed(), nil), "/tempo/api/v2/traces/deadbeef", "Accept", "application/protobuf").Body.String()
	if !strings.Contains(hex.EncodeToString([]byte(body)), "1208"+"0000000000000001") {
		t.Errorf("%x", body)
	}
}

func TestLimitsBothSides(t *testing.T) {
	for spans, want := range map[int]int{5: 200, 4: 429} {
		h := newTempo(apitest.Seed(), func(l *charter.Limits) { l.TraceSpans = spans })
		if w := get(h, "/tempo/api/v2/traces/"+apitest.ShopTrace); w.Code != want {
			t.Errorf("limit %d: %d %s", spans, w.Code, w.Body)
		}
	}
	f := apitest.Seed()
	h := newTempo(f, nil)
	for given, want := range map[string]int{"0": 20, "1": 1, "1000": 1000, "1001": 1000, "99999999": 1000} {
		f.Asked = nil
		get(h, "/tempo/api/search?q={}&limit="+given)
		if len(f.Asked) != 1 || f.Asked[0].Limit != want {
			t.Errorf("limit %s: asked %+v", given, f.Asked)
		}
	}
	for given, want := range map[string]int{"0": 3, "1": 1, "100": 100, "101": 100} {
		f.Asked = nil
		get(h, "/tempo/api/search?q={}&spss="+given)
		if len(f.Asked) != 1 || f.Asked[0].SpansPerTrace != want {
			t.Errorf("spss %s: asked %+v", given, f.Asked)
		}
	}
	tags := strings.TrimSpace(strings.Repeat("a=b ", 32))
	if w := get(h, "/tempo/api/search?tags="+url.QueryEscape(tags)); w.Code != 200 {
		t.Errorf("32 tags: %d %s", w.Code, w.Body)
	}
	if w := get(h, "/tempo/api/search?tags="+url.QueryEscape(tags+" a=b")); w.Code != 400 {
		t.Errorf("33 tags: %d", w.Code)
	}
}

// TestOldTags turns tags into TraceQL; hostile ones must stay data.
func TestOldTags(t *testing.T) {
	for _, tt := range []struct{ tags, want string }{
		{`service.name=shop`, `{ .service.name =~ "(?is).*shop.*" }`},
		{`name=GET error=true`, `{ name =~ "(?is).*GET.*" && status = error }`},
		{`status.code=ok root.name=r root.service.name=s`, `{ status = ok && rootName =~ "(?is).*r.*" && rootServiceName =~ "(?is).*s.*" }`},
		{`http.status_code=500`, `{ .http.status_code =~ "(?is).*500.*" || .http.status_code = 500 }`},
		{`"my key"="a b"  x=`, `{ ."my key" =~ "(?is).*a b.*" && .x =~ "(?is).*.*" }`},
		{`a="\" || true || .b = \""`, `{ .a =~ "(?is).*\" \\|\\| true \\|\\| \\.b = \".*" }`},
		{`"\"} || {"=x`, `{ ."\"} || {" =~ "(?is).*x.*" }`},
		{`a=} b=1=2`, `{ .a =~ "(?is).*\\}.*" && .b =~ "(?is).*1=2.*" }`},
		{``, `{ }`},
	} {
		text, err := compat.OldSearch(tt.tags)
		if err != nil {
			t.Errorf("%s: %v", tt.tags, err)
			continue
		}
		got, err := query.Compile(text)
		if err != nil {
			t.Errorf("%s became %s: %v", tt.tags, text, err)
			continue
		}
		want, err := query.Compile(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != want.Text {
			t.Errorf("%s: got %s, want %s", tt.tags, got.Text, want.Text)
		}
	}
	for _, bad := range []string{"x", "=x", `"x`, `a="x`, `a="x"y`, `a b=c`} {
		if text, err := compat.OldSearch(bad); err == nil {
			t.Errorf("%s became %s", bad, text)
		}
	}
}

// TestUnfinishedFilter keeps the conditions that are written, and no half of an or.
func TestUnfinishedFilter(t *testing.T) {
	for _, tt := range []struct{ q, want string }{
		{``, ``},
		{`{}`, `{ }`},
		{`{ name = "a" && kind = }`, `{ name = "a" }`},
		{`{ kind = && name = "a" && (span.x = 1 || span.y = 2) && span. }`, `{ name = "a" && (span.x = 1 || span.y = 2) }`},
		{`{ name = "a" && span.b = "un`, `{ name = "a" }`},
		{`{ name = "a && b" && span.b = }`, `{ name = "a && b" }`},
		{"{ name = `a && \\` && span.b = }", `{ name = "a && \\" }`},
		{`{ name = "a\" && b" && span.b = }`, `{ name = "a\" && b" }`},
		{`{ name = "a" || kind = }`, ``},
		{`{ name = "a" && kind = } >> { status = error }`, ``},
		{`{ name = "a" } | rate()`, ``},
		{`name = "a`, ``},
		{`{ && && }`, ``},
		{`{ (name = "a" && kind = }`, ``},
	} {
		got := compat.Usable(tt.q)
		if want := compat.Usable(tt.want); got != want || (tt.want == "") != (want == "") {
			t.Errorf("%s: got %q, want %q", tt.q, got, want)
		}
	}
}

func FuzzUnfinishedFilter(f *testing.F) {
	for _, s := range []string{`{ name = "a" && kind = }`, "{ name = `", `{ "\`, `{(((`, `{ a && b || c }`, `{`, `&&`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if text := compat.Usable(s); text != "" {
			if _, err := query.Compile(text); err != nil {
				t.Errorf("%q became %q: %v", s, text, err)
			}
		}
	})
}

func FuzzOldTags(f *testing.F) {
	for _, s := range []string{`a=b`, `"a b"="c\"d" e=1`, `a`, `=`, `"`, `é=ü`, "\x00=\xff", `a=nil b=true`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := compat.OldSearch(s)
		if err != nil {
			return
		}
		if _, err := query.Compile(text); err != nil && telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%q became %s: %v", s, text, err)
		}
	})
}

func TestErrorsArePlainText(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		body   string
	}{
		{telemetry.RetryError(telemetry.KindExhausted, time.Second, "too much"), 429, "too much\n"},
		{telemetry.Errorf(telemetry.KindUnavailable, "closing"), 503, "closing\n"},
		{telemetry.Errorf(telemetry.KindNotFound, "gone"), 404, ""},
		{errors.New("pa$$word"), 500, "something is broken inside Clew; its log says what\n"},
	} {
		f := apitest.Seed()
		f.Err = tt.err
		h := newTempo(f, nil)
		for _, target := range []string{"/tempo/api/v2/traces/1", "/tempo/api/traces/1", "/tempo/api/search?q={}", "/tempo/api/v2/search/tags",
			"/tempo/api/v2/search/tag/name/values", "/tempo/api/metrics/query_range?q={}|rate()", "/tempo/api/metrics/query?q={}|rate()"} {
			if tt.status == 404 && strings.Contains(target, "/v2/traces/") {
				continue // an empty trace: the golden trace_unknown
			}
			w := get(h, target)
			if w.Code != tt.status || w.Body.String() != tt.body || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %d %q %q", target, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
}

func TestTenantsAreApart(t *testing.T) {
	h := newTempo(apitest.Seed(), nil)
	for _, target := range []string{
		"/tempo/api/search?q={}", "/tempo/api/traces/" + apitest.OtherTrace, "/tempo/api/v2/search/tags", "/tempo/api/search/tags",
		"/tempo/api/v2/search/tag/name/values", "/tempo/api/metrics/query_range?q={}|rate()by(name)", "/tempo/api/metrics/query?q={}|rate()by(name)",
	} {
		if body := get(h, target).Body.String(); strings.Contains(body, "secret") {
			t.Errorf("%s: %s", target, body)
		}
		if w := get(h, target, "X-Scope-OrgID", "other"); !strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s as other: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestReadySaysWhy(t *testing.T) {
	h := compat.NewTempo(compat.TempoOptions{Ready: func() string { return "store: starting" }})
	if w := get(h, "/tempo/ready"); w.Code != 503 || w.Body.String() != "store: starting\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkTraceByID is a trace of 5 spans through the dialect; most of it is the
// fake store, which sorts all it has each time.
func BenchmarkTraceByID(b *testing.B) {
	f := apitest.Seed()
	h := newTempo(f, nil)
	for b.Loop() {
		if w := get(h, "/tempo/api/v2/traces/"+apitest.ShopTrace, "Accept", "application/protobuf"); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
