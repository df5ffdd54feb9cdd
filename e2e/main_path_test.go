package e2e

import (
	"database/sql"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	_ "github.com/lib/pq"
)

// TestMainPath is the whole main job from an empty database: sign in, connect, filter, validate, save, sync, look, sync again.
func TestMainPath(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t)
	walkMainPath(t, d, b)
	b.axe()
	b.noComplaints()
}

// TestMainPathWithoutScripts is the same path in a browser that runs no scripts.
func TestMainPathWithoutScripts(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	walkMainPath(t, d, newBrowser(t, withoutJS))
}

func walkMainPath(t *testing.T, d *demo, b *browser) {
	signInByForm(d, b)
	connect(d, b)
	b.shot("connected")

	b.follow("#salesforce-card a[href*='/settings']")
	settingsPage := b.location()
	b.waitText("h2", "Account Filtering")

	validate(b, "accounts-single", "Nmae = 'x'")
	b.waitText("#result-accounts-single", "SOQL validation failed")
	if got := b.text("#result-accounts-single"); !strings.Contains(got, "Nmae is not on Account") || !strings.Contains(got, "Name") || !strings.Contains(got, "^") {
		t.Errorf("an unknown field is answered with %q", got)
	}
	b.shot("wrong-field")

	validate(b, "accounts-single", "Type = 'No such type'")
	b.waitText("#result-accounts-single", "0 accounts match")

	b.fill("#accounts-single", "Type = 'Customer")
	b.follow("[data-save]")
	b.waitText("body", "SOQL validation failed")
	if got := value[string](b, `document.querySelector("#accounts-single").value`); got != "Type = 'Customer" {
		t.Errorf("after a refused save the box holds %q", got)
	}
	b.shot("blocked-save")

	validate(b, "accounts-single", "Type = 'Customer'")
	b.waitFor("a count and five samples", `document.querySelectorAll("#result-accounts-single tbody tr").length === 5`)
	matches := regexp.MustCompile(`([\d,.\x{202f}\x{a0}]+) accounts match`).FindStringSubmatch(b.text("#result-accounts-single"))
	if matches == nil {
		t.Fatalf("no count in %q", b.text("#result-accounts-single"))
	}
	if href := value[string](b, `document.querySelector("#result-accounts-single tbody a").href`); !strings.HasPrefix(href, d.org+"/001") {
		t.Errorf("a sample leads to %q", href)
	}
	b.shot("validated")

	b.fill("#note", "Customers only")
	b.follow("[data-save]")
	b.waitText("body", "v1")
	if b.noJS { // a page with a form does not load itself again; the run's own page does
		b.follow("#sync-banner a[href*='/runs/']")
	}
	awaitSync(b, "Completed")
	b.shot("synced")

	b.follow("nav a[href$='/accounts']")
	b.waitText("#account-list", matches[1])
	b.shot("accounts")
	if n := b.count("#account-list tbody tr"); n < 20 {
		t.Errorf("the accounts list has %d rows", n)
	}
	compareWithDatabase(t, d, matches[1])

	b.follow("#account-list tbody tr:first-child a")
	b.waitText("body", "Contacts")
	b.waitText("body", "Opportunities")
	b.shot("account")

	b.follow("nav a[href$='/runs']")
	b.waitText("main", "Completed")
	b.shot("runs")
	b.follow("main tbody tr:first-child a")
	b.waitText("main", "Opportunities")
	b.shot("run")

	// Saving the same again makes no version; saving another filter makes the second.
	b.open(settingsPage)
	b.follow("[data-save]")
	b.waitText("body", "v1")
	if strings.Contains(b.text("body"), "v2") {
		t.Error("saving the same settings made a version")
	}
	b.fill("#accounts-single", "Type IN ('Customer', 'Prospect')")
	b.follow("[data-save]")
	b.waitText("body", "v2")
	b.follow("#run-sync")
	awaitSync(b, "Completed")
}

// signIn gives the browser a session of the demo's admin, without the form.
func signIn(d *demo, b *browser) {
	b.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(d.app+"/sign-in", url.Values{"email": {d.email}, "password": {d.password}})
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) == 0 {
		b.t.Fatalf("signing in: %s", resp.Status)
	}
	for _, c := range resp.Cookies() {
		httpOnly := true
		cookie := network.SetCookieParams{Name: c.Name, Value: c.Value, URL: d.app, Path: "/", HTTPOnly: &httpOnly, SameSite: network.CookieSameSiteLax}
		if err := call(b.ctx, network.SetCookie, cookie); err != nil {
			b.t.Fatalf("signing in: %v", err)
		}
	}
}

// signInByForm signs in as the demo's admin, and goes to the integrations: the start page is the overview where an org is connected.
func signInByForm(d *demo, b *browser) {
	b.t.Helper()
	b.open(d.app)
	b.fill("#email", d.email)
	b.fill("#password", d.password)
	b.follow("form[action='/sign-in'] button")
	b.waitFor("the start page", `document.querySelector("#navigation a[href='/integrations']") !== null`)
	if b.text("h1") != "Integrations" {
		b.open(d.app + "/integrations")
	}
	b.waitText("h1", "Integrations")
}

// connect goes from the Integrations page through the org's pages and back; Deny comes first.
func connect(d *demo, b *browser) {
	b.t.Helper()
	b.open(d.app + "/integrations")
	for _, decision := range []string{"#oadeny", "#oaapprove"} {
		b.follow("a[href='/integrations/salesforce/connect']")
		b.follow("form[action='/integrations/salesforce/connect'] button[type=submit], form[action='/integrations/salesforce/connect'] button:not([type])")
		b.waitFor("the org's own pages", `document.querySelector("#Login, #oadeny") !== null`)
		if b.count("#Login") > 0 {

			b.follow("#Login")
		}
		b.follow(decision)
		if decision == "#oadeny" {
			b.waitText("body", "Deny")
			b.shot("denied")
			b.open(d.app + "/integrations")
		}
	}
	b.waitText("#verdict", "ready to be synced")
	b.shot("preflight")
	b.open(d.app + "/integrations")
	b.waitText("#salesforce-card", "Connected")
}

// validate types a filter and presses its Validate.
func validate(b *browser, box, filter string) {
	b.t.Helper()
	b.fill("#"+box, filter)
	b.click("#validate-" + box)
}

// awaitSync waits until the page says how the latest run ended; a page without scripts loads itself again.
func awaitSync(b *browser, state string) {
	b.t.Helper()
	b.waitText("#sync-banner, #run-live", state)
}

// compareWithDatabase checks that as many accounts are in Postgres as the screen says, and that their contacts came too.
func compareWithDatabase(t *testing.T, d *demo, want string) {
	t.Helper()
	db, err := sql.Open("postgres", d.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var accounts, contacts int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM salesforce.account), (SELECT count(*) FROM salesforce.contact)`).Scan(&accounts, &contacts); err != nil {
		t.Fatal(err)
	}
	if digits := regexp.MustCompile(`\D`).ReplaceAllString(want, ""); digits != strconv.Itoa(accounts) {
		t.Errorf("the screen says %s accounts, Postgres has %d", want, accounts)
	}
	if contacts == 0 {
		t.Error("no contacts in Postgres")
	}
}
