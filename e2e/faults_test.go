package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// control steers the simulated org as its control page does.
func (d *demo) control(t *testing.T, action string, fields ...string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, d.org+"/control/"+action, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("control %s: %s", action, resp.Status)
	}
}

// reconnect grants the app access to the org again.
func (d *demo) reconnect(b *browser) {
	b.t.Helper()
	b.open(d.app + "/integrations")
	b.follow("#salesforce-card a[href*='/salesforce/connect']")
	b.follow("form[action^='/integrations/salesforce/connect'] button:not([type=button])")
	b.waitFor("the org's pages", `document.querySelector("#Login, #oaapprove") !== null`)
	if b.count("#Login") > 0 {
		b.follow("#Login")
	}
	b.follow("#oaapprove")
	b.waitText("#salesforce-card", "Connected")
}

// TestFaultsAreSaidInTheApp provokes what Salesforce can do to a connection and a sync, and reads what the app says.
func TestFaultsAreSaidInTheApp(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	run := func() {
		t.Helper()
		b.open(d.app + "/connections/1/runs")
		b.follow("#run-sync")
	}

	t.Run("an expired session is renewed unseen", func(t *testing.T) {
		d.control(t, "rotation", "on", "true")
		d.control(t, "expire")
		run()
		awaitSync(b, "Completed")
	})

	t.Run("a short outage is ridden out", func(t *testing.T) {
		d.control(t, "fault", "match", "/services/data", "status", "503", "count", "2")
		run()
		awaitSync(b, "Completed")
	})

	t.Run("the daily limit makes the run wait and say until when", func(t *testing.T) {
		d.control(t, "limit", "used", "100000", "limit", "100000")
		run()
		b.waitText("#run-live", "daily")
		b.waitText("main", "Goes on by itself at")
		b.shot("limit")
		d.control(t, "limit", "used", "10", "limit", "100000")
		b.follow("form[action$='/cancel'] button")
		awaitSync(b, "Cancelled")
	})

	t.Run("a field that the user may no longer read is left out, and the run says so", func(t *testing.T) {
		d.control(t, "hide", "object", "Account", "field", "Industry")
		d.syncWhole(b)
		awaitSync(b, "Completed")
		b.waitText("main", "Industry")
		b.shot("hidden-field")
		d.control(t, "show", "object", "Account", "field", "Industry")
	})

	t.Run("a revoked sign-in asks for a reconnect, and the run goes on after it", func(t *testing.T) {
		d.control(t, "revoke")
		run()
		b.waitText("#run-live", "no longer accepts")
		b.shot("revoked-run")
		b.open(d.app + "/integrations")
		b.waitText("#salesforce-card", "Needs reconnect")
		b.shot("needs-reconnect")
		d.control(t, "block", "on", "true")
		b.follow("#salesforce-card a[href*='/salesforce/connect']")
		b.follow("form[action^='/integrations/salesforce/connect'] button:not([type=button])")
		b.waitFor("the org's sign-in", `document.querySelector("#Login") !== null`)
		b.follow("#Login")
		b.waitText("body", "OAUTH_APPROVAL_ERROR_GENERIC")
		b.open(d.app + "/integrations/salesforce/connect")
		b.click("#refusals summary")
		b.waitText("#refusals", "Approve Uninstalled Connected Apps")
		b.shot("blocked-app")
		d.control(t, "block", "on", "false")
		d.reconnect(b)
		awaitSync(b, "Completed")
	})
}
