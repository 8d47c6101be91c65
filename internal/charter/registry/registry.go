package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

// Registry is a vocabulary with all references followed.
type Registry struct {
	Name      string // the schema URL without scheme and version, such as opentelemetry.io/schemas
	SchemaURL string

	attributes []Attribute
	spans      []Span
	metrics    []Metric
	events     []Event
	entities   []Entity

	index   map[string]int // of attributes, by name
	source  string         // what Attributes says of where they come from
	catalog catalog        // what registries that depend on this one may refer to
}

// Attribute is the definition of an attribute.
type Attribute struct {
	Name       string
	Type       string // string, int, double, boolean, any, one of these with [], template[…], enum
	Members    []Member
	Brief      string
	Note       string
	Examples   []string // as text, a list as [a, b]
	Stability  string   // stable, release_candidate, beta, alpha, development, deprecated
	Deprecated *Deprecated

	// What the annotations under clew say, which a registry has that was made of a charter.
	Owner    string
	Personal charter.Personal
	OnIngest charter.Action
	Formerly []string
	Common   bool
}

// Member is a value that an attribute of type enum is known to have.
type Member struct {
	ID         string
	Value      string // as text
	ValueType  string // string, int, double or boolean
	Brief      string
	Stability  string // empty where the registry says nothing
	Deprecated *Deprecated
}

// Deprecated says that a name is no longer to be used.
type Deprecated struct {
	Reason    string // renamed, obsoleted, uncategorized; unspecified where only a sentence is given
	RenamedTo string // of renamed
	Note      string // what Weaver infers where the registry says nothing
}

// Use is an attribute as one signal uses it.
type Use struct {
	Name        string
	Level       string // required, conditionally_required, recommended, opt_in
	LevelNote   string // the condition
	AtStart     bool   // relevant for sampling, so to be given when a span starts
	Identifying bool   // part of the identity of an entity
	Stability   string
	Deprecated  *Deprecated
}

// Signal is what spans, metrics, events and entities have in common.
type Signal struct {
	ID         string // span type, metric name, event name, entity type; a refinement has its own
	Refines    string // what it refines; empty for what is no refinement
	Brief      string
	Stability  string
	Deprecated *Deprecated
	Attributes []Use // sorted by name
}

// Span is a kind of operation.
type Span struct {
	Signal
	Kind string // client, server, producer, consumer, internal
}

// Metric is a measurement.
type Metric struct {
	Signal
	Name       string // what a refinement refines, else the ID
	Instrument string // counter, updowncounter, gauge, histogram
	Unit       string
}

// Event is something that happened at a moment.
type Event struct {
	Signal
	Name string // the ID, but for an event of the first generation that extends another
}

// Entity is what telemetry is about: a service, a host.
type Entity struct {
	Signal
}

// Definitions are the attributes that the registry defines, imports or refers to, sorted by name.
func (r *Registry) Definitions() []Attribute { return slices.Clone(r.attributes) }

// Definition finds an attribute by its exact name.
func (r *Registry) Definition(name string) (Attribute, bool) {
	i, ok := r.index[name]
	if !ok {
		return Attribute{}, false
	}
	return r.attributes[i], true
}

// Spans are sorted by ID, as are all signals.
func (r *Registry) Spans() []Span { return slices.Clone(r.spans) }

// Metrics are sorted by ID.
func (r *Registry) Metrics() []Metric { return slices.Clone(r.metrics) }

// Events are sorted by ID.
func (r *Registry) Events() []Event { return slices.Clone(r.events) }

// Entities are sorted by ID.
func (r *Registry) Entities() []Entity { return slices.Clone(r.entities) }

// Version is the last part of the schema URL, or empty.
func (r *Registry) Version() string {
	_, version := splitSchemaURL(r.SchemaURL)
	return version
}

// splitSchemaURL takes https://host/path/1.2.0 apart into host/path and 1.2.0.
func splitSchemaURL(url string) (name, version string) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		rest = url
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash <= 0 {
		return rest, ""
	}
	return rest[:slash], rest[slash+1:]
}

func (r *Registry) sort() {
	slices.SortFunc(r.attributes, func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.spans, func(a, b Span) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.metrics, func(a, b Metric) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.events, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.entities, func(a, b Entity) int { return cmp.Compare(a.ID, b.ID) })
	r.index = make(map[string]int, len(r.attributes))
	for i, a := range r.attributes {
		r.index[a.Name] = i
	}
}
