package receive

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// form is how a body is written and answered: the two forms of OTLP/HTTP, and Zipkin's.
type form struct {
	transport   int
	contentType string
	decode      decodeFunc
	response    func(otlp.Response, []byte) []byte // nil: an accepted request is answered with 202 and nothing
	status      func(proto.Message) ([]byte, error)
}

var (
	protobufForm = form{overHTTP, "application/x-protobuf", (*otlp.Decoder).DecodeTraces, otlp.Response.Append, proto.Marshal}
	jsonForm     = form{overHTTP, "application/json", (*otlp.Decoder).DecodeTracesJSON, otlp.Response.AppendJSON, protojson.Marshal}
	zipkinForm   = form{overZipkin, "application/json", (*otlp.Decoder).DecodeZipkinJSON, nil, protojson.Marshal}
)

// zipkinPath takes spans of Zipkin's version 2.
const zipkinPath = "/api/v2/spans"

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := formOf(r)
	if err == nil {
		var response otlp.Response
		if response, err = s.exportHTTP(w, r, f); err == nil && f.response == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		} else if err == nil {
			out := f.response(response, nil)
			w.Header().Set("Content-Type", f.contentType)
			w.Header().Set("Content-Length", strconv.Itoa(len(out)))
			w.Write(out) // a sender that is gone does not read it; the spans are stored
			return
		}
	}
	s.refuseHTTP(w, r, f, s.answer(err))
}

func (s *Server) exportHTTP(w http.ResponseWriter, r *http.Request, f form) (otlp.Response, error) {
	tenant, err := s.tenant(r)
	if err != nil {
		return otlp.Response{}, err
	}
	switch {
	case r.URL.Path == "/v1/metrics" || r.URL.Path == "/v1/logs" || r.URL.Path == "/v1development/profiles":
		return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%s is not served: this clew stores traces only; send them to /v1/traces", r.URL.Path)
	case r.URL.Path == "/api/v1/spans":
		return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%s is not served: send spans of Zipkin's version 2 to %s", r.URL.Path, zipkinPath)
	case r.URL.Path != "/v1/traces" && r.URL.Path != zipkinPath:
		return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%.80q is not served; send traces to /v1/traces, or spans of Zipkin to %s", r.URL.Path, zipkinPath)
	case r.Method != http.MethodPost:
		return otlp.Response{}, errMethod
	}
	b := &body{r: r.Body, declared: r.ContentLength, max: s.o.MaxRequestBytes}
	switch e := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); e {
	case "", plain:
		b.encoding = plain
	case gzipped, zstandar:
		b.encoding = e
	default:
		return otlp.Response{}, refuse(unknownType, telemetry.KindInvalid, 0, "Content-Encoding %.40q is not known; send gzip, zstd or none", e)
	}
	s.deadline(w, s.o.BodyTimeout)
	response, err := s.export(f.transport, tenant, b, f.decode)
	return response, err
}

var errMethod = refuse(unknownMethod, telemetry.KindInvalid, 0, "traces are sent with POST")

// formOf tells the form of a request; without a known one the answer is JSON.
func formOf(r *http.Request) (form, error) {
	value := r.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(value)
	inJSON, protobuf, takes := jsonForm, true, "application/x-protobuf or application/json"
	if r.URL.Path == zipkinPath {
		inJSON, protobuf, takes = zipkinForm, false, "application/json"
	}
	switch {
	case media == "application/json":
		return inJSON, nil
	case protobuf && (media == "application/x-protobuf" || media == "application/protobuf"):
		return protobufForm, nil
	case r.Method != http.MethodPost:
		return inJSON, nil // the method is what is wrong
	}
	return inJSON, refuse(unknownType, telemetry.KindInvalid, 0, "Content-Type %.80q is not known; send %s", value, takes)
}

// deadline sets the time until which the body may arrive.
func (s *Server) deadline(w http.ResponseWriter, d time.Duration) {
	// Every connection that net/http serves has deadlines, so the error says nothing.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d))
}

// drainBytes is how much of a refused body is read and thrown away, so that the
// sender reads the answer and keeps its connection.
const (
	drainBytes = 1 << 20
	drainTime  = 2 * time.Second
)

func (s *Server) refuseHTTP(w http.ResponseWriter, r *http.Request, f form, why *refused) {
	// HTTP/2 drops a stream without its connection. A sender that asks before it sends
	// ("Expect: 100-continue") must not be told to go on.
	if r.ProtoMajor == 1 && why.why != tooSlow && why.why != cutOff && r.Header.Get("Expect") == "" {
		s.deadline(w, drainTime)
		io.CopyN(io.Discard, r.Body, drainBytes)
	}
	h := w.Header()
	code := why.httpStatus()
	switch code {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="clew"`)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip, zstd")
	}
	if why.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(why.seconds()))
	}
	out, err := f.status(why.status())
	if err != nil {
		s.o.Logger.Error("answer not written", "error", err)
	}
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(code)
	w.Write(out) // a sender that is gone does not read it
}

func (r *refused) httpStatus() int {
	switch {
	case r == errMethod:
		return http.StatusMethodNotAllowed
	case r.why == tooLarge:
		return http.StatusRequestEntityTooLarge
	case r.why == unknownType:
		return http.StatusUnsupportedMediaType
	}
	return r.kind.HTTPStatus()
}
