// Package storetest is the definition of a store: Run checks every promise of
// the store.Store contract against an engine, and each engine passes it in its
// own tests. Only tests import it.
package storetest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	randv2 "math/rand/v2"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// Gen makes traces that are equal for equal seeds. Times lie after Base.
type Gen struct {
	r    *rand.Rand
	Base int64
}

// NewGen returns a generator.
func NewGen(seed, base int64) *Gen { return &Gen{rand.New(rand.NewSource(seed)), base} }

var (
	services   = []string{"gateway", "checkout", "payment", "inventory"}
	routes     = []string{"/checkout", "/cart", "/product/{id}", "/search"}
	operations = []string{"GET", "POST", "SELECT stock", "charge", "reserve"}
)

// Trace makes one trace of n spans over several services, with every type of
// attribute, events and links, as the batches in which services would send it.
func (g *Gen) Trace(tenant string, n int) []*telemetry.Batch {
	var id telemetry.TraceID
	g.r.Read(id[:])
	builders := map[string]*telemetry.Builder{}
	var order []string
	var ids []telemetry.SpanID
	start := g.Base + g.r.Int63n(int64(60e9))
	for i := range n {
		service := services[g.r.Intn(len(services))]
		b := builders[service]
		if b == nil {
			b = telemetry.NewBuilder()
			b.Reset(tenant)
			res := b.Resources.AddRow()
			b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(res, []byte(service))
			b.Resources.Col(telemetry.ScopeResource, []byte("host.name"), telemetry.TypeString).AddText(res, fmt.Appendf(nil, "node-%d", g.r.Intn(3)))
			scope := b.Scopes.AddRow()
			b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(scope, []byte("shop/"+service))
			builders[service] = b
			order = append(order, service)
		}
		s := telemetry.Span{TraceID: id, Start: start + int64(i)*1e6 + g.r.Int63n(1e6), Duration: g.duration(), Kind: uint8(1 + g.r.Intn(5)), Flags: 0x101}
		binary.BigEndian.PutUint64(s.SpanID[:], g.r.Uint64()|1)
		if i > 0 {
			s.Parent = ids[g.r.Intn(len(ids))]
		}
		if g.r.Intn(8) == 0 {
			s.Status = telemetry.StatusError
		}
		ids = append(ids, s.SpanID)
		g.attributes(b, b.AddSpan(s, []byte(operations[g.r.Intn(len(operations))])), s)
	}
	out := make([]*telemetry.Batch, len(order))
	loose := randv2.New(randv2.NewPCG(g.r.Uint64(), 0))
	for i, name := range order {
		out[i] = testkit.Loose(&builders[name].Batch, loose)
	}
	return out
}

func (g *Gen) duration() int64 { return int64(math.Exp(g.r.NormFloat64()*1.5+13)) + 1 }

func (g *Gen) attributes(b *telemetry.Builder, row uint32, s telemetry.Span) {
	col := func(key string, t telemetry.Type) *telemetry.ColumnBuilder {
		return b.Spans.Col(telemetry.ScopeSpan, []byte(key), t)
	}
	if g.r.Intn(3) > 0 {
		col("http.route", telemetry.TypeString).AddText(row, []byte(routes[g.r.Intn(len(routes))]))
		code := uint64(200)
		if s.Status == telemetry.StatusError {
			code = 500
		}
		col("http.response.status_code", telemetry.TypeInt).AddNum(row, code)
	}
	if g.r.Intn(3) == 0 {
		col("db.query.text", telemetry.TypeString).AddText(row, fmt.Appendf(nil, "SELECT * FROM stock WHERE sku = %d", g.r.Intn(1000)))
	}
	if g.r.Intn(4) == 0 {
		col("app.score", telemetry.TypeDouble).AddNum(row, math.Float64bits(float64(g.r.Intn(100))/8))
		col("app.cached", telemetry.TypeBool).AddNum(row, uint64(g.r.Intn(2)))
	}
	if g.r.Intn(10) == 0 {
		col("app.mixed", telemetry.TypeInt).AddNum(row, uint64(g.r.Intn(5)))
	} else if g.r.Intn(10) == 0 {
		col("app.mixed", telemetry.TypeString).AddText(row, []byte("text"))
	}
	if g.r.Intn(200) == 0 {
		col(fmt.Sprintf("rare.%d", g.r.Intn(50)), telemetry.TypeString).AddText(row, []byte("rare value"))
		col("app.list", telemetry.TypeValue).AddText(row, []byte(`["a",1,2.5]`))
		col("app.raw", telemetry.TypeBytes).AddText(row, []byte{0, 255, 7})
	}
	if s.Status == telemetry.StatusError {
		b.Spans.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyStatusMessage), telemetry.TypeString).AddText(row, []byte("deadline exceeded"))
		e := b.AddEvent(row, s.Start+s.Duration/2, []byte("exception"))
		b.Events.Col(telemetry.ScopeEvent, []byte("exception.type"), telemetry.TypeString).AddText(e, []byte("shop.Deadline"))
	}
	if s.Kind == telemetry.KindConsumer {
		l := b.AddLink(row, s.TraceID, s.Parent, 1)
		b.Links.Col(telemetry.ScopeLink, []byte("link.kind"), telemetry.TypeString).AddText(l, []byte("creation"))
	}
}
