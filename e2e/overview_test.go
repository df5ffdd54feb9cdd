package e2e

import (
	"strings"
	"testing"
)

// TestOverview is the story of a first day: the first steps, the first sync as it goes, a healthy overview, and the runs in Sync Status.
func TestOverview(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--accounts", "3000")
	b := newBrowser(t)
	signInByForm(d, b)
	b.waitText("#first-steps", "First steps")
	connect(d, b)
	const overview, runs = "/connections/1/overview", "/connections/1/runs"
	b.open(d.app)
	b.waitText("h1", "Overview")
	b.waitText("#first-steps-card", "Choose the accounts")
	b.shot("first-steps")
	b.axe()
	b.follow("#first-steps-card li:nth-child(2) a")
	d.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "slowBytesPerSecond", "10000", "count", "-1")
	b.fill("#accounts-single", "Type = 'Customer'")
	b.follow("[data-save]")
	b.waitText("body", "v1")

	// The steps of the run come and go by themselves, also after the page was loaded anew.
	for range 2 {
		b.open(d.app + runs)
		b.waitText("#active-runs", "Loading contacts")
		b.waitFor("how far it is", `/[1-9][\d,]* of [\d,]+ records/.test(document.querySelector("#active-runs").innerText)`)
	}
	b.waitFor("its progress bar", `document.querySelector("#active-runs progress[aria-label^=Contacts]") !== null`)
	b.shot("active")
	b.axe()
	b.waitFor("the end of the run", `document.querySelectorAll("#active-runs section").length === 0`)
	b.waitText("#run-list tbody", "Completed")
	b.waitText("#sync-banner", "Completed")
	d.control(t, "reset-faults")

	b.open(d.app + overview)
	b.waitText("#first-steps-card", "Check five accounts")
	b.waitText("#health-counts", "In step")
	b.waitText("#health-errors", "1 cause")
	b.waitText("#causes", "without Email")
	if n := b.count("svg.chart"); n != 3 {
		t.Errorf("%d charts", n)
	}
	b.follow("#end-first-steps button")
	b.waitText("#flash", "The first steps are done")
	if b.count("#first-steps-card") > 0 {
		t.Error("the first steps are still there")
	}
	b.shot("healthy")

	// A run that begins elsewhere is noticed by a page that shows none, and so is its end.
	b.open(d.app + runs)
	d.query(t, `INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state, waiting_reason, waiting_until)
		VALUES ('R-HELD22', 1, 'contacts', 'manual', 1, 'waiting', 'Salesforce is being maintained.', now() + interval '1 hour')`)
	b.waitText("#active-R-HELD22", "Salesforce is being maintained.")
	b.waitText("#sync-banner", "Salesforce is being maintained.")
	b.waitText("#run-list tbody", "R-HELD22")
	b.follow("#active-R-HELD22 form button")
	b.waitText("#run-live", "Cancelled")

	// Filters are in the address, one beside the other.
	b.open(d.app + runs)
	b.follow("nav[aria-label='Kinds of runs'] a[href*='show=failed']")
	b.waitText("#run-list tbody", "R-HELD22")
	value[bool](b, `(() => { const s = document.querySelector("#sync"); s.value = "accounts"; s.dispatchEvent(new Event("change", { bubbles: true })); return true; })()`)
	b.waitFor("the address to tell the filters", `["show=failed", "sync=accounts"].every((p) => location.search.includes(p)) && document.readyState === "complete"`)
	b.waitText("#run-list", "No run fits these filters")
	address := b.location()
	if !strings.Contains(address, "sync=accounts") {
		t.Errorf("the address is %s", address)
	}
	b.open(strings.Replace(address, "sync=accounts", "sync=contacts", 1))
	b.waitText("#run-list tbody", "R-HELD22")
	if got := value[string](b, `document.querySelector("#sync").value`); got != "contacts" {
		t.Errorf("the address selects %q", got)
	}
	b.follow("#run-list tbody a")
	b.follow("#run-again button")
	b.waitText("#run-live", "Completed")
	b.waitText("#run-before", "Contacts")
	b.axe()
	b.noComplaints()
}
