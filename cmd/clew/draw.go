package main

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// drawing writes a trace as text:
//
//	trace     4bf9…                      the header
//	root      edge: POST /checkout
//	…
//	label                 duration  |--bar--|
//	├╴ERR payment: Charge    102ms     ████
//	│   error: card declined             beneath a span: what belongs to it
type drawing struct {
	*screen
	trace    *traceAnswer
	mark     string // id of the span to mark, or empty
	details  map[spanKey]*spanDetails
	attrs    bool
	events   bool
	foldFrom int // 0: fold nothing
	service  string
	maxDepth int // -1: no bound

	lines  []line
	drawn  int // spans drawn or counted in a fold
	hidden int // of the drawn ones: with events or links that are not written
}

// line is one row of the tree. A note is text beneath a span and has no bar.
type line struct {
	prefix   string
	lead     string // "ERR ", "412 × "
	service  string
	text     string
	note     bool
	failed   bool
	duration int64
	bars     []barSpan
}

// barSpan is a stretch of the timeline, from the start of the trace.
type barSpan struct{ start, end int64 }

func (l *line) columns() int {
	return columns(l.prefix) + columns(l.lead) + columns(l.service) + columns(l.text)
}

// durationWidth holds the widest usual duration, as in "12h03m09s".
const durationWidth = 9

// pipedLabel bounds the label column where no terminal does.
const pipedLabel = 160

func (d *drawing) write() error {
	start, err := d.trace.startTime()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(d.w)
	d.header(out, start)
	if len(d.trace.Spans) == 0 {
		return out.Flush()
	}
	d.tree(buildTree(d.trace.Spans, d.service))
	label, bar := d.layout()
	fmt.Fprintln(out)
	d.ruler(out, label, bar)
	for i := range d.lines {
		d.line(out, &d.lines[i], label, bar)
	}
	d.footer(out)
	return out.Flush()
}

func (d *drawing) header(out *bufio.Writer, start int64) {
	t := d.trace
	type share struct{ spans, errors int }
	services := map[string]*share{}
	errors := 0
	for i := range t.Spans {
		s := &t.Spans[i]
		sh := services[s.Service]
		if sh == nil {
			sh = &share{}
			services[s.Service] = sh
		}
		sh.spans++
		if s.failed() {
			sh.errors++
			errors++
		}
	}
	root := "none"
	for i := range t.Spans {
		if s := &t.Spans[i]; s.Depth == 0 && (s.ParentID == "" || t.RootMissing) {
			root = clean(s.Service) + ": " + clean(s.Name)
			break
		}
	}
	if t.RootMissing {
		root = "missing; the earliest span is " + root
	}
	spans := strconv.Itoa(len(t.Spans)) + ", " + number(int64(errors), "error", "errors")
	if t.MissingParents > 0 {
		spans += ", " + number(int64(t.MissingParents), "missing parent", "missing parents")
	}
	names := make([]string, 0, len(services))
	for name := range services {
		names = append(names, name)
	}
	slices.Sort(names)
	list := make([]string, len(names))
	for i, name := range names {
		sh := services[name]
		list[i] = d.paint(serviceStyle(name), clean(name)) + " " + strconv.Itoa(sh.spans)
		if sh.errors > 0 {
			list[i] += d.paint(styleError, " ("+number(int64(sh.errors), "error", "errors")+")")
		}
	}
	field := func(name, value string) {
		fmt.Fprintf(out, "%s%s\n", d.paint(styleDim, fmt.Sprintf("%-10s", name)), value)
	}
	field("trace", d.paint(styleBold, clean(t.TraceID)))
	field("root", root)
	field("start", formatTime(start))
	field("duration", d.span(t.Duration))
	field("spans", spans)
	field("services", strconv.Itoa(len(names))+": "+strings.Join(list, ", "))
}

// frame is an item that waits to be drawn. The stack of frames replaces
// recursion, because depth is the sender's choice.
type frame struct {
	item
	depth  int
	prefix string // of the siblings' lines, without the branch
	last   bool
}

// deepest is the depth from which lines are no longer indented further, so that
// the names keep room: beyond it the depth is written as a number.
func (d *drawing) deepest() int {
	label := d.width - d.leastBar() - durationWidth - 3
	return min(max((label-21)/2, 2), 24)
}

// leastBar is the width of the bars where labels need the room.
func (d *drawing) leastBar() int { return max(d.width/5, 10) }

func (d *drawing) tree(roots []*treeNode) {
	var stack []frame
	push := func(children []*treeNode, depth int, prefix string) {
		list := items(children, d.foldFrom)
		for i := len(list) - 1; i >= 0; i-- {
			stack = append(stack, frame{item: list[i], depth: depth, prefix: prefix, last: i == len(list)-1})
		}
	}
	push(roots, 0, "")
	for len(stack) > 0 {
		f := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		own, below := d.branch(f)
		if f.fold != nil {
			d.foldLines(f.fold, own, below)
			continue
		}
		cut := d.maxDepth >= 0 && f.depth >= d.maxDepth
		inner := below + d.pick("│ ", "| ")
		if len(f.node.children) == 0 || cut {
			inner = below + "  "
		}
		d.spanLines(f.node, own, inner)
		if cut {
			if rest := f.node.spans - 1; rest > 0 && f.node.span != nil {
				d.note(inner, number(int64(rest), "span", "spans")+" below, "+number(int64(f.node.errors-boolInt(f.node.span.failed())), "error", "errors"))
			}
			continue
		}
		depth := f.depth + 1
		if f.node.span == nil {
			depth = f.depth // a missing parent takes no level of its own
		}
		push(f.node.children, depth, below)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// branch gives the prefix of the item's own line and of the lines below it.
func (d *drawing) branch(f frame) (own, below string) {
	if f.prefix == "" && f.depth == 0 {
		return "", " "
	}
	if f.depth > d.deepest() {
		base, _, _ := strings.Cut(f.prefix, d.pick("⋯", "."))
		base += d.pick("⋯", ".")
		return base + strconv.Itoa(f.depth) + " ", base
	}
	if f.last {
		return f.prefix + d.pick("└╴", "`-"), f.prefix + "  "
	}
	return f.prefix + d.pick("├╴", "|-"), f.prefix + d.pick("│ ", "| ")
}

func (d *drawing) note(prefix, text string) {
	d.lines = append(d.lines, line{prefix: prefix, text: text, note: true})
}

func (d *drawing) spanLines(n *treeNode, own, inner string) {
	if n.span == nil {
		d.lines = append(d.lines, line{prefix: own, text: "? missing parent " + clean(n.missing), note: true})
		return
	}
	s := n.span
	d.drawn++
	lead := ""
	if d.mark != "" && s.SpanID == d.mark {
		lead = "> "
	}
	if s.failed() {
		lead += "ERR "
	}
	d.lines = append(d.lines, line{
		prefix: own, lead: lead, service: clean(s.Service), text: ": " + clean(s.Name), failed: s.failed(),
		duration: s.Duration, bars: []barSpan{{s.Start, s.Start + s.Duration}},
	})
	if s.StatusMessage != "" {
		word := "status: "
		if s.failed() {
			word = "error: "
		}
		d.note(inner, word+clean(s.StatusMessage))
	}
	det := d.details[spanKey{s.SpanID, s.Kind}]
	if d.service != "" && s.Service != d.service {
		det = nil // only the way to the service: its details are not asked for
	}
	if d.attrs && det != nil {
		for _, a := range det.attributes {
			d.note(inner, clean(a.key)+"="+clean(a.value))
		}
	}
	if !d.events {
		d.hidden += boolInt(s.HasEvents || s.HasLinks)
		return
	}
	if det == nil {
		return
	}
	start, _ := d.trace.startTime()
	for _, e := range det.events {
		text := "event +" + d.span(e.time-start) + " " + clean(e.name)
		for _, a := range e.attributes {
			text += " " + clean(a.key) + "=" + clean(a.value)
		}
		d.note(inner, text)
	}
	for _, l := range det.links {
		text := "link " + clean(l.traceID) + " " + clean(l.spanID)
		for _, a := range l.attributes {
			text += " " + clean(a.key) + "=" + clean(a.value)
		}
		d.note(inner, text)
	}
}

func (d *drawing) foldLines(fold []*treeNode, own, below string) {
	st := statsOf(fold)
	s := fold[0].span
	lead := strconv.Itoa(len(fold)) + d.pick(" × ", " x ")
	if s.failed() {
		lead = "ERR " + lead
	}
	bars := make([]barSpan, len(fold))
	for i, n := range fold {
		bars[i] = barSpan{n.span.Start, n.span.Start + n.span.Duration}
		d.drawn += n.spans
		d.hidden += boolInt(n.span.HasEvents || n.span.HasLinks)
	}
	d.lines = append(d.lines, line{
		prefix: own, lead: lead, service: clean(s.Service), text: ": " + clean(s.Name), failed: s.failed(),
		duration: st.last - st.first, bars: bars,
	})
	text := "p50 " + d.span(st.median) + " max " + d.span(st.longest) + " total " + d.span(st.total)
	if more := st.spans - len(fold); more > 0 {
		text += ", " + number(int64(more), "span", "spans") + " below, --all shows them"
	}
	d.note(below+"  ", text)
}

// layout shares the width between labels, durations and bars. On a terminal the
// labels yield; elsewhere they are as wide as they need, so that grep finds all.
func (d *drawing) layout() (label, bar int) {
	longest := 0
	for i := range d.lines {
		if l := &d.lines[i]; !l.note {
			longest = max(longest, l.columns())
		}
	}
	if !d.fixed {
		return min(longest, pipedLabel), 40
	}
	room := d.width - durationWidth - 3
	bar = min(max(room-longest, d.leastBar()), max(d.width/2, d.leastBar()))
	return max(room-bar, 16), bar
}

func (d *drawing) ruler(out *bufio.Writer, label, bar int) {
	end := d.span(d.trace.Duration)
	fmt.Fprintf(out, "%s\n", d.paint(styleDim, strings.Repeat(" ", label+durationWidth+3)+"0"+fmt.Sprintf("%*s", max(bar-1, columns(end)+1), end)))
}

func (d *drawing) line(out *bufio.Writer, l *line, label, bar int) {
	prefix := d.paint(styleDim, l.prefix)
	if l.note {
		text := l.text
		if d.fixed {
			text = d.fit(text, max(d.width-columns(l.prefix), 16))
		}
		style := styleDim
		if strings.HasPrefix(text, "error: ") {
			style = styleError
		}
		fmt.Fprintf(out, "%s%s\n", prefix, d.paint(style, text))
		return
	}
	service, text := l.service, l.text
	room := label - columns(l.prefix) - columns(l.lead)
	if columns(service)+columns(text) > room {
		service = d.fit(service, max(room/2, 8))
		text = d.fit(text, max(room-columns(service), 8))
	}
	used := columns(l.prefix) + columns(l.lead) + columns(service) + columns(text)
	lead, drawn := l.lead, strings.TrimRight(d.bar(l.bars, bar), " ")
	if l.failed {
		lead, drawn = d.paint(styleError, lead), d.paint(styleError, drawn)
	} else {
		drawn = d.paint(serviceStyle(l.service), drawn)
	}
	fmt.Fprintf(out, "%s%s%s%s%s %s  %s\n", prefix, lead, d.paint(serviceStyle(l.service), service), text,
		strings.Repeat(" ", max(label-used, 0)), padLeft(d.span(l.duration), durationWidth), drawn)
}

func padLeft(s string, n int) string { return strings.Repeat(" ", max(n-columns(s), 0)) + s }

// bar draws stretches of the timeline on n cells. Whatever took time is seen: a
// stretch shorter than half a cell becomes a thin mark.
func (d *drawing) bar(bars []barSpan, n int) string {
	cells := slices.Repeat([]string{" "}, n)
	whole := float64(max(d.trace.Duration, 1))
	for _, b := range bars {
		from := float64(b.start) / whole * float64(n)
		to := float64(max(b.end, b.start)) / whole * float64(n)
		first := min(max(int(from), 0), n-1)
		last := min(max(int(to+0.5)-1, first), n-1)
		if to-from < 0.5 {
			if cells[first] == " " {
				cells[first] = d.pick("▏", "|")
			}
			continue
		}
		for i := first; i <= last; i++ {
			cells[i] = d.pick("█", "=")
		}
	}
	return strings.Join(cells, "")
}

func (d *drawing) footer(out *bufio.Writer) {
	var notes []string
	if d.drawn < len(d.trace.Spans) {
		notes = append(notes, fmt.Sprintf("%d of %d spans drawn", d.drawn, len(d.trace.Spans)))
	}
	if d.hidden > 0 {
		notes = append(notes, number(int64(d.hidden), "span has", "spans have")+" events or links: --events")
	}
	if len(notes) > 0 {
		fmt.Fprintf(out, "\n%s\n", d.paint(styleDim, strings.Join(notes, "; ")))
	}
}
