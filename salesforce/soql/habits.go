package soql

import (
	"strings"
	"unicode/utf8"
)

// noteFix notes a finding whose repair is to put text in the place of the span.
func (p *parser) noteFix(at Span, text, message string) {
	label := "Remove it"
	if text != "" {
		label = "Use " + shortened(strings.TrimSpace(text))
	}
	p.note(Finding{Pos: at.Start, End: at.End, Message: message, Fix: &Fix{Start: at.Start.Offset, End: at.End.Offset, Text: text, Label: label}})
}

// shortened keeps a button's label readable.
func shortened(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// translate replaces the tokens of other languages whose meaning is certain by those of SOQL, with a finding each, so that the rest can be
// read and checked as its writer meant it.
func (p *parser) translate() {
	out := p.tokens[:0:len(p.tokens)]
	for i := range p.tokens {
		tok := p.tokens[i]
		if tok.kind == tokString && len(out) > 0 && p.doubledQuote(&out[len(out)-1], &tok) {
			continue
		}
		if tok.kind != tokForeign || p.translated(&tok) {
			out = append(out, tok)
		}
	}
	p.tokens, p.at = out, 0
}

// doubledQuote joins 'O' and 'Brien', which another language would read as one text with a quote in it.
func (p *parser) doubledQuote(last, tok *token) bool {
	if last.kind != tokString || last.start.Offset+len(last.text) != tok.start.Offset || tok.str.open || last.str.open || len(p.findings) == maxFindings {
		return false
	}
	p.noteFix(Span{Start: advance(last.start, last.text[:len(last.text)-1]), End: advance(tok.start, "'")}, `\'`,
		`A quote inside a text is written \' in SOQL, not ''.`)
	last.str = &stringToken{value: last.str.value + "'" + tok.str.value, badEscape: last.str.badEscape + tok.str.badEscape}
	last.text = p.text[last.start.Offset : tok.start.Offset+len(tok.text)]
	return true
}

var foreignOperators = map[string]string{"==": "=", "===": "=", "!==": "!=", "=!": "!=", "=>": ">=", "=<": "<="}

// translated turns the token into one of SOQL, or reports false when the token is to be left out.
func (p *parser) translated(tok *token) bool {
	span := Span{Start: tok.start, End: tok.end()}
	if op, ok := foreignOperators[tok.text]; ok {
		p.noteFix(span, op, "SOQL writes this operator as "+op+".")
		tok.kind, tok.word = tokOp, op
		return true
	}
	first, _ := utf8.DecodeRuneInString(tok.text)
	switch {
	case tok.text == "&&", tok.text == "||":
		tok.word = map[string]string{"&&": "AND", "||": "OR"}[tok.text]
		tok.kind = tokName
		p.noteFix(span, p.spaced(span, tok.word), "SOQL writes "+tok.text+" as "+tok.word+".")
	case tok.text == "!":
		p.noteFix(span, p.spaced(span, "NOT"), "SOQL writes ! as NOT.")
		tok.kind, tok.word = tokName, "NOT"
	case strings.HasPrefix(tok.text, "--"), strings.HasPrefix(tok.text, "//"), strings.HasPrefix(tok.text, "/*"):
		p.noteFix(span, "", "SOQL has no comments. Remove this one.")
		return false
	case tok.text == ";":
		p.noteFix(span, "", "A filter has no semicolon. Remove it.")
		return false
	case strings.ContainsRune(singleQuotes+doubleQuotes, first) && utf8.RuneCountInString(tok.text) > 1:
		p.foreignQuotes(tok, span)
	case strings.ContainsRune("\u00a0\u2007\u202f\u200b\ufeff", first):
		p.noteFix(span, " ", "There is a special blank here, of the kind that web pages hold. Use an ordinary one.")
		return false
	}
	return true
}

// foreignQuotes reads "text" and ‘text’ as the text they hold.
func (p *parser) foreignQuotes(tok *token, span Span) {
	_, open := utf8.DecodeRuneInString(tok.text)
	_, closing := utf8.DecodeLastRuneInString(tok.text)
	inner := tok.text[open : len(tok.text)-closing]
	inner = strings.NewReplacer(`\\`, `\\`, `\'`, `\'`, `'`, `\'`, `\"`, `"`).Replace(inner)
	str, n := scanString("'" + inner + "'")
	if str.open || n != len(inner)+2 {
		return
	}
	message := "Text stands in straight single quotes in SOQL, not in these."
	if tok.text[0] == '"' {
		message = "Text stands in single quotes in SOQL, not in double ones."
	}
	p.noteFix(span, "'"+inner+"'", message)
	tok.kind, tok.str = tokString, str
}

// spaced puts blanks around a word where it would otherwise touch its neighbours.
func (p *parser) spaced(at Span, word string) string {
	if before := at.Start.Offset; before > 0 && !isBlank(p.text[before-1]) && p.text[before-1] != '(' {
		word = " " + word
	}
	if after := at.End.Offset; after < len(p.text) && !isBlank(p.text[after]) {
		word += " "
	}
	return word
}

// noteLoneNot says that NOT must not share its level.
func (p *parser) noteLoneNot(not Span) {
	text := p.text[not.Start.Offset:not.End.Offset]
	word := Span{Start: not.Start, End: advance(not.Start, text[:min(len("NOT"), len(text))])}
	if text[0] == '!' {
		word.End = advance(not.Start, "!")
	}
	p.note(Finding{
		Pos: word.Start, End: word.End, Message: "SOQL wants NOT and its condition in parentheses when other conditions or another NOT stand beside it: (NOT a = 1) AND b = 2.",
		Fix: &Fix{Start: not.Start.Offset, End: not.End.Offset, Text: "(" + text + ")", Label: "Put parentheses around it"},
	})
}

// explain is the finding for a token that cannot stand where it does, when nothing more is known.
func (p *parser) explain(tok *token) Finding {
	if !p.filter {
		return Finding{}
	}
	switch {
	case tok.kind == tokEOF:
		return Finding{Message: "The filter stops too early: " + p.want + " is missing at the end."}
	case tok.kind == tokString && tok.str.open:
		f := Finding{Message: "The text that starts here has no closing quote. Put ' at its end."}
		if rest := strings.ToUpper(tok.text); !strings.Contains(rest, " AND ") && !strings.Contains(rest, " OR ") && !strings.ContainsAny(rest, `)\`) {
			at := tok.end().Offset
			f.Fix = &Fix{Start: at, End: at, Text: "'", Label: "Close the quote"}
		}
		return f
	case tok.is(":"):
		return Finding{Message: "Names after a colon work only in Apex code. Write the value itself."}
	case tok.kind == tokForeign:
		return Finding{Message: "SOQL has no use for " + tok.text + " here; " + p.want + " is expected."}
	case tok.kind == tokName && reserved[tok.word]:
		return Finding{Message: tok.word + " cannot stand here; " + p.want + " is expected."}
	}
	return Finding{Message: shortened(tok.text) + " is not understood here; " + p.want + " is expected."}
}
