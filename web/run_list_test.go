package web

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

// ended stores runs that are over, oldest first, and returns their short ids.
func (a *app) ended(c db.Connection, runs ...string) []string {
	a.t.Helper()
	var out []string
	for i, run := range runs {
		part := strings.Fields(run) // entity, state, trigger
		id := "R-TEST" + string(rune('A'+i/26)) + string(rune('A'+i%26))
		a.exec(`INSERT INTO millrace.runs (short_id, connection_id, entity, state, trigger, settings_version, created_at, started_at, finished_at)
			VALUES ($1, $2, $3, $4, $5, 1, $6, $6, $6)`, id, c.ID, part[0], part[1], part[2], time.Date(2026, 3, 1+i, 23, 30, 0, 0, time.UTC))
		out = append(out, id)
	}
	return out
}

func TestFiltersOfSyncStatusAreInTheAddress(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	first := a.ranOnce(c)
	ids := a.ended(c, "accounts completed schedule", "accounts failed schedule", "contacts cancelled manual", "all completed_with_errors manual", "chatter completed schedule")
	a.exec(`UPDATE millrace.runs SET requested_by = $2 WHERE short_id = $1`, ids[2], a.admin.ID)
	a.exec(`UPDATE millrace.runs SET requested_by = $2 WHERE short_id = $1`, ids[3], a.viewer.ID)
	by := func(u db.User) string { return strconv.FormatInt(u.ID, 10) }
	viewer := a.as(a.viewer)
	path := orgPath(c.ID, "/runs")
	shown := func(query string) string {
		t.Helper()
		p := viewer.get(path + query).is(http.StatusOK)
		var out []string
		for _, n := range p.all("#run-list tbody tr td:first-child a") {
			out = append(out, n.FirstChild.Data)
		}
		return strings.Join(out, " ")
	}
	of := func(n ...int) string {
		var out []string
		for _, i := range n {
			out = append(out, ids[i])
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"?show=active": "", "?show=completed": of(4, 3, 0) + " " + first.ShortID, "?show=failed": of(2, 1), "?state=failed": of(1), "?show=failed&state=completed": of(4, 0) + " " + first.ShortID,
		"?sync=accounts": of(1, 0), "?started=manual": of(3, 2), "?sync=accounts&show=failed&started=schedule": of(1),
		"?from=2026-03-02&until=2026-03-03": of(2, 1), "?until=2026-03-01": of(0),
		"?from=2026-03-02&until=2026-03-02&zone=Europe/Berlin": of(0), // half past eleven in the evening of UTC is the next day there
		"?by=" + by(a.viewer): of(3), "?started=manual&show=failed&by=" + by(a.admin): of(2), "?by=" + by(a.admin) + "&sync=accounts": "", "?by=999999": "",
		"?sync=nonsense&started=x&by=-1&from=soon&show=%27": of(4, 3, 2, 1, 0) + " " + first.ShortID,
	} {
		if got := shown(query); got != want {
			t.Errorf("%s shows %q, want %q", query, got, want)
		}
	}
	p := viewer.get(path + "?show=failed&sync=accounts")
	p.has("nav[aria-label='Kinds of runs'] a[aria-current=true][href*='show=failed']")
	p.has("nav[aria-label='Kinds of runs'] a[href='" + path + "?show=completed&sync=accounts']")
	p.has("#sync option[value=accounts][selected]")
	p.has("#sync option[value=retry]")
	p.has("form[role=search] input[type=hidden][name=show][value=failed]") // another filter leaves the kind of runs as it is
	p.says("#run-list", "1 run")
	if got := p.attr("#run-list", "hx-get"); got != path+"?show=failed&sync=accounts" {
		t.Errorf("the list renews itself as %q", got)
	}
	p = viewer.get(path + "?by=" + by(a.viewer) + "&show=completed")
	p.says("#by option[value='"+by(a.viewer)+"'][selected]", a.viewer.Name)
	p.has("#by option[value='" + by(a.admin) + "']")
	p.has("nav[aria-label='Kinds of runs'] a[href='" + path + "?by=" + by(a.viewer) + "&show=failed']")
	if got := p.attr("#run-list", "hx-get"); got != path+"?by="+by(a.viewer)+"&show=completed" {
		t.Errorf("the list of a person's runs renews itself as %q", got)
	}
	viewer.get(path+"?by=999999").says("#run-list", "No such runs")
	viewer.get(path+"?sync=cases").says("#run-list", "No such runs", "No run fits these filters")
}

func TestListOfRunsIsPaged(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.ranOnce(c)
	var many []string
	for range 60 {
		many = append(many, "accounts completed schedule")
	}
	a.ended(c, many...)
	viewer := a.as(a.viewer)
	p := viewer.get(orgPath(c.ID, "/runs?sync=accounts")).is(http.StatusOK)
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		for _, n := range p.all("#run-list tbody tr td:first-child a") {
			if seen[n.FirstChild.Data] {
				t.Errorf("%s is on two pages", n.FirstChild.Data)
			}
			seen[n.FirstChild.Data] = true
		}
		next := p.attr("#run-list nav[aria-label=Pages] a:last-child", "href")
		if pages == 3 || !strings.Contains(next, "before=") {
			break
		}
		if !strings.Contains(next, "sync=accounts") {
			t.Errorf("the next page forgets the filter: %s", next)
		}
		p = viewer.get(next).is(http.StatusOK)
	}
	if len(seen) != 60 {
		t.Errorf("%d runs on all pages", len(seen))
	}
	p.says("#run-list", "60 runs", "Newest")
}

func TestActiveRunsShowTheirSteps(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	viewer, admin := a.as(a.viewer), a.as(a.admin)
	part := orgPath(c.ID, "/runs/active")
	idle := viewer.get(orgPath(c.ID, "/runs"))
	idle.has("#active-runs[data-live][hx-trigger='every 10s']")
	idle.lacks("#active-runs section")
	idle.has("#sync-banner[data-live][hx-trigger='runs-changed from:body']")
	run := a.claimed(c)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', read = 100000, started_at = now() WHERE run_id = $1 AND position = 1`, run.ID)
	a.exec(`UPDATE millrace.run_steps SET state = 'running', read = 40000, started_at = now(), loading_since = now() - interval '20 seconds' WHERE run_id = $1 AND position = 2`, run.ID)
	a.exec(`INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence, committed_at) VALUES ($1, 2, 1, '', '2', 40000, 0, 1, now() - interval '5 seconds')`, run.ID)
	a.exec(`UPDATE millrace.runs SET phase = 'Loading accounts', moved_at = now() WHERE id = $1`, run.ID)

	p := viewer.get(part + "?was=").is(http.StatusOK)
	if p.Header.Get("HX-Trigger") != "runs-changed" {
		t.Error("the page is not told of a new run")
	}
	p.has("#active-runs[hx-trigger='every 1s'][data-live]")
	if got := p.attr("#active-runs", "hx-get"); got != part+"?was="+run.ShortID {
		t.Errorf("the part renews itself as %q", got)
	}
	p.says("#active-"+run.ShortID, "Running", "Loading accounts", "100,000 records", "40,000 of 100,000 records", "a second", "left", "100,000 records to read")
	p.has("#active-" + run.ShortID + " progress[max='100000'][value='40000']")
	p.lacks("form")
	p.lacks("main")
	if h := viewer.get(part + "?was=" + run.ShortID).Header.Get("HX-Trigger"); h != "" {
		t.Errorf("nothing has changed, and the page is told %q", h)
	}
	admin.get(part).has("form[action='" + runPath(c.ID, run.ShortID) + "/cancel']")
	viewer.get(runPath(c.ID, run.ShortID)).has("#run-steps progress[max='100000'][value='40000']")

	// A run that waits says for what and until when, a queued one behind which.
	a.exec(`UPDATE millrace.runs SET state = 'waiting', waiting_until = now() + interval '1 hour', waiting_reason = 'Salesforce is being maintained.' WHERE id = $1`, run.ID)
	chatter := a.ended(c, "chatter completed manual")[0]
	a.exec(`UPDATE millrace.runs SET state = 'queued', started_at = NULL, finished_at = NULL WHERE short_id = $1`, chatter)
	p = viewer.get(part)
	p.says("#active-"+run.ShortID, "Waiting", "Salesforce is being maintained.", "Goes on by itself at")
	p.says("#active-"+chatter, "Queued", "Starts when "+run.ShortID+" has ended", "The plan is made when this run starts")
	a.exec(`UPDATE millrace.runs SET waiting_until = NULL, waiting_reason = 'The org must be reconnected.' WHERE id = $1`, run.ID)
	viewer.get(part).says("#active-"+run.ShortID, "The org must be reconnected.", "Goes on when that is done")
}

func TestRunTellsWhatChangedSinceTheOneBefore(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	first := a.ranOnce(c)
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	p := admin.get(runPath(c.ID, first.ShortID)).is(http.StatusOK)
	p.lacks("#run-before")
	p.lacks("#pages")
	p.says("#run-totals", "Read 300", "Created 270", "Updated 0", "Failed 0")
	p.has("#run-totals a[href='" + orgPath(c.ID, "/audit?action=created&run="+first.ShortID) + "']")
	p.has("#run-again input[name=entity][value=all]")
	viewer.get(runPath(c.ID, first.ShortID)).lacks("#run-again, #retry-failed")

	again := a.follow(admin, c, first)
	a.exec(`INSERT INTO millrace.settings_versions (connection_id, version, body) SELECT connection_id, 2, body FROM millrace.settings_versions WHERE connection_id = $1`, c.ID)
	a.exec(`UPDATE millrace.runs SET state = 'completed_with_errors', started_at = now() - interval '1 minute', finished_at = now(), settings_version = 2, api_calls = 9 WHERE short_id = $1`, again)
	a.exec(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, state, read, updated, failed, records)
		SELECT r.id, 1, 'contacts', 'Contacts', 'Contact', '', 'done', 100, 3, 2, 'Contact' FROM millrace.runs r WHERE short_id = $1`, again)
	a.exec(`INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence, committed_at)
		SELECT r.id, 1, i, i::text, '', 1000, 0, 1, r.started_at + i * interval '0.5 seconds' FROM millrace.runs r, generate_series(1, 120) i WHERE short_id = $1`, again)
	a.exec(`INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message) SELECT id, 1, 'Contact', 'x', 'Phone', 'Too long.' FROM millrace.runs WHERE short_id = $1`, again)
	a.exec(`INSERT INTO millrace.schema_drifts (connection_id, object, field, kind, used_by, sentence, first_run)
		SELECT $1, 'Account', 'Tier__c', 'field_gone', '{Account Filtering}', 'Account.Tier__c is gone or hidden', id FROM millrace.runs WHERE short_id = $2`, c.ID, again)
	p = admin.get(runPath(c.ID, again)).is(http.StatusOK)
	p.says("#run-before", first.ShortID, "Settings v1 v2", "Contacts 100 read, 90 created 100 read, 3 updated, 2 failed", "Accounts 100 read, 90 created not read", "API calls 0 9", "Took")
	p.has("#run-before a[href='" + orgPath(c.ID, "/settings/history/compare?from=1&to=2") + "']")
	viewer.get(runPath(c.ID, again)).lacks("#run-before a[href*='/settings']")
	p.says("#overview-drift", "Account.Tier__c is gone or hidden")
	p.says("#pages", "Timeline of pages (120)", "1–50 of 120 pages")
	if bars := len(p.all("#timeline-chart svg g")); bars != timelineParts {
		t.Errorf("%d bars", bars)
	}
	p.says("#timeline-chart desc", "120,000 records in 120 pages")
	admin.get(runPath(c.ID, again)+"?pages=100").says("#pages", "101–120 of 120")
	// A part is held against the last sync of everything where it has had none of its own.
	part := a.ended(c, "contacts completed manual")[0]
	a.exec(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, state, read) SELECT id, 1, 'contacts', 'Contacts', 'Contact', '', 'done', 4 FROM millrace.runs WHERE short_id = $1`, part)
	alone := admin.get(runPath(c.ID, part))
	alone.says("#run-before", again, "Contacts 100 read, 3 updated, 2 failed 4 read")
	if rows := len(alone.all("#run-before tbody tr")); rows != 2 {
		t.Errorf("%d rows", rows)
	}
	p.says("#retry-failed", "None of these is left to be read once more")
	p.lacks("#retry-failed form")
	third := admin.post(p.attr("#run-again", "action"), map[string][]string{"entity": {p.attr("#run-again input[name=entity]", "value")}})
	admin.follow(third).says("#run-live", "Queued", "started by hand")
	admin.get(runPath(c.ID, again)).has("#run-again button[disabled]")
}

// follow starts a run again with the button of its page, and returns the new run's short id.
func (a *app) follow(b *browser, c db.Connection, run *db.Run) string {
	a.t.Helper()
	p := b.get(runPath(c.ID, run.ShortID))
	b.follow(b.post(p.attr("#run-again", "action"), map[string][]string{"entity": {p.attr("#run-again input[name=entity]", "value")}})).is(http.StatusOK)
	latest, err := a.db.LatestRun(a.t.Context(), c.ID)
	if err != nil || latest == nil || latest.ID == run.ID {
		a.t.Fatalf("no run was started again: %v %v", latest, err)
	}
	return latest.ShortID
}
