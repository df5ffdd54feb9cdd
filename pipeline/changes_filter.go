package pipeline

import (
	"fmt"
	"strings"

	"millrace/salesforce/soql"
)

// unstamped are fields whose values change although the record's time of change does not move: they are of whoever looks, counted, or of an opportunity's days and activities.
var unstamped = map[string]bool{
	"lastvieweddate": true, "lastreferenceddate": true, "islocked": true, "mayedit": true, "commentcount": true, "likecount": true,
	"ageindays": true, "lastactivityindays": true, "laststagechangeindays": true, "hasoverduetask": true, "hasopenactivity": true,
}

// silent reports whether a field's value can change without the record's time of change moving.
func silent(f *soql.Field) bool { return f.Calculated || unstamped[strings.ToLower(f.Name)] }

// steadyCalls are the functions whose result depends on nothing but the field in them.
var steadyCalls = map[soql.Func]bool{
	soql.FuncCalendarMonth: true, soql.FuncCalendarQuarter: true, soql.FuncCalendarYear: true, soql.FuncDayInMonth: true, soql.FuncDayInWeek: true,
	soql.FuncDayInYear: true, soql.FuncDayOnly: true, soql.FuncHourInDay: true, soql.FuncWeekInMonth: true, soql.FuncWeekInYear: true,
}

// unsteady says why a filter can take a record or let it go although the record's own time of change does not move: the end of a sentence that begins with the filter. It is empty when it cannot.
// What is not known to be harmless is not.
func unsteady(filter string, object *soql.Object) string {
	if strings.TrimSpace(filter) == "" {
		return ""
	}
	e, findings := soql.ParseFilter(filter)
	if soql.Refused(findings) {
		return "cannot be read"
	}
	return unsteadyExpr(e, object)
}

func unsteadyExpr(e soql.Expr, object *soql.Object) string {
	switch e := e.(type) {
	case *soql.And:
		return firstUnsteady(e.Terms, object)
	case *soql.Or:
		return firstUnsteady(e.Terms, object)
	case *soql.Not:
		return unsteadyExpr(e.X, object)
	case *soql.Group:
		return unsteadyExpr(e.X, object)
	case *soql.Comparison:
		return unsteadyTerm(e.Left, []*soql.Literal{e.Right}, object)
	case *soql.InList:
		return unsteadyTerm(e.Left, e.Values, object)
	case *soql.Includes:
		return unsteadyTerm(e.Left, e.Values, object)
	case *soql.SemiJoin:
		return fmt.Sprintf("looks at other records (%s), whose changes do not show on the record", e.Query.Object())
	}
	return "is of a kind that may change without the record changing"
}

func firstUnsteady(terms []soql.Expr, object *soql.Object) string {
	for _, term := range terms {
		if why := unsteadyExpr(term, object); why != "" {
			return why
		}
	}
	return ""
}

func unsteadyTerm(left soql.Operand, values []*soql.Literal, object *soql.Object) string {
	for _, v := range values {
		switch {
		case v == nil:
		case v.Kind == soql.NamedDateLiteral:
			return "compares with the current date (" + v.String() + ")"
		case v.Kind == soql.CurrencyLiteral:
			return "compares an amount in a currency (" + v.String() + "), for which exchange rates count"
		}
	}
	switch left := left.(type) {
	case *soql.Path:
		return unsteadyPath(left, object)
	case *soql.Call:
		if p := left.Path(); steadyCalls[left.Func] && len(left.Args) == 1 && left.Args[0] == soql.Operand(p) {
			return unsteadyPath(p, object)
		}
		return "uses " + left.String() + ", which may change without the record changing"
	}
	return "is of a kind that may change without the record changing"
}

func unsteadyPath(p *soql.Path, object *soql.Object) string {
	names := p.Names
	if len(names) == 2 && strings.EqualFold(names[0], object.Name) && !hasRelationship(object, names[0]) {
		names = names[1:]
	}
	if len(names) > 1 {
		return "looks at a parent record (" + p.String() + "), whose changes do not show on the record"
	}
	f := fieldOf(object, names[0])
	switch {
	case f == nil:
		return "uses " + p.String() + ", of which nothing is known"
	case f.Calculated:
		return "uses the formula or roll-up field " + f.Name + ", whose changes do not show on the record"
	case silent(f):
		return "uses " + f.Name + ", whose changes do not show on the record"
	}
	return ""
}

func hasRelationship(object *soql.Object, name string) bool {
	for i := range object.Fields {
		if strings.EqualFold(object.Fields[i].RelationshipName, name) {
			return true
		}
	}
	return false
}
