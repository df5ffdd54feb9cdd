package ui

import (
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

func draw(t *testing.T, c templ.Component) *html.Node {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func all(root *html.Node, selector string) []*html.Node {
	return cascadia.QueryAll(root, cascadia.MustCompile(selector))
}

func count(t *testing.T, root *html.Node, selector string, want int) {
	t.Helper()
	if got := len(all(root, selector)); got != want {
		t.Errorf("%d of %s, want %d", got, selector, want)
	}
}

func words(nodes []*html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	for _, n := range nodes {
		walk(n)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

var offered = []ChoiceGroup{
	{"Standard fields", []Item{{Name: "OwnerId", Label: "Owner", Type: "Lookup(User)"}, {Name: "Name", Label: "Account Name", Type: "Text", Why: "Does not point to a user"}}},
	{"Custom fields", []Item{{Name: "CSM__c", Label: "CSM", Type: "Lookup(User)"}}},
}

func TestPickOneOffersGroupsAndReasons(t *testing.T) {
	t.Parallel()
	p := Picker{Field: Field{ID: "owners-csm", Name: "owners.csm", Label: "CSM", Hint: "Who looks after it", Value: "csm__C", Errors: []string{"Wrong."}}, None: "None", Groups: offered}
	root := draw(t, PickOne(p))
	count(t, root, `label[for="owners-csm"]`, 1)
	count(t, root, `select#owners-csm[name="owners.csm"][aria-invalid="true"][aria-describedby="owners-csm-hint owners-csm-error"]`, 1)
	count(t, root, "optgroup", 2)
	count(t, root, `option[value=""]`, 1)
	count(t, root, `optgroup[label="Custom fields"] option[value="CSM__c"][selected]`, 1)
	count(t, root, `option[disabled][value="Name"]`, 1)
	if got := words(all(root, `option[value="Name"]`)); got != "Account Name (Name) · Text · Does not point to a user" {
		t.Errorf("a disabled option says %q", got)
	}
	if got := words(all(root, `option[value="CSM__c"]`)); got != "CSM (CSM__c) · Lookup(User)" {
		t.Errorf("an option says %q", got)
	}
}

// What is chosen is sent again whatever became of it: a disabled option would not be.
func TestPickOneKeepsItsValue(t *testing.T) {
	t.Parallel()
	gone := draw(t, PickOne(Picker{Field: Field{ID: "x", Name: "x", Value: "Tier__c"}, Groups: offered, Explained: "/doctor"}))
	count(t, gone, `p:not(.no-script) a[href="/doctor"]`, 1)
	count(t, draw(t, PickOne(Picker{Groups: offered[:1], Explained: "/doctor"})), `p.no-script a[href="/doctor"]`, 1)
	count(t, draw(t, PickOne(Picker{Groups: []ChoiceGroup{{"Standard fields", offered[0].Items[1:]}}, Explained: "/doctor"})), `p:not(.no-script) a[href="/doctor"]`, 1)
	if got := words(all(gone, `option[selected]`)); got != "Tier__c, no longer in Salesforce or not readable" {
		t.Errorf("a value that is gone is shown as %q", got)
	}
	unknown := draw(t, PickOne(Picker{Field: Field{ID: "x", Name: "x", Value: "Tier__c"}, Unanswered: "The org is disconnected."}))
	if got := words(all(unknown, `option[selected]`)); got != "Tier__c" {
		t.Errorf("a value of an unknown schema is shown as %q", got)
	}
	if got := words(all(unknown, `#x-hint`)); got != "The org is disconnected." {
		t.Errorf("of an unknown schema it says %q", got)
	}
	count(t, unknown, `select[aria-describedby="x-hint"]`, 1)
	unfit := draw(t, PickOne(Picker{Field: Field{ID: "x", Name: "x", Value: "Name"}, Groups: offered}))
	count(t, unfit, `option[value="Name"][selected]:not([disabled])`, 1)
	none := draw(t, PickOne(Picker{Field: Field{ID: "x", Name: "x"}, Groups: offered}))
	if got := words(all(none, `option[value=""]`)); got != "Choose…" {
		t.Errorf("without a value the first option is %q", got)
	}
}

func TestPickManyWorksByButtons(t *testing.T) {
	t.Parallel()
	m := ManyPicker{
		Field:  Field{ID: "account_fields", Name: "account_fields", Label: "Further fields", Errors: []string{"Too many."}},
		Chosen: []Item{{Name: "Tier__c", Label: "Tier"}, Gone("Old__c")}, Empty: "No further field is synced.", Of: "Account", Source: "/pick?x=1",
		Results: PickResults{Path: "account_fields", Of: "Account", Search: "ow", Chosen: []string{"ownerid"}, Groups: offered, Shown: 3, Found: 3},
	}
	root := draw(t, PickMany(m))
	count(t, root, `fieldset#account_fields[aria-describedby="account_fields-error"] > legend`, 1)
	count(t, root, `[data-pick-chosen] input[type=hidden][name=account_fields]`, 2)
	count(t, root, `[data-pick-chosen] button[name=do][value="remove:account_fields:Tier__c"][aria-label="Remove Tier"]`, 1)
	count(t, root, `[data-pick-empty][hidden]`, 1)
	count(t, root, `input[name="account_fields.search"][value=ow]`, 1)
	count(t, root, `button[name=do][value="search:account_fields"]`, 1)
	count(t, root, `button[name=do][value="add:account_fields:CSM__c"]:not([hidden])`, 1)
	count(t, root, `button[name=do][value="add:account_fields:OwnerId"][hidden]`, 1)
	count(t, root, `button[value="add:account_fields:Name"]`, 0)
	for _, want := range []string{"no longer in Salesforce or not readable", "Does not point to a user", "3 fields found."} {
		if got := words(all(root, "fieldset")); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

func TestResultsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]PickResults{
		"Type at least 2 characters of a label or an API name.":       {Search: "ä"},
		"No field of Case has “zz” in its label or API name.":         {Search: "zz", Of: "Case"},
		"The first 40 of 90 fields. Type more to narrow them down.":   {Search: "zz", Shown: 40, Found: 90},
		"The fields are not known Salesforce is down for maintenance": {Unanswered: "Salesforce is down for maintenance"},
	} {
		if got := words(all(draw(t, Results(r)), `[role=status]`)); got != want {
			t.Errorf("%+v says %q, want %q", r, got, want)
		}
	}
}

func TestFindChoice(t *testing.T) {
	t.Parallel()
	if i, ok := FindChoice(offered, "csm__c"); !ok || i.Label != "CSM" {
		t.Errorf("%v %v", i, ok)
	}
	if _, ok := FindChoice(offered, "csm"); ok || slices.Contains([]string{""}, PathID("a.b")) {
		t.Error("found what is not there")
	}
}
