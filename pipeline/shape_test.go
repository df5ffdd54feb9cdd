package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/settings"
)

// planned returns the names of a plan's steps, and the steps by name.
func planned(t *testing.T, p pipeline.Plan, err error) (string, map[string]pipeline.Step) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	steps := map[string]pipeline.Step{}
	for _, s := range p.Steps {
		names = append(names, s.Name)
		steps[s.Name] = s
	}
	return strings.Join(names, " "), steps
}

// TestPlanOfEachEntity plans what each entity consists of, and nothing that is switched off.
func TestPlanOfEachEntity(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	org.SetMultiCurrency(true)
	all := single("Type = 'Customer'")
	all.ARR = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Opportunity", Link: "AccountId", Value: "Amount", Combine: settings.Sum, Filter: "IsWon = true OR Probability > 90"}
	all.Renewal = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "End_Date__c", Combine: settings.Latest, LatestBy: "CreatedDate"}
	schema, err := source.Schema(t.Context(), true, pipeline.ObjectsOf(all)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Subscription__c", "CurrencyType", "Account"} {
		if !slices.Contains(pipeline.ObjectsOf(all), name) {
			t.Errorf("%s is not among %v", name, pipeline.ObjectsOf(all))
		}
	}
	for entity, want := range map[pipeline.Entity]string{
		pipeline.EntityAll:      "users accounts:customer currencies arr renewal contacts opportunities",
		pipeline.EntityAccounts: "users accounts:customer currencies arr renewal opportunities",
		pipeline.EntityContacts: "contacts",
		pipeline.EntityChatter:  "",
	} {
		plan, err := pipeline.MakePlan(all, schema, entity)
		got, steps := planned(t, plan, err)
		if got != want {
			t.Errorf("%s: got %s, want %s", entity, got, want)
		}
		for _, s := range steps {
			if _, err := source.Rows(t.Context(), s.Query); err != nil {
				t.Errorf("%s: the org refuses %s: %v", s.Name, s.Query, err)
			}
			if n, err := source.Count(t.Context(), s.CountQuery); err != nil || n == 0 {
				t.Errorf("%s: %d records by %s: %v", s.Name, n, s.CountQuery, err)
			}
		}
		if arr, ok := steps["arr"]; ok && (!strings.Contains(arr.Query, "(IsWon = true OR Probability > 90) AND AccountId != NULL") || !arr.Calculation.Rates || steps["renewal"].Calculation.Rates) {
			t.Errorf("%s, %+v", arr.Query, arr.Calculation)
		}
	}
	all.Sync.Accounts.Off = true
	plan, err := pipeline.MakePlan(all, schema, pipeline.EntityAll)
	if got, _ := planned(t, plan, err); got != "contacts" {
		t.Errorf("without accounts: %s", got)
	}
	all.Sync.Contacts.Off = true
	for _, entity := range []pipeline.Entity{pipeline.EntityAll, pipeline.EntityContacts} {
		plan, err := pipeline.MakePlan(all, schema, entity)
		if got, _ := planned(t, plan, err); got != "" {
			t.Errorf("%s without accounts and contacts: %s", entity, got)
		}
	}
}

// TestShapeOfTables turns settings into columns: of further fields, of what is left out, and of owners.
func TestShapeOfTables(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	org.HideField("Account", "Usage__c")
	all := single("Type = 'Customer'")
	all.AccountFields = []string{"tier__c", "Health_Score__c", "Is_Reference__c", "Onboarded_At__c", "ParentId", "Industry", "BillingAddress", "Usage__c", "Tier__c"}
	all.Owners.CSM = "CSM__c"
	all.Renewal = settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"}
	all.Advanced.ExcludedContact = []string{"phone"}
	all.Advanced.ContactFields = []settings.FieldMapping{{Field: "MailingCity", Name: "city"}}
	plan, err := pipeline.MakePlan(all, schemaOf(t, source), pipeline.EntityAll)
	_, steps := planned(t, plan, err)
	table := steps["accounts:customer"].Table
	want := []pipeline.Column{{Field: "Tier__c", Name: "Tier__c"}, {Field: "Health_Score__c", Name: "Health_Score__c", Kind: pipeline.Number},
		{Field: "Is_Reference__c", Name: "Is_Reference__c", Kind: pipeline.Bool}, {Field: "Onboarded_At__c", Name: "Onboarded_At__c", Kind: pipeline.DateTime},
		{Field: "ParentId", Name: "ParentId", Kind: pipeline.ID}, {Field: "Usage__c", Name: "Usage__c"}}
	if !slices.Equal(table.Extra, want) {
		t.Errorf("further fields: %+v", table.Extra)
	}
	if !slices.Equal(table.Cleared, []string{"sales_rep_id", "support_owner_id", "tam_id", "success_manager_id", "arr", "arr_currency"}) {
		t.Errorf("left out: %v", table.Cleared)
	}
	for _, c := range []pipeline.Column{{Field: "OwnerId", Name: "owner_id", Kind: pipeline.ID}, {Field: "CSM__c", Name: "csm_id", Kind: pipeline.ID}, {Field: "Renewal_Date__c", Name: "renewal_date", Kind: pipeline.Date}} {
		if !slices.Contains(table.Columns, c) {
			t.Errorf("%+v is not among %+v", c, table.Columns)
		}
	}
	note := steps["accounts:customer"].Note
	if !strings.Contains(note, "cannot read them: Usage__c.") || !strings.Contains(note, "cannot be synced: BillingAddress (address).") {
		t.Errorf("the note says %q", note)
	}
	contacts := steps["contacts"]
	if !slices.Equal(contacts.Table.Cleared, []string{"phone"}) || !slices.Equal(contacts.Table.Extra, []pipeline.Column{{Field: "MailingCity", Name: "city"}}) || strings.Contains(contacts.Query, "Phone") {
		t.Errorf("%+v %s", contacts.Table, contacts.Query)
	}
}
