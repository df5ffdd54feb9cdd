package jobs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// slotNow makes a slot of the entity's schedule come now, and returns it.
func (s *scene) slotNow(e pipeline.Entity) (slot time.Time) {
	s.t.Helper()
	s.must(s.sql.Get(&slot, `
		UPDATE millrace.schedules SET next_run_at = clock_timestamp() WHERE connection_id = $1 AND entity = $2 RETURNING next_run_at`, s.conn, e))
	return slot
}

// runOf waits for the end of the run that a slot has started.
func (s *scene) runOf(e pipeline.Entity, slot time.Time) db.Run {
	s.t.Helper()
	for {
		var ids []int64
		err := s.sql.Select(&ids, `SELECT id FROM millrace.runs WHERE entity = $1 AND scheduled_for = $2`, e, slot)
		if err == nil && len(ids) > 0 {
			return s.until(ids[0], ended)
		}
		if s.t.Context().Err() != nil {
			s.t.Fatalf("the slot %v of %s has no run: %v", slot, e, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSlotsWithProcessesKilled has three processes share the slots of two schedules while one of them is killed again and again: each slot has exactly one
// run, which comes to its end.
func TestSlotsWithProcessesKilled(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.filter(allAccounts)
	s.completed(s.sync())
	processes := []*os.Process{s.spawn(), s.spawn(), s.spawn()}
	var all sync.WaitGroup
	slots := int64(6)
	if fromEnv(killsVariable, 0) > 10 {
		slots = 20
	}
	for _, e := range []pipeline.Entity{pipeline.EntityAccounts, pipeline.EntityContacts} {
		all.Go(func() {
			for range slots {
				slot := s.slotNow(e)
				if run := s.runOf(e, slot); run.State != db.RunCompleted || run.Missed != 0 {
					t.Errorf("the run of %s for %v: %+v", e, slot, run)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	claims := func() int64 { return s.count(`SELECT coalesce(sum(fence), 0)::bigint FROM millrace.runs`) }
	for running, seen := true, claims(); running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Duration(rand.IntN(400)) * time.Millisecond):
			now := claims()
			if now == seen {
				continue // a slow machine gets to work between two kills
			}
			seen = now
			n := rand.IntN(len(processes))
			s.must(processes[n].Signal(syscall.SIGKILL))
			processes[n] = s.spawn()
		}
	}
	if n := s.count(`SELECT count(*) FROM millrace.runs WHERE scheduled_for IS NOT NULL`); n != 2*slots {
		t.Errorf("%d slots have %d runs", 2*slots, n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'run' AND action = 'requested' AND detail LIKE '%, schedule'`); n != 2*slots {
		t.Errorf("%d slots have %d audit rows", 2*slots, n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.schedules WHERE skipped > 0`); n != 0 {
		t.Errorf("%d schedules skipped slots", n)
	}
}

// TestLateRunSaysSo lets nobody run for some slots.
func TestLateRunSaysSo(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.filter(allAccounts)
	s.completed(s.sync())
	_, err := s.sql.Exec(`UPDATE millrace.schedules SET next_run_at = next_run_at - interval '5 days' WHERE entity = 'accounts'`)
	s.must(err)
	s.start(s.quick())
	var slot time.Time
	for s.t.Context().Err() == nil && slot.IsZero() {
		time.Sleep(5 * time.Millisecond)
		_ = s.sql.Get(&slot, `SELECT coalesce(last_scheduled_for, '0001-01-01') FROM millrace.schedules WHERE entity = 'accounts'`)
	}
	if run := s.completed(s.runOf(pipeline.EntityAccounts, slot)); run.Missed != 5 || !strings.Contains(run.Outcome, "late, 5 missed") {
		t.Errorf("got %+v", run)
	}
}

// TestRunsOfOneConnectionTakeTurns asks for runs of everything there is and looks, again and again, that never two are in progress.
func TestRunsOfOneConnectionTakeTurns(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	s.completed(s.sync())
	var asked []int64
	for _, e := range []pipeline.Entity{pipeline.EntityContacts, pipeline.EntityAccounts, pipeline.EntityAll} {
		run, started, err := s.db.RequestRun(t.Context(), s.conn, e, db.TriggerManual, &s.admin)
		if err != nil || !started {
			t.Fatalf("%s: %t, %v", e, started, err)
		}
		asked = append(asked, run.ID)
	}
	if run, started, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityContacts, db.TriggerManual, &s.admin); err != nil || started || run.ID != asked[0] {
		t.Errorf("contacts are being asked for already: %d, %t, %v", run.ID, started, err)
	}
	for n := range 3 {
		o := s.quick()
		o.Owner = fmt.Sprint("runner ", n)
		s.start(o)
	}
	for over := false; !over; {
		var ids []int64
		s.must(s.sql.Select(&ids, `SELECT id FROM millrace.runs WHERE state = 'running'`))
		if len(ids) > 1 {
			t.Fatalf("the runs %v are in progress at once", ids)
		}
		over = s.count(`SELECT count(*) FROM millrace.runs WHERE state IN ('queued', 'running', 'waiting')`) == 0
		time.Sleep(2 * time.Millisecond)
	}
	for i, id := range asked {
		run := s.completed(s.until(id, ended))
		if i == 0 {
			continue
		}
		if before := s.until(asked[i-1], ended); run.StartedAt.Before(*before.FinishedAt) {
			t.Errorf("%s of %s started before %s of %s had ended", run.ShortID, run.Entity, before.ShortID, before.Entity)
		}
	}
}

// TestWaitingRunKeepsTheOthersWaiting has a run wait that has started: a later one would bring over what the first has not met, and the first would then take
// that for gone.
func TestWaitingRunKeepsTheOthersWaiting(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.filter(allAccounts)
	first, err := s.db.Claim(t.Context(), "test", time.Minute)
	s.must(err)
	s.must(s.db.Wait(t.Context(), first.ID, first.Fence, db.Wait{For: time.Hour, Reason: "waiting"}))
	if run, started, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAccounts, db.TriggerManual, &s.admin); err != nil || started || run.ID != first.ID {
		t.Errorf("a run of everything covers accounts: %+v, %t, %v", run, started, err)
	}
	_, err = s.sql.Exec(`UPDATE millrace.runs SET entity = 'contacts'`)
	s.must(err)
	second, started, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAccounts, db.TriggerManual, &s.admin)
	if err != nil || !started {
		t.Fatal(started, err)
	}
	if got, err := s.db.Claim(t.Context(), "test", time.Minute); err != nil || got != nil {
		t.Errorf("claimed %+v, %v", got, err)
	}
	s.must(s.db.RequestCancel(t.Context(), first.ID, s.admin))
	if got, err := s.db.Claim(t.Context(), "test", time.Minute); err != nil || got == nil || got.ID != second.ID {
		t.Errorf("claimed %+v, %v", got, err)
	}
}
