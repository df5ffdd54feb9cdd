package pipeline

import (
	"slices"
	"strings"
	"testing"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// org is a schema by object name; an object that is nil was asked for and is not there.
type driftOrg map[string]*soql.Object

func (o driftOrg) look(name string) (*soql.Object, bool) {
	for known, object := range o {
		if strings.EqualFold(known, name) {
			return object, true
		}
	}
	return nil, false
}

func driftBefore() driftOrg {
	return driftOrg{
		"Account": {Name: "Account", Label: "Account", Fields: []soql.Field{
			{Name: "Name", Label: "Account Name", Type: "string"}, {Name: "Tier__c", Label: "Tier", Type: "picklist"}, {Name: "CSM__c", Label: "CSM", Type: "reference", ReferenceTo: []string{"User"}, RelationshipName: "CSM__r"},
			{Name: "OwnerId", Label: "Owner", Type: "reference", ReferenceTo: []string{"User"}, RelationshipName: "Owner"},
		}},
		"User":   {Name: "User", Label: "User", Fields: []soql.Field{{Name: "Department", Label: "Department", Type: "string"}}},
		"Sub__c": {Name: "Sub__c", Label: "Subscription", Fields: []soql.Field{{Name: "Amount__c", Label: "Amount", Type: "currency"}, {Name: "Account__c", Label: "Account", Type: "reference", ReferenceTo: []string{"Account"}}}},
	}
}

func TestDrift(t *testing.T) {
	t.Parallel()
	s := settings.Defaults()
	s.Accounts.Single = "Tier__c = 'Gold' AND Owner.Department = 'Sales' AND CSM__r.Department != NULL"
	s.Owners.CSM = "CSM__c"
	s.ARR = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Sub__c", Link: "Account__c", Value: "amount__C", Combine: settings.Sum}
	s.Advanced.AccountAllowlist = []string{"tier__c", "Name"}
	before := SeenBy(s, driftBefore().look)
	if len(before) != 3 || len(before[0].Fields) != 4 {
		t.Fatalf("seen: %+v", before)
	}
	for name, c := range map[string]struct {
		change func(o driftOrg)
		want   []string // path and sentence
	}{
		"nothing":    {func(driftOrg) {}, nil},
		"relabelled": {func(o driftOrg) { o["Account"].Fields[3].Label = "Account Owner" }, []string{"accounts.single OwnerId is now labelled “Account Owner”; it was “Owner”; used by the account filter and Owner Mapping", "owners.account_owner OwnerId is now labelled “Account Owner”; it was “Owner”; used by the account filter and Owner Mapping"}},
		"deleted": {func(o driftOrg) { o["Account"].Fields = slices.Delete(o["Account"].Fields, 1, 2) }, []string{
			"accounts.single Tier__c was deleted or hidden; used by the account filter and Advanced", "advanced.account_allowlist Tier__c was deleted or hidden; used by the account filter and Advanced",
		}},
		"lookup deleted": {func(o driftOrg) { o["Account"].Fields = slices.Delete(o["Account"].Fields, 2, 3) }, []string{
			"accounts.single CSM__c was deleted or hidden; used by the account filter and Owner Mapping", "owners.csm CSM__c was deleted or hidden; used by the account filter and Owner Mapping",
		}},
		"retyped": {func(o driftOrg) { o["Sub__c"].Fields[0].Type = "string" }, []string{"arr.value Sub__c.Amount__c is now of type Text; it was Currency; used by ARR"}},
		"object gone": {func(o driftOrg) { o["Sub__c"] = nil }, []string{
			"arr.object The object Subscription (Sub__c) was deleted or hidden; used by ARR", "arr.link The object Subscription (Sub__c) was deleted or hidden; used by ARR", "arr.value The object Subscription (Sub__c) was deleted or hidden; used by ARR",
		}},
		"object unknown":        {func(o driftOrg) { delete(o, "Sub__c") }, nil},
		"object renamed":        {func(o driftOrg) { o["Sub__c"].Label = "Contract" }, []string{"arr.object The object Sub__c is now called “Contract”; it was “Subscription”; used by ARR"}},
		"beyond a relationship": {func(o driftOrg) { o["User"].Fields = nil }, []string{"accounts.single User.Department was deleted or hidden; used by the account filter"}},
	} {
		now := driftBefore()
		c.change(now)
		var got []string
		for _, f := range Drift(before, now.look, s) {
			got = append(got, f.Path+" "+f.Sentence)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
	if got := UsedObjects(s, driftBefore().look); !slices.Equal(got, []string{"Account", "User", "Sub__c"}) {
		t.Errorf("used: %q", got)
	}
	if got := Drift(nil, driftBefore().look, s); got != nil {
		t.Errorf("without anything seen: %v", got)
	}
}
