// Package db opens a Go service's tables: one SQLite file per service by
// default, or one PostgreSQL database for the whole fleet. Both speak
// database/sql with $1 placeholders and both make a client span per statement,
// by Clew's kit or by otelsql and otelpgx, so that the services need one text of SQL.
//
// Statements outside a request, such as the schema's, make no spans: each would
// be a trace of its own.
//
// A *sql.DB is safe for many goroutines.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/XSAM/otelsql"
	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"modernc.org/sqlite" // registers the driver "sqlite" too

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	clew "github.com/clew-dev/clew/kit/go"
	clewpgx "github.com/clew-dev/clew/kit/go/pgx"
)

// connections per service: a fleet of ten services must fit into PostgreSQL's
// default of 100.
const connections = 4

// Open opens a service's tables and makes those of schema that are not there.
func Open(ctx context.Context, service string, schema ...string) (*sql.DB, error) {
	open := func() (*sql.DB, error) { return openSQLite(service) }
	if address := os.Getenv("SHOP_DATABASE"); address != "" {
		open = func() (*sql.DB, error) { return openPostgres(address) }
	}
	tables, err := open()
	if err != nil {
		return nil, fmt.Errorf("open the tables of %s: %w", service, err)
	}
	tables.SetMaxOpenConns(connections)
	tables.SetMaxIdleConns(connections)
	for _, statement := range schema {
		if _, err := tables.ExecContext(ctx, statement); err != nil {
			tables.Close()
			return nil, fmt.Errorf("make the tables of %s: %w", service, err)
		}
	}
	return tables, nil
}

func openSQLite(service string) (*sql.DB, error) {
	folder, err := fleet.DataFolder()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, service+".db")
	// A writer waits for another instead of failing, and takes its lock when
	// the transaction begins, since a reader that becomes a writer cannot wait.
	options := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(normal)"},
		"_txlock": {"immediate"},
	}
	address := "file:" + file + "?" + options.Encode()
	switch fleet.Running() {
	case fleet.Kit:
		connector, err := sqlite.NewConnector(address)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(clew.SQL(connector, clew.SQLNamespace(service+".db"))), nil
	case fleet.Off:
		return sql.Open("sqlite", address)
	}
	return otelsql.Open("sqlite", address,
		otelsql.WithAttributes(semconv.DBSystemNameSQLite, semconv.DBNamespace(service+".db")),
		otelsql.WithSpanNameFormatter(spanName),
		otelsql.WithAttributesGetter(describe),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableErrSkip:       true,
			OmitConnResetSession: true,
			OmitConnPrepare:      true,
			OmitRows:             true,
			OmitConnectorConnect: true,
			SpanFilter:           inRequest,
		}),
	)
}

func openPostgres(address string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	switch fleet.Running() {
	case fleet.Kit:
		config.Tracer = clewpgx.New()
	case fleet.Stock:
		config.Tracer = otelpgx.NewTracer(otelpgx.WithSpanNameFunc(summary))
	}
	return stdlib.OpenDB(*config), nil
}

func inRequest(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
	return trace.SpanContextFromContext(ctx).IsValid()
}

func spanName(_ context.Context, method otelsql.Method, query string) string {
	if query == "" {
		return string(method)
	}
	return summary(query)
}

func describe(_ context.Context, _ otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
	operation, table := split(query)
	if operation == "" {
		return nil
	}
	about := []attribute.KeyValue{semconv.DBOperationName(operation)}
	if table != "" {
		about = append(about, semconv.DBCollectionName(table))
	}
	return about
}

// summary names a statement as the conventions ask: its operation and its first
// table, for instance "SELECT products".
func summary(query string) string {
	operation, table := split(query)
	return strings.TrimSpace(operation + " " + table)
}

// splits are the first statements that were split: each span asks twice, and the fleet
// has few of them.
var (
	splits     sync.Map
	splitCount atomic.Int32
)

const maxSplits = 256

// split returns a statement's first word and its first table, each empty when
// there is none.
func split(query string) (operation, table string) {
	if known, ok := splits.Load(query); ok {
		words := known.([2]string)
		return words[0], words[1]
	}
	operation, table = divide(query)
	if splitCount.Add(1) <= maxSplits {
		splits.Store(query, [2]string{operation, table})
	}
	return operation, table
}

func divide(query string) (operation, table string) {
	words := strings.Fields(query)
	if len(words) == 0 {
		return "", ""
	}
	operation = strings.ToUpper(words[0])
	for place, word := range words[:len(words)-1] {
		switch strings.ToUpper(word) {
		case "FROM", "INTO", "UPDATE":
			table, _, _ = strings.Cut(words[place+1], "(")
			return operation, table
		}
	}
	return operation, ""
}
