package self

import (
	"sort"
	"sync"
	"time"
)

// Bounds are the upper bounds in seconds of the buckets of Duration.Counts, the
// ones that semantic conventions give for durations of requests.
var Bounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// maxOutcomes bounds the outcomes that a signal keeps apart. A collector that
// answers with ever new status codes fills the last one, "_OTHER".
const maxOutcomes = 16

// Durations is otel.sdk.exporter.operation.duration of one signal: a histogram
// for each outcome. The zero value is ready.
type Durations struct {
	mu sync.Mutex
	by map[string]*Duration
}

// Duration is the histogram of one outcome.
type Duration struct {
	// Outcome is a status code in decimal digits when there was an answer, else the
	// error's type, such as "timeout".
	Outcome string
	Count   uint64
	Sum     float64 // seconds
	Counts  [len(Bounds) + 1]uint64
}

// Record adds one attempt that took d.
func (h *Durations) Record(outcome string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = make(map[string]*Duration)
	}
	one := h.by[outcome]
	if one == nil {
		if len(h.by) >= maxOutcomes-1 {
			outcome = "_OTHER"
		}
		if one = h.by[outcome]; one == nil {
			one = &Duration{Outcome: outcome}
			h.by[outcome] = one
		}
	}
	seconds := d.Seconds()
	one.Count++
	one.Sum += seconds
	one.Counts[sort.SearchFloat64s(Bounds[:], seconds)]++
}

// Snapshot is a copy of all histograms, sorted by outcome.
func (h *Durations) Snapshot() []Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Duration, 0, len(h.by))
	for _, one := range h.by {
		all = append(all, *one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Outcome < all[j].Outcome })
	return all
}
