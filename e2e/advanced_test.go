package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const advancedPage = "/connections/1/settings/advanced"

// TestAdvancedByKeyboard lists a field, adds a further Contact field, estimates and saves, without a pointer.
func TestAdvancedByKeyboard(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + advancedPage)
	b.awaitPicker()
	b.do("focusing the search", chromedp.Focus(chromedp.CSS("#advanced-account_allowlist-search")))
	b.press("industry")
	b.waitFor("what was found", `document.querySelector("[data-pick-found=Industry] [data-pick-add]") !== null`)
	b.do("focusing Add", chromedp.Focus(chromedp.CSS("[data-pick-found=Industry] [data-pick-add]")))
	b.press(kb.Enter)
	b.waitText("#trim-accounts", "Left out by this list") // with the draft, without a reload
	b.waitText("#trim-accounts", "Not listed, and synced all the same")

	b.do("focusing Add a field", chromedp.Focus(chromedp.CSS("button[value='row:add']")))
	b.press(kb.Enter)
	b.waitFor("the row", `document.activeElement?.id === "contact-row-0"`)
	b.awaitPicker()
	b.press(kb.Tab)
	b.press("birth")
	b.press(kb.Enter)
	b.waitFor("the field", `document.querySelector("select[name='advanced.contact_fields.0.field']").value === "Birthdate"`)

	b.do("focusing Estimate", chromedp.Focus(chromedp.CSS("#validate-size")))
	b.press(kb.Enter)
	b.waitText("[data-size-total]", "per full sync: this page saves")
	b.lookAround("estimated")
	b.do("focusing Save", chromedp.Focus(chromedp.CSS("[data-save]")))
	b.press(kb.Enter)
	b.waitText("#flash", "Saved as v2")
	b.lookAround("saved")
	b.noComplaints()
}

// TestAdvancedWithoutScripts adds and removes rows, is refused, and saves.
func TestAdvancedWithoutScripts(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t, withoutJS)
	signIn(d, b)
	b.open(d.app + advancedPage)
	b.follow("button[value='row:add']")
	b.follow("button[value='row:add']")
	b.follow("[data-save]")
	b.waitText("#summary", "Choose a field, or remove the row")
	b.shot("refused")
	b.follow("button[value='row:remove:1']")
	b.do("focusing the field", chromedp.Focus(chromedp.CSS("#advanced-contact_fields-0-field")))
	b.typeAhead("Birth")
	b.fill("#advanced-contact_fields-0-name", "born")
	b.click("#advanced-excluded_contact_fields-Department")
	b.follow("#validate-size")
	b.waitText("[data-size-total]", "per full sync")
	b.follow("[data-save]")
	b.waitText("#flash", "Saved as v2")
	if got := b.fieldText("advanced-contact_fields-0-name"); got != "born" {
		t.Errorf("kept as %q", got)
	}
	if !value[bool](b, `document.querySelector("#advanced-excluded_contact_fields-Department").checked`) {
		t.Error("Department is not ticked")
	}
	b.shot("saved")
}
