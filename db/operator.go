package db

import (
	"context"
	"database/sql"
	"fmt"

	"millrace/db/migrations"
)

// OperatorState is how the installation stands, in numbers.
type OperatorState struct {
	Runs []struct {
		Entity string  `db:"entity"`
		State  string  `db:"state"`
		N      int64   `db:"n"`
		Oldest float64 `db:"oldest"` // age in seconds
	} // that are active
	Connections []struct {
		ID     int64            `db:"id"`
		Name   string           `db:"name"`
		Status ConnectionStatus `db:"status"`
		Used   *int64           `db:"api_used"`
		Limit  *int64           `db:"api_limit"`
	}
	Alerts []struct {
		ConnectionID int64  `db:"connection_id"`
		Cause        string `db:"cause"`
		N            int64  `db:"n"`
	} // that are open
	Notices int64 // on their way
}

// OperatorState looks at the tables that are small, or have an index for it.
func (d *DB) OperatorState(ctx context.Context) (OperatorState, error) {
	var s OperatorState
	err := d.pool.SelectContext(ctx, &s.Runs, `
		SELECT entity, state, count(*) AS n, extract(epoch FROM now() - min(created_at))::float8 AS oldest
		  FROM millrace.runs WHERE state IN ('queued', 'running', 'waiting') GROUP BY entity, state`)
	if err == nil {
		err = d.pool.SelectContext(ctx, &s.Connections, `SELECT id, name, status, api_used, api_limit FROM millrace.connections ORDER BY id`)
	}
	if err == nil {
		err = d.pool.SelectContext(ctx, &s.Alerts, `SELECT connection_id, cause, count(*) AS n FROM millrace.alerts WHERE ended_at IS NULL GROUP BY connection_id, cause`)
	}
	if err == nil {
		err = d.pool.GetContext(ctx, &s.Notices, `SELECT count(*) FROM millrace.alert_deliveries WHERE state IN ('queued', 'sending')`)
	}
	return s, wrapIf(asCancelled(ctx, err), "db.OperatorState")
}

// PoolStats returns how the pool of this process is used.
func (d *DB) PoolStats() sql.DBStats { return d.pool.Stats() }

// SchemaError says that the database has another schema than this program.
type SchemaError struct{ Database, Program int } // the newest migration of each

// Error implements error.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the database is at schema version %d, this program at %d", e.Database, e.Program)
}

// Ready reports whether Postgres answers and has the schema of this program; a *SchemaError says that it has another.
func (d *DB) Ready(ctx context.Context) error {
	all, err := loadMigrations(migrations.Files)
	if err != nil {
		return fmt.Errorf("db.Ready: %w", err)
	}
	var at int
	if err := d.pool.GetContext(ctx, &at, `SELECT coalesce(max(number), 0) FROM millrace.migrations`); err != nil {
		return fmt.Errorf("db.Ready: %w", asCancelled(ctx, err))
	}
	if newest := all[len(all)-1].number; at != newest {
		return &SchemaError{Database: at, Program: newest}
	}
	return nil
}
