package clewpgx_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewpgx "github.com/clew-dev/clew/kit/go/pgx"
)

// nobody is the user that a server started by root runs as, because PostgreSQL refuses root.
const nobody = 65534

var dsn string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run starts a PostgreSQL of its own on a Unix socket, when there is one; without it the tests are skipped.
func run(m *testing.M) int {
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	as := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Dir = dir
		if os.Getuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		return c
	}
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			panic(err)
		}
	}
	data := filepath.Join(dir, "data")
	if out, err := as(initdb, "-D", data, "-U", "test", "-A", "trust", "-N", "--no-locale", "-E", "UTF8").CombinedOutput(); err != nil {
		panic("initdb: " + err.Error() + "\n" + string(out))
	}
	server := as(filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	}()
	dsn = "host=" + dir + " user=test dbname=postgres sslmode=disable"
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := pgx.Connect(context.Background(), dsn); err == nil {
			_ = conn.Close(context.Background())
			return m.Run()
		}
	}
	panic("PostgreSQL did not start")
}

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	if dsn == "" {
		t.Skip("there is no PostgreSQL: install Debian's package postgresql")
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Tracer = clewpgx.New()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestCalls(t *testing.T) {
	rec := clewtest.Start(t)
	conn := connect(t)
	ctx, root := clew.Span(rec.Context(), "work")
	exec := func(sql string, args ...any) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	}
	if err := exec("CREATE TEMPORARY TABLE orders (id int PRIMARY KEY, note text)"); err != nil {
		t.Fatal(err)
	}
	if err := exec("INSERT INTO orders VALUES (1, 'secret')"); err != nil {
		t.Fatal(err)
	}
	if err := exec("INSERT INTO orders VALUES ($1, $2)", 1, "again"); err == nil {
		t.Fatal("got no error for a duplicate key")
	}
	var note string
	if err := conn.QueryRow(ctx, "SELECT note FROM orders WHERE id = $1", 2).Scan(&note); err != pgx.ErrNoRows {
		t.Fatalf("got %v", err)
	}
	batch := &pgx.Batch{}
	batch.Queue("INSERT INTO orders VALUES (2, 'x')")
	batch.Queue("DELETE FROM orders WHERE id = 2")
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id"}, pgx.CopyFromRows([][]any{{7}, {8}})); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	root.End()
	tree := rec.Tree("db.system.name", "db.operation.name", "db.collection.name", "db.query.text", "db.namespace", "db.operation.batch.size", "db.response.status_code", "error.type")
	tree = strings.ReplaceAll(tree, " db.namespace=postgres", "")
	tree = strings.ReplaceAll(tree, " db.system.name=postgresql", "")
	want := `trace 1
└─ INTERNAL work (test)
   ├─ CLIENT CREATE TABLE orders db.collection.name=orders db.operation.name=CREATE db.query.text="CREATE TEMPORARY TABLE orders (id int PRIMARY KEY, note text)"
   ├─ CLIENT INSERT orders db.collection.name=orders db.operation.name=INSERT db.query.text="INSERT INTO orders VALUES (?, ?)"
   ├─ CLIENT INSERT orders db.collection.name=orders db.operation.name=INSERT db.query.text="INSERT INTO orders VALUES ($1, $2)" db.response.status_code=23505 error.type=23505 ERROR "ERROR: duplicate key value violates unique constraint \"orders_pkey\" (SQLSTATE 23505)"
   ├─ CLIENT SELECT orders db.collection.name=orders db.operation.name=SELECT db.query.text="SELECT note FROM orders WHERE id = $1"
   ├─ CLIENT BATCH INSERT orders db.collection.name=orders db.operation.batch.size=2 db.operation.name="BATCH INSERT" db.query.text="INSERT INTO orders VALUES (?, ?); DELETE FROM orders WHERE id = ?"
   └─ CLIENT COPY orders db.collection.name=orders db.operation.name=COPY
`
	if tree != want {
		t.Errorf("got:\n%s\nwant:\n%s", tree, want)
	}
}

func TestFailedBatchIsAnError(t *testing.T) {
	rec := clewtest.Start(t)
	conn := connect(t)
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	batch.Queue("SELECT 1/0")
	if err := conn.SendBatch(rec.Context(), batch).Close(); err == nil {
		t.Fatal("got no error")
	}
	spans := rec.Spans()
	if len(spans) != 1 || spans[0].Status != clewtest.Error || spans[0].Attributes["db.response.status_code"] != "22012" {
		t.Errorf("got %+v", spans)
	}
}

func TestPoolAndLevels(t *testing.T) {
	connect(t)
	t.Cleanup(func() { clew.SetLevel(clew.ComponentSQL, clew.Standard) })
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.Tracer = clewpgx.New()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, c := range []struct {
		level clew.Level
		want  string
	}{
		{clew.Edges, ""},
		{clew.Standard, "   └─ CLIENT SELECT\n"},
		{clew.Detailed, "   ├─ CLIENT acquire\n   └─ CLIENT SELECT\n      └─ CLIENT PREPARE\n"},
	} {
		t.Run(c.level.String(), func(t *testing.T) {
			clew.SetLevel(clew.ComponentSQL, c.level)
			rec := clewtest.Start(t)
			ctx, root := clew.Span(rec.Context(), "work")
			// Each level has a statement of its own, so that it is prepared.
			if _, err := pool.Exec(ctx, "SELECT $1::text, "+c.level.String(), "x"); err == nil {
				t.Fatal("got no error for a column that does not exist")
			}
			root.End()
			tree := strings.ReplaceAll(rec.Tree(), ` ERROR "ERROR: column \"`+c.level.String()+`\" does not exist (SQLSTATE 42703)"`, "")
			if want := "trace 1\n└─ INTERNAL work (test)\n" + c.want; tree != want {
				t.Errorf("got:\n%s\nwant:\n%s", tree, want)
			}
		})
	}
}

// The driver for database/sql, wrapped by the kit instead of traced by pgx.
func TestStandardLibrary(t *testing.T) {
	rec := clewtest.Start(t)
	if dsn == "" {
		t.Skip("there is no PostgreSQL: install Debian's package postgresql")
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(clew.SQL(stdlib.GetConnector(*config), clew.SQLNamespace("shop")))
	defer db.Close()
	ctx, root := clew.Span(rec.Context(), "work")
	var one int
	if err := db.QueryRowContext(ctx, "SELECT n FROM (VALUES ($1::int)) AS numbers (n)", 1).Scan(&one); err != nil || one != 1 {
		t.Fatal(one, err)
	}
	if _, err := db.ExecContext(ctx, "SELECT 1/0"); err == nil {
		t.Fatal("got no error")
	}
	root.End()
	want := `trace 1
└─ INTERNAL work (test)
   ├─ CLIENT SELECT db.namespace=shop db.system.name=postgresql
   └─ CLIENT SELECT db.namespace=shop db.response.status_code=22012 db.system.name=postgresql error.type=22012 ERROR "ERROR: division by zero (SQLSTATE 22012)"
`
	if got := rec.Tree("db.system.name", "db.namespace", "db.response.status_code", "error.type"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
