package soql

import (
	"strconv"
	"strings"
)

// Quote returns s as a SOQL string literal, quotes included. Every character of s survives, except that bytes which are not UTF-8 become U+FFFD.
func Quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	quoteTo(&b, s, nil)
	return b.String()
}

// QuoteLike returns s as literal text for the middle of a LIKE pattern: quoted characters are escaped, and so are % and _, but no quotes are
// put around it. Write "'" + QuoteLike(s) + "%'" for "starts with s".
func QuoteLike(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '%' || r == '_' {
			b.WriteByte('\\')
			b.WriteRune(r)
			continue
		}
		escapeRune(&b, r)
	}
	return b.String()
}

// quoteTo writes s as a literal with a backslash before the bytes at the offsets in escaped.
func quoteTo(b *strings.Builder, s string, escaped []int) {
	b.WriteByte('\'')
	for i, r := range s {
		if len(escaped) > 0 && escaped[0] == i {
			escaped = escaped[1:]
			b.WriteByte('\\')
		}
		escapeRune(b, r)
	}
	b.WriteByte('\'')
}

func escapeRune(b *strings.Builder, r rune) {
	switch r {
	case '\'', '\\':
		b.WriteByte('\\')
		b.WriteRune(r)
	case '\n':
		b.WriteString(`\n`)
	case '\r':
		b.WriteString(`\r`)
	case '\t':
		b.WriteString(`\t`)
	case '\b':
		b.WriteString(`\b`)
	case '\f':
		b.WriteString(`\f`)
	default:
		b.WriteRune(r)
	}
}

func (l *Literal) print(b *strings.Builder) {
	switch l.Kind {
	case StringLiteral:
		quoteTo(b, l.Text, l.Escaped)
	case NamedDateLiteral:
		b.WriteString(l.Text)
		if countedDateLiterals[l.Text] {
			b.WriteByte(':')
			b.WriteString(strconv.FormatInt(l.N, 10))
		}
	case CurrencyLiteral:
		b.WriteString(l.Currency)
		b.WriteString(l.Text)
	default:
		b.WriteString(l.Text)
	}
}

// String prints the call as SOQL.
func (c *Call) String() string {
	var b strings.Builder
	b.WriteString(string(c.Func))
	b.WriteByte('(')
	for i, arg := range c.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(arg.String())
	}
	b.WriteByte(')')
	return b.String()
}

// String prints the conditions joined by AND.
func (e *And) String() string { return printed(e) }

// String prints the conditions joined by OR.
func (e *Or) String() string { return printed(e) }

// String prints NOT and the condition.
func (e *Not) String() string { return printed(e) }

// String prints the condition in its parentheses.
func (e *Group) String() string { return printed(e) }

// String prints operand, operator and value.
func (e *Comparison) String() string { return printed(e) }

// String prints the operand and its list.
func (e *InList) String() string { return printed(e) }

// String prints the operand and its subquery.
func (e *SemiJoin) String() string { return printed(e) }

// String prints the operand and its list.
func (e *Includes) String() string { return printed(e) }

func printed(e Expr) string {
	var b strings.Builder
	printExpr(&b, e)
	return b.String()
}

func printExpr(b *strings.Builder, e Expr) {
	switch e := e.(type) {
	case *And:
		printTerms(b, e.Terms, " AND ")
	case *Or:
		printTerms(b, e.Terms, " OR ")
	case *Not:
		b.WriteString("NOT ")
		printExpr(b, e.X)
	case *Group:
		b.WriteByte('(')
		printExpr(b, e.X)
		b.WriteByte(')')
	case *Comparison:
		b.WriteString(e.Left.String())
		b.WriteString(" " + string(e.Op) + " ")
		e.Right.print(b)
	case *InList:
		b.WriteString(e.Left.String())
		b.WriteString(notIn(e.Not))
		printLiterals(b, e.Values)
	case *SemiJoin:
		b.WriteString(e.Left.String())
		b.WriteString(notIn(e.Not) + "(")
		e.Query.print(b)
		b.WriteByte(')')
	case *verbatim:
		if !e.bare {
			b.WriteByte('(')
		}
		e.at = b.Len()
		b.WriteString(e.text)
		if !e.bare {
			b.WriteByte(')')
		}
	case *Includes:
		b.WriteString(e.Left.String())
		if e.Not {
			b.WriteString(" EXCLUDES ")
		} else {
			b.WriteString(" INCLUDES ")
		}
		printLiterals(b, e.Values)
	}
}

func notIn(not bool) string {
	if not {
		return " NOT IN "
	}
	return " IN "
}

func printTerms(b *strings.Builder, terms []Expr, sep string) {
	for i, term := range terms {
		if i > 0 {
			b.WriteString(sep)
		}
		printExpr(b, term)
	}
}

func printLiterals(b *strings.Builder, values []*Literal) {
	b.WriteByte('(')
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		v.print(b)
	}
	b.WriteByte(')')
}
