package jobs

import (
	"fmt"
	"slices"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// poisonKinds are the tables of records, each with a condition on a record t that no other record is of.
var poisonKinds = []struct {
	table, leaf string
}{
	{"contacts", `NOT EXISTS (SELECT FROM millrace.cases c WHERE c.contact_id = t.sf_id)`},
	{"opportunities", `NOT EXISTS (SELECT FROM millrace.chatter_posts p WHERE p.parent_id = t.sf_id)`},
	{"custom_records", `true`},
	{"cases", `NOT EXISTS (SELECT FROM millrace.case_messages m WHERE m.case_id = t.sf_id)`},
	{"case_messages", `true`},
	{"chatter_posts", `NOT EXISTS (SELECT FROM millrace.chatter_comments c WHERE c.post_id = t.sf_id)`},
	{"chatter_comments", `true`},
}

// TestPoisonOfEveryKind has one record of each kind that Postgres refuses, in a first sync and in one that compares: it alone is left out and is in the Error inbox, all others come over.
func TestPoisonOfEveryKind(t *testing.T) {
	t.Parallel()
	all := everything()
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365, Conversation: settings.CaseComments}
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	begin := func() *scene {
		s := newScene(t, sim.Options{Accounts: 80, Seed: 5})
		s.saveAll(all)
		return s
	}
	ids := func(s *scene, table, where string) (out []string) {
		s.must(s.sql.Select(&out, `SELECT sf_id FROM millrace.`+table+` t WHERE left_filter_at IS NULL AND `+where+` ORDER BY sf_id`))
		return out
	}
	both := func(s *scene) (ran []db.Run) {
		for _, e := range []pipeline.Entity{pipeline.EntityAll, pipeline.EntityChatter} {
			run, _, err := s.db.RequestRun(t.Context(), s.conn, e, db.TriggerManual, &s.admin)
			s.must(err)
			ran = append(ran, s.until(run.ID, ended))
		}
		return ran
	}
	clean := begin()
	clean.start(clean.quick())
	for _, run := range both(clean) {
		clean.completed(run)
	}
	s := begin()
	poison, want := map[string]string{}, map[string][]string{}
	for _, k := range poisonKinds {
		leaves := ids(clean, k.table, k.leaf)
		if len(leaves) < 2 {
			t.Fatalf("%d records of %s without others of theirs", len(leaves), k.table)
		}
		bad := leaves[len(leaves)/2]
		poison[bad] = k.table
		want[k.table] = slices.DeleteFunc(ids(clean, k.table, "true"), func(id string) bool { return id == bad })
		s.mustExec(fmt.Sprintf(`ALTER TABLE millrace.%s ADD CONSTRAINT poison CHECK (sf_id <> '%s')`, k.table, bad))
	}
	s.start(s.quick())
	for _, when := range []string{"first", "again"} {
		failed := map[string]bool{}
		for _, run := range both(s) {
			if run.State != db.RunCompletedWithErrors {
				t.Errorf("%s: the run of %s is %s: %s %s", when, run.Entity, run.State, run.Outcome, run.Error)
			}
			errs, err := s.db.RunErrors(t.Context(), run.ID, 100, 0)
			s.must(err)
			for _, e := range errs {
				if poison[e.SFID] == "" || failed[e.SFID] || e.Cause == "" || e.Message == "" {
					t.Errorf("%s: error %+v", when, e)
				}
				failed[e.SFID] = true
			}
		}
		for bad, table := range poison {
			if !failed[bad] {
				t.Errorf("%s: the run does not list the poison of %s", when, table)
			}
			if got := ids(s, table, "true"); !slices.Equal(got, want[table]) {
				t.Errorf("%s: %d records of %s, want %d", when, len(got), table, len(want[table]))
			}
		}
	}
	inbox := map[string]bool{}
	for _, g := range s.causes() {
		records, err := s.db.ErrorRecords(t.Context(), g, "", 100)
		s.must(err)
		for _, r := range records {
			inbox[r.SFID] = g.Kind == db.RecordErrors
		}
	}
	for bad, table := range poison {
		if !inbox[bad] {
			t.Errorf("the poison of %s is not in the Error inbox", table)
		}
	}
}
