package jobs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/settings"
)

// working data and marks of runs say nothing about a record.
var aboutRuns = []string{"line_hash", "first_seen_run", "last_seen_run", "synced_at", "entered_run", "since_run", "until_run", "sentiment_run", "left_filter_at", "deleted_in_salesforce_at"}

// snapshot is all that is synced: by table and key, each record as JSON.
func (s *scene) snapshot() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, table := range []string{"sf_users", "accounts", "contacts", "opportunities", "custom_records", "cases", "case_messages", "chatter_posts", "chatter_comments"} {
		s.snap(out, table, ", left_filter_at IS NOT NULL AS has_left, deleted_in_salesforce_at IS NOT NULL AS is_deleted", "")
	}
	s.snap(out, "value_records", "", "")
	s.snap(out, "skipped_records", "", " AND until_run IS NULL")
	return out
}

func (s *scene) snap(out map[string]string, table, also, where string) {
	s.t.Helper()
	rows, err := s.sql.Queryx(`SELECT to_jsonb(x) FROM (SELECT *`+also+` FROM millrace.`+table+` WHERE connection_id = $1`+where+`) x`, s.conn)
	s.must(err)
	defer rows.Close()
	for rows.Next() {
		var body []byte
		s.must(rows.Scan(&body))
		record := map[string]any{}
		s.must(json.Unmarshal(body, &record))
		for _, name := range aboutRuns {
			delete(record, name)
		}
		text, err := json.Marshal(record)
		s.must(err)
		out[fmt.Sprint(table, " ", record["sf_id"], record["kind"], record["object"])] = string(text)
	}
	s.must(rows.Err())
}

// differences lists how two snapshots differ.
func differences(a, b map[string]string) (out []string) {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if a[k] != b[k] {
			out = append(out, fmt.Sprintf("%s\n   is %s\nbecomes %s", k, a[k], b[k]))
		}
	}
	return out
}

// syncs runs syncs with one runner.
type syncs struct {
	*scene
	stop func()
}

func (s *scene) running(o Options) *syncs { return &syncs{s, s.start(o)} }

// run runs a sync of an entity that completes; whole reads everything.
func (s *syncs) run(e pipeline.Entity, whole bool) db.Run {
	s.t.Helper()
	return s.completed(s.ended(e, whole))
}

// ended runs a sync of an entity to its end, whatever that is.
func (s *syncs) ended(e pipeline.Entity, whole bool) db.Run {
	s.t.Helper()
	var run db.Run
	var err error
	if whole {
		run, _, whole, err = s.db.RequestWholeRun(s.t.Context(), s.conn, e, &s.admin)
		if err == nil && !whole {
			s.t.Fatal("the run does not read everything")
		}
	} else {
		run, _, err = s.db.RequestRun(s.t.Context(), s.conn, e, db.TriggerManual, &s.admin)
	}
	s.must(err)
	return s.until(run.ID, ended)
}

// agrees has everything read, and fails the test when that changes anything.
func (s *syncs) agrees(what func() string) {
	s.t.Helper()
	before := s.snapshot()
	s.run(pipeline.EntityAll, true)
	s.run(pipeline.EntityChatter, true)
	if d := differences(before, s.snapshot()); len(d) > 0 {
		s.t.Errorf("reading everything changes %d records:\n%s\n%s", len(d), strings.Join(d[:min(len(d), 6)], "\n"), what())
	}
}

// allOfIt are settings that use every part of the sync.
func allOfIt() settings.Settings {
	all := settings.Settings{Accounts: settings.AccountFiltering{
		Mode: settings.TypedFilters, Customer: "Type = 'Customer'", Prospect: "Type = 'Prospect' OR Type = 'Other'", Partner: "Type = 'Partner' OR Industry = 'Energy'",
	}}
	all.AccountFields = []string{"Days_To_Renewal__c", "NumberOfEmployees"}
	all.CustomObjects = []settings.CustomObject{
		subscriptionObject(),
		{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c"},
	}
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 200, Conversation: settings.CaseComments, Filter: "Priority != 'Low'"}
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	all.ARR, all.Renewal = subscriptions(settings.Sum), ends(settings.Latest)
	return all
}

var changeSeeds = flag.Int("change-seeds", 4, "how many random histories TestReadingChangesAgrees lives through")

// TestReadingChangesAgrees changes an org at random between runs of random parts, and compares what reading changes has made of the copy with what reading everything makes of it.
func TestReadingChangesAgrees(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*changeSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 25, DailyAPILimit: 10_000_000})
			o := s.incremental()
			o.Pipeline.Silent = time.Nanosecond
			s.saveAll(allOfIt())
			m := newMutator(s.org, seed)
			runs := s.running(o)
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			entities := append(slices.Clone(pipeline.Entities), pipeline.EntityAll)
			for range 4 {
				for range 1 + m.IntN(12) {
					m.step()
				}
				s.org.Advance([]time.Duration{0, time.Minute, 15 * time.Minute, 15 * time.Minute, time.Hour, 30 * time.Hour}[m.IntN(6)])
				e := entities[m.IntN(len(entities))]
				m.log = append(m.log, "run "+string(e))
				runs.run(e, false)
			}
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			runs.agrees(func() string { return strings.Join(m.log, "\n") })
		})
	}
}

// TestAccountThatLeavesForAWhile does not match while its contacts and opportunities are read, and matches again by the next sync, which finds them although nothing about them has changed.
func TestAccountThatLeavesForAWhile(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 240})
	s.filter("Name < 'S'")
	s.completed(s.sync())
	account := textOf(s, `SELECT account_id FROM millrace.contacts WHERE left_filter_at IS NULL AND account_id IN (SELECT account_id FROM millrace.opportunities) ORDER BY account_id LIMIT 1`)
	name := textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account)
	leave := sync.OnceFunc(func() { s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"})) })
	rewrite := func(page []byte) []byte { // the accounts have been asked for by then, and their children not yet
		header, _, _ := bytes.Cut(page, []byte("\n"))
		if bytes.Contains(header, []byte("Website")) {
			leave()
		}
		return page
	}
	s.rewrite.Store(&rewrite)
	s.completed(s.sync())
	s.rewrite.Store(nil)
	if n := s.count(`SELECT count(*) FROM millrace.contacts c JOIN millrace.accounts a ON a.sf_id = c.account_id AND a.left_filter_at IS NULL WHERE account_id = $1 AND c.left_filter_at IS NOT NULL`, account); n == 0 {
		t.Fatal("no contact has left while its account stayed")
	}
	s.must(s.org.Update("Account", account, map[string]any{"Name": name}))
	s.completed(s.syncWith(s.incremental()))
	s.equalsOrg("Name < 'S'", "Account.Name < 'S' AND AccountId != null")
}

// TestNewParentsGoOnWhereTheyStood has accounts come in whose contacts take several queries, and the org refuse the second. Nothing else about contacts has changed. The run goes on from there when it may,
// and has read as many as it expected.
func TestNewParentsGoOnWhereTheyStood(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 260})
	s.filter("Industry != 'Aquaculture'")
	for _, r := range s.asked("SELECT Id FROM Account ORDER BY Id LIMIT 250") {
		s.must(s.org.Update("Account", field(r, "Id"), map[string]any{"Industry": "Aquaculture"}))
	}
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	for _, r := range s.asked("SELECT Id FROM Account WHERE Industry = 'Aquaculture' ORDER BY Id LIMIT 250") {
		s.must(s.org.Update("Account", field(r, "Id"), map[string]any{"Industry": "Energy"}))
	}
	var asked atomic.Int64
	end := s.refusing(func() string {
		if asked.Add(1) == 1 {
			return ""
		}
		return "REQUEST_LIMIT_EXCEEDED"
	}, "/query ", "FROM Contact WHERE", "AccountId IN (")
	run := s.request()
	s.until(run.ID, inState(db.RunWaiting))
	if p := s.step(run, "contacts"); p.Read == 0 {
		t.Fatal("the run waits before it has read a contact")
	}
	end()
	s.later(run.ID)
	run = s.completed(s.until(run.ID, ended))
	if p := s.step(run, "contacts"); !p.Complete() || p.Created < 200 {
		t.Errorf("of %d contacts that it expected, the step read %d and created %d", *p.Expected, p.Read, p.Created)
	}
	s.equalsOrg("Industry != 'Aquaculture'", "Account.Industry != 'Aquaculture' AND AccountId != null")
}

// TestLongListOfChanges changes more accounts and contacts than a list of changes is gone through for. Each set is read in full, all steps of it, and stays so when the org refuses the first reading for
// its daily limit; the list is not asked for again.
func TestLongListOfChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 260, Contacts: 400})
	typed := settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Type = 'Customer'", Prospect: "Type != 'Customer'"}
	s.save(typed)
	o := s.readsByREST()
	o.Pipeline.Listing = 250
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	for object, change := range map[string]map[string]any{"Account": {"Description": "Seen"}, "Contact": {"Title": "Boss"}} {
		if _, err := s.org.UpdateAll(object, nil, change); err != nil {
			t.Fatal(err)
		}
	}
	s.org.Advance(time.Hour)
	var lists atomic.Int64
	s.smallPages(func(r *http.Request) {
		if q := r.URL.Query().Get("q"); strings.HasSuffix(r.URL.Path, "/queryAll") && strings.Contains(q, "FROM Contact") && !strings.Contains(q, "IsDeleted =") {
			lists.Add(1)
		}
	})
	end := s.refusing(func() string { return "REQUEST_LIMIT_EXCEEDED" }, "/query ", "FROM Contact WHERE", "Email")
	run := s.request()
	s.until(run.ID, inState(db.RunWaiting))
	end()
	s.later(run.ID)
	run = s.completed(s.until(run.ID, ended))
	for _, name := range []string{"accounts:customer", "accounts:prospect", "contacts"} {
		if p := s.step(run, name); p.Reading != "whole" || p.Why != "the list of what has changed holds more than 250 records" || p.Updated == 0 || p.LeftFilter > 0 {
			t.Errorf("%s: read as %s because %q, %d updated and %d left", name, p.Reading, p.Why, p.Updated, p.LeftFilter)
		}
	}
	if n := lists.Load(); n != 1 {
		t.Errorf("the list of contacts was asked for %d times", n)
	}
	s.org.Advance(time.Hour)
	if p := s.step(runs.run(pipeline.EntityAll, false), "contacts"); p.Reading != "changes" {
		t.Errorf("the next run reads %s, because %s", p.Reading, p.Why)
	}
}

// lateChild is a record that an account gets, itself or through a record that belongs to it.
type lateChild struct {
	entity pipeline.Entity // brings it over
	object string
	asked  string // the object that is asked for it, where that is another
	table  string
	under  string // the table of the record that it belongs to
	values func(parent string) map[string]any
}

var lateChildren = []lateChild{
	{pipeline.EntityContacts, "Contact", "", "contacts", "accounts", func(account string) map[string]any {
		return map[string]any{"AccountId": account, "LastName": "Late", "Email": "late@example.com"}
	}},
	{pipeline.EntityAccounts, "Opportunity", "", "opportunities", "accounts", func(account string) map[string]any {
		return map[string]any{"AccountId": account, "Name": "Late", "StageName": "Prospecting", "CloseDate": "2026-01-31"}
	}},
	{pipeline.EntityAccounts, "Subscription__c", "", "custom_records", "accounts", func(account string) map[string]any {
		return map[string]any{"Account__c": account, "Status__c": "Active"}
	}},
	{pipeline.EntityAccounts, "Success_Plan__c", "", "custom_records", "contacts", func(contact string) map[string]any {
		return map[string]any{"Sponsor__c": contact, "Stage__c": "Kickoff"}
	}},
	{pipeline.EntityCases, "Case", "", "cases", "accounts", func(account string) map[string]any {
		return map[string]any{"AccountId": account, "Subject": "Late", "Priority": "High"}
	}},
	{pipeline.EntityCases, "CaseComment", "", "case_messages", "cases", func(of string) map[string]any {
		return map[string]any{"ParentId": of, "CommentBody": "Late"}
	}},
	{pipeline.EntityChatter, "FeedItem", "AccountFeed", "chatter_posts", "accounts", func(account string) map[string]any {
		return map[string]any{"ParentId": account, "Body": "Late"}
	}},
	{pipeline.EntityChatter, "FeedItem", "OpportunityFeed", "chatter_posts", "opportunities", func(opportunity string) map[string]any {
		return map[string]any{"ParentId": opportunity, "Body": "Late"}
	}},
}

// queried is the object that is asked for the child.
func (c lateChild) queried() string { return first(c.asked, c.object) }

// eachLateChild runs a test for each child that chosen chooses.
func eachLateChild(t *testing.T, chosen func(lateChild) bool, test func(t *testing.T, child lateChild)) {
	for _, child := range lateChildren {
		if chosen(child) {
			t.Run(child.queried(), func(t *testing.T) {
				t.Parallel()
				test(t, child)
			})
		}
	}
}

// readAlone reports whether the child can be brought over without its account.
func readAlone(c lateChild) bool { return c.entity != pipeline.EntityAccounts }

// everyChild is for all of them.
func everyChild(lateChild) bool { return true }

// insert gives the account the child, which comes over with nothing that has changed after.
func (c lateChild) insert(s *scene, account string) (id string) {
	s.t.Helper()
	parent := account
	if c.under != "accounts" {
		var of []string
		for r := range s.org.Records(map[string]string{"contacts": "Contact", "opportunities": "Opportunity", "cases": "Case"}[c.under]) {
			if r["AccountId"] == account && s.count(`SELECT count(*) FROM millrace.`+c.under+` WHERE sf_id = $1`, r["Id"]) > 0 {
				of = append(of, str(r["Id"]))
			}
		}
		parent = slices.Min(of)
	}
	id, err := s.org.Insert(c.object, c.values(parent))
	s.must(err)
	return id
}

// here reports whether the child with the id is in step.
func (c lateChild) here(s *scene, id string) bool {
	s.t.Helper()
	return s.count(`SELECT count(*) FROM millrace.`+c.table+` WHERE sf_id = $1 AND left_filter_at IS NULL`, id) > 0
}

// beforeLateChildren syncs the accounts whose names begin before N, with everything that belongs to them, and returns one of them that has a contact, an opportunity and a case.
func beforeLateChildren(t *testing.T) (s *scene, runs *syncs, set settings.Settings, account string) {
	t.Helper()
	s = newScene(t, sim.Options{Accounts: 20})
	o := s.incremental()
	o.Pipeline.RESTLimit = 10_000
	runs = s.running(o)
	set = allOfIt()
	set.Accounts = settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name < 'N'"}
	s.saveAll(set)
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	return s, runs, set, textOf(s, `
		SELECT min(a.sf_id) FROM millrace.accounts a WHERE left_filter_at IS NULL
		   AND EXISTS (SELECT FROM millrace.contacts WHERE account_id = a.sf_id) AND EXISTS (SELECT FROM millrace.opportunities WHERE account_id = a.sf_id)
		   AND EXISTS (SELECT FROM millrace.cases WHERE account_id = a.sf_id)`)
}

// awayWhileAsked has an account not match just while Salesforce answers queries for an object's records, until the test is done with it.
func (s *scene) awayWhileAsked(account, object string) (done func()) {
	name := str(s.org.Record(account)["Name"])
	org := s.server.Config.Handler
	var away atomic.Bool
	away.Store(true)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query().Get("q")
		if !away.Load() || !strings.Contains(q, " FROM "+object+" WHERE ") || strings.Contains(q, "COUNT(") {
			org.ServeHTTP(w, r)
			return
		}
		become := func(name string) {
			s.org.Advance(time.Second) // times of change are in seconds
			if err := s.org.Update("Account", account, map[string]any{"Name": name}); err != nil {
				s.t.Error(err)
			}
		}
		become("Zebra")
		org.ServeHTTP(w, r)
		become(name)
	})
	return func() { away.Store(false) }
}

// TestChildrenReadBeforeTheirAccounts has new settings, and children read by them while the accounts are still those of the old ones. An account that stays, although it does not match when its
// children are asked for, comes to match before the accounts are read: its children are all here then, although nothing about them has changed.
func TestChildrenReadBeforeTheirAccounts(t *testing.T) {
	t.Parallel()
	eachLateChild(t, readAlone, func(t *testing.T, child lateChild) {
		s, runs, set, account := beforeLateChildren(t)
		late := child.insert(s, account)
		s.org.Advance(time.Hour)
		set.Accounts.Single = "Name > 'D' AND Name != " + soql.Quote(textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account))
		s.saveAll(set)
		runs.run(child.entity, false)
		runs.run(child.entity, false) // knows how late it is in the org, and what comes after does not overlap with what the account got
		if child.here(s, late) {
			t.Fatal("it came over although its account does not match")
		}
		s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		if !child.here(s, late) {
			t.Errorf("what the account got before it matched is not here")
		}
		runs.agrees(func() string { return "account " + account })
	})
}

// TestSettingsThatGoBack has other settings only for a while, and children read by them, but never the accounts. What belongs to accounts that matched before and match again is all here then,
// although the accounts were read by the same settings all the time.
func TestSettingsThatGoBack(t *testing.T) {
	t.Parallel()
	eachLateChild(t, readAlone, func(t *testing.T, child lateChild) {
		s, runs, set, account := beforeLateChildren(t)
		late := child.insert(s, account)
		s.org.Advance(time.Hour)
		before := set.Accounts.Single
		set.Accounts.Single = "Name > 'N'"
		s.saveAll(set)
		for range 2 {
			runs.run(child.entity, false)
		}
		if child.here(s, late) {
			t.Fatal("it came over although its account does not match")
		}
		set.Accounts.Single = before
		s.saveAll(set)
		runs.run(child.entity, false)
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		if !child.here(s, late) {
			t.Errorf("what the account got while it did not match is not here")
		}
		runs.agrees(func() string { return "account " + account })
	})
}

// TestChildrenOfAccountThatLeavesForAWhile has an account that stays here get a child while it does not match, and match again before the accounts are read. The child comes over with the next sync, although
// nothing about it has changed since its object was last read.
func TestChildrenOfAccountThatLeavesForAWhile(t *testing.T) {
	t.Parallel()
	eachLateChild(t, readAlone, func(t *testing.T, child lateChild) {
		s, runs, _, account := beforeLateChildren(t)
		name := textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account)
		// The accounts are read once more after everything was: from then on only what has changed and was not met tells of this one.
		s.org.Advance(time.Hour)
		s.must(s.org.Update("Account", account, map[string]any{"Description": "as ever"}))
		for _, e := range []pipeline.Entity{pipeline.EntityAll, pipeline.EntityChatter, pipeline.EntityAll} {
			runs.run(e, false)
		}
		s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
		late := child.insert(s, account)
		runs.run(child.entity, false)
		s.org.Advance(time.Hour)
		for range 2 { // the second knows how late it is in the org, and what comes after does not overlap with what the account got
			runs.run(child.entity, false)
		}
		s.must(s.org.Update("Account", account, map[string]any{"Name": name}))
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		if !child.here(s, late) {
			t.Errorf("what the account got meanwhile is not here")
		}
		runs.agrees(func() string { return "account " + account })
		s.nobodyInDoubt()
	})
}

// TestAccountThatIsAwayWhileEverythingIsRead has an account leave while its children are read in full, and come back before the accounts are read again, to which it looks as if it had stayed. What it got
// before comes over with the next sync, although nothing about it has changed.
func TestAccountThatIsAwayWhileEverythingIsRead(t *testing.T) {
	t.Parallel()
	eachLateChild(t, everyChild, func(t *testing.T, child lateChild) {
		s, runs, _, account := beforeLateChildren(t)
		late := child.insert(s, account)
		s.org.Advance(time.Hour)
		back := s.awayWhileAsked(account, child.queried())
		runs.run(child.entity, true)
		back()
		if child.here(s, late) {
			t.Fatal("it came over although its account did not match")
		}
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		if !child.here(s, late) {
			t.Errorf("what the account had got is not here")
		}
		runs.agrees(func() string { return "account " + account })
		s.nobodyInDoubt()
	})
}

// TestAccountThatIsAwayWhileItComes has an account come into the copy, leave while its children are asked for by its id, and come back before the accounts are read again.
func TestAccountThatIsAwayWhileItComes(t *testing.T) {
	t.Parallel()
	eachLateChild(t, everyChild, func(t *testing.T, child lateChild) {
		s, runs, _, account := beforeLateChildren(t)
		name := textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account)
		s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
		late := child.insert(s, account)
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		s.org.Advance(time.Hour)
		s.must(s.org.Update("Account", account, map[string]any{"Name": name}))
		back := s.awayWhileAsked(account, child.queried())
		runs.run(pipeline.EntityAll, false)
		runs.run(pipeline.EntityChatter, false)
		back()
		if child.here(s, late) {
			t.Fatal("it came over although its account did not match")
		}
		for range 2 {
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
		}
		if !child.here(s, late) {
			t.Errorf("what the account had got is not here")
		}
		s.nobodyInDoubt()
	})
}

// TestManyAccountsInDoubt changes more accounts after everything was read than are asked for their children by their ids. The children are read in full once more, and not again and again where accounts go on
// changing.
func TestManyAccountsInDoubt(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	s.filter("Name != 'Zebra'")
	o := s.incremental()
	o.Pipeline.Entering = 3
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	change := func(n int) {
		s.org.Advance(2 * time.Hour)
		for r := range s.org.Records("Account") {
			if n--; n >= 0 {
				s.must(s.org.Update("Account", str(r["Id"]), map[string]any{"Website": fmt.Sprint(s.org.Now().Unix(), ".example.com")}))
			}
		}
	}
	reads := func(want string) {
		t.Helper()
		change(5)
		run := runs.run(pipeline.EntityAll, false)
		for _, name := range []string{"contacts", "opportunities"} {
			if p := s.step(run, name); p.Reading != want || (want == "whole") != strings.HasPrefix(p.Why, "more than 3 accounts have changed since everything was read") {
				t.Errorf("%s of run %d: %s is read because %q, want %s", name, run.ID, p.Reading, p.Why, want)
			}
		}
	}
	reads("whole")
	reads("changes")
	reads("changes")
	runs.run(pipeline.EntityAll, true)
	reads("whole")
	runs.run(pipeline.EntityAll, true)
	change(2)
	for _, name := range []string{"contacts", "opportunities"} {
		if p := s.step(runs.run(pipeline.EntityAll, false), name); p.Reading != "changes" {
			t.Errorf("%s are read in full because %s", name, p.Why)
		}
	}
}

// nobodyInDoubt fails the test where some parent would be asked for its children once more.
func (s *scene) nobodyInDoubt() {
	s.t.Helper()
	if n := s.count(`SELECT count(*) FROM millrace.doubted_parents`); n != 0 {
		s.t.Errorf("%d parents are in doubt still", n)
	}
}

// TestOldCaseThatIsSelectedNoMore has a case get too old to be read, and then change so that the filter does not select it any more. It leaves with its comments, also when everything is read.
func TestOldCaseThatIsSelectedNoMore(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprint("whole ", whole), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 20})
			all := everything()
			all.Cases = settings.Cases{Enabled: true, LookbackDays: 10, Conversation: settings.CaseComments, Filter: "Priority != 'Low'"}
			s.saveAll(all)
			var of []string
			for range 2 {
				id, err := s.org.Insert("Case", map[string]any{"Subject": "Old", "Priority": "High", "AccountId": slices.Min(s.inOrgIDs("Account"))})
				s.must(err)
				_, err = s.org.Insert("CaseComment", map[string]any{"ParentId": id, "CommentBody": "Hello"})
				s.must(err)
				of = append(of, id)
			}
			runs := s.running(s.incremental())
			runs.run(pipeline.EntityAll, false)
			s.org.Advance(11 * 24 * time.Hour)
			s.must(s.org.Update("Case", of[0], map[string]any{"Priority": "Low"}))
			runs.run(pipeline.EntityAll, whole)
			for _, table := range []string{"cases WHERE sf_id", "case_messages WHERE case_id"} {
				if n := s.count(`SELECT count(*) FROM millrace.`+table+` = $1 AND left_filter_at IS NULL`, of[0]); n != 0 {
					t.Errorf("%s is still here", table)
				}
				if n := s.count(`SELECT count(*) FROM millrace.`+table+` = $1 AND left_filter_at IS NULL`, of[1]); n == 0 {
					t.Errorf("%s has left, and is only old", table)
				}
			}
		})
	}
}

// TestOldCaseOfAnAccountThatLeft has a case get too old to be read, its account leave by a filter that the question for cases cannot repeat, and the case change. It comes, is read to belong to no account that is here, and leaves
// with its comments, also where there is no earlier read from which a list of what has changed could begin.
func TestOldCaseOfAnAccountThatLeft(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint("known ", known), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 20})
			s.saveAll(settings.Settings{
				Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Keeper')"},
				Cases:    settings.Cases{Enabled: true, LookbackDays: 10, Conversation: settings.CaseComments},
			})
			account := s.insert("Account", map[string]any{"Name": "Leaving"})
			keeper := s.insert("Contact", map[string]any{"LastName": "Keeper", "AccountId": account})
			s.insert("Contact", map[string]any{"LastName": "Keeper", "AccountId": s.insert("Account", map[string]any{"Name": "Staying"})})
			var of []string
			for range 2 {
				id := s.insert("Case", map[string]any{"Subject": "Old", "AccountId": account})
				s.insert("CaseComment", map[string]any{"ParentId": id, "CommentBody": "Hello"})
				of = append(of, id)
			}
			runs := s.running(s.incremental())
			for range 2 { // the list of what has changed reaches back behind the first run, and not to the cases
				runs.run(pipeline.EntityAll, false)
				s.org.Advance(time.Hour)
			}
			s.org.Advance(11 * 24 * time.Hour)
			s.must(s.org.Update("Contact", keeper, map[string]any{"LastName": "Other"}))
			s.must(s.org.Update("Case", of[0], map[string]any{"Subject": "New"}))
			if !known {
				s.mustExec(`DELETE FROM millrace.read_states WHERE records = 'Case'`)
			}
			run := runs.run(pipeline.EntityAll, false)
			for _, table := range []string{"cases WHERE sf_id", "case_messages WHERE case_id"} {
				for i, want := range []int64{0, 1} {
					if n := s.count(`SELECT count(*) FROM millrace.`+table+` = $1 AND left_filter_at IS NULL`, of[i]); n != want {
						t.Errorf("%s: %d of case %d are in step, want %d", table, n, i, want)
					}
				}
			}
			if got := s.action(run, of[0]); got != "left" {
				t.Errorf("of the case it is audited that it was %q", got)
			}
			if p := s.step(run, "cases"); p.LeftFilter != 1 {
				t.Errorf("%d cases have left", p.LeftFilter)
			}
		})
	}
}

// TestFirstCasesOfFilter has a filter for whose sake cases are read in full each time, and that selects none at first.
func TestFirstCasesOfFilter(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 15})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 10, Conversation: settings.CaseComments, Filter: "Subject = 'Wanted' AND Account.Name != null"}
	s.saveAll(all)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	id, err := s.org.Insert("Case", map[string]any{"Subject": "Wanted", "AccountId": slices.Min(s.inOrgIDs("Account"))})
	s.must(err)
	for range 2 {
		s.org.Advance(time.Minute)
		runs.run(pipeline.EntityAll, false)
		if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sf_id = $1 AND left_filter_at IS NULL`, id); n == 0 {
			t.Errorf("the case is not here")
		}
	}
}

// TestRestoredOutsideTheFilter has an opportunity deleted, its account leave the filter, and the opportunity restored. It is not selected any more, yet it does not stay marked as deleted, whether a run reads changes or
// everything.
func TestRestoredOutsideTheFilter(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		s := newScene(t, sim.Options{Accounts: 12})
		s.filter("Name != 'Gone'")
		runs := s.running(s.incremental())
		runs.run(pipeline.EntityAll, false)
		of := s.asked("SELECT Id, AccountId FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0]
		id := field(of, "Id")
		s.must(s.org.Delete("Opportunity", id))
		s.must(s.org.Update("Account", field(of, "AccountId"), map[string]any{"Name": "Gone"}))
		runs.run(pipeline.EntityAll, false)
		if s.count(opportunityLeft, id, true) != 1 {
			t.Error("the opportunity is not marked as deleted")
		}
		s.must(s.org.Undelete("Opportunity", id))
		run := runs.run(pipeline.EntityAll, whole)
		if s.count(opportunityLeft, id, true) != 0 {
			t.Errorf("whole %t: the opportunity is still marked as deleted", whole)
		}
		if got := s.action(run, id); got != "undeleted" {
			t.Errorf("whole %t: the run says %q of the opportunity", whole, got)
		}
		if n := s.count(`SELECT count(*) FROM millrace.opportunities WHERE sf_id = $1 AND left_filter_at IS NULL`, id); n != 0 {
			t.Errorf("whole %t: the opportunity is in step", whole)
		}
	}
}
