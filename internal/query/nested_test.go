package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestNestedSets numbers the traces of the corpus: a whole one, one whose root is
// missing, and one with a circle that no walk comes to.
func TestNestedSets(t *testing.T) {
	const want = `1: a -1 1..10, b 1 2..5, c 2 3..4, d 1 6..9, e 6 7..8
2: f 0 1..2, g 0 3..4
3: h 0 0..0, i 0 0..0, j 0 0..0, j 0 0..0, k 0 0..0
4: l -1 1..8, m 1 2..7, n 2 3..4, o 2 5..6, p 0 0..0
`
	var got strings.Builder
	for _, b := range querytest.Traces(t, "testdata/eval/spans.txt") {
		r := query.NewReader(b)
		number := func(i query.Intrinsic, row int) int64 {
			v := r.Selected(query.IntrinsicField(i), row)
			if len(v) != 1 || v[0].Type != query.TypeInt {
				t.Fatalf("row %d: got %v, want one integer", row, v)
			}
			return v[0].Int
		}
		var spans []string
		for row := range b.Spans.N {
			spans = append(spans, fmt.Sprintf("%c %d %d..%d", b.Spans.SpanID[row][7], number(query.NestedSetParent, row), number(query.NestedSetLeft, row), number(query.NestedSetRight, row)))
		}
		fmt.Fprintf(&got, "%c: %s\n", b.Spans.TraceID[0][15], strings.Join(spans, ", "))
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNestedSetsOfADeepTrace walks a chain as long as a hostile sender makes it, in
// which the last span claims to be its own parent and each id is there twice.
func TestNestedSetsOfADeepTrace(t *testing.T) {
	const n = 100_000
	b := telemetry.NewBuilder()
	res, scope := b.Resources.AddRow(), b.Scopes.AddRow()
	id := func(i int) telemetry.SpanID {
		return telemetry.SpanID{4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i), 7: 1}
	}
	for i := range n {
		v := telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: id(i), Start: int64(i), Resource: res, Scope: scope}
		if i > 0 {
			v.Parent = id(i - 1)
		}
		b.AddSpan(v, []byte("x"))
		v.Start = n
		b.AddSpan(v, []byte("twin"))
	}
	b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{9}, Parent: telemetry.SpanID{9}, Resource: res, Scope: scope}, []byte("self"))
	r := query.NewReader(&b.Batch)
	at := func(i query.Intrinsic, row int) int64 { return r.Selected(query.IntrinsicField(i), row)[0].Int }
	if left, right := at(query.NestedSetLeft, 0), at(query.NestedSetRight, 0); left != 1 || right != 2*(2*n-1) {
		t.Errorf("the root has %d..%d, want 1..%d: its twin has a tree of its own", left, right, 2*(2*n-1))
	}
	if got := at(query.ChildCount, 0); got != 2 {
		t.Errorf("the root has %d children, want 2", got)
	}
	if left, children := at(query.NestedSetLeft, 2*n), at(query.ChildCount, 2*n); left != 0 || children != 0 {
		t.Errorf("its own parent has left %d and %d children, want 0 and 0", left, children)
	}
}
