package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestImpact changes a filter, lets the draft keep itself, and looks at what that would do, saves it, and finds that it was true.
func TestImpact(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + filterPage)
	b.fill("#accounts-single", "Industry = 'Banking' OR Type = 'Partner'")
	b.waitText("#unsaved", "1 unsaved change")
	b.waitText("#settings-sections", "Unsaved")

	// The draft is there in another section, and after a reload.
	b.open(d.app + "/connections/1/settings/fields-and-frequency")
	b.waitText("#unsaved", "1 unsaved change")
	b.click("#unsaved summary")
	b.waitText("#unsaved", "Account Filtering: Account filter")
	b.follow("button[value=impact]")
	b.waitText("main", "Impact of your changes")
	b.follow("button[value=start]")
	b.waitText("#impact", "accounts now")
	b.waitText("#impact", "enter")
	b.waitText("#impact", "leave")
	b.look("impact")
	entering := value[string](b, `document.querySelector("a[href='#impact-enters'] strong").innerText`)
	leaving := value[string](b, `document.querySelector("a[href='#impact-leaves'] strong").innerText`)
	b.follow("button[value=save]")
	b.waitText("#version", "v2")
	b.do("starting a sync", chromedp.Click(chromedp.CSS("#run-sync"), chromedp.NodeVisible))
	b.waitText("#flash", "was requested")
	b.waitFor("the run's end", `document.querySelector("main").innerText.includes("Completed")`)
	b.waitText("main", leaving+" of 107 accounts left the filter")
	if entering == "0" || leaving == "0" {
		t.Errorf("%s enter and %s leave", entering, leaving)
	}
	b.noComplaints()

	plain := newBrowser(t, withoutJS)
	signIn(d, plain)
	plain.open(d.app + filterPage)
	plain.fill("#accounts-single", "Type = 'Customer'")
	plain.follow("button[value=impact]")
	plain.waitText("main", "Your settings have changed since")
	plain.follow("button[value=start]")
	plain.waitFor("the result", `document.querySelector("#impact").innerText.includes("accounts now") || (location.reload(), false)`)
}
