package generate_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/generate"
	"github.com/google/go-cmp/cmp"
)

// policySet is the shape of the proto's messages as JSON: a key that is not of it
// is an error.
type policySet struct {
	Policies []struct {
		ID, Name, Description string
		Enabled               bool
		Log                   *struct {
			Match []struct {
				LogAttribute []string `json:"log_attribute"`
				Exists       bool
			}
			Keep      string
			Transform struct {
				Rename []struct {
					LogAttribute []string `json:"log_attribute"`
					To           string
					Upsert       bool
				}
			}
		}
	}
}

func policies(t *testing.T, text string) (set policySet, files map[string]string) {
	t.Helper()
	files = map[string]string{}
	for _, f := range run(t, parse(t, text), generate.Options{Language: "policies"}) {
		if f.Content != nil {
			files[f.Name] = string(f.Content)
		}
	}
	if files["policies.json"] == "" {
		return set, files
	}
	d := json.NewDecoder(bytes.NewReader([]byte(files["policies.json"])))
	d.DisallowUnknownFields()
	if err := d.Decode(&set); err != nil {
		t.Fatal(err)
	}
	return set, files
}

func TestPolicies(t *testing.T) {
	set, files := policies(t, `charter: 1
attributes:
  a.new: { type: string, formerly: [aNew, "old \"name\"", a.first] }
  a.first: { type: string, deprecated: { reason: renamed, renamed_to: a.new } }
  a.number: { type: int }
  a.text: { type: string, deprecated: { reason: renamed, renamed_to: a.number } }
  a.secret: { type: string, formerly: [secret], personal: secret, on_ingest: hash }
  a.kept: { type: string, on_ingest: keep }
checks: { rules: { wrong_type: refuse } }
`)
	var got []string
	for _, p := range set.Policies {
		r := p.Log.Transform.Rename[0]
		if !p.Enabled || p.Name == "" || p.Log.Keep != "all" || r.Upsert || len(p.Log.Match) != 1 || !p.Log.Match[0].Exists || !slices.Equal(p.Log.Match[0].LogAttribute, r.LogAttribute) {
			t.Errorf("%s: %+v", p.ID, p)
		}
		got = append(got, p.ID+": "+strings.Join(r.LogAttribute, " ")+" to "+r.To)
	}
	want := []string{"clew.rename.a.first: a.first to a.new", "clew.rename.aNew: aNew to a.new", `clew.rename.old "name": old "name" to a.new`, "clew.rename.secret: secret to a.secret"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, left := range []string{
		"- attributes.a.text: its type is string and that of a.number is int; a policy would not look\n",
		"- attributes.a.secret.on_ingest (hash): a rule of privacy drops the value when it fails; a policy would let it pass\n",
		"- privacy.detectors (", "- checks.rules.wrong_type: refuse: no policy can tell the sender\n",
	} {
		if !strings.Contains(files["README.md"], left) {
			t.Errorf("the page does not say %q:\n%s", left, files["README.md"])
		}
	}
	for _, word := range []string{"redact", "remove", "hash", "drop"} {
		if strings.Contains(files["policies.json"], word) {
			t.Errorf("a policy says %q: a rule of privacy must not be one", word)
		}
	}
}

func TestWithoutPolicies(t *testing.T) {
	for _, text := range []string{
		"charter: 1\nattributes: { a.secret: { type: string, on_ingest: drop } }\n",
		"charter: 1\nattributes: { a.new: { type: string, formerly: [aNew] } }\nchecks: { rules: { deprecated_attribute: observe } }\n",
	} {
		if _, files := policies(t, text); files["policies.json"] != "" || !strings.Contains(files["README.md"], "there is no `policies.json`") {
			t.Errorf("%s gives %v", text, files)
		}
	}
}
