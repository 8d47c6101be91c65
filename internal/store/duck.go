package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"

	"github.com/clew-dev/clew/internal/telemetry"
)

// duckOptions say what queries may use.
type duckOptions struct {
	Dir         string        // data folder, the only one that SQL can read
	MemoryBytes int64         // of DuckDB, outside of Go's heap
	Threads     int           // 0: as many as cores
	Slots       int           // queries that run at once; the rest wait
	Timeout     time.Duration // of a query that brings none
	Wide        *wideness     // that queries make; nil: none
}

// duck is the one DuckDB of a store. It holds no data: every statement names the
// Parquet files and the Arrow views that it reads. SQL can reach the data folder
// and nothing else, and its configuration is locked.
type duck struct {
	db      *sql.DB
	slots   chan struct{}
	timeout time.Duration
	memory  int64
	temp    string
	wide    *wideness
	names   atomic.Int64 // of views and temporary tables
}

// spillShare is how many times its memory DuckDB may write into temporary files.
const spillShare = 16

func openDuck(o duckOptions) (d *duck, err error) {
	withNice(func() { d, err = startDuck(o) }) // its threads come from the one that starts it
	return d, err
}

func startDuck(o duckOptions) (*duck, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open query engine: %w", err)
	}
	temp := filepath.Join(dir, "query-tmp")
	if err := os.RemoveAll(temp); err != nil {
		return nil, fmt.Errorf("open query engine: %w", err)
	}
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("open query engine: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("open query engine: %w", err)
	}
	d := &duck{db: sql.OpenDB(connector), slots: make(chan struct{}, max(o.Slots, 1)), timeout: o.Timeout, memory: o.MemoryBytes, temp: temp, wide: o.Wide}
	settings := []string{
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET temp_directory = " + text(temp),
		fmt.Sprintf("SET max_temp_directory_size = '%dB'", o.MemoryBytes*spillShare),
		fmt.Sprintf("SET memory_limit = '%dB'", o.MemoryBytes),
		"SET preserve_insertion_order = false",
		"SET parquet_metadata_cache = true",
		"SET allowed_directories = [" + text(dir) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
	if o.Threads > 0 {
		settings = append([]string{fmt.Sprintf("SET threads = %d", o.Threads)}, settings...)
	}
	for _, s := range settings {
		if _, err := d.db.Exec(s); err != nil {
			d.Close()
			return nil, fmt.Errorf("open query engine: %s: %w", s, err)
		}
	}
	return d, nil
}

// Close waits for running queries, which the caller has cancelled, and frees everything.
func (d *duck) Close() error {
	if d == nil { // the store was never opened for questions
		return nil
	}
	err := d.db.Close()
	if e := os.RemoveAll(d.temp); err == nil {
		err = e
	}
	return err
}

// duckConn is a connection for the statements of one query. Its temporary
// tables go with it.
type duckConn struct {
	d     *duck
	conn  *sql.Conn
	arrow *duckdb.Arrow
	seen  int // traces that were evaluated in Go
	drop  []string
}

// do runs f on a connection of its own, within the limit of queries at once and
// the time limit; timeout 0 is the store's. Errors of DuckDB become errors that
// say what to do.
func (d *duck) do(ctx context.Context, timeout time.Duration, f func(ctx context.Context, c *duckConn) error) error {
	if timeout <= 0 {
		timeout = d.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return d.explain(ctx, ctx.Err(), timeout)
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return d.explain(ctx, err, timeout)
	}
	c := &duckConn{d: d, conn: conn}
	err = conn.Raw(func(dc any) error {
		c.arrow, err = duckdb.NewArrowFromConn(dc.(driver.Conn))
		return err
	})
	if err == nil {
		d.wide.during(func() { withNice(func() { err = f(ctx, c) }) }) // DuckDB works on the thread that asks, too
	}
	c.close()
	return d.explain(ctx, err, timeout)
}

// forgetAll drops what the query has made, also when its context has ended.
func (c *duckConn) forgetAll() {
	for _, s := range c.drop {
		// A table that stays behind has a name that nothing uses again.
		_, _ = c.conn.ExecContext(context.Background(), s)
	}
	c.drop = nil
}

func (c *duckConn) close() {
	c.forgetAll()
	_ = c.conn.Close()
}

func (d *duck) explain(ctx context.Context, err error, timeout time.Duration) error {
	var typed *telemetry.Error
	switch {
	case err == nil || errors.As(err, &typed):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return telemetry.Errorf(telemetry.KindExhausted, "query took over %v: narrow the time range or add a filter", timeout)
	case ctx.Err() != nil:
		return telemetry.Errorf(telemetry.KindUnavailable, "query cancelled: %w", ctx.Err())
	}
	var de *duckdb.Error
	if errors.As(err, &de) && (de.Type == duckdb.ErrorTypeOutOfMemory || strings.Contains(de.Msg, "max_temp_directory_size")) {
		return telemetry.Errorf(telemetry.KindExhausted, "query needs over %d MiB of memory and its share of disk: narrow the time range, add a filter, or group by less varied fields", d.memory>>20)
	}
	return telemetry.Errorf(telemetry.KindInternal, "query: %w", err)
}

func (c *duckConn) name(what string) string {
	return fmt.Sprintf("clew_%s_%d", what, c.d.names.Add(1))
}

// memory makes rows in memory readable as the table whose name it returns. They are
// copied: the driver's Arrow view can be scanned once only, and a statement that
// does not read all of its columns gets those of others, both without an error
// (DuckDB 1.5.6: `SELECT duration` gave bytes of the first column).
func (c *duckConn) memory(ctx context.Context, r array.RecordReader, columns string) (string, error) {
	view := c.name("view")
	release, err := c.arrow.RegisterView(r, view)
	if err != nil {
		return "", fmt.Errorf("hand rows in memory to the query engine: %w", err)
	}
	defer release()
	table, err := c.table(ctx, "SELECT "+columns+" FROM "+view)
	// Without the view, the name is free; with it, nothing uses the name again.
	_, _ = c.conn.ExecContext(context.Background(), "DROP VIEW IF EXISTS "+view)
	return table, err
}

// table keeps the answer of a statement for the statements after it.
func (c *duckConn) table(ctx context.Context, statement string) (string, error) {
	name := c.name("temp")
	c.drop = append(c.drop, "DROP TABLE IF EXISTS "+name)
	_, err := c.conn.ExecContext(ctx, "CREATE TEMP TABLE "+name+" AS "+statement)
	return name, err
}

// forget drops a table before its connection goes.
func (c *duckConn) forget(ctx context.Context, table string) error {
	_, err := c.conn.ExecContext(ctx, "DROP TABLE IF EXISTS "+table)
	return err
}

// rows calls f for every row of the answer with the values of its columns, which
// f must not keep.
func (c *duckConn) rows(ctx context.Context, statement string, f func(v []any) error) error {
	rows, err := c.conn.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	v, p := make([]any, len(cols)), make([]any, len(cols))
	for i := range v {
		p[i] = &v[i]
	}
	for rows.Next() {
		if err := rows.Scan(p...); err != nil {
			return err
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return rows.Err()
}
