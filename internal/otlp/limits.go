package otlp

import "time"

// MaxDepth is the number of arrays and key-value lists that may be nested in one
// attribute. Some decoders refuse 49, the specification's default is 64.
const MaxDepth = 32

// Limits bound what one request may put into a Batch. A zero field means its default.
type Limits struct {
	Attributes         int           // of a span, event or link; default 128
	ResourceAttributes int           // of a resource or an instrumentation scope; default 512
	KeyBytes           int           // longest key; default 512
	ValueBytes         int           // longest text: values, names, messages, URLs; longest nested value; default 16 KiB
	NestedBytes        int           // canonical text of all nested values of a request; default 16 MiB
	SpanEvents         int           // events of a span; default 1024
	SpanLinks          int           // links of a span; default 1024
	Spans              int           // spans of a request; one more is an error; default 131072
	Events             int           // events of a request; default 262144
	Links              int           // links of a request; default 131072
	Columns            int           // distinct pairs of key and type per table of a request; default 8192
	ClockSkew          time.Duration // how far a start may be from the time of receipt; default 24 h
}

// DefaultLimits gives the limits that zero fields stand for.
func DefaultLimits() Limits { return Limits{}.filled() }

func (l Limits) filled() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.Attributes, 128},
		{&l.ResourceAttributes, 512},
		{&l.KeyBytes, 512},
		{&l.ValueBytes, 16 << 10},
		{&l.NestedBytes, 16 << 20},
		{&l.SpanEvents, 1024},
		{&l.SpanLinks, 1024},
		{&l.Spans, 1 << 17},
		{&l.Events, 1 << 18},
		{&l.Links, 1 << 17},
		{&l.Columns, 1 << 13},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if l.ClockSkew <= 0 {
		l.ClockSkew = 24 * time.Hour
	}
	return l
}

// Reason says why something of a request is not stored as it was sent.
type Reason uint8

// The closed list of reasons.
const (
	InvalidID       Reason = iota // span rejected: trace, span or parent id of wrong length, or zero
	LongValue                     // text cut at Limits.ValueBytes
	LargeNested                   // nested value cut at Limits.ValueBytes or Limits.NestedBytes
	DeepNested                    // nested value cut at MaxDepth
	MendedText                    // invalid UTF-8 replaced by U+FFFD
	ManyAttributes                // attribute dropped: over Limits.Attributes or ResourceAttributes
	LongKey                       // attribute dropped: key over Limits.KeyBytes
	ManyColumns                   // attribute dropped: over Limits.Columns
	ManySpanEvents                // event dropped: over Limits.SpanEvents
	ManyEvents                    // event dropped: over Limits.Events
	ManySpanLinks                 // link dropped: over Limits.SpanLinks
	ManyLinks                     // link dropped: over Limits.Links
	InvalidLinkID                 // link dropped: an id of wrong length
	ClockOff                      // span marked: start further from now than Limits.ClockSkew, or a time after the year 2262
	UnknownEnum                   // kind or status outside OTLP's list stored as unspecified or unset
	NumberOfReasons = iota
)

var reasonNames = [NumberOfReasons]string{
	"invalid_id", "long_value", "large_nested", "deep_nested", "mended_text",
	"many_attributes", "long_key", "many_columns",
	"many_span_events", "many_events", "many_span_links", "many_links", "invalid_link_id",
	"clock_off", "unknown_enum",
}

// String gives the reason as it is written in labels of metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Report tells what a request held and what was changed.
type Report struct {
	Spans         int // stored in the Batch
	RejectedSpans int
	FirstRejected string // place and cause of the first rejected span, for the sender
	Counts        [NumberOfReasons]int
}
