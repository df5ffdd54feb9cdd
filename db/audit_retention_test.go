package db_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"millrace/db"
)

// TestRetentionDropsDaysBesideWritersAndReaders drops old days, among them one that an earlier attempt left half way, while others write and read.
func TestRetentionDropsDaysBesideWritersAndReaders(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	exec(t, d, `SELECT millrace.add_audit_day((now() AT TIME ZONE 'UTC')::date - i) FROM generate_series(0, 12) i`)
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, entity, action) SELECT now() - i * interval '1 day', $1, 'x', 'day ' || i FROM generate_series(0, 12) i`, c.ID)
	left := get[string](t, d, `SELECT 'millrace.audit_log_' || to_char((now() AT TIME ZONE 'UTC')::date - 12, 'YYYYMMDD')`)
	exec(t, d, `ALTER TABLE millrace.audit_log DETACH PARTITION `+left)

	ctx, stop := context.WithCancel(t.Context())
	begun, refused := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(refused)
		first := sync.OnceFunc(func() { close(begun) })
		defer first()
		for ctx.Err() == nil {
			if err := d.AuditAct(ctx, db.AuditEntry{ConnectionID: c.ID, Entity: "x", Action: "written"}); err != nil && ctx.Err() == nil {
				refused <- err
				return
			}
			first()
		}
	}()
	<-begun
	dropped, err := d.RetainAudit(t.Context(), 10)
	stop()
	if err := <-refused; err != nil {
		t.Errorf("a writer was refused: %v", err)
	}
	if err != nil || len(dropped) != 2 {
		t.Fatalf("dropped %v: %v", dropped, err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE connection_id = $1 AND action LIKE 'day %'`, c.ID); n != 11 {
		t.Errorf("%d days are left", n)
	}
	if got := get[string](t, d, `SELECT current_setting('lock_timeout')`); got != "0" {
		t.Errorf("lock_timeout stays at %s", got)
	}
	if dropped, err := d.RetainAudit(t.Context(), 10); err != nil || len(dropped) != 0 {
		t.Errorf("again: %v %v", dropped, err)
	}
	if dropped, err := d.RetainAudit(t.Context(), 0); err != nil || len(dropped) != 0 {
		t.Errorf("for ever: %v %v", dropped, err)
	}
}

// TestRetentionWaitsForReaders lets a drop give up behind a reader that stays, and finish what it began once the reader has gone.
func TestRetentionWaitsForReaders(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	exec(t, d, `SELECT millrace.add_audit_day((now() AT TIME ZONE 'UTC')::date - 20)`)
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, entity, action) SELECT now() - interval '20 days', $1, 'x', 'old'`, c.ID)
	err := d.Pinned(t.Context(), func(reader *db.Conn) error {
		if err := reader.Begin(t.Context()); err != nil {
			return err
		}
		var n int
		if err := reader.Get(t.Context(), &n, `SELECT count(*) FROM millrace.audit_log`); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if _, err := d.RetainAudit(ctx, 10); err == nil {
			t.Error("a day is dropped under its reader")
		}
		// Writers are not behind it.
		return d.AuditAct(t.Context(), db.AuditEntry{ConnectionID: c.ID, Entity: "x", Action: "written"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if dropped, err := d.RetainAudit(t.Context(), 10); err != nil || len(dropped) != 1 {
		t.Errorf("dropped %v: %v", dropped, err)
	}
}

func TestRetentionOfRuns(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	exec(t, d, `INSERT INTO millrace.settings_versions (connection_id, version, body) VALUES ($1, 1, '{}')`, c.ID)
	exec(t, d, `INSERT INTO millrace.runs (short_id, connection_id, trigger, settings_version, state, finished_at)
		SELECT 'R-' || lpad(i::text, 6, '0'), $1, 'manual', 1, 'completed', now() - interval '400 days' FROM generate_series(1, 80) i`, c.ID)
	exec(t, d, `INSERT INTO millrace.run_errors (run_id, position, object, cause, message, created_at)
		SELECT max(id), 0, 'Account', '', 'x', now() - d * interval '1 day' FROM millrace.runs, unnest(ARRAY[100, 50]) d GROUP BY d ORDER BY d DESC`)
	if err := d.RetainRuns(t.Context(), 365, 90); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.runs WHERE connection_id = $1`, c.ID); n != 50 {
		t.Errorf("%d runs are left, want the newest 50", n)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.run_errors`); n != 1 {
		t.Errorf("%d errors are left", n)
	}
}
