package db

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// Everything here is read from runs, their steps and other small tables, by an index and up to a limit: it takes as long with millions of records as with
// a few.

// ended are the states of runs that are over.
const ended = `('completed', 'completed_with_errors', 'cancelled', 'failed')`

// PartRuns are the newest runs that brought a part of a connection over, or were to.
type PartRuns struct {
	Last *Run // of whatever state; nil for none
	Good *Run // that completed, with errors or without; may be Last
}

// NewestRuns returns the newest runs of parts of a connection. A run of everything counts for each part but Chatter.
func (d *DB) NewestRuns(ctx context.Context, connectionID int64, parts []pipeline.Entity) (map[pipeline.Entity]PartRuns, error) {
	var found []struct {
		Part pipeline.Entity `db:"part"`
		Good bool            `db:"good"`
		ID   int64           `db:"id"`
	}
	err := d.pool.SelectContext(ctx, &found, `
		SELECT p.part, k.good, n.id
		  FROM unnest($2::text[]) AS p (part) CROSS JOIN (VALUES (false), (true)) AS k (good)
		 CROSS JOIN LATERAL (
		       SELECT max(r.id) AS id FROM (VALUES (p.part), (CASE WHEN p.part <> 'chatter' THEN 'all' END)) AS e (entity)
		        CROSS JOIN LATERAL (SELECT id FROM millrace.runs WHERE connection_id = $1 AND entity = e.entity AND (NOT k.good OR state IN ('completed', 'completed_with_errors'))
		                             ORDER BY id DESC LIMIT 1) r) n
		 WHERE n.id IS NOT NULL`, connectionID, pq.Array(parts))
	ids := make([]int64, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	var runs []Run
	if err == nil {
		err = d.pool.SelectContext(ctx, &runs, runSelect+` WHERE r.id = ANY ($1)`, pq.Array(ids))
	}
	if err != nil {
		return nil, wrapIf(asCancelled(ctx, err), "db.NewestRuns(%d)", connectionID)
	}
	byID := make(map[int64]*Run, len(runs))
	for i := range runs {
		byID[runs[i].ID] = &runs[i]
	}
	out := make(map[pipeline.Entity]PartRuns, len(parts))
	for _, f := range found {
		of := out[f.Part]
		if f.Good {
			of.Good = byID[f.ID]
		} else {
			of.Last = byID[f.ID]
		}
		out[f.Part] = of
	}
	return out, nil
}

// RunFigures is what a run that has ended did, in numbers.
type RunFigures struct {
	ShortID    string          `db:"short_id"`
	Entity     pipeline.Entity `db:"entity"`
	State      RunState        `db:"state"`
	StartedAt  time.Time       `db:"started_at"`
	FinishedAt time.Time       `db:"finished_at"`
	APICalls   int64           `db:"api_calls"`
	Read       int64           `db:"read"`
	Changed    int64           `db:"changed"` // created, updated or left
	Failed     int64           `db:"failed"`
}

// RecentFigures returns the newest ended runs of a connection that brought something over, oldest first.
func (d *DB) RecentFigures(ctx context.Context, connectionID int64, limit int) ([]RunFigures, error) {
	var out []RunFigures
	err := d.pool.SelectContext(ctx, &out, `
		SELECT r.short_id, r.entity, r.state, r.started_at, r.finished_at, r.api_calls, s.read, r.retired + s.changed AS changed, s.failed
		  FROM (SELECT id, short_id, entity, state, started_at, finished_at, api_calls, retired FROM millrace.runs
		         WHERE connection_id = $1 AND entity NOT IN ('impact', 'undo') AND state IN `+ended+` AND started_at IS NOT NULL ORDER BY id DESC LIMIT $2) r
		 CROSS JOIN LATERAL (
		       SELECT coalesce(sum(read), 0)::bigint AS read, coalesce(sum(created + updated + left_filter), 0)::bigint AS changed, coalesce(sum(failed), 0)::bigint AS failed
		         FROM millrace.run_steps WHERE run_id = r.id) s
		 ORDER BY r.id`, connectionID, limit)
	return out, wrapIf(asCancelled(ctx, err), "db.RecentFigures(%d)", connectionID)
}

// LeftBy returns how many accounts left the filter in a run.
func (d *DB) LeftBy(ctx context.Context, runID int64) (n int64, err error) {
	err = d.pool.GetContext(ctx, &n, `SELECT coalesce(sum(left_filter), 0)::bigint FROM millrace.run_steps WHERE run_id = $1 AND object = 'Account'`, runID)
	return n, wrapIf(asCancelled(ctx, err), "db.LeftBy(%d)", runID)
}

// CountLeavers counts the accounts of a connection that have left the filter, up to a limit; more is set when there are more of them.
func (d *DB) CountLeavers(ctx context.Context, connectionID int64, limit int64) (n int64, more bool, err error) {
	err = d.pool.GetContext(ctx, &n, `
		SELECT count(*) FROM (SELECT FROM millrace.accounts WHERE connection_id = $1 AND left_filter_at IS NOT NULL LIMIT $2) l`, connectionID, limit+1)
	return min(n, limit), n > limit, wrapIf(asCancelled(ctx, err), "db.CountLeavers(%d)", connectionID)
}

// OpenAlertsOf lists what is wrong with a connection at present, the newest first.
func (d *DB) OpenAlertsOf(ctx context.Context, connectionID int64, limit int) ([]Alert, error) {
	var out []Alert
	err := d.pool.SelectContext(ctx, &out, alertSelect+` WHERE a.ended_at IS NULL AND a.connection_id = $1 ORDER BY a.opened_at DESC, a.id DESC LIMIT $2`, connectionID, limit)
	return out, wrapIf(asCancelled(ctx, err), "db.OpenAlertsOf(%d)", connectionID)
}

// FirstSteps is how far the setting up of a connection has come.
type FirstSteps struct {
	Drafted   bool       `db:"drafted"` // somebody has begun to choose what is synced
	Saved     bool       `db:"saved"`
	Synced    bool       `db:"synced"`     // a sync has completed
	Watched   bool       `db:"watched"`    // somebody is told of trouble
	CheckedAt *time.Time `db:"checked_at"` // when somebody said that records match
}

// FirstSteps returns how far the setting up of a connection has come.
func (d *DB) FirstSteps(ctx context.Context, connectionID int64) (f FirstSteps, err error) {
	err = d.pool.GetContext(ctx, &f, `
		SELECT EXISTS (SELECT FROM millrace.settings_drafts WHERE connection_id = c.id) AS drafted,
		       EXISTS (SELECT FROM millrace.settings_versions WHERE connection_id = c.id) AS saved,
		       EXISTS (SELECT FROM millrace.runs WHERE connection_id = c.id AND state IN ('completed', 'completed_with_errors') AND entity NOT IN ('impact', 'undo')) AS synced,
		       EXISTS (SELECT FROM millrace.alert_channels WHERE enabled AND removed_at IS NULL) AS watched,
		       c.checked_at
		  FROM millrace.connections c WHERE c.id = $1`, connectionID)
	return f, wrapIf(asCancelled(ctx, notFound(err)), "db.FirstSteps(%d)", connectionID)
}

// EndFirstSteps notes that somebody has held records against Salesforce. Said twice, the first time stays.
func (d *DB) EndFirstSteps(ctx context.Context, connectionID, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var id int64
		if err := tx.GetContext(ctx, &id, `SELECT id FROM millrace.connections WHERE id = $1 FOR NO KEY UPDATE`, connectionID); err != nil {
			return notFound(err)
		}
		var noted bool
		err := tx.GetContext(ctx, &noted, `
			WITH hit AS (UPDATE millrace.connections SET checked_at = now(), checked_by = $2 WHERE id = $1 AND checked_at IS NULL RETURNING 1)
			SELECT EXISTS (SELECT FROM hit)`, connectionID, by)
		if err != nil || !noted {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &by, Entity: "connection", Action: "first steps done"})
	})
	return wrapIf(err, "db.EndFirstSteps(%d)", connectionID)
}
