package db

import (
	"context"
	"time"
)

// Progress is how far a run is, cheap enough to ask for every second.
type Progress struct {
	Read      int64         `db:"read"`     // records of committed pages
	Expected  int64         `db:"expected"` // records of all steps whose number is known
	Known     bool          `db:"known"`    // the number is known of all steps
	PerSecond float64       `db:"rate"`     // records per second over the newest pages; 0 before the first
	Remaining time.Duration `db:"-"`        // an estimate from the two; 0 while there is none
}

// rateWindow is how far back pages count towards the rate.
const rateWindow = 30 * time.Second

// RunProgress returns how far a run is.
func (d *DB) RunProgress(ctx context.Context, runID int64) (Progress, error) {
	var p Progress
	err := d.pool.GetContext(ctx, &p, `
		SELECT coalesce(sum(s.read), 0) AS read, coalesce(sum(greatest(s.expected, s.read)), 0) AS expected,
		       count(*) > 0 AND count(*) = count(s.expected) AS known,
		       coalesce((SELECT sum(p.records) / greatest(extract(epoch FROM now() - greatest(min(r.started_at), now() - $2 * interval '1 second')), 0.1)
		                   FROM millrace.run_pages p JOIN millrace.runs r ON r.id = p.run_id
		                  WHERE p.run_id = $1 AND p.committed_at > now() - $2 * interval '1 second'), 0)::float8 AS rate
		  FROM millrace.run_steps s WHERE s.run_id = $1`, runID, rateWindow.Seconds())
	if err != nil {
		return p, wrapIf(err, "db.RunProgress(%d)", runID)
	}
	if p.Known && p.PerSecond > 0 {
		p.Remaining = time.Duration(float64(p.Expected-p.Read) / p.PerSecond * float64(time.Second)).Round(time.Second)
	}
	return p, nil
}

// AddAPICalls adds to the number of API calls that a held run has made.
func (d *DB) AddAPICalls(ctx context.Context, runID, fence, calls int64) error {
	_, err := d.pool.ExecContext(ctx, `UPDATE millrace.runs SET api_calls = api_calls + $3 WHERE id = $1 AND fence = $2`, runID, fence, calls)
	return wrapIf(err, "db.AddAPICalls(%d)", runID)
}
