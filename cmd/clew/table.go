package main

import (
	"slices"
	"strings"
)

// table aligns cells under their headings. Rows are held until write, because a
// column is as wide as its widest cell.
type table struct {
	head  []string
	right []bool // numbers stand on the right
	rows  []tableRow

	headless bool // a later page of the same table
}

// tableRow is a row of cells, or an indented note beneath one.
type tableRow struct {
	cells []string
	style []string
	note  string
}

// newTable takes headings; one that starts with > is a column of numbers.
func newTable(head ...string) *table {
	t := &table{}
	for _, h := range head {
		name, right := strings.CutPrefix(h, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) *tableRow {
	t.rows = append(t.rows, tableRow{cells: cells, style: make([]string, len(cells))})
	return &t.rows[len(t.rows)-1]
}

func (t *table) note(text string) { t.rows = append(t.rows, tableRow{note: text}) }

// drop takes out a column.
func (t *table) drop(column int) {
	t.head = slices.Delete(t.head, column, column+1)
	t.right = slices.Delete(t.right, column, column+1)
	for i := range t.rows {
		if r := &t.rows[i]; r.cells != nil {
			r.cells = slices.Delete(r.cells, column, column+1)
			r.style = slices.Delete(r.style, column, column+1)
		}
	}
}

// write prints the table. The last column is never padded, and on a terminal a
// line is cut at its width; elsewhere every word stays for grep.
func (t *table) write(s *screen) error {
	wide := make([]int, len(t.head))
	for i, h := range t.head {
		wide[i] = columns(h)
	}
	for _, r := range t.rows {
		for i, c := range r.cells {
			wide[i] = max(wide[i], columns(c))
		}
	}
	var b strings.Builder
	line := func(cells, style []string, all string) {
		used := 0
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
				used += 2
			}
			pad := wide[i] - columns(c)
			if t.right[i] {
				b.WriteString(strings.Repeat(" ", pad))
				used += pad
			}
			if i == len(cells)-1 && s.fixed {
				c = s.fit(c, max(s.width-used, 8))
			}
			b.WriteString(s.paint(cmpOr(all, style[i]), c))
			used += columns(c)
			if !t.right[i] && i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", pad))
				used += pad
			}
		}
		b.WriteByte('\n')
	}
	if !t.headless {
		line(t.head, make([]string, len(t.head)), styleDim)
	}
	for _, r := range t.rows {
		if r.cells == nil {
			b.WriteString("  " + r.note + "\n")
			continue
		}
		line(r.cells, r.style, "")
	}
	_, err := s.w.Write([]byte(b.String()))
	return err
}
