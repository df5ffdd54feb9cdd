package soql

import "strings"

// LiteralKind tells what a literal is.
type LiteralKind int

// The kinds of literal.
const (
	NullLiteral      LiteralKind = iota
	BoolLiteral                  // TRUE or FALSE
	StringLiteral                // 'text'
	NumberLiteral                // 5, -5.25, .5
	DateLiteral                  // 2026-01-31
	DateTimeLiteral              // 2026-01-31T10:00:00Z
	TimeLiteral                  // 10:00:00.000Z
	NamedDateLiteral             // TODAY, LAST_N_DAYS:7
	CurrencyLiteral              // USD5000.50
)

// String names the kind in the plain words of a message.
func (k LiteralKind) String() string {
	switch k {
	case NullLiteral:
		return "null"
	case BoolLiteral:
		return "true or false"
	case StringLiteral:
		return "text"
	case NumberLiteral:
		return "a number"
	case DateLiteral:
		return "a date"
	case DateTimeLiteral:
		return "a date with a time"
	case TimeLiteral:
		return "a time"
	case NamedDateLiteral:
		return "a relative date"
	case CurrencyLiteral:
		return "an amount in a currency"
	}
	return "a value"
}

// Literal is a value written in the query.
type Literal struct {
	Span
	Kind LiteralKind
	// Text is the value: the decoded characters of a string, the digits of a number or of a currency amount with its sign but without a plus
	// or blanks, a date or time as written, the upper-case name of a named date literal, and TRUE, FALSE or NULL in upper case.
	Text     string
	Escaped  []int  // the byte offsets in Text of each % and _ that a backslash made an ordinary character; only after LIKE
	N        int64  // the n of a named date literal that takes one
	Currency string // the upper-case code of a currency literal
}

// String prints the literal as SOQL.
func (l *Literal) String() string {
	var b strings.Builder
	l.print(&b)
	return b.String()
}

// Bool tells whether the literal is TRUE.
func (l *Literal) Bool() bool { return l.Kind == BoolLiteral && l.Text == "TRUE" }

// PatternPart is a piece of a LIKE pattern: literal text, or when Wild is set the wildcard '%' (any run of characters) or '_' (exactly one).
type PatternPart struct {
	Text string
	Wild byte
}

// Pattern splits the text of a string literal into the pieces that LIKE matches one after another.
func (l *Literal) Pattern() []PatternPart {
	var parts []PatternPart
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, PatternPart{Text: text.String()})
			text.Reset()
		}
	}
	escaped := l.Escaped
	for i := 0; i < len(l.Text); i++ {
		c := l.Text[i]
		if len(escaped) > 0 && escaped[0] == i {
			escaped = escaped[1:]
		} else if c == '%' || c == '_' {
			flush()
			parts = append(parts, PatternPart{Wild: c})
			continue
		}
		text.WriteByte(c)
	}
	flush()
	return parts
}

// plainDateLiterals are the named date literals that stand alone.
var plainDateLiterals = nameSet(
	"YESTERDAY", "TODAY", "TOMORROW",
	"LAST_WEEK", "THIS_WEEK", "NEXT_WEEK",
	"LAST_MONTH", "THIS_MONTH", "NEXT_MONTH",
	"LAST_90_DAYS", "NEXT_90_DAYS",
	"LAST_QUARTER", "THIS_QUARTER", "NEXT_QUARTER",
	"LAST_YEAR", "THIS_YEAR", "NEXT_YEAR",
	"LAST_FISCAL_QUARTER", "THIS_FISCAL_QUARTER", "NEXT_FISCAL_QUARTER",
	"LAST_FISCAL_YEAR", "THIS_FISCAL_YEAR", "NEXT_FISCAL_YEAR",
)

// countedDateLiterals are the named date literals that take :n.
var countedDateLiterals = nameSet(
	"LAST_N_DAYS", "LAST_N_WEEKS", "LAST_N_MONTHS", "LAST_N_QUARTERS", "LAST_N_YEARS", "LAST_N_FISCAL_QUARTERS", "LAST_N_FISCAL_YEARS",
	"NEXT_N_DAYS", "NEXT_N_WEEKS", "NEXT_N_MONTHS", "NEXT_N_QUARTERS", "NEXT_N_YEARS", "NEXT_N_FISCAL_QUARTERS", "NEXT_N_FISCAL_YEARS",
	"N_DAYS_AGO", "N_WEEKS_AGO", "N_MONTHS_AGO", "N_QUARTERS_AGO", "N_YEARS_AGO", "N_FISCAL_QUARTERS_AGO", "N_FISCAL_YEARS_AGO",
)

func nameSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
