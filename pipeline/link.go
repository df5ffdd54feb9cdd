package pipeline

import (
	"fmt"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// The fields that name a record, in the order in which they are looked for: some standard objects have no Name.
var nameFields = []string{"Name", "Subject", "Title", "CaseNumber", "ContractNumber", "OrderNumber", "DeveloperName"}

// nameField returns the field that names an object's records, or "".
func nameField(object *soql.Object) string {
	for _, name := range nameFields {
		if f := fieldOf(object, name); f != nil && f.Type != "reference" {
			return f.Name
		}
	}
	return ""
}

// objectOf returns the API name of the parent's object.
func objectOf(p settings.Parent) string {
	if p == settings.ParentContact {
		return contacts.Object
	}
	return accounts.Object
}

// linkFault says why a custom object's records cannot be matched with their parents; it is nil when they can.
func linkFault(c settings.CustomObject, f *soql.Field) error {
	parent := objectOf(c.Parent)
	switch {
	case f.Type == "reference" && !pointsTo(*f, parent):
		return invalidObject(c, "%s of %s points to %s, not to %s.", f.Name, c.Object, list(f.ReferenceTo), parent)
	case f.Type != "reference" && c.To == "":
		return invalidObject(c, "%s of %s is no lookup, so the External ID field of %s that it holds must be chosen.", f.Name, c.Object, parent)
	case f.Type != "reference" && !isText(*f):
		return invalidObject(c, "%s of %s neither points to %s nor is a text that can hold its External ID.", f.Name, c.Object, parent)
	}
	return nil
}

func invalidObject(c settings.CustomObject, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Fault{Kind: Fatal, Code: "custom_object_invalid", Message: err.Error() + " The setting is under Custom Objects, " + c.Name + ".", Err: err}
}

// linkedTo selects the records of an object that belong to an account that matches any filter, or to a contact of one, as far as SOQL can say that;
// else those that belong to any. exact tells which.
func linkedTo(c settings.CustomObject, f *soql.Field, filters []settings.Filter) (where soql.Expr, exact bool, err error) {
	some, err := soql.Compare(f.Name, soql.NotEqual, soql.Null())
	if err != nil || f.Type != "reference" || len(f.ReferenceTo) != 1 || f.RelationshipName == "" {
		return some, false, err
	}
	relationship, id := f.RelationshipName, f.Name
	if c.Parent == settings.ParentContact {
		relationship, id = f.RelationshipName+".Account", f.RelationshipName+".AccountId"
	}
	where, err = childCondition(filters, relationship, id)
	if err != nil {
		return nil, false, err
	}
	linked, err := soql.Compare(id, soql.NotEqual, soql.Null())
	if err != nil {
		return nil, false, err
	}
	return where, where.String() != linked.String(), nil
}

// unsteadyLink says why records can come to another parent, or to one at all, although their time of change does not move; it is empty when they cannot.
func unsteadyLink(f *soql.Field) string {
	if !silent(f) {
		return ""
	}
	return "they are linked by the formula or roll-up field " + f.Name + ", whose changes do not show on the record"
}

// externalKeys returns the External ID fields of a parent's object by which custom objects find it: they are synced for that.
func externalKeys(s settings.Settings, p settings.Parent) []settings.FieldMapping {
	var out []settings.FieldMapping
	for _, c := range s.CustomObjects {
		if c.Parent == p && c.To != "" {
			out = append(out, settings.FieldMapping{Field: c.To})
		}
	}
	return out
}

// keyName returns the name under which a parent's External ID field is kept.
func keyName(t Table, field string) string {
	for _, c := range t.Extra {
		if strings.EqualFold(c.Field, field) {
			return c.Name
		}
	}
	return field
}
