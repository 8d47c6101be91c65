package telemetry_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// TestRestIsSeen asks for every column of batches of which a part is in the rest:
// of single ones, and of a run in which keys are at first there and later in columns.
func TestRestIsSeen(t *testing.T) {
	for seed := range uint64(40) {
		run, plain := telemetry.NewBuilder(), telemetry.NewBuilder()
		run.Reset("t")
		plain.Reset("t")
		for i := range uint64(6) {
			b := batch(seed*10+i, 20)
			run.Append(testkit.Loose(b, rand.New(rand.NewPCG(seed, i))), int64(i), nil)
			plain.Append(b, int64(i), nil)
		}
		if diff := cmp.Diff(dump(&run.Batch), dump(&plain.Batch)); diff != "" {
			t.Fatalf("seed %d (−got +want):\n%.3000s", seed, diff)
		}
		got, want := run.Batch.Tables(), plain.Batch.Tables()
		for i := range want {
			if diff := cmp.Diff(names(got[i]), names(want[i])); diff != "" {
				t.Fatalf("seed %d, table %d: names (−got +want):\n%s", seed, i, diff)
			}
			for _, c := range want[i].Cols {
				found := got[i].Find(c.Scope, c.Key, c.Type)
				if found == nil || !slices.Equal(found.Rows, c.Rows) || !slices.Equal(found.Nums, c.Nums) || !slices.Equal(texts(found), texts(c)) {
					t.Fatalf("seed %d, table %d: column %q of type %c differs", seed, i, c.Key, c.Type)
				}
				if !got[i].HasType(c.Type) {
					t.Errorf("seed %d, table %d: no value of type %c", seed, i, c.Type)
				}
			}
			if got[i].Find(telemetry.ScopeSpan, "nowhere", telemetry.TypeInt) != nil || got[i].HasType('q') {
				t.Errorf("seed %d, table %d: found what is not there", seed, i)
			}
		}
	}
}

func names(t *telemetry.Table) []string {
	var out []string
	t.EachName(func(s telemetry.Scope, key string, typ telemetry.Type) {
		out = append(out, fmt.Sprintf("%c.%q.%c", s, key, typ))
	})
	slices.Sort(out)
	return slices.Compact(out)
}

func texts(c *telemetry.Column) []string {
	var out []string
	for _, code := range c.Codes {
		out = append(out, c.Dict.Str(code))
	}
	return out
}

// TestSettleRest asserts when the values of a request stay in the rest: on both
// sides of either bound, with keys that were promoted and without.
func TestSettleRest(t *testing.T) {
	for _, c := range []struct {
		rows, values, promoted int
		stay                   bool
	}{
		{64, 64, 0, true}, {63, 64, 0, false}, {64, 63, 0, false}, {64, 64, 3, true}, {64, 63, 3, false}, {1, 0, 0, false}, {100, 0, 5, false},
	} {
		b := telemetry.NewBuilder()
		b.Reset("t")
		var want []string
		total := c.values + c.promoted
		for row := range c.rows {
			b.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}, Resource: 0, Scope: 0}, nil)
			for k := row * total / c.rows; k < (row+1)*total/c.rows; k++ {
				b.Spans.AddRest(telemetry.ScopeSpan, uint32(row), telemetry.TypeString, fmt.Append(nil, "k", k), 0, fmt.Append(nil, "v", k))
				want = append(want, fmt.Sprintf("s.\"k%d\".s", k))
			}
		}
		for k := range c.promoted {
			b.Spans.Promote(k * total / c.promoted)
		}
		b.Spans.SettleRest()
		s := &b.Batch.Spans
		wantCols, wantRest := c.promoted, c.values
		if !c.stay {
			wantCols, wantRest = total, 0
		}
		if len(s.Cols) != wantCols || s.Rest.Len() != wantRest {
			t.Errorf("%+v: %d columns and %d values in the rest, want %d and %d", c, len(s.Cols), s.Rest.Len(), wantCols, wantRest)
		}
		slices.Sort(want)
		if diff := cmp.Diff(names(&s.Table), want); diff != "" {
			t.Errorf("%+v: names (−got +want):\n%s", c, diff)
		}
		for k := range total {
			col := s.Find(telemetry.ScopeSpan, fmt.Sprint("k", k), telemetry.TypeString)
			if col == nil || len(col.Rows) != 1 || col.Dict.Str(col.Codes[0]) != fmt.Sprint("v", k) {
				t.Fatalf("%+v: value %d is gone", c, k)
			}
		}
		b.Reset("t")
		if s.Rest.Len() != 0 || len(s.Cols) != 0 {
			t.Errorf("%+v: a reset batch is not empty", c)
		}
	}
}

// TestAppendRestAtOnce appends requests with entries to a run: at once, where no key
// can have a column, and row by row, where one may. A key that is like that of a
// column is none.
func TestAppendRestAtOnce(t *testing.T) {
	for _, columns := range []int{0, 1, 32, 33} {
		at, by := telemetry.NewBuilder(), telemetry.NewBuilder()
		at.Reset("t")
		by.Reset("t")
		src := telemetry.NewBuilder()
		for round := range 4 {
			src.Reset("t")
			src.Resources.AddRow()
			src.Scopes.AddRow()
			for row := range uint32(100) {
				src.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}}, nil)
				for c := range columns {
					src.Spans.Col(telemetry.ScopeSpan, fmt.Append(nil, "col", c), telemetry.TypeInt).AddNum(row, uint64(c))
				}
				if round == 1 { // the key of an entry of the other rounds
					src.Spans.Col(telemetry.ScopeSpan, []byte("k7"), telemetry.TypeString).AddText(row, []byte("column"))
				} else {
					src.Spans.AddRest(telemetry.ScopeSpan, row, telemetry.TypeString, fmt.Append(nil, "k", row), 0, fmt.Append(nil, "v", row, round))
				}
				src.Spans.AddRest(telemetry.ScopeSpan, row, telemetry.TypeDouble, fmt.Append(nil, "col.", row), uint64(row), nil)
			}
			src.Spans.Promote(5)
			src.Spans.Promote(50)
			src.Spans.SettleRest()
			all := make([]bool, src.Batch.Spans.N)
			for i := range all {
				all[i] = true
			}
			at.Append(&src.Batch, 1, nil)
			by.Append(&src.Batch, 1, all)
		}
		if got := at.Batch.Spans.Rest.Len(); got == 0 {
			t.Errorf("%d columns: nothing is in the rest", columns)
		}
		if diff := cmp.Diff(at.Batch, by.Batch); diff != "" {
			t.Errorf("%d columns: at once (−) and row by row (+) differ:\n%.2000s", columns, diff)
		}
	}
}
