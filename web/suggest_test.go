package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

func TestSpotAt(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]spot{
		"":                                   {wantField, "", ""},
		"Na":                                 {wantField, "", "Na"},
		"Owner.Na":                           {wantField, "", "Owner.Na"},
		"Name ":                              {wantOperator, "Name", ""},
		"Name L":                             {wantOperator, "Name", "L"},
		"Name=":                              {wantValue, "Name", ""},
		"Type = 'Cu":                         {wantValue, "Type", "'Cu"},
		"Type = 'it\\'s ":                    {wantValue, "Type", "'it\\'s "},
		"Type = 'Cu' ":                       {wantJoiner, "Type", ""},
		"Type = 'Cu' a":                      {wantJoiner, "Type", "a"},
		"Type = 'Cu' AND ":                   {wantField, "Type", ""},
		"Type = 'Cu' AND NOT (":              {wantField, "Type", ""},
		"Type IN":                            {wantOperator, "Type", "IN"},
		"Type IN ":                           {wantList, "Type", ""},
		"Type NOT IN (":                      {wantListed, "Type", ""},
		"Type IN ('a', ":                     {wantListed, "Type", ""},
		"Type IN ('a', 'b":                   {wantListed, "Type", "'b"},
		"Type IN ('a') ":                     {wantJoiner, "Type", ""},
		"CALENDAR_YEAR(Created":              {wantField, "CALENDAR_YEAR", "Created"},
		"CALENDAR_YEAR(CreatedDate) ":        {wantOperator, "CreatedDate", ""},
		"CreatedDate > LAST_N_DAYS:3":        {wantValue, "CreatedDate", "LAST_N_DAYS:3"},
		"(Type = 'a' OR (Rating = 'b') AND ": {wantField, "Rating", ""},
		"Id IN (SELECT AccountId FROM ":      {wantNothing, "Id", ""},
		"Id IN (SELECT a FROM b WHERE (c = 1)) AND ": {wantField, "Id", ""},
		"'stray":     {wantNothing, "", "'stray"},
		"Name = \"x": {wantNothing, "Name", "\"x"},
		")":          {wantJoiner, "", ""},
	} {
		if got := spotAt(before); got != want {
			t.Errorf("%q: %+v, want %+v", before, got, want)
		}
	}
}

func FuzzSpotAt(f *testing.F) {
	f.Add("Type IN ('a', \\")
	f.Fuzz(func(t *testing.T, before string) {
		if got := spotAt(before); !strings.HasSuffix(before, got.partial) {
			t.Errorf("%q ends in %q?", before, got.partial)
		}
	})
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	ask := func(before string) *page {
		t.Helper()
		return b.post(section+"/suggest", url.Values{"box": {"accounts.single"}, "before": {before}})
	}
	o.server.known.drop(c.ID)
	ask("Na").is(http.StatusNoContent)
	b.get(section + "/schema")

	p := ask("Name = 'x' AND annual").is(http.StatusOK)
	p.says("[role=option]:first-child", "AnnualRevenue", "Annual Revenue", "Currency")
	p.has("[role=listbox][data-marked]")
	if got := p.attr("[role=option]", "data-replace"); got != "6" {
		t.Errorf("it replaces %s units", got)
	}
	if got := p.attr("[role=option]", "data-insert"); got != "AnnualRevenue " {
		t.Errorf("it inserts %q", got)
	}
	ask("Name").lacks("[data-marked]")
	label := ask("Type = 'x' AND customer succ").is(http.StatusOK)
	label.says("[role=option]:first-child", "CSM__c")
	if got := label.attr("[role=option]", "data-replace"); got != "13" {
		t.Errorf("the two words of a label are replaced as %s units", got)
	}
	ask("success").says("[role=option]", "CSM__c", "Customer Success Manager", "Lookup(User)", "CSM__r.")
	ask("Owner.na").says("[role=option]:first-child", "Owner.Name", "Full Name")
	ask("oWNER.na").says("[role=option]:first-child", "Owner.Name")
	ask("Nobody.na").is(http.StatusNoContent)
	long := ask("descr")
	long.says("[role=option][aria-disabled=true]", "Description", "cannot filter by")

	if got := ask("AnnualRevenue ").text("[role=option] code"); got != "= != < <= > >= IN NOT IN" {
		t.Errorf("a number has the operators %s", got)
	}
	if got := ask("Type ").text("[role=option] code"); got != "= != LIKE IN NOT IN" {
		t.Errorf("a picklist has the operators %s", got)
	}
	value := ask("Type = 'cust").is(http.StatusOK)
	value.says("[role=option] code", "'Customer'")
	if got := value.attr("[role=option]", "data-insert"); got != "'Customer' " {
		t.Errorf("a value is inserted as %q", got)
	}
	if got := ask("Type IN ('Customer', 'cust").attr("[role=option]", "data-insert"); got != "'Customer'" {
		t.Errorf("a value of a list is inserted as %q", got)
	}
	ask("CreatedDate >= la").says("[role=option]", "LAST_N_DAYS:30", "LAST_MONTH")
	ask("Type = 'Customer' ").says("[role=option]", "AND", "OR")
	ask("Type = 'Customer'").is(http.StatusNoContent)
	ask("Description ").is(http.StatusOK)

	only := b.post(section+"/suggest", url.Values{"field": {"1"}, "before": {"annual"}})
	if got := only.attr("[role=option]", "data-insert"); got != "AnnualRevenue" {
		t.Errorf("an input for a field takes %q", got)
	}
}

func TestFieldsPage(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	page := orgPath(c.ID, "/settings/account-filtering/fields")
	p := b.get(page + "?box=accounts.customer").is(http.StatusOK)
	p.says("#fields h3", "Custom fields", "Standard fields")
	p.has("[data-insert-field='AnnualRevenue']")
	p.lacks("[data-insert-field='Description']")
	p.says("#fields", "Long text, which Salesforce cannot filter by")
	p.has("a[href$='account-filtering#accounts-customer']")
	owner := p.attr("a[data-fields][href*='via=Owner&'], a[data-fields][href*='via=Owner']", "href")
	b.get(owner).is(http.StatusOK).has("[data-insert-field='Owner.Name']")
	found := b.get(page + "?q=csm").is(http.StatusOK)
	found.says("#fields", "CSM__c")
	found.lacks("[data-insert-field='Name']")
	b.get(page+"?q=zzz").says("#fields", "0 fields", "No field has this")
	b.get(page + "?via=Nothing").is(http.StatusNotFound)
	if !managed.MatchString("abc__Score__c") || managed.MatchString("Score__c") || managed.MatchString("My_Score__c") {
		t.Error("fields of managed packages are not told from custom ones")
	}
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	b.get(page).is(http.StatusOK).says("#fields", "not known", "Reconnect")
}
