package sim_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// job creates a bulk query job and returns its id.
func (c *caller) job(query string, extra ...string) string {
	c.t.Helper()
	in := map[string]string{"operation": "query", "query": query}
	for i := 0; i+1 < len(extra); i += 2 {
		in[extra[i]] = extra[i+1]
	}
	b, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	a := c.do("POST", "/services/data/v66.0/jobs/query", string(b))
	if a.status != 200 || a.json()["state"] != "UploadComplete" {
		c.t.Fatalf("create: %v", a)
	}
	return a.json()["id"].(string)
}

func (a answer) csv(t *testing.T) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestBulkPages reads a result page by page and compares it with the org's records, while these change.
func TestBulkPages(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 500})
	c := serve(t, org)
	want := map[string]row{}
	for rec := range org.Records("Account") {
		want[rec["Id"].(string)] = rec
	}
	id := c.job("select Id, name, Description, Owner.Name, ARR__c, Is_Reference__c, Renewal_Date__c, CreatedDate from Account")
	base := "/services/data/v66.0/jobs/query/" + id
	if a := c.get(base); a.json()["state"] != "JobComplete" || a.json()["numberRecordsProcessed"] != 500.0 || a.json()["jobType"] != "V2Query" {
		t.Errorf("poll: %v", a)
	}
	if _, err := org.UpdateAll("Account", nil, row{"Name": "changed"}); err != nil {
		t.Fatal(err)
	}
	locator, pages, seen := "", 0, 0
	for locator != "null" {
		a := c.get(base + "/results?maxRecords=150&locator=" + locator)
		rows := a.csv(t)
		if got := strings.Join(rows[0], "|"); got != "Id|name|Description|Owner.Name|ARR__c|Is_Reference__c|Renewal_Date__c|CreatedDate" {
			t.Fatalf("header %s", got)
		}
		if got := a.header.Get("Sforce-NumberOfRecords"); got != fmt.Sprint(len(rows)-1) {
			t.Errorf("Sforce-NumberOfRecords %s of %d", got, len(rows)-1)
		}
		for _, r := range rows[1:] {
			w := want[r[0]]
			text := func(v any) string {
				if v == nil {
					return ""
				}
				return fmt.Sprint(v)
			}
			if r[1] != text(w["Name"]) || r[2] != text(w["Description"]) || r[5] != text(w["Is_Reference__c"]) || r[6] != text(w["Renewal_Date__c"]) ||
				r[7] != strings.Replace(text(w["CreatedDate"]), "+0000", "Z", 1) {
				t.Fatalf("row %q, want %v", r, w)
			}
			seen++
		}
		locator = a.header.Get("Sforce-Locator")
		pages++
	}
	if pages != 4 || seen != 500 {
		t.Errorf("%d rows in %d pages", seen, pages)
	}
	a := c.get(base + "/resultPages?maxRecords=150")
	if n := len(a.json()["resultPages"].([]any)); n != 4 || a.json()["done"] != true {
		t.Errorf("resultPages: %v", a)
	}
	if a := c.get(strings.Replace(base, "v66", "v65", 1) + "/results"); a.status != 409 {
		t.Errorf("another version: %v", a)
	}
	if a := c.get("/services/data/v66.0/jobs/query"); len(a.json()["records"].([]any)) != 1 {
		t.Errorf("list: %v", a)
	}
	if a := c.do("DELETE", base, ""); a.status != 204 {
		t.Errorf("delete: %v", a)
	}
	if a := c.get(base); a.status != 404 {
		t.Errorf("after delete: %v", a)
	}
}

// TestBulkForm covers the exact form of the CSV.
func TestBulkForm(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{})
	c := serve(t, org)
	insert(t, org, "Account", row{"Name": `He said "no", twice`, "Description": "one\ntwo", "ARR__c": 12345678.5})
	insert(t, org, "Account", row{"Name": "Plain", "ARR__c": 5})
	a := c.get("/services/data/v66.0/jobs/query/" + c.job("SELECT Name, Description, ARR__c, Is_Reference__c FROM Account ORDER BY Name") + "/results")
	if want := "\"Name\",\"Description\",\"ARR__c\",\"Is_Reference__c\"\n\"He said \"\"no\"\", twice\",\"one\r\ntwo\",\"1.23456785E7\",\"false\"\n\"Plain\",\"\",\"5.0\",\"false\"\n"; a.body != want {
		t.Errorf("got  %q\nwant %q", a.body, want)
	}
	if a.header.Get("Sforce-Locator") != "null" || a.header.Get("Content-Type") != "text/csv" {
		t.Errorf("headers %v", a.header)
	}
	a = c.get("/services/data/v66.0/jobs/query/" + c.job("SELECT Id FROM Account WHERE Name = 'x'") + "/results")
	if a.body != "\"Id\"\n" || a.header.Get("Sforce-NumberOfRecords") != "0" {
		t.Errorf("empty result: %q %v", a.body, a.header)
	}
	a = c.get("/services/data/v66.0/jobs/query/"+c.job("SELECT Name, Type FROM Account WHERE Name = 'Plain'", "columnDelimiter", "PIPE", "lineEnding", "CRLF")+"/results", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatalf("not gzip: %v", err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil || b.String() != "\"Name\"|\"Type\"\r\n\"Plain\"|\"\"\r\n" {
		t.Errorf("gzip: %q %v", b.String(), err)
	}
}

// TestBulkRefuses covers the queries that bulk jobs do not take, and jobs that are not done.
func TestBulkRefuses(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3, JobDelay: time.Hour})
	c := serve(t, org)
	for _, q := range []string{"SELECT COUNT() FROM Account", "SELECT Type, COUNT(Id) FROM Account GROUP BY Type", "SELECT Id FROM Account OFFSET 1", "SELECT BillingAddress FROM Account",
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account", "SELECT FIELDS(ALL) FROM Account LIMIT 1", "SELECT Nope FROM Account", "SELEC"} {
		b, _ := json.Marshal(map[string]string{"operation": "query", "query": q})
		if a := c.do("POST", "/services/data/v66.0/jobs/query", string(b)); a.status != 400 || !strings.HasPrefix(a.body, "[{") {
			t.Errorf("%s: %v", q, a)
		}
	}
	base := "/services/data/v66.0/jobs/query/" + c.job("SELECT Id FROM Account")
	if a := c.get(base); a.json()["state"] != "InProgress" {
		t.Errorf("poll: %v", a)
	}
	if a := c.get(base + "/results"); a.status != 400 {
		t.Errorf("results too early: %v", a)
	}
	org.Advance(time.Hour)
	c = serve(t, org)
	if a := c.get(base + "/results"); a.status != 200 {
		t.Errorf("results in time: %v", a)
	}
	base = "/services/data/v66.0/jobs/query/" + c.job("SELECT Id FROM Account")
	if a := c.do("PATCH", base, `{"state":"Aborted"}`); a.json()["state"] != "Aborted" {
		t.Errorf("abort: %v", a)
	}
	org.Advance(8 * 24 * time.Hour)
	c = serve(t, org)
	if a := c.get(base); a.status != http.StatusNotFound {
		t.Errorf("after a week: %v", a)
	}
}
