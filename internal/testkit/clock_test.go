package testkit_test

import (
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/testkit"
)

func TestClockFiresWhatIsDueAndNothingElse(t *testing.T) {
	start := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	c := testkit.NewClock(start)
	soon, late := c.After(time.Second), c.After(time.Minute)
	c.Await(2)
	c.Advance(2 * time.Second)
	if got := <-soon; !got.Equal(start.Add(2 * time.Second)) {
		t.Errorf("fired at %s", got)
	}
	select {
	case got := <-late:
		t.Errorf("the later one fired at %s", got)
	default:
	}
	if got := c.Now(); !got.Equal(start.Add(2 * time.Second)) {
		t.Errorf("the clock shows %s", got)
	}
	<-c.After(0)
}
