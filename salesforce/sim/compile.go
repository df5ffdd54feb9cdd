package sim

import (
	"errors"
	"strings"
	"time"

	"millrace/salesforce/soql"
)

// getter reads one value of a row.
type getter func(row int) value

// compiler turns the parts of a query into functions over row numbers of one world. It checks names and types on the way, as the server does.
type compiler struct {
	w     *world
	text  string // of the whole query, for the excerpts of errors
	now   time.Time
	zone  *time.Location
	user  int    // row of the running user
	alias string // of the object in FROM
	joins int    // semi-joins so far
	inner bool   // inside a semi-join
	// misplaced says what is wrong with the place of the semi-join that is compiled next; empty for nothing.
	misplaced string
	// over, when set, resolves operands instead of the object's fields: HAVING compares the results of grouping.
	over func(soql.Operand) (column, error)
}

// column is a field at the end of a path from the queried object.
type column struct {
	get getter
	has test // whether a row has a value at all, where that is known without making the value; else nil
	f   *field
	obj *object // that has the field; nil for the Type of a polymorphic relationship
	rel bool    // the path crosses a relationship
}

// maxLevels is how many relationships a path may climb.
const maxLevels = 5

// at is an error in the text at a place of the query.
func (c *compiler) at(code string, pos soql.Pos, format string, args ...any) error {
	e := badRequest(code, format, args...)
	e.message = caret(c.text, pos.Line, pos.Column, e.message)
	return e
}

// syntaxFailure words a parser's error as the API does.
func syntaxFailure(text string, err error) error {
	var s *soql.SyntaxError
	if errors.As(err, &s) {
		return badRequest("MALFORMED_QUERY", "%s", caret(text, s.Pos.Line, s.Pos.Column, s.Message))
	}
	return badRequest("MALFORMED_QUERY", "%s", err.Error())
}

// refuse words a finding at a place of the query as the API does.
func (c *compiler) refuse(pos soql.Pos, f soql.Finding) error {
	code, message := f.Salesforce()
	return c.at(code, pos, "%s", message)
}

func (c *compiler) noColumn(name, object string, pos soql.Pos) error {
	return c.refuse(pos, soql.Finding{Kind: soql.KindUnknownField, Subject: name, Object: object})
}

func (c *compiler) noRelation(name string, pos soql.Pos) error {
	return c.refuse(pos, soql.Finding{Kind: soql.KindUnknownRelationship, Subject: name})
}

func (c *compiler) noObject(name string, pos soql.Pos) error {
	return c.refuse(pos, soql.Finding{Kind: soql.KindUnknownObject, Subject: name})
}

// source resolves the object of a FROM clause.
func (c *compiler) source(s soql.Source) (*object, error) {
	name := s.Name.String()
	o := c.w.visibleObject(name)
	if o == nil {
		return nil, c.noObject(name, s.Name.Start)
	}
	return o, nil
}

// relation finds the reference field that a relationship name stands for.
func (c *compiler) relation(o *object, name string) *field {
	for _, f := range o.fields {
		if f.relName != "" && strings.EqualFold(f.relName, name) && c.w.sees(o, f) {
			return f
		}
	}
	return nil
}

// local drops the object's own name or alias from the front of a path.
func (c *compiler) local(o *object, names []string) []string {
	if len(names) > 1 && c.relation(o, names[0]) == nil && (c.alias != "" && strings.EqualFold(names[0], c.alias) || strings.EqualFold(names[0], o.name)) {
		return names[1:]
	}
	return names
}

// path resolves a field path from an object.
func (c *compiler) path(o *object, p *soql.Path) (column, error) {
	names := c.local(o, p.Names)
	if len(names)-1 > maxLevels {
		return column{}, c.refuse(p.Start, soql.Finding{Kind: soql.KindTooManyLevels, Subject: p.String()})
	}
	return c.resolve(o, names, p)
}

func (c *compiler) resolve(o *object, names []string, p *soql.Path) (column, error) {
	if len(names) == 1 {
		f := c.w.visibleField(o, names[0])
		if f == nil {
			return column{}, c.noColumn(names[0], o.name, p.Start)
		}
		return column{get: c.w.getter(o, f), has: c.w.haver(o, f), f: f, obj: o}, nil
	}
	ref := c.relation(o, names[0])
	if ref == nil {
		return column{}, c.noRelation(names[0], p.Start)
	}
	link := c.w.getter(o, ref)
	if ref.polymorphic {
		return c.polymorphic(ref, link, names[1:], p)
	}
	target := c.w.visibleObject(ref.refs[0])
	if target == nil {
		return column{}, c.noRelation(names[0], p.Start)
	}
	inner, err := c.resolve(target, names[1:], p)
	if err != nil {
		return column{}, err
	}
	t := c.w.table(target)
	packed := target.packed
	follow := func(row int) (at int, ok bool) {
		v := link(row)
		if v.kind != kID {
			return 0, false
		}
		prefix, at := splitID(v.n)
		return at, prefix == packed && t.exists(at)
	}
	get, has := inner.get, inner.present()
	inner.rel = true
	inner.get = func(row int) value {
		if at, ok := follow(row); ok {
			return get(at)
		}
		return null
	}
	inner.has = func(row int) bool {
		at, ok := follow(row)
		return ok && has(at)
	}
	return inner, nil
}

// present returns whether rows have a value in the column.
func (col column) present() test {
	if col.has != nil {
		return col.has
	}
	get := col.get
	return func(row int) bool { return !get(row).isNull() }
}

// nameFields are those of the Name pseudo-object, which stands for every possible target of a polymorphic relationship.
var nameFields = map[string]bool{"id": true, "name": true, "firstname": true, "lastname": true, "email": true, "phone": true, "title": true, "type": true,
	"username": true, "alias": true, "isactive": true, "profileid": true, "userroleid": true}

// polymorphic resolves a path through a relationship with several possible targets.
func (c *compiler) polymorphic(ref *field, link getter, names []string, p *soql.Path) (column, error) {
	name := lower(names[0])
	if len(names) == 1 && name == "type" {
		return column{rel: true, f: textField("Type", "Type", 40), get: func(row int) value {
			if o, _ := c.w.target(link(row)); o != nil {
				return value{kind: kText, s: o.name}
			}
			return null
		}}, nil
	}
	if len(names) > 1 || !nameFields[name] {
		if len(names) > 1 {
			return column{}, c.noRelation(names[0], p.Start)
		}
		return column{}, c.noColumn(names[0], "Name", p.Start)
	}
	getters := map[*object]getter{}
	out := column{rel: true}
	for _, r := range ref.refs {
		o := c.w.visibleObject(r)
		if o == nil {
			continue
		}
		f := c.w.visibleField(o, name)
		if f == nil && name == "name" {
			f = o.nameField()
		}
		if f != nil {
			getters[o] = c.w.getter(o, f)
			if out.f == nil || f.name == canonicalNameField[name] {
				out.f, out.obj = f, o
			}
		}
	}
	if out.f == nil {
		out.f = textField(names[0], names[0], 255)
	}
	if name == "name" { // whatever the targets call it
		out.f = textField("Name", "Name", 255)
	}
	out.get = func(row int) value {
		o, at := c.w.target(link(row))
		if get := getters[o]; get != nil {
			return get(at)
		}
		return null
	}
	return out, nil
}

var canonicalNameField = map[string]string{"name": "Name", "id": "Id"}

// target follows a reference.
func (w *world) target(v value) (*object, int) {
	if v.kind != kID {
		return nil, 0
	}
	return w.find(v.n)
}

// getter returns a function that reads a field; it looks at what was written first and falls back to what is generated.
func (w *world) getter(o *object, f *field) getter {
	if f.calc != nil {
		calc := f.calc
		return func(row int) value { return calc(w, row) }
	}
	if f.col < 0 {
		return func(int) value { return null }
	}
	if f.typ == "id" {
		first := o.id(0)
		return func(row int) value { return idValue(first + int64(row)) }
	}
	t := w.table(o)
	col, size := f.col, t.size
	base := f.base
	if f.gen != nil {
		base = f.gen
	}
	return func(row int) value {
		if r := t.rec(row); r != nil {
			if v, ok := r.get(col); ok {
				return v
			}
		}
		if row >= size {
			return null
		}
		return base(row)
	}
}

// haver returns whether rows have a value in a field that no generated row leaves empty, and nil for other fields.
func (w *world) haver(o *object, f *field) test {
	if f.nillable || f.gen == nil && f.text == nil || f.calc != nil || f.col < 0 {
		return nil
	}
	t, get := w.table(o), w.getter(o, f)
	return func(row int) bool { return row < t.size && t.rec(row) == nil || !get(row).isNull() }
}

// texter returns a function that appends a field's text, generated text straight into the buffer.
func (w *world) texter(o *object, f *field) func(dst []byte, row int) []byte {
	t := w.table(o)
	col, size, text := f.col, t.size, f.text
	return func(dst []byte, row int) []byte {
		if r := t.rec(row); r != nil {
			if v, ok := r.get(col); ok {
				return v.appendText(dst, true)
			}
		}
		if row >= size {
			return dst
		}
		return text(dst, row)
	}
}

// operand compiles what stands left of an operator or in GROUP BY and ORDER BY: a field path or a function of one. The column's field tells
// its type.
func (c *compiler) operand(o *object, x soql.Operand) (column, error) {
	switch x := x.(type) {
	case *soql.Path:
		return c.path(o, x)
	case *soql.Call:
		return c.call(o, x)
	}
	return column{}, c.at("MALFORMED_QUERY", x.Bounds().Start, "unexpected token: '%s'", x)
}

// call compiles a function that is not an aggregate.
func (c *compiler) call(o *object, x *soql.Call) (column, error) {
	if x.Func == soql.FuncDistance {
		return c.distance(o, x)
	}
	if len(x.Args) != 1 {
		return column{}, c.at("MALFORMED_QUERY", x.Start, "unexpected token: '%s'", x.Func)
	}
	arg, err := c.operand(o, x.Args[0])
	if err != nil {
		return column{}, err
	}
	get := arg.get
	switch x.Func {
	case soql.FuncToLabel:
		labels := map[string]value{}
		for _, p := range arg.f.picks {
			labels[p.value] = textValue(p.label)
		}
		if arg.f.typ != "picklist" && arg.f.typ != "multipicklist" {
			return column{}, c.at("INVALID_FIELD", x.Start, "toLabel() is not supported on field '%s'", arg.f.name)
		}
		arg.get = func(row int) value {
			v := get(row)
			if l, ok := labels[v.s]; ok {
				return l
			}
			return v
		}
		return arg, nil
	case soql.FuncFormat, soql.FuncConvertCurrency:
		if x.Func == soql.FuncFormat {
			f := *arg.f
			f.typ = "string"
			arg.get = c.formatted(arg)
			arg.f = &f
		}
		return arg, nil
	case soql.FuncConvertTimezone:
		zone := c.zone
		if arg.f.typ != "datetime" {
			return column{}, c.at("INVALID_FIELD", x.Start, "field '%s' can not be used in convertTimezone", arg.f.name)
		}
		arg.get = func(row int) value {
			v := get(row)
			if v.kind == kDateTime {
				_, off := v.time().In(zone).Zone()
				v.n += int64(off) * 1000
			}
			return v
		}
		return arg, nil
	}
	if x.Func.Kind() == soql.DateFunc {
		return c.datePart(x, arg)
	}
	return column{}, c.at("MALFORMED_QUERY", x.Start, "unexpected token: '%s'", x.Func)
}

// formatted renders a value for people, as FORMAT does in the en_US locale.
func (c *compiler) formatted(col column) getter {
	get, f := col.get, col.f
	return func(row int) value {
		v := get(row)
		switch v.kind {
		case kNumber:
			text := groupThousands(v, f.scale)
			if f.typ == "currency" {
				text = "$" + text
			}
			return textValue(text)
		case kDate:
			return textValue(dayTime(v.n).Format("1/2/2006"))
		case kDateTime:
			return textValue(v.time().In(c.zone).Format("1/2/2006, 3:04 PM"))
		}
		return v
	}
}

// groupThousands writes a number with commas and a fixed number of decimals.
func groupThousands(v value, scale int) string {
	v = v.rounded(scale)
	for int(v.scale) < scale {
		v.n, v.scale = v.n*10, v.scale+1
	}
	sign := ""
	if v.n < 0 {
		sign, v.n = "-", -v.n
	}
	whole := intValue(v.n / pow10[v.scale]).text()
	var b strings.Builder
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if v.scale > 0 {
		b.WriteByte('.')
		b.Write(appendPadded(nil, v.n%pow10[v.scale], int(v.scale)))
	}
	return sign + b.String()
}
