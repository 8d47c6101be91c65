package metric_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// fields splits a message; it fails the test when the bytes are none.
func fields(t testing.TB, b []byte) []wire.Field {
	t.Helper()
	var all []wire.Field
	for len(b) > 0 {
		f, rest, ok := wire.Next(b)
		if !ok {
			t.Fatalf("not a message: %x", b)
		}
		all, b = append(all, f), rest
	}
	return all
}

// dump draws a record, an element of ScopeMetrics.metrics with its tag, as the
// lines of the vectors.
func dump(t testing.TB, record []byte) []string {
	t.Helper()
	outer := fields(t, record)
	if len(outer) != 1 || outer[0].Number != 2 {
		t.Fatalf("a record is one field 2, got %d fields", len(outer))
	}
	name, unit, description, kind, number := "", "-", "", "", "int"
	var data []wire.Field
	for _, f := range fields(t, outer[0].Data) {
		switch f.Number {
		case 1:
			name = string(f.Data)
		case 2:
			description = string(f.Data)
		case 3:
			unit = string(f.Data)
		case 5:
			kind, data = "gauge", fields(t, f.Data)
		case 7:
			kind, data = "up_down", fields(t, f.Data)
		case 9:
			kind, number, data = "histogram", "double", fields(t, f.Data)
		default:
			t.Fatalf("field %d of a metric", f.Number)
		}
	}
	var points []string
	cumulative := kind == "gauge"
	for _, f := range data {
		switch f.Number {
		case 1:
			lines, double := point(t, f.Data, kind)
			points = append(points, lines...)
			if double {
				number = "double"
			}
		case 2:
			cumulative = f.Value == 2
		case 3:
			kind = "counter"
		}
	}
	if !cumulative {
		t.Errorf("%s is not cumulative", name)
	}
	head := fmt.Sprintf("%s %s %s %s", name, unit, kind, number)
	if description != "" {
		head += fmt.Sprintf(" %q", description)
	}
	return append([]string{head}, points...)
}

func point(t testing.TB, b []byte, kind string) (lines []string, double bool) {
	attributes := 7
	if kind == "histogram" {
		attributes = 9
	}
	var labels, exemplars []string
	var value, start, time, sum, count, bounds, buckets string
	for _, f := range fields(t, b) {
		switch {
		case f.Number == attributes:
			labels = append(labels, label(t, f.Data))
		case f.Number == 2:
			start = strconv.FormatUint(f.Value, 10) + ".."
		case f.Number == 3:
			time = strconv.FormatUint(f.Value, 10)
		case kind != "histogram" && f.Number == 4:
			value, double = float(f.Value), true
		case kind != "histogram" && f.Number == 6:
			value = strconv.FormatInt(int64(f.Value), 10)
		case f.Number == 4:
			count = strconv.FormatUint(f.Value, 10)
		case f.Number == 5:
			sum = float(f.Value)
		case f.Number == 6:
			buckets = words(f.Data, func(w uint64) string { return strconv.FormatUint(w, 10) })
		case f.Number == 7:
			bounds = words(f.Data, float)
		case f.Number == 8:
			exemplars = append(exemplars, exemplar(t, f.Data))
		default:
			t.Fatalf("field %d of a point", f.Number)
		}
	}
	if kind == "histogram" {
		value = fmt.Sprintf("count=%s sum=%s bounds=[%s] buckets=[%s]", count, sum, bounds, buckets)
	}
	line := fmt.Sprintf("  %s %s%s %s", strings.Join(labels, " "), start, time, value)
	return append([]string{line}, exemplars...), double
}

func exemplar(t testing.TB, b []byte) string {
	var at, value, trace, span string
	for _, f := range fields(t, b) {
		switch f.Number {
		case 2:
			at = strconv.FormatUint(f.Value, 10)
		case 3:
			value = float(f.Value)
		case 4:
			span = hex.EncodeToString(f.Data)
		case 5:
			trace = hex.EncodeToString(f.Data)
		default:
			t.Fatalf("field %d of an exemplar: it may carry ids, value and time only", f.Number)
		}
	}
	return fmt.Sprintf("    %s at %s %s %s", value, at, trace, span)
}

func label(t testing.TB, b []byte) string {
	var key, value string
	for _, f := range fields(t, b) {
		if f.Number == 1 {
			key = string(f.Data)
			continue
		}
		v := fields(t, f.Data)[0]
		switch v.Number {
		case 1:
			value = strconv.Quote(string(v.Data))
		case 5:
			var texts []string
			for _, element := range fields(t, v.Data) {
				texts = append(texts, strconv.Quote(string(fields(t, element.Data)[0].Data)))
			}
			value = "[" + strings.Join(texts, " ") + "]"
		case 2:
			value = strconv.FormatBool(v.Value != 0)
		case 3:
			value = strconv.FormatInt(int64(v.Value), 10)
		case 4:
			value = float(v.Value)
		default:
			t.Fatalf("field %d of a value", v.Number)
		}
	}
	return key + "=" + value
}

func float(bits uint64) string {
	return strconv.FormatFloat(math.Float64frombits(bits), 'f', -1, 64)
}

func words(b []byte, one func(uint64) string) string {
	var all []string
	for ; len(b) >= 8; b = b[8:] {
		all = append(all, one(binary.LittleEndian.Uint64(b)))
	}
	return strings.Join(all, " ")
}
