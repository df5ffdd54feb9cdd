package web

import (
	"net/http"
	"net/url"
	"testing"

	"millrace/db"
)

// TestReadEverythingAgain asks with what it costs, starts one run that reads everything however often it is pressed, and says so when a run is under way that was planned otherwise.
func TestReadEverythingAgain(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	list, page := orgPath(c.ID, "/runs"), orgPath(c.ID, "/whole")
	admin.get(page).is(http.StatusOK).says("main", "Save an account filter first")
	admin.post(page, url.Values{}).is(http.StatusConflict).says("main", "Save an account filter first")

	run := a.claimed(c)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', records = 'Account', reading = 'whole' WHERE run_id = $1`, run.ID)
	a.exec(`UPDATE millrace.runs SET api_calls = 4321, started_at = now() - interval '134 seconds' WHERE id = $1`, run.ID)
	late := admin.post(page, url.Values{}).is(http.StatusSeeOther)
	if at := late.Header.Get("Location"); at != runPath(c.ID, run.ShortID) {
		t.Errorf("while a run is under way it leads to %s", at)
	}
	admin.get(runPath(c.ID, run.ShortID)).says("main", "goes on as it was planned")
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})

	viewer.get(list).is(http.StatusOK).lacks("a[href='" + page + "']")
	admin.get(list).is(http.StatusOK).has("a[href='" + page + "']")
	a.exec(`INSERT INTO millrace.read_states (connection_id, records, table_name, fingerprint, watermark, run_id, read_at, whole_read_at, silent_read_at, silent)
		VALUES ($1, 'Account', 'accounts', '', now(), $2, now(), now() - interval '2 hours 1 minute', now(), '{}')`, c.ID, run.ID)
	ask := admin.get(page).is(http.StatusOK)
	ask.says("#whole-cost", "About 4,321 API requests and 2 min 14 s", run.ShortID)
	ask.says("main", "Everything was last read in full 2 h ago")
	ask.has("form[method=post][action='" + page + "'] select[name=entity] option[value=all]")
	ask.lacks("option[value=chatter]") // it is switched off

	at := admin.post(page, url.Values{"entity": {"accounts"}}).is(http.StatusSeeOther).Header.Get("Location")
	if again := admin.post(page, url.Values{"entity": {"accounts"}}).is(http.StatusSeeOther).Header.Get("Location"); again != at {
		t.Errorf("pressed twice it leads to %s and %s", at, again)
	}
	next, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil || next == nil || !next.Whole || next.Entity != "accounts" || runPath(c.ID, next.ShortID) != at {
		t.Errorf("the run is %+v, %v", next, err)
	}
	admin.post(page, url.Values{"entity": {"chatter"}}).is(http.StatusConflict).says("main", "Chatter is switched off")
	admin.post(page, url.Values{"entity": {"nonsense"}}).is(http.StatusBadRequest)
	a.exec(`UPDATE millrace.connections SET status = 'needs_reconnect' WHERE id = $1`, c.ID)
	refused := admin.get(page).is(http.StatusOK)
	refused.says("main", "reconnected")
	refused.lacks("main form[action='" + page + "']")
	admin.post(page, url.Values{}).is(http.StatusConflict)
}
