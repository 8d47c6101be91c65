package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

var anInstant = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// fakeSender answers with what a function says; nil: everything is delivered.
type fakeSender struct {
	answer func(ctx context.Context, body []byte) answer
	sends  atomic.Int64
}

func (f *fakeSender) send(ctx context.Context, body []byte, _ bool, _ string) answer {
	f.sends.Add(1)
	if f.answer == nil {
		return answer{word: "200"}
	}
	return f.answer(ctx, body)
}

func (*fakeSender) close() {}

func fakeExporter(f *fakeSender, change func(*Config)) (*Exporter, *self.SignalCounters) {
	var config Config
	config.Counters = new(self.Counters)
	config.Signals[self.Metrics].Off = true
	config.Signals[self.Logs].Off = true
	config.transport = func(Signal) sender { return f }
	if change != nil {
		change(&config)
	}
	return New(config), &config.Counters.Signal[self.Traces]
}

func add(e *Exporter, n int) {
	for range n {
		e.Add(self.Traces, 0, record())
	}
}

func reasons(c *self.SignalCounters) map[self.Reason]int64 {
	all := map[self.Reason]int64{}
	for r := range self.Reasons {
		if n := c.Dropped[r].Load(); n != 0 {
			all[r] = n
		}
	}
	return all
}

func expect(t *testing.T, c *self.SignalCounters, exported int64, want map[self.Reason]int64) {
	t.Helper()
	if got := c.Exported.Load(); got != exported {
		t.Errorf("exported %d, want %d", got, exported)
	}
	got := reasons(c)
	for r := range self.Reasons {
		if got[r] != want[r] {
			t.Errorf("%s %d, want %d", r, got[r], want[r])
		}
	}
}

// While nothing answers for a minute, one batch is lost to its three attempts; the
// rest waits in the queue and is delivered.
func TestAnOutageOfAMinuteLosesOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := &fakeSender{answer: func(context.Context, []byte) answer {
			if time.Since(began) < time.Minute {
				return answer{outcome: retry, word: "connection"}
			}
			return answer{word: "200"}
		}}
		e, c := fakeExporter(f, nil)
		for range 100 { // 10 a second
			add(e, 10)
			time.Sleep(time.Second)
		}
		if state := c.Breaker.Load(); state != self.BreakerClosed {
			t.Errorf("breaker %d", state)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		lost := reasons(c)[self.Unreachable]
		if lost == 0 || lost > 40 || c.Exported.Load() != 1000-lost {
			t.Errorf("%d lost, %d exported", lost, c.Exported.Load())
		}
		if n := f.sends.Load(); n > 60 {
			t.Errorf("%d attempts", n)
		}
	})
}

// While batches follow each other they are 3 s apart; what comes after a pause goes out
// within a second.
func TestASteadyFlowMakesFewBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var sent []int // seconds
		f := &fakeSender{answer: func(context.Context, []byte) answer {
			sent = append(sent, int(time.Since(began).Round(100*time.Millisecond).Seconds()))
			return answer{word: "200"}
		}}
		e, c := fakeExporter(f, nil)
		time.Sleep(500 * time.Millisecond)
		for range 95 { // 9.5 s
			add(e, 1)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10*time.Second + 500*time.Millisecond)
		add(e, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		want := []int{1, 4, 7, 10, 21}
		if !slices.Equal(sent, want) || c.Exported.Load() != 96 {
			t.Errorf("batches after %v s, %d records; want %v, 96", sent, c.Exported.Load(), want)
		}
		add(e, 1)
		if err := e.Flush(t.Context()); err != nil || c.Exported.Load() != 97 {
			t.Errorf("a flush waits for the flow: %v", err)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A program that makes nothing is not woken, and its first record goes out a delay later.
func TestAWorkerRestsUntilTheFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var sent []time.Duration
		f := &fakeSender{answer: func(context.Context, []byte) answer {
			sent = append(sent, time.Since(began))
			return answer{word: "200"}
		}}
		e, _ := fakeExporter(f, nil)
		want := []time.Duration{}
		for _, pause := range []time.Duration{0, 10*time.Minute + 300*ms, 5 * time.Second, time.Hour} {
			time.Sleep(pause)
			add(e, 1)
			want = append(want, time.Since(began)+time.Second)
			time.Sleep(time.Second + ms)
			synctest.Wait()
			if w := e.workers[self.Traces]; w.tickDue() != never || !w.queue.rest() {
				t.Error("a worker with nothing to do waits for a time")
			}
		}
		if !slices.Equal(sent, want) {
			t.Errorf("sent after %v, want %v", sent, want)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanickingWorkerStartsAnewAndGoesOffAtTheThird(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := atomic.Bool{}
		broken.Store(true)
		f := &fakeSender{answer: func(context.Context, []byte) answer {
			if broken.Load() {
				panic("broken")
			}
			return answer{word: "200"}
		}}
		var told atomic.Int64
		e, c := fakeExporter(f, func(c *Config) {
			c.Problem = func(line string) {
				if !strings.Contains(line, "panicked: broken") {
					t.Errorf("told %q", line)
				}
				told.Add(1)
			}
		})
		began := time.Now()
		for range 3 {
			add(e, 10)
			flushFor(e, time.Minute)
			// The next flush is looked at when the worker has started anew.
		}
		synctest.Wait()
		if took := time.Since(began); took != 1100*ms {
			t.Errorf("three panics took %v", took)
		}
		expect(t, c, 0, map[self.Reason]int64{self.WorkerPanic: 30})
		add(e, 5) // off
		expect(t, c, 0, map[self.Reason]int64{self.WorkerPanic: 35})
		time.Sleep(time.Minute + ms) // tried, with nothing to send
		broken.Store(false)
		add(e, 7)
		flushFor(e, time.Minute)
		expect(t, c, 7, map[self.Reason]int64{self.WorkerPanic: 35})
		if told.Load() != 1 {
			t.Errorf("told %d times in a minute", told.Load())
		}
		broken.Store(true) // a delivery has begun the count anew
		add(e, 1)
		flushFor(e, time.Minute)
		time.Sleep(200 * ms)
		broken.Store(false)
		add(e, 1)
		flushFor(e, time.Minute)
		expect(t, c, 8, map[self.Reason]int64{self.WorkerPanic: 36})
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStopAfterAPanicStillSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := fakeExporter(&fakeSender{}, nil)
		first := true
		e.Tick(self.Traces, time.Second, func(bool) {
			if first {
				first = false
				panic("broken")
			}
		})
		time.Sleep(time.Second + ms)
		add(e, 10)
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, c, 10, nil)

		e, c = fakeExporter(&fakeSender{}, nil)
		e.Tick(self.Traces, time.Second, func(bool) { panic("always broken") })
		add(e, 10)
		checkLost(t, e.Stop(t.Context()), 10)
		expect(t, c, 0, map[self.Reason]int64{self.Stopped: 10})
	})
}

func TestASignalThatIsNotServedRestsForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSender{answer: func(context.Context, []byte) answer { return answer{outcome: notServed, word: "404"} }}
		e, c := fakeExporter(f, nil)
		for range 119 {
			add(e, 1)
			time.Sleep(time.Second)
		}
		if n := f.sends.Load(); n != 2 {
			t.Errorf("%d attempts in two minutes, want 2", n)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, c, 0, map[self.Reason]int64{self.NotServed: 119})
	})
}

// A collector that takes only traces is nobody's concern: metrics that are collected at the stop are no loss that Stop reports. One that does
// not take traces is a wrong address.
func TestWhatIsNotServedIsToldOnce(t *testing.T) {
	for _, c := range []struct {
		signal               Signal
		problems, noteworthy int
	}{{self.Traces, 1, 0}, {self.Metrics, 0, 1}} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeSender{answer: func(context.Context, []byte) answer { return answer{outcome: notServed, word: "404", text: "HTTP 404"} }}
			var told, noted []string
			e, _ := fakeExporter(f, func(config *Config) {
				for s := range config.Signals {
					config.Signals[s].Off = Signal(s) != c.signal
				}
				config.Problem = func(line string) { told = append(told, line) }
				config.Note = func(line string) { noted = append(noted, line) }
			})
			e.Tick(c.signal, time.Second, func(bool) { e.Add(c.signal, 0, record()) })
			time.Sleep(10 * time.Minute)
			if err := e.Stop(t.Context()); (err != nil) != (c.signal == self.Traces) {
				t.Errorf("%s: Stop says %v", c.signal, err)
			}
			if n := f.sends.Load(); n < 10 || len(told) != c.problems || len(noted) != c.noteworthy {
				t.Errorf("%s: %d attempts, told %q, noted %q", c.signal, n, told, noted)
			}
		})
	}
}

func TestStopReturnsInTimeFromASenderThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		f := &fakeSender{answer: func(context.Context, []byte) answer { <-stuck; return answer{word: "200"} }}
		e, c := fakeExporter(f, nil)
		add(e, 10)
		time.Sleep(2 * time.Second) // in hand
		add(e, 5)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := e.Stop(ctx)
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopping took %v", took)
		}
		checkLost(t, err, 15)
		add(e, 1)
		close(stuck) // the answer comes too late to be counted again
		synctest.Wait()
		expect(t, c, 0, map[self.Reason]int64{self.Stopped: 16})
		if again := e.Stop(t.Context()); !errors.Is(again, err) {
			t.Errorf("a second stop says %v", again)
		}
		flushFor(e, time.Second)
	})
}

func TestStopDuringAnOutageMakesOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSender{answer: func(context.Context, []byte) answer { return answer{outcome: retry, word: "connection"} }}
		e, c := fakeExporter(f, nil)
		add(e, 10)
		time.Sleep(3 * time.Second)
		add(e, 10)
		time.Sleep(10 * time.Second)
		if c.Breaker.Load() != self.BreakerOpen {
			t.Fatal("the breaker is not open")
		}
		before := f.sends.Load()
		began := time.Now()
		checkLost(t, e.Stop(t.Context()), 10)
		if took := time.Since(began); took != 0 {
			t.Errorf("stopping took %v", took)
		}
		if n := f.sends.Load() - before; n != 1 {
			t.Errorf("%d probes, want 1", n)
		}
		expect(t, c, 0, map[self.Reason]int64{self.Unreachable: 10, self.Stopped: 10})
	})
}

func TestTicksComeEverySecondAndBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := fakeExporter(&fakeSender{}, nil)
		var ticks, all int
		e.Tick(self.Traces, time.Second, func(everything bool) {
			ticks++
			if everything {
				all++
				add(e, 1)
			}
		})
		time.Sleep(10*time.Second + ms)
		synctest.Wait()
		if ticks != 10 || all != 0 {
			t.Errorf("%d ticks, %d for everything", ticks, all)
		}
		flushFor(e, time.Second)
		expect(t, c, 1, nil)
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		expect(t, c, 2, nil)
	})
}

func TestEveryRecordIsAccountedForUnderLoad(t *testing.T) {
	var turn atomic.Int64
	f := &fakeSender{answer: func(context.Context, []byte) answer {
		switch turn.Add(1) % 4 {
		case 0:
			return answer{outcome: refused, word: "400"}
		case 1:
			return answer{word: "200", rejected: 3}
		}
		return answer{word: "200"}
	}}
	e, c := fakeExporter(f, func(c *Config) { c.QueueBytes = minQueueBytes })
	var adders sync.WaitGroup
	const each, of = 20_000, 8
	for range of {
		adders.Go(func() {
			for i := range each {
				e.Add(self.Traces, e.Scope("s", "", ""), record())
				if i%5000 == 0 {
					flushFor(e, ms)
				}
			}
		})
	}
	time.AfterFunc(20*ms, func() { flushFor(e, time.Second) })
	adders.Wait()
	_ = e.Stop(t.Context()) // some are refused while it flushes
	add(e, 10)
	lost, size := c.Lost()
	if sum := c.Exported.Load() + lost; sum != each*of+10 || size == 0 {
		t.Errorf("%d of %d are accounted for: %v", sum, each*of+10, reasons(c))
	}
	if c.QueueSize.Load() != 0 {
		t.Errorf("%d bytes are left in the queue", c.QueueSize.Load())
	}
}

func TestBodiesAreCompressedWhenThatPays(t *testing.T) {
	var p packer
	big := append(make([]byte, frameBytes), bytes.Repeat([]byte("span "), 1000)...)
	if body, gzipped := p.pack(big); gzipped || &body[0] != &big[0] {
		t.Error("compressed although turned off")
	}
	p.on = true
	if _, gzipped := p.pack(big[:gzipOver+frameBytes]); gzipped {
		t.Error("compressed a small body")
	}
	for range 2 {
		body, gzipped := p.pack(big)
		if !gzipped {
			t.Fatal("not compressed")
		}
		z, err := gzip.NewReader(bytes.NewReader(body[frameBytes:]))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, big[frameBytes:]) {
			t.Fatalf("%d bytes, %v", len(plain), err)
		}
	}
	for url, want := range map[string]bool{
		"http://127.0.0.1:4318/v1/traces": false, "http://localhost/": false, "http://[::1]:1/": false,
		"http://collector:4318/": true, "https://10.0.0.1/": true,
	} {
		if got := (Target{URL: url}).compresses(); got != want {
			t.Errorf("%s compressed: %v", url, got)
		}
		if !(Target{URL: url, Compression: CompressionGzip}).compresses() || (Target{URL: url, Compression: CompressionNone}).compresses() {
			t.Errorf("%s: what was asked for is not done", url)
		}
	}
}

func TestANilExporterDropsSilently(t *testing.T) {
	var e *Exporter
	e.Add(self.Traces, e.Scope("a", "b", "c"), record())
	if e.On(self.Traces) || e.Flush(t.Context()) != nil || e.Stop(t.Context()) != nil {
		t.Error("a nil exporter does something")
	}
}

// expired is a context that is done: stopping with it counts and returns.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestProblemsAreToldWhenTheyMatterAndWithoutSecrets(t *testing.T) {
	var lines []string
	var config Config
	config.Problem = func(line string) { lines = append(lines, line) }
	config.Signals[self.Metrics].Off = true
	config.Signals[self.Logs].Off = true
	config.Signals[self.Traces].URL = "http://user:secret@127.0.0.1:1/v1/traces?token=secret"
	e := New(config)
	add(e, 1)
	flushFor(e, 10*time.Second)
	add(e, 1)
	_ = e.Stop(expired()) // lost, which is counted elsewhere
	if len(lines) != 1 || strings.Contains(lines[0], "secret") || !strings.Contains(lines[0], "http://127.0.0.1:1/v1/traces: ") {
		t.Errorf("told %q", lines)
	}
	synctest.Test(t, func(t *testing.T) {
		sent := false
		f := &fakeSender{answer: func(context.Context, []byte) answer {
			if !sent {
				sent = true
				return answer{outcome: retry, word: "503", text: "HTTP 503"}
			}
			return answer{word: "200"}
		}}
		e, c := fakeExporter(f, func(c *Config) { c.Problem = func(line string) { t.Errorf("told %q", line) } })
		add(e, 1)
		flushFor(e, time.Minute)
		expect(t, c, 1, nil)
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
