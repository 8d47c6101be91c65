package receive

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

// refused is the answer to a request that is not taken.
type refused struct {
	why   refusal
	kind  telemetry.Kind
	retry time.Duration // 0: do not send again
	msg   string
}

func (r *refused) Error() string { return r.msg }

func refuse(why refusal, kind telemetry.Kind, retry time.Duration, format string, args ...any) error {
	return &refused{why, kind, retry, fmt.Sprintf(format, args...)}
}

// classed turns an error of another part into an answer. Internal errors are logged
// under an id, and the sender is told the id only.
func (s *Server) classed(err error, doing string) error {
	var r *refused
	if errors.As(err, &r) {
		return r
	}
	kind, retry := telemetry.KindOf(err), telemetry.RetryAfterOf(err)
	if retry <= 0 {
		retry = s.o.RetryAfter
	}
	switch kind {
	case telemetry.KindExhausted:
		return &refused{sinkExhausted, kind, retry, err.Error()}
	case telemetry.KindUnavailable:
		return &refused{sinkUnavailable, kind, retry, err.Error()}
	case telemetry.KindUnauthenticated:
		return &refused{notAuthenticated, kind, 0, err.Error()}
	case telemetry.KindForbidden:
		return &refused{notAllowed, kind, 0, err.Error()}
	case telemetry.KindInternal:
		id := make([]byte, 6)
		rand.Read(id)
		s.o.Logger.Error("request not stored", "error_id", hex.EncodeToString(id), "doing", doing, "error", err)
		return &refused{sinkInternal, kind, 0, "an error of the server, logged as " + hex.EncodeToString(id)}
	}
	return &refused{badRequest, kind, 0, err.Error()}
}

// answer counts a refusal and gives it as refused.
func (s *Server) answer(err error) *refused {
	var r *refused
	if !errors.As(err, &r) {
		errors.As(s.classed(err, "answer"), &r)
	}
	s.m.refused[r.why].Add(1)
	return r
}

// code maps the refusal to gRPC. Of these OTLP retries UNAVAILABLE always and
// RESOURCE_EXHAUSTED with RetryInfo, which is why a request that is too large must
// not carry it.
func (r *refused) code() codes.Code {
	switch {
	case r.why == tooLarge:
		return codes.ResourceExhausted
	case r.why == unknownMethod || r.why == unknownType:
		return codes.Unimplemented
	}
	return rpc.Code(r.kind)
}

// status gives the google.rpc.Status that both protocols carry.
func (r *refused) status() *status.Status { return rpc.Status(r.code(), r.msg, r.retry) }

// seconds gives the delay for the Retry-After header, which knows whole seconds.
func (r *refused) seconds() int { return max(int(math.Ceil(r.retry.Seconds())), 1) }
