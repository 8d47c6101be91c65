package export

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
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
		for _, c := range readContract(t).Hostile {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
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
				target := &config.Signals[self.Traces]
				target.URL = server.URL() + "/v1/traces"
				target.GRPC = c.Script.GRPC || c.Expect.GRPCClient
				target.Timeout = time.Duration(c.TimeoutMS) * ms
				target.TLS = trusting(t, server)
				e := New(config)
				for range 100 {
					e.Add(self.Traces, 0, record())
				}
				flush, stop := 10*time.Second, DefaultStop
				if c.FlushMS != nil {
					flush = time.Duration(*c.FlushMS) * ms
				}
				if c.StopMS != nil {
					stop = time.Duration(*c.StopMS) * ms
				}
				flushFor(e, flush)
				for range c.More {
					e.Add(self.Traces, 0, record())
				}
				if c.More > 0 {
					flushFor(e, flush)
				}
				ctx, cancel := context.WithTimeout(t.Context(), stop)
				defer cancel()
				began := time.Now()
				err = e.Stop(ctx)
				// The machine may be busy; what must not be is a wait for the collector.
				if took := time.Since(began); took > stop+250*ms {
					t.Errorf("stopping took %v of %v", took, stop)
				}
				checkLost(t, err, c.Expect.Lost)
				got := &counters.Signal[self.Traces]
				if n := got.Exported.Load(); n != c.Expect.Exported {
					t.Errorf("exported %d, want %d", n, c.Expect.Exported)
				}
				dropped := map[string]int64{}
				for r := range self.Reasons {
					if n := got.Dropped[r].Load(); n != 0 {
						dropped[r.String()] = n
					}
				}
				if !maps.Equal(dropped, c.Expect.Dropped) {
					t.Errorf("dropped %v, want %v", dropped, c.Expect.Dropped)
				}
				records, size := got.Lost()
				if sum := got.Exported.Load() + records; sum != int64(100+c.More) {
					t.Errorf("%d records are accounted for, want %d", sum, 100+c.More)
				}
				if c.Expect.Exported == 0 && size != 100*records {
					t.Errorf("%d bytes of %d records", size, records)
				}
				if got.QueueSize.Load() != 0 || got.Inflight.Load() != 0 {
					t.Errorf("queue %d, inflight %d after the stop", got.QueueSize.Load(), got.Inflight.Load())
				}
				checkRequests(t, server.Requests(), c.Expect.Requests, c.Expect.Keys, c.Expect.Connections, c.Expect.GapMS)
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
	var lost *Lost
	switch {
	case want == 0 && err != nil:
		t.Errorf("stop: %v", err)
	case want != 0 && !errors.As(err, &lost):
		t.Errorf("stop: %v, want %d lost", err, want)
	case want != 0 && lost.Records[self.Traces] != want:
		t.Errorf("stop: %v, want %d lost", err, want)
	}
}

func checkRequests(t *testing.T, got []hostile.Request, want [2]int, keys, connections int, gapMS int64) {
	t.Helper()
	if len(got) < want[0] || len(got) > want[1] {
		t.Errorf("%d requests, want %v", len(got), want)
	}
	seen, opened := map[string]bool{}, map[int]bool{}
	for _, r := range got {
		seen[r.Key] = true
		opened[r.Connection] = true
		if len(r.Key) != 32 && r.Path != "*" {
			t.Errorf("key %q", r.Key)
		}
	}
	if keys != 0 && len(seen) != keys {
		t.Errorf("%d keys, want %d", len(seen), keys)
	}
	if connections != 0 && len(opened) != connections {
		t.Errorf("%d connections, want %d", len(opened), connections)
	}
	if gapMS != 0 && len(got) > 1 && got[1].AtMS-got[0].AtMS < gapMS {
		t.Errorf("the second request came after %d ms, want %d", got[1].AtMS-got[0].AtMS, gapMS)
	}
}
