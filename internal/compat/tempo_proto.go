package compat

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of tempopb, by message. A field that has its default is not written, as
// protobuf 3 has it, except within lists.

func putText(b []byte, num protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func putUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func putDouble(b []byte, num protowire.Number, v double) []byte {
	bits := math.Float64bits(float64(v))
	if bits == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), bits)
}

// putMessage writes what body appends as one field. Its length is known only
// behind it: the bytes are moved by those that the length takes.
func putMessage(b []byte, num protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	at := len(b)
	b = body(b)
	n := len(b) - at
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	b = append(b, length[:size]...)
	copy(b[at+size:], b[at:at+n])
	copy(b[at:], length[:size])
	return b
}

func (v anyValue) appendTo(b []byte) []byte {
	// A value stands in a oneof: it is written whatever it is.
	switch {
	case v.String != nil:
		return protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), *v.String)
	case v.Bool != nil:
		return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(*v.Bool))
	case v.Int != nil:
		return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(*v.Int))
	case v.Double != nil:
		return protowire.AppendFixed64(protowire.AppendTag(b, 4, protowire.Fixed64Type), math.Float64bits(float64(*v.Double)))
	}
	return protowire.AppendBytes(protowire.AppendTag(b, 7, protowire.BytesType), v.Bytes)
}

func putKeyValues(b []byte, num protowire.Number, list []keyValue) []byte {
	for _, kv := range list {
		b = putMessage(b, num, func(b []byte) []byte {
			return putMessage(putText(b, 1, kv.Key), 2, kv.Value.appendTo)
		})
	}
	return b
}

func (m searchMetrics) appendTo(b []byte) []byte {
	b = putUint(b, 1, uint64(m.InspectedTraces))
	b = putUint(b, 4, uint64(m.CompletedJobs))
	b = putUint(b, 5, uint64(m.TotalJobs))
	return putUint(b, 7, m.InspectedSpans)
}

func (m metadataMetrics) appendTo(b []byte) []byte {
	return putUint(putUint(b, 2, uint64(m.TotalJobs)), 3, uint64(m.CompletedJobs))
}

func (a *searchAnswer) elements() int { return len(a.Traces) }

func (a *searchAnswer) appendElement(b []byte, i int) []byte {
	return putMessage(b, 1, a.Traces[i].appendTo)
}

func (a *searchAnswer) appendRest(b []byte) []byte { return putMessage(b, 2, a.Metrics.appendTo) }

func (t *foundTrace) appendTo(b []byte) []byte {
	b = putText(b, 1, t.TraceID)
	b = putText(b, 2, t.RootServiceName)
	b = putText(b, 3, t.RootTraceName)
	b = putUint(b, 4, t.Start)
	b = putUint(b, 5, uint64(t.DurationMs))
	if t.SpanSet != nil {
		b = putMessage(b, 6, t.SpanSet.appendTo)
	}
	for i := range t.SpanSets {
		b = putMessage(b, 7, t.SpanSets[i].appendTo)
	}
	// A map is a list of pairs, in an order that is the same each time.
	for _, name := range slices.Sorted(maps.Keys(t.ServiceStats)) {
		b = putMessage(b, 8, func(b []byte) []byte {
			return putMessage(putText(b, 1, name), 2, t.ServiceStats[name].appendTo)
		})
	}
	return b
}

func (s serviceStats) appendTo(b []byte) []byte {
	return putUint(putUint(b, 1, uint64(s.SpanCount)), 2, uint64(s.ErrorCount))
}

func (s *spanSet) appendTo(b []byte) []byte {
	for i := range s.Spans {
		b = putMessage(b, 1, s.Spans[i].appendTo)
	}
	return putUint(b, 2, uint64(s.Matched))
}

func (s *foundSpan) appendTo(b []byte) []byte {
	b = putText(b, 1, s.SpanID)
	b = putText(b, 2, s.Name)
	b = putUint(b, 3, s.Start)
	b = putUint(b, 4, s.Duration)
	return putKeyValues(b, 5, s.Attributes)
}

// appendState writes what both answers of series end in; field 3 is the status, in
// which 1 is partial.
func appendState(b []byte, m searchMetrics, status, message string) []byte {
	b = putMessage(b, 2, m.appendTo)
	if status == partialStatus {
		b = putUint(b, 3, 1)
	}
	return putText(b, 4, message)
}

func (a *rangeAnswer) elements() int { return len(a.Series) }

func (a *rangeAnswer) appendElement(b []byte, i int) []byte {
	return putMessage(b, 1, a.Series[i].appendTo)
}

func (a *rangeAnswer) appendRest(b []byte) []byte {
	return appendState(b, a.Metrics, a.Status, a.Message)
}

func (s *rangeSeries) appendTo(b []byte) []byte {
	b = putKeyValues(b, 1, s.Labels)
	for _, p := range s.Samples {
		b = putMessage(b, 2, func(b []byte) []byte {
			return putUint(putDouble(b, 1, p.Value), 2, uint64(p.TimestampMs))
		})
	}
	for _, e := range s.Exemplars {
		b = putMessage(b, 4, func(b []byte) []byte {
			return putUint(putDouble(putKeyValues(b, 1, e.Labels), 2, e.Value), 3, uint64(e.TimestampMs))
		})
	}
	return b
}

func (a *instantAnswer) elements() int { return len(a.Series) }

func (a *instantAnswer) appendElement(b []byte, i int) []byte {
	return putMessage(b, 1, func(b []byte) []byte {
		return putDouble(putKeyValues(b, 1, a.Series[i].Labels), 2, a.Series[i].Value)
	})
}

func (a *instantAnswer) appendRest(b []byte) []byte {
	return appendState(b, a.Metrics, a.Status, a.Message)
}

// A name in a list is written even when it is empty.
func putListed(b []byte, num protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func (a *tagNamesAnswer) elements() int                        { return len(a.TagNames) }
func (a *tagNamesAnswer) appendElement(b []byte, i int) []byte { return putListed(b, 1, a.TagNames[i]) }
func (a *tagNamesAnswer) appendRest(b []byte) []byte           { return putMessage(b, 2, a.Metrics.appendTo) }

func (a *tagScopesAnswer) elements() int { return len(a.Scopes) }

func (a *tagScopesAnswer) appendElement(b []byte, i int) []byte {
	return putMessage(b, 1, func(b []byte) []byte {
		b = putText(b, 1, a.Scopes[i].Name)
		for _, tag := range a.Scopes[i].Tags {
			b = putListed(b, 2, tag)
		}
		return b
	})
}

func (a *tagScopesAnswer) appendRest(b []byte) []byte { return putMessage(b, 2, a.Metrics.appendTo) }

func (a *valuesAnswer) elements() int { return len(a.TagValues) }

func (a *valuesAnswer) appendElement(b []byte, i int) []byte { return putListed(b, 1, a.TagValues[i]) }

func (a *valuesAnswer) appendRest(b []byte) []byte { return putMessage(b, 2, a.Metrics.appendTo) }

func (a *typedValuesAnswer) elements() int { return len(a.TagValues) }

func (a *typedValuesAnswer) appendElement(b []byte, i int) []byte {
	return putMessage(b, 1, func(b []byte) []byte {
		return putText(putText(b, 1, a.TagValues[i].Type), 2, a.TagValues[i].Value)
	})
}

func (a *typedValuesAnswer) appendRest(b []byte) []byte { return putMessage(b, 2, a.Metrics.appendTo) }
