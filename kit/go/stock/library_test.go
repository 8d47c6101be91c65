package stock_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/XSAM/otelsql"
	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"

	clew "github.com/clew-dev/clew/kit/go"
)

// global starts a kit as a program would, and keeps what goes out as lines "KIND name", with a "<" behind what has a parent.
func global(t *testing.T) (k *clew.Kit, lines func() string) {
	t.Helper()
	none := func(string) (string, bool) { return "", false }
	k = clew.Start(t.Context(), clew.Service("test", "1"), clew.WithoutExport(), clew.Output(nil), clew.Environment(none))
	t.Cleanup(func() { _ = k.Stop(context.Background()) })
	var mu sync.Mutex
	var all []string
	k.OnEnd(func(v *clew.SpanView) {
		mu.Lock()
		defer mu.Unlock()
		line := v.Kind.String() + " " + v.Name
		if v.Status == codes.Error {
			line += strings.TrimRight(" ERROR "+v.StatusText, " ")
		}
		if v.Parent.IsValid() {
			line += " <"
		}
		all = append(all, line)
	})
	return k, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(all, "\n")
	}
}

// rows is a database in which every query has one row, but those that say fail.
type rows struct{ left int }

func (rows) Open(string) (driver.Conn, error)             { return rows{}, nil }
func (rows) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (rows) Close() error                                 { return nil }
func (rows) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }
func (rows) Columns() []string                            { return []string{"n"} }
func (r *rows) Next(values []driver.Value) error          { return r.next(values) }
func (rows) CheckNamedValue(*driver.NamedValue) error     { return nil }
func (rows) Connect(context.Context) (driver.Conn, error) { return rows{}, nil }
func (rows) Driver() driver.Driver                        { return rows{} }
func (rows) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, "fail") {
		return nil, errors.New("no such table")
	}
	return &rows{left: 1}, nil
}

func (r *rows) next(values []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	values[0] = int64(7)
	return nil
}

func TestOtelsqlWorksUnchanged(t *testing.T) {
	_, lines := global(t)
	db := otelsql.OpenDB(rows{}, otelsql.WithSpanOptions(otelsql.SpanOptions{OmitConnResetSession: true, OmitConnectorConnect: true, OmitRows: true}))
	defer db.Close()
	ctx, root := clew.Span(t.Context(), "root")
	var n int
	if err := db.QueryRowContext(ctx, "SELECT n").Scan(&n); err != nil || n != 7 {
		t.Fatal(n, err)
	}
	if err := db.QueryRowContext(ctx, "SELECT fail").Scan(&n); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	root.End()
	if want := "CLIENT sql.conn.query <\nCLIENT sql.conn.query ERROR <\nINTERNAL root"; lines() != want {
		t.Errorf("spans are\n%s\nnot\n%s", lines(), want)
	}
	// The component sql governs the library's spans like the kit's own.
	clew.SetLevel(clew.ComponentSQL, clew.Edges)
	before := lines()
	_ = db.QueryRowContext(ctx, "SELECT n").Scan(&n)
	if lines() != before {
		t.Errorf("a span went out though sql is off:\n%s", lines())
	}
}

func TestOtelpgxWorksUnchanged(t *testing.T) {
	_, lines := global(t)
	tracer := otelpgx.NewTracer()
	ctx, root := clew.Span(t.Context(), "root")
	inner := tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "SELECT 1"})
	if inner == ctx {
		t.Error("the tracer started no span")
	}
	tracer.TraceQueryEnd(inner, nil, pgx.TraceQueryEndData{Err: errors.New("gone")})
	root.End()
	if want := "CLIENT SELECT ERROR gone <\nINTERNAL root"; lines() != want {
		t.Errorf("spans are\n%s\nnot\n%s", lines(), want)
	}
}

func TestOtelhttpAndTheKitMakeOneTrace(t *testing.T) {
	k, lines := global(t)
	served := otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, s := clew.Span(r.Context(), "work")
		s.End()
	}), "stock")
	s := httptest.NewServer(served)
	defer s.Close()
	ctx, root := clew.Span(t.Context(), "root")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: k.Transport(http.DefaultTransport)}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	s.Close()
	root.End()
	got := lines()
	for _, want := range []string{"INTERNAL work <", "SERVER GET", "CLIENT GET <", "INTERNAL root"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
