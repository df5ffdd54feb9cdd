package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// form gathers what the settings form of a section would send, with changes of the test's own.
func (b *browser) form(path string, changes url.Values) url.Values {
	b.t.Helper()
	p := b.get(path).is(http.StatusOK)
	out := p.again("form[data-guard]")
	for _, n := range p.all("form[data-guard] select[name]") {
		for _, o := range (&page{t: b.t, root: n}).all("option[selected]") {
			out.Set(nodeAttr(n, "name"), nodeAttr(o, "value"))
		}
	}
	for name, values := range changes {
		out[name] = values
	}
	return out
}

func TestSectionsInAnyOrder(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	for i := len(sections()) - 1; i >= 0; i-- {
		p := b.get(orgPath(c.ID, "/settings/"+string(sections()[i].key))).is(http.StatusOK)
		p.says("#settings-sections a[aria-current]", sections()[i].key.Label())
		if n := len(p.all("#settings-sections a")); n != len(settings.Sections) {
			t.Errorf("%s: %d sections are listed", sections()[i].key, n)
		}
		p.says("#settings-sections", "Required") // the account filter, and nothing else
	}
	b.follow(b.get(orgPath(c.ID, "/settings")).is(http.StatusSeeOther)).is(http.StatusOK).says("#settings-sections a[aria-current]", "Account Filtering", "Required")
}

func TestDraftSurvivesOtherSections(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	filtering, owners := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/owner-mapping")
	form := single("0", "Type = 'Draft'")
	form.Set("note", "why")
	b.post(filtering+"/keep", form).is(http.StatusOK).says("#unsaved", "1 unsaved change")
	p := b.get(owners).is(http.StatusOK)
	p.says("#unsaved", "1 unsaved change", "Account Filtering: Account filter")
	p.says("#settings-sections a[href='"+filtering+"']", "Unsaved")
	if got := p.attr("#note", "value"); got != "why" {
		t.Errorf("the note is %q", got)
	}
	p = b.get(filtering).is(http.StatusOK)
	if got := strings.TrimPrefix(inner(p.all("#accounts-single")), "\n"); got != "Type = 'Draft'" {
		t.Errorf("the box holds %q", got)
	}
	if d := a.draft(c, a.viewer); d != nil {
		t.Errorf("somebody else has a draft: %+v", d)
	}
}

func TestDraftSurvivesANewSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	path := orgPath(c.ID, "/settings/account-filtering")
	a.as(a.admin).post(path+"/keep", single("0", "Type = 'Draft'")).is(http.StatusOK)
	if err := a.db.EndUserSessions(t.Context(), a.admin.ID, ""); err != nil {
		t.Fatal(err)
	}
	p := a.as(a.admin).get(path).is(http.StatusOK)
	p.says("#unsaved", "1 unsaved change")
	if got := strings.TrimPrefix(inner(p.all("#accounts-single")), "\n"); got != "Type = 'Draft'" {
		t.Errorf("the box holds %q", got)
	}
}

func TestUnsavedChangesAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Type = 'Customer'")
	b := a.as(a.admin)
	filtering, frequency := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/fields-and-frequency")
	b.get(filtering).is(http.StatusOK).says("#unsaved", "No unsaved changes")
	b.post(filtering+"/keep", single("1", "Type = 'Prospect'")).is(http.StatusOK)
	hours := b.form(frequency, url.Values{settings.PathAccountsHours: {"4"}})
	p := b.post(frequency+"/keep", hours).is(http.StatusOK)
	p.says("#unsaved", "2 unsaved changes in 2 sections", "Account Filtering: Account filter", "Fields & Frequency: Account sync frequency")
	b.post(filtering+"/keep", single("1", "Type = 'Customer'")).is(http.StatusOK).says("#unsaved", "1 unsaved change")
	hours.Set(settings.PathAccountsHours, "24")
	b.post(frequency+"/keep", hours).is(http.StatusOK).says("#unsaved", "No unsaved changes")
	if d := a.draft(c, a.admin); d != nil {
		t.Errorf("a draft without a change: %+v", d)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Type = 'Customer'")
	b := a.as(a.admin)
	filtering, owners := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/owner-mapping")
	b.get(filtering).is(http.StatusOK).has("[data-discard][disabled]") // there is nothing to discard
	kept := b.post(filtering+"/keep", single("1", "Type = 'Prospect'")).is(http.StatusOK)
	kept.has("#discard [data-discard]")
	kept.lacks("[data-discard][disabled]")
	b.get(owners).is(http.StatusOK).lacks("[data-discard][disabled]")
	p := b.follow(b.post(owners+"/discard", url.Values{}).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#flash", "Your changes were discarded")
	p.says("#unsaved", "No unsaved changes")
	if got := strings.TrimPrefix(inner(b.get(filtering).all("#accounts-single")), "\n"); got != "Type = 'Customer'" {
		t.Errorf("the box holds %q", got)
	}
	b.post(orgPath(c.ID, "/settings/nowhere/discard"), url.Values{}).is(http.StatusNotFound)
}

func TestDraftOfAllSectionsIsSavedAtOnce(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	filtering, frequency := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/fields-and-frequency")
	b.post(filtering+"/keep", single("0", "Gone__c = 1")).is(http.StatusOK)
	p := b.post(frequency, b.form(frequency, url.Values{settings.PathAccountsHours: {"4"}})).is(http.StatusUnprocessableEntity)
	p.has("#summary a[href='" + filtering + "#accounts-single']")
	p.says("#settings-sections a[href='"+filtering+"']", "Has problems")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); v != nil || err != nil {
		t.Fatalf("saved: %+v, %v", v, err)
	}
	b.get(filtering).is(http.StatusOK).says("#accounts-single-error", "Gone__c")
	b.post(filtering+"/keep", single("0", "Type = 'Customer'")).is(http.StatusOK)
	b.post(frequency, b.form(frequency, nil)).is(http.StatusSeeOther)
	if v := o.newest(c); v.Version != 1 || v.Settings.Accounts.Single != "Type = 'Customer'" || v.Settings.Sync.Accounts.Hours != 4 {
		t.Errorf("got %+v", v)
	}
	if d := o.draft(c, o.admin); d != nil {
		t.Errorf("the draft is still there: %+v", d)
	}
}

// twoAdmins gives an app with settings that Ana has changed in her draft.
func twoAdmins(t *testing.T) (o *orgApp, c db.Connection, ana *browser, bea db.User) {
	t.Helper()
	o = newOrgApp(t, sim.Options{Accounts: 5})
	ana = o.as(o.admin)
	c = o.connected(ana)
	o.saved(c, "Type = 'Customer'")
	bea = o.user("bea@example.com", "Bea Ito", db.RoleAdmin)
	ana.post(orgPath(c.ID, "/settings/account-filtering/keep"), single("1", "Type = 'Prospect'")).is(http.StatusOK)
	return o, c, ana, bea
}

func TestTwoAdminsInDifferentSections(t *testing.T) {
	t.Parallel()
	o, c, ana, bea := twoAdmins(t)
	path := orgPath(c.ID, "/settings")
	b := o.as(bea)
	b.post(path+"/fields-and-frequency", b.form(path+"/fields-and-frequency", url.Values{settings.PathAccountsHours: {"8"}})).is(http.StatusSeeOther)
	p := ana.post(path+"/account-filtering", single("1", "Type = 'Prospect'")).is(http.StatusConflict)
	p.says("#conflict", "Bea Ito saved v2", "nothing of yours is saved yet")
	p.says("main", "Only you changed this section", "Only Bea Ito changed this section")
	p.lacks("input[type=radio]")
	p = ana.follow(ana.post(path+"/merge", p.again("form[action$='/merge']")).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#flash", "goes on from v2")
	ana.post(path+"/account-filtering", single("2", "Type = 'Prospect'")).is(http.StatusSeeOther)
	if v := o.newest(c); v.Version != 3 || v.Settings.Accounts.Single != "Type = 'Prospect'" || v.Settings.Sync.Accounts.Hours != 8 {
		t.Errorf("got %+v", v)
	}
}

func TestTwoAdminsInTheSameSection(t *testing.T) {
	t.Parallel()
	for _, choice := range []struct{ side, want string }{{mine, "Type = 'Prospect'"}, {theirs, "Type = 'Partner'"}} {
		o, c, ana, bea := twoAdmins(t)
		path := orgPath(c.ID, "/settings")
		o.as(bea).post(path+"/account-filtering", single("1", "Type = 'Partner'")).is(http.StatusSeeOther)
		p := ana.post(path+"/account-filtering", single("1", "Type = 'Prospect'")).is(http.StatusConflict)
		p.says("#merge-account-filtering", "Prospect", "Partner", "Theirs, by Bea Ito")
		form := p.again("form[action$='/merge']")
		ana.post(path+"/merge", form).is(http.StatusUnprocessableEntity).says("#summary", "Choose yours or theirs")
		form.Set("merge.account-filtering", choice.side)
		form.Set("theirs", "1")
		ana.post(path+"/merge", form).is(http.StatusConflict) // not what was looked at
		form.Set("theirs", "2")
		p = ana.follow(ana.post(path+"/merge", form).is(http.StatusSeeOther)).is(http.StatusOK)
		if got := strings.TrimPrefix(inner(p.all("#accounts-single")), "\n"); got != choice.want {
			t.Errorf("%s: the box holds %q", choice.side, got)
		}
		if d := o.draft(c, o.admin); (d != nil) != (choice.side == mine) {
			t.Errorf("%s: the draft is %+v", choice.side, d)
		}
		if v := o.newest(c); v.Version != 2 {
			t.Errorf("%s: putting together saved v%d", choice.side, v.Version)
		}
	}
}
