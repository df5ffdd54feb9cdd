package jobs

import (
	"testing"

	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// TestMergedCases merges two cases in Salesforce: the one that is gone leads to the one that stays, which has its conversation now.
func TestMergedCases(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365, Conversation: settings.CaseComments}
	s.saveAll(all)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	var ids []string
	s.must(s.sql.Select(&ids, `
		SELECT case_id FROM millrace.case_messages m JOIN millrace.cases c ON c.sf_id = m.case_id WHERE c.left_filter_at IS NULL GROUP BY case_id ORDER BY case_id LIMIT 2`))
	if len(ids) < 2 {
		t.Fatalf("%d cases have a conversation", len(ids))
	}
	kept, gone := ids[0], ids[1]
	const of = `SELECT count(*) FROM millrace.case_messages WHERE case_id = $1 AND left_filter_at IS NULL`
	said := s.count(of, kept) + s.count(of, gone)
	s.must(s.org.Merge("Case", kept, gone))
	runs.run(pipeline.EntityCases, false)
	var into string
	s.must(s.sql.Get(&into, `SELECT coalesce(merged_into_id, '') FROM salesforce."case" WHERE id = $1 AND left_filter_at IS NOT NULL AND deleted_in_salesforce_at IS NOT NULL`, gone))
	if into != kept {
		t.Errorf("the case that is gone leads to %q, want %s", into, kept)
	}
	if n := s.count(of, kept); n != said || s.count(of, gone) != 0 {
		t.Errorf("the case that stays has %d messages of %d", n, said)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'case' AND sf_id = $1 AND action = 'deleted' AND detail = 'Merged into ' || $2`, gone, kept); n != 1 {
		t.Errorf("the audit log tells of the merge %d times", n)
	}
}
