package sim

import "millrace/salesforce/soql"

// Object implements soql.Schema: what a describe of the object would say to the user.
func (w *world) Object(name string) *soql.Object {
	o := w.visibleObject(name)
	if o == nil {
		return nil
	}
	v := w.sight
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.schema[o.name]; s != nil {
		return s
	}
	s := &soql.Object{Name: o.name, Label: o.label, Queryable: true}
	for _, f := range o.fields {
		if !w.sees(o, f) {
			continue
		}
		field := soql.Field{Name: f.name, Label: f.label, Type: f.typ, RelationshipName: f.relName, ReferenceTo: f.refs, Length: f.length, Filterable: f.filterable,
			Sortable: f.sortable, Groupable: f.groupable, Aggregatable: f.aggregatable(), Nillable: f.nillable, Calculated: f.calculated, Custom: f.custom}
		for _, p := range f.picks {
			field.Picklist = append(field.Picklist, soql.PicklistValue{Value: p.value, Label: p.label, Active: !p.inactive})
		}
		s.Fields = append(s.Fields, field)
	}
	for _, child := range w.order {
		if w.visibleObject(child.name) == nil {
			continue
		}
		for _, f := range child.fields {
			if f.childRel != "" && refers(f, o.name) && w.sees(child, f) {
				s.Children = append(s.Children, soql.ChildRelationship{Name: f.childRel, Object: child.name, Field: f.name})
			}
		}
	}
	v.schema[o.name] = s
	return s
}

// check refuses a query that the user's sight does not allow, with the first finding worded as the API words it.
func (w *world) check(text string, q *soql.Query) error {
	for _, f := range soql.CheckQuery(q, w) {
		if f.Warning {
			continue
		}
		code, message := f.Salesforce()
		switch f.Kind {
		case soql.KindDuplicateField, soql.KindFields, soql.KindLimit:
			return badRequest(code, "%s", message)
		}
		return badRequest(code, "%s", caret(text, f.Pos.Line, f.Pos.Column, message))
	}
	return nil
}
