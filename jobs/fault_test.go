package jobs

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
	"millrace/settings"
)

const (
	anyData    = "/services/data"
	anyResults = "/services/data/*/jobs/query/*/results"
)

// TestSurvives makes the org misbehave in the middle of a first sync. The sync goes on, and the copy equals the org.
func TestSurvives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault sim.Fault
	}{
		{"503s", sim.Fault{Match: anyData, Nth: 12, Count: 9, Status: 503}},
		{"500s on results", sim.Fault{Match: anyResults, Nth: 2, Count: 4, Status: 500}},
		{"an HTML page where CSV is due", sim.Fault{Match: anyResults, Nth: 3, Count: 2, Status: 200, Body: "<html>Maintenance</html>"}},
		{"JSON where CSV is due", sim.Fault{Match: anyResults, Nth: 3, Count: 2, Status: 200, Body: `{"done":true,"records":[]}`}},
		{"an answer that is as good as empty", sim.Fault{Match: anyResults, Nth: 2, Count: 3, TruncateAfter: 1, CleanCut: true}},
		{"a page cut in the middle of a value", sim.Fault{Match: anyResults, Nth: 2, Count: 3, TruncateAfter: 1111}},
		{"a page cut as if it were complete", sim.Fault{Match: anyResults, Nth: 2, Count: 3, TruncateAfter: 3000, CleanCut: true}},
		{"a page that stalls", sim.Fault{Match: anyResults, Nth: 2, Count: 2, StallAfter: 500, Stall: time.Minute}},
		{"broken quotes", sim.Fault{Match: anyResults, Nth: 4, Count: 2, CorruptRow: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 150})
			s.hosts.Stall = 300 * time.Millisecond
			s.filter(allAccounts)
			s.org.Fail(c.fault)
			s.completed(s.sync())
			s.equalsOrg("", "AccountId != null")
			s.auditedOnce()
		})
	}
}

// auditedOnce checks that each record was created once, by the audit log and by the counts.
func (s *scene) auditedOnce() {
	s.t.Helper()
	rows := s.count(`SELECT (SELECT count(*) FROM millrace.accounts) + (SELECT count(*) FROM millrace.contacts)
	                      + (SELECT count(*) FROM millrace.opportunities) + (SELECT count(*) FROM millrace.sf_users)`)
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'created' AND run_id IS NOT NULL`); n != rows {
		s.t.Errorf("%d rows, %d of them audited as created", rows, n)
	}
	if n := s.count(`SELECT sum(created)::bigint FROM millrace.run_steps`); n != rows {
		s.t.Errorf("%d rows, %d of them counted as created", rows, n)
	}
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.run_pages GROUP BY run_id, position, locator HAVING count(*) > 1) twice`); n != 0 {
		s.t.Errorf("%d pages were committed twice", n)
	}
}

// midway waits until the run has stored some pages, slowing the org down so that the middle lasts.
func (s *scene) midway(id int64) {
	s.t.Helper()
	s.until(id, func(db.Run) bool {
		p, err := s.db.RunProgress(s.t.Context(), id)
		return err == nil && p.Read > 60
	})
}

func (s *scene) slow() {
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 30_000})
}

func TestTokenExpiresMidway(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200, RotateRefreshTokens: true})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	s.org.ExpireAccessTokens()
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestGrantRevokedMidway ends in a run that waits for a person, and goes on once the org is connected again.
func TestGrantRevokedMidway(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	s.org.RevokeRefreshTokens()
	s.org.ExpireAccessTokens()
	waiting := s.until(run.ID, inState(db.RunWaiting))
	if waiting.WaitingUntil != nil || !strings.Contains(waiting.WaitingReason, "Reconnect") {
		t.Errorf("the run waits until %v: %s", waiting.WaitingUntil, waiting.WaitingReason)
	}
	c, err := s.db.Connection(t.Context(), s.conn)
	s.must(err)
	if c.Status != db.StatusNeedsReconnect {
		t.Errorf("the connection is %s", c.Status)
	}
	s.org.ClearFaults(0)
	s.connect()
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestAppLostMidway has an administrator rotate the app's secret, or delete the app, in the middle of a run. It waits for a person and tells what to reconnect with, and goes on once the org is
// connected with the new key and secret.
func TestAppLostMidway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, says string
		lose       func(*sim.Org)
	}{
		{"the secret is rotated", "consumer secret", func(o *sim.Org) { o.RotateSecret() }},
		{"the app is deleted", "no longer knows the connected app", (*sim.Org).ReplaceApp},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 200})
			s.filter(allAccounts)
			s.slow()
			run := s.request()
			s.start(s.quick())
			s.midway(run.ID)
			c.lose(s.org)
			s.org.ExpireAccessTokens()
			waiting := s.until(run.ID, inState(db.RunWaiting))
			if waiting.WaitingUntil != nil || !strings.Contains(waiting.WaitingReason, c.says) || !strings.Contains(waiting.WaitingReason, "current consumer key and secret") {
				t.Errorf("the run waits until %v: %s", waiting.WaitingUntil, waiting.WaitingReason)
			}
			if lost, err := s.db.Connection(t.Context(), s.conn); err != nil || lost.Status != db.StatusNeedsReconnect || !strings.Contains(lost.StatusReason, c.says) {
				t.Errorf("the connection is %s: %s (%v)", lost.Status, lost.StatusReason, err)
			}
			s.org.ClearFaults(0)
			now := s.org.Credentials()
			s.mu.Lock()
			s.app.ClientID, s.app.ClientSecret = now.ClientID, now.ClientSecret
			s.mu.Unlock()
			s.connect()
			s.completed(s.until(run.ID, ended))
			s.equalsOrg("", "AccountId != null")
			s.auditedOnce()
		})
	}
}

// TestDailyLimit pauses the run until a full hour, never completes it, and goes on where it stopped.
func TestDailyLimit(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	s.start(s.quick())
	s.midway(run.ID)
	s.org.SetAPILimit(1000, 1000)
	waiting := s.until(run.ID, inState(db.RunWaiting))
	if at := waiting.WaitingUntil; at == nil || at.UTC().Minute() != 0 || at.Second() != 0 || !at.After(time.Now()) {
		t.Errorf("the run waits until %v", waiting.WaitingUntil)
	}
	if !strings.Contains(waiting.WaitingReason, "limit") {
		t.Errorf("the run says %q", waiting.WaitingReason)
	}
	s.org.ClearFaults(0)
	s.org.Fail(sim.Fault{Match: "/services/data/*/limits", Count: -1, Stall: 300 * time.Millisecond}) // meanwhile others find no room either
	s.org.SetAPILimit(0, 100_000)
	s.later(run.ID)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestPostgresDropsSessions ends every session of the app again and again during a sync.
func TestPostgresDropsSessions(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.slow()
	run := s.request()
	o := s.quick()
	o.Pauses = make([]time.Duration, 100)
	s.start(o)
	for range 15 {
		_, err := s.sql.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		s.must(err)
		time.Sleep(40 * time.Millisecond)
	}
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

// TestGivesUpInTheEnd fails a run that rests too often, and a new run takes nothing for granted.
func TestGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.hosts.Stall = 200 * time.Millisecond
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Nth: 2, Count: -1, TruncateAfter: 1500})
	run := s.sync()
	if run.State != db.RunFailed || !strings.Contains(run.Error, "run the sync again") || run.Waits != 2 {
		t.Errorf("the run is %s after %d waits: %s %q", run.State, run.Waits, run.ErrorCode, run.Error)
	}
	s.org.ClearFaults(0)
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestFieldVanishes hides a field between describe and query: the sync goes on without it and says so.
func TestFieldVanishes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.filter(allAccounts)
	s.completed(s.sync())
	before := s.count(`SELECT count(*) FROM millrace.contacts WHERE department IS NOT NULL`)
	s.org.HideField("Contact", "Department")
	run := s.completed(s.sync())
	if p := s.step(run, "contacts"); !strings.Contains(p.Note, "Department") {
		t.Errorf("the step says %q", p.Note)
	}
	if after := s.count(`SELECT count(*) FROM millrace.contacts WHERE department IS NOT NULL`); after != before || before == 0 {
		t.Errorf("%d contacts had a department, now %d", before, after)
	}
}

// TestEmailVanishes hides the field without which no contact is taken, from the first sync and from one that compares. Nobody can tell which contacts have one: none is skipped, those that are here
// stay as they are, and the run says why. They come over once the field can be read.
func TestEmailVanishes(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		t.Run(map[bool]string{true: "first", false: "later"}[first], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 60})
			s.filter(allAccounts)
			if !first {
				s.completed(s.sync())
			}
			skips := `SELECT count(*) FROM millrace.skipped_records WHERE object = 'Contact' AND until_run IS NULL`
			here, skipped := s.count(`SELECT count(*) FROM millrace.contacts WHERE left_filter_at IS NULL`), s.count(skips)
			s.org.HideField("Contact", "Email")
			run := s.sync()
			if p := s.step(run, "contacts"); run.State != db.RunCompletedWithErrors || p.State != "failed" || !strings.Contains(p.Note, "Contacts without Email are not synced, and the connected Salesforce user cannot read that field.") {
				t.Errorf("the run is %s, its step %s: %q", run.State, p.State, p.Note)
			}
			if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE left_filter_at IS NULL`); n != here {
				t.Errorf("%d contacts were here, now %d are", here, n)
			}
			if n := s.count(skips); n != skipped {
				t.Errorf("%d contacts were skipped, now %d are", skipped, n)
			}
			s.org.ShowField("Contact", "Email")
			client, err := s.open(t.Context(), s.conn)
			s.must(err)
			client.RefreshSchema() // which is kept for minutes
			s.completed(s.sync())
			s.equalsOrg("", "AccountId != null")
		})
	}
}

// TestFilterFieldVanishes has the field of the account filter go. Accounts are not read, and the run says which filter is wrong and what to do; contacts go
// on, nobody is marked as having left, and accounts come back with the field.
func TestFilterFieldVanishes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter("Industry != null")
	s.completed(s.sync())
	s.org.HideField("Account", "Industry")
	var contact string
	s.must(s.sql.Get(&contact, `SELECT sf_id FROM millrace.contacts WHERE left_filter_at IS NULL ORDER BY sf_id LIMIT 1`))
	s.must(s.org.Update("Contact", contact, map[string]any{"Title": "Changed meanwhile"}))
	run := s.sync()
	if run.State != db.RunCompletedWithErrors || run.ErrorCode != "refused" || !strings.Contains(run.Error, "The account filter no longer fits the org: Industry is not on Account.") ||
		!strings.Contains(run.Error, "Correct the filter") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if p := s.step(run, "accounts:customer"); p.State != "failed" || !strings.Contains(p.Note, "Correct the filter") {
		t.Errorf("the step is %s: %s", p.State, p.Note)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts are marked as having left", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE sf_id = $1 AND title = 'Changed meanwhile'`, contact); n != 1 {
		t.Error("the contacts did not go on")
	}
	s.org.ShowField("Account", "Industry")
	s.completed(s.sync())
}

// TestDriftIsToldOnce hides a field that the settings use, for two runs. It is one change: told by the first run that notices it, kept as lasting, and over
// once a run finds the field again.
func TestDriftIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]time.Duration{"while the describe is kept": time.Second, "after it has grown old": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driftIsToldOnce(t, later)
		})
	}
}

// driftIsToldOnce has runs come so much later than a change in the org.
func driftIsToldOnce(t *testing.T, later time.Duration) {
	s := newScene(t, sim.Options{Accounts: 30})
	s.clock = s.org.Now
	base, _, err := s.db.SaveSettings(t.Context(), s.conn, 0, settings.Settings{
		Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: allAccounts}, AccountFields: []string{"Phone"}}, "", s.admin)
	s.must(err)
	s.completed(s.sync())
	s.org.HideField("Account", "Phone")
	s.org.Advance(later)
	first := s.completed(s.sync())
	if want := "Account.Phone was deleted, renamed or hidden from the connected user (used by Account fields)"; !strings.Contains(first.Outcome, want) {
		t.Errorf("v%d: the first run says %q", base.Version, first.Outcome)
	}
	if p := s.step(first, "accounts:customer"); !strings.Contains(p.Note, "Phone") {
		t.Errorf("its step says %q", p.Note)
	}
	if second := s.completed(s.sync()); strings.Contains(second.Outcome, "Phone") {
		t.Errorf("the second run says it again: %q", second.Outcome)
	}
	lasting, err := s.db.SchemaDrifts(t.Context(), s.conn)
	if err != nil || len(lasting) != 1 || lasting[0].Kind != pipeline.FieldGone || lasting[0].FirstRun != first.ID || !lasting[0].LastSeen.After(lasting[0].FirstSeen) {
		t.Errorf("%+v, %v", lasting, err)
	}
	s.org.ShowField("Account", "Phone")
	s.org.Advance(time.Hour) // that a field is there again only a new describe tells
	s.completed(s.sync())
	if lasting, err = s.db.SchemaDrifts(t.Context(), s.conn); err != nil || len(lasting) != 0 {
		t.Errorf("after the field is back: %+v, %v", lasting, err)
	}
}

// TestObjectVanishes hides an object that every sync reads, before a run and in the middle of one. The others go on, and nothing of it is lost here.
func TestObjectVanishes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	s.completed(s.sync())
	s.org.HideObject("Opportunity")
	run := s.sync()
	if p := s.step(run, "opportunities"); run.State != db.RunCompletedWithErrors || p.State != "failed" || !strings.Contains(run.Error, "read access") {
		t.Errorf("the run is %s, %q; the step %s: %s", run.State, run.Error, p.State, p.Note)
	}
	if n := s.count(`SELECT count(*) FROM millrace.opportunities WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d opportunities are marked as having left", n)
	}
}

// TestJobVanishes deletes the bulk job in the org while it is read.
func TestJobVanishes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Nth: 3, Count: 1, Status: 404, Code: "NOT_FOUND"})
	run := s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
	if p := s.step(run, "accounts:customer"); p.Read != 200 || p.Created != 200 || p.Unchanged != 0 {
		t.Errorf("step %+v", p)
	}
}

// forgetCursors has the org send pages of 200 records, and forget its cursor before it is asked for a further page: another app of the same user opens as many queries as a user may have open.
// forgets picks the pages, by their number among all further ones. What is returned tells how many queries with all of the parts were asked for from their beginning, by their path and text.
func (s *scene) forgetCursors(forgets func(n int) bool) (asked func(parts ...string) int) {
	org := s.server.Config.Handler
	var mu sync.Mutex
	var queries []string
	further := 0
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const pages = "batchSize=200"
		r.Header.Set("Sforce-Query-Options", pages)
		mu.Lock()
		if q := r.URL.Query().Get("q"); q != "" {
			queries = append(queries, r.URL.Path+" "+q)
		}
		gone := false
		if strings.Contains(r.URL.Path, "/query/01g") {
			further++
			gone = forgets(further)
		}
		mu.Unlock()
		for range 10 {
			if !gone {
				break
			}
			other := httptest.NewRequest(http.MethodGet, "/services/data/v66.0/query?q=SELECT+Id+FROM+Account", nil)
			other.Header.Set("Authorization", r.Header.Get("Authorization"))
			other.Header.Set("Sforce-Query-Options", pages)
			org.ServeHTTP(httptest.NewRecorder(), other)
		}
		org.ServeHTTP(w, r)
	})
	return func(parts ...string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, q := range queries {
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(q, part) }) {
				n++
			}
		}
		return n
	}
}

// readsByREST are options of runs that read all by REST queries, and only what has changed.
func (s *scene) readsByREST() Options {
	o := s.incremental()
	o.Pipeline.RESTLimit = 5_000
	return o
}

// TestCursorThatIsGone has the org forget the cursor of a query between two of its pages. The query is asked for anew, and the copy equals the org; when that is to no avail, the run fails and says so.
func TestCursorThatIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 250, Contacts: 30, Opportunities: 30})
	s.filter(allAccounts)
	org := s.server.Config.Handler
	asked := s.forgetCursors(func(int) bool { return true })
	if run := s.syncWith(s.readsByREST()); run.State != db.RunFailed || run.ErrorCode != "INVALID_QUERY_LOCATOR" || !strings.Contains(run.Error, "forgotten the query") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if n := asked("/query ", " FROM Account ", "Website"); n != 2 {
		t.Errorf("the query was asked for %d times", n)
	}
	s.server.Config.Handler = org
	asked = s.forgetCursors(func(n int) bool { return n == 1 })
	run := s.completed(s.syncWith(s.readsByREST()))
	if n := asked("/query ", " FROM Account ", "Website"); n != 2 {
		t.Errorf("the query was asked for %d times", n)
	}
	if p := s.step(run, "accounts:customer"); p.Mode != pipeline.REST || p.Read != 250 {
		t.Errorf("step %+v", p)
	}
	s.equalsOrg("", "AccountId != null")
}

// TestCursorOfAListThatIsGone has the org forget the cursor of a list of what has changed. The list is asked for anew, and what left is found.
func TestCursorOfAListThatIsGone(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 250, Contacts: 30, Opportunities: 30})
	const filter = "Phone != '555-0100'"
	s.filter(filter)
	s.completed(s.syncWith(s.readsByREST()))
	for a := range s.org.Records("Account") {
		s.must(s.org.Update("Account", a["Id"].(string), map[string]any{"Phone": "555-0100"}))
	}
	asked := s.forgetCursors(func(n int) bool { return n == 1 }) // no account matches, so that only the list has two pages
	s.completed(s.syncWith(s.readsByREST()))
	if n := asked("/queryAll ", " FROM Account "); n != 2 {
		t.Errorf("the list was asked for %d times", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NULL`); n != 0 {
		t.Errorf("%d accounts have not left", n)
	}
}

// TestOddValues sends records that Postgres cannot hold, and records twice. Only the bad ones are left out, each listed with its line.
func TestOddValues(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.filter(allAccounts)
	names := []string{"Back\\slash \\. \\N and\ttab", "Two\r\nlines", "a lone \"quote", `"quoted", ""twice""`, strings.Repeat("長", 30_000), "-0", "=1+1"}
	ids := make([]string, len(names))
	for i, name := range names {
		id, err := s.org.Insert("Account", map[string]any{"Name": "odd", "Description": name})
		s.must(err)
		ids[i] = id
	}
	rewrite := func(page []byte) []byte {
		lines := bytes.SplitAfter(page, []byte("\n"))
		if !bytes.Contains(lines[0], []byte("Website")) || len(lines) < 20 || bytes.Contains(page, []byte("odd")) {
			return page
		}
		lines[3] = bytes.Replace(lines[3], []byte(`","`), []byte("\x00\",\""), 2)
		lines[5] = bytes.Replace(lines[5], []byte(`","`), []byte("\",\"\xed\xa0\x80"), 1)
		lines[7] = append([]byte(`"not an id"`), lines[7][bytes.IndexByte(lines[7], ','):]...)
		lines[9] = lines[11] // the same record twice in place of another
		return bytes.Join(lines, nil)
	}
	s.rewrite.Store(&rewrite)
	run := s.sync()
	if run.State != db.RunCompletedWithErrors {
		t.Fatalf("the run is %s: %s %s", run.State, run.Outcome, run.Error)
	}
	for i, id := range ids {
		var got string
		s.must(s.sql.Get(&got, `SELECT description FROM millrace.accounts WHERE sf_id = $1`, id))
		if want := names[i]; got != want {
			t.Errorf("%.40q came over as %.40q", want, got)
		}
	}
	errs, err := s.db.RunErrors(t.Context(), run.ID, 100, 0)
	s.must(err)
	p := s.step(run, "accounts:customer")
	if len(errs) != int(p.Failed) || len(errs) < 4 {
		t.Errorf("%d errors listed, %d counted: %+v", len(errs), p.Failed, errs)
	}
	for _, e := range errs {
		if e.Line == nil || *e.Line < 1 || *e.Line > 50 || e.Cause == "" || e.Message == "" {
			t.Errorf("error %+v", e)
		}
	}
	s.rewrite.Store(nil)
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestIncompleteIsSaid has pages that hold fewer records than the job processed.
func TestIncompleteIsSaid(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	s.filter(allAccounts)
	s.completed(s.sync())
	// One that the run does not meet, as if it were among those that did not arrive.
	s.mustExec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, '001000000000001AAA', 'customer', 'Missing', 1, 1)`, s.conn)
	o := s.quick()
	o.Client = s.open
	run := s.request()
	claimed, err := s.db.Claim(t.Context(), "test", time.Minute)
	s.must(err)
	store := shortStore{s.db.RunStore(claimed)}
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	version, err := s.db.SettingsVersionAt(t.Context(), s.conn, claimed.SettingsVersion)
	s.must(err)
	s.must(pipeline.Run(t.Context(), pipeline.Work{Settings: version.Settings, Source: remote.New(client), Store: store, Options: o.Pipeline, Log: s.log}))
	steps, err := s.db.RunSteps(context.Background(), run.ID)
	s.must(err)
	if e := ending(steps, 0, nil); e.State != db.RunCompletedWithErrors || !strings.HasPrefix(e.Outcome, "Incomplete") {
		t.Errorf("the run ends as %+v", e)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts are marked as having left", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.read_states WHERE run_id = $1 AND records = 'Account'`, run.ID); n != 0 {
		t.Error("what was read in part counts as read")
	}
}

// shortStore expects one record more than the org has.
type shortStore struct{ *db.RunStore }

func (s shortStore) SetExpected(ctx context.Context, step pipeline.Step, n int64, clock time.Time) error {
	return s.RunStore.SetExpected(ctx, step, n+1, clock)
}

// TestFieldVanishesForAWhile hides a field after a run was planned, and shows it again before the next one, which reads only changes otherwise: it reads everything of what was read without the field.
func TestFieldVanishesForAWhile(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter(allAccounts)
	hide := sync.OnceFunc(func() { s.org.HideField("Contact", "Title") })
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "FROM+User") && !strings.Contains(r.URL.RawQuery, "COUNT") {
			hide() // the first records are read: everything is planned
		}
		s.serve(w, r)
	})
	runs := s.running(s.incremental())
	first := runs.run(pipeline.EntityAll, false)
	if p := s.step(first, "contacts"); !strings.Contains(p.Note, "Title") {
		t.Fatalf("the contacts were not planned again: %+v", p)
	}
	s.org.ShowField("Contact", "Title")
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	client.RefreshSchema()
	second := runs.run(pipeline.EntityAll, false)
	s.equalsOrg("", "AccountId != null")
	if p := s.step(second, "opportunities"); p.Reading != "changes" {
		t.Errorf("the opportunities, which had all their fields, were read again: %s", p.Why)
	}
}

// TestFieldAppearsWhileARunReads has a field become visible after a run was planned. The run does without it, and the next one, which reads only changes otherwise, brings it of all records.
func TestFieldAppearsWhileARunReads(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter(allAccounts)
	s.org.HideField("Contact", "Title")
	show := sync.OnceFunc(func() { s.org.ShowField("Contact", "Title") })
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "FROM+User") && !strings.Contains(r.URL.RawQuery, "COUNT") {
			show() // the first records are read: everything is planned
		}
		s.serve(w, r)
	})
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	if n := s.count(`SELECT count(title) FROM millrace.contacts`); n != 0 {
		t.Fatalf("%d contacts have a title that the run was planned without", n)
	}
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	client.RefreshSchema()
	second := runs.run(pipeline.EntityAll, false)
	s.equalsOrg("", "AccountId != null")
	if n := s.count(`SELECT count(title) FROM millrace.contacts`); n == 0 {
		t.Errorf("no contact has a title after the second run: %+v", s.step(second, "contacts"))
	}
}

// TestObjectHiddenBetweenChanges takes an object away from the connected user between two syncs that read only what has changed: it is not read, and says why; the others are.
func TestObjectHiddenBetweenChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter(allAccounts)
	s.completed(s.syncWith(s.incremental()))
	s.org.HideObject("Opportunity")
	run := s.syncWith(s.incremental())
	if p := s.step(run, "opportunities"); run.State != db.RunCompletedWithErrors || p.State != "failed" || !strings.Contains(run.Error, "read access") {
		t.Errorf("the run is %s, %q; the step %s: %s", run.State, run.Error, p.State, p.Note)
	}
	s.org.ShowObject("Opportunity")
	s.completed(s.syncWith(s.incremental()))
}
