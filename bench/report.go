package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// row is one figure. Must and aim are in the unit of the value; none means that
// nothing is asked of it.
type row struct {
	what      string
	value     float64
	unit      string
	must, aim float64
	atLeast   bool // more is better
	note      string
}

// none is no bound: every lower bound of the table is above 0, and lost spans are
// bounded by 0 itself.
const none = -1

func (r row) verdict() string {
	if r.must == none && r.aim == none {
		return ""
	}
	keeps := func(bound float64) bool {
		if r.atLeast {
			return r.value >= bound
		}
		return r.value <= bound
	}
	switch {
	case r.must != none && !keeps(r.must):
		return "NO"
	case r.aim != none && keeps(r.aim):
		return "aim"
	case r.must != none:
		return "yes"
	}
	return "not yet"
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

// writeTable prints rows as a table of Markdown, aligned to be read as it is.
func writeTable(w io.Writer, rows []row) {
	cells := [][]string{{"what", "must hold", "aim", "measured", "ok?"}}
	for _, r := range rows {
		measured := figure(r.value) + space(r.unit)
		if r.note != "" {
			measured += " (" + r.note + ")"
		}
		cells = append(cells, []string{r.what, r.bound(r.must), r.bound(r.aim), measured, r.verdict()})
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
}

// missed gives the rows that miss what must hold.
func missed(rows []row) []string {
	var out []string
	for _, r := range rows {
		if r.verdict() == "NO" {
			out = append(out, r.what)
		}
	}
	return out
}
