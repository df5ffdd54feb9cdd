package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// ErrNoSettings is returned when a run is asked for of a connection that nobody has configured yet.
var ErrNoSettings = errors.New("the connection has no settings yet")

// EntityOffError says that a run was asked for of something that the settings do not sync.
type EntityOffError struct{ Reason string } // a plain sentence

// Error implements error.
func (e *EntityOffError) Error() string { return e.Reason }

// RequestRun queues a run of an entity of a connection with its newest settings. When a run is active that covers it already it returns that, with started
// false: a double click and a second admin never start two. A run that has begun with older settings covers nothing: the new one has its turn after it. It returns ErrNoSettings before the first save, an *EntityOffError for what the settings do not
// sync, and ErrNotFound for an unknown connection.
func (d *DB) RequestRun(ctx context.Context, connectionID int64, entity pipeline.Entity, trigger string, by *int64) (run Run, started bool, err error) {
	return d.requestRun(ctx, connectionID, newRun{entity: entity, trigger: trigger, by: by})
}

// RequestWholeRun is RequestRun, by a person, for a run that reads everything, changed or not. An active run that has not been planned yet becomes one; of one that has been, whole is false.
func (d *DB) RequestWholeRun(ctx context.Context, connectionID int64, entity pipeline.Entity, by *int64) (run Run, started, whole bool, err error) {
	run, started, err = d.requestRun(ctx, connectionID, newRun{entity: entity, trigger: TriggerManual, by: by, whole: true})
	return run, started, run.Whole, err
}

func (d *DB) requestRun(ctx context.Context, connectionID int64, n newRun) (run Run, started bool, err error) {
	entity := n.entity
	var id int64
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		var found int64
		if err := tx.GetContext(ctx, &found, `SELECT id FROM millrace.connections WHERE id = $1 FOR KEY SHARE`, connectionID); err != nil {
			return notFound(err)
		}
		current, err := currentSettings(ctx, tx, connectionID)
		if err != nil {
			return err
		}
		if current == nil {
			return ErrNoSettings
		}
		if why := entity.WhyOff(current.Settings); why != "" {
			return &EntityOffError{why}
		}
		n.connection, n.version = connectionID, current.Version
		if id, started, err = queueRun(ctx, tx, n); err != nil || !n.whole {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE millrace.runs SET whole = true
			 WHERE id = $1 AND state = 'queued' AND started_at IS NULL`, id)
		return err
	})
	if err != nil {
		return run, false, fmt.Errorf("db.RequestRun(%d, %s): %w", connectionID, entity, err)
	}
	run, err = d.RunByID(ctx, id)
	return run, started, err
}

// newRun is a run to be queued.
type newRun struct {
	connection int64
	version    int // of the settings
	entity     pipeline.Entity
	trigger    string
	by         *int64     // the person who asked for it
	slot       *time.Time // of the schedule that asked for it
	missed     int64      // slots of it for which the run makes up
	whole      bool       // everything is read, changed or not
	of         int64      // the run that it undoes; 0 for none
}

// noSync lists, for SQL, what a run can be that is no sync: it goes by no settings of its own, and nothing brings it over but itself.
const noSync = `('impact', 'undo', 'gap', 'retry')`

// covering selects the active runs x of the connection $1 that bring the entity $2 over: its own, and those of everything, to which neither Chatter nor what
// is no sync belongs. A sync whose end is asked for brings nothing over any more. A condition is to follow.
const covering = `SELECT x.id FROM millrace.runs x WHERE x.connection_id = $1 AND x.state IN ('queued', 'running', 'waiting')
   AND (x.cancel_requested_at IS NULL OR x.entity IN ` + noSync + `)
   AND (x.entity = $2 OR x.entity = 'all' AND $2 <> 'chatter' AND $2 NOT IN ` + noSync + `) AND `

// byNewest is the condition that a run x goes by the newest settings of its connection, as those that have not begun do, or by none.
const byNewest = `(x.started_at IS NULL OR x.entity IN ` + noSync + `
       OR x.settings_version = (SELECT max(v.version) FROM millrace.settings_versions v WHERE v.connection_id = x.connection_id))`

// queueRun inserts a queued run with its audit row and returns its id, or the id of the active run that covers it already, or of the run that its slot has
// had. Requests of one connection take
// turns, so that a run that can be seen has no older one that cannot: Claim goes by their order.
func queueRun(ctx context.Context, tx *sqlx.Tx, n newRun) (id int64, started bool, err error) {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('millrace.runs', $1))`, n.connection); err != nil {
		return 0, false, err
	}
	err = tx.GetContext(ctx, &id, covering+byNewest+` ORDER BY x.id LIMIT 1`, n.connection, n.entity)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	err = tx.GetContext(ctx, &id, `
		WITH new AS (
		    INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, requested_by, settings_version, state, scheduled_for, missed, of_run, root_run)
		    VALUES ($1, $2, $3, $4, $5, nullif($6, 0), 'queued', $7, $8, nullif($9, 0), (SELECT coalesce(o.root_run, o.id) FROM millrace.runs o WHERE o.id = $9))
		    ON CONFLICT (connection_id, entity, scheduled_for) WHERE scheduled_for IS NOT NULL DO NOTHING
		    RETURNING id),
		audit AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, actor_id, entity, action, detail)
		    SELECT $2, id, $5::bigint, 'run', 'requested', $3 || ', ' || $4 FROM new)
		SELECT id FROM new`, shortID(), n.connection, n.entity, n.trigger, n.by, n.version, n.slot, n.missed, n.of)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.GetContext(ctx, &id, `SELECT id FROM millrace.runs WHERE connection_id = $1 AND entity = $2 AND scheduled_for = $3`, n.connection, n.entity, n.slot)
		return id, false, err
	}
	return id, err == nil, err
}

// ActiveRun returns the oldest active run that brings an entity of a connection over by its newest settings, nil when there is none.
func (d *DB) ActiveRun(ctx context.Context, connectionID int64, entity pipeline.Entity) (*Run, error) {
	return d.activeRun(ctx, connectionID, entity, byNewest)
}

// OlderRun returns the run that does so and began with older settings, nil when there is none.
func (d *DB) OlderRun(ctx context.Context, connectionID int64, entity pipeline.Entity) (*Run, error) {
	return d.activeRun(ctx, connectionID, entity, `NOT `+byNewest)
}

func (d *DB) activeRun(ctx context.Context, connectionID int64, entity pipeline.Entity, which string) (*Run, error) {
	var id int64
	err := d.pool.GetContext(ctx, &id, covering+which+` ORDER BY x.id LIMIT 1`, connectionID, entity)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("db.ActiveRun(%d, %s): %w", connectionID, entity, asCancelled(ctx, err))
	}
	r, err := d.RunByID(ctx, id)
	return &r, err
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
	return wrapIf(d.healAudit(ctx, err), "db.RequestCancel(%d)", runID)
}
