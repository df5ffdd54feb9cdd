package soql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// FilterError is a condition that was refused before anything was built of it.
type FilterError struct{ Findings []Finding }

// Error returns the first sentence that is more than a Warning.
func (e *FilterError) Error() string {
	for _, f := range e.Findings {
		if !f.Warning {
			return f.Message
		}
	}
	return "the filter is refused"
}

// Composed is a query that holds a condition exactly as its writer typed it, so that what Salesforce says about a place in the query can be
// told about the condition.
type Composed struct {
	Text      string // the query, on one line
	condition string
	start     int // the byte of Text at which the condition starts
}

// verbatim is a condition of which only the text is kept.
type verbatim struct {
	Span
	text string
	bare bool // printed without parentheses
	at   int  // where it was printed
}

func (*verbatim) expr() {}

// String returns the text, in parentheses if need be.
func (v *verbatim) String() string { return printed(v) }

// oneLine replaces every line break by as many blanks, so that places stay where they are. No string literal can hold one.
var oneLine = strings.NewReplacer("\n", " ", "\r", " ")

// Embed puts a typed condition in parentheses into the WHERE clause of the query, before the condition that the query has already. The condition
// is read alone first, so that one such as a = 1) OR (b = 2 cannot reach beyond its parentheses. Conditions joined by AND that hold a semi-join
// go without parentheses, since Salesforce wants semi-joins at the top level. The error is a *FilterError when the condition is refused, or says
// that the whole is too long.
func Embed(q *Query, condition string) (*Composed, error) {
	e, findings := ParseFilter(condition)
	if Refused(findings) {
		return nil, &FilterError{Findings: findings}
	}
	typed := &verbatim{text: oneLine.Replace(condition)}
	if _, and := e.(*And); and && len(JoinedObjects(e)) > 0 {
		typed.bare = true
	}
	whole := *q
	whole.Where = typed
	if q.Where != nil {
		whole.Where = AllOf(typed, q.Where)
	}
	text := whole.String()
	if tooLong(text) != nil {
		return nil, fmt.Errorf("soql: the query around the filter is longer than %d characters", maxText)
	}
	return &Composed{Text: text, condition: condition, start: typed.at}, nil
}

// Locate maps a place in Text that Salesforce reported, with 1-based line and column, to the writer's own condition. It reports false for a place
// outside it.
func (c *Composed) Locate(line, column int) (Pos, bool) {
	unit := column - 1 - units(c.Text[:c.start])
	if line != 1 || unit < 0 {
		return Pos{}, false
	}
	at := Pos{Line: 1, Column: 1}
	for unit > 0 && at.Offset < len(c.condition) {
		r, n := utf8.DecodeRuneInString(c.condition[at.Offset:])
		at = advance(at, c.condition[at.Offset:at.Offset+n])
		unit--
		if r > 0xFFFF {
			unit--
		}
	}
	return at, unit <= 0
}
