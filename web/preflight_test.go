package web

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"millrace/db"
	"millrace/salesforce/sim"
)

// checkOf returns the words of one check of the page.
func checkOf(p *page, title string) string {
	p.t.Helper()
	for _, n := range p.all("#preflight > ul > li") {
		if words := textOf(n); len(words) > 0 && strings.Contains(words, title) {
			return words
		}
	}
	p.t.Errorf("no check %q: %s", title, p.text("main"))
	return ""
}

func TestPreflightOfAGoodOrg(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	// The sign-in leads to it.
	p := b.follow(b.get(o.authorize(b, demoForm, "allow")).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("h1", "Preflight")
	p.says("#flash", "Connected to Salesforce")
	p.says("#verdict", "The org is ready to be synced")
	for title, want := range map[string]string{
		"API access": "The REST API answers", "Connected app": "keeps its access", "Edition": "Enterprise Edition, a production org", "Objects that every sync reads": "Opportunity",
		"Sight of all records": "View All Data", "Daily API budget": "API requests are left today",
	} {
		if got := checkOf(p, title); !strings.Contains(got, want) || !strings.Contains(got, "OK") {
			t.Errorf("%s says %q, which lacks %q", title, got, want)
		}
	}
	b.get("/integrations").has(`#salesforce-card a[href$="/preflight"], article a[href$="/preflight"]`)
}

func TestPreflightNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/preflight")
	client, err := o.server.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	check := func(title string, wants ...string) {
		t.Helper()
		client.RefreshSchema()
		p := b.get(path).is(http.StatusOK)
		got := checkOf(p, title)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s says %q, which lacks %q", title, got, want)
			}
		}
	}
	o.org.HideObject("Opportunity")
	check("Objects that every sync reads", "Problem", "1 object", "Opportunity", "Setup → Permission Sets")
	b.get(path).says("#verdict", "1 problem")
	o.org.ShowObject("Opportunity")
	o.org.HideObject("CaseComment")
	check("Objects of the further sections", "Warning", "CaseComment")
	o.org.ShowObject("CaseComment")
	o.org.SetAPILimit(900, 1000)
	check("Daily API budget", "Warning", "of 1,000 API requests")
	o.org.SetAPILimit(0, 100000)
	o.org.Fail(sim.Fault{Match: "/services/data/*/limits", Status: http.StatusForbidden, Code: "API_CURRENTLY_DISABLED", Count: -1})
	check("API access", "Problem", "switched off for the connected user", "API Enabled")
	check("Edition", "OK") // each check by itself
	o.org.ClearFaults(0)
	o.org.Fail(sim.Fault{Match: "/services/data/*/query", Status: http.StatusBadRequest, Code: "INVALID_TYPE", Count: -1})
	check("Sight of all records", "Warning", "could not be checked", "View Setup and Configuration")
	o.org.ClearFaults(0)

	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "The grant was revoked."); err != nil {
		t.Fatal(err)
	}
	check("Sign-in", "Problem", "The grant was revoked.", "Reconnect")
}

func TestPreflightOfARestrictedUser(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	c := o.connected(o.as(o.admin))
	client, err := o.server.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	p := preflight{s: o.server, c: db.Connection{ID: c.ID, UserID: "005000000000000AAA"}, client: client}
	found, err := p.sight(t.Context())
	if err != nil || len(found.List) != 4 || found.Cure == "" {
		t.Errorf("a user without permission sets: %+v %v", found, err)
	}
}

func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}
