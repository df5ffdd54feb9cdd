package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
	"millrace/schedule"
)

// Tick is what became of the slots of one schedule whose time had come.
type Tick struct {
	ConnectionID int64
	Entity       pipeline.Entity
	ScheduledFor time.Time // the newest of the slots
	RunID        int64     // of the run that was queued; 0 for none
	Missed       int64     // slots that had passed unnoticed
	Skipped      string    // why no run was queued; empty when one was
}

// onTime is how late a slot may be noticed without counting as missed.
const onTime = time.Minute

// Why slots are skipped while the org is not connected.
const (
	skippedReconnect    = "The org must be reconnected first."
	skippedDisconnected = "The org is disconnected."
)

// maxSlots bounds how many slots of one schedule are counted after a long standstill.
const maxSlots = 10_000

type dueRow struct {
	scheduleRow
	Now    time.Time        `db:"now"`
	Status ConnectionStatus `db:"status"`
}

// Tick takes one schedule that is due, queues its run and moves it on to its next slot, all in one transaction: of any number of callers one gets
// it, and a caller that dies leaves it for the others. It returns nil when none is due. All slots that have come since the last look make one run. Where
// no run can start, the slots are skipped and the schedule says why. Of slots at the same time that of the accounts comes first: the rest hangs on them. Only Postgres' clock counts.
func (d *DB) Tick(ctx context.Context) (*Tick, error) {
	var t *Tick
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var due dueRow
		// What somebody else holds is left to the next look, so that nobody waits for anybody here.
		err := tx.GetContext(ctx, &due, kept(`
			SELECT s.connection_id, s.entity, s.hours, s.start_time, s.weekday, s.time_zone, s.enabled, s.next_run_at, now() AS now, c.status
			  FROM millrace.schedules s JOIN millrace.connections c ON c.id = s.connection_id
			 WHERE s.enabled AND s.next_run_at <= now() ORDER BY s.next_run_at, s.entity
			   FOR UPDATE OF s SKIP LOCKED FOR SHARE OF c SKIP LOCKED LIMIT 1`))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		t, err = due.tick(ctx, tx)
		return err
	})
	if err != nil {
		return nil, wrapIf(asCancelled(ctx, err), "db.Tick")
	}
	return t, nil
}

// tick does so with a schedule that the transaction holds.
func (due dueRow) tick(ctx context.Context, tx *sqlx.Tx) (*Tick, error) {
	t := &Tick{ConnectionID: due.ConnectionID, Entity: due.Entity, ScheduledFor: *due.NextRunAt}
	slots, err := schedule.New(due.spec())
	if err != nil {
		t.Skipped = "This schedule cannot be kept: " + err.Error() + ". Save it again."
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.schedules SET enabled = false, next_run_at = NULL, skip_reason = $3 WHERE connection_id = $1 AND entity = $2`,
			t.ConnectionID, t.Entity, t.Skipped)
		return t, err
	}
	passed := int64(1)
	t.count(due.Now)
	for ; passed < maxSlots; passed++ {
		slot := slots.Next(t.ScheduledFor, 1)[0]
		if slot.After(due.Now) {
			break
		}
		t.ScheduledFor = slot
		t.count(due.Now)
	}
	if err := due.start(ctx, tx, t); err != nil {
		return t, err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE millrace.schedules
		   SET next_run_at = $3, last_scheduled_for = $4, last_run_id = CASE WHEN $5 = 0 THEN last_run_id ELSE $5 END,
		       skipped = CASE WHEN $6 = '' THEN 0 ELSE skipped + $7 END, skip_reason = $6
		 WHERE connection_id = $1 AND entity = $2`,
		t.ConnectionID, t.Entity, slots.Next(due.Now, 1)[0], t.ScheduledFor, t.RunID, t.Skipped, passed)
	return t, err
}

// count adds the slot to those that were missed, if it was.
func (t *Tick) count(now time.Time) {
	if now.Sub(t.ScheduledFor) > onTime {
		t.Missed++
	}
}

// start queues the run, or says why there is none.
func (due dueRow) start(ctx context.Context, tx *sqlx.Tx, t *Tick) error {
	switch due.Status {
	case StatusNeedsReconnect:
		t.Skipped = skippedReconnect
		return nil
	case StatusDisconnected:
		t.Skipped = skippedDisconnected
		return nil
	}
	current, err := currentSettings(ctx, tx, t.ConnectionID)
	var unreadable *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &unreadable) || errors.As(err, &mistyped) {
		t.Skipped = "The saved settings cannot be read. Save them again." // and hold up nobody else's schedule
		return nil
	}
	if err != nil {
		return err
	}
	if current == nil {
		t.Skipped = "The connection has no settings yet."
		return nil
	}
	if t.Skipped = t.Entity.WhyOff(current.Settings); t.Skipped != "" {
		return nil
	}
	id, started, err := queueRun(ctx, tx, newRun{
		connection: t.ConnectionID, version: current.Version, entity: t.Entity, trigger: TriggerSchedule, slot: &t.ScheduledFor, missed: t.Missed,
	})
	if err != nil {
		return fmt.Errorf("queue the run of %s: %w", t.Entity, err)
	}
	if started {
		t.RunID = id
		return nil
	}
	var other struct {
		ShortID string   `db:"short_id"`
		State   RunState `db:"state"`
	}
	err = tx.GetContext(ctx, &other, `SELECT short_id, state FROM millrace.runs WHERE id = $1`, id)
	if t.Skipped = "The sync " + other.ShortID + " was still active."; !other.State.Active() {
		t.Skipped = "The sync " + other.ShortID + " has run for it already." // Postgres' clock was set back
	}
	return err
}
