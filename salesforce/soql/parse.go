package soql

import (
	"fmt"
	"strings"
)

const (
	// maxText is the longest SOQL text that Salesforce takes, in UTF-16 units.
	maxText = 100_000
	// maxDepth bounds the nesting of parentheses and subqueries. No query that a person means comes near it, and it keeps the stack small.
	maxDepth = 500
)

// ParseQuery reads one whole query. The error is a *SyntaxError for the first place that is not SOQL; names, types and the rules that need them
// are left to CheckQuery.
func ParseQuery(text string) (*Query, error) {
	if long := tooLong(text); long != nil {
		return nil, &SyntaxError{Pos: long.Pos, End: long.End, Message: fmt.Sprintf("SOQL statements cannot be longer than %d characters.", maxText)}
	}
	p := &parser{tokens: lex(text), text: text}
	q := p.query(topLevel)
	if tok := p.peek(); tok.kind != tokEOF {
		p.unexpected(tok)
	}
	if p.first != nil {
		return nil, p.first
	}
	return q, nil
}

// tooLong returns the finding for a text that Salesforce would not read.
func tooLong(text string) *Finding {
	if len(text) <= maxText {
		return nil
	}
	start := Pos{Line: 1, Column: 1}
	units := 0
	for i, r := range text {
		units++
		if r > 0xFFFF {
			units++
		}
		if units > maxText {
			return &Finding{
				Pos: advance(start, text[:i]), End: advance(start, text), Kind: KindTooLong,
				Message: "This is longer than the 100,000 characters that Salesforce accepts. Shorten it, for example by moving a long list of values into a field.",
			}
		}
	}
	return nil
}

// parser reads tokens by recursive descent. Reading a query it stops at the first error; reading a filter it notes every error, skips to the next
// AND, OR or parenthesis and goes on. A method that returns nil has noted an error.
type parser struct {
	tokens []token
	at     int
	text   string
	depth  int

	want     string // what is expected next, in words for a finding
	filter   bool
	findings []Finding
	first    *SyntaxError
}

func (p *parser) peek() *token { return &p.tokens[p.at] }

// ahead returns the token n places on, or the end of the text.
func (p *parser) ahead(n int) *token { return &p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() *token {
	tok := p.peek()
	p.skip(1)
	return tok
}

// skip steps over n tokens, but never over the end.
func (p *parser) skip(n int) { p.at = min(p.at+n, len(p.tokens)-1) }

// pastEnd is where the last token that was read ends.
func (p *parser) pastEnd() Pos {
	if p.at == 0 {
		return p.tokens[0].start
	}
	return p.tokens[p.at-1].end()
}

func (p *parser) span(start Pos) Span { return Span{Start: start, End: p.pastEnd()} }

// keyword tells whether the token is this word. Keywords are only ever single names.
func keyword(tok *token, word string) bool { return tok.kind == tokName && tok.word == word }

// accept steps over the next token if it is this keyword.
func (p *parser) accept(word string) bool {
	if keyword(p.peek(), word) {
		p.skip(1)
		return true
	}
	return false
}

// acceptPunct steps over the next token if it is this mark.
func (p *parser) acceptPunct(mark string) bool {
	if p.peek().is(mark) {
		p.skip(1)
		return true
	}
	return false
}

// expect steps over this keyword, or notes an error.
func (p *parser) expect(word string) bool {
	if p.accept(word) {
		return true
	}
	p.want = word
	p.unexpected(p.peek())
	return false
}

// expectPunct steps over this mark, or notes an error.
func (p *parser) expectPunct(mark string) bool {
	if p.acceptPunct(mark) {
		return true
	}
	p.unexpected(p.peek())
	return false
}

// unexpected notes that the token cannot stand where it does.
func (p *parser) unexpected(tok *token) {
	p.refuse(tok, unexpectedText(tok), p.explain(tok))
}

func unexpectedText(tok *token) string {
	switch {
	case tok.kind == tokEOF:
		return "unexpected token: '<EOF>'"
	case tok.kind == tokString && tok.str.open:
		return fmt.Sprintf("line %d:%d mismatched character '<EOF>' expecting '''", tok.end().Line, tok.end().Column-1)
	case tok.is(":"):
		return "Bind variables only allowed in Apex code"
	case tok.kind == tokForeign && (tok.text[0] == '=' || tok.text[0] == '&' || tok.text[0] == '|'):
		return "unexpected token: '" + tok.text[:1] + "'"
	}
	return "unexpected token: '" + tok.text + "'"
}

// refuse notes an error at the token: for a query Salesforce's words, for a filter a finding.
func (p *parser) refuse(tok *token, message string, finding Finding) {
	if !p.filter {
		if p.first == nil {
			p.first = &SyntaxError{Pos: tok.start, End: tok.end(), Message: message}
			p.at = len(p.tokens) - 1
		}
		return
	}
	if finding.Pos == (Pos{}) {
		finding.Pos, finding.End = tok.start, tok.end()
	}
	p.note(finding)
}

// note keeps a finding, and gives up on the text when there are too many.
func (p *parser) note(f Finding) {
	if len(p.findings) < maxFindings {
		p.findings = append(p.findings, f)
		return
	}
	p.at = len(p.tokens) - 1
}

// enter goes one level deeper, and reports false when that is too deep; then the rest of the text is given up.
func (p *parser) enter() bool {
	p.depth++
	if p.depth <= maxDepth {
		return true
	}
	p.refuse(p.peek(), "Query is either selecting too many fields or the filter conditions are too complicated.", Finding{
		Kind: KindTooDeep, Message: fmt.Sprintf("Parentheses are nested more than %d levels deep here. Remove the ones that are not needed.", maxDepth),
	})
	p.at = len(p.tokens) - 1
	return false
}

func (p *parser) leave() { p.depth-- }

// reserved are the words that cannot name a field or object by themselves; behind a dot they can.
var reserved = nameSet(
	"SELECT", "FROM", "AS", "USING", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "INCLUDES", "EXCLUDES", "WITH", "BY", "ROLLUP", "CUBE", "HAVING",
	"ASC", "DESC", "NULLS", "FIRST", "LAST", "LIMIT", "FOR", "UPDATE", "TRUE", "FALSE", "NULL", "ELSE", "BIND",
)

// startsName tells whether the token can be a name or path.
func startsName(tok *token) bool {
	return tok.kind == tokPath || tok.kind == tokName && !reserved[tok.word] && !strings.Contains(tok.text, ".")
}

// path reads a name or path.
func (p *parser) path() *Path {
	tok := p.peek()
	if !startsName(tok) {
		p.unexpected(tok)
		return nil
	}
	p.skip(1)
	return pathOf(tok)
}

func pathOf(tok *token) *Path {
	path := &Path{Span: Span{Start: tok.start, End: tok.end()}}
	if tok.kind == tokName {
		path.Names = []string{tok.text}
		return path
	}
	path.Names = strings.Split(tok.text, ".")
	return path
}

// name reads a single name that is not reserved.
func (p *parser) name() (string, bool) {
	tok := p.peek()
	if tok.kind != tokName || !startsName(tok) {
		p.unexpected(tok)
		return "", false
	}
	p.skip(1)
	return tok.text, true
}
