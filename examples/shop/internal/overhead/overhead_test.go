package overhead

import (
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// A machine that is slower in one run moves the medians of the costs and not the ratio;
// neither does a run in which one stack was disturbed.
func TestRatioIsOfDifferencesWithinARun(t *testing.T) {
	var r Report
	for _, run := range [][3]time.Duration{{100, 200, 130}, {400, 500, 430}, {250, 350, 900}} {
		for i, stack := range []fleet.Stack{fleet.Off, fleet.Stock, fleet.Kit} {
			c := run[i] * time.Microsecond
			r.Costs = append(r.Costs, Cost{Stack: stack, CPU: c, Go: c, Rust: c / 2})
		}
	}
	if got := r.Ratio(CPU); got != 0.3 {
		t.Errorf("ratio is %v, not 30 / 100", got)
	}
	var table strings.Builder
	if err := r.Write(&table); err != nil || !strings.Contains(table.String(), "0.30 of CPU, 0.30 in Go, 0.30 in Rust; the goal is at most 0.40") {
		t.Errorf("the table ends with %v\n%s", err, table.String())
	}
}
