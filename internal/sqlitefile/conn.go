package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// Conn is one connection with its prepared statements. One goroutine may use it at a time.
type Conn struct {
	raw   driver.Conn
	stmts map[string]*Stmt
}

// dial opens a connection and runs the pragmas on it.
func dial(path string, pragmas []string) (*Conn, error) {
	name, err := address(path)
	if err != nil {
		return nil, err
	}
	raw, err := (&sqlite.Driver{}).Open(name)
	if err != nil {
		return nil, err
	}
	c := &Conn{raw: raw, stmts: make(map[string]*Stmt)}
	for _, p := range pragmas {
		if err := c.Script(p); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", p, err), c.close())
		}
	}
	return c, nil
}

// Script runs one or more statements without parameters, which are not kept prepared.
func (c *Conn) Script(sql string) error {
	x, ok := c.raw.(driver.ExecerContext)
	if !ok {
		return errors.New("driver cannot run a script")
	}
	_, err := x.ExecContext(context.Background(), sql, nil)
	return err
}

// Stmt returns the statement prepared for sql, preparing it the first time. It lives as long as the connection, so sql
// must come from a fixed set.
func (c *Conn) Stmt(sql string) (*Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	raw, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	exec, ok1 := raw.(driver.StmtExecContext)
	query, ok2 := raw.(driver.StmtQueryContext)
	if !ok1 || !ok2 {
		return nil, errors.Join(errors.New("driver cannot run prepared statements"), raw.Close())
	}
	s := &Stmt{raw: raw, exec: exec, query: query}
	c.stmts[sql] = s
	return s, nil
}

// Exec runs sql as a prepared statement and returns how many rows it changed.
func (c *Conn) Exec(sql string, args ...any) (int64, error) {
	s, err := c.Stmt(sql)
	if err != nil {
		return 0, err
	}
	return s.Exec(args...)
}

// Query runs sql as a prepared statement and calls fn for every row of its answer, until fn returns an error. The row
// is valid only during the call.
func (c *Conn) Query(sql string, fn func(Row) error, args ...any) error {
	s, err := c.Stmt(sql)
	if err != nil {
		return err
	}
	return s.Query(fn, args...)
}

// Begin starts a transaction; all of its queries see one moment, that of the first.
func (c *Conn) Begin() error { _, err := c.Exec("BEGIN"); return err }

// BeginWrite starts a transaction and takes the write lock at once.
func (c *Conn) BeginWrite() error { _, err := c.Exec("BEGIN IMMEDIATE"); return err }

// Commit makes the transaction durable. After an error its fate is unknown; see the package comment.
func (c *Conn) Commit() error { _, err := c.Exec("COMMIT"); return err }

// Rollback undoes the transaction. One that SQLite has undone by itself, as it does when the disk is full, is undone.
func (c *Conn) Rollback() error {
	_, err := c.Exec("ROLLBACK")
	if err == nil || c.Begin() != nil {
		return err // or a transaction is still open, and nobody knows why
	}
	_, err = c.Exec("ROLLBACK")
	return err
}

func (c *Conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.raw.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// Stmt is a prepared statement of one connection.
type Stmt struct {
	raw   driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	args  []driver.NamedValue // reused between calls
	row   Row                 // likewise
}

// Exec runs the statement and returns how many rows it changed. Values are int64, float64, string, []byte or nil; a nil
// []byte is NULL.
//
// There is no context on purpose: one that can end would cost a goroutine per call, and a statement of this program is
// either short or reads row by row, where its caller can stop.
func (s *Stmt) Exec(args ...any) (int64, error) {
	s.bind(args)
	defer s.unbind()
	r, err := s.exec.ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Query runs the statement and calls fn for every row, until fn returns an error.
func (s *Stmt) Query(fn func(Row) error, args ...any) (err error) {
	s.bind(args)
	defer s.unbind()
	rows, err := s.query.QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if n := len(rows.Columns()); len(s.row) != n {
		s.row = make(Row, n)
	}
	for {
		switch err := rows.Next(s.row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := fn(s.row); err != nil {
			return err
		}
	}
}

func (s *Stmt) bind(args []any) {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
}

// unbind lets go of the last call's values: a statement may rest for hours.
func (s *Stmt) unbind() {
	clear(s.args)
	clear(s.row)
}

// Row is one row of an answer. Reading a column as another type than it has gives that type's zero value.
type Row []driver.Value

// Int returns column i, an integer.
func (r Row) Int(i int) int64 { v, _ := r[i].(int64); return v }

// Text returns column i, a text.
func (r Row) Text(i int) string { v, _ := r[i].(string); return v }

// Blob returns column i, a blob; nil for NULL, but not for an empty one. The caller may keep it.
func (r Row) Blob(i int) []byte {
	v, ok := r[i].([]byte)
	if ok && v == nil {
		return []byte{}
	}
	return v
}

// Null reports whether column i is NULL.
func (r Row) Null(i int) bool { return r[i] == nil }
