package jobs

import (
	"errors"
	"net/http"
	"runtime"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// TestCancelDropsTheJob cancels a run in the middle of a bulk job: the job is deleted in the org.
func TestCancelDropsTheJob(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	job := s.step(run, "accounts:customer").JobID
	if _, err := client.Job(t.Context(), job); err != nil {
		t.Fatalf("before the cancel: %v", err)
	}
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	s.until(run.ID, inState(db.RunCancelled))
	var gone *salesforce.APIError
	if _, err := client.Job(t.Context(), job); !errors.As(err, &gone) || gone.Status != http.StatusNotFound {
		t.Errorf("the job is still there: %v", err)
	}
}

// TestNothingStaysBehind cuts the sessions of a runner again and again and stops it: none of its goroutines is left. It has the process to itself, since it counts them.
func TestNothingStaysBehind(t *testing.T) {
	dbtest.NewURL(t) // the server of all tests stays
	before := runtime.NumGoroutine()
	t.Run("runs", func(t *testing.T) {
		s := newScene(t, sim.Options{Accounts: 200})
		s.filter(allAccounts)
		s.slow()
		run := s.request()
		o := s.quick()
		o.Pauses = make([]time.Duration, 100)
		s.start(o)
		for range 15 {
			s.mustExec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			time.Sleep(40 * time.Millisecond)
		}
		s.org.ClearFaults(0)
		s.completed(s.until(run.ID, ended))
	})
	http.DefaultClient.CloseIdleConnections()
	left := 0
	for range 300 { // connections take a moment to notice that they are closed
		if left = runtime.NumGoroutine() - before; left <= 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines are left:\n%s", left, stacks[:runtime.Stack(stacks, true)])
}
