package store

import (
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
)

// The room of long traces: what one may hold when others do, when there are none, and
// when they have gone.
func TestTraceRoom(t *testing.T) {
	r := &traceRoom{max: 100 << 20}
	share := func() *traceShare { return &traceShare{room: r} }
	id := telemetry.TraceID{1}
	small, one, two, three := share(), share(), share(), share()
	must := func(s *traceShare, n int64, want bool) {
		t.Helper()
		err := s.hold(id, n)
		if (err == nil) != want {
			t.Errorf("%d bytes beside %d: got %v", n, r.used-s.mine, err)
		}
		if err != nil && (telemetry.KindOf(err) != telemetry.KindExhausted || telemetry.RetryAfterOf(err) == 0 || !strings.Contains(err.Error(), "--memory")) {
			t.Errorf("the error does not say what helps: %v", err)
		}
	}
	must(one, 300<<20, true) // alone
	must(two, smallBytes+1, false)
	must(small, smallBytes, true)
	must(small, smallBytes, true)
	one.release()
	must(one, 60<<20, true)
	must(two, 40<<20, true)
	must(two, 30<<20, true) // it holds more already
	must(two, 40<<20+1, false)
	must(three, smallBytes+1, false)
	two.release()
	two.release()
	must(three, 40<<20, true)
	for _, s := range []*traceShare{one, three, small, nil} {
		s.release()
	}
	if r.used != 0 {
		t.Errorf("%d bytes are held by nobody", r.used)
	}
}
