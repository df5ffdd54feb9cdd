package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// What does not fit a picker is not on its page; it is fetched when the list is opened, and a page says the same to those without scripts.
func TestPickersSayWhatCannotBeChosen(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	o.org.HideField("Account", "CSM__c")
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")

	p := b.get(orgPath(c.ID, "/settings/owner-mapping")).is(http.StatusOK)
	p.has("#owners-csm option[value=OwnerId]")
	p.lacks("#owners-csm option[disabled]")
	more, explained := p.attr("#owners-csm", "data-pick-more"), p.attr("#owners-csm ~ p a", "href")
	if other := p.attr("#owners-tam", "data-pick-more"); other != more {
		t.Errorf("two lists of the same fields fetch them twice: %s and %s", more, other)
	}

	all := b.get(more).is(http.StatusOK)
	all.lacks("nav")
	all.has("optgroup[label='Standard fields'] option[value=OwnerId]:not([disabled])")
	all.says("optgroup[label='Standard fields that cannot be chosen here'] option[value=Name][disabled]", "Account Name (Name)", "Does not point to a user")
	all.says("optgroup[label='Custom fields that cannot be chosen here'] option[value=CSM__c][disabled]", "Customer Success Manager (CSM__c)", "Lookup", "Not readable by the connected user")
	all.says("option[value=ParentId][disabled]", "Points to Account, not to a user")
	if first := all.all("optgroup")[0]; nodeAttr(first, "label") != "Standard fields" {
		t.Errorf("the list begins with %q", nodeAttr(first, "label"))
	}

	page := b.get(explained).is(http.StatusOK)
	page.says("#fitting", "Can be chosen (", "OwnerId")
	page.says("#unfit [data-choice=CSM__c]", "Not readable by the connected user")
	page.says("#unfit [data-choice=BillingAddress]", "Does not point to a user")
	page.has("#unfit a[href*='field-doctor?object=Account']")
	page.has("a[href='" + orgPath(c.ID, "/settings/owner-mapping") + "#owners-csm']")
	found := b.get(explained + "&q=csm").is(http.StatusOK)
	found.has("#unfit [data-choice=CSM__c]")
	found.lacks("#unfit [data-choice=BillingAddress]")
	found.says("#fitting", "Nothing here has “csm”")

	// A search of further fields finds what is hidden too, with the reason and no button.
	search := b.get(orgPath(c.ID, "/settings/pick?path=account_fields&object=Account&for=additional&q=csm")).is(http.StatusOK)
	search.says("[data-pick-found=CSM__c]", "Not readable by the connected user")
	search.lacks("[data-pick-found=CSM__c] button")

	// Objects are grouped and explained likewise; what is no choice is not found.
	base := orgPath(c.ID, "/settings/choices")
	b.get(base+"/options?for=related").is(http.StatusOK).says("option[value=RecordType][disabled]", "Has no field that points to Account")
	b.get(base+"/options?for=custom-object&taken=Subscription__c").is(http.StatusOK).says("option[value=Subscription__c][disabled]", "Configured already")
	b.get(base+"?for=custom-object&path=custom_objects.0.object").is(http.StatusOK).says("#unfit", "Synced anyway")
	for _, wrong := range []string{"?for=dance", "?for=owner", "?for=related&object=Account", "?for=owner&object=Nope__c", "/options?for=owner&object=Nope__c", "/options?for=owner&object=%27%20OR"} {
		b.get(base + wrong).is(http.StatusNotFound)
	}
}

// Salesforce may refuse to tell which fields there are, and may be away.
func TestChoicesWithoutAnswers(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	base := orgPath(c.ID, "/settings/choices")
	o.org.Fail(sim.Fault{Match: "/services/data/*/tooling/query", Status: http.StatusForbidden, Code: "INSUFFICIENT_ACCESS", Count: 2})
	b.get(base + "/options?for=owner&object=Account").is(http.StatusOK).has("option[value=Name][disabled]")
	b.get(base+"?for=owner&object=Account").is(http.StatusOK).says("#unfit", "did not say which fields")

	a := newApp(t, nil)
	off := a.connection("acme")
	a.as(a.admin).get(orgPath(off.ID, "/settings/choices?for=owner&object=Account")).is(http.StatusOK).says(".note", "may have changed")
}

// What an org has beyond what can be chosen makes no page of the settings larger.
func TestPagesSendOnlyWhatCanBeChosen(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	form := url.Values{"base": {"1"}, "do": {"add-object"}}
	b.post(orgPath(c.ID, "/settings/custom-objects"), form).is(http.StatusOK)
	for _, key := range settings.Sections {
		p := b.get(orgPath(c.ID, "/settings/"+string(key))).is(http.StatusOK)
		if n := len(p.all("option[disabled]")); n > 0 {
			t.Errorf("%s sends %d options that cannot be chosen", key, n)
		}
		if strings.Contains(p.Body, "Does not point to a user") {
			t.Errorf("%s sends reasons before anybody asked", key)
		}
	}
}
