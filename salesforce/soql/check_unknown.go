package soql

import (
	"strings"
)

func (c *checker) unknownObject(at Span, name string) {
	var known []Suggestion
	for _, object := range familiarObjects {
		if o := c.schema.Object(object); o != nil {
			known = append(known, Suggestion{o.Name, o.Label})
		}
	}
	found := nearest(name, known)
	c.note(at, Finding{Kind: KindUnknownObject, Subject: name, Suggestions: found, Message: name + " is not an object that the connected user can see." + didYouMean(found)})
}

// familiarObjects are where a field that is missing on one object is looked for. The list is short because each may cost a describe.
var familiarObjects = []string{"Account", "Contact", "Opportunity", "User", "Case", "Lead"}

// unknownField says that the object has no such field, what was probably meant, and where else the field is.
func (c *checker) unknownField(p *Path, name string, object *Object, viaParent bool) {
	f := Finding{Kind: KindUnknownField, Subject: name, Object: object.Name, Message: p.String() + " is not on " + object.Name + "."}
	if viaParent {
		f.Message = name + " is not on " + object.Name + ", which " + strings.Join(p.Relationships(), ".") + " leads to."
	}
	if ref := relationship(object, name); ref != nil {
		f.Suggestions = []Suggestion{{Name: ref.Name, Label: ref.Label}}
		f.Message += " It is a relationship: name one of its fields, such as " + p.String() + ".Name, or use " + ref.Name + "."
		c.note(p.Span, f)
		return
	}
	for _, child := range object.Children {
		if strings.EqualFold(child.Name, name) && child.Name != "" {
			f.Message += " It leads to the " + child.Object + " records: use Id IN (SELECT " + child.Field + " FROM " + child.Object + " WHERE …)."
			c.note(p.Span, f)
			return
		}
	}
	candidates := make([]Suggestion, len(object.Fields))
	for i, field := range object.Fields {
		candidates[i] = Suggestion{field.Name, field.Label}
	}
	f.Suggestions = nearest(name, candidates)
	prefix := strings.Join(p.Relationships(), ".")
	if prefix != "" {
		for i := range f.Suggestions {
			f.Suggestions[i].Name = prefix + "." + f.Suggestions[i].Name
		}
	}
	f.Message += didYouMean(f.Suggestions)
	if !viaParent {
		f.Message += c.elsewhere(name, object)
	}
	c.note(p.Span, f)
}

// elsewhere tells which familiar object has the field.
func (c *checker) elsewhere(name string, object *Object) string {
	for _, other := range familiarObjects {
		o := c.schema.Object(other)
		if o == nil || strings.EqualFold(other, object.Name) {
			continue
		}
		field := fieldOf(o, name)
		if field == nil {
			continue
		}
		for _, ref := range object.Fields {
			if ref.RelationshipName != "" && len(ref.ReferenceTo) == 1 && strings.EqualFold(ref.ReferenceTo[0], o.Name) {
				return " That field is on " + o.Name + ": write " + ref.RelationshipName + "." + field.Name + "."
			}
		}
		for _, child := range object.Children {
			if strings.EqualFold(child.Object, o.Name) {
				return " That field is on " + o.Name + ": use Id IN (SELECT " + child.Field + " FROM " + o.Name + " WHERE " + field.Name + " = …)."
			}
		}
		return " That field is on " + o.Name + "."
	}
	return ""
}

func (c *checker) unknownRelationship(at Span, name string, object *Object) {
	var known []Suggestion
	for _, f := range object.Fields {
		if f.RelationshipName != "" {
			known = append(known, Suggestion{f.RelationshipName, f.Label})
		}
	}
	f := Finding{Kind: KindUnknownRelationship, Subject: name, Object: object.Name, Suggestions: nearest(name, known)}
	f.Message = name + " is not a relationship of " + object.Name + "."
	if field := fieldOf(object, name); field != nil {
		if field.RelationshipName != "" {
			f.Message += " It is a lookup field, whose relationship is called " + field.RelationshipName + "."
			f.Suggestions = []Suggestion{{field.RelationshipName, field.Label}}
		} else {
			f.Message += " It is a field, and leads nowhere."
		}
	} else {
		f.Message += didYouMean(f.Suggestions)
	}
	c.note(at, f)
}
