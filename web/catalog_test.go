package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/views/ui"
)

func TestChoicesAreGrouped(t *testing.T) {
	t.Parallel()
	field := func(name, label, kind string, custom bool) salesforce.DescribeField {
		return salesforce.DescribeField{Field: soql.Field{Name: name, Label: label, Type: kind, Custom: custom}}
	}
	groups := fieldChoices(&salesforce.Describe{Name: "Account", Fields: []salesforce.DescribeField{
		field("npsp__Level__c", "Level", "string", true), field("Name", "Account Name", "string", false), field("Tier__c", "tier", "currency", true),
		field("ARR__c", "ARR", "currency", true), field("zuora__Id__c", "Id", "string", true),
	}}, pipeline.Amount)
	var got []string
	for _, g := range groups {
		got = append(got, g.Title)
		for _, i := range g.Items {
			got = append(got, i.Name+":"+i.Why)
		}
	}
	want := []string{
		"Standard fields", "Name:Not a number", "Custom fields", "ARR__c:", "Tier__c:", "Managed package npsp", "npsp__Level__c:Not a number", "Managed package zuora", "zuora__Id__c:Not a number",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if fieldChoices(nil, pipeline.Amount) != nil {
		t.Error("an unknown object has choices")
	}
	objects := objectChoices([]salesforce.ObjectSummary{{Name: "Case", Label: "Case", Queryable: true}, {Name: "Sub__c", Label: "Subscription", Queryable: true, Custom: true}, {Name: "X", Label: "X"}},
		childrenOf(&salesforce.Describe{Name: "Account", Children: []soql.ChildRelationship{{Object: "Sub__c"}}}))
	for name, why := range map[string]string{"Case": "Has no field that points to Account", "Sub__c": "", "X": "Salesforce does not let this object be queried"} {
		if i, ok := ui.FindChoice(objects, name); !ok || i.Why != why {
			t.Errorf("%s: %q %v", name, i.Why, ok)
		}
	}
}

func TestReadMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		do    string
		want  []string
		again bool
	}{
		{"", []string{"A", "B__c"}, false},
		{"save", []string{"A", "B__c"}, false},
		{"validate:f", []string{"A", "B__c"}, false},
		{"add:f:C__c", []string{"A", "B__c", "C__c"}, true},
		{"add:f:b__C", []string{"A", "B__c"}, true},
		{"remove:f:b__c", []string{"A"}, true},
		{"add:f.other:C__c", []string{"A", "B__c"}, true},
		{"search:f", []string{"A", "B__c"}, true},
	} {
		form := url.Values{"f": {"A", " B__c", "a", ""}, "do": {c.do}}
		got, again := readMany(form, "f"), picks(form)
		if !slices.Equal(got, c.want) || again != c.again {
			t.Errorf("%q: %q %v", c.do, got, again)
		}
	}
}

func TestEnterInASearchDoesNotSave(t *testing.T) {
	t.Parallel()
	if !picks(url.Values{"f.search": {"arr"}}) || picks(url.Values{"f.search": {" "}}) || picks(url.Values{"f.search": {"arr"}, "do": {"save"}}) {
		t.Error("Enter in a search, an empty search and Save are mixed up")
	}
}

func TestPickSearchesTheOrg(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	admin := o.as(o.admin)
	c := o.connected(admin)
	base := "/connections/" + itoa(c.ID) + "/settings/pick?path=account_fields&object=Account"
	p := admin.get(base + "&for=additional&q=arr").is(http.StatusOK)
	p.has(`button[name=do][value="add:account_fields:ARR__c"]`)
	p.says("code", "ARR__c")
	p.lacks("html nav")
	admin.get(base + "&for=additional&account_fields.search=arr").has(`button[value="add:account_fields:ARR__c"]`)
	admin.get(base+"&for=additional&q=a").says("[role=status]", "Type at least 2 characters")
	p = admin.get(base + "&for=additional&q=industry")
	p.says("[data-pick-found=Industry]", "Synced anyway")
	p.lacks("[data-pick-found=Industry] button")
	admin.get(base+"&for=any&q=billing+address").says("[data-pick-found=BillingAddress]", "choose their parts")
	admin.get(base + "&for=nothing&q=arr").is(http.StatusNotFound)
	admin.get("/connections/" + itoa(c.ID) + "/settings/pick?path=x&object=Nope__c&for=any&q=arr").is(http.StatusNotFound)
}

func TestPickOfAnOfflineOrgSaysSo(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	p := a.as(a.admin).get("/connections/" + itoa(c.ID) + "/settings/pick?path=x&object=Account&for=any&q=arr").is(http.StatusOK)
	p.says("[role=status]", "The fields are not known")
}

// A list of fields is made once of a describe, and anew of a newer one.
func TestFieldListsFollowTheDescribe(t *testing.T) {
	t.Parallel()
	of := func(label string) *salesforce.Describe {
		return &salesforce.Describe{Name: "Account", Fields: []salesforce.DescribeField{{Field: soql.Field{Name: "Size__c", Label: label, Type: "double", Custom: true, Filterable: true}}}}
	}
	var lists fieldLists
	first := of("Size")
	a, b := lists.choices(1, first, forAmount), lists.choices(1, first, forAmount)
	if len(a) != 1 || a[0].Items[0].Label != "Size" || &a[0] != &b[0] {
		t.Errorf("got %+v and %+v", a, b)
	}
	if got := lists.choices(1, first, forOwner); got[0].Items[0].Why == "" {
		t.Errorf("another use: %+v", got)
	}
	if got := lists.choices(1, of("Length"), forAmount); got[0].Items[0].Label != "Length" {
		t.Errorf("a newer describe: %+v", got)
	}
	for i := range int64(3 * mostLists) {
		lists.choices(i, first, forAmount)
	}
	if len(lists.of) > mostLists {
		t.Errorf("%d lists are kept", len(lists.of))
	}
}
