package compat_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// leaving is a client that takes some bytes and then is gone.
type leaving struct {
	header http.Header
	left   int
}

func (l *leaving) Header() http.Header { return l.header }
func (l *leaving) WriteHeader(int)     {}

func (l *leaving) Write(b []byte) (int, error) {
	if l.left < len(b) {
		return 0, errors.New("gone")
	}
	l.left -= len(b)
	return len(b), nil
}

// A trace whose answer ends in the middle ends the connection in every form; an error
// as text behind the half would make it look whole.
func TestHalfATraceIsNone(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("default")
	resource, scope := b.Resources.AddRow(), b.Scopes.AddRow()
	for i := range 3000 {
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{byte(i >> 8), byte(i), 7: 1}, Start: int64(i), Duration: 1,
			Resource: resource, Scope: scope}, fmt.Appendf(nil, "a name that is written with each span %d", i%7))
	}
	f := apitest.New()
	if err := f.Append(&b.Batch, apitest.Now.UnixNano(), 1, 2); err != nil {
		t.Fatal(err)
	}
	h := newTempo(f, nil)
	for _, path := range []string{"/tempo/api/traces/", "/tempo/api/v2/traces/"} {
		for _, accept := range []string{"application/json", "application/protobuf"} {
			target := path + telemetry.TraceID{15: 1}.String()
			size := get(h, target, "Accept", accept).Body.Len()
			for _, takes := range []int{0, 1, 70 << 10, size - 1, size} {
				r := apitest.Request("GET", target)
				r.Header.Set("Accept", accept)
				client := &leaving{header: http.Header{}, left: takes}
				got := panicOf(func() { h.ServeHTTP(client, r) })
				if takes == size && (got != nil || client.left != 0) || takes < size && got != http.ErrAbortHandler {
					t.Errorf("%s in %s, %d of %d bytes taken: panic %v", path, accept, takes, size, got)
				}
			}
		}
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}
