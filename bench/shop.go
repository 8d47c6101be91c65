package main

import (
	"fmt"
	"math/rand/v2"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// step is an operation of the shop: who does it, how long it takes itself
// (median, milliseconds), what it writes down and what it calls.
type step struct {
	service, name string
	kind          tracepb.Span_SpanKind
	ms            float64
	attrs         func(r *rand.Rand) attrs
	calls         []call
}

// call is a use of a step: with a chance, and 1 to most times.
type call struct {
	to     *step
	chance float64
	most   int
}

func once(to *step) call                           { return call{to, 1, 1} }
func upTo(most int, to *step) call                 { return call{to, 1, most} }
func sometimes(p float64, most int, to *step) call { return call{to, p, most} }
func with(s *step, calls ...call) *step            { s.calls = calls; return s }
func pick[T any](r *rand.Rand, from []T) T         { return from[r.IntN(len(from))] }
func host(r *rand.Rand, net string, size int) string {
	return fmt.Sprintf("%s.%d.%d", net, r.IntN(4), r.IntN(size))
}

const (
	server   = tracepb.Span_SPAN_KIND_SERVER
	client   = tracepb.Span_SPAN_KIND_CLIENT
	producer = tracepb.Span_SPAN_KIND_PRODUCER
	consumer = tracepb.Span_SPAN_KIND_CONSUMER
	internal = tracepb.Span_SPAN_KIND_INTERNAL
)

// language of each of the fourteen services.
var language = map[string]string{
	"gateway": "rust", "web": "go", "session": "rust", "catalog": "go", "finder": "rust", "basket": "go",
	"checkout": "go", "pricing": "rust", "stock": "go", "payment": "rust", "delivery": "go", "mailer": "rust",
	"suggest": "go", "orders": "go",
}

var browsers = []string{
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"shop-ios/9.2.0 (iPhone; iOS 19.0; Scale/3.00)", "Go-http-client/2.0",
}

// query is a call to a database; format gets one number.
func query(service, system, verb, table, format string, ms float64) *step {
	return &step{service: service, name: verb + " " + table, kind: client, ms: ms, attrs: func(r *rand.Rand) attrs {
		return attrs{
			text("db.system.name", system), text("db.namespace", service), text("db.operation.name", verb),
			text("db.collection.name", table), text("db.query.text", fmt.Sprintf(format, r.IntN(500_000))),
			text("server.address", system+"-primary.prod.internal"), whole("server.port", 5432), whole("db.response.returned_rows", r.IntN(40)),
		}
	}}
}

// work is something that a service does by itself.
func work(service, name string, ms float64) *step {
	return &step{service: service, name: name, kind: internal, ms: ms, attrs: func(r *rand.Rand) attrs {
		return attrs{
			text("code.function.name", service+"::"+name), broken("shop.score", float64(r.IntN(1000))/1000),
			truth("shop.cache.hit", r.IntN(3) > 0), text("shop.market", fmt.Sprintf("m-%03d", r.IntN(300))),
		}
	}}
}

// message is one side of the bus.
func message(service, verb, topic string, kind tracepb.Span_SpanKind, ms float64) *step {
	return &step{service: service, name: verb + " " + topic, kind: kind, ms: ms, attrs: func(r *rand.Rand) attrs {
		return attrs{
			text("messaging.system", "kafka"), text("messaging.destination.name", topic), text("messaging.operation.name", verb),
			whole("messaging.kafka.offset", r.IntN(1<<30)), text("messaging.destination.partition.id", fmt.Sprint(r.IntN(24))),
			whole("messaging.message.body.size", 300+r.IntN(900)), text("messaging.client.id", service+"-"+topic),
		}
	}}
}

// shop holds the served operations, so that a call adds a client span only.
type shop struct{ served map[string]*step }

// rpc gives the client's side of a gRPC call; the server's side is made on first use.
func (s *shop) rpc(from, to, method string, ms float64, calls ...call) *step {
	name := to + ".v1." + method
	side := func(service string, kind tracepb.Span_SpanKind, ms float64) *step {
		return &step{service: service, name: name, kind: kind, ms: ms, attrs: func(r *rand.Rand) attrs {
			return attrs{
				text("rpc.system", "grpc"), text("rpc.service", to+".v1"), text("rpc.method", method), whole("rpc.grpc.status_code", 0),
				text("server.address", "svc-"+to+".prod.svc.cluster.local"), whole("server.port", 50051), text("network.peer.address", host(r, "10.12", 60)),
			}
		}}
	}
	if s.served[name] == nil {
		s.served[name] = with(side(to, server, ms), calls...)
	}
	return with(side(from, client, 0.6), once(s.served[name]))
}

// page gives a journey: gateway, its call to the web service, and what that calls.
func (s *shop) page(method, route string, ms float64, session *step, calls ...call) *step {
	incoming := func(r *rand.Rand) attrs {
		return attrs{
			text("http.request.method", method), text("http.route", route), text("url.path", fmt.Sprintf("%s/%d", route, r.IntN(20_000))),
			text("url.scheme", "https"), whole("http.response.status_code", 200), text("network.protocol.version", "2"),
			text("client.address", host(r, "10.7", 256)), text("user_agent.original", pick(r, browsers)),
			whole("http.response.body.size", 200+r.IntN(40_000)), text("user.id", fmt.Sprintf("u-%07d", r.IntN(200_000))),
		}
	}
	inner := with(&step{service: "web", name: method + " " + route, kind: server, ms: ms, attrs: incoming}, calls...)
	hop := with(&step{service: "gateway", name: method, kind: client, ms: 0.5, attrs: func(r *rand.Rand) attrs {
		return attrs{
			text("http.request.method", method), text("url.full", fmt.Sprintf("http://web.prod:8080%s/%d", route, r.IntN(20_000))),
			whole("http.response.status_code", 200), text("server.address", "web.prod"), whole("server.port", 8080),
		}
	}}, once(inner))
	return with(&step{service: "gateway", name: method + " " + route, kind: server, ms: 0.8, attrs: incoming}, sometimes(0.9, 1, session), once(hop))
}

// weighted is a journey and how often it is taken, of all weights together.
type weighted struct {
	journey *step
	weight  int
}

// journeys builds the six ways through the shop.
func journeys() []weighted {
	s := &shop{served: map[string]*step{}}
	render := work("web", "render", 3)
	session := s.rpc("gateway", "session", "Check", 0.7, once(query("session", "redis", "GET", "session", "GET session:%d", 0.3)))
	quote := func(from string) *step {
		return s.rpc(from, "pricing", "Quote", 0.9, upTo(3, work("pricing", "apply_rules", 0.8)))
	}
	product := func(from string) *step {
		return s.rpc(from, "catalog", "Product", 1.2, once(query("catalog", "postgresql", "SELECT", "products", "SELECT * FROM products WHERE id = %d", 1.1)))
	}
	stockRow := query("stock", "postgresql", "SELECT", "stock", "SELECT warehouse_id, quantity FROM stock WHERE sku = %d FOR UPDATE", 1.3)
	available := func(from string) *step { return s.rpc(from, "stock", "Check", 0.8, once(stockRow)) }
	basketRow := query("basket", "redis", "HGETALL", "basket", "HGETALL basket:%d", 0.4)
	basket := func(from string) *step { return s.rpc(from, "basket", "Get", 0.9, once(basketRow)) }
	suggest := s.rpc("web", "suggest", "ForUser", 1.5, once(work("suggest", "rank", 6)), upTo(4, work("suggest", "score", 2.5)), upTo(6, product("suggest")))
	list := s.rpc("web", "catalog", "List", 2,
		upTo(2, query("catalog", "postgresql", "SELECT", "products", "SELECT id, name, price FROM products WHERE category_id = %d ORDER BY rank LIMIT 40", 2.4)), sometimes(0.8, 4, quote("catalog")))
	find := s.rpc("web", "finder", "Find", 1.8,
		upTo(2, query("finder", "opensearch", "search", "products", `{"query":{"match":{"title":"item %d"}},"size":24}`, 9.5)), sometimes(0.9, 8, product("finder")))
	add := s.rpc("web", "basket", "Add", 1.1, upTo(2, basketRow), once(available("basket")), once(quote("basket")))
	charge := &step{service: "payment", name: "POST", kind: client, ms: 85, attrs: func(r *rand.Rand) attrs {
		return attrs{
			text("http.request.method", "POST"), text("url.full", fmt.Sprintf("https://psp.example/v2/charges/%d", r.IntN(1<<28))),
			whole("http.response.status_code", 201), text("server.address", "psp.example"), whole("server.port", 443),
		}
	}}
	pay := s.rpc("checkout", "payment", "Charge", 2.2, once(charge), upTo(2, query("payment", "postgresql", "INSERT", "ledger", "INSERT INTO ledger (payment_id, amount) VALUES (%d, $2)", 3.3)))
	reserve := s.rpc("checkout", "stock", "Reserve", 1.4, upTo(3, stockRow), upTo(3, query("stock", "postgresql", "UPDATE", "stock", "UPDATE stock SET quantity = quantity - 1 WHERE sku = %d", 3.1)))
	placed := with(message("orders", "send", "orders.placed", producer, 1),
		once(message("delivery", "process", "orders.placed", consumer, 6)), once(message("mailer", "process", "orders.placed", consumer, 18)))
	create := s.rpc("checkout", "orders", "Create", 1.9, once(query("orders", "postgresql", "INSERT", "orders", "INSERT INTO orders (id, user_id, state) VALUES (%d, $2, 'new')", 4.2)), once(placed))
	place := s.rpc("web", "checkout", "Place", 2.5, once(basket("checkout")), upTo(3, quote("checkout")), once(reserve), once(s.rpc("checkout", "delivery", "Quote", 4)), once(pay), once(create))
	return []weighted{
		{s.page("GET", "/products", 2, session, once(list), sometimes(0.6, 1, suggest), once(render)), 30},
		{s.page("GET", "/search", 2, session, once(find), once(render)), 18},
		{s.page("GET", "/product", 1.5, session, once(product("web")), once(available("web")), sometimes(0.4, 1, suggest), once(render)), 30},
		{s.page("POST", "/basket", 1.5, session, once(add)), 9},
		{s.page("GET", "/basket", 1.2, session, once(basket("web")), upTo(4, quote("web")), once(render)), 9},
		{s.page("POST", "/checkout", 2, session, once(place), once(render)), 4},
	}
}
