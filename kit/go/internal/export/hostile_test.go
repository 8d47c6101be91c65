package export

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/hostile"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// record is an element of field 2 with 100 bytes in all.
func record() []byte {
	return append([]byte{2<<3 | 2, 98}, make([]byte, 98)...)
}

func TestHostileCollectors(t *testing.T) {
	before := goroutines()
	t.Run("scripts", func(t *testing.T) {
		contract := readContract(t)
		over := time.Duration(contract.Bounds.StopOverMS) * ms
		for _, c := range contract.Hostile {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				// It runs in real time, in which a busy machine may be late: of three tries
				// one must be right.
				var wrong []string
				for range 3 {
					if wrong = meet(t, c, over); len(wrong) == 0 {
						return
					}
				}
				t.Error(strings.Join(wrong, "; "))
			})
		}
	})
	for range 100 {
		if goroutines() <= before {
			return
		}
		time.Sleep(20 * ms)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
}

// meet lets an exporter meet a collector and says what was not as the contract says.
func meet(t *testing.T, c scenario, over time.Duration) (wrong []string) {
	t.Helper()
	check := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s %v, want %v", what, got, want))
		}
	}
	server, err := hostile.Start(c.Script, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var config Config
	var counters self.Counters
	config.Counters = &counters
	config.Signals[self.Metrics].Off = true
	config.Signals[self.Logs].Off = true
	config.Signals[self.Traces] = Target{
		URL: server.URL() + "/v1/traces", GRPC: c.Script.GRPC || c.Expect.GRPCClient,
		Timeout: time.Duration(c.TimeoutMS) * ms, TLS: trusting(t, server),
	}
	e := New(config)
	add(e, 100)
	flush, stop := 10*time.Second, DefaultStop
	if c.FlushMS != nil {
		flush = time.Duration(*c.FlushMS) * ms
	}
	if c.StopMS != nil {
		stop = time.Duration(*c.StopMS) * ms
	}
	flushFor(e, flush)
	if c.More > 0 {
		add(e, c.More)
		flushFor(e, flush)
	}
	ctx, cancel := context.WithTimeout(t.Context(), stop)
	defer cancel()
	began := time.Now()
	err = e.Stop(ctx)
	// The machine may be busy; what must not be is a wait for the collector.
	check("stopping took too long", time.Since(began) > stop+over, false)
	check("lost", lostOf(err), c.Expect.Lost)
	got := &counters.Signal[self.Traces]
	check("exported", got.Exported.Load(), c.Expect.Exported)
	for r := range self.Reasons {
		check(r.String(), got.Dropped[r].Load(), c.Expect.Dropped[r.String()])
	}
	records, size := got.Lost()
	check("accounted for", got.Exported.Load()+records, int64(100+c.More))
	check("bytes lost", size, 100*records)
	check("queue", got.QueueSize.Load(), int64(0))
	check("inflight", got.Inflight.Load(), int64(0))
	requests := server.Requests()
	if n := len(requests); n < c.Expect.Requests[0] || n > c.Expect.Requests[1] {
		check("requests", n, c.Expect.Requests)
	}
	keys, opened := map[string]bool{}, map[int]bool{}
	for _, r := range requests {
		keys[r.Key], opened[r.Connection] = true, true
		if r.Path != "*" { // a client of HTTP/2 knocks so at a server of HTTP/1.1
			check("digits of a key", len(r.Key), 32)
		}
	}
	if c.Expect.Keys != 0 {
		check("keys", len(keys), c.Expect.Keys)
	}
	if c.Expect.Connections != 0 {
		check("connections", len(opened), c.Expect.Connections)
	}
	if gap := c.Expect.GapMS; gap != 0 && len(requests) > 1 && requests[1].AtMS-requests[0].AtMS < gap {
		check("ms between requests", requests[1].AtMS-requests[0].AtMS, gap)
	}
	return wrong
}

// lostOf is the number of traces that a stop says it lost.
func lostOf(err error) int64 {
	var lost *Lost
	if errors.As(err, &lost) {
		return lost.Records[self.Traces]
	}
	return 0
}

func goroutines() int {
	stacks := make([]byte, 1<<20)
	n := runtime.Stack(stacks, true)
	return strings.Count(string(stacks[:n]), "/kit/go/internal/")
}

func flushFor(e *Exporter, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_ = e.Flush(ctx) // some collectors never let it finish
}

func trusting(t *testing.T, server *hostile.Server) *tls.Config {
	t.Helper()
	if server.CA == nil {
		return nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.CA)
	pair, err := tls.X509KeyPair(server.ClientCert, server.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

func checkLost(t *testing.T, err error, want int64) {
	t.Helper()
	if got := lostOf(err); got != want || (err == nil) != (want == 0) {
		t.Errorf("stop: %v, want %d lost", err, want)
	}
}
