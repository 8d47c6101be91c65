package clew

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

// sqlConn has every optional method of a connection. What the driver's lacks answers as database/sql does for a connection without it, so
// nothing is lost and nothing is gained.
type sqlConn struct {
	driver.Conn
	on *sqlConnector

	// What database/sql asks of a connection with each statement, nil where the driver's has it not.
	resets driver.SessionResetter
	valid  driver.Validator
	checks driver.NamedValueChecker
}

func newSQLConn(conn driver.Conn, on *sqlConnector) *sqlConn {
	c := &sqlConn{Conn: conn, on: on}
	c.resets, _ = conn.(driver.SessionResetter)
	c.valid, _ = conn.(driver.Validator)
	c.checks, _ = conn.(driver.NamedValueChecker)
	return c
}

func (c *sqlConn) Ping(ctx context.Context) error {
	p, ok := c.Conn.(driver.Pinger)
	if !ok {
		return nil
	}
	start := time.Now()
	err := p.Ping(ctx)
	if err != nil || On(ComponentSQL, Detailed) {
		c.on.did(ctx, start, "", err)
	}
	return err
}

func (c *sqlConn) ResetSession(ctx context.Context) error {
	if c.resets == nil {
		return nil
	}
	return c.resets.ResetSession(ctx)
}

func (c *sqlConn) IsValid() bool {
	return c.valid == nil || c.valid.IsValid()
}

func (c *sqlConn) CheckNamedValue(v *driver.NamedValue) error {
	if c.checks == nil {
		return driver.ErrSkip
	}
	return c.checks.CheckNamedValue(v)
}

func (c *sqlConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	start := time.Now()
	switch e := c.Conn.(type) {
	case driver.ExecerContext:
		res, err = e.ExecContext(ctx, query, args)
	case driver.Execer: //nolint:staticcheck // Old drivers have only this one.
		var values []driver.Value
		if values, err = plainValues(ctx, args); err == nil {
			res, err = e.Exec(query, values)
		}
	default:
		return nil, driver.ErrSkip
	}
	c.on.did(ctx, start, query, err)
	return res, err
}

func (c *sqlConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	start := time.Now()
	switch q := c.Conn.(type) {
	case driver.QueryerContext:
		rows, err = q.QueryContext(ctx, query, args)
	case driver.Queryer: //nolint:staticcheck // Old drivers have only this one.
		var values []driver.Value
		if values, err = plainValues(ctx, args); err == nil {
			rows, err = q.Query(query, values)
		}
	default:
		return nil, driver.ErrSkip
	}
	c.on.did(ctx, start, query, err)
	return c.on.watchRows(ctx, rows, err)
}

func (c *sqlConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *sqlConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	var st driver.Stmt
	var err error
	if p, ok := c.Conn.(driver.ConnPrepareContext); ok {
		st, err = p.PrepareContext(ctx, query)
	} else {
		st, err = c.Conn.Prepare(query)
		if err == nil && ctx.Err() != nil {
			_ = st.Close()
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	wrapped := &sqlStmt{Stmt: st, conn: c, query: query}
	if _, ok := st.(driver.ColumnConverter); ok { //nolint:staticcheck // Old drivers have it.
		return columnStmt{wrapped}, nil
	}
	return wrapped, nil
}

func (c *sqlConn) BeginTx(ctx context.Context, o driver.TxOptions) (tx driver.Tx, err error) {
	start := time.Now()
	if b, ok := c.Conn.(driver.ConnBeginTx); ok {
		tx, err = b.BeginTx(ctx, o)
	} else if tx, err = c.oldBegin(ctx, o); err != nil {
		return nil, err
	}
	c.on.did(ctx, start, "BEGIN", err)
	if err != nil {
		return nil, err
	}
	return &sqlTx{Tx: tx, ctx: ctx, on: c.on}, nil
}

// oldBegin does what database/sql does for drivers without BeginTx.
func (c *sqlConn) oldBegin(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.Isolation != driver.IsolationLevel(sql.LevelDefault) {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if o.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := c.Conn.Begin() //nolint:staticcheck // It is the only one that the driver has.
	if err == nil && ctx.Err() != nil {
		_ = tx.Rollback()
		return nil, ctx.Err()
	}
	return tx, err
}

// plainValues turns arguments into what methods without a context take, as database/sql does.
func plainValues(ctx context.Context, named []driver.NamedValue) ([]driver.Value, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values := make([]driver.Value, len(named))
	for i, n := range named {
		if n.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = n.Value
	}
	return values, nil
}

// sqlTx records the end of a transaction, under the span that began it.
type sqlTx struct {
	driver.Tx
	ctx context.Context
	on  *sqlConnector
}

func (t *sqlTx) Commit() error {
	start := time.Now()
	err := t.Tx.Commit()
	t.on.did(t.ctx, start, "COMMIT", err)
	return err
}

func (t *sqlTx) Rollback() error {
	start := time.Now()
	err := t.Tx.Rollback()
	t.on.did(t.ctx, start, "ROLLBACK", err)
	return err
}

// sqlStmt is a prepared statement.
type sqlStmt struct {
	driver.Stmt
	conn  *sqlConn
	query string
}

// columnStmt is one whose driver converts arguments by column. It is a type of its own because database/sql treats arguments otherwise as
// soon as the method is there.
type columnStmt struct{ *sqlStmt }

func (s columnStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.Stmt.(driver.ColumnConverter).ColumnConverter(i) //nolint:staticcheck // Old drivers have it.
}

// CheckNamedValue asks the statement, else the connection, in the order of database/sql.
func (s *sqlStmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

func (s *sqlStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	start := time.Now()
	if e, ok := s.Stmt.(driver.StmtExecContext); ok {
		res, err = e.ExecContext(ctx, args)
	} else {
		var values []driver.Value
		if values, err = plainValues(ctx, args); err == nil {
			res, err = s.Stmt.Exec(values) //nolint:staticcheck // It is the only one that the driver has.
		}
	}
	s.conn.on.did(ctx, start, s.query, err)
	return res, err
}

func (s *sqlStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	start := time.Now()
	if q, ok := s.Stmt.(driver.StmtQueryContext); ok {
		rows, err = q.QueryContext(ctx, args)
	} else {
		var values []driver.Value
		if values, err = plainValues(ctx, args); err == nil {
			rows, err = s.Stmt.Query(values) //nolint:staticcheck // It is the only one that the driver has.
		}
	}
	s.conn.on.did(ctx, start, s.query, err)
	return s.conn.on.watchRows(ctx, rows, err)
}
