package db

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunQueued              RunState = "queued"
	RunRunning             RunState = "running"
	RunWaiting             RunState = "waiting" // for a time, or for a person to reconnect the org
	RunCompleted           RunState = "completed"
	RunCompletedWithErrors RunState = "completed_with_errors"
	RunCancelled           RunState = "cancelled"
	RunFailed              RunState = "failed"
)

// Active reports whether the run still has work before it.
func (s RunState) Active() bool { return s == RunQueued || s == RunRunning || s == RunWaiting }

// Label returns the state as people read it.
func (s RunState) Label() string {
	switch s {
	case RunQueued:
		return "Queued"
	case RunRunning:
		return "Running"
	case RunWaiting:
		return "Waiting"
	case RunCompleted:
		return "Completed"
	case RunCompletedWithErrors:
		return "Completed with errors"
	case RunCancelled:
		return "Cancelled"
	case RunFailed:
		return "Failed"
	}
	return string(s)
}

// Triggers of runs.
const (
	TriggerFirst    = "first"    // the first save of the settings
	TriggerManual   = "manual"   // a person
	TriggerSchedule = "schedule" // the clock
)

// CauseDisconnected is the CancelCause of a run that ended because its org was disconnected.
const CauseDisconnected = "disconnected"

// Run is one execution of a sync.
type Run struct {
	ID                int64           `db:"id"`
	ShortID           string          `db:"short_id"` // the name that people see, such as "R-7KQ2MX"
	ConnectionID      int64           `db:"connection_id"`
	ConnectionName    string          `db:"connection_name"`
	Entity            pipeline.Entity `db:"entity"`
	Trigger           string          `db:"trigger"`
	RequestedBy       *int64          `db:"requested_by"`
	RequestedByName   string          `db:"requested_by_name"`
	SettingsVersion   int             `db:"settings_version"` // 0 for an impact before the first save
	State             RunState        `db:"state"`
	Outcome           string          `db:"outcome"` // what the run did, in a sentence; empty before its end
	Phase             string          `db:"phase"`   // what it is doing, for people
	Owner             string          `db:"owner"`   // the runner that holds it
	Fence             int64           `db:"fence"`   // grows with each claim; writes under an older one are refused
	Attempt           int             `db:"attempt"` // claims so far
	Waits             int             `db:"waits"`   // waits for a fault to pass since the last committed page
	LeaseUntil        *time.Time      `db:"lease_until"`
	WaitingUntil      *time.Time      `db:"waiting_until"` // nil while it waits for a person
	WaitingReason     string          `db:"waiting_reason"`
	CancelRequestedAt *time.Time      `db:"cancel_requested_at"`
	CancelRequestedBy *int64          `db:"cancel_requested_by"`
	CancelledByName   string          `db:"cancelled_by_name"`
	CancelCause       string          `db:"cancel_cause"` // CauseDisconnected, or empty for a person's wish
	ErrorCode         string          `db:"error_code"`
	Error             string          `db:"error"` // a plain sentence with the remedy
	APICalls          int64           `db:"api_calls"`
	Surprising        bool            `db:"surprising"` // it completed, but what it did deserves a look
	CreatedAt         time.Time       `db:"created_at"`
	StartedAt         *time.Time      `db:"started_at"`
	FinishedAt        *time.Time      `db:"finished_at"`
	ScheduledFor      *time.Time      `db:"scheduled_for"` // the slot of the schedule that started it
	Whole             bool            `db:"whole"`         // somebody asked that everything be read, changed or not
	Retired           int64           `db:"retired"`       // records that left because the settings do not ask for them any more
	Missed            int64           `db:"missed"`        // slots that passed while no runner was there, for which it makes up
	OfRun             string          `db:"of_run"`        // the short id of the run that it undoes; empty for other runs
}

// Duration returns how long the run took, or has taken up to now; 0 before it started.
func (r Run) Duration(now time.Time) time.Duration {
	if r.StartedAt == nil {
		return 0
	}
	if r.FinishedAt != nil {
		now = *r.FinishedAt
	}
	return now.Sub(*r.StartedAt)
}

const runSelect = `
SELECT r.id, r.short_id, r.connection_id, c.name AS connection_name, r.entity, r.trigger, r.requested_by,
       coalesce(nullif(u.name, ''), u.email, '') AS requested_by_name, coalesce(r.settings_version, 0) AS settings_version, r.state, r.outcome, r.phase, r.owner, r.fence,
       r.attempt, r.waits, r.lease_until, r.waiting_until, r.waiting_reason, r.cancel_requested_at, r.cancel_requested_by,
       coalesce(nullif(cu.name, ''), cu.email, '') AS cancelled_by_name, r.cancel_cause, r.error_code, r.error, r.surprising,
       r.api_calls, r.created_at, r.started_at, r.finished_at, r.scheduled_for, r.whole, r.missed, r.retired,
       coalesce(o.short_id, '') AS of_run
  FROM millrace.runs r
  JOIN millrace.connections c ON c.id = r.connection_id
  LEFT JOIN millrace.users u ON u.id = r.requested_by
  LEFT JOIN millrace.users cu ON cu.id = r.cancel_requested_by
  LEFT JOIN millrace.runs o ON o.id = r.of_run`

// Run returns a connection's run by its short id. It returns ErrNotFound when the connection has no such run.
func (d *DB) Run(ctx context.Context, connectionID int64, shortID string) (Run, error) {
	var r Run
	if !storable(shortID) {
		return r, fmt.Errorf("db.Run(%d, %q): %w", connectionID, shortID, ErrNotFound)
	}
	err := d.pool.GetContext(ctx, &r, runSelect+` WHERE r.connection_id = $1 AND r.short_id = $2`, connectionID, shortID)
	if err != nil {
		return r, fmt.Errorf("db.Run(%d, %q): %w", connectionID, shortID, notFound(err))
	}
	return r, nil
}

// RunByID returns a run. It returns ErrNotFound when there is none.
func (d *DB) RunByID(ctx context.Context, id int64) (Run, error) {
	var r Run
	if err := d.pool.GetContext(ctx, &r, kept(runSelect+` WHERE r.id = $1`), id); err != nil {
		return r, fmt.Errorf("db.RunByID(%d): %w", id, notFound(err))
	}
	return r, nil
}

// LatestRun returns the newest run of a connection, or nil when it has none.
func (d *DB) LatestRun(ctx context.Context, connectionID int64) (*Run, error) {
	var r []Run
	err := d.pool.SelectContext(ctx, &r, runSelect+` WHERE r.connection_id = $1 AND r.entity <> 'impact' ORDER BY r.id DESC LIMIT 1`, connectionID)
	if err != nil || len(r) == 0 {
		return nil, wrapIf(err, "db.LatestRun(%d)", connectionID)
	}
	return &r[0], nil
}

// LatestRunOf returns the newest run of an entity of a connection, or nil when it has none.
func (d *DB) LatestRunOf(ctx context.Context, connectionID int64, entity pipeline.Entity) (*Run, error) {
	var r []Run
	err := d.pool.SelectContext(ctx, &r, runSelect+` WHERE r.connection_id = $1 AND r.entity = $2 ORDER BY r.id DESC LIMIT 1`, connectionID, entity)
	if err != nil || len(r) == 0 {
		return nil, wrapIf(err, "db.LatestRunOf(%d, %s)", connectionID, entity)
	}
	return &r[0], nil
}

// inFocus selects what RunInFocus returns for the connection $1.
const inFocus = `r.id = coalesce(
       (SELECT x.id FROM millrace.runs x WHERE x.connection_id = $1 AND x.entity <> 'impact' AND x.state IN ('queued', 'running', 'waiting')
         ORDER BY x.started_at IS NULL, x.id LIMIT 1),
       (SELECT x.id FROM millrace.runs x WHERE x.connection_id = $1 AND x.entity <> 'impact' ORDER BY x.id DESC LIMIT 1))`

// RunInFocus returns the run of a connection that somebody who looks at it wants to see: the one in progress, or else the one that comes next, or else the
// newest. It is nil when there is none.
func (d *DB) RunInFocus(ctx context.Context, connectionID int64) (*Run, error) {
	var r []Run
	err := d.pool.SelectContext(ctx, &r, kept(runSelect+` WHERE `+inFocus), connectionID)
	if err != nil || len(r) == 0 {
		return nil, wrapIf(asCancelled(ctx, err), "db.RunInFocus(%d)", connectionID)
	}
	return &r[0], nil
}

// RunFilter selects runs of a connection. Zero values select all.
type RunFilter struct {
	ConnectionID int64
	States       []RunState
	Entity       pipeline.Entity
	Trigger      string
	RequestedBy  int64     // only runs that this person asked for; 0 for those of anybody and of schedules
	From, Until  time.Time // asked for at or after From and before Until
	Limit        int       // 25 by default
	BeforeID     int64     // only runs older than this one; 0 for the newest
}

// CountedRuns is up to how many runs are counted.
const CountedRuns = 10_000

// where builds the condition.
func (f RunFilter) where() (string, []any) {
	args := []any{f.ConnectionID}
	where := ` WHERE r.connection_id = $1 AND r.entity <> 'impact'`
	add := func(condition string, value any) {
		args = append(args, value)
		where += " AND " + condition + "$" + strconv.Itoa(len(args)) + ")"
	}
	if len(f.States) > 0 {
		add("r.state = ANY (", pq.Array(f.States))
	}
	if f.Entity != "" {
		add("r.entity = (", f.Entity)
	}
	if f.Trigger != "" {
		add("r.trigger = (", f.Trigger)
	}
	if f.RequestedBy != 0 {
		add("r.requested_by = (", f.RequestedBy)
	}
	if !f.From.IsZero() {
		add("r.created_at >= (", f.From)
	}
	if !f.Until.IsZero() {
		add("r.created_at < (", f.Until)
	}
	return where, args
}

// Runs returns runs, newest first, and how many there are with BeforeID and Limit left aside; they are counted up to CountedRuns and one.
func (d *DB) Runs(ctx context.Context, f RunFilter) (runs []Run, total int, err error) {
	if f.Limit <= 0 {
		f.Limit = 25
	}
	where, args := f.where()
	err = d.pool.GetContext(ctx, &total, `SELECT count(*) FROM (SELECT FROM millrace.runs r`+where+` LIMIT `+strconv.Itoa(CountedRuns+1)+`) n`, args...)
	if err == nil {
		if f.BeforeID > 0 {
			args = append(args, f.BeforeID)
			where += " AND r.id < $" + strconv.Itoa(len(args))
		}
		err = d.pool.SelectContext(ctx, &runs, runSelect+where+` ORDER BY r.id DESC LIMIT `+strconv.Itoa(f.Limit), args...)
	}
	return runs, total, wrapIf(asCancelled(ctx, err), "db.Runs(%d)", f.ConnectionID)
}

// Requester is somebody who has asked for runs.
type Requester struct {
	ID   int64  `db:"id"`
	Name string `db:"name"`
}

// Requesters returns who has asked for runs of a connection that are still known, by name.
func (d *DB) Requesters(ctx context.Context, connectionID int64) ([]Requester, error) {
	var out []Requester
	err := d.pool.SelectContext(ctx, &out, `
		SELECT u.id, coalesce(nullif(u.name, ''), u.email) AS name FROM millrace.users u
		 WHERE EXISTS (SELECT FROM millrace.runs r WHERE r.connection_id = $1 AND r.requested_by = u.id AND r.entity <> 'impact') ORDER BY name, u.id`, connectionID)
	return out, wrapIf(asCancelled(ctx, err), "db.Requesters(%d)", connectionID)
}

// RunsInProgress returns the active runs of a connection in the order in which they have their turn.
func (d *DB) RunsInProgress(ctx context.Context, connectionID int64, limit int) ([]Run, error) {
	var out []Run
	err := d.pool.SelectContext(ctx, &out, runSelect+` WHERE r.connection_id = $1 AND r.entity <> 'impact' AND r.state IN ('queued', 'running', 'waiting')
		ORDER BY r.started_at IS NULL, r.id LIMIT $2`, connectionID, limit)
	return out, wrapIf(asCancelled(ctx, err), "db.RunsInProgress(%d)", connectionID)
}

// RunBefore returns the newest run before another one that brought the same over, alone or with everything else, and came to its end, or nil when there is none.
func (d *DB) RunBefore(ctx context.Context, run Run) (*Run, error) {
	var r []Run
	err := d.pool.SelectContext(ctx, &r, runSelect+`
		WHERE r.id = (SELECT max(n.id) FROM (VALUES ($2), (CASE WHEN $2 IN ('accounts', 'contacts', 'cases') THEN 'all' END)) AS e (entity)
		       CROSS JOIN LATERAL (SELECT id FROM millrace.runs WHERE connection_id = $1 AND entity = e.entity AND id < $3 AND state IN ('completed', 'completed_with_errors')
		                            ORDER BY id DESC LIMIT 1) n)`, run.ConnectionID, run.Entity, run.ID)
	if err != nil || len(r) == 0 {
		return nil, wrapIf(asCancelled(ctx, err), "db.RunBefore(%d)", run.ID)
	}
	return &r[0], nil
}

// RunPage is a committed page of a run.
type RunPage struct {
	Position    int       `db:"position"` // of the step
	Label       string    `db:"label"`    // of the step
	Page        int       `db:"page"`
	Records     int64     `db:"records"`
	CommittedAt time.Time `db:"committed_at"`
}

// RunPages returns a part of the pages of a run in the order of its steps, and how many there are.
func (d *DB) RunPages(ctx context.Context, runID int64, limit, offset int) (pages []RunPage, total int, err error) {
	err = d.pool.GetContext(ctx, &total, `SELECT count(*) FROM millrace.run_pages WHERE run_id = $1`, runID)
	if err == nil && total > 0 {
		err = d.pool.SelectContext(ctx, &pages, `
			SELECT p.position, s.label, row_number() OVER (PARTITION BY p.position ORDER BY p.page) AS page, p.records, p.committed_at
			  FROM millrace.run_pages p JOIN millrace.run_steps s USING (run_id, position)
			 WHERE p.run_id = $1 ORDER BY p.position, p.page LIMIT $2 OFFSET $3`, runID, limit, max(offset, 0))
	}
	return pages, total, wrapIf(asCancelled(ctx, err), "db.RunPages(%d)", runID)
}

// PageSlice is what a run stored within a part of its time.
type PageSlice struct {
	N       int       `db:"n"` // from 0
	From    time.Time `db:"from_at"`
	Pages   int64     `db:"pages"`
	Records int64     `db:"records"`
}

// RunTimeline divides the time from a run's start to its last page into equal parts and returns what each of them stored; parts without a page are left out.
func (d *DB) RunTimeline(ctx context.Context, runID int64, parts int) ([]PageSlice, error) {
	var out []PageSlice
	err := d.pool.SelectContext(ctx, &out, `
		WITH span AS (
		    SELECT r.started_at AS a, greatest(extract(epoch FROM (SELECT max(committed_at) FROM millrace.run_pages WHERE run_id = r.id) - r.started_at), 0.001)::float8 AS long
		      FROM millrace.runs r WHERE r.id = $1 AND r.started_at IS NOT NULL)
		SELECT n, min(a + n * long / $2 * interval '1 second') AS from_at, count(*) AS pages, sum(records)::bigint AS records
		  FROM (SELECT p.records, s.a, s.long, least(greatest(floor(extract(epoch FROM p.committed_at - s.a) / s.long * $2), 0), $2 - 1)::int AS n
		          FROM millrace.run_pages p, span s WHERE p.run_id = $1) b
		 GROUP BY n ORDER BY n`, runID, parts)
	return out, wrapIf(asCancelled(ctx, err), "db.RunTimeline(%d)", runID)
}

// RunError is a record that a run could not take over.
type RunError struct {
	ID        int64     `db:"id"`
	RunID     int64     `db:"run_id"`
	Object    string    `db:"object"`
	SFID      string    `db:"sf_id"`
	Line      *int64    `db:"line"`    // of the record in its page
	Cause     string    `db:"cause"`   // the field, or a short code
	Message   string    `db:"message"` // a plain sentence
	CreatedAt time.Time `db:"created_at"`
}

// RunErrors returns the error list of a run, oldest first, after the entry with the id after (0 for the first ones).
func (d *DB) RunErrors(ctx context.Context, runID int64, limit int, after int64) ([]RunError, error) {
	var out []RunError
	err := d.pool.SelectContext(ctx, &out, `
		SELECT id, run_id, object, sf_id, line, cause, message, created_at
		  FROM millrace.run_errors WHERE run_id = $1 AND id > $2 ORDER BY id LIMIT $3`, runID, after, limit)
	return out, wrapIf(err, "db.RunErrors(%d)", runID)
}

// wrapIf adds the operation to an error and leaves nil alone.
func wrapIf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
