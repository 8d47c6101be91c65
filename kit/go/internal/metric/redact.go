package metric

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// SetRedaction says whose redactions hold for labels. load is called once a
// collection; nil redacts nothing.
func (e *Engine) SetRedaction(load func() *policy.Snapshot) { e.redaction.Store(&load) }

// redactions is the policy that redacts now, nil when none does.
func (e *Engine) redactions() *policy.Snapshot {
	load := e.redaction.Load()
	if load == nil || *load == nil {
		return nil
	}
	if snapshot := (*load)(); snapshot.Redacts() {
		return snapshot
	}
	return nil
}

// redactor is a Sink before another one while the policy redacts. Labels are
// redacted when they are read and not when a series is bound, so that a new policy
// holds for series that are bound already and a record pays nothing. Points whose
// labels become the same are added up to one in the place of the first, because
// two with the same labels would contradict each other. It holds the points of one
// instrument at a time; flush hands on what it holds.
type redactor struct {
	policy *policy.Snapshot
	engine *Engine
	sink   Sink

	scope  *Scope
	desc   *Desc
	points []*held
	at     map[string]*held // by encoded labels
}

// held is a point of one or more series.
type held struct {
	Point
	seen bool // any of its series has a value in this collection
}

// touches reports whether the labels of any series are redacted. The points of an
// instrument without such labels need not be held.
func (r *redactor) touches(all []*Series) bool {
	return slices.ContainsFunc(all, func(s *Series) bool { return s.labels.redacted(r.policy) })
}

// Point takes a point over.
func (r *redactor) Point(scope *Scope, desc *Desc, p *Point) { r.take(scope, desc, p, true) }

// take is Point for one that may not be seen in this collection: it has an earlier value,
// which counts in a sum with others, and leaves with them only.
func (r *redactor) take(scope *Scope, desc *Desc, p *Point, seen bool) {
	if r.scope != scope || r.desc != desc {
		r.flush()
		r.scope, r.desc = scope, desc
	}
	labels := p.Labels.redact(desc.Kind, r.policy)
	if first := r.at[string(labels.otlp)]; first != nil {
		first.seen = first.seen || seen
		if !first.merge(desc, p) {
			r.engine.counters.Load().MetricInvalid.Add(1)
		}
		return
	}
	first := &held{*p, seen}
	first.Labels, first.Counts, first.Exemplars = labels, slices.Clone(p.Counts), slices.Clone(p.Exemplars)
	r.points = append(r.points, first)
	r.at[string(labels.otlp)] = first
}

func (r *redactor) flush() {
	for _, p := range r.points {
		if p.seen {
			r.sink.Point(r.scope, r.desc, &p.Point)
		}
	}
	clear(r.points)
	r.points = r.points[:0]
	clear(r.at)
}

// merge adds a point of the same labels to p, unless the sum would not be finite.
func (p *Point) merge(desc *Desc, q *Point) bool {
	switch {
	case desc.Kind == Gauge:
		if q.Set >= p.Set {
			p.Set, p.Bits = q.Set, q.Bits
		}
		return true
	case desc.Kind != Histogram && !desc.Float:
		p.Bits += q.Bits
		return true
	}
	sum := math.Float64frombits(p.Bits) + math.Float64frombits(q.Bits)
	if !finite(sum) {
		return false
	}
	p.Bits = math.Float64bits(sum)
	p.Count += q.Count
	for i, n := range q.Counts {
		p.Counts[i] += n
	}
	for _, ex := range q.Exemplars {
		i, found := slices.BinarySearchFunc(p.Exemplars, ex.Bucket, func(x Exemplar, b int) int { return x.Bucket - b })
		if !found {
			p.Exemplars = slices.Insert(p.Exemplars, i, ex)
		} else if ex.Time < p.Exemplars[i].Time {
			p.Exemplars[i] = ex
		}
	}
	return true
}

// redacted reports whether the policy, which may be nil, has a redaction for any of the
// labels.
func (l *Labels) redacted(s *policy.Snapshot) bool {
	return s != nil && !l.own && slices.ContainsFunc(l.list, func(kv attribute.KeyValue) bool {
		_, found := s.Redact(string(kv.Key))
		return found
	})
}

// redact is the labels as they may leave.
func (l *Labels) redact(kind Kind, s *policy.Snapshot) *Labels {
	if !l.redacted(s) {
		return l
	}
	kept := make([]attribute.KeyValue, 0, len(l.list))
	for _, kv := range l.list {
		if action, found := s.Redact(string(kv.Key)); found {
			if action.Do == policy.Drop {
				continue
			}
			kv.Value = redactValue(action, kv.Value)
		}
		kept = append(kept, kv)
	}
	return encodeLabels(kind, kept)
}

// redactValue is what an action that keeps the key leaves of a value. A number has no
// shorter form that hides anything, so truncating masks it too.
func redactValue(action policy.Action, v attribute.Value) attribute.Value {
	switch {
	case v.Type() == attribute.STRING:
		text, _ := action.Text(v.AsString())
		return attribute.StringValue(text)
	case v.Type() == attribute.STRINGSLICE && action.Do == policy.Truncate:
		texts := v.AsStringSlice()
		for i := range texts {
			texts[i], _ = action.Text(texts[i])
		}
		return attribute.StringSliceValue(texts)
	}
	return attribute.StringValue(policy.Masked)
}
