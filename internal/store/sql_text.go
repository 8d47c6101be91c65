package store

import (
	"math"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// text writes a string literal. It is the only way by which foreign text enters a
// statement: a quote is doubled, and NUL, which the SQL parser would take for the
// end, is spliced in by its number.
func text(s string) string {
	s = "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return "(" + strings.ReplaceAll(s, "\x00", "' || chr(0) || '") + ")"
}

// name quotes an identifier.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func integer(n int64) string {
	if n < 0 {
		return "(" + strconv.FormatInt(n, 10) + ")" // a sign after a minus would begin a comment
	}
	return strconv.FormatInt(n, 10)
}

// double writes a float literal that is read back bit for bit.
func double(f float64) string {
	switch {
	case math.IsNaN(f):
		return "'nan'::DOUBLE"
	case math.IsInf(f, 0):
		return "'" + strconv.FormatFloat(f, 'g', -1, 64) + "'::DOUBLE"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	if f < 0 {
		return "(" + s + ")"
	}
	return s
}

func uuid(id telemetry.TraceID) string {
	h := id.String()
	return "'" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:] + "'::UUID"
}

// Constant conditions are recognised by these words, so that what they decide is
// left out of the statement.
const (
	sqlTrue  = "TRUE"
	sqlFalse = "FALSE"
)

func sqlAnd(xs ...string) string { return sqlChain(xs, " AND ", sqlTrue, sqlFalse) }

func sqlOr(xs ...string) string { return sqlChain(xs, " OR ", sqlFalse, sqlTrue) }

func sqlChain(xs []string, sign, neutral, decides string) string {
	var kept []string
	for _, x := range xs {
		switch x {
		case neutral:
		case decides:
			return decides
		default:
			kept = append(kept, x)
		}
	}
	switch len(kept) {
	case 0:
		return neutral
	case 1:
		return kept[0]
	}
	return "(" + strings.Join(kept, sign) + ")"
}

// sqlNot is two-valued: what is NULL, because a value is missing, is false before
// it is turned round.
func sqlNot(x string) string {
	switch x {
	case sqlTrue:
		return sqlFalse
	case sqlFalse:
		return sqlTrue
	}
	return "NOT coalesce(" + x + ", FALSE)"
}

func floatBits(f float64) uint64 { return math.Float64bits(f) }
