package soql_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
)

// texts are what the text fields of the test's records hold; "" is no value.
var texts = []string{"", "O'Brien", "o'brien & sons", `back\slash`, `a\b_`, "a_b", "axb", "50%", "50% off", "500", "x, y", `"quoted"`, "😀 grin", "grin", "Ärger", "ÄRGER im Amt", "東京", "NULL", "TRUE", "'", "%", "_"}

var tagSets = []string{"", "Champion", "At Risk", "Champion;At Risk", "Beta Tester;At Risk;Champion", "Beta Tester"}

// peopled is an org of accounts in which each field takes each of its interesting values.
func peopled(t *testing.T) (*sim.Org, soql.Schema) {
	t.Helper()
	pick := func(list []any, i int) any { return list[i%len(list)] }
	return newOrg(t, -1, func(org *sim.Org) {
		var parents []string
		for i := range 44 {
			text := func(shift int) any {
				if s := texts[(i+shift)%len(texts)]; s != "" {
					return s
				}
				return nil
			}
			fields := map[string]any{
				"Name": fmt.Sprintf("%02d %s", i, texts[i%len(texts)]), "Site": text(0), "Type": text(3), "BillingStreet": text(5), "Website": text(7), "Phone": text(9),
				"ARR__c":            pick([]any{nil, 0, -3.5, 100, 100.5, 1e6}, i),
				"NumberOfEmployees": pick([]any{nil, 0, 10, 250}, i), "Usage__c": pick([]any{nil, 99.5, 12.25, 0}, i), "Health_Score__c": pick([]any{7, nil, 80}, i),
				"Renewal_Date__c": pick([]any{nil, "2026-05-13", "2026-05-12", "2026-04-13", "2026-04-12", "2026-05-14", "1999-12-31"}, i),
				"Onboarded_At__c": pick([]any{nil, "2026-05-13T06:59:59Z", "2026-05-13T07:00:00Z", "2026-05-14T06:59:59Z", "2026-05-14T07:00:00Z", "2026-04-13T07:00:00Z"}, i),
				"Tags__c":         tagSets[i%len(tagSets)], "Is_Reference__c": i%3 == 0,
			}
			if i%4 > 0 && len(parents) > 0 {
				fields["ParentId"] = parents[i%len(parents)]
			}
			id, err := org.Insert("Account", fields)
			if err != nil {
				t.Fatal(err)
			}
			if i < 5 {
				parents = append(parents, id)
			}
		}
	})
}

// TestOperatorsAgainstTheOrg compares, for each operator on each type of field, the records that the org selects by the builder's SOQL with a plain
// reading of what the operator promises. Each SOQL then opens in the builder again and says the same.
func TestOperatorsAgainstTheOrg(t *testing.T) {
	t.Parallel()
	org, schema := peopled(t)
	records := slices.Collect(org.Records("Account"))
	some := records[7]["Id"].(string)
	parent := records[1]["Id"].(string)
	dates := []string{"2026-05-13", "2026-04-13", "1999-12-31", "today", "LAST_N_DAYS:30", "N_DAYS_AGO:1", "THIS_YEAR"}
	values := map[string][]string{
		"Site": texts[1:], "Name": {"07 a_b", "50%", "Ärger"}, "Type": texts[1:], "BillingStreet": texts[1:], "Website": texts[1:], "Phone": texts[1:], "Parent.Site": texts[1:],
		"ARR__c": {"0", "100", "-3.5", "100.50", "1000000"}, "NumberOfEmployees": {"10", "0", "249.5"}, "Usage__c": {"99.5", "12"}, "Health_Score__c": {"7", "80"},
		"Renewal_Date__c": dates, "Onboarded_At__c": {"2026-05-13T07:00:00Z", "2026-05-13 09:00+02:00", "2026-05-14T06:59:59Z", "TODAY", "LAST_N_DAYS:30", "LAST_MONTH"},
		"Parent.ARR__c": {"100", "0"}, "Tags__c": {"Champion", "at risk", "Beta Tester", "Other"}, "Is_Reference__c": {""}, "Id": {some, some[:15], parent},
		"ParentId": {parent, parent[:15], some}, "OwnerId": {org.Credentials().UserID}, "Owner.Name": {"x", "a"}, "CreatedDate": {"TODAY", "2026-05-13T19:00:00Z"},
	}
	seen := map[soql.Operator]bool{}
	cases := 0
	for path, typed := range values {
		_, f, problem := soql.FieldAt(path, "Account", schema)
		if problem != "" {
			t.Fatal(problem)
		}
		for _, op := range soql.Operators(f) {
			seen[op] = true
			for _, given := range givenFor(soql.InputOf(f, op), typed) {
				cases++
				b := soql.Builder{Rows: []soql.Row{{Field: path, Operator: op, Values: given}}}
				text, problems := b.SOQL("Account", schema)
				if len(problems) > 0 {
					t.Errorf("%s %s %q: %v", path, op, given, problems)
					continue
				}
				got, err := selected(org, text)
				if err != nil {
					t.Errorf("%s: %v", text, err)
					continue
				}
				var want []string
				for _, r := range records {
					if reads(op, f, valueAt(org, r, path), given) {
						want = append(want, r["Id"].(string))
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s %s %q\n%s\nselects %d: %v\nwant    %d: %v", path, op, given, text, len(got), got, len(want), want)
				}
				reopened(t, text, schema)
			}
		}
	}
	if cases < 400 || len(seen) != 18 {
		t.Errorf("%d cases of %d operators", cases, len(seen))
	}
}

// givenFor makes the lists of values that the input takes.
func givenFor(in soql.Input, typed []string) [][]string {
	if in.Kind == soql.InputNone {
		return [][]string{nil}
	}
	var lists [][]string
	for i, v := range typed {
		lists = append(lists, []string{v})
		if in.Many && i > 0 {
			lists = append(lists, []string{typed[i-1], v}, slices.Clone(typed[:i+1]))
		}
	}
	return lists
}

// reopened opens the text in the builder and wants the same text back.
func reopened(t *testing.T, text string, schema soql.Schema) {
	t.Helper()
	b, reason, ok := soql.FromFilter(text, "Account", schema)
	if !ok {
		t.Errorf("%s does not open: %s", text, reason)
		return
	}
	if again, problems := b.SOQL("Account", schema); again != text {
		t.Errorf("%s\nopens as %v\nand says %s %v", text, b, again, problems)
	}
}

func selected(org *sim.Org, where string) ([]string, error) {
	rows, err := org.Eval("SELECT Id FROM Account WHERE " + where + " ORDER BY Id")
	var ids []string
	for _, r := range rows {
		ids = append(ids, r["Id"].(string))
	}
	return ids, err
}

// valueAt follows a path of at most one relationship.
func valueAt(org *sim.Org, record map[string]any, path string) any {
	rel, field, over := strings.Cut(path, ".")
	if !over {
		return record[path]
	}
	id, _ := record[rel+"Id"].(string)
	if id == "" {
		return nil
	}
	return org.Record(id)[field]
}

// reads is what an operator promises in its help, in plain Go.
func reads(op soql.Operator, f soql.Field, have any, values []string) bool {
	empty := have == nil || have == ""
	switch op {
	case soql.OpIsEmpty, soql.OpDoesNotHaveProperty:
		return empty
	case soql.OpIsNotEmpty, soql.OpHasProperty:
		return !empty
	case soql.OpIsTrue:
		return have == true
	case soql.OpIsFalse:
		return have == false
	case soql.OpNotEquals:
		return !reads(soql.OpEquals, f, have, values)
	case soql.OpDoesNotContain:
		return !reads(soql.OpContains, f, have, values)
	case soql.OpIsNotOneOf:
		return !reads(soql.OpIsOneOf, f, have, values)
	}
	if empty {
		return false
	}
	if f.Type == "multipicklist" {
		return readsChosen(op, strings.Split(strings.ToLower(have.(string)), ";"), values)
	}
	switch op {
	case soql.OpIsOneOf:
		return slices.ContainsFunc(values, func(v string) bool { return compared(f, have, v) == 0 })
	case soql.OpEquals:
		return compared(f, have, values[0]) == 0
	case soql.OpGreaterThan:
		return compared(f, have, values[0]) > 0
	case soql.OpGreaterThanOrEqual:
		return compared(f, have, values[0]) >= 0
	case soql.OpLessThan:
		return compared(f, have, values[0]) < 0
	case soql.OpLessThanOrEqual:
		return compared(f, have, values[0]) <= 0
	}
	text, part := strings.ToLower(have.(string)), strings.ToLower(values[0])
	switch op {
	case soql.OpContains:
		return strings.Contains(text, part)
	case soql.OpStartsWith:
		return strings.HasPrefix(text, part)
	case soql.OpEndsWith:
		return strings.HasSuffix(text, part)
	}
	panic("no reading of " + op)
}

func readsChosen(op soql.Operator, chosen, values []string) bool {
	n := 0
	wanted := map[string]bool{}
	for _, v := range values {
		if wanted[strings.ToLower(v)] = true; slices.Contains(chosen, strings.ToLower(v)) {
			n++
		}
	}
	switch op {
	case soql.OpContains:
		return n == len(values)
	case soql.OpIsOneOf:
		return n > 0
	}
	return n == len(values) && len(chosen) == len(wanted)
}

var losAngeles, _ = time.LoadLocation("America/Los_Angeles")

// compared is below, at or above 0 as what the record has is before, in or after what was typed.
func compared(f soql.Field, have any, typed string) int {
	switch f.Type {
	case "id", "reference":
		return strings.Compare(have.(string)[:15], typed[:15])
	case "currency", "double", "percent", "int":
		x, _ := strconv.ParseFloat(fmt.Sprint(have), 64)
		y, _ := strconv.ParseFloat(typed, 64)
		return map[bool]int{true: -1}[x < y] + map[bool]int{true: 1}[x > y]
	case "date":
		day, _ := time.ParseInLocation(time.DateOnly, have.(string), losAngeles)
		return within(day, typed)
	case "datetime":
		at, err := time.Parse("2006-01-02T15:04:05.000-0700", have.(string))
		if err != nil {
			panic(err)
		}
		return within(at, typed)
	}
	if strings.EqualFold(have.(string), typed) {
		return 0
	}
	return 1
}

// within compares an instant with what was typed: a day, an instant or a relative date as of noon in Los Angeles.
func within(at time.Time, typed string) int {
	today := time.Date(2026, 5, 13, 0, 0, 0, 0, losAngeles)
	from, to := today, today.AddDate(0, 0, 1)
	switch strings.ToUpper(typed) {
	case "TODAY":
	case "LAST_N_DAYS:30":
		from = today.AddDate(0, 0, -30)
	case "N_DAYS_AGO:1":
		from, to = today.AddDate(0, 0, -1), today
	case "THIS_YEAR":
		from, to = time.Date(2026, 1, 1, 0, 0, 0, 0, losAngeles), time.Date(2027, 1, 1, 0, 0, 0, 0, losAngeles)
	case "LAST_MONTH":
		from, to = time.Date(2026, 4, 1, 0, 0, 0, 0, losAngeles), time.Date(2026, 5, 1, 0, 0, 0, 0, losAngeles)
	default:
		var err error
		if from, err = time.ParseInLocation(time.DateOnly, typed, losAngeles); err != nil {
			if from, err = time.Parse(time.RFC3339, typed); err != nil {
				if from, err = time.Parse("2006-01-02 15:04Z07:00", typed); err != nil {
					panic(err)
				}
			}
		}
		to = from.Add(1)
	}
	switch {
	case at.Before(from):
		return -1
	case at.Before(to):
		return 0
	}
	return 1
}

// TestRowsTogether holds several generated rows against the records that each of them selects alone, and opens their SOQL again.
func TestRowsTogether(t *testing.T) {
	t.Parallel()
	org, schema := peopled(t)
	rng := rand.New(rand.NewPCG(1, 2))
	object := schema.Object("Account")
	for range 300 {
		var b soql.Builder
		var want map[string]bool
		for range 1 + rng.IntN(4) {
			f := object.Fields[rng.IntN(len(object.Fields))]
			ops := soql.Operators(f)
			if len(ops) == 0 {
				continue
			}
			row := soql.Row{Field: f.Name, Operator: ops[rng.IntN(len(ops))]}
			row.Values = map[soql.InputKind][]string{
				soql.InputNumber: {"100"}, soql.InputDate: {"TODAY"}, soql.InputDateTime: {"TODAY"}, soql.InputID: {"001000000000001AAA"}, soql.InputTime: {"10:00:00Z"},
				soql.InputMultiPicklist: {"Champion"}, soql.InputText: {texts[1+rng.IntN(len(texts)-1)]}, soql.InputPicklist: {texts[1+rng.IntN(len(texts)-1)]},
			}[soql.InputOf(f, row.Operator).Kind]
			alone, problems := soql.Builder{Rows: []soql.Row{row}}.SOQL("Account", schema)
			if len(problems) > 0 {
				t.Fatalf("%v: %v", row, problems)
			}
			ids, err := selected(org, alone)
			if err != nil {
				t.Fatalf("%s: %v", alone, err)
			}
			both := map[string]bool{}
			for _, id := range ids {
				if len(b.Rows) == 0 || want[id] {
					both[id] = true
				}
			}
			want, b.Rows = both, append(b.Rows, row)
		}
		if len(b.Rows) == 0 {
			continue
		}
		text, problems := b.SOQL("Account", schema)
		got, err := selected(org, text)
		if err != nil || len(problems) > 0 {
			t.Fatalf("%s: %v %v", text, err, problems)
		}
		if len(got) != len(want) {
			t.Errorf("%s selects %d, want %d", text, len(got), len(want))
		}
		reopened(t, text, schema)
	}
}
