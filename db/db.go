// Package db keeps everything that Millrace remembers in Postgres 15 or later: people and their sessions, connections with their sealed secrets,
// settings in versions, runs, and the synced records. One file per concept; the SQL sits beside the function that runs it. The pool's connections
// are guarded once, in dial.go and conn.go, against the known traps of the driver.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ErrNotFound is returned, wrapped, when the asked-for row does not exist.
var ErrNotFound = errors.New("not found")

// Options says how to reach Postgres and how to guard what is kept there. Zero values mean the defaults.
type Options struct {
	URL           string        // postgres://… or a key=value string
	SecretKey     []byte        // at least 32 bytes, raw or text; seals tokens and client secrets
	OldSecretKeys [][]byte      // earlier keys, still accepted for opening; what they sealed is sealed anew by CheckSecretKey
	MaxConns      int           // size of the pool; 10 by default, at least 3
	Owner         string        // names this process; its sessions bear the name in pg_stat_activity, by which those that take over its work find them
	WriteTimeout  time.Duration // longest time that one write to Postgres may stall; 30 s by default

	SiftFrom        int64 // of how many records on a page that is read again only those are merged that differ; 1,000 by default
	KeepParentsFrom int64 // of how many records on a first load keeps the ids of their parents in memory; 50,000 by default
	KeepLeftTo      int   // how many accounts that have left are kept in memory for a page that is read again; beyond, it is asked which are here; 20,000 by default
	QuickHashes     bool  // of passwords, for tests: they cost next to nothing and protect nothing

	LeaveOutAudit bool // of the records that a first load brings; for measuring what they cost, and nothing else

	SessionIdle     time.Duration // a session unused for this long has ended; 30 min by default
	SessionAbsolute time.Duration // a session ends this long after its start at the latest; 12 h by default
}

func (o Options) withDefaults() Options {
	if o.MaxConns == 0 {
		o.MaxConns = 10
	}
	o.MaxConns = max(o.MaxConns, 3)
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.KeepParentsFrom == 0 {
		o.KeepParentsFrom = 50_000
	}
	if o.SiftFrom == 0 {
		o.SiftFrom = 1_000
	}
	if o.KeepLeftTo == 0 {
		o.KeepLeftTo = 20_000
	}
	if o.SessionIdle == 0 {
		o.SessionIdle = 30 * time.Minute
	}
	if o.SessionAbsolute == 0 {
		o.SessionAbsolute = 12 * time.Hour
	}
	return o
}

// DB is the pool and everything that is done with it. It is safe for concurrent use.
type DB struct {
	pool    *sqlx.DB
	opts    Options
	keys    keyring
	refresh keyedLock // one grant refresh per connection and process waits in Postgres, the others here
	hashing chan struct{}
	lapses  takenOver
	counts  counts
	kinds   auditKinds
	bounds  auditBounds
}

// minServer is the oldest supported server_version_num.
const minServer = 150000

// Open connects to Postgres and checks that it can serve: version 15 or later, not behind a pooler that hands each transaction to another server
// session. It neither migrates nor checks the secret key; see Migrate and CheckSecretKey.
func Open(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	keys, err := newKeyring(o.SecretKey, o.OldSecretKeys)
	if err != nil {
		return nil, fmt.Errorf("db.Open: %w", err)
	}
	connector, err := newConnector(o)
	if err != nil {
		return nil, fmt.Errorf("db.Open: %w", err)
	}
	pool := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(30 * time.Minute) // what polls is never idle, and would stay with the server that it met first
	d := &DB{pool: pool, opts: o, keys: keys, refresh: newKeyedLock(), hashing: make(chan struct{}, maxHashing),
		counts: counts{of: map[int64]accountCount{}}, kinds: auditKinds{of: map[string][]auditKind{}}, bounds: usualBounds}
	if err := d.checkServer(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("db.Open: %w", err), pool.Close())
	}
	return d, nil
}

func (d *DB) checkServer(ctx context.Context) error {
	var version int
	var name string
	err := d.pool.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&version, &name)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	if version < minServer {
		return fmt.Errorf("this is Postgres %s; Millrace needs version 15 or later", name)
	}
	return d.refuseTransactionPooling(ctx)
}

// refuseTransactionPooling compares the server sessions that two client connections see. A pooler in transaction mode shares server sessions
// between clients, which silently breaks temporary tables and pinned connections; here it shows as one session seen from both, or as a session
// that changes under an unchanged connection.
func (d *DB) refuseTransactionPooling(ctx context.Context) error {
	const pid = `SELECT pg_backend_pid()`
	a, err := d.pool.Connx(ctx)
	if err != nil {
		return fmt.Errorf("open a first connection: %w", err)
	}
	defer a.Close()
	b, err := d.pool.Connx(ctx)
	if err != nil {
		return fmt.Errorf("open a second connection: %w", err)
	}
	defer b.Close()
	var first, second, again int
	if err := a.GetContext(ctx, &first, pid); err != nil {
		return fmt.Errorf("identify the first connection: %w", err)
	}
	tx, err := b.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin on the second connection: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	if err := tx.GetContext(ctx, &second, pid); err != nil {
		return fmt.Errorf("identify the second connection: %w", err)
	}
	if err := a.GetContext(ctx, &again, pid); err != nil {
		return fmt.Errorf("identify the first connection again: %w", err)
	}
	if first == second || first != again {
		return errors.New("a connection pooler in transaction mode stands before Postgres (such as PgBouncer with pool_mode=transaction); " +
			"Millrace needs session mode or a direct connection")
	}
	return nil
}

// Close closes the pool. Queries in progress are waited for.
func (d *DB) Close() error { return d.pool.Close() }

// Ping reports whether Postgres answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("db.Ping: %w", asCancelled(ctx, err))
	}
	return nil
}

// Name returns the name of the database.
func (d *DB) Name(ctx context.Context) (string, error) {
	var name string
	if err := d.pool.GetContext(ctx, &name, `SELECT current_database()`); err != nil {
		return "", fmt.Errorf("db.Name: %w", asCancelled(ctx, err))
	}
	return name, nil
}

// Transact runs fn in a transaction, which commits when fn returns nil and rolls back otherwise. It is the only way to begin one, apart from
// Pinned for COPY. fn's error comes back as it is, or as the context's error when that is the cause.
func (d *DB) Transact(ctx context.Context, fn func(*sqlx.Tx) error) error {
	return d.healAudit(ctx, d.transact(ctx, fn))
}

func (d *DB) transact(ctx context.Context, fn func(*sqlx.Tx) error) error {
	tx, err := d.pool.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", asCancelled(ctx, err))
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit
	if err := fn(tx); err != nil {
		return asCancelled(ctx, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", asCancelled(ctx, err))
	}
	return nil
}

// asCancelled turns the driver's ways of saying that the context ended ("bad connection", "canceling statement", a closed socket) into the
// context's own error, so that callers can tell a stop from a failure. Other errors stay as they are.
func asCancelled(ctx context.Context, err error) error {
	cause := ctx.Err()
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	var pe *pq.Error
	var ne net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, net.ErrClosed) || errors.As(err, &ne) ||
		errors.As(err, &pe) && pe.Code == "57014" {
		return fmt.Errorf("%w (%v)", cause, err)
	}
	return err
}

// Retryable reports whether the same work may succeed when it is tried again from its beginning: the connection was lost, Postgres was restarting
// or full, the transaction lost against another (deadlock, serialization), or the audit log had no part for the day, which has been made since.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var pe *pq.Error
	if errors.As(err, &pe) {
		switch pe.Code.Class() {
		case "08", "53": // connection exceptions, insufficient resources
			return true
		}
		switch pe.Code {
		case "40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "25P03", "25006":
			return true
		}
		return lacksAuditDay(err)
	}
	var ne net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &ne)
}

// notFound names a missing row and passes other errors on.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// storable reports whether Postgres can hold s as a text. No stored text equals one that it cannot.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// isUnique reports whether err is a violation of the named unique index.
func isUnique(err error, index string) bool {
	var pe *pq.Error
	return errors.As(err, &pe) && pe.Code == "23505" && pe.Constraint == index
}
