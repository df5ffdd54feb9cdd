package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const doctorPage = "/connections/1/settings/field-doctor"

// awaitPicker waits until the page's pickers are what scripts make of them.
func (b *browser) awaitPicker() {
	b.t.Helper()
	b.waitFor("the picker's script", `[...document.scripts].some((s) => s.src.endsWith("/picker.js")) && [...document.querySelectorAll("select[data-pick-one]")].every((s) => s.hidden)`)
}

// TestPickOneByKeyboard chooses an object without a pointer.
func TestPickOneByKeyboard(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	for name, options := range map[string][]browserOption{"light": nil, "dark and narrow": {dark, narrow}} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, options...)
			signIn(d, b)
			b.open(d.app + doctorPage)
			b.awaitPicker()
			if got := value[string](b, `document.querySelector("label[for=object]").control.getAttribute("role")`); got != "combobox" {
				t.Errorf("the label belongs to a %q", got)
			}
			b.do("focusing the combobox", chromedp.Focus(chromedp.CSS("#object")))
			b.press("opp")
			b.waitFor("a narrowed list", `document.querySelector("#object").getAttribute("aria-expanded") === "true" && document.querySelectorAll("#object-list [role=option][data-active]").length === 1`)
			b.axe()
			b.shot("open")
			b.press(kb.Escape)
			b.waitFor("a closed list with the value back", `document.querySelector("#object-list").hidden && document.querySelector("#object").value === "Account (Account)"`)
			b.press(kb.ArrowDown)
			b.waitFor("the chosen one in view", `document.getElementById(document.querySelector("#object").getAttribute("aria-activedescendant"))?.getAttribute("aria-selected") === "true"`)
			b.press(kb.Home)
			b.waitFor("the first one", `document.querySelector("#object-list [role=option]").hasAttribute("data-active")`)
			b.press(kb.End)
			b.waitFor("the last one", `[...document.querySelectorAll("#object-list [role=option]")].at(-1).hasAttribute("data-active")`)
			b.press(kb.ArrowDown)
			b.waitFor("round to the first one", `document.querySelector("#object-list [role=option]").hasAttribute("data-active")`)
			b.press("a", chromedp.KeyModifiers(2))
			b.press("opportunity" + kb.Enter)
			b.waitFor("the page of the chosen object", `location.search === "?object=Opportunity"`)
			b.waitText("#hidden-title", "Not readable")
			b.look("chosen")
			b.noComplaints()
		})
	}
}

// TestPickMany adds and removes fields by keyboard, and without scripts.
func TestPickMany(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	const page = "/connections/1/settings/fields-and-frequency"
	chosen := `[...document.querySelectorAll("input[name=account_fields]")].map((i) => i.value).join()`

	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + page)
		b.fill("#account_fields-search", "arr")
		b.follow("button[value='search:account_fields']")
		b.follow("button[value='add:account_fields:ARR__c']")
		b.waitText("#account_fields-chosen", "ARR__c")
		b.shot("found")
		b.follow("button[value='remove:account_fields:ARR__c']")
		b.waitText("#account_fields", "ARR__c")
		if got := value[string](b, chosen); got != "" {
			t.Errorf("after Remove the list holds %q", got)
		}
	})
	t.Run("by keyboard", func(t *testing.T) {
		b := newBrowser(t, dark)
		signIn(d, b)
		b.open(d.app + page)
		b.awaitPicker()
		b.do("focusing the search", chromedp.Focus(chromedp.CSS("#account_fields-search")))
		b.press("a")
		b.waitText("#account_fields-results", "at least 2 characters")
		b.press("rr")
		b.waitFor("what was found", `document.querySelector("[data-pick-found=ARR__c] [data-pick-add]") !== null`)
		for range 12 {
			b.press(kb.Tab)
			if value[bool](b, `document.activeElement.value === "add:account_fields:ARR__c"`) {
				break
			}
		}
		b.press(kb.Enter)
		b.waitFor("it in the list", chosen+` === "ARR__c"`)
		b.waitFor("it marked as added", `document.querySelector("[data-pick-found=ARR__c] [data-pick-add]").hidden`)
		if got := b.focused(); got != "account_fields-search" {
			t.Errorf("the focus went to %q", got)
		}
		b.waitText("[data-unsaved]", "1 unsaved change")
		b.look("added")
		b.open(d.app + page) // the draft holds it
		b.awaitPicker()
		b.waitFor("it in the list again", chosen+` === "ARR__c"`)
		b.do("focusing Remove", chromedp.Focus(chromedp.CSS("[data-picked=ARR__c] [data-pick-remove]")))
		b.press(kb.Enter)
		b.waitFor("an empty list", chosen+` === "" && !document.querySelector("[data-pick-empty]").hidden`)
		if !strings.HasPrefix(b.focused(), "account_fields-search") {
			t.Errorf("after Remove the focus is on %q", b.focused())
		}
		b.noComplaints()
	})
}

// TestDriftIsTold hides a field that the settings use.
func TestDriftIsTold(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	for name, options := range map[string][]browserOption{"light": nil, "dark and narrow": {dark, narrow}} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, options...)
			signIn(d, b)
			b.open(d.app + "/connections/1/settings/owner-mapping")
			b.follow("#schema-tools form button")
			b.waitText("#flash", "Nothing that the settings use has changed")
			d.control(t, "hide", "object", "Account", "field", "OwnerId")
			b.follow("#schema-tools form button")
			b.waitText("#drift", "OwnerId was deleted or hidden; used by")
			b.look("drift")
			b.follow("#schema-tools a[href$='/field-doctor']")
			b.waitText("#hidden-fields", "OwnerId")
			b.waitText("#recipe", "Account.OwnerId")
			b.look("doctor")
			d.control(t, "show", "object", "Account", "field", "OwnerId")
			b.noComplaints()
		})
	}
}
