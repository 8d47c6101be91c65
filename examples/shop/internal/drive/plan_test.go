package drive_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/examples/shop/internal/drive"
)

func draw(t *testing.T, seed uint64, only string, count int) []drive.Choice {
	t.Helper()
	plan, err := drive.NewPlan(seed, only)
	if err != nil {
		t.Fatal(err)
	}
	choices := make([]drive.Choice, count)
	for place := range choices {
		choices[place] = plan.Next()
	}
	return choices
}

func TestSameSeedDrawsTheSame(t *testing.T) {
	if diff := cmp.Diff(draw(t, 7, "", 200), draw(t, 7, "", 200)); diff != "" {
		t.Errorf("two plans of one seed differ:\n%s", diff)
	}
	if cmp.Equal(draw(t, 7, "", 200), draw(t, 8, "", 200)) {
		t.Error("plans of two seeds are the same")
	}
}

func TestEveryJourneyIsDrawn(t *testing.T) {
	count := make(map[string]int)
	for _, choice := range draw(t, 1, "", 2000) {
		count[choice.Journey]++
	}
	for _, journey := range drive.Journeys() {
		if count[journey] < 60 {
			t.Errorf("%s is drawn %d times in 2000; want over 60", journey, count[journey])
		}
	}
}

func TestOneJourneyHasTheShoppersOfTheMix(t *testing.T) {
	mixed, only := draw(t, 3, "", 50), draw(t, 3, "cart", 50)
	for place := range mixed {
		mixed[place].Journey = "cart"
	}
	if diff := cmp.Diff(only, mixed); diff != "" {
		t.Errorf("the shoppers differ:\n%s", diff)
	}
}

func TestUnknownJourney(t *testing.T) {
	_, err := drive.NewPlan(1, "loiter")
	want := `no journey "loiter"; the journeys are [browse search product cart checkout account]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}
