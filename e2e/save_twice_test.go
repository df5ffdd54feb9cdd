package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// tab opens another tab beside that of b.
func (b *browser) tab() *browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	other := &browser{t: b.t, noJS: b.noJS}
	if err := other.begin(ctx, browserSetup{width: 1440, height: 1000, noJS: b.noJS}); err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	other.ctx = ctx
	return other
}

// versions counts the versions that History lists.
func (b *browser) versions(d *demo) int {
	b.t.Helper()
	b.open(d.app + "/connections/1/settings/history")
	return b.count("#versions a[href$='/restore']") + 1 // the newest has none
}

// TestSavePressedTwice presses Save twice at once, with and without scripts, and then in two tabs at once.
func TestSavePressedTwice(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	const hours, press = "/connections/1/settings/fields-and-frequency", `(document.querySelector("[data-save]").click(), document.querySelector("[data-save]").click(), true)`
	b := newBrowser(t)
	signIn(d, b)

	b.open(d.app + hours)
	b.put("#sync-accounts-hours", "8")
	b.waitText("[data-unsaved]", "1 unsaved change")
	value[bool](b, press)
	b.waitText("#version", "v2")
	b.waitText("[data-unsaved]", "No unsaved changes")
	if n := b.versions(d); n != 2 {
		t.Errorf("after Save was pressed twice there are %d versions", n)
	}

	plain := newBrowser(t, withoutJS)
	signIn(d, plain)
	plain.open(d.app + hours)
	value[bool](plain, `((document.querySelector("#sync-accounts-hours").value = "12"), true)`)
	value[bool](plain, press)
	plain.waitText("#version", "v3")
	if n := plain.versions(d); n != 3 {
		t.Errorf("after Save was pressed twice without scripts there are %d versions", n)
	}

	// Two tabs of one person: each has changed another section, and both save at once.
	other := b.tab()
	b.open(d.app + hours)
	other.open(d.app + ownersPage)
	other.awaitPicker()
	b.put("#sync-accounts-hours", "4")
	b.waitText("[data-unsaved]", "1 unsaved change")
	other.put("select[name='owners.csm']", "CSM__c")
	other.waitText("[data-unsaved]", "2 unsaved changes in 2 sections")
	value[bool](b, `(document.querySelector("[data-save]").click(), true)`)
	value[bool](other, `(document.querySelector("[data-save]").click(), true)`)
	for _, tab := range []*browser{b, other} {
		tab.waitText("#version", "v4")
		tab.waitText("[data-unsaved]", "No unsaved changes")
		tab.noComplaints()
	}
	if n := b.versions(d); n != 4 {
		t.Errorf("after two tabs have saved at once there are %d versions", n)
	}
	b.open(d.app + hours)
	if got := b.fieldText("sync-accounts-hours"); got != "4" {
		t.Errorf("the frequency is every %s hours", got)
	}
	b.open(d.app + ownersPage)
	if got := value[string](b, `document.querySelector("select[name='owners.csm']").value`); got != "CSM__c" {
		t.Errorf("the owner is %q", got)
	}
}
