package compat

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/clew-dev/clew/internal/store"
)

// answer is what a question gives: a list, and figures about it. Its JSON is that
// of its fields; its protobuf can be cut between elements of the list.
type answer interface {
	elements() int
	// appendElement appends element i with its tag, appendRest all that is no element.
	appendElement(b []byte, i int) []byte
	appendRest(b []byte) []byte
}

// appendAnswer appends a whole answer in protobuf.
func appendAnswer(b []byte, a answer) []byte {
	for i := range a.elements() {
		b = a.appendElement(b, i)
	}
	return a.appendRest(b)
}

func respond(w http.ResponseWriter, r *http.Request, a answer) error {
	if wantsProtobuf(r) {
		return send(w, protobufType, appendAnswer(nil, a))
	}
	return writeJSON(w, a)
}

const protobufType = "application/protobuf"

// wantsProtobuf tells whether the client asked for it; the default is JSON.
func wantsProtobuf(r *http.Request) bool {
	for _, a := range r.Header.Values("Accept") {
		if strings.Contains(a, protobufType) || strings.Contains(a, "application/x-protobuf") {
			return true
		}
	}
	return false
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return send(w, "application/json", body)
}

func send(w http.ResponseWriter, typ string, body []byte) error {
	w.Header().Set("Content-Type", typ)
	_, _ = w.Write(body) // a client that has gone cannot be told
	return nil
}

// anyValue is OTLP's AnyValue, as far as attributes of answers need it.
type anyValue struct {
	String *string `json:"stringValue,omitempty"`
	Bool   *bool   `json:"boolValue,omitempty"`
	Int    *int64  `json:"intValue,string,omitempty"`
	Double *double `json:"doubleValue,omitempty"`
	Bytes  []byte  `json:"bytesValue,omitempty"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

func anyOf(v any) anyValue {
	switch v := v.(type) {
	case string:
		return anyValue{String: &v}
	case bool:
		return anyValue{Bool: &v}
	case int64:
		return anyValue{Int: &v}
	case float64:
		d := double(v)
		return anyValue{Double: &d}
	case []byte:
		return anyValue{Bytes: v}
	}
	none := "nil" // how Tempo writes a label that spans lack
	return anyValue{String: &none}
}

func keyValues(attrs []store.Attr) []keyValue {
	out := make([]keyValue, len(attrs))
	for i, a := range attrs {
		out[i] = keyValue{a.Name, anyOf(a.Value)}
	}
	return out
}

// double is a float whose JSON gives what JSON has no number for by its name, as
// protobuf's JSON does.
type double float64

// MarshalJSON implements json.Marshaler.
func (d double) MarshalJSON() ([]byte, error) {
	switch v := float64(d); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(v)
	}
}

// partialStatus is Tempo's word for an answer from which something may be missing.
const partialStatus = "PARTIAL"

func partialOf(why string) (status, message string) {
	if why == "" {
		return "", ""
	}
	return partialStatus, why
}

// searchMetrics tell a client that shows progress how far an answer is. Jobs are
// the parts in which it comes; one is left open when it is partial.
type searchMetrics struct {
	InspectedTraces uint32 `json:"inspectedTraces,omitempty"`
	InspectedSpans  uint64 `json:"inspectedSpans,string,omitempty"`
	CompletedJobs   uint32 `json:"completedJobs"`
	TotalJobs       uint32 `json:"totalJobs"`
}

func metricsOf(s store.QueryStats, partial string) searchMetrics {
	m := searchMetrics{InspectedSpans: uint64(max(s.Rows, 0)), CompletedJobs: 1, TotalJobs: 1}
	if partial != "" {
		m.TotalJobs = 2
	}
	return m
}

// metadataMetrics are the same for names and values.
type metadataMetrics struct {
	TotalJobs     uint32 `json:"totalJobs"`
	CompletedJobs uint32 `json:"completedJobs"`
}

func metadataOf(partial string) metadataMetrics {
	m := metadataMetrics{TotalJobs: 1, CompletedJobs: 1}
	if partial != "" {
		m.TotalJobs = 2
	}
	return m
}
