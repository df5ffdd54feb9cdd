package sim

import (
	"slices"

	"millrace/salesforce/soql"
)

// like compiles column LIKE pattern.
func (c *compiler) like(col column, left soql.Operand, l *soql.Literal) (test, error) {
	switch col.f.typ {
	case "string", "textarea", "picklist", "combobox", "phone", "url", "email", "encryptedstring":
	default:
		return nil, c.operatorError(col, left)
	}
	if l.Kind != soql.StringLiteral {
		return nil, c.typeError(col, l.Start)
	}
	match := likeMatcher(l.Pattern())
	get := col.get
	return func(row int) bool {
		v := get(row)
		return v.kind == kText && match(v.s)
	}, nil
}

// likeMatcher matches without regard to case. It looks for the pieces between % one after another; the first and last are anchored.
func likeMatcher(parts []soql.PatternPart) func(string) bool {
	// The pattern as folded runes, with -1 for _ and -2 for %.
	var pattern []rune
	for _, p := range parts {
		switch p.Wild {
		case '_':
			pattern = append(pattern, -1)
		case '%':
			pattern = append(pattern, -2)
		default:
			for _, r := range p.Text {
				pattern = append(pattern, fold(r))
			}
		}
	}
	return func(s string) bool {
		text := []rune(s)
		i, j, star, mark := 0, 0, -1, 0
		for i < len(text) {
			switch {
			case j < len(pattern) && (pattern[j] == -1 || pattern[j] >= 0 && pattern[j] == fold(text[i])):
				i, j = i+1, j+1
			case j < len(pattern) && pattern[j] == -2:
				star, mark = j, i
				j++
			case star >= 0:
				mark++
				i, j = mark, star+1
			default:
				return false
			}
		}
		for j < len(pattern) && pattern[j] == -2 {
			j++
		}
		return j == len(pattern)
	}
}

// includes compiles field INCLUDES (values) and EXCLUDES; each value is a set of which all must be selected.
func (c *compiler) includes(o *object, x *soql.Includes) (test, error) {
	col, err := c.filterable(o, x.Left)
	if err != nil {
		return nil, err
	}
	if col.f.typ != "multipicklist" {
		return nil, c.operatorError(col, x.Left)
	}
	var sets [][]string
	for _, l := range x.Values {
		if l.Kind != soql.StringLiteral {
			return nil, c.typeError(col, l.Start)
		}
		sets = append(sets, selection(l.Text))
	}
	get := col.get
	in := func(row int) bool {
		have := selection(get(row).s)
		for _, set := range sets {
			all := true
			for _, s := range set {
				all = all && slices.Contains(have, s)
			}
			if all && len(have) > 0 {
				return true
			}
		}
		return false
	}
	if x.Not {
		return func(row int) bool { return !in(row) }, nil
	}
	return in, nil
}
