// Package otellog takes events of the OpenTelemetry logs API into the kit, so that the bridges of other logging libraries (otelzap,
// otelslog, otellogrus, otelzerolog) write the kit's lines and records:
//
//	k := clew.Start(ctx, clew.Service("orders", "1.4.2"))
//	logger := zap.New(otelzap.NewCore("orders", otelzap.WithLoggerProvider(otellog.NewProvider())))
//
// Or global.SetLoggerProvider(otellog.NewProvider()) of go.opentelemetry.io/otel/log/global for all of them.
//
// It is a module of its own because it needs a later OpenTelemetry API than the kit does: the first in which the logs API is stable.
package otellog

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/logline"
)

// NewProvider returns a provider whose loggers write to whichever kit is running. While none is, events are dropped. It may be made before
// the kit is started.
func NewProvider() log.LoggerProvider { return provider{} }

// The types of the API's noop package make methods that later versions of the API add do nothing, instead of not compiling.
type provider struct{ noop.LoggerProvider }

func (provider) Logger(name string, options ...log.LoggerOption) log.Logger {
	c := log.NewLoggerConfig(options...)
	return &logger{name: name, version: c.InstrumentationVersion(), schemaURL: c.SchemaURL()}
}

type logger struct {
	noop.Logger
	name, version, schemaURL string
	scope                    atomic.Pointer[scope]
}

// scope is what the exporter of one kit calls the logger.
type scope struct {
	pipeline *logline.Pipeline
	number   uint32
}

func (l *logger) scopeIn(p *logline.Pipeline) uint32 {
	s := l.scope.Load()
	if s == nil || s.pipeline != p {
		s = &scope{p, p.Scope(l.name, l.version, l.schemaURL)}
		l.scope.Store(s)
	}
	return s.number
}

// level is the severity as a line has it. What has none is INFO, FATAL is ERROR.
func level(s log.Severity) logline.Level {
	switch {
	case s <= log.SeverityUndefined:
		return logline.Info
	case s >= log.SeverityError:
		return logline.Error
	}
	return logline.Level((s-1)/4*4 + 1)
}

func (l *logger) Enabled(_ context.Context, p log.EnabledParameters) bool {
	pipeline := logline.Current()
	return pipeline != nil && pipeline.Enabled(level(p.Severity))
}

// Emit writes the record as a line and sends it. It never panics: what cannot be written is dropped.
func (l *logger) Emit(ctx context.Context, r log.Record) {
	pipeline := logline.Current()
	if pipeline == nil {
		return
	}
	defer pipeline.Guard()
	e := logline.Event{Level: level(r.Severity()), Message: message(r.Body()), Name: r.EventName()}
	e.Time, e.Observed = r.Timestamp().UnixNano(), r.ObservedTimestamp().UnixNano()
	if r.ObservedTimestamp().IsZero() {
		e.Observed = time.Now().UnixNano()
	}
	if r.Timestamp().IsZero() {
		// OTLP: the time at which an event was observed stands for the time at which it happened.
		e.Time = e.Observed
	}
	var place code
	r.WalkAttributes(place.look)
	e.Code = place.String()
	site := e.Code
	if site == "" {
		site = l.name + "\n" + e.Message
	}
	line, ok := pipeline.Begin(&e, logline.TextKey(site))
	if !ok {
		return
	}
	if ctx != nil {
		span := trace.SpanContextFromContext(ctx)
		e.TraceID, e.SpanID, e.Flags = span.TraceID(), span.SpanID(), byte(span.TraceFlags())
		e.Task = logline.TaskID(ctx)
	}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if e.Code == "" || !isCode(string(kv.Key)) {
			set(line, string(kv.Key), kv.Value, 0)
		}
		return true
	})
	if err := r.Err(); err != nil {
		line.Err("error", err)
	}
	pipeline.End(line, &e, l.scopeIn(pipeline))
}

// message is the text of a body; one that has none is its attributes' business, so it is JSON.
func message(body attribute.Value) string {
	if body.Type() == attribute.EMPTY {
		return ""
	}
	return body.String()
}

// code is where an event comes from, as bridges say it in the words of the semantic conventions.
type code struct {
	file string
	line int64
}

func isCode(key string) bool { return key == "code.file.path" || key == "code.line.number" }

func (c *code) look(kv attribute.KeyValue) bool {
	switch {
	case kv.Key == "code.file.path" && kv.Value.Type() == attribute.STRING:
		c.file = kv.Value.AsString()
	case kv.Key == "code.line.number" && kv.Value.Type() == attribute.INT64:
		c.line = kv.Value.AsInt64()
	}
	return true
}

func (c *code) String() string {
	if c.file == "" || c.line == 0 {
		return ""
	}
	return logline.ShortFile(c.file) + ":" + strconv.FormatInt(c.line, 10)
}
