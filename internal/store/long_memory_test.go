package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// A long trace holds room from before it is read until it is released, also when its
// answer is refused; short ones hold none. In memory or in segments, it is the same.
func TestLongTracesShareMemory(t *testing.T) {
	const n = 8 * store.SmallSpans
	for _, flushed := range []bool{true, false} {
		e := newEngine(t)
		defer e.Abandon()
		used := e.ShareTraces(4 << 20)
		var ids []telemetry.TraceID
		for i, spans := range []int{n, n, 10} {
			b := plain(storetest.Tenant, uint64(i+1), 1, spans, time.Now().UnixNano())
			e.Send(t, b)
			ids = append(ids, b.Spans.TraceID[0])
		}
		if flushed {
			if err := e.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		read := func(i, most int) (*store.Trace, error) {
			return e.Trace(context.Background(), storetest.Tenant, ids[i], store.TraceOptions{MaxSpans: most})
		}
		one, err := read(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if used() < 2<<20 {
			t.Errorf("a trace of %d spans holds %d bytes", n, used())
		}
		if _, err := read(1, 0); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "other long traces") {
			t.Errorf("a second long trace: got %v", err)
		}
		short, err := read(2, 0)
		if err != nil {
			t.Fatalf("a short trace beside a long one: %v", err)
		}
		one.Release()
		if _, err := read(1, n-1); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "limits.trace_spans") {
			t.Errorf("over the limit: got %v", err)
		}
		two, err := read(1, n)
		if err != nil || two.Batch.Spans.N != n {
			t.Fatalf("after the first was released: %v", err)
		}
		two.Release()
		short.Release()
		if used() != 0 {
			t.Errorf("%d bytes are held by nobody", used())
		}
	}
}
