package telemetry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

func TestParseIDs(t *testing.T) {
	for text, want := range map[string]string{
		"1":                                "00000000000000000000000000000001",
		"0AbCdEf":                          "00000000000000000000000000abcdef",
		"0123456789abcdef0123456789abcdef": "0123456789abcdef0123456789abcdef",
	} {
		if id, err := telemetry.ParseTraceID(text); err != nil || id.String() != want {
			t.Errorf("%s is %s, %v; want %s", text, id, err, want)
		}
	}
	if id, err := telemetry.ParseSpanID("abc"); err != nil || id.String() != "0000000000000abc" || id.Uint64() != 0xabc {
		t.Errorf("span id %s, %v", id, err)
	}
	for text, want := range map[string]string{
		"":                                     "0 characters",
		"0":                                    "all zeros",
		strings.Repeat("0", 32):                "all zeros",
		strings.Repeat("a", 33):                "33 characters",
		"xyz":                                  "not hexadecimal",
		"12 4":                                 "not hexadecimal",
		strings.Repeat("a", 31) + "\u00e9"[:1]: "not hexadecimal",
	} {
		id, err := telemetry.ParseTraceID(text)
		if err == nil || telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(err.Error(), want) || !id.IsZero() {
			t.Errorf("%q: %s, %v; want %q", text, id, err, want)
		}
	}
	id, err := telemetry.ParseTraceID("0123456789abcdeffedcba9876543210")
	if err != nil || id.Hi() != 0x0123456789abcdef || id.Lo() != 0xfedcba9876543210 {
		t.Errorf("halves %x %x, %v", id.Hi(), id.Lo(), err)
	}
}

func TestKinds(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("outer: %w", telemetry.RetryError(telemetry.KindExhausted, 3*time.Second, "inner: %w", cause))
	if telemetry.KindOf(err) != telemetry.KindExhausted || telemetry.RetryAfterOf(err) != 3*time.Second || !errors.Is(err, cause) || err.Error() != "outer: inner: cause" {
		t.Errorf("error %v of kind %v after %v", err, telemetry.KindOf(err), telemetry.RetryAfterOf(err))
	}
	if telemetry.KindOf(cause) != telemetry.KindInternal || telemetry.RetryAfterOf(cause) != 0 {
		t.Errorf("a plain error is of kind %v", telemetry.KindOf(cause))
	}
	over := telemetry.Errorf(telemetry.KindUnavailable, "over: %w", err)
	if telemetry.KindOf(over) != telemetry.KindUnavailable {
		t.Errorf("the outermost kind is %v", telemetry.KindOf(over))
	}
	for kind, want := range map[telemetry.Kind]struct {
		name   string
		status int
	}{
		telemetry.KindInternal: {"internal", http.StatusInternalServerError}, telemetry.KindInvalid: {"invalid", 400}, telemetry.KindNotFound: {"not_found", 404},
		telemetry.KindConflict: {"conflict", 409}, telemetry.KindUnauthenticated: {"unauthenticated", 401}, telemetry.KindForbidden: {"forbidden", 403},
		telemetry.KindExhausted: {"exhausted", 429}, telemetry.KindUnavailable: {"unavailable", 503}, telemetry.Kind(200): {"internal", 500},
	} {
		if kind.String() != want.name || kind.HTTPStatus() != want.status {
			t.Errorf("kind %d is %s, %d; want %s, %d", kind, kind, kind.HTTPStatus(), want.name, want.status)
		}
	}
}

// TestCanonicalText asserts that values are JSON and keep their types apart.
func TestCanonicalText(t *testing.T) {
	for want, got := range map[string][]byte{
		`"a\"\\\n\u0000\u001f/☃"`: telemetry.AppendValueString(nil, []byte("a\"\\\n\x00\x1f/☃")),
		"\"\uFFFDx\uFFFD\"":       telemetry.AppendValueString(nil, []byte("\xffx\xe2")),
		`"k":`:                    telemetry.AppendValueKey(nil, []byte("k")),
		`"@@k":`:                  telemetry.AppendValueKey(nil, []byte("@k")),
		`"@@@":`:                  telemetry.AppendValueKey(nil, []byte("@@")),
		`"":`:                     telemetry.AppendValueKey(nil, nil),
		`-9223372036854775808`:    telemetry.AppendValueInt(nil, math.MinInt64),
		`2.0`:                     telemetry.AppendValueDouble(nil, 2),
		`-0.0`:                    telemetry.AppendValueDouble(nil, math.Copysign(0, -1)),
		`1e+21`:                   telemetry.AppendValueDouble(nil, 1e21),
		`0.1`:                     telemetry.AppendValueDouble(nil, 0.1),
		`{"@double":"NaN"}`:       telemetry.AppendValueDouble(nil, math.NaN()),
		`{"@double":"+Inf"}`:      telemetry.AppendValueDouble(nil, math.Inf(1)),
		`{"@double":"-Inf"}`:      telemetry.AppendValueDouble(nil, math.Inf(-1)),
		`{"@bytes":"AP8="}`:       telemetry.AppendValueBytes(nil, []byte{0, 255}),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		text := strings.TrimSuffix(string(got), ":")
		if !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON", text)
		}
	}
}
