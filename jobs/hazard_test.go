package jobs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// frozen is a clock that stands still until it is moved.
type frozen struct{ at time.Time }

func (f *frozen) now() time.Time { return f.at }

// TestEqualStamps changes many records in one moment, and one more in that same moment after it was read. None is missed at the border of a page or of a run.
func TestEqualStamps(t *testing.T) {
	t.Parallel()
	clock := &frozen{time.Now().Truncate(time.Second)}
	s := newScene(t, sim.Options{Accounts: 45, Now: clock.now})
	s.clock = clock.now
	s.filter(allAccounts)
	o := s.incremental()
	o.PageRows, o.Pipeline.RESTLimit, o.Pipeline.Overlap = 7, 5, time.Nanosecond
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	clock.at = clock.at.Add(time.Hour)
	if n, err := s.org.UpdateAll("Account", nil, map[string]any{"Description": "all at once"}); err != nil || n != 45 {
		t.Fatal(n, err)
	}
	run := runs.run(pipeline.EntityAll, false)
	s.equalsOrg("", "AccountId != null")
	if p := s.step(run, "accounts:customer"); p.Mode != pipeline.Bulk || p.Reading != "changes" || p.Updated != 45 {
		t.Errorf("%s, %s: %d updated", p.Mode, p.Reading, p.Updated)
	}
	s.must(s.org.Update("Account", s.accountIDs()[3], map[string]any{"Description": "in the same second as the run before"}))
	runs.run(pipeline.EntityAll, false)
	s.equalsOrg("", "AccountId != null")
}

// TestLateCommit has Salesforce commit a change minutes after it was stamped, when a run has passed that stamp already. The overlap finds it; without one it is missed.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	s.completed(s.syncWith(s.incremental()))
	s.org.Advance(time.Hour)
	s.completed(s.syncWith(s.incremental()))
	id := s.accountIDs()[0]
	s.must(s.org.Update("Account", id, map[string]any{"Name": "Committed late", "SystemModstamp": s.org.Now().Add(-9 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")}))
	here := func() int64 {
		return s.count(`SELECT count(*) FROM millrace.accounts WHERE sf_id = $1 AND name = 'Committed late'`, id)
	}
	without := s.incremental()
	without.Pipeline.Overlap = time.Nanosecond
	if s.completed(s.syncWith(without)); here() != 0 {
		t.Error("without an overlap the change was found: this test shows nothing")
	}
	if s.completed(s.syncWith(s.incremental())); here() != 1 {
		t.Error("the change was missed")
	}
}

// TestRecordsHoweverOldComeOver has records that nobody has changed for twenty years: no start date leaves them out, neither in the first sync, nor where their account comes into the filter later, nor where their object
// is added to the settings. Of Chatter they come where no lookback is set.
func TestRecordsHoweverOldComeOver(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	ids := map[string][]string{}
	for _, name := range []string{"In from the first", "In later"} {
		account := s.insertOld("Account", map[string]any{"Name": name})
		ids["accounts"] = append(ids["accounts"], account)
		ids["contacts"] = append(ids["contacts"], s.insertOld("Contact", map[string]any{"AccountId": account, "LastName": "Old", "Email": "old@example.com"}))
		ids["opportunities"] = append(ids["opportunities"], s.insertOld("Opportunity", map[string]any{"AccountId": account, "Name": "Old", "StageName": "Closed Won", "CloseDate": "2006-01-31"}))
		ids["custom_records"] = append(ids["custom_records"], s.insertOld("Subscription__c", map[string]any{"Account__c": account, "Status__c": "Expired"}))
		post := s.insertOld("FeedItem", map[string]any{"ParentId": account, "Body": "Old"})
		ids["chatter_posts"] = append(ids["chatter_posts"], post)
		ids["chatter_comments"] = append(ids["chatter_comments"], s.insertOld("FeedComment", map[string]any{"FeedItemId": post, "CommentBody": "Old"}))
	}
	here := func(when string, of int, tables ...string) {
		t.Helper()
		for _, table := range tables {
			for _, id := range ids[table][:of] {
				if n := s.count(`SELECT count(*) FROM millrace.`+table+` WHERE sf_id = $1 AND left_filter_at IS NULL AND extract(year FROM system_modstamp) = 2006`, id); n != 1 {
					t.Errorf("%s: %s of %s is not here", when, id, table)
				}
			}
		}
	}
	all := everything()
	all.Accounts.Single = "Name != 'In later'"
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Comments: true}
	s.saveAll(all)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	here("after the first sync", 1, "accounts", "contacts", "opportunities", "chatter_posts", "chatter_comments")
	all.Accounts.Single = allAccounts
	s.saveAll(all)
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	here("in the filter", 2, "accounts", "contacts", "opportunities", "chatter_posts", "chatter_comments")
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	runs.run(pipeline.EntityAll, false)
	here("with an object added", 2, "custom_records")
}

// TestCallsOfARunWithoutChanges counts them: two for an object at most, for all that there is to sync, also long after the objects were described: whether that holds is asked with one request for all.
func TestCallsOfARunWithoutChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.clock = s.org.Now
	all := allOfIt()
	all.Accounts = settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Industry != null"}
	all.AccountFields = []string{"NumberOfEmployees"}
	s.saveAll(all)
	o := s.incremental()
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	quiet := runs.run(pipeline.EntityAll, false)
	steps, err := s.db.RunSteps(t.Context(), quiet.ID)
	s.must(err)
	objects := map[string]bool{}
	for _, p := range steps {
		objects[p.Object] = true
		if p.Reading != "changes" {
			t.Errorf("%s was read in full: %s", p.Name, p.Why)
		}
	}
	// A list of changes for each object, its descriptions with one request, and the counts of the steps with one for every five.
	if most := int64(len(objects) + 1 + (len(steps)+4)/5); quiet.APICalls > most || most > int64(2*len(objects)) || len(objects) < 7 {
		t.Errorf("%d requests for %d objects in %d steps", quiet.APICalls, len(objects), len(steps))
	}
	if quiet.Outcome != "Nothing changed since the last sync" {
		t.Errorf("outcome %q", quiet.Outcome)
	}
}

// TestBackfillOfWhatWasAdded adds a field, and then an object, to the settings: only what they touch is read in full.
func TestBackfillOfWhatWasAdded(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 25})
	all := everything()
	s.saveAll(all)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	whole := func(want ...string) {
		t.Helper()
		s.saveAll(all)
		run := runs.run(pipeline.EntityAll, false)
		steps, err := s.db.RunSteps(t.Context(), run.ID)
		s.must(err)
		var got []string
		for _, p := range steps {
			if p.Reading != "changes" {
				got = append(got, p.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("read in full were %v, want %v", got, want)
		}
	}
	all.Advanced.ContactFields = []settings.FieldMapping{{Field: "MailingCity"}}
	whole("contacts")
	if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE fields ? 'MailingCity'`); n == 0 {
		t.Error("the added field is empty")
	}
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	whole("custom:Subscription__c")
	all.Accounts.Single = "Name != null AND NumberOfEmployees != 1"
	whole("accounts:customer")
	whole()
}

// TestReasonsToReadEverything gives a set each reason to be read in full, one after the other; each is said, and the next run reads changes again.
func TestReasonsToReadEverything(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 15})
	s.filter(allAccounts)
	o := s.incremental()
	o.Pipeline.Reconcile = 7 * 24 * time.Hour
	runs := s.running(o)
	why := func(r db.Run) string {
		if p := s.step(r, "accounts:customer"); p.Reading != "changes" {
			return p.Why
		}
		return ""
	}
	change := func(statement string) func() {
		return func() {
			_, err := s.sql.Exec(statement)
			s.must(err)
		}
	}
	for _, c := range []struct {
		reason string
		begin  func()
		whole  bool
	}{
		{reason: "there is no complete earlier read to go on from"},
		{reason: "an admin asked for it", whole: true},
		{reason: "the settings, or the fields that can be read, have changed", begin: func() { s.filter("Name != null AND NumberOfEmployees != 1") }},
		{reason: "another Salesforce user has been connected since, who may see other records", begin: change(`UPDATE millrace.connections SET sf_user_id = '005000000000999AAA'`)},
		{reason: "the last time was more than 7 days ago", begin: change(`UPDATE millrace.read_states SET whole_read_at = now() - interval '8 days'`)},
		{reason: "the last read was more than 14 days ago, and Salesforce forgets what was deleted", begin: change(`UPDATE millrace.read_states SET read_at = now() - interval '15 days'`)},
	} {
		if c.begin != nil {
			c.begin()
		}
		if got := why(runs.run(pipeline.EntityAll, c.whole)); got != c.reason {
			t.Errorf("read in full because %q, want %q", got, c.reason)
		}
		if got := why(runs.run(pipeline.EntityAll, false)); got != "" {
			t.Errorf("after %q: read in full again because %s", c.reason, got)
		}
	}
	// A run in the middle of which the org was connected anew has read with the eyes of two.
	change(`UPDATE millrace.connections SET connected_at = now() + interval '1 hour'`)()
	runs.run(pipeline.EntityAll, false)
	change(`UPDATE millrace.connections SET connected_at = now() - interval '1 hour'`)()
	if got := why(runs.run(pipeline.EntityAll, false)); !strings.HasPrefix(got, "another Salesforce user") {
		t.Errorf("after a reconnect in the middle: %q", got)
	}
	if got := why(runs.run(pipeline.EntityAll, false)); got != "" {
		t.Errorf("read in full again because %s", got)
	}
}

// TestCurrencyComesWithItsFormula takes the ARR from a formula field in an org with several currencies. When the value of the formula comes or goes by itself, its currency does with it.
func TestCurrencyComesWithItsFormula(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	s.org.SetMultiCurrency(true)
	all := everything()
	all.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "Days_To_Renewal__c"}
	accounts := s.asked("SELECT Id FROM Account ORDER BY Id LIMIT 2")
	without, with := field(accounts[0], "Id"), field(accounts[1], "Id")
	ends := func(id string, day any) {
		s.must(s.org.Update("Account", id, map[string]any{"Renewal_Date__c": day, "SystemModstamp": "2024-01-01T00:00:00.000Z"})) // as a formula does over other records
	}
	ends(without, nil)
	ends(with, "2031-01-01")
	s.saveAll(all)
	o := s.readsByREST()
	o.Pipeline.Silent = time.Nanosecond
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	has := func(id string, want bool) {
		t.Helper()
		if got := textOf(s, `SELECT (arr IS NOT NULL) || ' ' || (arr_currency IS NOT NULL) FROM millrace.accounts WHERE sf_id = $1`, id); got != fmt.Sprint(want, " ", want) {
			t.Errorf("that %s has an ARR, and a currency: %s, want %t of both", id, got, want)
		}
	}
	has(without, false)
	has(with, true)
	ends(without, "2031-01-01")
	ends(with, nil)
	s.org.Advance(time.Hour)
	if p := s.step(runs.run(pipeline.EntityAll, false), "accounts:customer"); p.Reading != "changes" || p.Read != 0 {
		t.Fatalf("the accounts were read as %s, %d of them", p.Reading, p.Read)
	}
	has(without, true)
	has(with, false)
}

// TestFormulasHaveTheirCadence reads formula fields of all records when their time has come, and not before.
func TestFormulasHaveTheirCadence(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 25})
	all := everything()
	all.AccountFields = []string{"Days_To_Renewal__c"}
	s.saveAll(all)
	o := s.incremental()
	o.Pipeline.Silent = 6 * time.Hour
	runs := s.running(o)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(48 * time.Hour)
	const days = `SELECT coalesce(sum((fields ->> 'Days_To_Renewal__c')::numeric), 0)::bigint FROM millrace.accounts`
	before, valued := s.count(days), s.count(`SELECT count(*) FROM millrace.accounts WHERE fields ? 'Days_To_Renewal__c'`)
	if run := runs.run(pipeline.EntityAll, false); strings.Contains(s.steps(run), pipeline.RefreshPrefix) || s.count(days) != before {
		t.Error("formula fields were read before their time")
	}
	s.mustExec(`UPDATE millrace.read_states SET silent_read_at = silent_read_at - interval '5 hours'`)
	if run := runs.run(pipeline.EntityAll, false); strings.Contains(s.steps(run), pipeline.RefreshPrefix) {
		t.Error("formula fields were read an hour before their time")
	}
	s.mustExec(`UPDATE millrace.read_states SET silent_read_at = silent_read_at - interval '59 minutes'`) // as by a schedule of the same hours, which began to read a little after its slot
	run := runs.run(pipeline.EntityAll, false)
	if p := s.step(run, pipeline.RefreshPrefix+"accounts:customer"); p.Updated != valued || s.count(days) != before-2*valued || valued == 0 {
		t.Errorf("of %d accounts with the formula %d were brought up to date; their sum went from %d to %d", valued, p.Updated, before, s.count(days))
	}
	if run := runs.run(pipeline.EntityAll, false); strings.Contains(s.steps(run), pipeline.RefreshPrefix) {
		t.Error("formula fields were read again at once")
	}
	s.mustExec(`UPDATE millrace.read_states SET silent_read_at = silent_read_at + interval '7 hours'`)
	if run := runs.run(pipeline.EntityAll, false); !strings.Contains(s.steps(run), pipeline.RefreshPrefix) {
		t.Error("formula fields were not read after the clock of Postgres had been set back")
	}
}

// TestMergedIntoIsUndone undoes a run that learned of a merge: in one step, and of a record that it knew to be deleted before.
func TestMergedIntoIsUndone(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 25})
	s.filter(allAccounts)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	ids := s.accountIDs()
	into := func(id string) (master string) {
		s.must(s.sql.Get(&master, `SELECT coalesce(merged_into_id, '') FROM millrace.accounts WHERE sf_id = $1`, id))
		return master
	}
	s.must(s.org.Merge("Account", ids[0], ids[1]))
	merged := runs.run(pipeline.EntityAll, false)
	if into(ids[1]) != ids[0] {
		t.Fatalf("merged into %q", into(ids[1]))
	}
	s.mustExec(`UPDATE millrace.accounts SET merged_into_id = NULL WHERE sf_id = $1`, ids[1]) // as if the run had not been able to ask what became of the record
	s.must(s.org.Update("Account", ids[0], map[string]any{"Name": "The survivor"}))
	learned := runs.run(pipeline.EntityAll, false)
	if into(ids[1]) != ids[0] {
		t.Fatalf("merged into %q", into(ids[1]))
	}
	runs.stop()
	if s.undo(learned); into(ids[1]) != "" {
		t.Errorf("after the undo of what was learned later: merged into %q", into(ids[1]))
	}
	s.mustExec(`UPDATE millrace.accounts SET merged_into_id = $2 WHERE sf_id = $1`, ids[1], ids[0])
	if s.undo(merged); into(ids[1]) != "" {
		t.Errorf("after the undo of the merge: merged into %q", into(ids[1]))
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE sf_id = $1 AND left_filter_at IS NULL AND deleted_in_salesforce_at IS NULL`, ids[1]); n != 1 {
		t.Error("the merged account is not in step again")
	}
}

// TestMergesAreLearnedOfInAFullRead merges an account, a contact and a case before everything is read again. Each leads to its survivor, and undoing the run takes that back.
func TestMergesAreLearnedOfInAFullRead(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	s.saveAll(allOfIt())
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	losers := map[string]string{}
	masters := map[string]string{"accounts": "Account", "contacts": "Contact", "cases": "Case"}
	for table, object := range masters {
		var ids []string
		s.must(s.sql.Select(&ids, `SELECT sf_id FROM millrace.`+table+` WHERE left_filter_at IS NULL ORDER BY sf_id LIMIT 2`))
		s.must(s.org.Merge(object, ids[0], ids[1]))
		masters[table], losers[table] = ids[0], ids[1]
	}
	learned := runs.run(pipeline.EntityAll, true)
	for table, loser := range losers {
		if into := textOf(s, `SELECT coalesce(merged_into_id, '') FROM millrace.`+table+` WHERE sf_id = $1 AND left_filter_at IS NOT NULL AND deleted_in_salesforce_at IS NOT NULL`, loser); into != masters[table] {
			t.Errorf("%s of %s is merged into %q instead of %q", loser, table, into, masters[table])
		}
	}
	runs.stop()
	s.undo(learned)
	for table, loser := range losers {
		if n := s.count(`SELECT count(*) FROM millrace.`+table+` WHERE sf_id = $1 AND merged_into_id IS NULL AND left_filter_at IS NULL AND deleted_in_salesforce_at IS NULL`, loser); n != 1 {
			t.Errorf("%s of %s is not as it was", loser, table)
		}
	}
}

// TestRefusedStepsAreNotCounted hides the field of the first of several filters: at the end of the run Salesforce is not asked to count what it has refused to read.
func TestRefusedStepsAreNotCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 25})
	s.save(settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Tier__c = 'SMB'", Prospect: "Type = 'Prospect'"})
	s.completed(s.sync())
	s.org.HideField("Account", "Tier__c")
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	client.RefreshSchema()
	counted := 0
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query().Get("q")
		if run, err := s.db.LatestRun(context.Background(), s.conn); err == nil && run != nil && run.Phase == "Counting what Salesforce has" && strings.Contains(q, "FROM Account ") && strings.HasPrefix(q, "SELECT COUNT") {
			counted++
		}
		s.serve(w, r)
	})
	run := s.sync()
	if run.State != db.RunCompletedWithErrors || s.step(run, "accounts:customer").State != "failed" {
		t.Fatalf("the run is %s", run.State)
	}
	checks := s.checks(run)
	for _, name := range []string{"accounts:customer", "accounts:prospect"} {
		if c, there := checks[name]; there {
			t.Errorf("what was refused is counted: %+v", c)
		}
	}
	if c := checks["users"]; c.Salesforce == nil {
		t.Errorf("users: %+v", c)
	}
	if counted != 0 {
		t.Errorf("accounts were counted %d times at the end", counted)
	}
}

// TestReadersDuringADirectLoad looks at the accounts again and again while they are loaded straight into their table: nobody waits, and only whole pages are seen.
func TestReadersDuringADirectLoad(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick()) // pages of 50
	s.mustExec(`SET statement_timeout = '20s'`)
	sizes := map[int64]bool{}
	s.until(run.ID, func(r db.Run) bool {
		n := s.count(`SELECT count(*) FROM millrace.accounts`)
		sizes[n] = true
		if n%50 != 0 {
			t.Errorf("%d accounts are seen, a part of a page", n)
		}
		return n == 200 || ended(r)
	})
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	if len(sizes) < 3 {
		t.Errorf("the reader has seen %v accounts only", sizes)
	}
	s.equalsOrg("", "AccountId != null")
}

// TestKilledWhileReadingChanges kills the process that reads changes at one request after the other, and a new one goes on each time. In the end the copy is what it would be without that, and nothing is
// audited twice.
func TestKilledWhileReadingChanges(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	s.begin(t, 1)
	s.mayPurge = false
	s.set = allOfIt()
	s.set.CustomObjects[0].Fields, s.set.CustomObjects[1].Fields = []string{"Status__c", "ARR__c", "MRR__c"}, []string{"Stage__c"}
	defer func() {
		if t.Failed() {
			t.Logf("what happened:\n%s", s.story)
		}
	}()
	s.save("all of it")
	first := s.run(func() (db.Run, error) { return s.request(pipeline.EntityAll) })
	s.completed(first)
	s.change(60)
	s.mend(1000) // what Postgres refuses is another matter
	s.advance(time.Hour)
	kills := 0
	s.plagued = func(_ db.Run, kill func()) {
		kills++
		s.onRequest(kills, func() { s.dead.Store(true); s.wire.setDown(true); kill() })
	}
	second := s.completed(s.run(func() (db.Run, error) { return s.request(pipeline.EntityAll) }))
	s.plagued = nil
	if second.Attempt < 5 {
		t.Errorf("the run was killed %d times", second.Attempt-1)
	}
	s.completed(s.run(func() (db.Run, error) { return s.request(pipeline.EntityChatter) }))
	s.model(s.set).compare()
	s.consistent()
}
