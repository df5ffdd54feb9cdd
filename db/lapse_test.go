package db_test

import (
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
)

// TestSilentProcessLosesItsLocks takes over a run that a silent process has locked: what it had begun when its lease ran out is ended, by others and not by itself,
// and nothing that it begins later.
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
	// begin has the silent process hold a transaction open until what is returned is called.
	begin := func(query string) (end func() error) {
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
	locking := begin(`SELECT FROM millrace.runs FOR UPDATE`)
	if n, err := heir.EndLapsed(t.Context(), "heir"); n != 0 || err != nil {
		t.Errorf("%d transactions were ended while the lease held: %v", n, err)
	}
	for !get[bool](t, heir, `SELECT lease_until < now() FROM millrace.runs`) {
		time.Sleep(20 * time.Millisecond)
	}
	later := begin(`SELECT`)
	if r, err := heir.Claim(t.Context(), "heir", time.Minute); r != nil || err != nil {
		t.Fatalf("claimed %v although it is locked: %v", r, err)
	}
	if n, err := silent.EndLapsed(t.Context(), name); n != 0 || err != nil {
		t.Errorf("the process ended %d transactions of its own: %v", n, err)
	}
	if n, err := heir.EndLapsed(t.Context(), "heir"); n != 1 || err != nil {
		t.Errorf("%d transactions were ended, want the one from before: %v", n, err)
	}
	for r := (*db.Run)(nil); r == nil; time.Sleep(10 * time.Millisecond) {
		if r, err = heir.Claim(t.Context(), "heir", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if locking() == nil {
		t.Error("what locked the run was committed")
	}
	if err := later(); err != nil {
		t.Errorf("what was begun after the lease was ended: %v", err)
	}
}
