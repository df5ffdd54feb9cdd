package soql

import "strings"

// place says where a function or condition stands, which decides what it may be.
type place int

const (
	inSelect place = iota
	inWhere
	inHaving
	inGroupBy
	inOrderBy
)

func (p *parser) groupBy() *GroupBy {
	start := p.next().start
	p.skip(1)
	g := &GroupBy{}
	for _, mode := range []GroupMode{GroupRollup, GroupCube} {
		if p.accept(string(mode)) {
			g.Mode = mode
			if !p.expectPunct("(") {
				return nil
			}
			break
		}
	}
	for {
		item := p.operand(inGroupBy)
		if item == nil {
			return nil
		}
		g.Items = append(g.Items, item)
		if !p.acceptPunct(",") {
			break
		}
	}
	if g.Mode != GroupPlain && !p.expectPunct(")") {
		return nil
	}
	g.Span = p.span(start)
	return g
}

func (p *parser) orderBy(q *Query) bool {
	p.skip(2)
	for {
		start := p.peek().start
		item := OrderItem{Value: p.operand(inOrderBy)}
		if item.Value == nil {
			return false
		}
		if !p.accept("ASC") {
			item.Desc = p.accept("DESC")
		}
		if p.accept("NULLS") {
			switch {
			case p.accept("FIRST"):
				item.Nulls = NullsFirst
			case p.accept("LAST"):
				item.Nulls = NullsLast
			default:
				p.unexpected(p.peek())
				return false
			}
		}
		item.Span = p.span(start)
		q.OrderBy = append(q.OrderBy, item)
		if !p.acceptPunct(",") {
			return true
		}
	}
}

func (p *parser) with() *With {
	start := p.next().start
	w := &With{}
	tok := p.peek()
	ok := false
	switch {
	case keyword(tok, "DATA") && keyword(p.ahead(1), "CATEGORY"):
		p.skip(2)
		ok = p.categories(w)
	case keyword(tok, "RECORDVISIBILITYCONTEXT") && p.ahead(1).is("("):
		p.skip(2)
		ok = p.context(w)
	case (keyword(tok, "SECURITY_ENFORCED") || keyword(tok, "USER_MODE") || keyword(tok, "SYSTEM_MODE")) && p.ahead(1).kind != tokOp:
		w.Mode = p.next().word
		ok = true
	case startsName(tok):
		w.Where = p.condition(inWhere)
		ok = w.Where != nil
	default:
		p.unexpected(tok)
	}
	if !ok {
		return nil
	}
	w.Span = p.span(start)
	return w
}

func (p *parser) categories(w *With) bool {
	for {
		start := p.peek().start
		filter := CategoryFilter{}
		var ok bool
		if filter.Group, ok = p.name(); !ok {
			return false
		}
		switch tok := p.peek(); {
		case keyword(tok, "AT"), keyword(tok, "ABOVE"), keyword(tok, "BELOW"), keyword(tok, "ABOVE_OR_BELOW"):
			filter.Selector = p.next().word
		default:
			p.unexpected(tok)
			return false
		}
		list := p.acceptPunct("(")
		for {
			name, ok := p.name()
			if !ok {
				return false
			}
			filter.Categories = append(filter.Categories, name)
			if !list || !p.acceptPunct(",") {
				break
			}
		}
		if list && !p.expectPunct(")") {
			return false
		}
		filter.Span = p.span(start)
		w.Categories = append(w.Categories, filter)
		if !p.accept("AND") {
			return true
		}
	}
}

func (p *parser) context(w *With) bool {
	for {
		name, ok := p.name()
		if !ok || !p.expectPunct("=") {
			return false
		}
		value := p.value(inWhere, Equal)
		if value == nil {
			return false
		}
		w.Context = append(w.Context, ContextSetting{Name: name, Value: value.String()})
		if !p.acceptPunct(",") {
			return p.expectPunct(")")
		}
	}
}

// operand reads a field path or a function.
func (p *parser) operand(where place) Operand {
	if tok := p.peek(); tok.kind == tokName && p.ahead(1).is("(") && !reserved[tok.word] {
		if call := p.call(where); call != nil {
			return call
		}
		return nil
	}
	if path := p.path(); path != nil {
		return path
	}
	return nil
}

// allowsFunc says whether the function may be the outermost one in this place.
func allowsFunc(where place, f Func) bool {
	switch where {
	case inSelect:
		return f != FuncGeolocation && f != FuncFormula && f != FuncConvertTimezone
	case inWhere:
		return f.Kind() == DateFunc || f == FuncToLabel || f == FuncDistance || f == FuncFormula
	case inHaving:
		return f.Kind() == DateFunc || f.Kind() == AggregateFunc || f == FuncGrouping || f == FuncToLabel
	case inGroupBy:
		return f.Kind() == DateFunc || f == FuncToLabel
	default:
		return f != FuncGeolocation && f != FuncFormula && f != FuncFields && f != FuncConvertTimezone
	}
}

// call reads a function and its arguments.
func (p *parser) call(where place) *Call {
	tok := p.peek()
	f, known := funcsByName[strings.ToLower(tok.word)]
	if !known || !allowsFunc(where, f) {
		p.unknownFunction(tok, where, known)
		return nil
	}
	p.skip(2)
	p.want = "a field name"
	c := &Call{Func: f}
	var ok bool
	switch f {
	case FuncDistance:
		ok = p.distanceArgs(c)
	case FuncFormula:
		var text *Literal
		if text = p.stringLiteral(Equal); text != nil {
			c.Args, ok = []Operand{text}, true
		}
	case FuncCount:
		ok = where == inSelect && p.peek().is(")") || p.wrappedArg(c)
	default:
		ok = p.wrappedArg(c)
	}
	if !ok {
		return nil
	}
	p.want = "the ) that ends " + string(f) + "(…)"
	if !p.expectPunct(")") {
		return nil
	}
	c.Span = p.span(tok.start)
	return c
}

// wraps says which functions may stand directly inside another; a third level does not exist.
func wraps(outer, inner Func) bool {
	switch outer {
	case FuncFormat:
		return inner.Kind() == AggregateFunc || inner == FuncConvertCurrency || inner.Kind() == DateFunc || inner == FuncToLabel
	case FuncGrouping:
		return inner.Kind() == DateFunc
	case FuncToLabel, FuncConvertCurrency, FuncConvertTimezone, FuncFields:
		return false
	}
	if outer.Kind() == DateFunc {
		return inner == FuncConvertTimezone
	}
	return inner == FuncConvertCurrency || inner.Kind() == DateFunc
}

// wrappedArg reads the one argument of an ordinary function: a path, or one function around a path.
func (p *parser) wrappedArg(c *Call) bool {
	tok := p.peek()
	inner, known := funcsByName[strings.ToLower(tok.word)]
	if tok.kind != tokName || !p.ahead(1).is("(") {
		path := p.path()
		if path == nil {
			return false
		}
		c.Args = []Operand{path}
		return true
	}
	if !known || !wraps(c.Func, inner) {
		p.unexpected(p.ahead(1))
		return false
	}
	p.skip(2)
	path := p.path()
	if path == nil || !p.expectPunct(")") {
		return false
	}
	c.Args = []Operand{&Call{Span: p.span(tok.start), Func: inner, Args: []Operand{path}}}
	return true
}

// distanceArgs reads the two places and the unit of DISTANCE.
func (p *parser) distanceArgs(c *Call) bool {
	for range 2 {
		var arg Operand
		if keyword(p.peek(), "GEOLOCATION") && p.ahead(1).is("(") {
			if geo := p.geolocation(); geo != nil {
				arg = geo
			}
		} else if path := p.path(); path != nil {
			arg = path
		}
		p.want = "a comma and the rest of DISTANCE(place, place, 'km')"
		if arg == nil || !p.expectPunct(",") {
			return false
		}
		c.Args = append(c.Args, arg)
	}
	p.want = "the unit 'mi' or 'km'"
	unit := p.stringLiteral(Equal)
	if unit == nil {
		return false
	}
	c.Args = append(c.Args, unit)
	return true
}

func (p *parser) geolocation() *Call {
	start := p.next().start
	p.skip(1)
	c := &Call{Func: FuncGeolocation}
	for i := range 2 {
		if i == 1 && !p.expectPunct(",") {
			return nil
		}
		n := p.number()
		if n == nil {
			return nil
		}
		c.Args = append(c.Args, n)
	}
	if !p.expectPunct(")") {
		return nil
	}
	c.Span = p.span(start)
	return c
}
