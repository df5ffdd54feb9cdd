package web

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

const canary = `"><img src=x onerror=alert(1)><script>alert(2)</script>`

// auditScene is an app with a connection whose log has entries of every sort.
func auditScene(t *testing.T) (*app, db.Connection, db.Run) {
	t.Helper()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Type = 'Customer'")
	run, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	a.exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run)
		VALUES ($1, '001000000000001AAA', 'customer', $2, 1, 1), ($1, '001000000000002AAA', 'customer', '=HYPERLINK("x")', 1, 1)`, c.ID, "Globex "+canary)
	a.exec(`INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes, detail) VALUES
		($1, $2, 'account', '001000000000001AAA', 'created', NULL, NULL),
		($1, $2, 'account', '001000000000002AAA', 'updated', '{"phone": ["+49 30", null], "Tier__c": ["-1", "@x"]}', NULL),
		($1, $2, 'contact', '003000000000001AAA', 'skipped', NULL, 'No e-mail address'),
		($1, $2, 'opportunity', '006000000000001AAA', 'failed', NULL, $3)`, c.ID, run.ID, "The amount is broken "+canary)
	return a, c, *run
}

func TestAuditLogIsSearchedAndFiltered(t *testing.T) {
	t.Parallel()
	a, c, run := auditScene(t)
	admin := a.as(a.admin)
	at := "/connections/" + itoa(c.ID) + "/audit"
	rows := func(query string) string {
		t.Helper()
		return admin.get(at + "?" + query).is(http.StatusOK).text("#audit tbody")
	}
	all := admin.get(at).is(http.StatusOK)
	all.says("#audit tbody", "Globex "+canary, "The amount is broken "+canary, "No e-mail address", "phone", "+49 30", "Tier__c", "settings v1", run.ShortID, "Ana Ruiz", "Person", "Created")
	all.has(`#audit tbody a[href$="/accounts/001000000000001AAA"]`)
	all.has(`#audit tbody a[href="https://acme.my.salesforce.com/003000000000001AAA"]`)
	all.lacks("#audit img, #audit script")
	for query, want := range map[string][2]string{ // what is in the list, and what is not
		"q=globex":          {"001000000000001AAA", "001000000000002AAA"},
		"q=001000000000002": {"001000000000002AAA", "001000000000001AAA"},
		"q=Tier__c":         {"001000000000002AAA", "001000000000001AAA"},
		"q=amount+broken":   {"006000000000001AAA", "003000000000001AAA"},
		"q=https://x.example/003000000000001AAA/view": {"003000000000001AAA", "006000000000001AAA"},
		"q=" + strings.ToLower(run.ShortID):           {"Contact", "Settings"},
		"entity=contacts":                             {"003000000000001AAA", "001000000000001AAA"},
		"entity=settings":                             {"accounts.single", "Contact"},
		"entity=people":                               {"Person", "Contact"},
		"action=failed":                               {"006000000000001AAA", "Contact"},
		"run=" + run.ShortID:                          {"006000000000001AAA", "Settings"},
		"person=" + itoa(a.admin.ID):                  {"Ana Ruiz", "Contact"},
		"entity=accounts&action=updated":              {"001000000000002AAA", "001000000000001AAA"},
		"from=2000-01-01&until=2199-01-01":            {"001000000000002AAA", "no such text"},
	} {
		if got := rows(query); !strings.Contains(got, want[0]) || strings.Contains(got, want[1]) {
			t.Errorf("%s lists %q", query, got)
		}
	}
	none := admin.get(at + "?q=nobody").is(http.StatusOK)
	none.says("#audit", "No entry matches")
	none.has(`#audit a[href$="/accounts/why?q=nobody"]`)
	admin.get(at+"?until=2001-01-01").says("#audit", "The filters select none")
	admin.get(at+"?run=R-ZZZZZZ").says("#audit", "There is no run R-ZZZZZZ")
	admin.get(at+"?action=written").says("#audit", "No entry matches")
	admin.get(at + "?older=1&newer=x&per=7&entity=zzz&person=-1&from=yesterday&day=2020-13-01&zone=../../x&q=%27").is(http.StatusOK)
}

func TestAuditLogHidesWhatIsOfAdmins(t *testing.T) {
	t.Parallel()
	a, c, _ := auditScene(t)
	viewer := a.as(a.viewer)
	at := "/connections/" + itoa(c.ID) + "/audit"
	for _, query := range []string{"", "?entity=settings", "?entity=people", "?q=accounts.single", "?person=" + itoa(a.admin.ID)} {
		p := viewer.get(at + query).is(http.StatusOK)
		if text := p.text("#audit tbody"); strings.Contains(text, "accounts.single") || strings.Contains(text, "Person") || strings.Contains(text, "Sign-in") {
			t.Errorf("%s shows a viewer %q", query, text)
		}
		p.lacks(`#entity option[value=settings], #person`)
	}
	body := viewer.post(at+"/export", url.Values{"format": {"csv"}}).is(http.StatusOK).Body
	if strings.Contains(body, "accounts.single") || !strings.Contains(body, "Account") {
		t.Errorf("a viewer's export holds %q", body)
	}
}

func TestAuditLogPagesStayWhileEntriesArrive(t *testing.T) {
	t.Parallel()
	a, c, _ := auditScene(t)
	a.exec(`INSERT INTO millrace.audit_log (connection_id, entity, sf_id, action) SELECT $1, 'contact', '003' || lpad(i::text, 12, '0') || 'AAA', 'created' FROM generate_series(100, 219) i`, c.ID)
	admin := a.as(a.admin)
	first := admin.get("/connections/" + itoa(c.ID) + "/audit?entity=contacts&per=50")
	fresh, older := first.attr("#audit-fresh", "hx-get"), first.attr(`#audit nav a[href*="older="]`, "href")
	if n := len(first.all("#audit tbody tr")); n != 50 || fresh == "" || older == "" {
		t.Fatalf("%d rows, fresh %q, older %q", n, fresh, older)
	}
	first.says("#audit-total", "50 shown of 121 entries")
	admin.get(fresh).lacks("#show-fresh")
	a.exec(`INSERT INTO millrace.audit_log (connection_id, entity, sf_id, action) SELECT $1, 'contact', '003' || lpad(i::text, 12, '0') || 'AAA', 'created' FROM generate_series(300, 302) i`, c.ID)
	admin.get(fresh).says("#show-fresh", "3 new entries")
	met := map[string]bool{}
	page, pages := first, 0
	for {
		pages++
		for _, n := range page.all("#audit tbody tr [data-copy]") {
			id := nodeAttr(n, "data-copy")
			if met[id] {
				t.Errorf("%s comes twice", id)
			}
			met[id] = true
		}
		if older = page.attr(`#audit nav a[href*="older="]`, "href"); older == "" {
			break
		}
		page = admin.get(older).is(http.StatusOK)
	}
	if len(met) != 121 || pages != 3 {
		t.Errorf("%d entries on %d pages", len(met), pages)
	}
	newer := admin.get(page.attr(`#audit nav a[href*="newer="]`, "href")).is(http.StatusOK)
	if n := len(newer.all("#audit tbody tr")); n != 50 {
		t.Errorf("%d entries on the page before the last", n)
	}
	top := admin.get(newer.attr(`#audit nav a[href*="newer="]`, "href"))
	if top.Status == http.StatusOK { // full
		top = admin.get(top.attr(`#audit nav a[href*="newer="]`, "href"))
	}
	top.is(http.StatusSeeOther)
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	a, c, run := auditScene(t)
	admin := a.as(a.admin)
	at := "/connections/" + itoa(c.ID) + "/audit/export"
	p := admin.post(at, url.Values{"format": {"csv"}, "run": {run.ShortID}}).is(http.StatusOK)
	lines, err := csv.NewReader(strings.NewReader(p.Body)).ReadAll()
	if err != nil || len(lines) != 1+6 { // the run's request, three entries without fields, and one with two
		t.Fatalf("%d lines: %v", len(lines), err)
	}
	found := 0
	for _, line := range lines[1:] {
		for _, cell := range line {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%q is taken for a formula", cell)
			}
		}
		switch {
		case line[9] == "phone" && line[10] == "'+49 30" && line[11] == "" && line[3] == `'=HYPERLINK("x")`, line[9] == "Tier__c" && line[10] == "'-1" && line[11] == "'@x",
			line[8] == "The amount is broken "+canary:
			found++
		}
	}
	if found != 3 {
		t.Errorf("the export holds %q", lines)
	}
	var out struct {
		Entries  []jsonEntry
		Complete bool
	}
	p = admin.post(at, url.Values{"format": {"json"}, "q": {"globex"}}).is(http.StatusOK)
	if err := json.Unmarshal([]byte(p.Body), &out); err != nil || !out.Complete || len(out.Entries) != 1 || out.Entries[0].RecordName != "Globex "+canary {
		t.Errorf("%+v: %v", out, err)
	}
	admin.post(at, url.Values{"format": {"exe"}}).is(http.StatusBadRequest)
	admin.get("/connections/"+itoa(c.ID)+"/audit?entity=exports").says("#audit tbody", "Exported", "audit log as CSV", "Ana Ruiz", "run", run.ShortID)
}

func TestTimelineOfARecord(t *testing.T) {
	t.Parallel()
	a, c, run := auditScene(t)
	viewer := a.as(a.viewer)
	at := "/connections/" + itoa(c.ID)
	p := viewer.get(at + "/accounts/001000000000002AAA").is(http.StatusOK)
	p.says("#timeline", "Updated", "phone", "+49 30", "Tier__c", run.ShortID, "settings v1")
	p.has(`#timeline a[href$="/audit?q=001000000000002AAA"]`)
	skipped := viewer.get(at + "/contacts/003000000000001AAA").is(http.StatusOK)
	skipped.says("main", "No copy of this contact is here", "Skipped", "No e-mail address")
	viewer.get(at + "/opportunities/006000000000001").is(http.StatusSeeOther)
	viewer.get(at+"/opportunities/006000000000001AAA").is(http.StatusOK).says("#timeline", "The amount is broken "+canary)
	viewer.get(at + "/contacts/003000000000009AAA").is(http.StatusNotFound)
	a.exec(`INSERT INTO millrace.contacts (connection_id, sf_id, account_id, first_name, last_name, email, first_seen_run, last_seen_run)
		VALUES ($1, '003000000000007AAA', '001000000000001AAA', 'Bo', $2, 'bo@example.com', 1, 1)`, c.ID, canary)
	a.exec(`INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes) SELECT $1, $2, 'contact', '003000000000007AAA', 'updated', jsonb_build_object('title', jsonb_build_array(i, i + 1))
		FROM generate_series(1, 30) i`, c.ID, run.ID)
	p = viewer.get(at + "/contacts/003000000000007AAA").is(http.StatusOK)
	p.says("h1", "Bo "+canary)
	p.says("main", "bo@example.com", "Globex")
	older := p.attr(`#timeline a[href*="before="]`, "href")
	if n := len(p.all("#timeline li")); n != 20 || len(viewer.get(older).all("#timeline li")) != 10 {
		t.Errorf("%d entries at first, older ones at %q", n, older)
	}
}

// slowBrowser notes by when it must have taken what is written.
type slowBrowser struct {
	*httptest.ResponseRecorder
	by []time.Time
}

func (b *slowBrowser) SetWriteDeadline(at time.Time) error {
	b.by = append(b.by, at)
	return nil
}

// TestExportWaitsForNoBrowser bounds how long a browser may take over an export: only a few are written at once.
func TestExportWaitsForNoBrowser(t *testing.T) {
	t.Parallel()
	a, c, _ := auditScene(t)
	id, err := a.db.StartSession(t.Context(), a.viewer.ID, "127.0.0.1", "test")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/connections/"+itoa(c.ID)+"/audit/export", strings.NewReader("format=csv"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: a.server.cookies.name, Value: id})
	b := &slowBrowser{ResponseRecorder: httptest.NewRecorder()}
	before := time.Now()
	a.server.Handler().ServeHTTP(b, r)
	if b.Code != http.StatusOK || len(b.by) < 2 || !b.by[len(b.by)-1].IsZero() {
		t.Fatalf("status %d, deadlines %v", b.Code, b.by)
	}
	for _, at := range b.by[:len(b.by)-1] {
		if at.Before(before) || at.After(time.Now().Add(time.Hour)) {
			t.Errorf("a deadline is %v", at)
		}
	}
}
