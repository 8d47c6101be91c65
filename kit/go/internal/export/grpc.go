package export

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// grpcSender sends OTLP as unary gRPC calls over HTTP/2.
type grpcSender struct{ *httpSender }

func (s *grpcSender) send(ctx context.Context, body []byte, gzipped bool, key string) answer {
	body[0] = 0
	if gzipped {
		body[0] = 1
	}
	binary.BigEndian.PutUint32(body[1:], uint32(len(body)-frameBytes))
	r := s.request(ctx, body, key, "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	if gzipped {
		r.Header.Set("Grpc-Encoding", "gzip")
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline).Milliseconds(), 1)
		r.Header.Set("Grpc-Timeout", strconv.FormatInt(left, 10)+"m")
	}
	response, content, err := s.do(r)
	if err != nil {
		return failure(err)
	}
	if response.StatusCode != http.StatusOK {
		return judgeHTTP(response.StatusCode, response.Header.Get("Retry-After"), nil, time.Now())
	}
	status := response.Trailer.Get("Grpc-Status")
	trailer := response.Trailer
	if status == "" {
		status, trailer = response.Header.Get("Grpc-Status"), response.Header // no message at all
	}
	code, err := strconv.ParseUint(status, 10, 32)
	if err != nil {
		return failure(errors.New("the answer has no gRPC status; a server that speaks only HTTP/1.1 listens on 4318"))
	}
	message, err := firstMessage(content)
	if code == 0 && err != nil {
		return failure(err)
	}
	return judgeGRPC(uint32(code), trailer.Get("Grpc-Message"), trailer.Get("Grpc-Status-Details-Bin"), message)
}

// firstMessage unwraps the answer of a unary call. The kit announces no
// compression, so a compressed one is an error.
func firstMessage(content []byte) ([]byte, error) {
	if len(content) < frameBytes {
		return nil, io.ErrUnexpectedEOF
	}
	if content[0] != 0 {
		return nil, errors.New("the answer is compressed, which was not asked for")
	}
	length := binary.BigEndian.Uint32(content[1:])
	if uint64(length) > uint64(len(content)-frameBytes) {
		return nil, io.ErrUnexpectedEOF
	}
	return content[frameBytes : frameBytes+int(length)], nil
}

var grpcNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
	"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// judgeGRPC says what a gRPC status means.
func judgeGRPC(code uint32, text, details string, message []byte) answer {
	if code == 0 {
		a := answer{word: "200"}
		a.rejected, a.text = partialSuccess(message)
		return a
	}
	name := "_OTHER"
	if code < uint32(len(grpcNames)) {
		name = grpcNames[code]
	}
	a := answer{outcome: refused, word: name, text: strings.TrimSpace("gRPC " + name + " " + text[:min(len(text), maxText)])}
	asked, given := retryInfo(details)
	switch code {
	case 1, 4, 10, 11, 14, 15:
		a.outcome, a.asked = retry, asked
	case 8:
		if given {
			a.outcome, a.asked = retry, asked
		}
	case 12:
		a.outcome, a.text = notServed, a.text+unserved
	}
	return a
}

// retryInfo finds google.rpc.RetryInfo among the details of a google.rpc.Status.
func retryInfo(details string) (asked time.Duration, given bool) {
	status, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	if err != nil {
		return 0, false
	}
	fields(status, func(field, _ uint64, detail []byte) bool {
		if field != 3 {
			return true
		}
		var isRetry bool
		var value []byte
		fields(detail, func(field, _ uint64, data []byte) bool {
			switch field {
			case 1:
				isRetry = strings.HasSuffix(string(data), "/google.rpc.RetryInfo")
			case 2:
				value = data
			}
			return true
		})
		if !isRetry {
			return true
		}
		given = true
		fields(value, func(field, _ uint64, delay []byte) bool {
			if field == 1 {
				asked = readDuration(delay)
			}
			return true
		})
		return false
	})
	return asked, given
}

// readDuration reads a google.protobuf.Duration, between 0 and maxAsked.
func readDuration(message []byte) time.Duration {
	var seconds, nanos int64
	fields(message, func(field, n uint64, _ []byte) bool {
		switch field {
		case 1:
			seconds = int64(n)
		case 2:
			nanos = int64(int32(n))
		}
		return true
	})
	if seconds < 0 || nanos < 0 {
		return 0
	}
	if seconds >= int64(maxAsked/time.Second) {
		return maxAsked
	}
	return min(time.Duration(seconds)*time.Second+time.Duration(nanos), maxAsked)
}
