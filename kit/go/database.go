package clew

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/bound"
	"github.com/clew-dev/clew/kit/go/internal/sanitise"
)

var databaseDuration = DurationHistogram("db.client.operation.duration", ComponentSQL, Needs(ComponentSQL, Standard),
	Description("Duration of database client operations."))

// Database is what integrations of database clients record with: one CLIENT span and one duration a call, in the words of the contract.
// Make one for each server and keep it; all methods may be called from any goroutine.
type Database struct {
	system, namespace, host string
	port                    int
	named                   *Fixed // its system
	statements              bound.Cache[string, Statement]
	durations               bound.Cache[databaseOutcome, BoundHistogram]
}

// NewDatabase describes a database. System is a name of the semantic conventions (postgresql, redis); what is empty or 0 is left out.
func NewDatabase(system, namespace, host string, port int) *Database {
	return &Database{system: system, namespace: namespace, host: host, port: port, named: Fix(String("db.system.name", system))}
}

// Statement is what may be said about a statement: its text without literals, a summary such as SELECT orders, its operation, and its
// collection when there is just one.
type Statement struct {
	Text, Summary, Operation, Collection string

	known *knownStatement // what the Database that it is from remembers of it
}

// knownStatement is what is the same for all calls of a statement.
type knownStatement struct {
	st        Statement
	of        *Database
	about     *Fixed
	whole     *Fixed // about, and the system before it
	succeeded atomic.Pointer[BoundHistogram]
}

// recall is what d remembers of a statement, nil when it is not its own or was changed.
func (d *Database) recall(st *Statement) *knownStatement {
	k := st.known
	if k == nil || k.of != d || k.st.Text != st.Text || k.st.Summary != st.Summary || k.st.Operation != st.Operation || k.st.Collection != st.Collection {
		return nil
	}
	return k
}

type databaseOutcome struct{ operation, failed string }

// longestCached bounds the statements that are remembered; those with literals in them are mostly the long ones.
const longestCached = 1_024

// SQL takes the literals out of a statement. What it says of the first ones it remembers.
func (d *Database) SQL(text string) Statement {
	if text == "" {
		return Statement{}
	}
	if len(text) > longestCached {
		return d.statement(text)
	}
	st, ok := d.statements.FindAt(text, text)
	if ok {
		return st
	}
	if d.statements.Full() {
		return d.statement(text)
	}
	return d.statements.Get(strings.Clone(text), d.know)
}

// know makes a statement that is remembered.
func (d *Database) know(text string) Statement {
	st := d.statement(text)
	about := d.describe(st)
	whole := append([]Attr{String("db.system.name", d.system)}, about...)
	st.known = &knownStatement{st: st, of: d, about: Fix(about...), whole: Fix(whole...)}
	return st
}

func (d *Database) statement(text string) Statement {
	s := sanitise.SQL(d.system, text)
	return Statement{Text: s.Text, Summary: s.Summary, Operation: s.Operation, Collection: s.Collection}
}

// DatabaseCall is one call that is under way.
type DatabaseCall struct {
	d     *Database
	st    Statement
	ctx   context.Context
	span  Active
	start time.Time
	told  bool // the span knows the statement
}

// Start starts the span of a call. When the component is off the call records nothing.
func (d *Database) Start(ctx context.Context, st Statement, attrs ...Attr) (context.Context, DatabaseCall) {
	if !On(ComponentSQL, Standard) {
		return ctx, DatabaseCall{}
	}
	c := DatabaseCall{d: d, st: st, start: time.Now()}
	o := SpanOptions{Component: ComponentSQL, Need: Standard, Kind: Client, Start: c.start, Fixed: d.named}
	ctx, c.span = StartWith(ctx, d.name(st), o)
	c.ctx = ctx
	c.span.Set(attrs...)
	return ctx, c
}

// Did records a call that has returned, for drivers of which one knows only then whether there was one.
func (d *Database) Did(ctx context.Context, start time.Time, st Statement, err error) {
	if !On(ComponentSQL, Standard) {
		return
	}
	c := DatabaseCall{d: d, st: st, start: start, ctx: ctx}
	o := SpanOptions{Component: ComponentSQL, Need: Standard, Kind: Client, Start: start, Fixed: d.named, leaf: true}
	if known := d.recall(&st); known != nil {
		o.Fixed, c.told = known.whole, true
	}
	_, c.span = StartWith(ctx, d.name(st), o)
	c.End(err)
}

// name is the summary, else the operation, else the system.
func (d *Database) name(st Statement) string {
	switch {
	case st.Summary != "":
		return st.Summary
	case st.Operation != "":
		return st.Operation
	}
	return d.system
}

// Span is the call's span.
func (c DatabaseCall) Span() Active { return c.span }

// End ends the call. An err of nil is success; "no rows" is for the caller to leave out.
func (c DatabaseCall) End(err error) {
	if c.d == nil {
		return
	}
	known := c.d.recall(&c.st)
	if !c.told && c.span.Recording() {
		if known != nil {
			c.span.SetFixed(known.about)
		} else {
			c.span.Set(c.d.describe(c.st)...)
		}
	}
	failDatabase(c.span, err)
	took := time.Since(c.start)
	c.d.duration(known, c.st.Operation, err).RecordDuration(c.ctx, took)
	c.span.EndAt(c.start.Add(took))
}

// duration is where the time of a call is recorded.
func (d *Database) duration(known *knownStatement, operation string, err error) BoundHistogram {
	if err != nil {
		return d.durations.Get(databaseOutcome{operation, databaseErrorType(err)}, d.bind)
	}
	if known == nil {
		return d.durations.Get(databaseOutcome{operation, ""}, d.bind)
	}
	h := known.succeeded.Load()
	if h == nil {
		bound := d.durations.Get(databaseOutcome{operation, ""}, d.bind)
		h = &bound
		known.succeeded.Store(h)
	}
	return *h
}

func (d *Database) bind(o databaseOutcome) BoundHistogram {
	attrs := []Attr{String("db.system.name", d.system)}
	if o.operation != "" {
		attrs = append(attrs, String("db.operation.name", o.operation))
	}
	if o.failed != "" {
		attrs = append(attrs, String("error.type", o.failed))
	}
	return databaseDuration.With(attrs...)
}

// describe is what a span says of a statement, beside the system.
func (d *Database) describe(st Statement) []Attr {
	attrs := make([]Attr, 0, 7)
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, String(key, value))
		}
	}
	add("db.namespace", d.namespace)
	add("server.address", d.host)
	if d.port != 0 {
		attrs = append(attrs, Int("server.port", d.port))
	}
	add("db.query.text", st.Text)
	add("db.query.summary", st.Summary)
	add("db.operation.name", st.Operation)
	add("db.collection.name", st.Collection)
	return attrs
}

func setText(span Active, key, value string) {
	if value != "" {
		span.Set(String(key, value))
	}
}

// failDatabase records a database's error; nil is none.
func failDatabase(span Active, err error) {
	if err == nil {
		return
	}
	setText(span, "db.response.status_code", databaseCode(err))
	span.Set(String("error.type", databaseErrorType(err)))
	span.Fail(err)
}

// databaseCode is the database's own code: SQLSTATE for PostgreSQL's drivers, the result code for SQLite's, the first word of an error of
// redis. An error whose methods panic has none.
func databaseCode(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	var code interface {
		error
		Code() int
	}
	if errors.As(err, &code) {
		return strconv.Itoa(code.Code())
	}
	var redis interface {
		error
		RedisError()
	}
	if errors.As(err, &redis) {
		word, _, _ := strings.Cut(redis.Error(), " ")
		return word
	}
	return ""
}

func databaseErrorType(err error) string {
	if code := databaseCode(err); code != "" {
		return code
	}
	return errorType(err)
}
