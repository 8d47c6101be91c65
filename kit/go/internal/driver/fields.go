package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf16"
)

// object is an answer or a part of one; keys are written sorted.
type object = map[string]any

// fields are those of a case. Getters note which were read, and the first one that
// is not of its kind; done then refuses a case with a field that nobody read, so
// that a misspelt one does not pass as tested.
type fields struct {
	values map[string]any
	read   map[string]bool
	err    error
}

func read(line []byte) (*fields, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	values := map[string]any{}
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value on the line")
	}
	return &fields{values: values, read: map[string]bool{}}, nil
}

func (f *fields) has(name string) bool {
	_, ok := f.values[name]
	return ok
}

func (f *fields) fail(name string) {
	if f.err == nil {
		f.err = fmt.Errorf("field %q is not of its kind", name)
	}
}

// get returns the field as a T, its zero value when it is absent.
func get[T any](f *fields, name string) T {
	f.read[name] = true
	v, ok := f.values[name]
	if !ok {
		var zero T
		return zero
	}
	t, ok := v.(T)
	if !ok {
		f.fail(name)
	}
	return t
}

func (f *fields) text(name string) string { return get[string](f, name) }
func (f *fields) bool(name string) bool   { return get[bool](f, name) }
func (f *fields) list(name string) []any  { return get[[]any](f, name) }
func (f *fields) int(name string) int64   { return f.number(name, get[json.Number](f, name)) }
func (f *fields) number(name string, n json.Number) int64 {
	if n == "" {
		return 0
	}
	v, err := n.Int64()
	if err != nil {
		f.fail(name)
	}
	return v
}

func (f *fields) texts(name string) []string {
	out := []string{}
	for _, v := range f.list(name) {
		s, ok := v.(string)
		if !ok {
			f.fail(name)
		}
		out = append(out, s)
	}
	return out
}

// hex fills to with a field of lower-case hex digits.
func (f *fields) hex(name string, to []byte) {
	b, err := hex.DecodeString(f.text(name))
	if err != nil || len(b) != len(to) {
		f.fail(name)
		return
	}
	copy(to, b)
}

// object is the field as fields of its own.
func (f *fields) object(name string) *fields {
	values := get[map[string]any](f, name)
	if values == nil {
		values = map[string]any{}
	}
	return &fields{values: values, read: map[string]bool{}}
}

// each calls fn with every object of a list.
func (f *fields) each(name string, fn func(*fields)) {
	for _, v := range f.list(name) {
		values, ok := v.(map[string]any)
		if !ok {
			f.fail(name)
			return
		}
		part := &fields{values: values, read: map[string]bool{}}
		fn(part)
		f.join(part)
	}
}

// join takes over what is wrong with a part.
func (f *fields) join(part *fields) {
	if err := part.done(); err != nil && f.err == nil {
		f.err = err
	}
}

func (f *fields) done() error {
	if f.err != nil {
		return f.err
	}
	for name := range f.values {
		if !f.read[name] {
			return fmt.Errorf("field %q is not known", name)
		}
	}
	return nil
}

// render writes a value in one way only: keys sorted, ASCII, no spaces.
func render(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case string:
		return renderText(b, v)
	case []any:
		b = append(b, '[')
		for i, element := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = render(b, element)
		}
		return append(b, ']')
	case object:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = render(append(renderText(b, k), ':'), v[k])
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("render %T", v))
}

func renderText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				b = fmt.Appendf(b, "\\u%04x", unit)
			}
		}
	}
	return append(b, '"')
}

// list makes a list of anything.
func list[T any](values []T) []any {
	out := make([]any, 0, len(values))
	for _, v := range values {
		out = append(out, v)
	}
	return out
}
