package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// whatIf presses a button of the control page, found by its words, as a person does, and waits until the page says that it is done.
func (d *demo) whatIf(b *browser, words string) {
	b.t.Helper()
	b.open(d.org + "/control")
	b.waitFor("the button "+words, `(() => {
		const button = [...document.querySelectorAll("button")].find((b) => b.innerText.includes(`+quoteJS(words)+`));
		if (button) button.dataset.found = "";
		return !!button;
	})()`)
	b.follow("[data-found]")
	b.waitFor("the page's answer", `document.querySelector("[role=status].good") !== null`)
}

// steer fills in a form of the control page and sends it; fields are pairs of a name and a value.
func (d *demo) steer(b *browser, action string, fields ...string) {
	b.t.Helper()
	b.open(d.org + "/control")
	form := `form.inline[action="/control/` + action + `"]`
	value[bool](b, `document.querySelectorAll("details").forEach((d) => (d.open = true)) ?? true`)
	for i := 0; i+1 < len(fields); i += 2 {
		b.fill(form+` input[name="`+fields[i]+`"]`, fields[i+1])
	}
	b.follow(form + " button:not([formaction])")
	b.waitFor("the page's answer", `document.querySelector("[role=status].good") !== null`)
}

// rows asks the simulated org, past the app.
func (d *demo) rows(t *testing.T, query string) []map[string]any {
	t.Helper()
	var out struct{ Rows []map[string]any }
	d.orgJSON(t, "/control/query?q="+url.QueryEscape(query), &out)
	if len(out.Rows) == 0 {
		t.Fatalf("the org has no rows for %s", query)
	}
	return out.Rows
}

func (d *demo) orgJSON(t *testing.T, path string, out any) {
	t.Helper()
	resp, err := http.Get(d.org + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
}

// awaitMet waits until every armed fault has met its calls.
func (d *demo) awaitMet(t *testing.T) {
	t.Helper()
	waitUntil(t, "the armed faults to be met", func() bool {
		var state struct{ Faults []any }
		d.orgJSON(t, "/control/state", &state)
		return len(state.Faults) == 0
	})
}

// sync starts a run and leaves the browser on its page.
func (d *demo) sync(b *browser) {
	b.t.Helper()
	b.open(d.app + "/connections/1/runs")
	b.follow("#run-sync")
	b.waitFor("the run's page", `document.querySelector("#run-live") !== null`)
}

const result = "#result-accounts-single"

// TestFailingAnswersAreSaidInTheApp has the simulated org refuse, stall, break off and crawl, by its control page, and reads what the app says.
func TestFailingAnswersAreSaidInTheApp(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--ready", "--accounts", "3000")
	d.awaitLine(t, "Synced: ")
	b := newBrowser(t)
	signIn(d, b)

	// The longest wait comes first, in a browser of its own, and its end is read last.
	patient := newBrowser(t, narrow)
	signIn(d, patient)
	d.control(t, "fault", "match", "/services/data/*/query", "stall", "10m")
	patient.open(d.app + filterPage)
	patient.click("#validate-accounts-single")
	d.awaitMet(t)

	t.Run("failures that pass are ridden out by a validation", func(t *testing.T) {
		b.t = t
		for _, words := range []string{"500, with a page of HTML", "429, too many requests", "cannot lock a row"} {
			d.whatIf(b, words)
		}
		b.open(d.app + filterPage)
		b.click("#validate-accounts-single")
		b.waitText(result, "accounts match")
		d.awaitMet(t)
	})

	for _, c := range []struct {
		name  string
		fault []string
		says  string
	}{
		{"500", []string{"status", "500"}, "an error of its own (HTTP 500)"},
		{"429", []string{"status", "429"}, "asks to slow down"},
		{"lock", []string{"status", "400", "code", "UNABLE_TO_LOCK_ROW"}, "locked by somebody else"},
		{"cut", []string{"truncateAfter", "20"}, "broke off in the middle of an answer"},
		{"gave up", []string{"status", "400", "code", "QUERY_TIMEOUT"}, "took too long"},
	} {
		t.Run("a validation says what does not pass, "+c.name, func(t *testing.T) {
			b.t = t
			d.steer(b, "fault", append(c.fault, "match", "/services/data/*/query", "count", "-1")...)
			b.open(d.app + filterPage)
			b.click("#validate-accounts-single")
			b.waitText(result, c.says)
			b.waitText(result, "Try again in a moment.")
			b.shot("said")
			d.whatIf(b, "Disarm all")
		})
	}

	t.Run("a run rides out a page that breaks off", func(t *testing.T) {
		b.t = t
		d.whatIf(b, "bulk query: is cut off")
		d.syncWhole(b)
		awaitSync(b, "Completed")
		d.awaitMet(t)
		if text := b.text("#run-live"); strings.Contains(text, "Incomplete") || strings.Contains(text, "with errors") {
			t.Errorf("after a page that broke off the run says %q", text)
		}
	})

	t.Run("a run shows how a slow page comes in", func(t *testing.T) {
		b.t = t
		d.steer(b, "fault", "match", "/services/data/*/jobs/query/*/results", "slowBytesPerSecond", "30000", "count", "-1")
		d.syncWhole(b)
		b.waitText("#run-live", "Loading contacts")
		b.waitFor("its progress", `/[1-9][\d,]* of [\d,]+ records/.test(document.querySelector("#run-live").innerText)`)
		b.shot("slow")
		b.follow("form[action$='/cancel'] button")
		awaitSync(b, "Cancelled")
		d.control(t, "reset-faults")
	})

	t.Run("a run that meets a page that always breaks off rests and says why", func(t *testing.T) {
		b.t = t
		d.steer(b, "fault", "match", "/services/data/*/jobs/query/*/results", "truncateAfter", "4000", "count", "-1")
		d.syncWhole(b)
		b.waitText("#run-live", "Waiting")
		b.waitText("#run-live", "broke off")
		b.waitText("#run-live", "Trying again in a minute.")
		b.waitText("#run-live", "Goes on by itself at")
		b.shot("resting")
		d.whatIf(b, "Disarm all")
		b.open(d.app + "/connections/1/runs")
		b.follow("form[action$='/cancel'] button")
		awaitSync(b, "Cancelled")
	})

	t.Run("used-up calls are said, and time frees them", func(t *testing.T) {
		b.t = t
		d.whatIf(b, "Use up all calls")
		b.open(d.app + filterPage)
		b.click("#validate-accounts-single")
		b.waitText(result, "daily API requests are used up")
		d.steer(b, "advance", "by", "25h")
		b.open(d.app + filterPage)
		b.click("#validate-accounts-single")
		b.waitText(result, "accounts match")
	})

	t.Run("an answer that never comes", func(t *testing.T) {
		patient.t = t
		patient.waitText(result, "did not answer in time")
		patient.shot("timeout")
		patient.axe()
	})
	b.t = t
	b.noComplaints()
	patient.noComplaints()
}

// syncWhole starts a run that reads everything, page by page, as the first one did, and leaves the browser on its page.
func (d *demo) syncWhole(b *browser) {
	b.t.Helper()
	b.open(d.app + "/connections/1/whole")
	b.follow("form[action$='/whole'] button")
	b.waitFor("the run's page", `document.querySelector("#run-live") !== null`)
}
