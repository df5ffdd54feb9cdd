package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// sandboxSettings adds a second connection, whose settings differ from the first one's in two sections.
const sandboxSettings = `
	WITH c AS (
		INSERT INTO millrace.connections (name, environment, login_url, client_id, data_key_sealed, org_id, org_name, is_sandbox, status)
		SELECT 'Brightwater sandbox', 'sandbox', login_url, client_id, data_key_sealed, '00D000000000009AAA', 'Brightwater sandbox', true, 'disconnected'
		  FROM millrace.connections WHERE id = 1 RETURNING id)
	INSERT INTO millrace.settings_versions (connection_id, version, body, note)
	SELECT c.id, 1, v.body || '{"accounts": {"mode": "single", "single": "Type = ''Prospect'' AND Sandbox_Only__c = true"}}' || '{"owners": {"account_owner": "OwnerId", "csm": "CSM__c"}}', 'Tried out'
	  FROM c, millrace.settings_versions v WHERE v.connection_id = 1 AND v.version = 1`

// TestSettingsHistory saves, compares, restores, imports and takes over, first without scripts, then looks at every page.
func TestSettingsHistory(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	const base = "/connections/1/settings"

	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + base + "/account-filtering")
		b.fill("#accounts-single", "Type = 'Customer' AND ARR__c > 1000")
		b.fill("#note", "Only the larger ones")
		b.follow("button[data-save]")
		b.waitText("#version", "v2")
		b.follow("#version a[href$='/history']")
		b.waitText("#versions", "Only the larger ones")
		b.fill("#from", "1")
		b.follow("#versions form button")
		b.waitText("ins", "ARR__c")
		b.follow("nav[aria-label=Breadcrumb] a[href$='/history']")
		b.follow("a[href$='/1/restore']")
		b.waitText("#findings", "Everything in it fits this org")
		b.follow("button[value=restore]")
		b.waitText("#flash", "Restored: v3 is current now")

		b.follow("a[href$='/import']")
		b.fill("#text", "format: millrace-settings/1\nsettings:\n  owners:\n    csm: CSM__c\n")
		b.follow("button[value=check]")
		b.waitText("[data-path='owners.csm'] ins", "CSM__c")
		b.follow("button[value=draft]")
		b.waitText("#flash", "Taken as your draft")
		b.waitText("#unsaved", "1 unsaved change")
		b.follow("[data-discard]")
	})
	t.Run("by keyboard", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.open(d.app + base + "/account-filtering")
		b.do("focusing Restore", chromedp.Focus(chromedp.CSS("#version a[href$='/2/restore']")))
		b.press(kb.Enter)
		b.waitText("h1", "Restore v2")
		b.do("focusing the button", chromedp.Focus(chromedp.CSS("button[value=restore]")))
		b.press(kb.Enter)
		b.waitText("#flash", "Restored: v4 is current now")
		b.noComplaints()
	})
	d.query(t, sandboxSettings)
	t.Run("every page", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		for page, path := range map[string]string{
			"list": "/history", "compare": "/history/compare?from=1&to=2", "wrong": "/history/compare?from=1&to=99", "version": "/history/2", "restore": "/history/3/restore",
			"import": "/import", "promote": "/compare-connections",
		} {
			b.open(d.app + base + path)
			b.lookAround(page)
		}
		b.waitFor("the page", `document.readyState === "complete"`)
		b.open(d.app + base + "/import")
		b.fill("#text", "format: millrace-settings/1\nsettings:\n  account: 5\n")
		b.follow("button[value=check]")
		b.waitText("#problems", "Line 3: “account” is not known here")
		b.lookAround("problems")
		b.fill("#text", "format: millrace-settings/1\nsettings:\n  accounts:\n    single: Typ = 'Customer'\n")
		b.follow("button[value=check]")
		b.waitText("#findings", "Line 4: Account Filtering, Account filter")
		b.lookAround("findings")
		b.noComplaints()
	})
}
