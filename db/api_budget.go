package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// APIReading is the use of an org's daily allowance as an answer of Salesforce told it.
type APIReading struct {
	Used, Limit int64
	Ticket      int64         // of the call whose answer it came with; 0 for a call that TakeAPICalls was not asked for
	Calls       int64         // calls made since the last reading that TakeAPICalls was not asked for
	Age         time.Duration // since the answer came
}

// APICalls is what became of the wish to call Salesforce a number of times.
type APICalls struct {
	Granted int64
	Ticket  int64 // of the last granted call; those of the others come before it, one by one, and those of later grants after it
	Budget  pipeline.Budget
}

const (
	// underWay is how many calls may be on their way to an org at once without being in the use that another's answer tells. So many are taken to be.
	underWay = 10
	// roomPerCall is how much room there must be for each call that is granted in advance. Near the end of the allowance they are granted one by one.
	roomPerCall = 32
	// lookAfter is how old the last reading must be before a run without room asks the org anew.
	lookAfter = 10 * time.Minute
	// usageKept is how long the use by the hour is kept.
	usageKept = "90 days"
)

// RecordAPIUse notes the org's use of its daily allowance. A lower use than the known one counts only when it is newer. Runs that wait for room are woken
// when there is more of it than was known.
func (d *DB) RecordAPIUse(ctx context.Context, id int64, r APIReading) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockAPIBudget(ctx, tx, id, "off"); err != nil {
			return err
		}
		return noteAPIUse(ctx, tx, id, r)
	})
	return wrapIf(err, "db.RecordAPIUse(%d)", id)
}

// lockAPIBudget makes everybody who counts calls of a connection take turns. Nobody waits for the disk where commit is "off": counts may be lost in a crash of
// Postgres.
func lockAPIBudget(ctx context.Context, tx *sqlx.Tx, id int64, commit string) error {
	var set string
	err := tx.GetContext(ctx, &set, kept(`SELECT set_config('synchronous_commit', coalesce(nullif($2, ''), current_setting('synchronous_commit')), true) FROM millrace.api_budgets WHERE connection_id = $1 FOR UPDATE`), id, commit)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `
			INSERT INTO millrace.api_budgets (connection_id) SELECT id FROM millrace.connections WHERE id = $1
			ON CONFLICT (connection_id) DO UPDATE SET granted = api_budgets.granted`, id)
	}
	return err
}

func noteAPIUse(ctx context.Context, tx *sqlx.Tx, id int64, r APIReading) error {
	if r.Calls > 0 {
		if _, err := countAPICalls(ctx, tx, id, r.Calls); err != nil {
			return err
		}
	}
	var more bool
	err := tx.GetContext(ctx, &more, kept(`
		WITH told AS (
		    SELECT b.connection_id, CASE WHEN $4 = 0 THEN b.granted ELSE $4 END AS ticket, c.api_used AS used, c.api_limit AS daily_limit
		      FROM millrace.api_budgets b JOIN millrace.connections c ON c.id = b.connection_id
		     WHERE b.connection_id = $1
		       AND CASE WHEN $4 = 0 THEN c.api_seen_at IS NULL OR c.api_seen_at <= clock_timestamp() - $6 * interval '1 second'
		                ELSE $2 >= coalesce(c.api_used, 0) OR $4 >= b.reading END),
		budget AS (
		    UPDATE millrace.api_budgets b SET reading = greatest(b.reading, t.ticket), covered = greatest(b.covered, t.ticket - $5)
		      FROM told t WHERE b.connection_id = t.connection_id),
		connection AS (
		    UPDATE millrace.connections c SET api_used = $2, api_limit = $3, api_seen_at = now() FROM told t WHERE c.id = t.connection_id),
		hour AS (
		    INSERT INTO millrace.api_usage AS h (connection_id, hour, used, daily_limit)
		    SELECT connection_id, date_trunc('hour', now()), $2, $3 FROM told
		    ON CONFLICT (connection_id, hour) DO UPDATE SET used = greatest(h.used, excluded.used), daily_limit = excluded.daily_limit)
		SELECT coalesce($2 < used OR $3 > daily_limit, false) FROM told`), id, r.Used, r.Limit, r.Ticket, underWay, r.Age.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return nil // an older reading
	}
	if err != nil || !more {
		return err
	}
	return wakeForBudget(ctx, tx, id)
}

// wakeForBudget lets the runs that wait for the allowance look again.
func wakeForBudget(ctx context.Context, tx *sqlx.Tx, id int64) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE millrace.runs SET waiting_until = now() WHERE connection_id = $1 AND state = 'waiting' AND waiting_for = 'budget' AND waiting_until > now()`, id)
	return err
}

// countAPICalls counts calls of ours, in the hour and in all, and returns how many there have been in all.
func countAPICalls(ctx context.Context, tx *sqlx.Tx, id, calls int64) (ticket int64, err error) {
	err = tx.GetContext(ctx, &ticket, kept(`
		WITH budget AS (UPDATE millrace.api_budgets SET granted = granted + $2 WHERE connection_id = $1 RETURNING connection_id, granted),
		hour AS (
		    INSERT INTO millrace.api_usage AS h (connection_id, hour, calls) SELECT connection_id, date_trunc('hour', now()), $2 FROM budget
		    ON CONFLICT (connection_id, hour) DO UPDATE SET calls = h.calls + excluded.calls RETURNING h.connection_id, h.hour, h.calls),
		old AS (
		    DELETE FROM millrace.api_usage u USING hour
		     WHERE u.connection_id = hour.connection_id AND hour.calls = $2 AND u.hour < hour.hour - interval '`+usageKept+`')
		SELECT granted FROM budget`), id, calls)
	return ticket, err
}

// TakeAPICalls asks for calls of a run, up to want of them, and counts those that are granted: so many only where there is plenty of room, and none where there is none. last, which may be nil,
// is recorded first. All processes ask here, so that together they stay within the allowance. What is granted and not used goes back by ReturnAPICalls; a process that dies keeps it.
func (d *DB) TakeAPICalls(ctx context.Context, id, want int64, last *APIReading) (calls APICalls, err error) {
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockAPIBudget(ctx, tx, id, "off"); err != nil {
			return err
		}
		if last != nil {
			if err := noteAPIUse(ctx, tx, id, *last); err != nil {
				return err
			}
		}
		if calls.Budget, err = apiBudget(ctx, tx, id); err != nil {
			return err
		}
		room, known := calls.Budget.Room()
		if known && room == 0 {
			return nil
		}
		granted := max(want, 1)
		if known {
			granted = max(min(granted, room/roomPerCall), 1)
		}
		if calls.Ticket, err = countAPICalls(ctx, tx, id, granted); errors.Is(err, sql.ErrNoRows) {
			return notFound(err)
		}
		calls.Granted = granted
		return err
	})
	if err != nil {
		calls = APICalls{Budget: calls.Budget}
	}
	return calls, wrapIf(err, "db.TakeAPICalls(%d)", id)
}

// ReturnAPICalls gives back calls that TakeAPICalls granted at a time and that were not made. They are taken to be in the use that Salesforce tells, so that nobody waits for their answer.
func (d *DB) ReturnAPICalls(ctx context.Context, id, calls int64, at time.Time) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockAPIBudget(ctx, tx, id, "off"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			WITH budget AS (UPDATE millrace.api_budgets SET covered = least(covered + $2, granted) WHERE connection_id = $1)
			UPDATE millrace.api_usage SET calls = greatest(calls - $2, 0) WHERE connection_id = $1 AND hour = date_trunc('hour', $3::timestamptz)`, id, calls, at)
		return err
	})
	return wrapIf(err, "db.ReturnAPICalls(%d)", id)
}

// LookDue says whether the org is to be asked how much of its daily limit is used.
type LookDue int

// The answers of APILookDue.
const (
	LookNot      LookDue = iota // what is known is new enough
	LookNow                     // the caller is to ask
	LookUnderWay                // another is asking
)

// lookTime is how long one who asks the org is waited for. After that another asks.
const lookTime = 15 * time.Second

// APILookDue reports whether what is known of the org's use is so old that a run without room, asked for at since, should ask the org anew; to others it then
// counts as being asked until RecordAPIUse. A run asks for itself whatever was known before somebody asked for the run.
func (d *DB) APILookDue(ctx context.Context, id int64, since time.Time) (due LookDue, err error) {
	var yes bool
	err = d.pool.GetContext(ctx, &yes, `
		WITH old AS (SELECT greatest(now() - $2 * interval '1 second', $3::timestamptz) AS before, now() - $4 * interval '1 second' AS given_up),
		     look AS (
		    INSERT INTO millrace.api_budgets AS b (connection_id, looked_at)
		    SELECT c.id, now() FROM millrace.connections c, old WHERE c.id = $1 AND (c.api_seen_at IS NULL OR c.api_seen_at < old.before)
		    ON CONFLICT (connection_id) DO UPDATE SET looked_at = now()
		     WHERE b.looked_at IS NULL OR b.looked_at < (SELECT before FROM old)
		        OR b.looked_at < (SELECT given_up FROM old)
		       AND NOT EXISTS (SELECT FROM millrace.connections c WHERE c.id = b.connection_id AND c.api_seen_at >= b.looked_at)
		    RETURNING 1)
		SELECT EXISTS (SELECT FROM look)`, id, lookAfter.Seconds(), since, lookTime.Seconds())
	if err == nil && yes {
		return LookNow, nil
	}
	if err == nil { // a statement of its own, which sees who came first
		err = d.pool.GetContext(ctx, &yes, `
			SELECT EXISTS (SELECT FROM millrace.connections c JOIN millrace.api_budgets b ON b.connection_id = c.id
			                WHERE c.id = $1 AND b.looked_at <= now() AND (c.api_seen_at IS NULL OR c.api_seen_at < b.looked_at))`, id)
	}
	if err == nil && yes {
		return LookUnderWay, nil
	}
	return LookNot, wrapIf(asCancelled(ctx, err), "db.APILookDue(%d)", id)
}

// APIBudget returns how the allowance of a connection stands. It returns ErrNotFound when there is no such connection.
func (d *DB) APIBudget(ctx context.Context, id int64) (pipeline.Budget, error) {
	b, err := apiBudget(ctx, d.pool, id)
	return b, wrapIf(asCancelled(ctx, err), "db.APIBudget(%d)", id)
}

// budgetRow is how an allowance stands, without what was used by the hour.
type budgetRow struct {
	Reserve    int        `db:"reserve_percent"`
	OwnPercent int        `db:"own_percent"`
	OwnCalls   int64      `db:"own_calls"`
	Used       int64      `db:"used"`
	Limit      int64      `db:"daily_limit"`
	SeenAt     *time.Time `db:"api_seen_at"`
	Ahead      int64      `db:"ahead"`
	Now        time.Time  `db:"now"`
	Version    int        `db:"allowance_version"`
}

// budgetColumns of budgetTables make a budgetRow; $2 is the usual reserve.
const (
	budgetColumns = `coalesce(b.reserve_percent, $2) AS reserve_percent, coalesce(b.own_percent, 0) AS own_percent, coalesce(b.own_calls, 0) AS own_calls,
	       coalesce(c.api_used, 0) AS used, coalesce(c.api_limit, 0) AS daily_limit, c.api_seen_at, coalesce(b.granted - b.covered, 0) AS ahead, now() AS now,
	       coalesce(b.version, 0) AS allowance_version`
	budgetTables = `millrace.connections c LEFT JOIN millrace.api_budgets b ON b.connection_id = c.id`
)

func (r budgetRow) budget() pipeline.Budget {
	return pipeline.Budget{Allowance: pipeline.Allowance{ReservePercent: r.Reserve, OwnPercent: r.OwnPercent, OwnCalls: r.OwnCalls},
		Used: r.Used, Limit: r.Limit, SeenAt: r.SeenAt, Ahead: r.Ahead, Now: r.Now, Version: r.Version}
}

func apiBudget(ctx context.Context, q sqlx.QueryerContext, id int64) (b pipeline.Budget, err error) {
	var row struct {
		budgetRow
		Hours []byte `db:"hours"`
	}
	err = sqlx.GetContext(ctx, q, &row, kept(`SELECT `+budgetColumns+`,
		       (SELECT coalesce(json_agg(json_build_object('Hour', hour, 'Calls', calls) ORDER BY hour), '[]') FROM millrace.api_usage
		         WHERE connection_id = $1 AND calls > 0 AND hour >= date_trunc('hour', now()) - interval '24 hours') AS hours
		  FROM `+budgetTables+` WHERE c.id = $1`), id, pipeline.DefaultAllowance.ReservePercent)
	if err != nil {
		return b, notFound(err)
	}
	b = row.budget()
	err = json.Unmarshal(row.Hours, &b.Hours)
	for _, h := range b.Hours {
		b.Own += h.Calls
	}
	return b, err
}

// AllowanceConflictError says that somebody else has changed an allowance since it was read.
type AllowanceConflictError struct{ By string } // may be empty

// Error implements error.
func (e *AllowanceConflictError) Error() string { return "changed meanwhile by " + e.By }

// SaveAllowance changes how many API requests runs of a connection may use. It holds at once: runs that wait for room look again.
// base is the version of the allowance that by saw: it returns an *AllowanceConflictError when somebody has changed it since, to something else than a.
func (d *DB) SaveAllowance(ctx context.Context, id int64, base int, a pipeline.Allowance, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockAPIBudget(ctx, tx, id, ""); err != nil {
			return err
		}
		before, err := apiBudget(ctx, tx, id)
		if err != nil || before.Allowance == a {
			return err
		}
		if before.Version != base {
			var other string
			err := tx.GetContext(ctx, &other, `
				SELECT coalesce(nullif(u.name, ''), u.email, '') FROM millrace.api_budgets b LEFT JOIN millrace.users u ON u.id = b.changed_by WHERE b.connection_id = $1`, id)
			return errors.Join(err, &AllowanceConflictError{By: other})
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE millrace.api_budgets
			   SET reserve_percent = $2, own_percent = nullif($3, 0), own_calls = nullif($4, 0), version = version + 1, changed_by = $5 WHERE connection_id = $1`,
			id, a.ReservePercent, a.OwnPercent, a.OwnCalls, by)
		if err != nil {
			return err
		}
		if err := wakeForBudget(ctx, tx, id); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: id, ActorID: &by, Entity: "connection", Action: "API budget changed", Changes: changedWords(
			"kept free for other apps", before.Allowance.ReserveWords(), a.ReserveWords(), "own requests", before.Allowance.OwnWords(), a.OwnWords())})
	})
	return wrapIf(err, "db.SaveAllowance(%d)", id)
}

// changedWords maps names to what they were and are, where that differs; each name is followed by both.
func changedWords(namesAndValues ...string) map[string][2]string {
	out := map[string][2]string{}
	for i := 0; i+2 < len(namesAndValues); i += 3 {
		if was, is := namesAndValues[i+1], namesAndValues[i+2]; was != is {
			out[namesAndValues[i]] = [2]string{was, is}
		}
	}
	return out
}

// APIHour is the use of an org's API within an hour.
type APIHour struct {
	Hour  time.Time `db:"hour"`
	Used  int64     `db:"used"`        // the greatest use of 24 hours that Salesforce told, of all apps; 0 where it told none
	Limit int64     `db:"daily_limit"` // 0 where Salesforce told none
	Calls int64     `db:"calls"`       // our own requests within the hour
}

// APIHistory returns the use of a connection's API by the hour since a time, oldest first. Hours without any request are left out.
func (d *DB) APIHistory(ctx context.Context, id int64, since time.Time) ([]APIHour, error) {
	var out []APIHour
	err := d.pool.SelectContext(ctx, &out, `
		SELECT hour, coalesce(used, 0) AS used, coalesce(daily_limit, 0) AS daily_limit, calls
		  FROM millrace.api_usage WHERE connection_id = $1 AND hour >= $2 ORDER BY hour`, id, since)
	return out, wrapIf(asCancelled(ctx, err), "db.APIHistory(%d)", id)
}

// RunCost is how many API calls the newest run of an entity that came to its end took.
type RunCost struct {
	Entity  pipeline.Entity `db:"entity"`
	ShortID string          `db:"short_id"`
	Calls   int64           `db:"api_calls"`
	Current bool            `db:"current"` // the run went by the current settings
}

// RunCosts returns what runs of a connection cost, for each entity that has had one.
func (d *DB) RunCosts(ctx context.Context, id int64) (map[pipeline.Entity]RunCost, error) {
	var rows []RunCost
	err := d.pool.SelectContext(ctx, &rows, `
		SELECT e.entity, r.short_id, r.api_calls,
		       coalesce(r.settings_version = (SELECT version FROM millrace.settings_versions WHERE connection_id = $1 ORDER BY version DESC LIMIT 1), false) AS current
		  FROM unnest($2::text[]) AS e (entity)
		 CROSS JOIN LATERAL (
		       SELECT short_id, api_calls, settings_version FROM millrace.runs
		        WHERE connection_id = $1 AND entity = e.entity AND state IN ('completed', 'completed_with_errors') ORDER BY id DESC LIMIT 1) r`,
		id, pq.Array(append([]pipeline.Entity{pipeline.EntityAll}, pipeline.Entities...)))
	out := make(map[pipeline.Entity]RunCost, len(rows))
	for _, r := range rows {
		out[r.Entity] = r
	}
	return out, wrapIf(asCancelled(ctx, err), "db.RunCosts(%d)", id)
}

// WaitingForBudget returns the runs of a connection that wait for room within the allowance.
func (d *DB) WaitingForBudget(ctx context.Context, id int64) ([]Run, error) {
	var runs []Run
	err := d.pool.SelectContext(ctx, &runs, runSelect+` WHERE r.connection_id = $1 AND r.state = 'waiting' AND r.waiting_for = 'budget' ORDER BY r.id`, id)
	return runs, wrapIf(asCancelled(ctx, err), "db.WaitingForBudget(%d)", id)
}
