package jobs

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// replica is what a further process has: a name and a client of its own.
func (s *scene) replica(name string) (Options, *salesforce.Client) {
	client := s.newClient(s.conn)
	o := s.quick()
	o.Owner = name
	o.Client = func(context.Context, int64) (*salesforce.Client, error) { return client, nil }
	return o, client
}

// newLoading returns a scene of 150 accounts whose run is led by "lead", with the first of the units, each of 50 records, to be loaded.
func newLoading(t *testing.T) (*scene, *db.Run, *db.RunStore, pipeline.Step) {
	t.Helper()
	s := newScene(t, sim.Options{Accounts: 150})
	s.filter(allAccounts)
	run, lead, step := s.loading("lead")
	s.must(lead.OpenUnits(t.Context(), step, 50))
	return s, run, lead, step
}

// loading claims the run and brings it to where its accounts can be loaded: it returns the lead's store, and the step of the accounts with its job.
func (s *scene) loading(lead string) (*db.Run, *db.RunStore, pipeline.Step) {
	s.t.Helper()
	run, err := s.db.Claim(s.t.Context(), lead, time.Minute)
	s.must(err)
	store := s.db.RunStore(run)
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	version, err := s.db.SettingsVersionAt(s.t.Context(), s.conn, run.SettingsVersion)
	s.must(err)
	stop := errors.New("the pages are to be loaded by the test")
	o := s.quick()
	o.Pipeline.PageRows = 50
	err = pipeline.Run(s.t.Context(), pipeline.Work{
		Settings: version.Settings, Source: remote.New(client), Store: unopened{store, stop}, Options: o.Pipeline, Log: s.log,
	})
	if !errors.Is(err, stop) {
		s.t.Fatalf("the run stopped with %v", err)
	}
	steps, err := store.Steps(s.t.Context())
	s.must(err)
	for _, step := range steps {
		if step.Name == "accounts:customer" {
			return run, store, step
		}
	}
	s.t.Fatal("no step of accounts")
	return nil, nil, pipeline.Step{}
}

// unopened is a store that opens no units.
type unopened struct {
	*db.RunStore
	err error
}

func (u unopened) OpenUnits(context.Context, pipeline.Step, int) error { return u.err }

// load loads a unit through a store.
func (s *scene) load(store *db.RunStore, step pipeline.Step, u pipeline.Unit) error {
	o := s.quick()
	o.Pipeline.Lease = time.Minute
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	return pipeline.LoadUnit(s.t.Context(), pipeline.Work{Source: remote.New(client), Store: store, Options: o.Pipeline, Log: s.log}, step, u)
}

func (s *scene) helpUnit(owner string, lease time.Duration) *db.HelpUnit {
	s.t.Helper()
	h, err := s.db.ClaimUnitToHelp(s.t.Context(), owner, lease, nil)
	s.must(err)
	return h
}

func (s *scene) accounts() int64 { return s.count(`SELECT count(*) FROM millrace.accounts`) }

// TestReplicasShareARun has three runners work on one run. Its pages are loaded by more than one, its API calls are counted in full.
func TestReplicasShareARun(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 600})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	var all []*salesforce.Client
	var stops []func()
	for _, name := range []string{"ash", "birch", "cedar"} {
		o, client := s.replica(name)
		all, stops = append(all, client), append(stops, s.start(o))
	}
	s.midway(run.ID)
	s.org.ClearFaults(0)
	s.until(run.ID, ended)
	for _, stop := range stops {
		stop()
	}
	done := s.completed(s.until(run.ID, ended))
	var calls int64
	helpers := 0
	for _, c := range all {
		calls += c.Calls()
		if c.Calls() > 0 {
			helpers++
		}
	}
	if helpers < 2 {
		t.Error("nobody helped the lead")
	}
	if done.APICalls != calls {
		t.Errorf("%d API calls were made, %d are noted", calls, done.APICalls)
	}
	s.callsByKind(done, salesforce.CallBulkResults)
	if n := s.count(`SELECT count(*) FROM millrace.run_units`); n != 0 {
		t.Errorf("%d pages are left of the run", n)
	}
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestUnitIsClaimedOnce gives each unit to one worker at a time, and to another once its lease has run out.
func TestUnitIsClaimedOnce(t *testing.T) {
	t.Parallel()
	s, _, lead, step := newLoading(t)
	slow := s.helpUnit("slow", 0)
	if slow == nil || slow.Unit.Page != 1 || slow.Step.JobID == "" {
		t.Fatalf("the first got %+v", slow)
	}
	quick := s.helpUnit("quick", time.Minute)
	if quick == nil || quick.Unit.Page != 1 || quick.Unit.Claim == slow.Unit.Claim {
		t.Fatalf("the second got %+v", quick)
	}
	if third := s.helpUnit("third", time.Minute); third != nil {
		t.Errorf("a third got %+v", third)
	}
	if u, more, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute); u != nil || !more || err != nil {
		t.Errorf("the lead got %v, %t, %v", u, more, err)
	}
	// The sleeper wakes up: nothing of it counts.
	if err := s.load(s.db.HelpStore(slow, "slow"), slow.Step, slow.Unit); !errors.Is(err, pipeline.ErrUnitLost) || s.accounts() != 0 {
		t.Errorf("the sleeper got %v, and %d rows are there", err, s.accounts())
	}
	s.must(s.load(s.db.HelpStore(quick, "quick"), quick.Step, quick.Unit))
	if s.accounts() != 50 {
		t.Errorf("%d rows of the page are there", s.accounts())
	}
}

// TestPageOfASleeper is taken by another worker while it is stored: none of its rows may show.
func TestPageOfASleeper(t *testing.T) {
	t.Parallel()
	s, _, lead, step := newLoading(t)
	h := s.helpUnit("sleeper", time.Minute)
	rewrite := func(page []byte) []byte {
		if _, err := s.sql.Exec(`UPDATE millrace.run_units SET lease_until = now() - interval '1 second'`); err != nil {
			t.Error(err)
		}
		if u, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute); u == nil || err != nil {
			t.Errorf("the lead got %v, %v", u, err)
		}
		return page
	}
	s.rewrite.Store(&rewrite)
	store := s.db.HelpStore(h, "sleeper")
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	res, err := remote.New(client).Results(t.Context(), h.Step.JobID, h.Unit.Locator, h.Unit.Rows)
	s.must(err)
	s.must(res.Close())
	if err := store.AddUnit(t.Context(), h.Step, h.Unit, res.Next); !errors.Is(err, pipeline.ErrUnitLost) {
		t.Errorf("the sleeper added a page: %v", err)
	}
	if err := store.KeepUnit(t.Context(), h.Step, h.Unit, time.Minute, 0); !errors.Is(err, pipeline.ErrUnitLost) {
		t.Errorf("the sleeper kept its page: %v", err)
	}
	s.must(store.ReleaseUnit(t.Context(), h.Step, h.Unit))
	if s.helpUnit("third", time.Minute) != nil {
		t.Error("the sleeper gave another's page away")
	}
}

// TestPageTakenWhileItIsStored lets somebody else take the page after its successor has been added: the transaction of the page itself is refused.
func TestPageTakenWhileItIsStored(t *testing.T) {
	t.Parallel()
	s, _, _, _ := newLoading(t)
	h := s.helpUnit("sleeper", time.Minute)
	_, err := s.sql.Exec(`
		CREATE FUNCTION public.take() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    UPDATE millrace.run_units SET claim = nextval('millrace.run_unit_claims'), owner = 'another' WHERE page = 1;
		    RETURN NULL;
		END $$;
		CREATE TRIGGER take AFTER INSERT ON millrace.accounts_1 FOR EACH STATEMENT EXECUTE FUNCTION public.take()`)
	s.must(err)
	if err := s.load(s.db.HelpStore(h, "sleeper"), h.Step, h.Unit); !errors.Is(err, pipeline.ErrUnitLost) {
		t.Errorf("the sleeper got %v", err)
	}
	if n := s.accounts(); n != 0 {
		t.Errorf("%d rows of the refused page are there", n)
	}
}

// TestTakeoverKeepsHelpers has a new lead: what the last one had in work is free at once and refused, what a helper has in work counts.
func TestTakeoverKeepsHelpers(t *testing.T) {
	t.Parallel()
	s, run, lead, step := newLoading(t)
	own, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Hour)
	s.must(err)
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	res, err := remote.New(client).Results(t.Context(), step.JobID, "", 50)
	s.must(err)
	s.must(res.Close())
	s.must(lead.AddUnit(t.Context(), step, *own, res.Next))
	helper := s.helpUnit("helper", time.Hour)
	if helper == nil || helper.Unit.Page != 2 {
		t.Fatalf("the helper got %+v", helper)
	}
	_, err = s.sql.Exec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE id = $1`, run.ID)
	s.must(err)
	next, err := s.db.Claim(t.Context(), "heir", time.Minute)
	s.must(err)
	if u, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute); u != nil || !errors.Is(err, db.ErrFenced) {
		t.Errorf("the last lead got another page: %v, %v", u, err)
	}
	if err := s.load(lead, step, *own); !errors.Is(err, pipeline.ErrUnitLost) || s.accounts() != 0 {
		t.Errorf("the last lead's page: %v, %d rows", err, s.accounts())
	}
	s.must(s.load(s.db.HelpStore(helper, "helper"), helper.Step, helper.Unit))
	if s.accounts() != 50 {
		t.Errorf("%d rows of the helper's page are there", s.accounts())
	}
	heir := s.db.RunStore(next)
	u, _, err := heir.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute)
	if err != nil || u == nil || u.Page != 1 {
		t.Errorf("the heir got %v, %v", u, err)
	}
	// Nothing but its page is a helper's to write.
	if err := s.db.HelpStore(helper, "helper").SetPhase(t.Context(), "mine"); !errors.Is(err, db.ErrFenced) {
		t.Errorf("a helper wrote to the run: %v", err)
	}
	if u, _, err := s.db.HelpStore(helper, "helper").ClaimUnit(t.Context(), step, rand.Int64(), time.Minute); u != nil || !errors.Is(err, db.ErrFenced) {
		t.Errorf("a helper took a page as if it led: %v, %v", u, err)
	}
}

// TestRestartRefusesWhatWasInWork begins a step anew while a helper has a page of it: the page is of another job now, though it has the same number.
func TestRestartRefusesWhatWasInWork(t *testing.T) {
	t.Parallel()
	s, _, lead, step := newLoading(t)
	h := s.helpUnit("helper", time.Hour)
	s.must(lead.RestartStep(t.Context(), step))
	s.must(lead.OpenUnits(t.Context(), step, 50))
	if u, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute); err != nil || u == nil || u.Page != 1 {
		t.Fatalf("the lead got %v, %v", u, err)
	}
	if err := s.load(s.db.HelpStore(h, "helper"), h.Step, h.Unit); !errors.Is(err, pipeline.ErrUnitLost) || s.accounts() != 0 {
		t.Errorf("the page of the last beginning: %v, %d rows", err, s.accounts())
	}
}

// TestClaimWhoseAnswerIsLost takes a page of which the answer does not arrive, and asks once more: without the page it would wait for its own lease.
func TestClaimWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	s, _, lead, step := newLoading(t)
	lost, _, err := lead.ClaimUnit(t.Context(), step, 7, time.Hour)
	s.must(err)
	if u, more, err := lead.ClaimUnit(t.Context(), step, 8, time.Hour); u != nil || !more || err != nil {
		t.Errorf("another worker got %v, %t, %v", u, more, err)
	}
	got, _, err := lead.ClaimUnit(t.Context(), step, 7, time.Hour)
	if err != nil || got == nil || got.Page != lost.Page || got.Claim == lost.Claim {
		t.Fatalf("asked again, the lead got %v, %v, not %v anew", got, err, lost)
	}
	if err := lead.AddUnit(t.Context(), step, *lost, "next"); !errors.Is(err, pipeline.ErrUnitLost) {
		t.Errorf("by the claim that got lost: %v", err)
	}
	s.must(lead.AddUnit(t.Context(), step, *got, "next"))
	h := s.helpUnit("helper", time.Hour) // the next page; a helper's claim has no ticket of the lead's
	if u, _, err := lead.ClaimUnit(t.Context(), step, 7, time.Hour); err != nil || u == nil || u.Page != got.Page {
		t.Errorf("the lead got %v, %v beside %v", u, err, h.Unit)
	}
}

// TestSuccessorsAreChecked refuses a page that leads back, and one that is followed by another page than before.
func TestSuccessorsAreChecked(t *testing.T) {
	t.Parallel()
	s, _, lead, step := newLoading(t)
	first, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute)
	s.must(err)
	s.must(lead.AddUnit(t.Context(), step, *first, "second"))
	s.must(lead.AddUnit(t.Context(), step, *first, "second"))
	for _, next := range []string{"other", ""} {
		if err := lead.AddUnit(t.Context(), step, *first, next); pipeline.FaultOf(err).Code != "locator_differs" || pipeline.KindOf(err) != pipeline.Gone {
			t.Errorf("%q after the first page: %v", next, err)
		}
	}
	second, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute)
	s.must(err)
	if err := lead.AddUnit(t.Context(), step, *second, "second"); pipeline.FaultOf(err).Code != "locator_repeats" {
		t.Errorf("a page after itself: %v", err)
	}
	s.must(lead.AddUnit(t.Context(), step, *second, "third"))
	third, _, err := lead.ClaimUnit(t.Context(), step, rand.Int64(), time.Minute)
	s.must(err)
	if err := lead.AddUnit(t.Context(), step, *third, "second"); pipeline.FaultOf(err).Code != "locator_repeats" {
		t.Errorf("a page that leads back: %v", err)
	}
	s.must(lead.AddUnit(t.Context(), step, *third, ""))
	if n := s.count(`SELECT count(*) FROM millrace.run_units`); n != 3 {
		t.Errorf("%d units", n)
	}
}

// TestPagesThatLeadBack ends a run whose pages lead back to one another, after a second try.
func TestPagesThatLeadBack(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.relocate.Store(true)
	run := s.sync()
	if run.State != db.RunFailed || run.ErrorCode != "locator_repeats" {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	s.relocate.Store(false)
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// leadBack has the org answer the queries that asks picks with two pages that name each other as the one that comes next. It returns how many such answers there were, which are no more after 20.
func (s *scene) leadBack(asks func(query string) bool) (answers *atomic.Int64) {
	org := s.server.Config.Handler
	answers = new(atomic.Int64)
	var mu sync.Mutex
	var page []byte
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		again := strings.Contains(r.URL.Path, "/01gLOOP")
		if !again && !asks(r.URL.Query().Get("q")) {
			org.ServeHTTP(w, r)
			return
		}
		if answers.Add(1) > 20 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !again {
			r.Header.Del("Accept-Encoding")
			answer := httptest.NewRecorder()
			org.ServeHTTP(answer, r)
			page = bytes.Replace(answer.Body.Bytes(), []byte(`"done":true`), []byte(`"done":false,"nextRecordsUrl":"`+r.URL.Path+`/01gLOOPA"`), 1)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "A") {
			_, _ = w.Write(bytes.Replace(page, []byte("01gLOOPA"), []byte("01gLOOPB"), 1))
			return
		}
		_, _ = w.Write(page)
	})
	return answers
}

// TestRESTPagesThatLeadBack has two pages of the answer to a query name each other as the one that comes next, wherever a run reads such pages. The run ends after a second try, and once the pages
// lead on, the next one brings everything.
func TestRESTPagesThatLeadBack(t *testing.T) {
	t.Parallel()
	const filter = "Industry = 'Banking'"
	for _, c := range []struct {
		name   string
		change func(s *scene, outside, contact string) // after a first sync; nil for none before
		asks   []string                                // what is in the query
		gap    bool                                    // the run closes a gap
	}{
		{"of a step's own query", nil, []string{" FROM Account ", "Website"}, false},
		{"of the list of what has changed", func(s *scene, _, contact string) {
			s.must(s.org.Update("Contact", contact, map[string]any{"Title": "Changed"}))
		}, []string{" FROM Contact ", "IsDeleted"}, false},
		{"of the records of an account that has come", func(s *scene, outside, _ string) {
			s.must(s.org.Update("Account", outside, map[string]any{"Industry": "Banking"}))
		}, []string{" FROM Contact ", "AccountId IN ("}, false},
		{"of missing records", func(s *scene, _, contact string) {
			s.mustExec(`DELETE FROM millrace.contacts WHERE sf_id = $1`, contact)
			s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = 1 WHERE name = 'contacts'`)
		}, []string{" FROM Contact ", "Id IN ("}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: -1})
			var accounts, contacts []string
			for _, industry := range []string{"Banking", "Media"} {
				account := s.insert("Account", map[string]any{"Name": industry, "Industry": industry})
				s.insert("Opportunity", map[string]any{"Name": "One", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-03-02"})
				accounts = append(accounts, account)
				contacts = append(contacts, s.insert("Contact", map[string]any{"LastName": industry, "AccountId": account, "Email": "ann@example.com"}))
			}
			s.filter(filter)
			if c.change != nil {
				s.completed(s.syncWith(s.incremental()))
				c.change(s, accounts[1], contacts[0])
			}
			run := func() db.Run {
				if !c.gap {
					return s.syncWith(s.incremental())
				}
				gap, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
				s.must(err)
				defer s.start(s.quick())()
				return s.until(gap.ID, ended)
			}
			org := s.server.Config.Handler
			answers := s.leadBack(func(query string) bool {
				return !slices.ContainsFunc(c.asks, func(part string) bool { return !strings.Contains(query, part) })
			})
			if r, n := run(), answers.Load(); r.State != db.RunFailed || r.ErrorCode != "locator_repeats" || n > 10 {
				t.Errorf("after %d answers the run is %s: %s %q", n, r.State, r.ErrorCode, r.Error)
			}
			s.server.Config.Handler = org
			s.completed(run())
			s.equalsOrg(filter, "Account."+filter)
		})
	}
}

// TestUnitsOfAnOlderVersion goes on with a run whose pages were committed without units, one of them out of turn.
func TestUnitsOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	stop := s.start(s.quick())
	s.until(run.ID, func(db.Run) bool { return s.count(`SELECT count(*) FROM millrace.run_pages WHERE position = 2`) > 3 })
	stop()
	// What an older version leaves: no units, and a page without the one in front of it.
	for _, change := range []string{
		`DELETE FROM millrace.run_units`,
		`WITH page AS (DELETE FROM millrace.run_pages WHERE position = 2 AND page = 2 RETURNING run_id, records)
		 UPDATE millrace.run_steps s SET read = s.read - page.records FROM page WHERE s.run_id = page.run_id AND s.position = 2`,
	} {
		_, err := s.sql.Exec(change)
		s.must(err)
	}
	s.org.ClearFaults(0)
	s.start(s.quick())
	s.completed(s.until(run.ID, ended))
	if n := s.count(`SELECT count(*) FROM millrace.run_pages WHERE position = 2`); n != 8 {
		t.Errorf("%d pages of accounts", n)
	}
	s.equalsOrg("", "AccountId != null")
}

// TestLoadedStepNeedsNoJob goes on with a run that stopped after the last page of a step, when the org has the job no more: nothing is read again.
func TestLoadedStepNeedsNoJob(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	_, err := s.sql.Exec(`
		CREATE FUNCTION public.refuse_end() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    IF NEW.state = 'done' AND NEW.name = 'accounts:customer' THEN RAISE EXCEPTION 'not now' USING ERRCODE = '57P01'; END IF;
		    RETURN NEW;
		END $$;
		CREATE TRIGGER refuse_end BEFORE UPDATE ON millrace.run_steps FOR EACH ROW EXECUTE FUNCTION public.refuse_end()`)
	s.must(err)
	run := s.request()
	o := s.quick()
	o.Pauses = []time.Duration{time.Hour}
	s.start(o)
	s.until(run.ID, inState(db.RunWaiting))
	pages := s.pages.Load()
	_, err = s.sql.Exec(`DROP TRIGGER refuse_end ON millrace.run_steps; UPDATE millrace.runs SET waiting_until = now()`)
	s.must(err)
	s.org.Fail(sim.Fault{Match: "/services/data/*/jobs/query/*", Nth: 1, Count: 1, Status: 404, Code: "NOT_FOUND"})
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
	if n := s.count(`SELECT count(*) FROM millrace.run_pages p JOIN millrace.run_steps s USING (run_id, position) WHERE s.mode = 'bulk' AND s.name <> 'accounts:customer'`); s.pages.Load()-pages != n {
		t.Errorf("%d pages were fetched for the %d that were left", s.pages.Load()-pages, n)
	}
}

// helped starts a run under a lead and waits until a helper has a page of it in work. The org is slow from the accounts on. The lead loads one page at a time,
// so that the next one is free while it commits.
func (s *scene) helped(lead, helper Options) (run db.Run, stopLead, stopHelper func()) {
	s.t.Helper()
	lead.Workers = 1
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 3_000})
	run = s.request()
	stopLead = s.start(lead)
	s.until(run.ID, func(r db.Run) bool { return r.Owner == lead.Owner })
	stopHelper = s.start(helper)
	s.until(run.ID, func(db.Run) bool {
		return s.count(`SELECT count(*) FROM millrace.run_units WHERE owner = '`+helper.Owner+`'`) > 0
	})
	return run, stopLead, stopHelper
}

// TestHelperStops gives its pages back at once, and the lead goes on with them.
func TestHelperStops(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	lead, _ := s.replica("lead")
	helper, _ := s.replica("helper")
	helper.Lease = time.Hour
	run, _, stop := s.helped(lead, helper)
	stop()
	if n := s.count(`SELECT count(*) FROM millrace.run_units WHERE owner = 'helper'`); n != 0 {
		t.Errorf("%d pages are still the helper's", n)
	}
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestLeadStops leaves its run to the helper, whose pages count.
func TestLeadStops(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	lead, _ := s.replica("lead")
	lead.Lease = time.Hour
	helper, _ := s.replica("helper")
	run, stop, _ := s.helped(lead, helper)
	stop()
	s.until(run.ID, func(r db.Run) bool { return r.Owner == "helper" })
	if n := s.count(`SELECT count(*) FROM millrace.run_units WHERE owner = 'lead'`); n != 0 {
		t.Errorf("%d pages are still the last lead's", n)
	}
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestCancelReachesHelpers ends the help within a page.
func TestCancelReachesHelpers(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	lead, _ := s.replica("lead")
	helper, _ := s.replica("helper")
	run, _, stop := s.helped(lead, helper)
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	if over := s.until(run.ID, ended); over.State != db.RunCancelled {
		t.Errorf("the run is %s", over.State)
	}
	s.until(run.ID, func(db.Run) bool { return s.serving.Load() == 0 })
	stop()
	if n := s.count(`SELECT count(*) FROM millrace.run_units`); n != 0 {
		t.Errorf("%d pages are left of the run", n)
	}
	before := s.accounts()
	s.org.ClearFaults(0)
	if s.accounts() != before {
		t.Error("records arrived after the end")
	}
}

// TestHelperAloneInTrouble cannot reach the org. The run does not suffer.
func TestHelperAloneInTrouble(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	lead, _ := s.replica("lead")
	helper, _ := s.replica("helper")
	var tried atomic.Int64
	blocked := salesforce.New(salesforce.Config{App: s.app, Token: func(ctx context.Context) (salesforce.Token, error) {
		tried.Add(1)
		g, err := s.db.Grant(ctx, s.conn)
		return tokenOf(g), err
	}})
	helper.Client = func(context.Context, int64) (*salesforce.Client, error) { return blocked, nil }
	lead.Workers = 1
	s.slow()
	run := s.request()
	s.start(lead)
	s.until(run.ID, func(r db.Run) bool { return r.Owner == "lead" })
	s.start(helper)
	s.until(run.ID, func(r db.Run) bool { return tried.Load() > 0 || ended(r) })
	s.org.ClearFaults(0)
	done := s.completed(s.until(run.ID, ended))
	if tried.Load() == 0 || done.Waits != 0 {
		t.Errorf("the helper tried %d times, the run waited %d times", tried.Load(), done.Waits)
	}
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestFaultMetByAHelper reaches the lead: the job is gone for whoever asks next.
func TestFaultMetByAHelper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault sim.Fault
	}{
		{"the job is gone", sim.Fault{Match: anyResults, Nth: 4, Count: 1, Status: 404, Code: "NOT_FOUND"}},
		{"the org has an error", sim.Fault{Match: anyResults, Nth: 3, Count: 6, Status: 500}},
		{"pages are cut", sim.Fault{Match: anyResults, Nth: 3, Count: 6, TruncateAfter: 1234}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 400})
			s.filter(allAccounts)
			s.org.Fail(c.fault)
			run := s.request()
			for _, name := range strings.Fields("ash birch cedar") {
				o, _ := s.replica(name)
				o.Pauses = make([]time.Duration, 20)
				s.start(o)
			}
			s.completed(s.until(run.ID, ended))
			s.equalsOrg("", "AccountId != null")
		})
	}
}

// TestDailyLimitWithHelpers makes the run wait, whoever met the limit, and nobody works on it meanwhile.
func TestDailyLimitWithHelpers(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	lead, _ := s.replica("lead")
	helper, _ := s.replica("helper")
	run, _, _ := s.helped(lead, helper)
	s.org.SetAPILimit(1000, 1000)
	s.org.ClearFaults(0)
	s.until(run.ID, inState(db.RunWaiting))
	s.until(run.ID, func(db.Run) bool { return s.serving.Load() == 0 })
	if h := s.helpUnit("third", time.Minute); h != nil {
		t.Errorf("a helper got page %d of a run that waits", h.Unit.Page)
	}
	s.org.SetAPILimit(0, 100_000)
	// An hour passes; another one when the run asked just before the allowance was there again.
	s.until(run.ID, func(r db.Run) bool {
		if r.State == db.RunWaiting {
			for _, later := range []string{
				`UPDATE millrace.api_budgets SET looked_at = now() - interval '2 hours'`,
				`UPDATE millrace.connections SET api_seen_at = now() - interval '2 hours'`,
				`UPDATE millrace.runs SET waiting_until = now() WHERE state = 'waiting'`,
			} {
				_, err := s.sql.Exec(later)
				s.must(err)
			}
		}
		return ended(r)
	})
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}
