package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

var overloadFor = flag.Duration("overload", 5*time.Second, "how long the test of overload sends")

// slowDisk is the machine's file system with a disk that writes so many bytes a
// second, so that a small machine can send ten times what it takes.
type slowDisk struct {
	wal.FS
	bytesPerSecond int64
	mu             sync.Mutex
	free           time.Time // when the disk has done what it was given
}

func (d *slowDisk) OpenFile(name string, flag int, perm os.FileMode) (wal.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &slowFile{f, d}, nil
}

type slowFile struct {
	wal.File
	d *slowDisk
}

func (f *slowFile) Write(b []byte) (int, error) { f.d.take(len(b)); return f.File.Write(b) }
func (f *slowFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.take(len(b))
	return f.File.WriteAt(b, off)
}

// take lets the time pass that n bytes need.
func (d *slowDisk) take(n int) {
	d.mu.Lock()
	now := time.Now()
	if d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(time.Duration(int64(n) * int64(time.Second) / d.bytesPerSecond))
	wait := d.free.Sub(now)
	d.mu.Unlock()
	<-time.After(wait)
}

// count is a metric.
type count struct{ n atomic.Int64 }

func (c *count) Add(d float64) { c.n.Add(int64(d)) }

// Senders who do not wait offer more than ten times what the disk takes. What is
// not taken is refused as such, with a time to come again, and counted; memory
// stays within its bound; and every span that was acknowledged is there, then and
// after the process was killed.
func TestOverload(t *testing.T) {
	const memory = 64 << 20
	dir := t.TempDir()
	disk := &slowDisk{FS: wal.OS, bytesPerSecond: 256 << 10}
	open := func() *store.Embedded {
		s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: disk, FreshBytes: 128 << 10, LogBytes: 2 << 20,
			OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
				return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: disk, NotBefore: notBefore, SegmentBytes: 256 << 10, MaxBytes: 2 << 20,
					MaxRecordBytes: 64 << 10, MaxPendingBytes: 72 << 10})
			}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	metrics := map[string]*count{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sink := pipeline.NewLog(s.Log(), pipeline.LogOptions{LastSeq: s.LastSeq(), Consumers: []pipeline.Consumer{s}})
	s.Follow(sink)
	server, err := receive.New(receive.Options{HTTP: l, Sink: sink, Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(string, string, net.Addr) (string, error) { return storetest.Tenant, nil },
		Counter: func(name, _ string, labels ...string) receive.Counter {
			c := &count{}
			metrics[name+" "+strings.Join(labels, " ")] = c
			return c
		}, Limits: otlp.DefaultLimits(), MaxRequestBytes: 256 << 10, MaxInflightBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	o := &overload{url: "http://" + l.Addr().String() + "/v1/traces", refusals: map[string]int64{}}
	o.run(t, *overloadFor)
	stop, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Stop(stop); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %d requests offered, %d acknowledged, refused %v; %d MiB of heap at most", *overloadFor, o.offered.Load(), len(o.acked), o.refusals, o.heap>>20)
	if n := int64(len(o.acked)); n == 0 || o.offered.Load() < 10*n {
		t.Errorf("%d offered, %d acknowledged: that is no overload of ten times", o.offered.Load(), n)
	}
	if o.refusals["log is full"] == 0 || o.refusals["the store is"] == 0 {
		t.Errorf("refused by %v: the bounds of log and store were not both reached", o.refusals)
	}
	if o.heap > memory {
		t.Errorf("the heap took %d MiB, its bound is %d", o.heap>>20, memory>>20)
	}
	told := int64(0)
	for _, n := range o.refusals {
		told += n
	}
	for name, c := range metrics {
		want := int64(0)
		if strings.HasPrefix(name, "clew_receive_refused_total") && strings.HasSuffix(name, " exhausted") {
			want = told
		}
		if n := c.n.Load(); n != want && strings.HasPrefix(name, "clew_receive_refused_total") {
			t.Errorf("%s is %d, the senders heard %d", name, n, want)
		}
	}
	if n := metrics["clew_receive_requests_total transport http"].n.Load(); n != int64(len(o.acked)) {
		t.Errorf("%d requests were acknowledged, %d are counted", len(o.acked), n)
	}
	o.check(t, s)
	s.Abandon()
	s = open()
	defer s.Abandon()
	o.check(t, s)
}

// overload is the side of the senders.
type overload struct {
	url     string
	offered atomic.Int64
	heap    uint64

	mu       sync.Mutex
	acked    []telemetry.TraceID
	refusals map[string]int64 // by who refused
}

const (
	overloadSenders = 64
	overloadSpans   = 100 // of a request
)

func (o *overload) run(t *testing.T, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var wg sync.WaitGroup
	for range overloadSenders {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if !o.send(t, client) {
					return
				}
			}
		})
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		o.heap = max(o.heap, m.HeapInuse)
	}
	wg.Wait()
}

// send offers one trace and notes the answer; false ends the sender.
func (o *overload) send(t *testing.T, client *http.Client) bool {
	n := o.offered.Add(1)
	b := plain(storetest.Tenant, uint64(n), 1, overloadSpans, time.Now().UnixNano())
	res, err := client.Post(o.url, "application/x-protobuf", bytes.NewReader(otlp.AppendTraces(nil, b)))
	if err != nil {
		t.Errorf("no answer: %v", err)
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("half an answer: %v", err)
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if res.StatusCode == http.StatusOK {
		o.acked = append(o.acked, b.Spans.TraceID[0])
		return true
	}
	o.refusals[refuser(body)]++
	wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if (res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable) || err != nil || wait < 1 || len(body) < 20 {
		t.Errorf("refused with %s, to come again after %q, and %q", res.Status, res.Header.Get("Retry-After"), body)
		return false
	}
	return true
}

// refuser says which bound a refusal names.
func refuser(body []byte) string {
	for _, who := range []string{"log is full", "the store is", "in flight"} {
		if bytes.Contains(body, []byte(who)) {
			return who
		}
	}
	return string(body)
}

// check wants each acknowledged trace whole.
func (o *overload) check(t *testing.T, s *store.Embedded) {
	t.Helper()
	for _, id := range o.acked {
		got, err := s.Trace(context.Background(), storetest.Tenant, id, store.TraceOptions{})
		if err != nil {
			t.Fatalf("an acknowledged trace: %v", err)
		}
		if got.Batch.Spans.N != overloadSpans || got.Partial != "" {
			t.Fatalf("trace %s has %d spans of %d acknowledged, partial %q", id, got.Batch.Spans.N, overloadSpans, got.Partial)
		}
		for i, span := range got.Batch.Spans.SpanID {
			if n := binary.BigEndian.Uint64(span[:]); n != uint64(i+1) {
				t.Fatalf("trace %s: span %d is at place %d", id, n, i)
			}
		}
	}
}
