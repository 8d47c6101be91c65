package otellog

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/logline"
)

// maxDepth is how deep maps in maps are followed.
const maxDepth = 16

// set puts an attribute on the line; the members of a map come under its key and a dot.
func set(l *logline.Line, key string, v attribute.Value, depth int) {
	switch v.Type() {
	case attribute.EMPTY:
		l.Null(key)
	case attribute.BOOL:
		l.Bool(key, v.AsBool())
	case attribute.INT64:
		l.Int(key, v.AsInt64())
	case attribute.FLOAT64:
		l.Float(key, v.AsFloat64())
	case attribute.STRING:
		l.Any(key, v.AsString())
	case attribute.MAP:
		if depth == maxDepth {
			l.String(key, v.String())
			return
		}
		outer := l.Prefix
		l.Prefix = outer + key + "."
		for _, kv := range v.AsMap() {
			set(l, string(kv.Key), kv.Value, depth+1)
		}
		l.Prefix = outer
	case attribute.SLICE:
		l.List(key, func(e *logline.Elements) {
			for _, one := range v.AsSlice() {
				if e.Full() {
					return
				}
				add(e, one)
			}
		})
	default:
		// Bytes and arrays of one kind.
		l.Any(key, v.AsInterface())
	}
}

// add adds an element. What is itself an array or a map is its text.
func add(e *logline.Elements, v attribute.Value) {
	switch v.Type() {
	case attribute.EMPTY:
		e.Null()
	case attribute.BOOL:
		e.Bool(v.AsBool())
	case attribute.INT64:
		e.Int(v.AsInt64())
	case attribute.FLOAT64:
		e.Float(v.AsFloat64())
	case attribute.STRING:
		e.String(v.AsString())
	case attribute.BYTESLICE:
		e.Bytes(v.AsByteSlice())
	default:
		e.String(v.String())
	}
}
