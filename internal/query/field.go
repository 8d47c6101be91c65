package query

import (
	"strings"
	"unicode"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Field names what a span, or something that hangs on it, knows. It is
// comparable and may be a map key. Scope 0 is the unscoped `.key`: the span's
// attribute if it has one of any type, else its resource's.
type Field struct {
	Scope     telemetry.Scope // ScopeIntrinsic: Intrinsic says which, Key is empty
	Intrinsic Intrinsic
	Key       string
	Former    string // other names that Key is stored under, see [Field.Keys]; not part of its text
	Parent    bool   // of the span's parent instead of the span
}

// Intrinsic is a field that is no attribute.
type Intrinsic uint8

// The intrinsics.
const (
	NoIntrinsic Intrinsic = iota
	Duration
	Name
	Status
	StatusMessage
	Kind
	TraceDuration
	RootName
	RootService
	TraceIDField
	SpanIDField
	ParentID
	NestedSetParent
	NestedSetLeft
	NestedSetRight
	NestedSetParentLeft // what nestedSetParent is where more than its sign is asked for
	ChildCount
	EventName
	EventTime
	LinkTraceID
	LinkSpanID
	ScopeName
	ScopeVersion
)

// Level says on what a field hangs: whose rows have to be read for it.
type Level uint8

// The levels.
const (
	LevelSpan Level = iota
	LevelResource
	LevelInstrumentation
	LevelEvent
	LevelLink
	LevelTrace
	LevelSpanOrResource // unscoped attributes
)

type intrinsicInfo struct {
	name  string // canonical; by(…) labels are named so
	alias string // the other spelling, or ""
	typ   Type
	level Level
}

var intrinsics = [...]intrinsicInfo{
	NoIntrinsic:     {},
	Duration:        {"duration", "span:duration", TypeDuration, LevelSpan},
	Name:            {"name", "span:name", TypeString, LevelSpan},
	Status:          {"status", "span:status", TypeStatus, LevelSpan},
	StatusMessage:   {"statusMessage", "span:statusMessage", TypeString, LevelSpan},
	Kind:            {"kind", "span:kind", TypeKind, LevelSpan},
	TraceDuration:   {"traceDuration", "trace:duration", TypeDuration, LevelTrace},
	RootName:        {"rootName", "trace:rootName", TypeString, LevelTrace},
	RootService:     {"rootServiceName", "trace:rootService", TypeString, LevelTrace},
	TraceIDField:    {"trace:id", "", TypeString, LevelSpan},
	SpanIDField:     {"span:id", "", TypeString, LevelSpan},
	ParentID:        {"span:parentID", "", TypeString, LevelSpan},
	NestedSetParent: {"nestedSetParent", "", TypeInt, LevelSpan},
	NestedSetLeft:   {"nestedSetLeft", "", TypeInt, LevelTrace},
	NestedSetRight:  {"nestedSetRight", "", TypeInt, LevelTrace},
	// A span's own row tells whether it is a root, and nothing more.
	NestedSetParentLeft: {"nestedSetParent", "", TypeInt, LevelTrace},
	ChildCount:          {"span:childCount", "childCount", TypeInt, LevelTrace},
	EventName:           {"event:name", "", TypeString, LevelEvent},
	EventTime:           {"event:timeSinceStart", "", TypeDuration, LevelEvent},
	LinkTraceID:         {"link:traceID", "", TypeString, LevelLink},
	LinkSpanID:          {"link:spanID", "", TypeString, LevelLink},
	ScopeName:           {"instrumentation:name", "", TypeString, LevelInstrumentation},
	ScopeVersion:        {"instrumentation:version", "", TypeString, LevelInstrumentation},
}

var intrinsicByName = func() map[string]Intrinsic {
	m := map[string]Intrinsic{}
	for i, info := range intrinsics[1:] {
		if Intrinsic(i+1) == NestedSetParentLeft {
			continue // the checker puts it where it belongs
		}
		m[info.name] = Intrinsic(i + 1)
		if info.alias != "" {
			m[info.alias] = Intrinsic(i + 1)
		}
	}
	return m
}()

// parentWords are the intrinsics that can be asked of a parent, in the order in
// which messages list them.
var parentWords = []struct {
	name string
	of   Intrinsic
}{
	{"parent:name", Name}, {"parent:duration", Duration}, {"parent:status", Status}, {"parent:statusMessage", StatusMessage},
	{"parent:kind", Kind}, {"parent:id", SpanIDField}, {"parent:parentID", ParentID}, {"parent:childCount", ChildCount},
}

func parentIntrinsic(word string) (Field, bool) {
	for _, w := range parentWords {
		if w.name == word {
			return Field{Scope: telemetry.ScopeIntrinsic, Intrinsic: w.of, Parent: true}, true
		}
	}
	return Field{}, false
}

var scopeWords = map[string]telemetry.Scope{
	"span":            telemetry.ScopeSpan,
	"resource":        telemetry.ScopeResource,
	"event":           telemetry.ScopeEvent,
	"link":            telemetry.ScopeLink,
	"instrumentation": telemetry.ScopeInstrumentation,
}

var scopePrefix = map[telemetry.Scope]string{
	0:                              ".",
	telemetry.ScopeSpan:            "span.",
	telemetry.ScopeResource:        "resource.",
	telemetry.ScopeEvent:           "event.",
	telemetry.ScopeLink:            "link.",
	telemetry.ScopeInstrumentation: "instrumentation.",
}

// IntrinsicField gives the field of an intrinsic.
func IntrinsicField(i Intrinsic) Field { return Field{Scope: telemetry.ScopeIntrinsic, Intrinsic: i} }

// Type is TypeAny for attributes.
func (f Field) Type() Type {
	if f.Scope == telemetry.ScopeIntrinsic {
		return intrinsics[f.Intrinsic].typ
	}
	return TypeAny
}

// Level says on what the field hangs. A parent may be anywhere in the trace.
func (f Field) Level() Level {
	if f.Parent {
		return LevelTrace
	}
	switch f.Scope {
	case telemetry.ScopeIntrinsic:
		return intrinsics[f.Intrinsic].level
	case telemetry.ScopeSpan:
		return LevelSpan
	case telemetry.ScopeResource:
		return LevelResource
	case telemetry.ScopeEvent:
		return LevelEvent
	case telemetry.ScopeLink:
		return LevelLink
	case telemetry.ScopeInstrumentation:
		return LevelInstrumentation
	}
	return LevelSpanOrResource
}

// String writes the field so that ParseField reads it back.
func (f Field) String() string {
	switch {
	case f.Parent && f.Scope == telemetry.ScopeIntrinsic:
		for _, w := range parentWords {
			if w.of == f.Intrinsic {
				return w.name
			}
		}
	case f.Scope == telemetry.ScopeIntrinsic:
		return intrinsics[f.Intrinsic].name
	case f.Parent && f.Scope == 0:
		first, _, dotted := strings.Cut(f.Key, ".")
		if _, scope := scopeWords[first]; scope && dotted {
			return "parent." + quote(f.Key)
		}
		return "parent." + quoteKey(f.Key)
	case f.Parent:
		return "parent." + scopePrefix[f.Scope] + quoteKey(f.Key)
	}
	return scopePrefix[f.Scope] + quoteKey(f.Key)
}

func quoteKey(key string) string {
	for _, r := range key {
		if !isKeyRune(r) || r == '"' || r == unicode.ReplacementChar {
			return quote(key)
		}
	}
	if key == "" || key[0] == '.' || strings.Contains(key, "//") {
		return quote(key)
	}
	return key
}

// isKeyRune reports whether r may stand in an attribute name without quotes. The
// signs of arithmetic may: names such as `a-b` and `x/y` are common, so arithmetic
// needs a space after an attribute.
func isKeyRune(r rune) bool {
	return !unicode.IsSpace(r) && unicode.IsPrint(r) && !strings.ContainsRune("{}()=~!<>&|^,`", r)
}
