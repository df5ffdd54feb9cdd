package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
)

func TestFiltersOfAnyObject(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	base := orgPath(c.ID, "/settings/account-filtering")
	check := func(text string) *page {
		return b.post(base+"/check?box=arr.filter&object=Subscription__c", url.Values{"arr.filter": {text}}).is(http.StatusOK)
	}

	// Until the object is known only the form is checked, and the object is read.
	cold := check("Nmae = 'x'")
	cold.lacks("[data-problem]")
	cold.has("button[hx-trigger^='schema-known'][hx-post*='object=Subscription__c']")
	b.get(cold.attr("[hx-trigger=load]", "hx-get")).is(http.StatusNoContent)
	wrong := check("Nmae = 'x' AND Id == null")
	wrong.says("[data-problem]", "Nmae is not on Subscription__c")
	wrong.has("button[name=do][value='fix:arr.filter:18']")
	check("Name != null").says("[data-fine]", "Looks right")
	check("Website != null").says("[data-problem]", "Website")

	suggest := func(object, before string) *page {
		return b.post(base+"/suggest?object="+object, url.Values{"before": {before}})
	}
	suggest("Subscription__c", "Stat").is(http.StatusOK).has("li[data-insert='Status__c ']")
	suggest("Case", "CaseNu").is(http.StatusOK).has("li[data-insert='CaseNumber ']") // read on demand
	suggest("Case", "Account.Indus").is(http.StatusOK).has("li[data-insert='Account.Industry ']")
	suggest("Nothing__c", "Na").is(http.StatusNoContent)

	p := b.get(base + "/fields?box=arr.filter&object=Subscription__c").is(http.StatusOK)
	p.says("#fields", "of Subscription", "Status__c")
	p.lacks("[data-insert-field=Website]")
	if back := p.attr("main a[href*='arr-and-renewal']", "href"); !strings.HasSuffix(back, "#arr-filter") {
		t.Errorf("the way back is %q", back)
	}
	p = b.get(p.attr("a[data-fields][href*='via=Account__r']", "href")).is(http.StatusOK)
	p.has("[data-insert-field='Account__r.Website']")
	p.says("#fields", "Fields of Subscription__c")
	b.get(base + "/fields?object=Nothing__c").is(http.StatusNotFound)

	for _, bad := range []string{"x'y", "a.b", "1a", "..", strings.Repeat("a", 300)} {
		q := url.Values{"box": {"arr.filter"}, "object": {bad}}.Encode()
		b.post(base+"/check?"+q, url.Values{}).is(http.StatusBadRequest)
		b.post(base+"/suggest?"+q, url.Values{}).is(http.StatusBadRequest)
		b.get(base + "/fields?" + q).is(http.StatusBadRequest)
		b.get(base + "/schema?" + q).is(http.StatusBadRequest)
	}
	b.post(base+"/check?box=nothing&object=Case", url.Values{}).is(http.StatusBadRequest)
}

func TestTryObject(t *testing.T) {
	t.Parallel()
	app := newOrgApp(t, sim.Options{Accounts: 60})
	c := app.connected(app.as(app.admin))
	o, err := app.server.openOrg(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()

	linked, err := soql.Compare("Account__c", soql.NotEqual, soql.Null())
	if err != nil {
		t.Fatal(err)
	}
	n, err := app.org.EvalCount("SELECT COUNT() FROM Subscription__c WHERE Account__c != null AND (Status__c = 'Active' OR Name != null)")
	if err != nil || n < 5 {
		t.Fatalf("%d subscriptions: %v", n, err)
	}
	got := o.tryObject(t.Context(), "subscription__c", linked, " Status__c = 'Active' OR\nName != null ")
	if got.Count != int64(n) || len(got.Samples) != 5 || got.Object != "Subscription" || got.Took == "" || got.Speed == nil {
		t.Errorf("%d records, %d samples of %q in %q", got.Count, len(got.Samples), got.Object, got.Took)
	}
	if want := "SELECT Id, Name, Status__c FROM Subscription__c WHERE (Status__c = 'Active' OR Name != null) AND Account__c != NULL"; got.Query != want {
		t.Errorf("sent %q", got.Query)
	}
	if s := got.Samples[0]; s.Name == "" || s.Href != app.host+"/"+s.ID || len(s.Values) != 1 || s.Values[0] == "" || got.Columns[0].Name != "Status__c" {
		t.Errorf("a sample is %+v under %+v", s, got.Columns)
	}

	all := o.tryObject(t.Context(), "Case", nil, " ")
	if total, err := app.org.EvalCount("SELECT COUNT() FROM Case"); err != nil || all.Count != int64(total) || len(all.Problems) > 0 {
		t.Errorf("%d of %d cases: %v", all.Count, total, err)
	}
	if len(all.Samples) == 0 || all.Samples[0].Name == "" {
		t.Error("a case is not known by its number")
	}
	if got := o.tryObject(t.Context(), "Subscription__c", nil, "Name = 'no such'"); got.Count != 0 || len(got.Problems) > 0 {
		t.Errorf("nothing is %+v", got)
	}
	wrong := o.tryObject(t.Context(), "Subscription__c", linked, "Id != null AND\n Stauts__c = 'x'")
	if len(wrong.Problems) != 1 || wrong.Problems[0].Line != 2 || wrong.Problems[0].Column != 2 || len(wrong.Problems[0].Suggestions) == 0 {
		t.Errorf("a misspelt field: %+v", wrong.Problems)
	}
	if got := o.tryObject(t.Context(), "Nothing__c", nil, ""); !strings.Contains(got.Unanswered, "cannot see the object Nothing__c") {
		t.Errorf("an unknown object: %+v", got)
	}
	if got := o.tryObject(t.Context(), "Nothing__c", nil, "Name = 'x'"); len(got.Problems) == 0 {
		t.Errorf("a filter of an unknown object: %+v", got)
	}
}

// Beside each filter stands what a condition is, for somebody who knows reports.
func TestEveryFilterSaysWhatAConditionIs(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	b.get(orgPath(c.ID, "/settings/account-filtering")).is(http.StatusOK).says("details", "What is a SOQL condition?", "open a report in Salesforce")
	for section, boxes := range map[string]int{"support-cases": 1, "chatter": 2} {
		p := b.get(orgPath(c.ID, "/settings/"+section)).is(http.StatusOK)
		if n := len(p.all("[data-box]:has(textarea) details")); n != boxes {
			t.Errorf("%s has %d filters and %d times what a condition is", section, boxes, n)
		}
		p.says("[data-box]:has(textarea) details", "What is a SOQL condition?", "The same logic as a report filter")
	}
}
