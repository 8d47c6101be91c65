package finding

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

const snapshotVersion = 1

type snapshot struct {
	Version  int      `json:"version"`
	Findings []record `json:"findings"`
	Coverage []seen   `json:"coverage"`
}

type seen struct {
	Tenant   string    `json:"tenant"`
	Contract string    `json:"contract"`
	Count    uint64    `json:"count"`
	Last     time.Time `json:"last"`
	Trace    string    `json:"trace"`
}

type record struct {
	Tenant   string    `json:"tenant"`
	Service  string    `json:"service"`
	Rule     string    `json:"rule"`
	Subject  string    `json:"subject"`
	Detail   string    `json:"detail,omitempty"`
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"`
	Mend     string    `json:"mend"`
	Name     string    `json:"name,omitempty"`
	Action   string    `json:"action"`
	Count    uint64    `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Trace    string    `json:"trace"`
	Span     string    `json:"span"`
}

// Snapshot gives all findings and the coverage as JSON; the same give the same bytes.
func Snapshot(t *Table, c *Coverage) ([]byte, error) {
	return json.Marshal(snapshot{Version: snapshotVersion, Findings: t.records(), Coverage: c.records()})
}

func (t *Table) records() []record {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]record, 0, t.size)
	for name, in := range t.tenants {
		for _, s := range in.services {
			for _, f := range s.findings {
				out = append(out, record{name, f.Key.Service, f.Key.Rule, f.Key.Subject, f.Key.Detail, f.Severity,
					f.Message, f.Mend, f.Name, f.Action, f.Count, f.First, f.Last, f.Trace.String(), f.Span.String()})
			}
		}
	}
	slices.SortFunc(out, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), compareKeys(a.key(), b.key()))
	})
	return out
}

func (c *Coverage) records() []seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]seen, 0, len(c.seen))
	for key, s := range c.seen {
		out = append(out, seen{key[0], key[1], s.Count, s.Last, s.Trace.String()})
	}
	slices.SortFunc(out, func(a, b seen) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Contract, b.Contract))
	})
	return out
}

func (r record) key() Key { return Key{r.Service, r.Rule, r.Subject, r.Detail} }

// Restore adds what a snapshot holds to what is there. Bounds hold. An error leaves
// both as they were.
func Restore(text []byte, t *Table, c *Coverage) error {
	var in snapshot
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("read findings: %w", err)
	}
	if in.Version != snapshotVersion {
		return fmt.Errorf("read findings: version %d: this clew reads %d", in.Version, snapshotVersion)
	}
	findings := make([]Finding, len(in.Findings))
	for i, r := range in.Findings {
		trace, err := telemetry.ParseTraceID(r.Trace)
		if err != nil {
			return fmt.Errorf("read finding %d: %w", i, err)
		}
		span, err := telemetry.ParseSpanID(r.Span)
		if err != nil {
			return fmt.Errorf("read finding %d: %w", i, err)
		}
		findings[i] = Finding{Observation{r.key(), r.Severity, r.Message, r.Mend, r.Name, r.Action, r.Count, trace, span}, r.First, r.Last}
		findings[i].clip()
	}
	traces := make([]telemetry.TraceID, len(in.Coverage))
	for i, s := range in.Coverage {
		var err error
		if traces[i], err = telemetry.ParseTraceID(s.Trace); err != nil {
			return fmt.Errorf("read coverage %d: %w", i, err)
		}
	}
	for i, s := range in.Coverage {
		c.add(s.Tenant, s.Contract, Seen{s.Count, s.Last, traces[i]})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range findings {
		if to := t.tenant(in.Findings[i].Tenant); to != nil {
			t.add(to, f)
		}
	}
	return nil
}
