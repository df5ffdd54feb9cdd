package soql

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func mustFilter(t *testing.T, text string) Expr {
	t.Helper()
	e, findings := ParseFilter(text)
	if e == nil {
		t.Fatalf("%s: %+v", text, findings)
	}
	return e
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		"Type = 'x'":                    "Account.Type = 'x'",
		"id = '001000000000001'":        "AccountId = '001000000000001'",
		"Parent.Name = 'x'":             "Account.Parent.Name = 'x'",
		"Parent.Id = '001000000000001'": "Account.Parent.Id = '001000000000001'",
		"Account.Name = 'x'":            "Account.Name = 'x'",
		"Account.Id = NULL":             "AccountId = NULL",
		"Id IN (SELECT AccountId FROM Contact WHERE Name = 'x')":  "AccountId IN (SELECT AccountId FROM Contact WHERE Name = 'x')",
		"ParentId NOT IN (SELECT AccountId FROM Contact)":         "",
		"(NOT a LIKE 'x%') AND (b IN (1, 2) OR c EXCLUDES ('y'))": "(NOT Account.a LIKE 'x%') AND (Account.b IN (1, 2) OR Account.c EXCLUDES ('y'))",
		"CALENDAR_YEAR(convertTimezone(CreatedDate)) = 2026":      "CALENDAR_YEAR(convertTimezone(Account.CreatedDate)) = 2026",
		"DISTANCE(Site__c, GEOLOCATION(1, 2), 'km') < 5":          "DISTANCE(Account.Site__c, GEOLOCATION(1, 2), 'km') < 5",
		"a.b.c.d.Name = 'x'":      "Account.a.b.c.d.Name = 'x'",
		"a.b.c.d.e.Name = 'x'":    "",
		"FORMULA('a > b') = TRUE": "",
	} {
		e := mustFilter(t, filter)
		before := e.String()
		got, err := Prefix(e, "Account", "AccountId")
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is rewritten to %s, want an error", filter, got)
		case want != "" && err != nil:
			t.Errorf("%s: %v", filter, err)
		case want != "" && got.String() != want:
			t.Errorf("%s is rewritten to %s, want %s", filter, got, want)
		}
		if e.String() != before {
			t.Errorf("%s was changed in place to %s", filter, e)
		}
	}
	if got, err := Prefix(mustFilter(t, "Id != NULL AND Name = 'x'"), "Opportunity.Account", "Opportunity.AccountId"); err != nil || got.String() != "Opportunity.AccountId != NULL AND Opportunity.Account.Name = 'x'" {
		t.Errorf("over two relationships: %v, %v", got, err)
	}
	for _, bad := range []string{"", "a b", "a;", "Limit", "a'"} {
		if _, err := Prefix(mustFilter(t, "a = 1"), bad, "AccountId"); err == nil {
			t.Errorf("the relationship %q is taken", bad)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	q, err := Select("Account", []string{"Id", "Owner.Name"}, AllOf(mustFilter(t, "a = 1 OR b = 2"), nil, mustFilter(t, "c = 3")))
	if err != nil {
		t.Fatal(err)
	}
	q.Limit = &RowCount{N: 5}
	q.OrderBy = []OrderItem{{Value: q.Select[0].Value.(*Path)}}
	if want := "SELECT Id, Owner.Name FROM Account WHERE (a = 1 OR b = 2) AND c = 3 ORDER BY Id LIMIT 5"; q.String() != want {
		t.Errorf("got %s\nwant %s", q, want)
	}
	for _, name := range []string{"", "Id FROM User", "Id,Name", "Id;", "1a", "a.", "Limit", "a. b", "COUNT()", "'x'", "USD5.5"} {
		if _, err := Select("Account", []string{name}, nil); err == nil {
			t.Errorf("the field %q is taken", name)
		}
		if _, err := Select(name, []string{"Id"}, nil); err == nil {
			t.Errorf("the object %q is taken", name)
		}
		if _, err := Count(name, nil); err == nil {
			t.Errorf("the object %q is counted", name)
		}
	}
	if _, err := Select("Account", nil, nil); err == nil {
		t.Error("a query without fields is built")
	}
	count, err := Count("Contact", AnyOf(mustFilter(t, "NOT a = 1"), mustFilter(t, "b = 2")))
	if err != nil || count.String() != "SELECT COUNT() FROM Contact WHERE (NOT a = 1) OR b = 2" {
		t.Errorf("got %s, %v", count, err)
	}
	if got := AllOf(mustFilter(t, "a = 1 AND b = 2"), mustFilter(t, "c = 3")).String(); got != "a = 1 AND b = 2 AND c = 3" {
		t.Errorf("got %s", got)
	}
	if got := AnyOf(mustFilter(t, "a = 1 OR b = 2"), mustFilter(t, "c = 3 AND d = 4")).String(); got != "a = 1 OR b = 2 OR (c = 3 AND d = 4)" {
		t.Errorf("got %s", got)
	}
	if AllOf() != nil || AnyOf(nil, nil) != nil || AllOf(nil, mustFilter(t, "a = 1")).String() != "a = 1" {
		t.Error("joining nothing, or one condition, adds something")
	}
}

func TestLiteralBuilders(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.FixedZone("", 7200))
	for _, c := range []struct {
		value *Literal
		want  string
	}{
		{Text("O'Brien \\ \n%"), `'O\'Brien \\ \n%'`},
		{Text("\xff"), "'\uFFFD'"},
		{DateTime(at), "2026-01-31T10:00:00.123Z"},
		{Null(), "NULL"},
		{Bool(true), "TRUE"},
		{Bool(false), "FALSE"},
	} {
		e, err := Compare("a.b", Equal, c.value)
		if err != nil || e.String() != "a.b = "+c.want {
			t.Errorf("got %v, %v; want %s", e, err, c.want)
			continue
		}
		if _, findings := ParseFilter(e.String()); len(findings) > 0 {
			t.Errorf("%s is not read back: %+v", e, findings)
		}
	}
	in, err := In("Id", []string{"a'", "b"})
	if err != nil || in.String() != `Id IN ('a\'', 'b')` {
		t.Errorf("got %v, %v", in, err)
	}
	if _, err := In("Id", nil); err == nil {
		t.Error("an empty list is built")
	}
	if got := QuoteLike(`100%_\'`); got != `100\%\_\\\'` {
		t.Errorf("got %s", got)
	}
}

func TestEmbed(t *testing.T) {
	t.Parallel()
	q, err := Select("Account", []string{"Id"}, mustFilter(t, "a = 1 OR b = 2"))
	if err != nil {
		t.Fatal(err)
	}
	q.Limit = &RowCount{N: 1}
	typed := "Name = '😀'\r\n  AND\tNmae = 'x'"
	c, err := Embed(q, typed)
	if err != nil {
		t.Fatal(err)
	}
	if want := "SELECT Id FROM Account WHERE (Name = '😀'    AND\tNmae = 'x') AND (a = 1 OR b = 2) LIMIT 1"; c.Text != want {
		t.Fatalf("got %q\nwant %q", c.Text, want)
	}
	joined, err := Embed(q, "Id IN (SELECT AccountId FROM Contact) AND c = 3")
	if err != nil || joined.Text != "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND c = 3 AND (a = 1 OR b = 2) LIMIT 1" {
		t.Errorf("a semi-join is not kept at the top level: %+v, %v", joined, err)
	}
	column := 1 + units(c.Text[:strings.Index(c.Text, "Nmae")])
	at, ok := c.Locate(1, column)
	if want := (Pos{Offset: strings.Index(typed, "Nmae"), Line: 2, Column: 7}); !ok || at != want {
		t.Errorf("located %+v, %v; want %+v", at, ok, want)
	}
	for _, outside := range []int{1, 30, 1 + units(c.Text)} {
		if at, ok := c.Locate(1, outside); ok {
			t.Errorf("column %d is located at %+v", outside, at)
		}
	}
	if _, ok := c.Locate(2, column); ok {
		t.Error("a second line is located")
	}
	var refused *FilterError
	if _, err := Embed(q, "Name = 'x') OR (Id != null"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "closes nothing") {
		t.Errorf("an escape from the parentheses: %v", err)
	}
	if _, err := Embed(q, "a = 1"+strings.Repeat(" ", maxText-10)); err == nil {
		t.Error("a query of more than 100,000 characters is built")
	}
}

func TestPathsAndJoins(t *testing.T) {
	t.Parallel()
	e := mustFilter(t, "Type = 'x' AND (TYPE = 'y' OR Owner.Name IN ('z')) AND Id IN (SELECT AccountId FROM Contact WHERE Email = NULL) AND (NOT CALENDAR_YEAR(CreatedDate) = 1)")
	var names []string
	for _, p := range Paths(e) {
		names = append(names, p.String())
	}
	if got := strings.Join(names, " "); got != "Type Owner.Name Id CreatedDate" {
		t.Errorf("got %s", got)
	}
	if got := JoinedObjects(e); len(got) != 1 || got[0] != "Contact" {
		t.Errorf("got %v", got)
	}
}
