package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const objectsPage = "/connections/1/settings/custom-objects"

// setValue sets a select where no script runs.
func (b *browser) setValue(selector, what string) {
	b.t.Helper()
	b.waitFor(selector, `document.querySelector(`+quoteJS(selector)+`) !== null`)
	value[bool](b, `(() => { document.querySelector(`+quoteJS(selector)+`).value = `+quoteJS(what)+`; return true })()`)
}

// focus puts the focus on an element.
func (b *browser) focus(selector string) {
	b.t.Helper()
	b.do("focusing "+selector, chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible))
}

// TestCustomObjectsSection configures objects by keyboard, and without scripts.
func TestCustomObjectsSection(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	const object = "#custom_objects-0"

	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + objectsPage)
		b.shot("empty")
		b.follow("button[value=add-object]")
		b.setValue(object+"-object", "Success_Plan__c")
		b.follow("button[value='follow-object:custom_objects.0']")
		b.shot("chosen")
		b.click(object + "-parent-contact")
		b.follow("button[value='follow-object:custom_objects.0']")
		b.waitFor("the only link to contacts", `document.querySelector("#custom_objects-0-match").value === "Sponsor__c"`)
		b.setValue(object+"-match", "")
		b.follow("button[data-save]")
		b.waitText("#summary", "Choose the field that links to the parent")
		b.shot("refused")
		b.setValue(object+"-match", "Sponsor__c")
		b.follow("button[value='preview-object:custom_objects.0']")
		b.waitText(object+"-result", "Sponsor__c is empty on")
		b.shot("preview")
		b.follow("button[data-save]")
		b.waitText("#version", "v2")
		b.follow("button[value='remove-object:0']")
		b.waitText("#custom_objects", "Success Plans is removed once you save")
		b.shot("removed")
		b.follow("button[value='restore-object:Success_Plan__c']")
		b.waitText("[data-unsaved]", "No unsaved changes")
	})
	for _, c := range []struct {
		name    string
		options []browserOption
	}{{"by keyboard", nil}, {"narrow dark", []browserOption{narrow, dark}}} {
		t.Run(c.name, func(t *testing.T) {
			const object = "#custom_objects-1" // beside the one that is saved
			b := newBrowser(t, c.options...)
			signIn(d, b)
			b.open(d.app + objectsPage)
			b.waitFor("the scripts", `document.readyState === "complete"`)
			b.focus("button[value=add-object]")
			b.press(kb.Enter)
			b.waitFor("the new object in focus", `document.activeElement.id === "custom_objects-1-object"`)
			b.awaitPicker()
			b.press("subscr")
			b.waitFor("a narrowed list", `document.querySelector("#custom_objects-1-object").getAttribute("aria-expanded") === "true"`)
			b.press(kb.Enter)
			b.waitFor("what follows from the object", `document.querySelector("#custom_objects-1-name")?.value === "Subscriptions" && document.querySelector("#custom_objects-1-match-native")?.value === "Account__c"`)
			b.waitText(object+"-title", "Subscriptions")
			if got := b.focused(); got != "custom_objects-1-object" {
				t.Errorf("the focus went to %q", got)
			}
			b.waitText("[data-unsaved]", "unsaved")
			b.look("chosen")
			b.focus(object + "-parent-account")
			b.press(kb.ArrowRight)
			b.waitText(object+"-link", "Nothing links to Contact")
			if got := b.focused(); got != "custom_objects-1-parent-contact" {
				t.Errorf("the focus went to %q", got)
			}
			b.press(kb.ArrowLeft)
			b.waitFor("the link to accounts", `document.querySelector("#custom_objects-1-match-native")?.value === "Account__c"`)
			b.focus(object + "-match")
			b.press("a", chromedp.KeyModifiers(2))
			b.press("billing" + kb.Enter)
			b.waitFor("the External ID", `document.querySelector("#custom_objects-1-to-native")?.value === "ERP_Number__c"`)
			b.look("external-id")
			b.focus(object + "-match")
			b.press("a", chromedp.KeyModifiers(2))
			b.press("account__c" + kb.Enter)
			b.waitFor("no External ID", `document.querySelector("#custom_objects-1-to-native") === null`)
			b.focus(object + "-filter")
			b.press("Status__c = 'Active'")
			b.press(kb.Enter, chromedp.KeyModifiers(2))
			b.waitText("#result-custom_objects-1-filter", "records match")
			b.focus("#validate-custom_objects-1")
			b.press(kb.Enter)
			b.waitText(object+"-result", "that the account filters select")
			b.look("preview")
			b.focus("[data-save]")
			b.press("s", chromedp.KeyModifiers(2))
			b.waitFor("what was saved", `document.querySelector("#version").innerText.includes("saved") && (document.querySelector("[data-unsaved]")?.innerText ?? "").includes("No unsaved")`)
			b.focus("button[value='remove-object:1']")
			b.press(kb.Enter)
			b.waitText("#custom_objects", "Subscriptions is removed once you save")
			b.follow("[data-save]")
			b.waitFor("it gone", `document.querySelector("#custom_objects-1") === null && document.querySelector("[data-unsaved]").innerText.includes("No unsaved")`)
			b.noComplaints()
		})
	}
}
