package db

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// MaxRetry is how many records one run reads once more: each hundred of them take a request.
const MaxRetry = 2000

// Retry is what came of asking for a retry.
type Retry struct {
	Run     Run
	Started bool // a run was queued for it
	Added   bool // the records were added to one that had not begun
	Records int  // that were added
}

// RequestRetry queues a run that reads records of a cause once more: those with the ids, or all when there are none. Pressed twice, one run starts; while one waits for its turn,
// further records join it, and while one is at work, it returns that with neither Started nor Added. It returns an *EntityOffError when nothing is left to be read, or too
// much, and ErrNotFound for no such group.
func (d *DB) RequestRetry(ctx context.Context, connectionID, groupID int64, ids []string, by int64) (Retry, error) {
	out, err := d.requestRetry(ctx, connectionID, by, func(tx *sqlx.Tx) (func(int64) (int, error), error) {
		var g ErrorGroup
		if err := tx.GetContext(ctx, &g, groupSelect+` WHERE g.connection_id = $1 AND g.id = $2`, connectionID, groupID); err != nil {
			return nil, notFound(err)
		}
		if !g.Retryable() {
			return nil, &EntityOffError{"This is not about single records: run the sync again."}
		}
		return func(runID int64) (int, error) { return addRetries(ctx, tx, g, runID, ids) }, nil
	})
	return out, wrapIf(err, "db.RequestRetry(%d, %d)", connectionID, groupID)
}

// RequestRetryOf is RequestRetry for the records that a run could not store and that are in trouble still, whatever their causes. It returns ErrNotFound for no such run.
func (d *DB) RequestRetryOf(ctx context.Context, connectionID, runID, by int64) (Retry, error) {
	out, err := d.requestRetry(ctx, connectionID, by, func(tx *sqlx.Tx) (func(int64) (int, error), error) {
		var found int64
		if err := tx.GetContext(ctx, &found, `SELECT id FROM millrace.runs WHERE id = $2 AND connection_id = $1`, connectionID, runID); err != nil {
			return nil, notFound(err)
		}
		return func(retry int64) (int, error) {
			res, err := tx.ExecContext(ctx, `
				INSERT INTO millrace.retry_records (run_id, records, sf_id, group_id)
				SELECT $3, records, sf_id, group_id FROM (`+stillFailed+`) f LIMIT $4 ON CONFLICT DO NOTHING`, connectionID, runID, retry, MaxRetry+1)
			return retriesAdded(ctx, tx, retry, res, err)
		}, nil
	})
	return out, wrapIf(err, "db.RequestRetryOf(%d, %d)", connectionID, runID)
}

// stillFailed selects the records that the run $2 of the connection $1 could not store, can be read once more by themselves, and are in trouble still, be it for another cause.
const stillFailed = `
	SELECT DISTINCT ON (g.subject, e.sf_id) g.subject AS records, e.sf_id, g.id AS group_id
	  FROM millrace.run_errors e
	  JOIN millrace.run_errors o ON o.connection_id = e.connection_id AND o.sf_id = e.sf_id AND o.until_run IS NULL
	   AND replace(o.records, '` + pipeline.RefreshPrefix + `', '') = replace(e.records, '` + pipeline.RefreshPrefix + `', '')
	  JOIN millrace.error_groups g ON g.connection_id = o.connection_id AND g.kind = 'record' AND g.subject = replace(o.records, '` + pipeline.RefreshPrefix + `', '') AND g.cause = o.cause
	 WHERE e.run_id = $2 AND e.connection_id = $1 AND e.sf_id <> '' AND e.cause <> e.records`

// StillFailed counts the records that a run could not store, can be read once more by themselves, and are in trouble still; it counts up to MaxRetry and one.
func (d *DB) StillFailed(ctx context.Context, connectionID, runID int64) (n int, err error) {
	err = d.pool.GetContext(ctx, &n, `SELECT count(*) FROM (SELECT FROM (`+stillFailed+`) f LIMIT $3) n`, connectionID, runID, MaxRetry+1)
	return n, wrapIf(asCancelled(ctx, err), "db.StillFailed(%d)", runID)
}

// requestRetry queues a run that reads records once more, or finds the one that is active. choose returns what adds the records to a run and says how many they are.
func (d *DB) requestRetry(ctx context.Context, connectionID, by int64, choose func(*sqlx.Tx) (add func(runID int64) (int, error), err error)) (out Retry, err error) {
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
		add, err := choose(tx)
		if err != nil {
			return err
		}
		if id, out.Started, err = queueRun(ctx, tx, newRun{connection: connectionID, version: current.Version, entity: pipeline.EntityRetry, trigger: TriggerManual, by: &by}); err != nil {
			return err
		}
		waits := 0
		if err := tx.GetContext(ctx, &waits, `SELECT count(*) FROM (SELECT FROM millrace.runs WHERE id = $1 AND state = 'queued' AND started_at IS NULL FOR UPDATE) q`, id); err != nil || waits == 0 {
			return err
		}
		if out.Records, err = add(id); err != nil {
			return err
		}
		if out.Started && out.Records == 0 {
			return &EntityOffError{"None of these records is in trouble any more."}
		}
		out.Added = !out.Started && out.Records > 0
		return nil
	})
	if err != nil {
		return out, err
	}
	out.Run, err = d.RunByID(ctx, id)
	return out, err
}

// addRetries has a run read records of a group once more and returns how many were not among its records yet.
func addRetries(ctx context.Context, tx *sqlx.Tx, g ErrorGroup, runID int64, ids []string) (int, error) {
	open := `SELECT DISTINCT e.sf_id FROM millrace.run_errors e
		 WHERE e.connection_id = $1 AND e.records = ANY ($2) AND e.cause = $3 AND e.until_run IS NULL AND e.sf_id <> ''`
	if g.Kind == SkipErrors {
		open = `SELECT k.sf_id FROM millrace.skipped_records k WHERE k.connection_id = $1 AND k.object = ANY ($2) AND k.reason = $3 AND k.until_run IS NULL`
	}
	if ids == nil {
		ids = []string{}
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.retry_records (run_id, records, sf_id, group_id)
		SELECT $5, $6, o.sf_id, $7 FROM (`+open+`) o WHERE cardinality($4::text[]) = 0 OR o.sf_id = ANY ($4) LIMIT $8 ON CONFLICT DO NOTHING`,
		g.ConnectionID, pq.Array(groupSets(g)), g.Cause, pq.Array(ids), runID, g.Subject, g.ID, MaxRetry+1)
	return retriesAdded(ctx, tx, runID, res, err)
}

// retriesAdded returns how many records an insert has added to those that a run reads once more. They must not have become too many.
func retriesAdded(ctx context.Context, tx *sqlx.Tx, runID int64, res sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	var total int
	if err := tx.GetContext(ctx, &total, `SELECT count(*) FROM millrace.retry_records WHERE run_id = $1`, runID); err != nil {
		return 0, err
	}
	if total > MaxRetry {
		return 0, &EntityOffError{fmt.Sprintf("These are more than the %d records that are read one by one. Choose some of them, or run the sync again.", MaxRetry)}
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// Retries implements pipeline.Store.
func (s *RunStore) Retries(ctx context.Context) ([]string, error) {
	var out []string
	err := s.db.pool.SelectContext(ctx, &out, `SELECT DISTINCT records FROM millrace.retry_records WHERE run_id = $1 ORDER BY records`, s.runID)
	return out, storeFault("list what is read once more", err)
}

// retryIDs returns the next records that the run was asked to read once more.
func (s *RunStore) retryIDs(ctx context.Context, step pipeline.Step, after string, limit int) ([]string, error) {
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, `
		SELECT sf_id FROM millrace.retry_records WHERE run_id = $1 AND records = $2 AND sf_id > $3 ORDER BY sf_id LIMIT $4`, s.runID, step.Table.Records(), after, limit)
	return ids, storeFault("list what is read once more", err)
}

// finishRetry ends a step that has read records once more. With the last one of a set it notes what became of each: what no step has met does not match any more.
func (s *RunStore) finishRetry(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	if _, err := tx.ExecContext(ctx, `
		UPDATE millrace.run_steps SET state = 'done', finished_at = now(), expected = read WHERE run_id = $1 AND position = $2`, s.runID, step.Position); err != nil || !step.Missing.Last {
		return err
	}
	const seen = `SELECT unnest(e.ids) FROM millrace.run_seen e WHERE e.run_id = $1 AND e.object = $2`
	_, err := tx.ExecContext(ctx, `
		UPDATE millrace.retry_records k SET outcome = CASE
		       WHEN EXISTS (SELECT FROM millrace.run_errors e WHERE e.run_id = $1 AND e.sf_id = k.sf_id AND e.records = k.records) THEN 'failed'
		       WHEN k.sf_id IN (`+seen+`)
		            AND EXISTS (SELECT FROM millrace.skipped_records o WHERE o.connection_id = $3 AND o.object = k.records AND o.sf_id = k.sf_id AND o.until_run IS NULL) THEN 'skipped'
		       WHEN EXISTS (SELECT FROM millrace.`+step.Table.Name+` t WHERE t.connection_id = $3 AND t.sf_id = k.sf_id AND t.left_filter_at IS NULL`+sameSet(step.Table, "t.")+`
		                      AND (t.last_seen_run = $1 OR k.sf_id IN (`+seen+`))) THEN 'stored'
		       ELSE 'gone' END
		 WHERE k.run_id = $1 AND k.records = $2`, s.runID, step.Table.Records(), s.connectionID)
	return err
}

// RetryResult counts what became of the records that a run read once more.
type RetryResult struct {
	GroupID                              int64
	Asked, Stored, Failed, Skipped, Gone int64
}

// RetryOf returns what came of a retry; ok is false for a run that is none.
func (d *DB) RetryOf(ctx context.Context, runID int64) (r RetryResult, ok bool, err error) {
	err = d.pool.QueryRowxContext(ctx, `
		SELECT coalesce(max(group_id), 0), count(*), count(*) FILTER (WHERE outcome = 'stored'), count(*) FILTER (WHERE outcome = 'failed'),
		       count(*) FILTER (WHERE outcome = 'skipped'), count(*) FILTER (WHERE outcome = 'gone')
		  FROM millrace.retry_records WHERE run_id = $1`, runID).Scan(&r.GroupID, &r.Asked, &r.Stored, &r.Failed, &r.Skipped, &r.Gone)
	return r, r.Asked > 0, wrapIf(asCancelled(ctx, err), "db.RetryOf(%d)", runID)
}

// LatestRetry returns the newest retry of a cause's records, or nil when there was none.
func (d *DB) LatestRetry(ctx context.Context, groupID int64) (*Run, error) {
	var runs []Run
	err := d.pool.SelectContext(ctx, &runs, runSelect+` WHERE r.id = (SELECT max(run_id) FROM millrace.retry_records WHERE group_id = $1)`, groupID)
	if err != nil || len(runs) == 0 {
		return nil, wrapIf(asCancelled(ctx, err), "db.LatestRetry(%d)", groupID)
	}
	return &runs[0], nil
}
