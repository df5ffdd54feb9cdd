package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/settings"
)

func TestParseRecordRef(t *testing.T) {
	t.Parallel()
	const id, short, contact = "001D000000IRFmaIAH", "001D000000IRFma", "003q000000KvQ1tAAF"
	for text, want := range map[string]pipeline.RecordRef{
		" " + id + "\n":    {ID: id},
		`"` + short + `"`:  {ID: short},
		contact:            {ID: contact},
		"AcmeCorporation":  {Name: "AcmeCorporation"}, // fifteen letters
		"Acme A/S":         {Name: "Acme A/S"},
		"O'Brien & Sons":   {Name: "O'Brien & Sons"},
		"Booking.com B.V.": {Name: "Booking.com B.V."},
		"https://acme.lightning.force.com/lightning/r/Account/" + id + "/view":                 {ID: id},
		"acme.my.salesforce.com/lightning/r/" + id + "/view?ws=%2Flightning":                   {ID: id},
		"https://eu1.salesforce.com/" + short:                                                  {ID: short},
		"https://eu1.salesforce.com/" + short + "?srPos=0&srKp=001":                            {ID: short},
		"https://acme.my.salesforce.com/apex/page?id=" + id:                                    {ID: id},
		"https://acme.lightning.force.com/one/one.app#/sObject/" + id + "/view":                {ID: id},
		"https://acme.lightning.force.com/lightning/r/Contact/" + contact + "/view":            {ID: contact},
		"https://acme.lightning.force.com/lightning/r/" + contact + "/related/" + id + "/view": {ID: id},
	} {
		if got, problem := pipeline.ParseRecordRef(text); got != want || problem != "" {
			t.Errorf("%s is read as %+v %s", text, got, problem)
		}
	}
	for text, want := range map[string]string{
		"  ":                 "Write the name",
		"001d000000IRFmaIAH": "do not fit the others",
		"https://acme.lightning.force.com/lightning/o/Account/list": "holds no record id",
	} {
		if got, problem := pipeline.ParseRecordRef(text); got != (pipeline.RecordRef{}) || !strings.Contains(problem, want) {
			t.Errorf("%s is read as %+v %s", text, got, problem)
		}
	}
}

// counting counts the calls of a source.
type counting struct {
	pipeline.Sampler
	mu    sync.Mutex
	calls []string
}

func (c *counting) note(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, query)
}

func (c *counting) Count(ctx context.Context, query string) (int64, error) {
	c.note(query)
	return c.Sampler.Count(ctx, query)
}

func (c *counting) Rows(ctx context.Context, query string) (*pipeline.Rows, error) {
	c.note(query)
	return c.Sampler.Rows(ctx, query)
}

func single(filter string) settings.Settings {
	return settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: filter}}
}

// explain asks and fails the test when the org does not answer.
func explain(t *testing.T, source pipeline.Sampler, text string, s settings.Settings, schema soql.Schema) pipeline.Explanation {
	t.Helper()
	e, err := pipeline.Explain(t.Context(), source, text, s, schema)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExplainAgreesWithTheOrg holds the verdict of every clause for many accounts against what the org selects by that clause alone.
func TestExplainAgreesWithTheOrg(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	typed := settings.Settings{Accounts: settings.AccountFiltering{
		Mode:     settings.TypedFilters,
		Customer: "Type = 'Customer' AND (ARR__c > 50000 OR Owner.Name LIKE 'A%' OR Tier__c = NULL) AND (NOT Industry LIKE '%a%')",
		Prospect: "(Id IN (SELECT AccountId FROM Contact WHERE Email != NULL) AND Rating = 'Hot') OR account.type = 'Prospect'",
		Partner:  "Id NOT IN (SELECT AccountId FROM Opportunity) AND Tags__c EXCLUDES ('Champion')",
	}}
	members := map[string]map[string]bool{}
	selects := func(where, id string) bool {
		if members[where] == nil {
			rows, err := org.Eval("SELECT Id FROM Account WHERE " + where)
			if err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			members[where] = map[string]bool{}
			for _, r := range rows {
				members[where][r["Id"].(string)] = true
			}
		}
		return members[where][id]
	}
	seen := map[pipeline.Verdict]int{}
	n := 0
	for record := range org.Records("Account") {
		if n++; n > 40 {
			break
		}
		id := record["Id"].(string)
		c := &counting{Sampler: source}
		e := explain(t, c, id, typed, schema)
		if e.State != pipeline.Explained || e.Account.ID != id || len(e.Filters) != 3 {
			t.Fatalf("%+v", e)
		}
		if len(c.calls) > 15 { // the record and, at worst, each clause
			t.Errorf("%d calls:\n%s", len(c.calls), strings.Join(c.calls, "\n"))
		}
		var first settings.AccountType
		for _, f := range e.Filters {
			for _, clause := range f.Clauses {
				seen[clause.Verdict]++
				if clause.Join == soql.Any && len(soql.JoinedObjects(clause.Expr)) > 0 {
					continue // the parts of it are checked
				}
				if (clause.Verdict == pipeline.Passes) != selects(clause.Text, id) || clause.Verdict == pipeline.Undecided {
					t.Errorf("%s: %s %s %s", id, clause.Text, clause.Verdict, clause.Problem)
				}
			}
			if f.Verdict == pipeline.Passes && first == "" {
				first = f.Filter.Type
			}
			if f.Wins != (f.Verdict == pipeline.Passes && first == f.Filter.Type) {
				t.Errorf("%s: %s wins: %v", id, f.Filter.Type, f.Wins)
			}
		}
		if e.Type != first || e.Message == "" {
			t.Errorf("%s gets %q, want %q: %s", id, e.Type, first, e.Message)
		}
	}
	if seen[pipeline.Passes] < 100 || seen[pipeline.Fails] < 100 {
		t.Errorf("verdicts: %v", seen)
	}
}

// TestExplainValues shows the values behind the verdicts, and asks no more than it must.
func TestExplainValues(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	id, err := org.Insert("Account", map[string]any{"Name": "Quiet Harbour", "Type": "Customer", "ARR__c": 1250.5, "Is_Reference__c": true})
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{Sampler: source}
	e := explain(t, c, "https://x.lightning.force.com/lightning/r/Account/"+id+"/view",
		single("Type = 'Customer'  AND (arr__c > 5000 OR Industry = 'Banking' OR Is_Reference__c = FALSE) AND Owner.Name != NULL"), schema)
	var got []string
	for _, v := range e.Filters[0].Clauses {
		line := strings.Repeat(" ", v.Depth) + v.Typed + " " + string(v.Verdict)
		for _, value := range v.Values {
			line += fmt.Sprintf(" [%s %s %q %v]", value.Path, value.Label, value.Value, value.Empty)
		}
		got = append(got, line)
	}
	owner := org.Record(org.Credentials().UserID)["Name"]
	want := []string{
		"Type = 'Customer'  AND (arr__c > 5000 OR Industry = 'Banking' OR Is_Reference__c = FALSE) AND Owner.Name != NULL fails",
		` Type = 'Customer' passes [Type Account Type "Customer" false]`,
		" arr__c > 5000 OR Industry = 'Banking' OR Is_Reference__c = FALSE fails",
		`  arr__c > 5000 fails [ARR__c ARR "1250.5" false]`,
		`  Industry = 'Banking' fails [Industry Industry "" true]`,
		`  Is_Reference__c = FALSE fails [Is_Reference__c Reference Customer "true" false]`,
		fmt.Sprintf(` Owner.Name != NULL passes [Owner.Name Full Name %q false]`, owner),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// The record, the filter, and its three clauses; that none of the OR's branches passes follows from the OR.
	if len(c.calls) != 5 {
		t.Errorf("%d calls:\n%s", len(c.calls), strings.Join(c.calls, "\n"))
	}
	if e.Type != "" || e.Message != "The account does not match the filter, so it is not synced." {
		t.Errorf("%q %s", e.Type, e.Message)
	}
}

// TestExplainRefs finds accounts by name, id and contact, and says what it cannot find.
func TestExplainRefs(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	schema := schemaOf(t, source)
	insert := func(object string, fields map[string]any) string {
		id, err := org.Insert(object, fields)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	a := insert("Account", map[string]any{"Name": "Zebra 100%", "Type": "Customer"})
	b := insert("Account", map[string]any{"Name": "Zebra 100% North"})
	insert("Account", map[string]any{"Name": "Zebra 1000"})
	gone := insert("Account", map[string]any{"Name": "Gone"})
	if err := org.Delete("Account", gone); err != nil {
		t.Fatal(err)
	}
	silent := insert("Contact", map[string]any{"LastName": "Silent", "AccountId": a})
	loose := insert("Contact", map[string]any{"LastName": "Loose", "Email": "loose@example.com"})
	deal := insert("Opportunity", map[string]any{"Name": "Big deal", "AccountId": a, "StageName": "Prospecting", "CloseDate": "2030-01-01"})
	ticket := insert("Case", map[string]any{"Subject": "Help", "AccountId": a})
	for _, email := range []string{"one@example.com", "two@example.com", "three@example.com"} {
		insert("Contact", map[string]any{"LastName": "Twin", "Email": email, "AccountId": a})
	}
	filter := single("Type = 'Customer'")
	for _, c := range []struct {
		text    string
		state   pipeline.ExplanationState
		account string
		message string
	}{
		{"zebra 100%", pipeline.Explained, a, "the next run syncs it"},
		{"100% north", pipeline.Explained, b, "does not match the filter"},
		{a[:15], pipeline.Explained, a, "the next run syncs it"},
		{"Zebra", pipeline.SeveralAccounts, "", "Choose one"},
		{"No such account", pipeline.NotVisible, "", "whose name contains “No such account”"},
		{gone, pipeline.NotVisible, "", "was deleted in Salesforce"},
		{deal, pipeline.Explained, a, "The account matches the filter"},
		{"Big deal", pipeline.Explained, a, "The account matches the filter"},
		{"Silent", pipeline.Explained, a, "The contact has no Email"},
		{ticket, pipeline.Explained, a, "Support cases are switched off in the settings."},
		{"Twin", pipeline.SeveralAccounts, "", "No account goes by “Twin”, but these records do"},
		{"0035g00000000ZZAAY"[:15], pipeline.NotVisible, "", "sees no contact of this id"},
		{silent, pipeline.Explained, a, "The contact has no Email; such contacts are not synced. Its account: The account matches the filter"},
		{loose, pipeline.Explained, "", "belongs to no account"},
		{org.Credentials().UserID, pipeline.RefUnreadable, "", "another kind of record"},
		{"", pipeline.RefUnreadable, "", "Write the name"},
	} {
		e := explain(t, source, c.text, filter, schema)
		if e.State != c.state || e.Account.ID != c.account || !strings.Contains(e.Message, c.message) {
			t.Errorf("%q: %+v", c.text, e)
		}
		if c.state == pipeline.SeveralAccounts && len(e.Candidates) != 3 {
			t.Errorf("%q: candidates %+v", c.text, e.Candidates)
		}
	}
	narrow := filter
	narrow.Cases = settings.Cases{Enabled: true, LookbackDays: 30, Filter: "Subject = 'Other'"}
	if e := explain(t, source, ticket, narrow, schema); e.Child == nil || len(e.Child.Problems) != 1 || !strings.Contains(e.Message, "does not match the case filter") {
		t.Errorf("%+v %+v", e, e.Child)
	}
	narrow.Cases.Filter = "Subject = 'Help'"
	if e := explain(t, source, ticket, narrow, schema); e.Child == nil || len(e.Child.Problems) != 0 || !strings.Contains(e.Message, "The account matches") {
		t.Errorf("%+v %+v", e, e.Child)
	}
	if e := explain(t, source, silent, filter, schema); e.Child == nil || !e.Child.MissingEmail || e.Child.AccountID != a || e.Child.Name != "Silent" {
		t.Errorf("%+v", e.Child)
	}
}

// TestCandidatesShowLabels shows the type and industry of accounts to choose from as their pages do, also once a value is called otherwise.
func TestCandidatesShowLabels(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	for _, name := range []string{"Quagga North", "Quagga South"} {
		if _, err := org.Insert("Account", map[string]any{"Name": name, "Type": "Customer", "Industry": "Energy"}); err != nil {
			t.Fatal(err)
		}
	}
	schema := schemaOf(t, source)
	for _, e := range explain(t, source, "Quagga", single("Type = 'Customer'"), schema).Candidates {
		if e.Type != "Customer" || e.Industry != "Energy" {
			t.Errorf("before: %+v", e)
		}
	}
	for field, to := range map[string][2]string{"Type": {"Customer", "Client"}, "Industry": {"Energy", "Power & light"}} {
		if err := org.RelabelValue("Account", field, to[0], to[1]); err != nil {
			t.Fatal(err)
		}
	}
	found := explain(t, source, "Quagga", single("Type = 'Customer'"), schemaOf(t, source)).Candidates
	if len(found) != 2 {
		t.Fatalf("candidates %+v", found)
	}
	for _, e := range found {
		if e.Type != "Client" || e.Industry != "Power & light" {
			t.Errorf("after: %+v", e)
		}
	}
}

// TestExplainBrokenFilter goes on with the other filters when one can no longer be asked, and makes no claim that it cannot.
func TestExplainBrokenFilter(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	id, err := org.Insert("Account", map[string]any{"Name": "Quiet Harbour", "Type": "Partner"})
	if err != nil {
		t.Fatal(err)
	}
	typed := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Tier__c = 'Gold' AND Type = 'Customer'", Prospect: "Type = ", Partner: "Type = 'Partner'"}}
	if err := org.DropField("Account", "Tier__c"); err != nil {
		t.Fatal(err)
	}
	e := explain(t, source, id, typed, schemaOf(t, source))
	customer, prospect, partner := e.Filters[0], e.Filters[1], e.Filters[2]
	// Salesforce refuses the filter of Customer as a whole, as it would in a run; the clause that can be asked still has its verdict.
	if customer.Verdict != pipeline.Undecided || !strings.Contains(customer.Problem, "Tier__c") || customer.Clauses[1].Verdict != pipeline.Undecided || !strings.Contains(customer.Clauses[1].Problem, "Tier__c") ||
		customer.Clauses[1].Values[0].Unknown == "" || customer.Clauses[2].Verdict != pipeline.Fails {
		t.Errorf("%+v", customer)
	}
	if prospect.Verdict != pipeline.Undecided || prospect.Problem == "" || partner.Verdict != pipeline.Passes {
		t.Errorf("%+v %+v", prospect, partner)
	}
	if e.Type != "" || !strings.Contains(e.Message, "cannot be told, because of the filter of Customer") {
		t.Errorf("%q %s", e.Type, e.Message)
	}
}
