package compat

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tempoVersion is the version of Tempo whose interface this is; clients read it
// to know what they may ask. Clew's own version follows the plus.
const tempoVersion = "2.8.0+clew"

// TempoPaths are the prefixes below which NewTempo's handler answers: the HTTP
// interface, and gRPC, whose clients know no prefix of their own.
var TempoPaths = []string{"/tempo/", streamPath}

// TempoOptions configure the dialect. Store and Limits are needed.
type TempoOptions struct {
	Store   store.Store
	Limits  func() charter.Limits
	Names   query.Names   // of attributes that were renamed; nil: none were
	Ready   func() string // empty, or why the server is not ready
	Version string        // of Clew
	Logger  *slog.Logger
	Now     func() time.Time
}

type tempo struct {
	o   TempoOptions
	mux *http.ServeMux
}

// NewTempo returns the handler of all paths below TempoPaths.
func NewTempo(o TempoOptions) http.Handler {
	if o.Ready == nil {
		o.Ready = func() string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &tempo{o, http.NewServeMux()}
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /tempo/api/echo":                            t.echo,
		"GET /tempo/ready":                               t.ready,
		"GET /tempo/api/status/buildinfo":                t.buildinfo,
		"GET /tempo/api/v2/traces/{id}":                  t.traceV2,
		"GET /tempo/api/traces/{id}":                     t.traceV1,
		"GET /tempo/api/search":                          answers(t.search),
		"GET /tempo/api/search/tags":                     answers(t.tagNamesV1),
		"GET /tempo/api/v2/search/tags":                  answers(t.tagNamesV2),
		"GET /tempo/api/search/tag/{tagAndValues...}":    t.tagPath(t.tagValuesV1),
		"GET /tempo/api/v2/search/tag/{tagAndValues...}": t.tagPath(t.tagValuesV2),
		"GET /tempo/api/metrics/query_range":             answers(t.queryRange),
		"GET /tempo/api/metrics/query":                   answers(t.queryInstant),
	} {
		t.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := handle(w, r); err != nil {
				t.fail(w, r, err)
			}
		})
	}
	t.mux.HandleFunc(streamPath+"{method}", t.stream)
	return t
}

func (t *tempo) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

// answers makes a handler of a question, in JSON or in protobuf as the client asks.
func answers(find func(context.Context, ask) (answer, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := askOf(r)
		if err != nil {
			return err
		}
		found, err := find(r.Context(), a)
		if err != nil {
			return err
		}
		return respond(w, r, found)
	}
}

// told gives what a client is told of an error. What is broken inside is logged instead.
func (t *tempo) told(r *http.Request, err error) (telemetry.Kind, string, time.Duration) {
	err = api.Classify(err)
	kind := telemetry.KindOf(err)
	if kind == telemetry.KindInternal {
		t.o.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		return kind, "something is broken inside Clew; its log says what", 0
	}
	return kind, err.Error(), telemetry.RetryAfterOf(err)
}

// fail answers with an error as Tempo does: its text, and nothing for a trace
// that is not there.
func (t *tempo) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind, message, retry := t.told(r, err)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	w.WriteHeader(kind.HTTPStatus())
	if kind != telemetry.KindNotFound {
		fmt.Fprintln(w, message)
	}
}

func (t *tempo) echo(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, "echo")
	return nil
}

func (t *tempo) ready(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if reason := t.o.Ready(); reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, reason)
		return nil
	}
	fmt.Fprintln(w, "ready")
	return nil
}

func (t *tempo) buildinfo(w http.ResponseWriter, _ *http.Request) error {
	version := tempoVersion
	if t.o.Version != "" {
		version += "." + strings.Map(semverRune, t.o.Version)
	}
	return writeJSON(w, struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildDate string `json:"buildDate"`
		BuildUser string `json:"buildUser"`
		GoVersion string `json:"goVersion"`
	}{Version: version, GoVersion: runtime.Version()})
}

// semverRune keeps what the build part of a semantic version may hold.
func semverRune(r rune) rune {
	if r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
		return r
	}
	return '-'
}
