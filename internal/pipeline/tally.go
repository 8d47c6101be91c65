package pipeline

import (
	"cmp"
	"slices"

	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

// maxTally bounds the findings of one batch; the table behind has its own bounds.
const maxTally = 4096

// tally gathers what is found in one batch, so that the table of findings is
// locked once. It is made for a batch and knows whose its rows are.
type tally struct {
	b        *telemetry.Batch
	seen     map[finding.Key]*finding.Observation
	services []string                    // of each row of Resources; made when something is found
	redact   func(service string) string // of a batch that is not redacted yet; else nil
	lost     uint64                      // over maxTally
	first    firstSpans
}

// firstSpans gives a span of each resource and of each scope, for examples.
type firstSpans struct{ resource, scope []uint32 }

const noSpan = ^uint32(0)

func newTally(b *telemetry.Batch) *tally { return &tally{b: b} }

// table is a table of the batch, by its place in Batch.Tables.
type table int

const (
	tableSpans table = iota
	tableEvents
	tableLinks
	tableResources
	tableScopes
)

// span gives a span that a row of a table belongs to.
func (t *tally) span(of table, row uint32) uint32 {
	switch of {
	case tableSpans:
		return row
	case tableEvents:
		return t.b.Events.Span[row]
	case tableLinks:
		return t.b.Links.Span[row]
	}
	if t.first.resource == nil {
		s := &t.b.Spans
		t.first = firstSpans{slices.Repeat([]uint32{noSpan}, t.b.Resources.N), slices.Repeat([]uint32{noSpan}, t.b.Scopes.N)}
		for i := s.N - 1; i >= 0; i-- {
			t.first.resource[s.Resource[i]], t.first.scope[s.Scope[i]] = uint32(i), uint32(i)
		}
	}
	if of == tableResources {
		return t.first.resource[row]
	}
	return t.first.scope[row]
}

// service gives the service.name of a span; noSpan has none.
func (t *tally) service(span uint32) string {
	if span == noSpan {
		return UnknownService
	}
	return t.serviceOf(t.b.Spans.Resource[span])
}

func (t *tally) serviceOf(resource uint32) string {
	if t.services == nil {
		t.services = slices.Repeat([]string{UnknownService}, t.b.Resources.N)
		if c := t.b.Resources.Find(telemetry.ScopeResource, telemetry.KeyServiceName, telemetry.TypeString); c != nil {
			for i, row := range c.Rows {
				t.services[row] = c.Dict.Str(c.Codes[i])
				if t.redact != nil {
					t.services[row] = t.redact(t.services[row])
				}
			}
		}
	}
	return t.services[resource]
}

// add counts an observation of a row. What o says beside its key is kept of the
// first one only.
func (t *tally) add(of table, row uint32, o finding.Observation) {
	span := t.span(of, row)
	o.Key.Service = t.service(span)
	t.addOf(span, o)
}

// addRows counts an observation of many rows of one table.
func (t *tally) addRows(of table, rows []uint32, o finding.Observation) {
	if of == tableResources || of == tableScopes {
		for _, row := range rows {
			t.add(of, row, o)
		}
		return
	}
	counts, first := make([]uint64, t.b.Resources.N), make([]uint32, t.b.Resources.N)
	for _, row := range rows {
		span := t.span(of, row)
		resource := t.b.Spans.Resource[span]
		if counts[resource] == 0 {
			first[resource] = span
		}
		counts[resource]++
	}
	for resource, n := range counts {
		if n > 0 {
			o.Key.Service = t.serviceOf(uint32(resource))
			o.Count = n
			t.addOf(first[resource], o)
		}
	}
}

// addOf counts an observation whose service is known: once, or as often as it says.
func (t *tally) addOf(span uint32, o finding.Observation) {
	o.Count = max(o.Count, 1)
	if old := t.seen[o.Key]; old != nil {
		old.Count += o.Count
		return
	}
	if t.seen == nil {
		t.seen = map[finding.Key]*finding.Observation{}
	}
	if len(t.seen) >= maxTally {
		t.lost += o.Count
		return
	}
	if span != noSpan {
		o.Trace, o.Span = t.b.Spans.TraceID[span], t.b.Spans.SpanID[span]
	}
	t.seen[o.Key] = &o
}

// flush hands over what was found, in a fixed order.
func (t *tally) flush(to Findings, lost Counter) {
	if len(t.seen) == 0 {
		return
	}
	out := make([]finding.Observation, 0, len(t.seen))
	for _, o := range t.seen {
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b finding.Observation) int {
		return cmp.Or(cmp.Compare(a.Key.Service, b.Key.Service), cmp.Compare(a.Key.Rule, b.Key.Rule),
			cmp.Compare(a.Key.Subject, b.Key.Subject), cmp.Compare(a.Key.Detail, b.Key.Detail))
	})
	to.Add(t.b.Tenant, out)
	if t.lost > 0 {
		lost.Add(float64(t.lost))
	}
}
