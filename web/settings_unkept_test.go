package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// What the draft cannot hold stays on the page, whichever button was pressed.
func TestWhatCannotBeKeptStaysInView(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.saved(c, "Name != null")
	b := a.as(a.admin)
	owners, filtering := orgPath(c.ID, "/settings/owner-mapping"), orgPath(c.ID, "/settings/account-filtering")
	for _, do := range []string{"keep", "impact"} {
		form := ownersForm("1", settings.PathOwner(settings.CSM), "Typed__c", "do", do, "note", strings.Repeat("n", 201))
		p := b.post(owners, form).is(http.StatusUnprocessableEntity)
		p.says("#summary", "The note has 201 characters")
		p.says("#owners-csm", "Typed__c")

		form = ownersForm("7", settings.PathOwner(settings.CSM), "Typed__c", "do", do)
		p = b.post(owners, form).is(http.StatusConflict)
		p.says("main", "opened on a version of the settings that does not exist here; v1 is the current one")
		p.says("#owners-csm", "Typed__c")

		text := single("1", "Name = 'a\x00b'")
		text.Set("do", do)
		b.post(filtering, text).is(http.StatusUnprocessableEntity).says("#accounts-single-error", "cannot be stored")
	}
	if d := a.draft(c, a.admin); d != nil {
		t.Errorf("there is a draft: %+v", d)
	}
	form := chatterForm("1", settings.PathChatterAccountFilter, "Typed__c = 1", "do", "run", "note", strings.Repeat("n", 201))
	b.post(orgPath(c.ID, "/settings/chatter/schedule"), form).is(http.StatusUnprocessableEntity).says("main", "Typed__c = 1")
}

// Beside a draft, a text that cannot be stored is refused at its box.
func TestTextThatCannotBeStoredBesideADraft(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.saved(c, "Name != null")
	b := a.as(a.admin)
	b.post(orgPath(c.ID, "/settings/owner-mapping/keep"), ownersForm("1", settings.PathOwner(settings.CSM), "CSM__c")).is(http.StatusOK)
	b.post(orgPath(c.ID, "/settings/account-filtering"), single("1", "a\x00b")).is(http.StatusUnprocessableEntity).says("#accounts-single-error", "cannot be stored")
	if d := a.draft(c, a.admin); d == nil || d.Settings.Owners.CSM != "CSM__c" {
		t.Errorf("the draft is %+v", d)
	}
}

// After a backup was restored, a draft may go on from a version that is gone.
func TestDraftOfAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Name != null", "Name != 'b'")
	b.post(orgPath(c.ID, "/settings/owner-mapping/keep"), ownersForm("2", settings.PathOwner(settings.CSM), "CSM__c")).is(http.StatusOK)
	o.exec(`UPDATE millrace.runs SET settings_version = 1`)
	o.exec(`DELETE FROM millrace.settings_versions WHERE connection_id = $1 AND version = 2`, c.ID)
	for _, path := range []string{"/owner-mapping", "/history", "/history/1/restore", "/impact", "/compare-connections"} {
		b.get(orgPath(c.ID, "/settings"+path)).is(http.StatusOK)
	}
	b.post(orgPath(c.ID, "/settings/import"), url.Values{"text": {"format: millrace-settings/1\nsettings:\n  owners: {csm: OwnerId}\n"}}).is(http.StatusOK).says("main", "You have a draft already")
	form := ownersForm("1", settings.PathOwner(settings.CSM), "OwnerId")
	b.post(orgPath(c.ID, "/settings/owner-mapping"), form).is(http.StatusSeeOther)
	if v := o.newest(c); v.Version != 2 || v.Settings.Owners.CSM != "OwnerId" {
		t.Errorf("saved: %+v", v)
	}
}

// An org that accepts calls and never answers holds up a save no longer than one question may take, however many it would ask, and frees its place.
func TestSaveEndsWhereTheOrgNeverAnswers(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Name != null")
	b.get(orgPath(c.ID, "/settings/account-filtering/schema")).is(http.StatusNoContent)
	o.org.Fail(sim.Fault{Match: "/services/data", Stall: time.Hour, Count: -1})
	form := single("1", "")
	form.Set(settings.PathMode, string(settings.TypedFilters))
	form.Set(settings.PathCustomer, "Name = 'a'")
	form.Set(settings.PathProspect, "Name = 'b'")
	form.Set(settings.PathPartner, "Name = 'c'")
	start := time.Now()
	b.post(orgPath(c.ID, "/settings/account-filtering"), form).is(http.StatusUnprocessableEntity).says("#summary", "Customer filter: It could not be validated", "Partner filter: It could not be validated")
	if took := time.Since(start); took > askLimit+askLimit/2 {
		t.Errorf("the answer took %s", took)
	}
	if n := len(o.server.asking); n > 0 {
		t.Errorf("%d places are still taken", n)
	}
}

func TestHistoryBeforeAnyNumber(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.saved(c, "Name != null")
	b := a.as(a.admin)
	for _, before := range []string{"2147483648", "9223372036854775807", "99999999999999999999", "-1", "x"} {
		b.get(orgPath(c.ID, "/settings/history?before="+before)).is(http.StatusOK).says("#versions", "v1")
	}
}
