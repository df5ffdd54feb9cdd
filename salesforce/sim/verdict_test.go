package sim

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"millrace/salesforce/soql"
)

// TestVerdictsAgree holds the evaluator and the checker together: over thousands of generated conditions on the org's own fields, valid and not,
// the evaluator refuses exactly what the checker finds fault with, and for the same reason.
func TestVerdictsAgree(t *testing.T) {
	t.Parallel()
	o, err := New(Options{Accounts: 20})
	if err != nil {
		t.Fatal(err)
	}
	w := o.world.Load().as(userIntegration)
	g := &conditions{rand.New(rand.NewPCG(3, 5)), w}
	refused := 0
	for range 6000 {
		obj := w.order[g.IntN(len(w.order))]
		text := "SELECT Id FROM " + obj.name + " WHERE " + g.logical(obj, 2)
		q, err := soql.ParseQuery(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		checked := w.check(text, q)
		c := &compiler{w: w, text: text, now: o.now(), zone: o.zone}
		_, compiled := c.matching(obj, q.Where, false)
		if (checked == nil) != (compiled == nil) {
			t.Errorf("%s\nchecker:   %v\nevaluator: %v", text, checked, compiled)
		}
		if checked != nil {
			refused++
			var a, b *apiError
			if !errors.As(checked, &a) || !errors.As(compiled, &b) || a.code != b.code {
				t.Errorf("%s\nchecker:   %v\nevaluator: %v", text, checked, compiled)
			}
		}
	}
	if refused < 600 || refused > 5400 {
		t.Errorf("%d of 6000 were refused: the generator makes too much of one kind", refused)
	}
}

type conditions struct {
	*rand.Rand
	w *world
}

func (g *conditions) pick(list ...string) string { return list[g.IntN(len(list))] }

// path names a field of the object or one over a relationship, now and then one that does not exist.
func (g *conditions) path(o *object, depth int) (string, *field) {
	f := o.fields[g.IntN(len(o.fields))]
	switch {
	case g.IntN(60) == 0:
		return "Nope__c", f
	case depth > 0 && f.relName != "" && g.IntN(2) == 0:
		if f.polymorphic {
			return f.relName + "." + g.pick("Name", "Type", "Email", "Nope"), textField("Name", "", 0)
		}
		path, inner := g.path(g.w.object(f.refs[0]), depth-1)
		return f.relName + "." + path, inner
	}
	return f.name, f
}

func (g *conditions) literal(f *field) string {
	if g.IntN(12) == 0 {
		return g.pick("'x'", "5", "TRUE", "TODAY", "2026-01-31", "2026-01-31T10:00:00Z", "NULL")
	}
	switch f.typ {
	case "boolean":
		return g.pick("TRUE", "FALSE")
	case "int", "double", "currency", "percent":
		return g.pick("5", "-1.5", "NULL", "100000")
	case "date":
		return g.pick("2026-01-31", "TODAY", "LAST_N_DAYS:30", "THIS_FISCAL_YEAR", "NULL")
	case "datetime":
		return g.pick("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+02:00", "YESTERDAY", "N_WEEKS_AGO:3", "NULL")
	case "time":
		return g.pick("10:00:00.000Z", "NULL")
	case "id", "reference":
		return g.pick("'0015g00003ordsuAAA'", "'0015g00003ordsu'", "'nonsense'", "NULL", "''")
	}
	return g.pick("'x'", "'Customer'", "'O\\'Brien'", "''", "NULL", "'Ä%'")
}

func (g *conditions) condition(o *object, depth int) string {
	path, f := g.path(o, 2)
	switch g.IntN(11) {
	case 10:
		return g.join(o)
	case 0:
		return path + " LIKE " + g.pick("'A%'", "'_x%'", "'%'")
	case 1:
		return path + g.pick(" IN ", " NOT IN ") + "(" + g.literal(f) + "," + g.literal(f) + ")"
	case 2:
		return path + g.pick(" INCLUDES ", " EXCLUDES ") + "('Champion;At Risk','x')"
	case 3:
		if depth > 0 {
			return "(" + g.logical(o, depth-1) + ")"
		}
	case 4:
		if depth > 0 {
			return "(NOT " + g.condition(o, g.IntN(2)) + ")"
		}
	}
	return path + g.pick(" = ", " = ", " != ", " < ", " >= ") + g.literal(f)
}

// join compares a reference with the ids that a query on another object selects, most often with a sound one.
func (g *conditions) join(o *object) string {
	left, inner := o.fields[0], o
	for _, f := range o.fields {
		if len(f.refs) == 1 && g.w.object(f.refs[0]) != nil && (inner == o || g.IntN(3) == 0) {
			left, inner = f, g.w.object(f.refs[0])
		}
	}
	selected, from := "Id", inner.name
	if g.IntN(4) == 0 {
		other := g.w.order[g.IntN(len(g.w.order))]
		from, selected = other.name, other.fields[g.IntN(len(other.fields))].name
	}
	name := left.name
	if g.IntN(10) == 0 {
		name, _ = g.path(o, 1)
	}
	text := name + g.pick(" IN ", " NOT IN ") + "(SELECT " + selected + " FROM " + from
	switch g.IntN(6) {
	case 0:
		path, f := g.path(inner, 1)
		text += " WHERE " + path + " = " + g.literal(f)
	case 1:
		text += " WHERE Id IN (SELECT Id FROM Account)"
	}
	return text + ")"
}

func (g *conditions) logical(o *object, depth int) string {
	terms := make([]string, 1+g.IntN(2))
	for i := range terms {
		terms[i] = g.condition(o, depth)
	}
	return strings.Join(terms, g.pick(" AND ", " OR "))
}
