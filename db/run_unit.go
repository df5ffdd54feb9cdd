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

// Whoever locks a run and units of it locks the run first.

// activeRun is the condition that a run r may still take pages over, whoever leads it at the moment.
const activeRun = `r.state IN ('queued', 'running', 'waiting')`

// OpenUnits implements pipeline.Store. Where there are committed pages without units, an older version of the program has begun the step.
func (s *RunStore) OpenUnits(ctx context.Context, step pipeline.Step, rows int) error {
	return s.transact(ctx, "prepare the pages of "+step.Name, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			WITH known AS (SELECT page, locator, next_locator FROM millrace.run_pages WHERE run_id = $1 AND position = $2)
			INSERT INTO millrace.run_units (run_id, position, page, locator, rows)
			SELECT $1, $2, f.page, f.locator, $3
			  FROM (SELECT 1 AS page, '' AS locator UNION ALL SELECT page + 1, next_locator FROM known WHERE next_locator <> '') f
			 WHERE NOT EXISTS (SELECT FROM known k WHERE k.page = f.page) ON CONFLICT DO NOTHING`, s.runID, step.Position, rows)
		return err
	})
}

// claimUnit takes the unit that from selects as f, for the owner $1 and the seconds $2, on a ticket, which is SQL. It says who had it before.
func claimUnit(ticket, from string) string {
	return `
		UPDATE millrace.run_units u
		   SET owner = $1, lease_until = now() + $2 * interval '1 second', claim = nextval('millrace.run_unit_claims'), in_flight = 0, moved_at = now(), ticket = ` + ticket + `
		  FROM (` + from + `) f
		 WHERE u.run_id = f.run_id AND u.position = f.position AND u.page = f.page
		RETURNING u.run_id, u.position, u.page, u.locator, u.rows, u.claim, f.was, f.lapsed`
}

// unitHeld are the columns of a unit u to claim.
const unitHeld = `u.run_id, u.position, u.page, u.owner AS was, CASE WHEN u.lease_until < now() THEN u.lease_until END AS lapsed`

// freeUnit is the condition that nobody holds the unit u.
const freeUnit = `(u.lease_until IS NULL OR u.lease_until < now())`

// unitRow is what claimUnit returns.
type unitRow struct {
	lapse
	RunID    int64  `db:"run_id"`
	Position int    `db:"position"`
	Page     int    `db:"page"`
	Locator  string `db:"locator"`
	Rows     int    `db:"rows"`
	Claim    int64  `db:"claim"`
}

func (r unitRow) unit() pipeline.Unit {
	return pipeline.Unit{Page: r.Page, Locator: r.Locator, Rows: r.Rows, Claim: r.Claim}
}

// ClaimUnit implements pipeline.Store. It is refused to a lead whose run has been taken over: what it knows of the step may be out of date.
func (s *RunStore) ClaimUnit(ctx context.Context, step pipeline.Step, ticket int64, lease time.Duration) (*pipeline.Unit, bool, error) {
	var row unitRow
	err := s.db.pool.GetContext(ctx, &row, kept(claimUnit(`$6::bigint`, `
		SELECT `+unitHeld+` FROM millrace.run_units u JOIN millrace.runs r ON r.id = u.run_id
		 WHERE u.run_id = $3 AND u.position = $4 AND r.fence = $5 AND r.state = 'running' AND r.cancel_requested_at IS NULL AND (u.ticket = $6 OR `+freeUnit+`)
		 ORDER BY u.ticket <> $6, u.page LIMIT 1 FOR UPDATE OF u SKIP LOCKED`)), s.owner, lease.Seconds(), s.runID, step.Position, s.fence, ticket)
	if err == nil {
		s.db.takeOver(ctx, s.owner, row.lapse)
		u := row.unit()
		return &u, true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, false, storeFault("take a page of "+step.Name, asCancelled(ctx, err))
	}
	var now struct {
		Held      bool `db:"held"`
		Cancelled bool `db:"cancelled"`
		More      bool `db:"more"`
	}
	err = s.db.pool.GetContext(ctx, &now, kept(`
		SELECT fence = $2 AND state = 'running' AS held, cancel_requested_at IS NOT NULL AS cancelled,
		       EXISTS (SELECT FROM millrace.run_units u WHERE u.run_id = $1 AND u.position = $3) AS more
		  FROM millrace.runs WHERE id = $1`), s.runID, s.fence, step.Position)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && !now.Held:
		return nil, false, ErrFenced
	case err == nil && now.Cancelled:
		return nil, false, ErrCancelled
	}
	return nil, now.More, storeFault("look for pages of "+step.Name, asCancelled(ctx, err))
}

// AddUnit implements pipeline.Store. The run is locked before anything is read: no page of it is committed, and no step of it begun anew, meanwhile.
func (s *RunStore) AddUnit(ctx context.Context, step pipeline.Step, u pipeline.Unit, next string) error {
	var found struct {
		Held    bool `db:"held"`
		Differs bool `db:"differs"`
		Repeats bool `db:"repeats"`
	}
	err := s.db.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, kept(`SELECT FROM millrace.runs WHERE id = $1 FOR SHARE`), s.runID); err != nil {
			return err
		}
		return tx.GetContext(ctx, &found, kept(`
			WITH mine AS (SELECT rows FROM millrace.run_units WHERE run_id = $1 AND position = $2 AND page = $3 AND claim = $4 FOR UPDATE),
			     known AS (SELECT page, locator FROM millrace.run_units WHERE run_id = $1 AND position = $2
			               UNION ALL SELECT page, locator FROM millrace.run_pages WHERE run_id = $1 AND position = $2),
			     new AS (INSERT INTO millrace.run_units (run_id, position, page, locator, rows)
			             SELECT $1, $2, $3 + 1, $5, rows FROM mine WHERE $5 <> '' AND NOT EXISTS (SELECT FROM known WHERE page = $3 + 1 OR locator = $5))
			SELECT EXISTS (SELECT FROM mine) AS held, EXISTS (SELECT FROM known WHERE page = $3 + 1 AND locator <> $5) AS differs,
			       $5 <> '' AND EXISTS (SELECT FROM known WHERE page <> $3 + 1 AND locator = $5) AS repeats`),
			s.runID, step.Position, u.Page, u.Claim, next)
	})
	switch {
	case err != nil:
		return storeFault("add a page of "+step.Name, err)
	case !found.Held:
		return pipeline.ErrUnitLost
	case found.Differs:
		return pipeline.LocatorDiffers(step, u.Page, next)
	case found.Repeats:
		return pipeline.LocatorRepeats(step, next)
	}
	return nil
}

// KeepUnit implements pipeline.Store.
func (s *RunStore) KeepUnit(ctx context.Context, step pipeline.Step, u pipeline.Unit, lease time.Duration, arrived int64) error {
	err := s.db.held(ctx, "db.KeepUnit", kept(`
		UPDATE millrace.run_units u
		   SET lease_until = now() + $5 * interval '1 second', in_flight = $6, moved_at = CASE WHEN u.in_flight <> $6 THEN now() ELSE u.moved_at END
		  FROM millrace.runs r
		 WHERE r.id = u.run_id AND u.run_id = $1 AND u.position = $2 AND u.page = $3 AND u.claim = $4 AND `+activeRun+`
		RETURNING r.cancel_requested_at IS NOT NULL`), s.runID, step.Position, u.Page, u.Claim, lease.Seconds(), arrived)
	if errors.Is(err, ErrFenced) {
		return pipeline.ErrUnitLost
	}
	return err
}

// ReleaseUnit implements pipeline.Store.
func (s *RunStore) ReleaseUnit(ctx context.Context, step pipeline.Step, u pipeline.Unit) error {
	_, err := s.db.pool.ExecContext(ctx, kept(`
		UPDATE millrace.run_units SET owner = '', lease_until = NULL, claim = nextval('millrace.run_unit_claims'), in_flight = 0
		 WHERE run_id = $1 AND position = $2 AND page = $3 AND claim = $4`), s.runID, step.Position, u.Page, u.Claim)
	return wrapIf(err, "db.ReleaseUnit(%d)", s.runID)
}

// HelpUnit is a unit of a run that another runner leads.
type HelpUnit struct {
	RunID        int64
	ConnectionID int64
	Step         pipeline.Step
	Unit         pipeline.Unit
}

// ClaimUnitToHelp takes a unit of a run in progress that nobody holds, of the oldest run first, for as long as lease. Runs in except are left alone. It
// returns nil when there is none.
func (d *DB) ClaimUnitToHelp(ctx context.Context, owner string, lease time.Duration, except []int64) (*HelpUnit, error) {
	var row struct {
		unitRow
		Step RunStep
	}
	var h *HelpUnit
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		err := tx.GetContext(ctx, &row.unitRow, kept(claimUnit(`0`, `
			SELECT `+unitHeld+` FROM millrace.run_units u JOIN millrace.runs r ON r.id = u.run_id
			 WHERE r.state = 'running' AND r.cancel_requested_at IS NULL AND r.id <> ALL (coalesce($3::bigint[], '{}')) AND `+freeUnit+`
			 ORDER BY u.run_id, u.position, u.page LIMIT 1 FOR UPDATE OF u SKIP LOCKED`)), owner, lease.Seconds(), pq.Array(except))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		h = &HelpUnit{RunID: row.RunID, Unit: row.unit()}
		if err := tx.GetContext(ctx, &h.ConnectionID, kept(`SELECT connection_id FROM millrace.runs WHERE id = $1`), row.RunID); err != nil {
			return err
		}
		// The step is read while its unit is locked: beginning it anew removes the unit first.
		if err := tx.GetContext(ctx, &row.Step, kept(`SELECT `+stepColumns+` FROM millrace.run_steps WHERE run_id = $1 AND position = $2`), row.RunID, row.Position); err != nil {
			return err
		}
		h.Step, err = row.Step.plan()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("db.ClaimUnitToHelp: %w", err)
	}
	d.takeOver(ctx, owner, row.lapse)
	return h, nil
}

// HelpStore returns the store of a unit. It takes pages of the run over under their claims; whatever else belongs to the run is refused.
func (d *DB) HelpStore(h *HelpUnit, owner string) *RunStore {
	return &RunStore{db: d, runID: h.RunID, fence: noFence, connectionID: h.ConnectionID, owner: owner}
}

// noFence is the fence of nobody: claims of a run count from 1.
const noFence = -1
