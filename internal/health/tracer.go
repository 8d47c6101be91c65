package health

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// TracerOptions configure a Tracer.
type TracerOptions struct {
	Sink      telemetry.Sink // of the pipeline that ingest uses
	Tenant    string         // whose spans they are
	Version   string         // service.version
	Registry  *Registry
	Logger    *slog.Logger
	Now       func() time.Time // default time.Now
	PerSecond float64          // traces begun a second in the long run; default 10
	Burst     float64          // traces begun at once; default 50
	Buffer    int              // spans that wait to be written; default 2,048
}

// Tracer makes spans of Clew's own work and writes them into Clew. A nil Tracer
// is switched off: it makes nothing and costs nothing.
type Tracer struct {
	o       TracerOptions
	spans   *Counter
	dropped map[string]*Counter

	mu      sync.Mutex
	tokens  float64
	filled  time.Time
	done    []*Span
	builder *telemetry.Builder // of Flush only, which one goroutine runs at a time
	flush   sync.Mutex
}

// Reasons for which own spans are dropped.
const (
	dropRate    = "rate"
	dropBuffer  = "buffer"
	dropRefused = "refused"
)

// NewTracer returns a Tracer; Run writes what it collects.
func NewTracer(o TracerOptions) *Tracer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.PerSecond == 0 {
		o.PerSecond = 10
	}
	if o.Burst == 0 {
		o.Burst = 50
	}
	if o.Buffer == 0 {
		o.Buffer = 2048
	}
	t := &Tracer{o: o, tokens: o.Burst, filled: o.Now(), builder: telemetry.NewBuilder(), dropped: map[string]*Counter{}}
	t.spans = o.Registry.Counter("clew_self_spans_total", "Spans of Clew's own work that were written.")
	for _, reason := range []string{dropRate, dropBuffer, dropRefused} {
		t.dropped[reason] = o.Registry.Counter("clew_self_dropped_spans_total", "Spans of Clew's own work that were dropped.", "reason", reason)
	}
	return t
}

// Span is one piece of work. A nil Span takes every call and does nothing.
type Span struct {
	t       *Tracer
	trace   telemetry.TraceID
	id      telemetry.SpanID
	parent  telemetry.SpanID
	name    string
	kind    uint8
	start   time.Time
	end     time.Time
	failure string
	attrs   []attr // by the goroutine that has the span
}

type attr struct {
	key  string
	text string
	num  int64
	isN  bool
}

type spanKey struct{}

// Start begins a span below the one in ctx, or a new trace. It gives a nil Span
// when the trace is not recorded.
func (t *Tracer) Start(ctx context.Context, name string, kind uint8) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	if parent, ok := ctx.Value(spanKey{}).(*Span); ok {
		if parent == nil {
			return ctx, nil
		}
		return t.begin(ctx, parent.trace, parent.id, name, kind)
	}
	return t.root(ctx, telemetry.TraceID{}, telemetry.SpanID{}, name, kind)
}

// Request begins the span of a request whose caller sent traceparent (empty:
// none). A caller that did not sample its trace is followed in that. The
// function that it returns ends the span with the answer's status and error.
func (t *Tracer) Request(ctx context.Context, method, route, traceparent string) (context.Context, func(status int, err error)) {
	if t == nil {
		return ctx, func(int, error) {}
	}
	trace, parent, sampled, ok := ParseTraceparent(traceparent)
	if ok && !sampled {
		return context.WithValue(ctx, spanKey{}, (*Span)(nil)), func(int, error) {}
	}
	ctx, s := t.root(ctx, trace, parent, method+" "+route, telemetry.KindServer)
	s.Text("http.request.method", method)
	s.Text("http.route", route)
	return ctx, func(status int, err error) {
		s.Int("http.response.status_code", int64(status))
		if status >= 500 {
			s.Fail(err)
		}
		s.End()
	}
}

func (t *Tracer) root(ctx context.Context, trace telemetry.TraceID, parent telemetry.SpanID, name string, kind uint8) (context.Context, *Span) {
	if !t.allow() {
		t.dropped[dropRate].Add(1)
		return context.WithValue(ctx, spanKey{}, (*Span)(nil)), nil
	}
	if trace.IsZero() {
		binary.BigEndian.PutUint64(trace[:8], rand.Uint64())
		binary.BigEndian.PutUint64(trace[8:], rand.Uint64()|1)
	}
	return t.begin(ctx, trace, parent, name, kind)
}

func (t *Tracer) begin(ctx context.Context, trace telemetry.TraceID, parent telemetry.SpanID, name string, kind uint8) (context.Context, *Span) {
	s := &Span{t: t, trace: trace, parent: parent, name: name, kind: kind, start: t.o.Now()}
	binary.BigEndian.PutUint64(s.id[:], rand.Uint64()|1)
	return context.WithValue(ctx, spanKey{}, s), s
}

// allow takes from a bucket that holds Burst and fills at PerSecond.
func (t *Tracer) allow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	if since := now.Sub(t.filled); since > 0 {
		t.tokens = min(t.o.Burst, t.tokens+since.Seconds()*t.o.PerSecond)
		t.filled = now
	}
	if t.tokens < 1 {
		return false
	}
	t.tokens--
	return true
}

// Text sets an attribute. The last value of a key stays.
func (s *Span) Text(key, v string) {
	if s != nil {
		s.attrs = append(s.attrs, attr{key: key, text: v})
	}
}

// Int sets an attribute. The last value of a key stays.
func (s *Span) Int(key string, v int64) {
	if s != nil {
		s.attrs = append(s.attrs, attr{key: key, num: v, isN: true})
	}
}

// Fail marks the span as failed. The message is the kind of the error and not
// its text, which may quote what a user asked.
func (s *Span) Fail(err error) {
	if s != nil {
		s.failure = telemetry.KindOf(err).String()
	}
}

// End ends the span and gives it to the Tracer. It MUST be called once.
func (s *Span) End() {
	if s == nil {
		return
	}
	s.end = s.t.o.Now()
	s.t.mu.Lock()
	full := len(s.t.done) >= s.t.o.Buffer
	if !full {
		s.t.done = append(s.t.done, s)
	}
	s.t.mu.Unlock()
	if full {
		s.t.dropped[dropBuffer].Add(1)
	}
}

// Run writes the ended spans every second until ctx ends, and then once more.
func (t *Tracer) Run(ctx context.Context) {
	if t == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.Flush()
			return
		case <-tick.C:
			t.Flush()
		}
	}
}

// Flush writes the ended spans now.
func (t *Tracer) Flush() {
	t.flush.Lock()
	defer t.flush.Unlock()
	t.mu.Lock()
	spans := t.done
	t.done = nil
	t.mu.Unlock()
	if len(spans) == 0 {
		return
	}
	t.builder.Reset(t.o.Tenant)
	if err := t.o.Sink.Write(t.batch(spans)); err != nil {
		t.dropped[dropRefused].Add(float64(len(spans)))
		t.o.Logger.Debug("own spans refused", "spans", len(spans), "err", err)
		return
	}
	t.spans.Add(float64(len(spans)))
}

func (t *Tracer) batch(spans []*Span) *telemetry.Batch {
	b := t.builder
	resource := b.Resources.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(resource, []byte("clew"))
	b.Resources.Col(telemetry.ScopeResource, []byte("service.version"), telemetry.TypeString).AddText(resource, []byte(t.o.Version))
	scope := b.Scopes.AddRow()
	b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(scope, []byte("github.com/clew-dev/clew/internal/health"))
	for _, s := range spans {
		status := uint8(telemetry.StatusUnset)
		if s.failure != "" {
			status = telemetry.StatusError
		}
		row := b.AddSpan(telemetry.Span{
			TraceID: s.trace, SpanID: s.id, Parent: s.parent, Start: s.start.UnixNano(), Duration: int64(s.end.Sub(s.start)),
			Kind: s.kind, Status: status, Flags: 1, Resource: resource, Scope: scope,
		}, []byte(s.name))
		for _, a := range s.attrs {
			if a.isN {
				b.Spans.Col(telemetry.ScopeSpan, []byte(a.key), telemetry.TypeInt).AddNum(row, uint64(a.num))
			} else {
				b.Spans.Col(telemetry.ScopeSpan, []byte(a.key), telemetry.TypeString).AddText(row, []byte(a.text))
			}
		}
		if s.failure != "" {
			b.Spans.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyStatusMessage), telemetry.TypeString).AddText(row, []byte(s.failure))
		}
	}
	return &b.Batch
}

// ParseTraceparent reads the W3C header of that name. ok is false for anything
// that the recommendation calls invalid.
func ParseTraceparent(h string) (trace telemetry.TraceID, parent telemetry.SpanID, sampled, ok bool) {
	// version-traceid-spanid-flags: 2+1+32+1+16+1+2; a later version may be longer.
	if len(h) < 55 || h[2] != '-' || h[35] != '-' || h[52] != '-' || h[:2] == "ff" || h[:2] == "00" && len(h) != 55 || len(h) > 55 && h[55] != '-' {
		return trace, parent, false, false
	}
	for i := range 55 {
		if c := h[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return trace, parent, false, false
		}
	}
	if _, err := strconv.ParseUint(h[:2], 16, 8); err != nil {
		return trace, parent, false, false
	}
	flags, err := strconv.ParseUint(h[53:55], 16, 8)
	_, badTrace := hex.Decode(trace[:], []byte(h[3:35]))
	_, badSpan := hex.Decode(parent[:], []byte(h[36:52]))
	if err != nil || badTrace != nil || badSpan != nil || trace.IsZero() || parent.IsZero() {
		return telemetry.TraceID{}, telemetry.SpanID{}, false, false
	}
	return trace, parent, flags&1 == 1, true
}
