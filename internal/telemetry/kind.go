package telemetry

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind classes an error by what the person or program at the other end can do
// about it. Every edge (HTTP, gRPC, command line) maps a Kind to its own status
// with one function, so that an error keeps its meaning through every dialect.
type Kind uint8

// The closed list of kinds.
const (
	KindInternal        Kind = iota // a broken promise of ours; shown with an id and logged
	KindInvalid                     // the input is wrong and stays wrong
	KindNotFound                    // nothing is there under that name
	KindConflict                    // the state does not allow it
	KindUnauthenticated             // who is asking is not known
	KindForbidden                   // who is asking may not
	KindExhausted                   // a limit is reached; the same request may pass later
	KindUnavailable                 // a part is not able to serve now
)

var kindNames = [...]string{"internal", "invalid", "not_found", "conflict", "unauthenticated", "forbidden", "exhausted", "unavailable"}

// String gives the name used in JSON answers and metrics labels.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// HTTPStatus maps the kind to the status code of RFC 9110 that says the same.
func (k Kind) HTTPStatus() int {
	switch k {
	case KindInvalid:
		return http.StatusBadRequest
	case KindNotFound:
		return http.StatusNotFound
	case KindConflict:
		return http.StatusConflict
	case KindUnauthenticated:
		return http.StatusUnauthorized
	case KindForbidden:
		return http.StatusForbidden
	case KindExhausted:
		return http.StatusTooManyRequests
	case KindUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Error is an error with a Kind. RetryAfter is meaningful for KindExhausted and
// KindUnavailable: zero means that no delay is known.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Errorf builds an Error of the kind; format follows fmt.Errorf, %w included.
func Errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// RetryError builds an Error of the kind that asks the sender to come back after d.
func RetryError(k Kind, d time.Duration, format string, args ...any) error {
	return &Error{Kind: k, RetryAfter: d, Err: fmt.Errorf(format, args...)}
}

// KindOf tells the kind of err: that of the outermost Error in its chain, or
// KindInternal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// RetryAfterOf tells the delay that err asks for, or zero.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// Rejected is the error of a batch of which some spans were refused for good and
// all others are safe. The sender MUST NOT send it again.
type Rejected struct {
	Spans   int
	Message string // why the first of them was refused, and the mend
}

func (r *Rejected) Error() string { return r.Message }
