package jobs

import (
	"testing"
	"time"

	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// TestForgottenDeletions comes back after longer than Salesforce remembers what was deleted: the list of changes does not tell of it any more, so everything is read, which is said.
func TestForgottenDeletions(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 15})
	s.filter(allAccounts)
	o := s.incremental()
	o.Pipeline.Reconcile = 365 * 24 * time.Hour
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	gone := s.accountIDs()[0]
	s.must(s.org.Delete("Account", gone))
	for _, object := range []string{"Opportunity", "Contact", "Account"} {
		s.must(s.org.Purge(object))
	}
	s.mustExec(`UPDATE millrace.read_states SET read_at = now() - interval '15 days'`)
	p := s.step(runs.run(pipeline.EntityAll, false), "accounts:customer")
	if p.Reading != "whole" || p.Why != "the last read was more than 14 days ago, and Salesforce forgets what was deleted" {
		t.Errorf("the accounts were read as %q because %q", p.Reading, p.Why)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE sf_id = $1 AND left_filter_at IS NOT NULL`, gone); n != 1 {
		t.Error("the deleted account is still in step")
	}
	s.equalsOrg("", "AccountId != null")
}
