package clew_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// pass sends headers in at one end of the kit and takes them out at the other.
func pass(head map[string]string, host string, change func(context.Context) context.Context) map[string]string {
	ctx := clew.Extract(context.Background(), propagation.MapCarrier(head))
	if change != nil {
		ctx = change(ctx)
	}
	out := propagation.MapCarrier{}
	clew.Inject(ctx, host, out)
	return out
}

func TestContextPassesThrough(t *testing.T) {
	for _, c := range []struct {
		name, env string
		in, want  map[string]string
	}{
		{"w3c", "", map[string]string{"traceparent": parent, "tracestate": "a=b,ot=th:8"}, map[string]string{"traceparent": parent, "tracestate": "a=b,ot=th:8"}},
		{"malformed", "", map[string]string{"traceparent": strings.ToUpper(parent), "tracestate": "a=b"}, nil},
		{"state without parent", "", map[string]string{"tracestate": "a=b"}, nil},
		{"bad state", "", map[string]string{"traceparent": parent, "tracestate": "a=b,a=c"}, map[string]string{"traceparent": parent}},
		{"b3", "", map[string]string{"b3": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"}, map[string]string{"traceparent": strings.TrimSuffix(parent, "3") + "1"}},
		{"b3 multi", "", map[string]string{"x-b3-traceid": "0af7651916cd43dd8448eb211c80319c", "x-b3-spanid": "b7ad6b7169203331", "x-b3-sampled": "0"}, map[string]string{"traceparent": strings.TrimSuffix(parent, "3") + "0"}},
		{"none", "OTEL_PROPAGATORS=none", map[string]string{"traceparent": parent}, nil},
		{"level 1", "CLEW_TRACE_FLAGS_LEVEL=1", map[string]string{"traceparent": parent}, map[string]string{"traceparent": strings.TrimSuffix(parent, "3") + "1"}},
		{"baggage stays", "", map[string]string{"baggage": "a=1"}, nil},
		{"baggage goes", "CLEW_PROPAGATE_TO=shop.example", map[string]string{"baggage": "z=1;p=q, a=%20x"}, map[string]string{"baggage": "z=1;p=q,a=%20x"}},
		{"baggage off", "CLEW_PROPAGATE_TO=*\nOTEL_PROPAGATORS=tracecontext", map[string]string{"baggage": "a=1"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			start(t, c.env)
			if got := pass(c.in, "shop.example:8080", nil); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, not %v", got, c.want)
			}
		})
	}
}

func TestBaggageIsThatOfTheAPI(t *testing.T) {
	k := start(t, "CLEW_PROPAGATE_TO=*")
	change := func(ctx context.Context) context.Context {
		b := baggage.FromContext(ctx)
		if clew.Baggage(ctx, "first") != "1" || b.Member("first").Value() != "1" {
			t.Errorf("baggage is %v", b)
		}
		m, _ := baggage.NewMemberRaw("by.api", "ä")
		b, _ = b.SetMember(m)
		b = b.DeleteMember("gone")
		return clew.WithBaggage(clew.WithBaggage(baggage.ContextWithBaggage(ctx, b), "second", "two"), "own", "3")
	}
	got := pass(map[string]string{"baggage": "second=2,gone=0,first=1;p"}, "", change)
	if want := "second=two,first=1;p,by.api=%C3%A4,own=3"; got["baggage"] != want {
		t.Errorf("baggage is %q, not %q", got["baggage"], want)
	}
	ctx := context.Background()
	for i := range 70 {
		ctx = clew.WithBaggage(ctx, fmt.Sprint("k", i), "v")
	}
	ctx = clew.WithBaggage(ctx, "no token", "v")
	if n := baggage.FromContext(ctx).Len(); n != 64 {
		t.Errorf("%d members", n)
	}
	if err := k.ApplyPolicy([]byte(`{"propagate_to":["*"],"baggage_keys":["a.*"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := pass(map[string]string{"baggage": "a.b=1,b=2"}, "x", nil); got["baggage"] != "a.b=1" {
		t.Errorf("baggage is %v", got)
	}
}

func TestTheAPIsPropagatorIsTheKit(t *testing.T) {
	start(t, "CLEW_PROPAGATE_TO=shop.example")
	p := clew.Propagator()
	ctx := p.Extract(context.Background(), propagation.HeaderCarrier{"Traceparent": {parent}, "Tracestate": {"a=b", "c=d"}, "Baggage": {"a=1", "b=2"}})
	out := propagation.HeaderCarrier{}
	p.Inject(ctx, out)
	if want := "map[Traceparent:[" + parent + "] Tracestate:[a=b,c=d]]"; fmt.Sprint(out) != want {
		t.Errorf("headers are %v, not %s", out, want)
	}
	if clew.Baggage(ctx, "b") != "2" || strings.Join(p.Fields(), " ") != "traceparent tracestate baggage" {
		t.Errorf("baggage b is %q", clew.Baggage(ctx, "b"))
	}
}

// A proxy hands the headers of its caller on: what is left of them must not stand beside another traceparent.
func TestAStaleTracestateGoes(t *testing.T) {
	start(t, "")
	for name, head := range map[string]http.Header{
		"http": {"Tracestate": {"ot=th:0;rv:00000000000000"}, "Traceparent": {"stale"}}, "other": {"Tracestate": {"a=1", "b=2"}},
	} {
		clew.Inject(trace.ContextWithRemoteSpanContext(context.Background(), bare), "", clew.HeaderCarrier(head))
		if got, ok := head["Tracestate"]; ok {
			t.Errorf("%s: tracestate %q of another trace stands beside traceparent %q", name, got, head["Traceparent"])
		}
	}
	foreign := carrier{"tracestate": "a=1"}
	clew.Inject(trace.ContextWithRemoteSpanContext(context.Background(), bare), "", foreign)
	if foreign["tracestate"] != "" {
		t.Errorf("tracestate %q of another trace stands beside traceparent %q", foreign["tracestate"], foreign["traceparent"])
	}
	fresh := carrier{}
	clew.Inject(trace.ContextWithRemoteSpanContext(context.Background(), bare), "", fresh)
	if _, ok := fresh["tracestate"]; ok {
		t.Error("an empty tracestate is written")
	}
}

// Baggage of the caller, in headers that a proxy hands on, goes no further than our own would.
func TestBaggageThatIsHandedOnGoes(t *testing.T) {
	start(t, "", clew.PropagateTo("inner.example"))
	ours := clew.Extract(context.Background(), carrier{"baggage": "tenant=a"})
	for name, c := range map[string]struct {
		ctx        context.Context
		host, want string
	}{
		"to a stranger":                    {ours, "third-party.example", ""},
		"to a stranger, with none of ours": {context.Background(), "third-party.example", ""},
		"to one who may have it":           {ours, "inner.example", "tenant=a"},
		"with none of ours":                {context.Background(), "inner.example", ""},
	} {
		head, other := http.Header{"Baggage": {"user=secret", "more=1"}}, carrier{"baggage": "user=secret"}
		clew.Inject(c.ctx, c.host, clew.HeaderCarrier(head))
		clew.Inject(c.ctx, c.host, other)
		if got := strings.Join(head["Baggage"], "|"); got != c.want || other["baggage"] != c.want {
			t.Errorf("%s: baggage %q and %q, want %q", name, got, other["baggage"], c.want)
		}
	}
	none := carrier{}
	clew.Inject(ours, "third-party.example", none)
	if _, ok := none["baggage"]; ok {
		t.Error("an empty baggage is written")
	}
}

// bare is a remote span without tracestate.
var bare = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})

// The API refuses more than 8,192 bytes of baggage as it writes them, which bytes that are no UTF-8 let them grow to: then what fits goes on.
func TestBaggageThatGrowsIsCutNotLost(t *testing.T) {
	start(t, "", clew.PropagateTo("*"))
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("k%02d=%s", i, strings.Repeat("%ff", 50)))
	}
	ctx := clew.Extract(context.Background(), carrier{"baggage": strings.Join(lines, ",")})
	if clew.Baggage(ctx, "k00") == "" {
		t.Error("all baggage is lost")
	}
	out := carrier{}
	clew.Inject(ctx, "", out)
	if n := len(out["baggage"]); n < 7500 || n > 8192 || !strings.HasPrefix(out["baggage"], "k00=") {
		t.Errorf("%d bytes go on: %.20s", n, out["baggage"])
	}
}
