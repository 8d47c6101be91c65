package db_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/clew-dev/clew/examples/shop/internal/db"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// statements are one of each shape.
var statements = []string{
	"INSERT INTO things(id) VALUES ($1)",
	"update things SET id = $1",
	"SELECT id FROM things WHERE id = $1",
	"DELETE FROM things WHERE id <> $1",
}

// TestKitNamesStatements runs statements with Clew's kit.
func TestKitNamesStatements(t *testing.T) {
	t.Setenv("SHOP_DATA", t.TempDir())
	t.Setenv("SHOP_DATABASE", "")
	t.Setenv(fleet.StackVariable, "kit")
	recorder := clewtest.Start(t)
	ctx, request := clew.Span(recorder.Context(), "request")
	tables, err := db.Open(ctx, "test", "CREATE TABLE IF NOT EXISTS things (id BIGINT)")
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	for _, statement := range statements {
		if _, err := tables.ExecContext(ctx, statement, 2); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	request.End()
	recorder.Golden("testdata/kit.txt", "db.system.name", "db.namespace", "db.operation.name", "db.collection.name")
}

// TestStockNamesStatements does it with stock OpenTelemetry; statements outside a
// request make no spans.
func TestStockNamesStatements(t *testing.T) {
	t.Setenv("SHOP_DATA", t.TempDir())
	t.Setenv("SHOP_DATABASE", "")
	t.Setenv(fleet.StackVariable, "stock")
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	otel.SetTracerProvider(provider)

	tables, err := db.Open(t.Context(), "test", "CREATE TABLE IF NOT EXISTS things (id BIGINT)")
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	if _, err := tables.ExecContext(t.Context(), "INSERT INTO things VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	for _, statement := range statements {
		if _, err := tables.ExecContext(ctx, statement, 2); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	request.End()

	var got []string
	for _, span := range recorder.Ended() {
		attributes := make(map[string]string)
		for _, attribute := range span.Attributes() {
			attributes[string(attribute.Key)] = attribute.Value.AsString()
		}
		got = append(got, strings.Join([]string{span.Name(), attributes["db.operation.name"],
			attributes["db.collection.name"], attributes["db.system.name"], attributes["db.namespace"]}, "|"))
	}
	want := []string{
		"INSERT things|INSERT|things|sqlite|test.db",
		"UPDATE things|UPDATE|things|sqlite|test.db",
		"SELECT things|SELECT|things|sqlite|test.db",
		"DELETE things|DELETE|things|sqlite|test.db",
		"request||||",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("spans (-got +want):\n%s", diff)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	t.Setenv("SHOP_DATA", "")
	t.Setenv("SHOP_DATABASE", "")
	_, err := db.Open(t.Context(), "test")
	want := "open the tables of test: SHOP_DATA is not set: start the fleet with `shop up`, or set it to a folder"
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}
