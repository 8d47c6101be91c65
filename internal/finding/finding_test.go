package finding_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

func seen(service, rule, subject string, n uint64) finding.Observation {
	return finding.Observation{Key: finding.Key{Service: service, Rule: rule, Subject: subject}, Severity: finding.Violation,
		Message: "m", Mend: "do", Action: "observe", Count: n, Trace: telemetry.TraceID{15: 1}, Span: telemetry.SpanID{7: 2}}
}

func TestObservationsAddUp(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	table := finding.NewTable(func() time.Time { return now })
	table.Add("t", []finding.Observation{seen("pay", "wrong_type", "a", 2), seen("pay", "wrong_type", "b", 9)})
	now = now.Add(time.Minute)
	later := seen("pay", "wrong_type", "a", 3)
	later.Trace = telemetry.TraceID{15: 7}
	later.Severity = finding.Improvement
	table.Add("t", []finding.Observation{later})
	got := table.List("t")
	want := []finding.Finding{
		{Observation: seen("pay", "wrong_type", "b", 9), First: time.Unix(1000, 0).UTC(), Last: time.Unix(1000, 0).UTC()},
		{Observation: later, First: time.Unix(1000, 0).UTC(), Last: now},
	}
	want[1].Count = 5
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	if other := table.List("other"); len(other) != 0 {
		t.Errorf("another tenant sees %d findings", len(other))
	}
}

// A service with a million names keeps its share; the findings of others stay and
// new ones of named services come in; all that is kept out is counted.
func TestOneServiceHidesNobody(t *testing.T) {
	table := finding.NewTable(nil)
	table.Know([]string{"named"})
	table.Add("t", []finding.Observation{seen("quiet", "no_owner", "quiet", 1)})
	const names = 100_000
	for i := range names {
		table.Add("t", []finding.Observation{seen("loud", "unknown_attribute", fmt.Sprint("k", i), 1)})
	}
	for i := range names {
		table.Add("t", []finding.Observation{seen(fmt.Sprint("stranger", i), "unknown_service", "s", 1)})
	}
	table.Add("t", []finding.Observation{seen("named", "no_owner", "named", 1)})
	count := map[string]int{}
	for _, f := range table.List("t") {
		count[f.Key.Service]++
	}
	if count["quiet"] != 1 || count["named"] != 1 {
		t.Errorf("quiet has %d and named %d findings; 1 each was added", count["quiet"], count["named"])
	}
	if count["loud"] != finding.MaxPerRule {
		t.Errorf("loud has %d findings of one rule; the bound is %d", count["loud"], finding.MaxPerRule)
	}
	if len(count) != finding.MaxServices+1 {
		t.Errorf("%d services have findings; the bound is %d and the named one", len(count), finding.MaxServices)
	}
	want := []finding.Overflow{
		{Service: "", Rule: "unknown_service", Count: names - (finding.MaxServices - 2)},
		{Service: "loud", Rule: "unknown_attribute", Count: names - finding.MaxPerRule},
	}
	if diff := cmp.Diff(want, table.Overflows("t")); diff != "" {
		t.Errorf("Overflows (-want +got):\n%s", diff)
	}
}

func TestBoundsOfATable(t *testing.T) {
	table := finding.NewTable(nil)
	for i := range finding.MaxTenants + 3 {
		table.Add(fmt.Sprint("tenant", i), []finding.Observation{seen("s", "r", "x", 2)})
	}
	if got := table.Lost(); got != 6 {
		t.Errorf("Lost() = %d, want the 6 of 3 tenants over the bound", got)
	}
	strangers := finding.NewTable(nil)
	for s := range 20 {
		for rule := range 4 {
			for i := range finding.MaxPerRule {
				strangers.Add("t", []finding.Observation{seen(fmt.Sprint("s", s), fmt.Sprint("r", rule), fmt.Sprint(i), 1)})
			}
		}
	}
	if got := len(strangers.List("t")); got != finding.MaxStrange {
		t.Errorf("strangers have %d findings; the bound is %d", got, finding.MaxStrange)
	}
}

func TestForget(t *testing.T) {
	now := time.Unix(1000, 0)
	table := finding.NewTable(func() time.Time { return now })
	for i := range finding.MaxServices {
		table.Add("t", []finding.Observation{seen(fmt.Sprint("old", i), "r", "x", 1)})
	}
	now = now.Add(time.Hour)
	table.Add("t", []finding.Observation{seen("old0", "r", "x", 1)})
	table.Forget(now)
	if got := table.List("t"); len(got) != 1 || got[0].Count != 2 {
		t.Fatalf("after Forget: %v; want old0 with 2", got)
	}
	table.Add("t", []finding.Observation{seen("new", "r", "x", 1)})
	if got := len(table.List("t")); got != 2 {
		t.Errorf("a new service has no room after others were forgotten: %d findings", got)
	}
}

func TestSnapshot(t *testing.T) {
	now := time.Unix(1000, 5).UTC()
	table := finding.NewTable(func() time.Time { return now })
	for i := range 50 {
		table.Add(fmt.Sprint("t", i%3), []finding.Observation{seen(fmt.Sprint("s", i%7), "r", fmt.Sprint(i), uint64(i+1))})
	}
	covered := finding.NewCoverage(func() time.Time { return now })
	covered.Saw("t1", "checkout.place", 7, telemetry.TraceID{3})
	covered.Saw("t1", "account.read", 1, telemetry.TraceID{4})
	text, err := finding.Snapshot(table, covered)
	if err != nil {
		t.Fatal(err)
	}
	again, seenAgain := finding.NewTable(nil), finding.NewCoverage(nil)
	if err := finding.Restore(text, again, seenAgain); err != nil {
		t.Fatal(err)
	}
	if got, want := seenAgain.Of("t1", "checkout.place"), (finding.Seen{Count: 7, Last: now, Trace: telemetry.TraceID{3}}); got != want {
		t.Errorf("coverage restored as %v, want %v", got, want)
	}
	if diff := cmp.Diff(table.List("t1"), again.List("t1")); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	second, err := finding.Snapshot(again, seenAgain)
	if err != nil || string(second) != string(text) {
		t.Errorf("the snapshot of what was restored differs (%v)", err)
	}
	for _, bad := range []string{"", "{", `{"version":2}`, `{"version":1,"findings":[{"trace":"zz"}]}`, `{"version":1,"coverage":[{"trace":"zz"}]}`} {
		if err := finding.Restore([]byte(bad), again, seenAgain); err == nil {
			t.Errorf("Restore(%q) is accepted", bad)
		}
	}
}

func FuzzRestore(f *testing.F) {
	table := finding.NewTable(nil)
	table.Add("t", []finding.Observation{seen("s", "r", "x", 1)})
	covered := finding.NewCoverage(nil)
	covered.Saw("t", "c", 1, telemetry.TraceID{1})
	text, _ := finding.Snapshot(table, covered)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		in, covered := finding.NewTable(nil), finding.NewCoverage(nil)
		if finding.Restore(text, in, covered) != nil {
			return
		}
		first, err := finding.Snapshot(in, covered)
		if err != nil {
			t.Fatal(err)
		}
		again := finding.NewTable(nil)
		if err := finding.Restore(first, again, finding.NewCoverage(nil)); err != nil {
			t.Fatalf("a snapshot is not read: %v", err)
		}
	})
}

func TestCoverage(t *testing.T) {
	now := time.Unix(9, 0).UTC()
	c := finding.NewCoverage(func() time.Time { return now })
	c.Saw("t", "checkout.place", 2, telemetry.TraceID{1})
	c.Saw("t", "checkout.place", 3, telemetry.TraceID{2})
	want := finding.Seen{Count: 5, Last: now, Trace: telemetry.TraceID{2}}
	if got := c.Of("t", "checkout.place"); got != want {
		t.Errorf("Of = %v, want %v", got, want)
	}
	if got := c.Of("other", "checkout.place"); got != (finding.Seen{}) {
		t.Errorf("another tenant sees %v", got)
	}
	for i := range 20_000 {
		c.Saw("t", fmt.Sprint(i), 1, telemetry.TraceID{1})
	}
	c.Saw("t", "checkout.place", 1, telemetry.TraceID{1})
	if c.Lost() != 1 || c.Of("t", "checkout.place").Count != 6 || c.Of("t", "19998").Count != 1 || c.Of("t", "19999").Count != 0 {
		t.Errorf("over the bound: %d lost", c.Lost())
	}
}
