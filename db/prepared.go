package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// prepared reads by statements that stay prepared on the pool's connections. The driver sends a statement with parameters in two exchanges, and Postgres
// parses and plans it anew each time; one that stays prepared takes one exchange and keeps its plan. It is for what pages read again and again, by texts
// that are constants: each text is kept. What is planned anew with each value stays with the pool.
type prepared struct {
	pool *sqlx.DB
	mu   sync.Mutex
	of   map[string]*sqlx.Stmt
}

// statement returns the statement of a text, nil where it cannot be prepared; whoever asks then sends the text itself, which tells why.
func (p *prepared) statement(ctx context.Context, query string) *sqlx.Stmt {
	p.mu.Lock()
	stmt := p.of[query]
	p.mu.Unlock()
	if stmt != nil {
		return stmt
	}
	stmt, err := p.pool.PreparexContext(ctx, query)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.of[query]; first != nil {
		_ = stmt.Close() // another request was as fast
		return first
	}
	p.of[query] = stmt
	return stmt
}

// outdated reports whether err is that of a statement that has to be prepared anew, and forgets it: a migration has changed what it reads, or its session
// has forgotten it. Others may be using it, so that it stays on its connections until they end.
func (p *prepared) outdated(err error, query string, stmt *sqlx.Stmt) bool {
	var refused *pq.Error
	if !errors.As(err, &refused) || refused.Code != pqerror.FeatureNotSupported && refused.Code != pqerror.InvalidSQLStatementName {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[query] == stmt {
		delete(p.of, query)
	}
	return true
}

// QueryContext implements sqlx.QueryerContext.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := p.QueryxContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return rows.Rows, nil
}

// QueryxContext implements sqlx.QueryerContext.
func (p *prepared) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	if stmt := p.statement(ctx, query); stmt != nil {
		rows, err := stmt.QueryxContext(ctx, args...)
		if !p.outdated(err, query, stmt) {
			return rows, err
		}
	}
	return p.pool.QueryxContext(ctx, query, args...)
}

// QueryRowxContext implements sqlx.QueryerContext.
func (p *prepared) QueryRowxContext(ctx context.Context, query string, args ...any) *sqlx.Row {
	if stmt := p.statement(ctx, query); stmt != nil {
		row := stmt.QueryRowxContext(ctx, args...)
		if !p.outdated(row.Err(), query, stmt) {
			return row
		}
	}
	return p.pool.QueryRowxContext(ctx, query, args...)
}
