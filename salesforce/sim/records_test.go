package sim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// TestRecordTypes covers record types in records, describes and writes, and an object that gets its first one.
func TestRecordTypes(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 60})
	c := serve(t, org)
	const data = "/services/data/v66.0"
	if got := eval(t, org, "SELECT RecordType.DeveloperName n, COUNT(Id) FROM Opportunity WHERE Type = 'Renewal' GROUP BY RecordType.DeveloperName"); !strings.Contains(got, "n:Renewal") ||
		strings.Contains(got, "New_Business") {
		t.Errorf("renewals: %s", got)
	}
	infos := c.get(data + "/sobjects/Opportunity/describe").json()["recordTypeInfos"].([]any)
	if len(infos) != 3 || infos[0].(map[string]any)["developerName"] != "New_Business" || infos[0].(map[string]any)["defaultRecordTypeMapping"] != true ||
		infos[2].(map[string]any)["master"] != true {
		t.Errorf("recordTypeInfos: %v", infos)
	}
	types := map[string]string{}
	for r := range org.Records("RecordType") {
		types[r["DeveloperName"].(string)] = r["Id"].(string)
	}
	create := func(recordType string) answer {
		return c.do("POST", data+"/sobjects/Opportunity", fmt.Sprintf(`{"Name":"O","StageName":"Prospecting","CloseDate":"2026-06-01"%s}`, recordType))
	}
	if a := create(""); a.status != 201 || org.Record(a.json()["id"].(string))["RecordTypeId"] != types["New_Business"] {
		t.Errorf("by default: %v", a)
	}
	if a := create(`,"RecordTypeId":"` + types["Renewal"] + `"`); a.status != 201 || org.Record(a.json()["id"].(string))["RecordTypeId"] != types["Renewal"] {
		t.Errorf("chosen: %v", a)
	}
	if a := create(`,"RecordTypeId":"` + types["Billing"] + `"`); a.status != 400 || !strings.Contains(a.body, "INVALID_CROSS_REFERENCE_KEY") {
		t.Errorf("of another object: %v", a)
	}
	if a := c.soql("SELECT RecordTypeId FROM Account"); a.status != 400 {
		t.Errorf("an object without record types: %v", a)
	}
	insert(t, org, "RecordType", row{"Name": "Partner", "DeveloperName": "Partner", "SobjectType": "Account", "IsActive": true})
	account := insert(t, org, "Account", row{"Name": "A"})
	if got := eval(t, org, "SELECT RecordType.Name FROM Account WHERE Id = '"+account+"'"); got != "[map[RecordType:map[Name:Partner]]]" {
		t.Errorf("the first record type of an object: %s", got)
	}
}

// TestFiscalYear compares the periods of an org whose fiscal year begins in October, which the tests' clock stands in the third quarter of.
func TestFiscalYear(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: -1, FiscalYearStart: time.October})
	for _, day := range []string{"2025-09-30", "2025-10-01", "2026-03-31", "2026-04-01", "2026-06-30", "2026-07-01", "2026-09-30", "2026-10-01"} {
		insert(t, org, "Opportunity", row{"Name": day, "StageName": "Prospecting", "CloseDate": day})
	}
	names := func(where string) string {
		return strings.NewReplacer("map[Name:", "", "]", "", "[", "").Replace(eval(t, org, "SELECT Name FROM Opportunity WHERE "+where+" ORDER BY Name"))
	}
	for where, want := range map[string]string{
		"CloseDate = THIS_FISCAL_QUARTER":                               "2026-04-01 2026-06-30",
		"CloseDate = LAST_FISCAL_QUARTER":                               "2026-03-31",
		"CloseDate = NEXT_N_FISCAL_QUARTERS:2":                          "2026-07-01 2026-09-30 2026-10-01",
		"CloseDate = LAST_FISCAL_YEAR":                                  "2025-09-30",
		"CloseDate = NEXT_FISCAL_YEAR":                                  "2026-10-01",
		"CloseDate = THIS_YEAR AND CloseDate > THIS_FISCAL_YEAR":        "2026-10-01",
		"FISCAL_YEAR(CloseDate) = 2026 AND FISCAL_MONTH(CloseDate) = 1": "2025-10-01",
		"FiscalYear = 2027":                                             "2026-10-01",
		"Fiscal = '2026 2'":                                             "2026-03-31",
		"FISCAL_QUARTER(CloseDate) = 4":                                 "2025-09-30 2026-07-01 2026-09-30",
		"CALENDAR_YEAR(CloseDate) = 2025":                               "2025-09-30 2025-10-01",
	} {
		if got := names(where); got != want {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
	}
	if err := org.SetFiscalYearStart(time.January); err != nil {
		t.Fatal(err)
	}
	if got := names("CloseDate = LAST_FISCAL_YEAR"); got != "2025-09-30 2025-10-01" {
		t.Errorf("from January: %s", got)
	}
	if got := eval(t, org, "SELECT FiscalYearStartMonth FROM Organization"); got != "[map[FiscalYearStartMonth:1]]" {
		t.Errorf("Organization: %s", got)
	}
	if org.SetFiscalYearStart(13) == nil {
		t.Error("there is no thirteenth month")
	}
}

// TestStageHistory moves an opportunity through the control API and reads what is kept of it.
func TestStageHistory(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: -1})
	c := serve(t, org)
	opp := insert(t, org, "Opportunity", row{"Name": "O", "StageName": "Prospecting", "CloseDate": "2026-06-01", "Amount": 100})
	org.Advance(time.Minute)
	if a := c.do("POST", "/control/move-stage", `{"id":"`+opp+`","stage":"Closed Won"}`); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if a := c.do("POST", "/control/move-stage", `{"id":"`+opp+`","stage":"Closing"}`); a.status != http.StatusBadRequest {
		t.Errorf("an unknown stage: %v", a)
	}
	org.Advance(time.Minute)
	if a := c.do("PATCH", "/services/data/v66.0/sobjects/Opportunity/"+opp, `{"Amount":250,"CloseDate":"2026-07-01","NextStep":"x"}`); a.status != 204 {
		t.Fatal(a)
	}
	org.Advance(time.Minute)
	if a := c.do("PATCH", "/services/data/v66.0/sobjects/Opportunity/"+opp, `{"Amount":250,"NextStep":"y"}`); a.status != 204 {
		t.Fatal(a)
	}
	if got, want := eval(t, org, "SELECT Field, OldValue, NewValue FROM OpportunityFieldHistory ORDER BY CreatedDate, Field"),
		"[map[Field:created NewValue:<nil> OldValue:<nil>] map[Field:StageName NewValue:Closed Won OldValue:Prospecting] "+
			"map[Field:Amount NewValue:250.0 OldValue:100.0] map[Field:CloseDate NewValue:2026-07-01 OldValue:2026-06-01]]"; got != want {
		t.Errorf("field history:\n%s, want\n%s", got, want)
	}
	if got, want := eval(t, org, "SELECT StageName, Amount, PrevAmount, Probability FROM OpportunityHistory ORDER BY CreatedDate"),
		"[map[Amount:100 PrevAmount:<nil> Probability:10 StageName:Prospecting] map[Amount:100 PrevAmount:100 Probability:100 StageName:Closed Won] "+
			"map[Amount:250 PrevAmount:100 Probability:100 StageName:Closed Won]]"; got != want {
		t.Errorf("history:\n%s, want\n%s", got, want)
	}
}

// TestLockedRows lets some of the writes of a request find their record locked, over each way to write.
func TestLockedRows(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 2})
	c := serve(t, org)
	const data, code = "/services/data/v66.0", "UNABLE_TO_LOCK_ROW"
	org.Fail(sim.Fault{Match: "/services/data/*/sobjects", LockRows: 1})
	account := ids(t, org, "Account")[0]
	if a := c.do("PATCH", data+"/sobjects/Account/"+account, `{"Site":"x"}`); a.status != 400 || !strings.Contains(a.body, code) {
		t.Errorf("one record: %v", a)
	}
	if a := c.do("PATCH", data+"/sobjects/Account/"+account, `{"Site":"x"}`); a.status != 204 {
		t.Errorf("once more: %v", a)
	}
	org.Fail(sim.Fault{Match: "/services/data/*/composite", LockRows: 2})
	three := `{"records":[{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Account"},"Name":"B"},{"attributes":{"type":"Account"},"Name":"C"}]}`
	if a := c.do("POST", data+"/composite/sobjects", three); a.status != 200 || strings.Count(a.body, code) != 2 || strings.Count(a.body, `"success":true`) != 1 {
		t.Errorf("collection: %v", a)
	}
	job := c.do("POST", data+"/jobs/ingest", `{"object":"Account","operation":"insert"}`).json()["id"].(string)
	c.do("PUT", data+"/jobs/ingest/"+job+"/batches", "Name\nX\nY\n", "Content-Type", "text/csv")
	org.Fail(sim.Fault{Match: "/services/data/*/jobs/ingest", Method: "PATCH", LockRows: -1})
	c.do("PATCH", data+"/jobs/ingest/"+job, `{"state":"UploadComplete"}`)
	if a := c.get(data + "/jobs/ingest/" + job + "/failedResults"); strings.Count(a.body, code) != 2 {
		t.Errorf("ingest: %v", a)
	}
}
