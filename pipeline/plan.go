package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Plan is what a run will do.
type Plan struct{ Steps []Step }

// Step is one object of a run, or one account filter. The store fills in how far it is.
type Step struct {
	Position    int    // in the run, counted from 1
	Name        string // unique in the run: "users", "accounts:customer", …
	Label       string // for people
	Table       Table
	AccountType settings.AccountType // of accounts; empty for other objects
	Query       string
	CountQuery  string // known only while planning
	Note        string // what is left out and why; empty for nothing

	Expected *int64 // records of the result; nil while unknown
	Mode     Mode   // empty before the step starts
	Fresh    bool   // the table held nothing of the connection when the step began
	JobID    string
	Done     bool
}

// MakePlan lays out the steps that the settings ask for, in the order in which they run: users, so that owners have names, accounts by filter in match
// order, then the accounts' contacts and opportunities. Fields that the connected user cannot read are left out, which the step's note says. It
// returns a Fault when an object cannot be read at all or when a filter is not a condition.
func MakePlan(s settings.Settings, schema soql.Schema) (Plan, error) {
	var p planner
	filters := s.Accounts.Filters()
	p.add(schema, users, Step{Name: "users", Label: users.Label}, nil)
	for _, f := range filters {
		label := accounts.Label
		if s.Accounts.Mode == settings.TypedFilters {
			label += ": " + f.Type.Label()
		}
		p.addFilter(schema, label, f)
	}
	where, err := childCondition(filters)
	if err != nil && p.err == nil {
		p.err = err
	}
	for _, child := range []Table{contacts, opportunities} {
		p.add(schema, child, Step{Name: child.Name, Label: child.Label}, where)
	}
	return p.plan, p.err
}

// planner collects steps and keeps the first error.
type planner struct {
	plan Plan
	err  error
}

// add plans a step whose condition is ours.
func (p *planner) add(schema soql.Schema, t Table, s Step, where soql.Expr) {
	p.complete(schema, t, s, func(fields []string) (string, string, error) { return queries(t.Object, fields, where) })
}

// addFilter plans the step of one account filter.
func (p *planner) addFilter(schema soql.Schema, label string, f settings.Filter) (read, count *soql.Composed) {
	s := Step{Name: "accounts:" + string(f.Type), Label: label, AccountType: f.Type}
	p.complete(schema, accounts, s, func(fields []string) (string, string, error) {
		var err error
		if read, count, err = filtered(accounts.Object, fields, f.SOQL); err != nil {
			return "", "", &Fault{Kind: Fatal, Code: "filter_invalid", Message: fmt.Sprintf("The filter of %s is not valid: %s", lower(label), err), Err: err}
		}
		return read.Text, count.Text, nil
	})
	return read, count
}

// complete completes a step with the fields that can be read and the queries that make gives for them.
func (p *planner) complete(schema soql.Schema, t Table, s Step, make func(fields []string) (read, count string, err error)) {
	if p.err != nil {
		return
	}
	s.Position, s.Table = len(p.plan.Steps)+1, t
	var fields []string
	if fields, s.Note, p.err = selectable(schema, t); p.err != nil {
		return
	}
	if s.Query, s.CountQuery, p.err = make(fields); p.err == nil {
		p.plan.Steps = append(p.plan.Steps, s)
	}
}

// selectable returns the fields of the table that the connected user can read, and a note on those that are missing.
func selectable(schema soql.Schema, t Table) (fields []string, note string, err error) {
	object := schema.Object(t.Object)
	if object == nil {
		return nil, "", &Fault{Kind: Fatal, Code: "object_missing", Message: fmt.Sprintf(
			"The connected Salesforce user cannot see %s. Give that user read access to the object, then run the sync again.", t.Label)}
	}
	fields = []string{"Id"}
	var missing []string
	for _, c := range t.Columns {
		switch {
		case slices.Contains(fields, c.Field) || slices.Contains(missing, c.Field):
		case slices.ContainsFunc(object.Fields, func(f soql.Field) bool { return strings.EqualFold(f.Name, c.Field) }):
			fields = append(fields, c.Field)
		case !optional[c.Field]:
			missing = append(missing, c.Field)
		}
	}
	if len(missing) > 0 {
		note = "Left out, because the connected Salesforce user cannot read them: " + strings.Join(missing, ", ") + "."
	}
	return fields, note, nil
}
