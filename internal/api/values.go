package api

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// attributeJSON is a typed value with a name. Value is a JSON string, number or
// boolean by Type: string, int, double, bool, bytes (base64) or json (the
// canonical text of a list, a key-value list or an empty value). An int over 2^53
// and a double that JSON has no word for are strings.
type attributeJSON struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// safeInt is the largest integer that every JSON reader keeps exactly.
const safeInt = 1<<53 - 1

func intJSON(v int64) any {
	if v > safeInt || v < -safeInt {
		return strconv.FormatInt(v, 10)
	}
	return v
}

func floatJSON(v float64) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return v
}

// valueJSON gives the type and JSON form of a value of store.Attr; nil, which a
// label of spans without the attribute has, is of type nil.
func valueJSON(v any) (string, any) {
	switch v := v.(type) {
	case string:
		return "string", v
	case int64:
		return "int", intJSON(v)
	case float64:
		return "double", floatJSON(v)
	case bool:
		return "bool", v
	case []byte:
		return "bytes", base64.StdEncoding.EncodeToString(v)
	}
	return "nil", nil
}

func attrsJSON(attrs []store.Attr) []attributeJSON {
	out := make([]attributeJSON, len(attrs))
	for i, a := range attrs {
		typ, v := valueJSON(a.Value)
		out[i] = attributeJSON{a.Name, typ, v}
	}
	return out
}

// cellJSON gives the type and JSON form of entry pos of a column.
func cellJSON(c *telemetry.Column, pos uint32) (string, any) {
	switch c.Type {
	case telemetry.TypeString:
		return "string", c.Dict.Str(c.Codes[pos])
	case telemetry.TypeInt:
		return "int", intJSON(int64(c.Nums[pos]))
	case telemetry.TypeDouble:
		return "double", floatJSON(math.Float64frombits(c.Nums[pos]))
	case telemetry.TypeBool:
		return "bool", c.Nums[pos] != 0
	case telemetry.TypeBytes:
		return "bytes", base64.StdEncoding.EncodeToString(c.Dict.At(c.Codes[pos]))
	}
	return "json", c.Dict.Str(c.Codes[pos])
}

// rowAttrs gives the attributes of a row of a table by key and type, and its
// intrinsic columns apart.
func rowAttrs(t *telemetry.Table, row uint32) (attrs []attributeJSON, intrinsics map[string]any) {
	attrs, intrinsics = []attributeJSON{}, map[string]any{}
	for _, cell := range telemetry.RowCells(t, row) {
		c := t.Cols[cell.Col]
		typ, v := cellJSON(c, cell.Pos)
		if c.Scope == telemetry.ScopeIntrinsic {
			intrinsics[c.Key] = v
			continue
		}
		attrs = append(attrs, attributeJSON{c.Key, typ, v})
	}
	slices.SortFunc(attrs, func(a, b attributeJSON) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Type, b.Type)
	})
	return attrs, intrinsics
}

func textOf(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func countOf(m map[string]any, key string) int64 {
	n, _ := m[key].(int64)
	return n
}

var (
	kindNames   = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	statusNames = [...]string{"unset", "ok", "error"}
	markNames   = [...]string{"id_collision", "truncated", "clock_off", "text_mended", "attributes_overflow"}
)

func kindName(k uint8) string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[0]
}

func statusName(s uint8) string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return statusNames[0]
}

func marksOf(m uint8) []string {
	out := []string{}
	for i, name := range markNames {
		if m&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// scopeNames are the words of TraceQL.
var scopeNames = map[telemetry.Scope]string{
	telemetry.ScopeSpan: "span", telemetry.ScopeResource: "resource", telemetry.ScopeInstrumentation: "instrumentation",
	telemetry.ScopeEvent: "event", telemetry.ScopeLink: "link", telemetry.ScopeIntrinsic: "intrinsic",
}

// nanos writes an instant: JSON readers lose digits of such numbers.
func nanos(ns int64) string { return strconv.FormatInt(ns, 10) }
