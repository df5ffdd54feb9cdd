package soql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokEOF      tokenKind = iota
	tokName               // a single identifier, keyword or not
	tokPath               // identifiers joined by dots, of which any may be a keyword
	tokString             // 'text'
	tokNumber             // digits with an optional fraction, without a sign
	tokDate               // 2026-01-31
	tokDateTime           // 2026-01-31T10:00:00Z
	tokTime               // 10:00:00Z
	tokOp                 // a comparison operator other than LIKE
	tokPunct              // ( ) , : + - . *
	tokForeign            // something of another language that SOQL does not have, such as == or a comment
)

// token is a piece of the text. Its text shares the memory of the whole.
type token struct {
	kind  tokenKind
	text  string
	word  string // a name in upper case; the canonical form of an operator
	start Pos
	str   *stringToken
}

// stringToken is what the lexer learned about a string literal.
type stringToken struct {
	value     string
	escaped   []int  // offsets in value of % and _ that followed a backslash
	badEscape string // the first sequence that is no escape, such as \q
	open      bool   // the closing quote is missing
}

func (t *token) end() Pos { return advance(t.start, t.text) }

func (t *token) is(text string) bool {
	return (t.kind == tokPunct || t.kind == tokOp) && t.text == text
}

// advance moves a position over text.
func advance(p Pos, text string) Pos {
	p.Offset += len(text)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			p.Line++
			p.Column = 1
		case c < 0x80, c >= 0xC0 && c < 0xF0:
			p.Column++
		case c >= 0xF0:
			p.Column += 2
		}
	}
	return p
}

// lex splits the whole text into tokens, the last of which is tokEOF. Nothing is lost or refused here: what is not SOQL becomes tokForeign.
func lex(text string) []token {
	l := lexer{text: text, at: Pos{Line: 1, Column: 1}}
	tokens := make([]token, 0, len(text)/5+2)
	for {
		l.skipBlanks()
		tok := l.next()
		tokens = append(tokens, tok)
		if tok.kind == tokEOF {
			return tokens
		}
	}
}

type lexer struct {
	text string
	at   Pos
}

func (l *lexer) rest() string { return l.text[l.at.Offset:] }

func (l *lexer) skipBlanks() {
	rest := l.rest()
	n := 0
	for n < len(rest) && isBlank(rest[n]) {
		n++
	}
	l.at = advance(l.at, rest[:n])
}

// take makes a token of the next n bytes and steps over them.
func (l *lexer) take(kind tokenKind, n int) token {
	tok := token{kind: kind, text: l.rest()[:n], start: l.at}
	l.at = advance(l.at, tok.text)
	return tok
}

func (l *lexer) next() token {
	rest := l.rest()
	if rest == "" {
		return l.take(tokEOF, 0)
	}
	switch c := rest[0]; {
	case isLetter(c):
		return l.name(rest)
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		kind, n := scanNumber(rest)
		return l.take(kind, n)
	case c == '\'':
		str, n := scanString(rest)
		tok := l.take(tokString, n)
		tok.str = str
		return tok
	}
	if n := scanForeign(rest); n > 0 {
		return l.take(tokForeign, n)
	}
	if canonical, n := scanOperator(rest); n > 0 {
		tok := l.take(tokOp, n)
		tok.word = canonical
		return tok
	}
	if strings.IndexByte("(),:+-.*", rest[0]) >= 0 {
		return l.take(tokPunct, 1)
	}
	_, n := utf8.DecodeRuneInString(rest)
	return l.take(tokForeign, n)
}

func isBlank(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isName(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }

// name reads an identifier or a path, whose dots no blanks may touch. USD5.50 is one token too: no name starts with a digit.
func (l *lexer) name(rest string) token {
	n := scanName(rest)
	if isCurrency(rest[:n]) && n+1 < len(rest) && rest[n] == '.' && isDigit(rest[n+1]) {
		end := n + 1
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		tok := l.take(tokName, end)
		tok.word = strings.ToUpper(tok.text)
		return tok
	}
	kind := tokName
	for n+1 < len(rest) && rest[n] == '.' && isLetter(rest[n+1]) {
		kind = tokPath
		n += 1 + scanName(rest[n+1:])
	}
	tok := l.take(kind, n)
	if kind == tokName {
		tok.word = strings.ToUpper(tok.text)
	}
	return tok
}

func scanName(s string) int {
	n := 0
	for n < len(s) && isName(s[n]) {
		n++
	}
	return n
}

// isCurrency tells whether a name reads as a whole amount in a currency: three letters and digits.
func isCurrency(name string) bool {
	if len(name) < 4 {
		return false
	}
	for i := 0; i < len(name); i++ {
		if i < 3 && !isLetter(name[i]) || i >= 3 && !isDigit(name[i]) {
			return false
		}
	}
	return true
}

// matchDigits tells whether s starts with the shape, in which 0 stands for any digit and everything else for itself.
func matchDigits(s, shape string) bool {
	if len(s) < len(shape) {
		return false
	}
	for i := 0; i < len(shape); i++ {
		if shape[i] == '0' && !isDigit(s[i]) || shape[i] != '0' && s[i] != shape[i] {
			return false
		}
	}
	return true
}

// scanNumber reads a number, date, date with time or time.
func scanNumber(s string) (tokenKind, int) {
	const date, clock = "0000-00-00", "00:00:00"
	switch {
	case matchDigits(s, date):
		n := len(date)
		if len(s) > n && (s[n] == 'T' || s[n] == 't') && matchDigits(s[n+1:], clock) {
			if zone := scanZone(s[n+1+len(clock):]); zone > 0 {
				return tokDateTime, n + 1 + len(clock) + zone
			}
		}
		return tokDate, n
	case matchDigits(s, clock):
		if zone := scanZone(s[len(clock):]); zone > 0 {
			return tokTime, len(clock) + zone
		}
	}
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		for n++; n < len(s) && isDigit(s[n]); n++ {
		}
	}
	return tokNumber, n
}

// scanZone reads what follows the seconds of a time: an optional fraction and a zone. It returns 0 when there is no zone.
func scanZone(s string) int {
	n := 0
	if len(s) > 1 && s[0] == '.' && isDigit(s[1]) {
		for n = 1; n < len(s) && isDigit(s[n]); n++ {
		}
	}
	if n == len(s) {
		return 0
	}
	switch s[n] {
	case 'Z', 'z':
		return n + 1
	case '+', '-':
		if matchDigits(s[n+1:], "00:00") {
			return n + 6
		}
		if matchDigits(s[n+1:], "0000") {
			return n + 5
		}
	}
	return 0
}

// scanOperator reads a comparison operator; < = and > = may be written apart, <> and != may not.
func scanOperator(s string) (canonical string, n int) {
	switch s[0] {
	case '=':
		return "=", 1
	case '!':
		if len(s) > 1 && s[1] == '=' {
			return "!=", 2
		}
	case '<', '>':
		if s[0] == '<' && len(s) > 1 && s[1] == '>' {
			return "!=", 2
		}
		n = 1
		for n < len(s) && isBlank(s[n]) {
			n++
		}
		if n < len(s) && s[n] == '=' && (n+1 == len(s) || s[n+1] != '=') {
			return s[:1] + "=", n + 1
		}
		return s[:1], 1
	}
	return "", 0
}
