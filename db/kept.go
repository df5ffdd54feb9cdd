package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// Some statements run again and again, every few milliseconds and with every call of Salesforce: looks for work, signs of life, the count of API calls, what every page reads. The time they take is the time that
// Postgres needs to understand and plan them. Sessions keep those prepared: after that each is one exchange with Postgres instead of two, and after a few uses it is not planned anew.
//
// Only statements that find their rows by a key, or look at small tables, are kept: the plan of others depends on their values.

// keptTexts holds the texts of the statements that sessions keep.
var keptTexts sync.Map // string -> struct{}

// kept marks a statement as one that sessions keep, and returns it. There are few of them: a text must not hold values.
func kept(query string) string {
	if _, ok := keptTexts.Load(query); !ok {
		keptTexts.Store(query, struct{}{})
	}
	return query
}

// pqConn is what the driver's connections can do.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// keptStmt is what the driver's statements can do.
type keptStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// session is a connection that keeps statements, and whose calls end; see bound.go. As any connection, it is used by one goroutine at a time.
type session struct {
	pqConn
	stmts    map[string]keptStmt
	wire     *wire // nil where the driver dialled by itself
	readOnly bool  // the server has refused to write: another session may land on one that does
}

// QueryContext implements driver.QueryerContext.
func (s *session) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Rows, err error) {
	defer s.bounded(ctx)()
	defer func() { s.heed(err) }()
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return s.pqConn.QueryContext(ctx, query, args)
	}
	rows, err := stmt.QueryContext(ctx, args)
	if s.forget(query, err) {
		return s.pqConn.QueryContext(ctx, query, args)
	}
	return rows, err
}

// ExecContext implements driver.ExecerContext.
func (s *session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (_ driver.Result, err error) {
	defer s.bounded(ctx)()
	defer func() { s.heed(err) }()
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return s.pqConn.ExecContext(ctx, query, args)
	}
	res, err := stmt.ExecContext(ctx, args)
	if s.forget(query, err) {
		return s.pqConn.ExecContext(ctx, query, args)
	}
	return res, err
}

// stmt returns the prepared statement of a query, or nil when it is not one to keep.
func (s *session) stmt(ctx context.Context, query string) (keptStmt, error) {
	if stmt, ok := s.stmts[query]; ok {
		return stmt, nil
	}
	if _, ok := keptTexts.Load(query); !ok {
		return nil, nil
	}
	prepared, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := prepared.(keptStmt)
	if !ok {
		return nil, errors.Join(errors.New("the driver cannot run prepared statements under a context"), prepared.Close())
	}
	if s.stmts == nil {
		s.stmts = map[string]keptStmt{}
	}
	s.stmts[query] = stmt
	return stmt, nil
}

// outdated are the codes by which Postgres refuses a statement that was prepared before a table changed, or in another session.
var outdated = []pqerror.Code{pqerror.FeatureNotSupported, pqerror.InvalidSQLStatementName}

// forget drops a kept statement that Postgres refuses, and reports that it has: the text itself has to be sent instead, and the next use prepares it anew. In a transaction the refusal has
// undone what went before, so the text is refused too.
func (s *session) forget(query string, err error) bool {
	var pe *pq.Error
	if !errors.As(err, &pe) || !slices.Contains(outdated, pe.Code) {
		return false
	}
	delete(s.stmts, query)
	return true
}
