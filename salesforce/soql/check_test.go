package soql

import (
	"strings"
	"testing"
)

// TestCheckFilter names for each filter what its findings must say, one part after another; none means that the filter is right.
func TestCheckFilter(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string][]string{
		"Type = 'Customer'": nil,
		"account.type = 'Customer' AND OWNER.name LIKE 'A%'":   nil,
		"Parent.Parent.Parent.Parent.Parent.Name = 'x'":        nil,
		"Parent.Parent.Parent.Parent.Parent.Parent.Name = 'x'": {"at most five relationships; this one follows 6"},
		"ARR__c > 5":               {"ARR__c is not on Account. Did you mean Annual_Revenue_ARR__c (ARR)?"},
		"Nmae = 'x'":               {"Did you mean Name?"},
		"Employees > 5":            {"Did you mean NumberOfEmployees (Employees)?"},
		"StageName = 'x'":          {"That field is on Opportunity: use Id IN (SELECT AccountId FROM Opportunity WHERE StageName = …)."},
		"Username = 'x'":           {"That field is on User: write Owner.Username."},
		"Owner = 'x'":              {"It is a relationship"},
		"Contacts = 'x'":           {"Id IN (SELECT AccountId FROM Contact WHERE …)"},
		"Ownr.Name = 'x'":          {"Ownr is not a relationship of Account. Did you mean Owner"},
		"OwnerId.Name = 'x'":       {"whose relationship is called Owner"},
		"Owner.Emial = 'x'":        {"Did you mean Owner.Email"},
		"Type = 5":                 {"Type (Account Type) is a picklist, but 5 is a number. Put the value in single quotes."},
		"AnnualRevenue > '5'":      {"AnnualRevenue (Annual Revenue) is an amount of money, but '5' is text, since it stands in quotes."},
		"AnnualRevenue > USD5":     nil,
		"NumberOfEmployees > USD5": {"is an amount in a currency"},
		"Active__c = 'true'":       {"is a checkbox"},
		"Active__c > TRUE":         {"does not work on a checkbox"},
		"Renewal__c = 2026-01-01 OR Renewal__c = TODAY":                        nil,
		"Renewal__c = 2026-01-01T00:00:00Z":                                    {"is a date, but"},
		"CreatedDate = 2026-01-01":                                             {"is a date with a time, but 2026-01-01 is a date."},
		"CreatedDate = '2026-01-01T00:00:00Z'":                                 {"without quotes"},
		"CreatedDate > 2026-13-41T00:00:00Z":                                   {"does not exist in the calendar"},
		"Renewal__c > 1600-01-01":                                              {"1700-01-01"},
		"Opens__c < 25:00:00Z":                                                 {"on the clock"},
		"Opens__c < 10:00:00Z":                                                 nil,
		"Id = 'foo'":                                                           {"An id has 15 or 18 letters and digits; 'foo' is none."},
		"OwnerId = 'Ann'":                                                      {"write Owner.Name"},
		"Id = '001D000000IRFmaIAH' AND ParentId = '001D000000IRFma'":           nil,
		"Id = '001d000000IRFmaIAH'":                                            {"Was the case of a letter changed?"},
		"Id LIKE '001%'":                                                       {"LIKE works only on text; Id (Account ID) is an id."},
		"NumberOfEmployees LIKE '5%'":                                          {"LIKE works only on text"},
		"Type LIKE 'C%' AND Website LIKE '%.com'":                              nil,
		"Name LIKE 5":                                                          {"LIKE is followed by a text"},
		"AnnualRevenue > NULL":                                                 {"NULL can be compared only with = and !="},
		"AnnualRevenue = NULL AND Type != NULL":                                nil,
		"Description = 'x'":                                                    {"holds long text, which Salesforce cannot filter by"},
		"BillingAddress = 'x'":                                                 {"Use one of its parts, such as BillingCity"},
		"Tags__c INCLUDES ('a;b', 'c')":                                        nil,
		"Tags__c INCLUDES (5)":                                                 {"take texts in single quotes"},
		"Tags__c LIKE 'a%'":                                                    {"Use INCLUDES"},
		"Tags__c < 'a'":                                                        {"does not work on a multi-select picklist"},
		"Type INCLUDES ('a')":                                                  {"works only on multi-select picklists; Type (Account Type) is a picklist. Use IN."},
		"Type IN ('a', 5)":                                                     {"5 is a number"},
		"CALENDAR_YEAR(CreatedDate) = 2026":                                    nil,
		"CALENDAR_YEAR(Name) = 2026":                                           {"CALENDAR_YEAR needs a date; Name is text."},
		"CALENDAR_YEAR(CreatedDate) = '2026'":                                  {"is a number"},
		"HOUR_IN_DAY(Renewal__c) = 3":                                          {"HOUR_IN_DAY needs a date with a time"},
		"DAY_ONLY(CreatedDate) = 2026-01-01":                                   nil,
		"toLabel(Type) = 'x'":                                                  nil,
		"DISTANCE(Site__c, GEOLOCATION(1,2), 'km') < 5":                        nil,
		"DISTANCE(Site__c, GEOLOCATION(1,2), 'miles') < 5":                     {"'mi' or 'km'"},
		"DISTANCE(Site__c, GEOLOCATION(1,2), 'km') = 5":                        {"only with < and >"},
		"DISTANCE(Name, GEOLOCATION(1,2), 'km') < 5":                           {"DISTANCE needs a geolocation"},
		"Id IN (SELECT AccountId FROM Contact WHERE Email != NULL)":            nil,
		"Id IN (SELECT AccountId FROM Contact WHERE Emial != NULL)":            {"Did you mean Email?"},
		"Id IN (SELECT AccountId FROM Contcat)":                                {"Contcat is not an object that the connected user can see. Did you mean Contact?"},
		"Id IN (SELECT Id FROM Contact)":                                       {"points to Contact, but the field before IN is the id of Account"},
		"Id IN (SELECT Email FROM Contact)":                                    {"selects one id or lookup field"},
		"Id IN (SELECT ParentId FROM Account)":                                 {"may not read Account"},
		"Name IN (SELECT AccountId FROM Contact)":                              {"stands an id or a lookup field"},
		"Id IN (SELECT AccountId FROM Contact) OR Name = 'x'":                  {"beside OR"},
		"Name = 'x' AND (Id IN (SELECT AccountId FROM Contact) OR Type = 'y')": {"beside OR"},
		"(Id IN (SELECT AccountId FROM Contact) AND Name = 'x') OR Type = 'y'": nil,
		"Tags__c NOT IN ('a')":                                                 {"Use EXCLUDES"},
		"(NOT Id IN (SELECT AccountId FROM Contact))":                          {"use NOT IN in place of IN"},
		"Parent.Id IN (SELECT AccountId FROM Contact)":                         {"not one behind a relationship"},
		"Account.Id IN (SELECT Contact.AccountId FROM Contact)":                nil,
		"Id IN (SELECT Account.ParentId FROM Contact)":                         {"not one behind a relationship"},
		"Id IN (SELECT AccountId FROM Contact WHERE AccountId IN (SELECT AccountId FROM Case))":                                      {"may not hold another subquery"},
		"Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Case) AND Id IN (SELECT AccountId FROM Opportunity)": {"at most two"},
		"Name = '" + strings.Repeat("x", 4000) + "'":                                                                                 nil,
		"Name = '" + strings.Repeat("x", 4001) + "'":                                                                                 {"4,000 characters"},
		"Nmae IS NULL AND (Type == 5":                                                                                                {"Did you mean Name?", "= NULL", "never closed", "operator as =", "5 is a number"},
	} {
		findings := CheckFilter(filter, "Account", testSchema)
		var said []string
		for _, f := range findings {
			said = append(said, f.Message)
			if f.End.Offset < f.Pos.Offset || f.End.Offset > len(filter) {
				t.Errorf("%s: the finding %q has the span %+v to %+v", filter, f.Message, f.Pos, f.End)
			}
		}
		if len(said) != len(want) {
			t.Errorf("%.100s\nsays %q\nwant %q", filter, said, want)
			continue
		}
		for i := range want {
			if !strings.Contains(said[i], want[i]) {
				t.Errorf("%.100s\nsays %q\nwant %q", filter, said[i], want[i])
			}
		}
	}
}

// TestFixes applies the repair of the first finding that has one and compares the text.
func TestFixes(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		"Name == 'x'":                                     "Name = 'x'",
		"Score__c => 5":                                   "Score__c >= 5",
		"Name='x'&&Type='y'":                              "Name='x' AND Type='y'",
		"Name = 'x' || Type = 'y'":                        "Name = 'x' OR Type = 'y'",
		"Industry is Banking":                             "Industry = 'Banking'",
		"Industry IS NOT Banking":                         "Industry != 'Banking'",
		"Industry is 'Banking' AND Name = 'x'":            "Industry = 'Banking' AND Name = 'x'",
		"Type = Customer":                                 "Type = 'Customer'",
		"(Type = Technology Partner) AND Name = 'x'":      "(Type = 'Technology Partner') AND Name = 'x'",
		"Name starts with 'Acme'":                         "Name LIKE 'Acme%'",
		"Name STARTSWITH 'Acme'":                          "Name LIKE 'Acme%'",
		"Name ends with 'Ltd'":                            "Name LIKE '%Ltd'",
		`Name contains '100%_\'s'`:                        `Name LIKE '%100\%\_\'s%'`,
		"Name IS NULL":                                    "Name = NULL",
		"Name is not null":                                "Name != NULL",
		`Name = "O'Brien \"x\""`:                          `Name = 'O\'Brien "x"'`,
		"Name = ‘x’":                                      "Name = 'x'",
		"Name = “it's”":                                   `Name = 'it\'s'`,
		"Name = 'O''Brien'":                               `Name = 'O\'Brien'`,
		"NOT Name = 'x' AND Type = 'y'":                   "(NOT Name = 'x') AND Type = 'y'",
		"Type = 'y' AND NOT Name = 'x'":                   "Type = 'y' AND (NOT Name = 'x')",
		"NOT NOT Name = 'x'":                              "NOT (NOT Name = 'x')",
		"!Name = 'x'":                                     "NOT Name = 'x'",
		"Name NOT LIKE 'x%'":                              "(NOT Name LIKE 'x%')",
		"Name LIKE '*x*'":                                 "Name LIKE '%x%'",
		"Name <> NULL":                                    "Name != NULL",
		"WHERE Name = 'x'":                                "Name = 'x'",
		"SELECT Id FROM Account WHERE Name = 'x' LIMIT 5": "Name = 'x'",
		"Name = 'x';":                                     "Name = 'x'",
		"Name = 'x' LIMIT 5":                              "Name = 'x'",
		"Name = 'x' ORDER BY Name":                        "Name = 'x'",
		"Name = 'x":                                       "Name = 'x'",
		"Name IN 'x', 'y'":                                "Name IN ('x', 'y')",
		"'x' = Name":                                      "Name = 'x'",
		"5 < Score__c":                                    "Score__c > 5",
		"Score__c BETWEEN 1 AND 5":                        "(Score__c >= 1 AND Score__c <= 5)",
		"Score__c > 1,000,000":                            "Score__c > 1000000",
		"CreatedDate > LAST_N_DAYS(30)":                   "CreatedDate > LAST_N_DAYS:30",
		"CreatedDate = TODAY()":                           "CreatedDate = TODAY",
		"CreatedDate < NOW()":                             "CreatedDate < TODAY",
		"Name = none":                                     "Name = NULL",
		"Tags__c NOT INCLUDES ('a')":                      "Tags__c EXCLUDES ('a')",
		"Name ILIKE 'x%'":                                 "Name LIKE 'x%'",
		`Name = 'a\_b'`:                                   "Name = 'a_b'",
		"Name = 'x' /* c */":                              "Name = 'x' ",
		"Name\u00a0= 'x'":                                 "Name = 'x'",
		"Score__c = '5'":                                  "Score__c = 5",
		"Active__c = 'true'":                              "Active__c = TRUE",
		"Type = 5":                                        "Type = '5'",
		"CreatedDate = '2026-01-01T00:00:00Z'":            "CreatedDate = 2026-01-01T00:00:00Z",
		"Renewal__c < 2026-01-01T00:00:00Z":               "Renewal__c < 2026-01-01",
		"Type EXCLUDES ('a')":                             "Type NOT IN ('a')",
	} {
		findings := CheckFilter(filter, "Account", testSchema)
		if len(findings) != 1 || findings[0].Fix == nil {
			t.Errorf("%s: want one finding with a repair, got %+v", filter, findings)
			continue
		}
		fix := findings[0].Fix
		fixed := filter[:fix.Start] + fix.Text + filter[fix.End:]
		if fixed != want {
			t.Errorf("%s\nis repaired to %s\nwant %s", filter, fixed, want)
		}
		if left := CheckFilter(fixed, "Account", testSchema); len(left) > 0 {
			t.Errorf("%s\nis repaired to %s\nof which is said: %s", filter, fixed, left[0].Message)
		}
		if fix.Label == "" {
			t.Errorf("%s: the repair has no label", filter)
		}
	}
}

// TestNotAFilter holds what must be refused although it could slip into a query.
func TestNotAFilter(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		"":                                              "empty",
		"  \n ":                                         "empty",
		"Name = 'x') OR (Id != null":                    "closes nothing",
		"Name = 'x' LIMIT 1":                            "LIMIT does not belong",
		"Name = 'x' -- y":                               "comments",
		"Name = 'x' FOR VIEW":                           "FOR does not belong",
		"Name = 'x' GROUP BY Name":                      "GROUP BY does not belong",
		"Name = 'x' ALL ROWS":                           "ALL ROWS does not belong",
		"Name = 'x' WITH USER_MODE":                     "WITH does not belong",
		"a = 1 OR b = 2 AND c = 3":                      "mixed",
		"Name = :x":                                     "Apex",
		"COUNT(Id) > 5":                                 "one record at a time",
		"Name":                                          "too early",
		"Name = 'x' Type = 'y'":                         "AND or OR is missing before Type",
		"Name = Type":                                   "single quotes",
		"CreatedDate > 2026-01-01T10:00:00":             "time zone",
		"CreatedDate = LAST_N_DAYS":                     "whole number after a colon",
		"CreatedDate = TODAY:5":                         "takes no number",
		"EXISTS (SELECT Id FROM Contact)":               "no EXISTS",
		"UPPER(Name) = 'X'":                             "no function UPPER",
		"Name = 'x\\q'":                                 "escape",
		"Id IN (SELECT AccountId FROM)":                 "the name of an object is expected",
		"Id IN (SELECT FROM Contact)":                   "the name of an id or lookup field is expected",
		"Id IN (SELECT AccountId, Id FROM Contact)":     "FROM is expected",
		"CALENDAR_YEAR(CreatedDate = 1":                 "the ) that ends CALENDAR_YEAR(…) is expected",
		"DISTANCE(a, GEOLOCATION(1,2)) < 5":             "the rest of DISTANCE",
		"DISTANCE(a, GEOLOCATION(1,2), mi) < 5":         "the unit 'mi' or 'km' is expected",
		"Name CONTAINS x":                               "LIKE '%Acme%' contains",
		"Type = Billing.City":                           "cannot be compared with another",
		"Type = Other__c":                               "cannot be compared with another",
		"CreatedDate IS TODAY":                          "has no IS",
		"Active__c AND Name = 'x'":                      "alone is not a condition",
		"Id IN (SELECT AccountId FROM Contact LIMIT 1)": "LIMIT cannot stand here",
	} {
		e, findings := ParseFilter(filter)
		if e != nil || len(findings) == 0 || !strings.Contains(findings[0].Message, want) {
			t.Errorf("%q: got %v, %+v; want %q", filter, e, findings, want)
		}
	}
}

// TestAllAtOnce checks that an error does not hide those behind it.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	filter := "a == 1 AND b IS NULL AND (c = \"x\" OR d IN ()) AND e = AND f BETWEEN 1 AND 2 AND g = 'x"
	_, findings := ParseFilter(filter)
	var at []int
	for _, f := range findings {
		at = append(at, f.Pos.Column)
	}
	want := []int{3, 14, 31, 44, 55, 61, 85}
	if len(at) != len(want) {
		t.Fatalf("findings at %v, want %v", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Errorf("findings at %v, want %v", at, want)
			break
		}
	}
}

func TestWarningsDoNotRefuse(t *testing.T) {
	t.Parallel()
	e, findings := ParseFilter("Name LIKE '*x' AND Type <> NULL")
	if e == nil || len(findings) != 2 || Refused(findings) {
		t.Errorf("got %v, %+v", e, findings)
	}
}

func TestUnknownRootObject(t *testing.T) {
	t.Parallel()
	findings := CheckFilter("Name = 'x'", "Acount", testSchema)
	if len(findings) != 1 || findings[0].Kind != KindUnknownObject {
		t.Errorf("got %+v", findings)
	}
}
