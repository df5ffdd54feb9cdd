package web

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/pipeline"
)

// exec changes what the app has stored.
func (a *app) exec(query string, args ...any) {
	a.t.Helper()
	err := a.db.Transact(a.t.Context(), func(tx *sqlx.Tx) error { _, err := tx.Exec(query, args...); return err })
	if err != nil {
		a.t.Fatal(err)
	}
}

// claimed queues the connection's first run and takes it, with one step for each object and type given as name, object and count.
func (a *app) claimed(c db.Connection) *db.Run {
	a.t.Helper()
	a.configure(c, "Id != null")
	run, err := a.db.Claim(a.t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		a.t.Fatal(run, err)
	}
	var steps []pipeline.Step
	for i, s := range [][2]string{{"accounts:customer", "Account"}, {"accounts:prospect", "Account"}, {"contacts", "Contact"}} {
		table, _ := pipeline.TableOf(s[1])
		expected := int64(100_000)
		steps = append(steps, pipeline.Step{Position: i + 1, Name: s[0], Label: table.Label, Table: table, Expected: &expected})
	}
	if err := a.db.RunStore(run).SaveSteps(a.t.Context(), steps); err != nil {
		a.t.Fatal(err)
	}
	return run
}

func (a *app) finish(run *db.Run, e db.Ending) {
	a.t.Helper()
	if err := a.db.Finish(a.t.Context(), run.ID, run.Fence, e); err != nil {
		a.t.Fatal(err)
	}
}

func TestRunSaysWhyRecordsWereSkipped(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.claimed(c)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', skipped = 59 WHERE run_id = $1 AND name = 'contacts'`, run.ID)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', elsewhere = 12, left_filter = 4, deleted = 3 WHERE run_id = $1 AND name = 'accounts:prospect'`, run.ID)
	a.exec(`UPDATE millrace.run_steps SET state = 'done', left_filter = 1, deleted = 2 WHERE run_id = $1 AND name = 'accounts:customer'`, run.ID)
	a.exec(`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, account_id, reason, since_run, name)
		SELECT $1, 'Contact', '003000000000' || lpad(i::text, 3, '0') || 'AAA', '001000000000001AAA', 'The contact has no Email', CASE WHEN i = 1 THEN $2 ELSE $2 - 1 END,
		       CASE WHEN i <> 2 THEN 'Person ' || i END
		  FROM generate_series(1, 59) i`, c.ID, run.ID)
	b := a.as(a.viewer)
	b.get(runPath(c.ID, run.ShortID)).lacks("#skipped")
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})

	p := b.get(runPath(c.ID, run.ShortID)).is(http.StatusOK)
	p.says("#run-steps", "59 skipped: the contact has no Email", "12 matched an earlier filter", "3 of the 4 that left were deleted in Salesforce",
		"2 found deleted in Salesforce, with those that had left before")
	p.says("#skipped", "Skipped records (59)", "The contact has no Email", "1–50 of 59 skipped records")
	p.says("#skipped a[href='https://acme.my.salesforce.com/003000000000001AAA']", "Person 1")
	p.says("#skipped tbody tr:first-child", "003000000000001AAA")
	p.says("#skipped a[href='https://acme.my.salesforce.com/003000000000002AAA']", "003000000000002AAA") // noted before names were
	p.has("#skipped a[href='" + orgPath(c.ID, "/accounts/001000000000001AAA") + "']")
	if rows, fresh := len(p.all("#skipped tbody tr")), strings.Count(p.text("#skipped"), "New in this run"); rows != 50 || fresh != 1 {
		t.Errorf("%d rows, %d of them new", rows, fresh)
	}
	var skipped string
	for _, td := range p.all("#run-steps tbody tr:nth-child(2) td:nth-child(7)") {
		skipped = td.FirstChild.Data
	}
	if skipped != "0" {
		t.Errorf("of accounts taken by an earlier filter %q count as skipped", skipped)
	}
	b.get(runPath(c.ID, run.ShortID)+"?skipped=50").says("#skipped", "51–59 of 59")

	a.fill(c, 1)
	b.get(runPath(c.ID, run.ShortID)).says("#skipped tbody tr:first-child a[href='"+orgPath(c.ID, "/accounts/001000000000001AAA")+"']", "Account 0001")
	b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).says("#contacts", "59 contacts are skipped: the contact has no Email")
	a.exec(`INSERT INTO millrace.contacts (connection_id, sf_id, account_id, last_name, first_seen_run, last_seen_run) VALUES ($1, '003000000000001AAA', '001000000000001AAA', 'Once', 1, 1)`, c.ID)
	b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).says("#contacts", "Once", "No longer updated: The contact has no Email")
}

func TestASurpriseIsNotPlainGreen(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.claimed(c)
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Completed, but 90 of 100 accounts left the filter.", Surprising: true})
	for _, path := range []string{runPath(c.ID, run.ShortID), orgPath(c.ID, "/runs"), orgPath(c.ID, "/banner")} {
		a.as(a.viewer).get(path).says("body", "Completed, please check", "90 of 100 accounts left the filter")
	}
}

// TestProgressIsAlive follows a page that arrives slowly, and one that stops.
func TestProgressIsAlive(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.claimed(c)
	b := a.as(a.viewer)
	beat := func(n int64) {
		t.Helper()
		if err := a.db.Heartbeat(t.Context(), run.ID, run.Fence, time.Hour, n); err != nil {
			t.Fatal(err)
		}
	}
	banner := func() string { t.Helper(); return b.get(orgPath(c.ID, "/banner")).text("#sync-banner") }
	a.exec(`UPDATE millrace.run_steps SET state = 'running', loading_since = now() - interval '10 seconds', read = 500 WHERE run_id = $1 AND position = 1`, run.ID)
	a.exec(`INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence, committed_at)
		VALUES ($1, 1, 1, '', 'a', 500, 0, 1, now() - interval '9 seconds')`, run.ID)
	beat(250)
	if got := banner(); !strings.Contains(got, "750 of 300,000 records") || strings.Contains(got, "left") {
		t.Errorf("after a short page: %s", got)
	}
	beat(251)
	if got := banner(); !strings.Contains(got, "751 of") {
		t.Errorf("while a page arrives: %s", got)
	}
	a.exec(`INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence) VALUES ($1, 1, 2, 'a', 'b', 50000, 0, 1)`, run.ID)
	a.exec(`UPDATE millrace.run_steps SET read = 50500 WHERE run_id = $1 AND position = 1`, run.ID)
	if got := banner(); !strings.Contains(got, "a second") || !strings.Contains(got, "left") || strings.Contains(got, "Waiting for Salesforce") {
		t.Errorf("after a long page: %s", got)
	}
	a.exec(`UPDATE millrace.runs SET moved_at = now() - interval '1 minute' WHERE id = $1`, run.ID)
	beat(251)
	if got := banner(); !strings.Contains(got, "Waiting for Salesforce…") || strings.Contains(got, "left") || strings.Contains(got, "a second") {
		t.Errorf("while nothing arrives: %s", got)
	}
	beat(252)
	if got := banner(); strings.Contains(got, "Waiting for Salesforce…") {
		t.Errorf("when it goes on: %s", got)
	}
	beat(500_000)
	if got := banner(); !strings.Contains(got, "300,000 of 300,000 records") {
		t.Errorf("past the end: %s", got)
	}
}

func TestLeaversAreCountedApart(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 10) // and six canaries; one has left
	b := a.as(a.admin)
	b.get("/integrations").says("#salesforce-card", "15 , and 1 that left the filter")
	b.get(orgPath(c.ID, "/disconnect")).says("main", "15 accounts, and 1 that left the filter, stay")
}

// TestMergedRecordsLeadToTheirSurvivors follows an account and a contact to what they were merged into, here or in the org.
func TestMergedRecordsLeadToTheirSurvivors(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 2)
	a.exec(`UPDATE millrace.accounts SET left_filter_at = now(), deleted_in_salesforce_at = now(), merged_into_id = '001000000000002AAA' WHERE connection_id = $1 AND sf_id = '001000000000001AAA'`, c.ID)
	b := a.as(a.viewer)
	p := b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).is(http.StatusOK)
	p.says(".note", "Merged in Salesforce", "which now has its contacts and opportunities")
	p.says("a[data-survivor][href='"+orgPath(c.ID, "/accounts/001000000000002AAA")+"']", "Account 0002")
	a.exec(`UPDATE millrace.accounts SET merged_into_id = '001000000000009AAA' WHERE connection_id = $1 AND sf_id = '001000000000001AAA'`, c.ID)
	p = b.get(orgPath(c.ID, "/accounts/001000000000001AAA"))
	p.says("[data-survivor] a[href='https://acme.my.salesforce.com/001000000000009AAA']", "001000000000009AAA")
	p.says(".note", "no copy of it is here")
	a.exec(`UPDATE millrace.accounts SET merged_into_id = NULL WHERE connection_id = $1 AND sf_id = '001000000000001AAA'`, c.ID)
	p = b.get(orgPath(c.ID, "/accounts/001000000000001AAA"))
	p.says(".note", "Deleted in Salesforce", "It was deleted there")
	p.lacks("[data-survivor]")

	a.exec(`INSERT INTO millrace.contacts (connection_id, sf_id, account_id, last_name, first_seen_run, last_seen_run) VALUES ($1, '003000000000002AAA', '001000000000002AAA', 'Survivor', 1, 1)`, c.ID)
	a.exec(`INSERT INTO millrace.contacts (connection_id, sf_id, account_id, last_name, first_seen_run, last_seen_run, left_filter_at, deleted_in_salesforce_at, merged_into_id)
		VALUES ($1, '003000000000001AAA', '001000000000002AAA', 'Twin', 1, 1, now(), now(), '003000000000002AAA')`, c.ID)
	b.get(orgPath(c.ID, "/contacts/003000000000001AAA")).is(http.StatusOK).says("a[data-survivor][href='"+orgPath(c.ID, "/contacts/003000000000002AAA")+"']", "Survivor")
}

// TestRunTellsItsCallsApart shows the API calls of a run by kind, with what they were for.
func TestRunTellsItsCallsApart(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.claimed(c)
	b := a.as(a.viewer)
	b.get(runPath(c.ID, run.ShortID)).is(http.StatusOK).lacks("#run-calls")
	for _, calls := range [][]db.RunCalls{
		{{Kind: "bulk_results", Purpose: "Accounts", Calls: 3}, {Kind: "describe", Purpose: "Planning", Calls: 2}, {Kind: "token", Calls: 1, Free: true}},
		{{Kind: "bulk_results", Purpose: "Accounts", Calls: 1000}, {Kind: "bulk_results", Purpose: "Contacts", Calls: 2}, {Kind: "limits", Calls: 1}}, nil,
	} {
		if err := a.db.AddAPICalls(t.Context(), run.ID, calls); err != nil {
			t.Fatal(err)
		}
	}
	p := b.get(runPath(c.ID, run.ShortID))
	p.says("a[href='#run-calls']", "1,008 API calls")
	p.says("#run-calls h2", "API calls (1,008)")
	for i, want := range []string{
		"Page of bulk results Accounts 1,003 · Contacts 2 1,005", "Objects and fields described Planning 2 2", "API limits asked – none 1",
		"Access token renewed Not part of the daily limit, and not in the sum 1",
	} {
		if got := strings.Join(strings.Fields(p.text("#run-calls tbody tr:nth-child("+strconv.Itoa(i+1)+")")), " "); got != want {
			t.Errorf("row %d says %q, want %q", i+1, got, want)
		}
	}
}

// TestRunWithoutAPlan has a run end before it knows what to read.
func TestRunWithoutAPlan(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	run, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	page := runPath(c.ID, run.ShortID)
	a.as(a.viewer).get(page).says("#run-steps", "The plan is made when this run starts")
	a.finish(run, db.Ending{State: db.RunFailed, Outcome: "Failed", Code: "filter_invalid", Error: "The filter is not valid."})
	a.as(a.viewer).get(page).says("#run-steps", "ended before it read anything")
}
