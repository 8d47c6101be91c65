package receive

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

// serve is the handler of every listener.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if rpc.Is(r) {
		s.serveGRPC(w, r)
		return
	}
	s.serveHTTP(w, r)
}

// tenant asks Authenticate who sends a request.
func (s *Server) tenant(r *http.Request) (string, error) {
	token := ""
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, rest, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", refuse(notAuthenticated, telemetry.KindUnauthenticated, 0, "the Authorization header must be Bearer and a token")
		}
		token = strings.TrimSpace(rest)
	}
	tenant, err := s.o.Authenticate(token, r.Header.Get("X-Scope-OrgID"), remoteAddr(r))
	if err != nil {
		return "", s.classed(err, "authenticate")
	}
	return tenant, nil
}

// remoteAddr gives the sender's address, or nil when it is none of TCP.
func remoteAddr(r *http.Request) net.Addr {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); ok {
		return local
	}
	a, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		return nil
	}
	return a
}

type decodeFunc func(*otlp.Decoder, *telemetry.Builder, []byte, int64, otlp.Limits) (otlp.Report, error)

// export takes one request from its body to the sink and returns what was stored.
func (s *Server) export(transport int, tenant string, b *body, decode decodeFunc) (otlp.Response, error) {
	w := s.begin()
	defer w.res.release()
	response, err := s.write(w, transport, tenant, b, decode)
	s.end(w)
	return response, err
}

func (s *Server) write(w *work, transport int, tenant string, b *body, decode decodeFunc) (otlp.Response, error) {
	in, err := s.read(w, b)
	if err != nil {
		return otlp.Response{}, err
	}
	w.b.Reset(tenant)
	report, err := decode(&w.d, w.b, in, s.o.Now().UnixNano(), s.o.Limits)
	if err != nil {
		return otlp.Response{}, s.classed(err, "decode")
	}
	if report.Spans > 0 {
		var refused *telemetry.Rejected
		if err := s.o.Sink.Write(&w.b.Batch); errors.As(err, &refused) {
			report.Spans -= refused.Spans
			report.RejectedSpans += refused.Spans
			report.FirstRejected = cmp.Or(report.FirstRejected, refused.Message)
		} else if err != nil {
			return otlp.Response{}, s.classed(err, "write")
		}
	}
	s.m.accepted(transport, b.encoding, int(b.got), len(in), &report)
	if report.RejectedSpans == 0 {
		return otlp.Response{}, nil
	}
	return otlp.Response{RejectedSpans: report.RejectedSpans, Message: report.FirstRejected}, nil
}
