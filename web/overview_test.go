package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/settings"
	"millrace/views/ui"
)

// ranOnce makes the connection's first run, with its steps done and counted.
func (a *app) ranOnce(c db.Connection) *db.Run {
	a.t.Helper()
	run := a.claimed(c)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', read = 100, created = 90, expected = 100, started_at = now(), finished_at = now() WHERE run_id = $1`, run.ID)
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	return run
}

func TestOverviewBeginsWithTheFirstSteps(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	if at := admin.get("/").is(http.StatusSeeOther).Header.Get("Location"); at != "/integrations" {
		t.Errorf("without a connection the start page is %q", at)
	}
	admin.get("/connections/1/overview").is(http.StatusNotFound)
	c := a.connection("acme")
	for _, from := range []string{"/", "/overview", orgPath(c.ID, "")} {
		if at := viewer.get(from).is(http.StatusSeeOther).Header.Get("Location"); at != overviewPath(c.ID) {
			t.Errorf("%s leads to %q", from, at)
		}
	}

	p := admin.get(overviewPath(c.ID)).is(http.StatusOK)
	p.says("#first-steps-card", "Connect Salesforce (done)", "Choose the accounts", "Save the settings", "First sync", "Be told of trouble", "Check five accounts")
	for _, href := range []string{connectPath, orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/runs"), channelsPath, orgPath(c.ID, "/accounts")} {
		p.has("#first-steps-card a[href='" + href + "']")
	}
	p.lacks("#end-first-steps")
	p.says("#health-connection", "Connected")
	p.says("#health-counts", "Not counted yet")
	p.says("#health-errors", "No sync yet")
	p.says("#health-leavers", "No sync yet")
	p.says("#parts", "once the settings are saved")
	p.says("#chart-records", "Shows after the first sync")
	p.lacks("svg.chart")
	admin.post(orgPath(c.ID, "/first-steps"), nil).is(http.StatusConflict).says("main", "No sync has completed yet")
	waits := viewer.get(overviewPath(c.ID)).is(http.StatusOK)
	waits.lacks("#first-steps-card")
	waits.says("main", "Not set up yet", "An admin has to choose")
	waits.lacks("main form")
	waits.lacks("main a[href*='/settings'], main a[href*='/salesforce/connect']")

	a.ranOnce(c)
	p = admin.get(overviewPath(c.ID))
	p.says("#first-steps-card", "First sync (done)", "Save the settings (done)")
	p.says("#end-first-steps", "They match")
	done := admin.follow(admin.post(orgPath(c.ID, "/first-steps"), nil))
	done.says("#flash", "The first steps are done")
	done.lacks("#first-steps-card")
	admin.follow(admin.post(orgPath(c.ID, "/first-steps"), nil)).is(http.StatusOK)
	admin.get("/integrations").lacks("#first-steps")
	admin.get(orgPath(c.ID, "/audit?entity=connections")).says("tbody", "First steps done")
}

func TestOverviewOfHealth(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.ranOnce(c)
	viewer := a.as(a.viewer)
	p := viewer.get(overviewPath(c.ID)).is(http.StatusOK)
	p.says("#parts", "Accounts", "Completed", run.ShortID, "daily at 02:00", "Support cases are switched off")
	p.says("#health-errors", "None")
	p.says("#health-leavers", "None")
	p.says("#health-schema", "As configured")
	p.says("#health-alerts", "None open")
	// One run: charts with one bar each, and their figures as a table.
	for _, id := range []string{"#chart-records", "#chart-duration"} {
		if bars := len(p.all(id + " svg.chart g")); bars != 1 {
			t.Errorf("%s has %d bars", id, bars)
		}
		p.has(id + " svg[role=img][aria-labelledby] > title + desc")
		p.says(id+" table", run.ShortID, "Completed")
	}
	p.says("#chart-records desc", "One run so far", "read is 300")
	p.says("#overview-budget", "It has not been asked for anything yet", "Schedules are expected to take about 0 requests")

	a.exec(`UPDATE millrace.connections SET api_used = 900, api_limit = 1000, api_seen_at = now() WHERE id = $1`, c.ID)
	a.exec(`INSERT INTO millrace.api_usage (connection_id, hour, used, daily_limit, calls)
		SELECT $1, date_trunc('hour', now()) - i * interval '1 hour', 900 - i, 1000, 2 FROM generate_series(0, 800) i`, c.ID)
	a.exec(`UPDATE millrace.runs SET state = 'completed_with_errors', api_calls = 40 WHERE id = $1`, run.ID)
	a.exec(`INSERT INTO millrace.error_groups (connection_id, kind, subject, cause, object, label, message, records, run_id, muted_at, cured_at) VALUES
		($1, 'record', 'Account', 'AnnualRevenue', 'Account', 'Accounts', 'Too long for its column.', 9, $2, NULL, NULL), ($1, 'skip', 'Contact', 'The contact has no Email', 'Contact', 'Contacts', '', 3, $2, NULL, NULL),
		($1, 'record', 'Account', 'Muted__c', 'Account', 'Accounts', 'x', 100, $2, now(), NULL), ($1, 'record', 'Account', 'Cured__c', 'Account', 'Accounts', 'x', 100, $2, NULL, now())`, c.ID, run.ID)
	a.exec(`INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, account_type, in_salesforce, here, unexplained)
		VALUES ($1, 'accounts:customer', $2, 'accounts', 1, 'Accounts', 'Account', 'customer', 1000000, 1000000, 0), ($1, 'contacts', $2, 'contacts', 3, 'Contacts', 'Contact', '', 120, 118, 2)`, run.ID, c.ID)
	a.exec(`INSERT INTO millrace.schema_drifts (connection_id, object, field, kind, used_by, sentence, first_run) VALUES ($1, 'Account', 'Tier__c', 'field_gone', '{Account Filtering}', 'Account.Tier__c is gone or hidden', $2)`, c.ID, run.ID)
	a.exec(`INSERT INTO millrace.alerts (connection_id, cause, title, detail, place, place_label)
		VALUES ($1, 'connection_lost', 'Salesforce refuses', 'Somebody must connect again.', '/integrations', 'Integrations')`, c.ID)
	a.exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run, left_filter_at)
		SELECT $1, '001' || lpad(i::text, 15, '0'), 'customer', 'A', $2, $2, now() FROM generate_series(1, 7) i`, c.ID, run.ID)
	a.exec(`UPDATE millrace.run_steps SET left_filter = 7 WHERE run_id = $1 AND position = 1`, run.ID)
	p = viewer.get(overviewPath(c.ID)).is(http.StatusOK)
	p.says("#health-counts", "Adrift", "1,000,000 accounts here", "1 count differs: Contacts")
	p.says("#checks li:first-child", "Contacts", "Drift", "2 unexplained")
	p.says("#health-errors", "2 causes", "12 records are touched")
	p.says("#causes li:first-child", "9 accounts", "AnnualRevenue")
	p.says("#causes li:nth-child(2)", "3 contacts without Email")
	p.has("#causes li:nth-child(2) a[href='" + orgPath(c.ID, "/errors/2") + "']")
	p.has("#causes > p a[href='" + orgPath(c.ID, "/errors") + "']")
	p.says("#health-leavers", "7 accounts", "7 left with "+run.ShortID)
	p.says("#health-schema", "1 change")
	p.says("#overview-drift", "Account.Tier__c is gone or hidden.", "Used by Account Filtering")
	p.says("#health-alerts", "1 open", "Salesforce refuses")
	p.says("#overview-alerts", "Connection lost", "Somebody must connect again.")
	p.says("#overview-budget", "900 of 1,000", "Syncs stop at 800")
	p.says("#budget-forecast", "about 80 requests within a day", "room for 0 now: some of them may have to wait")
	if bars := len(p.all("#chart-api svg.chart g")); bars != 30 {
		t.Errorf("the use of 800 hours is drawn as %d days", bars)
	}
	p.has("#chart-api line.chart-level")

	// Another connection shows nothing of it.
	other := a.connection("bolt")
	q := viewer.get(overviewPath(other.ID)).is(http.StatusOK)
	q.says("#health-alerts", "None open")
	q.lacks("#causes, #checks, #overview-drift, #overview-alerts, svg.chart")

	a.exec(`UPDATE millrace.connections SET status = 'needs_reconnect', status_reason = 'The grant was revoked.' WHERE id = $1`, c.ID)
	viewer.get(overviewPath(c.ID)).says("#health-connection", "Needs reconnect", "The grant was revoked.")
	viewer.get(overviewPath(c.ID)).lacks("#health-connection a[href*='/salesforce/connect']")
	a.as(a.admin).get(overviewPath(c.ID)).has("#health-connection a[href*='/salesforce/connect?connection=']")
}

func TestDaysOfTheAPIChart(t *testing.T) {
	t.Parallel()
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	days := apiDays([]db.APIHour{{Hour: at(1, 3), Used: 10, Calls: 2, Limit: 100}, {Hour: at(1, 23), Used: 7, Calls: 3}, {Hour: at(4, 0), Calls: 1}})
	if len(days) != 4 || days[0].used != 10 || days[0].own != 5 || days[1].own+days[2].own != 0 || days[3].own != 1 || !days[3].day.Equal(at(4, 0)) {
		t.Errorf("%+v", days)
	}
	if apiDays(nil) != nil {
		t.Error("no hours make days")
	}
}

func TestChartsKeepToTheirFrame(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	c := ui.Chart{ID: "c", Title: "T", Summary: "S", Bars: []ui.ChartBar{{Value: 0}, {Value: 1, Part: 1}, {Value: 1 << 60, Label: "<b>"}}, Level: &ui.ChartLevel{Value: 1 << 61}}
	if err := ui.ChartFigure(c).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`y="98.50" height="1.50"`, `y="50.00" height="50.00"`, `y="99.50" height="0.50"`, `y1="0.00"`, "&lt;b&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

// TestOverviewOfCountsUnderOlderSettings saves settings after everything was counted, and has one part counted anew: what was counted before says so and does not count as agreeing, parts that are off are
// left out, and each count has its own time.
func TestOverviewOfCountsUnderOlderSettings(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.ranOnce(c)
	viewer := a.as(a.viewer)
	count := func(run int64, part, label, object string, ago string) {
		a.exec(`INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, in_salesforce, here, unexplained, checked_at)
			VALUES ($1, $2, $3, $2, 1, $4, $5, 120, 120, 0, date_trunc('hour', now()) - $6::interval)`, run, part, c.ID, label, object, ago)
	}
	count(run.ID, "accounts", "Accounts", "Account", "0 h")
	count(run.ID, "contacts", "Contacts", "Contact", "0 h")
	p := viewer.get(overviewPath(c.ID))
	p.says("#health-counts", "In step", "2 counts agree")
	p.says("#checks header", "Last counted")
	p.says("#checks li:nth-child(2)", "Contacts", "Complete", "Salesforce has 120, here are 120: complete")
	p.lacks("#checks li time")

	// Everything was counted under version 1.
	save := func(version int, s settings.Settings) {
		t.Helper()
		if _, _, err := a.db.SaveSettings(t.Context(), c.ID, version, s, "", a.admin.ID); err != nil {
			t.Fatal(err)
		}
		a.exec(`UPDATE millrace.runs SET state = 'cancelled', finished_at = now() WHERE state = 'queued'`)
	}
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name != 'x'"}}
	save(1, s)
	p = viewer.get(overviewPath(c.ID))
	p.says("#health-counts", "Not counted since", "120 accounts here when last counted")
	p.says("#checks li:nth-child(2)", "Contacts", "Not counted since", "Salesforce had 120, here were 120", "Counted under settings v1, not since.")
	for _, wrong := range []string{"In step", "agree", "omplete"} {
		if text := p.text("#health-counts") + p.text("#checks ul"); strings.Contains(text, wrong) {
			t.Errorf("the counts of older settings say %q: %s", wrong, text)
		}
	}

	// Accounts are counted anew.
	a.exec(`INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state, started_at, finished_at) VALUES ('R-22NEW', $1, 'accounts', 'manual', 2, 'completed', now(), now())`, c.ID)
	a.exec(`INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, in_salesforce, here, unexplained)
		SELECT id, 'accounts', $1, 'accounts', 1, 'Accounts', 'Account', 90, 90, 0 FROM millrace.runs WHERE short_id = 'R-22NEW'`, c.ID)
	p = viewer.get(overviewPath(c.ID))
	p.says("#health-counts", "Counted in part", "90 accounts here; 1 count agrees", "1 count is of older settings")
	p.says("#checks li:nth-child(1)", "Accounts", "Complete", "Salesforce has 90, here are 90: complete", "counted")
	p.says("#checks li:nth-child(2)", "Contacts", "Counted under settings v1, not since.", "counted")
	if times := len(p.all("#checks li time")); times != 2 {
		t.Errorf("%d counts have their time", times)
	}
	p.lacks("#checks header time")

	// A difference of before is told still: it was not counted since.
	a.exec(`UPDATE millrace.completeness_checks SET unexplained = 2, in_salesforce = 122 WHERE part = 'contacts'`)
	p = viewer.get(overviewPath(c.ID))
	p.says("#health-counts", "Adrift", "1 count differs: Contacts")
	p.says("#checks li:nth-child(1)", "Contacts", "Drift", "Salesforce had 122, here were 120: 2 unexplained", "Counted under settings v1, not since.")

	s.Sync.Contacts.Off = true
	save(2, s)
	a.exec(`UPDATE millrace.runs SET settings_version = 3 WHERE short_id = 'R-22NEW'`)
	p = viewer.get(overviewPath(c.ID))
	p.says("#health-counts", "In step", "90 accounts here; 1 count agrees")
	if rows := p.text("#checks ul"); strings.Contains(rows, "Contacts") {
		t.Errorf("what is off is counted: %s", rows)
	}
}
