package web

import (
	"net/http"
	"testing"

	"millrace/salesforce/sim"
)

func TestLocalCheckNeverAsksSalesforce(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	client, err := o.server.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) *page {
		t.Helper()
		before := client.Calls()
		p := b.post(section+"/check?box=accounts.single", single("0", text)).is(http.StatusOK)
		if n := client.Calls() - before; n > 0 {
			t.Errorf("checking %q asked Salesforce %d times", text, n)
		}
		return p
	}

	o.server.known.drop(c.ID)
	cold := check("Nmae = 'x'")
	cold.lacks("[data-problem]")
	cold.says("[data-fine]", "The form is right")
	cold.has("button[hx-trigger^='schema-known from:body'][hx-post$='check?box=accounts.single']")
	check("Name = 'x").says("[data-problem]", "Line 1")

	if p := b.get(section + "/schema").is(http.StatusNoContent); p.Header.Get("HX-Trigger") != "schema-known" {
		t.Error("the page is not told that the fields are known")
	}
	p := check("Nmae = 'x'\r\nAND 😀 = 1 AND Naem = 'y'")
	p.says("[data-problem]", "Nmae is not on Account", "Line 1, character 1")
	p.lacks("[data-fine]")
	if got := p.attr("button[data-edit=accounts-single][data-text=Name]", "data-was"); got != "Nmae" {
		t.Errorf("the nearest name would replace %q", got)
	}
	fix := check("Name != '😀' AND Id == null")
	for name, want := range map[string]string{"data-from": "20", "data-to": "22", "data-was": "==", "data-text": "=", "value": "accounts.single:22"} {
		if got := fix.attr("button[name=fix]", name); got != want {
			t.Errorf("the repair's %s is %q, want %q", name, got, want)
		}
	}
	// Nor does anything else that typing sends, once the fields are known.
	before := client.Calls()
	typed := with(single("0", "Name LIKE 'x%' AND Ind"), "before", "Name LIKE 'x%' AND Ind")
	b.post(section+"/suggest?box=accounts.single", typed).is(http.StatusOK).says("[role=listbox]", "Industry")
	b.post(section+"/keep", typed).is(http.StatusOK)
	b.post(section+"/keep", rows("0", "Industry", "equals", "x")).is(http.StatusOK)
	b.post(section+"/builder", rows("0", "Industry", "equals", "x")).is(http.StatusOK).has(".builder-row")
	if n := client.Calls() - before; n > 0 {
		t.Errorf("typing asked Salesforce %d times", n)
	}
	check("Name LIKE 'x%'").says("[data-fine]", "Looks right; Validate asks Salesforce.")
	if p := check(" \n "); p.text("body") != "" {
		t.Errorf("an empty box is answered with %q", p.text("body"))
	}
	check("a=1 AND b=1 AND c=1 AND d=1 AND e=1 AND f=1").says("body", "2 more below these.")

	// An object that was not read yet is read on demand, and until then nothing wrong is said of it.
	const away = "Id IN (SELECT Account__c FROM Subscription__c WHERE Nmae = 'x')"
	unread := check(away)
	unread.lacks("[data-problem]")
	b.get(unread.attr("[hx-trigger=load]", "hx-get")).is(http.StatusNoContent)
	check(away).says("[data-problem]", "Nmae is not on Subscription__c")

	b.post(section+"/check?box=accounts.nothing", single("0", "x")).is(http.StatusBadRequest)
	o.server.Forget(c.ID)
	check("Nmae = 'x'").lacks("[data-problem]")
}

func TestWarningsAreNotErrors(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	b.get(section + "/schema")
	p := b.post(section+"/check?box=accounts.single", single("0", "Name LIKE 'Acme*'"))
	p.says("[data-warning]", "* is an ordinary character")
	p.has("[data-warning] button[name=fix][data-text]")
	p.lacks("[data-problem]")
	p.says("[data-fine]", "It can be saved as it is")
}
