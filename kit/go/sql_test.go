package clew_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

var fakes = map[string]func(fakeConn) driver.Conn{
	"obligatory": func(c fakeConn) driver.Conn { return c },
	"old":        func(c fakeConn) driver.Conn { return oldConn{c} },
	"new":        func(c fakeConn) driver.Conn { return newConn{c} },
	"skipping":   func(c fakeConn) driver.Conn { return skippingConn{newConn{c}} },
}

// script does with a database what programs do, and notes what they see.
func script(ctx context.Context, d *diary, db *sql.DB) {
	see := func(what string, err error) { d.note("-> %s: %v", what, err) }
	see("ping", db.PingContext(ctx))
	_, err := db.ExecContext(ctx, "INSERT INTO orders VALUES (?)", 1)
	see("exec", err)
	_, err = db.ExecContext(ctx, "INSERT INTO orders VALUES (:a)", sql.Named("a", 1))
	see("named", err)
	rows, err := db.QueryContext(ctx, "SELECT a FROM orders WHERE id = ?", "x")
	see("query", err)
	if err == nil {
		types, _ := rows.ColumnTypes()
		nullable, known := types[0].Nullable()
		length, hasLength := types[0].Length()
		precision, scale, hasScale := types[0].DecimalSize()
		d.note("-> %q %v %v, %v %v, %v %v %v, %v", types[0].DatabaseTypeName(), nullable, known, length, hasLength, precision, scale, hasScale, types[0].ScanType())
		for rows.Next() {
			var a int
			see("scan", rows.Scan(&a))
			d.note("-> %d", a)
		}
		d.note("-> next result set: %v", rows.NextResultSet())
		see("rows", rows.Err())
		see("close", rows.Close())
	}
	_, err = db.QueryContext(ctx, "SELECT fail")
	see("failing", err)
	st, err := db.PrepareContext(ctx, "UPDATE orders SET a = ?")
	see("prepare", err)
	_, err = st.ExecContext(ctx, 7)
	see("prepared", err)
	see("close", st.Close())
	tx, err := db.BeginTx(ctx, nil)
	see("begin", err)
	_, err = tx.ExecContext(ctx, "DELETE FROM orders")
	see("in it", err)
	see("commit", tx.Commit())
	tx, err = db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable})
	see("read-only", err)
	if err == nil {
		see("rollback", tx.Rollback())
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.ExecContext(cancelled, "DELETE FROM orders")
	see("cancelled", err)
	see("close", db.Close())
}

// TestSQLChangesNothing compares what a driver is asked for, and what the program sees, without the wrapper and with it.
func TestSQLChangesNothing(t *testing.T) {
	for name, conn := range fakes {
		for _, level := range []clew.Level{clew.Off, clew.Standard, clew.Detailed} {
			t.Run(name+" "+level.String(), func(t *testing.T) {
				rec := clewtest.Start(t)
				clew.SetLevel(clew.ComponentSQL, level)
				defer clew.SetLevel(clew.ComponentSQL, clew.Standard)
				ctx, span := clew.Span(rec.Context(), "work")
				bare, wrapped := &diary{}, &diary{}
				script(ctx, bare, sql.OpenDB(&fakeConnector{bare, conn}))
				script(ctx, wrapped, sql.OpenDB(clew.SQL(&fakeConnector{wrapped, conn})))
				span.End()
				if !slices.Equal(bare.lines, wrapped.lines) {
					t.Errorf("wrapped:\n%s\nbare:\n%s", strings.Join(wrapped.lines, "\n"), strings.Join(bare.lines, "\n"))
				}
				if n := len(rec.Spans()); level == clew.Off && n != 1 {
					t.Errorf("got %d spans, want none of the database", n)
				}
			})
		}
	}
}

func TestSQLSpans(t *testing.T) {
	for _, name := range []string{"new", "skipping", "old"} {
		t.Run(name, func(t *testing.T) {
			rec := clewtest.Start(t)
			db := sql.OpenDB(clew.SQL(&fakeConnector{&diary{}, fakes[name]}, clew.SQLSystem("postgresql"), clew.SQLNamespace("shop"), clew.SQLServer("db.example.com", 5432)))
			defer db.Close()
			ctx, span := clew.Span(rec.Context(), "work")
			if _, err := db.ExecContext(ctx, "INSERT INTO orders VALUES ('secret', ?)", "x"); err != nil {
				t.Fatal(err)
			}
			if _, err := db.QueryContext(ctx, "SELECT fail"); !errors.Is(err, errStatement) {
				t.Fatal(err)
			}
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			span.End()
			want := `trace 1
└─ INTERNAL work (test)
   ├─ CLIENT INSERT orders db.collection.name=orders db.namespace=shop db.operation.name=INSERT db.query.text="INSERT INTO orders VALUES (?, ?)" db.system.name=postgresql server.address=db.example.com server.port=5432
   ├─ CLIENT SELECT db.namespace=shop db.operation.name=SELECT db.query.text="SELECT fail" db.system.name=postgresql error.type=*errors.errorString server.address=db.example.com server.port=5432 ERROR "no such table"
   ├─ CLIENT BEGIN db.namespace=shop db.operation.name=BEGIN db.query.text=BEGIN db.system.name=postgresql server.address=db.example.com server.port=5432
   └─ CLIENT ROLLBACK db.namespace=shop db.operation.name=ROLLBACK db.query.text=ROLLBACK db.system.name=postgresql server.address=db.example.com server.port=5432
`
			if got := rec.Tree("db.collection.name", "db.namespace", "db.operation.name", "db.query.text", "db.system.name", "error.type", "server.address", "server.port"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestSQLPhasesAtDetailed(t *testing.T) {
	rec := clewtest.Start(t)
	clew.SetLevel(clew.ComponentSQL, clew.Detailed)
	defer clew.SetLevel(clew.ComponentSQL, clew.Standard)
	db := sql.OpenDB(clew.SQL(&fakeConnector{&diary{}, fakes["new"]}))
	defer db.Close()
	ctx, span := clew.Span(rec.Context(), "work")
	rows, err := db.QueryContext(ctx, "SELECT a FROM orders")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	span.End()
	wantTree(t, rec, `trace 1
└─ INTERNAL work (test)
   ├─ CLIENT connect db.system.name=other_sql
   ├─ CLIENT SELECT orders db.system.name=other_sql
   └─ INTERNAL rows db.response.returned_rows=2 db.system.name=other_sql
`, "db.response.returned_rows", "db.system.name")
}

func TestSQLRawConn(t *testing.T) {
	db := sql.OpenDB(clew.SQL(&fakeConnector{&diary{}, fakes["new"]}))
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.Raw(func(c any) error {
		if _, ok := clew.RawConn(c).(newConn); !ok {
			t.Errorf("got %T, want the driver's own", clew.RawConn(c))
		}
		return nil
	})
	if _, ok := db.Driver().(fakeDriver); !ok {
		t.Errorf("got %T, want the driver's own", db.Driver())
	}
}

func TestSystemOfADriver(t *testing.T) {
	for path, want := range map[string]string{
		"github.com/sijms/go-ora/v2": "oracle.db", "github.com/godror/godror": "oracle.db", "github.com/jackc/pgx/v5/stdlib": "postgresql",
		"github.com/lib/pq": "postgresql", "modernc.org/sqlite": "sqlite", "github.com/go-sql-driver/mysql": "mysql",
		"example.com/shop/storage": "other_sql", "example.com/temporal/driver": "other_sql",
	} {
		if got := clew.SystemOf(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
