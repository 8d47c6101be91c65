package rpc

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Unimplemented is the code for a method that is not served.
const Unimplemented = codes.Unimplemented

// Code maps a kind to the code of gRPC that says the same.
func Code(k telemetry.Kind) codes.Code {
	switch k {
	case telemetry.KindInvalid:
		return codes.InvalidArgument
	case telemetry.KindNotFound:
		return codes.NotFound
	case telemetry.KindConflict:
		return codes.FailedPrecondition
	case telemetry.KindUnauthenticated:
		return codes.Unauthenticated
	case telemetry.KindForbidden:
		return codes.PermissionDenied
	case telemetry.KindExhausted:
		return codes.ResourceExhausted
	case telemetry.KindUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// Status builds a google.rpc.Status; a delay over zero becomes RetryInfo.
func Status(code codes.Code, message string, retry time.Duration) *status.Status {
	st := &status.Status{Code: int32(code), Message: message}
	if retry > 0 {
		// A message of fixed types cannot fail to marshal.
		if d, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(retry)}); err == nil {
			st.Details = append(st.Details, d)
		}
	}
	return st
}

// Done writes the trailers of a call that succeeded. It may be called before the
// header is sent or after the last message, as Fail may.
func Done(h http.Header) { h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(codes.OK))) }

// Fail writes the trailers of a call that failed.
func Fail(h http.Header, st *status.Status) {
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(st.Code)))
	h.Set(http.TrailerPrefix+"Grpc-Message", percent(st.Message))
	if len(st.Details) == 0 {
		return
	}
	// A message of fixed types cannot fail to marshal.
	if raw, err := proto.Marshal(st); err == nil {
		h.Set(http.TrailerPrefix+"Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(raw))
	}
}

// messageBytes bounds a message in a trailer: clients bound all headers together.
const messageBytes = 4096

// percent encodes a message as gRPC asks: bytes outside printable ASCII, and the sign itself.
func percent(msg string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(msg) && b.Len() < messageBytes; i++ {
		if c := msg[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
