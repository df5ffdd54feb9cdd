package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
)

// TestRunsGoByTheNewestSettings saves settings while a run has not begun, which then goes by them, and while one has, which stays with its own: who asks for a run then gets another, which begins when that one is done.
func TestRunsGoByTheNewestSettings(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	s.filter("Name != 'One'")
	first := s.request()
	s.filter("Name != 'Two'")
	if run := s.request(); run.ID != first.ID || run.SettingsVersion != 2 {
		t.Errorf("the run that has not begun is %s by settings %d, not %s by settings 2", run.ShortID, run.SettingsVersion, first.ShortID)
	}
	s.org.Fail(sim.Fault{Match: "/services/data", Count: 1, Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"})
	stop := s.start(s.quick())
	s.until(first.ID, func(r db.Run) bool { return r.State == db.RunWaiting })
	stop()
	if run := s.request(); run.ID != first.ID {
		t.Errorf("run %s was started beside %s, which goes by the same settings", run.ShortID, first.ShortID)
	}
	s.filter("Name != 'Three'")
	second := s.request()
	if second.ID == first.ID || second.SettingsVersion != 3 {
		t.Errorf("run %s, by settings %d, was asked for", second.ShortID, second.SettingsVersion)
	}
	if run := s.request(); run.ID != second.ID {
		t.Errorf("run %s was started beside %s, which has not begun", run.ShortID, second.ShortID)
	}
	s.mustExec(`UPDATE millrace.runs SET waiting_until = now() WHERE id = $1`, first.ID)
	s.start(s.quick())
	second = s.until(second.ID, ended)
	first, err := s.db.RunByID(t.Context(), first.ID)
	s.must(err)
	s.completed(first)
	s.completed(second)
	if first.SettingsVersion != 2 || second.StartedAt.Before(*first.FinishedAt) {
		t.Errorf("the first run went by settings %d until %s, the second began at %s", first.SettingsVersion, first.FinishedAt, second.StartedAt)
	}
}

// TestRequestsAtOnce presses the button many times at once.
func TestRequestsAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	s.completed(s.sync())
	var started atomic.Int64
	ids := make([]int64, 12)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			run, fresh, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin)
			if err != nil {
				t.Error(err)
			}
			if fresh {
				started.Add(1)
			}
			ids[i] = run.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("requests got the runs %v", ids)
			break
		}
	}
	if started.Load() != 1 {
		t.Errorf("%d runs were started", started.Load())
	}
}

func TestRequestWithoutSettings(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	if _, _, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, nil); !errors.Is(err, db.ErrNoSettings) {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.db.RequestRun(t.Context(), 999, pipeline.EntityAll, db.TriggerManual, nil); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestZombieIsFenced lets a runner go on after its run has been taken over.
func TestZombieIsFenced(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	zombie, err := s.db.Claim(t.Context(), "zombie", 0)
	s.must(err)
	if again, err := s.db.Claim(t.Context(), "heir", time.Minute); err != nil || again == nil || again.Fence != zombie.Fence+1 {
		t.Fatalf("the heir got %+v, %v", again, err)
	}
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	version, err := s.db.SettingsVersionAt(t.Context(), s.conn, zombie.SettingsVersion)
	s.must(err)
	err = pipeline.Run(t.Context(), pipeline.Work{
		Settings: version.Settings, Source: remote.New(client), Store: s.db.RunStore(zombie), Options: s.quick().Pipeline, Log: s.log,
	})
	if !errors.Is(err, db.ErrFenced) {
		t.Errorf("the zombie got %v", err)
	}
	for what, err := range map[string]error{
		"heartbeat": s.db.Heartbeat(t.Context(), zombie.ID, zombie.Fence, time.Minute, 0),
		"wait":      s.db.Wait(t.Context(), zombie.ID, zombie.Fence, db.Wait{For: time.Minute}),
		"finish":    s.db.Finish(t.Context(), zombie.ID, zombie.Fence, db.Ending{State: db.RunCompleted}),
	} {
		if !errors.Is(err, db.ErrFenced) {
			t.Errorf("%s of the zombie: %v", what, err)
		}
	}
	s.must(s.db.Release(t.Context(), zombie.ID, zombie.Fence))
	if n := s.count(`SELECT count(*) FROM millrace.runs WHERE owner = 'heir' AND state = 'running'`); n != 1 {
		t.Error("the zombie gave the heir's run away")
	}
}

// takenOver returns what a process does that holds a run, and what has another one take the run over, once.
func (s *scene) takenOver(run *db.Run) (work pipeline.Work, taken func()) {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	version, err := s.db.SettingsVersionAt(s.t.Context(), s.conn, run.SettingsVersion)
	s.must(err)
	return pipeline.Work{Settings: version.Settings, Source: remote.New(client), Store: s.db.RunStore(run), Options: s.quick().Pipeline, Log: s.log}, sync.OnceFunc(func() {
		_, err := s.sql.Exec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE id = $1`, run.ID)
		s.must(err)
		if heir, err := s.db.Claim(context.Background(), "heir", time.Minute); err != nil || heir == nil {
			s.t.Errorf("the heir got %v, %v", heir, err)
		}
	})
}

// TestPageOfAZombie is taken over while it is stored: none of its rows may show.
func TestPageOfAZombie(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	s.filter(allAccounts)
	run, err := s.db.Claim(t.Context(), "zombie", time.Minute)
	s.must(err)
	work, taken := s.takenOver(run)
	rewrite := func(page []byte) []byte { taken(); return page }
	s.rewrite.Store(&rewrite)
	o := s.quick()
	o.Pipeline.PageRows, o.Pipeline.Workers = 50, 1
	work.Options = o.Pipeline
	if err := pipeline.Run(t.Context(), work); !errors.Is(err, db.ErrFenced) {
		t.Errorf("the zombie got %v", err)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts`); n != 0 {
		t.Errorf("%d rows of a fenced page are there", n)
	}
}

// lateStore has a run taken over just when a page of accounts is to be stored.
type lateStore struct {
	*db.RunStore
	taken func()
}

func (s lateStore) CommitPage(ctx context.Context, step pipeline.Step, p *pipeline.Page) error {
	if step.Table.Object == "Account" {
		s.taken()
	}
	return s.RunStore.CommitPage(ctx, step, p)
}

// TestRESTPageOfAZombie is taken over when a page is to be stored that is not shared with others, in a first sync and in a later one: none of its rows may show.
func TestRESTPageOfAZombie(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		s := newScene(t, sim.Options{Accounts: 40})
		s.filter(allAccounts)
		if later {
			s.completed(s.sync())
			if _, err := s.org.UpdateAll("Account", nil, map[string]any{"Name": "Renamed"}); err != nil {
				t.Fatal(err)
			}
		}
		s.request()
		run, err := s.db.Claim(t.Context(), "zombie", time.Minute)
		s.must(err)
		work, taken := s.takenOver(run)
		work.Store = lateStore{s.db.RunStore(run), taken}
		if err := pipeline.Run(t.Context(), work); !errors.Is(err, db.ErrFenced) {
			t.Errorf("the zombie got %v", err)
		}
		if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE first_seen_run = $1 OR name = 'Renamed'`, run.ID); n != 0 {
			t.Errorf("later %t: %d rows of a fenced page are there", later, n)
		}
	}
}

// TestNothingOfAZombieIsStored tries whatever else a run writes besides pages, after another process has taken it over.
func TestNothingOfAZombieIsStored(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	s.filter(allAccounts)
	first := s.completed(s.sync())
	steps, err := s.db.RunStore(&first).Steps(t.Context())
	s.must(err)
	s.request()
	run, err := s.db.Claim(t.Context(), "zombie", 0)
	s.must(err)
	if heir, err := s.db.Claim(t.Context(), "heir", time.Minute); err != nil || heir == nil {
		t.Fatalf("the heir got %v, %v", heir, err)
	}
	store, ctx, step, refused := s.db.RunStore(run), t.Context(), steps[1], steps[1]
	refused.Refusal = &pipeline.Refusal{Code: "refused", Message: "No."}
	_, unsaved := store.SaveChecks(ctx, []pipeline.Check{{Name: "contacts", Part: pipeline.EntityContacts, Position: 1, Table: step.Table}})
	for what, err := range map[string]error{
		"its phase":             store.SetPhase(ctx, "Awake"),
		"its plan":              store.SaveSteps(ctx, steps),
		"a query":               store.SetQuery(ctx, step),
		"a count":               store.SetExpected(ctx, step, 5, time.Time{}),
		"a step begun anew":     store.RestartStep(ctx, step),
		"a step given up":       store.GiveUp(ctx, step),
		"a step refused":        store.FailStep(ctx, refused),
		"the end of a step":     store.FinishStep(ctx, step),
		"who was deleted":       store.MarkDeleted(ctx, step, []pipeline.Listed{{ID: s.accountIDs()[0], Deleted: true}}),
		"who has changed":       store.Sweep(ctx, step, []pipeline.Listed{{ID: s.accountIDs()[0], Deleted: true}}),
		"changes in the org":    store.NoteDrifts(ctx, nil),
		"a note":                store.SetNote(ctx, step),
		"labels":                store.SaveLabels(ctx, []pipeline.PicklistLabel{{Object: "Account", Field: "Type", Value: "Old", Label: "New"}}),
		"the counts at its end": unsaved,
	} {
		if !errors.Is(err, db.ErrFenced) {
			t.Errorf("%s of a zombie: %v", what, err)
		}
	}
	if n := s.count(`SELECT (SELECT count(*) FROM millrace.run_steps WHERE run_id = $1) + (SELECT count(*) FROM millrace.completeness_checks WHERE run_id = $1)
		+ (SELECT count(*) FROM millrace.accounts WHERE deleted_in_salesforce_at IS NOT NULL)`, run.ID); n != 0 {
		t.Errorf("%d rows of a zombie are there", n)
	}
}

// TestStopsAndResumes stops runners at random moments; the next one goes on at the checkpoint.
func TestStopsAndResumes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 400})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	for range 12 {
		stop := s.start(s.quick())
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		stop()
		if now := s.until(run.ID, func(db.Run) bool { return true }); now.State != db.RunQueued && !ended(now) {
			t.Errorf("after a stop the run is %s", now.State)
		}
	}
	s.org.ClearFaults(0)
	s.start(s.quick())
	done := s.completed(s.until(run.ID, ended))
	if done.Attempt < 5 {
		t.Errorf("the run was claimed %d times only", done.Attempt)
	}
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	done := s.until(run.ID, ended)
	if done.State != db.RunCancelled || done.Outcome == "" {
		t.Errorf("the run is %s: %q", done.State, done.Outcome)
	}
	queued := s.request()
	s.must(s.db.RequestCancel(t.Context(), queued.ID, s.admin))
	s.until(queued.ID, inState(db.RunCancelled))
}

// TestSeenLost empties run_seen in the middle of a sync with typed filters, as a crash of Postgres does.
func TestSeenLost(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.save(typedFilters)
	s.completed(s.sync())
	types := `SELECT coalesce(sum(hashtext(sf_id || account_type)), 0) FROM millrace.accounts WHERE left_filter_at IS NULL`
	before := s.count(types)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	_, err := s.sql.Exec(`TRUNCATE millrace.run_seen`)
	s.must(err)
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	if after := s.count(types); after != before {
		t.Error("the accounts' types have changed")
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts are marked as having left", n)
	}
}
