package telemetry_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
)

func TestResetForgetsEverything(t *testing.T) {
	used := telemetry.NewBuilder()
	for seed := range uint64(60) {
		used.Reset("t")
		random(used, seed, 40)
		if diff := cmp.Diff(dump(&used.Batch), dump(batch(seed, 40))); diff != "" {
			t.Fatalf("seed %d: a used builder differs from a new one (−used +new):\n%.2000s", seed, diff)
		}
	}
	used.Reset("other")
	b := &used.Batch
	if b.Tenant != "other" || b.Spans.N+b.Events.N+b.Links.N+b.Resources.N+b.Scopes.N != 0 || b.Bytes() != 0 {
		t.Errorf("after Reset: tenant %q, %d bytes", b.Tenant, b.Bytes())
	}
	for _, table := range b.Tables() {
		if len(table.Cols) != 0 {
			t.Errorf("after Reset a table has %d columns", len(table.Cols))
		}
	}
}

// TestResetGivesBackWhatIsLarge fills a builder beyond what it keeps and asserts that it
// works as before.
func TestResetGivesBackWhatIsLarge(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	for i := range 3000 {
		row := b.AddSpan(telemetry.Span{}, nil)
		b.Spans.Col(telemetry.ScopeSpan, fmt.Appendf(nil, "key %d", i), telemetry.TypeInt).AddNum(row, uint64(i))
	}
	b.Reset("t")
	random(b, 5, 40)
	if diff := cmp.Diff(dump(&b.Batch), dump(batch(5, 40))); diff != "" {
		t.Errorf("after 3000 columns (−got +want):\n%.2000s", diff)
	}
}

func TestLastValueOfARowWins(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	text := b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeString)
	num := b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeInt)
	if text == num {
		t.Fatal("two types of a key share a column")
	}
	for _, v := range []string{"first", "second", "third"} {
		text.AddText(2, []byte(v))
		num.AddNum(2, uint64(len(v)))
	}
	text.AddText(3, []byte("first"))
	if got := fmt.Sprint(text.C.Rows, text.C.Dict.Str(text.C.Codes[0]), text.C.Dict.Str(text.C.Codes[1]), num.C.Rows, num.C.Nums); got != "[2 3]thirdfirst[2] [5]" {
		t.Errorf("columns hold %s", got)
	}
}

// TestDictionaries asserts that equal texts share an entry, until nearly every text is new.
func TestDictionaries(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	few := b.Spans.Col(telemetry.ScopeSpan, []byte("few"), telemetry.TypeString)
	many := b.Spans.Col(telemetry.ScopeSpan, []byte("many"), telemetry.TypeString)
	for i := range uint32(5000) {
		few.AddText(i, fmt.Appendf(nil, "value %d", i%50))
		many.AddText(i, fmt.Appendf(nil, "value %d", i))
	}
	if n := few.C.Dict.Len(); n != 50 {
		t.Errorf("50 different texts have %d entries", n)
	}
	for i := range uint32(5000) {
		if got, want := many.C.Dict.Str(many.C.Codes[i]), fmt.Sprint("value ", i); got != want {
			t.Fatalf("row %d holds %q, want %q", i, got, want)
		}
	}
}

func TestInterner(t *testing.T) {
	var n telemetry.Interner
	var d telemetry.Dict
	for round := range 3 {
		for i := range 1000 {
			if code := n.Intern(&d, fmt.Append(nil, i)); int(code) != i || d.Str(code) != fmt.Sprint(i) {
				t.Fatalf("round %d: %d has code %d, text %q", round, i, code, d.Str(code))
			}
		}
	}
	if d.Len() != 1000 {
		t.Errorf("%d entries, want 1000", d.Len())
	}
	n.Reset()
	d.Reset()
	if code := n.Intern(&d, []byte("999")); code != 0 || d.Len() != 1 {
		t.Errorf("after Reset: code %d of %d", code, d.Len())
	}
	if code := n.Intern(&d, nil); code != 1 || d.Str(1) != "" {
		t.Errorf("the empty text has code %d", code)
	}
}

// TestSnapshot takes snapshots while rows are appended; each must stay as it was, and
// may be read by others.
func TestSnapshot(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	var readers sync.WaitGroup
	for seed := range uint64(20) {
		b.Append(batch(seed, 25), int64(seed), nil)
		snapshot := b.Snapshot()
		want := dump(snapshot)
		readers.Add(1)
		go func() {
			defer readers.Done()
			for range 3 {
				if !slices.Equal(dump(snapshot), want) {
					t.Errorf("the snapshot of %d rows has changed", snapshot.Spans.N)
				}
			}
		}()
	}
	readers.Wait()
}

// TestCopiesOfRows compares the three ways to copy chosen rows of a batch to another.
func TestCopiesOfRows(t *testing.T) {
	for seed := range uint64(40) {
		first, second := loose(seed, 30), loose(seed+1000, 30)
		keep := make([]bool, 30)
		var rows []uint32
		for i := range keep {
			if (uint64(i)*7+seed)%3 != 0 {
				keep[i] = true
				rows = append(rows, uint32(i))
			}
		}
		kept := func(i int) bool { return keep[i] }
		all := func(int) bool { return true }
		check := func(name string, got *telemetry.Batch, want []string) {
			t.Helper()
			if diff := cmp.Diff(dump(got), want); diff != "" {
				t.Fatalf("seed %d: %s (−got +want):\n%.3000s", seed, name, diff)
			}
		}
		b := telemetry.NewBuilder()
		b.Reset("t")
		b.Append(first, 1, nil)
		b.Append(second, 2, keep)
		check("Append", &b.Batch, append(choose(withSeq(first, 1), all), choose(withSeq(second, 2), kept)...))

		b.Reset("t")
		b.AppendPicked(first, rows)
		b.AppendPicked(second, rows)
		check("AppendPicked", &b.Batch, append(choose(dump(first), kept), choose(dump(second), kept)...))

		backwards := slices.Clone(rows)
		slices.Reverse(backwards)
		want := choose(dump(first), kept)
		slices.Reverse(want)
		check("Gather", telemetry.Gather(first, backwards), want)
		check("Gather of nothing", telemetry.Gather(first, nil), []string{})
	}
}

// TestResourcesAreShared asserts that equal resources have one row, however their columns are ordered.
func TestResourcesAreShared(t *testing.T) {
	with := func(keys ...string) *telemetry.Batch {
		b := telemetry.NewBuilder()
		b.Reset("t")
		row := b.Resources.AddRow()
		for _, k := range keys {
			b.Resources.Col(telemetry.ScopeResource, []byte(k), telemetry.TypeString).AddText(row, []byte("v"))
		}
		b.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}, Scope: b.Scopes.AddRow(), Resource: row}, nil)
		return &b.Batch
	}
	batches := []*telemetry.Batch{with("a", "b"), with("b", "a"), with("a"), with("b", "a")}
	b := telemetry.NewBuilder()
	b.Reset("t")
	for _, other := range batches {
		b.Append(other, 1, nil)
	}
	if b.Batch.Resources.N != 2 || b.Batch.Scopes.N != 1 {
		t.Errorf("Append: %d resources, %d scopes, want 2 and 1", b.Batch.Resources.N, b.Batch.Scopes.N)
	}
	b.Reset("t")
	for _, other := range batches {
		b.AppendPicked(other, []uint32{0})
	}
	b.Append(batches[0], 1, nil)
	if b.Batch.Resources.N != 2 || b.Batch.Scopes.N != 1 {
		t.Errorf("AppendPicked: %d resources, %d scopes, want 2 and 1", b.Batch.Resources.N, b.Batch.Scopes.N)
	}
}

func TestServiceNames(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	row := b.Resources.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(row, []byte("cart"))
	if got := telemetry.ServiceNames(&b.Batch); !slices.Equal(got, []string{"", "cart"}) {
		t.Errorf("names %q", got)
	}
}
