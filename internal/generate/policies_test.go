package generate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
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
		Trace                 *struct {
			Match []map[string]any
			Keep  struct {
				Percentage        float64
				Mode              string
				SamplingPrecision int `json:"sampling_precision"`
			}
		}
		Log *struct {
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
  a.token: { type: string, personal: secret }
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
		"- attributes.secret.on_ingest (hash): ", "- attributes.a.token.on_ingest (mask): ", "- privacy.detectors (", "- checks.rules.wrong_type: refuse: no policy can tell the sender\n",
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

// Of rules the first that matches counts, of policies the most restrictive: so each
// has to exclude what those before it match.
func TestPoliciesOfSampling(t *testing.T) {
	set, files := policies(t, `charter: 1
services: { pay: {}, web: {} }
kits:
  sampling:
    ratio: 1/10
    rules:
      - { name: health, match: { route: "/health*", method: GET }, ratio: 0 }
      - { match: { kind: server, name: "*" }, ratio: 12.5% }
      - { name: rate, match: { route: /r }, per_second: 5 }
  services:
    pay: { sampling: { ratio: 1, rules: [{ match: { kind: "s*" }, ratio: 0.5 }] } }
`)
	var got []string
	for _, p := range set.Policies {
		if p.Trace == nil || p.Trace.Keep.Mode != "equalizing" || p.Trace.Keep.SamplingPrecision != 14 || !p.Enabled {
			t.Fatalf("%+v", p)
		}
		line := fmt.Sprintf("%s %v%%:", p.ID, p.Trace.Keep.Percentage)
		for _, m := range p.Trace.Match {
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + string(text)
		}
		got = append(got, line)
	}
	const others, route, method = `{"exact":"pay","negate":true,"resource_attribute":["service.name"]}`, `{"negate":true,"span_attribute":["http.route"],"starts_with":"/health"}`, `{"exact":"GET","negate":true,"span_attribute":["http.request.method"]}`
	kind, name, r := `{"exists":true,"negate":true,"span_kind":"SPAN_KIND_SERVER"}`, `{"exists":true,"negate":true,"trace_field":"TRACE_FIELD_NAME"}`, `{"exact":"/r","negate":true,"span_attribute":["http.route"]}`
	second := ` {"exists":true,"span_kind":"SPAN_KIND_SERVER"} {"exists":true,"trace_field":"TRACE_FIELD_NAME"} `
	want := []string{
		"clew.sampling.common.1 10%: " + others + " " + method + " " + kind + " " + r, "clew.sampling.common.2 10%: " + others + " " + method + " " + name + " " + r,
		"clew.sampling.common.3 10%: " + others + " " + route + " " + kind + " " + r, "clew.sampling.common.4 10%: " + others + " " + route + " " + name + " " + r,
		`clew.sampling.common.rule.1 0%: ` + others + ` {"exact":"GET","span_attribute":["http.request.method"]} {"span_attribute":["http.route"],"starts_with":"/health"}`,
		"clew.sampling.common.rule.2.1 12.5%: " + others + second + method, "clew.sampling.common.rule.2.2 12.5%: " + others + second + route,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, left := range []string{
		"- kits.sampling.rules: rule rate: a policy of traces has no rate\n",
		`- kits.services.pay.sampling.rules: rule 1: kind "s*" is none that a policy can name; nor can what comes after it be a policy` + "\n",
		"would tear traces apart",
	} {
		if !strings.Contains(files["README.md"], left) {
			t.Errorf("the page does not say %q:\n%s", left, files["README.md"])
		}
	}
	if set, _ := policies(t, "charter: 1\nkits: { sampling: { ratio: 0.25 } }\n"); len(set.Policies) != 1 || len(set.Policies[0].Trace.Match) != 1 || set.Policies[0].Trace.Keep.Percentage != 25 {
		t.Errorf("one share for all: %+v", set.Policies)
	}
}
