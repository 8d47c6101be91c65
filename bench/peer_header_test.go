package main

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
)

// A peer that wants a token and a tenant gets both with each request, over HTTP and
// gRPC, and is refused without.
func TestPeerHeaders(t *testing.T) {
	wants := func(get func(string) string) bool {
		return get("Authorization") == "Bearer a:b" && get(tenantHeader) == "shop"
	}
	b := newBackend(t)
	guarded := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !wants(r.Header.Get) {
				http.Error(w, "no token", http.StatusUnauthorized)
				return
			}
			then(w, r)
		}
	}
	b.export, b.routes["/api/echo"] = guarded(b.export), guarded(b.routes["/api/echo"])
	calls := guardedGRPC(t, func(md metadata.MD) bool {
		return wants(func(name string) string { return strings.Join(md.Get(name), "") })
	})
	const header = ",header=Authorization:Bearer a:b,header=" + tenantHeader + ": shop"
	for _, otlp := range []string{b.URL, calls} {
		with, err := parsePeer("with=" + otlp + "," + b.URL + header)
		if err != nil {
			t.Fatal(err)
		}
		if err := with.connect(t.Context(), 5*time.Second); err != nil {
			t.Errorf("%s with headers: %v", otlp, err)
		}
		without, err := parsePeer("without=" + otlp + "," + b.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := without.connect(t.Context(), 5*time.Second); err == nil || !strings.Contains(err.Error(), "no token") {
			t.Errorf("%s without headers: %v", otlp, err)
		}
	}
}

func TestPeerHeaderThatIsNone(t *testing.T) {
	for _, text := range []string{"", "secret", ":secret", "a b:secret", "Name:", "Name: "} {
		_, err := parsePeer("a=h:1,h:2,header=" + text)
		if err == nil || !strings.Contains(err.Error(), "write header=NAME:VALUE") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

// guardedGRPC takes every call whose metadata allowed takes.
func guardedGRPC(t *testing.T, allowed func(metadata.MD) bool) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(asIs{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if md, _ := metadata.FromIncomingContext(s.Context()); !allowed(md) {
			return grpcstatus.Error(codes.Unauthenticated, "no token")
		}
		var frame, nothing []byte
		if err := s.RecvMsg(&frame); err != nil {
			return err
		}
		return s.SendMsg(&nothing)
	}))
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(l) }) // it returns when the test stops it
	t.Cleanup(func() { srv.Stop(); served.Wait() })
	return l.Addr().String()
}
