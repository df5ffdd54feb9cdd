package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// saved stores versions of a connection's settings one after the other, each with one account filter.
func (a *app) saved(c db.Connection, filters ...string) {
	a.t.Helper()
	for _, f := range filters {
		base := 0
		if v, err := a.db.CurrentSettings(a.t.Context(), c.ID); err != nil {
			a.t.Fatal(err)
		} else if v != nil {
			base = v.Version
		}
		s := settings.Defaults()
		s.Accounts.Single = f
		if _, _, err := a.db.SaveSettings(a.t.Context(), c.ID, base, s, "Filter "+strconv.Itoa(base+1), a.admin.ID); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *app) newest(c db.Connection) db.SettingsVersion {
	a.t.Helper()
	v, err := a.db.CurrentSettings(a.t.Context(), c.ID)
	if err != nil || v == nil {
		a.t.Fatal(v, err)
	}
	return *v
}

func (a *app) draft(c db.Connection, u db.User) *db.Draft {
	a.t.Helper()
	d, err := a.db.Draft(a.t.Context(), c.ID, u.ID)
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

func TestHistoryListsVersions(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	path := orgPath(c.ID, "/settings/history")
	b.get(path).is(http.StatusOK).says("#versions", "Nothing was saved yet")
	var filters []string
	for i := range 60 {
		filters = append(filters, "Name = '"+strconv.Itoa(i)+"'")
	}
	a.saved(c, filters...)
	p := b.get(path).is(http.StatusOK)
	if n := len(p.all("#versions tbody tr")); n != 25 {
		t.Errorf("%d rows on the first page", n)
	}
	p.says("#versions tbody tr:first-child", "v60", "Current", "Ana Ruiz", "Filter 60", "Account Filtering")
	p.lacks("#versions tbody tr:first-child a[href$='/60/restore']")
	p.has("#versions tbody tr:nth-child(2) a[href$='/59/restore']")

	a.saved(c, "Name = 'new'") // meanwhile: the pages stay where they are
	next := p.attr("#versions nav a", "href")
	p = b.get(next).is(http.StatusOK)
	p.says("#versions tbody tr:first-child", "v35")
	p.says("#versions tbody tr:last-child", "v11")
	p = b.get(path + "?before=11").is(http.StatusOK)
	p.says("#versions tbody tr:last-child", "v1", "First version: Account Filtering")
	if n := len(p.all("#versions tbody tr")); n != 10 {
		t.Errorf("%d rows on the last page", n)
	}
	p.has("#versions nav a[href$='/history']")
	b.get(path+"?before=x").is(http.StatusOK).says("#versions tbody tr:first-child", "v61")
}

func TestVersionsAreReachedFromTheHeader(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	a.saved(c, "A = 1")
	path := orgPath(c.ID, "/settings")
	p := b.get(path + "/account-filtering").is(http.StatusOK)
	p.says("#version", "v1", "Ana Ruiz", "History")
	p.lacks("#version a[href*='compare']")
	a.exec(`UPDATE millrace.runs SET started_at = now()`) // it goes by what was saved when it began
	a.saved(c, "A = 2")
	p = b.get(path + "/owner-mapping").is(http.StatusOK)
	for _, href := range []string{path + "/history", path + "/history/compare?from=1&to=2", path + "/history/1/restore"} {
		p.has("#version a[href='" + href + "']")
		b.get(href).is(http.StatusOK)
	}
	run, err := a.db.LatestRunOf(t.Context(), c.ID, pipeline.EntityAll)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	b.get(runPath(c.ID, run.ShortID)).is(http.StatusOK).has("a[href='" + path + "/history/1']")
	a.as(a.viewer).get(runPath(c.ID, run.ShortID)).is(http.StatusOK).lacks("a[href*='/settings/history']")
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	path := orgPath(c.ID, "/settings/history/compare")
	b.get(path).is(http.StatusSeeOther) // nothing to compare yet
	a.saved(c, "Type = 'Customer' AND ARR__c > 0", "Type = 'Customer' AND ARR__c > 1000", "Type = 'Customer' AND ARR__c > 0")
	p := b.get(path + "?from=1&to=2").is(http.StatusOK)
	p.says("h1", "Compare v1 with v2")
	p.says("[data-path='accounts.single']", "Account filter")
	p.says("[data-path='accounts.single'] del", "[removed: 0 ]")
	p.says("[data-path='accounts.single'] ins", "[added: 1000 ]")
	var shown strings.Builder
	for _, n := range p.all("[data-path='accounts.single'] pre") {
		shown.WriteString("|" + exactly(n))
	}
	if got, want := shown.String(), "|Type = 'Customer' AND ARR__c > [removed: 0]|Type = 'Customer' AND ARR__c > [added: 1000]"; got != want {
		t.Errorf("the two sides are %q, want %q", got, want)
	}
	b.get(path).is(http.StatusOK).says("h1", "Compare v2 with v3")
	b.get(path+"?from=1&to=3").is(http.StatusOK).says("main", "There is no difference")
	p = b.get(path + "?from=1&to=9").is(http.StatusUnprocessableEntity)
	p.says("#to-error", "They go from 1 to 3")
	p.lacks("#from-error")
	b.get(path + "?from=x&to=-1").is(http.StatusUnprocessableEntity).has("#from-error")

	p = b.get(orgPath(c.ID, "/settings/history/2")).is(http.StatusOK)
	p.says("h1", "Settings v2")
	p.says("main", "by Ana Ruiz: “Filter 2”", "Account sync frequency", "every 24 hours", "OwnerId")
	p.has("del")
	b.get(orgPath(c.ID, "/settings/history/1")).is(http.StatusOK).says("main", "This is the first version")
	for _, none := range []string{"/settings/history/4", "/settings/history/0", "/settings/history/x", "/settings/history/99999999999/restore"} {
		b.get(orgPath(c.ID, none)).is(http.StatusNotFound)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Type = 'Customer'", "Type = 'Prospect'")
	path := orgPath(c.ID, "/settings/history/1/restore")

	p := b.get(path).is(http.StatusOK)
	p.says("#findings", "Everything in it fits this org")
	p.says("main", "v3", "Restored v1")
	p.says("[data-path='accounts.single'] ins", "Customer")
	p.lacks("[value=draft]")
	if _, err := o.db.KeepSection(t.Context(), c.ID, o.admin.ID, db.SectionForm{Base: 2, Section: settings.SectionOwners, Settings: settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}}); err != nil {
		t.Fatal(err)
	}
	b.get(path).is(http.StatusOK).says("main", "Your own unsaved changes stay", "1 unsaved change")

	b.post(path, url.Values{"base": {"x"}}).is(http.StatusBadRequest)
	b.post(path, url.Values{"base": {"1"}, "do": {"restore"}}).is(http.StatusConflict).says("#conflict", "Ana Ruiz saved v2", "Nothing was restored")
	if v := o.newest(c); v.Version != 2 {
		t.Fatalf("v%d after what was refused", v.Version)
	}
	p = b.follow(b.post(path, url.Values{"base": {"2"}, "do": {"restore"}}).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#flash", "Restored: v3 is current now")
	if v := o.newest(c); v.Version != 3 || v.Note != "Restored v1" || v.Settings.Accounts.Single != "Type = 'Customer'" {
		t.Errorf("got %+v", v)
	}
	if d := o.draft(c, o.admin); d == nil || d.Base != 2 || d.Settings.Owners.CSM != "CSM__c" {
		t.Errorf("the draft is %+v", d)
	}
	b.get(orgPath(c.ID, "/settings/owner-mapping")).is(http.StatusOK).says("main", "Put both together")

	b.get(path).is(http.StatusOK).says("main", "There is nothing to restore")
	b.follow(b.post(path, url.Values{"base": {"3"}}).is(http.StatusSeeOther)).says("#flash", "holds the same settings")
}

func TestRestoreIsRefusedWhereItDoesNotFit(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Gone__c = 1", "Type = 'Prospect'")
	path := orgPath(c.ID, "/settings/history/1/restore")
	b.get(path).is(http.StatusOK).says("#findings", "One thing in it does not fit this org", "Account Filtering, Account filter", "Gone__c")
	b.post(path, url.Values{"base": {"2"}, "do": {"restore"}}).is(http.StatusUnprocessableEntity).says("#findings", "Gone__c")
	if v := o.newest(c); v.Version != 2 {
		t.Fatalf("v%d was saved", v.Version)
	}
	p := b.follow(b.post(path, url.Values{"base": {"2"}, "do": {"draft"}}).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#flash", "Taken as your draft")
	p.says("#accounts-single-error", "Gone__c")
	if d := o.draft(c, o.admin); d == nil || d.Base != 2 || d.Note != "Back to v1" || d.Settings.Accounts.Single != "Gone__c = 1" {
		t.Errorf("the draft is %+v", d)
	}
	if v := o.newest(c); v.Version != 2 {
		t.Errorf("v%d was saved", v.Version)
	}
}

// exactly returns the text below a node as a browser copies it.
func exactly(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var out strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		out.WriteString(exactly(c))
	}
	return out.String()
}
