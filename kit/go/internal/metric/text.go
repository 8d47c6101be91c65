package metric

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// TextType is the content type of what Text writes.
const TextType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

// Text is a Sink that writes OpenMetrics 1.0 for people and for scrapes: names as
// Prometheus has them, families sorted by name, exemplars behind their buckets.
// Families of several scopes with the same name and type are one.
type Text struct {
	families map[string]*family
}

type family struct {
	name, kind, unit, help string
	lines                  bytes.Buffer
}

// Point appends the lines of a point.
func (t *Text) Point(_ *Scope, desc *Desc, p *Point) {
	name, unit := textName(desc)
	kind := "gauge"
	switch desc.Kind {
	case Counter:
		kind = "counter"
	case Histogram:
		kind = "histogram"
	}
	if t.families == nil {
		t.families = make(map[string]*family)
	}
	f := t.families[name]
	if f == nil {
		f = &family{name: name, kind: kind, unit: unit, help: desc.Description}
		t.families[name] = f
	}
	// A page with the same family twice, or with two types, is refused as a whole.
	if f.kind != kind {
		return
	}
	labels := textLabels(p.Labels)
	b := &f.lines
	switch desc.Kind {
	case Histogram:
		f.histogram(labels, desc, p)
	case Counter:
		fmt.Fprintf(b, "%s_total%s %s\n", name, braced(labels), textValue(desc, p.Bits))
	default:
		fmt.Fprintf(b, "%s%s %s\n", name, braced(labels), textValue(desc, p.Bits))
	}
}

func (f *family) histogram(labels string, desc *Desc, p *Point) {
	if labels != "" {
		labels += ","
	}
	var below uint64
	exemplars := p.Exemplars
	for i, n := range p.Counts {
		below += n
		le := "+Inf"
		if i < len(desc.Bounds) {
			le = textBound(desc.Bounds[i])
		}
		fmt.Fprintf(&f.lines, "%s_bucket{%sle=\"%s\"} %d", f.name, labels, le, below)
		if len(exemplars) > 0 && exemplars[0].Bucket == i {
			ex := exemplars[0]
			exemplars = exemplars[1:]
			fmt.Fprintf(&f.lines, " # {trace_id=\"%s\",span_id=\"%s\"} %s %d.%03d", ex.TraceID, ex.SpanID,
				textFloat(ex.Value), ex.Time/1e9, ex.Time/1e6%1e3)
		}
		f.lines.WriteByte('\n')
	}
	labels = braced(strings.TrimSuffix(labels, ","))
	fmt.Fprintf(&f.lines, "%s_sum%s %s\n", f.name, labels, textFloat(math.Float64frombits(p.Bits)))
	fmt.Fprintf(&f.lines, "%s_count%s %d\n", f.name, labels, p.Count)
}

// Bytes is the whole text.
func (t *Text) Bytes() []byte {
	names := make([]string, 0, len(t.families))
	for name := range t.families {
		names = append(names, name)
	}
	sort.Strings(names)
	var b bytes.Buffer
	for _, name := range names {
		f := t.families[name]
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, f.kind)
		if f.unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", name, f.unit)
		}
		if f.help != "" {
			fmt.Fprintf(&b, "# HELP %s %s\n", name, escape(f.help))
		}
		b.Write(f.lines.Bytes())
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

var textUnits = map[string]string{
	"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "min": "minutes", "h": "hours", "d": "days",
	"By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "Cel": "celsius", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "%": "percent",
}

// textName is the name of a family, with its unit at the end, and the unit.
func textName(desc *Desc) (name, unit string) {
	unit = textUnits[desc.Unit]
	if desc.Unit == "1" && desc.Kind == Gauge {
		unit = "ratio"
	}
	name = textWord(desc.Name)
	if desc.Kind == Counter {
		name = strings.TrimSuffix(name, "_total")
	}
	if unit != "" && name != unit && !strings.HasSuffix(name, "_"+unit) {
		name += "_" + unit
	}
	return name, unit
}

// textWord replaces what may not stand in the name of a metric or label.
func textWord(s string) string {
	b := []byte(s)
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			b[i] = '_'
		}
	}
	return string(b)
}

func textLabels(l *Labels) string {
	var b strings.Builder
	for i, kv := range l.list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=\"%s\"", textWord(string(kv.Key)), escape(kv.Value.Emit()))
	}
	return b.String()
}

func braced(labels string) string {
	if labels == "" {
		return ""
	}
	return "{" + labels + "}"
}

var escaper = strings.NewReplacer("\\", `\\`, "\"", `\"`, "\n", `\n`)

func escape(s string) string { return escaper.Replace(strings.ToValidUTF8(s, "\uFFFD")) }

func textValue(desc *Desc, bits uint64) string {
	if desc.Float {
		return textFloat(math.Float64frombits(bits))
	}
	return strconv.FormatInt(int64(bits), 10)
}

func textFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// textBound is a bound as OpenMetrics wants it, with a fraction.
func textBound(v float64) string {
	s := textFloat(v)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
