// Package logcase makes lines and records from the cases of kit/contract/logs.json, for the contract's test and for the differential
// fuzzer. How a case is written is said in kit/contract/logs.py.
package logcase

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// Case is one event with the redactions under which it is written.
type Case struct {
	Event struct {
		Time, Observed, Level, Name string
		Message, Service, Thread    any
		TraceID                     string `json:"trace_id"`
		SpanID                      string `json:"span_id"`
		Flags                       byte
		Task, Code, More            string
		Attributes                  [][2]any
	}
	Redact json.RawMessage
}

// Write returns the line, and the record in hex digits, of a case in JSON.
func Write(text []byte) (line, record string, err error) {
	var c Case
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&c); err != nil {
		return "", "", fmt.Errorf("read case: %w", err)
	}
	e, err := c.event()
	if err != nil {
		return "", "", fmt.Errorf("read case: %w", err)
	}
	l := logline.Get()
	defer logline.Put(l)
	if c.Redact != nil {
		holder := policy.NewHolder(policy.Document{})
		document := fmt.Sprintf(`{"version":"1","redact":%s}`, c.Redact)
		if err := holder.Apply([]byte(document), epoch); err != nil {
			return "", "", fmt.Errorf("read case: %w", err)
		}
		l.Policy = holder.Load()
	}
	if err := set(l, c.Event.Attributes); err != nil {
		return "", "", fmt.Errorf("read case: %w", err)
	}
	return string(l.AppendLine(nil, e)), hex.EncodeToString(l.AppendRecord(nil, e)), nil
}

func (c *Case) event() (*logline.Event, error) {
	levels := map[string]logline.Level{
		"TRACE": logline.Trace, "DEBUG": logline.Debug, "INFO": logline.Info, "WARN": logline.Warn, "ERROR": logline.Error,
	}
	x := &c.Event
	e := &logline.Event{
		NoTime: x.Time == "", Level: levels[x.Level], Message: plain(x.Message), Name: x.Name, Flags: x.Flags,
		Service: plain(x.Service), Thread: plain(x.Thread), Code: x.Code,
	}
	if e.Level == 0 {
		return nil, fmt.Errorf("level %q is none of TRACE DEBUG INFO WARN ERROR", x.Level)
	}
	_, badTrace := hex.Decode(e.TraceID[:], []byte(x.TraceID))
	_, badSpan := hex.Decode(e.SpanID[:], []byte(x.SpanID))
	numbers := numbers{}
	e.Time = numbers.signed(x.Time)
	e.Observed = numbers.signed(x.Observed)
	e.Task = numbers.unsigned(x.Task)
	e.More = numbers.unsigned(x.More)
	return e, errors.Join(badTrace, badSpan, numbers.err)
}

// numbers reads numbers that are written as texts, since JSON's go through floats; "" is 0.
type numbers struct{ err error }

func (n *numbers) signed(s string) int64 {
	if s == "" {
		return 0
	}
	v, err := strconv.ParseInt(s, 10, 64)
	n.err = errors.Join(n.err, err)
	return v
}

func (n *numbers) unsigned(s string) uint64 {
	if s == "" {
		return 0
	}
	v, err := strconv.ParseUint(s, 10, 64)
	n.err = errors.Join(n.err, err)
	return v
}

func (n *numbers) float(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	n.err = errors.Join(n.err, err)
	return v
}

func (n *numbers) bits(s string) float64 {
	v, err := strconv.ParseUint(s, 16, 64)
	n.err = errors.Join(n.err, err)
	return math.Float64frombits(v)
}

func (n *numbers) bytes(s string) []byte {
	v, err := hex.DecodeString(s)
	n.err = errors.Join(n.err, err)
	return v
}

// Text is a text of a case, or a line of logs.json: a string, or parts under join, which may be repeated.
func Text(v any) string { return plain(v) }

func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		var b strings.Builder
		parts, _ := v["join"].([]any)
		for _, part := range parts {
			switch part := part.(type) {
			case string:
				b.WriteString(part)
			case []any:
				b.WriteString(strings.Repeat(part[0].(string), int(part[1].(float64))))
			}
		}
		return b.String()
	}
	return ""
}

// tagged is the one key of an object and what it has; "join" for a text in parts.
func tagged(v map[string]any) (string, any) {
	for kind, of := range v {
		return kind, of
	}
	return "", nil
}

func set(l *logline.Line, attributes [][2]any) error {
	for _, a := range attributes {
		if err := setOne(l, plain(a[0]), a[1]); err != nil {
			return err
		}
	}
	return nil
}

func setOne(l *logline.Line, key string, v any) error {
	var n numbers
	switch v := v.(type) {
	case nil:
		l.Any(key, nil)
	case bool, string:
		l.Any(key, v)
	case []any:
		l.List(key, func(e *logline.Elements) {
			for _, one := range v {
				add(e, one, &n)
			}
		})
	case map[string]any:
		kind, of := tagged(v)
		text, _ := of.(string)
		switch kind {
		case "join":
			l.Any(key, plain(v))
		case "error":
			l.Any(key, failure(of.(map[string]any)))
		case "group":
			outer := l.Prefix
			if key != "" {
				l.Prefix += key + "."
			}
			for _, one := range of.([]any) {
				pair := one.([]any)
				if err := setOne(l, plain(pair[0]), pair[1]); err != nil {
					return err
				}
			}
			l.Prefix = outer
		case "int":
			l.Int(key, n.signed(text))
		case "uint":
			l.Uint(key, n.unsigned(text))
		case "float":
			l.Float(key, n.float(text))
		case "bits":
			l.Float(key, n.bits(text))
		case "duration":
			l.Duration(key, n.signed(text))
		case "instant":
			l.Instant(key, n.signed(text))
		case "bytes":
			l.Bytes(key, n.bytes(text))
		default:
			return fmt.Errorf("kind %q is unknown", kind)
		}
	}
	return n.err
}

func add(e *logline.Elements, v any, n *numbers) {
	switch v := v.(type) {
	case nil:
		e.Null()
	case bool:
		e.Bool(v)
	case string:
		e.String(v)
	case map[string]any:
		kind, of := tagged(v)
		text, _ := of.(string)
		switch kind {
		case "join":
			e.String(plain(v))
		case "int":
			e.Int(n.signed(text))
		case "uint":
			e.Uint(n.unsigned(text))
		case "float":
			e.Float(n.float(text))
		case "bits":
			e.Float(n.bits(text))
		case "duration":
			e.Duration(n.signed(text))
		case "instant":
			e.Instant(n.signed(text))
		case "bytes":
			e.Bytes(n.bytes(text))
		default:
			n.err = errors.Join(n.err, fmt.Errorf("kind %q is unknown", kind))
		}
	}
}
