package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
)

// TestAPIBudget reads and changes the allowance of a connection.
func TestAPIBudget(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	path := "/connections/" + itoa(c.ID) + "/api-budget"
	admin := a.as(a.admin)
	p := admin.get(path).is(http.StatusOK)
	p.says("#use-title + p", "Salesforce has not told its limit yet")
	p.says("#api-room", "Not limited")
	if err := a.db.RecordAPIUse(t.Context(), c.ID, db.APIReading{Used: 61_000, Limit: 100_000}); err != nil {
		t.Fatal(err)
	}
	p = admin.get(path).is(http.StatusOK)
	p.says("main", "61,000 of 100,000")
	p.says("main", "80,000, so that 20,000 stay free")
	if !strings.Contains(admin.get("/integrations").text("#salesforce-card"), "API budget") {
		t.Error("the card of the connection does not lead to the API budget")
	}
	// What does not fit is said at its field, and kept as typed.
	p = admin.post(path, url.Values{"version": {"0"}, "reserve": {"100"}, "own": {"calls"}, "calls": {"many"}}).is(http.StatusUnprocessableEntity)
	p.says("main", "Enter a whole number from 0 to 99.")
	p.says("main", "Enter how many requests, at least 1.")
	if b, err := a.db.APIBudget(t.Context(), c.ID); err != nil || b.Allowance != pipeline.DefaultAllowance {
		t.Errorf("a refused form changed %+v, %v", b.Allowance, err)
	}
	admin.post(path, url.Values{"reserve": {"30"}, "own": {"none"}}).is(http.StatusBadRequest)
	late := a.as(a.user("bea@example.com", "Bea Lund", db.RoleAdmin))
	seen := late.get(path).is(http.StatusOK).attr("input[name=version]", "value")
	admin.post(path, url.Values{"version": {seen}, "reserve": {"30"}, "own": {"percent"}, "percent": {"5"}}).is(http.StatusSeeOther)
	// Whoever saw the allowance before is told of the change, keeps what was typed, and decides.
	p = late.post(path, url.Values{"version": {seen}, "reserve": {"10"}, "own": {"none"}}).is(http.StatusConflict)
	p.says("main", "Ana Ruiz has saved the API budget since this page was loaded: 30% of the daily limit stays free")
	p.says("main", "a cap: at most 5% of the daily limit")
	if typed := p.attr("#reserve", "value"); typed != "10" {
		t.Errorf("what was typed became %q", typed)
	}
	now := p.attr("input[name=version]", "value")
	// The same values once more, as by a double click, are no conflict.
	late.post(path, url.Values{"version": {seen}, "reserve": {"30"}, "own": {"percent"}, "percent": {"5"}}).is(http.StatusSeeOther)
	late.post(path, url.Values{"version": {now}, "reserve": {"40"}, "own": {"percent"}, "percent": {"5"}}).is(http.StatusSeeOther)
	again := late.get(path).is(http.StatusOK).attr("input[name=version]", "value")
	admin.post(path, url.Values{"version": {again}, "reserve": {"30"}, "own": {"percent"}, "percent": {"5"}}).is(http.StatusSeeOther)
	b, err := a.db.APIBudget(t.Context(), c.ID)
	if err != nil || b.Allowance != (pipeline.Allowance{ReservePercent: 30, OwnPercent: 5}) {
		t.Errorf("saved %+v, %v", b.Allowance, err)
	}
	admin.get(path).says("#api-room", "5,000 requests")
	viewer := a.as(a.viewer).get(path).is(http.StatusOK)
	viewer.lacks("main form")
}
