package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/wal"
)

// lateWrites are writes that wait, and notice who looks whether they do.
type lateWrites struct {
	seq    int64
	end    wal.Position
	looked chan struct{}
}

func (w *lateWrites) Watermark() (int64, wal.Position) { return w.seq, w.end }

func (w *lateWrites) Waiting() time.Duration {
	select {
	case w.looked <- struct{}{}:
	default:
	}
	return store.Late
}

// A question beside spans that arrive looks whether they wait, and is answered all the same.
func TestQuestionsStandBack(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	before := e.Came()
	e.Send(t, plain(storetest.Tenant, 1, 1, 100, time.Now().UnixNano()))
	if e.Came() == before {
		t.Error("an append is no arrival")
	}
	w := &lateWrites{looked: make(chan struct{}, 8)}
	w.seq, w.end = e.Mark()
	e.Follow(w)
	e.Arriving()
	p, err := query.Compile(`{ name != "none" }`)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // in memory, and then in a segment
		r, err := e.Search(context.Background(), storetest.Tenant, p, store.SearchOptions{Limit: 10, Order: store.OrderSlowest})
		if err != nil || len(r.Traces) != 1 {
			t.Fatalf("%d traces and the error %v, want one trace", len(r.Traces), err)
		}
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		select {
		case <-w.looked:
		case <-time.After(30 * time.Second):
			t.Fatal("no question has looked whether writes are late")
		}
	}
	if n, err := e.NiceOfQuery(context.Background()); err != nil || n != store.Niceness {
		t.Errorf("DuckDB is asked with niceness %d and the error %v, want %d", n, err, store.Niceness)
	}
}
