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

func TestRunOfOneEntity(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	b := a.as(a.admin)
	runs := orgPath(c.ID, "/runs")
	first, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	// The first run covers accounts and contacts.
	b.follow(b.post(runs, url.Values{"entity": {"contacts"}})).says("#flash", first.ShortID+" is active already")
	a.exec(`UPDATE millrace.runs SET state = 'completed', outcome = '3 created', started_at = now(), finished_at = now()`)
	accounts := b.follow(b.post(runs, url.Values{"entity": {"accounts"}})).is(http.StatusOK)
	accounts.says("h1", "Accounts sync R-")
	accounts.says("#run-live", "Waiting for its turn")
	running, err := a.db.ActiveRun(t.Context(), c.ID, pipeline.EntityAccounts)
	if err != nil || running == nil {
		t.Fatal(running, err)
	}
	b.follow(b.post(runs, url.Values{"entity": {"contacts"}})).says("#run-live", "Starts when "+running.ShortID+" has ended")
	// Everything may still be asked for, and the banner is about what is in progress.
	page := b.get(runs).is(http.StatusOK)
	page.has("#run-sync:not([disabled])")
	page.says("#sync-banner", "Accounts sync")
	page.says("tbody", "Contacts sync", "Accounts sync", "Sync of everything")
	b.follow(b.post(runs, nil)).says("h1", "Sync of everything")
	b.get(runs).has("#run-sync[disabled]")

	for entity, why := range map[string]string{"chatter": "Chatter is switched off", "cases": "Support cases are switched off"} {
		b.post(runs, url.Values{"entity": {entity}}).is(http.StatusConflict).says("main", "No sync was started", why)
	}
	b.post(runs, url.Values{"entity": {"users; DROP"}}).is(http.StatusBadRequest).says("main", "No sync was started")
}

func TestSchedulesAreShown(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	viewer := a.as(a.viewer)
	viewer.get(orgPath(c.ID, "/runs")).lacks("#schedules")
	viewer.get(orgPath(c.ID, "/runs")).lacks("#next-run")
	a.configure(c, "Id != null")
	if err := a.db.SaveChatterSchedule(t.Context(), c.ID, settings.Weekly, "Europe/Berlin", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	page := viewer.get(orgPath(c.ID, "/runs")).is(http.StatusOK)
	page.says("#schedules", "Accounts sync", "Daily at 02:00, UTC", "Every Monday at 02:00, Europe/Berlin", "Support cases sync", "Off")
	if n := len(page.all("#schedules time[data-time=slot]")); n != 9 {
		t.Errorf("%d coming runs of three schedules are shown", n)
	}
	page.says("#next-run", "Next by itself:")

	a.exec(`UPDATE millrace.schedules SET next_run_at = now() - interval '3 hours' WHERE entity = 'chatter'`)
	a.exec(`UPDATE millrace.runs SET state = 'completed', finished_at = now()`)
	if k, err := a.db.Tick(t.Context()); err != nil || k == nil {
		t.Fatal(k, err)
	}
	viewer.get(orgPath(c.ID, "/runs")).says("#schedules", "1 run left out", "Chatter is switched off in the settings")
	a.exec(`UPDATE millrace.schedules SET next_run_at = next_run_at - interval '5 days' WHERE entity = 'accounts'`)
	k, err := a.db.Tick(t.Context())
	if err != nil || k == nil || k.RunID == 0 {
		t.Fatal(k, err)
	}
	run, err := a.db.RunByID(t.Context(), k.RunID)
	if err != nil || run.Trigger != db.TriggerSchedule {
		t.Fatal(run, err)
	}
	late := viewer.get(orgPath(c.ID, "/runs"))
	late.says("tbody tr:first-child", "Accounts sync", "on schedule, late, 5 missed")
	if !strings.Contains(late.text("#schedules"), run.ShortID) {
		t.Errorf("the schedule does not lead to %s: %s", run.ShortID, late.text("#schedules"))
	}
	// Nothing comes next for an org that cannot be reached.
	if err := a.db.Disconnect(t.Context(), c.ID, a.admin.ID); err != nil {
		t.Fatal(err)
	}
	viewer.get(orgPath(c.ID, "/runs")).lacks("#next-run")
}
