package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/settings"
)

func typedFilters(customer, prospect, partner string) []settings.Filter {
	return settings.AccountFiltering{Mode: settings.TypedFilters, Customer: customer, Prospect: prospect, Partner: partner}.Filters()
}

// TestOverlaps compares every number with a plain count over the org's accounts.
func TestOverlaps(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	c := &counting{Sampler: source}
	got, err := pipeline.Overlaps(t.Context(), c, typedFilters("Type = 'Customer' OR Rating = 'Hot'", "Rating != NULL", "Region__c = 'EMEA' OR Type = 'Partner'"), schema)
	if err != nil {
		t.Fatal(err)
	}
	var matches, gets [3]int64
	shared := map[string]int64{}
	var total, unmatched int64
	for r := range org.Records("Account") {
		total++
		in := [3]bool{r["Type"] == "Customer" || r["Rating"] == "Hot", r["Rating"] != nil, r["Region__c"] == "EMEA" || r["Type"] == "Partner"}
		first := slices.Index(in[:], true)
		if first < 0 {
			unmatched++
			continue
		}
		gets[first]++
		for i, types := range settings.AccountTypes {
			if !in[i] {
				continue
			}
			matches[i]++
			for j := i + 1; j < 3; j++ {
				if in[j] {
					shared[string(types+settings.AccountTypes[j])]++
				}
			}
		}
		if in[0] && in[1] && in[2] {
			shared["customerprospectpartner"]++
		}
	}
	if got.Total != total || got.Unmatched != unmatched || unmatched == 0 {
		t.Errorf("%d of %d match nothing, want %d of %d", got.Unmatched, got.Total, unmatched, total)
	}
	for i, v := range got.Types {
		if v.Type != settings.AccountTypes[i] || v.Matches != matches[i] || v.Gets != gets[i] || v.Note != "" {
			t.Errorf("%+v, want %d matches and %d gets", v, matches[i], gets[i])
		}
	}
	if len(got.Shared) != 4 || len(got.Shared[3].Types) != 3 {
		t.Fatalf("%+v", got.Shared)
	}
	for _, s := range got.Shared {
		key := ""
		for _, typ := range s.Types {
			key += string(typ)
		}
		if s.Count != shared[key] || s.Count == 0 || s.Winner != s.Types[0] {
			t.Errorf("%+v, want %d", s, shared[key])
		}
	}
	if len(c.calls) != 8 {
		t.Errorf("%d counts", len(c.calls))
	}
}

// TestOverlapsThatCannotBeAsked tells which numbers are unknown and why, and leaves out what follows without asking.
func TestOverlapsThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	all := int64(org.Count("Account"))
	overlaps := func(s pipeline.Sampler, filters []settings.Filter) pipeline.OverlapView {
		t.Helper()
		v, err := pipeline.Overlaps(t.Context(), s, filters, schema)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const contacts, deals, noCases = "Id IN (SELECT AccountId FROM Contact)", "Id IN (SELECT AccountId FROM Opportunity)", "Id NOT IN (SELECT AccountId FROM Case)"
	v := overlaps(source, typedFilters(contacts, deals, noCases))
	if v.Shared[0].Count < 0 || v.Shared[3].Count != pipeline.Unknown || !strings.Contains(v.Shared[3].Note, "no query for Customer and Prospect and Partner together: A query may hold at most two") {
		t.Errorf("%+v", v.Shared)
	}
	if v.Types[1].Gets < 0 || v.Types[2].Gets != pipeline.Unknown || v.Types[2].Note == "" || v.Types[2].Matches < 0 || v.Unmatched != pipeline.Unknown || v.Total != all {
		t.Errorf("%+v", v)
	}
	v = overlaps(source, typedFilters("Nope__c = 1", "Name != NULL", ""))
	if len(v.Types) != 2 || v.Types[0].Matches != pipeline.Unknown || !strings.Contains(v.Types[0].Note, "Salesforce cannot count Customer") || v.Types[1].Matches != all || v.Types[1].Gets != pipeline.Unknown {
		t.Errorf("%+v", v)
	}
	c := &counting{Sampler: source}
	v = overlaps(c, typedFilters("Name = 'nobody has this name'", contacts, deals))
	if v.Shared[0].Count != 0 || v.Shared[3].Count != 0 || len(c.calls) != 5 || v.Unmatched < 0 {
		t.Errorf("%d counts: %+v", len(c.calls), v)
	}
	one := settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name != NULL"}.Filters()
	if v = overlaps(source, one); v.Unmatched != 0 || len(v.Types) != 1 || v.Types[0].Gets != all || v.Shared != nil {
		t.Errorf("%+v", v)
	}
	if v = overlaps(source, nil); v.Unmatched != all || v.Types != nil {
		t.Errorf("%+v", v)
	}
	org.SetAPILimit(100, 100)
	if _, err := pipeline.Overlaps(t.Context(), source, one, schema); pipeline.KindOf(err) != pipeline.DailyLimit {
		t.Errorf("at the daily limit: %v", err)
	}
}
