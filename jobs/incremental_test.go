package jobs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/settings"
)

// working data and marks of runs say nothing about a record.
var aboutRuns = []string{"first_seen_run", "last_seen_run", "synced_at", "entered_run", "since_run", "until_run", "sentiment_run", "left_filter_at", "deleted_in_salesforce_at"}

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

// run runs a sync of an entity to its end; whole reads everything.
func (s *syncs) run(e pipeline.Entity, whole bool) db.Run {
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
	return s.completed(s.until(run.ID, ended))
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

// lateChildren are records that an account gets, by what brings them over.
var lateChildren = map[pipeline.Entity]struct {
	object, table string
	values        func(account string) map[string]any
}{
	pipeline.EntityContacts: {"Contact", "contacts", func(account string) map[string]any {
		return map[string]any{"AccountId": account, "LastName": "Late", "Email": "late@example.com"}
	}},
	pipeline.EntityCases: {"Case", "cases", func(account string) map[string]any {
		return map[string]any{"AccountId": account, "Subject": "Late", "Priority": "High"}
	}},
	pipeline.EntityChatter: {"FeedItem", "chatter_posts", func(account string) map[string]any {
		return map[string]any{"ParentId": account, "Body": "Late"}
	}},
}

// beforeLateChildren syncs the accounts whose names begin before N, with everything that belongs to them, and returns one of them.
func beforeLateChildren(t *testing.T) (s *scene, runs *syncs, set settings.Settings, account string) {
	t.Helper()
	s = newScene(t, sim.Options{Accounts: 60})
	runs = s.running(s.incremental())
	set = allOfIt()
	set.Accounts = settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name < 'N'"}
	s.saveAll(set)
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	return s, runs, set, textOf(s, `SELECT min(sf_id) FROM millrace.accounts WHERE left_filter_at IS NULL`)
}

// TestChildrenReadBeforeTheirAccounts has new settings, and children read by them while the accounts are still those of the old ones. An account that stays, although it does not match when its
// children are asked for, comes to match before the accounts are read: its children are all here then, although nothing about them has changed.
func TestChildrenReadBeforeTheirAccounts(t *testing.T) {
	t.Parallel()
	for entity, child := range lateChildren {
		t.Run(string(entity), func(t *testing.T) {
			t.Parallel()
			s, runs, set, account := beforeLateChildren(t)
			late, err := s.org.Insert(child.object, child.values(account))
			s.must(err)
			s.org.Advance(time.Hour)
			set.Accounts.Single = "Name > 'D' AND Name != " + soql.Quote(textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account))
			s.saveAll(set)
			runs.run(entity, false)
			runs.run(entity, false) // knows how late it is in the org, and what comes after does not overlap with what the account got
			if n := s.count(`SELECT count(*) FROM millrace.`+child.table+` WHERE sf_id = $1`, late); n != 0 {
				t.Fatal("it came over although its account does not match")
			}
			s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			if n := s.count(`SELECT count(*) FROM millrace.`+child.table+` WHERE sf_id = $1 AND left_filter_at IS NULL`, late); n == 0 {
				t.Errorf("what the account got before it matched is not here")
			}
			runs.agrees(func() string { return "account " + account })
		})
	}
}

// TestSettingsThatGoBack has other settings only for a while, and children read by them, but never the accounts. What belongs to accounts that matched before and match again is all here then,
// although the accounts were read by the same settings all the time.
func TestSettingsThatGoBack(t *testing.T) {
	t.Parallel()
	for entity, child := range lateChildren {
		t.Run(string(entity), func(t *testing.T) {
			t.Parallel()
			s, runs, set, account := beforeLateChildren(t)
			late, err := s.org.Insert(child.object, child.values(account))
			s.must(err)
			s.org.Advance(time.Hour)
			before := set.Accounts.Single
			set.Accounts.Single = "Name > 'N'"
			s.saveAll(set)
			for range 2 {
				runs.run(entity, false)
			}
			if n := s.count(`SELECT count(*) FROM millrace.`+child.table+` WHERE sf_id = $1`, late); n != 0 {
				t.Fatal("it came over although its account does not match")
			}
			set.Accounts.Single = before
			s.saveAll(set)
			runs.run(entity, false)
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			if n := s.count(`SELECT count(*) FROM millrace.`+child.table+` WHERE sf_id = $1 AND left_filter_at IS NULL`, late); n == 0 {
				t.Errorf("what the account got while it did not match is not here")
			}
			runs.agrees(func() string { return "account " + account })
		})
	}
}

// TestChildrenOfAccountThatLeavesForAWhile has an account that stays here get a child while it does not match, and match again before the accounts are read. The child comes over with the next sync, although
// nothing about it has changed since its object was last read.
func TestChildrenOfAccountThatLeavesForAWhile(t *testing.T) {
	t.Parallel()
	for entity, child := range lateChildren {
		t.Run(string(entity), func(t *testing.T) {
			t.Parallel()
			s, runs, _, account := beforeLateChildren(t)
			name := textOf(s, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, account)
			s.must(s.org.Update("Account", account, map[string]any{"Name": "Zebra"}))
			late, err := s.org.Insert(child.object, child.values(account))
			s.must(err)
			runs.run(entity, false)
			s.org.Advance(time.Hour)
			for range 2 { // the second knows how late it is in the org, and what comes after does not overlap with what the account got
				runs.run(entity, false)
			}
			s.must(s.org.Update("Account", account, map[string]any{"Name": name}))
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			if n := s.count(`SELECT count(*) FROM millrace.`+child.table+` WHERE sf_id = $1 AND left_filter_at IS NULL`, late); n == 0 {
				t.Errorf("what the account got meanwhile is not here")
			}
			if n := s.count(`SELECT count(*) FROM millrace.doubted_parents WHERE sf_id = $1`, account); n != 0 {
				t.Errorf("the account is in doubt still")
			}
			runs.agrees(func() string { return "account " + account })
		})
	}
}
