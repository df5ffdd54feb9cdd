package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// objectForm is what a page with one configured object sends, unless something else is asked for.
func objectForm(base string, change ...string) url.Values {
	form := url.Values{
		"base": {base}, "custom_objects.0.object": {"Subscription__c"}, "custom_objects.0.name": {"Subscriptions"}, "custom_objects.0.parent": {"account"},
		"custom_objects.0.match": {"Account__c"}, "custom_objects.0.filter": {"Status__c = 'Active'"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = []string{change[i+1]}
	}
	return form
}

func objectsApp(t *testing.T, filter string) (*orgApp, *browser, db.Connection, string) {
	t.Helper()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, filter)
	return o, b, c, orgPath(c.ID, "/settings/custom-objects")
}

// orgCount counts records in the org itself.
func (o *orgApp) orgCount(object, where string) string {
	o.t.Helper()
	n, err := o.org.EvalCount("SELECT COUNT() FROM " + object + " WHERE " + where)
	if err != nil {
		o.t.Fatal(err)
	}
	return itoa(int64(n))
}

func TestCustomObjects(t *testing.T) {
	t.Parallel()
	o, b, c, path := objectsApp(t, "Name != null")

	b.get(path).is(http.StatusOK).says("main", "No object is configured")
	added := b.post(path, url.Values{"base": {"1"}, "do": {"add-object"}}).is(http.StatusOK)
	added.has("#custom_objects-0-object option[value=Subscription__c]:not([disabled])")
	added.has("#custom_objects-0-object option[value=Success_Plan__c]")
	added.says("#custom_objects-0-object option[value=Success_Plan__c]", "points to Account and Contact")
	added.lacks("#custom_objects-0-object option[disabled]")
	all := b.get(added.attr("#custom_objects-0-object", "data-pick-more")).is(http.StatusOK)
	all.has("option[value=Account][disabled]")
	all.says("option[value=Account]", "Synced anyway")
	all.says("option[value=CurrencyType], option[value=RecordType]", "Has no field that points to Account or Contact")
	added.lacks("#custom_objects-0-match")
	b.get(path).has("#custom_objects-0-object") // the draft holds it

	// Choosing the object brings the rest: its name, its only link, its fields and a filter of its own.
	chosen := b.post(path, url.Values{"base": {"1"}, "do": {"follow-object:custom_objects.0"}, "custom_objects.0.object": {"Subscription__c"}, "custom_objects.0.parent": {"account"}}).is(http.StatusOK)
	if got := chosen.attr("#custom_objects-0-name", "value"); got != "Subscriptions" {
		t.Errorf("the name is %q", got)
	}
	chosen.has("#custom_objects-0-match option[value=Account__c][selected]")
	chosen.has("#custom_objects-0-match option[value=Billing_Reference__c]") // a text, as accounts have an External ID
	chosen.lacks("#custom_objects-0-match option[value=OwnerId]")
	chosen.lacks("#custom_objects-0-match option[value=ARR__c]")
	chosen.lacks("#custom_objects-0-to select")
	chosen.has("#custom_objects-0-filter[data-suggest*='object=Subscription__c']")
	chosen.says("#custom_objects-0-fields [data-pick-empty]", "readable fields are synced")
	chosen.says("#custom_objects-0 details", "All readable fields (", "Seats__c")
	chosen.has("#custom_objects-0-object[hx-post='" + path + "'][hx-vals*='follow-object:custom_objects.0'][hx-target='#custom_objects-0-rest']")

	// The name follows another object as long as nobody typed one; the parent becomes the only one there is a link to.
	other := b.post(path, objectForm("1", "do", "follow-object:custom_objects.0", "custom_objects.0.object", "Success_Plan__c")).is(http.StatusOK)
	if got := other.attr("#custom_objects-0-name", "value"); got != "Success Plans" {
		t.Errorf("the name is %q", got)
	}
	typed := b.post(path, objectForm("1", "do", "follow-object:custom_objects.0", "custom_objects.0.object", "Success_Plan__c", "custom_objects.0.name", "Plans")).is(http.StatusOK)
	if got := typed.attr("#custom_objects-0-name", "value"); got != "Plans" {
		t.Errorf("the typed name became %q", got)
	}
	// Another parent has other links.
	contact := b.post(path, objectForm("1", "do", "follow-parent:custom_objects.0", "custom_objects.0.object", "Success_Plan__c", "custom_objects.0.parent", "contact")).is(http.StatusOK)
	contact.has("#custom_objects-0-match option[value=Sponsor__c][selected]")
	contact.lacks("#custom_objects-0-match option[value=Account__c]")
	contact.lacks("#custom_objects-0-match option[value=Name]") // contacts have no External ID
	// A text needs to know what it holds; there is one choice.
	text := b.post(path, objectForm("1", "do", "follow-match:custom_objects.0", "custom_objects.0.match", "Billing_Reference__c")).is(http.StatusOK)
	text.has("#custom_objects-0-to option[value=ERP_Number__c][selected]")

	box := b.post(path, objectForm("1", "do", "validate:custom_objects.0.filter")).is(http.StatusOK)
	box.says("#result-custom_objects-0-filter", o.orgCount("Subscription__c", "Status__c = 'Active'")+" records match", "SUB-")
	fixed := b.post(path, objectForm("1", "custom_objects.0.filter", "Status__c == 'Active'", "do", "fix:custom_objects.0.filter:10")).is(http.StatusOK)
	if got := fixed.text("#custom_objects-0-filter"); got != "Status__c = 'Active'" {
		t.Errorf("the repair made %q", got)
	}
	some := b.post(path, objectForm("1", "do", "add:custom_objects.0.fields:Seats__c")).is(http.StatusOK)
	some.has("#custom_objects-0-fields-chosen [data-picked=Seats__c]")

	// Two objects are saved; removing the first makes the second the first, and can be undone.
	form := objectForm("1", "custom_objects.1.object", "Success_Plan__c", "custom_objects.1.name", "Plans", "custom_objects.1.parent", "contact", "custom_objects.1.match", "Sponsor__c",
		"custom_objects.1.fields", "Stage__c")
	b.follow(b.post(path, form).is(http.StatusSeeOther)).says("#version", "v2")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	want := []settings.CustomObject{
		{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Account__c", Filter: "Status__c = 'Active'"},
		{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c", Fields: []string{"Stage__c"}},
	}
	if err != nil || len(v.Settings.CustomObjects) != 2 {
		t.Fatalf("saved %+v: %v", v, err)
	}
	for i, had := range v.Settings.CustomObjects {
		if had.Object != want[i].Object || had.Name != want[i].Name || had.Parent != want[i].Parent || had.Match != want[i].Match || had.Filter != want[i].Filter || !slices.Equal(had.Fields, want[i].Fields) {
			t.Errorf("saved %+v instead of %+v", had, want[i])
		}
	}
	form.Set("base", "2")
	form.Set("do", "remove-object:0")
	removed := b.post(path, form).is(http.StatusOK)
	removed.says("#custom_objects", "Subscriptions is removed once you save", "no longer updated")
	removed.has("#custom_objects-0-object option[value=Success_Plan__c][selected]")
	removed.lacks("#custom_objects-1")
	removed.has("#custom_objects-0-fields-chosen [data-picked=Stage__c]")
	back := url.Values{"base": {"2"}, "do": {"restore-object:Subscription__c"}}
	for name, values := range form {
		if rest, ok := strings.CutPrefix(name, "custom_objects.1."); ok {
			back["custom_objects.0."+rest] = values
		}
	}
	restored := b.post(path, back).is(http.StatusOK)
	restored.has("#custom_objects-1-match option[value=Account__c][selected]")
	restored.says("[data-unsaved]", "No unsaved changes")

	for _, do := range []string{"dance", "remove-object:7", "remove-object:x", "restore-object:Nothing", "follow-object:custom_objects.4", "preview-object:custom_objects.0.match", "validate:custom_objects.0.match",
		"validate:custom_objects.9.filter"} {
		b.post(path, objectForm("2", "do", do)).is(http.StatusBadRequest)
	}
}

func TestCustomObjectPreview(t *testing.T) {
	t.Parallel()
	o, b, _, path := objectsApp(t, "Type LIKE 'Customer%'")

	p := b.post(path, objectForm("1", "do", "preview-object:custom_objects.0")).is(http.StatusOK)
	here, all := o.orgCount("Subscription__c", "Status__c = 'Active' AND Account__r.Type LIKE 'Customer%'"), o.orgCount("Subscription__c", "Status__c = 'Active' AND Account__c != null")
	p.says("#custom_objects-0-result", here+" record", "that the account filters select", "fields are synced", "Query as sent")
	if rows := len(p.all("#custom_objects-0-result tbody tr")); rows != 5 {
		t.Fatalf("%d records: %s", rows, p.text("#custom_objects-0-result"))
	}
	for i := range 5 {
		row := "#custom_objects-0-result tbody tr:nth-child(" + itoa(int64(i+1)) + ")"
		id := p.attr(row+" th a", "href")[len(o.host)+1:]
		found, err := o.org.Eval("SELECT Account__c, Account__r.Name FROM Subscription__c WHERE Id = '" + id + "'")
		if err != nil || len(found) != 1 {
			t.Fatal(err)
		}
		p.says(row+" td:last-child", found[0]["Account__r"].(map[string]any)["Name"].(string))
		p.says(row+" td:nth-child(2)", found[0]["Account__c"].(string))
	}
	elsewhere := o.orgCount("Subscription__c", "Status__c = 'Active' AND Account__c != null AND (NOT Account__r.Type LIKE 'Customer%')")
	if here == all || elsewhere == "0" {
		t.Fatalf("nothing is elsewhere: %s of %s", here, all)
	}
	p.says("[data-elsewhere]", elsewhere+" further record")

	// Records without a link are counted.
	plans := b.post(path, objectForm("1", "do", "preview-object:custom_objects.0", "custom_objects.0.object", "Success_Plan__c", "custom_objects.0.parent", "contact", "custom_objects.0.match", "Sponsor__c", "custom_objects.0.filter", "")).is(http.StatusOK)
	plans.says("[data-unlinked]", "Sponsor__c is empty on "+o.orgCount("Success_Plan__c", "Sponsor__c = null")+" further record")

	// A text leads to whoever has it as External ID, or to nobody.
	var account, subscription string
	for r := range o.org.Records("Account") {
		account = r["Id"].(string)
		break
	}
	for r := range o.org.Records("Subscription__c") {
		subscription = r["Id"].(string)
		break
	}
	if err := o.org.Update("Account", account, map[string]any{"ERP_Number__c": "E-77", "Name": "Seventy Seven"}); err != nil {
		t.Fatal(err)
	}
	if err := o.org.Update("Subscription__c", subscription, map[string]any{"Billing_Reference__c": "E-77"}); err != nil {
		t.Fatal(err)
	}
	byText := []string{"do", "preview-object:custom_objects.0", "custom_objects.0.match", "Billing_Reference__c", "custom_objects.0.to", "ERP_Number__c"}
	hit := b.post(path, objectForm("1", append(byText, "custom_objects.0.filter", "Billing_Reference__c = 'E-77'")...)).is(http.StatusOK)
	hit.says("#custom_objects-0-result tbody tr", "E-77", "Seventy Seven")
	hit.says("[data-elsewhere]", "a sync leaves them out")
	miss := b.post(path, objectForm("1", append(byText, "custom_objects.0.filter", "Billing_Reference__c LIKE 'BR%'")...)).is(http.StatusOK)
	miss.says("#custom_objects-0-result tbody tr", "No Account has this in ERP_Number__c.")

	// A filter that selects nothing, and what stands in the way.
	b.post(path, objectForm("1", "do", "preview-object:custom_objects.0", "custom_objects.0.filter", "Seats__c = -1")).is(http.StatusOK).
		says("#custom_objects-0-result", "No record would be synced", "The filter selects no record")
	wrong := b.post(path, objectForm("1", "do", "preview-object:custom_objects.0", "custom_objects.0.match", "OwnerId")).is(http.StatusOK)
	wrong.has("#custom_objects-0-result a[href='#custom_objects-0-match']")
	wrong.has("#custom_objects-0-match[aria-invalid=true]")
}

func TestCustomObjectsRefused(t *testing.T) {
	t.Parallel()
	o, b, c, path := objectsApp(t, "Name != null")
	for _, x := range []struct{ field, value, at, says string }{
		{"object", "", "object", "Choose the object"},
		{"object", "Nothing__c", "object", "cannot see the object Nothing__c"},
		{"object", "Contact", "object", "synced anyway"},
		{"name", "", "name", "Enter what these records are called"},
		{"match", "", "match", "Choose the field that links"},
		{"match", "OwnerId", "match", "not to Account"},
		{"match", "Acount__c", "match", "Account__c"},
		{"match", "Billing_Reference__c", "to", "Choose the External ID field of Account"},
		{"fields", "Nothing__c", "fields", "Nothing__c is not a field"},
		{"filter", "Stauts__c = 'x'", "filter", "SOQL validation failed"},
	} {
		// The second of two cards is wrong, and says so itself.
		form := objectForm("1")
		for name, values := range objectForm("1") {
			if rest, ok := strings.CutPrefix(name, "custom_objects.0."); ok {
				form["custom_objects.1."+rest] = values
			}
		}
		form["custom_objects.0.object"], form["custom_objects.0.name"], form["custom_objects.0.filter"] = []string{"Success_Plan__c"}, []string{"Plans"}, []string{""}
		form.Set("custom_objects.1."+x.field, x.value)
		p := b.post(path, form).is(http.StatusUnprocessableEntity)
		p.says("#summary", x.says)
		at := "#custom_objects-1-" + x.at
		p.has("#summary a[href='" + at + "']")
		p.has(at)
		if links := len(p.all("#summary a")); links != 1 {
			t.Errorf("%s: %d problems: %s", x.says, links, p.text("#summary"))
		}
		p.says(at+"-error", strings.TrimPrefix(x.says, "SOQL validation failed"))
	}
	to := b.post(path, objectForm("1", "custom_objects.0.match", "Billing_Reference__c", "custom_objects.0.to", "Name")).is(http.StatusUnprocessableEntity)
	to.says("#custom_objects-0-to-error", "Not marked as External ID")
	twice := b.post(path, objectForm("1", "custom_objects.1.object", "Subscription__c", "custom_objects.1.name", "Others", "custom_objects.1.parent", "account", "custom_objects.1.match", "Account__c")).is(http.StatusUnprocessableEntity)
	twice.says("#custom_objects-1-object-error", "configured twice")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
}
