package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/examples/shop/internal/charter"
)

// maxAnswerBytes bounds what is read of a peer's answer: a page of products is
// a few kilobytes.
const maxAnswerBytes = 1 << 20

// reconnect is quick: a member that died is back within a second.
var reconnect = backoff.Config{
	BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
}

// NewGRPCServer returns a server whose calls are spans.
func NewGRPCServer() *grpc.Server {
	return grpc.NewServer(append(running().serverOptions(), grpc.UnaryInterceptor(noteFailure))...)
}

// noteFailure records the error of a call on its span: the instrumentation sets the status
// but records no exception, and leaves errors that are the caller's own unset.
func noteFailure(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	NoteSession(ctx)
	answer, err := handle(ctx, request)
	if err == nil {
		return answer, nil
	}
	cause := err
	if _, known := status.FromError(err); !known {
		err = status.Error(codes.Internal, err.Error())
	}
	if status.Code(err) == codes.Internal || status.Code(err) == codes.Unavailable {
		Fail(ctx, cause)
	}
	return nil, err
}

// Dial returns a connection to a member's gRPC address. It connects at the
// first call, and a call while the member is being restarted waits for it.
func Dial(member string) (*grpc.ClientConn, error) {
	address, err := Address(member)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(address, append(running().dialOptions(address),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithUnaryInterceptor(bounded),
	)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", member, err)
	}
	return connection, nil
}

// callWithin bounds a call whose caller set no deadline.
const callWithin = 5 * time.Second

func bounded(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if _, set := ctx.Deadline(); !set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callWithin)
		defer cancel()
	}
	return invoke(ctx, method, request, reply, connection, options...)
}

// Handle adds a route whose requests are server spans named after it. An error
// that handle returns becomes the answer: its status when it is a *Problem, 502
// for a failed call to another member, else 500.
func Handle(mux *http.ServeMux, pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	mux.Handle(pattern, running().route(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		NoteSession(r.Context())
		err := handle(w, r)
		if err == nil {
			return
		}
		problem := problemOf(err)
		if problem.Status >= http.StatusInternalServerError {
			Fail(r.Context(), err)
			slog.WarnContext(r.Context(), "request failed", "error", err,
				"trace_id", trace.SpanContextFromContext(r.Context()).TraceID().String())
		}
		Answer(w, problem.Status, map[string]string{"error": problem.Text})
	})))
}

// Problem is an error with the HTTP status that it is answered with.
type Problem struct {
	Status int
	Text   string
}

// Error implements error.
func (p *Problem) Error() string { return p.Text }

func problemOf(err error) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	if grpcErr, ok := status.FromError(err); ok {
		switch grpcErr.Code() {
		case codes.NotFound:
			return &Problem{http.StatusNotFound, grpcErr.Message()}
		case codes.InvalidArgument:
			return &Problem{http.StatusBadRequest, grpcErr.Message()}
		case codes.FailedPrecondition:
			return &Problem{http.StatusPaymentRequired, grpcErr.Message()}
		default:
			return &Problem{http.StatusBadGateway, err.Error()}
		}
	}
	return &Problem{http.StatusInternalServerError, err.Error()}
}

// Answer writes value as JSON.
func Answer(w http.ResponseWriter, statusCode int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusCode)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		// The status line is out: the caller sees a cut body.
		slog.Warn("answer was not written", "error", err)
	}
}

// Client calls another member over HTTP; each call is a client span.
type Client struct {
	member string
	base   string
	http   *http.Client
}

// NewClient returns a client of a member's HTTP address that forwards the trace
// context and the baggage.
func NewClient(member string) (*Client, error) {
	return newClient(member, Transport())
}

// Transport makes client spans of HTTP requests.
func Transport() http.RoundTripper { return running().transport(http.DefaultTransport) }

// NewForgetfulClient returns a client that makes spans but forwards nothing.
func NewForgetfulClient(member string) (*Client, error) {
	return newClient(member, running().transport(forgetful{http.DefaultTransport}))
}

// forgetful loses what instrumentation wrote into a request's headers, as an old
// proxy does.
type forgetful struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
		r.Header.Del(name)
	}
	return f.next.RoundTrip(r)
}

func newClient(member string, transport http.RoundTripper) (*Client, error) {
	address, err := Address(member)
	if err != nil {
		return nil, err
	}
	return &Client{member: member, base: "http://" + address, http: &http.Client{Transport: transport}}, nil
}

// Call sends one request and decodes its JSON answer into into. An answer of
// 4xx and 5xx is a *Problem, the latter with status 502. attempt counts from 0;
// an attempt after the first is marked as a resend on the current span's child.
func (c *Client) Call(ctx context.Context, method, path string, body io.Reader, attempt int, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", c.member, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if attempt > 0 {
		trace.SpanFromContext(ctx).AddEvent("retry", trace.WithAttributes(
			semconv.HTTPRequestResendCount(attempt), charter.ShopPeer(c.member).Attr().KeyValue()))
	}
	response, err := c.http.Do(request)
	if err != nil {
		return &Problem{http.StatusBadGateway, fmt.Sprintf("call %s: %v", c.member, err)}
	}
	defer response.Body.Close()
	answer := io.LimitReader(response.Body, maxAnswerBytes)
	if response.StatusCode >= http.StatusBadRequest {
		var refusal struct {
			Error string `json:"error"`
		}
		if err := json.NewDecoder(answer).Decode(&refusal); err != nil || refusal.Error == "" {
			refusal.Error = response.Status
		}
		refused := response.StatusCode
		if refused >= http.StatusInternalServerError {
			refused = http.StatusBadGateway
		}
		return &Problem{refused, c.member + ": " + refusal.Error}
	}
	if err := json.NewDecoder(answer).Decode(into); err != nil {
		return &Problem{http.StatusBadGateway, fmt.Sprintf("read the answer of %s: %v", c.member, err)}
	}
	return nil
}
