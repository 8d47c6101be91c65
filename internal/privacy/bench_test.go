package privacy_test

import (
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/privacy"
)

var shapes = []struct{ name, key, value string }{
	{"method", "http.request.method", "GET"},
	{"short id", "shop.order.id", "o-1042-77"},
	{"number", "shop.order.id", "4929123456781234"},
	{"route", "http.route", "/api/v1/orders/{id}/items"},
	{"uuid", "messaging.message.id", "550e8400-e29b-41d4-a716-446655440000"},
	{"hex id", "thread.trace", "4bf92f3577b34da6a3ce929d0e0e4736"},
	{"host", "server.address", "orders-7d9f8b6c5-x2x7z.shop.svc.cluster.local"},
	{"time", "at", "2026-11-23T10:00:03.123456Z"},
	{"URL", "url.full", "https://shop.example.com/api/v1/orders/1042?page=2&sort=created&limit=50"},
	{"SQL", "db.query.text", "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = $1 ORDER BY o.created LIMIT 50"},
	{"user agent", "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"},
	{"text 1KiB", "", strings.Repeat("the order was packed in 12 ms and left the house by van 7; ", 18)[:1024]},
	{"escaped URL", "url.full", "https://shop.example.com/search?q=red%20shoes%20size%2042&next=%2Fcart"},
	{"with email", "", "order 1042 of ann@example.com was packed in 12 ms"},
}

// TestNoAllocations holds that a value with nothing to find costs no memory.
func TestNoAllocations(t *testing.T) {
	s := scanner(t, privacy.Defaults()...)
	for _, c := range shapes {
		if c.name == "with email" {
			continue
		}
		value := []byte(c.value)
		if found := s.Find(nil, c.key, value); len(found) > 0 {
			t.Fatalf("%s: %v in %q", c.name, found, c.value)
		}
		if n := testing.AllocsPerRun(100, func() { s.Find(nil, c.key, value) }); n > 0.5 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.FindInt("shop.total", 4111111111111112) }); n > 0 {
		t.Errorf("integer: %v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	s := scanner(b, privacy.Defaults()...)
	for _, c := range shapes {
		value := []byte(c.value)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(value)))
			var room [8]privacy.Match
			for b.Loop() {
				s.Find(room[:0], c.key, value)
			}
		})
	}
	b.Run("integer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.FindInt("http.response.body.size", 1234567)
		}
	})
}
