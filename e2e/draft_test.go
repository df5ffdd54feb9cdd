package e2e

import (
	"database/sql"
	"strings"
	"testing"
)

const (
	draftPage = "/connections/1/settings/account-filtering"
	draftText = "Industry = 'Banking' AND AnnualRevenue > 1000"
)

// fieldText is what a field holds.
func (b *browser) fieldText(id string) string {
	b.t.Helper()
	return value[string](b, `document.getElementById(`+quoteJS(id)+`).value`)
}

// query runs a statement in the demo's database.
func (d *demo) query(t *testing.T, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", d.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// endSessions signs everybody out, as the passing of time does.
func (d *demo) endSessions(t *testing.T) {
	t.Helper()
	d.query(t, `DELETE FROM millrace.sessions`)
}

// typeDraft opens the filter page and types into its box and its note.
func (b *browser) typeDraft(d *demo) {
	b.t.Helper()
	b.open(d.app + draftPage)
	b.fill("#accounts-single", draftText)
	b.fill("#note", "for the bank")
}

// signInHere fills in the sign-in page that the browser is on.
func (b *browser) signInHere(d *demo) {
	b.t.Helper()
	b.waitText("h1", "Sign in")
	b.fill("#email", d.email)
	b.fill("#password", d.password)
	b.follow("main form button")
}

// holdsDraft waits until the form is back as it was typed.
func (b *browser) holdsDraft() {
	b.t.Helper()
	b.waitFor("the text", `document.getElementById("accounts-single")?.value.trim() === `+quoteJS(draftText))
	if note := b.fieldText("note"); note != "for the bank" {
		b.t.Errorf("the note holds %q", note)
	}
}

// noDraft waits until neither the server nor the tab holds anything that is not saved.
func (b *browser) noDraft() {
	b.t.Helper()
	b.waitText("[data-unsaved]", "No unsaved changes")
	b.waitFor("no draft", `!document.getElementById("draft") && !Object.keys(sessionStorage).some((key) => key.startsWith("draft"))`)
}

// put gives a field a text at once, so that nothing that the page sends by itself comes between its letters.
func (b *browser) put(selector, text string) {
	b.t.Helper()
	b.waitFor(selector, `document.querySelector(`+quoteJS(selector)+`) !== null`)
	value[bool](b, `(() => {
		const field = document.querySelector(`+quoteJS(selector)+`);
		field.value = `+quoteJS(text)+`;
		for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, {bubbles: true}));
		return true;
	})()`)
}

// settle waits until what the page sends by itself after an edit, named by the ends of their addresses, has been answered and nothing is on its way.
func (b *browser) settle(ends ...string) {
	b.t.Helper()
	for _, end := range ends {
		b.waitFor("the answer of "+end, `performance.getEntriesByType("resource").some((r) => new URL(r.name).pathname.endsWith(`+quoteJS(end)+`) && r.startTime > (window.lastEdit ?? 0) && r.responseEnd > 0)`)
	}
	b.waitFor("the page to be quiet", `document.querySelector(".htmx-request") === null`)
}

// watchEdits has settle know when the page was edited last.
func (b *browser) watchEdits() {
	b.t.Helper()
	value[bool](b, `(() => { for (const kind of ["input", "change"]) document.addEventListener(kind, () => (window.lastEdit = performance.now()), true); return true; })()`)
}

// TestDraftSurvivesTheEndOfTheSession types, loses the session, types on, signs in again and finds all of it.
func TestDraftSurvivesTheEndOfTheSession(t *testing.T) {
	t.Parallel()
	d := startReady(t)

	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + draftPage)
	b.watchEdits()
	b.put("#accounts-single", draftText)
	b.settle("/check", "/keep")
	b.waitText("[data-unsaved]", "1 unsaved change")
	d.endSessions(t)
	b.put("#note", "for the bank") // the server never gets it
	b.waitFor("the refused draft", `document.querySelector("form[data-unkept]") !== null`)
	b.click("#validate-accounts-single")
	b.signInHere(d)
	b.holdsDraft()
	b.waitText("#draft", "is back. It is not saved yet.")
	b.look("restored")

	// From then on the server has it, and a reload needs no notice; Discard takes it back, without a question.
	b.waitFor("the draft", `performance.getEntriesByType("resource").some((r) => new URL(r.name).pathname.endsWith("/keep") && r.responseEnd > 0)`)
	b.open(d.app + draftPage)
	b.holdsDraft()
	if n := b.count("#draft"); n != 0 {
		t.Error("what the server kept is announced as found in the tab")
	}
	b.follow("[data-discard]")
	b.waitFor("the saved text", `document.getElementById("accounts-single")?.value !== `+quoteJS(draftText)+` && document.getElementById("note")?.value === ""`)
	b.noDraft()
	b.noComplaints()
}

// TestDraftIsGoneOnceSaved saves a form that came back.
func TestDraftIsGoneOnceSaved(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + draftPage)
	b.watchEdits()
	b.put("#accounts-single", draftText)
	b.settle("/check", "/keep")
	d.endSessions(t)
	b.put("#note", "for the bank")
	b.waitFor("the refused draft", `document.querySelector("form[data-unkept]") !== null`)
	b.follow("[data-save]")
	b.waitText("main", "Nothing was saved")
	b.signInHere(d)
	b.waitText("#flash", "What you typed before you were signed out is back")
	b.holdsDraft()
	b.look("resumed")
	if at := b.location(); at != d.app+draftPage {
		t.Errorf("after signing in the address is %s", at)
	}
	b.follow("[data-save]")
	b.waitText("#flash", "Saved as v")
	b.noDraft()
	b.noComplaints()
}

// TestFormSurvivesWithoutScripts does the same in a browser that runs none.
func TestFormSurvivesWithoutScripts(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t, withoutJS)
	signIn(d, b)
	b.typeDraft(d)
	d.endSessions(t)
	b.follow("[data-save]")
	b.shot("signed_out")
	b.signInHere(d)
	b.waitText("#flash", "Nothing of it is saved yet")
	b.holdsDraft()
	b.follow("[data-save]")
	b.waitText("#flash", "Saved as v")
	if got := strings.TrimSpace(b.fieldText("accounts-single")); got != draftText {
		t.Errorf("saved: %q", got)
	}
}

// TestFormSurvivesAFailure saves while the server fails, and once more when it works again.
func TestFormSurvivesAFailure(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	b.typeDraft(d)
	d.query(t, `ALTER TABLE millrace.sessions RENAME TO sessions_away`)
	b.follow("[data-save]")
	b.waitText("#kept", "Copy it, or press Try again")
	b.look("failed_save")
	d.query(t, `ALTER TABLE millrace.sessions_away RENAME TO sessions`)
	b.follow("#kept button")
	b.waitText("#flash", "Saved as v")
	b.noDraft()
	b.noComplaints()
}
