package apitest

import (
	"math"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Now is the instant at which the seeded data is looked at.
var Now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Ids of the seeded traces.
const (
	ShopTrace    = "0af7651916cd43dd8448eb211c80319c" // a checkout over three services, with an error
	HostileTrace = "000000000000000000000000deadbeef" // names that attack whoever shows them; its root is missing
	OtherTrace   = "11111111111111111111111111111111" // of tenant "other"
)

type seed struct {
	b     *telemetry.Builder
	trace telemetry.TraceID
	start int64
	res   uint32
	scope uint32
}

func newSeed(tenant, trace string, start time.Time) *seed {
	id, err := telemetry.ParseTraceID(trace)
	if err != nil {
		panic(err)
	}
	s := &seed{b: telemetry.NewBuilder(), trace: id, start: start.UnixNano()}
	s.b.Reset(tenant)
	return s
}

func (s *seed) resource(service string, more ...string) {
	s.res = s.b.Resources.AddRow()
	text := func(k, v string) {
		s.b.Resources.Col(telemetry.ScopeResource, []byte(k), telemetry.TypeString).AddText(s.res, []byte(v))
	}
	text(telemetry.KeyServiceName, service)
	for i := 0; i+1 < len(more); i += 2 {
		text(more[i], more[i+1])
	}
	s.b.Resources.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeySchemaURL), telemetry.TypeString).AddText(s.res, []byte("https://opentelemetry.io/schemas/1.40.0"))
	s.scope = s.b.Scopes.AddRow()
	for k, v := range map[string]string{telemetry.KeyScopeName: "shop/" + service, telemetry.KeyScopeVersion: "1.2"} {
		s.b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(k), telemetry.TypeString).AddText(s.scope, []byte(v))
	}
	s.b.Scopes.Col(telemetry.ScopeInstrumentation, []byte("lang"), telemetry.TypeString).AddText(s.scope, []byte("go"))
}

func (s *seed) span(id, parent byte, name string, kind, status uint8, at, took time.Duration, attrs map[string]any) uint32 {
	v := telemetry.Span{TraceID: s.trace, SpanID: telemetry.SpanID{7: id}, Start: s.start + int64(at), Duration: int64(took),
		Kind: kind, Status: status, Flags: 0x101, Resource: s.res, Scope: s.scope}
	if parent != 0 {
		v.Parent = telemetry.SpanID{7: parent}
	}
	row := s.b.AddSpan(v, []byte(name))
	for k, v := range attrs {
		col := func(t telemetry.Type) *telemetry.ColumnBuilder {
			return s.b.Spans.Col(telemetry.ScopeSpan, []byte(k), t)
		}
		switch v := v.(type) {
		case string:
			col(telemetry.TypeString).AddText(row, []byte(v))
		case int:
			col(telemetry.TypeInt).AddNum(row, uint64(v))
		case float64:
			col(telemetry.TypeDouble).AddNum(row, math.Float64bits(v))
		case bool:
			n := uint64(0)
			if v {
				n = 1
			}
			col(telemetry.TypeBool).AddNum(row, n)
		case []byte:
			col(telemetry.TypeBytes).AddText(row, v)
		}
	}
	return row
}

func (s *seed) intrinsic(row uint32, key, v string) {
	s.b.Spans.Col(telemetry.ScopeIntrinsic, []byte(key), telemetry.TypeString).AddText(row, []byte(v))
}

// Hostile is a text that a careless page or terminal would run.
const Hostile = "</script><script>alert(1)</script>\"'\x1b[31m\u2028&amp;"

// Seed returns a store with the traces above in tenant "default", and one in
// tenant "other".
func Seed() *Fake {
	f := New()
	ms := time.Millisecond
	s := newSeed("default", ShopTrace, Now.Add(-10*time.Minute))
	s.resource("gateway", "host.name", "node-1")
	s.span(1, 0, "POST /checkout", telemetry.KindServer, telemetry.StatusError, 0, 120*ms, map[string]any{"http.route": "/checkout", "http.response.status_code": 500})
	s.span(2, 1, "Place", telemetry.KindClient, telemetry.StatusUnset, 2*ms, 110*ms, nil)
	s.resource("checkout", "host.name", "node-2", "deployment.environment.name", "prod")
	s.span(3, 2, "Place", telemetry.KindServer, telemetry.StatusError, 3*ms, 100*ms, map[string]any{
		"order.id": "o-1042", "order.items": 3, "order.total": 12.5, "order.gift": true, "order.token": []byte{0, 255}, "order.big": 1<<53 + 1, "order.ratio": math.NaN(),
	})
	s.resource("payment", "host.name", "node-2")
	row := s.span(4, 3, "Charge", telemetry.KindServer, telemetry.StatusError, 50*ms, 20*ms, map[string]any{"http.route": "/charge"})
	s.b.Spans.Col(telemetry.ScopeSpan, []byte("card.steps"), telemetry.TypeValue).AddText(row, []byte(`["auth",{"n":1}]`))
	s.intrinsic(row, telemetry.KeyStatusMessage, "card declined")
	s.intrinsic(row, telemetry.KeyTraceState, "ot=th:8")
	s.b.Spans.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyDroppedAttributes), telemetry.TypeInt).AddNum(row, 2)
	s.b.Batch.Spans.Marks[row] = telemetry.MarkAttrsOverflow
	e := s.b.AddEvent(row, s.start+int64(60*ms), []byte("exception"))
	s.b.Events.Col(telemetry.ScopeEvent, []byte("exception.type"), telemetry.TypeString).AddText(e, []byte("shop.Declined"))
	other, _ := telemetry.ParseTraceID(HostileTrace)
	l := s.b.AddLink(row, other, telemetry.SpanID{7: 9}, 1)
	s.b.Links.Col(telemetry.ScopeLink, []byte("link.kind"), telemetry.TypeString).AddText(l, []byte("retry"))
	s.span(5, 3, "reserve", telemetry.KindClient, telemetry.StatusOK, 10*ms, 30*ms, nil)
	f.put(s)

	s = newSeed("default", HostileTrace, Now.Add(-5*time.Minute))
	s.resource(Hostile)
	s.span(1, 200, Hostile, telemetry.KindInternalOp, telemetry.StatusUnset, 0, time.Second, map[string]any{Hostile: Hostile, "http.route": "/" + Hostile})
	f.put(s)

	s = newSeed("other", OtherTrace, Now.Add(-5*time.Minute))
	s.resource("secret-service")
	s.span(1, 0, "secret-operation", telemetry.KindServer, telemetry.StatusUnset, 0, time.Second, map[string]any{"secret.key": "secret-value"})
	f.put(s)
	return f
}

func (f *Fake) put(s *seed) {
	// The store's contract is that a batch has one seq, the instant of receipt.
	if err := f.Append(&s.b.Batch, s.start+int64(time.Second), 1, 2); err != nil {
		panic(err)
	}
}
