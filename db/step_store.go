package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// RunStore keeps one held run for the pipeline.
type RunStore struct {
	db           *DB
	runID, fence int64
	connectionID int64
	owner        string
	parents      parents
}

var _ pipeline.Store = (*RunStore)(nil)

// RunStore returns the store of a run as Claim returned it. All that it writes is refused once another runner has claimed the run.
func (d *DB) RunStore(r *Run) *RunStore {
	return &RunStore{db: d, runID: r.ID, fence: r.Fence, connectionID: r.ConnectionID, owner: r.Owner}
}

// holdRun locks the run for the rest of the transaction, or refuses the transaction.
const holdRun = `SELECT cancel_requested_at IS NOT NULL FROM millrace.runs WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE`

// transact runs fn in a transaction under the run's fence.
func (s *RunStore) transact(ctx context.Context, op string, fn func(*sqlx.Tx) error) error {
	err := s.db.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := s.hold(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	})
	return storeFault(op, err)
}

// transactLong is transact for work that takes long: the run is locked, and its fence checked, only at the end, so that its heartbeat and a wish to cancel
// it get through meanwhile.
func (s *RunStore) transactLong(ctx context.Context, op string, fn func(*sqlx.Tx) error) error {
	err := s.db.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return s.hold(ctx, tx)
	})
	return storeFault(op, err)
}

func (s *RunStore) hold(ctx context.Context, tx *sqlx.Tx) error {
	var cancelled bool
	err := tx.GetContext(ctx, &cancelled, kept(holdRun), s.runID, s.fence)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrFenced
	case err == nil && cancelled:
		return ErrCancelled
	}
	return err
}

// update runs one statement on a step under the run's fence.
func (s *RunStore) update(ctx context.Context, op string, step pipeline.Step, set string, args ...any) error {
	return s.transact(ctx, op, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE millrace.run_steps SET `+set+` WHERE run_id = $1 AND position = $2`,
			append([]any{s.runID, step.Position}, args...)...)
		return err
	})
}

// Steps implements pipeline.Store.
func (s *RunStore) Steps(ctx context.Context) ([]pipeline.Step, error) {
	rows, err := s.db.RunSteps(ctx, s.runID)
	if err != nil {
		return nil, storeFault("read the steps", err)
	}
	steps := make([]pipeline.Step, len(rows))
	for i, r := range rows {
		if steps[i], err = r.plan(); err != nil {
			return nil, storeFault("read the steps", err)
		}
	}
	return steps, nil
}

// SaveSteps implements pipeline.Store.
func (s *RunStore) SaveSteps(ctx context.Context, steps []pipeline.Step) error {
	return s.transact(ctx, "save the plan", func(tx *sqlx.Tx) error {
		for _, p := range steps {
			body, err := bodyOf(p)
			if err != nil {
				return err
			}
			reading, since, why := readingOf(p)
			_, err = tx.ExecContext(ctx, `
				INSERT INTO millrace.run_steps (run_id, position, name, label, object, records, query, note, expected, body, reading, since, why)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
				s.runID, p.Position, p.Name, p.Label, p.Table.Object, p.Table.Records(), p.Query, p.Note, p.Expected, body, reading, since, why)
			if err != nil {
				return err
			}
		}
		return s.plantSentinel(ctx, tx)
	})
}

// plantSentinel makes the run_seen row that tells whether Postgres has emptied the table since: an unlogged table is empty after a crash.
func (s *RunStore) plantSentinel(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids) VALUES ($1, '', 0, 0, '', '', '{}')`, s.runID)
	return err
}

// SetPhase implements pipeline.Store.
func (s *RunStore) SetPhase(ctx context.Context, phase string) error {
	return s.transact(ctx, "note the phase", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE millrace.runs SET phase = $2, moved_at = now() WHERE id = $1 AND phase <> $2`, s.runID, phase)
		return err
	})
}

// StartStep implements pipeline.Store. Whether the target holds anything, skips included, is asked only when the step starts for the first time: later it holds what
// the step itself has written. A step into a set of records that only fresh steps of the run have filled before it is fresh too. A step that reads only changes
// never is. Into a table that was empty come parents whose children no step has asked for: what is known of their sets ends with it. What is known of parents ends when they begin to be read by
// other settings.
func (s *RunStore) StartStep(ctx context.Context, step pipeline.Step, mode pipeline.Mode) (pipeline.Step, error) {
	err := s.transact(ctx, "start "+step.Name, func(tx *sqlx.Tx) error {
		err := tx.GetContext(ctx, &step.Fresh, fmt.Sprintf(`
			UPDATE millrace.run_steps s
			   SET state = 'running', mode = $3, started_at = coalesce(started_at, now()), clock = coalesce(clock, $6),
			       fresh = CASE WHEN started_at IS NOT NULL THEN fresh WHEN $7::boolean THEN false ELSE NOT EXISTS (SELECT FROM millrace.%s WHERE connection_id = $4%s)
			                                       AND NOT EXISTS (SELECT FROM millrace.skipped_records WHERE connection_id = $4 AND object = $5 AND until_run IS NULL)
			                                       OR coalesce((SELECT bool_and(e.fresh) FROM millrace.run_steps e WHERE e.run_id = s.run_id AND e.records = s.records AND e.position < s.position), false) END
			 WHERE run_id = $1 AND position = $2 RETURNING fresh`, step.Table.Name, sameSet(step.Table, "")), s.runID, step.Position, mode, s.connectionID, step.Table.Object,
			sql.NullTime{Time: step.Clock, Valid: !step.Clock.IsZero()}, step.Reading.Changes || step.Refresh || step.Missing != nil && step.Missing.Retry)
		if err != nil {
			return err
		}
		if step.Table.Parent == "" && step.Reading.Fingerprint != "" {
			_, err := tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1 AND records = $2 AND fingerprint <> $3`, s.connectionID, step.Table.Records(), step.Reading.Fingerprint)
			if err != nil {
				return err
			}
		}
		if !step.Fresh || step.Table.Aside {
			return nil
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1 AND parent_table = $2`, s.connectionID, step.Table.Name)
		return err
	})
	step.Mode = mode
	return step, err
}

// SetJob implements pipeline.Store.
func (s *RunStore) SetJob(ctx context.Context, step pipeline.Step, jobID string) error {
	return s.update(ctx, "note the bulk job", step, `job_id = $3`, jobID)
}

// SetExpected implements pipeline.Store. It is called when the result is ready, also when a step goes on: from then on it loads. What it has read beside its own query
// before that comes on top, as in CommitPage.
func (s *RunStore) SetExpected(ctx context.Context, step pipeline.Step, expected int64, clock time.Time) error {
	return s.update(ctx, "note the number of records", step, `
		expected = $3 + (SELECT coalesce(sum(p.records), 0) FROM millrace.run_pages p WHERE p.run_id = $1 AND p.position = $2 AND p.page >= $5), loading_since = now(), asked_at = $4`,
		expected, sql.NullTime{Time: clock, Valid: !clock.IsZero()}, pipeline.BesidePages)
}

// SetQuery implements pipeline.Store.
func (s *RunStore) SetQuery(ctx context.Context, step pipeline.Step) error {
	body, err := bodyOf(step)
	if err != nil {
		return err
	}
	return s.update(ctx, "note the new query", step, `query = $3, note = $4, body = $5`, step.Query, step.Note, body)
}

// SetNote implements pipeline.Store.
func (s *RunStore) SetNote(ctx context.Context, step pipeline.Step) error {
	return s.update(ctx, "note what is to be said of "+step.Name, step, `note = $3`, step.Note)
}

// restart makes the step being read from its beginning. Created and updated stay: their records are met again as written by this run, and are not
// counted twice.
const restart = `job_id = '', read = 0, unchanged = 0, skipped = 0, elsewhere = 0, failed = 0, state = 'pending', fresh = false`

// RestartStep implements pipeline.Store.
func (s *RunStore) RestartStep(ctx context.Context, step pipeline.Step) error {
	return s.transact(ctx, "restart "+step.Name, func(tx *sqlx.Tx) error {
		if err := s.forget(ctx, tx, `position = $2`, step.Position); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM millrace.run_seen WHERE run_id = $1 AND object IN ($2, `+astray("$2")+`) AND position = $3`,
			s.runID, step.Table.Records(), step.Position)
		return err
	})
}

// forget resets the steps that where selects by $2 and removes their checkpoints, their units, so that no page of what was read before is taken over any
// more, and their error lists.
func (s *RunStore) forget(ctx context.Context, tx *sqlx.Tx, where string, arg any) error {
	_, err := tx.ExecContext(ctx, `
		WITH step AS (UPDATE millrace.run_steps SET `+restart+` WHERE run_id = $1 AND `+where+` RETURNING run_id, position),
		     page AS (DELETE FROM millrace.run_pages USING step WHERE run_pages.run_id = step.run_id AND run_pages.position = step.position),
		     `+removeUnits(`USING step`, `u.run_id = step.run_id AND u.position = step.position`, `$3::text`)+`
		DELETE FROM millrace.run_errors USING step WHERE run_errors.run_id = step.run_id AND run_errors.position = step.position`, s.runID, arg, s.owner)
	return err
}

// RestartObject implements pipeline.Store.
func (s *RunStore) RestartObject(ctx context.Context, step pipeline.Step) error {
	return s.transact(ctx, "restart "+step.Table.Records(), func(tx *sqlx.Tx) error {
		if err := s.forget(ctx, tx, `records = $2`, step.Table.Records()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM millrace.run_seen WHERE run_id = $1`, s.runID); err != nil {
			return err
		}
		return s.plantSentinel(ctx, tx)
	})
}

// GiveUp implements pipeline.Store.
func (s *RunStore) GiveUp(ctx context.Context, step pipeline.Step) error {
	return s.update(ctx, "give up "+step.Name, step, `state = 'done', finished_at = now(), expected = read, note = $3, reading = 'none'`, step.Note)
}

// Pages implements pipeline.Store.
func (s *RunStore) Pages(ctx context.Context, step pipeline.Step) (map[string]pipeline.PageMark, error) {
	var rows []struct {
		Page       int    `db:"page"`
		Locator    string `db:"locator"`
		NextMarker string `db:"next_locator"`
		Records    int64  `db:"records"`
	}
	err := s.db.pool.SelectContext(ctx, &rows, `
		SELECT page, locator, next_locator, records FROM millrace.run_pages WHERE run_id = $1 AND position = $2`, s.runID, step.Position)
	if err != nil {
		return nil, storeFault("read the checkpoint", err)
	}
	pages := make(map[string]pipeline.PageMark, len(rows))
	for _, r := range rows {
		pages[r.Locator] = pipeline.PageMark{Number: r.Page, Next: r.NextMarker, Records: r.Records}
	}
	return pages, nil
}
