package jobs

import (
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/salesforce/sim"
)

// refuse makes Postgres refuse writes to the accounts with a code, as often as given.
func (s *scene) refuse(code string, times int) {
	s.t.Helper()
	_, err := s.sql.Exec(`
		CREATE SEQUENCE public.refusals;
		CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    IF nextval('public.refusals') <= ` + strings.Repeat("1+", times) + `0 THEN
		        RAISE EXCEPTION 'no more room' USING ERRCODE = '` + code + `';
		    END IF;
		    RETURN NULL;
		END $$;
		CREATE TRIGGER refuse AFTER INSERT ON millrace.accounts_1 FOR EACH STATEMENT EXECUTE FUNCTION public.refuse()`)
	s.must(err)
}

// TestConflictsAreTriedAgain has Postgres end page transactions for the sake of others.
func TestConflictsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40P01", "40001"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 130})
			s.filter(allAccounts)
			s.refuse(code, 3)
			s.completed(s.sync())
			s.equalsOrg("", "AccountId != null")
			s.auditedOnce()
		})
	}
}

// TestDiskFull fails the run with a sentence that names the cause, leaves nothing half-written, and the next run goes through.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter(allAccounts)
	s.refuse("53100", 1)
	o := s.quick()
	o.Workers = 1
	run := s.syncWith(o)
	if run.State != db.RunFailed || run.ErrorCode != "postgres_disk_full" || !strings.Contains(run.Error, "disk") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts`); n != 0 {
		t.Errorf("%d rows of a refused page are there", n)
	}
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestRecordInTwoPages brings a record that an earlier page brought already: the plain insert gives way to the comparing merge.
func TestRecordInTwoPages(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 180})
	s.filter(allAccounts)
	var first []byte
	rewrite := func(page []byte) []byte {
		lines := strings.SplitAfter(string(page), "\n")
		if !strings.Contains(lines[0], "Website") || len(lines) < 3 {
			return page
		}
		if first == nil {
			first = []byte(lines[1])
			return page
		}
		lines[1] = string(first)
		return []byte(strings.Join(lines, ""))
	}
	s.rewrite.Store(&rewrite)
	o := s.quick()
	o.Workers = 1
	run := s.completed(s.syncWith(o))
	p := s.step(run, "accounts:customer")
	if rows := s.count(`SELECT count(*) FROM millrace.accounts`); p.Fresh || rows != p.Created || rows >= 180 {
		t.Errorf("%d rows after %+v", rows, p)
	}
	s.auditedOnce()
}

// TestProgress can be asked for at any time.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter(allAccounts)
	run := s.request()
	if p, err := s.db.RunProgress(t.Context(), run.ID); err != nil || p != (db.Progress{}) {
		t.Errorf("before the start: %+v, %v", p, err)
	}
	s.completed(s.sync())
	p, err := s.db.RunProgress(t.Context(), run.ID)
	if err != nil || !p.Known || p.Read != p.Expected || p.Read < 130 || p.PerSecond != 0 || p.Remaining != 0 || p.InFlight != 0 || p.Stalled {
		t.Errorf("after the end: %+v, %v", p, err)
	}
	runs, total, err := s.db.Runs(t.Context(), db.RunFilter{ConnectionID: s.conn})
	if err != nil || total != 1 || len(runs) != 1 || runs[0].RequestedByName != "" && runs[0].RequestedByName != "Ada" {
		t.Errorf("%d runs: %+v, %v", total, runs, err)
	}
	if again, err := s.db.Run(t.Context(), s.conn, runs[0].ShortID); err != nil || again.ID != run.ID || again.Duration(time.Now()) <= 0 {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := s.db.Run(t.Context(), s.conn+1, runs[0].ShortID); err == nil {
		t.Error("another connection shows the run")
	}
}
