package soql

import (
	"slices"
	"strings"
)

// CheckFilter reads a condition as a person types it and checks it against the object of that name. It returns every problem at once, in the
// order of the text; an empty answer means that Salesforce will take the filter. With a nil Schema only what needs no schema is checked.
func CheckFilter(text, object string, s Schema) []Finding {
	e, findings := parseFilter(text)
	c := &checker{schema: s, findings: findings, text: text}
	sc := &scope{name: object}
	if s != nil {
		if sc.object = s.Object(object); sc.object == nil {
			c.unknownObject(Span{Start: Pos{Line: 1, Column: 1}, End: Pos{Line: 1, Column: 1}}, object)
			return c.findings
		}
		sc.name = sc.object.Name
	}
	if e != nil {
		c.where(e, sc, alone)
	}
	return c.sorted()
}

// CheckQuery checks a query that ParseQuery returned against a schema: names, types, describe flags and the rules of the language that are not
// grammar. It returns every problem in the order of the text; Finding.Salesforce words each one as the API does.
func CheckQuery(q *Query, s Schema) []Finding {
	c := &checker{schema: s}
	c.query(q, nil)
	return c.sorted()
}

// checker walks conditions and queries. Every method may be called with parts missing where a filter could not be read.
type checker struct {
	schema   Schema
	findings []Finding
	text     string // the text of a filter, for repairs; empty for a query
	joins    int
	nested   int // the ANDs around the condition
	nesting  int // of child subqueries
	children int // the child subqueries so far
	parents  map[climb]bool
}

// climb is one relationship that a query follows to a parent, from the object that a scope stands for.
type climb struct {
	from *scope
	path string // in lower case
}

// scope is what a path can start from.
type scope struct {
	object  *Object // nil when it is not known; then names are not checked
	name    string
	aliases map[string]*Object // by lower-case alias; a nil object is known by name only
	inJoin  bool               // inside IN (SELECT …)
}

func (c *checker) sorted() []Finding {
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return a.Pos.Offset - b.Pos.Offset })
	return c.findings[:min(len(c.findings), maxFindings)]
}

// note keeps a finding about the span.
func (c *checker) note(at Span, f Finding) {
	f.Pos, f.End = at.Start, at.End
	if len(c.findings) < 2*maxFindings {
		c.findings = append(c.findings, f)
	}
}

// fix is a repair of the span, for a filter.
func (c *checker) fix(at Span, text string) *Fix {
	if c.text == "" {
		return nil
	}
	return &Fix{Start: at.Start.Offset, End: at.End.Offset, Text: text, Label: "Use " + shortened(text)}
}

// joiner is what stands directly around a condition, which matters to semi-joins.
type joiner int

const (
	alone joiner = iota // nothing, or AND
	underOr
	underNestedOr // OR inside parentheses that AND joins to something
	underNot
)

// where checks a condition. Parentheses do not change what stands around it, and an AND between hides an OR further out.
func (c *checker) where(e Expr, sc *scope, around joiner) {
	if len(c.findings) >= 2*maxFindings {
		return
	}
	switch e := e.(type) {
	case *And:
		c.nested++
		for _, term := range e.Terms {
			c.where(term, sc, alone)
		}
		c.nested--
	case *Or:
		inside := underOr
		if c.nested > 0 {
			inside = underNestedOr
		}
		for _, term := range e.Terms {
			c.where(term, sc, inside)
		}
	case *Not:
		c.where(e.X, sc, underNot)
	case *Group:
		if e.X != nil {
			c.where(e.X, sc, around)
		}
	case *Comparison:
		if v := c.operand(e.Left, sc, use{filter: true}); v != nil {
			c.operator(v, e.Op, e.OpSpan, e.Right)
			if e.Op != Like {
				c.value(v, e.Right)
			}
		}
		c.literal(e.Right)
	case *InList:
		v := c.operand(e.Left, sc, use{filter: true})
		for _, lit := range e.Values {
			if v != nil {
				c.value(v, lit)
			}
			c.literal(lit)
		}
		if v != nil && v.fn == FuncDistance {
			c.distanceOperator(e.OpSpan)
		}
		if v != nil && v.typ == "multipicklist" {
			word, instead := "IN", "INCLUDES"
			if e.Not {
				word, instead = "NOT IN", "EXCLUDES"
			}
			c.note(e.OpSpan, Finding{Kind: KindOperator, Subject: v.name, Object: v.object, Want: v.typ, Message: word + " does not work on a multi-select picklist. Use " + instead + " ('…'), = or !=."})
		}
	case *Includes:
		c.includes(e, sc)
	case *SemiJoin:
		c.semiJoin(e, sc, around)
	}
}

func (c *checker) includes(e *Includes, sc *scope) {
	v := c.operand(e.Left, sc, use{filter: true})
	for _, lit := range e.Values {
		if lit.Kind != StringLiteral && lit.Kind != NullLiteral {
			c.note(lit.Span, Finding{Kind: KindValueType, Subject: e.Left.String(), Want: "multipicklist", Message: "INCLUDES and EXCLUDES take texts in single quotes."})
		}
		c.literal(lit)
	}
	if v == nil || v.typ == "multipicklist" || v.typ == "" {
		return
	}
	word := "INCLUDES"
	instead := "IN"
	if e.Not {
		word, instead = "EXCLUDES", "NOT IN"
	}
	f := Finding{
		Kind: KindOperator, Subject: v.name, Object: v.object, Want: v.typ,
		Message: word + " works only on multi-select picklists; " + v.described() + ". Use " + instead + ".",
	}
	f.Fix = c.fix(e.OpSpan, instead)
	c.note(e.OpSpan, f)
}

// semiJoin checks IN (SELECT …) and its rules.
func (c *checker) semiJoin(e *SemiJoin, sc *scope, around joiner) {
	c.joins++
	left := c.operand(e.Left, sc, use{filter: true})
	rule := func(at Span, message, server string) {
		c.note(at, Finding{Kind: KindSemiJoin, Message: message, server: server})
	}
	switch {
	case sc.inJoin:
		rule(e.OpSpan, "A subquery may not hold another subquery.", "Nesting of semi join sub-selects is not supported")
	case c.joins > 2:
		rule(e.OpSpan, "A query may hold at most two subqueries after IN.", "Maximum 2 semi join sub-selects are allowed")
	case around == underNestedOr:
		rule(e.OpSpan, besideOr, "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions.")
	case around == underOr:
		rule(e.OpSpan, besideOr, "Semi join sub-selects are not allowed with the 'OR' operator")
	case around == underNot:
		rule(e.OpSpan, "NOT may not stand before a subquery: use NOT IN in place of IN, or IN in place of NOT IN.", "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions.")
	}
	if path, ok := e.Left.(*Path); ok && len(c.ownNames(path, sc)) > 1 {
		rule(path.Span, "Before IN (SELECT …) stands a field of "+sc.name+" itself, not one behind a relationship.", "The left operand in the where expression for outer query cannot use relationships: '"+path.String()+"'")
	}
	if left != nil && left.typ != "" && left.typ != "id" && left.typ != "reference" {
		rule(e.Left.Bounds(), "Before IN (SELECT …) stands an id or a lookup field; "+left.described()+".",
			"The left operand field in the where expression for outer query should be an id field, cannot use: '"+left.name+"'")
	}
	inner := e.Query
	if inner == nil {
		return
	}
	innerScope := c.scopeOf(inner, nil)
	innerScope.inJoin = true
	if innerScope.object != nil && sc.object != nil && strings.EqualFold(innerScope.object.Name, sc.object.Name) {
		rule(inner.From[0].Span, "The subquery may not read "+sc.object.Name+", which the filter itself is about.", "The inner and outer selects should not be on the same object type")
	}
	if path, ok := inner.Select[0].Value.(*Path); ok {
		c.joinField(path, left, innerScope, rule)
	}
	if inner.Where != nil {
		c.where(inner.Where, innerScope, alone)
	}
}

const besideOr = "A subquery may not stand beside OR. Join the conditions with AND, or split the filter in two."

// joinField checks the one field that a semi-join's subquery selects.
func (c *checker) joinField(path *Path, left *operandType, sc *scope, rule func(Span, string, string)) {
	if len(c.ownNames(path, sc)) > 1 {
		rule(path.Span, "The subquery selects a field of "+sc.name+" itself, not one behind a relationship.", "The selected field in the semi join inner select cannot use relationships: '"+path.String()+"'")
		return
	}
	right := c.operand(path, sc, use{})
	if right == nil || right.typ == "" {
		return
	}
	server := "The selected field in the semi join inner select should be an id field, cannot use: '" + path.String() + "'"
	if right.typ != "id" && right.typ != "reference" {
		rule(path.Span, "The subquery selects one id or lookup field; "+right.described()+".", server)
		return
	}
	if left == nil || len(left.points) == 0 || len(right.points) == 0 {
		return
	}
	for _, object := range right.points {
		if containsFold(left.points, object) {
			return
		}
	}
	rule(path.Span, path.String()+" points to "+strings.Join(right.points, " or ")+", but the field before IN is the id of "+strings.Join(left.points, " or ")+".",
		"The inner select field '"+path.String()+"' and the outer field '"+left.name+"' are not of the same type")
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// literal checks what no schema is needed for.
func (c *checker) literal(l *Literal) {
	if l == nil {
		return
	}
	const longest = 4000
	switch l.Kind {
	case StringLiteral:
		if len(l.Text) > longest && units(l.Text) > longest {
			c.note(l.Span, Finding{Kind: KindStringTooLong, Message: "A text in a filter may have at most 4,000 characters."})
		}
	case DateLiteral, DateTimeLiteral, TimeLiteral:
		if !l.valid() {
			c.note(l.Span, Finding{Kind: KindBadDate, Subject: l.Text, Message: l.Text + " does not exist in the calendar or on the clock. Dates run from 1700-01-01 to 4000-12-31."})
		}
	}
}

// units counts UTF-16 units, as Salesforce does.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
