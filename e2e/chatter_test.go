package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const chatterPage = "/connections/1/settings/chatter"

// TestChatterByKeyboard switches Chatter on, chooses a frequency and saves both, without a pointer; then it clears the schedule.
func TestChatterByKeyboard(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + chatterPage)
	b.waitText("[data-state]", "Nothing of Chatter is read")
	b.waitFor("the draft's script", `[...document.scripts].some((s) => s.src.endsWith("/keep.js"))`)
	b.do("focusing the switch", chromedp.Focus(chromedp.CSS("#chatter-enabled")))
	b.press(" ")
	b.waitText("[data-state-after]", "On, never runs: no schedule")
	b.waitText("#save-both", "Saves 1 unsaved change and this schedule together")
	b.lookAround("typed")

	// Validate in place, with what is typed staying as it is.
	b.do("focusing the filter", chromedp.Focus(chromedp.CSS("#chatter-account_filter")))
	b.press("Type = 'LinkPost'")
	b.press(kb.Enter, chromedp.KeyModifiers(2))
	b.waitText("#result-chatter-account_filter", "match")
	b.axe()

	b.do("focusing the frequency", chromedp.Focus(chromedp.CSS("#chatter-frequency")))
	b.press("d")
	b.waitFor("Daily", `document.getElementById("chatter-frequency").value === "daily"`)
	b.do("focusing Save both", chromedp.Focus(chromedp.CSS("#save-both button")))
	b.press(kb.Enter)
	b.waitText("#flash", "Saved as v2, together with the schedule of Chatter")
	b.waitText("[data-state]", "Runs daily, next")
	b.waitText("#scheduled", "daily at 02:00, UTC")
	b.lookAround("scheduled")

	b.do("focusing Disable Schedule", chromedp.Focus(chromedp.CSS("#sync-frequency button[value=unschedule]")))
	b.press(kb.Enter)
	b.waitText("#flash", "The schedule of Chatter is off")
	b.waitText("[data-state]", "On, never runs: no schedule")
	b.noComplaints()
}

// TestChatterWithoutScripts saves a schedule while something else is typed, and refuses a schedule without a frequency.
func TestChatterWithoutScripts(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t, withoutJS)
	signIn(d, b)
	b.open(d.app + chatterPage)
	b.fill("#chatter-account_filter", "Type = 'LinkPost'")
	b.follow("#sync-frequency button[value=schedule]")
	b.waitText("#summary", "Choose Hourly, Daily or Weekly")
	b.shot("refused")
	b.do("focusing the frequency", chromedp.Focus(chromedp.CSS("#chatter-frequency")))
	b.press("h")
	b.follow("#sync-frequency button[value=schedule]")
	b.waitText("#flash", "Nothing else was saved")
	b.waitText("[data-state]", "Scheduled but switched off: nothing is read")
	b.waitText("#unsaved", "1 unsaved change")
	if got := b.fieldText("chatter-account_filter"); got != "Type = 'LinkPost'" {
		t.Errorf("the filter is now %q", got)
	}
	b.shot("warned")
	b.follow("#chatter-state button[value=turn-on]")
	b.waitText("#flash", "Saved as v2")
	b.waitText("[data-state]", "Runs hourly, next")
}
