// Package node builds the parts of Clew for a role, starts them in order and
// stops them in the reverse one. It holds no logic of its own: every decision
// about data lies in the parts, every choice of a user in flags and charter.
//
//	folder lock ─ charter ─ listeners ─ state ─ store (manifest, log, replay) ─ pipeline ─ receive ─ api
//
// The page's port answers /ready with 503 while the store replays its log; the
// ports of OTLP are held from the start, so that a taken port is told at once,
// and served when the store is ready.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/compat"
	"github.com/clew-dev/clew/internal/health"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
	"github.com/clew-dev/clew/ui"
)

// Options are what cannot change while a node runs. Data and the first three addresses are needed.
type Options struct {
	Data           string
	ListenHTTP     string // page and APIs
	ListenGRPC     string // OTLP/gRPC
	ListenOTLPHTTP string // OTLP/HTTP
	ListenZipkin   string // Zipkin; empty: at the address of OTLP/HTTP only
	Charter        string // path; empty: the built-in one
	MemoryBytes    int64  // 0: DefaultMemory
	TLSCert        string // PEM files for every listener; empty: no TLS
	TLSKey         string
	Logger         *slog.Logger
}

// Node is a running process.
type Node struct {
	o       Options
	log     *slog.Logger
	started time.Time

	folder  *folder
	charter *charter.Watcher

	governance *governance
	scores     *scores
	state      *auth.State
	store      *store.Embedded
	tail       *pipeline.Log
	receive    *receive.Server
	api        *api.Server
	http       *http.Server
	registry   *health.Registry
	ready      *health.Readiness
	tracer     *health.Tracer
	tls        *tls.Config
	guarded    bool // a token existed at the start

	page, grpc, otlp net.Listener
	zipkin           net.Listener // nil: none
	handler          atomic.Pointer[http.Handler]
	fatal            chan error
	background       sync.WaitGroup
	cancel           context.CancelFunc
	ctx              context.Context
}

// charterEvery is how often the charter's files are looked at: a change is in force
// within a second.
const charterEvery = 250 * time.Millisecond

// SelfTenant holds the spans of Clew's own work, apart from those of its users.
const SelfTenant = "clew"

// parts of readiness.
const (
	partStore = "store"
	partLog   = "log"
)

// Open starts a node. It returns when everything serves; ctx cancels the start
// only. Its errors are one sentence with what to do.
func Open(ctx context.Context, o Options) (*Node, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = DefaultMemory
	}
	if o.MemoryBytes < MinMemory {
		return nil, fmt.Errorf("--memory %d MiB: a node needs at least %d MiB", o.MemoryBytes>>20, MinMemory>>20)
	}
	n := &Node{o: o, log: o.Logger, started: time.Now(), fatal: make(chan error, 1),
		registry: health.NewRegistry(), ready: health.NewReadiness(partStore, partLog)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if err := n.open(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, n.Close(stop))
	}
	n.log.Info("ready", "http", n.HTTPAddr(), "otlp_grpc", n.GRPCAddr(), "otlp_http", n.OTLPHTTPAddr(), "data", n.folder.path, "took", time.Since(n.started).Round(time.Millisecond))
	return n, nil
}

func (n *Node) open(ctx context.Context) error {
	var err error
	if n.folder, err = openFolder(n.o.Data); err != nil {
		return err
	}
	if n.charter, err = charter.Watch(n.o.Charter, charter.WatchOptions{Logger: n.log, Every: charterEvery, Resolve: resolveImport,
		Keep: n.folder.join(charterFile), Replace: replaceFile}); err != nil {
		return &CharterError{err}
	}
	if n.governance, err = openGovernance(n.o.Charter, n.charter, n.folder, n.log); err != nil {
		return err
	}
	if _, err := os.Stat(n.folder.join(policyFile)); err == nil {
		n.log.Warn("kit-policy.json is not read any more: what kits are told is in the charter's section kits; move it there and remove the file", "file", n.folder.join(policyFile))
	}
	if n.state, err = auth.Open(ctx, n.folder.join(stateFile), auth.Options{}); err != nil {
		return err
	}
	n.guarded, err = n.state.HasTokens()
	if err != nil {
		return err
	}
	if n.tls, err = loadTLS(n.o.TLSCert, n.o.TLSKey); err != nil {
		return err
	}
	for _, l := range []struct {
		flag, address string
		to            *net.Listener
	}{{"listen.http", n.o.ListenHTTP, &n.page}, {"listen.otlp-grpc", n.o.ListenGRPC, &n.grpc}, {"listen.otlp-http", n.o.ListenOTLPHTTP, &n.otlp}, {"listen.zipkin", n.o.ListenZipkin, &n.zipkin}} {
		if l.to == &n.zipkin && l.address == "" {
			continue
		}
		if *l.to, err = listener(l.flag, l.address, n.guarded); err != nil {
			return err
		}
	}
	n.servePage()
	mem := shareOut(n.o.MemoryBytes, n.charter.Current().Limits().InflightBytes)
	mem.apply()
	n.background.Go(func() { mem.watch(n.ctx) })
	if err := n.openStore(ctx, mem); err != nil {
		return err
	}
	if err := n.openEdges(mem); err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	n.background.Go(func() {
		defer signal.Stop(hup)
		n.charter.Run(n.ctx, hup)
	})
	n.background.Go(n.keepFindings)
	n.background.Go(func() { n.tracer.Run(n.ctx) })
	return nil
}

// CharterError is a start that failed since the charter that was named does not
// check, and no earlier one of it is in the data folder.
type CharterError struct{ Err error }

func (e *CharterError) Error() string { return e.Err.Error() }

func (e *CharterError) Unwrap() error { return e.Err }

// servePage answers on the page's port at once; until the parts are there, all it
// knows is that the node is starting.
func (n *Node) servePage() {
	var starting http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "starting: the log is being replayed", http.StatusServiceUnavailable)
	})
	n.handler.Store(&starting)
	n.http = api.NewHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*n.handler.Load()).ServeHTTP(w, r) }), n.log)
	l := n.page
	if n.tls != nil {
		conf := n.tls.Clone()
		conf.NextProtos = []string{"h2", "http/1.1"} // gRPC needs the first
		l = tls.NewListener(l, conf)
	}
	n.background.Go(func() {
		if err := n.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("serve the page: %w", err))
		}
	})
}

func (n *Node) openStore(ctx context.Context, mem memory) error {
	limits, retention := n.charter.Current().Limits(), n.charter.Current().Retention()
	logBytes := logBound(retention.Disk)
	failed := make(chan error, 1) // the log calls once
	var err error
	n.store, err = store.Open(ctx, store.Options{
		Dir: n.folder.path, Logger: n.log,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(n.folder.join("log"), wal.Options{
				NotBefore: notBefore, Logger: n.log, Delay: 2 * time.Millisecond,
				MaxBytes: logBytes, MaxRecordBytes: 64 << 20, MaxPendingBytes: 128 << 20,
				OnFailure: func(err error) { failed <- err },
			})
		},
		Retention: func(tenant string) store.Retention {
			r := n.charter.Current().RetentionOf(tenant)
			return store.Retention{Age: r.Age, DiskBytes: r.Disk}
		},
		FreshBytes: mem.fresh, LogBytes: logBytes, ClockSkew: retention.ClockSkew, DiskBudget: retention.Disk,
		QueryMemory: mem.query, QueryThreads: processors(), Widen: widen, QuerySlots: limits.QueryConcurrency, QueryTimeout: limits.QueryTimeout,
		MaxSeries: limits.Series, TraceSpans: limits.TraceSpans, TraceMemory: mem.traces, CacheBytes: mem.cache,
	})
	if err != nil {
		return err
	}
	n.ready.Ready(partStore)
	n.ready.Ready(partLog)
	n.background.Go(func() {
		select {
		case err := <-failed:
			n.ready.NotReady(partLog, err.Error())
			n.store.SetReadOnly(err.Error())
		case <-n.ctx.Done():
		}
	})
	n.tail = pipeline.NewLog(n.store.Log(), pipeline.LogOptions{LastSeq: n.store.LastSeq(), Consumers: []pipeline.Consumer{n.store}})
	n.store.Follow(n.tail)
	return nil
}

func (n *Node) openEdges(mem memory) error {
	limits := n.charter.Current().Limits()
	counter := func(name, help, label string) func(string) pipeline.Counter {
		return func(value string) pipeline.Counter { return n.registry.Counter(name, help, label, value) }
	}
	g := n.governance
	redacted := counter("clew_pipeline_redacted_values_total", "Values that were redacted before they reached a disk.", "reason")
	// What is checked was redacted before: a finding shows names and values.
	var chain telemetry.Sink = pipeline.NewCheck(n.tail, g.Rules, g.findings, g.coverage,
		counter("clew_pipeline_checked_total", "What the checks changed or left out.", "what"))
	chain = pipeline.NewRedact(chain, g.Rules, g.findings, redacted)
	chain = pipeline.NewEnrich(chain, n.registry.Counter("clew_pipeline_renamed_attributes_total", "Attributes that were given their current name beside the old one."))
	chain = pipeline.NewNormalise(chain, n.registry.Counter("clew_pipeline_unnamed_services_total", "Resources that came without a service.name."))
	n.tracer = health.NewTracer(health.TracerOptions{Sink: pipeline.NewRedact(n.tail, g.Rules, g.findings, redacted), Tenant: SelfTenant, Version: health.ReadBuild().Version, Registry: n.registry, Logger: n.log})
	health.RegisterProcess(n.registry, n.started)
	n.registry.OnCollect(n.collectStore)
	n.registry.OnCollect(n.collectGovernance)
	var err error
	n.receive, err = receive.New(n.receiveOptions(chain, limits, mem))
	if err != nil {
		return err
	}
	n.receive.Start()
	n.background.Go(func() {
		select {
		case err := <-n.receive.Failed():
			n.fail(err)
		case <-n.ctx.Done():
		}
	})
	n.scores = openScores(n.store, n.governance.knows, n.folder.join(scoresFile), n.log)
	n.background.Go(func() { n.scores.run(n.ctx) })
	n.api = api.New(n.apiOptions())
	var h http.Handler = n.api
	n.handler.Store(&h)
	return nil
}

func (n *Node) apiOptions() api.Options {
	build := health.ReadBuild()
	return api.Options{
		Store: n.store, Auth: n.state, Limits: func() charter.Limits { return n.charter.Current().Limits() },
		Page: ui.FS(),
		Mount: mount(compat.TempoPaths, compat.NewTempo(compat.TempoOptions{Store: n.store,
			Limits: func() charter.Limits { return n.charter.Current().Limits() }, Names: func(key string) []string { return n.governance.Charter().AllNames(key) },
			Ready: n.whyNotReady, Version: build.Version, Logger: n.log})),
		Ready: n.whyNotReady, WriteMetrics: n.registry.WriteText, Observe: n.observe, Trace: n.traceRequest,
		Score: n.scores.of, Governance: n.governance, Policy: n.governance.kits, Instances: policy.NewInstances(nil), Backup: n.backup,
		Build: api.Build{Version: build.Version, Revision: build.Revision, Go: build.Go}, Started: n.started, Logger: n.log,
	}
}

func mount(prefixes []string, h http.Handler) map[string]http.Handler {
	out := map[string]http.Handler{}
	for _, p := range prefixes {
		out[p] = h
	}
	return out
}

// logBound is what the log may hold of the disk's budget: a quarter, at most 1 GiB
// and at least two of the largest records.
func logBound(disk int64) int64 { return max(min(1<<30, disk/4), 192<<20) }

// whyNotReady is empty while the node can serve.
func (n *Node) whyNotReady() string {
	if why := n.ready.Reason(); why != "" {
		return why
	}
	return n.store.ReadOnly()
}

// HTTPAddr is the address of the page and the APIs.
func (n *Node) HTTPAddr() string { return n.page.Addr().String() }

// GRPCAddr is the address of OTLP/gRPC.
func (n *Node) GRPCAddr() string { return n.grpc.Addr().String() }

// OTLPHTTPAddr is the address of OTLP/HTTP.
func (n *Node) OTLPHTTPAddr() string { return n.otlp.Addr().String() }

// ZipkinAddr is the address for Zipkin alone, or empty.
func (n *Node) ZipkinAddr() string {
	if n.zipkin == nil {
		return ""
	}
	return n.zipkin.Addr().String()
}

// Wait blocks until the node cannot go on or is closed.
func (n *Node) Wait() error {
	select {
	case err := <-n.fatal:
		return err
	case <-n.ctx.Done():
		return nil
	}
}

func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

// Close stops what Open started, in reverse: no new requests, those in flight are
// finished, what is fresh is written to segments. ctx bounds the whole.
func (n *Node) Close(ctx context.Context) error {
	n.ready.Stopping()
	var errs []error
	if n.receive != nil {
		errs = append(errs, n.receive.Stop(ctx))
	}
	if n.tracer != nil {
		n.tracer.Flush()
	}
	if n.api != nil {
		n.api.Stop()
	}
	if n.http != nil {
		if err := n.http.Shutdown(ctx); err != nil {
			errs = append(errs, n.http.Close())
		}
	}
	n.cancel()
	n.background.Wait()
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.state != nil {
		errs = append(errs, n.state.Close())
	}
	for _, l := range []net.Listener{n.page, n.grpc, n.otlp, n.zipkin} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if n.folder != nil {
		errs = append(errs, n.folder.close())
	}
	return errors.Join(errs...)
}

// loadTLS reads certificate and key at every handshake whose files have changed,
// so that they can be renewed without a restart.
func loadTLS(certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" {
		return nil, nil
	}
	k := &keyPair{cert: filepath.Clean(certFile), key: filepath.Clean(keyFile)}
	if _, err := k.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get}, nil
}

type keyPair struct {
	cert, key string
	mu        sync.Mutex
	stamp     [2]time.Time
	loaded    *tls.Certificate
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var stamp [2]time.Time
	for i, name := range []string{k.cert, k.key} {
		st, err := os.Stat(name)
		if err != nil {
			return k.keep(fmt.Errorf("--tls-cert and --tls-key: %w: name two readable PEM files", err))
		}
		stamp[i] = st.ModTime()
	}
	if k.loaded != nil && stamp == k.stamp {
		return k.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return k.keep(fmt.Errorf("--tls-cert %s, --tls-key %s: %w: name a PEM certificate chain and its key", k.cert, k.key, err))
	}
	k.loaded, k.stamp = &pair, stamp
	return k.loaded, nil
}

// keep serves the pair that was good last while the files are being replaced.
func (k *keyPair) keep(err error) (*tls.Certificate, error) {
	if k.loaded != nil {
		return k.loaded, nil
	}
	return nil, err
}
