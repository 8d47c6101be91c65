package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Governance is the charter in force and what was found of it.
type Governance interface {
	// Charter gives the charter in force with everything that it imports.
	Charter() *charter.Charter
	// CharterState tells from where it is (empty: built in), since when, and why
	// the files as they stand are not in force.
	CharterState() (file string, since time.Time, broken error)
	// Findings gives what breaks it, the worst first, and what had no room.
	Findings(tenant string) ([]finding.Finding, []finding.Overflow)
	// Seen gives what came of a contract.
	Seen(tenant, contract string) finding.Seen
}

type teamJSON struct {
	Name       string `json:"name"`
	Contact    string `json:"contact"`
	Escalation string `json:"escalation"`
	Runbook    string `json:"runbook"`
}

type charterServiceJSON struct {
	Name     string `json:"name"`
	Team     string `json:"team"`
	Language string `json:"language"`
	Tier     string `json:"tier"`
}

type contractJSON struct {
	ID       string   `json:"id"`
	Service  string   `json:"service"`
	Kind     string   `json:"kind"`
	Match    string   `json:"match"`
	Requires []string `json:"requires"`
	MayCall  []string `json:"mayCall,omitzero"` // nil: not said; empty: nothing
	Brief    string   `json:"brief"`
	Seen     uint64   `json:"seen"`
	LastSeen string   `json:"lastSeen"`
	Trace    string   `json:"trace"`
}

type ruleJSON struct {
	Rule  charter.Rule `json:"rule"`
	Mode  charter.Mode `json:"mode"`
	Brief string       `json:"brief"`
}

type charterJSON struct {
	Version       string               `json:"version"`
	Organisation  string               `json:"organisation"`
	File          string               `json:"file"`
	Since         string               `json:"since"`
	Error         string               `json:"error"`
	Environments  []string             `json:"environments"`
	Attributes    int                  `json:"attributes"`
	OwnAttributes int                  `json:"ownAttributes"`
	Detectors     []string             `json:"detectors"`
	Teams         []teamJSON           `json:"teams"`
	Services      []charterServiceJSON `json:"services"`
	Contracts     []contractJSON       `json:"contracts"`
	Rules         []ruleJSON           `json:"rules"`
}

// charter answers with what is in force.
func (s *Server) charter(w http.ResponseWriter, r *http.Request) error {
	p := auth.FromContext(r.Context())
	c := s.o.Governance.Charter()
	file, since, broken := s.o.Governance.CharterState()
	out := charterJSON{Version: c.Version(), Organisation: c.Organisation(), File: file, Since: instant(since), Environments: list(c.Environments()),
		Detectors: list(c.Privacy().Detectors), Teams: []teamJSON{}, Services: []charterServiceJSON{}, Contracts: []contractJSON{}, Rules: []ruleJSON{}}
	if broken != nil {
		out.Error = broken.Error()
	}
	if !p.May(auth.RoleAdmin) {
		out.File = "" // a path of the server
	}
	names := c.Attributes()
	out.Attributes = len(names)
	for _, name := range names {
		if a, _ := c.Attribute(name); a.Source == charter.SourceCharter {
			out.OwnAttributes++
		}
	}
	for _, name := range c.Teams() {
		team, _ := c.Team(name)
		out.Teams = append(out.Teams, teamJSON(team))
	}
	for _, name := range c.Services() {
		one, _ := c.Service(name)
		out.Services = append(out.Services, charterServiceJSON{one.Name, one.Team, one.Language, one.Tier})
	}
	for _, one := range c.Contracts() {
		seen := s.o.Governance.Seen(p.Tenant, one.ID)
		j := contractJSON{ID: one.ID, Service: one.Service, Kind: one.Kind, Match: matchOf(one), Requires: list(one.Requires), MayCall: one.MayCall, Brief: one.Brief, Seen: seen.Count}
		if seen.Count > 0 {
			j.LastSeen, j.Trace = instant(seen.Last), seen.Trace.String()
		}
		out.Contracts = append(out.Contracts, j)
	}
	for _, rule := range charter.Rules() {
		out.Rules = append(out.Rules, ruleJSON{rule, c.ModeOf(rule), rule.Brief()})
	}
	return writeJSON(w, out)
}

func matchOf(c charter.SpanContract) string {
	switch {
	case c.MatchRoute != "":
		return "http.route=" + c.MatchRoute
	case c.MatchRPC != "":
		return "rpc.method=" + c.MatchRPC
	}
	return "name=" + c.MatchName
}

// list gives an empty list for none: JSON's null is no list.
func list(v []string) []string {
	if v == nil {
		return []string{}
	}
	return v
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

type termJSON struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Brief      string   `json:"brief"`
	Note       string   `json:"note"`
	Examples   []string `json:"examples"`
	Members    []string `json:"members"`
	Stability  string   `json:"stability"`
	Deprecated string   `json:"deprecated"`
	RenamedTo  string   `json:"renamedTo"`
	Formerly   []string `json:"formerly"`
	Owner      string   `json:"owner"`
	Personal   string   `json:"personal"`
	OnIngest   string   `json:"onIngest"`
	Source     string   `json:"source"`
}

// glossary answers with what names mean.
func (s *Server) glossary(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 200, 1, 5000)
	if err != nil {
		return err
	}
	text, source := strings.ToLower(r.FormValue("text")), r.FormValue("source")
	if source != "" && source != "all" && source != "own" {
		return telemetry.Errorf(telemetry.KindInvalid, "source: %q is neither all nor own", telemetry.Clip(source))
	}
	c := s.o.Governance.Charter()
	out := struct {
		Terms []termJSON `json:"terms"`
		Total int        `json:"total"`
	}{Terms: []termJSON{}}
	for _, name := range c.Attributes() {
		a, _ := c.Attribute(name)
		if source == "own" && a.Source != charter.SourceCharter || text != "" && !strings.Contains(strings.ToLower(name), text) && !strings.Contains(strings.ToLower(a.Brief), text) {
			continue
		}
		if out.Total++; out.Total <= limit {
			out.Terms = append(out.Terms, termOf(a))
		}
	}
	return writeJSON(w, out)
}

func termOf(a charter.Attribute) termJSON {
	t := termJSON{Name: a.Name, Type: string(a.Type), Brief: a.Brief, Note: a.Note, Examples: list(a.Examples), Members: []string{}, Stability: a.Stability,
		Formerly: list(a.Formerly), Owner: a.Owner, Personal: string(a.Personal), OnIngest: string(a.OnIngest.Kind), Source: a.Source}
	for _, m := range a.Members {
		t.Members = append(t.Members, m.Value)
	}
	if a.Deprecated != nil {
		t.Deprecated, t.RenamedTo = a.Deprecated.Reason, a.Deprecated.RenamedTo
	}
	return t
}

type findingJSON struct {
	Rule     string           `json:"rule"`
	Severity finding.Severity `json:"severity"`
	Service  string           `json:"service"`
	Language string           `json:"language"`
	Team     *teamJSON        `json:"team,omitempty"`
	Subject  string           `json:"subject"`
	Detail   string           `json:"detail"`
	Message  string           `json:"message"`
	Mend     string           `json:"mend"`
	Name     string           `json:"name"`
	Go       string           `json:"go"`
	Rust     string           `json:"rust"`
	Action   string           `json:"action"`
	Count    uint64           `json:"count"`
	First    string           `json:"first"`
	Last     string           `json:"last"`
	Trace    string           `json:"trace"`
	Span     string           `json:"span"`
}

type overflowJSON struct {
	Service string `json:"service"`
	Rule    string `json:"rule"`
	Count   uint64 `json:"count"`
}

// foundInJSON sums up the findings of one service.
type foundInJSON struct {
	Service    string `json:"service"`
	Team       string `json:"team"`
	Findings   int    `json:"findings"`
	Violations int    `json:"violations"`
	Count      uint64 `json:"count"`
}

// foundIn sums up findings by service: those with most violations first, then those
// with most findings.
type foundIn map[string]*foundInJSON

func (in foundIn) add(f finding.Finding, team string) {
	one := in[f.Key.Service]
	if one == nil {
		one = &foundInJSON{Service: f.Key.Service, Team: team}
		in[f.Key.Service] = one
	}
	one.Findings++
	one.Count += f.Count
	if f.Severity == finding.Violation {
		one.Violations++
	}
}

func (in foundIn) list() []foundInJSON {
	out := make([]foundInJSON, 0, len(in))
	for _, one := range in {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b foundInJSON) int {
		return cmp.Or(b.Violations-a.Violations, b.Findings-a.Findings, cmp.Compare(a.Service, b.Service))
	})
	return out
}

// nobody stands for no team in a request.
const nobody = "(none)"

// findings answers with what breaks the charter.
func (s *Server) findings(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 500, 1, 5000)
	if err != nil {
		return err
	}
	service, team, rule, severity := r.FormValue("service"), r.FormValue("team"), r.FormValue("rule"), r.FormValue("severity")
	if rule != "" && !slices.Contains(charter.Rules(), charter.Rule(rule)) {
		return telemetry.Errorf(telemetry.KindInvalid, "rule: %q is not one; GET /api/charter lists them", telemetry.Clip(rule))
	}
	switch finding.Severity(severity) {
	case "", finding.Violation, finding.Improvement, finding.Information:
	default:
		return telemetry.Errorf(telemetry.KindInvalid, "severity: %q is neither violation, improvement nor information", telemetry.Clip(severity))
	}
	c := s.o.Governance.Charter()
	found, overflow := s.o.Governance.Findings(auth.FromContext(r.Context()).Tenant)
	out := struct {
		Findings []findingJSON  `json:"findings"`
		Total    int            `json:"total"`
		Services []foundInJSON  `json:"services"`
		Overflow []overflowJSON `json:"overflow"`
		Version  string         `json:"version"`
	}{[]findingJSON{}, 0, nil, []overflowJSON{}, c.Version()}
	services := foundIn{}
	for _, f := range found {
		owner, owned := c.OwnerOf(f.Key.Service)
		if service != "" && f.Key.Service != service || rule != "" && f.Key.Rule != rule || severity != "" && string(f.Severity) != severity ||
			team == nobody && owned || team != "" && team != nobody && owner.Name != team {
			continue
		}
		services.add(f, owner.Name)
		if out.Total++; out.Total > limit {
			continue
		}
		known, _ := c.Service(f.Key.Service)
		j := findingJSON{Rule: f.Key.Rule, Severity: f.Severity, Service: f.Key.Service, Language: known.Language, Subject: f.Key.Subject, Detail: f.Key.Detail,
			Message: f.Message, Mend: f.Mend, Name: f.Name, Action: f.Action, Count: f.Count, First: instant(f.First), Last: instant(f.Last),
			Trace: f.Trace.String(), Span: f.Span.String()}
		if owned {
			t := teamJSON(owner)
			j.Team = &t
		}
		j.Go, j.Rust = mendCode(c, f)
		out.Findings = append(out.Findings, j)
	}
	out.Services = services.list()
	for _, o := range overflow {
		out.Overflow = append(out.Overflow, overflowJSON(o))
	}
	return writeJSON(w, out)
}
