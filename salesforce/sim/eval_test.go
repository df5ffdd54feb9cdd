package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// noon is the clock of the evaluator's tests: a Wednesday, 12:00 in Los Angeles.
var noon = time.Date(2026, 5, 13, 19, 0, 0, 0, time.UTC)

// newOrg makes an org without generated accounts.
func newOrg(t *testing.T, opt sim.Options) *sim.Org {
	t.Helper()
	if opt.Accounts == 0 {
		opt.Accounts = -1
	}
	if opt.Now == nil {
		opt.Now = func() time.Time { return noon }
	}
	org, err := sim.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return org
}

func insert(t *testing.T, org *sim.Org, object string, fields map[string]any) string {
	t.Helper()
	id, err := org.Insert(object, fields)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

type row = map[string]any

// TestWhere queries five accounts by every kind of condition and expects their names.
func TestWhere(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{})
	a := insert(t, org, "Account", row{"Name": "Alpha", "Type": "Customer", "ARR__c": 100.5, "Tags__c": "Champion;At Risk", "Renewal_Date__c": "2026-05-13", "Is_Reference__c": true,
		"Onboarded_At__c": "2026-05-13T06:59:59Z", "NumberOfEmployees": 10})
	insert(t, org, "Account", row{"Name": "beta_b", "Type": "Prospect", "ARR__c": 20, "Tags__c": "Champion", "Renewal_Date__c": "2026-05-12", "ParentId": a, "Onboarded_At__c": "2026-05-13T07:00:00Z"})
	insert(t, org, "Account", row{"Name": "Gamma's 100%", "Type": "customer", "ARR__c": -3, "Renewal_Date__c": "2025-12-31", "ParentId": a, "Onboarded_At__c": "2026-05-14T06:59:59Z"})
	insert(t, org, "Account", row{"Name": "Ärger", "Renewal_Date__c": "2026-06-30", "Onboarded_At__c": "2026-05-14T07:00:00Z"})
	insert(t, org, "Account", row{"Name": "東京", "Type": "Partner", "ARR__c": 100.50, "Tags__c": "Beta Tester;At Risk;Champion"})
	insert(t, org, "Contact", row{"LastName": "One", "AccountId": a, "Email": "one@example.com"})
	const alpha, beta, gamma, anger, tokyo = "Alpha", "beta_b", "Gamma's 100%", "Ärger", "東京"
	for where, want := range map[string][]string{
		"Name = 'ALPHA'":                      {alpha},
		"Name = 'ärger'":                      {anger},
		"Name != 'alpha'":                     {beta, gamma, anger, tokyo},
		"Type = 'CUSTOMER'":                   {alpha, gamma},
		"Type != 'Customer'":                  {beta, anger, tokyo}, // null is not Customer
		"Type = null":                         {anger},
		"Type = ''":                           {anger},
		"Type != null":                        {alpha, beta, gamma, tokyo},
		"Type NOT IN ('Customer', 'Partner')": {beta, anger},
		"Type IN ('partner', null)":           {anger, tokyo},
		"(NOT Type = 'Customer')":             {beta, anger, tokyo},
		"ARR__c = 100.50":                     {alpha, tokyo},
		"ARR__c < 50":                         {beta, gamma}, // null is never less
		"ARR__c >= -3 AND ARR__c <= 20":       {beta, gamma},
		"Name LIKE 'a%'":                      {alpha},
		"Name LIKE '_e%'":                     {beta},
		"Name LIKE '%\\%'":                    {gamma},
		"Name LIKE '%\\_b'":                   {beta},
		"Name LIKE '_京'":                      {tokyo},
		"Name = 'Gamma\\'s 100%'":             {gamma},
		"Name = 'beta\\\\_b'":                 nil, // a backslash and _, not an escape
		"Name IN ('beta_b', 'Alpha\\\\%')":    {beta},
		"Tags__c INCLUDES ('Champion\\\\_')":  nil,
		"Name = 'Ärger' OR (Type = 'Customer' AND Id IN (SELECT AccountId FROM Contact))":     {alpha, anger},
		"Name = 'Ärger' OR (Type = 'Customer' AND Id NOT IN (SELECT AccountId FROM Contact))": {gamma, anger},
		"Tags__c INCLUDES ('Champion;At Risk')":                                               {alpha, tokyo},
		"Tags__c INCLUDES ('Beta Tester','At Risk')":                                          {alpha, tokyo},
		"Tags__c EXCLUDES ('At Risk')":                                                        {beta, gamma, anger},
		"Tags__c = 'At Risk;Champion'":                                                        {alpha},
		"Is_Reference__c = true":                                                              {alpha},
		"Is_Reference__c != true":                                                             {beta, gamma, anger, tokyo},
		"Parent.Name = 'Alpha'":                                                               {beta, gamma},
		"Parent.Type != 'Customer'":                                                           {alpha, anger, tokyo}, // no parent is no customer either
		"Parent.Name = null":                                                                  {alpha, anger, tokyo},
		"Parent.Name = 'x' OR Name = 'Alpha'":                                                 {alpha},
		"Renewal_Date__c = TODAY":                                                             {alpha},
		"Renewal_Date__c < TODAY":                                                             {beta, gamma},
		"Renewal_Date__c = YESTERDAY":                                                         {beta},
		"Renewal_Date__c = THIS_WEEK":                                                         {alpha, beta},
		"Renewal_Date__c = LAST_N_DAYS:1":                                                     {alpha, beta},
		"Renewal_Date__c = LAST_YEAR":                                                         {gamma},
		"Renewal_Date__c = THIS_QUARTER":                                                      {alpha, beta, anger},
		"Renewal_Date__c > THIS_MONTH":                                                        {anger},
		"Renewal_Date__c = NEXT_N_MONTHS:1":                                                   {anger},
		"Renewal_Date__c = N_QUARTERS_AGO:2":                                                  {gamma},
		"Renewal_Date__c = 2026-05-13":                                                        {alpha},
		"CALENDAR_YEAR(Renewal_Date__c) = 2025":                                               {gamma},
		"Onboarded_At__c = TODAY":                                                             {beta, gamma}, // the running user's day, not UTC's
		"Onboarded_At__c < TODAY":                                                             {alpha},
		"Onboarded_At__c >= 2026-05-14T00:00:00-07:00":                                        {anger},
		"HOUR_IN_DAY(convertTimezone(Onboarded_At__c)) = 0":                                   {beta, anger},
		"Id IN (SELECT AccountId FROM Contact WHERE Email LIKE 'one@%')":                      {alpha},
		"Id NOT IN (SELECT AccountId FROM Contact)":                                           {beta, gamma, anger, tokyo},
		fmt.Sprintf("Id = '%s'", a):                                                           {alpha},
		fmt.Sprintf("Id = '%s'", a[:15]):                                                      {alpha},
		fmt.Sprintf("ParentId IN ('%s')", a):                                                  {beta, gamma},
		"Id = '001000000000001AAA'":                                                           nil,
		"DISTANCE(BillingAddress, GEOLOCATION(1, 1), 'km') < 10":                              nil,
	} {
		rows, err := org.Eval("SELECT Name FROM Account WHERE " + where)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		var got []string
		for _, r := range rows {
			got = append(got, r["Name"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", where, got, want)
		}
	}
}

// TestSelect covers what is not a condition: order, paging, aggregates, subqueries, functions.
func TestSelect(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{})
	a := insert(t, org, "Account", row{"Name": "A", "Type": "Customer", "ARR__c": 10, "Tier__c": "SMB"})
	b := insert(t, org, "Account", row{"Name": "B", "Type": "Customer", "ARR__c": 1234567.891})
	insert(t, org, "Account", row{"Name": "C", "Type": "Prospect"})
	for i, acc := range []string{a, a, b} {
		insert(t, org, "Contact", row{"LastName": fmt.Sprint("L", i), "AccountId": acc})
	}
	for query, want := range map[string]string{
		"SELECT Name FROM Account ORDER BY ARR__c":                                                               "[map[Name:C] map[Name:A] map[Name:B]]",
		"SELECT Name FROM Account ORDER BY ARR__c DESC":                                                          "[map[Name:B] map[Name:A] map[Name:C]]",
		"SELECT Name FROM Account ORDER BY ARR__c DESC NULLS FIRST LIMIT 1":                                      "[map[Name:C]]",
		"SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 1":                                                "[map[Name:B]]",
		"SELECT COUNT() FROM Account WHERE Type = 'Customer'":                                                    "[map[expr0:2]]",
		"SELECT Type, COUNT(Id) n, SUM(ARR__c) FROM Account GROUP BY Type ORDER BY Type":                         "[map[Type:Customer expr0:1.23457789e+06 n:2] map[Type:Prospect expr0:<nil> n:1]]",
		"SELECT Type FROM Account GROUP BY Type HAVING COUNT(Id) > 1":                                            "[map[Type:Customer]]",
		"SELECT MAX(ARR__c) m, AVG(ARR__c) a FROM Account WHERE Name = 'A'":                                      "[map[a:10 m:10]]",
		"SELECT COUNT_DISTINCT(Type) FROM Account":                                                               "[map[expr0:2]]",
		"SELECT Type, COUNT(Id) n FROM Account GROUP BY ROLLUP(Type) ORDER BY COUNT(Id)":                         "[map[Type:Prospect n:1] map[Type:Customer n:2] map[Type:<nil> n:3]]",
		"SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC LIMIT 1) FROM Account ORDER BY Name": "[map[Contacts:[map[LastName:L1]] Name:A] map[Contacts:[map[LastName:L2]] Name:B] map[Contacts:[] Name:C]]",
		"SELECT LastName, Account.Name, Account.Owner.FirstName FROM Contact LIMIT 1":                            "[map[Account:map[Name:A Owner:map[FirstName:Integration]] LastName:L0]]",
		"SELECT toLabel(Tier__c) FROM Account WHERE Name = 'A'":                                                  "[map[Tier__c:Small & Medium Business]]",
		"SELECT FORMAT(ARR__c) f FROM Account WHERE Name = 'B'":                                                  "[map[f:$1,234,567.89]]",
		"SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Account GROUP BY CALENDAR_YEAR(CreatedDate)":        "[map[expr0:3 y:2026]]",
	} {
		rows, err := org.Eval(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := fmt.Sprint(rows); got != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
}

// TestPolymorphic reads owners of several types.
func TestPolymorphic(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 30})
	rows, err := org.Eval("SELECT What.Name, What.Type, TYPEOF What WHEN Account THEN Website WHEN Opportunity THEN StageName ELSE Name END FROM Task WHERE What.Type = 'Opportunity' LIMIT 3")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 {
		t.Fatalf("%d tasks of opportunities", len(rows))
	}
	for _, r := range rows {
		what := r["What"].(row)
		if what["StageName"] == nil {
			t.Errorf("TYPEOF gave %v", what)
		}
	}
}

// TestQueryErrors expects the API's code, place and words.
func TestQueryErrors(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 5})
	for query, want := range map[string]string{
		"SELECT Id, FROM Account":                                            "MALFORMED_QUERY: \nSELECT Id, FROM Account\n           ^\nERROR at Row:1:Column:12\nunexpected token: 'FROM'",
		"SELECT Id,Invalid__x FROM Contact LIMIT 1":                          "INVALID_FIELD: \nSELECT Id,Invalid__x FROM Contact LIMIT 1\n          ^\nERROR at Row:1:Column:11\nNo such column 'Invalid__x' on entity 'Contact'.",
		"SELECT Id, Name FROM Nope__c":                                       "INVALID_TYPE: \nSELECT Id, Name FROM Nope__c\n                     ^\nERROR at Row:1:Column:22\nsObject type 'Nope__c' is not supported.",
		"SELECT Id FROM Account WHERE Foo.Name = 'x'":                        "INVALID_FIELD: \nSELECT Id FROM Account WHERE Foo.Name = 'x'\n                             ^\nERROR at Row:1:Column:30\nDidn't understand relationship 'Foo' in field path.",
		"SELECT Id FROM Account WHERE Description = 'x'":                     "field 'Description' can not be filtered in a query call",
		"SELECT Id FROM Account WHERE Name = 5":                              "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
		"SELECT Id FROM Account WHERE OwnerId LIKE 'x%'":                     "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Account WHERE Id = 'foo'":                            "invalid ID field: foo",
		"SELECT Id, Id FROM Account":                                         "duplicate field selected: Id",
		"SELECT Name, COUNT(Id) FROM Account":                                "Field must be grouped or aggregated: Name",
		"SELECT FIELDS(ALL) FROM Account":                                    "The SOQL FIELDS function must have a LIMIT of at most 200",
		"SELECT Id FROM Account OFFSET 2001":                                 "NUMBER_OUTSIDE_VALID_RANGE",
		"SELECT Id FROM ContentDocumentLink":                                 "Implementation restriction: ContentDocumentLink requires a filter",
		"SELECT Id FROM Opportunity WHERE Contact.Name = 'x'":                "Didn't understand relationship 'Contact'",
		"SELECT Id FROM ScratchOrgInfo":                                      "INVALID_TYPE",
		"SELECT Id FROM Account WHERE BillingAddress = 'x'":                  "INVALID_FIELD",
		"SELECT Id FROM Account WHERE Name = 'x' OR Id = null AND Id = null": "unexpected token: 'AND'",
	} {
		_, err := org.Eval(query)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", query, err, want)
		}
	}
}
