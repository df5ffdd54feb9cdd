package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/config"
	"millrace/db"
	"millrace/db/dbtest"
)

// TestUpkeepGoesByTheClockOnTheWall has a machine sleep for long: the time for which it slept counts, and the days of the audit log that have run out meanwhile are made within a moment.
func TestUpkeepGoesByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	raw, err := sqlx.Open("postgres", dbtest.URLOf(t, d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	days := func() (parts []string) {
		t.Helper()
		if err := raw.Select(&parts, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'millrace.audit_log'::regclass`); err != nil {
			t.Fatal(err)
		}
		return parts
	}
	lose := func() {
		t.Helper()
		for _, p := range days() {
			if _, err := raw.Exec(`ALTER TABLE millrace.audit_log DETACH PARTITION ` + p + `; DROP TABLE ` + p); err != nil {
				t.Fatal(err)
			}
		}
	}
	made := func() bool {
		for giveUp := time.Now().Add(time.Minute); time.Now().Before(giveUp); time.Sleep(5 * time.Millisecond) {
			if len(days()) >= db.AuditAhead {
				return true
			}
		}
		return false
	}
	var slept, looks atomic.Int64
	began := time.Now().Round(0)
	u := upkeep{db: d, config: config.Server{}, log: slog.New(slog.DiscardHandler), look: time.Millisecond, now: func() time.Time {
		looks.Add(1)
		return began.Add(time.Duration(slept.Load()))
	}}
	lose()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.run(ctx) }()
	if !made() {
		t.Fatal("no days were made at first")
	}
	lose()
	for seen := looks.Load(); looks.Load() < seen+5; {
		time.Sleep(time.Millisecond)
	}
	if n := len(days()); n != 0 {
		t.Errorf("%d days were made although no time has passed", n)
	}
	slept.Store(int64(10 * 24 * time.Hour))
	if !made() {
		t.Error("no days were made after the machine had slept")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if now := (app{db: &database{}}).upkeep().now(); now != now.Round(0) {
		t.Error("the clock goes on evenly while the machine sleeps")
	}
}
