package clewtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Tree draws spans as text, as section 9 of kit/contract says; the Rust kit draws the same text. Attributes are the keys that are shown on
// spans, events and links; without them none is.
//
//	trace 1
//	└─ SERVER POST /orders/{id} (orders) http.response.status_code=200
//	   └─ CLIENT INSERT orders ERROR "duplicate key"
func Tree(spans []Span, attributes ...string) string {
	d := drawing{show: slices.Clone(attributes), traceOf: map[string]int{}, names: map[string]string{}}
	slices.Sort(d.show)
	d.show = slices.Compact(d.show)
	traces := map[string][]*node{}
	for i := range spans {
		s := &spans[i]
		traces[s.Trace] = append(traces[s.Trace], &node{Span: s})
		d.names[s.Trace+s.ID] = s.Name
	}
	forest := make([][]*node, 0, len(traces))
	for _, id := range slices.Sorted(maps.Keys(traces)) {
		forest = append(forest, grow(traces[id]))
	}
	slices.SortStableFunc(forest, func(a, b []*node) int { return order(a[0], b[0]) })
	for i, roots := range forest {
		d.traceOf[roots[0].Trace] = i + 1
	}
	for i, roots := range forest {
		fmt.Fprintf(&d.out, "trace %d\n", i+1)
		for j, root := range roots {
			d.span(root, "", j == len(roots)-1, "")
		}
	}
	return d.out.String()
}

// node is a span with its place in the tree.
type node struct {
	*Span
	children []*node
	orphan   bool
	placed   bool
}

func order(a, b *node) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Name, b.Name), cmp.Compare(a.End, b.End), cmp.Compare(a.ID, b.ID))
}

// grow returns the roots of one trace, with their children in order. Spans whose parents form a circle hang under the earliest of them.
func grow(nodes []*node) []*node {
	slices.SortStableFunc(nodes, order)
	byID := make(map[string]*node, len(nodes))
	for _, n := range nodes {
		byID[n.ID] = n
	}
	children := map[*node][]*node{}
	var roots []*node
	for _, n := range nodes {
		switch parent := byID[n.Parent]; {
		case n.Parent == "":
			roots = append(roots, n)
		case parent == nil:
			n.orphan = true
			roots = append(roots, n)
		default:
			children[parent] = append(children[parent], n)
		}
	}
	var place func(n *node)
	place = func(n *node) {
		n.placed = true
		for _, c := range children[n] {
			if !c.placed {
				place(c)
				n.children = append(n.children, c)
			}
		}
	}
	for _, root := range roots {
		place(root)
	}
	for _, n := range nodes {
		if !n.placed {
			n.orphan = true
			roots = append(roots, n)
			place(n)
		}
	}
	slices.SortStableFunc(roots, order)
	return roots
}

type drawing struct {
	out     strings.Builder
	show    []string
	traceOf map[string]int
	names   map[string]string
}

func (d *drawing) span(n *node, indent string, last bool, service string) {
	text := n.Kind + " " + plain(n.Name)
	if n.Service != service && n.Service != "" {
		text += " (" + n.Service + ")"
	}
	if n.orphan {
		text += " (parent missing)"
	}
	if n.End == 0 {
		text += " (open)"
	}
	text += d.attributes(n.Attributes)
	switch {
	case n.Status == OK:
		text += " OK"
	case n.Status == Error && n.Message == "":
		text += " ERROR"
	case n.Status == Error:
		text += " ERROR " + quote(n.Message)
	}
	indent = d.line(indent, last, text)
	left := len(n.Links) + len(n.Events) + len(n.children)
	for _, l := range n.Links {
		left--
		text := "link (missing)"
		if name, ok := d.names[l.Trace+l.ID]; ok {
			text = fmt.Sprintf("link trace %d %s", d.traceOf[l.Trace], quote(name))
		}
		d.line(indent, left == 0, text+d.attributes(l.Attributes))
	}
	events := slices.Clone(n.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Name, b.Name)) })
	for _, e := range events {
		left--
		d.line(indent, left == 0, "event "+plain(e.Name)+d.attributes(e.Attributes))
	}
	for _, c := range n.children {
		left--
		d.span(c, indent, left == 0, n.Service)
	}
}

// line writes one line and returns the indentation of what is under it.
func (d *drawing) line(indent string, last bool, text string) string {
	branch, under := "├─ ", "│  "
	if last {
		branch, under = "└─ ", "   "
	}
	d.out.WriteString(indent + branch + text + "\n")
	return indent + under
}

func (d *drawing) attributes(all map[string]any) string {
	var text strings.Builder
	for _, key := range d.show {
		if v, ok := all[key]; ok {
			text.WriteString(" " + key + "=" + value(v))
		}
	}
	return text.String()
}

func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if v != "" && !strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f }) {
			return v
		}
		return quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return number(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			if s, ok := e.(string); ok {
				parts[i] = quote(s)
			} else {
				parts[i] = value(e)
			}
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return quote(fmt.Sprint(v))
}

// number writes a float as RFC 8785 does, which is what encoding/json writes; the values that JSON cannot have are words.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	}
	b, _ := json.Marshal(f)
	return string(b)
}

// plain is text as it is, or quoted when a control character would break the picture.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return quote(s)
	}
	return s
}

// quote writes text as RFC 8785 does.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			if r < ' ' {
				b = fmt.Appendf(b, `\u%04x`, r)
			} else {
				b = append(b, string(r)...)
			}
		}
	}
	return string(append(b, '"'))
}
