package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

type errorBody struct {
	Error errorJSON `json:"error"`
}

type errorJSON struct {
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Position int    `json:"position,omitempty"`
	ID       string `json:"id,omitempty"`
}

// fail answers with an error. Nothing is written when the client is gone or the
// body has begun: then the connection is cut, so that a half is never taken for
// a whole.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	out, _ := r.Context().Value(writerKey{}).(*writer)
	if out == nil {
		panic("api: answer outside ServeHTTP")
	}
	out.err = err
	if !out.fail(s.internal(r, err)) {
		panic(http.ErrAbortHandler)
	}
}

// internal gives the status and body for err, and logs what must not be shown.
func (s *Server) internal(r *http.Request, err error) (int, http.Header, []byte) {
	err = Classify(err)
	kind := telemetry.KindOf(err)
	e := errorJSON{Kind: kind.String(), Message: err.Error()}
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	switch kind {
	case telemetry.KindInternal:
		var id [6]byte
		rand.Read(id[:]) // never fails: crypto/rand ends the process instead
		e.ID = hex.EncodeToString(id[:])
		e.Message = "something is broken inside Clew; its log says what, under the id " + e.ID
		s.o.Logger.Error("request failed", "id", e.ID, "method", r.Method, "path", r.URL.Path, "err", err)
	case telemetry.KindInvalid:
		e.Position = positionIn(r.URL.Query().Get("q"), e.Message)
	case telemetry.KindUnauthenticated:
		header.Set("WWW-Authenticate", `Bearer realm="clew"`)
	}
	retry := telemetry.RetryAfterOf(err)
	if rpc.Is(r) { // whose errors are trailers of an answer that HTTP takes for a success
		header = http.Header{"Content-Type": {rpc.ContentType}}
		rpc.Fail(header, rpc.Status(rpc.Code(kind), e.Message, retry))
		return http.StatusOK, header, nil
	}
	if retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	body, err := json.Marshal(errorBody{e})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return kind.HTTPStatus(), header, append(body, '\n')
}

// Classify gives errors of a context the kind that they have for who is asking.
func Classify(err error) error {
	var known *telemetry.Error
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &tooBig):
		return telemetry.Errorf(telemetry.KindInvalid, "the body is over %d bytes", tooBig.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return telemetry.Errorf(telemetry.KindExhausted, "the answer took longer than limits.query_timeout allows: narrow the time range or add a filter: %w", err)
	case errors.Is(err, context.Canceled):
		return telemetry.Errorf(telemetry.KindUnavailable, "the request was ended before its answer: %w", err)
	}
	return err
}

var queryPlace = regexp.MustCompile(`query:(\d+):(\d+): `)

// positionIn turns the line and column of a query's error into an offset in
// UTF-16 units from 1, as browsers count in a text field; 0 when there is none.
func positionIn(q, message string) int {
	m := queryPlace.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	line, err1 := strconv.Atoi(m[1])
	col, err2 := strconv.Atoi(m[2])
	if err1 != nil || err2 != nil || line < 1 || col < 1 {
		return 0
	}
	at := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(q[at:], '\n')
		if n < 0 {
			return 0
		}
		at += n + 1
	}
	position := len(utf16.Encode([]rune(q[:at]))) + 1
	for _, r := range q[at:] {
		if col--; col == 0 || r == '\n' {
			break
		}
		position += utf16.RuneLen(r)
	}
	return position
}

// writeJSON answers with v. It is encoded as a whole before the first byte
// leaves, so that an error in it still gets its own status.
func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // a client that has gone cannot be told
	return nil
}
