package pipeline_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// resources builds a batch with one span for each resource. A nil map is a
// resource without attributes; an int value makes an integer attribute.
func resources(b *telemetry.Builder, attrs ...map[string]any) *telemetry.Batch {
	b.Reset("t")
	scope := b.Scopes.AddRow()
	for i, m := range attrs {
		row := b.Resources.AddRow()
		for k, v := range m {
			switch v := v.(type) {
			case string:
				b.Resources.Col(telemetry.ScopeResource, []byte(k), telemetry.TypeString).AddText(row, []byte(v))
			case int:
				b.Resources.Col(telemetry.ScopeResource, []byte(k), telemetry.TypeInt).AddNum(row, uint64(v))
			}
		}
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: byte(i + 1)}, SpanID: telemetry.SpanID{7: byte(i + 1)}, Resource: row, Scope: scope}, []byte("op"))
	}
	return &b.Batch
}

// texts lists a string attribute of every resource; "-" stands for none.
func texts(b *telemetry.Batch, key string) []string {
	out := slices.Repeat([]string{"-"}, b.Resources.N)
	if c := b.Resources.Find(telemetry.ScopeResource, key, telemetry.TypeString); c != nil {
		for i, r := range c.Rows {
			out[r] = c.Dict.Str(c.Codes[i])
		}
	}
	return out
}

type sinkFunc func(*telemetry.Batch) error

func (f sinkFunc) Write(b *telemetry.Batch) error { return f(b) }

type counter float64

func (c *counter) Add(d float64) { *c += counter(d) }

func TestNormalise(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      []map[string]any
		want    []string
		counted counter
	}{
		{"all named", []map[string]any{{"service.name": "a"}, {"service.name": "b"}}, []string{"a", "b"}, 0},
		{"none named", []map[string]any{nil, nil}, []string{"unknown_service", "unknown_service"}, 2},
		{"some named", []map[string]any{nil, {"service.name": "b"}, nil, {"service.name": "b"}}, []string{"unknown_service", "b", "unknown_service", "b"}, 2},
		{"empty names", []map[string]any{{"service.name": ""}, {"service.name": "b"}, {"service.name": ""}}, []string{"unknown_service", "b", "unknown_service"}, 2},
		{"a number for a name", []map[string]any{{"service.name": 7}}, []string{"unknown_service"}, 1},
		{"nothing", nil, []string{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := telemetry.NewBuilder()
			for round := range 2 { // the second with a Builder that was used before
				var n counter
				var got []string
				s := pipeline.NewNormalise(sinkFunc(func(b *telemetry.Batch) error { got = texts(b, "service.name"); return nil }), &n)
				if err := s.Write(resources(b, tt.in...)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || n != tt.counted {
					t.Errorf("round %d: counted %v, want %v\n%s", round, n, tt.counted, diff)
				}
			}
		})
	}
}

func TestEnrich(t *testing.T) {
	var n counter
	var old, present []string
	s := pipeline.NewEnrich(sinkFunc(func(b *telemetry.Batch) error {
		old, present = texts(b, "deployment.environment"), texts(b, "deployment.environment.name")
		return nil
	}), &n)
	err := s.Write(resources(telemetry.NewBuilder(),
		map[string]any{"deployment.environment": "prod"},
		map[string]any{"deployment.environment.name": "stage"},
		map[string]any{"deployment.environment": "old", "deployment.environment.name": "new"},
		nil,
		map[string]any{"deployment.environment": ""},
		map[string]any{"deployment.environment": "dev", "deployment.environment.name": ""},
	))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prod", "-", "old", "-", "", "dev"}, old); diff != "" {
		t.Error("old name:", diff)
	}
	if diff := cmp.Diff([]string{"prod", "stage", "new", "-", "-", "dev"}, present); diff != "" {
		t.Error("present name:", diff)
	}
	if n != 2 {
		t.Errorf("counted %v", n)
	}
}

func TestEnrichLeavesOthersAlone(t *testing.T) {
	var n counter
	b := resources(telemetry.NewBuilder(), map[string]any{"service.name": "a"})
	want := telemetry.AppendRecord(nil, b, 1)
	s := pipeline.NewEnrich(sinkFunc(func(b *telemetry.Batch) error {
		if diff := cmp.Diff(want, telemetry.AppendRecord(nil, b, 1)); diff != "" {
			t.Error(diff)
		}
		return nil
	}), &n)
	if err := s.Write(b); err != nil || n != 0 {
		t.Errorf("got %v, counted %v", err, n)
	}
}

// consumer notes what it is asked and given.
type consumer struct {
	mu    sync.Mutex
	calls *[]string
	name  string
	admit error
	fail  error
	seqs  []int64
	spans int
	start []wal.Position
}

func (c *consumer) Admit(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls != nil {
		*c.calls = append(*c.calls, c.name+" admit")
	}
	return c.admit
}

func (c *consumer) Append(b *telemetry.Batch, seq int64, start, end wal.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls != nil {
		*c.calls = append(*c.calls, c.name+" append")
	}
	if end <= start {
		return errors.New("empty place")
	}
	c.seqs = append(c.seqs, seq)
	c.start = append(c.start, start)
	c.spans += b.Spans.N
	return c.fail
}

type appendFunc func() (wal.Position, wal.Position, error)

func (f appendFunc) End() wal.Position { return 0 }

func (f appendFunc) Append(context.Context, ...[]byte) (wal.Position, wal.Position, error) {
	return f()
}

func TestLogOrder(t *testing.T) {
	var calls []string
	a, b := &consumer{calls: &calls, name: "a"}, &consumer{calls: &calls, name: "b"}
	l := pipeline.NewLog(appendFunc(func() (wal.Position, wal.Position, error) {
		calls = append(calls, "wal")
		return 1, 2, nil
	}), pipeline.LogOptions{Consumers: []pipeline.Consumer{a, b}})
	if err := l.Write(resources(telemetry.NewBuilder(), nil)); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(resources(telemetry.NewBuilder())); err != nil { // an empty batch goes nowhere
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a admit", "b admit", "wal", "a append", "b append"}, calls); diff != "" {
		t.Error(diff)
	}
}

func TestLogRefusals(t *testing.T) {
	full := telemetry.RetryError(telemetry.KindExhausted, 3*time.Second, "behind")
	for _, tt := range []struct {
		name  string
		admit error
		wal   error
		store error
		want  []string
		kind  telemetry.Kind
		delay time.Duration
	}{
		{"consumer refuses", full, nil, nil, []string{"a admit"}, telemetry.KindExhausted, 3 * time.Second},
		{"log refuses", nil, wal.ErrFull, nil, []string{"a admit", "wal"}, telemetry.KindExhausted, time.Second},
		{"consumer fails", nil, nil, errors.New("broken"), []string{"a admit", "wal", "a append"}, telemetry.KindInternal, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var calls []string
			a := &consumer{calls: &calls, name: "a", admit: tt.admit, fail: tt.store}
			l := pipeline.NewLog(appendFunc(func() (wal.Position, wal.Position, error) {
				calls = append(calls, "wal")
				return 1, 2, tt.wal
			}), pipeline.LogOptions{Consumers: []pipeline.Consumer{a}})
			err := l.Write(resources(telemetry.NewBuilder(), nil))
			if err == nil || telemetry.KindOf(err) != tt.kind || telemetry.RetryAfterOf(err) != tt.delay {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, calls); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeqIncreasesWhateverTheClockDoes(t *testing.T) {
	times := []int64{100, 100, 50, 200, 10}
	c := &consumer{}
	i := -1
	l := pipeline.NewLog(appendFunc(func() (wal.Position, wal.Position, error) { return 1, 2, nil }), pipeline.LogOptions{
		LastSeq: 120, Consumers: []pipeline.Consumer{c},
		Now: func() time.Time { i++; return time.Unix(0, times[i]) },
	})
	for range times {
		if err := l.Write(resources(telemetry.NewBuilder(), nil)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int64{121, 122, 123, 200, 201}, c.seqs); diff != "" {
		t.Error(diff)
	}
}

// TestOnARealLog writes from several goroutines and reads the log back: every
// batch is there once with the seq that the consumer was told.
func TestOnARealLog(t *testing.T) {
	w, err := wal.Open(t.TempDir(), wal.Options{SegmentBytes: 8 << 10, MaxBytes: 64 << 20, MaxRecordBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := &consumer{}
	var n counter
	chain := pipeline.NewNormalise(pipeline.NewLog(w, pipeline.LogOptions{Consumers: []pipeline.Consumer{c}}), &n)
	var g sync.WaitGroup
	const writers, batches = 4, 25
	for range writers {
		g.Go(func() {
			b := telemetry.NewBuilder()
			for range batches {
				if err := chain.Write(resources(b, map[string]any{"service.name": "a"}, map[string]any{"service.name": "b"})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	r, err := w.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var seqs []int64
	var starts []wal.Position
	for {
		start, _, record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, seq, err := telemetry.DecodeRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		if b.Tenant != "t" || b.Spans.N != 2 || texts(b, "service.name")[1] != "b" {
			t.Errorf("read %+v", b)
		}
		seqs, starts = append(seqs, seq), append(starts, start)
	}
	slices.Sort(seqs)
	slices.Sort(c.seqs)
	slices.Sort(c.start)
	if len(seqs) != writers*batches || !slices.Equal(seqs, c.seqs) || !slices.Equal(starts, c.start) {
		t.Errorf("%d records read, %d given to the consumer", len(seqs), len(c.seqs))
	}
	if len(slices.Compact(seqs)) != writers*batches {
		t.Error("a seq was used twice")
	}
}

// BenchmarkChain measures the stages without the disk, for 512 spans of 8 resources.
func BenchmarkChain(b *testing.B) {
	builder := telemetry.NewBuilder()
	var attrs []map[string]any
	for range 8 {
		attrs = append(attrs, map[string]any{"service.name": "checkout", "deployment.environment.name": "prod"})
	}
	batch := resources(builder, attrs...)
	for i := range 504 {
		row := builder.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1: byte(i), 2: byte(i >> 8)}, SpanID: telemetry.SpanID{1: byte(i)}}, []byte("op"))
		builder.Spans.Col(telemetry.ScopeSpan, []byte("http.route"), telemetry.TypeString).AddText(row, []byte("/checkout"))
	}
	var n counter
	chain := pipeline.NewNormalise(pipeline.NewEnrich(pipeline.NewLog(appendFunc(func() (wal.Position, wal.Position, error) { return 1, 2, nil }), pipeline.LogOptions{}), &n), &n)
	for b.Loop() {
		if err := chain.Write(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/span")
}
