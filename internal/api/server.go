package api

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/store"
)

// Authenticator says who is asking; auth.State is one.
type Authenticator interface {
	Authenticate(token, orgID string, remote net.Addr) (auth.Principal, error)
}

// Build says what program answers.
type Build struct{ Version, Revision, Go string }

// Observation is what is known of a request when it is answered.
type Observation struct {
	Route  string // a pattern of this package, or "other": a closed list
	Status int    // 499 when the client went away
	Took   time.Duration
	Bytes  int64 // of the body, as sent
}

// Options configure a Server. Store, Auth, Limits, Governance, Policy and Instances are needed.
type Options struct {
	Store        store.Store
	Auth         Authenticator
	Limits       func() charter.Limits
	Page         fs.FS                   // the web page; nil: none
	Mount        map[string]http.Handler // dialects by prefix, such as "/tempo/"; the handler sees the whole path
	AllowedHosts []string                // names by which browsers may ask without a token, beside those of loopback
	Ready        func() string           // empty, or why the server is not ready
	WriteMetrics func(io.Writer) error   // in the text format of Prometheus; nil: no /metrics
	Observe      func(Observation)
	// Trace begins the span of a request that asks about data, named by method and
	// path pattern; the function that it returns ends it.
	Trace func(ctx context.Context, method, route, traceparent string) (context.Context, func(status int, err error))
	// Backup writes a backup of the whole data folder as a tar stream; nil: the
	// store has none. One runs at a time.
	Backup func(ctx context.Context, w io.Writer, allowDamaged bool) error
	// Score evaluates a tenant's traces; nil: no service has a score.
	Score       ScoreFunc
	Governance  Governance
	Policy      *policy.Source    // what kits are told
	Instances   *policy.Instances // kits that asked
	Build       Build
	Started     time.Time
	Logger      *slog.Logger
	Now         func() time.Time
	MaxRequests int // requests that are served at once; default 256
	MaxTails    int // of them, tails; default 32
	MaxKits     int // kits that wait for their policy, beside those requests; default 2,000
}

// Server is the handler of all paths on the page's port.
type Server struct {
	o        Options
	mux      *http.ServeMux
	requests chan struct{}
	tails    chan struct{}
	kits     chan struct{}
	backups  chan struct{}
	stopping chan struct{}
	stop     sync.Once
	crossOK  *http.CrossOriginProtection
	hosts    map[string]bool
}

// New returns a Server.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func() string { return "" }
	}
	if o.Score == nil {
		o.Score = func(context.Context, string, time.Duration) (*Scores, error) {
			return &Scores{From: o.Now(), To: o.Now()}, nil
		}
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.Trace == nil {
		o.Trace = func(ctx context.Context, _, _, _ string) (context.Context, func(int, error)) {
			return ctx, func(int, error) {}
		}
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 256
	}
	if o.MaxTails == 0 {
		o.MaxTails = 32
	}
	if o.MaxKits == 0 {
		o.MaxKits = 2000
	}
	s := &Server{
		o: o, mux: http.NewServeMux(), crossOK: http.NewCrossOriginProtection(), hosts: map[string]bool{},
		requests: make(chan struct{}, o.MaxRequests), tails: make(chan struct{}, o.MaxTails), kits: make(chan struct{}, o.MaxKits), backups: make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	for _, h := range o.AllowedHosts {
		s.hosts[h] = true
	}
	s.routes()
	return s
}

// NewHTTP returns an http.Server for h with the limits that belong to a Server,
// which h may hand its requests to. It speaks HTTP/2 without TLS too, as clients of
// gRPC do: their calls come to the same port.
func NewHTTP(h http.Handler, logger *slog.Logger) *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         p,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          streamsPerConnection,
			MaxReceiveBufferPerStream:     maxBody,
			MaxReceiveBufferPerConnection: maxBody,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   20 * time.Second,
		},
	}
}

// streamsPerConnection bounds the requests of one connection; those of all of them
// have a bound of their own.
const streamsPerConnection = 128

// Stop ends the answers that never end by themselves, so that a graceful
// shutdown of the http.Server can finish.
func (s *Server) Stop() { s.stop.Do(func() { close(s.stopping) }) }

// route is one path with what it demands.
type route struct {
	pattern string
	role    auth.Role
	limit   timeLimit
	handle  func(http.ResponseWriter, *http.Request) error
	params  string // the names of its parameters; another is refused, so that a misspelled one does not change the answer without a word
}

// anyParameter is for what has other rules for its parameters, or none: kits of later versions may send more.
const anyParameter = "*"

// timeLimit says how long a request may take.
type timeLimit uint8

const (
	limitQuery timeLimit = iota // limits.query_timeout and a second to write the answer
	limitLong                   // ten minutes
	limitNone
)

// table lists the paths that need to know who is asking.
func (s *Server) table() []route {
	return []route{
		{"GET /api/search", auth.RoleRead, limitQuery, s.search, "q from to order limit spans cursor"},
		{"GET /api/traces/{id}", auth.RoleRead, limitQuery, s.trace, ""},
		{"GET /api/traces/{id}/skeleton", auth.RoleRead, limitQuery, s.skeleton, ""},
		{"GET /api/traces/{id}/spans/{span}", auth.RoleRead, limitQuery, s.span, "kind"},
		{"GET /api/traces/{id}/linked", auth.RoleRead, limitQuery, s.linked, ""},
		{"GET /api/traces/{id}/otlp", auth.RoleRead, limitQuery, s.otlp, ""},
		{"GET /api/metrics", auth.RoleRead, limitQuery, s.metrics, "q from to step"},
		{"GET /api/tags", auth.RoleRead, limitQuery, s.tagNames, "scope q prefix limit from to"},
		{"GET /api/tags/{name}/values", auth.RoleRead, limitQuery, s.tagValues, "q prefix limit from to"},
		{"GET /api/services", auth.RoleRead, limitQuery, s.services, "from to"},
		{"GET /api/services/{name}/operations", auth.RoleRead, limitQuery, s.operations, "from to"},
		{"GET /api/tail", auth.RoleRead, limitNone, s.tail, "q"},
		{"GET /api/query/explain", auth.RoleRead, limitQuery, s.explain, "q"},
		{kitRoute, auth.RoleWrite, limitNone, s.kitPolicy, anyParameter},
		{"GET /api/kit/instances", auth.RoleRead, limitQuery, s.kitInstances, ""},
		{"GET /api/charter", auth.RoleRead, limitQuery, s.charter, ""},
		{"GET /api/charter/attributes", auth.RoleRead, limitQuery, s.glossary, "text source limit"},
		{"GET /api/findings", auth.RoleRead, limitQuery, s.findings, "service team rule severity limit"},
		{"GET /api/score", auth.RoleRead, limitQuery, s.score, "service window"},
		{"GET /api/status", auth.RoleRead, limitQuery, s.status, ""},
		{"POST /api/flush", auth.RoleAdmin, limitLong, s.flush, ""},
		{"POST /api/backup", auth.RoleAdmin, limitNone, s.backup, "damaged"},
	}
}

func (s *Server) routes() {
	for _, r := range s.table() {
		s.mux.Handle(r.pattern, s.guarded(r))
	}
	s.mux.Handle("GET /api/version", s.open(s.version))
	s.mux.Handle("GET /api/openapi.yaml", s.open(s.openapi))
	s.mux.Handle("/api/", s.open(s.unknown))
	s.mux.Handle("GET /ready", s.open(s.ready))
	if s.o.WriteMetrics != nil {
		s.mux.Handle("GET /metrics", s.open(s.ownMetrics))
	}
	for name, h := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		s.mux.Handle("GET /debug/pprof/"+name, s.guarded(route{"GET /debug/pprof/", auth.RoleAdmin, limitLong, s.profile(h), anyParameter}))
	}
	for prefix, h := range s.o.Mount {
		s.mux.Handle(prefix, s.guarded(route{prefix, auth.RoleRead, limitQuery, func(w http.ResponseWriter, r *http.Request) error {
			h.ServeHTTP(w, r)
			return nil
		}, anyParameter}))
	}
	if s.o.Page != nil {
		s.mux.Handle("/", newPage(s.o.Page))
	}
}
