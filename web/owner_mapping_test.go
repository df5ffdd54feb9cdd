package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// ownersForm is what the section sends.
func ownersForm(base string, change ...string) url.Values {
	form := url.Values{"base": {base}, settings.PathOwner(settings.AccountOwner): {"OwnerId"}}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = []string{change[i+1]}
	}
	return form
}

func TestOwnerMapping(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Type = 'Customer - Direct' OR Name != null")
	path := orgPath(c.ID, "/settings/owner-mapping")

	// Only fields that point to a user, by label and API name; None for all but the account owner.
	p := b.get(path).is(http.StatusOK)
	for _, owner := range settings.OwnerTypes {
		at := "#" + strings.ReplaceAll(settings.PathOwner(owner), ".", "-")
		p.says("main", owner.Label())
		p.has(at + " option[value=CSM__c]")
		p.lacks(at + " option[value=ParentId]")
		p.lacks(at + " option[value=Name]")
		if got, want := len(p.all(at+" > option[value='']")), 1; owner != settings.AccountOwner && got != want {
			t.Errorf("%s has %d entries for None", owner, got)
		}
	}
	p.says("#owners-csm option[value=CSM__c]", "Customer Success Manager (CSM__c)")
	p.lacks("#owners-account_owner > option[value='']")
	p.has("#owners-account_owner option[value=OwnerId][selected]")

	// The usual field is offered once, and taken by a button.
	p.says("[data-suggested]", "Customer Success Manager (CSM__c)", "is usually this one")
	if n := len(p.all("[data-suggested]")); n != 1 {
		t.Errorf("%d suggestions", n)
	}
	taken := b.post(path, ownersForm("1", "do", "use:owners.csm")).is(http.StatusOK)
	taken.has("#owners-csm option[value=CSM__c][selected]")
	taken.lacks("[data-suggested]")
	taken.says("#unsaved", "1 unsaved change", "Owner Mapping")
	b.post(path, ownersForm("1", "do", "use:owners.nobody")).is(http.StatusBadRequest)
	b.post(path, ownersForm("1", "do", "dance")).is(http.StatusBadRequest)

	saved := b.follow(b.post(path, ownersForm("1", "owners.csm", "CSM__c")).is(http.StatusSeeOther))
	saved.says("#version", "v2")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Settings.Owners.CSM != "CSM__c" || v.Settings.Owners.AccountOwner != "OwnerId" {
		t.Errorf("saved %+v: %v", v, err)
	}
}

func TestOwnersAreShownForFiveAccounts(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/owner-mapping")
	preview := func(form url.Values) *page {
		form.Set("do", "preview")
		return b.post(path, form).is(http.StatusOK)
	}
	preview(ownersForm("0", "owners.csm", "CSM__c")).says("#owners-result", "No account filter is set yet")

	b.follow(b.post(path+"/discard", nil)) // what was tried before the first version
	o.configure(c, "Name != null")
	ids := make([]string, 0, 40)
	for r := range o.org.Records("Account") {
		ids = append(ids, r["Id"].(string))
	}
	var users []string
	for r := range o.org.Records("User") {
		users = append(users, r["Id"].(string))
	}
	// The first accounts: nobody, somebody who has left, and somebody who is still there.
	for id, change := range map[string]map[string]any{
		users[1]: {"IsActive": false}, users[2]: {"IsActive": true},
	} {
		if err := o.org.Update("User", id, change); err != nil {
			t.Fatal(err)
		}
	}
	for i, change := range []any{nil, users[1], users[2]} {
		if err := o.org.Update("Account", ids[i], map[string]any{"CSM__c": change}); err != nil {
			t.Fatal(err)
		}
	}
	name := func(id string) string { return o.org.Record(id)["Name"].(string) }
	p := preview(ownersForm("1", "owners.csm", "CSM__c"))
	p.says("#owners-result thead", "Account", "Account Owner", "CSM")
	if got := len(p.all("#owners-result tbody tr")); got != 5 {
		t.Errorf("%d accounts", got)
	}
	for _, id := range ids[:3] {
		p.says("#owners-result tbody", name(id))
		p.has("#owners-result tbody a[href='" + o.host + "/" + id + "']")
	}
	cell := func(row string) string {
		return p.text("#owners-result tbody tr:nth-child(" + row + ") td:nth-child(3)")
	}
	if got := cell("1"); got != "empty" {
		t.Errorf("an empty field is shown as %q", got)
	}
	if got := cell("2"); !strings.Contains(got, name(users[1])) || !strings.Contains(got, "inactive user") {
		t.Errorf("an inactive user is shown as %q", got)
	}
	if got := cell("3"); got != name(users[2]) {
		t.Errorf("an active user is shown as %q instead of %q", got, name(users[2]))
	}
	n, err := o.org.EvalCount("SELECT COUNT() FROM Account WHERE Name != null AND CSM__c = null")
	if err != nil || n == 0 {
		t.Fatalf("%d accounts without a CSM: %v", n, err)
	}
	p.says("[data-gaps]", "CSM Customer Success Manager (CSM__c): empty on "+itoa(int64(n))+" of 40 accounts", "Account Owner", "filled on all 40 accounts")

	// A user that cannot be seen, and filters for several types.
	typed := settings.Defaults()
	typed.Accounts = settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Name != null", Prospect: "Name LIKE '%'"}
	typed.Owners.CSM = "CSM__c"
	if _, _, err := o.db.SaveSettings(t.Context(), c.ID, 1, typed, "", o.admin.ID); err != nil {
		t.Fatal(err)
	}
	p = preview(ownersForm("2", "owners.csm", "CSM__c"))
	if got := len(p.all("#owners-result tbody tr")); got != 5 {
		t.Errorf("%d accounts of two filters", got)
	}
	p.says("[data-gaps]", "empty on "+itoa(int64(n))+" of 40 accounts")
	preview(ownersForm("2", "owners.csm", "ParentId")).says("#owners-csm-error", "Points to Account, not to a user")
}

func TestOwnerMappingRefused(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 10})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path := orgPath(c.ID, "/settings/owner-mapping")
	for _, x := range []struct{ field, value, id, says string }{
		{"owners.csm", "CMS__c", "#owners-csm", "CSM__c"}, // with the nearest name
		{"owners.tam", "Name", "#owners-tam", "Account Name (Name) cannot hold an owner. Does not point to a user."},
		{"owners.sales_rep", "ParentId", "#owners-sales_rep", "Points to Account, not to a user"},
		{"owners.success_manager", "a b", "#owners-success_manager", "not the API name of a field"},
		{"owners.account_owner", "", "#owners-account_owner", "every account has an owner"},
	} {
		p := b.post(path, ownersForm("1", x.field, x.value)).is(http.StatusUnprocessableEntity)
		p.says("#summary", x.says)
		p.has("#summary a[href='" + x.id + "']")
		p.has(x.id + "[aria-invalid=true]")
		p.says(x.id+"-error", x.says)
		if x.value != "" {
			p.has(x.id + " option[selected][value='" + x.value + "']") // what was chosen stays
		}
	}
	o.org.HideField("Account", "CSM__c")
	o.server.Forget(c.ID)
	b.post(path, ownersForm("1", "owners.csm", "CSM__c")).is(http.StatusUnprocessableEntity).says("#owners-csm-error", "CSM__c")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
}
