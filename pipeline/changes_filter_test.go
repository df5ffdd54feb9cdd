package pipeline

import (
	"testing"

	"millrace/salesforce/soql"
)

// TestSilentFields knows the fields whose values change without the record: they are refreshed by themselves, and a filter on one has everything read.
func TestSilentFields(t *testing.T) {
	t.Parallel()
	object := &soql.Object{Name: "Opportunity"}
	for name, want := range map[string]bool{
		"StageName": false, "LastActivityDate": false, "Score__c": true, "LastViewedDate": true, "IsLocked": true, "AgeInDays": true, "LastActivityInDays": true, "LastStageChangeInDays": true,
		"HasOverdueTask": true, "HasOpenActivity": true,
	} {
		f := soql.Field{Name: name, Label: name, Type: "string", Filterable: true, Calculated: name == "Score__c"}
		object.Fields = append(object.Fields, f)
		if silent(&f) != want {
			t.Errorf("%s: silent is %t", name, !want)
		}
		if why := unsteady(name+" = 'x'", object); (why != "") != want {
			t.Errorf("a filter on %s: %q", name, why)
		}
	}
}
