package clew

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
	"strings"
	"time"
)

// SQLOption says what the driver cannot: which database this is.
type SQLOption func(*sqlConfig)

type sqlConfig struct {
	system    string
	namespace string
	host      string
	port      int
}

// SQLSystem names the database as the semantic conventions do: postgresql, mysql, sqlite, microsoft.sql_server. Without it the name is
// guessed from the driver's package, and is other_sql where that says nothing.
func SQLSystem(name string) SQLOption { return func(c *sqlConfig) { c.system = name } }

// SQLNamespace names the database that statements run in (db.namespace).
func SQLNamespace(name string) SQLOption { return func(c *sqlConfig) { c.namespace = name } }

// SQLServer says where the database is. A port of 0 is left out.
func SQLServer(host string, port int) SQLOption {
	return func(c *sqlConfig) { c.host, c.port = host, port }
}

// SQL wraps a connector: one CLIENT span and one duration for each call that goes to the database.
//
//	db := sql.OpenDB(clew.SQL(connector, clew.SQLNamespace("shop")))
//
// The statement's literals are taken out before it is recorded. What the driver's connections, statements and rows can do beyond the
// obligatory methods they still can, and nothing is added. At level detailed connecting and reading rows are spans too.
// In sql.Conn.Raw the driver's own connection is what RawConn returns.
func SQL(c driver.Connector, options ...SQLOption) driver.Connector {
	var known sqlConfig
	for _, o := range options {
		o(&known)
	}
	if known.system == "" {
		known.system = guessSystem(c.Driver())
	}
	return &sqlConnector{c, NewDatabase(known.system, known.namespace, known.host, known.port)}
}

// RawConn returns the driver's own connection for what sql.Conn.Raw hands out.
func RawConn(conn any) any {
	if c, ok := conn.(*sqlConn); ok {
		return c.Conn
	}
	return conn
}

// systems are the names by a part of the driver's package path.
var systems = []struct{ part, name string }{
	{"pgx", "postgresql"}, {"/pq", "postgresql"}, {"postgres", "postgresql"}, {"mysql", "mysql"}, {"mariadb", "mariadb"},
	{"sqlite", "sqlite"}, {"mssql", "microsoft.sql_server"}, {"sqlserver", "microsoft.sql_server"}, {"clickhouse", "clickhouse"},
	{"duckdb", "duckdb"}, {"godror", "oracle.db"}, {"go-ora", "oracle.db"}, {"goracle", "oracle.db"},
}

func guessSystem(d driver.Driver) string {
	t := reflect.TypeOf(d)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return "other_sql"
	}
	return systemOf(t.PkgPath())
}

// systemOf must not guess wrong: what a literal is, and so what is taken out, follows the system.
func systemOf(path string) string {
	for _, s := range systems {
		if strings.Contains(path, s.part) {
			return s.name
		}
	}
	return "other_sql"
}

type sqlConnector struct {
	driver.Connector
	*Database
}

// Connect opens a connection; at level detailed that is a span.
func (c *sqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	start := time.Now()
	conn, err := c.Connector.Connect(ctx)
	if On(ComponentSQL, Detailed) {
		_, span := StartWith(ctx, "connect", SpanOptions{Component: ComponentSQL, Need: Detailed, Kind: Client, Start: start},
			String("db.system.name", c.system))
		span.Set(c.describe(Statement{})...)
		failDatabase(span, err)
		span.End()
	}
	if err != nil {
		return nil, err
	}
	return newSQLConn(conn, c), nil
}

// Close closes the wrapped connector where it can be closed, as sql.DB.Close does.
func (c *sqlConnector) Close() error {
	if closer, ok := c.Connector.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// did records a call that has returned. A driver that answers driver.ErrSkip has done nothing and is called again another way, which is
// why the span is made only now, with the start that it had.
func (c *sqlConnector) did(ctx context.Context, start time.Time, text string, err error) {
	if err != driver.ErrSkip && On(ComponentSQL, Standard) {
		c.Did(ctx, start, c.SQL(text), err)
	}
}
