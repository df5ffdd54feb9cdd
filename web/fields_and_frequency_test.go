package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// fieldsForm is what the section sends.
func fieldsForm(base string, change ...string) url.Values {
	form := url.Values{
		"base": {base}, settings.PathAccountsSync: {"on"}, settings.PathAccountsHours: {"24"}, settings.PathContactsSync: {"on"}, settings.PathContactsHours: {"24"},
		settings.PathStart: {"02:00"}, settings.PathTimeZone: {"UTC"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = []string{change[i+1]}
	}
	return form
}

func TestFieldsAndFrequency(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 30})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path := orgPath(c.ID, "/settings/fields-and-frequency")

	p := b.get(path).is(http.StatusOK)
	p.says("main", "Every 24 hours (daily)", "OwnerId", "primary domain", "Further Account fields", "(required)", "Type at least 2 characters")
	p.says("#next-accounts", "UTC")

	// Without scripts each button sends the form; what it holds is kept.
	found := b.post(path, fieldsForm("1", "do", "search:account_fields", "account_fields.search", "tier")).is(http.StatusOK)
	found.has("[data-pick-found=Tier__c] button[value='add:account_fields:Tier__c']")
	added := b.post(path, fieldsForm("1", "do", "add:account_fields:Tier__c", settings.PathAccountsHours, "8")).is(http.StatusOK)
	added.has("[data-picked=Tier__c]")
	added.says("#unsaved", "2 unsaved changes", "Account sync frequency", "Further Account fields")
	b.get(orgPath(c.ID, "/settings/account-filtering")).says("#unsaved", "2 unsaved changes")
	if again := b.get(path); again.text("[data-picked=Tier__c] code") != "Tier__c" {
		t.Error("the draft forgot the field")
	}

	saved := b.follow(b.post(path, fieldsForm("1", settings.PathAccountFields, "Tier__c", settings.PathAccountsHours, "8", settings.PathContactsSync, "")).is(http.StatusSeeOther))
	saved.says("#version", "v2")
	saved.says("#unsaved", "No unsaved changes")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	if err != nil || !slices.Equal(v.Settings.AccountFields, []string{"Tier__c"}) || v.Settings.Sync.Accounts.Hours != 8 || v.Settings.Sync.Contacts.Hours != 24 {
		t.Errorf("saved %+v: %v", v, err)
	}
	if n := len(saved.all("#next-accounts time")); n != 3 {
		t.Errorf("%d next runs are shown", n)
	}
}

func TestFieldsAndFrequencyRefused(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 10})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path := orgPath(c.ID, "/settings/fields-and-frequency")
	for _, x := range []struct{ field, value, id, says string }{
		{settings.PathAccountsHours, "5", "#sync-accounts-hours", "4, 8, 12 or 24"},
		{settings.PathContactsHours, "x", "#sync-contacts-hours", "4, 8, 12 or 24"},
		{settings.PathStart, "25:00", "#sync-start", "time of day"},
		{settings.PathTimeZone, "Mars/Olympus", "#sync-time_zone", "not a time zone"},
		{settings.PathAccountFields, "Nope__c", "#account_fields", "Nope__c is not a field of Account"},
		{settings.PathAccountFields, "BillingAddress", "#account_fields", "cannot be used here"},
	} {
		p := b.post(path, fieldsForm("1", x.field, x.value)).is(http.StatusUnprocessableEntity)
		p.says("#summary", x.says)
		p.has("#summary a[href='" + x.id + "']")
		p.has(x.id)
	}
	// A problem of this section keeps another from being saved too, and is said there with a link.
	p := b.post(orgPath(c.ID, "/settings/account-filtering"), single("1", "Name = 'x'")).is(http.StatusUnprocessableEntity)
	p.says("#summary", "Fields & Frequency", "cannot be used here")
	p.has("#summary a[href='" + path + "#account_fields']")
	p.says("#settings-sections", "Has problems")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
	b.follow(b.post(path+"/discard", nil)).says("#flash", "discarded")
	b.get(path).says("#unsaved", "No unsaved changes")
}
