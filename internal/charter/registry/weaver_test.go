package registry_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/google/go-cmp/cmp"
)

// resolved is what Weaver says of a registry in its form resolved/2.0: the parts
// that a registry here has too.
type resolved struct {
	Catalog []struct {
		Key        string          `json:"key"`
		Type       json.RawMessage `json:"type"`
		Stability  string          `json:"stability"`
		Deprecated *deprecated     `json:"deprecated"`
	} `json:"attribute_catalog"`
	Registry struct {
		Attributes []int `json:"attributes"`
	} `json:"registry"`
	Refinements struct {
		Spans    []signal `json:"spans"`
		Metrics  []signal `json:"metrics"`
		Events   []signal `json:"events"`
		Entities []signal `json:"entities"`
	} `json:"refinements"`
}

type signal struct {
	ID, Type, Name, Kind, Instrument, Unit, Stability string
	Attributes, Identity, Description                 []reference
	Deprecated                                        *deprecated
}

// UnmarshalJSON reads a name that is a text, or the note on the name of a span.
func (s *signal) UnmarshalJSON(text []byte) error {
	type plain struct {
		ID, Type, Kind, Instrument, Unit, Stability string
		Attributes, Identity, Description           []reference
		Deprecated                                  *deprecated
		Name                                        json.RawMessage
	}
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*s = signal{ID: p.ID, Type: p.Type, Kind: p.Kind, Instrument: p.Instrument, Unit: p.Unit, Stability: p.Stability,
		Attributes: p.Attributes, Identity: p.Identity, Description: p.Description, Deprecated: p.Deprecated}
	if bytes.HasPrefix(p.Name, []byte(`"`)) {
		return json.Unmarshal(p.Name, &s.Name)
	}
	return nil
}

type reference struct {
	Base             int             `json:"base"`
	RequirementLevel json.RawMessage `json:"requirement_level"`
	SamplingRelevant bool            `json:"sampling_relevant"`
}

type deprecated struct {
	Reason    string `json:"reason"`
	RenamedTo string `json:"renamed_to"`
	Note      string `json:"note"`
}

func (d *deprecated) String() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf(" deprecated(%s, %q, %q)", d.Reason, d.RenamedTo, strings.TrimSpace(d.Note))
}

func ours(d *registry.Deprecated) string {
	if d == nil {
		return ""
	}
	return (&deprecated{d.Reason, d.RenamedTo, d.Note}).String()
}

// lines writes what Weaver resolved, a line for each fact that must be the same.
func (r resolved) lines(t *testing.T) []string {
	var out []string
	for _, i := range r.Registry.Attributes {
		a := r.Catalog[i]
		out = append(out, fmt.Sprintf("attribute %s %s %s%s", a.Key, typeText(t, a.Type), a.Stability, a.Deprecated))
	}
	own := map[string]bool{}
	for _, i := range r.Registry.Attributes {
		own[r.Catalog[i].Key] = true
	}
	uses := func(of string, refs []reference, identifying bool) {
		for _, ref := range refs {
			a := r.Catalog[ref.Base]
			if !own[a.Key] { // of a dependency: there it stands in the catalog alone
				own[a.Key] = true
				out = append(out, fmt.Sprintf("attribute %s %s %s%s", a.Key, typeText(t, a.Type), a.Stability, a.Deprecated))
			}
			level := map[string]string{}
			if err := json.Unmarshal(ref.RequirementLevel, &level); err != nil {
				var word string
				if err := json.Unmarshal(ref.RequirementLevel, &word); err != nil {
					t.Fatal(err)
				}
				level[word] = ""
			}
			for l, note := range level {
				out = append(out, use(of, a.Key, l, note, ref.SamplingRelevant, identifying, a.Stability, a.Deprecated.String()))
			}
		}
	}
	for _, s := range r.Refinements.Spans {
		out = append(out, fmt.Sprintf("span %s of %s %s %s%s", s.ID, s.Type, s.Kind, s.Stability, s.Deprecated))
		uses("span "+s.ID, s.Attributes, false)
	}
	for _, s := range r.Refinements.Metrics {
		out = append(out, fmt.Sprintf("metric %s of %s %s %s %s%s", s.ID, s.Name, s.Instrument, s.Unit, s.Stability, s.Deprecated))
		uses("metric "+s.ID, s.Attributes, false)
	}
	for _, s := range r.Refinements.Events {
		out = append(out, fmt.Sprintf("event %s of %s %s%s", s.ID, s.Name, s.Stability, s.Deprecated))
		uses("event "+s.ID, s.Attributes, false)
	}
	for _, s := range r.Refinements.Entities {
		out = append(out, fmt.Sprintf("entity %s of %s %s%s", s.ID, s.Type, s.Stability, s.Deprecated))
		uses("entity "+s.ID, s.Identity, true)
		uses("entity "+s.ID, s.Description, false)
	}
	slices.Sort(out)
	return out
}

func use(of, name, level, note string, atStart, identifying bool, stability, deprecated string) string {
	return fmt.Sprintf("%s: %s %s(%q) start=%v identity=%v %s%s", of, name, level, strings.TrimSpace(note), atStart, identifying, stability, deprecated)
}

func typeText(t *testing.T, raw json.RawMessage) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word
	}
	var enum struct {
		Members []struct {
			ID         string
			Value      any
			Stability  string
			Deprecated *deprecated
		}
	}
	if err := json.Unmarshal(raw, &enum); err != nil {
		t.Fatal(err)
	}
	out := "enum"
	for _, m := range enum.Members {
		out += fmt.Sprintf(" %s=%v/%s%s", m.ID, m.Value, m.Stability, m.Deprecated)
	}
	return out
}

// linesOf writes what was read here, in the same form.
func linesOf(r *registry.Registry) []string {
	var out []string
	for _, a := range r.Definitions() {
		kind := a.Type
		for _, m := range a.Members {
			kind += fmt.Sprintf(" %s=%s/%s%s", m.ID, m.Value, m.Stability, ours(m.Deprecated))
		}
		out = append(out, fmt.Sprintf("attribute %s %s %s%s", a.Name, kind, a.Stability, ours(a.Deprecated)))
	}
	uses := func(of string, all []registry.Use) {
		for _, u := range all {
			out = append(out, use(of, u.Name, u.Level, u.LevelNote, u.AtStart, u.Identifying, u.Stability, ours(u.Deprecated)))
		}
	}
	for _, s := range r.Spans() {
		out = append(out, fmt.Sprintf("span %s of %s %s %s%s", s.ID, base(s.Signal), s.Kind, s.Stability, ours(s.Deprecated)))
		uses("span "+s.ID, s.Attributes)
	}
	for _, s := range r.Metrics() {
		out = append(out, fmt.Sprintf("metric %s of %s %s %s %s%s", s.ID, s.Name, s.Instrument, s.Unit, s.Stability, ours(s.Deprecated)))
		uses("metric "+s.ID, s.Attributes)
	}
	for _, s := range r.Events() {
		out = append(out, fmt.Sprintf("event %s of %s %s%s", s.ID, s.Name, s.Stability, ours(s.Deprecated)))
		uses("event "+s.ID, s.Attributes)
	}
	for _, s := range r.Entities() {
		out = append(out, fmt.Sprintf("entity %s of %s %s%s", s.ID, base(s.Signal), s.Stability, ours(s.Deprecated)))
		uses("entity "+s.ID, s.Attributes)
	}
	slices.Sort(out)
	return out
}

func base(s registry.Signal) string {
	if s.Refines != "" {
		return s.Refines
	}
	return s.ID
}

var (
	modelFolder = flag.String("model", "", "compare the registry in this folder with -resolved; the folder's parent may hold dependencies")
	modelFile   = flag.String("resolved", "", "what Weaver resolved of -model, in JSON of the form resolved/2.0")
)

// TestModel compares any registry on the disk with what Weaver makes of it.
func TestModel(t *testing.T) {
	if *modelFolder == "" || *modelFile == "" {
		t.Skip("compares a registry outside of the repository; give -model and -resolved")
	}
	text, err := os.ReadFile(*modelFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Read(os.DirFS(*modelFolder))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, r, text)
}

func compare(t *testing.T, r *registry.Registry, text []byte) {
	t.Helper()
	var want resolved
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got, wanted := linesOf(r), want.lines(t)
	t.Logf("%d attributes, %d facts", len(r.Definitions()), len(got))
	if d := cmp.Diff(wanted, got); d != "" {
		t.Errorf("differs from what Weaver resolves (-weaver +clew):\n%s", d)
	}
}
