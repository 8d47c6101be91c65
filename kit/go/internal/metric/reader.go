package metric

import (
	"context"
	"sync"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

// DefaultInterval is the time between two collections. It is shorter than the 60 s
// of OpenTelemetry's SDKs, so that a graph follows an incident; the variable
// OTEL_METRIC_EXPORT_INTERVAL sets another.
const DefaultInterval = 15 * time.Second

const (
	// collectTime bounds the callbacks of a collection together.
	collectTime = 5 * time.Second
	// hurryTime is collectTime while the host waits for a flush or a stop.
	hurryTime = 500 * time.Millisecond
)

// Exporter is where a Reader's records go; export.Exporter is one.
type Exporter interface {
	Scope(name, version, schemaURL string) uint32
	Add(signal self.Signal, scope uint32, record []byte)
}

// Reader collects an engine once an interval for an exporter, whose worker drives
// it with Tick.
type Reader struct {
	engine   *Engine
	exporter Exporter
	interval time.Duration

	mu     sync.Mutex
	next   time.Time
	otlp   OTLP
	scopes map[*Scope]uint32
}

// NewReader makes a reader; an interval of zero or less is DefaultInterval.
func NewReader(e *Engine, x Exporter, interval time.Duration) *Reader {
	if interval <= 0 {
		interval = DefaultInterval
	}
	r := &Reader{engine: e, exporter: x, interval: interval, next: e.now().Add(interval), scopes: make(map[*Scope]uint32)}
	r.otlp.Emit = r.add
	return r
}

// Interval is how often Tick is to be called.
func (r *Reader) Interval() time.Duration { return r.interval }

// Tick collects when the interval is over, and when all that there is must go out:
// for a flush and at the end.
func (r *Reader) Tick(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.engine.now()
	// Whoever calls once an interval may have begun a little before the reader did.
	if !all && now.Before(r.next.Add(-r.interval/20)) {
		return
	}
	// A tick that comes late moves the ones after it only when it is later than an
	// interval, so that collections keep their distance on average. Flushes, however
	// many, put the next one off by an interval at most.
	if r.next = r.next.Add(r.interval); all || r.next.Before(now) {
		r.next = now.Add(r.interval)
	}
	limit := collectTime
	if all {
		limit = hurryTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r.engine.Collect(ctx, &r.otlp, true)
	r.otlp.Close()
}

func (r *Reader) add(scope *Scope, record []byte) {
	number, known := r.scopes[scope]
	if !known {
		number = r.exporter.Scope(scope.Name, scope.Version, scope.Schema)
		r.scopes[scope] = number
	}
	r.exporter.Add(self.Metrics, number, record)
}
