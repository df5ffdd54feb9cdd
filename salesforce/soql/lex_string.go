package soql

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanString reads a string literal that starts with a quote. It ends at the closing quote, or where that is missing before a line break or
// the end of the text.
func scanString(s string) (*stringToken, int) {
	str := &stringToken{}
	if end := strings.IndexAny(s[1:], "'\\\n\r"); end >= 0 && s[1+end] == '\'' {
		str.value = strings.ToValidUTF8(s[1:1+end], string(utf8.RuneError))
		return str, end + 2
	}
	var b strings.Builder
	for i := 1; i < len(s); {
		switch c := s[i]; c {
		case '\'':
			str.value = b.String()
			return str, i + 1
		case '\n', '\r':
			str.value, str.open = b.String(), true
			return str, i
		case '\\':
			i += str.unescape(&b, s[i:])
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b.WriteRune(r)
			i += n
		}
	}
	str.value, str.open = b.String(), true
	return str, len(s)
}

var simpleEscapes = map[byte]byte{
	'n': '\n', 'N': '\n', 'r': '\r', 'R': '\r', 't': '\t', 'T': '\t', 'b': '\b', 'B': '\b', 'f': '\f', 'F': '\f', '"': '"', '\'': '\'', '\\': '\\',
}

// unescape decodes the escape at the start of s and returns its length. What is no escape is kept as it stands and noted.
func (str *stringToken) unescape(b *strings.Builder, s string) int {
	if len(s) < 2 {
		b.WriteByte('\\')
		return 1
	}
	if plain, ok := simpleEscapes[s[1]]; ok {
		b.WriteByte(plain)
		return 2
	}
	switch s[1] {
	case '_', '%':
		str.escaped = append(str.escaped, b.Len())
		b.WriteByte(s[1])
		return 2
	case 'u', 'U':
		if unit, ok := codeUnit(s); ok {
			if utf16.IsSurrogate(unit) {
				if low, ok := codeUnit(s[6:]); ok && utf16.DecodeRune(unit, low) != utf8.RuneError {
					b.WriteRune(utf16.DecodeRune(unit, low))
					return 12
				}
			}
			b.WriteRune(unit)
			return 6
		}
	}
	_, n := utf8.DecodeRuneInString(s[1:])
	if s[1] == '\n' || s[1] == '\r' {
		n = 0
	}
	if str.badEscape == "" {
		str.badEscape = s[:1+n]
	}
	b.WriteString(strings.ToValidUTF8(s[:1+n], string(utf8.RuneError)))
	return 1 + n
}

// codeUnit reads \uXXXX at the start of s.
func codeUnit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' && s[1] != 'U' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// The quotes of other languages and of word processors.
const (
	singleQuotes = "‘’‚‛`´"
	doubleQuotes = "\"“”„‟«»"
)

// scanForeign reads what people bring from other languages, so that one finding covers the whole of it. It returns 0 when there is none.
func scanForeign(s string) int {
	for _, op := range []string{"===", "!==", "==", "=>", "=<", "=!", "&&", "||"} {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	switch {
	case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "//"):
		if end := strings.IndexAny(s, "\n\r"); end >= 0 {
			return end
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if end := strings.Index(s[2:], "*/"); end >= 0 {
			return end + 4
		}
		return len(s)
	}
	if r, n := utf8.DecodeRuneInString(s); strings.ContainsRune(singleQuotes+doubleQuotes, r) {
		return scanQuoted(s, n)
	}
	return 0
}

// scanQuoted reads text in quotes of another language, the first of which takes n bytes. Without a closing quote on the line, only the opening
// one is read.
func scanQuoted(s string, n int) int {
	opening, _ := utf8.DecodeRuneInString(s)
	closing := singleQuotes + "'"
	if strings.ContainsRune(doubleQuotes, opening) {
		closing = doubleQuotes
	}
	for i := n; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\r':
			return n
		case r == '\\' && i+1 < len(s) && s[i+1] != '\n' && s[i+1] != '\r':
			_, size = utf8.DecodeRuneInString(s[i+1:])
			size++
		case strings.ContainsRune(closing, r):
			return i + size
		}
		i += size
	}
	return n
}
