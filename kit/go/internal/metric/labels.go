package metric

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// Labels are the attributes of a series, sorted by key, with their encoding.
type Labels struct {
	list []attribute.KeyValue
	otlp []byte // the attributes field of a point, as often as there are attributes
	own  bool   // words of the kit's own from closed lists, which are not redacted
}

// The attributes field in NumberDataPoint and HistogramDataPoint
// (opentelemetry/proto/metrics/v1/metrics.proto).
const (
	numberAttributes    = 7
	histogramAttributes = 9
)

// NewLabels encodes a set for the points of instruments of a kind.
func NewLabels(kind Kind, set attribute.Set) *Labels {
	return encodeLabels(kind, set.ToSlice())
}

// ownLabels are those of what the kit counts about itself.
func ownLabels(kind Kind, list ...attribute.KeyValue) *Labels {
	l := NewLabels(kind, attribute.NewSet(list...))
	l.own = true
	return l
}

// encodeLabels takes a list that is sorted and has no key twice.
func encodeLabels(kind Kind, list []attribute.KeyValue) *Labels {
	l := &Labels{list: list}
	field := numberAttributes
	if kind == Histogram {
		field = histogramAttributes
	}
	for _, kv := range l.list {
		l.otlp = appendAttribute(l.otlp, field, kv)
	}
	l.otlp = l.otlp[:len(l.otlp):len(l.otlp)]
	return l
}

// List is the attributes sorted by key. It must not be changed.
func (l *Labels) List() []attribute.KeyValue { return l.list }

func appendAttribute(b []byte, field int, kv attribute.KeyValue) []byte {
	key, v := string(kv.Key), kv.Value
	switch v.Type() {
	case attribute.BOOL:
		return wire.AppendBoolAttr(b, field, key, v.AsBool())
	case attribute.INT64:
		return wire.AppendIntAttr(b, field, key, v.AsInt64())
	case attribute.FLOAT64:
		return wire.AppendFloatAttr(b, field, key, v.AsFloat64())
	case attribute.STRING:
		return wire.AppendStringAttr(b, field, key, v.AsString())
	case attribute.BOOLSLICE:
		return wire.AppendBoolsAttr(b, field, key, v.AsBoolSlice())
	case attribute.INT64SLICE:
		return wire.AppendIntsAttr(b, field, key, v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		return wire.AppendFloatsAttr(b, field, key, v.AsFloat64Slice())
	case attribute.STRINGSLICE:
		return wire.AppendStringsAttr(b, field, key, v.AsStringSlice())
	}
	return wire.AppendStringAttr(b, field, key, wire.Text(v.Emit(), MaxLabelBytes))
}

// limit is the set as a series may have it: within the bounds and of valid UTF-8, for which
// a collector would refuse the whole request. It says whether it is another set, and how
// many attributes had to be cut or left out for that.
func limit(set attribute.Set) (limited attribute.Set, changed bool, cut int) {
	for i := range set.Len() {
		kv, _ := set.Get(i)
		switch {
		case i >= MaxLabels || tooLong(kv):
			changed, cut = true, cut+1
		case !valid(kv):
			changed = true
		}
	}
	if !changed {
		return set, false, 0
	}
	list := set.ToSlice()
	if len(list) > MaxLabels {
		list = list[:MaxLabels]
	}
	for i, kv := range list {
		long := tooLong(kv)
		kv.Key = attribute.Key(wire.Text(string(kv.Key), MaxLabelBytes))
		switch kv.Value.Type() {
		case attribute.STRING:
			kv.Value = attribute.StringValue(wire.Text(kv.Value.AsString(), MaxLabelBytes))
		case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		case attribute.STRINGSLICE:
			if texts := kv.Value.AsStringSlice(); !long {
				for i := range texts {
					texts[i] = strings.ToValidUTF8(texts[i], "\uFFFD")
				}
				kv.Value = attribute.StringSliceValue(texts)
				break
			}
			kv.Value = textOf(kv.Value)
		default:
			if long {
				kv.Value = textOf(kv.Value)
			}
		}
		list[i] = kv
	}
	return attribute.NewSet(list...), true, cut
}

// textOf stands for an array that is too long: a label is compared, not read.
func textOf(v attribute.Value) attribute.Value {
	return attribute.StringValue(wire.Text(v.Emit(), MaxLabelBytes))
}

func valid(kv attribute.KeyValue) bool {
	if !utf8.ValidString(string(kv.Key)) {
		return false
	}
	switch kv.Value.Type() {
	case attribute.STRING:
		return utf8.ValidString(kv.Value.AsString())
	case attribute.STRINGSLICE:
		return !slices.ContainsFunc(kv.Value.AsStringSlice(), func(s string) bool { return !utf8.ValidString(s) })
	}
	return true
}

func tooLong(kv attribute.KeyValue) bool {
	if len(kv.Key) > MaxLabelBytes {
		return true
	}
	switch kv.Value.Type() {
	case attribute.STRING:
		return len(kv.Value.AsString()) > MaxLabelBytes
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return false
	}
	return len(kv.Value.Emit()) > MaxLabelBytes
}
