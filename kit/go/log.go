package clew

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Logger returns a logger whose lines have the schema clew/1 (kit/contract/README.md, section 7), with the ids of the span in the context
// that is given to InfoContext and its siblings; Info and its siblings have no context and so no ids. Lines go to standard output on a
// goroutine of the kit, so that a reader that stands still holds up nobody; a line of level ERROR waits until it is written, 100 ms at most.
// The same events are sent to the collector. The policy decides about the level and about redaction, and how many lines a second one
// call site may write (100, ERROR at least 100); the rest is counted in one line.
//
// An attribute "error" or "err" that is an error becomes the line's chain of messages. Make it the default with
// slog.SetDefault(k.Logger()).
//
// On a kit that was not started the logger discards everything.
func (k *Kit) Logger() *slog.Logger {
	if k == nil || k.logs == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&handler{pipeline: k.logs})
}

// HandlerOptions are those of NewHandler. The zero value is usable.
type HandlerOptions struct {
	// Service is the line's service; "" leaves it out.
	Service string
	// Level is the least that is written. Default slog.LevelInfo.
	Level slog.Level
	// LinesPerSecond is how many lines a second one call site may write, ERROR at least 100. Default 100.
	LinesPerSecond int
}

// NewHandler returns a handler that writes the lines of Logger to w and needs no kit: for tools and tests. It writes each line with one
// call before the logging call returns, one at a time, so a w that blocks holds up its callers. Errors of w are not reported.
func NewHandler(w io.Writer, options HandlerOptions) slog.Handler {
	own := policy.Document{LogLevel: policy.Some(logLevel(options.Level))}
	if options.LinesPerSecond > 0 {
		own.LogLinesPerSecond = policy.Some(int64(options.LinesPerSecond))
	}
	return &handler{pipeline: logline.NewPipeline(logline.PipelineConfig{
		Service: options.Service, Policy: policy.NewHolder(own), Counters: new(self.Counters), Output: w, Inline: true,
	})}
}

// handler is a slog.Handler. It keeps attributes of With as they are and writes them for each line, because redaction may change meanwhile.
type handler struct {
	pipeline *logline.Pipeline
	attrs    []prefixed
	prefix   string // The open groups, each with its dot.
}

// prefixed are attributes that were given under the same groups.
type prefixed struct {
	prefix string
	attrs  []slog.Attr
}

// severity is the level of slog as a line has it: levels between two names belong to the lower one.
func severity(level slog.Level) logline.Level {
	switch {
	case level < slog.LevelDebug:
		return logline.Trace
	case level < slog.LevelInfo:
		return logline.Debug
	case level < slog.LevelWarn:
		return logline.Info
	case level < slog.LevelError:
		return logline.Warn
	}
	return logline.Error
}

func logLevel(level slog.Level) policy.LogLevel {
	return policy.LogLevel((severity(level) - logline.Trace) / 4)
}

// Enabled costs one atomic load.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.pipeline.Enabled(severity(level))
}

// Handle writes the record. It never returns an error and never panics: what cannot be written is counted.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	defer h.pipeline.Guard()
	e := logline.Event{Level: severity(r.Level), Message: r.Message}
	if r.Time.IsZero() {
		e.NoTime = true
		e.Observed = time.Now().UnixNano()
	} else {
		e.Time = r.Time.UnixNano()
		e.Observed = e.Time
	}
	site := uint64(r.PC)
	if site == 0 {
		site = logline.TextKey(r.Message)
	}
	l, ok := h.pipeline.Begin(&e, site)
	if !ok {
		return nil
	}
	if ctx != nil {
		span := SpanContextOf(ctx)
		e.TraceID, e.SpanID, e.Flags = span.TraceID, span.SpanID, byte(span.Flags)
		e.Task = logline.TaskID(ctx)
	}
	for _, group := range h.attrs {
		l.Prefix = group.prefix
		for _, a := range group.attrs {
			l.Attr(a)
		}
	}
	l.Prefix = h.prefix
	r.Attrs(func(a slog.Attr) bool {
		l.Attr(a)
		return true
	})
	h.pipeline.End(l, &e, 0)
	return nil
}

// WithAttrs returns a handler whose lines have the attributes too.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	next := *h
	next.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], prefixed{h.prefix, attrs})
	return &next
}

// WithGroup returns a handler that puts the name and a dot before the keys of what comes.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix = h.prefix + name + "."
	return &next
}
