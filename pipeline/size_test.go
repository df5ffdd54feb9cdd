package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/settings"
)

func fieldsOf(uses []pipeline.FieldUse) (out []string) {
	for _, u := range uses {
		out = append(out, strings.TrimSuffix(u.Field+":"+u.Place, ":"))
	}
	return out
}

func TestTrim(t *testing.T) {
	t.Parallel()
	s := settings.Settings{AccountFields: []string{"Tier__c", "Region__c"}}
	accounts, opportunities := pipeline.TrimOf(s)
	if len(accounts.Anyway)+len(accounts.LeftOut)+len(opportunities.Anyway)+len(opportunities.LeftOut) != 0 {
		t.Errorf("empty lists trim %+v %+v", accounts, opportunities)
	}
	if !slices.Equal(accounts.Locked, []string{"Id", "Name", "SystemModstamp"}) || !slices.Contains(opportunities.Locked, "AccountId") {
		t.Errorf("locked: %v %v", accounts.Locked, opportunities.Locked)
	}
	s.Owners.CSM = "CSM__c"
	s.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "ARR__c"}
	s.Advanced.AccountAllowlist = []string{"industry", "Region__c"}
	s.Advanced.OpportunityAllowlist = []string{"Amount"}
	accounts, opportunities = pipeline.TrimOf(s)
	if got := fieldsOf(accounts.Anyway); !slices.Equal(got, []string{"OwnerId:Account Owner", "CSM__c:CSM", "ARR__c:ARR"}) {
		t.Errorf("synced anyway: %v", got)
	}
	if got := fieldsOf(accounts.LeftOut); !slices.Equal(got, []string{"Website", "Type", "Description", "Tier__c:further Account fields"}) {
		t.Errorf("left out: %v", got)
	}
	if got := fieldsOf(opportunities.LeftOut); slices.Contains(got, "Amount") || slices.Contains(got, "Name") || !slices.Contains(got, "StageName") {
		t.Errorf("left out of opportunities: %v", got)
	}
}

func TestSizesAreMeasured(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name != null"}}
	plain, err := pipeline.EstimateSizes(t.Context(), source, s, schema)
	if err != nil {
		t.Fatal(err)
	}
	now, without := plain.Total()
	if now == 0 || now != without || len(plain.Objects) != 3 || plain.Sampled == 0 {
		t.Fatalf("without advanced settings: %d of %d, %+v", now, without, plain)
	}
	if got := plain.Objects[0]; got.Label != "Accounts" || got.Records != int64(org.Count("Account")) {
		t.Errorf("accounts: %+v", got)
	}
	// The sample is small and the values vary, so the estimate is near the truth and not on it.
	var truth int64
	for r := range org.Records("Account") {
		description, _ := r["Description"].(string)
		truth += int64(len(description)) + 3
	}
	i := slices.IndexFunc(plain.Objects[0].Fields, func(f pipeline.FieldSize) bool { return f.Field == "Description" })
	if i < 0 {
		t.Fatalf("no Description in %+v", plain.Objects[0].Fields)
	}
	if got := plain.Objects[0].Fields[i].Bytes; got < truth*7/10 || got > truth*13/10 {
		t.Errorf("the descriptions are estimated at %d bytes and have %d", got, truth)
	}

	s.Advanced = settings.Advanced{
		AccountAllowlist: []string{"Industry", "Tier__c"}, OpportunityAllowlist: []string{"Amount", "NextStep"},
		ContactFields: []settings.FieldMapping{{Field: "Birthdate"}}, ExcludedContact: []string{"Department"},
	}
	trimmed, err := pipeline.EstimateSizes(t.Context(), source, s, schema)
	if err != nil {
		t.Fatal(err)
	}
	if after, before := trimmed.Total(); before != without || after >= before {
		t.Errorf("with advanced settings: %d of %d, %d before", after, before, without)
	}
	for object, want := range map[string]map[string][2]bool{
		"Account":     {"Description": {false, true}, "Industry": {true, true}, "Tier__c": {true, false}, "Id": {true, true}},
		"Contact":     {"Department": {false, true}, "Birthdate": {true, false}, "Email": {true, true}},
		"Opportunity": {"StageName": {false, true}, "Amount": {true, true}, "NextStep": {true, false}},
	} {
		i := slices.IndexFunc(trimmed.Objects, func(o pipeline.ObjectSize) bool { return o.Object == object })
		o := trimmed.Objects[i]
		for name, reads := range want {
			j := slices.IndexFunc(o.Fields, func(f pipeline.FieldSize) bool { return f.Field == name })
			if j < 0 || o.Fields[j].Now != reads[0] || o.Fields[j].Without != reads[1] {
				t.Errorf("%s.%s: %+v", object, name, o.Fields)
			}
		}
		var sum [2]int64
		for _, f := range o.Fields {
			if f.Now {
				sum[0] += f.Bytes
			}
			if f.Without {
				sum[1] += f.Bytes
			}
		}
		if sum != [2]int64{o.Now, o.Without} {
			t.Errorf("%s: the fields make %v of %d and %d", object, sum, o.Now, o.Without)
		}
	}
}
