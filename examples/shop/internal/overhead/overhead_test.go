package overhead

import (
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// One turn that the machine slowed down moves neither the median nor the ratio.
func TestRatioIsThatOfTheMedians(t *testing.T) {
	var r Report
	for stack, costs := range map[fleet.Stack][3]time.Duration{
		fleet.Off: {400, 100, 100}, fleet.Stock: {200, 200, 900}, fleet.Kit: {700, 120, 130},
	} {
		for _, c := range costs {
			r.Costs = append(r.Costs, Cost{Stack: stack, CPU: c * time.Microsecond, Go: c * time.Microsecond, Rust: c / 2 * time.Microsecond})
		}
	}
	if got := r.Ratio(CPU); got != 0.3 {
		t.Errorf("ratio is %v, not (130 - 100) / (200 - 100)", got)
	}
	var table strings.Builder
	if err := r.Write(&table); err != nil || !strings.Contains(table.String(), "0.30 of CPU, 0.30 in Go, 0.30 in Rust; the goal is at most 0.40") {
		t.Errorf("the table ends with %v\n%s", err, table.String())
	}
}
