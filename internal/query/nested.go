package query

import (
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// nestedSets numbers the spans of whole traces: left when a walk in depth comes to
// a span, right when it leaves it, so that a span is below another when its numbers
// lie between the other's. Roots come first, then spans whose parent is not there,
// each in order of start; spans in a circle of parents are never come to and have 0.
type nestedSets struct {
	left, right, parent []int64
	children            []int64 // of each row: spans that name it as their parent

	spans *telemetry.Spans
	byID  map[spanKey]int // of two records with one id, the earlier
	below map[spanKey][]int
	next  map[telemetry.TraceID]int64
}

type spanKey struct {
	trace telemetry.TraceID
	span  telemetry.SpanID
}

func (r *Reader) nestedField(i Intrinsic, row int) Value {
	if r.nested == nil {
		r.nested = numberSpans(&r.b.Spans)
	}
	v := Value{Type: TypeInt}
	switch i {
	case NestedSetLeft:
		v.Int = r.nested.left[row]
	case NestedSetRight:
		v.Int = r.nested.right[row]
	case NestedSetParentLeft:
		v.Int = r.nested.parent[row]
	default:
		v.Int = r.nested.children[row]
	}
	return v
}

func numberSpans(s *telemetry.Spans) *nestedSets {
	n := &nestedSets{make([]int64, s.N), make([]int64, s.N), make([]int64, s.N), make([]int64, s.N),
		s, map[spanKey]int{}, map[spanKey][]int{}, map[telemetry.TraceID]int64{}}
	order := make([]int, s.N)
	for row := range order {
		order[row] = row
	}
	slices.SortFunc(order, func(a, b int) int {
		if earlier(s, a, b) {
			return -1
		}
		return 1
	})
	for _, row := range order {
		k := spanKey{s.TraceID[row], s.SpanID[row]}
		if _, twice := n.byID[k]; !twice {
			n.byID[k] = row
		}
		if !s.Parent[row].IsZero() {
			k.span = s.Parent[row]
			n.below[k] = append(n.below[k], row)
		}
	}
	for _, row := range order {
		n.children[row] = int64(len(n.below[spanKey{s.TraceID[row], s.SpanID[row]}]))
		if s.Parent[row] == s.SpanID[row] {
			n.children[row]-- // no span is its own child
		}
		if s.Parent[row].IsZero() {
			n.parent[row] = -1
			n.walk(row)
		}
	}
	for _, row := range order {
		if _, known := n.byID[spanKey{s.TraceID[row], s.Parent[row]}]; !known && !s.Parent[row].IsZero() {
			n.walk(row)
		}
	}
	return n
}

// visit is a span that the walk is in, and the children that it has still to see.
type visit struct {
	row  int
	todo []int
}

func (n *nestedSets) enter(row int) visit {
	k := spanKey{n.spans.TraceID[row], n.spans.SpanID[row]}
	n.next[k.trace]++
	n.left[row] = n.next[k.trace]
	if n.byID[k] != row {
		return visit{row: row}
	}
	return visit{row, n.below[k]}
}

// walk numbers one tree without recursion: a trace may be a million spans deep.
func (n *nestedSets) walk(root int) {
	trace := n.spans.TraceID[root]
	stack := []visit{n.enter(root)}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.todo) == 0 {
			n.next[trace]++
			n.right[top.row] = n.next[trace]
			stack = stack[:len(stack)-1]
			continue
		}
		child := top.todo[0]
		top.todo = top.todo[1:]
		if n.left[child] == 0 {
			n.parent[child] = n.left[top.row]
			stack = append(stack, n.enter(child))
		}
	}
}
