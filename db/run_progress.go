package db

import (
	"context"
	"time"
)

// Progress is how far a run is, cheap enough to ask for every second.
type Progress struct {
	Read      int64         `db:"read"`      // records of committed pages
	InFlight  int64         `db:"in_flight"` // records that have arrived of the others; a second or so old
	Expected  int64         `db:"expected"`  // records of all steps whose number is known
	Known     bool          `db:"known"`     // the number is known of all steps
	PerSecond float64       `db:"rate"`      // records per second of the step in progress; 0 before its first page
	Stalled   bool          `db:"stalled"`   // Salesforce has sent nothing for a while
	Remaining time.Duration `db:"-"`         // an estimate; 0 while there is none
	Steady    bool          `db:"steady"`    // the step in progress has committed a page large enough to judge by
}

// What an estimate is made from: the newest pages of the step in progress, of which one at least must be large. A short page takes as long as its
// request, so a rate of short pages says nothing about the long ones that follow.
const (
	ratePages  = 8
	largePage  = 1000
	stallAfter = 10 * time.Second
)

// RunProgress returns how far a run is.
func (d *DB) RunProgress(ctx context.Context, runID int64) (Progress, error) {
	var p Progress
	err := d.pool.GetContext(ctx, &p, kept(`
		WITH units AS (SELECT coalesce(sum(in_flight) FILTER (WHERE lease_until > now()), 0)::bigint AS in_flight, max(moved_at) AS moved_at
		                 FROM millrace.run_units WHERE run_id = $1),
		     run AS (SELECT r.state, r.in_flight + u.in_flight AS in_flight, greatest(r.moved_at, u.moved_at) AS moved_at
		               FROM millrace.runs r, units u WHERE r.id = $1),
		     current AS (SELECT * FROM millrace.run_steps WHERE run_id = $1 AND state = 'running' ORDER BY position LIMIT 1),
		     recent AS (SELECT p.records, p.committed_at FROM millrace.run_pages p, current c
		                 WHERE p.run_id = $1 AND p.position = c.position AND p.committed_at >= c.loading_since
		                 ORDER BY p.committed_at DESC LIMIT $2 + 1),
		     base AS (SELECT CASE WHEN count(*) > $2 THEN min(r.committed_at) ELSE (SELECT loading_since FROM current) END AS at,
		                     max(r.records) >= $3 AS steady FROM recent r)
		SELECT coalesce(sum(s.read), 0) AS read, coalesce(sum(greatest(s.expected, s.read)), 0) AS expected,
		       count(*) > 0 AND count(*) = count(s.expected) AS known, coalesce((SELECT in_flight FROM run), 0) AS in_flight,
		       coalesce((SELECT (sum(r.records) FILTER (WHERE r.committed_at > b.at) + (SELECT in_flight FROM run))
		                      / greatest(extract(epoch FROM now() - b.at), 0.1) FROM recent r, base b GROUP BY b.at), 0)::float8 AS rate,
		       coalesce((SELECT steady FROM base), false) AS steady,
		       coalesce((SELECT run.state = 'running' AND run.moved_at < now() - $4 * interval '1 second' AND c.read + run.in_flight < c.expected
		                   FROM run, current c), false) AS stalled
		  FROM millrace.run_steps s WHERE s.run_id = $1`), runID, ratePages, largePage, stallAfter.Seconds())
	if err != nil {
		return p, wrapIf(err, "db.RunProgress(%d)", runID)
	}
	if left := p.Expected - p.Read - p.InFlight; p.Known && p.Steady && !p.Stalled && p.PerSecond > 0 && left > 0 {
		p.Remaining = time.Duration(float64(left) / p.PerSecond * float64(time.Second)).Round(time.Second)
	}
	return p, nil
}
