package metric_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

func newEngine() (*metric.Engine, *self.Counters, *metric.Scope) {
	c := new(self.Counters)
	e := metric.New(func() time.Time { return time.Unix(0, 1000) }, c)
	return e, c, e.Scope(metric.Scope{Name: "test"})
}

func must(t testing.TB, e *metric.Engine, desc metric.Desc) *metric.Instrument {
	t.Helper()
	in, err := e.Instrument(e.Scope(metric.Scope{Name: "test"}), desc)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// sampled is a context with a sampled span.
func sampled() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
}

// TestRecordersAndCollectionsTogether adds from many goroutines while another
// collects: at the end nothing is missing, and no collection saw a sum shrink.
func TestRecordersAndCollectionsTogether(t *testing.T) {
	e, c, _ := newEngine()
	counter := must(t, e, metric.Desc{Name: "c"})
	histogram := must(t, e, metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: []float64{1, 2, 3}})
	const workers, rounds, sets = 8, 2000, 50
	var recording, collecting sync.WaitGroup
	done := make(chan struct{})
	collecting.Go(func() {
		last := map[string]float64{}
		for {
			points := collect(t, e)
			for key, value := range points {
				var n float64
				if strings.HasPrefix(key, "h ") {
					fmt.Sscanf(value, "count=%f", &n)
				} else {
					fmt.Sscanf(value, "%f", &n)
				}
				if n < last[key] {
					t.Errorf("%s went from %v to %v", key, last[key], n)
				}
				last[key] = n
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	ctx := sampled()
	for w := range workers {
		recording.Go(func() {
			for i := range rounds {
				set := attribute.NewSet(attribute.Int("n", (i+w)%sets))
				counter.Series(set).AddInt(1)
				histogram.Series(set).Record(ctx, float64(i%5))
			}
		})
	}
	recording.Wait()
	close(done)
	collecting.Wait()
	total, count, sum := 0.0, 0.0, 0.0
	for key, value := range collect(t, e) {
		var n, s float64
		if strings.HasPrefix(key, "h ") {
			fmt.Sscanf(value, "count=%f sum=%f", &n, &s)
			count, sum = count+n, sum+s
		} else {
			fmt.Sscanf(value, "%f", &n)
			total += n
		}
	}
	if want := float64(workers * rounds); total != want || count != want || sum != 2*want {
		t.Errorf("total %v, count %v, sum %v; want %v, %v, %v", total, count, sum, want, want, 2*want)
	}
	if c.MetricInvalid.Load() != 0 || c.MetricOverflow.Load() != 0 {
		t.Errorf("invalid %d, overflow %d", c.MetricInvalid.Load(), c.MetricOverflow.Load())
	}
}

// TestSeriesInAllAreLimited fills the engine over several instruments.
func TestSeriesInAllAreLimited(t *testing.T) {
	e, c, _ := newEngine()
	made := 0
	for i := 0; c.MetricOverflow.Load() == 0; i++ {
		in := must(t, e, metric.Desc{Name: fmt.Sprintf("c%d", i)})
		for n := range metric.MaxSeries {
			in.Series(attribute.NewSet(attribute.Int("n", n))).AddInt(1)
			if made++; made > metric.MaxTotalSeries+metric.MaxSeries {
				t.Fatalf("%d series were made", made)
			}
			if c.MetricOverflow.Load() > 0 {
				break
			}
		}
	}
	if made != metric.MaxTotalSeries+1 {
		t.Errorf("the overflow began at series %d", made)
	}
}

func TestInstrumentsAreLimited(t *testing.T) {
	e, c, scope := newEngine()
	for i := range metric.MaxInstruments {
		must(t, e, metric.Desc{Name: fmt.Sprintf("c%d", i)})
	}
	in, err := e.Instrument(scope, metric.Desc{Name: "more"})
	if err == nil || c.MetricOverflow.Load() != 1 {
		t.Fatalf("error %v, overflow %d", err, c.MetricOverflow.Load())
	}
	in.Series(*attribute.EmptySet()).AddInt(1)
	if len(collect(t, e)) != 0 {
		t.Error("an instrument over the limit is sent")
	}
	must(t, e, metric.Desc{Name: "C7"})
}

// TestABadDescriptionSaysWhatToMend gives wrong ones.
func TestABadDescriptionSaysWhatToMend(t *testing.T) {
	e, _, scope := newEngine()
	for _, c := range []struct {
		desc metric.Desc
		want string
	}{
		{metric.Desc{Name: "7a"}, `create instrument "7a": a name is a letter and up to 254 letters, digits, or any of _ . - /`},
		{metric.Desc{Name: "a", Unit: strings.Repeat("x", 64)}, "a unit is at most 63 ASCII characters"},
		{metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: []float64{1, math.Inf(1)}}, "create histogram h: bound 1 is +Inf; bounds are finite and ascend"},
		{metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: []float64{2, 1}}, "bound 1 is 1; bounds are finite and ascend"},
		{metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: make([]float64, metric.MaxBounds+1)}, "257 bounds, at most 256"},
	} {
		in, err := e.Instrument(scope, c.desc)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		// It can be used all the same.
		in.Series(*attribute.EmptySet()).Record(t.Context(), 1)
	}
}

// TestACallbackThatHangs lets one stand still: the collection goes on after a
// second, does not call it again while it stands, and does so once it returned.
func TestACallbackThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c, _ := newEngine()
		in := must(t, e, metric.Desc{Name: "g", Kind: metric.Gauge, Observable: true})
		other := must(t, e, metric.Desc{Name: "o", Kind: metric.Gauge, Observable: true})
		release := make(chan struct{})
		var calls atomic.Int64
		e.OnCollect(func(ctx context.Context) {
			calls.Add(1)
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			<-release
			in.ObserveInt(*attribute.EmptySet(), 1)
		})
		e.OnCollect(func(context.Context) { other.ObserveInt(*attribute.EmptySet(), 2) })
		began := time.Now()
		if got := collect(t, e); len(got) != 1 || got["o - gauge int"] != "2" {
			t.Errorf("got %v", got)
		}
		if took := time.Since(began); took != metric.CallbackTime {
			t.Errorf("the collection took %v", took)
		}
		if got := collect(t, e); len(got) != 1 || calls.Load() != 1 || time.Since(began) != metric.CallbackTime {
			t.Errorf("got %v after %d calls and %v", got, calls.Load(), time.Since(began))
		}
		close(release)
		synctest.Wait()
		if got := collect(t, e); len(got) != 2 || calls.Load() != 2 {
			t.Errorf("got %v after %d calls", got, calls.Load())
		}
		if n := c.MetricInvalid.Load(); n != 2 {
			t.Errorf("invalid is %d", n)
		}
	})
}

// TestCallbacksComeAndGo takes one out, and has others end by a panic without a
// value and by ending their goroutine.
func TestCallbacksComeAndGo(t *testing.T) {
	e, c, _ := newEngine()
	calls := 0
	remove := e.OnCollect(func(context.Context) { calls++ })
	collect(t, e)
	remove()
	remove()
	collect(t, e)
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
	e.OnCollect(func(context.Context) { panic(nil) })
	e.OnCollect(func(context.Context) { runtime.Goexit() })
	collect(t, e)
	if n := c.MetricInvalid.Load(); n != 2 {
		t.Errorf("invalid is %d", n)
	}
}

// TestObservedOverflowIsAddedUp: sums over the limit add up within a collection,
// and do not over several.
func TestObservedOverflowIsAddedUp(t *testing.T) {
	e, _, _ := newEngine()
	in := must(t, e, metric.Desc{Name: "o", Kind: metric.Counter, Observable: true, Float: true})
	for n := range metric.MaxSeries {
		in.Series(attribute.NewSet(attribute.Int("n", n)))
	}
	e.OnCollect(func(context.Context) {
		for n := range 3 {
			in.ObserveFloat(attribute.NewSet(attribute.Int("m", n)), 2.5)
		}
	})
	for range 2 {
		got := collect(t, e)
		if len(got) != 1 || got["o - counter double  otel.metric.overflow=true"] != "7.5" {
			t.Errorf("got %v", got)
		}
	}
}

// TestManySeriesAreSeveralRecords: no record is larger than a batch takes.
func TestManySeriesAreSeveralRecords(t *testing.T) {
	e, _, _ := newEngine()
	in := must(t, e, metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: metric.DurationBounds})
	for n := range metric.MaxSeries {
		in.Series(attribute.NewSet(attribute.String("label", strings.Repeat("x", 200)), attribute.Int("n", n)))
	}
	points, largest, records := 0, 0, 0
	otlp := metric.OTLP{Emit: func(_ *metric.Scope, record []byte) {
		records++
		largest = max(largest, len(record))
		points += len(dump(t, record)) - 1
	}}
	e.Collect(t.Context(), &otlp, true)
	otlp.Close()
	if points != metric.MaxSeries || largest > 66<<10 || records < 10 {
		t.Errorf("%d points in %d records of at most %d bytes", points, records, largest)
	}
}

func TestAllocations(t *testing.T) {
	e, _, _ := newEngine()
	counter := must(t, e, metric.Desc{Name: "c"}).Series(attribute.NewSet(attribute.String("k", "v")))
	histogram := must(t, e, metric.Desc{Name: "h", Kind: metric.Histogram}).Series(*attribute.EmptySet())
	gauge := must(t, e, metric.Desc{Name: "g", Kind: metric.Gauge, Float: true}).Series(*attribute.EmptySet())
	meter := metric.NewProvider(e, 6, 2).Meter("m")
	api, err := meter.Float64Histogram("api")
	if err != nil {
		t.Fatal(err)
	}
	// As the API's documentation says: an option that is made once is free.
	options := []otelmetric.RecordOption{otelmetric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{id}"), attribute.Int("http.response.status_code", 200)))}
	ctx := sampled()
	discard := metric.OTLP{Emit: func(*metric.Scope, []byte) {}}
	for name, f := range map[string]func(){
		"counter":   func() { counter.AddInt(1) },
		"gauge":     func() { gauge.SetFloat(1) },
		"histogram": func() { histogram.Record(t.Context(), 3) },
		"exemplar": func() {
			e.Collect(ctx, &discard, true)
			histogram.Record(ctx, 3)
		},
		"api": func() { api.Record(ctx, 3, options...) },
	} {
		want := 0.0
		if name == "exemplar" {
			// The collection's own: its list of series.
			want = 8
		}
		if got := testing.AllocsPerRun(200, f); got > want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
}

// points is a sink that keeps the labels of what it gets.
type points []*metric.Labels

func (p *points) Point(_ *metric.Scope, _ *metric.Desc, one *metric.Point) {
	*p = append(*p, one.Labels)
}

// A collector refuses a whole request for one byte that is not UTF-8, and so would lose all metrics for one label, at each collection.
func TestLabelsAreUTF8(t *testing.T) {
	e, c, _ := newEngine()
	in := must(t, e, metric.Desc{Name: "n", Kind: metric.Counter})
	for _, label := range []attribute.KeyValue{
		attribute.String("a", "b\xff"), attribute.StringSlice("a", []string{"b\xff", "c"}), attribute.String("a\xff", "b"), attribute.Int("b\xfe", 1),
		attribute.String("a", "b\xfe"),
	} {
		in.Series(attribute.NewSet(label)).AddInt(1)
	}
	var all points
	e.Collect(context.Background(), &all, true)
	if len(all) != 4 || c.MetricInvalid.Load() != 0 {
		t.Errorf("got %d series and %d invalid, want 4: two values that become the same are one", len(all), c.MetricInvalid.Load())
	}
	for _, labels := range all {
		kv := labels.List()[0]
		if text := string(kv.Key) + kv.Value.Emit(); !utf8.ValidString(text) || !strings.Contains(text, "\uFFFD") {
			t.Errorf("got the label %q", text)
		}
	}
}
