package clewtest

// Span is a recorded span, read back from the bytes that would have been exported. Times are nanoseconds since 1970; End is 0 while the
// span is open. Values of attributes are string, bool, int64, float64, []any of those, or nil.
type Span struct {
	Trace      string // 32 hex digits
	ID         string // 16 hex digits
	Parent     string // 16 hex digits, "" for a root
	TraceState string
	Flags      uint32
	Kind       string // INTERNAL SERVER CLIENT PRODUCER CONSUMER
	Name       string
	Service    string
	Start, End int64
	Attributes map[string]any
	Events     []Event
	Links      []Link
	Status     Status
	Message    string // of the status
	Site       string // file:line where an open span was started
}

// Event is something that happened at one moment of a span.
type Event struct {
	Time       int64
	Name       string
	Attributes map[string]any
}

// Link points to another span.
type Link struct {
	Trace, ID  string
	TraceState string
	Attributes map[string]any
}

// Status is the status of a span, as numbered by OTLP.
type Status int

// The three statuses.
const (
	Unset Status = iota
	OK
	Error
)
