package otlp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// longTrace is one trace of n spans of three resources with an attribute each.
func longTrace(n int) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	var resources [3]uint32
	for i := range resources {
		resources[i] = b.Resources.AddRow()
		b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(resources[i], fmt.Appendf(nil, "service %d", i))
	}
	scope := b.Scopes.AddRow()
	c := b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeString)
	for i := range n {
		row := b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{byte(i >> 16), byte(i >> 8), byte(i), 7: 1},
			Start: int64(i), Duration: 5, Resource: resources[i%3], Scope: scope}, []byte("work"))
		c.AddText(row, fmt.Appendf(nil, "value %d", i%1000))
	}
	return &b.Batch
}

// writers are the forms in which a batch is written in pieces, beside the whole.
var writers = map[string]struct {
	whole func([]byte, *telemetry.Batch) []byte
	write func(io.Writer, *telemetry.Batch) error
}{
	"protobuf": {otlp.AppendTraces, func(w io.Writer, b *telemetry.Batch) error { return otlp.NewTraces(b).Proto().Write(w) }},
	"JSON":     {otlp.AppendTracesJSON, func(w io.Writer, b *telemetry.Batch) error { return otlp.NewTraces(b).WriteJSON(w, "resourceSpans") }},
}

// measuring takes what is written, notes the largest piece, and fails with err from the
// piece on that has the number broken.
type measuring struct {
	bytes.Buffer
	pieces, largest, broken int
}

var errBroken = errors.New("broken")

func (m *measuring) Write(b []byte) (int, error) {
	m.pieces++
	m.largest = max(m.largest, len(b))
	if m.pieces == m.broken {
		return 0, errBroken
	}
	if m.broken > 0 && m.pieces > m.broken {
		panic("written after an error")
	}
	return m.Buffer.Write(b)
}

// Pieces add up to the whole, and none is much larger than the others.
func TestPiecesAddUp(t *testing.T) {
	for _, n := range []int{0, 1, 3000, 20_000} {
		b := longTrace(n)
		for form, f := range writers {
			var m measuring
			if err := f.write(&m, b); err != nil {
				t.Fatal(err)
			}
			want := f.whole(nil, b)
			if !bytes.Equal(m.Bytes(), want) {
				t.Errorf("%s of %d spans: pieces have %d bytes, the whole has %d", form, n, m.Len(), len(want))
			}
			if m.largest > 70<<10 || n == 20_000 && m.pieces < 20 {
				t.Errorf("%s of %d spans: %d pieces, the largest has %d bytes", form, n, m.pieces, m.largest)
			}
			if form == "protobuf" && otlp.NewTraces(b).Proto().Size() != len(want) {
				t.Errorf("the size of %d spans is %d, want %d", n, otlp.NewTraces(b).Proto().Size(), len(want))
			}
		}
	}
}

// An error of any piece ends the writing and is what the caller gets.
func TestPiecesEndWithAnError(t *testing.T) {
	b := longTrace(3000)
	for form, f := range writers {
		var all measuring
		if err := f.write(&all, b); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= all.pieces; n++ {
			m := measuring{broken: n}
			if err := f.write(&m, b); !errors.Is(err, errBroken) {
				t.Errorf("%s, piece %d of %d: got %v", form, n, all.pieces, err)
			}
		}
	}
}

// A long batch takes no memory as text: what is allocated for it is what finds the
// values of a row, and pieces.
func TestPiecesTakeLittle(t *testing.T) {
	if testkit.Race {
		t.Skip("memory is not measured under the race detector")
	}
	b := longTrace(100_000)
	for form, f := range writers {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f.write(io.Discard, b); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(100_000*56+256<<10); got > most {
			t.Errorf("%s of 100,000 spans: %d bytes were allocated, want at most %d", form, got, most)
		}
	}
}
