package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
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

// TestCostsAreOfTheCurrentSettings saves other settings after a sync of everything: what that took is no bound for syncs of parts any more, until everything has been synced anew. What a part's own last sync took stands.
func TestCostsAreOfTheCurrentSettings(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.ranOnce(c)
	a.exec(`UPDATE millrace.runs SET api_calls = 40 WHERE id = $1`, run.ID)
	admin := a.as(a.admin)
	says := func(schedules, costs, forecast string) {
		t.Helper()
		admin.get(orgPath(c.ID, "/runs")).says("#schedules li:first-child", "Accounts sync", schedules)
		admin.get(orgPath(c.ID, "/api-budget")).says("#api-costs", costs)
		admin.get(overviewPath(c.ID)).says("#budget-forecast", forecast)
	}
	says("At most about 40 API requests a run, 40 a day", "at most 40", "take about 80 requests within a day")

	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name != 'x'"}, Cases: settings.Cases{Enabled: true, LookbackDays: 300}}
	if _, _, err := a.db.SaveSettings(t.Context(), c.ID, 1, s, "", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	a.exec(`UPDATE millrace.runs SET state = 'cancelled', finished_at = now() WHERE state = 'queued'`)
	says("not known yet for the current settings", "not known yet for the current settings", "How many requests syncs take is not known yet for the current settings.")
	for _, page := range []string{"/runs", "/api-budget"} {
		if text := strings.ToLower(admin.get(orgPath(c.ID, page)).text("main")); strings.Contains(text, "at most about") || strings.Contains(text, "at most 40") {
			t.Errorf("%s bounds a sync by one of older settings: %s", page, text)
		}
	}

	ran := func(entity string, version, calls int) {
		a.exec(`INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state, started_at, finished_at, api_calls)
			VALUES ('R-' || substr(md5(random()::text), 1, 6), $1, $2, 'manual', $3, 'completed', now(), now(), $4)`, c.ID, entity, version, calls)
	}
	ran("accounts", 1, 7)
	says("About 7 API requests a run, 7 a day", "not known yet for the current settings", "take at least about 7 requests within a day")
	ran("all", 2, 90)
	says("About 7 API requests a run, 7 a day", "at most 90", "take about 187 requests within a day")
}
