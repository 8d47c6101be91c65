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

// Snapshot gives all findings as JSON; the same findings give the same bytes.
func (t *Table) Snapshot() ([]byte, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := snapshot{Version: snapshotVersion, Findings: make([]record, 0, t.size)}
	for name, in := range t.tenants {
		for _, s := range in.services {
			for _, f := range s.findings {
				out.Findings = append(out.Findings, record{name, f.Key.Service, f.Key.Rule, f.Key.Subject, f.Key.Detail, f.Severity,
					f.Message, f.Mend, f.Name, f.Action, f.Count, f.First, f.Last, f.Trace.String(), f.Span.String()})
			}
		}
	}
	slices.SortFunc(out.Findings, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), compareKeys(a.key(), b.key()))
	})
	return json.Marshal(out)
}

func (r record) key() Key { return Key{r.Service, r.Rule, r.Subject, r.Detail} }

// Restore adds the findings of a snapshot to those that are there. Bounds hold. An
// error leaves the table as it was.
func (t *Table) Restore(text []byte) error {
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
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range findings {
		if to := t.tenant(in.Findings[i].Tenant); to != nil {
			t.add(to, f)
		}
	}
	return nil
}
