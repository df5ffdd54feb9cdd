package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	ownersPage = "/connections/1/settings/owner-mapping"
	valuesPage = "/connections/1/settings/arr-and-renewal"
)

// choose picks an option of a combobox by keyboard, by what its label or name begins with.
func (b *browser) choose(id, text string) {
	b.t.Helper()
	b.do("focusing "+id, chromedp.Focus(chromedp.CSS("#"+id)))
	b.press("a", chromedp.KeyModifiers(2))
	b.press(text)
	b.waitFor("what fits "+text, `document.querySelector("#`+id+`").getAttribute("aria-activedescendant") !== null`)
	// The list keeps the key's first event, after which a browser makes no second one; the protocol would.
	enter := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}
	if err := call(b.ctx, input.DispatchKeyEvent, enter); err != nil {
		b.t.Fatal(err)
	}
	enter.Type = input.DispatchKeyEventTypeKeyUp
	if err := call(b.ctx, input.DispatchKeyEvent, enter); err != nil {
		b.t.Fatal(err)
	}
	b.waitFor("a closed list", `document.querySelector("#`+id+`")?.getAttribute("aria-expanded") !== "true"`)
}

// afresh opens a section without the draft that an earlier test left.
func (b *browser) afresh(address string) {
	b.t.Helper()
	b.open(address)
	if b.count("[data-unsaved] details") > 0 {
		b.follow("[data-discard]")
	}
	if !b.noJS {
		b.awaitPicker()
	}
}

// looks are the ways in which a story is gone through; each look is in light and in dark.
var looks = map[string][]browserOption{"wide light": nil, "narrow dark": {narrow, dark}}

// TestOwnerMapping chooses owners, looks at the people and saves.
func TestOwnerMapping(t *testing.T) {
	t.Parallel()
	d := startReady(t)

	for name, options := range looks {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, options...)
			signIn(d, b)
			b.afresh(d.app + ownersPage)
			// What cannot be chosen comes when the list is opened, with the reason, and is not taken by Enter.
			b.do("focusing the list", chromedp.Focus(chromedp.CSS("#owners-csm")))
			b.press("a", chromedp.KeyModifiers(2))
			b.press("billing city")
			b.waitFor("a field that cannot be chosen", `document.querySelector("#owners-csm-list [role=option][data-value=BillingCity][aria-disabled=true]") !== null`)
			b.waitText("#owners-csm-list", "Does not point to a user")
			b.press(kb.Home)
			b.look("explained")
			b.press(kb.Enter)
			b.press(kb.Escape)
			b.waitFor("the list closed with nothing chosen", `document.querySelector("select[name='owners.csm']").value === "" && document.querySelector("#owners-csm").getAttribute("aria-expanded") === "false"`)
			b.choose("owners-csm", "customer succ")
			b.waitFor("the choice", `document.querySelector("select[name='owners.csm']").value === "CSM__c"`)
			b.waitText("[data-unsaved]", "1 unsaved change")
			b.do("focusing Preview", chromedp.Focus(chromedp.CSS("#validate-owners")))
			b.press(kb.Enter)
			b.waitText("[data-gaps]", "Customer Success Manager (CSM__c)")
			if n := b.count("#owners-result tbody tr"); n != 5 {
				t.Errorf("%d accounts", n)
			}
			b.look("previewed")
			b.choose("owners-csm", "none")
			b.waitFor("a stale preview", `document.querySelector("#owners-result .result").hasAttribute("data-stale")`)
			b.noComplaints()
		})
	}
	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.afresh(d.app + ownersPage)
		b.follow("#owners-csm ~ p a")
		b.waitText("#unfit [data-choice=BillingCity]", "Does not point to a user")
		b.shot("explained")
		b.follow(".breadcrumb a")
		b.follow("button[value='use:owners.csm']")
		b.waitFor("the suggestion in place", `document.querySelector("#owners-csm").value === "CSM__c"`)
		b.follow("#validate-owners")
		b.waitText("[data-gaps]", "CSM__c")
		b.shot("previewed")
		b.follow("[data-save]")
		b.waitText("#flash", "Saved as v")
	})
}

// TestValues works out an ARR by keyboard and without scripts.
func TestValues(t *testing.T) {
	t.Parallel()
	d := startReady(t)

	for name, options := range looks {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, options...)
			signIn(d, b)
			b.afresh(d.app + valuesPage)
			b.look("none")
			b.do("focusing the origin", chromedp.Focus(chromedp.CSS("#arr-mode-none")))
			b.press(kb.ArrowRight)
			b.waitFor("the field alone", `document.querySelector("#arr-field").offsetParent !== null && document.querySelector("#arr-object").offsetParent === null`)
			b.press(kb.ArrowRight)
			b.waitFor("the object alone", `document.querySelector("#arr-field").offsetParent === null && document.querySelector("#arr-object").offsetParent !== null`)
			b.choose("arr-object", "subscr")
			b.waitFor("its fields", `document.querySelector("#arr-value")?.getAttribute("role") === "combobox"`)
			if got := b.held("arr-link"); got != "Account (Account__c)" {
				t.Errorf("the link is %q", got)
			}
			b.choose("arr-value", "arr")
			b.waitFor("the value", `document.querySelector("select[name='arr.value']").value === "ARR__c"`)
			if value[bool](b, `document.querySelector("#arr-latest_by").offsetParent !== null`) {
				t.Error("a date is asked for although nothing goes by one")
			}
			b.waitFor("the draft", `document.querySelector("[data-unsaved] details") !== null`)
			b.do("focusing the combination", chromedp.Focus(chromedp.CSS("#arr-combine")))
			b.typeAhead("su")
			b.waitFor("the combination", `document.querySelector("#arr-combine").value === "sum"`)
			b.do("focusing the filter", chromedp.Focus(chromedp.CSS("#arr-filter")))
			b.press("a", chromedp.KeyModifiers(2))
			b.press("stat")
			b.waitText("[role=listbox].suggestions [aria-selected=true]", "Status__c")
			b.press(kb.Tab)
			b.press("= 'acti")
			b.waitText("[role=listbox].suggestions [aria-selected=true]", "'Active'")
			b.press(kb.Enter)
			b.waitText("#findings-arr-filter", "Looks right")
			b.press(kb.Enter, chromedp.KeyModifiers(2))
			b.waitText("#result-arr-filter", "records match")
			b.do("focusing Validate", chromedp.Focus(chromedp.CSS("#validate-arr")))
			b.press(kb.Enter)
			b.waitText("#arr-result", "selected in the org")
			b.do("focusing Explain", chromedp.Focus(chromedp.CSS("#arr-result tbody button")))
			b.press(kb.Enter)
			b.waitText("#arr-explained [data-value]", ",")
			b.fill("#arr-explain-account", "a")
			b.choose("arr-explain-compare", "arr")
			b.do("focusing Explain", chromedp.Focus(chromedp.CSS("#validate-arr-explain")))
			b.press(kb.Enter)
			b.waitText("#arr-explained", "Several accounts")
			b.do("focusing the first of them", chromedp.Focus(chromedp.CSS("#arr-explained li button")))
			b.press(kb.Enter)
			b.waitText("#arr-explained [data-compared]", "ARR (ARR__c)")
			b.look("explained")
			b.noComplaints()
		})
	}
	t.Run("errors", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.afresh(d.app + valuesPage)
		b.click("label[for=renewal-mode-direct]")
		b.follow("[data-save]")
		b.waitText("#summary", "Choose the Account field")
		b.waitFor("the error at its field", `document.querySelector("#renewal-field").getAttribute("aria-invalid") === "true"`)
		b.look("refused")
		b.click("#summary a[href='#renewal-field']")
		b.waitFor("the focus there", `document.activeElement.id === "renewal-field"`)
		b.noComplaints()
	})
	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.afresh(d.app + valuesPage)
		set := func(id, to string) {
			value[bool](b, `(document.getElementById(`+quoteJS(id)+`).value = `+quoteJS(to)+`) !== ""`)
		}
		b.click("label[for=arr-mode-calculated]")
		b.click("label[for=renewal-mode-none]")
		set("arr-object", "Subscription__c")
		b.follow("button[value='fields:arr']")
		set("arr-value", "ARR__c")
		set("arr-combine", "sum")
		set("arr-filter", "Status__c = 'Active'")
		b.follow("#validate-arr")
		b.waitText("#arr-result", "selected in the org")
		b.fill("#arr-explain-account", strings.TrimSpace(strings.Split(b.text("#arr-result tbody td"), "(opens")[0]))
		b.follow("#validate-arr-explain")
		b.waitText("#arr-explained", "Sum of")
		b.shot("explained")
		b.follow("[data-save]")
		b.waitText("#flash", "Saved as v")
	})
}
