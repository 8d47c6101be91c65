package generate

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/charter"
)

// functions are what templates may call beside those of text/template.
func functions() template.FuncMap {
	return template.FuncMap{
		"comment": comment, "facts": facts, "quote": strconv.Quote, "join": strings.Join, "upper": strings.ToUpper, "lower": strings.ToLower,
		"args": args, "ifelse": ifelse, "team": teamText, "title": title, "screaming": screaming,
		"snake":    func(name string) string { return strings.Join(words(name), "_") },
		"exported": func(name string) string { return styleOf("").exported(name) },
		"goType":   func(t charter.AttributeType) string { return goTypes[t].name }, "goMake": func(t charter.AttributeType) string { return goTypes[t].make },
		"goParams": goParams, "anyKinds": func() []anyKind { return anyKinds }, "private": private,
		"rustQuote": rustQuote, "rustType": func(t charter.AttributeType) string { return rustTypes[t] }, "rustName": rustName,
		"rustParams": rustParams, "rustSignature": rustSignature, "rustLet": rustLet, "rustArm": rustArm, "rustHeader": rustHeader, "deprecated": rustDeprecated,
		"resolved": resolvedRegistry, "policies": policiesJSON, "quoteYAML": quoteYAML,
		"cell": cell, "typed": typed, "nothing": func(list []string) bool { return list != nil && len(list) == 0 }, "anchor": anchor, "code": code, "ingest": ingest, "line": plain,
	}
}

// width is how far lines go that this package breaks itself; rustfmt's default.
const width = 100

// plain makes a text of one line without characters that show as nothing or turn
// what follows round: in source code they are warnings or errors.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// comment writes texts as lines of a comment, each text a paragraph; empty ones are
// left out. prefix begins each line, as in "// ".
func comment(prefix string, texts ...string) string {
	var out []string
	for _, text := range texts {
		text = plain(text)
		if text == "" {
			continue
		}
		if len(out) > 0 {
			out = append(out, strings.TrimRight(prefix, " "))
		}
		line := prefix
		for _, word := range strings.Fields(text) {
			if line != prefix && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				out = append(out, line)
				line = prefix
			}
			if line != prefix {
				line += " "
			}
			line += word
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// facts says in a few words what the charter knows of an attribute.
func facts(a Attribute) string {
	out := []string{"Type: " + typeText(a) + "."}
	if a.Team.Name != "" {
		out = append(out, "Owner: "+teamText(a.Team)+".")
	}
	if a.Personal != "" {
		out = append(out, "Personal: "+string(a.Personal)+".")
	}
	if text := ingest(a.OnIngest); text != "" {
		out = append(out, "On ingest: "+text+".")
	}
	if len(a.Examples) > 0 {
		quoted := make([]string, len(a.Examples))
		for i, e := range a.Examples {
			quoted[i] = strconv.Quote(plain(e))
		}
		out = append(out, "Examples: "+strings.Join(quoted, ", ")+".")
	}
	return strings.Join(out, " ")
}

func typeText(a Attribute) string {
	text := string(a.Type)
	if a.Enum {
		var values []string
		for _, v := range a.Values {
			values = append(values, v.Text)
		}
		if len(values) <= 12 {
			text += " of " + strings.Join(values, ", ")
		} else {
			text += fmt.Sprintf(" of %d values", len(values))
		}
		if a.Open {
			text += " and others"
		}
	}
	if a.Family {
		text += "; the name goes on with a part that varies"
	}
	return text
}

// typed is the type as the charter writes it.
func typed(a Attribute) string {
	if a.Family {
		return "template[" + string(a.Type) + "]"
	}
	return string(a.Type)
}

func teamText(t charter.Team) string {
	if t.Contact == "" {
		return t.Name
	}
	return t.Name + " (" + t.Contact + ")"
}

// ingest says what is done to a value; "" when nothing is said.
func ingest(a charter.Action) string {
	switch a.Kind {
	case charter.ActionTruncate:
		return fmt.Sprintf("truncate to %d bytes", a.Length)
	case charter.ActionReplace:
		return "replace by " + strconv.Quote(a.Text)
	}
	return string(a.Kind)
}

// DeprecatedText says why a name should no longer be used and what to do, "" for
// one that lives.
func (a Attribute) DeprecatedText() string {
	d := a.Deprecated
	if d == nil {
		return ""
	}
	text := "the name is obsolete."
	switch d.Reason {
	case charter.ReasonRenamed:
		text = "use " + d.RenamedTo + "."
	case charter.ReasonUncategorized:
		text = "use another name."
	}
	return plain(text + " " + d.Note)
}

// MatchText says by what the spans of a contract are known.
func (c Contract) MatchText() string {
	switch {
	case c.MatchRoute != "":
		return "http.route " + c.MatchRoute
	case c.MatchRPC != "":
		return "rpc.method " + c.MatchRPC
	}
	return "name " + c.MatchName
}

// KindText is the kind of a contract's spans as an identifier: Internal, Server.
func (c Contract) KindText() string {
	if c.Kind == "" {
		return "Internal"
	}
	return title(c.Kind)
}

// goTypes are the types of values in Go and how the kit makes attributes of them.
var goTypes = map[charter.AttributeType]struct{ name, make string }{
	charter.TypeString: {"string", "String"}, charter.TypeInt: {"int64", "Int64"}, charter.TypeDouble: {"float64", "Float"}, charter.TypeBoolean: {"bool", "Bool"},
	charter.TypeStrings: {"[]string", "Strings"}, charter.TypeInts: {"[]int64", "Ints"}, charter.TypeDoubles: {"[]float64", "Floats"}, charter.TypeBooleans: {"[]bool", "Bools"},
	charter.TypeEnum: {"string", "String"},
}

// anyKind is a constructor of an attribute that may have a value of any type.
type anyKind struct {
	Suffix string
	Type   charter.AttributeType
}

var anyKinds = []anyKind{
	{"String", charter.TypeString}, {"Int", charter.TypeInt}, {"Double", charter.TypeDouble}, {"Boolean", charter.TypeBoolean},
	{"Strings", charter.TypeStrings}, {"Ints", charter.TypeInts}, {"Doubles", charter.TypeDoubles}, {"Booleans", charter.TypeBooleans},
}

// goParams writes parameters, each after a comma when first is false.
func goParams(first bool, attrs []Attribute) string {
	var b strings.Builder
	for i, a := range attrs {
		if i > 0 || !first {
			b.WriteString(", ")
		}
		b.WriteString(a.Param + " " + a.Ident + "Attr")
	}
	return b.String()
}

// private gives an exported name with a small first letter.
func private(ident string) string { return strings.ToLower(ident[:1]) + ident[1:] }

var rustTypes = map[charter.AttributeType]string{
	charter.TypeString: "&'a str", charter.TypeInt: "i64", charter.TypeDouble: "f64", charter.TypeBoolean: "bool",
	charter.TypeStrings: "&'a [&'a str]", charter.TypeInts: "&'a [i64]", charter.TypeDoubles: "&'a [f64]", charter.TypeBooleans: "&'a [bool]",
	charter.TypeEnum: "&'a str", charter.TypeAny: "::clew::Value<'a>",
}

// Borrows reports whether the Rust type of an attribute has a lifetime.
func (a Attribute) Borrows() bool {
	switch {
	case a.Family:
		return true
	case a.Enum:
		return a.Open && !a.Number
	}
	return strings.Contains(rustTypes[a.Type], "'a")
}

// rustName is the type of an attribute with a lifetime when it has one.
func rustName(a Attribute, lifetime string) string {
	if a.Borrows() {
		return a.Ident + "<" + lifetime + ">"
	}
	return a.Ident
}

func rustParams(attrs []Attribute) []string {
	out := make([]string, len(attrs))
	for i, a := range attrs {
		out[i] = a.Param + ": " + rustName(a, "'_")
	}
	return out
}

// rustSignature writes the head of a method in the shape of rustfmt: on one line,
// or with one parameter a line. self is "" for none.
func rustSignature(head, self string, params []string, result string) string {
	const indent = "    "
	if self != "" {
		params = append([]string{self}, params...)
	}
	if result != "" {
		result = " -> " + result
	}
	one := indent + head + "(" + strings.Join(params, ", ") + ")" + result + " {"
	if len(one) <= width || len(params) == 0 {
		return one
	}
	var b strings.Builder
	b.WriteString(indent + head + "(\n")
	for _, p := range params {
		b.WriteString(indent + indent + p + ",\n")
	}
	b.WriteString(indent + ")" + result + " {")
	return b.String()
}

// rustHeader writes what stands before the body of an item, which follows on the
// same line unless it is too long.
func rustHeader(text string) string {
	if len(text)+2 <= width {
		return text + " {"
	}
	return text + "\n{"
}

// rustLet writes a binding to a value that cannot be broken.
func rustLet(indent int, left, value string) string {
	margin := strings.Repeat(" ", indent)
	one := margin + left + " = " + value + ";"
	if utf8.RuneCountInString(one) <= width || indent+len("    ;")+utf8.RuneCountInString(value) > width {
		return one // also when it would be too long alone
	}
	return margin + left + " =\n" + margin + "    " + value + ";"
}

// rustDeprecated writes the attribute of a deprecated item.
func rustDeprecated(note string) string {
	if one := "#[deprecated(note = " + rustQuote(note) + ")]"; utf8.RuneCountInString(one) <= width {
		return one
	}
	return "#[deprecated(\n    note = " + rustQuote(note) + "\n)]"
}

// rustArm writes an arm of a match.
func rustArm(indent int, pattern, value string) string {
	margin := strings.Repeat(" ", indent)
	if one := margin + pattern + " => " + value + ","; utf8.RuneCountInString(one) <= width {
		return one
	}
	return margin + pattern + " => {\n" + margin + "    " + value + "\n" + margin + "}"
}

// rustQuote writes a text as a literal of Rust.
func rustQuote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

var markdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "#", `\#`)

// cell writes a text of a charter into a page or a table of Markdown.
func cell(text string) string { return markdown.Replace(plain(text)) }

// code writes a text as code in Markdown, also in a table.
func code(text string) string {
	text = plain(text)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

// anchor is how a heading of that name is linked to.
func anchor(name string) string {
	return "#" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, name)
}

// argument is what the part of a template that writes a constructor needs.
type argument struct {
	A      Attribute
	Suffix string
	Type   charter.AttributeType
}

func args(a Attribute, suffix string, t charter.AttributeType) argument {
	return argument{a, suffix, t}
}

func ifelse(condition any, yes, no string) string {
	if truth, _ := template.IsTrue(condition); truth {
		return yes
	}
	return no
}
