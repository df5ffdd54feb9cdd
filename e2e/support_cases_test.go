package e2e

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

const casesPage = "/connections/1/settings/support-cases"

// TestSupportCasesSection sets up cases without scripts, and by keyboard.
func TestSupportCasesSection(t *testing.T) {
	t.Parallel()
	d := startReady(t)

	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + casesPage)
		b.click("#cases-enabled")
		b.fill("#cases-lookback_days", "400")
		b.follow("button[data-save]")
		b.waitText("#summary", "from 1 to 365")
		b.waitFor("the error at its field", `document.querySelector("#cases-lookback_days").getAttribute("aria-invalid") === "true"`)
		b.fill("#cases-lookback_days", "365")
		b.follow("button[value=count]")
		b.waitText("#cases-result", "Case Comments")
		b.shot("counted")
		b.follow("button[data-save]")
		b.waitText("#version", "v2")
	})
	t.Run("by keyboard", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.open(d.app + casesPage)
		b.waitFor("the scripts", `document.readyState === "complete"`)
		b.focus("#cases-filter")
		b.press("Priority = 'High'" + kb.Escape)
		b.waitText("#findings-cases-filter", "Looks right")
		b.focus("button[value=count]")
		b.press(kb.Enter)
		b.waitText("#cases-result", "Email Messages")
		b.lookAround("counted")
		b.focus("#cases-conversation-case_comments")
		b.press(kb.ArrowDown)
		b.waitFor("the other source", `document.querySelector("#cases-conversation-email_messages").checked`)
		b.waitText("#unsaved", "unsaved change")
		b.follow("[data-discard]")
		b.waitText("#unsaved", "No unsaved changes")
		b.noComplaints()
	})
}
