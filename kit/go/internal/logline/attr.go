package logline

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"
)

// maxDepth is how deep groups, maps and pointers are followed.
const maxDepth = 16

// Attr sets what a slog attribute says. A group's attributes come under its name and a dot.
func (l *Line) Attr(a slog.Attr) { l.attr(a, 0) }

func (l *Line) attr(a slog.Attr, depth int) {
	v := a.Value
	if v.Kind() == slog.KindLogValuer {
		v = v.Resolve()
	}
	switch v.Kind() {
	case slog.KindString:
		if l.Prefix == "" && isErrorKey(a.Key) {
			l.ErrText(a.Key, v.String())
			return
		}
		l.String(a.Key, v.String())
	case slog.KindBool:
		l.Bool(a.Key, v.Bool())
	case slog.KindInt64:
		l.Int(a.Key, v.Int64())
	case slog.KindUint64:
		l.Uint(a.Key, v.Uint64())
	case slog.KindFloat64:
		l.Float(a.Key, v.Float64())
	case slog.KindDuration:
		l.Duration(a.Key, int64(v.Duration()))
	case slog.KindTime:
		l.time(a.Key, v.Time())
	case slog.KindGroup:
		l.group(a.Key, v.Group(), depth)
	default:
		if a.Key == "" && v.Any() == nil {
			// slog asks handlers to leave the empty attribute out.
			return
		}
		l.any(a.Key, v.Any(), depth)
	}
}

func isErrorKey(key string) bool { return key == "error" || key == "err" }

func (l *Line) group(key string, attrs []slog.Attr, depth int) {
	if depth >= maxDepth {
		l.String(key, fmt.Sprintf("%T", attrs))
		return
	}
	outer := l.Prefix
	if key != "" {
		l.Prefix = outer + key + "."
	}
	for _, a := range attrs {
		l.attr(a, depth+1)
	}
	l.Prefix = outer
}

// time sets a moment. One that nanoseconds since 1970 cannot name is its text.
func (l *Line) time(key string, t time.Time) {
	if inNanos(t) {
		l.Instant(key, t.UnixNano())
	} else {
		l.String(key, t.UTC().Format(time.RFC3339Nano))
	}
}

func inNanos(t time.Time) bool {
	year := t.Year()
	return year >= 1678 && year <= 2261
}

// Any sets a value of any type: those of the contract as such, maps flat, pointers as what they point to, the rest as its text.
func (l *Line) Any(key string, v any) { l.any(key, v, 0) }

func (l *Line) any(key string, v any, depth int) {
	if depth >= maxDepth {
		l.String(key, fmt.Sprintf("%T", v))
		return
	}
	switch v := v.(type) {
	case nil:
		l.Null(key)
	case error:
		if l.Prefix == "" && isErrorKey(key) {
			l.Err(key, v)
			return
		}
		l.String(key, textOfError(v))
	case []byte:
		l.Bytes(key, v)
	case time.Time:
		l.time(key, v)
	case slog.Attr:
		l.group(key, []slog.Attr{v}, depth)
	case slog.Value, slog.LogValuer:
		l.attr(slog.Any(key, v), depth+1)
	case encoding.TextMarshaler:
		l.String(key, textOf(v))
	case fmt.Stringer:
		// A duration is a Stringer with a form of its own.
		if d, ok := v.(time.Duration); ok {
			l.Duration(key, int64(d))
			return
		}
		l.String(key, textOf(v))
	default:
		l.reflected(key, reflect.ValueOf(v), depth)
	}
}

// reflected sets a value whose type has no method that would say what it is.
func (l *Line) reflected(key string, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		if l.Prefix == "" && isErrorKey(key) {
			l.ErrText(key, v.String())
			return
		}
		l.String(key, v.String())
	case reflect.Bool:
		l.Bool(key, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		l.Int(key, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		l.Uint(key, v.Uint())
	case reflect.Float32, reflect.Float64:
		l.Float(key, v.Float())
	case reflect.Slice, reflect.Array:
		l.List(key, func(e *Elements) {
			for i := 0; i < v.Len() && !e.Full(); i++ {
				e.any(v.Index(i).Interface())
			}
		})
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			l.String(key, textOf(v.Interface()))
			return
		}
		outer := l.Prefix
		l.Prefix = outer + key + "."
		// A map has no order of its own, and the same event is to give the same line.
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			switch {
			case a.String() < b.String():
				return -1
			case a.String() > b.String():
				return 1
			}
			return 0
		})
		for _, k := range keys {
			l.any(k.String(), v.MapIndex(k).Interface(), depth+1)
		}
		l.Prefix = outer
	case reflect.Pointer:
		switch {
		case v.IsNil():
			l.Null(key)
		case v.Elem().Kind() == reflect.Struct:
			l.String(key, textOf(v.Interface()))
		default:
			l.any(key, v.Elem().Interface(), depth+1)
		}
	default:
		l.String(key, textOf(v.Interface()))
	}
}

// any adds an element. What is itself an array or an object is its text.
func (e *Elements) any(v any) {
	switch v := v.(type) {
	case nil:
		e.Null()
		return
	case string:
		e.String(v)
		return
	case time.Duration:
		e.Duration(int64(v))
		return
	case time.Time:
		if inNanos(v) {
			e.Instant(v.UnixNano())
		} else {
			e.String(v.UTC().Format(time.RFC3339Nano))
		}
		return
	case []byte:
		e.Bytes(v)
		return
	case error, encoding.TextMarshaler, fmt.Stringer:
	default:
		switch r := reflect.ValueOf(v); r.Kind() {
		case reflect.String:
			e.String(r.String())
			return
		case reflect.Bool:
			e.Bool(r.Bool())
			return
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			e.Int(r.Int())
			return
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
			e.Uint(r.Uint())
			return
		case reflect.Float32, reflect.Float64:
			e.Float(r.Float())
			return
		}
	}
	e.String(textOf(v))
}

// textOf is the text of a value that has no form of its own. It never panics.
func textOf(v any) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = panicText(v, p)
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error()
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return "!ERROR:" + err.Error()
		}
		return string(b)
	}
	// The formatter catches panics of String by itself.
	return fmt.Sprintf("%+v", v)
}

func textOfError(err error) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = panicText(err, p)
		}
	}()
	return err.Error()
}

// panicText is what stands for a value whose method panicked; slog's own handlers write the same.
func panicText(v, p any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return "<nil>"
	}
	return fmt.Sprintf("!PANIC: %v", p)
}
