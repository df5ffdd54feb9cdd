package sim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

func eval(t *testing.T, org *sim.Org, query string) string {
	t.Helper()
	rows, err := org.Eval(query)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows)
}

// TestSteer covers what tests do to records: stamps, derived fields, deletion with what hangs on a record, undelete, merge.
func TestSteer(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{})
	a := insert(t, org, "Account", row{"Name": "A"})
	b := insert(t, org, "Account", row{"Name": "B"})
	con := insert(t, org, "Contact", row{"LastName": "C", "AccountId": b})
	opp := insert(t, org, "Opportunity", row{"Name": "O", "StageName": "Prospecting", "CloseDate": "2026-06-01", "Amount": 100, "AccountId": a})

	org.Advance(time.Hour)
	if err := org.Update("Opportunity", opp, row{"StageName": "Closed Won"}); err != nil {
		t.Fatal(err)
	}
	if got := eval(t, org, "SELECT IsWon, IsClosed, Probability, ExpectedRevenue, SystemModstamp FROM Opportunity"); got !=
		"[map[ExpectedRevenue:100 IsClosed:true IsWon:true Probability:100 SystemModstamp:2026-05-13T20:00:00.000+0000]]" {
		t.Errorf("after the stage moved: %s", got)
	}
	if got := eval(t, org, "SELECT StageName FROM OpportunityHistory ORDER BY CreatedDate"); got != "[map[StageName:Prospecting] map[StageName:Closed Won]]" {
		t.Errorf("history: %s", got)
	}
	if err := org.Merge("Account", a, b); err != nil {
		t.Fatal(err)
	}
	if rec := org.Record(b); rec["MasterRecordId"] != a || rec["IsDeleted"] != true {
		t.Errorf("loser: %v %v", rec["MasterRecordId"], rec["IsDeleted"])
	}
	if rec := org.Record(con); rec["AccountId"] != a || rec["SystemModstamp"] != "2026-05-13T20:00:00.000+0000" {
		t.Errorf("the loser's contact: %v at %v", rec["AccountId"], rec["SystemModstamp"])
	}
	if err := org.Delete("Account", a); err != nil {
		t.Fatal(err)
	}
	if n := org.Count("Account") + org.Count("Contact") + org.Count("Opportunity"); n != 0 {
		t.Errorf("%d records left", n)
	}
	if err := org.Undelete("Account", a); err != nil {
		t.Fatal(err)
	}
	if org.Count("Contact") != 1 || org.Count("Opportunity") != 1 || org.Count("Account") != 1 {
		t.Error("undelete leaves something in the bin")
	}
	if err := org.Delete("Account", a); err != nil {
		t.Fatal(err)
	}
	if err := org.Purge("Account"); err != nil {
		t.Fatal(err)
	}
	if org.Record(a) != nil {
		t.Error("a purged record is still there")
	}
	if err := org.Update("Account", a, row{"Name": "x"}); err == nil {
		t.Error("a purged record was updated")
	}
}

// TestFormula moves the clock: the formula follows it, the stamp does not.
func TestFormula(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{})
	insert(t, org, "Account", row{"Name": "A", "Renewal_Date__c": "2026-05-23"})
	before := eval(t, org, "SELECT Days_To_Renewal__c, SystemModstamp FROM Account")
	org.Advance(48 * time.Hour)
	after := eval(t, org, "SELECT Days_To_Renewal__c, SystemModstamp FROM Account")
	if before != "[map[Days_To_Renewal__c:10 SystemModstamp:2026-05-13T19:00:00.000+0000]]" || after != "[map[Days_To_Renewal__c:8 SystemModstamp:2026-05-13T19:00:00.000+0000]]" {
		t.Errorf("%s then %s", before, after)
	}
}

// TestFields covers a field that is renamed, and one that is dropped.
func TestFields(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 30})
	before := eval(t, org, "SELECT SUM(ARR__c) s, COUNT(ARR__c) n FROM Account")
	if err := org.RenameField("Account", "ARR__c", "Revenue__c"); err != nil {
		t.Fatal(err)
	}
	if got := eval(t, org, "SELECT SUM(Revenue__c) s, COUNT(Revenue__c) n FROM Account"); got != before {
		t.Errorf("renamed: %s, before %s", got, before)
	}
	if _, err := org.Eval("SELECT ARR__c FROM Account"); err == nil {
		t.Error("the old name is still known")
	}
	if err := org.DropField("Account", "Tier__c"); err != nil {
		t.Fatal(err)
	}
	if _, err := org.Eval("SELECT Id FROM Account WHERE Tier__c = null"); err == nil {
		t.Error("a dropped field is still known")
	}
	org.SetMultiCurrency(true)
	if got := eval(t, org, "SELECT COUNT() FROM Account WHERE Revenue__c > USD5 AND CurrencyIsoCode = 'EUR'"); got == "[map[expr0:0]]" {
		t.Errorf("multiple currencies: %s", got)
	}
}

// TestSameData makes two orgs of one seed and expects the same records, and others of another seed.
func TestSameData(t *testing.T) {
	t.Parallel()
	make := func(seed int64) []string {
		org := newOrg(t, sim.Options{Accounts: 60, Seed: seed})
		var out []string
		for _, object := range []string{"Account", "Contact", "Opportunity", "Case", "CaseComment", "EmailMessage", "FeedItem", "FeedComment", "Subscription__c", "Success_Plan__c", "Task", "User", "OpportunityHistory"} {
			n := 0
			for rec := range org.Records(object) {
				b, err := json.Marshal(rec)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, string(b))
				n++
			}
			if n == 0 || n != org.Count(object) {
				t.Errorf("%s: %d records, Count says %d", object, n, org.Count(object))
			}
		}
		return out
	}
	a, b, c := make(5), make(5), make(6)
	same := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("one seed, two records:\n%s\n%s", a[i], b[i])
		}
		if a[i] == c[i] {
			same++
		}
	}
	if same > len(a)/10 {
		t.Errorf("%d of %d records are the same with another seed", same, len(a))
	}
}

// TestReferences expects every reference of every generated record to lead somewhere, to an object that the field may point to.
func TestReferences(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 40})
	c := serve(t, org)
	for _, object := range []string{"Account", "Contact", "Opportunity", "OpportunityContactRole", "Case", "CaseComment", "EmailMessage", "FeedItem", "FeedComment", "Subscription__c", "Success_Plan__c", "Task", "User"} {
		fields := c.get("/services/data/v66.0/sobjects/" + object + "/describe").json()["fields"].([]any)
		for rec := range org.Records(object) {
			for _, f := range fields {
				f := f.(map[string]any)
				id, _ := rec[f["name"].(string)].(string)
				if f["type"] != "reference" || id == "" {
					continue
				}
				if org.Record(id) == nil {
					t.Errorf("%s.%s = %s leads nowhere", object, f["name"], id)
				}
			}
			for _, f := range []string{"CreatedDate", "LastModifiedDate"} {
				if s, _ := rec[f].(string); s > "2026-05-01" {
					t.Errorf("%s %s = %s is after the epoch", object, f, s)
				}
			}
		}
	}
}

// TestControl steers the org over HTTP as another process does.
func TestControl(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 20})
	c := serve(t, org)
	post := func(action, body string) answer {
		return c.do("POST", "/control/"+action, body, "Content-Type", "application/json")
	}
	a := c.get("/control/records?object=Account")
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	if len(lines) != 20 {
		t.Fatalf("%d lines of truth", len(lines))
	}
	var rec row
	if err := json.Unmarshal([]byte(lines[0]), &rec); err != nil {
		t.Fatal(err)
	}
	id := rec["Id"].(string)
	if a := post("update", `{"object":"Account","id":"`+id+`","fields":{"Name":"By hand","ARR__c":7.5}}`); a.status != 200 {
		t.Errorf("update: %v", a)
	}
	if a := c.get("/control/query?q=" + url.QueryEscape("SELECT ARR__c FROM Account WHERE Name = 'By hand'")); a.body != `{"rows":[{"ARR__c":7.5}]}`+"\n" {
		t.Errorf("query: %v", a)
	}
	if a := post("fault", `{"match":"/services/data","status":503,"count":1}`); a.json()["id"] != 1.0 {
		t.Errorf("fault: %v", a)
	}
	if a := c.get("/services/data/v66.0/limits"); a.status != 503 {
		t.Errorf("the fault: %v", a)
	}
	for _, bad := range []string{"update", "delete", "merge"} {
		if a := post(bad, `{"object":"Nope","id":"x"}`); a.status != 400 {
			t.Errorf("%s of nothing: %v", bad, a)
		}
	}
	if a := post("nothing", ""); a.status != 404 {
		t.Errorf("an action that is none: %v", a)
	}
	form := c.do("POST", "/control/advance", "by=1h", "Content-Type", "application/x-www-form-urlencoded")
	if form.status != 303 || form.header.Get("Location") != "/control" {
		t.Errorf("a form: %v", form)
	}
	page := c.get("/control", "Cookie", strings.Split(form.header.Get("Set-Cookie"), ";")[0])
	if page.status != 200 || !strings.Contains(page.body, "The clock has moved on.") || !strings.Contains(page.body, "2026-05-13T20:00:00") {
		t.Errorf("the page: %d", page.status)
	}
	if a := c.get("/" + id); a.status != 200 || !strings.Contains(a.body, "By hand") {
		t.Errorf("the record's page: %d", a.status)
	}
}

// TestConcurrent queries, exports and changes an org from many sides at once; the race detector looks on.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 200})
	c := serve(t, org)
	var ids []string
	for rec := range org.Records("Account") {
		ids = append(ids, rec["Id"].(string))
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for n := range 15 {
				var err error
				switch i {
				case 0:
					err = org.Update("Account", ids[n], row{"Name": fmt.Sprint("n", n)})
				case 1:
					_, err = org.Insert("Contact", row{"LastName": "x", "AccountId": ids[n+20]})
				case 2:
					org.HideField("Account", "ARR__c")
					org.ShowField("Account", "ARR__c")
				case 3:
					_, err = org.Eval("SELECT Name, Owner.Name, (SELECT Id FROM Contacts) FROM Account WHERE Name != 'x'")
				case 4:
					if a := c.get("/services/data/v66.0/jobs/query/" + c.job("SELECT Id, Name, Owner.Name FROM Account") + "/results"); a.status != 200 {
						err = fmt.Errorf("bulk: %v", a)
					}
				case 5:
					if a := c.soql("SELECT Id, Account.Name FROM Contact"); a.status != 200 {
						err = fmt.Errorf("query: %v", a)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := org.Count("Contact"); n != 735 {
		t.Errorf("%d contacts", n)
	}
}
