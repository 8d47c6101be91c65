package clew

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// SpanView is a finished span as OnEnd shows it: what goes out, after limits and redaction. It is valid only during the call; copy what
// is kept.
type SpanView struct {
	SpanContext
	Parent SpanContext // zero for a root; only its ids are known
	Kind   Kind
	Name   string
	Start  time.Time
	End    time.Time
	// Status is codes.Unset, codes.Ok or codes.Error, StatusText the message of an error.
	Status     codes.Code
	StatusText string
	// Summary says that this is the root of a trace that is not sampled, sent because it failed.
	Summary bool

	record []byte
}

// EventView is an event of a finished span.
type EventView struct {
	Name  string
	Time  time.Time
	Attrs []Attr
}

// Bytes is the encoded message Span of OTLP. Do not change it.
func (v *SpanView) Bytes() []byte {
	f, _, _ := wire.Next(v.record)
	return f.Data
}

// Attrs decodes the attributes.
func (v *SpanView) Attrs() []Attr { return decodeAttrs(v.Bytes(), spanAttributes) }

// Events decodes the events.
func (v *SpanView) Events() []EventView {
	var events []EventView
	each(v.Bytes(), spanEvents, func(f wire.Field) {
		e := EventView{Attrs: decodeAttrs(f.Data, eventAttributes)}
		each(f.Data, eventName, func(f wire.Field) { e.Name = string(f.Data) })
		each(f.Data, eventTime, func(f wire.Field) { e.Time = time.Unix(0, int64(f.Value)) })
		events = append(events, e)
	})
	return events
}

// Links decodes the links.
func (v *SpanView) Links() []Link {
	var links []Link
	each(v.Bytes(), spanLinks, func(f wire.Field) {
		l := Link{Attrs: decodeAttrs(f.Data, linkAttributes)}
		each(f.Data, linkTraceID, func(f wire.Field) { copy(l.TraceID[:], f.Data) })
		each(f.Data, linkSpanID, func(f wire.Field) { copy(l.SpanID[:], f.Data) })
		each(f.Data, linkState, func(f wire.Field) { l.State = string(f.Data) })
		links = append(links, l)
	})
	return links
}

// each calls f for every field with a number.
func each(b []byte, number int, f func(wire.Field)) {
	for {
		field, rest, ok := wire.Next(b)
		if !ok {
			return
		}
		if field.Number == number {
			f(field)
		}
		b = rest
	}
}

func decodeAttrs(b []byte, number int) []Attr {
	var attrs []Attr
	each(b, number, func(f wire.Field) {
		var a Attr
		each(f.Data, 2, func(f wire.Field) { a = decodeValue(f.Data) })
		each(f.Data, 1, func(f wire.Field) { a.key = string(f.Data) })
		attrs = append(attrs, a)
	})
	return attrs
}

// decodeValue reads an AnyValue. The kit writes arrays of one type only.
func decodeValue(b []byte) Attr {
	f, _, ok := wire.Next(b)
	if !ok {
		return Attr{}
	}
	switch f.Number {
	case 1:
		return String("", string(f.Data))
	case 2:
		return scalar("", boolKind, f.Value)
	case 3:
		return scalar("", intKind, f.Value)
	case 4:
		return scalar("", floatKind, f.Value)
	case 5:
		return decodeArray(f.Data)
	case 7:
		return blob("", append([]byte(nil), f.Data...))
	}
	return Attr{}
}

func decodeArray(b []byte) Attr {
	var texts []string
	var ints []int64
	var floats []float64
	var bools []bool
	each(b, 1, func(f wire.Field) {
		switch a := decodeValue(f.Data); a.kind() {
		case textKind:
			texts = append(texts, a.text())
		case intKind:
			ints = append(ints, int64(a.num))
		case floatKind:
			floats = append(floats, math.Float64frombits(a.num))
		case boolKind:
			bools = append(bools, a.num != 0)
		}
	})
	switch {
	case ints != nil:
		return Ints("", ints)
	case floats != nil:
		return Floats("", floats)
	case bools != nil:
		return Bools("", bools)
	}
	return Strings("", texts)
}
