package charter

import (
	"maps"
	"slices"
)

// Team is who answers for a service or an attribute.
type Team struct{ Name, Contact, Escalation, Runbook string }

// Service is one program of the fleet, by its service.name.
type Service struct {
	Name, Team string // Team is empty when nobody owns it
	Language   string // go, rust or other
	Tier       string // critical, high, medium or low
	Journeys   []string
}

// SpanContract is what a kind of span promises. The span that it speaks of is told
// by exactly one of the Match fields.
type SpanContract struct {
	ID, Service                     string
	Kind                            string // server, client, internal, producer, consumer; empty: any
	MatchName, MatchRoute, MatchRPC string
	Requires                        []string // attributes that it has when it ends
	AtStart                         []string // those of Requires that it has when it starts
	MayCall                         []string // services; nil: any
	BusinessErrors                  []string // error types that belong to the business
	CountAsFailure                  bool     // whether those count as failures
	Brief                           string
}

// ImportKind says what an Import names.
type ImportKind string

// What can be imported.
const (
	ImportSemconv  ImportKind = "semconv"  // conventions of OpenTelemetry; Value is "builtin"
	ImportRegistry ImportKind = "registry" // a Weaver registry; Value is a folder within the charter's
	// ImportBackstage is a catalogue of Backstage: a file or a folder within the
	// charter's. Its teams and services are part of the charter as soon as it is read.
	ImportBackstage ImportKind = "backstage"
)

// Import is a vocabulary that the charter builds on. The charter only names it;
// [Charter.WithVocabulary] puts what it holds behind the charter's own words.
type Import struct {
	Kind  ImportKind
	Value string
}

// Environments lists the deployment environments in the order of the charter;
// empty means that none is named and all pass.
func (c *Charter) Environments() []string { return slices.Clone(c.environments) }

// Team gives the team of that name.
func (c *Charter) Team(name string) (Team, bool) { t, ok := c.teams[name]; return t, ok }

// Teams lists the names of the teams in alphabetical order.
func (c *Charter) Teams() []string { return slices.Sorted(maps.Keys(c.teams)) }

// Service gives the service of that name.
func (c *Charter) Service(name string) (Service, bool) { s, ok := c.services[name]; return s, ok }

// Services lists the names of the services in alphabetical order.
func (c *Charter) Services() []string { return slices.Sorted(maps.Keys(c.services)) }

// OwnerOf gives the team that answers for a service; false when the service is
// unknown or has none.
func (c *Charter) OwnerOf(service string) (Team, bool) {
	return c.Team(c.services[service].Team)
}

// Contracts lists the contracts of spans by their ids.
func (c *Charter) Contracts() []SpanContract { return slices.Clone(c.contracts) }

// Imports lists what the charter builds on, the first before the others.
func (c *Charter) Imports() []Import { return slices.Clone(c.imports) }
