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
	// Intended is set for a root that was asked for as such, so that it cannot be a lost context.
	Intended bool
}

func (s *Span) serves() bool { return serves(s.Kind) }

func serves(kind uint8) bool { return kind == kindServer || kind == kindConsumer }

// rootless says that the span has no parent although spans of its kind mostly have one.
func (s *Span) rootless() bool {
	return s.Parent == SpanID{} && !s.Intended && len(s.Links) == 0 && !s.serves()
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
	// serving counts the open SERVER and CONSUMER spans, lost the roots that started while there were any; both of all spans.
	serving atomic.Int64
	lost    atomic.Int64

	mu   sync.Mutex
	open map[key]*Open
	// ended are the spans that have ended last, in two generations: a parent that is in neither is not ours, or too long ago to tell.
	ended, endedBefore map[key]struct{}
	findings           []Finding
	groups             map[*Group]struct{}
	routes             map[TraceID]*Group
	overflow           uint64
}

var current atomic.Pointer[Registry]

// Current returns the registry of the process, or nil when nobody watches.
func Current() *Registry { return current.Load() }

// Install makes r the registry of the process when there is none yet, or when r watches every span and the one in force does not. It
// returns the one that is then in force.
func Install(r *Registry) *Registry {
	for {
		in := current.Load()
		if in != nil && (in.mask == 0 || r.mask != 0) {
			return in
		}
		if current.CompareAndSwap(in, r) {
			return r
		}
	}
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

// Keeps says whether the registry remembers the span with this id, so that the engine need not gather what is not kept.
func (r *Registry) Keeps(id SpanID) bool { return id[7]&r.mask == 0 }

// TakeLost returns how many roots were started since the last call, with a context that came from nowhere, while a request was being
// served. In a program that also starts work of its own it is a hint only.
func (r *Registry) TakeLost() int64 { return r.lost.Swap(0) }

// Started notes a span. ctx is the context that the caller started it with: it says which test a root belongs to.
func (r *Registry) Started(ctx context.Context, s Span) {
	if s.serves() {
		r.serving.Add(1)
	} else if s.rootless() && r.serving.Load() > 0 && groupOf(ctx) == nil {
		r.lost.Add(1)
	}
	if !r.Keeps(s.ID) {
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
	if o.group != nil {
		o.group.pending++
	}
}

// Ended notes the end of a span and hands its encoded record to the test that it belongs to. The record is copied.
func (r *Registry) Ended(trace TraceID, id SpanID, kind uint8, record []byte) {
	if serves(kind) {
		r.serving.Add(-1)
	}
	if !r.Keeps(id) {
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
	if r.mask == 0 {
		r.remember(key{trace, id})
		r.judgeEnd(o)
	}
	if o.group != nil {
		o.group.keep(record)
		o.group.done()
	}
}

// maxEnded bounds a generation of ended spans.
const maxEnded = 32_768

func (r *Registry) remember(k key) {
	if r.ended == nil || len(r.ended) >= maxEnded {
		r.endedBefore, r.ended = r.ended, map[key]struct{}{}
	}
	r.ended[k] = struct{}{}
}

// orphaned says that the span has a parent in this process which has ended.
func (r *Registry) orphaned(o *Open) bool {
	if o.Parent == (SpanID{}) || o.Remote {
		return false
	}
	k := key{o.Trace, o.Parent}
	_, now := r.ended[k]
	_, before := r.endedBefore[k]
	return now || before
}

// Overflow says how many spans were not watched because MaxOpen was reached.
func (r *Registry) Overflow() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflow
}

// Stale returns the spans that are open for longer than age and were not returned before. In production they are forgotten then, so that
// leaks do not fill the registry.
func (r *Registry) Stale(now time.Time, age time.Duration) []Open {
	r.mu.Lock()
	defer r.mu.Unlock()
	var stale []Open
	for k, o := range r.open {
		if o.reported || now.UnixNano()-o.Start < int64(age) {
			continue
		}
		o.reported = true
		stale = append(stale, *o)
		if r.mask != 0 {
			delete(r.open, k)
		}
	}
	return stale
}
