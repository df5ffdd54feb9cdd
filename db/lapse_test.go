package db_test

import (
	"fmt"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
)

// TestSilentProcessLosesItsLocks takes over a run that a silent process has locked: what it had begun when its lease ran out is ended, by others and not by itself,
// but no statement that is at work, before it is done, and nothing that it begins later.
func TestSilentProcessLosesItsLocks(t *testing.T) {
	t.Parallel()
	url, name := dbtest.NewURL(t), "a machine whose name is much longer than what Postgres keeps of a session's name/123"
	silent, heir := dbtest.Open(t, db.Options{URL: url, Owner: name}), dbtest.Open(t, db.Options{URL: url, Owner: "heir"})
	u := newUser(t, silent, "ann@example.com", db.RoleAdmin)
	c, err := silent.SaveConnection(t.Context(), newConnection(u.ID, org1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := silent.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := silent.RequestRun(t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, &u.ID); err != nil {
		t.Fatal(err)
	}
	run, err := silent.Claim(t.Context(), name, time.Second)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	// begin has the silent process hold a transaction open until what is returned is called. The query may take longer than begin.
	begin := func(query string, takes time.Duration) (end func() error) {
		t.Helper()
		begun, over, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- silent.Pinned(t.Context(), func(s *db.Conn) error {
				if err := s.Begin(t.Context()); err != nil {
					return err
				}
				if _, err := s.Exec(t.Context(), query); err != nil {
					return err
				}
				close(begun)
				if _, err := s.Exec(t.Context(), fmt.Sprintf("SELECT pg_sleep(%f)", takes.Seconds())); err != nil {
					return err
				}
				<-over
				return s.Commit(t.Context())
			})
		}()
		select {
		case <-begun:
		case err := <-done:
			t.Fatal(err)
		}
		return func() error { close(over); return <-done }
	}
	locking, working := begin(`SELECT FROM millrace.runs FOR UPDATE`, 0), begin(`SELECT`, 3*time.Second)
	if n, err := heir.EndLapsed(t.Context(), "heir"); n != 0 || err != nil {
		t.Errorf("%d transactions were ended while the lease held: %v", n, err)
	}
	for !get[bool](t, heir, `SELECT lease_until < now() FROM millrace.runs`) {
		time.Sleep(20 * time.Millisecond)
	}
	later := begin(`SELECT`, 0)
	if r, err := heir.Claim(t.Context(), "heir", time.Minute); r != nil || err != nil {
		t.Fatalf("claimed %v although it is locked: %v", r, err)
	}
	if n, err := silent.EndLapsed(t.Context(), name); n != 0 || err != nil {
		t.Errorf("the process ended %d transactions of its own: %v", n, err)
	}
	if n, err := heir.EndLapsed(t.Context(), "heir"); n != 1 || err != nil {
		t.Errorf("%d transactions were ended, want the one from before that nobody works in: %v", n, err)
	}
	for r := (*db.Run)(nil); r == nil; time.Sleep(10 * time.Millisecond) {
		if r, err = heir.Claim(t.Context(), "heir", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	atWork := `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(3%' AND state = 'active'`
	if get[int](t, heir, atWork) != 1 {
		t.Error("what was at work was ended, or has taken no time")
	}
	for n := 0; n == 0; time.Sleep(20 * time.Millisecond) {
		if n, err = heir.EndLapsed(t.Context(), "heir"); err != nil {
			t.Fatal(err)
		}
		if n > 0 && get[int](t, heir, atWork) != 0 {
			t.Error("something else was ended while it was at work")
		}
	}
	if working() == nil {
		t.Error("what was at work while the run was taken over was committed")
	}
	if locking() == nil {
		t.Error("what locked the run was committed")
	}
	if err := later(); err != nil {
		t.Errorf("what was begun after the lease was ended: %v", err)
	}
}
