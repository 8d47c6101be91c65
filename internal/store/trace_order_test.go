package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
)

// Records that share start, id and kind come in the order in which they were received,
// wherever they lie.
func TestOrderOfRecordsUnderOneID(t *testing.T) {
	e := newEngine(t)
	t.Cleanup(e.Abandon)
	id := plain(storetest.Tenant, 1, 1, 1, storetest.Base).Spans.TraceID[0]
	var sent []int64
	for i, fresh := range []bool{false, true, false, true, true} {
		b := plain(storetest.Tenant, 1, 1, 1, storetest.Base)
		b.Spans.Duration[0] = int64(100 - i)
		e.Send(t, b)
		sent = append(sent, b.Spans.Duration[0])
		if !fresh {
			if err := e.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		for _, when := range []string{"sent", "a restart"} {
			tr, err := e.Trace(context.Background(), storetest.Tenant, id, store.TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := tr.Batch.Spans.Duration; !slices.Equal(got, sent) {
				t.Errorf("after %d records were %s: durations %v, want %v", i+1, when, got, sent)
			}
			if when == "sent" {
				e = e.Crash(t).(*engine)
			}
		}
	}
}
