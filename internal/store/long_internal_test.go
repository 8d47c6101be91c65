package store

import (
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Filters of long traces go when there are too many rows of them, those first that
// nobody asked for.
func TestLongTracesForgets(t *testing.T) {
	var l longTraces
	key := func(n uint64) storedTrace { return storedTrace{segment: n} }
	put := func(n uint64, rows int) {
		k := &longIDs{key(n), newRecentIDs(1)}
		k.ids.rows = rows
		l.put(k)
	}
	put(1, longRows/2)
	put(2, longRows/2)
	if l.get(key(1)) == nil || l.get(key(2)) == nil || l.get(key(1)) == nil {
		t.Fatal("within the bound a filter is gone")
	}
	put(3, 1)
	if l.get(key(2)) != nil || l.get(key(1)) == nil || l.get(key(3)) == nil {
		t.Error("over the bound the filter asked for least lately is not the one that is gone")
	}
	put(4, 2*longRows)
	if len(l.kept) != 1 || l.get(key(4)) == nil || l.rows != 2*longRows {
		t.Errorf("%d filters of %d rows beside the one that is over the bound alone", len(l.kept), l.rows)
	}
}

// The filter of a trace has all of its spans, and few others.
func TestLongIDs(t *testing.T) {
	const n = 20_000
	span := func(i int) (id telemetry.SpanID) {
		binary.BigEndian.PutUint64(id[:], uint64(i)+1)
		return id
	}
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for i := range n {
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: span(i), Start: base + int64(i), Seq: base}, []byte("op"))
	}
	dir := filepath.Join(t.TempDir(), "s")
	meta, _, err := segment.Write(wal.OS, dir, []*telemetry.Batch{&b.Batch}, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(wal.OS, dir, meta, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shape, err := s.Structure()
	if err != nil {
		t.Fatal(err)
	}
	defer shape.Close()
	l, err := newLongIDs(storedTrace{1, telemetry.TraceID{15: 1}}, shape, segment.Rows{Lo: 0, Hi: n})
	if err != nil {
		t.Fatal(err)
	}
	alarms := 0
	for i := range 2 * n {
		if has := l.has(span(i)); i < n && !has {
			t.Fatalf("span %d is not in the filter of its trace", i)
		} else if i >= n && has {
			alarms++
		}
	}
	if alarms > n/20 {
		t.Errorf("%d false alarms of %d", alarms, n)
	}
}

// Of a trace that came in parts, the rows that are stored are read when a span id is
// sent again, and only then: a start with a log to replay meets thousands of parts.
func TestPartsAreNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	e, err := OpenStill(context.Background(), Options{Dir: dir,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{NotBefore: notBefore})
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abandon()
	part := func(spans ...int) *telemetry.Batch {
		b := telemetry.NewBuilder()
		b.Reset("t")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		for _, n := range spans {
			b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: byte(n)}, Start: base, Seq: base}, []byte("op"))
		}
		return &b.Batch
	}
	if err := e.Append(part(1, 2, 3), 1, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := e.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	h := e.tenants["t"].segments[0]
	for _, c := range []struct {
		sent []int
		want int
	}{{[]int{4, 5}, 0}, {[]int{4, 2}, 1}, {[]int{3, 1, 6}, 2}} {
		got, all, err := e.storedPart(h, part(c.sent...), 0, nil)
		if err != nil || !all {
			t.Fatalf("%v: all %v, %v", c.sent, all, err)
		}
		if got == nil && c.want > 0 || got != nil && got.Spans.N != c.want {
			t.Errorf("%v: %+v were read, want %d rows", c.sent, got, c.want)
		}
	}
}

// Traces are loaded as far as the bound of rows allows, and all in the end.
func TestLoadWithinRows(t *testing.T) {
	const traces, rows = 6, loadRows/2 + 1
	dir := t.TempDir()
	e, err := OpenStill(context.Background(), Options{Dir: dir, FreshBytes: 1 << 30,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{NotBefore: notBefore})
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abandon()
	ids := make([]telemetry.TraceID, traces)
	for n := range ids {
		ids[n] = telemetry.TraceID{15: byte(n + 1)}
		b := telemetry.NewBuilder()
		b.Reset("t")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		for i := range rows {
			s := telemetry.Span{TraceID: ids[n], Start: time.Now().UnixNano(), Duration: 1}
			binary.BigEndian.PutUint64(s.SpanID[:], uint64(i)+1)
			b.AddSpan(s, []byte("op"))
		}
		if err := e.Append(&b.Batch, int64(n+1), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	v := e.view("t", Range{})
	defer v.release()
	load := v.loader(nil)
	first, err := load(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) == 0 || len(first) == traces {
		t.Errorf("%d traces of %d rows were loaded at once", len(first), rows)
	}
	next := 0
	err = loadEach(context.Background(), ids, load, func(i int, b *telemetry.Batch) error {
		if i != next || b.Spans.TraceID[0] != ids[i] || b.Spans.N != rows {
			t.Errorf("trace %d comes at place %d with %d rows", i, next, b.Spans.N)
		}
		next++
		return nil
	})
	if err != nil || next != traces {
		t.Errorf("%d traces came, %v", next, err)
	}
	stop := errors.New("enough")
	if err := loadEach(context.Background(), ids, load, func(int, *telemetry.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
