package soql

import "strings"

// reversed reads 'x' = Name, which SOQL wants the other way round.
func (p *parser) reversed() (Expr, bool) {
	tok, op, right := p.peek(), p.ahead(1), p.ahead(2)
	switch tok.kind {
	case tokString, tokNumber, tokDate, tokDateTime, tokTime:
	default:
		return nil, false
	}
	if op.kind != tokOp || !startsName(right) || tok.kind == tokString && (tok.str.open || tok.str.badEscape != "") {
		return nil, false
	}
	mirrored := map[string]string{"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[op.word]
	lit := p.value(inWhere, Equal)
	p.skip(2)
	p.noteFix(p.span(tok.start), right.text+" "+mirrored+" "+tok.text, "The field stands before the operator and the value behind it.")
	if lit == nil {
		return nil, true
	}
	return &Comparison{Span: p.span(tok.start), Left: pathOf(right), Op: Op(mirrored), OpSpan: Span{Start: op.start, End: op.end()}, Right: lit}, true
}

// foreignComparison reads the operators of other languages that have a certain form in SOQL.
func (p *parser) foreignComparison(where place, start Pos, left Operand) (Expr, bool) {
	tok, after := p.peek(), p.ahead(1)
	opSpan := Span{Start: tok.start, End: tok.end()}
	if tok.kind != tokName {
		return nil, false
	}
	switch tok.word {
	case "IS":
		return p.isNull(start, left)
	case "NOT":
		opSpan.End = after.end()
		switch {
		case keyword(after, "LIKE"), keyword(after, "ILIKE"):
			p.skip(2)
			e := p.compare(where, start, left, Like, opSpan)
			if e == nil {
				return nil, true
			}
			right := e.(*Comparison).Right.Bounds()
			p.noteFixAt(opSpan, p.span(start), "(NOT "+left.String()+" LIKE "+p.text[right.Start.Offset:right.End.Offset]+")",
				"SOQL has no NOT LIKE. Put NOT before the whole comparison, in parentheses: (NOT Name LIKE 'A%').")
			return &Group{Span: p.span(start), X: &Not{Span: p.span(start), X: e}}, true
		case keyword(after, "INCLUDES"), keyword(after, "EXCLUDES"):
			word := map[string]string{"INCLUDES": "EXCLUDES", "EXCLUDES": "INCLUDES"}[after.word]
			p.skip(2)
			p.noteFix(opSpan, word, "The opposite of "+after.word+" is "+word+".")
			values := p.list(where)
			if values == nil {
				return nil, true
			}
			return &Includes{Span: p.span(start), Left: left, Not: word == "EXCLUDES", OpSpan: opSpan, Values: values}, true
		}
	case "ILIKE":
		p.skip(1)
		p.noteFix(opSpan, "LIKE", "LIKE already takes no notice of upper and lower case.")
		return p.compare(where, start, left, Like, opSpan), true
	case "BETWEEN":
		return p.between(where, start, left, opSpan)
	case "CONTAINS", "STARTSWITH", "ENDSWITH", "STARTS", "ENDS":
		if e := p.partOfText(start, left); e != nil {
			return e, true
		}
		fallthrough
	case "MATCHES", "REGEXP", "RLIKE":
		p.note(Finding{Pos: tok.start, End: tok.end(), Message: "SOQL has no " + tok.word + ". Use LIKE with % for any text: LIKE 'Acme%' starts with, LIKE '%Acme' ends with, LIKE '%Acme%' contains."})
		return nil, true
	case "EQUALS", "EQ":
		p.skip(1)
		p.noteFix(opSpan, "=", "SOQL writes this operator as =.")
		return p.compare(where, start, left, Equal, opSpan), true
	case "AND", "OR":
		p.note(Finding{Pos: tok.start, End: tok.end(), Message: left.String() + " alone is not a condition. Compare it with a value, such as " + left.String() + " = TRUE or " + left.String() + " != NULL."})
		return nil, true
	}
	return nil, false
}

// noteFixAt is noteFix for a finding that points at one place and repairs another.
func (p *parser) noteFixAt(at, repair Span, text, message string) {
	p.note(Finding{Pos: at.Start, End: at.End, Message: message, Fix: &Fix{Start: repair.Start.Offset, End: repair.End.Offset, Text: text, Label: "Use " + shortened(text)}})
}

// isNull reads IS [NOT] NULL, and IS TRUE.
func (p *parser) isNull(start Pos, left Operand) (Expr, bool) {
	first := p.next()
	op, word := Equal, "="
	if p.accept("NOT") {
		op, word = NotEqual, "!="
	}
	value := p.peek()
	if word := p.bareText(first); word != nil {
		word.text(p, Span{Start: first.start, End: word.span.End}, string(op)+" ", "SOQL has no IS. Write "+string(op)+" and the text in single quotes: "+string(op)+" "+Quote(word.value)+".")
		return &Comparison{Span: p.span(start), Left: left, Op: op, OpSpan: Span{Start: first.start, End: first.end()}, Right: word.literal()}, true
	}
	if !keyword(value, "NULL") && !keyword(value, "TRUE") && !keyword(value, "FALSE") && !keyword(value, "EMPTY") && !keyword(value, "BLANK") {
		p.note(Finding{Pos: first.start, End: first.end(), Message: "SOQL has no IS. Write = NULL for empty and != NULL for not empty."})
		return nil, true
	}
	p.skip(1)
	name := value.word
	if name == "EMPTY" || name == "BLANK" {
		name = "NULL"
	}
	span := p.span(first.start)
	p.noteFix(span, word+" "+name, "SOQL writes "+strings.Join(strings.Fields(strings.ToUpper(p.text[span.Start.Offset:span.End.Offset])), " ")+" as "+word+" "+name+".")
	kind := NullLiteral
	if name != "NULL" {
		kind = BoolLiteral
	}
	lit := &Literal{Span: Span{Start: value.start, End: value.end()}, Kind: kind, Text: name}
	return &Comparison{Span: p.span(start), Left: left, Op: op, OpSpan: span, Right: lit}, true
}

// between reads BETWEEN a AND b.
func (p *parser) between(where place, start Pos, left Operand, opSpan Span) (Expr, bool) {
	p.skip(1)
	low := p.value(where, Equal)
	if low == nil {
		return nil, true
	}
	if !p.accept("AND") {
		p.unexpected(p.peek())
		return nil, true
	}
	high := p.value(where, Equal)
	if high == nil {
		return nil, true
	}
	whole := p.span(start)
	name := left.String()
	p.noteFixAt(opSpan, whole, "("+name+" >= "+low.String()+" AND "+name+" <= "+high.String()+")",
		"SOQL has no BETWEEN. Compare twice: ("+name+" >= "+shortened(low.String())+" AND "+name+" <= "+shortened(high.String())+").")
	return &Group{Span: whole, X: &And{Span: whole, Terms: []Expr{
		&Comparison{Span: whole, Left: left, Op: GreaterOrEqual, OpSpan: opSpan, Right: low},
		&Comparison{Span: whole, Left: left, Op: LessOrEqual, OpSpan: opSpan, Right: high},
	}}}, true
}

// bareList reads IN 'a', 'b' without its parentheses.
func (p *parser) bareList(where place) []*Literal {
	start := p.peek().start
	if p.peek().kind == tokEOF || p.startsClause(p.peek()) {
		p.unexpected(p.peek())
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
	span := p.span(start)
	p.noteFix(span, "("+p.text[span.Start.Offset:span.End.Offset]+")", "The values of a list stand in parentheses: ('a', 'b').")
	return values
}

// foreignValue reads words that stand for a value elsewhere, and explains words that lack their quotes.
func (p *parser) foreignValue(tok *token) (lit *Literal, done bool) {
	span := Span{Start: tok.start, End: tok.end()}
	replaced := map[string]string{"NIL": "NULL", "NONE": "NULL", "UNDEFINED": "NULL", "NOW": "TODAY", "CURRENT_DATE": "TODAY", "YES": "TRUE", "NO": "FALSE"}[tok.word]
	switch {
	case p.ahead(1).is("(") && p.ahead(2).is(")") && (tok.word == "NOW" || tok.word == "CURRENT_DATE"):
		span.End = p.ahead(2).end()
		p.skip(3)
		p.noteFix(span, "TODAY", "SOQL has no "+tok.word+"(). TODAY stands for the current day.")
		return &Literal{Span: span, Kind: NamedDateLiteral, Text: "TODAY"}, true
	case replaced == "NULL":
		p.skip(1)
		p.noteFix(span, replaced, "SOQL writes this as NULL.")
		return &Literal{Span: span, Kind: NullLiteral, Text: "NULL"}, true
	case replaced != "":
		p.note(Finding{Pos: span.Start, End: span.End, Message: "SOQL does not know " + tok.text + ". Write " + replaced + ", or '" + tok.text + "' if it is text."})
		return nil, true
	case startsName(tok) && !p.ahead(1).is("("):
		if word := p.bareText(nil); word != nil {
			word.text(p, word.span, "", "Text stands in single quotes: "+Quote(word.value)+". One field cannot be compared with another, only with a value.")
			return word.literal(), true
		}
		p.note(Finding{Pos: span.Start, End: span.End, Message: "Text stands in single quotes: '" + tok.text + "'. One field cannot be compared with another, only with a value."})
		return nil, true
	}
	return nil, false
}

// thousands reads the rest of 1,000, whose comma SOQL does not take, and reports whether there was any.
func (p *parser) thousands(tok *token) bool {
	if p.at == 0 || !tok.is(",") || p.tokens[p.at-1].kind != tokNumber || p.tokens[p.at-1].end() != tok.start {
		return false
	}
	start, digits := p.tokens[p.at-1].start, p.tokens[p.at-1].text
	for p.peek().is(",") && p.ahead(1).kind == tokNumber && p.ahead(1).start == p.peek().end() && len(p.ahead(1).text) >= 3 {
		digits += p.ahead(1).text
		p.skip(2)
	}
	if p.peek() == tok {
		return false
	}
	p.noteFix(p.span(start), digits, "Numbers are written without commas: "+digits+".")
	return true
}

// skipEmptyCall reads the parentheses of TODAY(), as formulas and Apex write it.
func (p *parser) skipEmptyCall(tok *token) {
	if p.peek().is("(") && p.ahead(1).is(")") {
		p.skip(2)
		p.noteFix(p.span(tok.start), tok.word, "SOQL writes "+tok.word+" without parentheses.")
	}
}

// noteHabits warns of comparisons that are valid and most likely meant otherwise.
func (p *parser) noteHabits(c *Comparison) {
	if c.Op == NotEqual && c.Right.Kind == NullLiteral && p.text[c.OpSpan.Start.Offset] == '<' {
		p.note(Finding{
			Pos: c.OpSpan.Start, End: c.OpSpan.End, Kind: KindHabit, Warning: true, Message: "!= NULL is how SOQL usually writes this; <> works too.",
			Fix: &Fix{Start: c.OpSpan.Start.Offset, End: c.OpSpan.End.Offset, Text: "!=", Label: "Use !="},
		})
	}
	if c.Op != Like || c.Right.Kind != StringLiteral || !strings.Contains(c.Right.Text, "*") || strings.ContainsAny(c.Right.Text, "%_") {
		return
	}
	span := c.Right.Bounds()
	p.note(Finding{
		Pos: span.Start, End: span.End, Kind: KindHabit, Warning: true,
		Message: "* is an ordinary character in SOQL. LIKE uses % for any text and _ for any one character.",
		Fix: &Fix{
			Start: span.Start.Offset, End: span.End.Offset, Label: "Use %",
			Text: strings.ReplaceAll(p.text[span.Start.Offset:span.End.Offset], "*", "%"),
		},
	})
}

// badEscape explains a backslash that escapes nothing.
func (p *parser) badEscape(tok *token, bad string) Finding {
	if !p.filter {
		return Finding{}
	}
	if bad == `\_` || bad == `\%` {
		return Finding{
			Message: bad + " has a meaning only behind LIKE. Write " + bad[1:] + " without the backslash.",
			Fix:     &Fix{Start: tok.start.Offset, End: tok.end().Offset, Text: strings.NewReplacer(`\\`, `\\`, `\_`, `_`, `\%`, `%`).Replace(tok.text), Label: "Remove the backslash"},
		}
	}
	return Finding{Message: "The backslash before " + strings.TrimPrefix(bad, `\`) + ` starts an escape that SOQL does not have. Write \\ for a backslash.`}
}

// unknownFunction refuses a function that does not exist, or not here.
func (p *parser) unknownFunction(tok *token, where place, known bool) {
	f := p.explain(tok)
	switch {
	case !p.filter:
	case known && funcsByName[strings.ToLower(tok.word)].Kind() == AggregateFunc:
		f.Message = tok.word + " counts or sums over many records and cannot stand in a filter, which looks at one record at a time."
	case known && tok.word == "CONVERTTIMEZONE":
		f.Message = "convertTimezone can stand only inside a date function, such as CALENDAR_YEAR(convertTimezone(CreatedDate))."
	case known:
		f.Message = tok.text + " cannot stand in a filter."
	case tok.word == "EXISTS":
		f.Message = "SOQL has no EXISTS. Compare an id with a subquery: Id IN (SELECT AccountId FROM Contact WHERE …)."
	default:
		f.Message = "SOQL has no function " + tok.text + ". Filters can use date functions such as CALENDAR_YEAR(CreatedDate), toLabel and DISTANCE."
	}
	p.refuse(p.ahead(1), unexpectedText(p.ahead(1)), f)
}
