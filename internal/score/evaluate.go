package score

import (
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of an Evaluation.
const (
	maxServices  = 2000   // services of a tenant that are not known
	maxInstances = 10_000 // instances of a service that RES-002 remembers
	MaxExamples  = 5
)

// unnamed is the name that the pipeline gives to a resource without service.name.
const unnamed = "unknown_service"

// Example is a span that fails a rule.
type Example struct {
	Trace telemetry.TraceID
	Span  telemetry.SpanID
}

// Tally is what one rule saw of a service: resources as traces show them, spans or traces.
type Tally struct {
	Checked, Failed int64
	Examples        []Example
}

// Result is the score of one service.
type Result struct {
	Service string
	Score   float64
	Band    string
	Rules   [ruleCount]Tally // in the order of Rules
}

// Evaluation collects what traces say of their services.
type Evaluation struct {
	Spans, Traces int64
	LeftOut       int64 // spans of services that had no room
	services      map[string]*service
	strangers     int // of services; those that are known always have room
	known         func(service string) bool
}

type service struct {
	rules     [ruleCount]Tally
	instances map[string]*[len(logical)]string // by service.instance.id, what it came with
}

// logical tells resources apart that may share a service.instance.id by mistake.
var logical = [...]string{"k8s.pod.uid", "k8s.pod.name", "container.id", "host.name"}

// NewEvaluation returns one that has seen nothing. Services that are known have room
// whatever names others think of; known may be nil.
func NewEvaluation(known func(service string) bool) *Evaluation {
	return &Evaluation{services: map[string]*service{}, known: known}
}

// Judged is the number of traces with a span of a service.
func (e *Evaluation) Judged(service string) int64 {
	if s := e.services[service]; s != nil {
		return s.rules[spa001].Checked
	}
	return 0
}

func (e *Evaluation) service(name string) *service {
	s := e.services[name]
	if s != nil {
		return s
	}
	if e.known == nil || !e.known(name) {
		if e.strangers == maxServices {
			return nil
		}
		e.strangers++
	}
	s = &service{instances: map[string]*[len(logical)]string{}}
	e.services[name] = s
	return s
}

func (t *Tally) check(ok bool, trace telemetry.TraceID, span telemetry.SpanID) {
	if t.Checked++; ok {
		return
	}
	if t.Failed++; len(t.Examples) < MaxExamples {
		t.Examples = append(t.Examples, Example{trace, span})
	}
}

// part is what one trace has of one service.
type part struct {
	internal, short int
	any             telemetry.SpanID // of the failing kind, else the first
	shortest        telemetry.SpanID
	first           telemetry.SpanID
}

// Add judges one whole trace. The batch may be reused afterwards.
func (e *Evaluation) Add(b *telemetry.Batch) {
	s := &b.Spans
	if s.N == 0 {
		return
	}
	e.Traces++
	e.Spans += int64(s.N)
	names := telemetry.ServiceNames(b)
	ids := make(map[telemetry.SpanID]struct{}, s.N)
	for _, id := range s.SpanID {
		ids[id] = struct{}{}
	}
	misplaced := misplacedRows(&b.Spans.Table, telemetry.ScopeSpan, isResource)
	wrong := misplacedRows(&b.Resources, telemetry.ScopeResource, isSpan)
	judged := make([]bool, b.Resources.N)
	parts, order, short := map[string]*part{}, []string(nil), 0
	for i := range s.N {
		name := names[s.Resource[i]]
		of := e.service(name)
		if of == nil {
			e.LeftOut++
			continue
		}
		trace, span := s.TraceID[i], s.SpanID[i]
		p := parts[name]
		if p == nil {
			p = &part{first: span}
			parts[name], order = p, append(order, name)
		}
		if s.Kind[i] == telemetry.KindInternalOp {
			p.internal++
			p.any = span
		}
		if s.Duration[i] < shortNs {
			p.short++
			p.shortest = span
			short++
		}
		if s.Parent[i].IsZero() {
			of.rules[spa004].check(s.Kind[i] != telemetry.KindClient, trace, span)
		} else {
			_, stored := ids[s.Parent[i]]
			of.rules[spa002].check(stored, trace, span)
		}
		of.rules[res004].check(!misplaced[uint32(i)] && !wrong[s.Resource[i]], trace, span)
		if row := s.Resource[i]; !judged[row] {
			judged[row] = true
			of.resource(&b.Resources, row, name, trace, span)
		}
	}
	for _, name := range order {
		of, p := e.services[name], parts[name]
		of.rules[spa001].check(p.internal <= maxInternal, s.TraceID[0], p.any)
		bad := short > maxShort && p.short > 0
		example := p.first
		if bad {
			example = p.shortest
		}
		of.rules[spa005].check(!bad, s.TraceID[0], example)
	}
}

// resource judges one resource of a trace.
func (of *service) resource(t *telemetry.Table, row uint32, name string, trace telemetry.TraceID, span telemetry.SpanID) {
	of.rules[res005].check(name != "" && name != unnamed, trace, span)
	id := text(t, "service.instance.id", row)
	of.rules[res001].check(id != "", trace, span)
	uid := text(t, logical[0], row)
	if uid != "" || text(t, logical[1], row) != "" || text(t, "k8s.pod.ip", row) != "" {
		of.rules[res003].check(uid != "", trace, span)
	}
	if id == "" {
		return
	}
	known := of.instances[id]
	if known == nil {
		if len(of.instances) == maxInstances {
			return
		}
		known = &[len(logical)]string{}
		of.instances[id] = known
	}
	same := true
	for i, key := range logical {
		v := text(t, key, row)
		if known[i] == "" {
			known[i] = v
		}
		same = same && (v == "" || v == known[i])
	}
	of.rules[res002].check(same, trace, span)
}

func text(t *telemetry.Table, key string, row uint32) string {
	c := t.Find(telemetry.ScopeResource, key, telemetry.TypeString)
	if c == nil {
		return ""
	}
	if i, ok := slices.BinarySearch(c.Rows, row); ok {
		return c.Dict.Str(c.Codes[i])
	}
	return ""
}

// misplacedRows tells which rows have an attribute that belongs elsewhere.
func misplacedRows(t *telemetry.Table, scope telemetry.Scope, elsewhere func(string) bool) map[uint32]bool {
	var out map[uint32]bool
	t.EachName(func(s telemetry.Scope, key string, typ telemetry.Type) {
		if s != scope || !elsewhere(key) {
			return
		}
		if c := t.Find(s, key, typ); c != nil {
			if out == nil {
				out = map[uint32]bool{}
			}
			for _, row := range c.Rows {
				out[row] = true
			}
		}
	})
	return out
}

// isResource tells attributes that the conventions give to resources alone. Those
// that they give to both, such as process.* and cloud.*, are neither here nor there.
func isResource(key string) bool {
	switch key {
	case "service.name", "service.version", "service.namespace", "service.instance.id", "deployment.environment.name", "host.id", "host.name":
		return true
	}
	return strings.HasPrefix(key, "telemetry.sdk.") || strings.HasPrefix(key, "telemetry.distro.") || strings.HasPrefix(key, "k8s.pod.")
}

// isSpan tells attributes that the conventions give to spans and not to resources.
func isSpan(key string) bool {
	switch key {
	case "http.route", "url.full", "url.path", "url.query", "db.query.text", "db.operation.name", "db.collection.name", "db.system.name":
		return true
	}
	return strings.HasPrefix(key, "http.request.") || strings.HasPrefix(key, "http.response.") || strings.HasPrefix(key, "rpc.") || strings.HasPrefix(key, "messaging.")
}

// Results gives the services by name. A rule passes when nothing that was checked
// failed it, also when there was nothing to check.
func (e *Evaluation) Results() []Result {
	out := make([]Result, 0, len(e.services))
	for name, s := range e.services {
		r := Result{Service: name, Rules: s.rules}
		r.Score = Of(func(i int) bool { return s.rules[i].Failed == 0 })
		r.Band = Band(r.Score)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Result) int { return strings.Compare(a.Service, b.Service) })
	return out
}
