package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
	"millrace/schedule"
	"millrace/settings"
)

// Schedule says when an entity of a connection is synced by itself, and how its last slots went.
type Schedule struct {
	ConnectionID     int64
	Entity           pipeline.Entity
	Spec             schedule.Spec
	Enabled          bool
	NextRunAt        *time.Time // nil when it is off
	LastScheduledFor *time.Time // the newest slot whose time has come
	LastRunShortID   string     // of the newest run that it started; empty for none
	Skipped          int64      // slots since that run that started none
	SkipReason       string     // why, in a plain sentence
}

// Upcoming returns the next n slots; none when the schedule is off.
func (s Schedule) Upcoming(n int) []time.Time {
	if !s.Enabled || s.NextRunAt == nil {
		return nil
	}
	spec, err := schedule.New(s.Spec)
	if err != nil {
		return nil
	}
	return append([]time.Time{s.NextRunAt.UTC()}, spec.Next(*s.NextRunAt, n-1)...)
}

// NextFrom returns the first coming slot that is not before an instant; ok is false when the schedule is off.
func (s Schedule) NextFrom(at time.Time) (slot time.Time, ok bool) {
	if next := s.Upcoming(1); len(next) == 0 || !next[0].Before(at) {
		return first(next)
	}
	spec, err := schedule.New(s.Spec)
	if err != nil {
		return time.Time{}, false
	}
	return first(spec.Next(at.Add(-time.Nanosecond), 1))
}

func first(slots []time.Time) (slot time.Time, ok bool) {
	if len(slots) == 0 {
		return time.Time{}, false
	}
	return slots[0], true
}

// ChatterFrequency returns the choice that the schedule of Chatter stands for; NoChatterSchedule when it is off.
func (s Schedule) ChatterFrequency() settings.ChatterFrequency {
	for f, hours := range chatterHours {
		if s.Enabled && hours == s.Spec.Hours {
			return f
		}
	}
	return settings.NoChatterSchedule
}

var chatterHours = map[settings.ChatterFrequency]int{
	settings.Hourly: schedule.Hourly, settings.Daily: schedule.Daily, settings.Weekly: schedule.Weekly,
}

type scheduleRow struct {
	ConnectionID     int64           `db:"connection_id"`
	Entity           pipeline.Entity `db:"entity"`
	Hours            int             `db:"hours"`
	Start            string          `db:"start_time"`
	Weekday          time.Weekday    `db:"weekday"`
	TimeZone         string          `db:"time_zone"`
	Enabled          bool            `db:"enabled"`
	NextRunAt        *time.Time      `db:"next_run_at"`
	LastScheduledFor *time.Time      `db:"last_scheduled_for"`
	LastRunShortID   string          `db:"last_run"`
	Skipped          int64           `db:"skipped"`
	SkipReason       string          `db:"skip_reason"`
}

const scheduleSelect = `
	SELECT s.connection_id, s.entity, s.hours, s.start_time, s.weekday, s.time_zone, s.enabled, s.next_run_at, s.last_scheduled_for,
	       coalesce((SELECT short_id FROM millrace.runs WHERE id = s.last_run_id), '') AS last_run, s.skipped, s.skip_reason
	  FROM millrace.schedules s WHERE s.connection_id = $1`

// scheduleOrder is that in which people think of schedules.
const scheduleOrder = `array_position(ARRAY['accounts', 'contacts', 'cases', 'chatter'], s.entity)`

func (r scheduleRow) spec() schedule.Spec {
	return schedule.Spec{Hours: r.Hours, Start: r.Start, Weekday: r.Weekday, TimeZone: r.TimeZone}
}

// Schedules lists a connection's schedules in the order in which people think of them, those that are off included. Chatter has one only once somebody has saved it.
func (d *DB) Schedules(ctx context.Context, connectionID int64) ([]Schedule, error) {
	var rows []scheduleRow
	if err := d.pool.SelectContext(ctx, &rows, kept(scheduleSelect+` ORDER BY `+scheduleOrder), connectionID); err != nil {
		return nil, fmt.Errorf("db.Schedules(%d): %w", connectionID, asCancelled(ctx, err))
	}
	out := make([]Schedule, len(rows))
	for i, r := range rows {
		out[i] = Schedule{
			ConnectionID: r.ConnectionID, Entity: r.Entity, Spec: r.spec(), Enabled: r.Enabled, NextRunAt: r.NextRunAt,
			LastScheduledFor: r.LastScheduledFor, LastRunShortID: r.LastRunShortID, Skipped: r.Skipped, SkipReason: r.SkipReason,
		}
	}
	return out, nil
}

// saveSchedules makes the schedules that the settings ask for, in the transaction that saves them.
func saveSchedules(ctx context.Context, tx *sqlx.Tx, connectionID int64, s settings.Settings) error {
	hours := map[pipeline.Entity]int{
		pipeline.EntityAccounts: s.Sync.Accounts.Hours, pipeline.EntityContacts: s.Sync.Contacts.Hours, pipeline.EntityCases: schedule.Daily,
	}
	for _, e := range []pipeline.Entity{pipeline.EntityAccounts, pipeline.EntityContacts, pipeline.EntityCases} {
		spec := schedule.Spec{Hours: hours[e], Start: s.Sync.Start, Weekday: time.Monday, TimeZone: s.Sync.TimeZone}
		if _, err := putSchedule(ctx, tx, connectionID, e, spec, e.WhyOff(s) == ""); err != nil {
			return fmt.Errorf("schedule %s: %w", e, err)
		}
	}
	return nil
}

// putSchedule stores a schedule and reports whether that changed anything. One that stays as it is keeps its next slot, even an overdue one.
func putSchedule(ctx context.Context, tx *sqlx.Tx, connectionID int64, e pipeline.Entity, spec schedule.Spec, enabled bool) (changed bool, err error) {
	slots, err := schedule.New(spec)
	if err != nil {
		return false, err
	}
	var old scheduleRow
	err = tx.GetContext(ctx, &old, scheduleSelect+` AND s.entity = $2 FOR UPDATE`, connectionID, e)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if err == nil && old.spec() == spec && old.Enabled == enabled {
		return false, nil
	}
	var next *time.Time
	if enabled {
		var now time.Time
		if err := tx.GetContext(ctx, &now, `SELECT clock_timestamp()`); err != nil {
			return false, err
		}
		next = &slots.Next(now, 1)[0]
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO millrace.schedules (connection_id, entity, hours, start_time, weekday, time_zone, enabled, next_run_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (connection_id, entity) DO UPDATE
		   SET hours = excluded.hours, start_time = excluded.start_time, weekday = excluded.weekday, time_zone = excluded.time_zone,
		       enabled = excluded.enabled, next_run_at = excluded.next_run_at, skipped = 0, skip_reason = ''`,
		connectionID, e, spec.Hours, spec.Start, spec.Weekday, spec.TimeZone, enabled, next)
	return true, err
}

// ScheduleError says what is wrong with a schedule that somebody wanted to save.
type ScheduleError struct{ Reason string }

// Error implements error.
func (e *ScheduleError) Error() string { return e.Reason }

// SaveChatterSchedule makes Chatter being synced so often from now on. It starts at the time of day of the settings' schedule, weekly on Mondays. It returns a
// *ScheduleError for a frequency or a zone that does not exist, and ErrNotFound for no connection.
func (d *DB) SaveChatterSchedule(ctx context.Context, connectionID int64, f settings.ChatterFrequency, timeZone string, actor int64) error {
	err := d.changeChatter(ctx, connectionID, func(tx *sqlx.Tx) error { return saveChatter(ctx, tx, connectionID, f, timeZone, actor) })
	return wrapIf(err, "db.SaveChatterSchedule(%d)", connectionID)
}

func saveChatter(ctx context.Context, tx *sqlx.Tx, connectionID int64, f settings.ChatterFrequency, timeZone string, actor int64) error {
	hours, ok := chatterHours[f]
	if !ok {
		return &ScheduleError{"Choose Hourly, Daily or Weekly."}
	}
	start := settings.DefaultStart
	current, err := currentSettings(ctx, tx, connectionID)
	if err != nil {
		return err
	}
	if current != nil {
		start = current.Settings.Sync.Start
	}
	spec := schedule.Spec{Hours: hours, Start: start, Weekday: time.Monday, TimeZone: timeZone}
	if _, err := schedule.New(spec); err != nil {
		return &ScheduleError{fmt.Sprintf("This schedule cannot be kept: %s.", err)}
	}
	changed, err := putSchedule(ctx, tx, connectionID, pipeline.EntityChatter, spec, true)
	if err != nil || !changed {
		return err
	}
	return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &actor, Entity: "schedule", Action: "saved",
		Detail: fmt.Sprintf("Chatter: %s, %s", f.Label(), timeZone)})
}

// DisableChatterSchedule ends the schedule of Chatter, if there is one. A run that it has started goes on. It returns ErrNotFound for no connection.
func (d *DB) DisableChatterSchedule(ctx context.Context, connectionID, actor int64) error {
	err := d.changeChatter(ctx, connectionID, func(tx *sqlx.Tx) error { return disableChatter(ctx, tx, connectionID, actor) })
	return wrapIf(err, "db.DisableChatterSchedule(%d)", connectionID)
}

func disableChatter(ctx context.Context, tx *sqlx.Tx, connectionID, actor int64) error {
	r, err := tx.ExecContext(ctx, `
		UPDATE millrace.schedules SET enabled = false, next_run_at = NULL, skipped = 0, skip_reason = ''
		 WHERE connection_id = $1 AND entity = $2 AND enabled`, connectionID, pipeline.EntityChatter)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &actor, Entity: "schedule", Action: "disabled", Detail: "Chatter"})
}

// changeChatter runs fn in a transaction that no other change of the connection's settings or schedules runs beside.
func (d *DB) changeChatter(ctx context.Context, connectionID int64, fn func(*sqlx.Tx) error) error {
	return d.Transact(ctx, func(tx *sqlx.Tx) error {
		var id int64
		if err := tx.GetContext(ctx, &id, `SELECT id FROM millrace.connections WHERE id = $1 FOR UPDATE`, connectionID); err != nil {
			return notFound(err)
		}
		return fn(tx)
	})
}
