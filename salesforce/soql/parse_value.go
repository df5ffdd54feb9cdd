package soql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// value reads the right side of a comparison or one value of a list.
func (p *parser) value(where place, op Op) *Literal {
	p.want = "a value such as 'text', 5, 2026-01-31, TODAY, TRUE or NULL"
	tok := p.peek()
	switch tok.kind {
	case tokString:
		return p.stringLiteral(op)
	case tokNumber, tokPunct:
		return p.number()
	case tokDate, tokDateTime, tokTime:
		if rest := p.ahead(1); p.filter && rest.kind == tokName && rest.word[0] == 'T' && rest.start.Offset == tok.end().Offset {
			p.note(Finding{Pos: tok.start, End: tok.end(), Message: "A date with a time needs hours, minutes, seconds and a time zone: " + tok.text + "T10:00:00Z, where Z means UTC, or " + tok.text + "T10:00:00+02:00."})
			return nil
		}
		p.skip(1)
		kind := map[tokenKind]LiteralKind{tokDate: DateLiteral, tokDateTime: DateTimeLiteral, tokTime: TimeLiteral}[tok.kind]
		return &Literal{Span: p.span(tok.start), Kind: kind, Text: tok.text}
	case tokName:
		return p.namedValue(tok)
	case tokPath:
		if p.filter {
			if lit, done := p.foreignValue(tok); done {
				return lit
			}
		}
	}
	p.unexpected(tok)
	return nil
}

// stringLiteral reads 'text'. Only LIKE knows the escapes \_ and \%.
func (p *parser) stringLiteral(op Op) *Literal {
	tok := p.peek()
	if tok.kind != tokString || tok.str.open {
		p.unexpected(tok)
		return nil
	}
	bad := tok.str.badEscape
	if bad == "" && op != Like && len(tok.str.escaped) > 0 {
		at := tok.str.escaped[0]
		bad = `\` + tok.str.value[at:at+1]
	}
	p.skip(1)
	lit := &Literal{Span: p.span(tok.start), Kind: StringLiteral, Text: tok.str.value, Escaped: tok.str.escaped}
	if bad != "" {
		p.refuse(tok, fmt.Sprintf("Invalid string literal '%s'. Illegal character sequence '%s' in string literal.", strings.Trim(tok.text, "'"), bad), p.badEscape(tok, bad))
		if !p.filter {
			return nil
		}
	}
	return lit
}

// number reads digits with an optional sign, which blanks may follow.
func (p *parser) number() *Literal {
	start := p.peek().start
	text := ""
	if p.peek().is("-") {
		text = "-"
		p.skip(1)
	} else {
		p.acceptPunct("+")
	}
	tok := p.peek()
	if tok.kind != tokNumber {
		p.unexpected(tok)
		return nil
	}
	p.skip(1)
	return &Literal{Span: p.span(start), Kind: NumberLiteral, Text: text + tok.text}
}

// namedValue reads a value that is a word: TRUE, FALSE, NULL, a date literal or a currency amount.
func (p *parser) namedValue(tok *token) *Literal {
	word, amount, _ := strings.Cut(tok.word, ".")
	lit := &Literal{Kind: NullLiteral, Text: tok.word}
	switch {
	case tok.word == "NULL":
	case tok.word == "TRUE", tok.word == "FALSE":
		lit.Kind = BoolLiteral
	case plainDateLiterals[tok.word]:
		lit.Kind = NamedDateLiteral
		if p.ahead(1).is(":") {
			p.refuse(p.ahead(1), unexpectedText(p.ahead(1)), Finding{Message: tok.word + " takes no number. Remove the : and what follows it, or use one of the literals that count, such as LAST_N_DAYS:7."})
			return nil
		}
	case countedDateLiterals[tok.word]:
		return p.countedDate(tok)
	case isCurrency(word):
		lit.Kind, lit.Currency, lit.Text = CurrencyLiteral, word[:3], word[3:]
		if amount != "" {
			lit.Text += "." + amount
		}
	case len(tok.word) == 3 && p.negativeAmount(tok):
		lit.Kind, lit.Currency, lit.Text = CurrencyLiteral, tok.word, "-"+p.ahead(2).text
		p.skip(2)
	default:
		if p.filter {
			if lit, done := p.foreignValue(tok); done {
				return lit
			}
		}
		p.unexpected(tok)
		return nil
	}
	p.skip(1)
	lit.Span = p.span(tok.start)
	if p.filter {
		p.skipEmptyCall(tok)
	}
	return lit
}

// negativeAmount tells whether USD-500 stands here, written without blanks.
func (p *parser) negativeAmount(tok *token) bool {
	sign, digits := p.ahead(1), p.ahead(2)
	return sign.is("-") && digits.kind == tokNumber && sign.start.Offset == tok.end().Offset && digits.start.Offset == sign.end().Offset
}

// countedDate reads LAST_N_DAYS:7.
func (p *parser) countedDate(tok *token) *Literal {
	if p.filter && p.ahead(1).is("(") && p.ahead(2).kind == tokNumber && p.ahead(3).is(")") {
		p.noteFix(Span{Start: tok.start, End: p.ahead(3).end()}, tok.text+":"+p.ahead(2).text,
			"The number of "+tok.word+" follows a colon: "+tok.word+":"+p.ahead(2).text+".")
		p.skip(4)
		return &Literal{Span: p.span(tok.start), Kind: NamedDateLiteral, Text: tok.word, N: wholeNumber(p.tokens[p.at-2].text)}
	}
	if !p.ahead(1).is(":") || p.ahead(2).kind != tokNumber || strings.Contains(p.ahead(2).text, ".") {
		bad := p.ahead(1)
		if bad.is(":") {
			bad = p.ahead(2)
		}
		p.refuse(bad, unexpectedText(bad), Finding{Pos: tok.start, End: tok.end(), Message: tok.word + " needs a whole number after a colon, as in " + tok.word + ":7."})
		p.skip(1)
		return nil
	}
	p.skip(3)
	return &Literal{Span: p.span(tok.start), Kind: NamedDateLiteral, Text: tok.word, N: wholeNumber(p.tokens[p.at-1].text)}
}

// wholeNumber reads digits; more than an int64 holds counts as the largest one, which is beyond every calendar anyway.
func wholeNumber(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}
