package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// advancedForm is what the section sends.
func advancedForm(base string, change ...string) url.Values {
	form := url.Values{"base": {base}}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = append(form[change[i]], change[i+1])
	}
	return form
}

func TestAdvanced(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path := orgPath(c.ID, "/settings/advanced")

	// Empty lists leave everything; the locked keys are named.
	p := b.get(path).is(http.StatusOK)
	p.says("#advanced-account_allowlist", "No list: nothing is left out.")
	p.says("#trim-accounts", "Always synced", "Id", "SystemModstamp")
	p.says("#trim-opportunities", "AccountId")
	p.says("#advanced-excluded_contact_fields", "First Name (FirstName)", "last name only", "Department")
	p.lacks("#trim-accounts .note")

	// A list says what it leaves out, and what it cannot leave out.
	p = b.post(path, advancedForm("1", "do", "add:advanced.account_allowlist:Industry")).is(http.StatusOK)
	p.says("#trim-accounts", "Not listed, and synced all the same", "OwnerId", "(Account Owner)", "Left out by this list", "Website", "Description")
	locked := b.get(orgPath(c.ID, "/settings/pick?object=Account&path=advanced.account_allowlist&for=allowlist&q=account+name")).is(http.StatusOK)
	locked.says("[data-pick-found=Name]", "Always synced")

	// Rows of further Contact fields come and go without scripts, and keep what is in them.
	p = b.post(path, advancedForm("1", "do", "row:add")).is(http.StatusOK)
	p.has("#contact-row-0[tabindex='-1']")
	p.has("button[value='row:add'][formaction$='#contact-row-1']") // where the focus goes next
	rows := []string{"advanced.contact_fields.0.field", "Birthdate", "advanced.contact_fields.0.name", "born", "advanced.contact_fields.1.field", "MobilePhone", "advanced.contact_fields.1.name", ""}
	p = b.post(path, advancedForm("1", append(rows, "do", "row:add")...)).is(http.StatusOK)
	if p.attr("#advanced-contact_fields-0-name", "value") != "born" {
		t.Error("the name of the first row is lost")
	}
	p.has("#advanced-contact_fields-1-field option[value=MobilePhone][selected]")
	p.has("#contact-row-2")
	p = b.post(path, advancedForm("1", append(rows, "do", "row:remove:0")...)).is(http.StatusOK)
	p.has("#advanced-contact_fields-0-field option[value=MobilePhone][selected]")
	p.lacks("#contact-row-1")
	b.post(path, advancedForm("1", append(rows, "do", "row:remove:2")...)).is(http.StatusBadRequest)
	b.post(path, advancedForm("1", "do", "dance")).is(http.StatusBadRequest)

	saved := b.follow(b.post(path, advancedForm("1", append(rows, settings.PathAccountAllowlist, "Industry", settings.PathOpportunityAllowlist, "Amount",
		settings.PathExcludedContact, "Phone", settings.PathExcludedContact, "Title")...)).is(http.StatusSeeOther))
	saved.says("#version", "v2")
	saved.has("#advanced-excluded_contact_fields-Phone[checked]")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	a := v.Settings.Advanced
	if !slices.Equal(a.AccountAllowlist, []string{"Industry"}) || !slices.Equal(a.OpportunityAllowlist, []string{"Amount"}) || !slices.Equal(a.ExcludedContact, []string{"Phone", "Title"}) ||
		!slices.Equal(a.ContactFields, []settings.FieldMapping{{Field: "Birthdate", Name: "born"}, {Field: "MobilePhone"}}) {
		t.Errorf("saved %+v", a)
	}
	// What follows from the lists is sent anew while a draft is kept.
	kept := b.post(path+"/keep", advancedForm("2", settings.PathAccountAllowlist, "Website")).is(http.StatusOK)
	kept.says("#trim-accounts", "Industry")
}

func TestAdvancedRefused(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 10})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path := orgPath(c.ID, "/settings/advanced")
	const first, second = "advanced.contact_fields.0", "advanced.contact_fields.1"
	for _, x := range []struct {
		form     []string
		id, says string
	}{
		{[]string{settings.PathAccountAllowlist, "Nope__c"}, "#advanced-account_allowlist", "Nope__c is not a field of Account"},
		{[]string{settings.PathAccountAllowlist, "BillingAddress"}, "#advanced-account_allowlist", "cannot be used here"},
		{[]string{settings.PathOpportunityAllowlist, "Nope__c"}, "#advanced-opportunity_allowlist", "Nope__c is not a field of Opportunity"},
		{[]string{first + ".field", "", first + ".name", "x"}, "#advanced-contact_fields-0-field", "Choose a field, or remove the row"},
		{[]string{first + ".field", "Nope__c"}, "#advanced-contact_fields-0-field", "Nope__c is not a field of Contact"},
		{[]string{first + ".field", "Email"}, "#advanced-contact_fields-0-field", "synced anyway"},
		{[]string{first + ".field", "Birthdate", first + ".name", "1st day"}, "#advanced-contact_fields-0-name", "letters, digits and underscores"},
		{[]string{first + ".field", "Birthdate", second + ".field", "Birthdate"}, "#advanced-contact_fields-1-field", "listed twice"},
		{[]string{first + ".field", "Birthdate", first + ".name", "MobilePhone", second + ".field", "MobilePhone"}, "#advanced-contact_fields-1-name", "kept as MobilePhone too"},
		{[]string{settings.PathExcludedContact, "Email"}, "#advanced-excluded_contact_fields", "Email cannot be excluded"},
	} {
		p := b.post(path, advancedForm("1", x.form...)).is(http.StatusUnprocessableEntity)
		p.says("#summary", x.says)
		p.has("#summary a[href='" + x.id + "']")
		p.has(x.id)
	}
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
}

func TestSizeOfAFullSyncIsEstimated(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 60})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/advanced")
	b.post(path, advancedForm("0", "do", "estimate")).is(http.StatusOK).says("#size-result", "No account filter is set yet")

	o.configure(c, "Name != null")
	p := b.post(path, advancedForm("1", "do", "estimate")).is(http.StatusOK)
	p.says("[data-size-total]", "neither saves nor adds")
	p = b.post(path, advancedForm("1", settings.PathAccountAllowlist, "Industry", settings.PathExcludedContact, "Title", "do", "estimate")).is(http.StatusOK)
	p.says("[data-size-total]", "About", " of ", "per full sync: this page saves", "%")
	p.says("#size-result", "Accounts", "60", "Contacts", "Opportunities", "Estimated from", "Description", "left out")
	p.says("#unsaved", "unsaved change")

	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "The grant was revoked."); err != nil {
		t.Fatal(err)
	}
	b.post(path, advancedForm("1", "do", "estimate")).is(http.StatusOK).says("#size-result", "no longer accepts this connection")
}
