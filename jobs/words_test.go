package jobs

import (
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// TestAnswerWithANul has an answer of Salesforce hold what Postgres cannot store: the run ends and says what the rest of it says.
func TestAnswerWithANul(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: "/services/data", Count: -1, Status: 400, Code: "ODD\x00CODE", Message: "something \x00 odd"})
	run := s.sync()
	if run.State != db.RunFailed || run.Attempt != 1 || run.Error == "" {
		t.Errorf("after %d claims the run is %s: %q", run.Attempt, run.State, run.Error)
	}
}

// TestConflictOutsideAPage has Postgres choose the beginning of a step as the victim of a deadlock: the run rests and goes on.
func TestConflictOutsideAPage(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	s.filter(allAccounts)
	s.mustExec(`CREATE SEQUENCE public.turns`)
	s.mustExec(`CREATE FUNCTION public.victim() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('public.turns') = 1 THEN
				RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
			END IF;
			RETURN NEW;
		END $$`)
	s.mustExec(`CREATE TRIGGER victim BEFORE UPDATE ON millrace.run_steps FOR EACH ROW EXECUTE FUNCTION public.victim()`)
	run := s.sync()
	if run.State != db.RunCompleted || run.Attempt != 2 {
		t.Errorf("the run is %s after %d claims: %q", run.State, run.Attempt, run.Error)
	}
}

// TestSyncAskedForWhileAnotherIsCancelled asks for a sync, and has a slot of the schedule come, while one is being cancelled: that brings nothing over any more, so both are queued behind it.
func TestSyncAskedForWhileAnotherIsCancelled(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	s.filter(allAccounts)
	first := s.request()
	if held, err := s.db.Claim(t.Context(), "test", time.Hour); err != nil || held == nil || held.ID != first.ID {
		t.Fatalf("claimed %+v, %v", held, err)
	}
	s.must(s.db.RequestCancel(t.Context(), first.ID, s.admin))
	second, started, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin)
	s.must(err)
	if !started || second.ID == first.ID {
		t.Errorf("the request came back with %s, started %t", second.ShortID, started)
	}
	if active, err := s.db.ActiveRun(t.Context(), s.conn, pipeline.EntityAll); err != nil || active == nil || active.ID != second.ID {
		t.Errorf("active is %+v, %v", active, err)
	}
	if third, started, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin); err != nil || started || third.ID != second.ID {
		t.Errorf("a double click starts %s, %t, %v", third.ShortID, started, err)
	}
}
