package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// FinishStep implements pipeline.Store. A step that is done already, since the answer to its end was lost, stays as it is.
func (s *RunStore) FinishStep(ctx context.Context, step pipeline.Step) error {
	transact := s.transact
	if step.Calculation != nil {
		transact = s.transactLong
	}
	return transact(ctx, "finish "+step.Name, func(tx *sqlx.Tx) error {
		if step.Missing != nil && step.Missing.Retry {
			return s.finishRetry(ctx, tx, step)
		}
		if step.Missing != nil {
			return s.finishMissing(ctx, tx, step)
		}
		var left int64 // before the end of the step
		err := tx.GetContext(ctx, &left, `
			UPDATE millrace.run_steps SET state = 'done', finished_at = now(), expected = coalesce(expected, read) WHERE run_id = $1 AND position = $2 AND state <> 'done' RETURNING left_filter`,
			s.runID, step.Position)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.settle(ctx, tx, step); err != nil {
			return err
		}
		if err := s.openLeavers(ctx, tx, step, left); err != nil {
			return err
		}
		if step.Calculation != nil {
			if err := s.workOut(ctx, tx, step); err != nil {
				return err
			}
		}
		return s.saveState(ctx, tx, step)
	})
}

// settle marks who is not there any more as far as the step has found that out.
func (s *RunStore) settle(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	switch {
	case step.Refresh:
		return nil
	case step.Reading.Changes:
		return s.follow(ctx, tx, step)
	}
	ok, err := s.metAll(ctx, tx, step)
	if err != nil || !ok {
		return err
	}
	if err := s.parted(ctx, tx, step); err != nil || step.Table.Window == nil {
		return err
	}
	// What is too old to be looked back for was not read, and its parent may be another's since.
	for _, l := range step.Table.Lookups {
		if err := s.lookAgain(ctx, tx, step, l, ""); err != nil {
			return err
		}
	}
	return nil
}

// openLeavers notes that it is to be asked who of those that have left since there were so many was deleted, and of those that had left before. The run may not come to ask: the next one of the set does then.
func (s *RunStore) openLeavers(ctx context.Context, tx *sqlx.Tx, step pipeline.Step, left int64) error {
	if !step.Table.Mortal() {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE millrace.run_steps SET leavers_open = true WHERE run_id = $1 AND position = $2 AND (left_filter > $3 OR $4)`, s.runID, step.Position, left, step.TellsDeleted())
	return err
}

// parted marks who is not there any more, when the run has met everybody who is.
func (s *RunStore) parted(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	if err := s.markLeft(ctx, tx, step); err != nil || step.Table.Require == "" {
		return err
	}
	return s.endSkips(ctx, tx, step)
}

// metAll reports whether the run has met every record of the step's object that Salesforce has: all its steps are done, each read as many records as
// Salesforce said, and Postgres has not lost count of them. Where all steps were fresh it need not be asked: nobody can have left.
func (s *RunStore) metAll(ctx context.Context, q sqlx.QueryerContext, step pipeline.Step) (ok bool, err error) {
	err = sqlx.GetContext(ctx, q, &ok, `
		SELECT (SELECT bool_and(state = 'done' AND expected = read) AND bool_or(NOT fresh) FROM millrace.run_steps WHERE run_id = $1 AND records = $2)
		   AND `+listsIntact, s.runID, step.Table.Records())
	return ok, err
}

// markLeft marks the records that the run has not met, and says so in the audit log; working data it removes. Records that the run itself created are not looked up: a step into an
// empty table does not note whom it met.
func (s *RunStore) markLeft(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	// The planner knows nothing of a table that has just been filled, and would compare each record with each.
	if _, err := tx.ExecContext(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`); err != nil {
		return err
	}
	if t := step.Table; t.Quiet {
		gone := fmt.Sprintf(`
			DELETE FROM millrace.%s t
			 WHERE t.connection_id = $1 AND t.first_seen_run <> $2%s
			   AND %s`, t.Name, sameSet(t, "t."), unmetOfAll("t", "$3"))
		if t.Parent != "" && !t.Aside {
			gone = fmt.Sprintf(`
			WITH gone AS (%s RETURNING t.%s AS parent)
			%s`, gone, t.Parent, doubtInto(t, "gone g", "true"))
		}
		_, err := tx.ExecContext(ctx, gone, s.connectionID, s.runID, t.Records())
		return err
	}
	set, err := s.setSteps(ctx, tx, step)
	if err != nil {
		return err
	}
	table := "millrace." + step.Table.Name + " t"
	stays := "t.connection_id = $1 AND t.left_filter_at IS NULL AND t.first_seen_run <> $2" + sameSet(step.Table, "t.")
	if step.Table.Window != nil {
		stays += " AND (true" + within(step.Table, set.Asked) + " OR t.sf_id IN (" + met(astray("$3")) + "))"
	}
	if all, err := metJust(ctx, tx, "kept", "t.sf_id", "FROM "+table+" WHERE "+stays, s.connectionID, s.runID, step.Table.Records()); err != nil || all {
		return err
	}
	_, err = tx.ExecContext(ctx, leave(table+" SET left_filter_at = now() WHERE "+stays+" AND "+unmetOfAll("t", "$3"), "position = $4"),
		s.connectionID, s.runID, step.Table.Records(), step.Position, step.Table.Entity)
	return err
}

// leave is an UPDATE of records t that leave, with what the audit log and the steps of the run $2 say of it; $1 is the connection and $5 the entity.
func leave(update, steps string) string {
	return `
		WITH gone AS (UPDATE ` + update + ` RETURNING t.sf_id),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		    SELECT $1, $2, $5, sf_id, 'left', jsonb_build_object('left_filter_at', jsonb_build_array(NULL, now())) FROM gone)
		UPDATE millrace.run_steps SET left_filter = left_filter + (SELECT count(*) FROM gone) WHERE run_id = $2 AND ` + steps
}

// within is the condition that a record t of a table with a window has surely been in it: the window begins with the day, in the connected user's time
// zone, and the hour is for clocks that differ. It ends when Salesforce was asked, by the org's clock. What belongs to a record that has left does not stay. $1 is the connection.
func within(t pipeline.Table, asked sql.NullTime) string {
	if t.Window == nil {
		return ""
	}
	border := border(t, asked)
	if t.Window.Under == "" {
		return " AND t.system_modstamp >= " + border
	}
	return " AND EXISTS (SELECT FROM millrace." + t.Window.Under + " w WHERE w.connection_id = $1 AND w.sf_id = t." + t.Parent + " AND (w.system_modstamp >= " + border + " OR w.left_filter_at IS NOT NULL))"
}

// border is the time of change from which on a record of a table with a window has surely been in it when Salesforce was asked.
func border(t pipeline.Table, asked sql.NullTime) string {
	return fmt.Sprintf("%s - interval '%d days' + interval '1 hour'", moment(asked), t.Window.Days)
}

// moment writes a time as SQL; without one, the database's own.
func moment(at sql.NullTime) string {
	if !at.Valid {
		return "now()"
	}
	return "'" + at.Time.UTC().Format(time.RFC3339Nano) + "'::timestamptz"
}

// endSkips ends the skips of records that the run has not met: a record that is skipped again counts as met, and one that the run was the first to skip is not looked up, as in markLeft.
func (s *RunStore) endSkips(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	const open = "k.connection_id = $1 AND k.object = $4 AND k.until_run IS NULL"
	args := []any{s.connectionID, s.runID, step.Table.Records(), step.Table.Object}
	if all, err := metJust(ctx, tx, "skipped", "k.sf_id", "FROM millrace.skipped_records k WHERE "+open, args...); err != nil || all {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE millrace.skipped_records k SET until_run = $2 WHERE `+open+` AND k.since_run <> $2 AND `+unmetOfAll("k", "$3"), args...)
	return err
}

// Leavers implements pipeline.Store. The step's end and the marks are of one transaction, hence of one time.
func (s *RunStore) Leavers(ctx context.Context, step pipeline.Step, limit int) ([]string, error) {
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, fmt.Sprintf(`
		WITH p AS (
		    SELECT finished_at FROM millrace.run_steps WHERE run_id = $1 AND position = $2 AND left_filter > 0
		    UNION
		    SELECT o.finished_at FROM millrace.run_steps o JOIN millrace.runs r ON r.id = o.run_id WHERE o.leavers_open AND o.records = $5 AND o.run_id <> $1 AND r.connection_id = $3)
		SELECT t.sf_id FROM p
		  JOIN millrace.%s t ON t.connection_id = $3 AND t.left_filter_at = p.finished_at AND t.left_filter_at IS NOT NULL AND t.deleted_in_salesforce_at IS NULL%s
		 ORDER BY t.sf_id LIMIT $4`, step.Table.Name, sameSet(step.Table, "t.")),
		s.runID, step.Position, s.connectionID, limit, step.Table.Records())
	if err != nil {
		return nil, storeFault("list who left", err)
	}
	aged, err := s.aged(ctx, step, limit-len(ids))
	return append(ids, aged...), storeFault("list who is too old to be read", err)
}

// DeletedSince implements pipeline.Store.
func (s *RunStore) DeletedSince(ctx context.Context, step pipeline.Step) (time.Time, error) {
	var since sql.NullTime
	err := s.db.pool.GetContext(ctx, &since, `
		SELECT min((o.body -> 'Reading' ->> 'Since')::timestamptz) FROM millrace.run_steps o JOIN millrace.runs r ON r.id = o.run_id
		 WHERE o.leavers_open AND o.records = $1 AND o.run_id <> $2 AND o.reading = 'whole' AND r.connection_id = $3 AND o.body -> 'Reading' ->> 'Since' NOT LIKE '0001-%'`,
		step.Table.Records(), s.runID, s.connectionID)
	return since.Time, storeFault("look since when it is open what was deleted", err)
}

// NoteLeavers implements pipeline.Store. Of other steps of this run it is asked in their turn.
func (s *RunStore) NoteLeavers(ctx context.Context, step pipeline.Step, known bool) error {
	if !known {
		return s.update(ctx, "note who left", step, `leavers_open = true`)
	}
	const open = ` o.leavers_open AND o.records = $1 AND (o.run_id <> $3 OR o.position = $4) AND r.id = o.run_id AND r.connection_id = $2`
	args := []any{step.Table.Records(), s.connectionID, s.runID, step.Position}
	var some bool
	err := s.db.pool.GetContext(ctx, &some, `SELECT EXISTS (SELECT FROM millrace.run_steps o, millrace.runs r WHERE`+open+`)`, args...)
	if err != nil || !some {
		return storeFault("look who left", err)
	}
	return s.transact(ctx, "note who left", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE millrace.run_steps o SET leavers_open = false FROM millrace.runs r WHERE`+open, args...)
		return err
	})
}

// aged lists records that are here and that a reading in full does not meet, since they have not been changed for long, the newest first. Where there is no list of
// what has changed, nothing else tells whether they were deleted.
func (s *RunStore) aged(ctx context.Context, step pipeline.Step, limit int) (ids []string, err error) {
	if w := step.Table.Window; w == nil || w.Under != "" || step.Reading.Changes || step.Reading.List != "" || step.Refresh || step.Missing != nil {
		return nil, nil
	}
	if all, err := s.metAll(ctx, s.db.pool, step); err != nil || !all {
		return nil, err
	}
	err = s.db.pool.SelectContext(ctx, &ids, fmt.Sprintf(`
		SELECT t.sf_id FROM millrace.%s t
		 WHERE t.connection_id = $1 AND t.left_filter_at IS NULL AND t.deleted_in_salesforce_at IS NULL AND t.first_seen_run <> $2%s AND %s
		 ORDER BY t.system_modstamp DESC NULLS LAST, t.sf_id LIMIT $4`, step.Table.Name, sameSet(step.Table, "t."), unmetOfAll("t", "$3")), s.connectionID, s.runID, step.Table.Records(), limit)
	return ids, err
}

// binSpan is how far back it is worth asking whether what was deleted has been restored: Salesforce's Recycle Bin keeps records for 15 days, and runs may come late.
const binSpan = "interval '30 days'"

// Deleted implements pipeline.Store.
func (s *RunStore) Deleted(ctx context.Context, step pipeline.Step, limit int) (ids []string, err error) {
	err = s.db.pool.SelectContext(ctx, &ids, fmt.Sprintf(`
		SELECT t.sf_id FROM millrace.%s t
		 WHERE t.connection_id = $1 AND t.left_filter_at IS NOT NULL AND t.deleted_in_salesforce_at > now() - %s%s ORDER BY t.deleted_in_salesforce_at DESC, t.sf_id LIMIT $2`,
		step.Table.Name, binSpan, sameSet(step.Table, "t.")), s.connectionID, limit)
	return ids, storeFault("list who was deleted", err)
}

// MarkDeleted implements pipeline.Store. Records that are too old to be read leave with it, and nothing that was deleted is skipped any more.
func (s *RunStore) MarkDeleted(ctx context.Context, step pipeline.Step, gone []pipeline.Listed) error {
	var ids, masters []string
	for _, l := range gone {
		ids, masters = append(ids, l.ID), append(masters, l.Master)
	}
	merged := ""
	if merges(step.Table) {
		merged = ", merged_into_id = nullif(l.master, '')"
	}
	return s.transact(ctx, "mark deleted records", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`
			WITH gone AS (
			    UPDATE millrace.%[1]s t SET deleted_in_salesforce_at = now(), left_filter_at = coalesce(t.left_filter_at, now())%[2]s
			      FROM unnest($6::text[], $7::text[]) l (sf_id, master), millrace.%[1]s o
			     WHERE t.connection_id = $1 AND t.sf_id = l.sf_id AND o.connection_id = $1 AND o.sf_id = t.sf_id AND t.deleted_in_salesforce_at IS NULL%[3]s
			    RETURNING t.sf_id, nullif(l.master, '') AS master, o.left_filter_at IS NULL AS lived),
			log AS (
			    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes, detail)
			    SELECT $1::bigint, $2::bigint, $4, sf_id, 'left', jsonb_build_object('left_filter_at', jsonb_build_array(NULL, now())), NULL FROM gone WHERE lived
			    UNION ALL
			    SELECT $1::bigint, $2::bigint, $4, sf_id, 'deleted', jsonb_build_object('deleted_in_salesforce_at', jsonb_build_array(NULL, now())) ||
			           CASE WHEN master IS NULL THEN '{}' ELSE jsonb_build_object('merged_into_id', jsonb_build_array(NULL, master)) END, 'Merged into ' || master
			      FROM gone)
			UPDATE millrace.run_steps SET deleted = deleted + (SELECT count(*) FROM gone), left_filter = left_filter + (SELECT count(*) FROM gone WHERE lived) WHERE run_id = $2 AND position = $5 AND object = $3`,
			step.Table.Name, merged, sameSet(step.Table, "t.")), s.connectionID, s.runID, step.Table.Object, step.Table.Entity, step.Position, pq.Array(ids), pq.Array(masters))
		if err == nil && step.Table.Require != "" {
			_, err = tx.ExecContext(ctx, `UPDATE millrace.skipped_records SET until_run = $2 WHERE connection_id = $1 AND object = $3 AND sf_id = ANY ($4) AND until_run IS NULL`,
				s.connectionID, s.runID, step.Table.Object, pq.Array(ids))
		}
		if err != nil || step.Table.Window == nil {
			return err
		}
		for _, t := range pipeline.Under(step.Table) {
			if err := s.leaveWith(ctx, tx, t, ids); err != nil {
				return err
			}
		}
		return nil
	})
}

// leaveWith marks the records of a table whose parents have just been found deleted: of parents that are too old to be read their step knew nothing yet.
func (s *RunStore) leaveWith(ctx context.Context, tx *sqlx.Tx, t pipeline.Table, parents []string) error {
	_, err := tx.ExecContext(ctx, leave(fmt.Sprintf(`millrace.%[1]s t SET left_filter_at = now() FROM millrace.%[2]s p
		     WHERE t.connection_id = $1 AND t.%[3]s = ANY ($4) AND t.left_filter_at IS NULL%[4]s
		       AND p.connection_id = $1 AND p.sf_id = t.%[3]s AND p.left_filter_at IS NOT NULL`, t.Name, t.Under, t.Parent, sameSet(t, "t.")), "records = $3"),
		s.connectionID, s.runID, t.Records(), pq.Array(parents), t.Entity)
	return err
}
