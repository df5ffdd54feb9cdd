package jobs

import (
	"errors"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
)

// causes returns the open causes of the connection.
func (s *scene) causes() []db.ErrorGroup {
	s.t.Helper()
	groups, err := s.db.ErrorGroups(s.t.Context(), s.conn)
	s.must(err)
	return groups
}

// retry reads records of a cause once more and returns the run.
func (s *scene) retry(g db.ErrorGroup, ids ...string) db.Run {
	s.t.Helper()
	asked, err := s.db.RequestRetry(s.t.Context(), s.conn, g.ID, ids, s.admin)
	if err != nil || !asked.Started {
		s.t.Fatalf("the retry is %+v, %v", asked, err)
	}
	defer s.start(s.quick())()
	return s.until(asked.Run.ID, ended)
}

// TestRetry has accounts that cannot be stored and contacts without Email. Causes open with the run that meets them; read once more, alone, those that are mended come over, and
// the causes go when nobody is left.
func TestRetry(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.mustExec(`ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	var bad []string
	for _, name := range []string{"poison 1", "poison 2", "poison 3"} {
		id, err := s.org.Insert("Account", map[string]any{"Name": name})
		s.must(err)
		bad = append(bad, id)
	}
	first := s.sync()
	groups := s.causes()
	if len(groups) != 2 || groups[0].Kind != db.RecordErrors || groups[0].Records != 3 || groups[0].Object != "Account" || groups[0].Run != first.ShortID ||
		groups[1].Kind != db.SkipErrors || groups[1].Records == 0 || groups[1].Cause != "The contact has no Email" {
		t.Fatalf("after the first sync: %+v", groups)
	}
	poison, skips := groups[0], groups[1]
	if n, err := s.db.CountErrorGroups(t.Context(), s.conn); err != nil || n != 2 {
		t.Errorf("%d causes, %v", n, err)
	}
	records, err := s.db.ErrorRecords(t.Context(), poison, "", 2)
	if err != nil || len(records) != 2 || !strings.HasPrefix(records[0].Name, "poison ") || records[0].Run != first.ShortID || records[0].Here {
		t.Errorf("the first page: %+v, %v", records, err)
	}
	if more, err := s.db.ErrorRecords(t.Context(), poison, records[1].Place, 2); err != nil || len(more) != 1 {
		t.Errorf("the second page: %+v, %v", more, err)
	}
	people, err := s.db.ErrorRecords(t.Context(), skips, "", 5)
	if err != nil || len(people) == 0 || people[0].Name == "" || people[0].AccountName == "" {
		t.Errorf("skipped contacts: %+v, %v", people, err)
	}

	// One is mended, one still cannot be stored, one is deleted meanwhile. Only these are read.
	s.must(s.org.Update("Account", bad[0], map[string]any{"Name": "cured"}))
	s.must(s.org.Delete("Account", bad[2]))
	reads := s.count(`SELECT coalesce(sum(read), 0) FROM millrace.run_steps`)
	run := s.retry(poison)
	if run.Outcome != "Retry: 1 taken over, 1 still cannot be stored, 1 not to be here any more" || run.State != db.RunCompletedWithErrors {
		t.Errorf("the retry is %s: %s %s", run.State, run.Outcome, run.Error)
	}
	if n := s.count(`SELECT coalesce(sum(read), 0) FROM millrace.run_steps`) - reads; n != 2 {
		t.Errorf("%d records were read", n)
	}
	if g := s.causes()[0]; g.ID != poison.ID || g.Records != 1 || g.Run != run.ShortID {
		t.Errorf("after the retry: %+v", g)
	}
	if records, err := s.db.ErrorRecords(t.Context(), poison, "", 5); err != nil || len(records) != 1 || records[0].SFID != bad[1] || records[0].Retry != "failed" || records[0].RetryRun != run.ShortID {
		t.Errorf("left: %+v, %v", records, err)
	}

	// A contact gets its Email: the retry of the cause takes it over, the others stay skipped.
	s.must(s.org.Update("Contact", people[0].SFID, map[string]any{"Email": "here@example.com"}))
	run = s.retry(skips, people[0].SFID, people[1].SFID)
	if run.Outcome != "Retry: 1 taken over, 1 still skipped" || run.State != db.RunCompleted {
		t.Errorf("the retry is %s: %s", run.State, run.Outcome)
	}
	if g := s.causes()[1]; g.ID != skips.ID || g.Records != skips.Records-1 {
		t.Errorf("after the retry: %+v", g)
	}
	var off *db.EntityOffError
	if _, err := s.db.RequestRetry(t.Context(), s.conn, skips.ID, []string{people[0].SFID}, s.admin); !errors.As(err, &off) {
		t.Errorf("of one that is here: %v", err)
	}

	// The next sync finds the last one mended, and the cause is over.
	s.must(s.org.Update("Account", bad[1], map[string]any{"Name": "cured too"}))
	next := s.completed(s.sync())
	if groups := s.causes(); len(groups) != 1 || groups[0].ID != skips.ID {
		t.Errorf("after the next sync: %+v", groups)
	}
	over, err := s.db.CuredErrorGroups(t.Context(), s.conn, 10)
	if err != nil || len(over) != 1 || over[0].ID != poison.ID || over[0].CuredRun != next.ShortID || over[0].CuredAt == nil {
		t.Errorf("over: %+v, %v", over, err)
	}
	s.equalsOrg("", "AccountId != null")

	// It comes back, and stays open as long as each sync meets it.
	s.must(s.org.Update("Account", bad[1], map[string]any{"Name": "poison again"}))
	s.sync()
	s.sync()
	if groups := s.causes(); len(groups) != 2 || groups[0].ID != poison.ID || groups[0].Records != 1 || !groups[0].OpenedAt.After(poison.OpenedAt) {
		t.Errorf("back: %+v", groups)
	}
}

// TestErrorGroupsOfSteps opens a cause for an object that the connected user may not read; it ends with the run that has read it again.
func TestErrorGroupsOfSteps(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	s.completed(s.sync())
	open := len(s.causes())
	s.org.HideObject("Opportunity")
	s.sync()
	groups := s.causes()
	if len(groups) != open+1 || groups[0].Kind != db.StepErrors || groups[0].Object != "Opportunity" || groups[0].Message == "" {
		t.Fatalf("without Opportunity: %+v", groups)
	}
	s.org.ShowObject("Opportunity")
	s.completed(s.sync())
	if groups := s.causes(); len(groups) != open {
		t.Errorf("with it again: %+v", groups)
	}
}

// TestRetryOfARun reads the records once more that a run could not store: those alone, and of these only the ones that still are in trouble.
func TestRetryOfARun(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.mustExec(`ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	s.mustExec(`ALTER TABLE millrace.contacts ADD CONSTRAINT poison CHECK (last_name NOT LIKE 'poison%')`)
	account := ""
	for record := range s.org.Records("Account") {
		account = record["Id"].(string)
		break
	}
	var bad []string
	for object, fields := range map[string]map[string]any{"Account": {"Name": "poison 1"}, "Contact": {"LastName": "poison", "Email": "p@example.com", "AccountId": account}} {
		id, err := s.org.Insert(object, fields)
		s.must(err)
		bad = append(bad, id)
	}
	second, err := s.org.Insert("Account", map[string]any{"Name": "poison 2"})
	s.must(err)
	first := s.sync()
	if n, err := s.db.StillFailed(t.Context(), s.conn, first.ID); err != nil || n != 3 {
		t.Fatalf("%d records failed, %v: %s", n, err, first.Outcome)
	}
	s.must(s.org.Update("Account", second, map[string]any{"Name": "cured"}))
	s.sync() // it takes the second account over, and lists the others anew
	if n, err := s.db.StillFailed(t.Context(), s.conn, first.ID); err != nil || n != 2 {
		t.Fatalf("%d records of the first run are in trouble still, %v", n, err)
	}
	for _, id := range bad {
		object, field := "Account", "Name"
		if strings.HasPrefix(id, "003") {
			object, field = "Contact", "LastName"
		}
		s.must(s.org.Update(object, id, map[string]any{field: "cured"}))
	}
	reads := s.count(`SELECT coalesce(sum(read), 0) FROM millrace.run_steps`)
	asked, err := s.db.RequestRetryOf(t.Context(), s.conn, first.ID, s.admin)
	if err != nil || !asked.Started || asked.Records != 2 {
		t.Fatalf("%+v, %v", asked, err)
	}
	stop := s.start(s.quick())
	run := s.until(asked.Run.ID, ended)
	stop()
	if run.State != db.RunCompleted || run.Outcome != "Retry: 2 taken over" {
		t.Errorf("the retry is %s: %s %s", run.State, run.Outcome, run.Error)
	}
	if n := s.count(`SELECT coalesce(sum(read), 0) FROM millrace.run_steps`) - reads; n != 2 {
		t.Errorf("%d records were read", n)
	}
	if n, err := s.db.StillFailed(t.Context(), s.conn, first.ID); err != nil || n != 0 {
		t.Errorf("%d records are in trouble still, %v", n, err)
	}
	var off *db.EntityOffError
	if _, err := s.db.RequestRetryOf(t.Context(), s.conn, first.ID, s.admin); !errors.As(err, &off) {
		t.Errorf("with nothing left: %v", err)
	}
	s.equalsOrg("", "AccountId != null")
}
