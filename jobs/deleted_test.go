package jobs

import (
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// allQueries is the address of the queries that look at deleted records too.
const allQueries = "/services/data/*/queryAll"

const (
	deletedHere = `SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL AND deleted_in_salesforce_at IS NOT NULL`
	leftHere    = `SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL AND deleted_in_salesforce_at IS NULL`
)

// TestVeryManyDeleted deletes more records between two readings of everything than are asked for by their ids, while others leave the filter. Each is told from the others by the list of what was
// deleted; where that is refused, as many are as are asked for by their ids, and it is not asked again.
func TestVeryManyDeleted(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		t.Run(map[bool]string{false: "listed", true: "not listed"}[refused], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 2200, Contacts: 10, Opportunities: 10})
			s.filter("Industry != 'Aquaculture'")
			s.completed(s.sync())
			ids := s.accountIDs()
			for _, id := range ids[:2100] {
				s.must(s.org.Delete("Account", id))
			}
			for _, id := range ids[2100:2110] {
				s.must(s.org.Update("Account", id, map[string]any{"Industry": "Aquaculture"}))
			}
			want := int64(2100)
			if refused {
				s.org.Fail(sim.Fault{Match: allQueries, Count: 1, Status: 400, Code: "MALFORMED_QUERY", Message: "Implementation restriction: name the records."})
				want = 2000
			}
			run := s.completed(s.sync())
			if p := s.step(run, "accounts:customer"); p.LeftFilter != 2110 || p.Deleted != want {
				t.Errorf("%d left and %d were deleted, want 2110 and %d", p.LeftFilter, p.Deleted, want)
			}
			if n, m := s.count(deletedHere), s.count(leftHere); n != want || m != 2110-want {
				t.Errorf("%d are marked as deleted and %d as having left, want %d and %d", n, m, want, 2110-want)
			}
			if n := s.count(`SELECT count(*) FROM millrace.run_steps WHERE leavers_open`); n != 0 {
				t.Errorf("of %d steps it is still open who was deleted", n)
			}
			same(t, "Account", s.inOrg(tableOf(t, "Account"), "Industry != 'Aquaculture'"), s.inTable(tableOf(t, "Account")))
		})
	}
}

// TestDeletedIsAskedAgain has Salesforce not answer what became of the records that left. The run completes without that, and the next one asks.
func TestDeletedIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter("Industry != 'Aquaculture'")
	s.completed(s.sync())
	ids := s.accountIDs()
	s.must(s.org.Delete("Account", ids[0]))
	s.must(s.org.Update("Account", ids[1], map[string]any{"Industry": "Aquaculture"}))
	s.org.Fail(sim.Fault{Match: allQueries, Count: -1, Status: 500})
	s.completed(s.sync())
	if n, m := s.count(deletedHere), s.count(leftHere); n != 0 || m != 2 {
		t.Fatalf("%d are marked as deleted and %d as having left although Salesforce did not say, want 0 and 2", n, m)
	}
	s.org.ClearFaults(0)
	run := s.completed(s.sync())
	if n, m := s.count(deletedHere), s.count(leftHere); n != 1 || m != 1 {
		t.Errorf("%d are marked as deleted and %d as having left, want 1 of each", n, m)
	}
	if !strings.HasPrefix(run.Outcome, "1 found deleted in Salesforce") {
		t.Errorf("the outcome is %q", run.Outcome)
	}
	if got := s.action(run, ids[0]); got != "deleted" {
		t.Errorf("the deletion is audited as %q", got)
	}
	if n := s.count(`SELECT count(*) FROM millrace.run_steps WHERE leavers_open`); n != 0 {
		t.Errorf("of %d steps it is still open who was deleted", n)
	}
}

// TestDeletedAreToldApartAfterARunThatEndedEarly has accounts leave with a run that fails, or is cancelled, before it asks which of them were deleted. The next one asks, although it reads only what has
// changed since, and of the set that the earlier run did not come to as well.
func TestDeletedAreToldApartAfterARunThatEndedEarly(t *testing.T) {
	t.Parallel()
	for _, cancelled := range []bool{false, true} {
		t.Run(map[bool]string{false: "failed", true: "cancelled"}[cancelled], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 30})
			s.filter("Industry != 'Aquaculture'")
			runs := s.running(s.readsByREST())
			runs.run(pipeline.EntityAll, false)
			ids := s.accountIDs()
			for _, id := range ids[:3] {
				s.must(s.org.Delete("Account", id))
			}
			s.must(s.org.Update("Account", ids[3], map[string]any{"Industry": "Aquaculture"}))
			s.org.Advance(time.Hour)

			end := s.refusing(func() string {
				if !cancelled {
					return "UNHEARD_OF"
				}
				run, err := s.db.ActiveRun(t.Context(), s.conn, pipeline.EntityAll)
				if err == nil {
					err = s.db.RequestCancel(t.Context(), run.ID, s.admin)
				}
				if err != nil {
					t.Error(err)
				}
				return ""
			}, "FROM Opportunity", "StageName")
			run := runs.ended(pipeline.EntityAll, true)
			if n, m := s.count(deletedHere), s.count(leftHere); run.State == db.RunCompleted || n != 0 || m != 4 {
				t.Fatalf("the run is %s; %d are marked as deleted and %d as having left, want 0 and 4", run.State, n, m)
			}
			end()
			s.org.Advance(time.Hour)
			run = runs.run(pipeline.EntityAll, false)
			if p := s.step(run, "accounts:customer"); p.Reading != "changes" || p.Deleted != 3 {
				t.Errorf("the next run, which reads %s, found %d deleted, want 3", p.Reading, p.Deleted)
			}
			if n, m := s.count(deletedHere), s.count(leftHere); n != 3 || m != 1 {
				t.Errorf("%d are marked as deleted and %d as having left, want 3 and 1", n, m)
			}
			if n := s.count(`SELECT count(*) FROM millrace.run_steps WHERE leavers_open`); n != 0 {
				t.Errorf("of %d steps it is still open who was deleted", n)
			}
		})
	}
}

// TestDeletedAfterItHadLeft deletes an account that has left the filter with an earlier run. The run that reads of it among the changes counts it, in its step and in its outcome.
func TestDeletedAfterItHadLeft(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter("Industry != 'Aquaculture'")
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	id := s.accountIDs()[0]
	s.must(s.org.Update("Account", id, map[string]any{"Industry": "Aquaculture"}))
	for range 2 {
		s.org.Advance(time.Hour)
		runs.run(pipeline.EntityAccounts, false)
	}
	s.must(s.org.Delete("Account", id))
	for _, found := range []int64{1, 0} { // the second run reads of it once more
		run := runs.run(pipeline.EntityAccounts, false)
		p := s.step(run, "accounts:customer")
		want := map[int64]string{1: "1 found deleted in Salesforce", 0: "Nothing changed since the last sync"}[found]
		if p.Deleted != found || p.LeftFilter != 0 || run.Outcome != want {
			t.Errorf("%d were found deleted of %d that left, %q; want %d, %q", p.Deleted, p.LeftFilter, run.Outcome, found, want)
		}
	}
}
