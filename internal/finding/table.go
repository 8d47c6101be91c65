package finding

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of a table, for each tenant.
const (
	MaxTenants    = 256
	MaxServices   = 500 // that the charter does not name; named ones have room besides
	MaxPerRule    = 50  // findings of one rule of one service
	MaxPerService = 200
	MaxStrange    = 2_000  // findings of all services that the charter does not name
	MaxFindings   = 40_000 // of all tenants together, about 40 MiB
	maxTextBytes  = 200    // of each text of a finding
)

// Table holds findings.
type Table struct {
	now func() time.Time

	mu      sync.RWMutex
	known   map[string]bool // services that the charter names
	tenants map[string]*tenant
	size    int    // findings of all tenants
	lost    uint64 // observations of tenants over MaxTenants
}

type tenant struct {
	services map[string]*service
	strange  int // of services, those that the charter does not name
	size     int // findings of these
	overflow map[string]uint64
}

type service struct {
	findings map[Key]*Finding
	perRule  map[string]int
	overflow map[string]uint64
	strange  bool
}

// NewTable returns an empty table. now is time.Now when nil.
func NewTable(now func() time.Time) *Table {
	if now == nil {
		now = time.Now
	}
	return &Table{now: now, tenants: map[string]*tenant{}}
}

// Know tells the table which services the charter names.
func (t *Table) Know(services []string) {
	known := make(map[string]bool, len(services))
	for _, s := range services {
		known[s] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = known
}

// Add records observations of one tenant.
func (t *Table) Add(tenantName string, seen []Observation) {
	if len(seen) == 0 {
		return
	}
	now := t.now().UTC()
	t.mu.Lock()
	defer t.mu.Unlock()
	in := t.tenant(tenantName)
	if in == nil {
		for _, o := range seen {
			t.lost += o.Count
		}
		return
	}
	for _, o := range seen {
		o.clip()
		t.add(in, Finding{Observation: o, First: now, Last: now})
	}
}

func (t *Table) tenant(name string) *tenant {
	in := t.tenants[name]
	if in == nil {
		if len(t.tenants) >= MaxTenants {
			return nil
		}
		in = &tenant{services: map[string]*service{}, overflow: map[string]uint64{}}
		t.tenants[name] = in
	}
	return in
}

func (t *Table) add(in *tenant, f Finding) {
	s := in.services[f.Key.Service]
	if s == nil {
		strange := !t.known[f.Key.Service]
		if strange && in.strange >= MaxServices {
			in.overflow[f.Key.Rule] += f.Count
			return
		}
		if strange {
			in.strange++
		}
		s = &service{findings: map[Key]*Finding{}, perRule: map[string]int{}, overflow: map[string]uint64{}, strange: strange}
		in.services[f.Key.Service] = s
	}
	old := s.findings[f.Key]
	if old == nil {
		if s.perRule[f.Key.Rule] >= MaxPerRule || len(s.findings) >= MaxPerService || s.strange && in.size >= MaxStrange || t.size >= MaxFindings {
			s.overflow[f.Key.Rule] += f.Count
			return
		}
		s.perRule[f.Key.Rule]++
		t.size++
		if s.strange {
			in.size++
		}
		s.findings[f.Key] = &f
		return
	}
	// The newest example is the one that is still on disk when the others have aged out.
	first, count := old.First, old.Count
	if f.Last.Before(old.Last) {
		f.Observation, f.Last = old.Observation, old.Last
	}
	*old = f
	old.Count = count + f.Count
	if first.Before(f.First) {
		old.First = first
	}
}

func (o *Observation) clip() {
	for _, s := range []*string{&o.Key.Service, &o.Key.Subject, &o.Key.Detail, &o.Message, &o.Mend, &o.Name} {
		if len(*s) > maxTextBytes+len("…") {
			*s = strings.ToValidUTF8((*s)[:maxTextBytes], "") + "…"
		}
	}
}

// Forget removes findings that were last seen before an instant, such as the
// oldest span that is kept: their examples are gone.
func (t *Table) Forget(before time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, in := range t.tenants {
		for serviceName, s := range in.services {
			for key, f := range s.findings {
				if f.Last.Before(before) {
					delete(s.findings, key)
					t.size--
					if s.strange {
						in.size--
					}
					if s.perRule[key.Rule]--; s.perRule[key.Rule] == 0 {
						delete(s.perRule, key.Rule)
					}
				}
			}
			if len(s.findings) == 0 {
				delete(in.services, serviceName)
				if s.strange {
					in.strange--
				}
			}
		}
		if len(in.services) == 0 {
			delete(t.tenants, name)
		}
	}
}

// List gives the findings of a tenant, the worst first, then the most frequent,
// then by service, rule, subject and detail.
func (t *Table) List(tenantName string) []Finding {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Finding
	if in := t.tenants[tenantName]; in != nil {
		for _, s := range in.services {
			for _, f := range s.findings {
				out = append(out, *f)
			}
		}
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(b.Count, a.Count), compareKeys(a.Key, b.Key))
	})
	return out
}

// Overflows gives what the bounds kept out of a tenant's findings, by service and rule.
func (t *Table) Overflows(tenantName string) []Overflow {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Overflow
	if in := t.tenants[tenantName]; in != nil {
		for rule, n := range in.overflow {
			out = append(out, Overflow{Rule: rule, Count: n})
		}
		for name, s := range in.services {
			for rule, n := range s.overflow {
				out = append(out, Overflow{Service: name, Rule: rule, Count: n})
			}
		}
	}
	slices.SortFunc(out, func(a, b Overflow) int { return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Rule, b.Rule)) })
	return out
}

// Lost is how many observations came from tenants over the bound.
func (t *Table) Lost() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.lost
}

func rank(s Severity) int {
	switch s {
	case Violation:
		return 0
	case Improvement:
		return 1
	}
	return 2
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Detail, b.Detail))
}
