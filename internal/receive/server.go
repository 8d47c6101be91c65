package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Options say how a Server is built. A zero number means its default.
type Options struct {
	GRPC   net.Listener // usually port 4317; nil: none
	HTTP   net.Listener // usually port 4318; nil: none
	Zipkin net.Listener // usually port 9411; nil: none
	TLS    *tls.Config  // of all listeners; nil: plain text

	// Authenticate names the tenant of a request. token is that of "Authorization: Bearer",
	// orgID the header X-Scope-OrgID; both may be empty. Its errors carry a telemetry.Kind.
	Authenticate func(token, orgID string, remote net.Addr) (tenant string, err error)
	// Guarded says that Authenticate asks for tokens. Without it New refuses
	// listeners that other machines can reach.
	Guarded bool

	// Sink takes the spans; a request is acknowledged when Write returns nil.
	Sink telemetry.Sink
	// Counter makes the counter of that name and labels, which are keys and values in turn.
	Counter func(name, help string, labels ...string) Counter
	Logger  *slog.Logger
	Now     func() time.Time // default time.Now

	Limits           otlp.Limits
	MaxRequestBytes  int64         // of a request, compressed as well as inflated; default 16 MiB
	MaxInflightBytes int64         // of all requests that are being read or written; default 64 MiB
	MaxConnections   int           // of each listener; default 1024
	MaxStreams       int           // concurrent requests of one HTTP/2 connection; default 256
	BodyTimeout      time.Duration // from the header of a request to the end of its body; default 30 s
	RetryAfter       time.Duration // what a sender is asked to wait when the budget is spent; default 1 s
}

// Counter counts up.
type Counter interface{ Add(delta float64) }

// Server serves OTLP and Zipkin on its listeners.
type Server struct {
	o       Options
	m       *metrics
	budget  budget
	work    sync.Pool
	zstd    *zstd.Decoder
	servers []served
	done    sync.WaitGroup
	failed  chan error
}

type served struct {
	name string
	l    net.Listener
	h    *http.Server
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 10 * time.Minute // exporters keep a connection from batch to batch
	writeTimeout  = time.Minute      // after the body: the sink's time and the answer's
	headerBytes   = 32 << 10
	zstdWindow    = 8 << 20 // RFC 8878 asks decoders to support 8 MiB
	streamWindow  = 1 << 20
)

// New checks the options and builds a Server; Start makes it serve. The listeners are
// the Server's from then on, unless New returns an error.
func New(o Options) (*Server, error) {
	if o.Authenticate == nil || o.Sink == nil || o.Counter == nil || o.Logger == nil {
		return nil, errors.New("receive: Authenticate, Sink, Counter and Logger must be set")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	setDefault(&o.MaxRequestBytes, 16<<20)
	setDefault(&o.MaxInflightBytes, 64<<20)
	setDefault(&o.MaxConnections, 1024)
	setDefault(&o.MaxStreams, 256)
	setDefault(&o.BodyTimeout, 30*time.Second)
	setDefault(&o.RetryAfter, time.Second)
	// One request of the largest size holds its compressed and its inflated bytes. It
	// must pass when nothing else is in flight, or it would be refused for ever.
	if least := 2 * o.MaxRequestBytes; o.MaxInflightBytes < least {
		return nil, telemetry.Errorf(telemetry.KindInvalid,
			"%d bytes in flight are too few for one compressed request of %d bytes; allow at least %d", o.MaxInflightBytes, o.MaxRequestBytes, least)
	}
	for _, l := range []net.Listener{o.GRPC, o.HTTP, o.Zipkin} {
		if l != nil && !o.Guarded && !loopback(l.Addr()) {
			return nil, telemetry.Errorf(telemetry.KindInvalid,
				"listen on %s without tokens: anyone who reaches this address could write; make a token with clew token create, or listen on 127.0.0.1", l.Addr())
		}
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	s := &Server{o: o, m: newMetrics(o.Counter), budget: budget{max: o.MaxInflightBytes}, zstd: dec, failed: make(chan error, 3)}
	s.work.New = func() any { return &work{b: telemetry.NewBuilder()} }
	for _, e := range []struct {
		name string
		l    net.Listener
	}{{"otlp-grpc", o.GRPC}, {"otlp-http", o.HTTP}, {"zipkin", o.Zipkin}} {
		if e.l != nil {
			s.servers = append(s.servers, served{e.name, s.limit(e.l), s.httpServer()})
		}
	}
	return s, nil
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// loopback reports whether only this machine reaches the address.
func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

func (s *Server) httpServer() *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	var conf *tls.Config
	if s.o.TLS != nil {
		conf = s.o.TLS.Clone() // http.Server adds the names of its protocols
	}
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         conf,
		Protocols:         p,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      s.o.BodyTimeout + writeTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          s.o.MaxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: streamWindow,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   20 * time.Second,
		},
	}
}

// Start serves in the background. Failed tells when a listener breaks.
func (s *Server) Start() {
	for _, e := range s.servers {
		s.done.Add(1)
		go func() {
			defer s.done.Done()
			serve := func() error { return e.h.Serve(e.l) }
			if s.o.TLS != nil {
				serve = func() error { return e.h.ServeTLS(e.l, "", "") }
			}
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("serve %s on %s: %w", e.name, e.l.Addr(), err)
			}
		}()
	}
}

// Failed gives the error of a listener that stopped by itself, at most one for each.
func (s *Server) Failed() <-chan error { return s.failed }

// InflightBytes is the memory that requests hold now, of Options.MaxInflightBytes.
func (s *Server) InflightBytes() int64 { return s.budget.held.Load() }

// Stop takes no new connection and waits for the requests in flight, until ctx ends;
// then it closes what is left. The error is that of ctx if requests had to be cut off.
func (s *Server) Stop(ctx context.Context) error {
	errs := make([]error, len(s.servers))
	var all sync.WaitGroup
	for i, e := range s.servers {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := e.h.Shutdown(ctx); err != nil {
				errs[i] = fmt.Errorf("stop %s: %w", e.name, err)
				e.h.Close()
			}
		}()
	}
	all.Wait()
	s.done.Wait()
	s.zstd.Close()
	return errors.Join(errs...)
}
