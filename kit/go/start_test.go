package clew_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// ended is a copy of a finished span.
type ended struct {
	clew.SpanView
	attrs  map[string]any
	events []clew.EventView
	links  []clew.Link
}

// probe is a kit under test: nothing is exported, what would go out is kept.
type probe struct {
	*clew.Kit
	mu    sync.Mutex
	spans []ended
}

// start starts a kit with the environment that is given as NAME=value lines.
func start(t testing.TB, env string, options ...clew.Option) *probe {
	t.Helper()
	vars := map[string]string{}
	for line := range strings.Lines(env) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[name] = value
		}
	}
	lookup := func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
	t.Cleanup(clew.Suspend())
	options = append([]clew.Option{clew.Service("test", "1"), clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(lookup)}, options...)
	k := &probe{Kit: clew.Start(context.Background(), options...)}
	k.OnEnd(func(v *clew.SpanView) {
		e := ended{SpanView: *v, attrs: map[string]any{}, events: v.Events(), links: v.Links()}
		for _, a := range v.Attrs() {
			e.attrs[a.Key()] = a.Value()
		}
		k.mu.Lock()
		k.spans = append(k.spans, e)
		k.mu.Unlock()
	})
	t.Cleanup(func() {
		if err := k.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return k
}

func (k *probe) names() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for i := range k.spans {
		names = append(names, k.spans[i].Name)
	}
	return strings.Join(names, " ")
}

func (k *probe) one(t *testing.T, name string) *ended {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.spans {
		if k.spans[i].Name == name {
			return &k.spans[i]
		}
	}
	t.Fatalf("no span %q went out", name)
	return nil
}

func TestBadValuesAreOneLineEachAndTheDefaultHolds(t *testing.T) {
	for name, env := range map[string]string{
		"sampler":       "OTEL_TRACES_SAMPLER=sometimes",
		"ratio":         "OTEL_TRACES_SAMPLER=traceidratio\nOTEL_TRACES_SAMPLER_ARG=2",
		"lonely ratio":  "OTEL_TRACES_SAMPLER_ARG=0.5",
		"propagator":    "OTEL_PROPAGATORS=tracecontext,xray",
		"none and more": "OTEL_PROPAGATORS=none,baggage",
		"limit":         "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=-1",
		"limit over":    "OTEL_SPAN_EVENT_COUNT_LIMIT=10001",
		"interval":      "OTEL_METRIC_EXPORT_INTERVAL=15s",
		"boolean":       "OTEL_SDK_DISABLED=yes",
		"flags":         "CLEW_TRACE_FLAGS_LEVEL=3",
		"level":         "CLEW_LEVEL=high",
		"log level":     "CLEW_LOG_LEVEL=loud",
		"resource":      "OTEL_RESOURCE_ATTRIBUTES=a",
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, env)
			if problems := k.Status().Problems; len(problems) != 1 {
				t.Fatalf("problems are %v, not one", problems)
			}
			_, s := clew.Span(context.Background(), "kept", clew.Int("a", 1))
			s.Event("e")
			s.End()
			if got := k.one(t, "kept"); len(got.attrs) != 1 || len(got.events) != 1 {
				t.Errorf("the defaults do not hold: %v", got)
			}
		})
	}
}

func TestGoodValuesAreSilent(t *testing.T) {
	k := start(t, `OTEL_SERVICE_NAME=shop
		OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test
		OTEL_TRACES_SAMPLER=parentbased_traceidratio
		OTEL_TRACES_SAMPLER_ARG=1
		OTEL_PROPAGATORS=tracecontext,baggage,b3
		OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=2
		OTEL_SPAN_EVENT_COUNT_LIMIT=1
		OTEL_SPAN_LINK_COUNT_LIMIT=1
		OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=1
		OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=5
		OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=4
		OTEL_METRIC_EXPORT_INTERVAL=100
		OTEL_SDK_DISABLED=false
		CLEW_TRACE_FLAGS_LEVEL=2
		CLEW_LEVEL=detailed
		CLEW_LOG_LEVEL=DEBUG
		CLEW_PROPAGATE_TO=a.example, .b.example`)
	status := k.Status()
	if len(status.Problems) != 0 || status.Service != "shop" || status.Levels["sql"] != "detailed" {
		t.Fatalf("status is %+v", status)
	}
	_, s := clew.Span(context.Background(), "limited", clew.String("a", "12345"), clew.Int("b", 1), clew.Int("c", 1))
	s.Set(clew.String("a", "6789_"))
	s.Event("kept", clew.Int("a", 1), clew.Int("b", 2))
	s.Event("dropped")
	s.End()
	got := k.one(t, "limited")
	if len(got.attrs) != 2 || got.attrs["a"] != "6789" || len(got.events) != 1 || len(got.events[0].Attrs) != 1 {
		t.Errorf("limits were not kept: %v %v", got.attrs, got.events)
	}
}

func TestDisabledMakesNothingAndPassesContextOn(t *testing.T) {
	k := start(t, "OTEL_SDK_DISABLED=true")
	ctx := clew.Extract(context.Background(), clew.HeaderCarrier{"Traceparent": {parent}, "Tracestate": {"a=b"}})
	ctx, s := clew.Span(ctx, "nothing")
	s.Set(clew.Int("a", 1))
	s.End()
	out := clew.HeaderCarrier{}
	clew.Inject(ctx, "", out)
	if k.names() != "" || out["Traceparent"][0] != parent || out["Tracestate"][0] != "a=b" {
		t.Errorf("spans %q, headers %v", k.names(), out)
	}
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"

func TestWithoutAKitContextPassesThrough(t *testing.T) {
	t.Cleanup(clew.Suspend())
	ctx := clew.Extract(context.Background(), clew.HeaderCarrier{"Traceparent": {parent}})
	ctx2, s := clew.Span(ctx, "nothing")
	s.Set(clew.Int("a", 1))
	s.Event("e")
	s.Fail(context.Canceled)
	s.End()
	out := clew.HeaderCarrier{}
	clew.Inject(ctx2, "", out)
	if ctx2 != ctx || s.Recording() || s.SpanContext().IsValid() || out["Traceparent"][0] != parent {
		t.Errorf("headers %v", out)
	}
	var none *clew.Kit
	none.SetLevel(clew.ComponentSQL, clew.Off)
	none.OnEnd(nil)()
	if none.Stop(context.Background()) != nil || none.Flush(context.Background()) != nil || none.ApplyPolicy(nil) == nil || none.Status().Service != "" {
		t.Error("a nil kit is not inert")
	}
}

func TestStopIsOnceAndWhatComesLaterIsDropped(t *testing.T) {
	k := start(t, "")
	_, s := clew.Span(context.Background(), "late")
	if err := k.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.End()
	if _, s := clew.Span(context.Background(), "after"); s.Recording() {
		t.Error("a span was recorded after Stop")
	}
	begun := time.Now()
	if err := k.Stop(context.Background()); err != nil || time.Since(begun) > time.Second {
		t.Errorf("the second Stop says %v after %v", err, time.Since(begun))
	}
}

// TestStopLetsAPanicGoOn stops in the way that a main does.
func TestStopLetsAPanicGoOn(t *testing.T) {
	k := start(t, "")
	defer func() {
		if p := recover(); p != "main" {
			t.Errorf("recovered %v", p)
		}
		if k.names() != "work" {
			t.Errorf("spans are %q", k.names())
		}
		if got := k.spans[0]; got.StatusText != "panic: main" || len(got.events) != 1 || got.events[0].Name != "exception" {
			t.Errorf("the span says %+v", got)
		}
	}()
	defer k.Stop(context.Background())
	_, s := clew.Span(context.Background(), "work")
	defer s.End()
	panic("main")
}

func TestLinesAreRareAfterTheStart(t *testing.T) {
	var out bytes.Buffer
	p := clew.NewProblems(&out, func() time.Time { return time.Unix(100, 0) })
	for range 40 {
		p.Add("no\ncollector")
	}
	if got := out.String(); got != "clew: no collector\n" {
		t.Errorf("standard error says %q", got)
	}
	if n := p.Len(); n != 32 {
		t.Errorf("%d problems are kept", n)
	}
}

// What the program says of itself stands on the wire, and the page of instances names the same instance.
func TestWhatTheProgramSaysIsSent(t *testing.T) {
	t.Cleanup(clew.Suspend())
	bodies := make(chan []byte, 16)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" {
			bodies <- b
		}
	}))
	defer s.Close()
	k := clew.Start(context.Background(), clew.Endpoint(s.URL), clew.WithoutGlobals(), clew.Output(nil), clew.Service("orders", ""),
		clew.Resource(clew.String("service.instance.id", "orders-7"), clew.String("team", "shop")),
		clew.Environment(func(string) (string, bool) { return "", false }))
	if got := k.Status().Instance; got != "orders-7" {
		t.Errorf("the kit calls itself %q, and its telemetry orders-7", got)
	}
	_, span := clew.StartWith(context.Background(), "scoped", clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard,
		Scope: clew.ScopeOf("example.com/shop/lib", "1.2.3")})
	span.End()
	if err := k.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	body := string(<-bodies)
	for _, want := range []string{"example.com/shop/lib", "1.2.3", "orders-7", "team", "shop"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not sent", want)
		}
	}
}
