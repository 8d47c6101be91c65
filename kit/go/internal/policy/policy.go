// Package policy holds what may change while a service runs: levels of components,
// sampling, log level, redaction and the hosts that get baggage. A [Document] says
// it, as JSON from Clew or from the program; a [Snapshot] is what follows from the
// program's own document, the live one and the local overrides, compiled for quick
// questions and never changed; a [Holder] swaps snapshots behind one atomic
// pointer; a [Poller] asks Clew for the document.
//
//	own ──┐
//	live ─┼─ compile → Snapshot ← Holder.Load (any goroutine, one atomic load)
//	local ┘
//
// A document that is not understood is refused as a whole and the last one stays.
// The Rust kit has the same code; kit/contract/policy.json is run by both.
package policy

import "github.com/clew-dev/clew/kit/go/internal/sampling"

// Level is how much a component says.
type Level uint8

// Levels, each with all of the ones before it.
const (
	Off Level = iota
	Edges
	Standard
	Detailed
)

var levelNames = [...]string{"off", "edges", "standard", "detailed"}

// String is the word of a policy.
func (l Level) String() string { return levelNames[min(int(l), len(levelNames)-1)] }

// ParseLevel reads the word of a policy.
func ParseLevel(s string) (Level, bool) {
	for i, name := range levelNames {
		if s == name {
			return Level(i), true
		}
	}
	return 0, false
}

// Component is a part of the kit that has a level of its own.
type Component uint8

// Components in the order of their names in policies.
const (
	HTTP Component = iota
	GRPC
	SQL
	Messaging
	App
	Logs
	Metrics
	Components int = iota // how many there are
)

var componentNames = [Components]string{"http", "grpc", "sql", "messaging", "app", "logs", "metrics"}

// String is the word of a policy.
func (c Component) String() string { return componentNames[min(int(c), Components-1)] }

// ParseComponent reads the word of a policy.
func ParseComponent(s string) (Component, bool) {
	for i, name := range componentNames {
		if s == name {
			return Component(i), true
		}
	}
	return 0, false
}

// LogLevel is the least severity of lines that are written.
type LogLevel uint8

// Log levels.
const (
	Trace LogLevel = iota
	Debug
	Info
	Warn
	Error
)

var logLevelNames = [...]string{"trace", "debug", "info", "warn", "error"}

// String is the word of a policy.
func (l LogLevel) String() string { return logLevelNames[min(int(l), len(logLevelNames)-1)] }

// ParseLogLevel reads the word of a policy.
func ParseLogLevel(s string) (LogLevel, bool) {
	for i, name := range logLevelNames {
		if s == name {
			return LogLevel(i), true
		}
	}
	return 0, false
}

// Limits of a document.
const (
	MaxBytes      = 256 << 10
	MaxDepth      = 32
	MaxRules      = 10_000
	MaxRedactions = 10_000
	maxText       = 256           // bytes of version, names and patterns
	maxInteger    = 1_000_000_000 // every number of a document
)

// Optional is a value that may be absent.
type Optional[T any] struct {
	Value T
	Set   bool
}

// Some is a value that is there.
func Some[T any](v T) Optional[T] { return Optional[T]{v, true} }

// Or is the value, or another one when it is absent.
func (o Optional[T]) Or(other T) T {
	if o.Set {
		return o.Value
	}
	return other
}

// Document is what a policy says. What is absent is left to the document below:
// the program's own configuration is a Document too.
type Document struct {
	Version           string
	TTLSeconds        int64 // 0 never expires
	Level             Optional[Level]
	Components        [Components]Optional[Level]
	LogLevel          Optional[LogLevel]
	LogLinesPerSecond Optional[int64]
	Sampling          Sampling
	Redact            []Redaction
	PropagateTo       Optional[[]string]
	BaggageKeys       Optional[[]string] // exact or a prefix before *; absent lets every key out

	Skipped int // rules and redactions that were not understood and left out
}

// Sampling is the part of a document about roots. A document with a threshold also
// decides about the limit.
type Sampling struct {
	Threshold      Optional[sampling.Threshold] // 0 when no document says it
	PerSecond      Optional[int64]              // absent does not limit
	SummaryOnError Optional[bool]               // true when no document says it
	Rules          Optional[[]Rule]
}

// Rule is a threshold for some roots.
type Rule struct {
	Name      string
	Match     Match
	Threshold Optional[sampling.Threshold] // absent is that of the sampling
	PerSecond Optional[int64]
}

// Match is what a root must have; "" takes anything. A last * makes the text before
// it a prefix.
type Match struct {
	Route, Method, Kind, Name Optional[string]
}

// Facts is what is known of a root when it starts.
type Facts struct {
	Route, Method, Kind, Name string
}

// Redaction is a rule about attributes.
type Redaction struct {
	Key    string // exact, or a prefix before a last *
	Action Action
}

// Action is what happens to an attribute.
type Action struct {
	Do     Verb
	Length int // bytes that truncate leaves
}

// Verb is the kind of an [Action].
type Verb uint8

// Verbs of redaction.
const (
	Drop Verb = iota
	Mask
	Truncate
)

// Masked is what a masked value is replaced by.
const Masked = "***"
