package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// troubled ends a run with 30 skipped contacts, three accounts that were not stored and a step that could not be read, and returns the causes by kind.
func (a *app) troubled(c db.Connection) (*db.Run, map[db.ErrorKind]db.ErrorGroup) {
	a.t.Helper()
	run := a.claimed(c)
	a.exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, '001000000000001AAA', 'customer', 'Acme', $2, $2)`, c.ID, run.ID)
	a.exec(`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, account_id, reason, since_run, name)
		SELECT $1, 'Contact', '003000000000' || lpad(i::text, 3, '0') || 'AAA', '001000000000001AAA', 'The contact has no Email', $2, '=Ada ' || i FROM generate_series(1, 30) i`, c.ID, run.ID)
	a.exec(`INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records, name)
		SELECT $2, 1, 'Account', '00100000000009' || i || 'AAA', 'Website', '"x" is not a web address.', $1, 'Account', 'Bad ' || i FROM generate_series(1, 3) i`, c.ID, run.ID)
	a.exec(`UPDATE millrace.run_steps SET state = 'failed', note = 'The connected user may not read prospects.', body = jsonb_set(body, '{Refusal}', '{"Code": "INVALID_TYPE"}')
		 WHERE run_id = $1 AND name = 'accounts:prospect'`, run.ID)
	a.finish(run, db.Ending{State: db.RunCompletedWithErrors, Outcome: "Done"})
	groups, err := a.db.ErrorGroups(a.t.Context(), c.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	out := map[db.ErrorKind]db.ErrorGroup{}
	for _, g := range groups {
		out[g.Kind] = g
	}
	return run, out
}

// again queues a further run and takes it, with the steps of the first.
func (a *app) again(c db.Connection) *db.Run {
	a.t.Helper()
	if _, started, err := a.db.RequestRun(a.t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, nil); err != nil || !started {
		a.t.Fatal(started, err)
	}
	run, err := a.db.Claim(a.t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		a.t.Fatal(run, err)
	}
	a.exec(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, records, query, body)
		SELECT $2, position, name, label, object, records, query, body - 'Refusal' FROM millrace.run_steps WHERE run_id = (SELECT min(id) FROM millrace.runs WHERE connection_id = $1)`, c.ID, run.ID)
	return run
}

func TestErrorInbox(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	inbox := orgPath(c.ID, "/errors")
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	p := viewer.get(inbox).is(http.StatusOK)
	p.says("#open", "Open (0)", "Nothing was synced yet")
	p.lacks("#open a")
	admin.get(inbox).has("#open a[href$='/settings/account-filtering']")
	run, causes := a.troubled(c)

	p = viewer.get(inbox).is(http.StatusOK)
	p.says("#open", "Open (3)", "30 contacts without Email", "3 accounts with a value in Website that cannot be stored", "Accounts cannot be read", "The connected user may not read prospects.")
	p.says("#navigation a[aria-current=page]", "Error inbox", "3")
	p.lacks("#main form")
	admin.get(inbox).is(http.StatusOK)

	skips := causes[db.SkipErrors]
	page := groupPath(c, skips)
	p = viewer.get(page).is(http.StatusOK)
	p.says("main", "Retrying and muting is for admins.", "Fill in Email in Salesforce", run.ShortID)
	p.says("#records", "Records (30)", "=Ada 1", "Acme", "The contact has no Email")
	p.lacks("#records input[type=checkbox]")
	p.lacks("a[href*='field-doctor']")
	p.has("#records a[href='https://acme.my.salesforce.com/003000000000001AAA']")
	if n := len(p.all("#records tbody tr")); n != 25 {
		t.Errorf("%d records on the first page", n)
	}
	next := p.attr("#records nav a", "href")
	if second := viewer.get(next).is(http.StatusOK); len(second.all("#records tbody tr")) != 5 || strings.Contains(second.text("#records"), "=Ada 1 ") {
		t.Errorf("the second page: %s", second.text("#records"))
	}
	p = admin.get(groupPath(c, causes[db.RecordErrors]))
	p.says("main", "Setup → Object Manager → Account", "Bad 1")
	p = admin.get(groupPath(c, causes[db.StepErrors]))
	p.says("main", "Setup → Permission Sets", "Run the sync again")
	p.has("a[href='" + orgPath(c.ID, "/settings/account-filtering") + "']")
	p.lacks("#records")

	// A viewer can do nothing, whatever is sent.
	for _, what := range []string{"/retry", "/mute", "/unmute"} {
		viewer.post(page+what, url.Values{"what": {"all"}}).is(http.StatusForbidden)
	}
	// Of another connection there is no such cause.
	other := a.connection("other")
	admin.get(orgPath(other.ID, "/errors/"+fmt.Sprint(skips.ID))).is(http.StatusNotFound)
	admin.post(orgPath(other.ID, "/errors/"+fmt.Sprint(skips.ID)+"/mute"), nil).is(http.StatusNotFound)

	// CSV: every record, and no formulas.
	exported := viewer.post(page+"/export", nil).is(http.StatusOK)
	lines, err := csv.NewReader(strings.NewReader(exported.Body)).ReadAll()
	if err != nil || len(lines) != 31 || lines[0][1] != "record_name" || lines[1][1] != "'=Ada 1" || lines[1][4] != "Acme" {
		t.Errorf("the export: %v, %v", lines, err)
	}
	p = admin.get(orgPath(c.ID, "/audit?entity=exports"))
	p.says("#audit", "error inbox as CSV: 30 contacts without Email")

	// Muted, it says by whom; it comes back when it has grown to more than twice its size.
	admin.post(page+"/mute", nil).is(http.StatusSeeOther)
	admin.post(page+"/mute", nil).is(http.StatusSeeOther)
	p = viewer.get(inbox)
	p.says("#open", "Open (2)")
	p.says("#muted", "30 contacts without Email", "by "+displayName(a.admin), "with 30 records")
	p.says("#navigation a[aria-current=page]", "2")
	admin.post(page+"/unmute", nil).is(http.StatusSeeOther)
	p = viewer.get(inbox)
	p.says("#open", "Open (3)")
	admin.post(page+"/mute", nil).is(http.StatusSeeOther)
	grow := func(to int) {
		a.exec(`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, reason, since_run)
			SELECT $1, 'Contact', '003000000001' || lpad(i::text, 3, '0') || 'AAA', 'The contact has no Email', $2 FROM generate_series(1, $3 - 30) i ON CONFLICT DO NOTHING`, c.ID, run.ID, to)
		again := a.again(c)
		a.finish(again, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	}
	grow(60)
	p = viewer.get(inbox)
	p.says("#muted", "60 contacts without Email")
	grow(61)
	p = viewer.get(inbox)
	p.lacks("#muted")
	p.says("#open", "61 contacts without Email", "Back: it has grown")
}

func TestRetryOfErrors(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	_, causes := a.troubled(c)
	admin := a.as(a.admin)
	page := groupPath(c, causes[db.RecordErrors])
	ids := url.Values{"what": {"selected"}, "id": {"001000000000091AAA", "001000000000092AAA"}}

	p := admin.post(page+"/retry", url.Values{"what": {"selected"}}).is(http.StatusUnprocessableEntity)
	p.says("main", "Select the records")
	admin.post(page+"/retry", url.Values{"what": {"selected"}, "id": {"'; DROP"}}).is(http.StatusBadRequest)
	admin.post(groupPath(c, causes[db.StepErrors])+"/retry", url.Values{"what": {"all"}}).is(http.StatusConflict)
	p = admin.post(page+"/retry", url.Values{"id": {"001000000000001AAA"}}).is(http.StatusConflict)
	p.says("main", "None of these records is in trouble any more")

	// Twice, and by a second admin: one run. While it waits for its turn, others join it.
	admin.post(page+"/retry", ids).is(http.StatusSeeOther)
	p = admin.get(page)
	p.says("main", "was requested")
	p.says("#last-retry", "Queued")
	p.says("#records", "Under way")
	second := a.as(a.user("eve@example.com", "Eve", db.RoleAdmin))
	second.post(page+"/retry", ids).is(http.StatusSeeOther)
	p = second.get(page)
	p.says("main", "is active already, so no second one was started")
	second.post(page+"/retry", url.Values{"what": {"all"}}).is(http.StatusSeeOther)
	p = second.get(page)
	p.says("main", "added to the retry")
	runs, total, err := a.db.Runs(t.Context(), db.RunFilter{ConnectionID: c.ID})
	if err != nil || total != 2 || runs[0].Entity != "retry" {
		t.Fatal(total, runs, err)
	}
	if result, _, err := a.db.RetryOf(t.Context(), runs[0].ID); err != nil || result.Asked != 3 {
		t.Errorf("asked for %+v, %v", result, err)
	}
	p = admin.get(orgPath(c.ID, "/runs"))
	p.says("#run-list", "Retry of records", runs[0].ShortID)

	// At work, it takes no more.
	working, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || working == nil {
		t.Fatal(working, err)
	}
	admin.post(groupPath(c, causes[db.SkipErrors])+"/retry", url.Values{"what": {"all"}}).is(http.StatusSeeOther)
	p = admin.get(groupPath(c, causes[db.SkipErrors]))
	p.says("main", "Nothing was added: the retry "+working.ShortID)

	a.exec(`UPDATE millrace.retry_records SET outcome = CASE sf_id WHEN '001000000000091AAA' THEN 'stored' ELSE 'failed' END WHERE run_id = $1`, working.ID)
	a.finish(working, db.Ending{State: db.RunCompletedWithErrors, Outcome: "Retry: 1 taken over, 2 still cannot be stored"})
	p = admin.get(page)
	p.says("#last-retry", "1 taken over, 2 still cannot be stored")
	p.says("#records", "Records (2)", "Failed again")

	a.lose(c)
	p = admin.get(page)
	p.says("#records", "must be reconnected")
	p.has("#records button[disabled]")
	admin.post(page+"/retry", ids).is(http.StatusConflict)
	p = a.as(a.viewer).get(orgPath(c.ID, "/errors"))
	p.says("main", "no longer accepts the connection")
}

// TestErrorInboxForgets ends causes with the run that shows that they are over, and says when.
func TestErrorInboxForgets(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	_, causes := a.troubled(c)
	run := a.again(c)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', reading = 'whole', expected = 0 WHERE run_id = $1`, run.ID)
	a.exec(`UPDATE millrace.skipped_records SET until_run = $2 WHERE connection_id = $1`, c.ID, run.ID)
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	p := a.as(a.viewer).get(orgPath(c.ID, "/errors"))
	p.says("#open", "Nothing is open")
	p.says("#cured", "without Email", "a value in Website", "cannot be read", run.ShortID)
	p = a.as(a.admin).get(groupPath(c, causes[db.RecordErrors]))
	p.says("main", "Over", "over since")
	p.lacks("#records tbody")

	// A sync that fails opens a cause; one that completes ends it.
	failed := a.again(c)
	a.finish(failed, db.Ending{State: db.RunFailed, Outcome: "Failed", Code: "INVALID_FIELD", Error: "The account filter no longer fits the org."})
	p = a.as(a.admin).get(orgPath(c.ID, "/errors"))
	p.says("#open", "Sync of everything failed", "no longer fits the org", "press Validate")
	done := a.again(c)
	a.finish(done, db.Ending{State: db.RunCompleted, Outcome: "Done"})
	p = a.as(a.admin).get(orgPath(c.ID, "/errors"))
	p.says("#open", "Nothing is open")
	p.says("#cured", "Sync of everything failed")
}

// TestRetryOfARunsFailures has the records read once more, alone, that a run could not store.
func TestRetryOfARunsFailures(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run, _ := a.troubled(c)
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	page := runPath(c.ID, run.ShortID)
	p := viewer.get(page).is(http.StatusOK)
	p.says("#retry-failed", "3 of them are in trouble still. An admin can have them read once more.")
	p.lacks("#retry-failed form")
	viewer.post(page+"/retry", nil).is(http.StatusForbidden)
	other := a.connection("other")
	admin.post(runPath(other.ID, run.ShortID)+"/retry", nil).is(http.StatusNotFound)
	p = admin.get(page)
	p.says("#retry-failed", "Reads the 3 of them that are in trouble still once more", "and nothing else", "Error inbox")

	// Pressed twice, and by a second admin, it is one run of these three.
	var to string
	for range 2 {
		p = admin.post(page+"/retry", nil).is(http.StatusSeeOther)
		if to != "" && p.Header.Get("Location") != to {
			t.Errorf("the second press leads to %s, the first to %s", p.Header.Get("Location"), to)
		}
		to = p.Header.Get("Location")
	}
	second := a.as(a.user("eve@example.com", "Eve", db.RoleAdmin))
	p = second.follow(second.post(page+"/retry", nil).is(http.StatusSeeOther))
	p.says("main", "is active already, so no second one was started", "Retry of records", "Queued")
	p = admin.get(page)
	p.says("#retry-failed", "is a retry that is active")
	working, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || working == nil || to != runPath(c.ID, working.ShortID) {
		t.Fatal(to, working, err)
	}
	if result, _, err := a.db.RetryOf(t.Context(), working.ID); err != nil || result.Asked != 3 {
		t.Errorf("asked for %+v, %v", result, err)
	}
	a.exec(`UPDATE millrace.retry_records SET outcome = CASE sf_id WHEN '001000000000091AAA' THEN 'stored' WHEN '001000000000092AAA' THEN 'gone' ELSE 'failed' END WHERE run_id = $1`, working.ID)
	a.exec(`INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records)
		VALUES ($2, 1, 'Account', '001000000000093AAA', 'Phone', 'Too long.', $1, 'Account')`, c.ID, working.ID)
	a.finish(working, db.Ending{State: db.RunCompletedWithErrors, Outcome: "Retry: 1 taken over, 1 still cannot be stored, 1 not to be here any more"})
	// What is left is left for another cause; the retry's own page offers it too.
	admin.get(page).says("#retry-failed", "Reads the one of them that is in trouble still")
	admin.get(to).says("#retry-failed", "Reads the one of them that is in trouble still")

	a.lose(c)
	p = admin.get(page)
	p.says("#retry-failed", "The org must be reconnected first.")
	p.has("#retry-failed button[disabled]")
	admin.post(page+"/retry", nil).is(http.StatusConflict)
	a.exec(`UPDATE millrace.connections SET status = 'connected' WHERE id = $1`, c.ID)

	a.exec(`UPDATE millrace.run_errors SET until_run = $2 WHERE connection_id = $1`, c.ID, working.ID)
	p = admin.get(page)
	p.says("#retry-failed", "None of these is left to be read once more")
	p.lacks("#retry-failed form")
	admin.post(page+"/retry", nil).is(http.StatusConflict).says("main", "None of these records is in trouble any more")
	if _, total, err := a.db.Runs(t.Context(), db.RunFilter{ConnectionID: c.ID, Entity: pipeline.EntityRetry}); err != nil || total != 1 {
		t.Errorf("%d retries, %v", total, err)
	}

	a.exec(`INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records)
		SELECT $2, 1, 'Account', '00100000' || lpad(i::text, 7, '0') || 'AAA', 'Website', 'x', $1, 'Account' FROM generate_series(1, $3) i`, c.ID, run.ID, db.MaxRetry+1)
	a.exec(`UPDATE millrace.error_groups SET cured_at = NULL WHERE connection_id = $1`, c.ID)
	p = admin.get(page)
	p.says("#retry-failed", "More than 2,000 of them", "too many to be read one by one")
	p.lacks("#retry-failed form")
	admin.post(page+"/retry", nil).is(http.StatusConflict).says("main", "more than the 2000 records")
}
