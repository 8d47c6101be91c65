package receive

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// serveGRPC answers a unary call. The status travels in the trailer, and the HTTP status is always 200.
func (s *Server) serveGRPC(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		s.refuseHTTP(w, r, jsonForm, s.answer(refuse(badRequest, telemetry.KindInvalid, 0, "gRPC needs HTTP/2, and this is %s", r.Proto)))
		return
	}
	h := w.Header()
	h.Set("Content-Type", rpc.ContentType)
	h.Set("Grpc-Accept-Encoding", "identity,gzip,zstd")
	response, err := s.exportGRPC(w, r)
	if err != nil {
		rpc.Fail(h, s.answer(err).status())
		w.WriteHeader(http.StatusOK)
		return
	}
	out := response.Append(make([]byte, rpc.PrefixBytes))
	rpc.Seal(out)
	rpc.Done(h)
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
	var prefix [rpc.PrefixBytes]byte
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
	b.r = rpc.NewMessage(r.Body, b.declared)
	return s.export(overGRPC, tenant, b, (*otlp.Decoder).DecodeTraces)
}
