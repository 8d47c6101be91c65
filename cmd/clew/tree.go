package main

import (
	"fmt"
	"slices"
	"strconv"
)

// traceAnswer is GET /api/traces/{id}: the skeleton of a trace in depth-first order.
type traceAnswer struct {
	TraceID        string    `json:"traceId"`
	Partial        string    `json:"partial"`
	Start          string    `json:"start"` // Unix nanoseconds
	Duration       int64     `json:"duration"`
	RootMissing    bool      `json:"rootMissing"`
	MissingParents int       `json:"missingParents"`
	Spans          []spanRow `json:"spans"`
}

// spanRow is a span of the skeleton; Start counts from the trace's start.
type spanRow struct {
	SpanID        string `json:"spanId"`
	ParentID      string `json:"parentId"`
	Depth         int    `json:"depth"`
	Service       string `json:"service"`
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"`
	Start         int64  `json:"start"`
	Duration      int64  `json:"duration"`
	HasEvents     bool   `json:"hasEvents"`
	HasLinks      bool   `json:"hasLinks"`
}

func (s *spanRow) failed() bool { return s.Status == "error" }

// startTime gives the trace's start in Unix nanoseconds.
func (t *traceAnswer) startTime() (int64, error) {
	ns, err := strconv.ParseInt(t.Start, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the answer: start %q is not a number of nanoseconds", clean(t.Start))
	}
	return ns, nil
}

// treeNode is a span with its place in the tree, or a parent that was never received.
type treeNode struct {
	span     *spanRow // nil: missing
	missing  string   // id of the missing parent
	children []*treeNode
	spans    int  // spans at and below this node
	errors   int  // those of them that failed
	shown    bool // passes the service filter, or something below does
}

// buildTree makes nodes of the skeleton. The server's order is depth first, so
// that a span's parent is the last span seen one level up. Roots whose parent is
// named but absent are gathered under a node for that parent. Every loop is over
// the list, never into the tree: a trace may be as deep as it has spans.
func buildTree(spans []spanRow, service string) []*treeNode {
	nodes := make([]treeNode, len(spans))
	parents := make([]*treeNode, len(spans))
	missing := map[string]*treeNode{}
	var roots, path []*treeNode
	for i := range spans {
		s := &spans[i]
		n := &nodes[i]
		n.span = s
		depth := min(max(s.Depth, 0), len(path))
		path = append(path[:depth], n)
		switch {
		case depth > 0:
			parents[i] = path[depth-1]
			parents[i].children = append(parents[i].children, n)
		case s.ParentID != "":
			m := missing[s.ParentID]
			if m == nil {
				m = &treeNode{missing: s.ParentID}
				missing[s.ParentID] = m
				roots = append(roots, m)
			}
			parents[i] = m
			m.children = append(m.children, n)
		default:
			roots = append(roots, n)
		}
	}
	for i := len(nodes) - 1; i >= 0; i-- { // children stand behind their parents
		n := &nodes[i]
		n.spans++
		if n.span.failed() {
			n.errors++
		}
		n.shown = n.shown || service == "" || n.span.Service == service
		if p := parents[i]; p != nil {
			p.spans += n.spans
			p.errors += n.errors
			p.shown = p.shown || n.shown
		}
	}
	return roots
}

// foldFrom is the number of like siblings from which they are drawn as one line.
const foldFrom = 4

// item is a line's worth of siblings: one node, or a fold of many.
type item struct {
	node *treeNode
	fold []*treeNode
}

// foldKey is what siblings must share to be drawn as one: what fails below is
// never hidden among what does not.
type foldKey struct {
	service, name, kind string
	failed, failedBelow bool
}

// items groups the shown children, each group in the place of its first member.
// from is the smallest group that folds; 0 folds nothing.
func items(children []*treeNode, from int) []item {
	groups := map[foldKey][]*treeNode{}
	key := func(n *treeNode) foldKey {
		return foldKey{n.span.Service, n.span.Name, n.span.Kind, n.span.failed(), n.errors > 0}
	}
	if from > 0 {
		for _, n := range children {
			if n.shown && n.span != nil {
				groups[key(n)] = append(groups[key(n)], n)
			}
		}
	}
	var out []item
	for _, n := range children {
		if !n.shown {
			continue
		}
		if n.span != nil {
			if g := groups[key(n)]; from > 0 && len(g) >= from {
				if g[0] == n {
					out = append(out, item{node: n, fold: g})
				}
				continue
			}
		}
		out = append(out, item{node: n})
	}
	return out
}

// foldStats describes a fold: durations in nanoseconds, the median exact.
type foldStats struct {
	median, longest, total int64
	first, last            int64 // from the earliest start to the latest end
	spans                  int   // with everything below
}

func statsOf(fold []*treeNode) foldStats {
	st := foldStats{first: fold[0].span.Start}
	durations := make([]int64, len(fold))
	for i, n := range fold {
		durations[i] = n.span.Duration
		st.longest = max(st.longest, n.span.Duration)
		st.total += n.span.Duration
		st.first = min(st.first, n.span.Start)
		st.last = max(st.last, n.span.Start+n.span.Duration)
		st.spans += n.spans
	}
	slices.Sort(durations)
	st.median = durations[(len(durations)-1)/2]
	return st
}
