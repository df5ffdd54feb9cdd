package soql

import (
	"math/rand/v2"
	"strings"
)

// generated returns n queries that are the same on every run: about half are valid, and the others have one token dropped, doubled or exchanged.
func generated(n int) []string {
	g := &generator{rand.New(rand.NewPCG(20, 26))}
	queries := make([]string, n)
	for i := range queries {
		queries[i] = g.query(2)
		if g.IntN(2) == 0 {
			queries[i] = g.broken(queries[i])
		}
	}
	return queries
}

type generator struct{ *rand.Rand }

func (g *generator) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *generator) maybe(part string) string {
	if g.IntN(3) > 0 {
		return ""
	}
	return part
}

func (g *generator) field() string {
	return g.pick("Id", "Name", "Type", "Owner.Name", "Parent.Owner.Email", "ARR__c", "ns__Tier__c", "Region__r.Name", "CreatedDate", "Group", "Case.Id")
}

func (g *generator) value() string {
	return g.pick("'x'", "'O\\'Brien'", "''", "5", "-1.5", "+7", ".5", "2026-01-31", "2026-01-31T10:00:00Z", "10:00:00Z", "TODAY", "LAST_N_DAYS:3",
		"N_FISCAL_YEARS_AGO : 2", "TRUE", "false", "NULL", "USD50", "'\\u0041'")
}

func (g *generator) condition(depth int) string {
	switch g.IntN(9) {
	case 0:
		return g.field() + " LIKE " + g.pick("'a%'", "'_b\\_'", "'%c'")
	case 1:
		return g.field() + g.pick(" IN ", " NOT IN ") + "(" + g.value() + ", " + g.value() + ")"
	case 2:
		return g.field() + g.pick(" INCLUDES ", " EXCLUDES ") + "('a;b', 'c')"
	case 3:
		return g.pick("CALENDAR_YEAR", "DAY_IN_WEEK", "FISCAL_QUARTER") + "(" + g.field() + ") = 3"
	case 4:
		if depth > 0 {
			return "Id IN (SELECT AccountId FROM Contact" + g.maybe(" WHERE "+g.logical(depth-1)) + ")"
		}
	case 5:
		if depth > 0 {
			return "(" + g.logical(depth-1) + ")"
		}
	case 6:
		if depth > 0 {
			return "(NOT " + g.condition(depth-1) + ")"
		}
	}
	return g.field() + g.pick(" = ", " != ", " <> ", " < ", " <= ", ">", ">=") + g.value()
}

func (g *generator) logical(depth int) string {
	joiner := g.pick(" AND ", " OR ")
	terms := make([]string, 1+g.IntN(3))
	for i := range terms {
		terms[i] = g.condition(depth)
	}
	return strings.Join(terms, joiner)
}

func (g *generator) item(depth int) string {
	switch g.IntN(8) {
	case 0:
		return g.pick("SUM", "COUNT", "MIN", "COUNT_DISTINCT") + "(" + g.field() + ")" + g.maybe(" total")
	case 1:
		return g.pick("toLabel", "FORMAT", "convertCurrency") + "(" + g.field() + ")"
	case 2:
		if depth > 0 {
			return "(" + g.query(depth-1) + ")"
		}
	case 3:
		return "TYPEOF What WHEN Account THEN " + g.field() + g.maybe(" ELSE Name") + " END"
	case 4:
		return g.pick("FIELDS(ALL)", "FIELDS(STANDARD)", "CALENDAR_YEAR(CreatedDate)")
	}
	return g.field() + g.maybe(" alias")
}

func (g *generator) query(depth int) string {
	items := make([]string, 1+g.IntN(3))
	for i := range items {
		items[i] = g.item(depth)
	}
	q := "SELECT " + strings.Join(items, ", ") + " FROM " + g.pick("Account", "Contact c", "Opportunity AS o", "ns__Thing__c", "Account a, a.Owner u")
	q += g.maybe(" USING SCOPE mine")
	if g.IntN(3) > 0 {
		q += " WHERE " + g.logical(depth)
	}
	q += g.maybe(" GROUP BY " + g.pick("Name", "ROLLUP(Name, Type)", "CALENDAR_MONTH(CreatedDate)") + g.maybe(" HAVING COUNT(Id) > 1"))
	q += g.maybe(" ORDER BY " + g.field() + g.maybe(" DESC") + g.maybe(" NULLS LAST"))
	return q + g.maybe(" LIMIT 10") + g.maybe(" OFFSET 5") + g.maybe(g.pick(" FOR VIEW", " UPDATE TRACKING", " FOR REFERENCE"))
}

// broken changes one blank-separated token.
func (g *generator) broken(q string) string {
	tokens := strings.Fields(q)
	i, j := g.IntN(len(tokens)), g.IntN(len(tokens))
	switch g.IntN(4) {
	case 0:
		tokens = append(tokens[:i:i], tokens[i+1:]...)
	case 1:
		tokens = append(tokens[:i+1:i+1], tokens[i:]...)
	case 2:
		tokens[i], tokens[j] = tokens[j], tokens[i]
	default:
		tokens[i] = g.pick("AND", "OR", "NOT", "(", ")", ",", "=", "'x'", "FROM", "LIMIT", "5", "Name", "NULL", "==", "\"x\"")
	}
	return strings.Join(tokens, " ")
}
