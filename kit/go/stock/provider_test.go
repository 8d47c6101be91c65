package stock_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// onStock starts a kit whose spans the stock SDK makes. ended gives the spans that have come out of the SDK's exporter, by name.
func onStock(t *testing.T, sampler sdk.Sampler, options ...clew.Option) (k *clew.Kit, ended func() map[string]tracetest.SpanStub) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter), sdk.WithSampler(sampler))
	none := func(string) (string, bool) { return "", false }
	options = append([]clew.Option{clew.Service("test", "1"), clew.WithoutExport(), clew.Output(nil), clew.Environment(none), clew.WithProvider(provider)}, options...)
	k = clew.Start(t.Context(), options...)
	t.Cleanup(func() {
		_ = k.Stop(context.Background())
		_ = provider.Shutdown(context.Background())
	})
	k.OnEnd(func(v *clew.SpanView) { t.Errorf("the kit's own engine sent %s", v.Name) })
	return k, func() map[string]tracetest.SpanStub {
		spans := map[string]tracetest.SpanStub{}
		for _, s := range exporter.GetSpans() {
			spans[s.Name] = s
		}
		return spans
	}
}

func attributesOf(kvs []attribute.KeyValue) string {
	set := attribute.NewSet(kvs...)
	return set.Encoded(attribute.DefaultEncoder())
}

// TestWithProviderKeepsRequestsWhole sends a request through all that the kit instruments, with the spans of the stock SDK.
func TestWithProviderKeepsRequestsWhole(t *testing.T) {
	var log bytes.Buffer
	k, ended := onStock(t, sdk.AlwaysSample(), clew.Output(&log))
	db := sql.OpenDB(clew.SQL(rows{}, clew.SQLSystem("sqlite")))
	defer db.Close()
	var further http.Header
	leaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { further = r.Header }))
	defer leaf.Close()
	client := &http.Client{Transport: k.Transport(http.DefaultTransport)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		ctx, span := clew.Span(r.Context(), "reserve", clew.Int("items", 3))
		defer span.End()
		var n int
		if err := db.QueryRowContext(ctx, "SELECT n FROM orders WHERE id = 7").Scan(&n); err != nil {
			t.Error(err)
		}
		_, library := otel.Tracer("library").Start(ctx, "library")
		library.End()
		k.Logger().InfoContext(ctx, "reserved")
		out, _ := http.NewRequestWithContext(ctx, http.MethodPost, leaf.URL+"/further", nil)
		answer, err := client.Do(out)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	})
	server := httptest.NewServer(k.HTTP(mux))
	r, _ := http.NewRequest(http.MethodGet, server.URL+"/orders/7", nil)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("Tracestate", "vendor=a")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	server.Close()
	if err := k.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	spans := ended()
	trail := func(name string) string {
		var names []string
		for s, ok := spans[name]; ok; s, ok = parentOf(spans, s) {
			names = append(names, s.SpanKind.String()+" "+s.Name)
		}
		return strings.Join(names, " < ")
	}
	const above = "internal reserve < server GET /orders/{id}"
	for name, want := range map[string]string{
		"SELECT orders": "client SELECT orders < " + above, "POST": "client POST < " + above, "library": "internal library < " + above,
	} {
		if got := trail(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	root := spans["GET /orders/{id}"]
	if got := root.Parent.SpanID().String(); got != parentSpan || !root.Parent.IsRemote() || root.SpanContext.TraceState().Get("vendor") != "a" {
		t.Errorf("the server's parent is %s (remote: %t) with state %q", got, root.Parent.IsRemote(), root.SpanContext.TraceState())
	}
	if got := attributesOf(root.Attributes); !strings.Contains(got, "http.response.status_code=200") || !strings.Contains(got, "http.route=/orders/{id}") {
		t.Errorf("the server's attributes are %s", got)
	}
	if got := attributesOf(spans["SELECT orders"].Attributes); !strings.Contains(got, "db.query.text=SELECT n FROM orders WHERE id \\= ?") {
		t.Errorf("the query's attributes are %s", got)
	}
	// What leaves the process has the ids of the SDK's span.
	sent := spans["POST"].SpanContext
	if got, want := further.Get("Traceparent"), "00-"+sent.TraceID().String()+"-"+sent.SpanID().String()+"-"+sent.TraceFlags().String(); got != want {
		t.Errorf("got traceparent %q, want %q", got, want)
	}
	if got := log.String(); !strings.Contains(got, `"trace_id":"`+sent.TraceID().String()+`","span_id":"`+spans["reserve"].SpanContext.SpanID().String()+`"`) {
		t.Errorf("the line has not the span's ids: %s", got)
	}
}

const (
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-" + parentSpan + "-01"
	parentSpan  = "b7ad6b7169203331"
)

func parentOf(spans map[string]tracetest.SpanStub, s tracetest.SpanStub) (tracetest.SpanStub, bool) {
	for _, p := range spans {
		if p.SpanContext.SpanID() == s.Parent.SpanID() {
			return p, true
		}
	}
	return tracetest.SpanStub{}, false
}

// TestWithProviderRecordsWhatHandlesSay tries every method of a handle, the policy's redaction and the limits on the way.
func TestWithProviderRecordsWhatHandlesSay(t *testing.T) {
	k, ended := onStock(t, sdk.AlwaysSample(), clew.Policy([]byte(`{"redact":[{"key":"card","action":"mask"},{"key":"mail","action":"drop"}]}`)))
	began := time.Unix(1_700_000_000, 0)
	other := clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Flags: trace.FlagsSampled, State: "a=b"}
	ctx, span := clew.StartWith(t.Context(), "first", clew.SpanOptions{
		Component: clew.ComponentApp, Need: clew.Standard, Kind: clew.Producer, Start: began, Links: []clew.Link{{SpanContext: other}},
		Scope: clew.ScopeOf("scope", "2"),
	}, clew.String("card", "4111"), clew.String("mail", "a@b"), clew.Strings("list", []string{"x", "y"}))
	if !span.Recording() || span.SpanContext() != clew.SpanContextOf(ctx) || !span.SpanContext().Sampled() {
		t.Errorf("the handle says %+v, the context %+v", span.SpanContext(), clew.SpanContextOf(ctx))
	}
	span.SetName("renamed")
	span.Set(clew.String("long", strings.Repeat("x", 5000)), clew.Float("ratio", 0.5))
	span.Event("happened", clew.Int("n", 1), clew.String("card", "4111"))
	span.Link(other, clew.Bool("again", true))
	// Who has not started the span adds to it and does not end it.
	clew.Current(ctx).Set(clew.Bool("guest", true))
	clew.Current(ctx).End()
	span.Fail(errors.New("no stock"))
	span.EndAt(began.Add(time.Second))
	span.Set(clew.Bool("late", true))
	if span.Recording() {
		t.Error("the handle records after its end")
	}

	s := ended()["renamed"]
	if s.SpanKind != trace.SpanKindProducer || !s.StartTime.Equal(began) || !s.EndTime.Equal(began.Add(time.Second)) || s.InstrumentationScope.Name != "scope" {
		t.Errorf("got %+v", s)
	}
	if s.Status.Code != codes.Error || s.Status.Description != "no stock" {
		t.Errorf("got status %+v", s.Status)
	}
	const want = `card=***,error.type=*errors.errorString,guest=true,list=["x","y"],long=4096 x,ratio=0.5`
	if got := strings.Replace(attributesOf(s.Attributes), strings.Repeat("x", 4096), "4096 x", 1); got != want {
		t.Errorf("got attributes %s, want %s", got, want)
	}
	if len(s.Events) != 1 || s.Events[0].Name != "happened" || attributesOf(s.Events[0].Attributes) != "card=***,n=1" {
		t.Errorf("got events %+v", s.Events)
	}
	if len(s.Links) != 2 || s.Links[0].SpanContext.TraceState().String() != "a=b" || attributesOf(s.Links[1].Attributes) != "again=true" {
		t.Errorf("got links %+v", s.Links)
	}

	_, known := clew.Span(t.Context(), "known", clew.String("error.type", "mine"))
	err := error(io.ErrUnexpectedEOF)
	known.EndErr(&err)
	_, ok := clew.Span(t.Context(), "ok")
	ok.Ok()
	ok.FailText("too late")
	ok.End()
	func() {
		defer func() { _ = recover() }()
		_, span := clew.Span(t.Context(), "panic")
		defer span.End()
		panic("boom")
	}()
	spans := ended()
	if got := attributesOf(spans["known"].Attributes); got != "error.type=mine" {
		t.Errorf("an error.type that was set became %s", got)
	}
	if got := spans["ok"].Status; got.Code != codes.Ok {
		t.Errorf("got %+v after Ok", got)
	}
	s = spans["panic"]
	if s.Status.Description != "panic: boom" || len(s.Events) != 1 || s.Events[0].Name != "exception" {
		t.Errorf("a panic left %+v and %+v", s.Status, s.Events)
	}

	k.SetLevel(clew.ComponentApp, clew.Off)
	_, off := clew.Span(t.Context(), "off")
	off.End()
	if _, ok := ended()["off"]; ok {
		t.Error("a span of a component that is off came out")
	}
}

// TestWithProviderStartsTracesApart is about spans that are no children of what is in their context.
func TestWithProviderStartsTracesApart(t *testing.T) {
	_, ended := onStock(t, sdk.AlwaysSample())
	ctx, cause := clew.Span(t.Context(), "cause")
	headers := clew.HeaderCarrier{"Traceparent": {traceparent}}
	options := clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Kind: clew.Internal}
	start := func(name string, change func(*clew.SpanOptions)) {
		o := options
		change(&o)
		_, span := clew.StartWith(ctx, name, o)
		span.End()
	}
	start("linked", func(o *clew.SpanOptions) { o.NewRoot = true })
	start("public", func(o *clew.SpanOptions) { o.Public, o.From = true, headers })
	start("consumer", func(o *clew.SpanOptions) { o.NewRoot, o.From = true, headers })
	start("read", func(o *clew.SpanOptions) { o.From = headers })
	start("nothing to read", func(o *clew.SpanOptions) { o.From = clew.HeaderCarrier{} })
	cause.End()
	spans := ended()
	of := func(c trace.SpanContext) string { return c.TraceID().String() + "-" + c.SpanID().String() }
	remote := traceparent[3:52]
	for name, want := range map[string]struct{ parent, link string }{
		"linked": {"", of(spans["cause"].SpanContext)}, "public": {"", remote}, "consumer": {"", remote}, "read": {remote, ""}, "nothing to read": {"", ""},
	} {
		s := spans[name]
		var got struct{ parent, link string }
		if s.Parent.IsValid() {
			got.parent = of(s.Parent)
		}
		if len(s.Links) == 1 {
			got.link = of(s.Links[0].SpanContext)
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if want.parent == "" && (s.SpanContext.TraceID() == spans["cause"].SpanContext.TraceID() || of(s.SpanContext)[:32] == remote[:32]) {
			t.Errorf("%s is in the trace of its cause", name)
		}
	}
}

// TestWithProviderSamplesAsTheProvider shows that the decision is the SDK's: the kit keeps all, the SDK nothing.
func TestWithProviderSamplesAsTheProvider(t *testing.T) {
	_, ended := onStock(t, sdk.NeverSample(), clew.Sample("1"))
	ctx, root := clew.Span(clew.ForceKeep(t.Context()), "root")
	_, child := clew.Span(ctx, "child")
	if root.Recording() || child.Recording() || clew.Current(ctx).Recording() {
		t.Error("a span records that the SDK has not sampled")
	}
	out := clew.HeaderCarrier{}
	clew.Inject(ctx, "", out)
	if got := out.Get("traceparent"); !strings.HasSuffix(got, "-00") || !strings.Contains(got, root.SpanContext().TraceID.String()) {
		t.Errorf("got traceparent %q of %+v", got, root.SpanContext())
	}
	child.End()
	root.FailText("no")
	root.End()
	if got := ended(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestWithProviderRefusesWhatCannotWork: the kit's own tracers behind its own handles would call each other without end.
func TestWithProviderRefusesWhatCannotWork(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	first := clew.Start(t.Context(), clew.Service("test", ""), clew.WithoutExport(), clew.Output(nil), clew.Environment(none))
	defer first.Stop(context.Background())
	own := otel.GetTracerProvider()
	second := clew.Start(t.Context(), clew.Service("test", ""), clew.WithoutExport(), clew.Output(nil), clew.Environment(none), clew.WithProvider(own), clew.WithProvider(nil), clew.WithProvider(own))
	defer second.Stop(context.Background())
	_, span := clew.Span(t.Context(), "span")
	defer span.End()
	if !span.Recording() {
		t.Error("the kit's engine makes no span")
	}
	if problems := second.Status().Problems; len(problems) == 0 || !strings.Contains(problems[0].Text, "WithProvider") {
		t.Errorf("got problems %+v", problems)
	}
	// What ignoring an error leaves: a nil pointer that is no nil interface.
	third := clew.Start(t.Context(), clew.Service("test", ""), clew.WithoutExport(), clew.Output(nil), clew.Environment(none), clew.WithProvider((*sdk.TracerProvider)(nil)))
	defer third.Stop(context.Background())
	_, made := clew.Span(t.Context(), "span")
	defer made.End()
	if problems := third.Status().Problems; !made.Recording() || len(problems) == 0 || !strings.Contains(problems[0].Text, "WithProvider") {
		t.Errorf("got problems %+v of a provider that is a nil pointer", problems)
	}
	// A tracer of the kit under a kit that has a provider passes on what is in the context.
	_, ended := onStock(t, sdk.AlwaysSample())
	_, passed := own.Tracer("library").Start(t.Context(), "passed")
	passed.End()
	if passed.IsRecording() || len(ended()) != 0 {
		t.Error("the kit's own tracer made a span")
	}
}

// TestWithProviderRedactsWhatMiddlewareSays: what the kit itself sets, at the start and of an error, is no less redacted and limited.
func TestWithProviderRedactsWhatMiddlewareSays(t *testing.T) {
	rules := `{"redact":[{"key":"http.route","action":"drop"},{"key":"error.type","action":"drop"},{"key":"http.request.method","action":"drop"}]}`
	k, ended := onStock(t, sdk.AlwaysSample(), clew.Policy([]byte(rules)))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /secret/{id}", func(http.ResponseWriter, *http.Request) {
		_, span := clew.Span(context.Background(), "inside")
		span.Fail(errors.New(strings.Repeat("e", 10_000)))
		span.End()
	})
	k.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/secret/7", nil))
	spans := ended()
	if len(spans) != 2 || len(spans["inside"].Status.Description) != 4096 {
		t.Errorf("%d spans, a status of %d bytes", len(spans), len(spans["inside"].Status.Description))
	}
	for name, s := range spans {
		for _, a := range s.Attributes {
			if strings.Contains(rules, `"`+string(a.Key)+`"`) {
				t.Errorf("%s has %s=%s", name, a.Key, a.Value.Emit())
			}
		}
	}
}
