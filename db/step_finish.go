package db

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// FinishStep implements pipeline.Store.
func (s *RunStore) FinishStep(ctx context.Context, step pipeline.Step) error {
	return s.transact(ctx, "finish "+step.Name, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.run_steps SET state = 'done', finished_at = now(), expected = coalesce(expected, read) WHERE run_id = $1 AND position = $2`,
			s.runID, step.Position)
		if err != nil {
			return err
		}
		ok, err := s.metAll(ctx, tx, step)
		if err != nil || !ok {
			return err
		}
		return s.markLeft(ctx, tx, step)
	})
}

// metAll reports whether the run has met every record of the step's object that Salesforce has: all its steps are done, each read as many records as
// Salesforce said, and Postgres has not lost count of them. Where all steps were fresh it need not be asked: nobody can have left.
func (s *RunStore) metAll(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) (ok bool, err error) {
	err = tx.GetContext(ctx, &ok, `
		SELECT (SELECT bool_and(state = 'done' AND expected = read) AND bool_or(NOT fresh) FROM millrace.run_steps WHERE run_id = $1 AND object = $2)
		   AND EXISTS (SELECT FROM millrace.run_seen WHERE run_id = $1 AND object = '')
		   AND (SELECT count(*) FROM millrace.run_seen WHERE run_id = $1 AND object = $2)
		     = (SELECT coalesce(sum(p.seen), 0) FROM millrace.run_pages p JOIN millrace.run_steps s USING (run_id, position)
		         WHERE p.run_id = $1 AND s.object = $2)`, s.runID, step.Table.Object)
	return ok, err
}

// markLeft marks the records that the run has not met, and says so in the audit log. Records that the run itself created are not looked up: a step into an
// empty table does not note whom it met.
func (s *RunStore) markLeft(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	// The planner knows nothing of a table that has just been filled, and would compare each record with each.
	if _, err := tx.ExecContext(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		WITH gone AS (
		    UPDATE millrace.%s t SET left_filter_at = now()
		     WHERE t.connection_id = $1 AND t.left_filter_at IS NULL AND t.first_seen_run <> $2
		       AND NOT EXISTS (SELECT FROM millrace.run_seen e WHERE e.run_id = $2 AND e.object = $3 AND e.sf_id = t.sf_id)
		    RETURNING t.sf_id),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action)
		    SELECT $1, $2, $4, sf_id, 'left' FROM gone)
		UPDATE millrace.run_steps SET left_filter = (SELECT count(*) FROM gone) WHERE run_id = $2 AND position = $5`, step.Table.Name),
		s.connectionID, s.runID, step.Table.Object, step.Table.Entity, step.Position)
	return err
}
