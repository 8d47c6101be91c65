package clew

import (
	"math/bits"
	"net/http"
	"strings"
	"testing"
	"unsafe"
)

// within says whether s is a piece of whole's memory.
func within(whole, s string) bool {
	from, at := uintptr(unsafe.Pointer(unsafe.StringData(whole))), uintptr(unsafe.Pointer(unsafe.StringData(s)))
	return at >= from && at < from+uintptr(len(whole))
}

// TestFixedOfTheKitAreEncoded: what the kit itself says of many spans goes the short way, whatever bits its keys share.
func TestFixedOfTheKitAreEncoded(t *testing.T) {
	database := NewDatabase("postgresql", "shop", "db.example.com", 5432)
	statement := database.SQL("SELECT n FROM orders WHERE id = $1")
	server := &httpServer{httpConfig: newHTTPConfig(nil)}
	route := server.newRoute(routeKey{method: http.MethodGet, pattern: "GET /orders/{id}"})
	for name, f := range map[string]*Fixed{
		"database": database.named, "statement": statement.known.about, "route": route.about,
		"host":   newHost(hostKey{"shop.example.com:8080", "https", 2, 0}),
		"ending": route.newEnding(httpOutcome{status: 500, failed: "500"}).about,
		"send":   NewMessages("nats").newStart(messagePlace{"send", "orders.placed"}).about,
	} {
		if len(f.encoded) == 0 || len(f.attrs) == 0 {
			t.Errorf("%s is not encoded: %v", name, f.attrs)
		}
	}
	f := Fix(String("db.namespace", "a"), String("db.query.text", "b"))
	if bits.OnesCount64(f.seen) != 1 || len(f.encoded) == 0 {
		t.Errorf("two keys of one bit: %x, %d bytes", f.seen, len(f.encoded))
	}
	if f := Fix(Int("a", 1), Int("b", 2), Int("a", 3)); len(f.encoded) != 0 {
		t.Error("a key that stands twice is encoded twice")
	}
}

// TestFixedMeets: a span that has one of the keys already, by another bit or the same, is told.
func TestFixedMeets(t *testing.T) {
	f := Fix(String("db.namespace", "a"), Int("n", 1))
	for key, want := range map[string]bool{"db.namespace": true, "n": true, "db.query.text": false, "other": false} {
		s := &span{kit: &Kit{limits: defaultLimits()}}
		s.buf = takeBuffer()
		a := Int(key, 2)
		s.buf.b, _ = a.append(s.buf.b, spanAttributes, key, 10)
		s.buf.seen = keyBit(key)
		if got := f.meets(s.buf); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}

// TestRememberedTextsAreNoPiecesOfRequests: a piece would keep the whole of a request's first line in memory.
func TestRememberedTextsAreNoPiecesOfRequests(t *testing.T) {
	line := "GET shop.example.com/ " + strings.Repeat("x", 1000)
	inLine := func(s string) bool { return within(line, s) }
	if method, ok := knownMethod(line[:3]); !ok || inLine(method) {
		t.Errorf("the method %q is a piece of the request", method)
	}
	s := &httpServer{httpConfig: newHTTPConfig(nil)}
	f := s.host(hostKey{host: line[4:20], scheme: "http", major: 1, minor: 1})
	for _, a := range f.attrs {
		if inLine(a.text()) {
			t.Errorf("%s is a piece of the request", a.key)
		}
	}
	if f != s.host(hostKey{host: "shop.example.com", scheme: "http", major: 1, minor: 1}) {
		t.Error("the host is not remembered")
	}
	s.route = func(*http.Request) string { return line[20:21] }
	if rt := s.lookup(&http.Request{Method: line[:3]}); rt.route != "/" || inLine(rt.route) || inLine(rt.method) {
		t.Errorf("the route %q is a piece of the request", rt.route)
	}
}
