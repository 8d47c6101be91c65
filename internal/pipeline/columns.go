package pipeline

import "github.com/clew-dev/clew/internal/telemetry"

// Counter counts what a stage did.
type Counter interface{ Add(delta float64) }

// findText gives the index of a string column of the table, or -1.
func findText(t *telemetry.Table, scope telemetry.Scope, key string) int {
	for i, c := range t.Cols {
		if c.Key == key && c.Scope == scope && c.Type == telemetry.TypeString {
			return i
		}
	}
	return -1
}

// fill gives a copy of the string column c (nil: none) in which every row of n
// for which value gives a text has that text where c has none or an empty one.
// It reports how many rows it filled; with none, the copy is nil.
func fill(c *telemetry.Column, scope telemetry.Scope, key string, n int, value func(row uint32) ([]byte, bool)) (*telemetry.Column, int) {
	if c == nil {
		c = &telemetry.Column{}
	}
	out := &telemetry.Column{Scope: scope, Type: telemetry.TypeString, Key: key}
	filled, next := 0, 0
	for row := range uint32(n) {
		var have []byte
		has := next < len(c.Rows) && c.Rows[next] == row
		if has {
			have = c.Dict.At(c.Codes[next])
			next++
		}
		if len(have) == 0 {
			if v, ok := value(row); ok {
				have, has = v, true
				filled++
			}
		}
		if has {
			out.Rows = append(out.Rows, row)
			out.Codes = append(out.Codes, out.Dict.Append(have))
		}
	}
	if filled == 0 {
		return nil, 0
	}
	return out, filled
}

// put stores a column at index i of the table, or at the end for -1.
func put(t *telemetry.Table, i int, c *telemetry.Column) {
	if i < 0 {
		t.Cols = append(t.Cols, c)
		return
	}
	t.Cols[i] = c
}
