package jobs

import (
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/settings"
)

const allAccounts = "Name != null"

// typedFilters match many accounts twice.
var typedFilters = settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Name < 'C'", Prospect: "Name < 'M'", Partner: "Name < 'S'"}

func TestFirstSync(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{})
	s.filter(allAccounts)
	run := s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")

	for _, name := range []string{"accounts:customer", "contacts", "opportunities"} {
		p := s.step(run, name)
		if p.Mode != "bulk" || p.Expected == nil || *p.Expected != p.Read || p.Read != p.Created+p.Skipped {
			t.Errorf("step %s: %+v", name, p)
		}
	}
	if p := s.step(run, "users"); p.Mode != "rest" || p.Created != p.Read {
		t.Errorf("step users: %+v", p)
	}
	if !strings.Contains(run.Outcome, "created") || run.APICalls == 0 {
		t.Errorf("run says %q after %d API calls", run.Outcome, run.APICalls)
	}
	s.callsByKind(run, salesforce.CallDescribe, salesforce.CallCount, salesforce.CallBulkJob, salesforce.CallBulkState, salesforce.CallBulkResults, salesforce.CallQuery)
	for _, table := range []string{"accounts", "contacts", "opportunities", "sf_users"} {
		entity := map[string]string{"accounts": "account", "contacts": "contact", "opportunities": "opportunity", "sf_users": "user"}[table]
		rows := s.count(`SELECT count(*) FROM millrace.` + table)
		audits := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND entity = $2 AND action = 'created'`, run.ID, entity)
		if rows != audits {
			t.Errorf("%s: %d rows, %d audit rows", table, rows, audits)
		}
	}
	skipped := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'skipped'`, run.ID)
	if p := s.step(run, "contacts"); p.Skipped == 0 || p.Skipped != skipped {
		t.Errorf("%d contacts without Email skipped, %d audit rows", p.Skipped, skipped)
	}
	s.until(run.ID, func(db.Run) bool { return s.count(`SELECT count(*) FROM millrace.run_seen`) == 0 })
}

func TestUnchangedSyncWritesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.filter(allAccounts)
	s.completed(s.sync())
	state := func() int64 {
		return s.count(`SELECT sum(hashtext(xmin::text || ctid::text)) FROM (
			SELECT xmin, ctid FROM millrace.accounts UNION ALL SELECT xmin, ctid FROM millrace.contacts
			UNION ALL SELECT xmin, ctid FROM millrace.opportunities UNION ALL SELECT xmin, ctid FROM millrace.sf_users) t`)
	}
	before := state()
	run := s.completed(s.sync())
	if after := state(); after != before {
		t.Error("rows were written although nothing had changed")
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND entity <> 'run' AND action <> 'fetched'`, run.ID); n != 0 {
		t.Errorf("%d audit rows of an unchanged sync", n)
	}
	if !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("outcome %q", run.Outcome)
	}
}

func TestNothingMatched(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter("Name = 'nobody has this name'")
	run := s.completed(s.sync())
	if !strings.HasPrefix(run.Outcome, "Nothing matched") {
		t.Errorf("outcome %q", run.Outcome)
	}
}

// TestFollowsTheOrg changes the org in every way between syncs.
func TestFollowsTheOrg(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter("Industry != 'Aquaculture'")
	s.completed(s.sync())
	ids := s.accountIDs()

	s.must(s.org.Update("Account", ids[0], map[string]any{"Name": "Renamed \\ Ltd\t\"x\"", "Website": "https://www.renamed.example/about"}))
	s.must(s.org.Update("Account", ids[1], map[string]any{"Industry": "Aquaculture"}))
	s.must(s.org.Delete("Account", ids[2]))
	added, err := s.org.Insert("Account", map[string]any{"Name": "Brand new", "Industry": "Banking"})
	s.must(err)
	run := s.completed(s.sync())
	s.equalsOrg("Industry != 'Aquaculture'", "Account.Industry != 'Aquaculture' AND AccountId != null")
	p := s.step(run, "accounts:customer")
	if p.Created != 1 || p.Updated != 1 || p.LeftFilter != 2 || p.Deleted != 1 {
		t.Errorf("created %d, updated %d, left %d, deleted %d", p.Created, p.Updated, p.LeftFilter, p.Deleted)
	}
	gone := func(id string) int64 {
		return s.count(`SELECT count(*) FROM millrace.accounts WHERE sf_id = $1 AND deleted_in_salesforce_at IS NOT NULL`, id)
	}
	if gone(ids[1]) != 0 || gone(ids[2]) != 1 {
		t.Errorf("deleted: %d of the one that left, %d of the one that was deleted", gone(ids[1]), gone(ids[2]))
	}
	for id, want := range map[string]string{ids[0]: "updated", ids[1]: "left", ids[2]: "left, deleted", added: "created"} {
		if got := s.action(run, id); got != want {
			t.Errorf("%s is audited as %q, want %q", id, got, want)
		}
	}
	if changes := s.changes(run, ids[0]); !strings.Contains(changes, `"domain": [`) || !strings.Contains(changes, `"renamed.example"]`) {
		t.Errorf("the audit row of the update says %s", changes)
	}

	s.must(s.org.Update("Account", ids[1], map[string]any{"Industry": "Banking"}))
	s.must(s.org.Undelete("Account", ids[2]))
	run = s.completed(s.sync())
	s.equalsOrg("Industry != 'Aquaculture'", "Account.Industry != 'Aquaculture' AND AccountId != null")
	for _, id := range ids[1:3] {
		if got := s.action(run, id); got != "returned" {
			t.Errorf("%s is audited as %q, want returned", id, got)
		}
	}
	if gone(ids[2]) != 0 {
		t.Error("an account that came back from the recycle bin is still said to be deleted")
	}
}

// TestFirstMatchWins gives accounts that match several filters the type of the first.
func TestFirstMatchWins(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	typed := typedFilters
	s.save(typed)
	check := func() {
		t.Helper()
		for typ, where := range map[string]string{"customer": "Name < 'C'", "prospect": "Name >= 'C' AND Name < 'M'", "partner": "Name >= 'M' AND Name < 'S'"} {
			want := int64(len(s.inOrg(tableOf(t, "Account"), where)))
			got := s.count(`SELECT count(*) FROM millrace.accounts WHERE account_type = $1 AND left_filter_at IS NULL`, typ)
			if got != want || want == 0 {
				t.Errorf("%d accounts are of type %s, want %d", got, typ, want)
			}
		}
		s.equalsOrg("Name < 'S'", "Account.Name < 'S' AND AccountId != null")
	}
	run := s.completed(s.sync())
	check()
	if p := s.step(run, "accounts:prospect"); p.Elsewhere == 0 || p.Read != p.Created+p.Elsewhere {
		t.Errorf("step %+v", p)
	}
	run = s.completed(s.sync())
	check()
	if !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("the second sync says %q", run.Outcome)
	}
	typed.Customer, typed.Prospect = "Name < 'B'", "Name < 'M'"
	s.save(typed)
	s.completed(s.sync())
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE account_type = 'customer' AND name >= 'B'`); n != 0 {
		t.Errorf("%d accounts kept the type of a filter that they match no more", n)
	}
}

// TestJoinedFilter has a filter that cannot be rewritten for the children; they are kept by their account.
func TestJoinedFilter(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 100})
	where := "Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)"
	s.filter(where)
	s.completed(s.sync())
	same(t, "accounts", s.inOrg(tableOf(t, "Account"), where), s.inTable(tableOf(t, "Account")))
	orphans := s.count(`SELECT count(*) FROM millrace.contacts c WHERE NOT EXISTS (SELECT FROM millrace.accounts a WHERE a.sf_id = c.account_id)`)
	if kept := s.count(`SELECT count(*) FROM millrace.contacts`); orphans != 0 || kept == 0 {
		t.Errorf("%d contacts, %d of them of no account here", kept, orphans)
	}
}

// accountIDs returns the synced accounts in order of their ids.
func (s *scene) accountIDs() (ids []string) {
	s.t.Helper()
	s.must(s.sql.Select(&ids, `SELECT sf_id FROM millrace.accounts ORDER BY sf_id`))
	return ids
}

// action returns what the audit log says a run did with an account.
func (s *scene) action(r db.Run, id string) string {
	s.t.Helper()
	var action []string
	s.must(s.sql.Select(&action, `SELECT action FROM millrace.audit_log WHERE run_id = $1 AND sf_id = $2 ORDER BY at`, r.ID, id))
	return strings.Join(action, ", ")
}

func (s *scene) changes(r db.Run, id string) (changes string) {
	s.t.Helper()
	s.must(s.sql.Get(&changes, `SELECT changes::text FROM millrace.audit_log WHERE run_id = $1 AND sf_id = $2`, r.ID, id))
	return changes
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestReadInFullMergesOnlyWhatDiffers counts the pages of which anything is staged when accounts, opportunities and contacts are read again: none where nothing has changed, whatever kinds of values they
// have, and also where contacts are skipped.
func TestReadInFullMergesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.saveAll(settings.Settings{
		Accounts:      settings.AccountFiltering{Mode: settings.SingleFilter, Single: allAccounts},
		AccountFields: []string{"NumberOfEmployees", "Phone", "CreatedDate"},
	})
	s.syncOf(pipeline.EntityAccounts)
	s.syncOf(pipeline.EntityContacts)
	_, err := s.sql.Exec(`
		CREATE TABLE public.staged (what text);
		CREATE FUNCTION public.note_staged() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.staged SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%millrace_page';
		END $$;
		CREATE EVENT TRIGGER note_staged ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.note_staged()`)
	s.must(err)
	before := s.snapshot()
	run := s.syncOf(pipeline.EntityAccounts)
	read := s.count(`SELECT sum(read) FROM millrace.run_steps WHERE run_id = $1 AND unchanged = read AND read > 0`, run.ID)
	if n := s.count(`SELECT count(*) FROM public.staged`); n > 0 || read < 200 {
		t.Errorf("%d pages were staged and %d records read in full, none of which had changed", n, read)
	}
	contacts := s.step(s.syncOf(pipeline.EntityContacts), "contacts")
	if n := s.count(`SELECT count(*) FROM public.staged`); n > 0 || contacts.Skipped == 0 || contacts.Unchanged == 0 || contacts.Skipped+contacts.Unchanged+contacts.Elsewhere != contacts.Read {
		t.Errorf("%d pages were staged where %d contacts were as before and %d skipped as before of %d", n, contacts.Unchanged, contacts.Skipped, contacts.Read)
	}
	if d := differences(before, s.snapshot()); len(d) > 0 {
		t.Errorf("reading everything again changes %d records: %s", len(d), d[0])
	}
	ids := s.accountIDs()
	s.must(s.org.Update("Account", ids[5], map[string]any{"NumberOfEmployees": 7}))
	s.must(s.org.Update("Account", ids[110], map[string]any{"Website": "https://new.example"}))
	run = s.syncOf(pipeline.EntityAccounts)
	updated := s.count(`SELECT sum(updated) FROM millrace.run_steps WHERE run_id = $1`, run.ID)
	if n := s.count(`SELECT count(*) FROM public.staged`); n != 2 || updated != 2 {
		t.Errorf("%d pages were staged and %d records updated where two of different pages had changed", n, updated)
	}
	s.equalsOrg(allAccounts, "AccountId != null")
}

// TestReadInFullAmongManyOthers has far more accounts here between those of a page than the page has, as where Salesforce sends records in no order of their Ids.
func TestReadInFullAmongManyOthers(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.completed(s.sync())
	ids := s.accountIDs()
	s.must(s.org.Update("Account", ids[7], map[string]any{"Website": "https://new.example"}))
	_, err := s.sql.Exec(`
		INSERT INTO millrace.accounts (connection_id, sf_id, account_type, first_seen_run, last_seen_run)
		SELECT a.connection_id, left(a.sf_id, 15) || chr(97 + i / 676) || chr(97 + i / 26 % 26) || chr(97 + i % 26), a.account_type, 1, 1
		  FROM (SELECT * FROM millrace.accounts ORDER BY sf_id LIMIT 1) a, generate_series(0, 1499) i`)
	s.must(err)
	run := s.completed(s.sync())
	if p := s.step(run, "accounts:customer"); p.Unchanged != 59 || p.Updated != 1 || p.Created != 0 || p.LeftFilter != 1500 {
		t.Errorf("%d unchanged, %d updated, %d created, %d left, want 59, 1, 0 and the 1500 that Salesforce does not have", p.Unchanged, p.Updated, p.Created, p.LeftFilter)
	}
}
