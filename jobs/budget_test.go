package jobs

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// apiUsed is what the org counts as used.
func (s *scene) apiUsed() int64 {
	s.t.Helper()
	resp, err := http.Get(s.server.URL + "/control/state")
	s.must(err)
	defer resp.Body.Close()
	var state struct{ APIUsed int64 }
	s.must(json.NewDecoder(resp.Body).Decode(&state))
	return state.APIUsed
}

// allow sets the allowance of the connection.
func (s *scene) allow(a pipeline.Allowance) {
	s.t.Helper()
	now, err := s.db.APIBudget(s.t.Context(), s.conn)
	s.must(err)
	s.must(s.db.SaveAllowance(s.t.Context(), s.conn, now.Version, a, s.admin))
}

// later lets a waiting run look again as if an hour had passed: what is known of the org's use is old by then.
func (s *scene) later(run int64) {
	s.t.Helper()
	for _, q := range []string{
		`UPDATE millrace.connections SET api_seen_at = api_seen_at - interval '1 hour' WHERE id = $2`,
		`UPDATE millrace.api_budgets SET looked_at = looked_at - interval '1 hour' WHERE connection_id = $2`,
		`UPDATE millrace.runs SET waiting_until = now() WHERE id = $1 AND connection_id = $2`,
	} {
		_, err := s.sql.Exec(q, run, s.conn)
		if strings.Contains(q, "$1") {
			s.must(err)
			continue
		}
		_, err = s.sql.Exec(strings.ReplaceAll(q, "$2", "$1"), s.conn)
		s.must(err)
	}
}

// waitsForBudget waits until the run waits for the allowance, and checks that it says so and until when.
func (s *scene) waitsForBudget(run int64, says ...string) db.Run {
	s.t.Helper()
	waiting := s.until(run, func(r db.Run) bool {
		if ended(r) {
			s.t.Fatalf("the run ended as %s: %s %s", r.State, r.Outcome, r.Error)
		}
		return r.State == db.RunWaiting
	})
	if at := waiting.WaitingUntil; at == nil || !at.After(time.Now()) || at.UTC().Minute() != 0 {
		s.t.Errorf("it waits until %v", at)
	}
	for _, want := range append(says, "API requests") {
		if !strings.Contains(waiting.WaitingReason, want) {
			s.t.Errorf("%q lacks %q", waiting.WaitingReason, want)
		}
	}
	return waiting
}

// TestReserveIsNeverSpent has a run reach the reserve in the middle. It waits, the reserve is whole, and once the org's limit is raised it goes on where it
// stopped.
func TestReserveIsNeverSpent(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.org.SetAPILimit(0, 1000)
	s.must(s.db.RecordAPIUse(t.Context(), s.conn, db.APIReading{Used: 0, Limit: 1000}))
	s.slow()
	o := s.quick()
	o.PageRows = 10
	run := s.request()
	s.start(o)
	s.midway(run.ID)
	s.org.SetAPILimit(785, 1000) // other apps
	s.org.ClearFaults(0)
	s.waitsForBudget(run.ID, "1,000", "800", "other apps", "API budget")
	used, stored := s.apiUsed(), s.count(`SELECT count(*) FROM millrace.accounts`)
	if used > 800 {
		t.Errorf("%d requests are used, and 200 were to stay free", used)
	}
	if stored == 0 || stored >= 400 {
		t.Errorf("%d accounts came over before the wait", stored)
	}
	s.later(run.ID)
	s.until(run.ID, func(r db.Run) bool { return r.State == db.RunWaiting && r.Attempt > 1 })
	if now := s.apiUsed(); now != used+1 {
		t.Errorf("a look for room took %d requests", now-used)
	}
	s.org.SetAPILimit(801, 100_000) // raised
	s.completed(s.until(run.ID, func(r db.Run) bool {
		if r.State == db.RunWaiting { // what it read of the limit before may be noted only now
			s.later(run.ID)
		}
		return ended(r)
	}))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestBudgetFreesItselfAfterADay has the org's clock move on by a day while a run waits.
func TestBudgetFreesItselfAfterADay(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.org.SetAPILimit(900, 1000)
	run := s.request()
	s.start(s.quick())
	s.waitsForBudget(run.ID)
	s.org.Advance(25 * time.Hour)
	s.later(run.ID)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
}

// TestOwnCap has a cap on Millrace's own requests: the run says when enough of them are a day old, and goes on at once when the cap is lifted.
func TestOwnCap(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.allow(pipeline.Allowance{ReservePercent: 20, OwnCalls: 9})
	run := s.request()
	s.start(s.quick())
	waiting := s.waitsForBudget(run.ID, "9")
	if d := time.Until(*waiting.WaitingUntil); d < 23*time.Hour || d > 26*time.Hour {
		t.Errorf("it waits for %s: %s", d, waiting.WaitingReason)
	}
	if n := s.count(`SELECT sum(calls)::bigint FROM millrace.api_usage`); n > 9 {
		t.Errorf("%d requests were made", n)
	}
	s.allow(pipeline.Allowance{ReservePercent: 20})
	over := s.completed(s.until(run.ID, ended))
	if n := s.count(`SELECT sum(calls)::bigint FROM millrace.api_usage`); n != over.APICalls {
		t.Errorf("%d requests by the hour, %d of the run", n, over.APICalls)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'API budget changed' AND actor_id IS NOT NULL`); n != 2 {
		t.Errorf("%d changes are in the audit log", n)
	}
}

// TestWaitsBeforeItBegins has room for a part of a run only. It reads nothing before there is room for all of it.
func TestWaitsBeforeItBegins(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.org.SetAPILimit(760, 1000)
	o := s.quick()
	o.PageRows = 10
	run := s.request()
	s.start(o)
	s.waitsForBudget(run.ID, "This sync needs about")
	if n := s.count(`SELECT count(*) FROM millrace.run_pages`); n != 0 {
		t.Errorf("%d pages were read", n)
	}
	s.org.SetAPILimit(100, 1000)
	s.later(run.ID)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
}

// TestBeginsAnywayAfterADay has a run wait for room for all of its requests. After 23 hours it still reads nothing; after 24 it begins with what room there is, keeps to the allowance, and waits in
// the middle.
func TestBeginsAnywayAfterADay(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.org.SetAPILimit(760, 1000)
	o := s.quick()
	o.PageRows = 10
	run := s.request()
	s.start(o)
	s.waitsForBudget(run.ID, "This sync needs about")
	looksAgain := func(hours int) {
		before := s.until(run.ID, inState(db.RunWaiting)).Attempt
		s.mustExec(`UPDATE millrace.runs SET created_at = now() - make_interval(hours => $2) WHERE id = $1`, run.ID, hours)
		s.later(run.ID)
		s.until(run.ID, func(r db.Run) bool { return r.State == db.RunWaiting && r.Attempt > before })
	}
	looksAgain(23)
	if n := s.count(`SELECT count(*) FROM millrace.run_pages`); n != 0 {
		t.Errorf("%d pages were read after 23 hours", n)
	}
	looksAgain(25)
	if n := s.count(`SELECT count(*) FROM millrace.run_pages`); n == 0 {
		t.Error("nothing was read after 25 hours")
	}
	if used := s.apiUsed(); used > 800 {
		t.Errorf("%d requests are used, and 200 were to stay free", used)
	}
	s.org.SetAPILimit(100, 1000)
	s.later(run.ID)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestLargerThanTheAllowance has a run that needs more than a day's allowance. It begins with what there is.
func TestLargerThanTheAllowance(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.allow(pipeline.Allowance{ReservePercent: 20, OwnCalls: 40})
	o := s.quick()
	o.PageRows = 10
	run := s.request()
	s.start(o)
	s.waitsForBudget(run.ID)
	if n := s.count(`SELECT count(*) FROM millrace.run_pages`); n == 0 {
		t.Error("nothing was read")
	}
}

// TestRequestLimitExceeded has other apps use up the whole limit. The run waits, also when no answer has told the use before.
func TestRequestLimitExceeded(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.org.SetAPILimit(1000, 1000)
	run := s.request()
	s.start(s.quick())
	s.waitsForBudget(run.ID)
	s.later(run.ID)
	s.until(run.ID, func(r db.Run) bool { return r.State == db.RunWaiting && r.Attempt > 1 })
	s.org.SetAPILimit(0, 1000)
	s.later(run.ID)
	s.completed(s.until(run.ID, ended))
}

// TestTwoRunnersShareTheBudget has two clients of one connection, as two processes have them, take calls until there is no room.
func TestTwoRunnersShareTheBudget(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.org.SetAPILimit(700, 1000)
	s.must(s.db.RecordAPIUse(t.Context(), s.conn, db.APIReading{Used: 700, Limit: 1000}))
	done := make(chan error)
	for range 2 {
		s.client = nil
		client, err := s.open(t.Context(), s.conn)
		s.must(err)
		p := &purse{db: s.db, client: client, connection: s.conn, log: s.log, calls: new(callTally)}
		for range 4 {
			go func() {
				for {
					if _, err := client.Limits(salesforce.Metered(t.Context(), p.pay)); err != nil {
						done <- err
						return
					}
				}
			}()
		}
	}
	for range 8 {
		if err := <-done; pipeline.KindOf(err) != pipeline.OverBudget {
			t.Error(err)
		}
	}
	if used := s.apiUsed(); used > 800 || used < 780 {
		t.Errorf("%d requests are used, and 200 were to stay free", used)
	}
}

// callsByKind checks that the calls of a run are told apart to the last one, and that these kinds are among them.
func (s *scene) callsByKind(run db.Run, kinds ...salesforce.Call) {
	s.t.Helper()
	calls, err := s.db.RunCallsOf(s.t.Context(), run.ID)
	s.must(err)
	sum, of := int64(0), map[salesforce.Call]int64{}
	for _, c := range calls {
		if of[salesforce.Call(c.Kind)] += c.Calls; !c.Free {
			sum += c.Calls
		}
		if c.Kind == string(salesforce.CallBulkResults) && s.count(`SELECT count(*) FROM millrace.run_steps WHERE run_id = $1 AND label = $2`, run.ID, c.Purpose) == 0 {
			s.t.Errorf("results were read for %q, which is no step", c.Purpose)
		}
	}
	if sum != run.APICalls {
		s.t.Errorf("%d calls by kind, %d in all: %v", sum, run.APICalls, calls)
	}
	for _, kind := range kinds {
		if of[kind] == 0 {
			s.t.Errorf("no call of the kind %s: %v", kind, of)
		}
	}
}

// TestCallsOfChanges reads what has changed: the list of it is paid for like any other call. A token that has run out is renewed on the way, which costs nothing of the limit.
func TestCallsOfChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	s.completed(s.sync())
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	s.org.ExpireAccessTokens()
	before := client.Calls()
	run := s.completed(s.sync())
	s.callsByKind(run, salesforce.CallQuery, salesforce.CallToken)
	if made := client.Calls() - before; made != run.APICalls {
		t.Errorf("%d calls were made, %d are noted", made, run.APICalls)
	}
	if n := s.count(`SELECT calls FROM millrace.run_calls WHERE run_id = $1 AND kind = 'token' AND free`, run.ID); n != 1 {
		t.Errorf("%d renewals", n)
	}
}

// TestManyWithoutRoom has more callers than a client has places for requests find no room at once. The one that looks how much is used gets a place, and all are told.
func TestManyWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.org.SetAPILimit(900, 1000)
	s.must(s.db.RecordAPIUse(t.Context(), s.conn, db.APIReading{Used: 900, Limit: 1000}))
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	p := &purse{db: s.db, client: client, connection: s.conn, since: time.Now().Add(time.Hour), log: s.log, calls: new(callTally)}
	done := make(chan error)
	for range 12 {
		go func() {
			_, err := client.Limits(salesforce.Metered(t.Context(), p.pay))
			done <- err
		}()
	}
	for range 12 {
		if err := <-done; pipeline.KindOf(err) != pipeline.OverBudget {
			t.Error(err)
		}
	}
}
