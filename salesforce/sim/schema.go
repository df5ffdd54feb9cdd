package sim

import "strings"

// object is one sObject type. It is never changed once it is part of a published world; a change of schema makes a copy.
type object struct {
	idx               int // position of its table in world.tables
	name, label       string
	labelPlural       string
	prefix            string // key prefix, three characters
	packed            int64  // prefix packed
	custom            bool
	feed              bool // feed tracking is on
	readOnly          bool // no create, update or delete through the API
	mergeable         bool
	setup             bool // a setup object, never soft-deleted
	enabledActivities bool
	fields            []*field
	byName            map[string]*field // lower-case name → field
	needsFilter       []string          // fields one of which a query must restrict, as for ContentDocumentLink
	view              *object           // the object whose rows this one shows, as AccountFeed shows those of FeedItem
	viewOf            string            // for a view: only rows whose parent is this object
	cols              int               // number of stored columns
	size              int               // generated rows
	first             int               // added to row numbers in ids
}

// field is one field of an object, immutable as objects are.
type field struct {
	name, label, typ         string
	length, precision, scale int
	refs                     []string
	relName                  string
	picks                    []pick
	formula, help, extra     string
	compound                 string
	defaultValue             string

	custom, nillable, createable, updateable    bool
	filterable, sortable, groupable             bool
	unique, caseSensitive, externalID, idLookup bool
	nameField, autoNumber, calculated, html     bool
	restricted, cascade, defaulted, polymorphic bool
	namePointing, restrictedDelete              bool
	needsGrant                                  bool // made through the API: invisible until a permission set shows it
	col                                         int  // stored column; -1 for a field computed on read
	gen                                         func(row int) value
	text                                        func(dst []byte, row int) []byte           // generated text; nothing appended means null
	calc                                        func(w *world, row int) value              // for computed fields
	calcText                                    func(w *world, dst []byte, row int) []byte // appends what calc returns, without a detour
	parts                                       []string                                   // components of a compound address
	childRel                                    string                                     // the name that the parent has for these children
	numberFormat                                string                                     // of an auto-number, such as "REQ-{00000}"
	def                                         int                                        // of a custom field: the number of its definition, never used again
}

// pick is one picklist value.
type pick struct {
	value, label string
	inactive     bool
	isDefault    bool
}

func newField(typ, name, label string) *field {
	return &field{name: name, label: label, typ: typ, custom: strings.HasSuffix(strings.ToLower(name), "__c"),
		nillable: true, createable: true, updateable: true, filterable: true, sortable: true, groupable: true}
}

func textField(name, label string, length int) *field {
	f := newField("string", name, label)
	f.length = length
	return f
}

func areaField(name, label string, length int) *field {
	f := newField("textarea", name, label)
	f.length, f.extra = length, "plaintextarea"
	if length > 255 {
		f.filterable, f.sortable, f.groupable = false, false, false
	}
	return f
}

func richField(name, label string, length int) *field {
	f := areaField(name, label, length)
	f.extra, f.html = "richtextarea", true
	f.filterable, f.sortable, f.groupable = false, false, false
	return f
}

func numberField(typ, name, label string, precision, scale int) *field {
	f := newField(typ, name, label)
	f.precision, f.scale = precision, scale
	f.groupable = typ == "int"
	return f
}

func currencyField(name, label string) *field { return numberField("currency", name, label, 18, 2) }

func checkField(name, label string) *field {
	f := newField("boolean", name, label)
	f.nillable, f.defaulted, f.defaultValue = false, true, "false"
	return f
}

func dateTimeField(name, label string) *field {
	f := newField("datetime", name, label)
	f.groupable = false
	return f
}

func dateField(name, label string) *field { return newField("date", name, label) }

func typedText(typ, name, label string, length int) *field {
	f := textField(name, label, length)
	f.typ = typ
	return f
}

func pickField(name, label string, values ...string) *field {
	f := newField("picklist", name, label)
	f.length = 255
	for _, v := range values {
		f.picks = append(f.picks, pick{value: v, label: v})
	}
	return f
}

func multiField(name, label string, values ...string) *field {
	f := pickField(name, label, values...)
	f.typ, f.length, f.precision = "multipicklist", 4099, 4
	f.sortable, f.groupable = false, false
	return f
}

func refField(name, label, rel string, refs ...string) *field {
	f := newField("reference", name, label)
	f.length, f.relName, f.refs = 18, rel, refs
	f.polymorphic, f.namePointing = len(refs) > 1, len(refs) > 1
	return f
}

// labels gives picklist values labels that differ from them.
func (f *field) labels(valueLabel ...string) *field {
	for i := 0; i+1 < len(valueLabel); i += 2 {
		for j := range f.picks {
			if f.picks[j].value == valueLabel[i] {
				f.picks[j].label = valueLabel[i+1]
			}
		}
	}
	return f
}

func (f *field) required() *field           { f.nillable = false; return f }
func (f *field) readonly() *field           { f.createable, f.updateable = false, false; return f }
func (f *field) children(rel string) *field { f.childRel = rel; return f }
func (f *field) as(compound string) *field  { f.compound = compound; return f }
func (f *field) titled(help string) *field  { f.help = help; return f }
func (f *field) strict() *field             { f.restricted = true; return f }
func (f *field) lookup() *field             { f.idLookup = true; return f }
func (f *field) masterDetail() *field {
	f.cascade, f.nillable, f.updateable = true, false, false
	return f
}
func (f *field) unfiltered() *field {
	f.filterable, f.sortable, f.groupable = false, false, false
	return f
}
func (f *field) from(gen func(int) value) *field { f.gen = gen; return f }
func (f *field) write(text func([]byte, int) []byte) *field {
	f.text = text
	return f
}

// computed makes f a field that is worked out on read and never stored.
func (f *field) computed(calc func(*world, int) value) *field {
	f.calc = calc
	return f.readonly()
}

func (f *field) formulaOf(text string, calc func(*world, int) value) *field {
	f.calculated, f.formula, f.groupable = true, text, false
	return f.computed(calc)
}

// external makes a text field an external id.
func (f *field) external() *field {
	f.externalID, f.unique, f.idLookup = true, true, true
	return f
}

// newObject makes an object of the given fields and numbers their columns.
func newObject(prefix, name, label, plural string, fields ...*field) *object {
	o := &object{name: name, label: label, labelPlural: plural, prefix: prefix, custom: strings.HasSuffix(name, "__c")}
	if prefix != "" {
		o.packed = packPrefix(prefix)
	}
	for _, f := range fields {
		o.add(f)
	}
	return o
}

// add appends a field. It is for objects that are not yet part of a world.
func (o *object) add(f *field) {
	if o.byName == nil {
		o.byName = map[string]*field{}
	}
	f.col = -1
	if f.calc == nil && f.typ != "address" {
		f.col = o.cols
		o.cols++
	}
	o.fields = append(o.fields, f)
	o.byName[strings.ToLower(f.name)] = f
}

// clone returns a copy of the object whose field list may be changed.
func (o *object) clone() *object {
	c := *o
	c.fields = append([]*field(nil), o.fields...)
	c.byName = make(map[string]*field, len(o.byName)+1)
	for k, f := range o.byName {
		c.byName[k] = f
	}
	return &c
}

// id returns the packed id of a row; a view's rows have the ids of what they show.
func (o *object) id(row int) int64 {
	if o.view != nil {
		o = o.view
	}
	return rowID(o.packed, o.first+row)
}

func (o *object) field(name string) *field { return o.byName[strings.ToLower(name)] }

// nameField returns the field that names a record, or nil.
func (o *object) nameField() *field {
	for _, f := range o.fields {
		if f.nameField {
			return f
		}
	}
	return nil
}

// base returns a field's generated value for a row.
func (f *field) base(row int) value {
	switch {
	case f.gen != nil:
		return f.gen(row)
	case f.text != nil:
		return textValue(string(f.text(nil, row)))
	case f.typ == "boolean":
		return boolValue(f.defaultValue == "true")
	}
	return null
}
