package soql

import (
	"strings"
	"testing"
)

// TestCheckQuery names for each query the code and text with which Salesforce refuses it.
func TestCheckQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"SELECT Id, a.Name, Account.Owner.Name FROM Account a WHERE a.Type = 'x'":                           "",
		"SELECT c.Name FROM Contact c, c.Account p WHERE p.Type = 'x'":                                      "",
		"SELECT c.Name FROM Contact c, c.Acount p WHERE p.Type = 'x'":                                       "INVALID_FIELD Didn't understand relationship 'Acount' in field path.",
		"SELECT Id, (SELECT Id, Email FROM Contacts WHERE LastName = 'x') FROM Account":                     "",
		"SELECT (SELECT Nope FROM Contacts) FROM Account":                                                   "INVALID_FIELD No such column 'Nope' on entity 'Contact'.",
		"SELECT (SELECT Id FROM Contact) FROM Account":                                                      "INVALID_TYPE Didn't understand relationship 'Contact' in FROM part of query call.",
		"SELECT (SELECT COUNT() FROM Contacts) FROM Account":                                                "MALFORMED_QUERY unexpected token: 'COUNT()'",
		"SELECT Id FROM Nope__c":                                                                            "INVALID_TYPE sObject type 'Nope__c' is not supported.",
		"SELECT Id FROM Hidden__c":                                                                          "INVALID_TYPE_FOR_OPERATION entity type Hidden__c does not support query",
		"SELECT Nope__c FROM Account":                                                                       "INVALID_FIELD No such column 'Nope__c' on entity 'Account'. If you are attempting to use a custom field",
		"SELECT Foo.Name FROM Account":                                                                      "INVALID_FIELD Didn't understand relationship 'Foo' in field path.",
		"SELECT Owner FROM Account":                                                                         "INVALID_FIELD No such column 'Owner' on entity 'Account'.",
		"SELECT Id, Name, id FROM Account":                                                                  "INVALID_FIELD duplicate field selected: id",
		"SELECT Id, Account.Id FROM Account":                                                                "INVALID_FIELD duplicate field selected: Account.Id",
		"SELECT Id FROM Account WHERE Name = 5":                                                             "INVALID_FIELD value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
		"SELECT Id FROM Account WHERE Active__c = 'x'":                                                      "INVALID_FIELD value of filter criterion for field 'Active__c' must be of type boolean and should not be enclosed in quotes",
		"SELECT Id FROM Account WHERE AnnualRevenue = 'x'":                                                  "INVALID_FIELD value of filter criterion for field 'AnnualRevenue' must be of type double and should not be enclosed in quotes",
		"SELECT Id FROM Account WHERE CreatedDate = 2026-01-01":                                             "INVALID_FIELD value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
		"SELECT Id FROM Account WHERE Renewal__c = 'x'":                                                     "INVALID_FIELD value of filter criterion for field 'Renewal__c' must be of type date and should not be enclosed in quotes",
		"SELECT Id FROM Account WHERE Description = 'x'":                                                    "INVALID_FIELD field 'Description' can not be filtered in a query call",
		"SELECT Id FROM Account ORDER BY Description":                                                       "INVALID_FIELD field 'Description' can not be sorted in a query call",
		"SELECT CreatedDate FROM Account GROUP BY CreatedDate":                                              "INVALID_FIELD field 'CreatedDate' can not be grouped in a query call",
		"SELECT MAX(Description) FROM Account":                                                              "INVALID_FIELD field Description does not support aggregate operator",
		"SELECT SUM(Name) FROM Account":                                                                     "INVALID_FIELD field Name does not support aggregate operator",
		"SELECT Id FROM Account WHERE OwnerId LIKE '005%'":                                                  "INVALID_QUERY_FILTER_OPERATOR invalid operator on id field",
		"SELECT Id FROM Account WHERE Id = 'foo'":                                                           "INVALID_QUERY_FILTER_OPERATOR invalid ID field: foo",
		"SELECT Id FROM Account WHERE CreatedDate > 2026-13-41T00:00:00Z":                                   "MALFORMED_QUERY Invalid datetime: 2026-13-41T00:00:00Z",
		"SELECT Name, COUNT(Id) FROM Account":                                                               "MALFORMED_QUERY Field must be grouped or aggregated: Name",
		"SELECT Type, COUNT(Id) n FROM Account GROUP BY Type HAVING COUNT(Id) > 1 ORDER BY COUNT(Id)":       "",
		"SELECT toLabel(Type), COUNT(Id) FROM Account GROUP BY Type":                                        "",
		"SELECT CALENDAR_YEAR(CreatedDate), COUNT(Id) FROM Account GROUP BY CALENDAR_YEAR(CreatedDate)":     "",
		"SELECT Type FROM Account GROUP BY Type HAVING COUNT(Id) > '1'":                                     "INVALID_FIELD value of filter criterion for field 'COUNT(Id)' must be of type int and should not be enclosed in quotes",
		"SELECT Type FROM Account GROUP BY Type ORDER BY Name":                                              "MALFORMED_QUERY Field must be grouped or aggregated: Name",
		"SELECT MAX(Name) FROM Account LIMIT 1":                                                             "MALFORMED_QUERY Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
		"SELECT COUNT() FROM Account LIMIT 1":                                                               "",
		"SELECT FIELDS(ALL) FROM Account":                                                                   "MALFORMED_QUERY The SOQL FIELDS function must have a LIMIT of at most 200",
		"SELECT FIELDS(ALL) FROM Account LIMIT 201":                                                         "MALFORMED_QUERY The SOQL FIELDS function must have a LIMIT of at most 200",
		"SELECT FIELDS(ALL) FROM Account LIMIT 200":                                                         "",
		"SELECT FIELDS(STANDARD) FROM Account":                                                              "",
		"SELECT FIELDS(FOO) FROM Account":                                                                   "MALFORMED_QUERY The SOQL FIELDS function does not support 'FOO'",
		"SELECT Id FROM Account LIMIT 1 OFFSET 2001":                                                        "NUMBER_OUTSIDE_VALID_RANGE Maximum SOQL offset allowed is 2000",
		"SELECT Id FROM Account LIMIT 1 OFFSET 2000":                                                        "",
		"SELECT Id FROM Account USING SCOPE Mine":                                                           "",
		"SELECT Id FROM Account USING SCOPE yours":                                                          "MALFORMED_QUERY unexpected token: 'yours'",
		"SELECT Id FROM Account WITH SECURITY_ENFORCED":                                                     "MALFORMED_QUERY unexpected token: 'SECURITY_ENFORCED'",
		"SELECT Owner.Name, Owner.Type FROM Case WHERE Owner.Profile.Name = 'x'":                            "",
		"SELECT Owner.Nope FROM Case":                                                                       "INVALID_FIELD No such column 'Nope' on entity 'Name'.",
		"SELECT TYPEOF Owner WHEN User THEN Username ELSE Name END FROM Case":                               "",
		"SELECT TYPEOF Owner WHEN User THEN Nope END FROM Case":                                             "INVALID_FIELD No such column 'Nope' on entity 'User'.",
		"SELECT TYPEOF Owner WHEN Nope THEN Id END FROM Case":                                               "INVALID_TYPE sObject type 'Nope' is not supported.",
		"SELECT TYPEOF Nope WHEN User THEN Id END FROM Case":                                                "INVALID_FIELD Didn't understand relationship 'Nope' in field path.",
		"SELECT Account.Parent.Parent.Parent.Parent.Name FROM Contact":                                      "",
		"SELECT Account.Parent.Parent.Parent.Parent.Parent.Name FROM Contact":                               "MALFORMED_QUERY SOQL statements cannot query more than 5 relationship levels",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) OR Name = 'x'":                  "MALFORMED_QUERY Semi join sub-selects are not allowed with the 'OR' operator",
		"SELECT Id FROM Account WHERE Type = 'y' AND (Id IN (SELECT AccountId FROM Contact) OR Name = 'x')": "MALFORMED_QUERY Semi join sub-selects are only allowed at the top level WHERE expressions",
		"SELECT Id FROM Account WHERE Name = 'x' OR (Type = 'y' AND Id IN (SELECT AccountId FROM Contact))": "",
		"SELECT Id FROM Account WHERE (NOT (Id IN (SELECT AccountId FROM Contact)))":                        "MALFORMED_QUERY Semi join sub-selects are only allowed at the top level WHERE expressions",
		"SELECT (SELECT Id, " + strings.Repeat("(SELECT Id FROM Contacts), ", 10) + "Name FROM ChildAccounts), " + strings.Repeat("(SELECT Id FROM Contacts), ", 10) + "Id FROM Account": "MALFORMED_QUERY The query exceeds the maximum of 20",
		"SELECT Type, (SELECT Id FROM Contacts) FROM Account GROUP BY Type": "MALFORMED_QUERY Grouped query cannot contain a subquery in its select list",
		"SELECT (SELECT Id, (SELECT Id, (SELECT Id, (SELECT Id, (SELECT Id FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM Account": "MALFORMED_QUERY SOQL statements cannot query aggregate relationships more than",
		"SELECT " + strings.Repeat("(SELECT Id FROM Contacts), ", 21) + "Id FROM Account":                                                                                                    "MALFORMED_QUERY The query exceeds the maximum of 20",
	} {
		q, err := ParseQuery(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		findings := CheckQuery(q, testSchema)
		got := ""
		if len(findings) > 0 {
			code, message := findings[0].Salesforce()
			got = code + " " + message
		}
		if want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%.200s\nis answered %s\nwant %s", query, got, want)
		}
		if len(findings) > 1 && want != "" {
			t.Errorf("%.200s\nhas %d findings: %+v", query, len(findings), findings)
		}
		if nothing := CheckQuery(q, nil); want == "" && len(nothing) > 0 {
			t.Errorf("%s\nwithout a schema: %+v", query, nothing)
		}
	}
}
