package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// customTable names the table of all custom objects' records.
const customTable = "custom_records"

// CustomStep returns the name of the step that reads a custom object.
func CustomStep(object string) string { return "custom:" + object }

// customObjects plans the steps of the configured objects. One that is not there any more reads nothing, which its step says.
func (p *planner) customObjects(s settings.Settings, filters []settings.Filter) {
	for _, c := range s.CustomObjects {
		if p.err != nil {
			return
		}
		object := p.schema.Object(c.Object)
		var match *soql.Field
		if object != nil {
			c.Object = object.Name
			match = fieldOf(object, c.Match)
		}
		step := Step{Name: CustomStep(c.Object), Label: c.Name}
		switch {
		case object == nil:
			p.idle(customRecords(c), step, "Not read, because the connected Salesforce user cannot see the object "+c.Object+".")
		case match == nil:
			p.idle(customRecords(c), step, fmt.Sprintf("Not read, because the connected Salesforce user cannot see the matching field %s.%s.", c.Object, c.Match))
		default:
			p.customObject(s, c, object, match, filters)
		}
	}
}

// customObject plans the step of one object and returns its queries.
func (p *planner) customObject(s settings.Settings, c settings.CustomObject, object *soql.Object, match *soql.Field, filters []settings.Filter) (read, count *soql.Composed, exact bool) {
	if err := linkFault(c, match); err != nil {
		if p.lenient {
			p.idle(customRecords(c), Step{Name: CustomStep(c.Object), Label: c.Name}, "Not read. "+FaultOf(err).Message)
		} else {
			p.err = err
		}
		return nil, nil, false
	}
	where, exact, err := linkedTo(c, match, filters)
	if err != nil {
		p.err = err
		return nil, nil, false
	}
	t := customRecords(c)
	t.Columns, t.Lookups, t.Parent, t.Under = customColumns(s, c, object, match)
	t.Cleared = unlinked(t)
	fields := c.Fields
	if len(fields) == 0 {
		fields = worthwhile(object)
	}
	t = t.with(named(t.missing(fields))...)
	read, count = p.addTyped(t, Step{Name: CustomStep(c.Object), Label: c.Name, own: &c.Filter, unsteady: unsteadyLink(match)}, where, c.Filter)
	return read, count, exact
}

// customRecords returns the table of one object without what only a describe tells.
func customRecords(c settings.CustomObject) Table {
	return Table{
		Object: c.Object, Name: customTable, Set: CustomStep(c.Object), Entity: c.Object, Label: c.Name, Open: true,
		Keys: []Key{{"object", c.Object}},
	}
}

// customColumns returns the columns of an object's records, how they lead to the account, and the column and table of the parent that must be here.
func customColumns(s settings.Settings, c settings.CustomObject, object *soql.Object, match *soql.Field) (columns []Column, lookups []Lookup, parent, under string) {
	parents, parent := accountTable(s), "account_id"
	if c.Parent == settings.ParentContact {
		parents, parent, under = contactTable(s), "contact_id", contacts.Name
	}
	if match.Type == "reference" {
		columns = append(columns, Column{match.Name, parent, ID})
	} else {
		columns = append(columns, Column{match.Name, "parent_key", Text})
		lookups = append(lookups, Lookup{Column: parent, Table: parents.Name, By: "parent_key", Key: keyName(parents, c.To), Take: "sf_id"})
	}
	if c.Parent == settings.ParentContact {
		lookups = append(lookups, Lookup{Column: "account_id", Table: contacts.Name, By: "contact_id", Take: "account_id"})
	}
	if name := nameField(object); name != "" {
		columns = append(columns, Column{name, "name", Text})
	}
	if fieldOf(object, "SystemModstamp") != nil {
		columns = append(columns, Column{"SystemModstamp", "system_modstamp", DateTime})
	}
	return columns, lookups, parent, under
}

// unlinked returns the columns of a link of another kind than the table's: records that were linked otherwise before are still full of them.
func unlinked(t Table) []string {
	return slices.DeleteFunc([]string{"contact_id", "parent_key"}, func(name string) bool {
		return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == name }) || slices.ContainsFunc(t.Lookups, func(l Lookup) bool { return l.Column == name })
	})
}

// unread are the fields that reading everything leaves out: they say nothing about a record, or are different for everybody who looks.
var unread = []string{"Id", "IsDeleted", "SystemModstamp", "LastViewedDate", "LastReferencedDate"}

// Worthwhile accepts the fields of a custom object that are synced when none is chosen.
func Worthwhile(f soql.Field) string {
	if slices.ContainsFunc(unread, func(name string) bool { return strings.EqualFold(name, f.Name) }) {
		return "Says nothing about the record"
	}
	return Syncable(f)
}

// worthwhile returns the fields of an object that can be synced and are worth it.
func worthwhile(object *soql.Object) []string {
	var out []string
	for _, f := range object.Fields {
		if Worthwhile(f) == "" {
			out = append(out, f.Name)
		}
	}
	return out
}
