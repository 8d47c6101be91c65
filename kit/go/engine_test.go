package clew_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

func tracer(name string) trace.Tracer { return clew.Provider().Tracer(name) }

func TestChildrenOfAnUnsampledRootAreInert(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	ctx, root := clew.Span(context.Background(), "root")
	id := root.SpanContext()
	if !id.IsValid() || id.Sampled() || root.Recording() {
		t.Fatalf("the root is %+v", id)
	}
	inner, child := clew.Span(ctx, "child", clew.Int("a", 1))
	if inner != ctx || child.SpanContext() != id {
		t.Errorf("the child changes the context or has ids of its own")
	}
	child.Fail(errors.New("inner"))
	child.End()
	otelCtx, other := tracer("x").Start(ctx, "other", trace.WithAttributes(attribute.Int("a", 1)))
	if otelCtx != ctx || other.SpanContext().SpanID() != id.SpanID || other.IsRecording() {
		t.Errorf("the API's child is %v", other.SpanContext())
	}
	other.SetStatus(codes.Error, "inner")
	other.End()
	// What finds the span in the context is no better off than a child.
	trace.SpanFromContext(ctx).SetStatus(codes.Error, "inner")
	trace.SpanFromContext(ctx).End()
	clew.Current(ctx).Fail(errors.New("inner"))
	root.End()
	if k.names() != "" {
		t.Errorf("%q went out", k.names())
	}
	if s := k.Status(); s.Unsampled != 1 || s.Sampled != 0 || s.Live != 0 {
		t.Errorf("counted %+v", s)
	}
}

// Users of the API put handles into contexts themselves, that of an unsampled root among them.
func TestTheHandleOfAnUnsampledRootStartsNothing(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	_, root := tracer("x").Start(context.Background(), "root")
	ctx := trace.ContextWithSpan(context.Background(), root)
	_, other := tracer("x").Start(ctx, "other")
	other.End()
	_, own := clew.Span(ctx, "own")
	if id := own.SpanContext(); id.SpanID != root.SpanContext().SpanID() || own.Recording() {
		t.Errorf("the child is %+v, want the root's identity", id)
	}
	own.End()
	clew.Current(ctx).Fail(errors.New("inner"))
	root.End()
	if k.names() != "" {
		t.Errorf("%q went out under an unsampled root", k.names())
	}
}

// Work that goes on under a root that has failed still writes the root's tracestate, whose rv decides in other services.
func TestASummaryLeavesTheTracestateAsItIs(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	ctx, root := clew.StartLinked(context.Background(), clew.ComponentApp, clew.Standard, clew.Internal, "root",
		[]clew.Link{{SpanContext: clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}}})
	before := clew.SpanContextOf(ctx).State
	var wait sync.WaitGroup
	wait.Go(func() {
		for range 1000 {
			if got := clew.SpanContextOf(ctx).State; got != before {
				t.Errorf("the tracestate is %q, want %q", got, before)
				return
			}
		}
	})
	root.Fail(errors.New("no"))
	root.End()
	wait.Wait()
	if got := clew.SpanContextOf(ctx).State; !strings.HasPrefix(got, "ot=rv:") || got != before {
		t.Errorf("after the end the tracestate is %q, want %q", got, before)
	}
	if got := k.one(t, "root"); got.State != "" || got.Flags != 0 {
		t.Errorf("the summary has tracestate %q and flags %v", got.State, got.Flags)
	}
}

func TestAFailedUnsampledRootSendsASummary(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	_, root := clew.StartSpan(context.Background(), clew.ComponentHTTP, clew.Edges, clew.Server, "GET /", clew.String("http.route", "/"))
	root.Fail(errors.New("no"))
	root.End()
	got := k.one(t, "GET /")
	if !got.Summary || got.attrs["clew.sampling.summary"] != true || got.attrs["http.route"] != "/" || got.Status != codes.Error || got.State != "" {
		t.Errorf("the summary is %+v", got)
	}
	for range 30 {
		_, s := tracer("x").Start(context.Background(), "more")
		s.SetStatus(codes.Error, "no")
		s.End()
	}
	// At most 10 in a second of the clock, and the test may see three of those.
	if n := len(strings.Fields(k.names())); n < 10 || n > 32 {
		t.Errorf("%d summaries", n)
	}
	if err := k.ApplyPolicy([]byte(`{"sampling":{"th":"never","summary_on_error":false}}`)); err != nil {
		t.Fatal(err)
	}
	_, root = clew.Span(context.Background(), "silent")
	root.Fail(errors.New("no"))
	root.End()
	if strings.Contains(k.names(), "silent") {
		t.Error("a summary went out though the policy forbids it")
	}
}

func TestARemoteUnsampledParentGetsALocalRoot(t *testing.T) {
	k := start(t, "")
	ctx := clew.Extract(context.Background(), clew.HeaderCarrier{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02"}})
	ctx, s := clew.Span(ctx, "local root")
	id := s.SpanContext()
	if id.TraceID.String() != "0af7651916cd43dd8448eb211c80319c" || id.SpanID.String() == "b7ad6b7169203331" || id.Sampled() {
		t.Errorf("the local root is %+v", id)
	}
	out := clew.HeaderCarrier{}
	clew.Inject(ctx, "", out)
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + id.SpanID.String() + "-02"; out["Traceparent"][0] != want {
		t.Errorf("traceparent is %v, not %s", out, want)
	}
	s.Fail(errors.New("no"))
	s.End()
	if got := k.one(t, "local root"); got.Parent.SpanID.String() != "b7ad6b7169203331" || !got.Parent.Remote {
		t.Errorf("the summary's parent is %+v", got.Parent)
	}
}

func TestARemoteParentDecides(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	// R is 0x0 … 80319c, far below e666: the flag and th contradict each other.
	head := clew.HeaderCarrier{"Traceparent": {"00-0af7651916cd43dd0048eb211c80319c-b7ad6b7169203331-03"}, "Tracestate": {"a=b,ot=th:e666;rv:00000000000001"}}
	for name, start := range map[string]func() (context.Context, clew.Active){
		"by context": func() (context.Context, clew.Active) {
			return clew.Span(clew.Extract(context.Background(), head), "by context")
		},
		"by headers": func() (context.Context, clew.Active) {
			return clew.StartWith(context.Background(), "by headers", clew.SpanOptions{Component: clew.ComponentHTTP, Need: clew.Edges, Kind: clew.Server, From: head})
		},
	} {
		ctx, s := start()
		out := clew.HeaderCarrier{}
		clew.Inject(ctx, "", out)
		s.End()
		got := k.one(t, name)
		if got.Parent.SpanID.String() != "b7ad6b7169203331" || !got.Parent.Remote || !got.Sampled() {
			t.Errorf("%s: %+v", name, got.SpanView)
		}
		if want := "ot=rv:00000000000001,a=b"; got.State != want || out["Tracestate"][0] != want {
			t.Errorf("%s: state is %q and %v, not %q", name, got.State, out, want)
		}
	}
}

func TestLinkedRootsShareTheRandomnessOfTheirCause(t *testing.T) {
	for ratio, kept := range map[string]int{"1/2": 0, "1": 100, "0": -100} {
		k := start(t, "", clew.Sample(ratio))
		for range 100 {
			ctx, cause := clew.Span(context.Background(), "cause")
			cause.End()
			ctx2, linked := clew.StartLinked(ctx, clew.ComponentMessaging, clew.Edges, clew.Consumer, "linked", nil)
			if cause.Recording() || linked.Recording() != cause.SpanContext().Sampled() {
				t.Fatalf("ratio %s: cause sampled %v, linked %v", ratio, cause.SpanContext().Sampled(), linked.Recording())
			}
			if linked.SpanContext().TraceID == cause.SpanContext().TraceID || clew.SpanContextOf(ctx2) != linked.SpanContext() {
				t.Fatal("a linked root has the trace of its cause")
			}
			if linked.Recording() {
				kept++
			} else {
				kept--
			}
			linked.End()
		}
		k.mu.Lock()
		for _, s := range k.spans {
			if s.Name == "linked" && (len(s.links) != 1 || !strings.Contains(s.State, "rv:") || s.Parent.IsValid()) {
				t.Errorf("linked root has links %v, state %q", s.links, s.State)
			}
		}
		k.mu.Unlock()
		if ratio == "1/2" && (kept < -60 || kept > 60) {
			t.Errorf("of 100 traces at one half, %d more were kept than not", kept)
		}
		if ratio != "1/2" && kept != 200 && kept != -200 {
			t.Errorf("ratio %s: balance %d", ratio, kept)
		}
		k.Stop(context.Background())
	}
}

func TestAPublicEndpointTakesNothingFromItsCaller(t *testing.T) {
	k := start(t, "CLEW_PROPAGATE_TO=*")
	head := clew.HeaderCarrier{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, "Tracestate": {"ot=th:0,a=b"}, "Baggage": {"user=7"}}
	o := clew.SpanOptions{Component: clew.ComponentHTTP, Need: clew.Edges, Kind: clew.Server, From: head, Public: true}
	ctx, s := clew.StartWith(context.Background(), "public", o)
	if clew.Baggage(ctx, "user") != "" {
		t.Error("baggage was taken")
	}
	s.End()
	got := k.one(t, "public")
	if got.TraceID.String() == "0af7651916cd43dd8448eb211c80319c" || got.Parent.IsValid() || strings.Contains(got.State, "a=b") {
		t.Errorf("the span is %+v", got.SpanView)
	}
	if len(got.links) != 1 || got.links[0].SpanID.String() != "b7ad6b7169203331" {
		t.Errorf("links are %v", got.links)
	}
}

// The caller may have been read from headers before it is known that the endpoint is a public one.
func TestAPublicEndpointTakesNothingOutOfItsContext(t *testing.T) {
	k := start(t, "")
	caller := clew.Extract(context.Background(), carrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "user=7"})
	for _, level := range []clew.Level{clew.Standard, clew.Off} {
		k.SetLevel(clew.ComponentHTTP, level)
		ctx, span := clew.StartWith(caller, "public", clew.SpanOptions{Need: clew.Edges, Kind: clew.Server, Public: true})
		if id := clew.SpanContextOf(ctx); clew.Baggage(ctx, "user") != "" || id.Remote || id != span.SpanContext() {
			t.Errorf("level %v: the context has %+v and baggage %q of the caller", level, id, clew.Baggage(ctx, "user"))
		}
		span.End()
	}
	if got := k.one(t, "public"); len(got.links) != 1 || got.Parent.IsValid() {
		t.Errorf("got %+v, want a root that links to the caller", got)
	}
}

func TestForcedRootsAreKeptWithoutAProbability(t *testing.T) {
	k := start(t, "", clew.Sample("0"))
	ctx, s := clew.Span(clew.ForceKeep(context.Background()), "forced")
	_, child := clew.Span(ctx, "child")
	child.End()
	s.End()
	_, other := clew.StartWith(context.Background(), "other", clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Kind: clew.Internal, Keep: true})
	other.End()
	if k.names() != "child forced other" || strings.Contains(k.one(t, "forced").State, "th:") {
		t.Errorf("spans %q, state %q", k.names(), k.one(t, "forced").State)
	}
}

func TestAChildThatOutlivesItsParentIsLate(t *testing.T) {
	k := start(t, "")
	ctx, parent := clew.Span(context.Background(), "parent")
	_, inTime := clew.Span(ctx, "in time")
	_, late := clew.Span(ctx, "late")
	inTime.End()
	parent.End()
	late.End()
	_, later := clew.Span(ctx, "later")
	later.End()
	for name, want := range map[string]any{"in time": nil, "parent": nil, "late": true, "later": true} {
		if got := k.one(t, name).attrs["clew.late"]; got != want {
			t.Errorf("%s: clew.late is %v, not %v", name, got, want)
		}
	}
}

func TestComponentsAreSwitchedWhileTheServiceRuns(t *testing.T) {
	k := start(t, "")
	clew.SetLevel(clew.ComponentApp, clew.Edges)
	ctx, s := clew.Span(context.Background(), "off")
	if ctx != context.Background() || s.Recording() || clew.On(clew.ComponentApp, clew.Standard) || !clew.On(clew.ComponentApp, clew.Edges) {
		t.Error("the component is not off")
	}
	s.End()
	for scope, kind := range map[string]trace.SpanKind{"example.com/x": trace.SpanKindClient, "go.opentelemetry.io/contrib/otelhttp": trace.SpanKindInternal} {
		_, o := tracer(scope).Start(context.Background(), "off", trace.WithSpanKind(kind))
		if scope == "example.com/x" && o.IsRecording() {
			t.Error("a span of the API is not off")
		}
		o.End()
	}
	if err := clew.ApplyPolicy([]byte(`{"version":"7","level":"off"}`)); err != nil {
		t.Fatal(err)
	}
	clew.SetLevel(clew.ComponentHTTP, clew.Edges)
	_, o := tracer("go.opentelemetry.io/contrib/otelhttp").Start(context.Background(), "edge", trace.WithSpanKind(trace.SpanKindServer))
	o.End()
	_, o = tracer("go.opentelemetry.io/contrib/otelhttp").Start(context.Background(), "inner")
	o.End()
	if got := k.Status(); got.Policy != "7" || got.Levels["http"] != "edges" || got.Levels["sql"] != "off" {
		t.Errorf("status is %+v", got)
	}
	if k.names() != "off edge" {
		t.Errorf("spans are %q", k.names())
	}
	if clew.ApplyPolicy([]byte(`{"level":"loud"}`)) == nil || k.Status().Policy != "7" {
		t.Error("a bad policy was taken")
	}
}

func TestPanicsAreRecordedAndGoOn(t *testing.T) {
	k := start(t, "")
	run := func(name string, p any, end func(clew.Active)) {
		defer func() {
			if got := recover(); got != p {
				t.Errorf("%s: recovered %v", name, got)
			}
		}()
		_, s := clew.Span(context.Background(), name)
		defer s.End()
		if end != nil {
			end(s)
		}
		panic(p)
	}
	run("text", "boom", nil)
	wrapped := fmt.Errorf("outer: %w", http.ErrBodyNotAllowed)
	run("error", wrapped, nil)
	run("abort", http.ErrAbortHandler, nil)
	func() {
		defer func() { _ = recover() }()
		_, s := tracer("x").Start(context.Background(), "api")
		defer s.End()
		panic(7)
	}()
	func() {
		defer func() { _ = recover() }()
		var err error
		_, s := clew.Span(context.Background(), "named")
		defer s.EndErr(&err)
		panic("named")
	}()
	for name, want := range map[string]string{"text": "panic: boom", "error": "panic: outer: " + http.ErrBodyNotAllowed.Error(), "api": "panic: 7", "named": "panic: named"} {
		got := k.one(t, name)
		if got.StatusText != want || len(got.events) != 1 || got.events[0].Name != "exception" {
			t.Errorf("%s: status %q, events %v", name, got.StatusText, got.events)
		}
		if stack, _ := got.events[0].Attrs[2].Value().(string); !strings.Contains(stack, "engine_test.go") {
			t.Errorf("%s: the stack does not name the file: %s", name, stack)
		}
	}
	if got := k.one(t, "abort"); got.Status != codes.Unset {
		t.Errorf("a handler that gives up has failed: %v", got.StatusText)
	}
}

type loud struct{}

func (loud) Error() string { panic("in Error") }

func TestErrorsSetStatusAndType(t *testing.T) {
	k := start(t, "")
	for name, c := range map[string]struct {
		err           error
		message, kind any
	}{
		"plain":   {http.ErrNoCookie, http.ErrNoCookie.Error(), "*errors.errorString"},
		"wrapped": {fmt.Errorf("a: %w", fmt.Errorf("b: %w", &http.MaxBytesError{})), "a: b: http: request body too large", "*http.MaxBytesError"},
		"joined":  {errors.Join(&http.MaxBytesError{}, errors.New("x")), "http: request body too large\nx", "*http.MaxBytesError"},
		"loud":    {loud{}, "error whose message panics", "clew_test.loud"},
	} {
		func() (err error) {
			_, s := clew.Span(context.Background(), name)
			defer s.EndErr(&err)
			return c.err
		}()
		if got := k.one(t, name); got.StatusText != c.message || got.attrs["error.type"] != c.kind || len(got.events) != 0 {
			t.Errorf("%s: %q %v", name, got.StatusText, got.attrs)
		}
	}
	_, s := clew.Span(context.Background(), "own", clew.String("error.type", "timeout"))
	s.Fail(http.ErrNoCookie)
	s.Ok()
	s.FailText("too late")
	s.End()
	if got := k.one(t, "own"); got.attrs["error.type"] != "timeout" || got.Status != codes.Ok || got.StatusText != "" {
		t.Errorf("own: %v %v", got.attrs, got.Status)
	}
}

func TestSpansOfTheAPI(t *testing.T) {
	k := start(t, "")
	at := time.Unix(1_700_000_000, 5)
	other := clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Flags: 1}
	ctx, s := tracer("lib").Start(context.Background(), "first", trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithLinks(trace.Link{SpanContext: other.OTel(), Attributes: []attribute.KeyValue{attribute.Bool("l", true)}}),
		trace.WithAttributes(attribute.StringSlice("list", []string{"a", "b"}), attribute.Float64("f", 1.5)))
	s.SetName("second")
	s.AddEvent("event", trace.WithTimestamp(at), trace.WithAttributes(attribute.Int64Slice("i", []int64{1})))
	s.RecordError(http.ErrNoCookie, trace.WithStackTrace(true))
	s.RecordError(nil)
	s.AddLink(trace.Link{})
	s.AddLink(trace.Link{SpanContext: other.OTel()})
	s.SetAttributes(attribute.BoolSlice("b", []bool{true}), attribute.Float64Slice("f", []float64{2}))
	s.SetStatus(codes.Ok, "ignored")
	_, root := tracer("lib").Start(ctx, "root", trace.WithNewRoot())
	root.End()
	s.End(trace.WithTimestamp(at.Add(time.Second)))
	s.SetName("third")
	s.SetAttributes(attribute.Int("late", 1))
	s.End()
	got := k.one(t, "second")
	if got.Kind != clew.Producer || !got.Start.Equal(at) || !got.End.Equal(at.Add(time.Second)) || got.Status != codes.Ok || got.StatusText != "" {
		t.Errorf("span is %+v", got.SpanView)
	}
	if fmt.Sprint(got.attrs) != "map[b:[true] f:[2] list:[a b]]" {
		t.Errorf("attributes are %v", got.attrs)
	}
	if len(got.events) != 2 || !got.events[0].Time.Equal(at) || len(got.events[1].Attrs) != 3 || len(got.links) != 2 || got.links[0].Attrs[0].Key() != "l" {
		t.Errorf("events %v, links %v", got.events, got.links)
	}
	if r := k.one(t, "root"); r.TraceID == got.TraceID || len(r.links) != 1 {
		t.Errorf("the new root is %+v with links %v", r.SpanView, r.links)
	}
	if n := len(strings.Fields(k.names())); n != 2 {
		t.Errorf("%d spans went out", n)
	}
}

func TestTracersAreBoundedAndTheSameForTheSameName(t *testing.T) {
	start(t, "")
	if tracer("same") != tracer("same") {
		t.Error("the same name gave two tracers")
	}
	for i := range 3000 {
		_, s := tracer(fmt.Sprint("tracer", i)).Start(context.Background(), "work")
		s.End()
	}
	if n := clew.Tracers(); n > 1024 {
		t.Errorf("%d tracers are kept", n)
	}
}

func TestComplaintsOfTheAPIStayInTheKit(t *testing.T) {
	k := start(t, "", clew.WithGlobals())
	otel.Handle(errors.New("a library complains"))
	if p := k.Status().Problems; len(p) != 1 || p[0].Text != "OpenTelemetry API: a library complains" {
		t.Errorf("problems are %v", p)
	}
}

func TestLimitsOfASpan(t *testing.T) {
	k := start(t, "")
	_, s := clew.Span(context.Background(), strings.Repeat("n", 300))
	for i := range 129 {
		s.Set(clew.Int(fmt.Sprint("key", i), i))
		s.Event("e")
		s.Link(clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	}
	s.Set(clew.Int("key0", -1), clew.String("", "no key"), clew.Attr{})
	s.End()
	got := k.one(t, strings.Repeat("n", 256))
	if len(got.attrs) != 128 || got.attrs["key0"] != int64(-1) || got.attrs["key127"] != int64(127) || len(got.events) != 128 || len(got.links) != 128 {
		t.Errorf("%d attributes, %d events, %d links", len(got.attrs), len(got.events), len(got.links))
	}
	_, s = clew.Span(context.Background(), "huge")
	big := strings.Repeat("x", 4096)
	for range 100 {
		s.Event("e", clew.String("a", big), clew.String("b", big), clew.String("c", big))
	}
	s.Set(clew.String("a", big))
	s.End()
	if got := k.one(t, "huge"); len(got.Bytes()) > 450<<10 || len(got.events) < 36 || len(got.events) > 37 {
		t.Errorf("the span has %d bytes and %d events", len(got.Bytes()), len(got.events))
	}
}

func TestRedactionWhenSet(t *testing.T) {
	k := start(t, "", clew.Policy([]byte(`{"redact":[{"key":"user.email","action":"drop"},{"key":"card.*","action":"mask"},{"key":"note","action":"truncate","length":3}]}`)))
	attrs := []clew.Attr{clew.String("user.email", "a@b"), clew.Int("card.number", 42), clew.String("note", "näh"), clew.Int("fine", 1)}
	_, s := clew.Span(context.Background(), "redacted", attrs...)
	s.Event("e", attrs...)
	s.Link(clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}, attrs...)
	s.End()
	got := k.one(t, "redacted")
	if want := "map[card.number:*** fine:1 note:nä]"; fmt.Sprint(got.attrs) != want || len(got.events[0].Attrs) != 3 || len(got.links[0].Attrs) != 3 {
		t.Errorf("attributes are %v, not %s; event %v", got.attrs, want, got.events)
	}
}

// What options redact is the floor: documents add to it, in whatever order they come.
func TestRedactionByOptions(t *testing.T) {
	document := clew.Policy([]byte(`{"redact":[{"key":"card.*","action":"mask"},{"key":"user.email","action":"truncate","length":1}]}`))
	options := clew.Options(clew.Redact("user.email"), clew.Mask("user.*"), clew.Truncate("note", 3))
	for name, order := range map[string][]clew.Option{"before": {options, document}, "after": {document, options}} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "", order...)
			if err := k.ApplyPolicy([]byte(`{"redact":[]}`)); err != nil {
				t.Fatal(err)
			}
			_, s := clew.Span(context.Background(), name, clew.String("user.email", "a@b"), clew.String("user.name", "Ada"), clew.Int("card.number", 42), clew.String("note", "näh"))
			s.End()
			want := "map[card.number:*** note:nä user.name:***]"
			if name == "after" {
				want = "map[card.number:*** note:nä user.email:a user.name:***]" // the first rule counts
			}
			if got := k.one(t, name); fmt.Sprint(got.attrs) != want {
				t.Errorf("%v, want %s", got.attrs, want)
			}
		})
	}
}

func TestHooks(t *testing.T) {
	k := start(t, "")
	calls := 0
	remove := k.OnEnd(func(*clew.SpanView) {
		calls++
		panic("hook")
	})
	for range 5 {
		_, s := clew.Span(context.Background(), "s")
		s.End()
	}
	if calls != 3 || len(strings.Fields(k.names())) != 5 {
		t.Errorf("the hook was called %d times, the other saw %q", calls, k.names())
	}
	remove()
	for range 10 {
		k.OnEnd(func(*clew.SpanView) {})
	}
	if n := len(k.Status().Problems); n != 4 {
		t.Errorf("%d problems: %v", n, k.Status().Problems)
	}
}

// TestManyGoroutinesOnOneSpan is for the race detector.
func TestManyGoroutinesOnOneSpan(t *testing.T) {
	k := start(t, "")
	ctx, s := clew.Span(context.Background(), "shared")
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 200 {
				s.Set(clew.Int(fmt.Sprint("k", i%10), g), clew.String("text", strings.Repeat("x", i)))
				s.Event("e")
				_, child := clew.Span(ctx, "child")
				child.End()
				if g == 3 && i == 150 {
					s.End()
				}
				s.SetName("renamed")
				s.FailText("x")
			}
		})
	}
	wait.Wait()
	if len(strings.Fields(k.names())) != 1601 {
		t.Errorf("%d spans", len(strings.Fields(k.names())))
	}
}

func TestRulesSeeTheRoute(t *testing.T) {
	k := start(t, "", clew.Policy([]byte(`{"sampling":{"th":"0","rules":[{"match":{"route":"/health*","method":"GET"},"th":"never"},{"match":{"kind":"consumer"},"th":"never"}]}}`)))
	for name, route := range map[string]string{"kept": "/orders", "dropped": "/healthz"} {
		_, s := clew.StartSpan(context.Background(), clew.ComponentHTTP, clew.Edges, clew.Server, name, clew.String("http.request.method", "GET"), clew.String("http.route", route))
		s.End()
		_, o := tracer("otelhttp").Start(context.Background(), name+" by the API", trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", route)))
		o.End()
	}
	_, s := clew.StartSpan(context.Background(), clew.ComponentMessaging, clew.Edges, clew.Consumer, "dropped")
	s.End()
	if got := k.names(); strings.Contains(got, "dropped") || strings.Count(got, "kept") != 2 {
		t.Errorf("spans are %q", got)
	}
}

// When a span began is its caller's word; a rate goes by the clock.
func TestSpansWithAStartOfTheirOwnDoNotLiftALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := start(t, "", clew.Policy([]byte(`{"sampling":{"per_second":1}}`)))
		root := func(at time.Time) {
			_, span := clew.StartWith(context.Background(), "root", clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Start: at})
			span.End()
		}
		for range 1000 {
			root(time.Time{})
		}
		time.Sleep(time.Second)
		before := k.Status().Sampled
		for range 50 {
			root(time.Time{})
			root(time.Now().Add(-time.Minute))
		}
		if got := k.Status().Sampled - before; got > 10 {
			t.Errorf("%d of 100 roots are kept at a limit of one a second after a second of 1,000", got)
		}
	})
}

// hollow is an error whose every method panics, as those of a nil pointer in an interface do.
type hollow struct{}

func (*hollow) Error() string    { panic("in Error") }
func (*hollow) Is(error) bool    { panic("in Is") }
func (*hollow) As(any) bool      { panic("in As") }
func (*hollow) Unwrap() error    { panic("in Unwrap") }
func (*hollow) Timeout() bool    { panic("in Timeout") }
func (*hollow) SQLState() string { panic("in SQLState") }

// What the program's errors do when they are looked at must not reach the program by way of the kit.
func TestErrorsWhoseMethodsPanic(t *testing.T) {
	k := start(t, "")
	evil := &hollow{}
	for name, run := range map[string]func(){
		"fail": func() {
			_, span := clew.Span(context.Background(), "fail")
			span.Fail(evil)
			span.End()
		},
		"panic": func() {
			defer func() {
				if p := recover(); p != evil {
					t.Errorf("the panic that goes on is %v", p)
				}
			}()
			_, span := clew.Span(context.Background(), "panic")
			defer span.End()
			panic(evil)
		},
		"database": func() {
			_, call := clew.NewDatabase("postgresql", "", "", 0).Start(context.Background(), clew.Statement{Summary: "database"})
			call.End(evil)
		},
		"send": func() {
			_, call := clew.NewMessages("kafka").Send(context.Background(), "a", nil)
			call.End(evil)
		},
		"GET": func() {
			r, err := http.NewRequest("GET", "http://pot/", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = k.Transport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, evil })).RoundTrip(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("the kit panics: %v", p)
				}
			}()
			run()
		})
		if name == "send" {
			name += " a"
		}
		if got := k.one(t, name); got.Status != codes.Error {
			t.Errorf("%s: status %v", name, got.Status)
		}
	}
}

// A hook that ends spans of its own is not shown those, and so comes to an end; other goroutines' spans it is shown all the same.
func TestAHookIsShownAllButItsOwnSpans(t *testing.T) {
	k := start(t, "")
	var seen, own atomic.Int64
	inside, leave := make(chan bool), make(chan bool)
	defer k.OnEnd(func(v *clew.SpanView) {
		if v.Name == "own" {
			own.Add(1)
		}
		seen.Add(1)
		_, span := clew.Span(context.Background(), "own")
		span.End()
		inside <- true
		<-leave
	})()
	const spans = 200
	for range spans {
		go func() {
			_, span := clew.Span(context.Background(), "first")
			span.End()
		}()
	}
	for range spans {
		<-inside
	}
	close(leave)
	if seen.Load() != spans || own.Load() != 0 {
		t.Errorf("the hook was shown %d spans, %d of them its own", seen.Load(), own.Load())
	}
}
