package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/schedule"
	"millrace/settings"
)

// scheduled returns settings with everything on, every four hours from two hours from now, so that no slot is near.
func scheduled() settings.Settings {
	s := single("Id != null")
	s.Sync = settings.Frequencies{
		Accounts: settings.Frequency{Hours: 4}, Contacts: settings.Frequency{Hours: 8}, TimeZone: "UTC",
		Start: time.Now().UTC().Add(2 * time.Hour).Format("15:04"),
	}
	s.Cases.Enabled, s.Cases.LookbackDays = true, 90
	s.Chatter.Enabled, s.Chatter.Accounts = true, true
	return s
}

// save saves settings over whatever there is, and ends the first run.
func save(t *testing.T, d *db.DB, c db.Connection, u db.User, s settings.Settings) {
	t.Helper()
	base := 0
	if now, err := d.CurrentSettings(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	} else if now != nil {
		base = now.Version
	}
	if _, _, err := d.SaveSettings(t.Context(), c.ID, base, s, "", u.ID); err != nil {
		t.Fatal(err)
	}
	endRuns(t, d)
}

func endRuns(t *testing.T, d *db.DB) {
	t.Helper()
	exec(t, d, `UPDATE millrace.runs SET state = 'completed', finished_at = now() WHERE state IN ('queued', 'running', 'waiting')`)
}

func scheduleOf(t *testing.T, d *db.DB, c db.Connection, e pipeline.Entity) db.Schedule {
	t.Helper()
	all, err := d.Schedules(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Entity == e {
			return s
		}
	}
	t.Fatalf("there is no schedule of %s", e)
	return db.Schedule{}
}

// back moves the next slot of an entity into the past.
func back(t *testing.T, d *db.DB, e pipeline.Entity, by string) {
	t.Helper()
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = next_run_at - $2::interval WHERE entity = $1`, e, by)
}

func tick(t *testing.T, d *db.DB) *db.Tick {
	t.Helper()
	k, err := d.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSchedulesFollowTheSettings(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if all, err := d.Schedules(t.Context(), c.ID); len(all) != 0 || err != nil {
		t.Errorf("before the first save: %v, %v", all, err)
	}
	s := scheduled()
	s.Cases.Enabled = false
	save(t, d, c, u, s)
	accounts := scheduleOf(t, d, c, pipeline.EntityAccounts)
	if want := (schedule.Spec{Hours: 4, Start: s.Sync.Start, Weekday: time.Monday, TimeZone: "UTC"}); accounts.Spec != want || !accounts.Enabled {
		t.Errorf("got %+v", accounts)
	}
	next := accounts.Upcoming(3)
	if len(next) != 3 || next[0].Before(time.Now()) || next[0].After(time.Now().Add(4*time.Hour)) || next[2].Sub(next[0]) != 8*time.Hour {
		t.Errorf("the next runs are %v", next)
	}
	if contacts := scheduleOf(t, d, c, pipeline.EntityContacts); contacts.Spec.Hours != 8 || !contacts.Enabled {
		t.Errorf("got %+v", contacts)
	}
	if cases := scheduleOf(t, d, c, pipeline.EntityCases); cases.Enabled || cases.NextRunAt != nil || cases.Upcoming(3) != nil {
		t.Errorf("cases are off, but %+v", cases)
	}

	back(t, d, pipeline.EntityContacts, "5 minutes")
	due := *scheduleOf(t, d, c, pipeline.EntityContacts).NextRunAt
	s.Sync.Accounts.Hours, s.Cases.Enabled = 12, true
	save(t, d, c, u, s)
	if now := scheduleOf(t, d, c, pipeline.EntityAccounts); now.Spec.Hours != 12 {
		t.Errorf("got %+v", now)
	}
	if cases := scheduleOf(t, d, c, pipeline.EntityCases); !cases.Enabled || cases.Spec.Hours != schedule.Daily || cases.Spec.Start != s.Sync.Start {
		t.Errorf("got %+v", cases)
	}
	if now := scheduleOf(t, d, c, pipeline.EntityContacts); !now.NextRunAt.Equal(due) {
		t.Errorf("a schedule that was not changed moved from %v to %v", due, now.NextRunAt)
	}

	s.Sync.Accounts.Off = true
	save(t, d, c, u, s)
	if off := scheduleOf(t, d, c, pipeline.EntityAccounts); off.Enabled || off.NextRunAt != nil {
		t.Errorf("got %+v", off)
	}
	// A save that fails leaves the schedules alone.
	s.Sync.Accounts.Off = false
	var conflict *db.VersionConflictError
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 1, s, "", u.ID); !errors.As(err, &conflict) || scheduleOf(t, d, c, pipeline.EntityAccounts).Enabled {
		t.Errorf("got %v", err)
	}
}

func TestChatterScheduleIsSavedApart(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	save(t, d, c, u, scheduled())
	if err := d.SaveChatterSchedule(ctx, c.ID, settings.Weekly, "America/New_York", u.ID); err != nil {
		t.Fatal(err)
	}
	s := scheduleOf(t, d, c, pipeline.EntityChatter)
	if s.ChatterFrequency() != settings.Weekly || s.Upcoming(1)[0].In(zone(t, "America/New_York")).Weekday() != time.Monday {
		t.Errorf("got %+v", s)
	}
	audits := func() int {
		return get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'schedule' AND actor_id = $1`, u.ID)
	}
	for range 2 { // the second changes nothing
		if err := d.SaveChatterSchedule(ctx, c.ID, settings.Hourly, "Europe/Berlin", u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if s = scheduleOf(t, d, c, pipeline.EntityChatter); s.ChatterFrequency() != settings.Hourly || time.Until(*s.NextRunAt) > time.Hour || audits() != 2 {
		t.Errorf("got %+v with %d audit rows", s, audits())
	}
	save(t, d, c, u, single("Name != null"))
	if again := scheduleOf(t, d, c, pipeline.EntityChatter); !again.NextRunAt.Equal(*s.NextRunAt) {
		t.Error("saving the settings changed the schedule of Chatter")
	}
	for range 2 {
		if err := d.DisableChatterSchedule(ctx, c.ID, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if s = scheduleOf(t, d, c, pipeline.EntityChatter); s.Enabled || s.ChatterFrequency() != settings.NoChatterSchedule || audits() != 3 {
		t.Errorf("got %+v with %d audit rows", s, audits())
	}
	var bad *db.ScheduleError
	for _, zone := range []string{"", "TZ=0", "Local", "Nowhere"} {
		if err := d.SaveChatterSchedule(ctx, c.ID, settings.Daily, zone, u.ID); !errors.As(err, &bad) {
			t.Errorf("zone %q: %v", zone, err)
		}
	}
	if err := d.SaveChatterSchedule(ctx, c.ID, settings.NoChatterSchedule, "UTC", u.ID); !errors.As(err, &bad) {
		t.Errorf("no frequency: %v", err)
	}
	if err := d.SaveChatterSchedule(ctx, c.ID+100, settings.Daily, "UTC", u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no connection: %v", err)
	}
	if err := d.DisableChatterSchedule(ctx, c.ID+100, u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no connection: %v", err)
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestTick(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	save(t, d, c, u, scheduled())
	if k := tick(t, d); k != nil {
		t.Fatalf("nothing is due, but %+v", k)
	}
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() - interval '2 seconds' WHERE entity = 'contacts'`)
	slot := *scheduleOf(t, d, c, pipeline.EntityContacts).NextRunAt
	k := tick(t, d)
	if k == nil || k.Entity != pipeline.EntityContacts || !k.ScheduledFor.Equal(slot) || k.Missed != 0 || k.Skipped != "" {
		t.Fatalf("got %+v", k)
	}
	run, err := d.RunByID(t.Context(), k.RunID)
	if err != nil || run.Entity != pipeline.EntityContacts || run.Trigger != db.TriggerSchedule || run.State != db.RunQueued || run.Missed != 0 ||
		run.ScheduledFor == nil || !run.ScheduledFor.Equal(slot) || run.SettingsVersion != 1 {
		t.Errorf("got %+v, %v", run, err)
	}
	s := scheduleOf(t, d, c, pipeline.EntityContacts)
	if s.LastRunShortID != run.ShortID || !s.LastScheduledFor.Equal(slot) || !s.NextRunAt.After(time.Now()) {
		t.Errorf("got %+v", s)
	}
	if k := tick(t, d); k != nil {
		t.Errorf("the slot came twice: %+v", k)
	}
}

func TestAccountsComeFirst(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	save(t, d, c, u, scheduled())
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() - interval '1 second'`)
	for _, want := range []pipeline.Entity{pipeline.EntityAccounts, pipeline.EntityCases, pipeline.EntityContacts} {
		if k := tick(t, d); k == nil || k.Entity != want {
			t.Errorf("got %+v, want %s", k, want)
		}
	}
	all, err := d.Schedules(t.Context(), c.ID)
	if err != nil || len(all) != 3 || all[0].Entity != pipeline.EntityAccounts || all[1].Entity != pipeline.EntityContacts {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestMissedSlotsMakeOneRun has nobody look for five slots.
func TestMissedSlotsMakeOneRun(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	save(t, d, c, u, scheduled())
	next := *scheduleOf(t, d, c, pipeline.EntityAccounts).NextRunAt
	back(t, d, pipeline.EntityAccounts, "20 hours")
	k := tick(t, d)
	if k == nil || k.Missed != 5 || !k.ScheduledFor.Equal(next.Add(-4*time.Hour)) {
		t.Fatalf("got %+v, the next slot was to be %v", k, next)
	}
	run, err := d.RunByID(t.Context(), k.RunID)
	if err != nil || run.Missed != 5 {
		t.Errorf("got %+v, %v", run, err)
	}
	if s := scheduleOf(t, d, c, pipeline.EntityAccounts); !s.NextRunAt.Equal(next) {
		t.Errorf("it goes on at %v instead of %v", s.NextRunAt, next)
	}
	if k := tick(t, d); k != nil {
		t.Errorf("a second run: %+v", k)
	}
	// Years of hours neither hang nor make more than one.
	if err := d.SaveChatterSchedule(t.Context(), c.ID, settings.Hourly, "UTC", u.ID); err != nil {
		t.Fatal(err)
	}
	back(t, d, pipeline.EntityChatter, "10 years")
	if k := tick(t, d); k == nil || k.Missed < 1000 || k.RunID == 0 || !scheduleOf(t, d, c, pipeline.EntityChatter).NextRunAt.After(time.Now()) {
		t.Errorf("got %+v", k)
	}
}

func TestSkippedSlotsSayWhy(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	s := scheduled()
	s.Chatter.Enabled = false
	if err := d.SaveChatterSchedule(t.Context(), c.ID, settings.Daily, "UTC", u.ID); err != nil {
		t.Fatal(err)
	}
	skipped := func(e pipeline.Entity, n int64, why string) {
		t.Helper()
		back(t, d, e, "24 hours")
		k := tick(t, d)
		if k == nil || k.RunID != 0 || !strings.Contains(k.Skipped, why) {
			t.Errorf("got %+v, want %q", k, why)
		}
		now := scheduleOf(t, d, c, e)
		if now.SkipReason != k.Skipped || now.Skipped != n || !now.NextRunAt.After(time.Now()) {
			t.Errorf("got %+v", now)
		}
	}
	skipped(pipeline.EntityChatter, 1, "no settings yet")
	save(t, d, c, u, s)
	skipped(pipeline.EntityChatter, 2, "Chatter is switched off in the settings")
	if err := d.MarkNeedsReconnect(t.Context(), c.ID, 0, "refused"); err != nil {
		t.Fatal(err)
	}
	skipped(pipeline.EntityCases, 1, "must be reconnected")
	if err := d.Disconnect(t.Context(), c.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	skipped(pipeline.EntityCases, 2, "is disconnected")
	if _, err := d.SaveConnection(t.Context(), newConnection(u.ID, org1)); err != nil {
		t.Fatal(err)
	}
	back(t, d, pipeline.EntityCases, "24 hours")
	k := tick(t, d)
	if k == nil || k.RunID == 0 {
		t.Fatalf("after the reconnect: %+v", k)
	}
	if now := scheduleOf(t, d, c, pipeline.EntityCases); now.Skipped != 0 || now.SkipReason != "" {
		t.Errorf("got %+v", now)
	}
	run, err := d.RunByID(t.Context(), k.RunID)
	if err != nil {
		t.Fatal(err)
	}
	skipped(pipeline.EntityCases, 1, run.ShortID+" was still active")
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = $1 WHERE entity = 'cases'`, run.ScheduledFor)
	endRuns(t, d)
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() + interval '1 day' WHERE entity <> 'cases'`)
	// The very same slot again, as after a clock that was set back.
	exec(t, d, `UPDATE millrace.runs SET scheduled_for = now() - interval '1 second' WHERE id = $1`, run.ID)
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = (SELECT scheduled_for FROM millrace.runs WHERE id = $1) WHERE entity = 'cases'`, run.ID)
	if k := tick(t, d); k == nil || !strings.Contains(k.Skipped, "has run for it already") {
		t.Errorf("got %+v", k)
	}
}

// TestBrokenScheduleHoldsUpNobody has a row that no save could have made.
func TestBrokenScheduleHoldsUpNobody(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	save(t, d, c, u, scheduled())
	exec(t, d, `UPDATE millrace.schedules SET time_zone = 'TZ=0', next_run_at = now() - interval '1 day' WHERE entity = 'accounts'`)
	exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() WHERE entity = 'contacts'`)
	if k := tick(t, d); k == nil || k.Entity != pipeline.EntityAccounts || !strings.Contains(k.Skipped, "not a time zone") {
		t.Errorf("got %+v", k)
	}
	if s := scheduleOf(t, d, c, pipeline.EntityAccounts); s.Enabled || s.Upcoming(3) != nil || !strings.Contains(s.SkipReason, "Save it again") {
		t.Errorf("got %+v", s)
	}
	if k := tick(t, d); k == nil || k.RunID == 0 {
		t.Errorf("got %+v", k)
	}
}

// TestTicksAtOnce has many look for many due schedules while their settings are saved and runs are asked for.
func TestTicksAtOnce(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	s := scheduled()
	save(t, d, c, u, s)
	if err := d.SaveChatterSchedule(t.Context(), c.ID, settings.Hourly, "UTC", u.ID); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	slots := map[string]int{}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for ctx.Err() == nil {
				k, err := d.Tick(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if k == nil {
					time.Sleep(time.Millisecond)
					continue
				}
				mu.Lock()
				slots[fmt.Sprint(k.Entity, k.ScheduledFor)]++
				mu.Unlock()
			}
		})
	}
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			next := s
			next.Accounts.Single = fmt.Sprintf("Name != 'n%d'", n)
			now, err := d.CurrentSettings(t.Context(), c.ID)
			if err == nil {
				_, _, err = d.SaveSettings(t.Context(), c.ID, now.Version, next, "", u.ID)
			}
			if err == nil {
				_, _, err = d.RequestRun(t.Context(), c.ID, pipeline.Entities[n%5], db.TriggerManual, &u.ID)
			}
			if err != nil {
				t.Error(err)
				return
			}
			endRuns(t, d)
		}
	})
	const rounds = 25
	for range rounds {
		for _, e := range pipeline.Entities { // one at a time, in no need of two locks at once
			exec(t, d, `UPDATE millrace.schedules SET next_run_at = clock_timestamp() WHERE entity = $1`, e)
		}
		for get[int](t, d, `SELECT count(*) FROM millrace.schedules WHERE next_run_at <= clock_timestamp()`) > 0 {
			if t.Context().Err() != nil {
				t.Fatal("gave up")
			}
		}
	}
	stop()
	all.Wait()
	if len(slots) != 4*rounds {
		t.Errorf("%d slots were seen, not %d", len(slots), 4*rounds)
	}
	for slot, n := range slots {
		if n != 1 {
			t.Errorf("%s was seen %d times", slot, n)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM (SELECT FROM millrace.runs WHERE scheduled_for IS NOT NULL GROUP BY entity, scheduled_for HAVING count(*) > 1) x`); n != 0 {
		t.Errorf("%d slots have more than one run", n)
	}
}

func TestSettingsAndChatterAreSavedTogether(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	save(t, d, c, u, scheduled())
	next := scheduled()
	next.Chatter.Enabled, next.Sync.TimeZone = true, "Asia/Tokyo"
	saveBoth := func(base int, f settings.ChatterFrequency) (db.SettingsVersion, bool, error) {
		return d.SaveForm(ctx, c.ID, db.SettingsForm{Base: base, Settings: next, Author: u.ID, Chatter: &f})
	}
	var conflict *db.VersionConflictError
	if _, _, err := saveBoth(0, settings.Daily); !errors.As(err, &conflict) {
		t.Fatalf("an old base: %v", err)
	}
	var bad *db.ScheduleError
	if _, _, err := saveBoth(1, "yearly"); !errors.As(err, &bad) {
		t.Fatalf("no such frequency: %v", err)
	}
	if n := get[int](t, d, `SELECT (SELECT count(*) FROM millrace.schedules WHERE entity = 'chatter') + (SELECT max(version) FROM millrace.settings_versions)`); n != 1 {
		t.Errorf("half of it was saved: %d", n)
	}
	v, saved, err := saveBoth(1, settings.Daily)
	if err != nil || !saved || v.Version != 2 || !v.Settings.Chatter.Enabled {
		t.Fatalf("%+v %v: %v", v, saved, err)
	}
	if s := scheduleOf(t, d, c, pipeline.EntityChatter); s.ChatterFrequency() != settings.Daily || s.Spec.TimeZone != "Asia/Tokyo" || s.Spec.Start != next.Normalize().Sync.Start {
		t.Errorf("got %+v", s)
	}
	// Where the settings stay as they are, the schedule is saved all the same.
	if v, saved, err = saveBoth(2, settings.NoChatterSchedule); err != nil || saved || v.Version != 2 {
		t.Fatalf("%+v %v: %v", v, saved, err)
	}
	if s := scheduleOf(t, d, c, pipeline.EntityChatter); s.Enabled {
		t.Errorf("got %+v", s)
	}
}
