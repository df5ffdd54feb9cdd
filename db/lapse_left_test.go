package db_test

import (
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
)

// TestRemovedPageTellsOfItsHolder takes a page away from a helper that stands still: by the end of the run, by beginning its step anew, and by forgetting the pages of a run that was cancelled while it
// waited. Whoever looks then, and not only who took it away, ends what the helper had begun, as soon as its lease is over; that of a helper which holds another page is left alone, and so is one's own.
func TestRemovedPageTellsOfItsHolder(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	lead, helper := dbtest.Open(t, db.Options{URL: url, Owner: "lead"}), dbtest.Open(t, db.Options{URL: url, Owner: "helper"})
	u := newUser(t, lead, "ann@example.com", db.RoleAdmin)
	c, err := lead.SaveConnection(t.Context(), newConnection(u.ID, org1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := lead.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	step := pipeline.Step{Position: 1, Name: "accounts", Table: pipeline.Table{Object: "Account", Name: "accounts"}}
	begin := func() *db.Run {
		t.Helper()
		if _, _, err := lead.RequestRun(t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, &u.ID); err != nil {
			t.Fatal(err)
		}
		r, err := lead.Claim(t.Context(), "lead", time.Hour)
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if err := lead.RunStore(r).SaveSteps(t.Context(), []pipeline.Step{step}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	cancelled := func(r *db.Run) error {
		if err := lead.Wait(t.Context(), r.ID, r.Fence, db.Wait{For: time.Hour}); err != nil {
			return err
		}
		if err := lead.RequestCancel(t.Context(), r.ID, u.ID); err != nil {
			return err
		}
		return lead.ForgetEnded(t.Context())
	}
	for what, remove := range map[string]func(*db.Run) error{
		"the end of the run": func(r *db.Run) error { return lead.Finish(t.Context(), r.ID, r.Fence, db.Ending{State: db.RunFailed}) },
		"a step begun anew":  func(r *db.Run) error { return lead.RunStore(r).RestartStep(t.Context(), step) },
		"what is forgotten":  cancelled,
	} {
		r := begin()
		exec(t, lead, `INSERT INTO millrace.run_units (run_id, position, page, locator, rows, owner, lease_until)
			VALUES ($1, 1, 1, '', 10, 'helper', now() + interval '1 hour'), ($1, 1, 2, 'a', 10, 'lead', now() + interval '1 hour'), ($1, 1, 3, 'b', 10, '', NULL)`, r.ID)
		begun, wake, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- helper.Pinned(t.Context(), func(s *db.Conn) error {
				if err := s.Begin(t.Context()); err != nil {
					return err
				}
				if _, err := s.Exec(t.Context(), `SELECT FROM millrace.connections FOR SHARE`); err != nil {
					return err
				}
				close(begun)
				<-wake
				return s.Commit(t.Context())
			})
		}()
		select {
		case <-begun:
		case err := <-done:
			t.Fatal(what, err)
		}
		if err := remove(r); err != nil {
			t.Fatal(what, err)
		}
		if n := get[int](t, lead, `SELECT count(*) FROM millrace.run_units`); n != 0 {
			t.Errorf("%s: %d pages are left", what, n)
		}
		if n := get[int](t, lead, `SELECT count(*) FROM millrace.left_leases WHERE owner = 'lead'`); n != 0 && what != "what is forgotten" {
			t.Errorf("%s: the lead is noted for a page of its own", what)
		}
		heir := dbtest.Open(t, db.Options{URL: url, Owner: "heir"}) // and remembers nothing
		ends := func(when, owner string, want int) {
			t.Helper()
			if n, err := heir.EndLapsed(t.Context(), owner); n != want || err != nil {
				t.Errorf("%s, %s: %d transactions were ended, want %d: %v", what, when, n, want, err)
			}
		}
		ends("while the lease holds", "heir", 0)
		exec(t, lead, `UPDATE millrace.left_leases SET lease_until = clock_timestamp()`)
		ends("by the holder itself", "helper", 0)
		if what == "a step begun anew" {
			exec(t, lead, `INSERT INTO millrace.run_units (run_id, position, page, locator, rows, owner, lease_until) VALUES ($1, 1, 1, '', 10, 'helper', now() + interval '1 hour')`, r.ID)
			ends("while the helper holds another page", "heir", 0)
			exec(t, lead, `UPDATE millrace.run_units SET owner = '', lease_until = NULL`)
		}
		ends("when the lease is over", "heir", 1)
		close(wake)
		if err := <-done; err == nil {
			t.Errorf("%s: what the helper had begun was committed", what)
		}
		exec(t, lead, `UPDATE millrace.left_leases SET lease_until = now() - interval '25 hours'`)
		if err := lead.ForgetEnded(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := get[int](t, lead, `SELECT count(*) FROM millrace.left_leases`); n != 0 {
			t.Errorf("%s: %d leases are kept for ever", what, n)
		}
		if what == "a step begun anew" {
			if err := lead.Finish(t.Context(), r.ID, r.Fence, db.Ending{State: db.RunFailed}); err != nil {
				t.Fatal(what, err)
			}
		}
	}
}
