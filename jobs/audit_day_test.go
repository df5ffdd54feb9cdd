package jobs

import (
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// loseAuditDays takes away all days of the audit log that are there for entries to come, as time does when nobody makes further ones.
func (s *scene) loseAuditDays() {
	s.t.Helper()
	var parts []string
	s.must(s.sql.Select(&parts, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'millrace.audit_log'::regclass`))
	if len(parts) == 0 {
		s.t.Fatal("there are no days to lose")
	}
	for _, p := range parts {
		s.mustExec(`ALTER TABLE millrace.audit_log DETACH PARTITION ` + p + `; DROP TABLE ` + p)
	}
}

// TestAuditDaysRunOut lets the days of the audit log run out before a first load, which names the day itself, and before a page that is merged: the run makes them and goes on, and holds nothing
// against the records.
func TestAuditDaysRunOut(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	first := s.request()
	s.loseAuditDays()
	stop := s.start(s.quick())
	s.completed(s.until(first.ID, ended))
	stop()
	if n, want := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'created' AND entity = 'account'`), s.count(`SELECT count(*) FROM millrace.accounts`); n != want {
		t.Errorf("%d of %d accounts that were loaded are in the audit log", n, want)
	}
	s.insert("Account", map[string]any{"Name": "A late one"})
	second := s.request()
	s.loseAuditDays()
	s.start(s.quick())
	s.completed(s.until(second.ID, ended))
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'created' AND entity = 'account'`); n != 1 {
		t.Errorf("%d accounts are in the audit log, want the late one", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.run_errors`); n != 0 {
		t.Errorf("%d records are listed as errors", n)
	}
	s.loseAuditDays()
	if _, _, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin); !db.Retryable(err) {
		t.Errorf("asked without a day: %v, want what is worth asking again", err)
	}
	s.completed(s.until(s.request().ID, ended))
}
