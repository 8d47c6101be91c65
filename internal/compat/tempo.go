package compat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tempoVersion is the version of Tempo whose interface this is; clients read it
// to know what they may ask. Clew's own version follows the plus.
const tempoVersion = "2.8.0+clew"

// TempoOptions configure the dialect. Store and Limits are needed.
type TempoOptions struct {
	Store   store.Store
	Limits  func() charter.Limits
	Ready   func() string // empty, or why the server is not ready
	Version string        // of Clew
	Logger  *slog.Logger
	Now     func() time.Time
}

type tempo struct {
	o   TempoOptions
	mux *http.ServeMux
}

// NewTempo returns the handler of all paths below /tempo/.
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
		"GET /tempo/api/echo":                       t.echo,
		"GET /tempo/ready":                          t.ready,
		"GET /tempo/api/status/buildinfo":           t.buildinfo,
		"GET /tempo/api/v2/traces/{id}":             t.traceV2,
		"GET /tempo/api/traces/{id}":                t.traceV1,
		"GET /tempo/api/search":                     t.search,
		"GET /tempo/api/search/tags":                t.tagNamesV1,
		"GET /tempo/api/v2/search/tags":             t.tagNamesV2,
		"GET /tempo/api/search/tag/{tag}/values":    t.tagValuesV1,
		"GET /tempo/api/v2/search/tag/{tag}/values": t.tagValuesV2,
		"GET /tempo/api/metrics/query_range":        t.queryRange,
		"GET /tempo/api/metrics/query":              t.queryInstant,
	} {
		t.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := handle(w, r); err != nil {
				t.fail(w, r, err)
			}
		})
	}
	return t
}

func (t *tempo) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

func tenant(r *http.Request) string { return auth.FromContext(r.Context()).Tenant }

// fail answers with an error as Tempo does: its text, and nothing for a trace
// that is not there.
func (t *tempo) fail(w http.ResponseWriter, r *http.Request, err error) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	var known *telemetry.Error
	if !errors.As(err, &known) && errors.Is(err, context.DeadlineExceeded) {
		err = telemetry.Errorf(telemetry.KindExhausted, "the answer took longer than limits.query_timeout allows: narrow the time range or add a filter")
	} else if !errors.As(err, &known) && errors.Is(err, context.Canceled) {
		err = telemetry.Errorf(telemetry.KindUnavailable, "the request was ended before its answer")
	}
	kind := telemetry.KindOf(err)
	if d := telemetry.RetryAfterOf(err); d > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
	message := err.Error()
	switch kind {
	case telemetry.KindInternal:
		t.o.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		message = "something is broken inside Clew; its log says what"
	case telemetry.KindNotFound:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.WriteHeader(kind.HTTPStatus())
	fmt.Fprintln(w, message)
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

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that has gone cannot be told
	return nil
}

// rangeOf reads start and end: Unix seconds, or RFC 3339, or Unix nanoseconds as
// newer clients send them. Both missing means the last hour.
func (t *tempo) rangeOf(r *http.Request) (store.Range, error) {
	now := t.o.Now().UnixNano()
	end, err := instant("end", r.FormValue("end"), now)
	if err != nil {
		return store.Range{}, err
	}
	start, err := instant("start", r.FormValue("start"), query.SaturatingSub(end, int64(time.Hour)))
	if err != nil {
		return store.Range{}, err
	}
	if start >= end {
		return store.Range{}, telemetry.Errorf(telemetry.KindInvalid, "invalid start: it is not before end")
	}
	return store.Range{Start: start, End: end}, nil
}

func instant(name, v string, preset int64) (int64, error) {
	if v == "" {
		return preset, nil
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		switch {
		case n < maxSeconds:
			return n * int64(time.Second), nil
		case n >= 1e15:
			return n, nil
		}
	} else if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && f < maxSeconds {
		return int64(f * 1e9), nil
	} else if at, err := time.Parse(time.RFC3339Nano, v); err == nil && at.Unix() >= 0 && at.Unix() < maxSeconds {
		return at.UnixNano(), nil
	}
	return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is not a time in Unix seconds", name, telemetry.Clip(v))
}

// maxSeconds is the last instant that nanoseconds in 64 bits can hold.
const maxSeconds = 9_223_372_036

// number reads a whole number; what is over most is lowered to it, as Tempo does.
func number(r *http.Request, name string, preset, most int) (int, error) {
	v := r.FormValue(name)
	if v == "" {
		return preset, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is not a positive number", name, telemetry.Clip(v))
	}
	if n == 0 {
		return preset, nil
	}
	return min(n, most), nil
}
