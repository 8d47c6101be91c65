package stock_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/clew-dev/clew/kit/go/internal/logline/logcase"
)

// The contract's log records, which both kits write byte for byte, are what the generated messages read: every field is known and says what
// the line says.
func TestLogRecordsAreOTLP(t *testing.T) {
	text, err := os.ReadFile("../../contract/logs.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Lines []json.RawMessage }
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	if len(contract.Lines) == 0 {
		t.Fatal("logs.json has no lines")
	}
	for _, c := range contract.Lines {
		var name struct{ Name string }
		if err := json.Unmarshal(c, &name); err != nil {
			t.Fatal(err)
		}
		t.Run(name.Name, func(t *testing.T) {
			line, record, err := logcase.Write(c)
			if err != nil {
				t.Fatal(err)
			}
			compareRecord(t, line, record)
		})
	}
}

func compareRecord(t *testing.T, line, digits string) {
	wire, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	var scope logs.ScopeLogs
	if err := proto.Unmarshal(wire, &scope); err != nil {
		t.Fatal(err)
	}
	if field := unknown(scope.ProtoReflect()); field != "" {
		t.Fatalf("%s has fields that are not known", field)
	}
	if len(scope.LogRecords) != 1 {
		t.Fatalf("%d records, want one", len(scope.LogRecords))
	}
	r := scope.LogRecords[0]
	var said struct {
		Level, Message string
		Time           string
		TraceID        string `json:"trace_id"`
		SpanID         string `json:"span_id"`
		Sampled        bool
		Error          []string
		Attributes     map[string]any
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		t.Fatal(err)
	}
	numbers := map[string]logs.SeverityNumber{
		"TRACE": logs.SeverityNumber_SEVERITY_NUMBER_TRACE, "DEBUG": logs.SeverityNumber_SEVERITY_NUMBER_DEBUG,
		"INFO": logs.SeverityNumber_SEVERITY_NUMBER_INFO, "WARN": logs.SeverityNumber_SEVERITY_NUMBER_WARN, "ERROR": logs.SeverityNumber_SEVERITY_NUMBER_ERROR,
	}
	if r.SeverityNumber != numbers[said.Level] || r.SeverityText != said.Level {
		t.Errorf("severity %v %q of a line of level %s", r.SeverityNumber, r.SeverityText, said.Level)
	}
	if got := r.GetBody().GetStringValue(); got != said.Message {
		t.Errorf("body %q, message %q", got, said.Message)
	}
	if got := hex.EncodeToString(r.TraceId); got != said.TraceID {
		t.Errorf("trace id %q, want %q", got, said.TraceID)
	}
	if got := hex.EncodeToString(r.SpanId); got != said.SpanID {
		t.Errorf("span id %q, want %q", got, said.SpanID)
	}
	if r.Flags&1 == 1 != said.Sampled {
		t.Errorf("flags %x, sampled %v", r.Flags, said.Sampled)
	}
	if (r.TimeUnixNano == 0) != (said.Time == "" || said.Time == "1970-01-01T00:00:00.000000000Z") {
		t.Errorf("time %d, want %q", r.TimeUnixNano, said.Time)
	}
	got := map[string]any{}
	for _, kv := range r.Attributes {
		got[kv.Key] = of(kv.Value)
	}
	for key, want := range said.Attributes {
		if fmt.Sprint(got[key]) != fmt.Sprint(want) && !sameNumber(got[key], want) {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	if len(said.Error) > 0 && got["exception.message"] != said.Error[0] {
		t.Errorf("exception.message: got %v, want %q", got["exception.message"], said.Error[0])
	}
	if len(said.Error) > 1 && fmt.Sprint(got["clew.error.chain"]) != fmt.Sprint(said.Error) {
		t.Errorf("clew.error.chain: got %v, want %q", got["clew.error.chain"], said.Error)
	}
}

// sameNumber compares what JSON reads as a float, or writes as a text, with what OTLP has.
func sameNumber(got, want any) bool {
	if list, is := got.([]any); is {
		others, _ := want.([]any)
		for i := range list {
			if i >= len(others) || fmt.Sprint(list[i]) != fmt.Sprint(others[i]) && !sameNumber(list[i], others[i]) {
				return false
			}
		}
		return len(list) == len(others)
	}
	f, isFloat := want.(float64)
	switch n := got.(type) {
	case int64:
		return isFloat && float64(n) == f
	case float64:
		return isFloat && n == f || fmt.Sprint(want) == map[string]string{"NaN": "NaN", "+Inf": "Infinity", "-Inf": "-Infinity"}[fmt.Sprint(n)]
	case string:
		// OTLP has no integers over 63 bits.
		return isFloat && fmt.Sprintf("%.0f", f)[:5] == n[:5]
	}
	return false
}

func of(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		list := []any{}
		for _, e := range v.ArrayValue.Values {
			list = append(list, of(e))
		}
		return list
	}
	return nil
}

// unknown names a message that has fields which the generated code does not know.
func unknown(m protoreflect.Message) (name string) {
	if len(m.GetUnknown()) > 0 {
		return string(m.Descriptor().FullName())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() == nil {
			return true
		}
		if f.IsList() {
			for i := range v.List().Len() {
				if name = unknown(v.List().Get(i).Message()); name != "" {
					return false
				}
			}
			return true
		}
		name = unknown(v.Message())
		return name == ""
	})
	return name
}
