package query_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// relatives finds relations by their definition: pair by pair.
func relatives(op string, ids, parents []telemetry.SpanID, left, right []bool) []int {
	n := len(ids)
	parent := func(child, of int) bool { return child != of && !parents[child].IsZero() && parents[child] == ids[of] }
	reach := func(from, to int) bool { // to is a descendant of from
		seen, todo := make([]bool, n), []int{from}
		for len(todo) > 0 {
			at := todo[0]
			todo = todo[1:]
			for next := range n {
				if parent(next, at) && !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
		return seen[to]
	}
	holds := map[string]func(a, b int) bool{
		">":  func(a, b int) bool { return parent(b, a) },
		"<":  func(a, b int) bool { return parent(a, b) },
		">>": reach,
		"<<": func(a, b int) bool { return reach(b, a) },
		"~":  func(a, b int) bool { return a != b && !parents[a].IsZero() && parents[a] == parents[b] },
	}
	var out []int
	for b := range n {
		found := false
		for a := range n {
			bare := op
			if op[0] == '!' || op[0] == '&' {
				bare = op[1:]
			}
			found = found || left[a] && holds[bare](a, b)
		}
		is := right[b] && found != (op[0] == '!')
		for a := range n { // the other side of a union
			is = is || op[0] == '&' && left[b] && right[a] && holds[op[1:]](b, a)
		}
		if is {
			out = append(out, b)
		}
	}
	return out
}

// Relations agree with their definition in random traces with shared ids, missing
// parents, spans that are their own parents, and circles.
func TestTreeAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var tree query.Tree
	for round := range 3000 {
		n := 1 + rng.IntN(12)
		ids, parents := make([]telemetry.SpanID, n), make([]telemetry.SpanID, n)
		left, right, within := make([]bool, n), make([]bool, n), make([]bool, n)
		for i := range n {
			ids[i] = telemetry.SpanID{7: byte(rng.IntN(n + 1))}
			if rng.IntN(4) > 0 {
				parents[i] = telemetry.SpanID{7: byte(rng.IntN(n + 2))}
			}
			left[i], right[i], within[i] = rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(4) > 0
		}
		tree.Fill(ids, parents)
		for _, op := range []string{">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~"} {
			e := &query.SpanExpr{Op: op, L: &query.SpanExpr{}, R: &query.SpanExpr{Leaf: 1}}
			got := tree.Rows(e, query.Facts{
				Holds:  func(leaf, row int) bool { return [][]bool{left, right}[leaf][row] },
				Within: func(row int) bool { return within[row] },
			})
			slices.Sort(got)
			want := slices.DeleteFunc(relatives(op, ids, parents, left, right), func(i int) bool { return !within[i] })
			if !slices.Equal(got, want) {
				t.Fatalf("round %d: %s of ids %v, parents %v, left %v, right %v: got %v, want %v", round, op, ids, parents, left, right, got, want)
			}
		}
	}
}

// A sender that gives all spans one id costs no more than any other.
func TestTreeOfOneID(t *testing.T) {
	const n = 300_000
	ids, parents := make([]telemetry.SpanID, n), make([]telemetry.SpanID, n)
	for i := range n {
		ids[i], parents[i] = telemetry.SpanID{1}, telemetry.SpanID{1}
	}
	var tree query.Tree
	tree.Fill(ids, parents)
	for _, op := range []string{">", ">>", "<", "<<", "~"} {
		e := &query.SpanExpr{Op: op, L: &query.SpanExpr{}, R: &query.SpanExpr{}}
		always := query.Facts{Holds: func(int, int) bool { return true }, Within: func(int) bool { return true }}
		if got := tree.Rows(e, always); len(got) != n {
			t.Errorf("%s: got %d of %d spans", op, len(got), n)
		}
	}
}
