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

// form is one of the two forms of OTLP/HTTP.
type form struct {
	contentType string
	decode      decodeFunc
	response    func(otlp.Response, []byte) []byte
	status      func(proto.Message) ([]byte, error)
}

var (
	protobufForm = form{"application/x-protobuf", (*otlp.Decoder).DecodeTraces, otlp.Response.Append, proto.Marshal}
	jsonForm     = form{"application/json", (*otlp.Decoder).DecodeTracesJSON, otlp.Response.AppendJSON, protojson.Marshal}
)

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := formOf(r)
	if err == nil {
		var response otlp.Response
		if response, err = s.exportHTTP(w, r, f); err == nil {
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
	case r.URL.Path != "/v1/traces":
		return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%.80q is not served; send traces to /v1/traces", r.URL.Path)
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
	response, err := s.export(overHTTP, tenant, b, f.decode)
	return response, err
}

var errMethod = refuse(unknownMethod, telemetry.KindInvalid, 0, "traces are sent with POST")

// formOf tells the form of a request; without a known one the answer is JSON.
func formOf(r *http.Request) (form, error) {
	value := r.Header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(value)
	switch media {
	case "application/x-protobuf", "application/protobuf":
		return protobufForm, nil
	case "application/json":
		return jsonForm, nil
	}
	if r.Method != http.MethodPost {
		return jsonForm, nil // the method is what is wrong
	}
	return jsonForm, refuse(unknownType, telemetry.KindInvalid, 0, "Content-Type %.80q is not known; send application/x-protobuf or application/json", value)
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
