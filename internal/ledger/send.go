package ledger

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Access is what a backend wants to see of who asks.
type Access struct {
	Header http.Header // Authorization, X-Scope-OrgID
	TLS    *tls.Config // nil: the system's
}

// maxAnswer bounds an answer that is read whole.
const maxAnswer = 64 << 20

// sendTimeout bounds one request: a backend that was cut off never answers.
const sendTimeout = 10 * time.Second

// errRejected says that the backend refused spans for good.
var errRejected = errors.New("the backend rejected spans of a sound request")

// sender exports requests to one address.
type sender struct {
	url    string
	grpc   bool
	access Access
	client *http.Client
}

// checkTarget says whether an address to send to can be understood, and how to dial it.
func checkTarget(to string) (u *url.URL, dial string, err error) {
	u, err = url.Parse(to)
	if err != nil || u.Host == "" {
		return nil, "", telemetry.Errorf(telemetry.KindInvalid, "%q is no address: write grpc://host:4317, grpcs://…, http://host:4318 or https://…", to)
	}
	ports := map[string]string{"grpc": "4317", "grpcs": "4317", "http": "4318", "https": "443"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, "", telemetry.Errorf(telemetry.KindInvalid, "%q begins with none of grpc, grpcs, http, https", to)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return u, net.JoinHostPort(u.Hostname(), port), nil
}

// newSender connects through dial when it is not empty, which is where the proxy listens.
func newSender(to, dial string, access Access) (*sender, error) {
	u, direct, err := checkTarget(to)
	if err != nil {
		return nil, err
	}
	if dial == "" {
		dial = direct
	}
	var dialer net.Dialer
	var protocols http.Protocols
	s := &sender{access: access, grpc: strings.HasPrefix(u.Scheme, "grpc")}
	protocols.SetHTTP1(!s.grpc)
	protocols.SetHTTP2(s.grpc)
	protocols.SetUnencryptedHTTP2(s.grpc && u.Scheme == "grpc")
	s.client = &http.Client{Timeout: sendTimeout, Transport: &http.Transport{
		Protocols: &protocols, TLSClientConfig: access.TLS, MaxIdleConnsPerHost: 1, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, dial)
		},
	}}
	at := *u
	at.Scheme = map[string]string{"grpc": "http", "grpcs": "https", "http": "http", "https": "https"}[u.Scheme]
	if s.grpc {
		at.Host, at.Path = net.JoinHostPort(u.Hostname(), portOf(direct)), "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	} else if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces"
	}
	s.url = at.String()
	return s, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func (s *sender) close() { s.client.CloseIdleConnections() }

// send exports one request and returns nil when it is acknowledged.
func (s *sender) send(ctx context.Context, body []byte) error {
	kind := "application/x-protobuf"
	if s.grpc {
		kind = "application/grpc"
		frame := make([]byte, 5, 5+len(body)) // not compressed, the length
		binary.BigEndian.PutUint32(frame[1:], uint32(len(body)))
		body = append(frame, body...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range s.access.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", kind)
	if s.grpc {
		req.Header.Set("Te", "trailers")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, telemetry.Clip(string(answer)))
	}
	if !s.grpc {
		return rejected(answer)
	}
	return grpcOutcome(resp, answer)
}

// grpcOutcome reads the trailers of an answer and its message.
func grpcOutcome(resp *http.Response, answer []byte) error {
	status, message := resp.Trailer.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Message")
	if status == "" { // an answer without a body has them in front
		status, message = resp.Header.Get("Grpc-Status"), resp.Header.Get("Grpc-Message")
	}
	if code, err := strconv.Atoi(status); err != nil || code != 0 {
		return fmt.Errorf("grpc status %q: %s", telemetry.Clip(status), telemetry.Clip(message))
	}
	if len(answer) < 5 || answer[0] != 0 || uint64(binary.BigEndian.Uint32(answer[1:])) != uint64(len(answer)-5) {
		return errors.New("grpc: the answer is no whole message")
	}
	return rejected(answer[5:])
}

// rejected reads an ExportTraceServiceResponse: field 1 is partial_success, and in
// it field 1 the number of spans that were refused.
func rejected(message []byte) error {
	partial, _, err := field(message, 1)
	if err != nil {
		return fmt.Errorf("read the acknowledgement: %w", err)
	}
	_, n, err := field(partial, 1)
	if err != nil {
		return fmt.Errorf("read the acknowledgement: %w", err)
	}
	if n != 0 {
		return errRejected
	}
	return nil
}

var errWire = errors.New("it is no protobuf message")

// field gives the last value of a field: the bytes of one with a length, the
// number of a varint.
func field(b []byte, want uint64) (data []byte, number uint64, err error) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0, errWire
		}
		b = b[n:]
		size := 0
		switch tag & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, 0, errWire
			}
			if tag>>3 == want {
				number = v
			}
			size = n
		case 1:
			size = 8
		case 2:
			v, n := binary.Uvarint(b)
			if n <= 0 || v > uint64(len(b)-n) {
				return nil, 0, errWire
			}
			if tag>>3 == want {
				data = b[n : n+int(v)]
			}
			size = n + int(v)
		case 5:
			size = 4
		default:
			return nil, 0, errWire
		}
		if size > len(b) {
			return nil, 0, errWire
		}
		b = b[size:]
	}
	return data, number, nil
}
