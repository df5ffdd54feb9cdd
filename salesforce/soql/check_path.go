package soql

import (
	"slices"
	"strconv"
	"strings"
)

const (
	maxLevels  = 5  // how many relationships a path may follow
	maxParents = 55 // how many different ones a query may follow to parents
)

// operandType is what the checker knows about the left side of a comparison. An empty typ means that the type is not known.
type operandType struct {
	span   Span
	name   string // the path as written
	label  string
	object string
	typ    string // a describe's field type
	fn     Func   // the outermost function, if any
	field  *Field
	points []string // the objects whose ids it holds
}

// described says in plain words what the operand is.
func (v *operandType) described() string {
	name := v.name
	if v.label != "" && !strings.EqualFold(v.label, v.name) {
		name += " (" + v.label + ")"
	}
	return name + " " + holds[v.typ]
}

// holds finishes a sentence that starts with a field's name.
var holds = map[string]string{
	"id": "is an id", "reference": "is a lookup and holds an id", "boolean": "is a checkbox",
	"int": "is a number", "long": "is a number", "double": "is a number", "percent": "is a percentage", "currency": "is an amount of money",
	"date": "is a date", "datetime": "is a date with a time", "time": "is a time of day",
	"string": "is text", "textarea": "is a text area", "url": "is a web address", "email": "is an email address", "phone": "is a phone number",
	"picklist": "is a picklist", "multipicklist": "is a multi-select picklist", "combobox": "is a combobox", "encryptedstring": "is encrypted text",
	"base64": "is binary data", "address": "is a compound address", "location": "is a compound geolocation", "anyType": "holds values of several types",
	"complexvalue": "is a compound value", "": "is of an unknown type",
}

// use says what a field is wanted for, which decides the describe flag it must have.
type use struct{ filter, sort, group, aggregate bool }

// operand resolves a path or function and checks that it may be used so. It returns nil when it noted a finding or knows nothing.
func (c *checker) operand(o Operand, sc *scope, u use) *operandType {
	switch o := o.(type) {
	case *Path:
		return c.path(o, sc, u)
	case *Call:
		return c.callType(o, sc, u)
	}
	return nil
}

// path resolves a field path.
func (c *checker) path(p *Path, sc *scope, u use) *operandType {
	names := p.Names
	object, climbed := sc.object, []string(nil)
	if len(names) > 1 {
		if aliased, ok := sc.aliases[strings.ToLower(names[0])]; ok {
			if aliased != object {
				climbed = names[:1] // the alias stands for a relationship
			}
			object, names = aliased, names[1:]
		} else if strings.EqualFold(names[0], sc.name) && (object == nil || relationship(object, names[0]) == nil) {
			names = names[1:]
		}
	}
	if len(names)-1 > maxLevels {
		c.note(p.Span, Finding{
			Kind: KindTooManyLevels, Subject: p.String(),
			Message: "A path may follow at most five relationships; this one follows " + strconv.Itoa(len(names)-1) + ".",
		})
		return nil
	}
	c.climbs(p.Span, sc, slices.Concat(climbed, names[:len(names)-1]))
	if object == nil {
		return nil
	}
	for _, name := range names[:len(names)-1] {
		ref := relationship(object, name)
		if ref == nil {
			c.unknownRelationship(p.Span, name, object)
			return nil
		}
		if object = c.target(ref); object == nil {
			return nil
		}
	}
	name := names[len(names)-1]
	field := fieldOf(object, name)
	if field == nil {
		c.unknownField(p, name, object, len(names) > 1)
		return nil
	}
	v := &operandType{span: p.Span, name: p.String(), label: field.Label, object: object.Name, typ: field.Type, field: field, points: field.ReferenceTo}
	if field.Type == "id" {
		v.points = []string{object.Name}
	}
	if !c.usable(v, u) {
		return nil
	}
	return v
}

// climbs counts the relationships of a path, each once however often the query follows it.
func (c *checker) climbs(at Span, sc *scope, names []string) {
	for i := range names {
		one := climb{sc, strings.ToLower(strings.Join(names[:i+1], "."))}
		if c.parents[one] {
			continue
		}
		if c.parents == nil {
			c.parents = map[climb]bool{}
		}
		if c.parents[one] = true; len(c.parents) == maxParents+1 {
			c.note(at, Finding{Kind: KindLimit, Message: "A query may follow at most 55 different relationships to parents.", server: "SOQL statements cannot query more than 55 relationships"})
		}
	}
}

// usable checks the describe flag that the use needs.
func (c *checker) usable(v *operandType, u use) bool {
	f := v.field
	switch {
	case u.filter && !f.Filterable:
		m := v.described() + " and cannot be used in a filter."
		if f.Type == "textarea" {
			m = v.described() + " that holds long text, which Salesforce cannot filter by."
		}
		if f.Type == "address" || f.Type == "location" {
			m += " Use one of its parts, such as BillingCity for BillingAddress."
		}
		c.note(v.span, Finding{Kind: KindNotFilterable, Subject: v.name, Object: v.object, Want: f.Type, Message: m})
	case u.sort && !f.Sortable:
		c.note(v.span, Finding{Kind: KindNotSortable, Subject: v.name, Object: v.object, Want: f.Type, Message: v.described() + " and cannot be sorted by."})
	case u.group && !f.Groupable:
		c.note(v.span, Finding{Kind: KindNotGroupable, Subject: v.name, Object: v.object, Want: f.Type, Message: v.described() + " and cannot be grouped by."})
	case u.aggregate && !f.Aggregatable:
		c.note(v.span, Finding{Kind: KindNotAggregatable, Subject: v.name, Object: v.object, Want: f.Type, Message: v.described() + " and cannot be aggregated."})
	default:
		return true
	}
	return false
}

// callType resolves a function by the field inside it.
func (c *checker) callType(call *Call, sc *scope, u use) *operandType {
	if call.Func == FuncFormula || call.Func == FuncFields {
		return nil
	}
	if call.Func == FuncDistance {
		return c.distance(call, sc)
	}
	if len(call.Args) == 0 {
		return nil
	}
	inner := use{filter: u.filter && !call.HasAggregate()}
	if call.Func.Kind() == AggregateFunc {
		inner.aggregate = true
	}
	v := c.operand(call.Args[0], sc, inner)
	if v == nil {
		return nil
	}
	w := *v
	w.span, w.name, w.fn = call.Span, call.String(), call.Func
	switch {
	case call.Func.Kind() == DateFunc:
		if v.typ != "date" && v.typ != "datetime" || v.typ == "date" && (call.Func == FuncHourInDay || call.Func == FuncDayOnly || v.fn == FuncConvertTimezone) {
			want := "a date"
			if v.typ == "date" {
				want = "a date with a time"
			}
			c.note(call.Span, Finding{Kind: KindOperator, Subject: v.name, Object: v.object, Want: v.typ, Message: string(call.Func) + " needs " + want + "; " + v.described() + "."})
			return nil
		}
		w.typ = "int"
		if call.Func == FuncDayOnly {
			w.typ = "date"
		}
	case call.Func == FuncCount, call.Func == FuncCountDistinct, call.Func == FuncGrouping:
		w.typ = "int"
	case call.Func == FuncSum, call.Func == FuncAvg:
		if !isNumber(v.typ) {
			c.note(call.Span, Finding{Kind: KindNotAggregatable, Subject: v.name, Object: v.object, Want: v.typ, Message: string(call.Func) + " needs a number; " + v.described() + "."})
			return nil
		}
	case call.Func == FuncToLabel:
		w.typ = "string"
	}
	return &w
}

// distance checks the places and the unit.
func (c *checker) distance(call *Call, sc *scope) *operandType {
	for _, arg := range call.Args {
		switch arg := arg.(type) {
		case *Path:
			if v := c.path(arg, sc, use{}); v != nil && v.typ != "location" && v.typ != "address" {
				c.note(arg.Span, Finding{Kind: KindOperator, Subject: v.name, Object: v.object, Want: v.typ, Message: "DISTANCE needs a geolocation; " + v.described() + "."})
			}
		case *Literal:
			if arg.Text != "mi" && arg.Text != "km" {
				c.note(arg.Span, Finding{Kind: KindValueType, Subject: "DISTANCE", Want: "string", Message: "DISTANCE is measured in 'mi' or 'km'."})
			}
		}
	}
	return &operandType{span: call.Span, name: call.String(), typ: "double", fn: FuncDistance}
}

// relationship finds the reference field behind a relationship name.
func relationship(o *Object, name string) *Field {
	for i := range o.Fields {
		if f := &o.Fields[i]; f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, name) {
			return f
		}
	}
	return nil
}

func fieldOf(o *Object, name string) *Field {
	for i := range o.Fields {
		if strings.EqualFold(o.Fields[i].Name, name) {
			return &o.Fields[i]
		}
	}
	return nil
}

// target is the object that a path sees behind a reference: the one it points to or, for several, the Name pseudo-object of what they share.
func (c *checker) target(ref *Field) *Object {
	if len(ref.ReferenceTo) == 1 {
		return c.schema.Object(ref.ReferenceTo[0])
	}
	return c.nameObject()
}

func (c *checker) nameObject() *Object {
	if o := c.schema.Object("Name"); o != nil {
		return o
	}
	return nameObject
}

// nameObject is what Salesforce's documentation of the Name object lists.
var nameObject = func() *Object {
	o := &Object{Name: "Name", Label: "Name"}
	add := func(typ string, names ...string) {
		for _, name := range names {
			o.Fields = append(o.Fields, Field{Name: name, Label: name, Type: typ, Filterable: true, Sortable: true, Groupable: true})
		}
	}
	add("id", "Id")
	add("string", "Name", "FirstName", "LastName", "MiddleName", "Suffix", "Alias", "Username", "Title", "Type")
	add("email", "Email")
	add("phone", "Phone")
	add("boolean", "IsActive")
	o.Fields = append(o.Fields,
		Field{Name: "ProfileId", Type: "reference", RelationshipName: "Profile", ReferenceTo: []string{"Profile"}, Filterable: true, Sortable: true},
		Field{Name: "UserRoleId", Type: "reference", RelationshipName: "UserRole", ReferenceTo: []string{"UserRole"}, Filterable: true, Sortable: true})
	return o
}()
