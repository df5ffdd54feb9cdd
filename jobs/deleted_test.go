package jobs

import (
	"net/http"
	"strings"
	"sync"
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
	// Whether the opportunity $1 has left, and is marked as deleted ($2) or not.
	opportunityLeft = `SELECT count(*) FROM millrace.opportunities WHERE sf_id = $1 AND left_filter_at IS NOT NULL AND (deleted_in_salesforce_at IS NOT NULL) = $2`
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
				s.org.Fail(sim.Fault{Match: allQueries, Count: 2, Status: 400, Code: "MALFORMED_QUERY", Message: "Implementation restriction: name the records."})
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

// TestDeletedOrRestoredBeforeAReadInFull deletes an opportunity that had left with its account, and restores one that had left and was deleted. A run that reads only changes is told so by the list of them; one that
// reads everything, because somebody asked for it or because too much is new, meets neither, and asks.
func TestDeletedOrRestoredBeforeAReadInFull(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"changes", "asked for", "many accounts are new", "the list is long"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 12})
			s.filter("Name != 'Gone'")
			o := s.readsByREST()
			o.Pipeline.Entering = 3
			if how == "the list is long" {
				o.Pipeline.Listing = 200
			}
			runs := s.running(o)
			runs.run(pipeline.EntityAll, false)
			of := s.asked("SELECT Id, AccountId FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0]
			restored, account := field(of, "Id"), field(of, "AccountId")
			deleted := s.insert("Opportunity", map[string]any{"Name": "Another", "StageName": "Prospecting", "CloseDate": "2026-01-01", "AccountId": account})
			s.org.Advance(time.Hour)
			runs.run(pipeline.EntityAll, false)
			s.must(s.org.Delete("Opportunity", restored))
			s.must(s.org.Update("Account", account, map[string]any{"Name": "Gone"}))
			runs.run(pipeline.EntityAll, false)
			if s.count(opportunityLeft, restored, true) != 1 || s.count(opportunityLeft, deleted, false) != 1 {
				t.Fatal("one opportunity was to leave and one to be marked as deleted")
			}
			s.org.Advance(time.Hour)
			s.must(s.org.Undelete("Opportunity", restored))
			s.must(s.org.Delete("Opportunity", deleted))
			switch how {
			case "many accounts are new":
				for range 6 {
					s.insert("Account", map[string]any{"Name": "New"})
				}
			case "the list is long":
				for range 201 {
					s.insert("Opportunity", map[string]any{"Name": "New", "StageName": "Prospecting", "CloseDate": "2026-01-01"})
				}
				s.smallPages(func(*http.Request) {})
			}
			s.org.Advance(time.Hour)
			run := runs.run(pipeline.EntityAll, how == "asked for")
			if p := s.step(run, "opportunities"); (p.Reading == "changes") != (how == "changes") {
				t.Errorf("the opportunities were read as %s: %s", p.Reading, p.Why)
			}
			for id, gone := range map[string]bool{restored: false, deleted: true} {
				if s.count(opportunityLeft, id, gone) != 1 {
					t.Errorf("that %s was deleted is marked otherwise than %t", id, gone)
				}
				if got, want := s.action(run, id), map[bool]string{false: "undeleted", true: "deleted"}[gone]; got != want {
					t.Errorf("of %s it is audited that it was %q, want %q", id, got, want)
				}
			}
		})
	}
}

// TestRestoredWithoutItsEmail restores a contact that was deleted, and takes its email address away before the next run: it is skipped, stays out of step, and is not said to be deleted any more.
func TestRestoredWithoutItsEmail(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		s := newScene(t, sim.Options{Accounts: 12})
		s.filter(allAccounts)
		runs := s.running(s.incremental())
		runs.run(pipeline.EntityAll, false)
		contact := field(s.asked("SELECT Id FROM Contact WHERE Email != null AND AccountId != null ORDER BY Id LIMIT 1")[0], "Id")
		marked := func(deleted bool) int64 {
			return s.count(`SELECT count(*) FROM millrace.contacts WHERE sf_id = $1 AND left_filter_at IS NOT NULL AND (deleted_in_salesforce_at IS NOT NULL) = $2`, contact, deleted)
		}
		s.org.Advance(time.Hour)
		s.must(s.org.Delete("Contact", contact))
		runs.run(pipeline.EntityAll, false)
		if marked(true) != 1 {
			t.Fatal("the contact was to be marked as deleted")
		}
		s.org.Advance(time.Hour)
		s.must(s.org.Undelete("Contact", contact))
		s.must(s.org.Update("Contact", contact, map[string]any{"Email": nil}))
		run := runs.run(pipeline.EntityAll, whole)
		if got := s.action(run, contact); marked(false) != 1 || got != "undeleted, skipped" && got != "skipped, undeleted" {
			t.Errorf("read in full %t: the contact is still marked as deleted, or does not count as having left; audited: %q", whole, got)
		}
		if got := s.action(runs.run(pipeline.EntityAll, whole), contact); got != "" {
			t.Errorf("read in full %t: once more, %q is audited", whole, got)
		}
	}
}

// TestDeletedJustAfterItWasSkipped deletes a contact that a run which reads everything has skipped, before that run asks what was deleted, and restores it.
func TestDeletedJustAfterItWasSkipped(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	s.filter(allAccounts)
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	contact := field(s.asked("SELECT Id FROM Contact WHERE Email != null AND AccountId != null ORDER BY Id LIMIT 1")[0], "Id")
	s.org.Advance(time.Hour)
	s.must(s.org.Update("Contact", contact, map[string]any{"Email": nil}))
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	var once sync.Once
	s.smallPages(func(r *http.Request) {
		if q := r.URL.Query().Get("q"); strings.Contains(q, "FROM Contact") && strings.Contains(q, "IsDeleted = TRUE") {
			once.Do(func() { s.must(s.org.Delete("Contact", contact)) })
		}
	})
	const marked = `SELECT count(*) FROM millrace.contacts WHERE sf_id = $1 AND deleted_in_salesforce_at IS NOT NULL`
	if runs.run(pipeline.EntityAll, true); s.count(marked, contact) != 1 {
		t.Fatal("the contact was to be marked as deleted")
	}
	if n := s.count(`SELECT count(*) FROM millrace.skipped_records WHERE sf_id = $1 AND until_run IS NULL`, contact); n != 0 {
		t.Error("a contact that was deleted is listed as skipped")
	}
	s.org.Advance(time.Hour)
	s.must(s.org.Undelete("Contact", contact))
	if runs.run(pipeline.EntityAll, false); s.count(marked, contact) != 0 {
		t.Error("it is still marked as deleted after it was restored")
	}
}

// TestRestoredThatCannotBeStored restores an opportunity that was deleted, with a value that Postgres refuses: it is listed as such, stays out of step, and is not said to be deleted any more.
func TestRestoredThatCannotBeStored(t *testing.T) {
	t.Parallel()
	for _, reads := range []string{"changes", "all"} {
		s := newScene(t, sim.Options{Accounts: 12})
		s.filter(allAccounts)
		s.mustExec(`ALTER TABLE millrace.opportunities ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
		s.syncWith(s.incremental())
		id := field(s.asked("SELECT Id FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0], "Id")
		s.org.Advance(time.Hour)
		s.must(s.org.Delete("Opportunity", id))
		s.syncWith(s.incremental())
		if s.count(opportunityLeft, id, true) != 1 {
			t.Fatal("the opportunity was to be marked as deleted")
		}
		s.org.Advance(time.Hour)
		s.must(s.org.Undelete("Opportunity", id))
		s.must(s.org.Update("Opportunity", id, map[string]any{"Name": "poison"}))
		var run db.Run
		if reads == "changes" {
			run = s.syncWith(s.incremental())
		} else {
			run = s.sync()
		}
		if got := s.action(run, id); s.count(opportunityLeft, id, false) != 1 || got != "undeleted, failed" && got != "failed, undeleted" {
			t.Errorf("after a run of %s: the opportunity is still marked as deleted, or does not count as having left; audited: %q", reads, got)
		}
	}
}

// TestDeletedEarlierIsAskedAgain deletes an account that has left the filter with an earlier run, and has Salesforce not answer at the end of a run that reads everything. The next one asks, though its list of what has changed
// begins behind the deletion.
func TestDeletedEarlierIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter("Industry != 'Aquaculture'")
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	id := s.accountIDs()[0]
	s.must(s.org.Update("Account", id, map[string]any{"Industry": "Aquaculture"}))
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	s.must(s.org.Delete("Account", id))
	s.org.Advance(time.Hour)
	s.org.Fail(sim.Fault{Match: allQueries, Count: -1, Status: 500})
	if run := runs.run(pipeline.EntityAll, true); run.State != db.RunCompleted || s.count(deletedHere) != 0 {
		t.Fatalf("the run is %s, %s", run.State, run.Error)
	}
	s.org.ClearFaults(0)
	s.org.Advance(time.Hour)
	if run := runs.run(pipeline.EntityAll, false); s.step(run, "accounts:customer").Reading != "changes" || s.action(run, id) != "deleted" || s.count(deletedHere) != 1 {
		t.Errorf("of the account it is audited that it was %q", s.action(run, id))
	}
	if n := s.count(`SELECT count(*) FROM millrace.run_steps WHERE leavers_open`); n != 0 {
		t.Errorf("of %d steps it is still open who was deleted", n)
	}
}

// TestLeaversOfABackfillThatEndsEarly cancels the backfill of a gap that waits before it could ask who of those that left was deleted. The next run asks.
func TestLeaversOfABackfillThatEndsEarly(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	s.filter(allAccounts)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	id := field(s.asked("SELECT Id FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0], "Id")
	s.must(s.org.Delete("Opportunity", id))
	s.org.Advance(5 * time.Hour)
	s.mustExec(`UPDATE millrace.read_states SET watermark = watermark + interval '4 hours'`) // the deletion was overlooked
	s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = -1 WHERE connection_id = $1 AND name = 'opportunities'`, s.conn)
	end := s.refusing(func() string { return "REQUEST_LIMIT_EXCEEDED" }, "/queryAll", "IsDeleted", "Opportunity")
	run, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
	s.must(err)
	s.until(run.ID, inState(db.RunWaiting))
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	end()
	if s.count(opportunityLeft, id, false) != 1 {
		t.Fatal("the opportunity was to have left with the backfill")
	}
	s.org.Advance(5 * time.Hour)
	runs.run(pipeline.EntityAll, false)
	if s.count(opportunityLeft, id, true) != 1 {
		t.Error("the opportunity is not marked as deleted")
	}
}
