// Package clewpgx instruments pgx for Clew: one CLIENT span and one duration for each query, batch and copy; at level detailed preparing,
// connecting and waiting for a connection of the pool are spans too.
//
//	config, err := pgxpool.ParseConfig(dsn)
//	config.ConnConfig.Tracer = clewpgx.New()
//	pool, err := pgxpool.NewWithConfig(ctx, config)
//
// Literals are taken out of statements, arguments are not recorded. What it records is section 8 of kit/contract. To keep another tracer as
// well, join both with pgx's multitracer.
package clewpgx

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/bound"
)

// Tracer is what pgx calls.
type Tracer struct {
	databases bound.Cache[place, *clew.Database]
}

type place struct {
	host, database string
	port           uint16
}

var (
	_ pgx.QueryTracer       = (*Tracer)(nil)
	_ pgx.BatchTracer       = (*Tracer)(nil)
	_ pgx.CopyFromTracer    = (*Tracer)(nil)
	_ pgx.PrepareTracer     = (*Tracer)(nil)
	_ pgx.ConnectTracer     = (*Tracer)(nil)
	_ pgxpool.AcquireTracer = (*Tracer)(nil)
)

// New makes a tracer for any number of connections and pools.
func New() *Tracer { return &Tracer{} }

func (t *Tracer) database(c *pgx.ConnConfig) *clew.Database {
	return t.databases.Get(place{c.Host, c.Database, c.Port}, func(p place) *clew.Database {
		return clew.NewDatabase("postgresql", p.database, p.host, int(p.port))
	})
}

// of remembers the database with the connection, because Config copies everything each time.
func (t *Tracer) of(conn *pgx.Conn) *clew.Database {
	const key = "clewpgx"
	custom := conn.PgConn().CustomData()
	d, ok := custom[key].(*clew.Database)
	if !ok {
		d = t.database(conn.Config())
		custom[key] = d
	}
	return d
}

// Each kind of call has a key of its own, because one runs inside the other: a query prepares and connects.
type (
	queryKey   struct{}
	batchKey   struct{}
	copyKey    struct{}
	prepareKey struct{}
	connectKey struct{}
	acquireKey struct{}
)

func end(ctx context.Context, key any, err error) {
	if call, ok := ctx.Value(key).(clew.DatabaseCall); ok {
		call.End(err)
	}
}

// TraceQueryStart starts the span of a query.
func (t *Tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Standard) {
		return ctx
	}
	d := t.of(conn)
	ctx, call := d.Start(ctx, d.SQL(data.SQL))
	return context.WithValue(ctx, queryKey{}, call)
}

// TraceQueryEnd ends it.
func (t *Tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	end(ctx, queryKey{}, data.Err)
}

// batched is a batch that is under way.
type batched struct {
	call clew.DatabaseCall
	err  error
}

// maxText bounds the text that is recorded of a batch.
const maxText = 4_096

// TraceBatchStart starts the span of a batch: BATCH and the summary of its first statement.
func (t *Tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Standard) {
		return ctx
	}
	d := t.of(conn)
	st := clew.Statement{Operation: "BATCH", Summary: "BATCH"}
	var text strings.Builder
	for i, q := range data.Batch.QueuedQueries {
		s := d.SQL(q.SQL)
		if i == 0 && s.Summary != "" {
			st.Summary, st.Operation, st.Collection = "BATCH "+s.Summary, "BATCH "+s.Operation, s.Collection
		}
		if text.Len() > maxText {
			break
		}
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(s.Text)
	}
	st.Text = text.String()
	ctx, call := d.Start(ctx, st)
	if n := len(data.Batch.QueuedQueries); n > 1 {
		call.Span().Set(clew.Int("db.operation.batch.size", n))
	}
	return context.WithValue(ctx, batchKey{}, &batched{call: call})
}

// TraceBatchQuery notes the first error of a batch, which its end does not always tell.
func (t *Tracer) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if b, ok := ctx.Value(batchKey{}).(*batched); ok && b.err == nil {
		b.err = data.Err
	}
}

// TraceBatchEnd ends it.
func (t *Tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	b, ok := ctx.Value(batchKey{}).(*batched)
	if !ok {
		return
	}
	if data.Err != nil {
		b.err = data.Err
	}
	b.call.End(b.err)
}

// TraceCopyFromStart starts the span of a copy.
func (t *Tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Standard) {
		return ctx
	}
	table := strings.Join(data.TableName, ".")
	ctx, call := t.of(conn).Start(ctx, clew.Statement{Summary: "COPY " + table, Operation: "COPY", Collection: table})
	return context.WithValue(ctx, copyKey{}, call)
}

// TraceCopyFromEnd ends it.
func (t *Tracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	if call, ok := ctx.Value(copyKey{}).(clew.DatabaseCall); ok {
		if data.Err == nil {
			call.Span().Set(clew.Int64("db.response.affected_rows", data.CommandTag.RowsAffected()))
		}
		call.End(data.Err)
	}
}

// TracePrepareStart starts the span of preparing a statement, at level detailed.
func (t *Tracer) TracePrepareStart(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Detailed) {
		return ctx
	}
	d := t.of(conn)
	st := d.SQL(data.SQL)
	ctx, call := d.Start(ctx, clew.Statement{Text: st.Text, Summary: "PREPARE", Operation: "PREPARE", Collection: st.Collection})
	return context.WithValue(ctx, prepareKey{}, call)
}

// TracePrepareEnd ends it.
func (t *Tracer) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareEndData) {
	end(ctx, prepareKey{}, data.Err)
}

// TraceConnectStart starts the span of connecting, at level detailed.
func (t *Tracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Detailed) {
		return ctx
	}
	ctx, call := t.database(data.ConnConfig).Start(ctx, clew.Statement{Summary: "connect"})
	return context.WithValue(ctx, connectKey{}, call)
}

// TraceConnectEnd ends it.
func (t *Tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	end(ctx, connectKey{}, data.Err)
}

// TraceAcquireStart starts the span of waiting for a connection of the pool, at level detailed.
func (t *Tracer) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if !clew.On(clew.ComponentSQL, clew.Detailed) {
		return ctx
	}
	ctx, call := t.database(pool.Config().ConnConfig).Start(ctx, clew.Statement{Summary: "acquire"})
	return context.WithValue(ctx, acquireKey{}, call)
}

// TraceAcquireEnd ends it.
func (t *Tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	end(ctx, acquireKey{}, data.Err)
}
