package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// row is one figure. Must is its floor, aim its goal, in the unit of the value; none means that
// nothing is asked of it.
type row struct {
	id        string // names the figure in JSON and does not change with its wording
	what      string
	value     float64
	unit      string
	must, aim float64
	atLeast   bool      // more is better
	exact     bool      // no measurement: it is judged on a busy machine and on a small load too
	unjudged  bool      // its bounds are shown and do not count
	runs      []float64 // what was measured, in order, where value is the median of several runs
	note      string
	peers     []cell // in the order of the flags; empty where peers were not asked
}

// cell is the same figure of a peer.
type cell struct {
	value float64
	why   string // it has no value, because of this
}

// none is no bound: every lower bound of the table is above 0, and lost spans are
// bounded by 0 itself.
const none = -1

func (r row) keeps(bound float64) bool {
	if r.atLeast {
		return r.value >= bound
	}
	return r.value <= bound
}

func (r row) verdict() string {
	switch {
	case r.unjudged:
		return ""
	case r.must != none && !r.keeps(r.must):
		return "NO"
	case r.aim != none && r.keeps(r.aim):
		return "goal"
	case r.must != none:
		return "floor"
	case r.aim != none:
		return "not yet"
	}
	return ""
}

// better says how many times better a is than b; false where that has no meaning,
// as for a bound of none or for nothing lost.
func (r row) better(a, b float64) (float64, bool) {
	if r.atLeast {
		a, b = b, a
	}
	if a <= 0 || b <= 0 {
		return 0, false
	}
	return b / a, true
}

func (r row) times(bound float64) string {
	if n, ok := r.better(r.value, bound); ok {
		return figure2(n) + " ×"
	}
	return ""
}

func (r row) bound(b float64) string {
	if b == none {
		return "–"
	}
	sign := "≤ "
	if r.atLeast {
		sign = "≥ "
	}
	return sign + figure(b) + space(r.unit)
}

func space(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

func figure(v float64) string {
	switch {
	case v == float64(int64(v)) && v < 1e15:
		return strconv.FormatInt(int64(v), 10)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// figure2 is for ratios, of which the third digit says nothing.
func figure2(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// footnotes collects the reasons why cells are empty, each once.
type footnotes struct{ lines []string }

func (f *footnotes) mark(line string) string {
	for i, l := range f.lines {
		if l == line {
			return fmt.Sprintf("[%d]", i+1)
		}
	}
	f.lines = append(f.lines, line)
	return fmt.Sprintf("[%d]", len(f.lines))
}

func (r row) peerCell(n int, name string, notes *footnotes) string {
	if n >= len(r.peers) {
		return ""
	}
	c := r.peers[n]
	if c.why != "" {
		return "– " + notes.mark(name+": "+c.why)
	}
	out := figure(c.value) + space(r.unit)
	if times, ok := r.better(r.value, c.value); ok {
		out += " (" + figure2(times) + " ×)"
	}
	return out
}

// writeTable prints rows as a table of Markdown, aligned to be read as it is. In
// the columns of peers, n × says how many times better Clew is.
func writeTable(w io.Writer, rows []row, peers ...string) {
	notes := &footnotes{}
	cells := [][]string{append([]string{"what", "floor", "goal", "measured", "÷ floor", "÷ goal", "ok?"}, peers...)}
	for _, r := range rows {
		measured := figure(r.value) + space(r.unit)
		if r.note != "" {
			measured += " (" + r.note + ")"
		}
		line := []string{r.what, r.bound(r.must), r.bound(r.aim), measured, r.times(r.must), r.times(r.aim), r.verdict()}
		for i, name := range peers {
			line = append(line, r.peerCell(i, name, notes))
		}
		cells = append(cells, line)
	}
	wide := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			wide[i] = max(wide[i], len([]rune(c)))
		}
	}
	for n, line := range cells {
		for i, c := range line {
			fmt.Fprintf(w, "| %s%s ", c, strings.Repeat(" ", wide[i]-len([]rune(c))))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range wide {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
	for i, line := range notes.lines {
		fmt.Fprintf(w, "[%d] %s\n", i+1, line)
	}
}

// missed gives the rows that miss their floor.
func missed(rows []row) []string {
	var out []string
	for _, r := range rows {
		if r.verdict() == "NO" {
			out = append(out, r.what)
		}
	}
	return out
}
