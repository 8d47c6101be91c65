package generate

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// initialisms are written in one case in Go.
var initialisms = map[string]bool{
	"acl": true, "api": true, "ascii": true, "cpu": true, "css": true, "db": true, "dns": true, "eof": true, "grpc": true, "guid": true,
	"html": true, "http": true, "https": true, "iban": true, "id": true, "ip": true, "json": true, "jwt": true, "os": true, "qps": true,
	"ram": true, "rpc": true, "sku": true, "sla": true, "smtp": true, "sql": true, "ssh": true, "tcp": true, "tls": true, "ttl": true,
	"udp": true, "ui": true, "uid": true, "uri": true, "url": true, "utf8": true, "uuid": true, "vat": true, "vm": true, "xml": true,
}

// words splits a name at everything that no identifier may hold and where a small
// letter is followed by a capital: order_id, order.id and orderId are one.
func words(name string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	before := rune(0)
	for _, r := range name {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsDigit(before)):
			flush()
			fallthrough
		default:
			word.WriteRune(unicode.ToLower(r))
		}
		before = r
	}
	flush()
	return out
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// style is how a language writes names.
type style struct {
	initialisms bool
	snake       bool            // of parameters
	types       map[string]bool // that an exported name may not have
	values      map[string]bool // that a value may not have behind the name of its enum or contract
	reserved    map[string]bool // that a parameter may not have
}

func set(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}

// styleOf gives the style of a language; one that is not built in has that of most.
func styleOf(language string) style {
	switch language {
	case "go":
		return style{initialisms: true, values: set("Attr Error Key Of"), reserved: set(`break case chan const continue default defer else fallthrough for func go goto if import
			interface map package range return select struct switch type var any append bool byte cap clear close comparable complex complex128
			complex64 copy delete error false float32 float64 imag int int16 int32 int64 int8 iota len make max min new nil panic print println
			real recover rune string true uint uint16 uint32 uint64 uint8 uintptr attrs clew context ctx err event s span value`)}
	case "rust":
		return style{snake: true, types: set(`Clone Copy Debug Default Drop Eq Err Hash None Ok Option PartialEq Result Self Send Some String Sync Vec`),
			reserved: set(`abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in
			let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof union unsafe
			unsized use virtual where while yield event error future span`)}
	}
	return style{snake: true}
}

// exported gives a name in the form ShopOrderID, "" when nothing of it can be part
// of an identifier.
func (s style) exported(name string) string {
	var b strings.Builder
	for _, w := range words(name) {
		if s.initialisms && initialisms[w] {
			b.WriteString(strings.ToUpper(w))
		} else {
			b.WriteString(title(w))
		}
	}
	out := b.String()
	switch {
	case out == "":
	case out[0] >= '0' && out[0] <= '9':
		out = "N" + out
	case s.types[out]:
		out += "Value"
	}
	return out
}

// parameter gives a name in the form shopOrderID or shop_order_id. An underscore
// at its end, which no other name has, tells it from a word of the language.
func (s style) parameter(name string) string {
	w := words(name)
	out := strings.Join(w, "_")
	if !s.snake {
		out = strings.Join(w[:1], "") + s.exported(strings.Join(w[1:], " "))
		if len(w) > 1 && w[1][0] >= '0' && w[1][0] <= '9' {
			out = w[0] + "N" + strings.TrimPrefix(s.exported(strings.Join(w[1:], " ")), "N")
		}
	}
	if out[0] >= '0' && out[0] <= '9' {
		out = "n" + out
	}
	if s.reserved[out] {
		out += "_"
	}
	return out
}

// screaming gives a name in the form SHOP_ORDER_ID.
func screaming(name string) string {
	out := strings.ToUpper(strings.Join(words(name), "_"))
	if out != "" && out[0] >= '0' && out[0] <= '9' {
		out = "N" + out
	}
	return out
}

// scope is a set of identifiers, each with what it stands for.
type scope struct {
	language string
	taken    map[string]string
	errs     []string
}

func newScope(language string, own ...string) *scope {
	s := &scope{language: language, taken: map[string]string{}}
	for _, name := range own {
		s.taken[name] = "the generated code itself"
	}
	return s
}

// claim takes identifiers for what, which is as it stands in the charter. All or
// none are taken; a clash is an error that names both.
func (s *scope) claim(what string, identifiers ...string) {
	if why := s.clash(what, identifiers); why != "" {
		s.errs = append(s.errs, why)
		return
	}
	for _, id := range identifiers {
		s.taken[id] = what
	}
}

func (s *scope) clash(what string, identifiers []string) string {
	for i, id := range identifiers {
		other := s.taken[id]
		if slices.Contains(identifiers[:i], id) {
			other = what
		}
		if other != "" {
			return fmt.Sprintf("%s: its name in %s would be %s, which is that of %s; rename one", what, s.language, id, other)
		}
	}
	return ""
}

// err gives the clashes in the order of the alphabet.
func (s *scope) err() error {
	if len(s.errs) == 0 {
		return nil
	}
	slices.Sort(s.errs)
	return fmt.Errorf("%s", strings.Join(slices.Compact(s.errs), "\n"))
}
