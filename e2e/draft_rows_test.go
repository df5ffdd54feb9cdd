package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// typeRows opens the filter in the builder and leaves its second row without a value.
func (b *browser) typeRows(d *demo) {
	b.t.Helper()
	b.open(d.app + draftPage)
	b.fill("#accounts-single", "Type = 'Customer' AND AnnualRevenue > 1000")
	b.follow("#builder-accounts-single")
	b.holdsRows("1000")
	b.fill("#accounts-single-row-1-value", "many")
}

// holdsRows waits for the two rows, the second with what was typed as its value.
func (b *browser) holdsRows(value string) {
	b.t.Helper()
	b.waitFor("the rows", `document.querySelectorAll("#accounts-single .builder-row").length === 2 && document.getElementById("accounts-single-row-1-value")?.value === `+quoteJS(value))
}

// TestRowsSurvive edits a filter as rows and leaves one unfinished: a reload, another section and the end of the session take nothing of it.
func TestRowsSurvive(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + draftPage)
	b.fill("#accounts-single", "Type = 'Customer' AND AnnualRevenue > 1000")
	b.click("#builder-accounts-single")
	b.holdsRows("1000")
	b.fill("#accounts-single-row-1-value", "many")
	b.press(kb.Tab)
	b.waitText("#accounts-single-row-1", "is not a number")
	b.waitText("[data-unsaved]", "1 unsaved change")
	b.open(d.app + draftPage)
	b.holdsRows("many")
	b.waitText("#accounts-single-row-1", "is not a number")
	if n := b.count("#draft"); n != 0 {
		t.Error("what the server kept is announced as found in the tab")
	}
	b.look("rows_kept")
	b.follow("#settings-sections a[href$='owner-mapping']")
	b.waitText("[data-unsaved]", "1 unsaved change")
	b.follow("#settings-sections a[href$='account-filtering']")
	b.holdsRows("many")

	// The session ends while a row is typed: whatever is sent next leads to the sign-in page, and from there back to the rows.
	b.settle("/schema")
	d.endSessions(t)
	b.put("#accounts-single-row-1-value", "more")
	b.signInHere(d)
	b.holdsRows("more")
	b.waitText("#draft", "is back")
	b.settle("/keep")
	b.open(d.app + draftPage)
	b.holdsRows("more")

	// So does going to another section, from which the rows are found in the tab.
	b.settle("/schema")
	d.endSessions(t)
	// The event does not bubble, so that nothing is sent for it: it is typed in the moment of leaving.
	value[bool](b, `(() => {
		const field = document.getElementById("accounts-single-row-1-value");
		field.value = "most";
		field.dispatchEvent(new Event("input"));
		location.assign(`+quoteJS("/connections/1/settings/owner-mapping")+`);
		return true;
	})()`)
	b.signInHere(d)
	b.waitText("h1", "Salesforce settings")
	b.open(d.app + draftPage)
	b.holdsRows("most")
	b.waitText("#draft", "is back")

	// Finished it is saved, and the box is a text again.
	b.fill("#accounts-single-row-1-value", "5000")
	b.press(kb.Tab)
	b.waitText("#stands-accounts-single", "AnnualRevenue > 5000")
	b.follow("[data-save]")
	b.waitText("#flash", "Saved as v")
	b.waitFor("the text", `document.querySelector("textarea#accounts-single")?.value.trim() === "Type = 'Customer' AND AnnualRevenue > 5000"`)
	b.noDraft()
	b.open(d.app + draftPage)
	b.noDraft()
}

// TestRowsSurviveWithoutScripts does the same in a browser that runs none.
func TestRowsSurviveWithoutScripts(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t, withoutJS)
	signIn(d, b)
	b.typeRows(d)
	b.follow("#add-accounts-single")
	b.waitFor("a third row", `document.querySelectorAll("#accounts-single .builder-row").length === 3`)
	b.follow("#accounts-single-row-2-remove")
	b.open(d.app + draftPage)
	b.holdsRows("many")
	b.follow("#settings-sections a[href$='owner-mapping']")
	b.waitText("[data-unsaved]", "1 unsaved change")
	b.follow("#settings-sections a[href$='account-filtering']")
	b.holdsRows("many")
	b.fill("#accounts-single-row-1-value", "more")
	d.endSessions(t)
	b.follow("[data-save]")
	b.signInHere(d)
	b.waitText("#flash", "Nothing of it is saved yet")
	b.holdsRows("more")
}
