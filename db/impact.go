package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
	"millrace/settings"
)

// Impact is what a change of the settings would do, found out by a run that writes nothing.
type Impact struct {
	Run      Run
	UserID   *int64 // who asked
	Base     int    // the version that the settings go on from
	Settings settings.Settings
	Forecast []pipeline.Forecast // empty until it is known
	Result   *pipeline.Impact    // nil until it is known
}

// ImpactChange is one account that the settings would change.
type ImpactChange struct {
	Kind   pipeline.ImpactKind `db:"kind"`
	ID     string              `db:"sf_id"`
	Name   string              `db:"name"`
	Before string              `db:"before"`
	After  string              `db:"after"`
}

// listedChanges is how many accounts of each kind of change are kept by name; all are counted.
const listedChanges = 200

// RequestImpact queues an impact of s. While one of the connection is active no second one starts: it returns that, with started false. It returns
// ErrNotFound for an unknown connection.
func (d *DB) RequestImpact(ctx context.Context, connectionID, userID int64, base int, s settings.Settings) (run Run, started bool, err error) {
	body, err := json.Marshal(s.Normalize())
	if err != nil {
		return run, false, err
	}
	var id int64
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		var found int64
		if err := tx.GetContext(ctx, &found, `SELECT id FROM millrace.connections WHERE id = $1 FOR KEY SHARE`, connectionID); err != nil {
			return notFound(err)
		}
		id, started, err = queueRun(ctx, tx, newRun{connection: connectionID, version: base, entity: pipeline.EntityImpact, trigger: TriggerManual, by: &userID})
		if err != nil || !started {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO millrace.impacts (run_id, connection_id, user_id, base, body) VALUES ($1, $2, $3, $4, $5)`,
			id, connectionID, userID, base, body)
		return err
	})
	if err != nil {
		return run, false, fmt.Errorf("db.RequestImpact(%d): %w", connectionID, err)
	}
	run, err = d.RunByID(ctx, id)
	return run, started, err
}

type impactRow struct {
	RunID    int64  `db:"run_id"`
	UserID   *int64 `db:"user_id"`
	Base     int    `db:"base"`
	Body     []byte `db:"body"`
	Forecast []byte `db:"forecast"`
	Counts   []byte `db:"counts"`
}

const impactSelect = `SELECT run_id, user_id, base, body, forecast, counts FROM millrace.impacts`

func (d *DB) impact(ctx context.Context, row impactRow) (*Impact, error) {
	out := &Impact{UserID: row.UserID, Base: row.Base, Settings: settings.Defaults()}
	if err := errors.Join(json.Unmarshal(row.Body, &out.Settings), json.Unmarshal(row.Forecast, &out.Forecast)); err != nil {
		return nil, err
	}
	if row.Counts != nil {
		if err := json.Unmarshal(row.Counts, &out.Result); err != nil {
			return nil, err
		}
	}
	var err error
	out.Run, err = d.RunByID(ctx, row.RunID)
	return out, err
}

// ImpactOf returns the impact that a run finds out. It returns ErrNotFound for other runs.
func (d *DB) ImpactOf(ctx context.Context, runID int64) (*Impact, error) {
	var row impactRow
	err := d.pool.GetContext(ctx, &row, impactSelect+` WHERE run_id = $1`, runID)
	if err != nil {
		return nil, fmt.Errorf("db.ImpactOf(%d): %w", runID, notFound(err))
	}
	out, err := d.impact(ctx, row)
	return out, wrapIf(err, "db.ImpactOf(%d)", runID)
}

// LatestImpact returns the newest impact that a person has asked for of a connection, nil when there is none.
func (d *DB) LatestImpact(ctx context.Context, connectionID, userID int64) (*Impact, error) {
	var row impactRow
	err := d.pool.GetContext(ctx, &row, impactSelect+` WHERE connection_id = $1 AND user_id = $2 ORDER BY run_id DESC LIMIT 1`, connectionID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var out *Impact
	if err == nil {
		out, err = d.impact(ctx, row)
	}
	return out, wrapIf(asCancelled(ctx, err), "db.LatestImpact(%d, %d)", connectionID, userID)
}

// ImpactChanges lists the accounts of one kind of change, by name, at most 200 of them.
func (d *DB) ImpactChanges(ctx context.Context, runID int64, kind pipeline.ImpactKind) ([]ImpactChange, error) {
	var out []ImpactChange
	err := d.pool.SelectContext(ctx, &out, `
		SELECT kind, sf_id, coalesce(name, '') AS name, coalesce(before, '') AS before, coalesce(after, '') AS after
		  FROM millrace.impact_changes WHERE run_id = $1 AND kind = $2 ORDER BY place LIMIT $3`, runID, kind, listedChanges)
	return out, wrapIf(asCancelled(ctx, err), "db.ImpactChanges(%d, %s)", runID, kind)
}

// SaveForecast implements pipeline.Store. It also empties what an earlier impact may have left.
func (s *RunStore) SaveForecast(ctx context.Context, steps []pipeline.Forecast) error {
	body, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	return s.transact(ctx, "keep the forecast", func(tx *sqlx.Tx) error {
		if err := emptyAside(ctx, tx, s.connectionID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE millrace.impacts SET forecast = $2 WHERE run_id = $1`, s.runID, body)
		return err
	})
}

// emptyAside removes what an impact has read of a connection.
func emptyAside(ctx context.Context, tx *sqlx.Tx, connectionID int64) error {
	for _, table := range partitioned {
		if strings.HasPrefix(table, pipeline.AsidePrefix) {
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`TRUNCATE millrace.%s_%d`, table, connectionID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Compare implements pipeline.Store.
func (s *RunStore) Compare(ctx context.Context) error {
	steps, err := s.Steps(ctx)
	if err != nil {
		return err
	}
	return s.transact(ctx, "compare", func(tx *sqlx.Tx) error {
		var compared bool
		if err := tx.GetContext(ctx, &compared, `SELECT counts IS NOT NULL FROM millrace.impacts WHERE run_id = $1`, s.runID); err != nil || compared {
			return err // by a process that did not live to end the run
		}
		if _, err := tx.ExecContext(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`); err != nil {
			return err
		}
		result := pipeline.Impact{Counts: map[pipeline.ImpactKind]int64{}}
		if len(steps) > 0 { // else the accounts are not synced by these settings, and stay as they are
			if result, err = s.compare(ctx, tx, steps); err != nil {
				return err
			}
		}
		body, err := json.Marshal(result)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE millrace.impacts SET counts = $2 WHERE run_id = $1`, s.runID, body)
		return err
	})
}

// compared is one question to what was read aside, n, and what is here, o.
type compared struct {
	kind                      pipeline.ImpactKind
	join, where, before, then string
}

func (s *RunStore) compare(ctx context.Context, tx *sqlx.Tx, steps []pipeline.Step) (pipeline.Impact, error) {
	out := pipeline.Impact{Counts: map[pipeline.ImpactKind]int64{}}
	err := tx.QueryRowxContext(ctx, `
		SELECT (SELECT count(*) FROM millrace.accounts WHERE connection_id = $1 AND left_filter_at IS NULL),
		       (SELECT count(*) FROM millrace.impact_accounts WHERE connection_id = $1),
		       (SELECT bool_and(state = 'done' AND expected = read) FROM millrace.run_steps WHERE run_id = $2 AND object = 'Account')`,
		s.connectionID, s.runID).Scan(&out.Now, &out.Then, &out.Whole)
	if err != nil {
		return out, err
	}
	for _, c := range questions(steps) {
		if c.kind == pipeline.Leaves && !out.Whole {
			continue
		}
		var n int64
		err := tx.GetContext(ctx, &n, `
			WITH hit AS MATERIALIZED (SELECT coalesce(n.sf_id, o.sf_id) AS sf_id, coalesce(n.name, o.name) AS name, `+c.before+` AS before, `+c.then+` AS after
			                            FROM `+c.join+` WHERE `+c.where+`),
			kept AS (INSERT INTO millrace.impact_changes (run_id, kind, place, sf_id, name, before, after)
			         SELECT $2, $3, row_number() OVER (ORDER BY name NULLS LAST, sf_id), sf_id, name, before, after FROM hit ORDER BY name NULLS LAST, sf_id LIMIT $4)
			SELECT count(*) FROM hit`, s.connectionID, s.runID, c.kind, listedChanges)
		if err != nil {
			return out, fmt.Errorf("compare %s: %w", c.kind, err)
		}
		out.Counts[c.kind] = n
	}
	return out, nil
}

const (
	asideAccounts = "(SELECT * FROM millrace.impact_accounts WHERE connection_id = $1) n"
	hereAccounts  = "(SELECT * FROM millrace.accounts WHERE connection_id = $1 AND left_filter_at IS NULL) o"
)

// questions lists what to compare. Columns that no step fills, such as that of a field that the connected user cannot read, stay as they are in a sync and
// so do not differ.
func questions(steps []pipeline.Step) []compared {
	both := asideAccounts + " JOIN " + hereAccounts + " ON o.sf_id = n.sf_id"
	out := []compared{
		{pipeline.Enters, asideAccounts + " LEFT JOIN " + hereAccounts + " ON o.sf_id = n.sf_id", "o.sf_id IS NULL", "NULL::text", "n.account_type"},
		{pipeline.Leaves, hereAccounts + " LEFT JOIN " + asideAccounts + " ON o.sf_id = n.sf_id", "n.sf_id IS NULL", "o.account_type", "NULL::text"},
		{pipeline.ChangesType, both, "n.account_type <> o.account_type", "o.account_type", "n.account_type"},
	}
	filled := func(column string) bool {
		return slices.ContainsFunc(steps, func(s pipeline.Step) bool {
			of := func(c pipeline.Column) bool { return c.Name == column }
			return s.AccountType != "" && (slices.ContainsFunc(s.Table.Columns, of) || slices.Contains(s.Table.Cleared, column)) ||
				s.Calculation != nil && slices.Contains(s.Calculation.Kind.Columns(), column)
		})
	}
	person := func(alias, column string) string {
		return "coalesce((SELECT u.name FROM millrace.sf_users u WHERE u.connection_id = $1 AND u.sf_id = " + alias + "." + column + "), " + alias + "." + column + ")"
	}
	for _, column := range pipeline.OwnerColumns() {
		if filled(column) {
			out = append(out, compared{pipeline.ImpactKind(column), both, "n." + column + " IS DISTINCT FROM o." + column, person("o", column), person("n", column)})
		}
	}
	if filled("arr") {
		text := func(alias string) string {
			return "concat_ws(' ', " + alias + ".arr_currency, trim_scale(" + alias + ".arr)::text)"
		}
		out = append(out, compared{pipeline.ChangesARR, both, "ROW(n.arr, n.arr_currency) IS DISTINCT FROM ROW(o.arr, o.arr_currency)", text("o"), text("n")})
	}
	if filled("renewal_date") {
		out = append(out, compared{pipeline.ChangesRenewal, both, "n.renewal_date IS DISTINCT FROM o.renewal_date", "o.renewal_date::text", "n.renewal_date::text"})
	}
	return out
}
