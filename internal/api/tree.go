package api

import (
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tree is a trace in depth-first order. Children stand in the order of the
// batch, which is by start and then span id.
type tree struct {
	order   []uint32 // rows of the batch in depth-first order
	depth   []uint32 // by place in order
	parent  []int32  // row of the parent, or −1; by row
	missing []bool   // the span names a parent that is not here; by row
	lost    int      // how many are true
	start   int64    // of the earliest span
	end     int64    // latest end of any span
	root    int32    // row of the earliest span without a parent id, or −1
}

const noParent = -1

// newTree lays out the spans of one trace. It takes time in proportion to the
// spans and no recursion, so that neither depth nor cycles can hurt.
func newTree(s *telemetry.Spans) *tree {
	t := &tree{parent: make([]int32, s.N), missing: make([]bool, s.N), root: noParent}
	t.link(s)
	first, next := t.children(s.N)
	t.order, t.depth = make([]uint32, 0, s.N), make([]uint32, 0, s.N)
	seen := make([]bool, s.N)
	for row := range s.N {
		if t.parent[row] == noParent {
			t.walk(uint32(row), first, next, seen)
		}
	}
	// What no root reaches are spans that name each other as parents. The
	// earliest of them is cut loose, and stands as one whose parent is missing.
	for row := range s.N {
		if seen[row] {
			continue
		}
		t.parent[row] = noParent
		t.miss(row)
		t.walk(uint32(row), first, next, seen)
	}
	if s.N > 0 {
		t.start, t.end = s.Start[0], s.Start[0]
	}
	for row := range s.N {
		t.start = min(t.start, s.Start[row])
		t.end = max(t.end, query.SaturatingAdd(s.Start[row], max(s.Duration[row], 0)))
	}
	return t
}

// link finds each row's parent. Two records may share a span id, as the client's
// and the server's do in Zipkin: then the server's is the client's child, and
// what names the id is a child of the server's.
func (t *tree) link(s *telemetry.Spans) {
	byID := make(map[telemetry.SpanID]uint32, s.N)
	for row := range uint32(s.N) {
		if other, ok := byID[s.SpanID[row]]; !ok || s.Kind[row] == telemetry.KindServer && s.Kind[other] != telemetry.KindServer {
			byID[s.SpanID[row]] = row
		}
	}
	var clients map[telemetry.SpanID]uint32 // rows that share their id with a server's
	for row := range uint32(s.N) {
		if byID[s.SpanID[row]] != row && s.Kind[row] == telemetry.KindClient {
			if clients == nil {
				clients = map[telemetry.SpanID]uint32{}
			}
			if _, ok := clients[s.SpanID[row]]; !ok {
				clients[s.SpanID[row]] = row
			}
		}
	}
	for row := range uint32(s.N) {
		t.parent[row] = noParent
		if client, ok := clients[s.SpanID[row]]; ok && s.Kind[row] == telemetry.KindServer && byID[s.SpanID[row]] == row {
			t.parent[row] = int32(client)
			continue
		}
		id := s.Parent[row]
		if id.IsZero() {
			if t.root == noParent {
				t.root = int32(row)
			}
			continue
		}
		if p, ok := byID[id]; ok && p != row && id != s.SpanID[row] {
			t.parent[row] = int32(p)
		} else {
			t.miss(int(row))
		}
	}
}

func (t *tree) miss(row int) {
	t.missing[row] = true
	t.lost++
}

// children lists the children of each row: first[p] is the first one, next[c] the
// one after c.
func (t *tree) children(n int) (first, next []int32) {
	first, next = make([]int32, n), make([]int32, n)
	for i := range n {
		first[i], next[i] = noParent, noParent
	}
	for row := n - 1; row >= 0; row-- {
		if p := t.parent[row]; p != noParent {
			next[row] = first[p]
			first[p] = int32(row)
		}
	}
	return first, next
}

// walk appends the subtree of row. It goes down by first and up by parent, so
// that it needs no stack; seen ends it where a cycle closes.
func (t *tree) walk(root uint32, first, next []int32, seen []bool) {
	row, depth := int32(root), uint32(0)
	for {
		seen[row] = true
		t.order = append(t.order, uint32(row))
		t.depth = append(t.depth, depth)
		if c := t.open(first[row], next, seen); c != noParent {
			row, depth = c, depth+1
			continue
		}
		for {
			if uint32(row) == root {
				return
			}
			if c := t.open(next[row], next, seen); c != noParent {
				row = c
				break
			}
			row, depth = t.parent[row], depth-1
		}
	}
}

// open gives the first row from c on in its list that has not been walked.
func (t *tree) open(c int32, next []int32, seen []bool) int32 {
	for c != noParent && seen[c] {
		c = next[c]
	}
	return c
}

// servicesOf lists the distinct service.names and the one of each resource. A
// resource without one has the empty name.
func servicesOf(b *telemetry.Batch) (names []string, ofResource []int) {
	at := map[string]int{}
	code := func(name string) int {
		n, ok := at[name]
		if !ok {
			n = len(names)
			at[name] = n
			names = append(names, name)
		}
		return n
	}
	names, ofResource = []string{}, make([]int, b.Resources.N)
	next := 0
	c := b.Resources.Find(telemetry.ScopeResource, telemetry.KeyServiceName, telemetry.TypeString)
	for row := range ofResource {
		name := ""
		if c != nil && next < len(c.Rows) && c.Rows[next] == uint32(row) {
			name = c.Dict.Str(c.Codes[next])
			next++
		}
		ofResource[row] = code(name)
	}
	return names, ofResource
}

// having reports for each span row whether the child table has a row for it.
func having(spans []uint32, n int) []bool {
	out := make([]bool, n)
	for _, row := range spans {
		out[row] = true
	}
	return out
}
