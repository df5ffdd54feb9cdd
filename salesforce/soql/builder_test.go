package soql

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// builderSchema is testSchema with fields that may be empty, as most are.
var builderSchema = func() mapSchema {
	m := mapSchema{}
	for name, o := range testSchema {
		fields := slices.Clone(o.Fields)
		for i := range fields {
			fields[i].Nillable = fields[i].Type != "id" && fields[i].Type != "boolean" && fields[i].Name != "Name"
		}
		m[name] = &Object{Name: o.Name, Label: o.Label, Queryable: o.Queryable, Fields: fields, Children: o.Children}
	}
	return m
}()

// TestBuilderSOQL writes one row of every kind.
func TestBuilderSOQL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		op     Operator
		values []string
		want   string
	}{
		{"type", OpEquals, []string{"O'Brien"}, `Type = 'O\'Brien'`},
		{"Type", OpNotEquals, []string{"x"}, `Type != 'x'`},
		{"Type", OpIsOneOf, []string{"x", "y, z"}, `Type IN ('x', 'y, z')`},
		{"Type", OpIsNotOneOf, []string{"x"}, `Type NOT IN ('x')`},
		{"Name", OpContains, []string{`50%_\`}, `Name LIKE '%50\%\_\\%'`},
		{"Name", OpContains, []string{" "}, `Name LIKE '% %'`},
		{"Name", OpDoesNotContain, []string{"test"}, `NOT Name LIKE '%test%'`},
		{"Website", OpDoesNotContain, []string{"test"}, `(NOT Website LIKE '%test%') OR Website = NULL`},
		{"Owner.Name", OpDoesNotContain, []string{"test"}, `(NOT Owner.Name LIKE '%test%') OR Owner.Name = NULL`},
		{"Name", OpStartsWith, []string{"%"}, `Name LIKE '\%%'`},
		{"Name", OpEndsWith, []string{"_"}, `Name LIKE '%\_'`},
		{"Score__c", OpGreaterThan, []string{" 2.5 "}, `Score__c > 2.5`},
		{"AnnualRevenue", OpLessThanOrEqual, []string{"usd5000"}, `AnnualRevenue <= USD5000`},
		{"Renewal__c", OpLessThan, []string{"last_n_days : 30"}, `Renewal__c < LAST_N_DAYS:30`},
		{"CreatedDate", OpGreaterThanOrEqual, []string{"2026-01-31T10:00+02:00"}, `CreatedDate >= 2026-01-31T10:00:00+02:00`},
		{"Opens__c", OpEquals, []string{"10:00:00Z"}, `Opens__c = 10:00:00Z`},
		{"Active__c", OpIsTrue, nil, `Active__c = TRUE`},
		{"Active__c", OpIsFalse, nil, `Active__c = FALSE`},
		{"Type", OpIsEmpty, []string{"ignored"}, `Type = NULL`},
		{"Type", OpHasProperty, nil, `Type != NULL`},
		{"Type", OpDoesNotHaveProperty, nil, `Type = NULL`},
		{"Tags__c", OpContains, []string{"a", "b"}, `Tags__c INCLUDES ('a;b')`},
		{"Tags__c", OpIsOneOf, []string{"a", "b"}, `Tags__c INCLUDES ('a', 'b')`},
		{"Tags__c", OpIsNotOneOf, []string{"a", "b"}, `Tags__c EXCLUDES ('a', 'b') OR Tags__c = NULL`},
		{"Tags__c", OpEquals, []string{"a", "b"}, `Tags__c = 'a;b'`},
		{"OwnerId", OpEquals, []string{"001D000000IRFma"}, `OwnerId = '001D000000IRFma'`},
		{"Account.Parent.name", OpEquals, []string{"x"}, `Parent.Name = 'x'`},
	} {
		got, problems := Builder{Rows: []Row{{c.field, c.op, c.values}}}.SOQL("Account", builderSchema)
		if got != c.want || len(problems) > 0 {
			t.Errorf("%s %s %q: %s %v, want %s", c.field, c.op, c.values, got, problems, c.want)
		}
	}
	rows := Builder{Rows: []Row{{"Website", OpDoesNotContain, []string{"x"}}, {"Name", OpDoesNotContain, []string{"y"}}, {"Active__c", OpIsTrue, nil}}}
	if got, _ := rows.SOQL("Account", builderSchema); got != "((NOT Website LIKE '%x%') OR Website = NULL) AND (NOT Name LIKE '%y%') AND Active__c = TRUE" {
		t.Errorf("three rows say %s", got)
	}
	if got, problems := (Builder{}).SOQL("Account", builderSchema); got != "" || problems != nil {
		t.Errorf("no rows say %q %v", got, problems)
	}
}

// TestBuilderProblems names what is wrong with each row.
func TestBuilderProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row  Row
		part RowPart
		at   int
		want string
	}{
		{Row{"", OpEquals, nil}, PartField, 0, "Choose a field."},
		{Row{"Nmae", OpEquals, nil}, PartField, 0, "Did you mean Name?"},
		{Row{"Name OR x", OpEquals, nil}, PartField, 0, "is not the name of a field"},
		{Row{"Description", OpEquals, nil}, PartField, 0, "holds long text, which Salesforce cannot filter by"},
		{Row{"BillingAddress", OpEquals, nil}, PartField, 0, "Use one of its parts"},
		{Row{"Name", "like", nil}, PartOperator, 0, "Choose an operator."},
		{Row{"Active__c", OpContains, nil}, PartOperator, 0, "Contains does not go with Active__c, which is a checkbox. Choose Is true or Is false."},
		{Row{"Name", OpEquals, []string{" "}}, PartValue, 0, "choose Is empty"},
		{Row{"Name", OpContains, nil}, PartValue, 0, "Write a value."},
		{Row{"Name", OpEquals, []string{strings.Repeat("x", 4001)}}, PartValue, 0, "4,000 characters"},
		{Row{"Score__c", OpIsOneOf, []string{"1", "1,000"}}, PartValue, 1, "“1,000” is not a number"},
		{Row{"Score__c", OpEquals, []string{"USD5"}}, PartValue, 0, "is not a number"},
		{Row{"Score__c", OpEquals, []string{"5 OR Name != 'x'"}}, PartValue, 0, "is not a number"},
		{Row{"Renewal__c", OpEquals, []string{"31.01.2026"}}, PartValue, 0, "is not a date. Write year, month and day"},
		{Row{"Renewal__c", OpEquals, []string{"2026-02-30"}}, PartValue, 0, "does not exist in the calendar"},
		{Row{"Renewal__c", OpEquals, []string{"2026-01-31T10:00:00Z"}}, PartValue, 0, "Write 2026-01-31."},
		{Row{"CreatedDate", OpEquals, []string{"2026-01-31"}}, PartValue, 0, "such as 2026-01-31T00:00:00Z"},
		{Row{"CreatedDate", OpEquals, []string{"2026-01-31T10:00"}}, PartValue, 0, "with its time zone"},
		{Row{"CreatedDate", OpEquals, []string{"2026-01-31T25:00:00Z"}}, PartValue, 0, "on the clock"},
		{Row{"Opens__c", OpEquals, []string{"soon"}}, PartValue, 0, "not a time of day"},
		{Row{"OwnerId", OpEquals, []string{"Ann"}}, PartValue, 0, "choose the field Owner.Name"},
		{Row{"Id", OpEquals, []string{"001d000000IRFmaIAH"}}, PartValue, 0, "Was the case of a letter changed?"},
		{Row{"Tags__c", OpEquals, []string{"a;b"}}, PartValue, 0, "holds no semicolon"},
	} {
		b := Builder{Rows: []Row{{"Name", OpEquals, []string{"fine"}}, c.row}}
		text, problems := b.SOQL("Account", builderSchema)
		if text != "" || len(problems) != 1 || problems[0].Row != 1 || problems[0].Part != c.part || problems[0].Value != c.at || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%v: %q %+v, want %s", c.row, text, problems, c.want)
		}
	}
	many := make([]Row, 30)
	for i := range many {
		many[i] = Row{"Name", OpEquals, []string{strings.Repeat("x", 3900)}}
	}
	if _, problems := (Builder{Rows: many}).SOQL("Account", builderSchema); len(problems) != 1 || problems[0].Row != -1 {
		t.Errorf("rows of 117,000 characters: %v", problems)
	}
	if _, problems := (Builder{Rows: many[:1]}).SOQL("Nothing__c", builderSchema); len(problems) != 1 || !strings.Contains(problems[0].Message, "cannot see the object") {
		t.Errorf("an unknown object: %v", problems)
	}
}

// TestFromFilter opens filters, and says what the builder then writes or why it cannot.
func TestFromFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filter, want string }{
		{"", ""},
		{" \n", ""},
		{"(((name = 'x')))", "Name = 'x'"},
		{"(Name = 'x' AND (Type = 'y')) AND account.active__c != false", "Name = 'x' AND Type = 'y' AND Active__c = TRUE"},
		{"Type = 'x' OR type = 'y' OR (Type = 'z')", "Type IN ('x', 'y', 'z')"},
		{"Website = NULL OR NOT (Website LIKE '%x%')", "must be put right first"},
		{"Website = NULL OR (NOT (Website LIKE '%x%'))", "(NOT Website LIKE '%x%') OR Website = NULL"},
		{"(Tags__c EXCLUDES ('a;b')) OR Tags__c = NULL", "Tags__c EXCLUDES ('a;b') OR Tags__c = NULL"},
		{"Type = '' AND Website <> ''", "Type = NULL AND Website != NULL"},
		{`(NOT Name LIKE '%50\%%')`, `NOT Name LIKE '%50\%%'`},
		{"Score__c IN (+5, .5)", "Score__c IN (5, .5)"},
		{"CreatedDate > 2026-01-31T10:00:00.500+0200", "CreatedDate > 2026-01-31T10:00:00.500+0200"},
		{"Name = 'x' OR Type = 'y'", "The OR at line 1, column 12 cannot be shown in a row: the builder joins its rows by AND only."},
		{"Active__c = TRUE AND\n(Type = 'x' OR Type = NULL)", "The OR at line 2, column 13"},
		{"(NOT Website LIKE '%x%')", "write ((NOT Website LIKE '%x%') OR Website = NULL)."},
		{"Name = 'x' AND Tags__c EXCLUDES ('a')", "EXCLUDES at line 1, column 16 cannot be shown in a row: it leaves open"},
		{"NOT Name = 'x'", "NOT at line 1, column 1 cannot be shown in a row: the builder knows it only before LIKE"},
		{"NOT Name LIKE 'x%'", "behind NOT the builder knows only"},
		{"Name LIKE 'x'", "The pattern at line 1, column 11 cannot be shown"},
		{"Name LIKE '_x%'", "The pattern at line 1, column 11"},
		{"Id IN (SELECT AccountId FROM Contact)", "The subquery at line 1, column 4"},
		{"CALENDAR_YEAR(CreatedDate) = 2026", "The function at line 1, column 1"},
		{"Type IN ('x', NULL)", "The empty value at line 1, column 15"},
		{"Name < 'x'", "< at line 1, column 6 cannot be shown in a row: the builder has no Less than for a field that is text."},
		{"Active__c = NULL", "has no Is empty for a field that is a checkbox"},
		{"Parent.Active__c != TRUE", "has no Not equals for a field that is a checkbox"},
		{"Tags__c INCLUDES ('a;b', 'c')", "The combination at line 1, column 19"},
		{"Nmae = 'x'", "a mistake at line 1, column 1 that must be put right first: Nmae is not on Account"},
	} {
		b, reason, ok := FromFilter(c.filter, "Account", builderSchema)
		if !ok {
			if c.want == "" || !strings.Contains(reason, c.want) {
				t.Errorf("%s does not open: %s\nwant %s", c.filter, reason, c.want)
			}
			continue
		}
		if got, problems := b.SOQL("Account", builderSchema); got != c.want || len(problems) > 0 {
			t.Errorf("%s opens as %v and says %s %v, want %s", c.filter, b, got, problems, c.want)
		}
	}
}

// TestOperatorsByType holds the menu of each type, and that each entry has its words.
func TestOperatorsByType(t *testing.T) {
	t.Parallel()
	object := builderSchema.Object("Account")
	for i := range object.Fields {
		f := object.Fields[i]
		ops := Operators(f)
		want := map[string]int{"string": 12, "url": 12, "phone": 12, "picklist": 12, "multipicklist": 10, "currency": 12, "int": 12, "double": 12, "percent": 12,
			"date": 12, "datetime": 10, "time": 10, "boolean": 2, "id": 4, "reference": 8, "textarea": 0, "address": 0, "location": 0}[f.Type]
		if len(ops) != want {
			t.Errorf("%s offers %v", f.Type, ops)
		}
		for _, o := range ops {
			in := InputOf(f, o)
			if o.Label() == string(o) || o.Help(f) == "" || in.Kind != InputNone && in.Hint == "" {
				t.Errorf("%s on %s lacks words", o, f.Type)
			}
		}
	}
}

// TestSplitList reads lists as people type them.
func TestSplitList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                        nil,
		" , ,\n":                  nil,
		"a, b ,c":                 {"a", "b", "c"},
		"a\r\nb":                  {"a", "b"},
		`"Smith, Jones", x`:       {"Smith, Jones", "x"},
		`"say ""hi""" ,y`:         {`say "hi"`, "y"},
		`5" pipe, it's`:           {`5" pipe`, "it's"},
		`" padded "`:              {" padded "},
		"O'Brien, 東京, 😀":          {"O'Brien", "東京", "😀"},
		"001D000000IRFma,\tother": {"001D000000IRFma", "other"},
	} {
		if got, problem := SplitList(text); !slices.Equal(got, want) || problem != "" {
			t.Errorf("%q splits into %q %s", text, got, problem)
		}
	}
	for text, want := range map[string]string{`a, "b`: "not closed", `"a" b`: "A comma is missing behind"} {
		if got, problem := SplitList(text); got != nil || !strings.Contains(problem, want) {
			t.Errorf("%q splits into %q %s", text, got, problem)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a, \"\n\r\t'"))))).Draw(t, "values")
		got, problem := SplitList(JoinList(values))
		if problem != "" || !slices.Equal(got, values) {
			t.Fatalf("%q becomes %s and then %q %s", values, JoinList(values), got, problem)
		}
	})
}

// TestClauses takes a condition apart.
func TestClauses(t *testing.T) {
	t.Parallel()
	const text = "Type = 'x' AND ((Owner.Name LIKE 'A%' OR CALENDAR_YEAR(CreatedDate) = 2026) AND (NOT Tags__c INCLUDES ('a'))) AND Id IN (SELECT AccountId FROM Contact WHERE Email != NULL)"
	e, findings := ParseFilter(text)
	if Refused(findings) {
		t.Fatal(findings)
	}
	var got []string
	for i, c := range Clauses(e) {
		var paths []string
		for _, p := range c.Paths {
			paths = append(paths, p.String())
		}
		if c.Parent >= i || text[c.Start.Offset:c.End.Offset] != c.Text {
			t.Errorf("clause %d of parent %d stands at %q and says %q", i, c.Parent, text[c.Start.Offset:c.End.Offset], c.Text)
		}
		if c.Join == Leaf {
			got = append(got, strings.Repeat(" ", c.Depth)+strings.Join(append(paths, c.Objects...), ","))
		} else {
			got = append(got, strings.Repeat(" ", c.Depth)+string(c.Join))
		}
	}
	want := []string{"AND", " Type", " AND", "  OR", "   Owner.Name", "   CreatedDate", "  NOT", "   Tags__c", " Id,Contact"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if Clauses(nil) != nil {
		t.Error("a nil condition has clauses")
	}
}
