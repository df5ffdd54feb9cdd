package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const filterPage = "/connections/1/settings/account-filtering"

// press sends keys to whatever has the focus.
func (b *browser) press(keys string, modifiers ...chromedp.KeyOption) {
	b.t.Helper()
	b.do("pressing keys", chromedp.KeyEvent(keys, modifiers...))
}

// typeAhead chooses an option of the native list that has the focus, by how its text begins. A browser takes letters that come more than a second apart, as on a
// busy machine, for two beginnings; they are typed again then.
func (b *browser) typeAhead(text string) {
	b.t.Helper()
	for range 10 {
		b.press(text)
		if value[bool](b, `(document.activeElement.selectedOptions?.[0]?.text ?? "").trim().toLowerCase().startsWith(`+quoteJS(strings.ToLower(text))+`)`) {
			return
		}
		time.Sleep(1100 * time.Millisecond) // the browser forgets the letters
	}
	b.t.Fatalf("no option that begins with %q was chosen in #%s", text, b.focused())
}

// soon reports whether an expression comes true within some seconds.
func (b *browser) soon(expression string) bool {
	b.t.Helper()
	for deadline := time.Now().Add(patience / 6); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if value[bool](b, expression) {
			return true
		}
	}
	return false
}

// held is what a field holds.
func (b *browser) held(id string) string {
	b.t.Helper()
	return value[string](b, `document.getElementById(`+quoteJS(id)+`).value`)
}

// focused is the id of what has the focus.
func (b *browser) focused() string {
	b.t.Helper()
	return value[string](b, `document.activeElement.id`)
}

// emptyBox opens the filter page and clears its box by keyboard; the focus stays there.
func (b *browser) emptyBox(d *demo) {
	b.t.Helper()
	value[bool](b, `document.querySelector("form[data-guard]")?.removeAttribute("data-guard") ?? true`) // or the browser asks whether to leave
	b.open(d.app + filterPage)
	b.do("focusing the box", chromedp.Focus(chromedp.CSS("#accounts-single"), chromedp.NodeVisible))
	b.waitFor("the editor's script", `[...document.scripts].some((s) => s.src.endsWith("/editor.js")) && document.querySelector("body > [role=status].sr-only") !== null`)
	b.press("a", chromedp.KeyModifiers(2))
	b.press(kb.Delete)
}

// TestFilterEditor uses the filter box by keyboard alone.
func TestFilterEditor(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)

	t.Run("completion", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		b.press("annual rev")
		b.waitText("[role=listbox] [aria-selected=true]", "AnnualRevenue")
		b.axe()
		b.shot("completion")
		besideCaret(b)
		if on := value[string](b, `document.getElementById(document.activeElement.getAttribute("aria-activedescendant")).innerText`); !strings.Contains(on, "AnnualRevenue") {
			t.Errorf("the active option is %q", on)
		}
		b.press(kb.Tab)
		b.waitText("[role=listbox]", ">=")
		b.press(kb.ArrowDown + kb.ArrowDown + kb.ArrowUp + kb.ArrowUp + kb.ArrowUp)
		b.press(kb.Escape)
		b.waitFor("a closed list", `document.querySelector("[role=listbox]") === null`)
		b.press("> 0 and indus")
		b.waitText("[role=listbox] [aria-selected=true]", "Industry")
		b.press(kb.Enter)
		b.waitText("[role=listbox]", "LIKE")
		b.press("= 'bank")
		b.waitText("[role=listbox] [aria-selected=true]", "'Banking'")
		b.press(kb.Enter)
		b.waitText("#findings-accounts-single", "Looks right")
		if got := strings.TrimSpace(b.held("accounts-single")); got != "AnnualRevenue > 0 and Industry = 'Banking'" {
			t.Errorf("the box holds %q", got)
		}
		if b.focused() != "accounts-single" {
			t.Errorf("the focus went to %q", b.focused())
		}
	})

	t.Run("findings and repairs", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		b.press("Nmae == 'x'" + kb.Escape)
		b.waitText("#findings-accounts-single", "Nmae is not on Account")
		b.waitText("#findings-accounts-single", "Use =")
		b.look("findings")
		b.press(kb.Tab) // to the caret text of the first finding
		for range 12 {
			if value[bool](b, `document.activeElement.name === "fix"`) {
				break
			}
			b.press(kb.Tab)
		}
		b.press(kb.Enter)
		b.waitFor("the repaired text", `document.getElementById("accounts-single").value === "Nmae = 'x'"`)
		b.waitFor("one finding", `document.querySelectorAll("#findings-accounts-single [data-problem]").length === 1`)
		if b.focused() != "accounts-single" {
			t.Errorf("after a repair the focus is on %q", b.focused())
		}
		b.press("z", chromedp.KeyModifiers(2))
		b.waitFor("the repair taken back", `document.getElementById("accounts-single").value === "Nmae == 'x'"`)
	})

	t.Run("picker", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		for range 6 {
			b.press(kb.Tab)
			if value[bool](b, `document.activeElement.hasAttribute("data-picker")`) {
				break
			}
		}
		b.press(kb.Enter)
		b.waitFor("the picker", `document.querySelector("dialog[open] #find-field") === document.activeElement`)
		b.press("arr")
		b.waitFor("a narrowed list", `document.querySelectorAll("dialog [data-find]:not([hidden])").length < 8`)
		b.axe()
		b.shot("picker")
		b.press(kb.Tab)
		for range 6 {
			if value[bool](b, `document.activeElement.hasAttribute("data-insert-field")`) {
				break
			}
			b.press(kb.Tab)
		}
		want := value[string](b, `document.activeElement.dataset.insertField`)
		b.press(kb.Enter)
		b.waitFor("the field in the box", `document.getElementById("accounts-single").value === `+quoteJS(want+" "))
		if b.focused() != "accounts-single" {
			t.Errorf("after the picker the focus is on %q", b.focused())
		}
	})

	t.Run("validate and cancel", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		b.press("Owner.Name != null AND AnnualRevenue > 1000" + kb.Escape)
		b.press(kb.Enter, chromedp.KeyModifiers(2))
		b.waitText("#result-accounts-single", "accounts match")
		b.waitText("#result-accounts-single thead", "Annual Revenue")
		b.look("validated")
		d.control(t, "fault", "match", "/services/data/*/query", "stall", "30s", "count", "1")
		b.press(kb.Enter, chromedp.KeyModifiers(2))
		b.waitFor("a Cancel button", `document.querySelector("[data-cancel]").offsetParent !== null`)
		b.press("0")
		b.waitFor("the call ended by typing", `document.querySelector("[data-cancel]").offsetParent === null`)
	})

	t.Run("builder", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		b.press("Type IN ('Customer', 'Prospect') AND AnnualRevenue > 1000" + kb.Escape)
		b.do("going to the switch", chromedp.Focus(chromedp.CSS("#builder-accounts-single")))
		b.press(kb.Enter)
		b.waitFor("two rows", `document.querySelectorAll(".builder-row").length === 2`)
		b.do("going to Add a row", chromedp.Focus(chromedp.CSS("#add-accounts-single")))
		b.press(kb.Enter)
		b.waitFor("a third row", `document.querySelectorAll(".builder-row").length === 3`)
		b.do("going to its field", chromedp.Focus(chromedp.CSS("#accounts-single-row-2-field")))
		b.press("indus")
		b.waitText("[role=listbox] [aria-selected=true]", "Industry")
		b.press(kb.Enter)
		b.waitFor("its operators", `document.getElementById("accounts-single-row-2-op") !== null`)
		b.waitText("#stands-accounts-single", "AnnualRevenue > 1000")
		if got := b.focused(); got != "accounts-single-row-2-field" {
			t.Errorf("the focus went to %q", got)
		}
		b.press(kb.Tab)
		b.typeAhead("Is not e")
		b.waitText("#stands-accounts-single", "Industry != NULL")
		b.do("going to a value", chromedp.Focus(chromedp.CSS("#accounts-single-row-1-value")))
		b.press(kb.End + "5")
		b.waitText("#stands-accounts-single", "AnnualRevenue > 10005")
		b.waitText("[data-unsaved]", "1 unsaved change")
		b.look("builder")
		b.press(kb.Enter, chromedp.KeyModifiers(2))
		b.waitText("#result-accounts-single", "match")
		b.do("going back", chromedp.Focus(chromedp.CSS("#soql-accounts-single")))
		b.press(kb.Enter)
		b.waitFor("the SOQL", `document.querySelector("textarea#accounts-single")?.value === "Type IN ('Customer', 'Prospect') AND AnnualRevenue > 10005 AND Industry != NULL"`)
	})

	t.Run("compare", func(t *testing.T) {
		b.t = t
		b.emptyBox(d)
		b.click("#accounts-mode-typed")
		b.fill("#accounts-customer", "AnnualRevenue > 1000000")
		b.fill("#accounts-prospect", "Type = 'Prospect'")
		b.do("going to Compare", chromedp.Focus(chromedp.CSS("#compare")))
		b.press(kb.Enter)
		b.waitText("#overlap", "Customer and Prospect → Customer")
		b.look("compare")
	})

	t.Run("why", func(t *testing.T) {
		b.t = t
		value[bool](b, `document.querySelector("form[data-guard]")?.removeAttribute("data-guard") ?? true`)
		b.open(d.app + "/connections/1/accounts?q=Blackfriars+Publishing+LLP")
		b.waitText("#account-list", "Why is this record not here?")
		b.follow("#account-list a[href*='/why?']")
		b.waitText("#answer", "Fails")
		b.waitText("#here", "not in Postgres")
		b.look("why")
	})
	b.t = t
	b.noComplaints()

	t.Run("narrow and dark", func(t *testing.T) {
		b := newBrowser(t, narrow, dark)
		signIn(d, b)
		b.open(d.app + "/connections/1/accounts/why?q=Blackfriars+Publishing+LLP")
		b.look("why")
		b.open(d.app + filterPage + "/fields")
		b.look("fields")
		b.open(d.app + filterPage)
		b.click("#accounts-mode") // the draft of the other browser chose typed filters
		b.do("focusing the box", chromedp.Focus(chromedp.CSS("#accounts-single"), chromedp.NodeVisible))
		b.waitFor("the editor's script", `document.querySelector("body > [role=status].sr-only") !== null`)
		b.press("a", chromedp.KeyModifiers(2))
		b.press(kb.Delete)
		b.press("Type = 'Customer' AND Industry = 'Energy' AND annual re")
		const offered = `(document.querySelector("[role=listbox] [aria-selected=true]")?.innerText ?? "").includes("AnnualRevenue")`
		for range 10 { // an answer that arrives after the caret has moved on shows nothing; the next key asks again
			b.press("v")
			if b.soon(offered) {
				break
			}
			b.press(kb.Backspace)
		}
		b.waitText("[role=listbox] [aria-selected=true]", "AnnualRevenue")
		besideCaret(b)
		b.look("completion")
		b.press(kb.Escape)
		b.press("a", chromedp.KeyModifiers(2))
		b.press("Type = 'Customer'" + kb.Escape)
		b.click("#builder-accounts-single")
		b.waitFor("rows", `document.querySelector(".builder-row") !== null`)
		b.look("builder")
		b.click("#accounts-mode-typed")
		b.click("#compare")
		b.waitText("#overlap", "Customer and Prospect → Customer")
		b.noComplaints()
	})
}

// besideCaret waits until the list of suggestions touches the line of the caret, within the text area's width and the window.
func besideCaret(b *browser) {
	b.t.Helper()
	b.waitFor("the list at the caret", `(() => {
		const list = document.querySelector("[role=listbox]").getBoundingClientRect();
		const area = document.activeElement.getBoundingClientRect();
		if (list.left < area.left - 1 || list.right > area.right + 1) return "the list is wider than the box";
		if (list.left < 0 || list.right > innerWidth) return "the list leaves the window sideways";
		if (list.top > area.bottom + 8 || list.bottom < area.top - 8) return "the list is away from the box";
		if (area.height > 60 && document.activeElement.value.length < 20 && list.top > area.top + 45) return "the list is not at the first line";
		return "";
	})() === ""`)
}
