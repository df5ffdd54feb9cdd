package web

import (
	"net/http"
	"testing"

	"millrace/salesforce/sim"
)

func TestFieldDoctorFindsHiddenFields(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/field-doctor")
	p := b.get(path).is(http.StatusOK)
	p.says("#hidden-fields", "can read every field that Account has")
	p.says("#unfit-fields", "BillingAddress", "choose their parts")
	p.lacks("#recipe")
	p.has(`select[name=object][data-submit] option[value=Account][selected]`)

	o.org.HideField("Account", "ARR__c")
	client, err := o.server.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	client.RefreshSchema()
	p = b.get(path + "?object=account").is(http.StatusOK)
	p.says("#hidden-fields", "1 field of Account", "ARR__c")
	p.says("#recipe", "Setup → Users → Permission Sets", "Millrace_Integration", "Account.ARR__c", c.Username)
	if got := p.attr("[data-copy='Account.ARR__c']", "type"); got != "button" {
		t.Errorf("the list cannot be copied: %q", got)
	}

	o.org.HideObject("Case")
	client.RefreshSchema()
	p = b.get(path + "?object=Case").is(http.StatusOK)
	p.says("main", "Case cannot be read at all")
	p.says("#recipe", "Object Settings → Case")

	o.org.Fail(sim.Fault{Match: "/services/data/*/tooling/query", Status: http.StatusForbidden, Code: "INSUFFICIENT_ACCESS", Count: 1})
	b.get(path).is(http.StatusOK).says("#hidden-fields", "It is not known which fields", "View Setup and Configuration")
	b.get(path + "?object=%27%20OR%20Id").is(http.StatusOK).lacks("#unfit-fields")
}
