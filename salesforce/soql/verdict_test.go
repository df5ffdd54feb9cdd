package soql_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
)

// TestVerdictsOfTheOrg generates filters over the org's own describe, right and wrong in syntax, names, types and values. For each the checker says the
// same as the org does: it has findings exactly when the org refuses the query. A filter that opens in the builder selects what it selected before.
func TestVerdictsOfTheOrg(t *testing.T) {
	t.Parallel()
	org, schema := newOrg(t, 20, func(org *sim.Org) { org.SetMultiCurrency(true) })
	g := &filters{rand.New(rand.NewPCG(11, 7)), schema}
	const n = 6000
	refused, opened := 0, 0
	for range n {
		text := g.logical("Account", 2)
		if g.IntN(3) == 0 {
			text = g.broken(text)
		}
		findings := soql.CheckFilter(text, "Account", schema)
		count, err := org.EvalCount("SELECT Id FROM Account WHERE " + text)
		if soql.Refused(findings) != (err != nil) {
			t.Errorf("%s\nchecker: %v\norg:     %v", text, findings, err)
		}
		if err != nil {
			refused++
			continue
		}
		if b, _, ok := soql.FromFilter(text, "Account", schema); ok {
			opened++
			again, problems := b.SOQL("Account", schema)
			if n, err := org.EvalCount("SELECT Id FROM Account WHERE " + again); n != count || err != nil {
				t.Errorf("%s selects %d\nbut opens as %s, which selects %d %v %v", text, count, again, n, err, problems)
			}
		}
	}
	if refused < n/5 || refused > n*4/5 || opened < n/20 {
		t.Errorf("of %d, %d were refused and %d opened in the builder: the generator makes too much of one kind", n, refused, opened)
	}
}

// TestRelationshipsOfAQuery counts to the most relationships that a query may follow to parents, in itself and in its subqueries together: the checker and
// the org take 55, however often each is used, and refuse one more.
func TestRelationshipsOfAQuery(t *testing.T) {
	t.Parallel()
	org, schema := newOrg(t, 5, nil)
	// From an account: its parents, and at each level the owner with the managers above, not deeper than five.
	climbs := func(prefix string, depth int) (paths []string) {
		for up := 0; up <= depth; up++ {
			account := prefix + strings.Repeat("Parent.", up)
			if up > 0 {
				paths = append(paths, account+"Name")
			}
			for managers := 0; up+1+managers <= depth; managers++ {
				paths = append(paths, account+"Owner."+strings.Repeat("Manager.", managers)+"Name")
			}
		}
		return paths
	}
	mine := climbs("", 5)
	theirs := append([]string{"Account.Name", "Owner.Name", "Owner.Manager.Name"}, climbs("Account.", 4)...)
	query := func(n int) string {
		third := climbs("", 5)[:n-len(mine)-len(theirs)]
		return "SELECT " + strings.Join(mine, ", ") + ", Owner.Email, (SELECT " + strings.Join(theirs, ", ") + ", Account.Owner.Email FROM Contacts), (SELECT Id, " +
			strings.Join(third, ", ") + " FROM ChildAccounts) FROM Account WHERE Owner.Manager.Name != 'x'"
	}
	for n, want := range map[int]string{55: "", 56: "SOQL statements cannot query more than 55 relationships"} {
		q, err := soql.ParseQuery(query(n))
		if err != nil {
			t.Fatal(err)
		}
		findings := soql.CheckQuery(q, schema)
		if (want == "") != (len(findings) == 0) || want != "" && findings[0].Kind != soql.KindLimit {
			t.Errorf("%d relationships: %+v", n, findings)
		}
		if _, err := org.Eval(query(n)); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d relationships in the org: %v", n, err)
		}
	}
}

// filters generates conditions from a describe.
type filters struct {
	*rand.Rand
	schema soql.Schema
}

func (g *filters) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *filters) path(object string, depth int) (string, soql.Field) {
	o := g.schema.Object(object)
	f := o.Fields[g.IntN(len(o.Fields))]
	switch {
	case g.IntN(80) == 0:
		return g.pick("Nope__c", "Owner", "Contacts", "Ownr.Name"), f
	case depth > 0 && f.RelationshipName != "" && len(f.ReferenceTo) == 1 && g.schema.Object(f.ReferenceTo[0]) != nil && g.IntN(2) == 0:
		path, inner := g.path(f.ReferenceTo[0], depth-1)
		return f.RelationshipName + "." + path, inner
	}
	if g.IntN(10) == 0 {
		return g.pick(strings.ToUpper(f.Name), object+"."+f.Name), f
	}
	return f.Name, f
}

func (g *filters) literal(f soql.Field) string {
	if g.IntN(25) == 0 {
		return g.pick("'x'", "5", "TRUE", "TODAY", "2026-01-31", "2026-01-31T10:00:00Z", "10:00:00Z", "USD5", "NULL")
	}
	switch f.Type {
	case "boolean":
		return g.pick("TRUE", "false")
	case "int", "double", "currency", "percent":
		return g.pick("5", "-1.5", "+7", ".5", "100000")
	case "date":
		return g.pick("2026-01-31", "TODAY", "LAST_N_DAYS:30", "2024-02-29", "N_FISCAL_YEARS_AGO:2", g.pick("2026-02-29", "2026-01-31"))
	case "datetime":
		return g.pick("2026-01-31T10:00:00Z", "2026-01-31T10:00:00.123+02:00", "YESTERDAY", g.pick("2026-13-01T00:00:00Z", "THIS_WEEK"))
	case "time":
		return "10:00:00.000Z"
	case "id", "reference":
		return g.pick("'0015g00003ordsuAAA'", "'0015g00003ordsu'", "''", g.pick("'nonsense'", "'0015g00003ordsuAAB'", "'0055g00003ordsu'"))
	}
	return g.pick("'x'", `'O\'Brien'`, "''", `'50%'`, `'\u00e4_'`, "'😀'", `'back\\slash'`)
}

func (g *filters) condition(object string, depth int) string {
	path, f := g.path(object, 2)
	switch g.IntN(14) {
	case 0:
		return path + " LIKE " + g.pick("'A%'", `'\_x%'`, "'%'")
	case 1, 2:
		return path + g.pick(" IN ", " NOT IN ") + "(" + g.literal(f) + ", " + g.literal(f) + ")"
	case 3:
		return g.pick("Tags__c", "Tags__c", path) + g.pick(" INCLUDES ", " EXCLUDES ") + "('Champion;At Risk', 'x')"
	case 4:
		return g.pick("CALENDAR_YEAR", "DAY_IN_WEEK", "FISCAL_QUARTER") + "(" + g.pick("CreatedDate", "Renewal_Date__c", path) + ") = 3"
	case 5:
		if depth < 2 && g.IntN(3) > 0 { // subqueries stand most often at the top level, and now and then where they may not
			return g.condition(object, depth)
		}
		return "Id" + g.pick(" IN ", " NOT IN ") + "(SELECT " + g.pick("AccountId", "AccountId", "AccountId", "Id", "Email") + " FROM " + g.pick("Contact", "Opportunity") + ")"
	case 6, 7:
		if depth > 0 {
			return "(" + g.logical(object, depth-1) + ")"
		}
	case 8:
		if depth > 0 {
			return "(NOT " + g.pick(g.condition(object, depth-1), "("+g.logical(object, depth-1)+")") + ")"
		}
	case 9:
		return path + g.pick(" = ", " != ") + "NULL"
	}
	op := g.pick(" = ", " != ", "=", " <> ")
	if f.Type != "boolean" && f.Type != "multipicklist" {
		op = g.pick(op, " < ", " >= ")
	}
	return path + op + g.literal(f)
}

func (g *filters) logical(object string, depth int) string {
	terms := make([]string, 1+g.IntN(3))
	for i := range terms {
		terms[i] = g.condition(object, depth)
	}
	return strings.Join(terms, g.pick(" AND ", " OR "))
}

// broken drops, doubles or exchanges a word. The words that begin another clause are not among the new ones: a filter may not hold them and a query may.
func (g *filters) broken(text string) string {
	words := strings.Fields(text)
	i, j := g.IntN(len(words)), g.IntN(len(words))
	switch g.IntN(4) {
	case 0:
		words = append(words[:i:i], words[i+1:]...)
	case 1:
		words = append(words[:i+1:i+1], words[i:]...)
	case 2:
		words[i], words[j] = words[j], words[i]
	default:
		words[i] = g.pick("AND", "OR", "NOT", "(", ")", ",", "=", "'x'", "5", "Name", "NULL", "==", `"x"`, "IS")
	}
	return strings.Join(words, " ")
}
