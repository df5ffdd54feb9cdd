package soql

import "strings"

// bareWords is a text that was written without its quotes, as one or several words.
type bareWords struct {
	span  Span
	value string
}

// bareText reads the words up to the end of the condition as a text without quotes, or returns nil and reads nothing where they may be something else:
// the name of a field, a keyword, or words that other things are mixed with. With is, the words follow it and may be a quoted text too.
func (p *parser) bareText(is *token) *bareWords {
	n := 0
	for tok := p.peek(); p.aWord(tok); tok = p.ahead(n) {
		n++
	}
	if is != nil && n == 0 && p.peek().kind == tokString && !p.peek().str.open && p.peek().str.badEscape == "" {
		n = 1
	}
	if n == 0 || !p.endsCondition(p.ahead(n)) {
		return nil
	}
	first, last := p.peek(), p.ahead(n-1)
	w := &bareWords{span: Span{Start: first.start, End: last.end()}}
	w.value = p.text[w.span.Start.Offset:w.span.End.Offset]
	if first.kind == tokString {
		w.value = first.str.value
	}
	p.skip(n)
	return w
}

// aWord tells whether the token can be a word of a text and nothing else.
func (p *parser) aWord(tok *token) bool {
	if tok.kind != tokName || strings.ContainsAny(tok.text, "._") {
		return false
	}
	switch tok.word {
	case "NULL", "TRUE", "FALSE", "EMPTY", "BLANK", "NIL", "NONE", "UNDEFINED", "YES", "NO", "NOW", "NOT", "LIKE", "IN", "INCLUDES", "EXCLUDES", "IS", "BETWEEN", "SELECT":
		return false
	}
	return !p.endsCondition(tok) && !reserved[tok.word] && !plainDateLiterals[tok.word] && !countedDateLiterals[tok.word] && !p.startsClause(tok)
}

// endsCondition tells whether a condition is over before the token.
func (p *parser) endsCondition(tok *token) bool {
	return tok.kind == tokEOF || tok.is(")") || keyword(tok, "AND") || keyword(tok, "OR")
}

// text notes that the words want quotes, with the repair: to put before and the quoted text in the place of at.
func (w *bareWords) text(p *parser, at Span, before, message string) {
	p.noteFix(at, before+Quote(w.value), message)
}

func (w *bareWords) literal() *Literal {
	return &Literal{Span: w.span, Kind: StringLiteral, Text: w.value}
}

// partOfText reads CONTAINS 'x', STARTS WITH 'x' and ENDS WITH 'x' as the LIKE that they stand for. It returns nil, having read nothing, when no text in
// quotes follows.
func (p *parser) partOfText(start Pos, left Operand) Expr {
	tok, n := p.peek(), 1
	if (tok.word == "STARTS" || tok.word == "ENDS") && keyword(p.ahead(1), "WITH") {
		n = 2
	}
	text := p.ahead(n)
	if text.kind != tokString || text.str.open || text.str.badEscape != "" {
		return nil
	}
	p.skip(n + 1)
	before, behind, where := "%", "%", "on both sides"
	switch tok.word {
	case "STARTS", "STARTSWITH":
		before, where = "", "at the end"
	case "ENDS", "ENDSWITH":
		behind, where = "", "at the beginning"
	}
	written := "'" + before + QuoteLike(text.str.value) + behind + "'"
	span := Span{Start: tok.start, End: text.end()}
	p.noteFix(span, "LIKE "+written, "SOQL writes this as LIKE with % "+where+": LIKE "+shortened(written)+".")
	pattern, _ := scanString(written)
	right := &Literal{Span: Span{Start: text.start, End: text.end()}, Kind: StringLiteral, Text: pattern.value, Escaped: pattern.escaped}
	return &Comparison{Span: p.span(start), Left: left, Op: Like, OpSpan: Span{Start: tok.start, End: p.tokens[p.at-2].end()}, Right: right}
}
