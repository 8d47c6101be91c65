package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// pipeWidth is the width of drawings that do not go to a terminal.
const pipeWidth = 120

// screen is how a command writes for people: how wide, in colour or not, in ASCII or not.
type screen struct {
	w      io.Writer
	width  int
	fixed  bool // the width is a terminal's or was asked for: cut what is wider
	colour bool
	ascii  bool
}

// outputFlags are common to the commands that draw or list for people.
func outputFlags() []flagDef {
	return []flagDef{
		{name: "json", kind: toggle, help: "Print the server's answer as JSON instead of text."},
		{name: "color", kind: choice, value: "WHEN", def: "auto", choices: []string{"auto", "always", "never"},
			help: "When to use colour: auto means on a terminal, unless NO_COLOR is set or TERM is dumb."},
	}
}

// newScreen looks at the standard output: COLUMNS wins over the terminal's own
// width, and a locale that names another character set than UTF-8 means ASCII.
func newScreen(in *invocation) *screen {
	s := &screen{w: in.std.out, width: pipeWidth}
	f, isFile := in.std.out.(*os.File)
	onTerminal := isFile && term.IsTerminal(int(f.Fd()))
	if onTerminal {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			s.width, s.fixed = w, true
		}
	}
	if n, err := strconv.Atoi(in.env("COLUMNS")); err == nil && n > 0 {
		s.width, s.fixed = n, true
	}
	switch in.str("color") {
	case "always":
		s.colour = true
	case "auto":
		s.colour = onTerminal && in.env("NO_COLOR") == "" && in.env("TERM") != "dumb"
	}
	locale := cmpOr(in.env("LC_ALL"), cmpOr(in.env("LC_CTYPE"), in.env("LANG")))
	_, charset, named := strings.Cut(strings.ToLower(locale), ".")
	s.ascii = named && !strings.HasPrefix(charset, "utf-8") && !strings.HasPrefix(charset, "utf8")
	return s
}

// The ANSI styles in use. Red belongs to errors and is never a service's colour.
const (
	styleError = "1;31"
	styleDim   = "2"
	styleBold  = "1"
)

var serviceStyles = []string{"36", "33", "35", "32", "34", "96", "93", "95", "92", "94"}

func serviceStyle(service string) string {
	h := fnv.New32a()
	io.WriteString(h, service)
	return serviceStyles[h.Sum32()%uint32(len(serviceStyles))]
}

func (s *screen) paint(style, text string) string {
	if !s.colour || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// pick gives the first form, or the second where only ASCII may be written.
func (s *screen) pick(unicode, ascii string) string {
	if s.ascii {
		return ascii
	}
	return unicode
}

// clean makes text from a span harmless and keeps it on one line: control
// characters and those that reorder or hide text are shown as escapes.
func clean(s string) string {
	if strings.IndexFunc(s, harmful) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if harmful(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func harmful(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar || r == '\ufeff'
}

// columns is the number of terminal cells that s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// fit cuts s to n cells and marks the cut.
func (s *screen) fit(text string, n int) string {
	if columns(text) <= n {
		return text
	}
	mark := s.pick("…", "~")
	used := 0
	for i, r := range text {
		used += runeColumns(r)
		if used > n-1 {
			return text[:i] + mark
		}
	}
	return text
}

// formatDuration writes nanoseconds with three significant digits at least and
// without a blank, so that a column of them can be cut with awk.
func formatDuration(ns int64) string {
	if ns < 0 {
		if ns == -ns { // the most negative integer has no positive twin
			ns++
		}
		return "-" + formatDuration(-ns)
	}
	switch f := float64(ns); {
	case ns < 1_000:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < 999_500:
		return threeDigits(f/1e3) + "µs"
	case ns < 999_500_000:
		return threeDigits(f/1e6) + "ms"
	case ns < 59_995_000_000:
		return threeDigits(f/1e9) + "s"
	}
	d := time.Duration(ns).Round(time.Second)
	h, m, sec := int64(d/time.Hour), int64(d/time.Minute)%60, int64(d/time.Second)%60
	if h > 0 {
		return fmt.Sprintf("%dh%02dm%02ds", h, m, sec)
	}
	return fmt.Sprintf("%dm%02ds", m, sec)
}

// span writes a duration in the letters that the terminal has.
func (s *screen) span(ns int64) string {
	text := formatDuration(ns)
	if s.ascii {
		text = strings.Replace(text, "µ", "u", 1)
	}
	return text
}

func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// formatTime writes an instant in UTC with milliseconds, always equally wide.
func formatTime(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z")
}

// formatBytes writes a size with binary units.
func formatBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return threeDigits(f) + " " + units[i]
}

// number writes a count with a word for it, in the plural where it belongs.
func number(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}
