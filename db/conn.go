package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Conn is one pinned connection, on which BEGIN, COPY, the merge and COMMIT follow each other. It is used by one goroutine.
type Conn struct {
	db     *DB
	conn   *sqlx.Conn
	inTx   bool
	broken bool
}

// rollbackTime bounds the rollback that follows a failure; past it the connection is discarded, which rolls back as well.
const rollbackTime = 10 * time.Second

// Pinned lends fn one connection of the pool. An open transaction is rolled back when fn returns; a connection on which COPY or a rollback failed
// is discarded instead of going back to the pool. fn's error comes back as it is, or as the context's error when that is the cause.
func (d *DB) Pinned(ctx context.Context, fn func(*Conn) error) error {
	return d.healAudit(ctx, d.pinned(ctx, fn))
}

func (d *DB) pinned(ctx context.Context, fn func(*Conn) error) error {
	sc, err := d.pool.Connx(ctx)
	if err != nil {
		return fmt.Errorf("take a connection: %w", asCancelled(ctx, err))
	}
	c := &Conn{db: d, conn: sc}
	defer c.release()
	return asCancelled(ctx, fn(c))
}

func (c *Conn) release() {
	if c.inTx && !c.broken {
		_ = c.Rollback() // a failure marks the connection as broken
	}
	if c.broken {
		c.discard()
	}
	_ = c.conn.Close() // ErrConnDone after a discard
}

// discard takes the connection out of the pool. Raw with ErrBadConn is safe here because no sql.Tx is ever opened on a pinned connection.
func (c *Conn) discard() {
	_ = c.conn.Raw(func(dc any) error {
		if dc, ok := dc.(driver.Conn); ok {
			cut(dc)
		}
		return driver.ErrBadConn
	})
}

// Begin starts a transaction.
func (c *Conn) Begin(ctx context.Context) error {
	if _, err := c.conn.ExecContext(ctx, `BEGIN`); err != nil {
		c.broken = true
		return fmt.Errorf("begin: %w", asCancelled(ctx, err))
	}
	c.inTx = true
	return nil
}

// Commit ends the transaction and keeps its work. After an error it is not known whether the work was kept, as always with a lost connection.
func (c *Conn) Commit(ctx context.Context) error {
	if !c.inTx || c.broken {
		return fmt.Errorf("commit: no transaction is open: %w", sql.ErrTxDone)
	}
	var state string
	// A transaction that has failed answers COMMIT by rolling back, without an error; the guard statement fails instead.
	if err := c.conn.GetContext(ctx, &state, `SELECT 'sound'`); err != nil {
		return fmt.Errorf("commit: %w", asCancelled(ctx, err))
	}
	c.inTx = false
	if _, err := c.conn.ExecContext(ctx, `COMMIT`); err != nil {
		c.broken = true
		return fmt.Errorf("commit: %w", asCancelled(ctx, err))
	}
	return nil
}

// Rollback ends the transaction and drops its work, even when the context that governed it has ended.
func (c *Conn) Rollback() error {
	if !c.inTx || c.broken {
		return nil
	}
	c.inTx = false
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	if _, err := c.conn.ExecContext(ctx, `ROLLBACK`); err != nil {
		c.broken = true
		return fmt.Errorf("rollback: %w", err)
	}
	return nil
}

// Exec runs a statement and returns the number of rows that it touched (0 for MERGE, whose count the driver does not read).
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := c.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, asCancelled(ctx, err)
	}
	return res.RowsAffected()
}

// Get reads one row into dest, a struct or a scalar. It returns an error wrapping sql.ErrNoRows when there is none.
func (c *Conn) Get(ctx context.Context, dest any, query string, args ...any) error {
	return asCancelled(ctx, c.conn.GetContext(ctx, dest, query, args...))
}

// Select reads all rows into dest, a pointer to a slice.
func (c *Conn) Select(ctx context.Context, dest any, query string, args ...any) error {
	return asCancelled(ctx, c.conn.SelectContext(ctx, dest, query, args...))
}

// Query returns rows for streaming; close them before the next statement on c.
func (c *Conn) Query(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	rows, err := c.conn.QueryxContext(ctx, query, args...)
	return rows, asCancelled(ctx, err)
}

// alone runs fn while it holds an advisory lock, given by its keys as SQL, on the connection; where another holds it, fn is left out.
func (c *Conn) alone(ctx context.Context, keys string, fn func() error) error {
	var free bool
	if err := c.Get(ctx, &free, `SELECT pg_try_advisory_lock(`+keys+`)`); err != nil || !free {
		return err
	}
	err := fn()
	if _, unlockErr := c.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(`+keys+`)`); unlockErr != nil {
		c.broken = true // the lock goes with the connection
	}
	return err
}
