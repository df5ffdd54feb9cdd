package soql

import "strconv"

// queryPlace says where a query stands, which decides what it may hold.
type queryPlace int

const (
	topLevel  queryPlace = iota
	childList            // in a SELECT list
	joinSide             // after IN: one field, FROM and WHERE only
)

// query reads SELECT … up to the end of its last clause.
func (p *parser) query(place queryPlace) *Query {
	q := &Query{}
	start := p.peek().start
	if !p.enter() {
		return nil
	}
	defer p.leave()
	if !p.expect("SELECT") || !p.selectList(q, place) || !p.expect("FROM") || !p.from(q) {
		return nil
	}
	if p.accept("USING") {
		if !p.expect("SCOPE") {
			return nil
		}
		at := p.peek().start
		scope, ok := p.name()
		if !ok {
			return nil
		}
		q.Scope, q.ScopeSpan = scope, p.span(at)
	}
	if p.accept("WHERE") {
		if q.Where = p.logical(inWhere); q.Where == nil {
			return nil
		}
	}
	if place != joinSide && !p.clauses(q) {
		return nil
	}
	if place == joinSide {
		p.want = "WHERE or the ) that ends the subquery"
	}
	q.Span = p.span(start)
	return q
}

// clauses reads what may follow WHERE, in its fixed order.
func (p *parser) clauses(q *Query) bool {
	if keyword(p.peek(), "WITH") {
		if q.With = p.with(); q.With == nil {
			return false
		}
	}
	if keyword(p.peek(), "GROUP") && keyword(p.ahead(1), "BY") {
		if q.GroupBy = p.groupBy(); q.GroupBy == nil {
			return false
		}
		if p.accept("HAVING") {
			if q.Having = p.logical(inHaving); q.Having == nil {
				return false
			}
		}
	}
	if keyword(p.peek(), "ORDER") && keyword(p.ahead(1), "BY") && !p.orderBy(q) {
		return false
	}
	if keyword(p.peek(), "LIMIT") {
		if q.Limit = p.count(); q.Limit == nil {
			return false
		}
	}
	if keyword(p.peek(), "OFFSET") {
		if q.Offset = p.count(); q.Offset == nil {
			return false
		}
	}
	return p.forUpdate(q)
}

// count reads the keyword that is next, and its number.
func (p *parser) count() *RowCount {
	start := p.next().start
	p.acceptPunct("+")
	tok := p.peek()
	n, err := strconv.ParseInt(tok.text, 10, 64)
	if tok.kind != tokNumber || err != nil {
		p.unexpected(tok)
		return nil
	}
	p.skip(1)
	return &RowCount{Span: p.span(start), N: n}
}

func (p *parser) forUpdate(q *Query) bool {
	if p.accept("FOR") {
		tok := p.peek()
		if !keyword(tok, "VIEW") && !keyword(tok, "REFERENCE") {
			p.unexpected(tok)
			return false
		}
		p.skip(1)
		q.For = []string{tok.word}
	}
	if !p.accept("UPDATE") {
		return true
	}
	for {
		tok := p.peek()
		if !keyword(tok, "TRACKING") && !keyword(tok, "VIEWSTAT") {
			p.unexpected(tok)
			return false
		}
		p.skip(1)
		q.Update = append(q.Update, tok.word)
		if !p.acceptPunct(",") {
			return true
		}
	}
}

func (p *parser) selectList(q *Query, place queryPlace) bool {
	if place == joinSide {
		p.want = "the name of an id or lookup field"
		path := p.path()
		if path == nil {
			return false
		}
		q.Select = []SelectItem{{Span: path.Span, Value: path}}
		return true
	}
	for {
		item, ok := p.selectItem(len(q.Select) == 0)
		if !ok {
			return false
		}
		q.Select = append(q.Select, item)
		if q.IsCount() {
			return true
		}
		if !p.acceptPunct(",") {
			return true
		}
	}
}

func (p *parser) selectItem(first bool) (SelectItem, bool) {
	tok := p.peek()
	var item SelectItem
	switch {
	case tok.is("("):
		p.skip(1)
		inner := p.query(childList)
		if inner == nil || !p.expectPunct(")") {
			return item, false
		}
		item.Value = &Subquery{Span: p.span(tok.start), Query: inner}
	case keyword(tok, "TYPEOF") && startsName(p.ahead(1)) && (keyword(p.ahead(2), "WHEN") || keyword(p.ahead(2), "ELSE")):
		value := p.typeOf()
		if value == nil {
			return item, false
		}
		item.Value = value
	case tok.kind == tokName && p.ahead(1).is("("):
		if !first && keyword(tok, "COUNT") && p.ahead(2).is(")") {
			p.unexpected(p.ahead(2))
			return item, false
		}
		call := p.call(inSelect)
		if call == nil {
			return item, false
		}
		item.Value = call
		if call.Func == FuncCount && len(call.Args) == 0 {
			item.Span = p.span(tok.start)
			return item, true
		}
	default:
		path := p.path()
		if path == nil {
			return item, false
		}
		item.Value = path
	}
	if alias := p.peek(); alias.kind == tokName && startsName(alias) {
		item.Alias = p.next().text
	}
	item.Span = p.span(tok.start)
	return item, true
}

func (p *parser) typeOf() *TypeOf {
	start := p.next().start
	t := &TypeOf{}
	if t.Relationship = p.path(); t.Relationship == nil {
		return nil
	}
	for keyword(p.peek(), "WHEN") {
		branch := TypeOfBranch{}
		at := p.next().start
		object := p.path()
		if object == nil || !p.expect("THEN") {
			return nil
		}
		branch.Object = object.String()
		if branch.Fields = p.paths(); branch.Fields == nil {
			return nil
		}
		branch.Span = p.span(at)
		t.When = append(t.When, branch)
	}
	if len(t.When) == 0 {
		p.unexpected(p.peek())
		return nil
	}
	if p.accept("ELSE") {
		if t.Else = p.paths(); t.Else == nil {
			return nil
		}
	}
	if !p.expect("END") {
		return nil
	}
	t.Span = p.span(start)
	return t
}

func (p *parser) paths() []*Path {
	var paths []*Path
	for {
		path := p.path()
		if path == nil {
			return nil
		}
		paths = append(paths, path)
		if !p.acceptPunct(",") {
			return paths
		}
	}
}

func (p *parser) from(q *Query) bool {
	for {
		p.want = "the name of an object"
		path := p.path()
		if path == nil {
			return false
		}
		source := Source{Name: path}
		if p.accept("AS") {
			name, ok := p.name()
			if !ok {
				return false
			}
			source.Alias = name
		} else if p.startsAlias() {
			source.Alias = p.next().text
		}
		source.Span = p.span(path.Start)
		q.From = append(q.From, source)
		if !p.acceptPunct(",") {
			return true
		}
	}
}

// startsAlias tells whether the next name is an alias rather than the start of a clause whose keyword can also be a name.
func (p *parser) startsAlias() bool {
	tok := p.peek()
	if tok.kind != tokName || !startsName(tok) {
		return false
	}
	switch tok.word {
	case "GROUP", "ORDER":
		return !keyword(p.ahead(1), "BY")
	case "OFFSET":
		after := p.ahead(1)
		return after.kind != tokNumber && !after.is("+") && !after.is("-")
	}
	return true
}
