package e2e

import (
	"encoding/csv"
	"strings"
	"testing"
)

// TestAuditLogs looks through the log of a first sync as a person does: search, filters, fields before and after, pages, an export that a spreadsheet opens,
// with and without scripts, in light and dark, wide and narrow.
func TestAuditLogs(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	t.Run("every page", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.open(d.app + "/connections/1/audit")
		b.waitFor("entries", `document.querySelectorAll("#audit tbody tr").length === 25`)
		b.lookAround("audit")
		b.open(d.app + "/connections/1/audit?entity=settings")
		b.click("#audit tbody details summary")
		b.waitText("#audit tbody .changes", "accounts.single")
		b.lookAround("audit-settings")
		b.open(d.app + "/connections/1/audit?q=nothing-like-this")
		b.waitText("#audit", "No entry matches")
		b.lookAround("audit-empty")
		b.open(d.app + "/connections/1/accounts")
		b.follow("#account-list tbody a")
		b.waitText("#timeline", "Created")
		b.lookAround("timeline")
		b.noComplaints()
	})
	t.Run("export", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.open(d.app + "/connections/1/audit?entity=accounts&action=created")
		text := value[string](b, `(async () => {
			const form = document.querySelector("form[data-download]");
			const body = new URLSearchParams(new FormData(form));
			body.set("format", "csv");
			return (await fetch(form.getAttribute("action"), { method: "POST", body })).text();
		})()`)
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(lines) < 10 || lines[1][1] != "Account" || lines[1][2] != "Created" || len(lines[1][4]) != 18 {
			t.Errorf("the export has %d lines: %v", len(lines), err)
		}
	})
	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + "/connections/1/audit")
		b.fill("#q", "Email")
		b.follow("#audit form[role=search] button")
		b.waitText("#audit tbody", "Skipped")
		b.open(d.app + "/connections/1/audit")
		b.follow(`#audit nav a[href*="older="]`)
		b.waitFor("the older entries", `location.search.includes("older=") && document.querySelectorAll("#audit tbody tr").length > 0`)
	})
}
