package db_test

import (
	"context"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// TestRunsEndThoughTheyCannotForget ends a run while whom it met cannot be forgotten, and cancels one that waits: both have ended, and are forgotten later.
func TestRunsEndThoughTheyCannotForget(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	begin := func() *db.Run {
		t.Helper()
		if _, _, err := d.RequestRun(t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, &u.ID); err != nil {
			t.Fatal(err)
		}
		r, err := d.Claim(t.Context(), "test", time.Hour)
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if err := d.RunStore(r).SaveSteps(t.Context(), []pipeline.Step{{Position: 1, Name: "accounts", Table: pipeline.Table{Object: "Account", Name: "accounts"}}}); err != nil {
			t.Fatal(err)
		}
		exec(t, d, `INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids) SELECT $1, 'Account', 1, 1, i::text, i::text, ARRAY[i::text] FROM generate_series(1, 99) i`, r.ID)
		exec(t, d, `INSERT INTO millrace.run_units (run_id, position, page, locator, rows) VALUES ($1, 1, 1, '', 10)`, r.ID)
		return r
	}
	first := begin()
	locked, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- d.Pinned(t.Context(), func(c *db.Conn) error {
			if err := c.Begin(t.Context()); err != nil {
				return err
			}
			if _, err := c.Exec(t.Context(), `LOCK TABLE millrace.run_seen IN SHARE MODE`); err != nil {
				return err
			}
			close(locked)
			<-release
			return c.Commit(t.Context())
		})
	}()
	select {
	case <-locked:
	case err := <-done:
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := d.Finish(ctx, first.ID, first.Fence, db.Ending{State: db.RunCompleted})
	close(release)
	if lockErr := <-done; err != nil || lockErr != nil {
		t.Fatal(err, lockErr)
	}
	second := begin()
	if err := d.Wait(t.Context(), second.ID, second.Fence, db.Wait{For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := d.RequestCancel(t.Context(), second.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	third := begin()
	if err := d.ForgetEnded(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"run_seen": 100, "run_units": 1} { // with the row that tells whether the table was emptied
		if all, own := get[int](t, d, `SELECT count(*) FROM millrace.`+table), get[int](t, d, `SELECT count(*) FROM millrace.`+table+` WHERE run_id = $1`, third.ID); all != want || own != want {
			t.Errorf("%s: %d rows, %d of the run in progress; want %d of it and no others", table, all, own, want)
		}
	}
}
