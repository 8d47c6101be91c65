// Package metric is the kit's engine for metrics: counters, up-down counters,
// gauges and histograms, kept as cumulative sums in memory and read as a whole
// once an interval.
//
//	Engine ── Scope ── Instrument ── Series (one set of labels)
//	                                   number:    one atomic word
//	                                   histogram: an atomic word a bucket, a sum,
//	                                              one exemplar a bucket and interval
//
// A record finds its series (none to find when it was bound before), adds with
// atomics and returns: no lock is held, nothing is allocated, no clock is read but
// for an exemplar. Everything is bounded: instruments, series of an instrument and
// of the engine, labels of a series. What does not fit is added up in one series
// with otel.metric.overflow=true and counted.
//
// Provider makes the engine an OpenTelemetry MeterProvider. Collect walks all
// points and hands them, redacted, to a Sink: OTLP writes protobuf, Text writes
// OpenMetrics.
// A Reader collects on its own goroutine. All exported methods may be called from
// any goroutine, but a Sink is used by one at a time.
package metric

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
	"github.com/clew-dev/clew/kit/go/internal/wire"
)

const (
	// MaxInstruments is the number of instruments of an engine. What is made after
	// that records nothing.
	MaxInstruments = 2000
	// MaxSeries is the number of series of an instrument besides its overflow.
	MaxSeries = 2000
	// MaxTotalSeries is the number of series of all instruments together besides
	// their overflows.
	MaxTotalSeries = 65536
	// MaxLabels is the number of attributes of a series.
	MaxLabels = 32
	// MaxLabelBytes is the length of a label's text, cut on a character's border.
	MaxLabelBytes = 256
	// maxDescription is the length of a description in bytes.
	maxDescription = 1024
	// MaxBounds is the number of bounds of a histogram.
	MaxBounds = 256
)

// DefaultBounds are the bounds of a histogram that names none, those of the
// OpenTelemetry specification.
var DefaultBounds = []float64{0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}

// DurationBounds are the bounds in seconds that semantic conventions give for the
// duration of requests.
var DurationBounds = self.Bounds[:]

// Kind is what an instrument measures.
type Kind uint8

const (
	Counter   Kind = iota // a sum that only grows
	UpDown                // a sum
	Gauge                 // the last value
	Histogram             // a distribution over buckets
)

// Desc describes an instrument. It is not changed once the instrument exists.
type Desc struct {
	Name        string
	Unit        string
	Description string
	Kind        Kind
	Float       bool      // values are float64, else int64; histograms always record float64
	Observable  bool      // values come from callbacks at collection
	Bounds      []float64 // upper bounds of a histogram's buckets, ascending; nil: DefaultBounds
	Component   uint8     // whose level switches the instrument, as policy numbers components
	Need        uint8     // the level that it needs there; 0: it is always on
}

// Gate says whether instruments of a component that need a level are on. It is
// called for every record, so it must be quick, and it must not call the engine.
type Gate func(component, need uint8) bool

// Engine holds all instruments. Make it with New.
type Engine struct {
	now   func() time.Time
	start int64 // Unix nanoseconds; all sums began then at zero, but for those that begin anew

	gate      atomic.Pointer[Gate]
	redaction atomic.Pointer[func() *policy.Snapshot]
	counters  atomic.Pointer[self.Counters]
	series    atomic.Int64 // of all instruments
	interval  atomic.Uint64
	round     atomic.Uint64

	mu          sync.Mutex // guards what follows
	scopes      map[Scope]*Scope
	instruments map[identity]*Instrument
	order       []*Instrument
	callbacks   []*callback
	producers   []func(*Emitter)

	collecting sync.Mutex       // one collection at a time; guards what follows
	redactedBy *policy.Snapshot // what redacted the last collection; nil: nothing did
}

// Scope is the library that a set of instruments belongs to.
type Scope struct{ Name, Version, Schema string }

// identity is what makes two requests for an instrument mean the same one. Names
// are the same when they differ in case only, as OpenTelemetry says.
type identity struct {
	scope *Scope
	name  string
	unit  string
	kind  Kind
	float bool
	async bool
}

// Instrument is a named family of series. Make it with Engine.Instrument.
type Instrument struct {
	engine *Engine
	scope  *Scope
	desc   Desc
	dead   bool // over a limit or misnamed: it takes values and keeps none
	table  table
	start  int64 // Unix nanoseconds: when its sums were zero; guarded by Engine.collecting
}

// New makes an empty engine. now is the clock of start times, points and
// exemplars; nil means the system's. Counters may be nil.
func New(now func() time.Time, counters *self.Counters) *Engine {
	if now == nil {
		now = time.Now
	}
	if counters == nil {
		counters = new(self.Counters)
	}
	e := &Engine{
		now:         now,
		start:       now().UnixNano(),
		scopes:      make(map[Scope]*Scope),
		instruments: make(map[identity]*Instrument),
	}
	e.counters.Store(counters)
	e.interval.Store(1)
	return e
}

// SetGate puts a gate before all instruments; nil takes it away. While its gate is
// shut an instrument keeps its sums, adds nothing to them and is not collected.
func (e *Engine) SetGate(gate Gate) {
	if gate == nil {
		e.gate.Store(nil)
		return
	}
	e.gate.Store(&gate)
}

// SetCounters says where overflow and invalid values are counted from now on.
func (e *Engine) SetCounters(c *self.Counters) { e.counters.Store(c) }

// Counters is where overflow and invalid values are counted.
func (e *Engine) Counters() *self.Counters { return e.counters.Load() }

// Scope is the engine's one copy of the scope.
func (e *Engine) Scope(scope Scope) *Scope {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.scope(scope)
}

func (e *Engine) scope(scope Scope) *Scope {
	if known := e.scopes[scope]; known != nil {
		return known
	}
	// A program that makes scopes without end puts the rest into one without a name.
	if len(e.scopes) >= MaxInstruments {
		scope = Scope{}
		if known := e.scopes[scope]; known != nil {
			return known
		}
	}
	e.scopes[scope] = &scope
	return &scope
}

// Instrument is the instrument that desc describes, made at its first mention:
// later ones of the same scope, name, unit and kind give the same, with the
// description and bounds of the first. It always gives an instrument that can be
// used; with an error it is one that keeps nothing.
func (e *Engine) Instrument(scope *Scope, desc Desc) (*Instrument, error) {
	if err := check(&desc); err != nil {
		e.counters.Load().MetricInvalid.Add(1)
		return e.deadInstrument(scope, desc), err
	}
	id := identity{scope, strings.ToLower(desc.Name), desc.Unit, desc.Kind, desc.Float, desc.Observable}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.instruments[id]; known != nil {
		return known, nil
	}
	if len(e.instruments) >= MaxInstruments {
		e.counters.Load().MetricOverflow.Add(1)
		return e.deadInstrument(scope, desc), fmt.Errorf("create instrument %s: there are %d already; make instruments once and keep them", desc.Name, MaxInstruments)
	}
	in := &Instrument{engine: e, scope: scope, desc: desc, start: e.start}
	e.instruments[id] = in
	e.order = append(e.order, in)
	return in, nil
}

func (e *Engine) deadInstrument(scope *Scope, desc Desc) *Instrument {
	if desc.Kind == Histogram {
		desc.Bounds = DefaultBounds
	}
	return &Instrument{engine: e, scope: scope, desc: desc, dead: true}
}

// Desc describes the instrument. It must not be changed.
func (in *Instrument) Desc() *Desc { return &in.desc }

// Enabled reports whether a record would be kept now.
func (in *Instrument) Enabled() bool {
	return !in.dead && in.engine.on(in.desc.Component, in.desc.Need)
}

func (e *Engine) on(component, need uint8) bool {
	if need == 0 {
		return true
	}
	gate := e.gate.Load()
	return gate == nil || (*gate)(component, need)
}

func (in *Instrument) invalid() { in.engine.counters.Load().MetricInvalid.Add(1) }

// check finds what is wrong with a description and fills in what it leaves out.
func check(desc *Desc) error {
	if !validName(desc.Name) {
		return fmt.Errorf("create instrument %.64q: a name is a letter and up to 254 letters, digits, or any of _ . - /", desc.Name)
	}
	if len(desc.Unit) > 63 || strings.ContainsFunc(desc.Unit, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("create instrument %s: unit %.64q: a unit is at most 63 ASCII characters", desc.Name, desc.Unit)
	}
	desc.Description = wire.Text(desc.Description, maxDescription)
	if desc.Kind != Histogram {
		return nil
	}
	if desc.Bounds == nil {
		desc.Bounds = DefaultBounds
	}
	if len(desc.Bounds) > MaxBounds {
		return fmt.Errorf("create histogram %s: %d bounds, at most %d", desc.Name, len(desc.Bounds), MaxBounds)
	}
	for i, b := range desc.Bounds {
		if !finite(b) || i > 0 && b <= desc.Bounds[i-1] {
			return fmt.Errorf("create histogram %s: bound %d is %v; bounds are finite and ascend", desc.Name, i, b)
		}
	}
	if slices.Equal(desc.Bounds, DurationBounds) {
		desc.Bounds = DurationBounds // nearly all histograms have these, and share their memory
	} else {
		desc.Bounds = slices.Clone(desc.Bounds)
	}
	return nil
}

func validName(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		other := c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '/'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return true
}
