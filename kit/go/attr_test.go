package clew_test

import (
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"

	clew "github.com/clew-dev/clew/kit/go"
)

func TestAttributesKeepTheirValues(t *testing.T) {
	text := "text"
	for _, c := range []struct {
		attr clew.Attr
		want any
	}{
		{clew.Attr{}, nil},
		{clew.String("k", text), "text"}, {clew.String("k", ""), ""}, {clew.String("k", text[len(text):]), ""},
		{clew.Int("k", -1), int64(-1)}, {clew.Int("k", 0), int64(0)}, {clew.Int64("k", math.MinInt64), int64(math.MinInt64)}, {clew.Int64("k", math.MaxInt64), int64(math.MaxInt64)},
		{clew.Bool("k", true), true}, {clew.Bool("k", false), false},
		{clew.Float("k", -0.5), -0.5}, {clew.Float("k", math.Inf(-1)), math.Inf(-1)}, {clew.Duration("k", 1500*time.Millisecond), 1.5},
		{clew.Strings("k", []string{"a", ""}), []string{"a", ""}}, {clew.Strings("k", nil), []string(nil)}, {clew.Strings("k", []string{}), []string{}},
		{clew.Ints("k", []int64{1, -2}), []int64{1, -2}}, {clew.Floats("k", []float64{0.5}), []float64{0.5}}, {clew.Bools("k", []bool{true, false}), []bool{true, false}},
	} {
		if got := c.attr.Value(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %#v, want %#v", got, c.want)
		}
		// By way of the OpenTelemetry API and back; it does not know nil from empty.
		back := clew.Attribute(c.attr.KeyValue()).Value()
		if v := reflect.ValueOf(c.want); v.Kind() == reflect.Slice && v.Len() == 0 {
			if reflect.TypeOf(back) != v.Type() || reflect.ValueOf(back).Len() != 0 {
				t.Errorf("by way of the API: got %#v, want %#v", back, c.want)
			}
		} else if !reflect.DeepEqual(back, c.want) {
			t.Errorf("by way of the API: got %#v, want %#v", back, c.want)
		}
	}
	if got := clew.Attribute(attribute.KeyValue{}).Value(); got != nil {
		t.Errorf("an attribute of the API without a value became %#v", got)
	}
}

// TestAttributesFitIntoRegisters: one word more, and the compiler builds them in memory, twice.
func TestAttributesFitIntoRegisters(t *testing.T) {
	if got := unsafe.Sizeof(clew.Attr{}); got > 4*unsafe.Sizeof(uintptr(0)) {
		t.Errorf("an Attr has %d bytes, want at most four words", got)
	}
}

// TestAttributesOfAnotherKind stand where the kit looks for a text.
func TestAttributesOfAnotherKind(t *testing.T) {
	rule := []byte(`{"sampling":{"th":"0","rules":[{"name":"r","match":{"route":"/a","method":"GET"},"th":"never"}]}}`)
	k := start(t, "", clew.Policy(rule), clew.Resource(clew.Int("service.name", 7), clew.Ints("service.instance.id", []int64{1})))
	if got := k.Status().Service; got != "" {
		t.Errorf("a number as service.name became %q", got)
	}
	for _, wrong := range []clew.Attr{clew.Int("http.route", 1<<40), clew.Float("http.route", 1e300), clew.Strings("http.route", []string{"/a"}), clew.Bool("http.route", true)} {
		_, s := clew.Span(t.Context(), "root", wrong, clew.String("http.request.method", "GET"))
		if !s.Recording() {
			t.Errorf("a rule for a route matched %v", wrong.Value())
		}
		s.End()
	}
	_, s := clew.Span(t.Context(), "root", clew.String("http.route", "/a"), clew.String("http.request.method", "GET"))
	if s.Recording() {
		t.Error("the rule did not match its route")
	}
	s.End()
}
