// Package logline writes the log lines of schema clew/1, section 7 of the contract
// (kit/contract/README.md), and the same events as OTLP log records.
//
// A [Line] collects the attributes of one event under the contract's limits and
// then appends them to buffers of the caller, as a line and as a record:
//
//	{"schema":"clew/1","time":"2026-11-23T10:00:00.000000001Z","level":"INFO","message":"placed","trace_id":"…",
//	 "span_id":"…","sampled":true,"service":"orders","code":"shop/place.go:41","attributes":{"items":3}}
//
// A [Sites] counts the lines of each call site and says which are too many. A [Sink]
// takes finished lines to a writer without making the caller wait for it. A
// [Pipeline] is the three together.
//
// Methods of users (String, Error, LogValue) are called on the caller's goroutine,
// never under a lock, and a panic in one becomes the text of its value. A Line
// belongs to one goroutine at a time; everything else may be used by many.
package logline

import (
	"encoding/base64"
	"strconv"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// The limits of a line, in bytes or in number.
const (
	MaxMessage    = 8192
	MaxValue      = 4096
	MaxKey        = 256
	MaxAttributes = 64
	MaxElements   = 128
	MaxErrors     = 8
)

// Level is the severity of an event. The values are the severity numbers of OTLP.
type Level uint8

const (
	Trace Level = 1
	Debug Level = 5
	Info  Level = 9
	Warn  Level = 13
	Error Level = 17
)

// String is the level as a line has it.
func (l Level) String() string {
	switch {
	case l < Debug:
		return "TRACE"
	case l < Info:
		return "DEBUG"
	case l < Warn:
		return "INFO"
	case l < Error:
		return "WARN"
	}
	return "ERROR"
}

// Event is what a line says beside its attributes and errors. What is zero is left
// out, but for Time, which NoTime leaves out.
type Event struct {
	Time     int64 // Nanoseconds since 1970.
	NoTime   bool
	Level    Level
	Message  string
	Name     string // The OTLP event name; a line does not have it.
	TraceID  [16]byte
	SpanID   [8]byte
	Flags    byte // W3C trace flags; the lowest bit is sampled.
	Service  string
	Task     uint64
	Thread   string
	Code     string
	More     uint64
	Observed int64 // Nanoseconds since 1970, of the record only.
}

type kind uint8

const (
	null kind = iota
	text
	boolean
	signed
	unsigned
	float
	instant
	list
)

// value is one attribute's value or one element of an array.
type value struct {
	kind kind
	cut  bool   // The text is to end with cutMark.
	num  uint64 // The number's bits; of a list, its first element in Line.elements and, in the upper half, the one behind its last.
	text string
}

type attribute struct {
	key   string
	cut   bool // The key is to end with cutMark.
	loss  uint64
	value value
}

// Line collects one event. The zero value is ready; Get takes one from a pool.
type Line struct {
	// Prefix stands before every key: the names of the open groups, each with its dot.
	Prefix string
	// Policy says what is redacted; nil redacts nothing.
	Policy *policy.Snapshot

	attributes [MaxAttributes]attribute
	count      int
	elements   []value // Those of all arrays.
	errors     [MaxErrors]value
	errorCount int
	errorLoss  uint64
	loss       uint64 // What was left out whole.
	buffer     []byte // Of the Pipeline.
}

var lines = sync.Pool{New: func() any { return new(Line) }}

// Get takes an empty line from the pool.
func Get() *Line { return lines.Get().(*Line) }

// Put empties the line, so that it holds on to nothing of its event, and gives it back.
func Put(l *Line) {
	l.Reset()
	lines.Put(l)
}

// How large the memory of a line may stay in the pool.
const (
	keepElements = 4 * MaxElements
	keepBuffer   = 64 << 10
)

// Reset empties the line.
func (l *Line) Reset() {
	clear(l.attributes[:l.count])
	clear(l.errors[:l.errorCount])
	clear(l.elements)
	l.elements = l.elements[:0]
	if cap(l.elements) > keepElements {
		l.elements = nil
	}
	if cap(l.buffer) > keepBuffer {
		l.buffer = nil
	}
	l.count, l.errorCount = 0, 0
	l.errorLoss, l.loss = 0, 0
	l.Prefix, l.Policy = "", nil
}

// rule is what the policy says about a key. The zero rule keeps the value as it is.
type rule struct {
	policy.Action
	found bool
}

func (r rule) drops() bool { return r.found && r.Do == policy.Drop }

func (l *Line) rule(key string) rule {
	if l.Policy == nil {
		return rule{}
	}
	action, found := l.Policy.Redact(key)
	return rule{action, found}
}

// plain is a value that is no text under the rule. A number has no shorter form that hides anything, so Truncate masks it too.
func (r rule) plain(v value) value {
	if r.found {
		return value{kind: text, text: policy.Masked}
	}
	return v
}

// text is a text under the rule and the limit, and 1 when the limit cut it.
func (r rule) text(s string) (v value, loss uint64) {
	if r.found {
		s, _ = r.Text(s)
	}
	kept, missing := cut(s, MaxValue)
	if missing {
		loss = 1
	}
	return value{kind: text, text: kept, cut: missing}, loss
}

// slot returns where the value of the key is to be put, with its rule; nil when the attribute is left out.
func (l *Line) slot(key string) (*attribute, rule) {
	if l.Prefix != "" {
		key = l.Prefix + key
	}
	// The rules see the whole key, also where the line shows a cut one.
	r := l.rule(key)
	if r.drops() {
		return nil, r
	}
	key, missing := cut(key, MaxKey)
	for i := range l.count {
		if a := &l.attributes[i]; a.cut == missing && a.key == key {
			a.loss = 0
			return a, r
		}
	}
	if l.count == MaxAttributes {
		l.loss++
		return nil, r
	}
	a := &l.attributes[l.count]
	l.count++
	a.key, a.cut = key, missing
	return a, r
}

// set puts a value that is no text.
func (l *Line) set(key string, v value) {
	if a, r := l.slot(key); a != nil {
		a.value = r.plain(v)
	}
}

// String sets a text.
func (l *Line) String(key, s string) {
	if a, r := l.slot(key); a != nil {
		a.value, a.loss = r.text(s)
	}
}

// Bool sets a boolean.
func (l *Line) Bool(key string, b bool) { l.set(key, boolValue(b)) }

// Int sets an integer.
func (l *Line) Int(key string, n int64) { l.set(key, value{kind: signed, num: uint64(n)}) }

// Uint sets an integer that is not negative.
func (l *Line) Uint(key string, n uint64) { l.set(key, value{kind: unsigned, num: n}) }

// Float sets a number.
func (l *Line) Float(key string, f float64) { l.set(key, floatValue(f)) }

// Duration sets a time span of so many nanoseconds; it is written in seconds.
func (l *Line) Duration(key string, nanos int64) { l.set(key, durationValue(nanos)) }

// Instant sets a moment, nanoseconds since 1970.
func (l *Line) Instant(key string, unixNano int64) {
	l.set(key, value{kind: instant, num: uint64(unixNano)})
}

// Null sets that there is no value.
func (l *Line) Null(key string) { l.set(key, value{kind: null}) }

// Bytes sets bytes; they are written as Base64 with its padding.
func (l *Line) Bytes(key string, b []byte) { l.String(key, base64Of(b)) }

func base64Of(b []byte) string {
	// Three bytes are four characters: what is certainly over the limit need not be encoded to be cut.
	const enough = MaxValue/4*3 + 3
	return base64.StdEncoding.EncodeToString(b[:min(len(b), enough)])
}

// List sets an array, whose elements each adds to the [Elements] it is given.
func (l *Line) List(key string, each func(*Elements)) {
	a, r := l.slot(key)
	if a == nil {
		return
	}
	e := Elements{line: l, first: len(l.elements), rule: r}
	if r.found && r.Do == policy.Mask {
		a.value = r.plain(value{})
		return
	}
	each(&e)
	a.value = value{kind: list, num: uint64(e.first) | uint64(len(l.elements))<<32}
	a.loss = e.loss
}

// Elements collects the elements of one array.
type Elements struct {
	line  *Line
	first int
	rule  rule
	loss  uint64
	over  bool
}

// Full says that the array has all the elements it may have, and counts that there were more.
func (e *Elements) Full() bool {
	if len(e.line.elements)-e.first < MaxElements {
		return false
	}
	if !e.over {
		e.over = true
		e.loss++
	}
	return true
}

func (e *Elements) add(v value) {
	if e.Full() {
		return
	}
	e.line.elements = append(e.line.elements, e.rule.plain(v))
}

// String adds a text.
func (e *Elements) String(s string) {
	if e.Full() {
		return
	}
	v, loss := e.rule.text(s)
	e.loss += loss
	e.line.elements = append(e.line.elements, v)
}

// Bool adds a boolean.
func (e *Elements) Bool(b bool) { e.add(boolValue(b)) }

// Int adds an integer.
func (e *Elements) Int(n int64) { e.add(value{kind: signed, num: uint64(n)}) }

// Uint adds an integer that is not negative.
func (e *Elements) Uint(n uint64) { e.add(value{kind: unsigned, num: n}) }

// Float adds a number.
func (e *Elements) Float(f float64) { e.add(floatValue(f)) }

// Duration adds a time span in nanoseconds.
func (e *Elements) Duration(nanos int64) { e.add(durationValue(nanos)) }

// Instant adds a moment, nanoseconds since 1970.
func (e *Elements) Instant(unixNano int64) { e.add(value{kind: instant, num: uint64(unixNano)}) }

// Bytes adds bytes, as Base64.
func (e *Elements) Bytes(b []byte) { e.String(base64Of(b)) }

// Null adds that there is no value.
func (e *Elements) Null() { e.add(value{kind: null}) }

// truncated is what the line says as truncated, but for its own members.
func (l *Line) truncated() uint64 {
	n := l.loss + l.errorLoss
	for i := range l.count {
		a := &l.attributes[i]
		n += a.loss
		if a.cut {
			n++
		}
	}
	return n
}

// AppendLine appends the event as one JSON object and a newline.
func (l *Line) AppendLine(dst []byte, e *Event) []byte {
	dst = append(dst, `{"schema":"clew/1"`...)
	if !e.NoTime {
		dst = append(dst, `,"time":"`...)
		dst = appendTime(dst, e.Time)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"level":"`...)
	dst = append(dst, e.Level.String()...)
	dst = append(dst, '"')
	truncated := l.truncated()
	dst = appendMember(dst, `,"message":`, e.Message, MaxMessage, &truncated)
	if e.TraceID != [16]byte{} {
		dst = append(dst, `,"trace_id":"`...)
		dst = appendHex(dst, e.TraceID[:])
		dst = append(dst, '"')
		if e.SpanID != [8]byte{} {
			dst = append(dst, `,"span_id":"`...)
			dst = appendHex(dst, e.SpanID[:])
			dst = append(dst, '"')
		}
		dst = append(dst, `,"sampled":`...)
		dst = strconv.AppendBool(dst, e.Flags&1 != 0)
	}
	dst = appendMember(dst, `,"service":`, e.Service, MaxKey, &truncated)
	if e.Task != 0 {
		dst = append(dst, `,"task":"`...)
		dst = strconv.AppendUint(dst, e.Task, 10)
		dst = append(dst, '"')
	}
	dst = appendMember(dst, `,"thread":`, e.Thread, MaxKey, &truncated)
	dst = appendMember(dst, `,"code":`, e.Code, MaxKey, &truncated)
	for i := range l.errorCount {
		if i == 0 {
			dst = append(dst, `,"error":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = l.appendValue(dst, &l.errors[i])
	}
	if l.errorCount > 0 {
		dst = append(dst, ']')
	}
	if e.More != 0 {
		dst = append(dst, `,"more":`...)
		dst = strconv.AppendUint(dst, e.More, 10)
	}
	if truncated != 0 {
		dst = append(dst, `,"truncated":`...)
		dst = strconv.AppendUint(dst, truncated, 10)
	}
	for i := range l.count {
		if i == 0 {
			dst = append(dst, `,"attributes":{`...)
		} else {
			dst = append(dst, ',')
		}
		a := &l.attributes[i]
		dst = appendText(dst, a.key, a.cut)
		dst = append(dst, ':')
		dst = l.appendValue(dst, &a.value)
	}
	if l.count > 0 {
		dst = append(dst, '}')
	}
	return append(dst, '}', '\n')
}

// appendMember appends a member of the line that is a text, when it is not empty.
func appendMember(dst []byte, name, s string, limit int, truncated *uint64) []byte {
	if s == "" {
		return dst
	}
	kept, missing := cut(s, limit)
	if missing {
		*truncated++
	}
	return appendText(append(dst, name...), kept, missing)
}

func appendText(dst []byte, s string, missing bool) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	if missing {
		dst = append(dst, cutMark...)
	}
	return append(dst, '"')
}

func appendHex(dst, id []byte) []byte {
	for _, b := range id {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}
