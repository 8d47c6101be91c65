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
	ChildCount:      {"span:childCount", "childCount", TypeInt, LevelTrace},
	EventName:       {"event:name", "", TypeString, LevelEvent},
	EventTime:       {"event:timeSinceStart", "", TypeDuration, LevelEvent},
	LinkTraceID:     {"link:traceID", "", TypeString, LevelLink},
	LinkSpanID:      {"link:spanID", "", TypeString, LevelLink},
	ScopeName:       {"instrumentation:name", "", TypeString, LevelInstrumentation},
	ScopeVersion:    {"instrumentation:version", "", TypeString, LevelInstrumentation},
}

var intrinsicByName = func() map[string]Intrinsic {
	m := map[string]Intrinsic{}
	for i, info := range intrinsics[1:] {
		m[info.name] = Intrinsic(i + 1)
		if info.alias != "" {
			m[info.alias] = Intrinsic(i + 1)
		}
	}
	return m
}()

// notYet lists words of the language that are refused with a reason of their own.
var notYet = map[string]string{
	"parent": "use { … } > { … } to put a condition on the parent",
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

// nested reports whether the field is a number of nested sets.
func (f Field) nested() bool {
	return f.Intrinsic == NestedSetParent || f.Intrinsic == NestedSetLeft || f.Intrinsic == NestedSetRight
}

// Type is TypeAny for attributes.
func (f Field) Type() Type {
	if f.Scope == telemetry.ScopeIntrinsic {
		return intrinsics[f.Intrinsic].typ
	}
	return TypeAny
}

// Level says on what the field hangs.
func (f Field) Level() Level {
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
	if f.Scope == telemetry.ScopeIntrinsic {
		return intrinsics[f.Intrinsic].name
	}
	return scopePrefix[f.Scope] + quoteKey(f.Key)
}

func quoteKey(key string) string {
	for _, r := range key {
		if !isKeyRune(r) || r == '"' || r == unicode.ReplacementChar {
			return quote(key)
		}
	}
	if key == "" || strings.Contains(key, "//") {
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
