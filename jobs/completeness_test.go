package jobs

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// checks returns the checks of a run by step.
func (s *scene) checks(run db.Run) map[string]db.Check {
	s.t.Helper()
	list, err := s.db.RunChecks(s.t.Context(), run.ID)
	s.must(err)
	out := map[string]db.Check{}
	for _, c := range list {
		out[c.Name] = c
	}
	return out
}

// TestCountOfUsersThatFails has Salesforce refuse to count the users at the end of a sync. The types of accounts are counted by their own filters, and do not wait for that.
func TestCountOfUsersThatFails(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.saveAll(settings.Settings{Accounts: typedFilters})
	s.refusing(func() string { return "FUNCTIONALITY_NOT_ENABLED" }, "/composite")
	var counts atomic.Int64
	s.refusing(func() string {
		if counts.Add(1) == 1 { // to plan the sync
			return ""
		}
		return "INSUFFICIENT_ACCESS"
	}, "/query ", "COUNT()", "FROM User")
	checks := s.checks(s.completed(s.sync()))
	if c := checks["users"]; c.Salesforce != nil || c.Note == "" {
		t.Errorf("users: %+v", c)
	}
	for _, name := range []string{"accounts:customer", "accounts:prospect", "accounts:partner"} {
		if c := checks[name]; c.Unexplained == nil || *c.Unexplained != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestCompleteness counts after a sync of typed accounts, contacts without Email and cases: all that is not here is explained. Then it loses records here and in the org, and
// closes the gap with a run that fetches only those.
func TestCompleteness(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	all := settings.Settings{Accounts: typedFilters, Cases: settings.Cases{Enabled: true, LookbackDays: 200}, CustomObjects: []settings.CustomObject{subscriptionObject()}}
	s.saveAll(all)
	run := s.completed(s.sync())
	checks := s.checks(run)
	for _, name := range []string{"users", "accounts:customer", "accounts:prospect", "accounts:partner", "contacts", "opportunities", "cases", "custom:Subscription__c"} {
		c, there := checks[name]
		if !there || c.Unexplained == nil || *c.Unexplained != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := checks["contacts"]; c.Skipped == 0 || c.Salesforce == nil || *c.Salesforce != c.Here+c.Skipped {
		t.Errorf("contacts: %+v", c)
	}
	if _, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin); err == nil {
		t.Error("a backfill starts where there is no gap")
	}

	// Here are lost an account of the second type and some contacts; another account gets a wrong type; one is here that the org does not have.
	lost := textOf(s, `SELECT sf_id FROM millrace.accounts WHERE account_type = 'prospect' ORDER BY sf_id LIMIT 1`)
	moved := textOf(s, `SELECT sf_id FROM millrace.accounts WHERE account_type = 'partner' ORDER BY sf_id LIMIT 1`)
	s.mustExec(`DELETE FROM millrace.accounts WHERE sf_id = $1`, lost)
	s.mustExec(`UPDATE millrace.accounts SET account_type = 'customer' WHERE sf_id = $1`, moved)
	s.mustExec(`DELETE FROM millrace.contacts WHERE sf_id IN (SELECT sf_id FROM millrace.contacts c WHERE account_id <> $1 ORDER BY sf_id LIMIT 5)`, lost)
	s.mustExec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, '001000000000001AAA', 'customer', 'Ghost', 1, 1)`, s.conn)
	s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = 1 WHERE name IN ('accounts:prospect', 'contacts')`)
	latest, err := s.db.LatestChecks(t.Context(), s.conn)
	s.must(err)
	open := 0
	for _, c := range latest {
		if c.Open() {
			open++
		}
	}
	if open != 2 || latest[0].Name != "users" {
		t.Errorf("%d gaps in %+v", open, latest)
	}
	before := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action IN ('created', 'updated')`)
	gap, started, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
	if err != nil || !started {
		t.Fatal(started, err)
	}
	if twice, started, err := s.db.RequestGap(t.Context(), s.conn, s.admin); err != nil || started || twice.ID != gap.ID {
		t.Errorf("asked for twice: %s, %v, %v", twice.ShortID, started, err)
	}
	stop := s.start(s.quick())
	gap = s.completed(s.until(gap.ID, ended))
	stop()
	if gap.Outcome != "Gap closed: 7 fetched, 1 marked as having left" {
		t.Errorf("the backfill says %q", gap.Outcome)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action IN ('created', 'updated')`); n != before+7 {
		t.Errorf("%d records were written", n-before)
	}
	if got := textOf(s, `SELECT account_type FROM millrace.accounts WHERE sf_id = $1`, moved); got != "partner" {
		t.Errorf("the account of the wrong type is a %s", got)
	}
	for name, c := range s.checks(gap) {
		if c.Unexplained == nil || *c.Unexplained != 0 {
			t.Errorf("after the backfill %s: %+v", name, c)
		}
	}
	if list, err := s.db.LatestChecks(t.Context(), s.conn); err != nil || len(list) != len(latest) {
		t.Errorf("%d checks, then %d: %v", len(latest), len(list), err)
	}
	s.equalsOrg("Name < 'S'", "Account.Name < 'S' AND AccountId != null")
}

// TestCountsOfAccountsThatHaveLeft has an account leave a filter that cannot be said of its opportunities, which Salesforce therefore counts, while as many opportunities as it counts are read of one that comes.
// Nothing is missing, and no count says so.
func TestCountsOfAccountsThatHaveLeft(t *testing.T) {
	t.Parallel()
	s, pass := newSceneInTime(t, sim.Options{Accounts: -1})
	opportunity := func(account string) {
		s.insert("Opportunity", map[string]any{"Name": "One", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-03-02"})
	}
	goes, comes := s.insert("Account", map[string]any{"Name": "Goes"}), s.insert("Account", map[string]any{"Name": "Comes"})
	active := s.insert("Subscription__c", map[string]any{"Account__c": goes, "Status__c": "Active"})
	opportunity(goes)
	pass(time.Hour) // so that it is not read again for having changed just now
	s.filter("Id IN (SELECT Account__c FROM Subscription__c WHERE Status__c = 'Active')")
	if c := s.checks(s.completed(s.sync()))["opportunities"]; c.Here != 1 || c.Unexplained == nil || *c.Unexplained != 0 {
		t.Errorf("opportunities: %+v", c)
	}
	s.must(s.org.Update("Subscription__c", active, map[string]any{"Account__c": comes}))
	for range 3 {
		opportunity(comes)
	}
	if c := s.checks(s.completed(s.syncWith(s.incremental())))["opportunities"]; c.Here != 3 || c.Salesforce == nil || *c.Salesforce != 4 || c.Open() {
		t.Errorf("opportunities: %+v", c)
	}
}

// TestCountsAfterOneThatFailed has a subscription that still names an account which was deleted before the first sync. That run's counts fail: the next run, which reads only changes, knows of it nevertheless.
func TestCountsAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	s, pass := newSceneInTime(t, sim.Options{Accounts: 12})
	account := field(s.asked("SELECT Account__c FROM Subscription__c WHERE Account__c != null ORDER BY Id LIMIT 1")[0], "Account__c")
	s.must(s.org.Delete("Account", account))
	n := int64(len(s.asked("SELECT Id FROM Subscription__c WHERE Account__c = '" + account + "'")))
	all := everything()
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	pass(time.Hour)
	s.org.Fail(sim.Fault{Match: "/services/data/*/query", Count: -1, Status: http.StatusBadRequest, Code: "QUERY_TIMEOUT"})
	if c := s.checks(s.completed(s.sync()))["custom:Subscription__c"]; c.Salesforce != nil {
		t.Errorf("subscriptions: %+v", c)
	}
	s.org.ClearFaults(0)
	if c := s.checks(s.completed(s.syncWith(s.incremental())))["custom:Subscription__c"]; c.Elsewhere != n || n == 0 || c.Open() {
		t.Errorf("%d subscriptions name the account: %+v", n, c)
	}
}

// TestCountsOfACaseThatIsOldHere has a case that was changed too long ago to be looked back for and has been changed since, which could not be stored. Salesforce counts it, and what was said about it; it is here as it was.
func TestCountsOfACaseThatIsOldHere(t *testing.T) {
	t.Parallel()
	s, pass := newSceneInTime(t, sim.Options{Accounts: 12})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 30}
	s.saveAll(all)
	s.mustExec(`ALTER TABLE millrace.cases ADD CONSTRAINT poison CHECK (subject NOT LIKE 'poison%')`)
	id := s.insert("Case", map[string]any{"Subject": "Help", "AccountId": slices.Min(s.inOrgIDs("Account"))})
	s.insert("CaseComment", map[string]any{"ParentId": id, "CommentBody": "Please"})
	s.completed(s.sync())
	pass(40 * 24 * time.Hour)
	s.must(s.org.Update("Case", id, map[string]any{"Subject": "poison"}))
	run := s.syncWith(s.incremental())
	for _, name := range []string{"cases", "case_messages"} {
		if c := s.checks(run)[name]; c.Salesforce == nil || *c.Salesforce != 1 || c.Here != 1 || c.Open() {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestCountsThatDiffer notices a record that has vanished here without a trace, and says so of what the org cannot count in time: that leaves the question open and holds nothing up.
func TestCountsThatDiffer(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	s.filter(allAccounts)
	first := s.completed(s.sync())
	if c := s.checks(first)["accounts:customer"]; c.Salesforce == nil || *c.Salesforce != 40 || c.Here != 40 || *c.Unexplained != 0 {
		t.Errorf("accounts: %+v", c)
	}
	s.mustExec(`DELETE FROM millrace.opportunities WHERE sf_id = (SELECT min(sf_id) FROM millrace.opportunities)`)
	if _, err := s.org.Insert("Account", map[string]any{"Name": "New"}); err != nil {
		t.Fatal(err)
	}
	second := s.checks(s.completed(s.syncWith(s.incremental())))
	if c := second["accounts:customer"]; c.Salesforce == nil || *c.Salesforce != 41 || c.Here != 41 {
		t.Errorf("accounts: %+v", c)
	}
	if c := second["opportunities"]; c.Unexplained == nil || *c.Unexplained != 1 {
		t.Errorf("opportunities: %+v", c)
	}
	s.org.Fail(sim.Fault{Match: "/services/data/*/query", Count: -1, Status: http.StatusBadRequest, Code: "QUERY_TIMEOUT"})
	third := s.checks(s.completed(s.sync()))
	s.org.ClearFaults(0)
	for name := range second {
		if c, there := third[name]; !there || c.Salesforce != nil || c.Unexplained != nil || c.Note != "Salesforce could not count them in time." {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestCountsOfWhatWaitsForItsParent has an account and a case that could not be stored: what belongs to them is not here, which the counts say for what it is, also of what has come since. Cured, they
// bring it along.
func TestCountsOfWhatWaitsForItsParent(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 200}
	s.saveAll(all)
	s.mustExec(`ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	s.mustExec(`ALTER TABLE millrace.cases ADD CONSTRAINT poison CHECK (subject NOT LIKE 'poison%')`)
	under := func(account string) {
		s.insert("Contact", map[string]any{"LastName": "Here", "Email": "here@example.com", "AccountId": account})
		s.insert("Contact", map[string]any{"LastName": "Without", "AccountId": account})
		s.insert("Opportunity", map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-01-01", "AccountId": account})
		s.insert("CaseComment", map[string]any{"ParentId": s.insert("Case", map[string]any{"Subject": "Help", "AccountId": account}), "CommentBody": "Please"})
	}
	account := s.insert("Account", map[string]any{"Name": "poison"})
	under(account)
	bad := s.insert("Case", map[string]any{"Subject": "poison", "AccountId": slices.Min(s.inOrgIDs("Account"))})
	s.insert("CaseComment", map[string]any{"ParentId": bad, "CommentBody": "Anybody there?"})
	waiting := func(run db.Run, want map[string]int64) {
		t.Helper()
		for name, c := range s.checks(run) {
			if c.Unexplained == nil || *c.Unexplained != 0 || c.Waiting != want[name] || c.Salesforce == nil || *c.Salesforce != c.Here+c.Skipped+c.Failed+c.Waiting+c.Elsewhere {
				t.Errorf("%s: %+v, should wait: %d", name, c, want[name])
			}
		}
	}
	waiting(s.sync(), map[string]int64{"contacts": 2, "opportunities": 1, "cases": 1, "case_messages": 2})
	under(account)
	waiting(s.syncWith(s.incremental()), map[string]int64{"contacts": 4, "opportunities": 2, "cases": 2, "case_messages": 3})
	s.must(s.org.Update("Account", account, map[string]any{"Name": "cured"}))
	waiting(s.syncWith(s.incremental()), map[string]int64{"case_messages": 1})
	s.must(s.org.Update("Case", bad, map[string]any{"Subject": "cured"}))
	waiting(s.syncWith(s.incremental()), nil)
}

// TestCountsOfWhatDeletedAccountsHave has records of a deleted account, which Salesforce counts and which are of no account here. A first sync that did not come to its counts has met them; a later one, which reads
// only changes, meets one more.
func TestCountsOfWhatDeletedAccountsHave(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.saveAll(settings.Settings{Accounts: settings.AccountFiltering{Single: "Name != null"}, CustomObjects: []settings.CustomObject{subscriptionObject()}})
	ids := s.inOrgIDs("Account")
	slices.Sort(ids)
	insert := func(account string) string {
		return s.insert("Subscription__c", map[string]any{"Account__c": account, "Status__c": "Active"})
	}
	insert(ids[0])
	moved, another := insert(ids[1]), s.insert("Account", map[string]any{"Name": "Soon gone"})
	s.must(s.org.Delete("Account", ids[0]))
	s.sync()
	s.mustExec(`DELETE FROM millrace.completeness_checks`)
	check := func(run db.Run, from int64) int64 {
		t.Helper()
		c := s.checks(s.completed(run))["custom:Subscription__c"]
		if c.Open() || c.Unexplained == nil || c.Elsewhere < from || c.Failed+c.Waiting != 0 {
			t.Errorf("%+v", c)
		}
		return c.Elsewhere
	}
	before := check(s.syncWith(s.incremental()), 1)
	s.must(s.org.Update("Subscription__c", moved, map[string]any{"Account__c": another}))
	s.must(s.org.Delete("Account", another))
	if after := check(s.syncWith(s.incremental()), 1); after != before+1 {
		t.Errorf("%d are of no account here, and were %d", after, before)
	}
}

// TestCountsOfWhatDeletedAccountsHaveUnderOtherFilters selects accounts of which one was deleted before they were synced, with a record that Salesforce counts and that no read in full has met. When one that
// is here is lost besides, that one alone is said to be missing.
func TestCountsOfWhatDeletedAccountsHaveUnderOtherFilters(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	filtered := func(where string) {
		s.saveAll(settings.Settings{Accounts: settings.AccountFiltering{Single: where}, CustomObjects: []settings.CustomObject{subscriptionObject()}})
	}
	var account string
	for _, name := range []string{"Here A", "Here B", "Gone B"} {
		account = s.insertOld("Account", map[string]any{"Name": name})
		s.insertOld("Subscription__c", map[string]any{"Account__c": account, "Status__c": "Active"})
	}
	s.must(s.org.Delete("Account", account))
	filtered("Name = 'Here A'")
	s.completed(s.sync())
	filtered("Name IN ('Here A', 'Here B', 'Gone B')")
	run := s.completed(s.syncWith(s.incremental()))
	if step := s.step(run, "custom:Subscription__c"); !strings.Contains(step.Query, "SystemModstamp >=") {
		t.Fatalf("the subscriptions were read in full: %+v", step)
	}
	if c := s.checks(run)["custom:Subscription__c"]; c.Open() || c.Unexplained == nil || c.Here != 2 || c.Elsewhere != 1 {
		t.Errorf("%+v", c)
	}
	s.mustExec(`DELETE FROM millrace.custom_records WHERE sf_id = (SELECT min(sf_id) FROM millrace.custom_records)`)
	if c := s.checks(s.completed(s.syncWith(s.incremental())))["custom:Subscription__c"]; c.Unexplained == nil || *c.Unexplained != 1 || c.Elsewhere != 1 {
		t.Errorf("with one missing: %+v", c)
	}
}

// TestCountsOfWhatCannotChangeItsType has a prospect that becomes a customer and cannot be stored as one: neither too many prospects are here, nor is an unexplained customer missing.
func TestCountsOfWhatCannotChangeItsType(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	s.save(settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Type = 'Customer'", Prospect: "Type = 'Prospect'"})
	s.mustExec(`ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	account := s.insert("Account", map[string]any{"Name": "Here", "Type": "Prospect"})
	s.completed(s.sync())
	s.must(s.org.Update("Account", account, map[string]any{"Name": "poison", "Type": "Customer"}))
	for name, run := range map[string]db.Run{"changes": s.syncWith(s.incremental()), "all": s.sync()} {
		checks := s.checks(run)
		customers, prospects := checks["accounts:customer"], checks["accounts:prospect"]
		if customers.Open() || customers.Failed != 1 || prospects.Open() || prospects.Salesforce == nil || prospects.Here != *prospects.Salesforce {
			t.Errorf("after a run of %s: %+v, %+v", name, customers, prospects)
		}
	}
}

// TestBackfillLeavesNothingBehind closes a gap while an account does not match for a while: its contacts and opportunities leave, and come back with the next sync although nothing about
// them has changed.
func TestBackfillLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter("Name < 'S'")
	s.completed(s.sync())
	account := textOf(s, `SELECT account_id FROM millrace.contacts WHERE left_filter_at IS NULL AND account_id IN (SELECT account_id FROM millrace.opportunities) ORDER BY account_id LIMIT 1`)
	name := textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account)
	s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
	s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = 1 WHERE name IN ('contacts', 'opportunities')`)
	gap, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
	s.must(err)
	stop := s.start(s.incremental())
	s.completed(s.until(gap.ID, ended))
	stop()
	if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE account_id = $1 AND left_filter_at IS NULL`, account); n != 0 {
		t.Fatalf("%d contacts of an account that does not match are in step", n)
	}
	s.must(s.org.Update("Account", account, map[string]any{"Name": name}))
	s.completed(s.syncWith(s.incremental()))
	s.equalsOrg("Name < 'S'", "Account.Name < 'S' AND AccountId != null")
}

func textOf(s *scene, query string, args ...any) (out string) {
	s.t.Helper()
	s.must(s.sql.Get(&out, query, args...))
	return out
}

func (s *scene) mustExec(query string, args ...any) {
	s.t.Helper()
	_, err := s.sql.Exec(query, args...)
	s.must(err)
}
