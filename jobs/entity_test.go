package jobs

import (
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// syncOf runs one sync of an entity to its end.
func (s *scene) syncOf(e pipeline.Entity) db.Run {
	s.t.Helper()
	run, _, err := s.db.RequestRun(s.t.Context(), s.conn, e, db.TriggerManual, &s.admin)
	s.must(err)
	defer s.start(s.quick())()
	return s.completed(s.until(run.ID, ended))
}

// TestRunsMarkOnlyWhatTheyRead has an account leave the filter and a contact of another one deleted. A run of contacts marks no account or opportunity, and
// a run of accounts no contact.
func TestRunsMarkOnlyWhatTheyRead(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter("Type = 'Customer'")
	s.completed(s.sync())
	var leaving, contact string
	s.must(s.sql.Get(&leaving, `SELECT account_id FROM millrace.opportunities ORDER BY sf_id LIMIT 1`))
	s.must(s.sql.Get(&contact, `SELECT sf_id FROM millrace.contacts WHERE account_id <> $1 ORDER BY sf_id LIMIT 1`, leaving))
	s.must(s.org.Update("Account", leaving, map[string]any{"Type": "Prospect"}))
	s.must(s.org.Delete("Contact", contact))
	left := func(table string) int64 {
		return s.count(`SELECT count(*) FROM millrace.` + table + ` WHERE left_filter_at IS NOT NULL`)
	}

	contacts := s.syncOf(pipeline.EntityContacts)
	if left("accounts") != 0 || left("opportunities") != 0 || left("sf_users") != 0 {
		t.Errorf("a run of contacts has marked %d accounts, %d opportunities and %d users", left("accounts"), left("opportunities"), left("sf_users"))
	}
	gone := left("contacts")
	if p := s.step(contacts, "contacts"); gone == 0 || p.LeftFilter != gone || p.Deleted != 1 || s.action(contacts, contact) != "left, deleted" {
		t.Errorf("%d contacts left, the step says %d with %d deleted; %q", gone, p.LeftFilter, p.Deleted, s.action(contacts, contact))
	}
	if steps, err := s.db.RunSteps(t.Context(), contacts.ID); err != nil || len(steps) != 1 {
		t.Errorf("a run of contacts has the steps %+v, %v", steps, err)
	}

	s.must(s.org.Undelete("Contact", contact))
	accounts := s.syncOf(pipeline.EntityAccounts)
	if left("accounts") != 1 || left("opportunities") == 0 || left("contacts") != gone {
		t.Errorf("after a run of accounts: %d accounts, %d opportunities and %d contacts have left", left("accounts"), left("opportunities"), left("contacts"))
	}
	if list, total, err := s.db.RunSkips(t.Context(), s.conn, accounts.ID, 10, 0); err != nil || total != 0 {
		t.Errorf("a run of accounts lists %d skipped contacts: %+v, %v", total, list, err)
	}
	s.completed(s.sync())
	s.equalsOrg("Type = 'Customer'", "Account.Type = 'Customer'")
}
