package finding

import (
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Severity says how bad a finding is, in the words of OpenTelemetry Weaver.
type Severity string

// The severities, worst first.
const (
	Violation   Severity = "violation"
	Improvement Severity = "improvement"
	Information Severity = "information"
)

// Key is what makes two observations the same finding.
type Key struct {
	Service string
	Rule    string
	Subject string // the attribute, span or service that the rule speaks of
	Detail  string // what tells findings of one subject apart, such as the type that was sent; may be empty
}

// Observation is what one batch has to say of one finding.
type Observation struct {
	Key      Key
	Severity Severity
	Message  string // one sentence: what is wrong
	Mend     string // one sentence: what to do
	Name     string // the name to write instead, where there is one
	Action   string // what was done: observe, mend, refuse or redact
	Count    uint64 // spans or values
	Trace    telemetry.TraceID
	Span     telemetry.SpanID
}

// Finding is an observation with its history.
type Finding struct {
	Observation
	First, Last time.Time
}

// Overflow is what the bounds of a table kept out.
type Overflow struct {
	Service string // empty: of services that had no room themselves
	Rule    string
	Count   uint64
}
