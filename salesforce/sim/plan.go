package sim

import (
	"slices"
	"strings"

	"millrace/salesforce/soql"
)

// plan is a query compiled for one world: what it selects, and for each row how to write it.
type plan struct {
	c     *compiler
	q     *soql.Query
	obj   *object
	all   bool // deleted rows too
	rows  []int32
	count bool // SELECT COUNT()
	nodes []*node
	cols  []csvColumn // the flat columns, for bulk results
	agg   [][]value   // the rows of an aggregate query
	heads []string    // their names
}

// mode says who asks: what REST and bulk queries may hold differs.
type mode struct {
	all  bool // deleted rows too
	bulk bool
}

const maxOffset = 2000

// prepare compiles and runs a query as far as the row numbers and, for aggregates, their values. now and zone are those of the running user.
func (o *Org) prepare(w *world, text string, user int, m mode) (*plan, error) {
	q, err := soql.ParseQuery(text)
	if err != nil {
		return nil, syntaxFailure(text, err)
	}
	w = w.as(user)
	if err := w.check(text, q); err != nil {
		return nil, err
	}
	c := &compiler{w: w, text: text, now: o.now(), zone: o.zone, user: user, alias: q.From[0].Alias}
	obj, err := c.source(q.From[0])
	if err != nil {
		return nil, err
	}
	p := &plan{c: c, q: q, obj: obj, all: m.all, count: q.IsCount()}
	if err := p.refuse(m); err != nil {
		return nil, err
	}
	aggregate := q.IsAggregate()
	if !p.count && !aggregate {
		if p.nodes, err = c.selectList(obj, q, m); err != nil {
			return nil, err
		}
	}
	order, err := c.ordering(obj, q, aggregate)
	if err != nil {
		return nil, err
	}
	scope, err := c.scoped(obj, q)
	if err != nil {
		return nil, err
	}
	if p.rows, err = c.matching(obj, q.Where, m.all); err != nil {
		return nil, err
	}
	if scope != nil {
		p.rows = slices.DeleteFunc(p.rows, func(row int32) bool { return !scope(int(row)) })
	}
	if aggregate {
		return p, p.aggregate()
	}
	p.rows = window(order.sort(p.rows, wanted(q)), q)
	if m.bulk {
		p.cols = flatten(p.nodes, "", nil)
	}
	return p, nil
}

// refuse checks the rules that need no names.
func (p *plan) refuse(m mode) error {
	q, c := p.q, p.c
	if len(q.From) > 1 {
		return c.at("MALFORMED_QUERY", q.From[1].Start, "unexpected token: ','")
	}
	if q.With != nil {
		return c.at("MALFORMED_QUERY", q.With.Start, "unexpected token: 'WITH'")
	}
	if q.Offset != nil && q.Offset.N > maxOffset {
		return badRequest("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is %d", maxOffset)
	}
	if m.bulk {
		switch {
		case q.GroupBy != nil || q.IsAggregate() || p.count:
			return badRequest("API_ERROR", "Aggregate Relationships not supported in Bulk Query")
		case q.Offset != nil:
			return badRequest("API_ERROR", "OFFSET clause not supported in Bulk Query")
		}
	}
	if len(p.obj.needsFilter) > 0 && !filtersOn(q.Where, p.obj.needsFilter) {
		return badRequest("MALFORMED_QUERY", "Implementation restriction: %s requires a filter by a single Id on %s using the equals operator or multiple Id's using the IN operator.",
			p.obj.name, strings.Join(p.obj.needsFilter, " or "))
	}
	return nil
}

// filtersOn tells whether a condition restricts one of the fields by = or IN at its top level.
func filtersOn(x soql.Expr, fields []string) bool {
	named := func(left soql.Operand) bool {
		p, ok := left.(*soql.Path)
		return ok && slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, p.Field()) })
	}
	switch x := x.(type) {
	case *soql.Group:
		return filtersOn(x.X, fields)
	case *soql.And:
		return slices.ContainsFunc(x.Terms, func(t soql.Expr) bool { return filtersOn(t, fields) })
	case *soql.Comparison:
		return x.Op == soql.Equal && named(x.Left)
	case *soql.InList:
		return !x.Not && named(x.Left)
	case *soql.SemiJoin:
		return !x.Not && named(x.Left)
	}
	return false
}

// wanted is how many rows of a result a query can reach, from the first; -1 for all.
func wanted(q *soql.Query) int {
	if q.Limit == nil || q.Limit.N < 0 || q.Limit.N > 1<<31 {
		return -1
	}
	n := int(q.Limit.N)
	if q.Offset != nil {
		n += int(q.Offset.N)
	}
	return n
}

// window applies OFFSET and LIMIT.
func window[T any](rows []T, q *soql.Query) []T {
	if q.Offset != nil {
		rows = rows[min(int(q.Offset.N), len(rows)):]
	}
	if q.Limit != nil {
		rows = rows[:min(int(max(q.Limit.N, 0)), len(rows))]
	}
	return rows
}
