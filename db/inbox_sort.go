package db

import (
	"context"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// sortErrors brings the error inbox up to date at the end of a run: it notes which earlier errors are over because of it, and groups what is open by cause. It is part of the
// transaction that ends the run. Runs of one connection take turns, so that each sees what the one before has noted.
func sortErrors(ctx context.Context, tx *sqlx.Tx, runID int64) error {
	var run struct {
		Connection int64           `db:"connection_id"`
		Entity     pipeline.Entity `db:"entity"`
		State      RunState        `db:"state"`
	}
	if err := tx.GetContext(ctx, &run, `SELECT connection_id, entity, state FROM millrace.runs WHERE id = $1`, runID); err != nil {
		return err
	}
	if run.Entity == pipeline.EntityImpact || run.Entity == pipeline.EntityUndo {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('millrace.error_groups', $1))`, run.Connection); err != nil {
		return err
	}
	statements := []string{supersedeErrors}
	switch run.Entity {
	case pipeline.EntityGap:
	case pipeline.EntityRetry:
		statements = append(statements, endRetried, endRetriedSkips)
	default:
		statements = append(statements, endReread, groupSteps, endSteps, groupRuns)
		if run.State == RunCompleted || run.State == RunCompletedWithErrors {
			statements = append(statements, endUnplanned, endUnplannedSteps, endRuns)
		}
	}
	statements = append(statements, groupErrors, endErrorGroups)
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement, run.Connection, runID); err != nil {
			return err
		}
	}
	current, err := currentSettings(ctx, tx, run.Connection)
	if err != nil {
		return err
	}
	off := current == nil || pipeline.EntityContacts.WhyOff(current.Settings) != ""
	for _, statement := range []string{groupSkips, endSkipGroups} {
		if _, err := tx.ExecContext(ctx, statement, run.Connection, runID, off); err != nil {
			return err
		}
	}
	return nil
}

// In the statements below $1 is the connection and $2 the run.

// supersedeErrors ends the errors of records that the run has listed anew.
const supersedeErrors = `
	UPDATE millrace.run_errors o SET until_run = $2 FROM (SELECT DISTINCT sf_id, records FROM millrace.run_errors WHERE run_id = $2 AND sf_id <> '' AND cause <> records) n
	 WHERE o.connection_id = $1 AND o.sf_id = n.sf_id AND o.records = n.records AND o.until_run IS NULL AND o.run_id < $2`

// endReread ends the errors of the sets that the run has read to their ends: records that could not be stored are read again whatever a step reads. Those that a
// backfill met are not known to a step that reads changes. Values that could not be worked out end when they are worked out.
const endReread = `
	WITH done AS (
	    SELECT records, bool_or(reading = 'changes') AS changes FROM millrace.run_steps WHERE run_id = $2
	     GROUP BY records HAVING bool_and(state = 'done' AND reading <> 'none' AND read = coalesce(expected, read)))
	UPDATE millrace.run_errors o SET until_run = $2 FROM done d, millrace.runs x
	 WHERE x.id = o.run_id AND o.connection_id = $1 AND o.until_run IS NULL AND o.run_id < $2 AND o.cause <> o.records
	   AND (o.records = d.records OR NOT d.changes AND o.records = '` + pipeline.RefreshPrefix + `' || d.records) AND (NOT d.changes OR x.entity <> 'gap')`

// endRetried ends the errors of records that the run has read once more: they are here now, skipped now, or not to be here any more.
const endRetried = `
	UPDATE millrace.run_errors o SET until_run = $2 FROM millrace.retry_records k
	 WHERE k.run_id = $2 AND k.outcome IN ('stored', 'skipped', 'gone') AND o.connection_id = $1 AND o.sf_id = k.sf_id AND o.until_run IS NULL AND o.run_id < $2
	   AND o.records IN (k.records, '` + pipeline.RefreshPrefix + `' || k.records) AND o.cause <> o.records`

// endRetriedSkips ends the skips of records that are not to be here any more.
const endRetriedSkips = `
	UPDATE millrace.skipped_records o SET until_run = $2 FROM millrace.retry_records k
	 WHERE k.run_id = $2 AND k.outcome = 'gone' AND o.connection_id = $1 AND o.object = k.records AND o.sf_id = k.sf_id AND o.until_run IS NULL`

// sameRuns holds for a run x that a later one of everything, or of its own part, would have repeated.
const sameRuns = `(x.entity = (SELECT entity FROM millrace.runs WHERE id = $2)
	OR x.entity <> 'chatter' AND (SELECT entity FROM millrace.runs WHERE id = $2) = 'all')`

// endUnplanned ends the errors of what the settings do not sync any more.
const endUnplanned = `
	UPDATE millrace.run_errors o SET until_run = $2 FROM millrace.runs x
	 WHERE x.id = o.run_id AND o.connection_id = $1 AND o.until_run IS NULL AND o.run_id < $2 AND ` + sameRuns + `
	   AND NOT EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = $2 AND s.records = replace(o.records, '` + pipeline.RefreshPrefix + `', ''))`

// intoGroups is the end of an INSERT of groups. A cause that comes again begins anew, unmuted; a mute ends by itself when there are more than twice as many
// records as when it was made, and ten more at least.
const intoGroups = `
	ON CONFLICT (connection_id, kind, subject, cause) DO UPDATE
	   SET object = excluded.object, label = excluded.label, message = excluded.message, records = excluded.records, run_id = excluded.run_id, cured_at = NULL, cured_run = NULL,
	       opened_at = CASE WHEN g.cured_at IS NULL THEN g.opened_at ELSE now() END,
	       woken_at  = CASE WHEN g.cured_at IS NOT NULL THEN NULL WHEN g.muted_at IS NOT NULL AND ` + woken + ` THEN now() ELSE g.woken_at END,
	       muted_at  = CASE WHEN g.cured_at IS NOT NULL OR ` + woken + ` THEN NULL ELSE g.muted_at END,
	       muted_by  = CASE WHEN g.cured_at IS NOT NULL OR ` + woken + ` THEN NULL ELSE g.muted_by END`

const woken = `coalesce(excluded.records > greatest(2 * g.muted_records, g.muted_records + 9), false)`

const openErrors = `
	SELECT CASE WHEN cause = records THEN 'value' ELSE 'record' END AS kind, replace(records, '` + pipeline.RefreshPrefix + `', '') AS subject, cause, min(object) AS object,
	       (array_agg(message ORDER BY id DESC))[1] AS message, count(*) AS n, max(run_id) AS run_id
	  FROM millrace.run_errors WHERE connection_id = $1 AND until_run IS NULL GROUP BY 1, 2, 3`

const groupErrors = `
	INSERT INTO millrace.error_groups AS g (connection_id, kind, subject, cause, object, message, records, run_id)
	SELECT $1, kind, subject, cause, object, message, n, run_id FROM (` + openErrors + `) o WHERE $2::bigint > 0` + intoGroups

const endErrorGroups = `
	UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL
	 WHERE g.connection_id = $1 AND g.cured_at IS NULL AND g.kind IN ('record', 'value')
	   AND NOT EXISTS (SELECT FROM millrace.run_errors e WHERE e.connection_id = $1 AND e.until_run IS NULL AND e.cause = g.cause
	                      AND e.records IN (g.subject, '` + pipeline.RefreshPrefix + `' || g.subject))`

const openSkips = `FROM millrace.skipped_records k WHERE k.connection_id = $1 AND k.until_run IS NULL AND NOT ($3 AND k.object = 'Contact')`

const groupSkips = `
	INSERT INTO millrace.error_groups AS g (connection_id, kind, subject, cause, object, message, records, run_id)
	SELECT $1, 'skip', k.object, k.reason, k.object, k.reason, count(*), $2 ` + openSkips + ` GROUP BY k.object, k.reason` + intoGroups

const endSkipGroups = `
	UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL
	 WHERE g.connection_id = $1 AND g.cured_at IS NULL AND g.kind = 'skip' AND NOT EXISTS (SELECT ` + openSkips + ` AND k.object = g.subject AND k.reason = g.cause)`

// stepTrouble selects the run's steps that could not be read, by their code.
const stepTrouble = `
	SELECT name, coalesce(nullif(body -> 'Refusal' ->> 'Code', ''), CASE state WHEN 'failed' THEN 'refused' ELSE 'left_out' END) AS cause, object, label, note
	  FROM millrace.run_steps WHERE run_id = $2 AND (state = 'failed' OR state = 'done' AND reading = 'none' AND note <> '')`

const groupSteps = `
	INSERT INTO millrace.error_groups AS g (connection_id, kind, subject, cause, object, label, message, records, run_id)
	SELECT $1, 'step', name, cause, object, label, note, 1, $2 FROM (` + stepTrouble + `) s` + intoGroups

const endSteps = `
	UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL
	 WHERE g.connection_id = $1 AND g.cured_at IS NULL AND g.kind = 'step'
	   AND EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = $2 AND s.name = g.subject AND s.state IN ('done', 'failed'))
	   AND NOT EXISTS (SELECT FROM (` + stepTrouble + `) s WHERE s.name = g.subject AND s.cause = g.cause)`

const endUnplannedSteps = `
	UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL FROM millrace.runs x
	 WHERE x.id = g.run_id AND g.connection_id = $1 AND g.cured_at IS NULL AND g.kind = 'step' AND ` + sameRuns + `
	   AND NOT EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = $2 AND s.name = g.subject)`

// SurprisingRun is the cause of a run that completed and did what deserves a look, such as matching nothing.
const SurprisingRun = "surprising"

// groupRuns opens the cause of a run that has failed or is surprising, and ends another that the same part failed for.
const groupRuns = `
	WITH failed AS (
	    SELECT entity, CASE state WHEN 'failed' THEN error_code ELSE '` + SurprisingRun + `' END AS error_code, CASE state WHEN 'failed' THEN error ELSE outcome END AS error
	      FROM millrace.runs WHERE id = $2 AND (state = 'failed' OR surprising AND state LIKE 'completed%')),
	other AS (
	    UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL FROM failed f
	     WHERE g.connection_id = $1 AND g.cured_at IS NULL AND g.kind = 'run' AND g.subject = f.entity AND g.cause <> f.error_code)
	INSERT INTO millrace.error_groups AS g (connection_id, kind, subject, cause, message, records, run_id)
	SELECT $1, 'run', entity, error_code, error, 1, $2 FROM failed` + intoGroups

// endRuns ends the causes of runs that failed, when what they were to bring over has come since: with a run of the same part or of everything, or with runs of all
// parts that have schedules.
const endRuns = `
	UPDATE millrace.error_groups g SET cured_at = now(), cured_run = $2, muted_at = NULL, muted_by = NULL FROM millrace.runs r
	 WHERE r.id = $2 AND g.connection_id = $1 AND g.cured_at IS NULL AND g.kind = 'run' AND NOT (g.cause = '` + SurprisingRun + `' AND r.surprising)
	   AND (g.subject = r.entity OR r.entity = 'all' AND g.subject <> 'chatter'
	        OR g.subject = 'all' AND EXISTS (SELECT FROM millrace.schedules s WHERE s.connection_id = $1 AND s.enabled AND s.entity <> 'chatter')
	           AND NOT EXISTS (
	               SELECT FROM millrace.schedules s WHERE s.connection_id = $1 AND s.enabled AND s.entity <> 'chatter' AND NOT EXISTS (
	                   SELECT FROM millrace.runs o WHERE o.connection_id = $1 AND o.entity = s.entity AND o.state IN ('completed', 'completed_with_errors') AND o.id > g.run_id)))`
