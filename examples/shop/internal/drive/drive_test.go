package drive_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/clew-dev/clew/examples/shop/internal/drive"
)

func TestTallyTellsTheOutcomesApart(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		want   drive.Tally
	}{
		"done":     {http.StatusOK, drive.Tally{Done: 3}},
		"declined": {http.StatusPaymentRequired, drive.Tally{Declined: 3}},
		"failed":   {http.StatusBadGateway, drive.Tally{Failed: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			var sessions atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Session-Id") != "" {
					sessions.Add(1)
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			plan, err := drive.NewPlan(1, "browse")
			if err != nil {
				t.Fatal(err)
			}
			got, err := drive.Run(t.Context(), plan, drive.Options{Gateway: server.URL, Rate: 500, Count: 3})
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			if got := sessions.Load(); got != 3 {
				t.Errorf("%d requests named a session; want 3", got)
			}
		})
	}
}

func TestRateOutOfRange(t *testing.T) {
	plan, err := drive.NewPlan(1, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, rate := range []float64{0, -1, 1001} {
		if _, err := drive.Run(t.Context(), plan, drive.Options{Rate: rate}); err == nil {
			t.Errorf("a rate of %g is taken", rate)
		}
	}
}
