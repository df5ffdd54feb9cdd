package db

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// ErrFenced means that a run is no longer held by whoever writes to it.
var ErrFenced = pipeline.ErrFenced

// ErrCancelled means that a person has asked for the run's end.
var ErrCancelled = pipeline.ErrCancelled

// Claim takes over the next run that needs a runner, for as long as lease: a queued one, one whose waiting time is over, or one whose runner has let
// its lease run out. It returns nil when there is none. The runs of one connection are claimed one after the other, the oldest first; one that has started and
// waits keeps the others waiting: they would bring over what it must not miss. The units of the last lead are free then; those of helpers stay theirs. Only Postgres' clock counts, so that replicas with wrong clocks do no harm.
func (d *DB) Claim(ctx context.Context, owner string, lease time.Duration) (*Run, error) {
	var taken struct {
		lapse
		ID int64 `db:"id"`
	}
	err := d.pool.GetContext(ctx, &taken, kept(`
		WITH due AS MATERIALIZED (
		    SELECT r.id, r.owner, r.lease_until FROM millrace.runs r
		     WHERE (r.state = 'queued' OR r.state = 'waiting' AND r.waiting_until <= now() OR r.state = 'running' AND r.lease_until < now())
		       AND NOT EXISTS (SELECT FROM millrace.runs o
		                        WHERE o.connection_id = r.connection_id AND o.state IN ('queued', 'running', 'waiting')
		                          AND (o.started_at IS NULL, o.id) < (r.started_at IS NULL, r.id))
		     ORDER BY r.id FOR UPDATE OF r SKIP LOCKED LIMIT 1),
		unit AS (
		    UPDATE millrace.run_units u SET owner = '', lease_until = NULL, claim = nextval('millrace.run_unit_claims'), in_flight = 0
		      FROM due WHERE u.run_id = due.id AND u.owner = due.owner AND due.owner <> '')
		UPDATE millrace.runs
		   SET state = 'running', owner = $1, fence = fence + 1, attempt = attempt + 1, lease_until = now() + $2 * interval '1 second',
		       started_at = coalesce(started_at, now()), waiting_until = NULL, waiting_reason = '', in_flight = 0, moved_at = now()
		  FROM due WHERE runs.id = due.id
		RETURNING runs.id, due.owner AS was, due.lease_until AS lapsed`), owner, lease.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrapIf(err, "db.Claim")
	}
	d.takeOver(ctx, owner, taken.lapse)
	r, err := d.RunByID(ctx, taken.ID)
	return &r, err
}

// Heartbeat extends a run's lease and notes how many records of uncommitted pages have arrived. It returns ErrFenced when the run is no longer held under this fence and ErrCancelled when its end is asked for.
func (d *DB) Heartbeat(ctx context.Context, runID, fence int64, lease time.Duration, inFlight int64) error {
	return d.held(ctx, "db.Heartbeat", kept(`
		UPDATE millrace.runs SET lease_until = now() + $3 * interval '1 second', in_flight = $4, moved_at = CASE WHEN in_flight <> $4 THEN now() ELSE moved_at END
		 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_requested_at IS NOT NULL`), runID, fence, lease.Seconds(), inFlight)
}

// held runs an update of a held run whose one result says whether its end is asked for.
func (d *DB) held(ctx context.Context, op, query string, args ...any) error {
	var cancelled bool
	err := d.pool.GetContext(ctx, &cancelled, query, args...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrFenced
	case err == nil && cancelled:
		return ErrCancelled
	}
	return wrapIf(asCancelled(ctx, err), "%s", op)
}

// Release gives a held run back at once, for any runner to go on with. It does nothing when the run is no longer held under this fence.
func (d *DB) Release(ctx context.Context, runID, fence int64) error {
	_, err := d.pool.ExecContext(ctx, `
		UPDATE millrace.runs SET state = 'queued', owner = '', lease_until = NULL, phase = 'Waiting for a runner'
		 WHERE id = $1 AND fence = $2 AND state = 'running'`, runID, fence)
	return wrapIf(err, "db.Release(%d)", runID)
}

// Wait is how long and why a run pauses.
type Wait struct {
	For    time.Duration // from now; ignored for Person
	Until  *time.Time    // instead of For, when it is set
	Budget bool          // for the API budget: more room ends it early
	AtHour bool          // until the next full hour instead
	Person bool          // until a person reconnects the org, or WakeBlocked
	Grant  int64         // of a wait for Person: the version of the refused sign-in. When somebody has reconnected since, the run does not wait.
	Reason string        // a plain sentence
	Fault  bool          // counts towards Run.Waits
}

// Wait puts a held run to rest; Claim takes it up again when its time has come, or when the org has been reconnected. It returns ErrFenced when the run
// is no longer held under this fence, and ErrCancelled when its end is asked for, in which case it does not wait.
func (d *DB) Wait(ctx context.Context, runID, fence int64, w Wait) error {
	return d.held(ctx, "db.Wait", `
		WITH grant_now AS ( -- locked, so that a reconnect is seen here, or sees the run wait
		    SELECT c.status, c.token_version FROM millrace.connections c
		     WHERE $10 > 0 AND c.id = (SELECT r.connection_id FROM millrace.runs r WHERE r.id = $1) FOR SHARE),
		renewed AS (SELECT FROM grant_now WHERE status = 'connected' AND token_version > $10)
		UPDATE millrace.runs
		   SET state = CASE WHEN cancel_requested_at IS NOT NULL THEN state WHEN EXISTS (SELECT FROM renewed) THEN 'queued' ELSE 'waiting' END, owner = '', phase = '',
		       waiting_until = CASE WHEN $3 THEN NULL WHEN $4 THEN date_trunc('hour', now()) + interval '1 hour'
		                            ELSE coalesce($8, now() + $5 * interval '1 second') END,
		       waiting_reason = CASE WHEN EXISTS (SELECT FROM renewed) THEN '' ELSE $6 END, waiting_for = CASE WHEN $9 THEN 'budget' ELSE '' END,
		       waits = waits + CASE WHEN $7 THEN 1 ELSE 0 END
		 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_requested_at IS NOT NULL`,
		runID, fence, w.Person, w.AtHour, w.For.Seconds(), shorten(w.Reason, mostSaid), w.Fault, w.Until, w.Budget, w.Grant)
}

// wakeRuns lets the runs that wait for the connection to be reconnected go on.
func wakeRuns(ctx context.Context, tx *sqlx.Tx, connectionID int64) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE millrace.runs SET state = 'queued', waiting_reason = ''
		 WHERE connection_id = $1 AND state = 'waiting' AND waiting_until IS NULL`, connectionID)
	return err
}

// WakeBlocked lets the runs go on that wait for a person although their connection is in order: what they waited for is a setting of the operator, which
// a runner that starts may have now. It returns how many there are.
func (d *DB) WakeBlocked(ctx context.Context) (int64, error) {
	r, err := d.pool.ExecContext(ctx, `
		UPDATE millrace.runs r SET state = 'queued', waiting_reason = ''
		  FROM millrace.connections c
		 WHERE c.id = r.connection_id AND c.status = 'connected' AND r.state = 'waiting' AND r.waiting_until IS NULL`)
	if err != nil {
		return 0, wrapIf(asCancelled(ctx, err), "db.WakeBlocked")
	}
	return r.RowsAffected()
}

// Ending is how a run ends.
type Ending struct {
	State   RunState
	Outcome string // what it did, in a sentence
	Code    string // of what made it fail; empty otherwise
	Error   string // a plain sentence with the remedy; empty unless it failed

	Surprising bool // it completed, but what it did deserves a look
}

// mostSaid bounds, in bytes, what is noted of how a run stands. Its words hold some of Salesforce's: whatever those are, the note must succeed, or the run would come to the same end again and again.
const mostSaid = 20_000

// Finish ends a held run and forgets which pages were in work, but not who else held one, which records it met, and what an impact has read. It returns ErrFenced when the run is no longer held under this fence. A
// run that met millions of records has ended before they are forgotten, and what is not forgotten within ctx is left to ForgetEnded: an end that had to wait for
// that would be given up, and the run would be ended again and again.
func (d *DB) Finish(ctx context.Context, runID, fence int64, e Ending) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var run struct {
			Entity       pipeline.Entity `db:"entity"`
			ConnectionID int64           `db:"connection_id"`
			Was          string          `db:"was"` // its runner
		}
		err := tx.GetContext(ctx, &run, `
			UPDATE millrace.runs r
			   SET state = $3, outcome = $4, error_code = $5, error = $6, phase = '', owner = '', lease_until = NULL, finished_at = now(),
			       surprising = $7, in_flight = 0
			  FROM (SELECT id, owner FROM millrace.runs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE) w
			 WHERE r.id = w.id RETURNING entity, connection_id, w.owner AS was`, runID, fence, e.State, shorten(e.Outcome, mostSaid), shorten(e.Code, 100), shorten(e.Error, mostSaid), e.Surprising)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrFenced
		}
		if err != nil {
			return err
		}
		if run.Entity == pipeline.EntityImpact {
			if err := emptyAside(ctx, tx, run.ConnectionID); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `WITH `+removeUnits("", `u.run_id = $1`, `$2::text`)+` SELECT`, runID, run.Was); err != nil {
			return err
		}
		return sortErrors(ctx, tx, runID)
	})
	if err == nil {
		_ = d.forgetSeen(ctx, runID)
	}
	return wrapIf(err, "db.Finish(%d)", runID)
}

// forgetSeen removes what is kept of whom a run met.
func (d *DB) forgetSeen(ctx context.Context, runID int64) error {
	_, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.run_seen WHERE run_id = $1`, runID)
	return err
}

// ForgetEnded forgets whom runs met that have ended, and which of their pages were in work: those that were cancelled while they waited, and those at whose end
// that could not be forgotten.
func (d *DB) ForgetEnded(ctx context.Context) error {
	if _, err := d.pool.ExecContext(ctx, `WITH `+removeUnits(`USING millrace.runs r`, `r.id = u.run_id AND NOT (`+activeRun+`)`, `''`)+` SELECT`); err != nil {
		return wrapIf(asCancelled(ctx, err), "db.ForgetEnded")
	}
	if err := d.forgetLeft(ctx); err != nil {
		return wrapIf(asCancelled(ctx, err), "db.ForgetEnded")
	}
	var ended []int64 // found by one look into the index for each run that has rows
	err := d.pool.SelectContext(ctx, &ended, `
		WITH RECURSIVE met AS (
		    (SELECT run_id FROM millrace.run_seen ORDER BY run_id LIMIT 1)
		    UNION ALL
		    SELECT (SELECT s.run_id FROM millrace.run_seen s WHERE s.run_id > met.run_id ORDER BY s.run_id LIMIT 1) FROM met WHERE met.run_id IS NOT NULL)
		SELECT run_id FROM met WHERE run_id IS NOT NULL AND NOT EXISTS (SELECT FROM millrace.runs r WHERE r.id = met.run_id AND `+activeRun+`)`)
	for _, id := range ended {
		if err == nil {
			err = d.forgetSeen(ctx, id)
		}
	}
	return wrapIf(asCancelled(ctx, err), "db.ForgetEnded")
}
