// Package watch knows which recorded spans are open, where in the code they were started, and which test they belong to. It is what the
// leak watch (debug mode) and the test recorder (package clewtest) share; in production it is absent or watches one span in 256.
//
// The engine calls Started and Ended for every span that records:
//
//	if w := watch.Current(); w != nil { w.Started(ctx, watch.Span{…}) }
//
// Without a registry that is one atomic load. A registry is safe for concurrent use; its lock is held over map operations only. It knows at
// most MaxOpen open spans; what is over is counted in Overflow and not watched.
package watch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// MaxOpen bounds the open spans a registry knows, MaxFindings what it remembers of leaks, MaxRecords the encoded spans a group keeps.
const (
	MaxOpen     = 65_536
	MaxFindings = 1_024
	MaxRecords  = 100_000
)

// TraceID and SpanID are the ids as they are on the wire.
type (
	TraceID = [16]byte
	SpanID  = [8]byte
)

// Span says what the engine knows of a span when it starts. Kind is the number of OTLP (1 internal … 5 consumer), Start is in nanoseconds
// since 1970. Remote is set when Parent came from another process. Links are the traces that the span points to at its start.
type Span struct {
	Trace  TraceID
	ID     SpanID
	Parent SpanID
	Remote bool
	Kind   uint8
	Name   string
	Start  int64
	Links  []TraceID
}

const (
	kindServer   = 2
	kindConsumer = 5
)

// Open is a span that has started and not ended. Site is file:line of the first caller outside the kit.
type Open struct {
	Span
	Site     string
	group    *Group
	reported bool
}

type key struct {
	trace TraceID
	id    SpanID
}

// Registry holds the open spans of the process.
type Registry struct {
	// mask lets a span through when its id's last byte has none of these bits: 0 watches all, 255 one in 256.
	mask byte

	mu       sync.Mutex
	open     map[key]*Open
	serving  int
	findings []Finding
	groups   map[*Group]struct{}
	routes   map[TraceID]*Group
	overflow uint64
}

var current atomic.Pointer[Registry]

// Current returns the registry of the process, or nil when nobody watches.
func Current() *Registry { return current.Load() }

// Install makes r the registry of the process when there is none yet, and returns the one that is then in force.
func Install(r *Registry) *Registry {
	if current.CompareAndSwap(nil, r) {
		return r
	}
	return current.Load()
}

// Remove takes r out of force. Spans that are open then are forgotten.
func Remove(r *Registry) { current.CompareAndSwap(r, nil) }

// New makes a registry that watches every span, NewSampled one that watches one span in 256, for production.
func New() *Registry { return newRegistry(0) }

// NewSampled makes a registry for production. A leak that it finds stands for 256.
func NewSampled() *Registry { return newRegistry(255) }

func newRegistry(mask byte) *Registry {
	return &Registry{mask: mask, open: map[key]*Open{}, groups: map[*Group]struct{}{}, routes: map[TraceID]*Group{}}
}

// Weight says how many spans a watched one stands for.
func (r *Registry) Weight() int64 { return int64(r.mask) + 1 }

// Started notes a span. ctx is the context that the caller started it with: it says which test a root belongs to.
func (r *Registry) Started(ctx context.Context, s Span) {
	if s.ID[7]&r.mask != 0 {
		return
	}
	o := &Open{Span: s}
	if r.mask == 0 {
		o.Site = caller()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) >= MaxOpen {
		r.overflow++
		return
	}
	o.group = r.route(ctx, &s)
	if r.mask == 0 {
		r.judgeStart(ctx, o)
	}
	r.open[key{s.Trace, s.ID}] = o
	if o.serves() {
		r.serving++
	}
	if o.group != nil {
		o.group.pending++
	}
}

func (o *Open) serves() bool { return o.Kind == kindServer || o.Kind == kindConsumer }

// Ended notes the end of a span and hands its encoded record to the test that it belongs to. The record is copied.
func (r *Registry) Ended(trace TraceID, id SpanID, end int64, record []byte) {
	if id[7]&r.mask != 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.open[key{trace, id}]
	if o == nil {
		// A summary of an unsampled root, or a span that started before the registry did.
		if g := r.routes[trace]; g != nil {
			g.keep(record)
		} else if g := r.only(); g != nil {
			g.keep(record)
		}
		return
	}
	delete(r.open, key{trace, id})
	if o.serves() {
		r.serving--
	}
	if r.mask == 0 {
		r.judgeEnd(o)
	}
	if o.group != nil {
		o.group.keep(record)
		o.group.done()
	}
}

// Overflow says how many spans were not watched because MaxOpen was reached.
func (r *Registry) Overflow() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflow
}

// Stale returns the spans that are open for longer than age and were not returned before.
func (r *Registry) Stale(now time.Time, age time.Duration) []Open {
	r.mu.Lock()
	defer r.mu.Unlock()
	var stale []Open
	for _, o := range r.open {
		if !o.reported && now.UnixNano()-o.Start >= int64(age) {
			o.reported = true
			stale = append(stale, *o)
		}
	}
	return stale
}
