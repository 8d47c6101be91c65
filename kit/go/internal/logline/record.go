package logline

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// Fields of ScopeLogs, LogRecord, AnyValue and ArrayValue (opentelemetry/proto/logs/v1, common/v1).
const (
	scopeRecords = 2

	recordTime       = 1
	recordSeverity   = 2
	recordLevel      = 3
	recordBody       = 5
	recordAttributes = 6
	recordDropped    = 7
	recordFlags      = 8
	recordTrace      = 9
	recordSpan       = 10
	recordObserved   = 11
	recordName       = 12

	keyValueKey   = 1
	keyValueValue = 2
	anyString     = 1
	anyBool       = 2
	anyInt        = 3
	anyDouble     = 4
	anyArray      = 5
	arrayValues   = 1
)

// AppendRecord appends the event as an element of ScopeLogs: its tag, its length, the LogRecord. It has the limits and
// redactions of the line. What the line has beside its attributes is said in the words of the semantic conventions:
// exception.message, code.file.path, code.line.number, thread.name; the service is the resource's.
func (l *Line) AppendRecord(dst []byte, e *Event) []byte {
	dst, mark := wire.Begin(dst, scopeRecords)
	if !e.NoTime {
		dst = wire.AppendFixed64(dst, recordTime, uint64(e.Time))
	}
	dst = wire.AppendUint(dst, recordSeverity, uint64(e.Level))
	dst = wire.AppendString(dst, recordLevel, e.Level.String())
	if message, missing := cut(e.Message, MaxMessage); message != "" {
		var body int
		dst, body = wire.Begin(dst, recordBody)
		dst = wire.AppendString(dst, anyString, whole(message, missing))
		dst = wire.End(dst, body)
	}
	for i := range l.count {
		a := &l.attributes[i]
		dst = l.appendAttribute(dst, whole(a.key, a.cut), &a.value)
	}
	if l.errorCount > 0 {
		dst = wire.AppendStringAttr(dst, recordAttributes, "exception.message", whole(l.errors[0].text, l.errors[0].cut))
	}
	if l.errorCount > 1 {
		dst = l.appendErrors(dst)
	}
	if file, line, ok := strings.Cut(e.Code, ":"); ok {
		dst = wire.AppendStringAttr(dst, recordAttributes, "code.file.path", whole(cut(file, MaxKey)))
		dst = wire.AppendIntAttr(dst, recordAttributes, "code.line.number", number(line))
	}
	if e.Thread != "" {
		dst = wire.AppendStringAttr(dst, recordAttributes, "thread.name", whole(cut(e.Thread, MaxKey)))
	}
	if e.Task != 0 {
		dst = wire.AppendIntAttr(dst, recordAttributes, "clew.task.id", int64(e.Task))
	}
	if e.More != 0 {
		dst = wire.AppendIntAttr(dst, recordAttributes, "clew.log.more", int64(e.More))
	}
	if l.loss != 0 {
		dst = wire.AppendUint(dst, recordDropped, l.loss)
	}
	if e.TraceID != [16]byte{} {
		dst = wire.AppendFixed32(dst, recordFlags, uint32(e.Flags))
		dst = wire.AppendBytes(dst, recordTrace, e.TraceID[:])
		if e.SpanID != [8]byte{} {
			dst = wire.AppendBytes(dst, recordSpan, e.SpanID[:])
		}
	}
	dst = wire.AppendFixed64(dst, recordObserved, uint64(e.Observed))
	if e.Name != "" {
		dst = wire.AppendString(dst, recordName, wire.Text(e.Name, MaxKey))
	}
	return wire.End(dst, mark)
}

// appendErrors appends the whole chain, which semantic conventions have no word for.
func (l *Line) appendErrors(dst []byte) []byte {
	dst, mark := wire.Begin(dst, recordAttributes)
	dst = wire.AppendString(dst, keyValueKey, "clew.error.chain")
	var v, array int
	dst, v = wire.Begin(dst, keyValueValue)
	dst, array = wire.Begin(dst, anyArray)
	for i := range l.errorCount {
		dst = l.appendElement(dst, &l.errors[i])
	}
	return wire.End(wire.End(wire.End(dst, array), v), mark)
}

func (l *Line) appendAttribute(dst []byte, key string, v *value) []byte {
	switch v.kind {
	case text:
		return wire.AppendStringAttr(dst, recordAttributes, key, whole(v.text, v.cut))
	case boolean:
		return wire.AppendBoolAttr(dst, recordAttributes, key, v.num != 0)
	case signed:
		return wire.AppendIntAttr(dst, recordAttributes, key, int64(v.num))
	case float:
		return wire.AppendFloatAttr(dst, recordAttributes, key, math.Float64frombits(v.num))
	}
	dst, mark := wire.Begin(dst, recordAttributes)
	dst = wire.AppendString(dst, keyValueKey, key)
	var any int
	dst, any = wire.Begin(dst, keyValueValue)
	dst = l.appendAny(dst, v)
	return wire.End(wire.End(dst, any), mark)
}

func (l *Line) appendElement(dst []byte, v *value) []byte {
	dst, mark := wire.Begin(dst, arrayValues)
	return wire.End(l.appendAny(dst, v), mark)
}

// appendAny appends what stands in an AnyValue; nothing for null.
func (l *Line) appendAny(dst []byte, v *value) []byte {
	switch v.kind {
	case text:
		return wire.AppendString(dst, anyString, whole(v.text, v.cut))
	case boolean:
		return wire.AppendUint(dst, anyBool, v.num)
	case signed:
		return wire.AppendUint(dst, anyInt, v.num)
	case unsigned:
		// OTLP has signed integers only; a larger one is its digits.
		if v.num > math.MaxInt64 {
			digits := l.appendValue(make([]byte, 0, 32), v)
			return wire.AppendBytes(dst, anyString, digits)
		}
		return wire.AppendUint(dst, anyInt, v.num)
	case float:
		return wire.AppendDouble(dst, anyDouble, math.Float64frombits(v.num))
	case instant:
		return wire.AppendBytes(dst, anyString, appendTime(make([]byte, 0, 32), int64(v.num)))
	case list:
		dst, array := wire.Begin(dst, anyArray)
		elements := l.elementsOf(v)
		for i := range elements {
			dst = l.appendElement(dst, &elements[i])
		}
		return wire.End(dst, array)
	}
	return dst
}

// whole is a text with its mark, as the wire may have it.
func whole(s string, missing bool) string {
	if missing {
		s += cutMark
	}
	return valid(s)
}

// valid replaces what is not UTF-8, for which a collector would refuse the whole request.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	// One mark for each byte, as in the line.
	var b []byte
	for _, r := range s {
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// number is the value of a text of digits.
func number(digits string) (n int64) {
	for i := 0; i < len(digits) && digits[i] >= '0' && digits[i] <= '9' && n < 1<<31; i++ {
		n = n*10 + int64(digits[i]-'0')
	}
	return n
}
