package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// ErrNoSettings is returned when a run is asked for of a connection that nobody has configured yet.
var ErrNoSettings = errors.New("the connection has no settings yet")

// RequestRun queues a run of a connection with its newest settings. When one is active already it returns that, with started false: a double click
// and a second admin never start two. It returns ErrNoSettings before the first save and ErrNotFound for an unknown connection.
func (d *DB) RequestRun(ctx context.Context, connectionID int64, trigger string, by *int64) (run Run, started bool, err error) {
	var id int64
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		var version sql.NullInt64
		err := tx.GetContext(ctx, &version, `
			SELECT (SELECT max(version) FROM millrace.settings_versions WHERE connection_id = c.id) FROM millrace.connections c WHERE id = $1`,
			connectionID)
		if err != nil {
			return notFound(err)
		}
		if !version.Valid {
			return ErrNoSettings
		}
		id, started, err = queueRun(ctx, tx, connectionID, int(version.Int64), trigger, by)
		return err
	})
	if err != nil {
		return run, false, fmt.Errorf("db.RequestRun(%d): %w", connectionID, err)
	}
	run, err = d.RunByID(ctx, id)
	return run, started, err
}

// queueRun inserts a queued run with its audit row and returns its id, or the id of the active run that there is already.
func queueRun(ctx context.Context, tx *sqlx.Tx, connectionID int64, version int, trigger string, by *int64) (id int64, started bool, err error) {
	// The other run may end between the two statements; then there is room for this one.
	for range 10 {
		err = tx.GetContext(ctx, &id, `
			WITH new AS (
			    INSERT INTO millrace.runs (short_id, connection_id, trigger, requested_by, settings_version, state)
			    VALUES ($1, $2, $3, $4, $5, 'queued')
			    ON CONFLICT DO NOTHING
			    RETURNING id, short_id),
			audit AS (
			    INSERT INTO millrace.audit_log (connection_id, run_id, actor_id, entity, action, detail)
			    SELECT $2, id, $4::bigint, 'run', 'requested', $3 FROM new)
			SELECT id FROM new`, shortID(), connectionID, trigger, by, version)
		if !errors.Is(err, sql.ErrNoRows) {
			return id, err == nil, err
		}
		err = tx.GetContext(ctx, &id, `
			SELECT id FROM millrace.runs WHERE connection_id = $1 AND entity = 'all' AND state IN ('queued', 'running', 'waiting')`, connectionID)
		if !errors.Is(err, sql.ErrNoRows) {
			return id, false, err
		}
	}
	return 0, false, errors.New("runs come and go too fast to queue one")
}

// shortID returns a random name of a run that people can read to each other.
func shortID() string {
	const alphabet = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	for i, v := range b {
		b[i] = alphabet[int(v)%len(alphabet)]
	}
	return "R-" + string(b[:])
}

// RequestCancel ends a run that waits for its turn or its time at once, and asks the runner of a running one to stop; that takes effect within a page.
// A run that has ended stays as it is.
func (d *DB) RequestCancel(ctx context.Context, runID int64, by int64) error {
	_, err := d.pool.ExecContext(ctx, `
		WITH hit AS (
		    UPDATE millrace.runs
		       SET cancel_requested_at = now(), cancel_requested_by = $2,
		           state       = CASE state WHEN 'running' THEN state ELSE 'cancelled' END,
		           outcome     = CASE state WHEN 'running' THEN outcome ELSE 'Cancelled before it was done' END,
		           finished_at = CASE state WHEN 'running' THEN NULL ELSE now() END,
		           waiting_until = NULL, waiting_reason = ''
		     WHERE id = $1 AND state IN ('queued', 'running', 'waiting') AND cancel_requested_at IS NULL
		    RETURNING id, connection_id)
		INSERT INTO millrace.audit_log (connection_id, run_id, actor_id, entity, action)
		SELECT connection_id, id, $2, 'run', 'cancel requested' FROM hit`, runID, by)
	return wrapIf(err, "db.RequestCancel(%d)", runID)
}
