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

// TestOldCaseIsDeleted deletes a case that has not been changed for longer than cases are looked back for. A reading in full does not meet it either way, and marks it all the same, also where it
// goes on from no earlier one; another one as old stays.
func TestOldCaseIsDeleted(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365}
	s.saveAll(all)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	var old []string
	s.must(s.sql.Select(&old, `SELECT sf_id FROM millrace.cases WHERE left_filter_at IS NULL AND system_modstamp < now() - interval '40 days' ORDER BY sf_id LIMIT 3`))
	if len(old) < 3 {
		t.Fatalf("%d cases are old", len(old))
	}
	const comments = `SELECT count(*) FROM millrace.case_messages WHERE case_id = $1 AND left_filter_at IS NULL`
	for _, id := range old {
		_, err := s.org.Insert("CaseComment", map[string]any{"ParentId": id, "CommentBody": "Any news?"})
		s.must(err)
	}
	runs.run(pipeline.EntityCases, false)
	s.must(s.org.Delete("Case", old[0]))
	all.Cases.LookbackDays = 20
	s.saveAll(all)
	runs.run(pipeline.EntityCases, true)
	const marked = `SELECT count(*) FROM millrace.cases WHERE sf_id = $1 AND left_filter_at IS NOT NULL AND deleted_in_salesforce_at IS NOT NULL`
	if s.count(marked, old[0]) != 1 || s.count(marked, old[1]) != 0 {
		t.Error("the case that was deleted is not marked, or another is")
	}
	s.must(s.org.Delete("Case", old[2]))
	s.mustExec(`DELETE FROM millrace.read_states WHERE table_name IN ('cases', 'case_messages')`)
	runs.run(pipeline.EntityCases, false)
	if s.count(marked, old[2]) != 1 || s.count(marked, old[1]) != 0 {
		t.Error("where nothing is known of an earlier reading, the case that was deleted is not marked, or another is")
	}
	for i, want := range []bool{false, true, false} {
		if n := s.count(comments, old[i]); (n > 0) != want {
			t.Errorf("of case %d, %d comments are in step", i, n)
		}
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'case' AND sf_id = $1 AND action IN ('left', 'deleted')`, old[0]); n != 2 {
		t.Errorf("the audit log has %d entries of it", n)
	}
}
