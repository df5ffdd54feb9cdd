package pipeline

import (
	"strings"
	"testing"

	"millrace/salesforce/soql"
)

func TestFitsSayWhy(t *testing.T) {
	t.Parallel()
	ref := func(to ...string) soql.Field { return soql.Field{Name: "Link__c", Type: "reference", ReferenceTo: to} }
	for _, c := range []struct {
		name string
		fit  Fit
		f    soql.Field
		want string // begins the reason; empty for a field that fits
	}{
		{"text", Syncable, soql.Field{Type: "string"}, ""},
		{"address", Syncable, soql.Field{Type: "address"}, "Compound addresses are not synced"},
		{"place", Syncable, soql.Field{Type: "location"}, "Compound geolocations"},
		{"file", Syncable, soql.Field{Type: "base64"}, "Files are not synced"},
		{"user", UserReference, ref("Group", "User"), ""},
		{"contact as user", UserReference, ref("Contact"), "Points to Contact, not to a user"},
		{"text as user", UserReference, soql.Field{Type: "string"}, "Does not point to a user"},
		{"money", Amount, soql.Field{Type: "currency"}, ""},
		{"percent", Amount, soql.Field{Type: "percent"}, "A percentage"},
		{"text as amount", Amount, soql.Field{Type: "string"}, "Not a number"},
		{"date", Day, soql.Field{Type: "date"}, ""},
		{"time stamp", Day, soql.Field{Type: "datetime"}, ""},
		{"time of day", Day, soql.Field{Type: "time"}, "Not a date"},
		{"filterable", Filterable, soql.Field{Type: "textarea", Filterable: true}, ""},
		{"long text", Filterable, soql.Field{Type: "textarea"}, "Long text"},
		{"link", LinksTo("Account"), ref("Account"), ""},
		{"link elsewhere", LinksTo("Account"), ref("Contact"), "Points to Contact, not to Account"},
		{"match by text", Matches("Account"), soql.Field{Type: "string"}, ""},
		{"match by number", Matches("Account"), soql.Field{Type: "double"}, "Neither points to Account"},
		{"external id", ExternalID, soql.Field{Type: "string", ExternalID: true}, ""},
		{"no external id", ExternalID, soql.Field{Type: "string"}, "Not marked as External ID"},
		{"number as external id", ExternalID, soql.Field{Type: "double", ExternalID: true}, "Not a text"},
		{"synced anyway", Additional("Account"), soql.Field{Name: "industry", Type: "picklist"}, "Synced anyway"},
		{"contact's own", Additional("Contact"), soql.Field{Name: "Department", Type: "string"}, "Synced anyway"},
		{"further", Additional("Account"), soql.Field{Name: "Tier__c", Type: "picklist"}, ""},
		{"further file", Additional("Account"), soql.Field{Name: "Body", Type: "base64"}, "Files are not synced"},
	} {
		if got := c.fit(c.f); (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
