package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Names by which a run's spans can be found in any backend.
const (
	serviceName = "clew-ledger"
	keyRun      = "ledger.run"
	keyNumber   = "ledger.number"
	keyText     = "ledger.text"
)

// spread is how many requests hold the spans of one trace.
const spread = 8

// numbers says how spans are laid out over requests and traces: a block is spread
// requests of batch spans, and batch traces of spread spans.
type numbers struct {
	run   uint64 // tells this run's spans from all others
	base  int64  // start of span 0, Unix nanoseconds, whole microseconds
	batch int
}

// span is what is asked of a backend of one span. Times are in microseconds, the
// finest that every dialect has.
type span struct {
	name            string
	start, duration int64
	number          int64
	text            string
}

func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

func (s *numbers) traceOf(n int) int { return n/(s.batch*spread)*s.batch + n%s.batch }

// spanOf gives the number of a trace's i-th span.
func (s *numbers) spanOf(trace, i int) int {
	return trace/s.batch*s.batch*spread + i*s.batch + trace%s.batch
}

func (s *numbers) traceID(trace int) (id telemetry.TraceID) {
	binary.BigEndian.PutUint64(id[:8], mix(s.run)|1) // no dialect drops a first half that is not zero
	binary.BigEndian.PutUint64(id[8:], mix(s.run^uint64(trace)<<1|1))
	return id
}

func (s *numbers) spanID(n int) (id telemetry.SpanID) {
	binary.BigEndian.PutUint64(id[:], mix(mix(s.run)+uint64(n))|1<<63)
	return id
}

// letters holds nothing of which a card, an account or a token is made: a backend
// that redacts would change those.
const letters = "abcdefghijklmnopqrstuvwxyz "

// of gives span n as every backend must show it.
func (s *numbers) of(n int) span {
	v := mix(s.run + uint64(n)*3)
	text := make([]byte, 40+v%80)
	for i := range text {
		v = mix(v)
		text[i] = letters[v%uint64(len(letters))]
	}
	return span{name: fmt.Sprintf("entry %d", n%10), start: s.base/1000 + int64(n), duration: 1 + int64(n%1000), number: int64(n), text: string(text)}
}

// request encodes request r as an OTLP export request.
func (s *numbers) request(r int) []byte {
	b := telemetry.NewBuilder()
	b.Reset("")
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(b.Resources.AddRow(), []byte(serviceName))
	b.Scopes.AddRow()
	run := fmt.Appendf(nil, "%016x", s.run)
	for n := r * s.batch; n < (r+1)*s.batch; n++ {
		v := s.of(n)
		row := telemetry.Span{TraceID: s.traceID(s.traceOf(n)), SpanID: s.spanID(n), Start: v.start * 1000, Duration: v.duration * 1000, Kind: telemetry.KindInternalOp}
		if root := s.spanOf(s.traceOf(n), 0); root != n {
			row.Parent = s.spanID(root)
		} else {
			row.Kind = telemetry.KindServer
		}
		at := b.AddSpan(row, []byte(v.name))
		b.Spans.Col(telemetry.ScopeSpan, []byte(keyRun), telemetry.TypeString).AddText(at, run)
		b.Spans.Col(telemetry.ScopeSpan, []byte(keyNumber), telemetry.TypeInt).AddNum(at, uint64(v.number))
		b.Spans.Col(telemetry.ScopeSpan, []byte(keyText), telemetry.TypeString).AddText(at, []byte(v.text))
	}
	return otlp.AppendTraces(nil, &b.Batch)
}
