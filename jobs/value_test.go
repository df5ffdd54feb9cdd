package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// asked reads records from the org, through the real client.
func (s *scene) asked(query string) (out []map[string]any) {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	page, err := client.Query(s.t.Context(), query)
	for ; err == nil; page, err = client.QueryMore(s.t.Context(), page.Next) {
		for _, r := range page.Records {
			out = append(out, r)
		}
		if page.Done {
			return out
		}
	}
	s.t.Fatal(query, err)
	return nil
}

func field(r map[string]any, name string) string {
	if v := r[name]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// calculated compares a calculated value of every account with what pipeline.Aggregate makes of the org's records, and returns how many have one.
func (s *scene) calculated(k pipeline.ValueKind, rule settings.ValueRule, rates pipeline.Rates) (valued int) {
	s.t.Helper()
	fields := []string{"Id", "SystemModstamp", rule.Link}
	for _, f := range []string{rule.Value, rule.LatestBy} {
		if f != "" && !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	if rates.Corporate != "" {
		fields = append(fields, "CurrencyIsoCode")
	}
	where := rule.Link + " != null"
	if rule.Filter != "" {
		where += " AND (" + rule.Filter + ")"
	}
	records := map[string][]pipeline.ValueRecord{}
	for _, r := range s.asked("SELECT " + strings.Join(fields, ", ") + " FROM " + rule.Object + " WHERE " + where) {
		v := pipeline.ValueRecord{ID: field(r, "Id"), Currency: field(r, "CurrencyIsoCode"), LatestBy: field(r, rule.LatestBy), SystemModstamp: field(r, "SystemModstamp")}
		if k == pipeline.ARR {
			v.Amount = field(r, rule.Value)
		} else {
			v.Day = field(r, rule.Value)
		}
		records[field(r, rule.Link)] = append(records[field(r, rule.Link)], v)
	}
	want := map[string]string{}
	for account, of := range records {
		v := pipeline.Calculation{Kind: k, Rule: rule}.Aggregate(of, rates)
		if text := strings.TrimSpace(canonical(pipeline.Number, v.Amount) + v.Day + " " + v.Currency); text != "" {
			want[account] = text
		}
	}
	column := "coalesce(trim_scale(arr)::text, '') || ' ' || coalesce(arr_currency, '')"
	if k == pipeline.Renewal {
		column = "renewal_date::text"
	}
	s.valuesAre(column, want)
	return len(want)
}

// valuesAre compares an expression over accounts with what it should be, by account.
func (s *scene) valuesAre(column string, want map[string]string) {
	s.t.Helper()
	var found []struct {
		ID    string `db:"sf_id"`
		Value string `db:"value"`
	}
	s.must(s.sql.Select(&found, `SELECT sf_id, trim(`+column+`) AS value FROM millrace.accounts WHERE left_filter_at IS NULL AND trim(`+column+`) <> ''`))
	got := map[string]string{}
	for _, f := range found {
		got[f.ID] = f.Value
	}
	here := map[string]bool{}
	for _, id := range s.accountIDs() {
		here[id] = true
	}
	maps.DeleteFunc(want, func(id, _ string) bool { return !here[id] })
	if !maps.Equal(got, want) {
		shown := 0
		for _, id := range slices.Sorted(maps.Keys(here)) {
			if got[id] != want[id] && shown < 4 {
				s.t.Errorf("%s: %s is %q, want %q", column, id, got[id], want[id])
				shown++
			}
		}
	}
}

func subscriptions(combine settings.Combine) settings.ValueRule {
	return settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "ARR__c", Combine: combine, Filter: "Status__c = 'Active'"}
}

func ends(combine settings.Combine) settings.ValueRule {
	return settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "End_Date__c", Combine: combine, LatestBy: "Start_Date__c"}
}

// TestOwnersAndDirectValues syncs the owners and values that fields of the account hold.
func TestOwnersAndDirectValues(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.org.SetMultiCurrency(true)
	all := everything()
	all.Owners.CSM = "CSM__c"
	all.Owners.TAM = "LastModifiedById"
	all.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "ARR__c"}
	all.Renewal = settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"}
	all.Advanced.AccountAllowlist = []string{"Website"} // leaves what other settings use
	s.saveAll(all)
	s.completed(s.sync())
	check := func() {
		t.Helper()
		owner, csm, tam, arr, renewal := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
		for _, r := range s.asked("SELECT Id, OwnerId, CSM__c, LastModifiedById, ARR__c, Renewal_Date__c, CurrencyIsoCode FROM Account") {
			id := field(r, "Id")
			put := func(m map[string]string, v string) {
				if v != "" {
					m[id] = v
				}
			}
			put(owner, field(r, "OwnerId"))
			put(csm, field(r, "CSM__c"))
			put(tam, field(r, "LastModifiedById"))
			if v := field(r, "ARR__c"); v != "" {
				put(arr, canonical(pipeline.Number, v)+" "+field(r, "CurrencyIsoCode"))
			}
			put(renewal, field(r, "Renewal_Date__c"))
		}
		s.valuesAre("owner_id", owner)
		s.valuesAre("csm_id", csm)
		s.valuesAre("tam_id", tam)
		s.valuesAre("coalesce(trim_scale(arr)::text, '') || ' ' || coalesce(arr_currency, '')", arr)
		s.valuesAre("renewal_date::text", renewal)
		if len(csm) == 0 || len(csm) == len(owner) || len(renewal) == 0 {
			t.Errorf("%d CSMs, %d renewals", len(csm), len(renewal))
		}
	}
	check()
	s.must(s.org.Update("Account", s.accountIDs()[0], map[string]any{"ARR__c": 77.25, "CSM__c": nil, "Renewal_Date__c": "2031-05-06"}))
	run := s.completed(s.sync())
	check()
	if c := s.changes(run, s.accountIDs()[0]); !strings.Contains(c, `"arr": [`) || !strings.Contains(c, "77.25") || !strings.Contains(c, `"2031-05-06"]`) {
		t.Errorf("the audit row says %s", c)
	}
	s.saveAll(everything())
	s.completed(s.sync())
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE coalesce(csm_id, tam_id, arr::text, arr_currency, renewal_date::text) IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts keep what is not synced any more", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE owner_id IS NULL`); n != 0 {
		t.Errorf("%d accounts have no owner", n)
	}
}

// TestCalculatedValues works values out of related records, through both APIs, as the org and the rules change.
func TestCalculatedValues(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	all.ARR, all.Renewal = subscriptions(settings.Sum), ends(settings.Latest)
	s.saveAll(all)
	run := s.completed(s.sync())
	if n := s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{}); n < 20 {
		t.Errorf("%d accounts have an ARR", n)
	}
	if n := s.calculated(pipeline.Renewal, all.Renewal, pipeline.Rates{}); n < 20 {
		t.Errorf("%d accounts have a renewal date", n)
	}
	p := s.step(run, "arr")
	if p.Mode != pipeline.Bulk || p.Created != 0 || p.Updated == 0 || p.Read == 0 {
		t.Errorf("step %+v", p)
	}
	audits := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND entity = 'account' AND action = 'updated' AND changes ? 'arr'`, run.ID)
	if audits != p.Updated {
		t.Errorf("%d audit rows of %d changed values", audits, p.Updated)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'value'`); n != 0 {
		t.Errorf("%d audit rows of working data", n)
	}
	if run = s.completed(s.sync()); !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("outcome %q", run.Outcome)
	}

	// The org changes: one record more, one that counts no more, one gone.
	active := s.asked("SELECT Id, Account__c FROM Subscription__c WHERE Status__c = 'Active' AND ARR__c != null ORDER BY Id LIMIT 3")
	s.must(s.org.Update("Subscription__c", field(active[0], "Id"), map[string]any{"Status__c": "Cancelled"}))
	s.must(s.org.Delete("Subscription__c", field(active[1], "Id")))
	_, err := s.org.Insert("Subscription__c", map[string]any{"Account__c": field(active[2], "Account__c"), "Status__c": "Active", "ARR__c": 0.25, "End_Date__c": "2040-01-01", "Start_Date__c": "2039-01-01"})
	s.must(err)
	run = s.completed(s.sync())
	s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{})
	s.calculated(pipeline.Renewal, all.Renewal, pipeline.Rates{})
	if p := s.step(run, "arr"); p.Updated < 1 || p.Updated > 3 {
		t.Errorf("%d values were changed, want three at most", p.Updated)
	}

	// Another way to combine, another object, and a field instead.
	all.ARR, all.Renewal = subscriptions(settings.Max), ends(settings.Max)
	s.saveAll(all)
	s.completed(s.sync())
	s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{})
	s.calculated(pipeline.Renewal, all.Renewal, pipeline.Rates{})
	all.ARR = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Opportunity", Link: "AccountId", Value: "Amount", Combine: settings.Latest, LatestBy: "CloseDate", Filter: "IsWon = true"}
	all.Renewal = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Opportunity", Link: "AccountId", Value: "CloseDate", Combine: settings.Latest, LatestBy: "CreatedDate"}
	s.saveAll(all)
	s.completed(s.sync())
	s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{})
	s.calculated(pipeline.Renewal, all.Renewal, pipeline.Rates{})
	if n := s.count(`SELECT count(*) FROM millrace.value_records WHERE sf_id NOT LIKE '006%'`); n != 0 {
		t.Errorf("%d records of the old rules are left", n)
	}
	s.equalsOrg("", "AccountId != null")
	all.Renewal = settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"}
	all.ARR = settings.ValueRule{}
	s.saveAll(all)
	s.completed(s.sync())
	want := map[string]string{}
	for _, r := range s.asked("SELECT Id, Renewal_Date__c FROM Account WHERE Renewal_Date__c != null") {
		want[field(r, "Id")] = field(r, "Renewal_Date__c")
	}
	s.valuesAre("renewal_date::text", want)
	s.valuesAre("arr::text", map[string]string{})
}

// TestMixedCurrencies converts amounts by the org's rates, and adds nothing up when it cannot see them.
func TestMixedCurrencies(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.org.SetMultiCurrency(true)
	rates := pipeline.Rates{Corporate: "USD", Of: map[string]string{}}
	for _, r := range s.asked("SELECT IsoCode, ConversionRate FROM CurrencyType") {
		rates.Of[field(r, "IsoCode")] = field(r, "ConversionRate")
	}
	all := everything()
	all.ARR = subscriptions(settings.Sum)
	s.saveAll(all)
	s.completed(s.sync())
	s.calculated(pipeline.ARR, all.ARR, rates)

	s.org.HideObject("CurrencyType")
	run := s.sync()
	s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{Corporate: "none"})
	p := s.step(run, "arr")
	listed := s.count(`SELECT count(*) FROM millrace.run_errors WHERE run_id = $1 AND object = 'Account' AND cause = 'arr'`, run.ID)
	if run.State != db.RunCompletedWithErrors || p.Failed == 0 || listed != p.Failed || !strings.Contains(run.Outcome, "could not be stored or worked out") {
		t.Errorf("%s: %d accounts could not be worked out, %d are listed", run.State, p.Failed, listed)
	}
}

// TestValueOfWhatIsGone goes on without a field of the related object, whether it was gone before the run or goes in the middle of it, and leaves the values
// as they were.
func TestValueOfWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{"value": "ARR__c", "filter": "Status__c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 600})
			all := everything()
			all.ARR = subscriptions(settings.Sum)
			s.saveAll(all)
			s.completed(s.sync())
			before := s.count(`SELECT count(*) FROM millrace.accounts WHERE arr IS NOT NULL`)
			check := func(run db.Run, step, part string) {
				t.Helper()
				s.completed(run)
				if note := s.step(run, step).Note; !strings.Contains(note, part) {
					t.Errorf("the note says %q, not %q", note, part)
				}
				if after := s.count(`SELECT count(*) FROM millrace.accounts WHERE arr IS NOT NULL`); after != before || before == 0 {
					t.Errorf("%d accounts have an ARR, %d had one", after, before)
				}
			}
			s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 100_000})
			run := s.request()
			stop := s.start(s.quick())
			s.until(run.ID, func(r db.Run) bool { return r.Phase == "Loading accounts" })
			s.must(s.org.DropField("Subscription__c", field))
			s.org.ClearFaults(0)
			check(s.until(run.ID, ended), "arr", "Left as it was")
			stop()
			check(s.sync(), "accounts:customer", "Subscription__c."+field)
		})
	}
}

// TestValuesSurviveKills kills processes while they work values out; every value is right in the end, and audited once.
func TestValuesSurviveKills(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000, DailyAPILimit: 10_000_000})
	all := everything()
	all.ARR, all.Renewal = subscriptions(settings.Sum), ends(settings.Latest)
	all.Sync.Contacts.Off = true
	s.saveAll(all)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 700_000})
	run := s.request()
	for _, step := range []string{"arr", "arr", "renewal"} {
		process := s.spawn()
		s.until(run.ID, func(r db.Run) bool {
			return ended(r) || s.count(`SELECT count(*) FROM millrace.run_steps WHERE run_id = $1 AND name = $2 AND state = 'running'`, run.ID, step) > 0 && r.LeaseUntil != nil
		})
		s.must(process.Kill())
	}
	s.org.ClearFaults(0)
	s.spawn()
	done := s.completed(s.until(run.ID, ended))
	if done.Attempt < 3 {
		t.Errorf("%d claims", done.Attempt)
	}
	s.calculated(pipeline.ARR, all.ARR, pipeline.Rates{})
	s.calculated(pipeline.Renewal, all.Renewal, pipeline.Rates{})
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE run_id = $1 AND action = 'updated' AND changes ? 'arr' GROUP BY sf_id HAVING count(*) > 1) twice`, run.ID); n != 0 {
		t.Errorf("%d accounts are audited twice", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts a WHERE arr IS NOT NULL AND NOT EXISTS
		(SELECT FROM millrace.audit_log l WHERE l.run_id = $1 AND l.sf_id = a.sf_id AND l.changes ? 'arr')`, run.ID); n != 0 {
		t.Errorf("%d values are not audited", n)
	}
}

// TestSettingsThatCannotWork fail the run with a sentence that names them.
func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	all := everything()
	all.ARR = subscriptions(settings.Sum)
	all.ARR.Filter = "Status__c = "
	s.saveAll(all)
	if run := s.sync(); run.State != db.RunFailed || !strings.Contains(run.Error, "The filter of ARR is not valid") {
		t.Errorf("%s %s", run.State, run.Error)
	}
}

// TestFieldsOfAnotherKind has fields that do not hold any more what the settings take from them, since somebody gave them another type. Runs do without them and say so, what was brought over from them
// stays, and everything else goes on.
func TestFieldsOfAnotherKind(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 10})
	all := everything()
	all.Owners.CSM = "CSM__c"
	all.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "AnnualRevenue"}
	all.Renewal = ends(settings.Latest)
	s.saveAll(all)
	s.completed(s.sync())
	values := func() rows {
		return s.copied("accounts", "", "csm_id", "arr::text AS arr", "renewal_date::text AS renewal")
	}
	before := values()
	if v := before[textOf(s, `SELECT sf_id FROM millrace.accounts WHERE csm_id IS NOT NULL AND arr IS NOT NULL AND renewal_date IS NOT NULL ORDER BY sf_id LIMIT 1`)]; v == nil {
		t.Fatal("there is nothing to keep")
	}
	for sentence, change := range map[string]func(*settings.Settings){
		"Owners of the kind CSM were left as they were. ParentId, chosen as CSM, does not point to a user. Choose another field under Owner Mapping.": func(a *settings.Settings) { a.Owners.CSM = "ParentId" },
		"ARR was left as it was. Industry of Account, from which the ARR is taken, holds no numbers.": func(a *settings.Settings) {
			a.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "Industry"}
		},
		"Renewal dates were left as they were. Onboarded_At__c of Account, from which the renewal date is taken, is not a date field.": func(a *settings.Settings) {
			a.Renewal = settings.ValueRule{Mode: settings.DirectValue, Field: "Onboarded_At__c"}
		},
		"OwnerId of Subscription does not point to an account.":                                             func(a *settings.Settings) { a.ARR = subscriptions(settings.Sum); a.ARR.Link = "OwnerId" },
		"Name of Subscription, by which the latest record is found, is neither a date nor a date and time.": func(a *settings.Settings) { a.Renewal.LatestBy = "Name" },
		"Not read. OwnerId of Subscription__c points to User, not to Account.": func(a *settings.Settings) {
			a.CustomObjects = []settings.CustomObject{{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "OwnerId"}}
		},
	} {
		now := all
		change(&now)
		s.saveAll(now)
		id, err := s.org.Insert("Contact", map[string]any{"LastName": "New", "Email": "new@example.com", "AccountId": slices.Min(s.inOrgIDs("Account"))})
		s.must(err)
		run := s.completed(s.syncWith(s.incremental()))
		if said := s.steps(run); !strings.Contains(said, sentence) {
			t.Errorf("the steps do not say %q, but %s", sentence, said)
		}
		if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE sf_id = $1`, id); n != 1 {
			t.Errorf("%s: contacts did not come over", sentence)
		}
		if c := s.checks(run)["contacts"]; c.Unexplained == nil || *c.Unexplained != 0 {
			t.Errorf("%s: contacts were not counted: %+v", sentence, c)
		}
		same(t, sentence, before, values())
	}

	// The first run that notices names the settings, which their author can see under Settings too; the next one says nothing.
	all.ARR.Field = "Industry"
	s.saveAll(all)
	seen := []pipeline.SeenObject{{Name: "Account", Label: "Account", Fields: []pipeline.SeenField{{Name: "Industry", Label: "Industry", Type: "Currency"}}}}
	s.must(s.db.KeepSchemaSeen(t.Context(), s.conn, seen))
	if run := s.completed(s.syncWith(s.incremental())); !strings.Contains(run.Outcome, "Account.Industry is now of type Picklist; it was Currency (used by ARR)") {
		t.Errorf("the first run says %q", run.Outcome)
	}
	if run := s.completed(s.syncWith(s.incremental())); strings.Contains(run.Outcome, "Industry") {
		t.Errorf("the second run says it again: %q", run.Outcome)
	}
}
