package soql

import (
	"slices"
	"strings"
)

// ParseFilter reads a condition as a person types it into a filter box, without the word WHERE. It returns every problem at once, in the order
// of the text; the condition is nil when one of them is more than a Warning. Names and types are not looked at: CheckFilter does that.
func ParseFilter(text string) (Expr, []Finding) {
	e, findings := parseFilter(text)
	if Refused(findings) {
		return nil, findings
	}
	return e, findings
}

// Refused tells whether one of the findings is more than a Warning.
func Refused(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return !f.Warning })
}

// parseFilter returns, beside the findings, what could be read in spite of them.
func parseFilter(text string) (Expr, []Finding) {
	if long := tooLong(text); long != nil {
		return nil, []Finding{*long}
	}
	p := &parser{tokens: lex(text), text: text, filter: true}
	if p.peek().kind == tokEOF {
		return nil, []Finding{{Pos: p.peek().start, End: p.peek().start, Message: "The filter is empty. Write a condition such as Type = 'Customer'."}}
	}
	p.translate()
	if keyword(p.peek(), "SELECT") && !p.ahead(1).is("=") {
		p.wholeQuery()
		return nil, p.findings
	}
	if tok := p.peek(); keyword(tok, "WHERE") {
		p.skip(1)
		end := p.peek().start.Offset
		p.note(Finding{
			Pos: tok.start, End: tok.end(), Message: "The word WHERE is not part of the condition. Start with the field name.",
			Fix: &Fix{Start: tok.start.Offset, End: end, Label: "Remove WHERE"},
		})
	}
	e := p.logical(inWhere)
	for p.peek().kind != tokEOF {
		tok := p.peek()
		if p.startsClause(tok) {
			p.noteClause(tok)
			break
		}
		if tok.is(")") {
			p.note(Finding{Pos: tok.start, End: tok.end(), Message: "This parenthesis closes nothing. Remove it, or add the ( that it belongs to."})
			p.skip(1)
			if next := p.peek(); keyword(next, "AND") || keyword(next, "OR") {
				p.skip(1)
				p.logical(inWhere)
			}
			continue
		}
		from := p.at
		p.unexpected(tok)
		p.skip(1)
		p.recover(from)
	}
	slices.SortStableFunc(p.findings, func(a, b Finding) int { return a.Pos.Offset - b.Pos.Offset })
	return e, p.findings
}

// recover skips to where a condition can begin anew: an AND, OR, closing parenthesis or clause at the level of the token from, where the
// condition that failed began.
func (p *parser) recover(from int) {
	open := 0
	for i := from; i < p.at; i++ {
		if p.tokens[i].is("(") {
			open++
		} else if p.tokens[i].is(")") {
			open--
		}
	}
	for {
		tok := p.peek()
		switch {
		case tok.kind == tokEOF:
			return
		case tok.is("("):
			open++
		case tok.is(")"):
			if open <= 0 {
				return
			}
			open--
		case open <= 0 && (keyword(tok, "AND") || keyword(tok, "OR") || p.startsClause(tok)):
			return
		}
		p.skip(1)
	}
}

// startsClause tells whether a clause of a whole query begins at the token.
func (p *parser) startsClause(tok *token) bool {
	if tok.kind != tokName {
		return false
	}
	after := p.ahead(1)
	switch tok.word {
	case "LIMIT", "HAVING", "FOR", "UPDATE", "USING", "FROM", "WHERE", "SELECT":
		return after.kind != tokOp
	case "WITH", "UNION":
		return after.kind == tokName || after.is("(")
	case "ORDER", "GROUP":
		return keyword(after, "BY")
	case "OFFSET":
		return after.kind == tokNumber
	case "ALL":
		return keyword(after, "ROWS")
	}
	return false
}

// noteClause refuses what belongs to a whole query and not to a filter.
func (p *parser) noteClause(tok *token) {
	name := tok.word
	switch name {
	case "ORDER", "GROUP":
		name += " BY"
	case "ALL":
		name = "ALL ROWS"
	}
	from := tok.start
	for from.Offset > 0 && isBlank(p.text[from.Offset-1]) {
		from.Offset--
	}
	f := Finding{Pos: tok.start, End: tok.end(), Message: name + " does not belong in a filter: only the condition does, which says which records are wanted."}
	switch tok.word {
	case "LIMIT", "OFFSET", "ORDER", "GROUP", "FOR", "ALL", "HAVING":
		f.Fix = &Fix{Start: from.Offset, End: len(p.text), Label: "Remove from " + name + " on"}
	}
	p.note(f)
}

// wholeQuery answers a SELECT in the filter box: only its condition belongs there.
func (p *parser) wholeQuery() {
	first, last := p.peek(), p.ahead(len(p.tokens))
	f := Finding{Pos: first.start, End: first.end(), Message: "This is a whole query. Only its condition belongs here: what follows WHERE."}
	if q, err := ParseQuery(p.text); err == nil && q.Where != nil {
		where := q.Where.Bounds()
		f.Fix = &Fix{Start: 0, End: last.start.Offset, Text: p.text[where.Start.Offset:where.End.Offset], Label: "Keep only the condition"}
	}
	p.findings = append(p.findings[:0], f)
}

// missingJoiner handles, in a filter, a token that cannot follow a condition, and reports whether another condition should be read.
func (p *parser) missingJoiner(tok *token, afterCondition bool) bool {
	if tok.kind == tokEOF || tok.is(")") || p.startsClause(tok) || !afterCondition {
		return false
	}
	if tok.is("(") || keyword(tok, "NOT") || startsName(tok) {
		what := strings.TrimSpace(tok.text)
		p.note(Finding{Pos: tok.start, End: tok.end(), Message: "AND or OR is missing before " + what + "."})
		return true
	}
	p.want = "AND, OR or the end of the filter"
	if p.thousands(tok) {
		return false
	}
	from := p.at
	p.unexpected(tok)
	p.skip(1)
	p.recover(from)
	next := p.peek()
	if keyword(next, "AND") || keyword(next, "OR") {
		p.skip(1)
		return true
	}
	return false
}
