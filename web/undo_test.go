package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

// ranOver stores what a finished run did to the accounts of fill: it created the odd ones, gave the even ones another name, and marked the first as left. The run and its steps are returned.
func (a *app) ranOver(c db.Connection, n int) *db.Run {
	a.t.Helper()
	run := a.claimed(c)
	a.fill(c, n)
	a.exec(`UPDATE millrace.accounts SET left_filter_at = NULL WHERE connection_id = $1`, c.ID)
	a.exec(`INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		SELECT $1, $2, 'account', sf_id, CASE WHEN i % 2 = 1 THEN 'created' ELSE 'updated' END, CASE WHEN i % 2 = 0 THEN jsonb_build_object('name', jsonb_build_array('Before ' || i, name)) END
		  FROM (SELECT sf_id, name, row_number() OVER (ORDER BY sf_id) AS i FROM millrace.accounts WHERE connection_id = $1 AND name LIKE 'Account %') x`, c.ID, run.ID)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', created = 1, updated = 1 WHERE run_id = $1`, run.ID)
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	return run
}

func TestUndoPage(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.ranOver(c, 80)
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	page := runPath(c.ID, run.ShortID)
	viewer.get(page).is(http.StatusOK).lacks("a[href$='/undo']")
	admin.get(page).is(http.StatusOK).has("a[href='" + page + "/undo']")

	ask := admin.get(page + "/undo").is(http.StatusOK)
	ask.says("#ask-title", "Put back 80 records?")
	ask.says("main", "The next sync brings Salesforce's values again", "Accounts", "No record is deleted")
	ask.says("#undo-records", "Account 0001", "Withdrawn: the run created it", "Account 0002", "Gets its earlier values back", "Name", "Account 0002 → becomes Before 2")
	if rows := len(ask.all("#undo-records tbody tr")); rows != undoRows {
		t.Errorf("%d records are listed", rows)
	}
	next := admin.get(strings.Split(ask.attr("#undo-records nav a", "href"), "#")[0]).is(http.StatusOK)
	next.says("#undo-records", "Account 0026")
	admin.get(page+"/undo?kept=1").says("#undo-records", "There are no such records")
	admin.get(page + "/undo?set=nonsense&after=%27").is(http.StatusOK)

	started := admin.post(page+"/undo", url.Values{}).is(http.StatusSeeOther)
	at := started.Header.Get("Location")
	if at == page || !strings.HasPrefix(at, orgPath(c.ID, "/runs/R-")) {
		t.Fatalf("the undo leads to %s", at)
	}
	if again := admin.post(page+"/undo", url.Values{}).is(http.StatusSeeOther).Header.Get("Location"); again != at {
		t.Errorf("pressed twice it leads to %s and %s", at, again)
	}
	admin.get(page).says("main", "This run is being undone")
	admin.get(page+"/undo").says("main", "An undo is under way")

	undo, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || undo == nil || undo.OfRun != run.ShortID {
		t.Fatalf("claimed %+v: %v", undo, err)
	}
	a.exec(`UPDATE millrace.accounts SET name = 'By hand' WHERE connection_id = $1 AND name = 'Account 0002'`, c.ID)
	if err := a.db.RunStore(undo).Undo(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	a.finish(undo, db.Ending{State: db.RunCompleted, Outcome: "Undid it"})
	result := viewer.get(at).is(http.StatusOK)
	result.says("h1", "Undo of "+run.ShortID)
	result.has("a[href='" + page + "']")
	result.says("#undo-kept", "Left alone (1)", "By hand", "It no longer has the values that the run gave it.")
	result.lacks("#run-steps")
	cells := ""
	for _, td := range result.all("table tbody tr:first-child td.num") {
		cells += td.FirstChild.Data + " "
	}
	if !strings.HasPrefix(cells, "39 40 0 0 1 ") {
		t.Errorf("the undo counts %s", cells)
	}
	viewer.get(page).says("main", "This run was undone", "Undid it")
	admin.get(page+"/undo").says("main", "Put back 1 record?", "79 put back earlier")
	admin.get(at).has("a[href='" + at + "/undo']")
	admin.get(orgPath(c.ID, "/runs")).says("#run-list", "Undo of "+run.ShortID)
}

func TestUndoOfWhatCannotBeUndone(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.claimed(c)
	admin := a.as(a.admin)
	page := runPath(c.ID, run.ShortID) + "/undo"
	admin.get(page).is(http.StatusOK).says("main", "This run cannot be undone", "has not ended")
	admin.post(page, url.Values{}).is(http.StatusConflict).says("main", "Nothing was undone")
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	admin.get(page).is(http.StatusOK).says("main", "There is nothing to undo", "changed no record here")
	admin.get(runPath(c.ID, run.ShortID)).lacks("a[href$='/undo']")
	a.exec(`UPDATE millrace.runs SET started_at = started_at - interval '200 days', finished_at = finished_at - interval '200 days' WHERE id = $1`, run.ID)
	admin.get(page).is(http.StatusOK).says("main", "as its retention asks")
	admin.get(runPath(c.ID, "R-NONE") + "/undo").is(http.StatusNotFound)
}
