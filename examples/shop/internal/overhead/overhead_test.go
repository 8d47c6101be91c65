package overhead

import (
	"context"
	"net/http"
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

// What cannot be compared is no success, however cheap it looks.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name            string
		off, stock, kit time.Duration
		lost            int64
		want            string
	}{
		{"as it should be", 100, 200, 140, 0, ""},
		{"too dear", 100, 200, 141, 0, "costs 0.41"},
		{"failed journeys", 100, 200, 120, 1, "1 journeys of the kit shop failed"},
		{"cheaper than none", 100, 200, 99, 0, "kit shop costs -1"},
		{"both cheaper than none", 100, 50, 95, 0, "stock shop costs -50"},
	} {
		r := Report{Costs: []Cost{{Stack: fleet.Off, CPU: c.off}, {Stack: fleet.Stock, CPU: c.stock}, {Stack: fleet.Kit, CPU: c.kit, Lost: c.lost}}}
		err := r.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSinkTakesAllUntilItIsClosed(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	address, err := Sink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	answer, err := http.Post(address+"/v1/traces", "application/x-protobuf", body)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/x-protobuf" || body.Len() != 0 {
		t.Errorf("the answer is %s of %q, and %d bytes are not read", answer.Status, answer.Header.Get("Content-Type"), body.Len())
	}
	end()
	for deadline := time.Now().Add(5 * time.Second); ; {
		if _, err := http.Post(address, "", nil); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the sink takes telemetry after its end")
		}
	}
}
