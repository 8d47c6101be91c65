package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// spanDetails are the parts of a span that its skeleton leaves out.
type spanDetails struct {
	attributes []attr
	events     []spanEvent
	links      []spanLink
}

type attr struct{ key, value string }

type spanEvent struct {
	time       int64 // Unix nanoseconds
	name       string
	attributes []attr
}

type spanLink struct {
	traceID, spanID string
	attributes      []attr
}

// otlpDocument is as much of OTLP JSON as a drawing needs.
type otlpDocument struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Spans []struct {
				SpanID     string         `json:"spanId"`
				Kind       int            `json:"kind"`
				Attributes []otlpKeyValue `json:"attributes"`
				Events     []struct {
					Time       decimal        `json:"timeUnixNano"`
					Name       string         `json:"name"`
					Attributes []otlpKeyValue `json:"attributes"`
				} `json:"events"`
				Links []struct {
					TraceID    string         `json:"traceId"`
					SpanID     string         `json:"spanId"`
					Kind       int            `json:"kind"`
					Attributes []otlpKeyValue `json:"attributes"`
				} `json:"links"`
			} `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

type otlpKeyValue struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// decimal is a 64-bit integer, which OTLP JSON writes as a string and some
// writers as a number.
type decimal int64

func (d *decimal) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*d = decimal(n)
	return err
}

// spanKey tells spans apart: in Zipkin, client and server of a call share an id.
type spanKey struct{ id, kind string }

// kinds are OTLP's, by number.
var kinds = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}

// spans gives the details. Of spans that share an id and a kind the later one wins.
func (doc *otlpDocument) spans() map[spanKey]*spanDetails {
	out := map[spanKey]*spanDetails{}
	for _, rs := range doc.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				d := &spanDetails{attributes: attrsOf(s.Attributes)}
				for _, e := range s.Events {
					d.events = append(d.events, spanEvent{int64(e.Time), e.Name, attrsOf(e.Attributes)})
				}
				for _, l := range s.Links {
					d.links = append(d.links, spanLink{l.TraceID, l.SpanID, attrsOf(l.Attributes)})
				}
				key := spanKey{s.SpanID, kinds[0]}
				if s.Kind > 0 && s.Kind < len(kinds) {
					key.kind = kinds[s.Kind]
				}
				out[key] = d
			}
		}
	}
	return out
}

// attrsOf gives attributes by key, values as a person writes them.
func attrsOf(list []otlpKeyValue) []attr {
	out := make([]attr, len(list))
	for i, kv := range list {
		out[i] = attr{kv.Key, valueText(kv.Value)}
	}
	slices.SortStableFunc(out, func(a, b attr) int { return cmp.Compare(a.key, b.key) })
	return out
}

// valueText unwraps an AnyValue of a plain type; arrays and maps stay JSON.
func valueText(raw json.RawMessage) string {
	var v map[string]json.RawMessage
	if json.Unmarshal(raw, &v) != nil || len(v) != 1 {
		return string(raw)
	}
	for kind, inner := range v {
		var text string
		switch kind {
		case "stringValue", "intValue", "bytesValue":
			if json.Unmarshal(inner, &text) == nil {
				return text
			}
		case "boolValue", "doubleValue":
			return strings.Trim(string(inner), `"`)
		}
		var compact bytes.Buffer
		if json.Compact(&compact, inner) == nil {
			return compact.String()
		}
	}
	return string(raw)
}
