package rpc_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

func TestMessage(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		length       int64
		want         error
	}{
		{"whole", "abc", 3, nil},
		{"empty", "", 0, nil},
		{"too short", "ab", 3, io.ErrUnexpectedEOF},
		{"nothing of it", "", 3, io.ErrUnexpectedEOF},
		{"one byte more", "abcd", 3, rpc.ErrMore},
	} {
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(tt.stream), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.stream)),
			"end with the last bytes": iotest.DataErrReader(strings.NewReader(tt.stream)),
		} {
			got, err := io.ReadAll(rpc.NewMessage(r, tt.length))
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: %v, want %v", tt.name, name, err, tt.want)
			}
			if err == nil && string(got) != tt.stream {
				t.Errorf("%s, %s: %q", tt.name, name, got)
			}
		}
	}
}

func call(body []byte, encoding string) *http.Request {
	r := httptest.NewRequest("POST", "/x.Y/Z", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/grpc+proto")
	if encoding != "" {
		r.Header.Set("Grpc-Encoding", encoding)
	}
	return r
}

func packed(message []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(message)
	z.Close()
	frame := rpc.Append(nil, b.Bytes())
	frame[0] = 1
	return frame
}

// TestReadRequestLimits holds the limit on both sides, plain and inflated.
func TestReadRequestLimits(t *testing.T) {
	const limit = 1000
	fits, over := bytes.Repeat([]byte("x"), limit), bytes.Repeat([]byte("x"), limit+1)
	for _, tt := range []struct {
		name, encoding string
		body           []byte
		want           string // part of the error; empty: the message is read
	}{
		{"fits", "", rpc.Append(nil, fits), ""},
		{"over", "", rpc.Append(nil, over), "over 1000 bytes"},
		{"fits inflated", "gzip", packed(fits), ""},
		{"over inflated", "gzip", packed(over), "over 1000 bytes"},
		{"plain within an encoding", "gzip", rpc.Append(nil, fits), ""},
		{"compressed without an encoding", "", packed(fits), "compression flag 1"},
		{"unknown encoding", "snappy", packed(fits), `"snappy": send gzip`},
		{"not gzip", "gzip", append([]byte{1, 0, 0, 0, 3}, "abc"...), "not gzip"},
		{"no head", "", []byte{0, 0}, "head of its message"},
		{"declares more than it sends", "", []byte{0, 0, 0, 0, 9, 1}, "not whole"},
		{"declares what nobody has", "", []byte{0, 255, 255, 255, 255}, "over 1000 bytes"},
		{"two messages", "", rpc.Append(rpc.Append(nil, fits), fits), "more than one message"},
	} {
		got, err := rpc.ReadRequest(call(tt.body, tt.encoding), limit)
		switch {
		case tt.want == "" && (err != nil || !bytes.Equal(got, fits)):
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || telemetry.KindOf(err) != telemetry.KindInvalid):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestSealIsAppend(t *testing.T) {
	sealed := append(make([]byte, rpc.PrefixBytes), "message"...)
	rpc.Seal(sealed)
	if appended := rpc.Append(nil, []byte("message")); !bytes.Equal(sealed, appended) {
		t.Errorf("%x, %x", sealed, appended)
	}
}

func TestTrailers(t *testing.T) {
	h := http.Header{}
	rpc.Fail(h, rpc.Status(rpc.Code(telemetry.KindExhausted), "50 % of \u00fcber\n", time.Second))
	for k, want := range map[string]string{"Grpc-Status": "8", "Grpc-Message": "50 %25 of %C3%BCber%0A"} {
		if got := h.Get(http.TrailerPrefix + k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if h.Get(http.TrailerPrefix+"Grpc-Status-Details-Bin") == "" {
		t.Error("a delay has no details")
	}
	h = http.Header{}
	rpc.Fail(h, rpc.Status(codes.Unimplemented, strings.Repeat("ü", 10_000), 0))
	if n := len(h.Get(http.TrailerPrefix + "Grpc-Message")); n < 4096 || n > 4096+6 {
		t.Errorf("a long message takes %d bytes", n)
	}
	if h.Get(http.TrailerPrefix+"Grpc-Status-Details-Bin") != "" {
		t.Error("details without a delay")
	}
	rpc.Done(h)
	if got := h.Get(http.TrailerPrefix + "Grpc-Status"); got != "0" {
		t.Errorf("status %q", got)
	}
}

// TestCodes pins every kind: a client decides by the code whether to ask again.
func TestCodes(t *testing.T) {
	for kind, want := range map[telemetry.Kind]codes.Code{
		telemetry.KindInternal: codes.Internal, telemetry.KindInvalid: codes.InvalidArgument, telemetry.KindNotFound: codes.NotFound,
		telemetry.KindConflict: codes.FailedPrecondition, telemetry.KindUnauthenticated: codes.Unauthenticated,
		telemetry.KindForbidden: codes.PermissionDenied, telemetry.KindExhausted: codes.ResourceExhausted, telemetry.KindUnavailable: codes.Unavailable,
	} {
		if got := rpc.Code(kind); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add(rpc.Append(nil, []byte("abc")), false)
	f.Add(packed(bytes.Repeat([]byte("x"), 5000)), true)
	f.Add([]byte{1, 0, 0, 0, 0}, true)
	f.Add([]byte{0, 255, 255, 255, 255, 1}, false)
	f.Fuzz(func(t *testing.T, body []byte, gz bool) {
		encoding := ""
		if gz {
			encoding = "gzip"
		}
		const limit = 4096
		got, err := rpc.ReadRequest(call(body, encoding), limit)
		if err != nil && telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%x: %v", body, err)
		}
		if len(got) > limit {
			t.Errorf("%d bytes passed a limit of %d", len(got), limit)
		}
	})
}
