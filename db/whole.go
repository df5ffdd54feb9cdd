package db

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// WholeRead says how it is with reading everything of a connection again, changed or not.
type WholeRead struct {
	Since *time.Time // since when everything that is synced has been read in full at least once; nil before the first time

	// The newest run of everything that read nothing but in full; ShortID is empty while there is none.
	ShortID string
	Calls   int64
	Took    time.Duration
}

// WholeRead returns when everything of a connection was last read, and what it cost.
func (d *DB) WholeRead(ctx context.Context, connectionID int64) (WholeRead, error) {
	var out WholeRead
	err := d.pool.GetContext(ctx, &out.Since, `SELECT min(whole_read_at) FROM millrace.read_states WHERE connection_id = $1`, connectionID)
	if err != nil {
		return out, wrapIf(asCancelled(ctx, err), "db.WholeRead(%d)", connectionID)
	}
	var run struct {
		ShortID string  `db:"short_id"`
		Calls   int64   `db:"api_calls"`
		Seconds float64 `db:"seconds"`
	}
	err = d.pool.GetContext(ctx, &run, `
		SELECT r.short_id, r.api_calls, extract(epoch FROM r.finished_at - r.started_at)::float8 AS seconds FROM millrace.runs r
		 WHERE r.connection_id = $1 AND r.entity = 'all' AND r.state IN ('completed', 'completed_with_errors')
		   AND EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = r.id AND s.records = 'Account')
		   AND NOT EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = r.id AND s.reading = 'changes')
		 ORDER BY r.id DESC LIMIT 1`, connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	}
	out.ShortID, out.Calls, out.Took = run.ShortID, run.Calls, time.Duration(run.Seconds*float64(time.Second))
	return out, wrapIf(asCancelled(ctx, err), "db.WholeRead(%d)", connectionID)
}
