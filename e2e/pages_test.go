package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// pages are the addresses that TestPages looks at, besides those that differ from time to time.
var pages = []string{
	"/setup", "/connections/1/overview", "/integrations", "/integrations/salesforce/connect", "/profile", "/connections/1/disconnect",
	"/connections/1/settings/account-filtering", "/connections/1/settings/field-doctor", "/connections/1/settings/choices?for=owner&object=Account", "/connections/1/preflight",
	"/connections/1/accounts", "/connections/1/accounts?q=nothing-like-this", "/connections/1/runs", "/connections/1/runs?state=failed", "/connections/1/errors",
	"/connections/1/errors/1", "/no-such-page", "/connections/1/accounts?left=only", "/connections/1/api-budget", "/connections/1/whole", "/connections/1/audit",
}

// detailed are addresses like those which TestPages looks at besides.
var detailed = []string{"/sign-in", "/connections/1/accounts/some", "/connections/1/runs/some", "/connections/1/runs/some/undo"}

// TestPages looks at every page with data in it, wide and narrow, light and dark: nothing for axe, nothing wider than the screen, no complaint of the
// content security policy.
func TestPages(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	b.open(d.app + "/sign-in")
	b.lookAround("sign-in")
	signIn(d, b)
	for _, page := range append(slices.Clone(pages), details(d, b)...) {
		b.open(d.app + page)
		b.lookAround(strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(page))
	}
	b.do("making the window that of a laptop", chromedp.EmulateViewport(1280, 800))
	for _, list := range []string{"/accounts", "/runs", "/audit", "/errors"} {
		b.open(d.app + "/connections/1" + list)
		b.waitFor("a list", `document.querySelector(".table-cards tbody tr, #open li") !== null`)
		b.tablesFit()
	}
	b.noComplaints()
}

// details are the addresses of one account and one run, and of undoing that.
func details(d *demo, b *browser) []string {
	b.t.Helper()
	var out []string
	for list, link := range map[string]string{"/connections/1/accounts": "#account-list tbody a", "/connections/1/runs": "#run-list tbody a"} {
		b.open(d.app + list)
		out = append(out, value[string](b, fmt.Sprintf(`new URL(document.querySelector(%q).href).pathname`, link)))
	}
	for _, at := range out {
		if strings.Contains(at, "/runs/") {
			return append(out, at+"/undo")
		}
	}
	return out
}

// TestPagesInTrouble looks at the pages that show trouble and what led to it: runs with errors, that failed, and that were undone; records of accounts; settings that two people changed.
func TestPagesInTrouble(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	look := func(name, path, selector, says string) {
		t.Helper()
		b.open(path)
		b.waitText(selector, says)
		b.lookAround(name)
	}
	const place = "/connections/1"
	b.open(d.app + place + "/accounts")
	account := value[string](b, `document.querySelector("#account-list tbody a").href`)

	d.query(t, `ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	d.control(t, "update", "object", "Account", "id", account[strings.LastIndex(account, "/")+1:], "field", "Name", "value", "poison")
	d.sync(b)
	b.waitText("#run-live", "Completed with errors")
	look("run-with-errors", b.location(), "#run-errors", "Records that could not be taken over (1)")

	d.control(t, "fault", "match", "/services/data/*/query", "status", "400", "code", "MALFORMED_QUERY", "message", "unexpected token: 'FROM'", "count", "-1")
	d.syncWhole(b)
	b.waitText("#run-live", "Failed")
	look("run-failed", b.location(), "main", "unexpected token: 'FROM'")
	d.control(t, "reset-faults")
	look("inbox", d.app+place+"/errors", "#open", "cannot be read")

	for _, kind := range []string{"contact", "opportunity"} {
		ids := d.rows(t, "SELECT Id FROM "+strings.ToUpper(kind[:1])+kind[1:]+" WHERE Account.Type = 'Customer' ORDER BY Id DESC LIMIT 1")
		look(kind, d.app+place+map[string]string{"contact": "/contacts/", "opportunity": "/opportunities/"}[kind]+fmt.Sprint(ids[0]["Id"]), "#timeline-title", "What the sync did")
	}

	b.open(d.app + draftPage)
	b.watchEdits()
	b.put("#accounts-single", draftText)
	b.settle("/check", "/keep")
	d.query(t, `INSERT INTO millrace.settings_versions (connection_id, version, body, note)
		SELECT connection_id, version + 1, jsonb_set(body, '{accounts,single}', '"Type = ''Partner''"'), 'meanwhile' FROM millrace.settings_versions WHERE version = 1`)
	look("merge", d.app+place+"/settings/merge", "main", "Partner")
	b.noComplaints()
}

// elsewhere are the routes that answer a page which other tests look at, and the others, which answer no page of their own.
var elsewhere = map[string]string{
	"/connections/{id}/accounts/why": "TestFilterEditor", "/connections/{id}/settings/account-filtering/fields": "TestFilterEditor",
	"/connections/{id}/contacts/{sfid}": "TestPagesInTrouble", "/connections/{id}/opportunities/{sfid}": "TestPagesInTrouble", "/connections/{id}/settings/merge": "TestPagesInTrouble",
	"/alerts": "TestAlerts", "/alerts/channels": "TestAlerts", "/alerts/channels/new": "TestAlerts", "/alerts/channels/{channel}": "TestAlerts", "/alerts/channels/{channel}/remove": "TestAlerts",
	"/alerts/deliveries": "TestAlerts", "/alerts/deliveries/{delivery}": "TestAlerts", "/connections/{id}/alert-rules": "TestAlerts",
	"/connections/{id}/settings/impact": "TestImpact", "/connections/{id}/settings/{section}": "TestChatterByKeyboard",
	"/connections/{id}/settings/history": "TestSettingsHistory", "/connections/{id}/settings/history/compare": "TestSettingsHistory", "/connections/{id}/settings/history/{version}": "TestSettingsHistory",
	"/connections/{id}/settings/history/{version}/restore": "TestSettingsHistory", "/connections/{id}/settings/import": "TestSettingsHistory",
	"/connections/{id}/settings/compare-connections": "TestSettingsHistory",

	"/healthz": "", "/readyz": "", "/metrics": "", "/static/{hash}/{file}": "", "/connections/{id}/settings/export.yaml": "",
	"/{$}": "", "/overview": "", "/accounts": "", "/runs": "", "/audit": "", "/errors": "", "/settings": "", "/connections/{id}": "", "/connections/{id}/settings": "",
	"/connections/{id}/runs/active": "", "/connections/{id}/banner": "", "/connections/{id}/audit/fresh": "", "/connections/{id}/settings/account-filtering/schema": "",
	"/connections/{id}/settings/pick": "", "/connections/{id}/settings/choices/options": "", "/connections/{id}/settings/impact/progress": "",
}

// TestEveryPageIsLookedAt holds the routes of package web against the pages that tests look at.
func TestEveryPageIsLookedAt(t *testing.T) {
	t.Parallel()
	routes, err := os.ReadFile("../web/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	all := regexp.MustCompile(`"GET (/[^"]*)"`).FindAllStringSubmatch(string(routes), -1)
	if len(all) < 50 {
		t.Fatalf("%d routes were found", len(all))
	}
	for _, route := range all {
		test, known := elsewhere[route[1]]
		switch {
		case known && test != "" && !strings.Contains(tests.String(), "func "+test+"("):
			t.Errorf("%s: there is no %s", route[1], test)
		case !known && !slices.ContainsFunc(append(slices.Clone(pages), detailed...), func(page string) bool { return matches(route[1], page) }):
			t.Errorf("%s is looked at by no test", route[1])
		}
	}
}

// matches reports whether an address is one of a route.
func matches(route, address string) bool {
	address, _, _ = strings.Cut(address, "?")
	want, have := strings.Split(route, "/"), strings.Split(address, "/")
	if len(want) != len(have) {
		return false
	}
	for i, part := range want {
		if !strings.HasPrefix(part, "{") && part != have[i] {
			return false
		}
	}
	return true
}
