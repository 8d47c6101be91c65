package segment_test

import (
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// DuckDB reads every column of every file and sees the values that this package reads.
func TestDuckDBReadsTheSame(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, sh := range shapes {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "seg")
			s, _ := write(t, dir, randomBatches(sh, 3))
			b, err := s.ReadRows(0, s.Meta().Rows)
			if err != nil {
				t.Fatal(err)
			}
			duckSpans(t, db, dir, b)
			tables := map[byte]*telemetry.Table{segment.TableSpans: &b.Spans.Table, segment.TableEvents: &b.Events.Table, segment.TableLinks: &b.Links.Table}
			for letter, table := range tables {
				duckAttributes(t, db, s, letter, table)
			}
			duckChildren(t, db, dir, b)
		})
	}
}

// lines runs a query and prints its rows, a value NULL as a dash.
func lines(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	v, p := make([]any, len(cols)), make([]any, len(cols))
	for i := range v {
		p[i] = &v[i]
	}
	var out []string
	for rows.Next() {
		if err := rows.Scan(p...); err != nil {
			t.Fatal(err)
		}
		out = append(out, line(v...))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

func line(v ...any) string {
	var b strings.Builder
	for _, x := range v {
		switch x := x.(type) {
		case nil:
			b.WriteString("- ")
		case float64:
			fmt.Fprintf(&b, "%x ", math.Float64bits(x))
		case duckdb.UUID:
			fmt.Fprintf(&b, "%x ", x[:])
		case []byte:
			if len(x) == 16 {
				fmt.Fprintf(&b, "%x ", x)
			} else {
				fmt.Fprintf(&b, "%q ", x)
			}
		case string:
			fmt.Fprintf(&b, "%q ", x)
		default:
			fmt.Fprintf(&b, "%v ", x)
		}
	}
	return b.String()
}

// spanView is the SQL of docs/format/segment.md.
func spanView(t testing.TB, dir string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/format/segment.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```sql\n")
	view, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("docs/format/segment.md has no SQL")
	}
	return strings.ReplaceAll(view, "SEGMENT", dir)
}

func duckSpans(t *testing.T, db *sql.DB, dir string, b *telemetry.Batch) {
	t.Helper()
	for _, stmt := range strings.Split(strings.TrimSpace(spanView(t, dir)), ";") {
		if _, err := db.Exec(stmt); err != nil && strings.TrimSpace(stmt) != "" {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	got := lines(t, db, "SELECT trace_id, span_id, parent_id, start_ns, duration_ns, kind, status, flags, marks, name, seq FROM clew_spans ORDER BY row")
	s := &b.Spans
	var model []string
	for i := range s.N {
		var parent any
		if !s.Parent[i].IsZero() {
			parent = s.Parent[i].String()
		}
		model = append(model, line(s.TraceID[i].String(), s.SpanID[i].String(), parent, s.Start[i], s.Duration[i], s.Kind[i], s.Status[i], s.Flags[i], s.Marks[i], s.Names.Str(s.Name[i]), s.Seq[i]))
	}
	requireEqual(t, "spans in DuckDB", got, model)
	services := fixedLinesService(b)
	requireEqual(t, "services in DuckDB", lines(t, db, "SELECT service FROM clew_spans ORDER BY row"), services)
}

func fixedLinesService(b *telemetry.Batch) []string {
	names := make([]string, b.Resources.N)
	if c := b.Resources.Find(telemetry.ScopeResource, telemetry.KeyServiceName, telemetry.TypeString); c != nil {
		for i, r := range c.Rows {
			names[r] = c.Dict.Str(c.Codes[i])
		}
	}
	var out []string
	for _, r := range b.Spans.Resource {
		out = append(out, line(names[r]))
	}
	return out
}

func duckAttributes(t *testing.T, db *sql.DB, s *segment.Segment, letter byte, table *telemetry.Table) {
	t.Helper()
	file := map[byte]string{segment.TableSpans: "spans", segment.TableEvents: "events", segment.TableLinks: "links"}[letter]
	for n, c := range s.Meta().Columns {
		if c.Table != letter || c.Rows == 0 {
			continue
		}
		query := fmt.Sprintf("SELECT file_row_number, %s FROM read_parquet('%s/%s.parquet', file_row_number = true) WHERE %[1]s IS NOT NULL ORDER BY 1", c.Name, s.Dir(), file)
		if c.Rare {
			field := "txt"
			switch c.Type {
			case telemetry.TypeDouble:
				field = "dbl"
			case telemetry.TypeInt, telemetry.TypeBool:
				field = "num"
			}
			query = fmt.Sprintf("SELECT row, %s FROM '%s/rest.parquet' WHERE tbl = '%c' AND col = %d ORDER BY 1", field, s.Dir(), letter, n)
		}
		got := lines(t, db, query)
		col := table.Find(c.Scope, c.Key, c.Type)
		if col == nil {
			t.Fatalf("column %s is not among the rows read", c.Name)
		}
		var model []string
		for i, row := range col.Rows {
			var v any
			switch c.Type {
			case telemetry.TypeBytes:
				v = col.Dict.At(col.Codes[i])
			case telemetry.TypeInt:
				v = int64(col.Nums[i])
			case telemetry.TypeDouble:
				v = math.Float64frombits(col.Nums[i])
			case telemetry.TypeBool:
				v = col.Nums[i] == 1
				if c.Rare {
					v = col.Nums[i]
				}
			default:
				v = col.Dict.Str(col.Codes[i])
				if c.Rare {
					v = col.Dict.At(col.Codes[i])
				}
			}
			model = append(model, line(row, v))
		}
		requireEqual(t, "column "+c.Name+" in DuckDB", got, model)
	}
}

func duckChildren(t *testing.T, db *sql.DB, dir string, b *telemetry.Batch) {
	t.Helper()
	if b.Events.N > 0 {
		var model []string
		for i := range b.Events.N {
			model = append(model, line(b.Events.Span[i], b.Events.Time[i], b.Events.Names.Str(b.Events.Name[i])))
		}
		requireEqual(t, "events in DuckDB", lines(t, db, "SELECT span, time_ns, name FROM read_parquet('"+dir+"/events.parquet', file_row_number = true) ORDER BY file_row_number"), model)
	}
	if b.Links.N > 0 {
		var model []string
		for i := range b.Links.N {
			model = append(model, line(b.Links.Span[i], b.Links.TraceID[i].String(), b.Links.SpanID[i].Uint64(), b.Links.Flags[i]))
		}
		requireEqual(t, "links in DuckDB", lines(t, db, "SELECT span, replace(trace_id::VARCHAR, '-', ''), span_id, flags FROM read_parquet('"+dir+"/links.parquet', file_row_number = true) ORDER BY file_row_number"), model)
	}
}

// Predicates that DuckDB answers from statistics find what a full scan finds.
func TestDuckDBPrunesRightly(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := filepath.Join(t.TempDir(), "seg")
	s, _ := write(t, dir, randomBatches(shapes["pages"], 3))
	b, err := s.ReadRows(0, s.Meta().Rows)
	if err != nil {
		t.Fatal(err)
	}
	from := "FROM '" + dir + "/spans.parquet' WHERE "
	for i := 0; i < b.Spans.N; i += b.Spans.N / 10 {
		id, duration := b.Spans.TraceID[i], b.Spans.Duration[i]
		n, m := 0, 0
		for j := range b.Spans.N {
			if b.Spans.TraceID[j] == id {
				n++
			}
			if b.Spans.Duration[j] >= duration {
				m++
			}
		}
		got := lines(t, db, fmt.Sprintf("SELECT (SELECT count(*) %[1]s trace_id = '%[2]s'::UUID), (SELECT count(*) %[1]s duration_ns >= %[3]d)", from, id, duration))
		requireEqual(t, "counts", got, []string{line(n, m)})
	}
	for _, c := range s.Meta().Columns {
		if c.Table != segment.TableSpans || c.Type != telemetry.TypeDouble || c.Rare {
			continue
		}
		// NaN, −0 and 0 are where smallest and largest values go wrong.
		for _, cond := range []string{"= 0", "= 'NaN'", "< 0", "> 0", "= '-Infinity'"} {
			pruned := lines(t, db, fmt.Sprintf("SELECT count(*) %s %s %s", from, c.Name, cond))
			scanned := lines(t, db, fmt.Sprintf("SELECT count(*) FROM (SELECT %s AS v FROM '%s/spans.parquet' OFFSET 0) WHERE v %s", c.Name, dir, cond))
			requireEqual(t, c.Name+cond, pruned, scanned)
		}
	}
}
