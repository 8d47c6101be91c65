package clew_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// diary is what a driver was asked for, in order.
type diary struct{ lines []string }

func (d *diary) note(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// fakeConnector makes connections that can do more or less.
type fakeConnector struct {
	*diary
	make func(fakeConn) driver.Conn
}

func (c *fakeConnector) Connect(context.Context) (driver.Conn, error) {
	c.note("connect")
	return c.make(fakeConn{c.diary}), nil
}
func (c *fakeConnector) Driver() driver.Driver { return fakeDriver{} }
func (c *fakeConnector) Close() error {
	c.note("close connector")
	return nil
}

type fakeDriver struct{}

func (fakeDriver) Open(string) (driver.Conn, error) { return nil, errors.New("not this way") }

var errStatement = errors.New("no such table")

func outcomeOf(query string) error {
	if query == "SELECT fail" {
		return errStatement
	}
	return nil
}

// fakeConn has the obligatory methods only.
type fakeConn struct{ *diary }

func (c fakeConn) Prepare(query string) (driver.Stmt, error) {
	c.note("prepare %s", query)
	return fakeStmt{c.diary, query}, nil
}
func (c fakeConn) Close() error {
	c.note("close")
	return nil
}
func (c fakeConn) Begin() (driver.Tx, error) {
	c.note("begin")
	return fakeTx(c), nil
}

type fakeTx struct{ *diary }

func (t fakeTx) Commit() error {
	t.note("commit")
	return nil
}
func (t fakeTx) Rollback() error {
	t.note("rollback")
	return nil
}

type fakeStmt struct {
	*diary
	query string
}

func (s fakeStmt) Close() error {
	s.note("close statement")
	return nil
}
func (s fakeStmt) NumInput() int { return -1 }
func (s fakeStmt) Exec(args []driver.Value) (driver.Result, error) {
	s.note("statement exec %v", args)
	return driver.RowsAffected(1), outcomeOf(s.query)
}
func (s fakeStmt) Query(args []driver.Value) (driver.Rows, error) {
	s.note("statement query %v", args)
	return &fakeRows{diary: s.diary, left: 2}, outcomeOf(s.query)
}

type fakeRows struct {
	*diary
	left int
}

func (r *fakeRows) Columns() []string { return []string{"a"} }
func (r *fakeRows) Close() error {
	r.note("close rows")
	return nil
}
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = int64(r.left)
	return nil
}

// oldConn has what drivers had before contexts; its statements convert their arguments by column.
type oldConn struct{ fakeConn }

func (c oldConn) Exec(query string, args []driver.Value) (driver.Result, error) {
	c.note("exec %s %v", query, args)
	return driver.RowsAffected(1), outcomeOf(query)
}
func (c oldConn) Query(query string, args []driver.Value) (driver.Rows, error) {
	c.note("query %s %v", query, args)
	return &fakeRows{diary: c.diary, left: 2}, outcomeOf(query)
}
func (c oldConn) Prepare(query string) (driver.Stmt, error) {
	st, err := c.fakeConn.Prepare(query)
	return convertingStmt{st.(fakeStmt)}, err
}

type convertingStmt struct{ fakeStmt }

func (s convertingStmt) NumInput() int { return 1 }
func (s convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	s.note("converter of %d", i)
	return driver.String
}

// newConn has everything of today.
type newConn struct{ fakeConn }

func (c newConn) Ping(context.Context) error {
	c.note("ping")
	return nil
}
func (c newConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note("exec %s %v", query, args)
	return driver.RowsAffected(1), outcomeOf(query)
}
func (c newConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note("query %s %v", query, args)
	return &richRows{fakeRows{diary: c.diary, left: 2}}, outcomeOf(query)
}
func (c newConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	c.note("prepare %s", query)
	return newStmt{fakeStmt{c.diary, query}}, nil
}
func (c newConn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.note("begin %+v", o)
	return fakeTx{c.diary}, nil
}
func (c newConn) ResetSession(context.Context) error {
	c.note("reset")
	return nil
}
func (c newConn) IsValid() bool {
	c.note("valid?")
	return true
}
func (c newConn) CheckNamedValue(v *driver.NamedValue) error {
	c.note("check %v", v.Value)
	return driver.ErrSkip
}

type newStmt struct{ fakeStmt }

func (s newStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.note("statement exec %v", args)
	return driver.RowsAffected(1), outcomeOf(s.query)
}
func (s newStmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.note("statement query %v", args)
	return &richRows{fakeRows{diary: s.diary, left: 2}}, outcomeOf(s.query)
}

// richRows know their columns' types and have a second result.
type richRows struct{ fakeRows }

func (r *richRows) HasNextResultSet() bool { return true }
func (r *richRows) NextResultSet() error {
	r.note("next result")
	return io.EOF
}
func (r *richRows) ColumnTypeDatabaseTypeName(int) string { return "INT8" }
func (r *richRows) ColumnTypeNullable(int) (bool, bool)   { return true, true }

// skippingConn leaves direct calls to prepared statements, as drivers do that cannot bind arguments without one.
type skippingConn struct{ newConn }

func (c skippingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, driver.ErrSkip
}
func (c skippingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, driver.ErrSkip
}
