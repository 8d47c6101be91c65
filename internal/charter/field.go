package charter

import (
	"regexp"
	"strings"
)

// kind is the kind of a field's value.
type kind uint8

const (
	kindText     kind = iota
	kindVersion       // the one number that says which language this is
	kindCount         // a whole number
	kindDuration      // a whole number and ms, s, m or h
	kindBytes         // a whole number and B, KiB, MiB, GiB or TiB
	kindBool          // true or false
	kindWord          // one of field.words
	kindList          // of field.entry; or one of field.words
	kindMap           // names that the charter chooses, each with field.entry
	kindMapping       // field.fields
	kindChoice        // one of field.words, or a mapping of exactly one of field.fields
)

// field describes one key of the language. Everything that reads, prints, explains
// or compares charters goes by it, so that a new key is one entry of a table.
type field struct {
	key     string
	kind    kind
	doc     string // sentences
	example string // of the value, as it stands in a charter

	least, most int64    // of counts, durations (ns), sizes, and of the bytes of a text; most 0: unbounded
	def         string   // the value when nothing is said, as it stands in a charter; "" when there is none
	defFrom     string   // path of the key whose value is the default
	noun        string   // what messages call a text, "text" when empty; what one of many words is
	spelling    *pattern // of a text, or of the names of a map
	ref         string   // section of which a text must be a name
	words       []word
	denied      map[string]string // words that have a meaning elsewhere: why not here, and what to write
	entry       *field
	fields      []*field

	required bool // must be said
	perFile  bool // every file of a charter may say it; not part of what is printed
	breaks   breaks
}

// word is one of a closed list.
type word struct{ word, doc string }

// pattern is the spelling of a kind of name.
type pattern struct {
	is   *regexp.Regexp
	what string // "a tenant's name"
	many string // "names of tenants"
	mend string // "1 to 64 of A-Z a-z 0-9 _ -"
}

// breaks says which change of a value breaks those who rely on it.
type breaks uint8

const (
	breaksRemoved breaks = 1 << iota // a name or an element that is no longer there
	breaksAdded
	breaksChanged
	breaksNarrowed // a list of what is allowed, which allows less than before
	breaksRefuse   // a change to refuse
)

// describeKind says in words what a value of the field is, for people who write one.
func (f *field) describeKind() string {
	switch f.kind {
	case kindVersion, kindCount:
		return "whole number"
	case kindDuration:
		return "duration"
	case kindBytes:
		return "size"
	case kindBool:
		return "true or false"
	case kindWord:
		if f.noun != "" {
			return f.noun
		}
		return f.oneOf()
	case kindList:
		s := "list of " + f.entry.describeMany()
		if len(f.words) > 0 {
			s += ", or one of " + f.wordList()
		}
		return s
	case kindMap:
		if f.entry.kind == kindMapping {
			return "names, each with keys and values"
		}
		return "names, each with a " + f.entry.describeKind()
	case kindMapping:
		return "keys and values"
	case kindChoice:
		keys := make([]string, len(f.fields))
		for i, one := range f.fields {
			keys[i] = "{ " + one.key + ": … }"
		}
		s := "one of " + strings.Join(keys, ", ")
		if len(f.words) > 0 {
			s = "one of " + f.wordList() + ", " + strings.Join(keys, ", ")
		}
		return s
	}
	if f.ref != "" {
		return "name of one of " + f.ref
	}
	if f.spelling != nil {
		_, what, _ := strings.Cut(f.spelling.what, " ")
		return what
	}
	return "text"
}

// describeMany is describeKind of the elements of a list.
func (f *field) describeMany() string {
	switch {
	case f.ref != "":
		return f.ref
	case f.spelling != nil:
		return f.spelling.many
	case f.kind == kindChoice:
		return strings.TrimPrefix(f.describeKind(), "one of ")
	}
	if f.kind == kindMapping {
		return "mappings"
	}
	return f.describeKind() + "s"
}

// oneOf lists the words of a field.
func (f *field) oneOf() string {
	if len(f.words) == 1 {
		return f.words[0].word
	}
	return "one of " + f.wordList()
}

func (f *field) wordList() string { return strings.Join(f.wordNames(), ", ") }

func (f *field) wordNames() []string {
	names := make([]string, len(f.words))
	for i, w := range f.words {
		names[i] = w.word
	}
	return names
}

func (f *field) keys() []string {
	names := make([]string, len(f.fields))
	for i, one := range f.fields {
		names[i] = one.key
	}
	return names
}

// field gives the field of a mapping with that key, or nil.
func (f *field) field(key string) *field {
	for _, one := range f.fields {
		if one.key == key {
			return one
		}
	}
	return nil
}

// hint is a value to write, for messages.
func (f *field) hint() string {
	switch {
	case f.example != "":
		return f.example
	case f.kind == kindMapping || f.kind == kindChoice && len(f.words) == 0:
		return "{ " + f.fields[0].key + ": … }"
	case f.kind == kindMap:
		return "{ NAME: … }"
	case f.kind == kindList:
		return "[ … ]"
	case len(f.words) > 0:
		return f.words[0].word
	}
	return "…"
}
