package web

import (
	"net/http"
	"net/url"
	"testing"

	"millrace/salesforce"
	"millrace/salesforce/sim"
)

func TestDriftIsNamedAtItsSection(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	base := orgPath(c.ID, "/settings")
	path := base + "/account-filtering"
	b.post(path, url.Values{"base": {"0"}, "accounts.mode": {"single"}, "accounts.single": {"ARR__c > 0 AND Industry != NULL"}}).is(http.StatusSeeOther)
	seen, at, err := o.db.SchemaSeen(t.Context(), c.ID)
	if err != nil || len(seen) == 0 || seen[0].Name != "Account" || at.IsZero() {
		t.Fatalf("after a save is seen: %+v, %v", seen, err)
	}
	b.get(path).is(http.StatusOK).lacks("#drift")
	section := url.Values{"section": {"account-filtering"}}

	p := b.post(base+"/refresh-schema", section).is(http.StatusSeeOther)
	if got := p.Header.Get("Location"); got != path {
		t.Errorf("the refresh leads to %q", got)
	}
	b.follow(p).says("#flash", "Nothing that the settings use has changed")

	o.org.HideField("Account", "ARR__c")
	b.get(path).lacks("#drift") // the org is not asked to show the page
	b.follow(b.post(base+"/refresh-schema", section)).says("#flash", "One thing that the settings use has changed")
	b.get(path).says("#drift", "ARR__c was deleted or hidden; used by the account filter")

	if err := o.org.DropField("Account", "Industry"); err == nil {
		b.follow(b.post(base+"/refresh-schema", section)).says("#flash", "2 things")
	}
	b.follow(b.post(base+"/accept-schema", section)).says("#flash", "Noted")
	b.get(path).lacks("#drift")

	o.org.ShowField("Account", "ARR__c")
	b.follow(b.post(base+"/refresh-schema", url.Values{"section": {"//evil"}})).says("#flash", "Nothing")
}

func TestRefreshOfAnOrgThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.org.RevokeRefreshTokens()
	o.org.ExpireAccessTokens()
	b.follow(b.post(orgPath(c.ID, "/settings/refresh-schema"), url.Values{})).says("#flash", "could not be read anew")
	offline := newApp(t, nil)
	gone := offline.connection("acme")
	if err := offline.db.Disconnect(t.Context(), gone.ID, offline.admin.ID); err != nil {
		t.Fatal(err)
	}
	admin := offline.as(offline.admin)
	admin.follow(admin.post(orgPath(gone.ID, "/settings/refresh-schema"), url.Values{})).says("#flash", "could not be read anew")
}

// The list of all objects is fetched once and then asked about.
func TestCatalogKeepsTheListOfObjects(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	c := o.connected(o.as(o.admin))
	var client *salesforce.Client
	var before int64
	for i := range 3 {
		groups, unanswered := o.server.catalog(t.Context(), c).objects(nil)
		if len(groups) < 2 || unanswered != "" {
			t.Fatalf("%d groups: %s", len(groups), unanswered)
		}
		var err error
		if client, err = o.server.Client(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			before = client.Calls()
		}
	}
	if n := client.Calls(); n != before {
		t.Errorf("%d calls for a list that was known", n-before)
	}
}
