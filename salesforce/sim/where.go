package sim

import (
	"slices"
	"strings"

	"millrace/salesforce/soql"
)

// test decides whether a row belongs to the result.
type test func(row int) bool

// where compiles a condition over an object's rows.
func (c *compiler) where(o *object, x soql.Expr) (test, error) {
	switch x := x.(type) {
	case *soql.Group:
		return c.where(o, x.X)
	case *soql.Not:
		if bareJoin(x.X) {
			c.misplaced = "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions."
		}
		t, err := c.where(o, x.X)
		if err != nil {
			return nil, err
		}
		return func(row int) bool { return !t(row) }, nil
	case *soql.And:
		terms, err := c.terms(o, x.Terms, "")
		if err != nil {
			return nil, err
		}
		return func(row int) bool {
			for _, t := range terms {
				if !t(row) {
					return false
				}
			}
			return true
		}, nil
	case *soql.Or:
		terms, err := c.terms(o, x.Terms, "Semi join sub-selects are not allowed with the 'OR' operator")
		if err != nil {
			return nil, err
		}
		return func(row int) bool {
			for _, t := range terms {
				if t(row) {
					return true
				}
			}
			return false
		}, nil
	case *soql.Comparison:
		col, err := c.filterable(o, x.Left)
		if err != nil {
			return nil, err
		}
		return c.comparison(col, x.Left, x.Op, x.Right)
	case *soql.InList:
		return c.inList(o, x)
	case *soql.SemiJoin:
		return c.semiJoin(o, x)
	case *soql.Includes:
		return c.includes(o, x)
	}
	return nil, c.at("MALFORMED_QUERY", x.Bounds().Start, "unexpected token: '%s'", x)
}

// terms compiles the parts of AND or OR. noJoin is why none of them may be a semi-join; empty when they may.
func (c *compiler) terms(o *object, list []soql.Expr, noJoin string) ([]test, error) {
	out := make([]test, len(list))
	for i, x := range list {
		if bareJoin(x) {
			c.misplaced = noJoin
		}
		t, err := c.where(o, x)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

// filterable compiles an operand and refuses fields that cannot be filtered.
func (c *compiler) filterable(o *object, x soql.Operand) (column, error) {
	if c.over != nil {
		return c.over(x)
	}
	col, err := c.operand(o, x)
	if err != nil {
		return col, err
	}
	_, isCall := x.(*soql.Call)
	switch {
	case col.f.typ == "address" && !isCall:
		return col, c.at("INVALID_FIELD", x.Bounds().Start, "Address fields can only be filtered using Distance expressions")
	case !col.f.filterable:
		return col, c.refuse(x.Bounds().Start, soql.Finding{Kind: soql.KindNotFilterable, Subject: col.f.name})
	}
	return col, nil
}

// typeError says which kind of value a field wants.
func (c *compiler) typeError(col column, pos soql.Pos) error {
	return c.refuse(pos, soql.Finding{Kind: soql.KindValueType, Subject: col.f.name, Want: col.f.typ})
}

// operatorError says that a field's type does not know an operator.
func (c *compiler) operatorError(col column, x soql.Operand) error {
	return c.refuse(x.Bounds().Start, soql.Finding{Kind: soql.KindOperator, Subject: col.f.name, Want: col.f.typ})
}

// constant turns a literal into a value of the column's type, or into a span for named dates.
func (c *compiler) constant(col column, l *soql.Literal) (v value, from, to int64, err error) {
	wrong := func() (value, int64, int64, error) { return null, 0, 0, c.typeError(col, l.Start) }
	one := func(v value, ok bool) (value, int64, int64, error) {
		if !ok {
			return null, 0, 0, c.refuse(l.Start, soql.Finding{Kind: soql.KindBadDate, Subject: l.Text})
		}
		return v, v.n, v.n + 1, nil
	}
	if l.Kind == soql.NullLiteral {
		return null, 0, 0, nil
	}
	switch col.f.typ {
	case "boolean":
		if l.Kind != soql.BoolLiteral {
			return wrong()
		}
		return boolValue(l.Bool()), 0, 0, nil
	case "int", "double", "currency", "percent":
		if l.Kind == soql.CurrencyLiteral && col.f.typ == "currency" && c.w.multiCurrent || l.Kind == soql.NumberLiteral {
			v, ok := parseDecimal(l.Text)
			return one(v, ok)
		}
		return wrong()
	case "date", "datetime":
		switch {
		case l.Kind == soql.NamedDateLiteral:
			from, to := c.named(l.Text, int(min(l.N, 100_000))).inUnits(col.f.typ)
			return value{kind: kDate, n: from}, from, to, nil
		case l.Kind == soql.DateLiteral && col.f.typ == "date":
			v, ok := parseDate(l.Text)
			return one(v, ok)
		case l.Kind == soql.DateTimeLiteral && col.f.typ == "datetime":
			v, ok := parseDateTime(l.Text)
			v.n = floorDiv(v.n, 1000) * 1000
			return one(v, ok)
		}
		return wrong()
	case "time":
		if l.Kind != soql.TimeLiteral {
			return wrong()
		}
		v, ok := parseTime(l.Text)
		return one(v, ok)
	}
	if l.Kind != soql.StringLiteral {
		return wrong()
	}
	text := l.Text
	if col.f.typ == "id" || col.f.typ == "reference" {
		if text == "" {
			return null, 0, 0, nil
		}
		if !validIDText(text) {
			return null, 0, 0, c.refuse(l.Start, soql.Finding{Kind: soql.KindBadID, Subject: col.f.name, Want: text})
		}
		if id, ok := parseID(text); ok {
			return idValue(id), id, id + 1, nil
		}
		return value{kind: kText, s: text[:15]}, 0, 0, nil // an id of no record here
	}
	return textValue(text), 0, 0, nil
}

// comparison compiles column op literal.
func (c *compiler) comparison(col column, left soql.Operand, op soql.Op, l *soql.Literal) (test, error) {
	get := col.get
	if op == soql.Like {
		return c.like(col, left, l)
	}
	if col.f.typ == "multipicklist" && op != soql.Equal && op != soql.NotEqual {
		return nil, c.operatorError(col, left)
	}
	if col.f.typ == "boolean" && op != soql.Equal && op != soql.NotEqual {
		return nil, c.operatorError(col, left)
	}
	v, from, to, err := c.constant(col, l)
	if err != nil {
		return nil, err
	}
	if l.Kind == soql.NamedDateLiteral {
		return spanTest(get, op, from, to), nil
	}
	if v.isNull() {
		switch op {
		case soql.Equal:
			has := col.present()
			return func(row int) bool { return !has(row) }, nil
		case soql.NotEqual:
			return col.present(), nil
		}
		if l.Kind == soql.NullLiteral {
			return nil, c.operatorError(col, left)
		}
		above := op == soql.Greater || op == soql.GreaterOrEqual
		return func(row int) bool { return above && !get(row).isNull() }, nil // every text is above the empty one
	}
	if op == soql.Equal || op == soql.NotEqual {
		eq := equality(col, v)
		if op == soql.NotEqual {
			return func(row int) bool { return !eq(get(row)) }, nil
		}
		return func(row int) bool { return eq(get(row)) }, nil
	}
	return func(row int) bool {
		x := get(row)
		if x.isNull() {
			return false
		}
		switch n := compare(x, v); op {
		case soql.Less:
			return n < 0
		case soql.LessOrEqual:
			return n <= 0
		case soql.Greater:
			return n > 0
		default:
			return n >= 0
		}
	}, nil
}

// equality returns a function that compares values with v as = does.
func equality(col column, v value) func(value) bool {
	switch {
	case col.f.typ == "multipicklist":
		want := selection(v.s)
		return func(x value) bool { return slices.Equal(selection(x.s), want) }
	case v.kind == kText && col.f.caseSensitive:
		return func(x value) bool { return x.kind == kText && x.s == v.s }
	case v.kind == kText && (col.f.typ == "id" || col.f.typ == "reference"):
		return func(value) bool { return false }
	case v.kind == kText:
		return func(x value) bool { return x.kind == kText && (x.s == v.s || compareFold(x.s, v.s) == 0) }
	case v.kind == kNumber:
		return func(x value) bool { return x.kind == kNumber && compareNumbers(x, v) == 0 }
	}
	return func(x value) bool { return x.kind == v.kind && x.n == v.n }
}

// selection is the sorted set of the values of a multi-select picklist.
func selection(s string) []string {
	if s == "" {
		return nil
	}
	list := strings.Split(lower(s), ";")
	slices.Sort(list)
	return slices.Compact(list)
}

// spanTest compares with a stretch of time: equal means inside, less means before it, greater after it.
func spanTest(get getter, op soql.Op, from, to int64) test {
	return func(row int) bool {
		v := get(row)
		if v.isNull() {
			return op == soql.NotEqual
		}
		switch op {
		case soql.Equal:
			return v.n >= from && v.n < to
		case soql.NotEqual:
			return v.n < from || v.n >= to
		case soql.Less:
			return v.n < from
		case soql.LessOrEqual:
			return v.n < to
		case soql.Greater:
			return v.n >= to
		default:
			return v.n >= from
		}
	}
}

// inList compiles column IN (values) and NOT IN.
func (c *compiler) inList(o *object, x *soql.InList) (test, error) {
	col, err := c.filterable(o, x.Left)
	if err != nil {
		return nil, err
	}
	if col.f.typ == "multipicklist" {
		return nil, c.operatorError(col, x.Left)
	}
	get := col.get
	ids := map[int64]bool{}
	var others []test
	for _, l := range x.Values {
		v, _, _, err := c.constant(col, l)
		if err != nil {
			return nil, err
		}
		if v.kind == kID {
			ids[v.n] = true
			continue
		}
		t, err := c.comparison(col, x.Left, soql.Equal, l)
		if err != nil {
			return nil, err
		}
		others = append(others, t)
	}
	in := func(row int) bool {
		if len(ids) > 0 {
			if v := get(row); v.kind == kID && ids[v.n] {
				return true
			}
		}
		for _, t := range others {
			if t(row) {
				return true
			}
		}
		return false
	}
	if x.Not {
		return func(row int) bool { return !in(row) }, nil
	}
	return in, nil
}
