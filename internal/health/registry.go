package health

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry holds metrics and writes them in the text format of Prometheus.
type Registry struct {
	mu       sync.Mutex
	families map[string]*family
	collect  []func(*Registry)
}

// NewRegistry returns a Registry without metrics.
func NewRegistry() *Registry { return &Registry{families: map[string]*family{}} }

// family is the metrics of one name, which differ in the values of their labels.
type family struct {
	name, help, typ string
	buckets         []float64
	series          map[string]metric // by rendered labels
}

type metric interface {
	write(w *textWriter, name, labels string)
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// get finds or makes the metric of that name and labels. A name that is used
// with another type, or labels that are not pairs, is a mistake in the program.
func get[M metric](r *Registry, name, help, typ string, buckets []float64, labels []string, make func() M) M {
	key := renderLabels(labels)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.families[name]
	if f == nil {
		if !metricName.MatchString(name) {
			panic(fmt.Sprintf("health: metric name %q", name))
		}
		f = &family{name: name, help: help, typ: typ, buckets: buckets, series: map[string]metric{}}
		r.families[name] = f
	}
	if f.typ != typ || !slices.Equal(f.buckets, buckets) {
		panic(fmt.Sprintf("health: metric %s is a %s with other buckets or type", name, f.typ))
	}
	if m, ok := f.series[key]; ok {
		return m.(M)
	}
	m := make()
	f.series[key] = m
	return m
}

// renderLabels gives the text between the braces. labels are keys and values in turn.
func renderLabels(labels []string) string {
	if len(labels)%2 != 0 {
		panic(fmt.Sprintf("health: labels %q are not pairs", labels))
	}
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		if !labelName.MatchString(labels[i]) {
			panic(fmt.Sprintf("health: label name %q", labels[i]))
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i])
		b.WriteString(`="`)
		b.WriteString(labelEscaper.Replace(labels[i+1]))
		b.WriteByte('"')
	}
	return b.String()
}

var (
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// Counter counts up.
type Counter struct{ bits atomic.Uint64 }

// Counter finds or makes a counter. labels are keys and values in turn.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	return get(r, name, help, "counter", nil, labels, func() *Counter { return &Counter{} })
}

// Add adds delta; a negative one is ignored, because a counter never falls.
func (c *Counter) Add(delta float64) {
	if delta > 0 {
		addFloat(&c.bits, delta)
	}
}

// Value is the sum so far.
func (c *Counter) Value() float64 { return math.Float64frombits(c.bits.Load()) }

func (c *Counter) write(w *textWriter, name, labels string) { w.sample(name, labels, "", c.Value()) }

// Gauge goes up and down.
type Gauge struct{ bits atomic.Uint64 }

// Gauge finds or makes a gauge. labels are keys and values in turn.
func (r *Registry) Gauge(name, help string, labels ...string) *Gauge {
	return get(r, name, help, "gauge", nil, labels, func() *Gauge { return &Gauge{} })
}

// Set replaces the value.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Add adds delta, which may be negative.
func (g *Gauge) Add(delta float64) { addFloat(&g.bits, delta) }

// Value is the value now.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }

func (g *Gauge) write(w *textWriter, name, labels string) { w.sample(name, labels, "", g.Value()) }

func addFloat(bits *atomic.Uint64, delta float64) {
	for {
		old := bits.Load()
		if bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+delta)) {
			return
		}
	}
}

// Histogram counts observations in buckets with fixed upper bounds.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Uint64
}

// SecondsBuckets suit durations from a millisecond to a minute.
var SecondsBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Histogram finds or makes a histogram. buckets are ascending upper bounds;
// labels are keys and values in turn.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...string) *Histogram {
	return get(r, name, help, "histogram", buckets, labels, func() *Histogram {
		return &Histogram{bounds: buckets, counts: make([]atomic.Uint64, len(buckets)+1)}
	})
}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i].Add(1)
	addFloat(&h.sum, v)
}

func (h *Histogram) write(w *textWriter, name, labels string) {
	total := uint64(0)
	for i := range h.counts {
		total += h.counts[i].Load()
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = formatFloat(h.bounds[i])
		}
		w.sample(name+"_bucket", labels, `le="`+bound+`"`, float64(total))
	}
	w.sample(name+"_sum", labels, "", math.Float64frombits(h.sum.Load()))
	w.sample(name+"_count", labels, "", float64(total))
}

// OnCollect registers a function that sets gauges and counters of other parts'
// state just before the metrics are written.
func (r *Registry) OnCollect(fn func(*Registry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect = append(r.collect, fn)
}

// Mirror sets a counter that another part counts itself; it is for OnCollect. A
// total below the one before is ignored.
func (r *Registry) Mirror(name, help string, total float64, labels ...string) {
	c := r.Counter(name, help, labels...)
	for {
		old := c.bits.Load()
		if math.Float64frombits(old) >= total || c.bits.CompareAndSwap(old, math.Float64bits(total)) {
			return
		}
	}
}

// ContentType is what WriteText writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// WriteText writes every metric in the text format of Prometheus, by name and labels.
func (r *Registry) WriteText(out io.Writer) error {
	r.mu.Lock()
	collect := slices.Clone(r.collect)
	r.mu.Unlock()
	for _, fn := range collect {
		fn(r)
	}
	w := &textWriter{}
	r.mu.Lock()
	families := make([]*family, 0, len(r.families))
	for _, f := range r.families {
		families = append(families, f)
	}
	slices.SortFunc(families, func(a, b *family) int { return cmp.Compare(a.name, b.name) })
	for _, f := range families {
		fmt.Fprintf(&w.b, "# HELP %s %s\n# TYPE %s %s\n", f.name, helpEscaper.Replace(f.help), f.name, f.typ)
		keys := make([]string, 0, len(f.series))
		for k := range f.series {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			f.series[k].write(w, f.name, k)
		}
	}
	r.mu.Unlock()
	_, err := io.WriteString(out, w.b.String())
	return err
}

type textWriter struct{ b strings.Builder }

func (w *textWriter) sample(name, labels, more string, v float64) {
	w.b.WriteString(name)
	if labels != "" || more != "" {
		w.b.WriteByte('{')
		w.b.WriteString(labels)
		if labels != "" && more != "" {
			w.b.WriteByte(',')
		}
		w.b.WriteString(more)
		w.b.WriteByte('}')
	}
	w.b.WriteByte(' ')
	w.b.WriteString(formatFloat(v))
	w.b.WriteByte('\n')
}

func formatFloat(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
