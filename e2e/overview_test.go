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
	d.control(t, "limit", "used", "100000", "limit", "100000")
	elsewhere := b.tab()
	elsewhere.open(d.app + "/connections/1/settings/fields-and-frequency")
	elsewhere.follow("button[name=entity][value=contacts]")
	elsewhere.waitText("#run-live", "Waiting")
	held := elsewhere.location()
	held = held[strings.LastIndex(held, "/")+1:]
	b.waitText("#active-"+held, "daily")
	b.waitText("#sync-banner", "daily")
	b.waitText("#run-list tbody", held)
	b.follow("#active-" + held + " form button")
	b.waitText("#run-live", "Cancelled")
	elsewhere.waitText("#run-live", "Cancelled")
	elsewhere.noComplaints()
	d.control(t, "limit", "used", "10", "limit", "100000")

	// Filters are in the address, one beside the other.
	b.open(d.app + runs)
	b.follow("nav[aria-label='Kinds of runs'] a[href*='show=failed']")
	b.waitText("#run-list tbody", held)
	value[bool](b, `(() => { const s = document.querySelector("#sync"); s.value = "accounts"; s.dispatchEvent(new Event("change", { bubbles: true })); return true; })()`)
	b.waitFor("the address to tell the filters", `["show=failed", "sync=accounts"].every((p) => location.search.includes(p)) && document.readyState === "complete"`)
	b.waitText("#run-list", "No run fits these filters")
	address := b.location()
	if !strings.Contains(address, "sync=accounts") {
		t.Errorf("the address is %s", address)
	}
	b.open(strings.Replace(address, "sync=accounts", "sync=contacts", 1))
	b.waitText("#run-list tbody", held)
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
