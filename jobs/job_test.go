package jobs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

const anyJob = "/services/data/*/jobs/query/*"

// jobsOfOrg lists the bulk jobs that the org has, by id and state.
func (s *scene) jobsOfOrg() map[string]string {
	s.t.Helper()
	g, err := s.db.Grant(s.t.Context(), s.conn)
	s.must(err)
	r := httptest.NewRequest(http.MethodGet, "/services/data/v66.0/jobs/query", nil)
	r.Header.Set("Authorization", "Bearer "+g.AccessToken)
	answer := httptest.NewRecorder()
	s.org.ServeHTTP(answer, r)
	var list struct{ Records []struct{ ID, State string } }
	s.must(json.Unmarshal(answer.Body.Bytes(), &list))
	out := map[string]string{}
	for _, j := range list.Records {
		out[j.ID] = j.State
	}
	return out
}

// TestJobThatFails has Salesforce fail bulk jobs. One more job is tried; where that fails too, the run ends and says why, unless it is the query that is refused: then what it reads is left out and
// the others go on. Once jobs are done again, the next run brings everything.
func TestJobThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, message string
		count         int // of answers that say so
		state         db.RunState
		code, says    string
	}{
		{"once", "InternalServerError : Retried more than fifteen times", 1, db.RunCompleted, "", ""},
		{"again", "InternalServerError : Retried more than fifteen times", 2, db.RunFailed, "job_failed", "could not prepare the records: InternalServerError"},
		{"once for its query", "InvalidBatch : INVALID_FIELD: No such column 'Website' on entity 'Account'", 1, db.RunCompleted, "", ""},
		{"again for its query", "InvalidBatch : INVALID_FIELD: No such column 'Website' on entity 'Account'", 2, db.RunCompletedWithErrors, "refused", "No such column 'Website'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 150})
			s.filter(allAccounts)
			body, err := json.Marshal(map[string]any{"id": "750000000000001AAA", "state": "Failed", "errorMessage": c.message, "numberRecordsProcessed": 0})
			s.must(err)
			s.org.Fail(sim.Fault{Match: anyJob, Method: http.MethodGet, Count: c.count, Status: http.StatusOK, Body: string(body)})
			run := s.sync()
			if run.State != c.state || run.ErrorCode != c.code || !strings.Contains(run.Error, c.says) {
				t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
			}
			if left := s.org.Faults(); len(left) > 0 {
				t.Errorf("the org was not asked for its jobs as often as they fail: %+v", left)
			}
			if p := s.step(run, "accounts:customer"); c.count == 1 && (p.Mode != pipeline.Bulk || p.Read != 150 || p.Created != 150) {
				t.Errorf("step %+v", p)
			}
			if c.state != db.RunCompleted {
				s.completed(s.sync())
			}
			s.equalsOrg("", "AccountId != null")
			s.auditedOnce()
		})
	}
}

// TestJobThatIsAborted has somebody abort bulk jobs in Salesforce while they are under way: the first one, which a second replaces, and then every one, which ends the run.
func TestJobThatIsAborted(t *testing.T) {
	t.Parallel()
	s, pass := newSceneInTime(t, sim.Options{Accounts: 150, JobDelay: time.Hour})
	s.filter(allAccounts)
	var every atomic.Bool
	var aborted atomic.Int64
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if looks := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/jobs/query/") && !strings.HasSuffix(r.URL.Path, "/results"); looks && (every.Load() || aborted.Load() == 0) {
			abort := httptest.NewRequest(http.MethodPatch, r.URL.Path, strings.NewReader(`{"state":"Aborted"}`))
			abort.Header = http.Header{"Authorization": r.Header["Authorization"], "Content-Type": {"application/json"}}
			answer := httptest.NewRecorder()
			s.org.ServeHTTP(answer, abort)
			if answer.Code == http.StatusOK {
				aborted.Add(1)
			}
		} else if looks {
			pass(70 * time.Minute) // the jobs of the others are done
		}
		s.serve(w, r)
	})
	run := s.completed(s.sync())
	if p := s.step(run, "accounts:customer"); aborted.Load() != 1 || p.Mode != pipeline.Bulk || p.Created != 150 {
		t.Errorf("after %d aborts: %+v", aborted.Load(), p)
	}
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
	every.Store(true)
	run = s.sync()
	if run.State != db.RunFailed || run.ErrorCode != "job_failed" || !strings.Contains(run.Error, "somebody aborted the bulk job in Salesforce") || aborted.Load() != 3 {
		t.Errorf("after %d aborts the run is %s: %s %q", aborted.Load(), run.State, run.ErrorCode, run.Error)
	}
}

// TestJobThatNeverEnds has Salesforce work on bulk jobs without end. The run loses its patience, ends the job in the org and tries one more; where that does not end either, the run does.
func TestJobThatNeverEnds(t *testing.T) {
	t.Parallel()
	s, pass := newSceneInTime(t, sim.Options{Accounts: 150, JobDelay: time.Hour})
	s.filter(allAccounts)
	o := s.quick()
	o.Pipeline.Patience = 200 * time.Millisecond
	run := s.syncWith(o)
	if run.State != db.RunFailed || run.ErrorCode != "job_stuck" || !strings.Contains(run.Error, "did not prepare the records in time") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if left := s.jobsOfOrg(); len(left) > 0 {
		t.Errorf("jobs are left in the org: %v", left)
	}

	var started atomic.Int64
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r)
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/jobs/query") && started.Add(1) > 1 {
			pass(70 * time.Minute) // all jobs but the first are done
		}
	})
	run = s.completed(s.syncWith(o))
	if p := s.step(run, "accounts:customer"); started.Load() < 2 || p.Mode != pipeline.Bulk || p.Created != 150 {
		t.Errorf("after %d jobs: %+v", started.Load(), p)
	}
	if left := s.jobsOfOrg(); len(left) > 0 {
		t.Errorf("jobs are left in the org: %v", left)
	}
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}
