package charter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/privacy"
)

// imported stands for what a registry holds.
var imported = []charter.Attribute{
	{Name: "http.route", Type: charter.TypeString, Brief: "The matched route.", Stability: "stable", Source: "semconv 1"},
	{Name: "http.request.method", Type: charter.TypeEnum, Members: []charter.Member{{Value: "GET"}}, Source: "semconv 1"},
	{Name: "http.method", Type: charter.TypeString, Source: "semconv 1",
		Deprecated: &charter.Deprecated{Reason: charter.ReasonRenamed, RenamedTo: "http.request.method"}},
	{Name: "http.response.status_code", Type: charter.TypeInt, Source: "semconv 1", Formerly: []string{"http.status_code"}},
	{Name: "http.request.header", Type: "template[string[]]", Source: "semconv 1"},
	{Name: "enduser.id", Type: charter.TypeString, Brief: "Who uses it.", Note: "Unique.", Examples: []string{"u1"}, Source: "semconv 1"},
	{Name: "client.address", Type: charter.TypeString, Source: "semconv 1"},
	{Name: "enduser.id", Type: charter.TypeInt, Source: "a second one that does not count"},
}

func parse(t *testing.T, text string) *charter.Charter {
	t.Helper()
	c, err := charter.Parse("charter.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOwnWordsStandBeforeImportedOnes(t *testing.T) {
	c := parse(t, `
charter: 1
attributes:
  enduser.id: { personal: subject, on_ingest: { truncate: 8 } }
  client.address: { type: "string[]", brief: Ours. }
  shop.order.id: { type: string }
`)
	with := c.WithVocabulary(imported)
	if err := with.Check(); err != nil {
		t.Fatal(err)
	}
	cases := []charter.Attribute{
		{Name: "enduser.id", Type: charter.TypeString, Brief: "Who uses it.", Note: "Unique.", Examples: []string{"u1"}, Personal: charter.PersonalSubject,
			OnIngest: charter.Action{Kind: charter.ActionTruncate, Length: 8}, Source: "semconv 1"},
		{Name: "client.address", Type: charter.TypeStrings, Brief: "Ours.", Source: charter.SourceCharter},
		{Name: "shop.order.id", Type: charter.TypeString, Source: charter.SourceCharter},
		imported[0],
	}
	for _, want := range cases {
		got, ok := with.Attribute(want.Name)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s:\n%s", want.Name, diff)
		}
	}
	names := []string{"client.address", "enduser.id", "http.method", "http.request.header", "http.request.method", "http.response.status_code", "http.route", "shop.order.id"}
	if diff := cmp.Diff(names, with.Attributes()); diff != "" {
		t.Error(diff)
	}
	if c.Version() == with.Version() || with.Version() != c.WithVocabulary(slices.Clone(imported)).Version() {
		t.Error("the version does not follow the words")
	}
	if _, ok := c.Attribute("http.route"); ok {
		t.Error("the charter before has the import")
	}
}

func TestVersionSeesWhatIsBehindAPointer(t *testing.T) {
	of := func(note string) string {
		return charter.Default().WithVocabulary([]charter.Attribute{{Name: "a", Type: charter.TypeString, Deprecated: &charter.Deprecated{Note: note}}}).Version()
	}
	if of("one") == of("two") || of("one") != of("one") {
		t.Error("the version does not follow a deprecation's note")
	}
}

func TestTemplatesMatchByPrefix(t *testing.T) {
	c := charter.Default().WithVocabulary(imported)
	for name, want := range map[string]string{
		"http.request.header.accept": "http.request.header", "http.request.header.x.y": "http.request.header", "http.request.header": "http.request.header",
		"http.request.header.": "", "http.request.headers": "", "http.route.x": "", "": "", ".": "",
	} {
		got, ok := c.Attribute(name)
		if got.Name != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", name, got.Name, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	c := parse(t, "charter: 1\nattributes:\n  newest: { type: string, formerly: [newer, oldest] }\n"+
		"  newer: { type: string, deprecated: { reason: renamed, renamed_to: newest } }\n  new: { type: string, deprecated: { reason: renamed, renamed_to: newer } }\n"+
		"  mine: { type: string, formerly: [http.method] }\n").WithVocabulary(imported)
	for name, want := range map[string]string{
		"new": "newest", "newer": "newest", "oldest": "newest", "http.status_code": "http.response.status_code",
		"http.method": "mine", // the charter's own word before the import's
		"newest":      "newest", "unheard": "unheard",
	} {
		got, former := c.Canonical(name)
		if got != want || former != (name != want) {
			t.Errorf("%s: got %s, %v", name, got, former)
		}
	}
}

// Circles in what is imported have no end, and no walk may look for one for ever.
func TestRenamesInACircleHaveNoEnd(t *testing.T) {
	ring := func(name, to string) charter.Attribute {
		return charter.Attribute{Name: name, Type: charter.TypeString, Source: "x", Deprecated: &charter.Deprecated{Reason: charter.ReasonRenamed, RenamedTo: to}}
	}
	words := []charter.Attribute{ring("a", "b"), ring("b", "c"), ring("c", "b")}
	c := charter.Default().WithVocabulary(words)
	for _, name := range []string{"a", "b", "c"} {
		if to, former := c.Canonical(name); former {
			t.Errorf("%s leads to %s", name, to)
		}
	}
	if err := c.Check(); err != nil {
		t.Errorf("a circle of the import alone is no error of the charter: %v", err)
	}
	own := parse(t, "charter: 1\nattributes:\n  b: { deprecated: { reason: renamed, renamed_to: c } }\n").WithVocabulary(words)
	if err := own.Check(); err == nil || !strings.Contains(err.Error(), "together with an import the renames lead in a circle (b → c → b)") {
		t.Errorf("got %v", err)
	}
}

func TestSections(t *testing.T) {
	text := fixture(t, "testdata/fleet.good.yaml")
	c := parse(t, text)
	if team, ok := c.OwnerOf("checkout"); !ok || team != (charter.Team{Name: "payments", Contact: "#payments", Escalation: "pagerduty:PAYMENTS", Runbook: "docs/payments.md"}) {
		t.Errorf("owner: %+v", team)
	}
	for _, service := range []string{"inventory", "unheard"} {
		if _, ok := c.OwnerOf(service); ok {
			t.Errorf("%s has an owner", service)
		}
	}
	got, _ := c.Service("payment")
	if diff := cmp.Diff(charter.Service{Name: "payment", Team: "payments", Language: "rust", Tier: "high", Journeys: []string{}}, got); diff != "" {
		t.Error(diff)
	}
	want := []charter.SpanContract{
		{ID: "checkout.job", Service: "checkout", MatchName: "settle orders", Requires: []string{}, AtStart: []string{}, BusinessErrors: []string{}},
		{ID: "checkout.place", Service: "checkout", Kind: "server", MatchRoute: "/checkout", Requires: []string{"shop.order.id", "enduser.id", "shop.label.colour"},
			AtStart: []string{"enduser.id"}, MayCall: []string{"payment", "inventory"}, BusinessErrors: []string{"out_of_stock", "card_declined"}, CountAsFailure: true, Brief: "An order is placed."},
		{ID: "payment.charge", Service: "payment", MatchRPC: "shop.Payment/Charge", Requires: []string{}, AtStart: []string{}, MayCall: []string{}, BusinessErrors: []string{}},
	}
	if diff := cmp.Diff(want, c.Contracts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"email", "iban"}, c.Privacy().Detectors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]charter.Import{{Kind: charter.ImportSemconv, Value: "builtin"}, {Kind: charter.ImportRegistry, Value: "./registry"}}, c.Imports()); diff != "" {
		t.Error(diff)
	}
	modes := map[charter.Rule]charter.Mode{"deprecated_attribute": "mend", "misspelled_attribute": "off", "personal_data": "observe", "wrong_type": "refuse", "unheard": "off"}
	for rule, want := range modes {
		if got := c.ModeOf(rule); got != want {
			t.Errorf("%s: %s", rule, got)
		}
	}
	a, _ := c.Attribute("shop.channel")
	if diff := cmp.Diff([]charter.Member{{Value: "10", Brief: "a number"}, {Value: "app"}, {Value: "web", Brief: "the shop's page"}}, a.Members); diff != "" || !a.Common {
		t.Error(diff)
	}
}

func TestModesFollowTheDefault(t *testing.T) {
	cases := []struct{ all, deprecated, misspelled, other charter.Mode }{
		{"", charter.ModeMend, charter.ModeObserve, charter.ModeObserve},
		{"observe", charter.ModeObserve, charter.ModeObserve, charter.ModeObserve},
		{"mend", charter.ModeMend, charter.ModeMend, charter.ModeObserve},
		{"refuse", charter.ModeRefuse, charter.ModeRefuse, charter.ModeRefuse},
	}
	for _, test := range cases {
		text := "charter: 1\n"
		if test.all != "" {
			text += "checks: { default: " + string(test.all) + " }\n"
		}
		c := parse(t, text)
		for _, rule := range charter.Rules() {
			want := test.other
			switch rule {
			case charter.RuleDeprecatedAttribute:
				want = test.deprecated
			case charter.RuleMisspelledAttribute:
				want = test.misspelled
			}
			if got := c.ModeOf(rule); got != want {
				t.Errorf("default %q, %s: got %s, want %s", test.all, rule, got, want)
			}
		}
	}
}

// What a charter may name is what can be searched for, in the same order, and the
// defaults are the same.
func TestDetectorsAreThoseThatExist(t *testing.T) {
	names := func(all []privacy.Detector) (names []string) {
		for _, d := range all {
			names = append(names, string(d))
		}
		return names
	}
	if diff := cmp.Diff(names(privacy.Detectors()), charter.DetectorNames()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(names(privacy.Defaults()), charter.Default().Privacy().Detectors); diff != "" {
		t.Error(diff)
	}
}
