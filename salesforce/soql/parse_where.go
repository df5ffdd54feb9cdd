package soql

// logical reads conditions joined by one kind of operator, up to a token that can neither continue nor join them.
func (p *parser) logical(where place) Expr {
	if !p.enter() {
		return nil
	}
	defer p.leave()
	start := p.peek().start
	var terms []Expr
	var joiner string
	failed, told := false, false
	for {
		from := p.at
		term := p.term(where, len(terms) > 0 || failed)
		if term == nil {
			failed = true
			if !p.filter {
				return nil
			}
			p.recover(from)
		} else {
			terms = append(terms, term)
		}
		tok := p.peek()
		if !keyword(tok, "AND") && !keyword(tok, "OR") {
			if p.filter && p.missingJoiner(tok, term != nil) {
				continue
			}
			break
		}
		if joiner == "" {
			joiner = tok.word
		}
		if joiner != tok.word && !told {
			told = true
			p.refuse(tok, unexpectedText(tok), Finding{Message: "AND and OR are mixed here. SOQL does not say which goes first: put parentheses around the conditions that belong together, as in a = 1 AND (b = 2 OR c = 3)."})
		}
		if _, not := term.(*Not); not {
			if !p.filter {
				p.unexpected(tok)
				return nil
			}
			p.noteLoneNot(term.Bounds())
		}
		p.next()
		if p.first != nil {
			return nil
		}
	}
	switch {
	case len(terms) == 0:
		return nil
	case len(terms) == 1:
		return terms[0]
	case joiner == "OR":
		return &Or{Span: p.span(start), Terms: terms}
	}
	return &And{Span: p.span(start), Terms: terms}
}

// term reads one condition or NOT condition. NOT may only stand first, and then alone.
func (p *parser) term(where place, later bool) Expr {
	tok := p.peek()
	if !keyword(tok, "NOT") {
		return p.condition(where)
	}
	if later && !p.filter {
		p.unexpected(tok)
		return nil
	}
	if !p.enter() {
		return nil
	}
	defer p.leave()
	p.skip(1)
	var x Expr
	if p.filter && keyword(p.peek(), "NOT") {
		if x = p.term(where, false); x != nil {
			p.noteLoneNot(x.Bounds())
		}
	} else {
		x = p.condition(where)
	}
	if x == nil {
		return nil
	}
	not := &Not{Span: p.span(tok.start), X: x}
	if later && !keyword(p.peek(), "AND") && !keyword(p.peek(), "OR") {
		p.noteLoneNot(not.Span)
	}
	return not
}

// condition reads a condition in parentheses or a single comparison.
func (p *parser) condition(where place) Expr {
	tok := p.peek()
	if tok.is("(") {
		p.skip(1)
		x := p.logical(where)
		if x == nil && !p.filter {
			return nil
		}
		if !p.acceptPunct(")") {
			if p.peek().kind != tokEOF {
				p.unexpected(p.peek())
				return nil
			}
			p.refuse(p.peek(), unexpectedText(p.peek()), Finding{Pos: tok.start, End: tok.end(), Message: "This parenthesis is never closed. Add the missing ) after the condition it belongs to."})
		}
		if x == nil {
			// The inner findings say it all; the empty group keeps the rest of the text readable.
			return &Group{Span: p.span(tok.start)}
		}
		return &Group{Span: p.span(tok.start), X: x}
	}
	if p.filter {
		if e, done := p.reversed(); done {
			return e
		}
	}
	p.want = "a field name"
	left := p.operand(where)
	if left == nil {
		return nil
	}
	p.want = "an operator such as =, !=, <, >, LIKE or IN"
	return p.comparison(where, tok.start, left)
}

// comparison reads what follows the operand.
func (p *parser) comparison(where place, start Pos, left Operand) Expr {
	tok := p.peek()
	opSpan := Span{Start: tok.start, End: tok.end()}
	switch {
	case tok.kind == tokOp:
		p.skip(1)
		return p.compare(where, start, left, Op(tok.word), opSpan)
	case keyword(tok, "LIKE"):
		p.skip(1)
		return p.compare(where, start, left, Like, opSpan)
	case keyword(tok, "INCLUDES"), keyword(tok, "EXCLUDES"):
		p.skip(1)
		values := p.list(where)
		if values == nil {
			return nil
		}
		return &Includes{Span: p.span(start), Left: left, Not: tok.word == "EXCLUDES", OpSpan: opSpan, Values: values}
	case keyword(tok, "IN"), keyword(tok, "NOT") && keyword(p.ahead(1), "IN"):
		return p.in(where, start, left)
	}
	if p.filter {
		if e, done := p.foreignComparison(where, start, left); done {
			return e
		}
	}
	p.unexpected(tok)
	return nil
}

func (p *parser) compare(where place, start Pos, left Operand, op Op, opSpan Span) Expr {
	right := p.value(where, op)
	if right == nil {
		return nil
	}
	c := &Comparison{Span: p.span(start), Left: left, Op: op, OpSpan: opSpan, Right: right}
	if p.filter {
		p.noteHabits(c)
	}
	return c
}

// in reads [NOT] IN with its list or subquery.
func (p *parser) in(where place, start Pos, left Operand) Expr {
	opStart := p.peek().start
	not := p.accept("NOT")
	p.skip(1)
	opSpan := p.span(opStart)
	if p.peek().is("(") && keyword(p.ahead(1), "SELECT") {
		p.skip(1)
		q := p.query(joinSide)
		if q == nil || !p.expectPunct(")") {
			return nil
		}
		return &SemiJoin{Span: p.span(start), Left: left, Not: not, OpSpan: opSpan, Query: q}
	}
	values := p.list(where)
	if values == nil {
		return nil
	}
	return &InList{Span: p.span(start), Left: left, Not: not, OpSpan: opSpan, Values: values}
}

// list reads values in parentheses.
func (p *parser) list(where place) []*Literal {
	p.want = "a list of values in parentheses, such as ('a', 'b')"
	if p.filter && !p.peek().is("(") {
		return p.bareList(where)
	}
	if !p.expectPunct("(") {
		return nil
	}
	var values []*Literal
	for {
		v := p.value(where, Equal)
		if v == nil {
			return nil
		}
		values = append(values, v)
		if !p.acceptPunct(",") {
			break
		}
	}
	p.want = "a comma or the ) that ends the list"
	if !p.expectPunct(")") {
		return nil
	}
	return values
}
