package clew

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
)

// watchRows wraps rows at level detailed: a span from the first row to the closing, with their number. Rows that scan into the caller's
// variables themselves are left as they are, for that method can be neither imitated nor hidden.
func (c *sqlConnector) watchRows(ctx context.Context, rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil || rows == nil || !On(ComponentSQL, Detailed) || !SpanContextOf(ctx).Sampled() || scansColumns(rows) {
		return rows, err
	}
	_, span := StartSpan(ctx, ComponentSQL, Detailed, Internal, "rows", String("db.system.name", c.system))
	return &sqlRows{Rows: rows, span: span}, nil
}

// scansColumns looks for driver.RowsColumnScanner, which Go 1.25 does not have yet.
func scansColumns(rows driver.Rows) bool {
	_, ok := reflect.TypeOf(rows).MethodByName("ScanColumn")
	return ok
}

// sqlRows has every optional method of rows, with the answers of database/sql where the driver's have none.
type sqlRows struct {
	driver.Rows
	span Active
	n    int
}

func (r *sqlRows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	switch err {
	case nil:
		r.n++
	case io.EOF:
	default:
		failDatabase(r.span, err)
	}
	return err
}

func (r *sqlRows) Close() error {
	err := r.Rows.Close()
	failDatabase(r.span, err)
	r.span.Set(Int("db.response.returned_rows", r.n))
	r.span.End()
	return err
}

func (r *sqlRows) HasNextResultSet() bool {
	n, ok := r.Rows.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet()
}

func (r *sqlRows) NextResultSet() error {
	if n, ok := r.Rows.(driver.RowsNextResultSet); ok {
		return n.NextResultSet()
	}
	return io.EOF
}

func (r *sqlRows) ColumnTypeScanType(i int) reflect.Type {
	if t, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

func (r *sqlRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

func (r *sqlRows) ColumnTypeLength(i int) (int64, bool) {
	if t, ok := r.Rows.(driver.RowsColumnTypeLength); ok {
		return t.ColumnTypeLength(i)
	}
	return 0, false
}

func (r *sqlRows) ColumnTypeNullable(i int) (nullable, known bool) {
	if t, ok := r.Rows.(driver.RowsColumnTypeNullable); ok {
		return t.ColumnTypeNullable(i)
	}
	return false, false
}

func (r *sqlRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if t, ok := r.Rows.(driver.RowsColumnTypePrecisionScale); ok {
		return t.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}
