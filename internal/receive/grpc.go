package receive

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// prefixBytes is a gRPC frame's head: whether it is compressed, and its length.
const prefixBytes = 5

// serveGRPC answers a unary call. The status travels in the trailer, and the HTTP status is always 200.
func (s *Server) serveGRPC(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		s.refuseHTTP(w, r, jsonForm, s.answer(refuse(badRequest, telemetry.KindInvalid, 0, "gRPC needs HTTP/2, and this is %s", r.Proto)))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Accept-Encoding", "identity,gzip,zstd")
	response, err := s.exportGRPC(w, r)
	if err != nil {
		why := s.answer(err)
		st := why.status()
		h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(st.Code)))
		h.Set(http.TrailerPrefix+"Grpc-Message", percent(st.Message))
		if len(st.Details) > 0 {
			// A message of fixed types cannot fail to marshal.
			if raw, err := proto.Marshal(st); err == nil {
				h.Set(http.TrailerPrefix+"Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(raw))
			}
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	out := response.Append(make([]byte, prefixBytes))
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-prefixBytes))
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(codes.OK)))
	w.Write(out) // a sender that is gone does not read it; the spans are stored
}

func (s *Server) exportGRPC(w http.ResponseWriter, r *http.Request) (otlp.Response, error) {
	tenant, err := s.tenant(r)
	if err != nil {
		return otlp.Response{}, err
	}
	if r.URL.Path != exportMethod {
		if strings.HasPrefix(r.URL.Path, "/opentelemetry.proto.collector.") {
			return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%.120s is not served: this clew stores traces only; turn the other exporters off", r.URL.Path)
		}
		return otlp.Response{}, refuse(unknownMethod, telemetry.KindNotFound, 0, "%.120q is not served", r.URL.Path)
	}
	encoding := strings.ToLower(r.Header.Get("Grpc-Encoding"))
	switch encoding {
	case "":
		encoding = plain
	case plain, gzipped, zstandar:
	default:
		return otlp.Response{}, refuse(unknownType, telemetry.KindInvalid, 0, "grpc-encoding %.40q is not known; send gzip, zstd or identity", encoding)
	}
	s.deadline(w, s.o.BodyTimeout)
	b := &body{r: r.Body, encoding: encoding, max: s.o.MaxRequestBytes}
	var prefix [prefixBytes]byte
	if _, err := io.ReadFull(b, prefix[:]); err != nil {
		b.encoding = plain
		return otlp.Response{}, s.broken(b, err)
	}
	switch {
	case prefix[0] == 0:
		b.encoding = plain
	case prefix[0] != 1 || encoding == plain:
		return otlp.Response{}, refuse(badRequest, telemetry.KindInvalid, 0, "the frame has the compression flag %d and grpc-encoding is %q", prefix[0], encoding)
	}
	b.declared = int64(binary.BigEndian.Uint32(prefix[1:]))
	b.got = 0
	b.r = &frame{r: r.Body, left: b.declared}
	return s.export(overGRPC, tenant, b, (*otlp.Decoder).DecodeTraces)
}

// frame reads the message of a unary call: so many bytes, and the end of the stream after them.
type frame struct {
	r    io.Reader
	left int64
	err  error
}

var errSecond = refuse(badRequest, telemetry.KindInvalid, 0, "the call has more than one message, or bytes after it")

func (f *frame) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if f.left == 0 {
		var one [1]byte
		n, err := io.ReadFull(f.r, one[:])
		f.err = err
		if n > 0 {
			f.err = errSecond
		}
		return 0, f.err
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := f.r.Read(p)
	f.left -= int64(n)
	if err == io.EOF {
		if f.left > 0 {
			f.err = io.ErrUnexpectedEOF
		} else {
			f.err = io.EOF
		}
		err = nil
		if n == 0 {
			err = f.err
		}
	}
	return n, err
}

// percent encodes a message as gRPC asks: bytes outside printable ASCII, and the sign itself.
func percent(msg string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(msg) && b.Len() < 4096; i++ {
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
