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

const (
	maxOffset     = 2000
	maxSubqueries = 20
)

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
	order.sort(p.rows)
	p.rows = window(p.rows, q)
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

// sortKey is one entry of an ORDER BY.
type sortKey struct {
	get       getter
	desc      bool
	nullsLast bool
}

type ordering []sortKey

// ordering compiles ORDER BY. Nulls come first in ascending order and last in descending order unless the query says otherwise.
func (c *compiler) ordering(o *object, q *soql.Query, aggregate bool) (ordering, error) {
	if aggregate {
		return nil, nil
	}
	var out ordering
	for _, item := range q.OrderBy {
		col, err := c.operand(o, item.Value)
		if err != nil {
			return nil, err
		}
		if !col.f.sortable {
			return nil, c.refuse(item.Value.Bounds().Start, soql.Finding{Kind: soql.KindNotSortable, Subject: col.f.name})
		}
		out = append(out, sortKey{col.get, item.Desc, nullsLast(item)})
	}
	return out, nil
}

func nullsLast(item soql.OrderItem) bool {
	if item.Nulls == soql.NullsDefault {
		return item.Desc
	}
	return item.Nulls == soql.NullsLast
}

// before compares two values under a sort key.
func (k sortKey) before(a, b value) int {
	switch {
	case a.isNull() && b.isNull():
		return 0
	case a.isNull() || b.isNull():
		if a.isNull() != k.nullsLast {
			return -1
		}
		return 1
	}
	n := compare(a, b)
	if k.desc {
		return -n
	}
	return n
}

// sort orders rows by the keys and, where these are equal, by row, so that pages never overlap.
func (o ordering) sort(rows []int32) {
	if len(o) == 0 {
		return
	}
	type keyed struct {
		row  int32
		vals []value
	}
	list := make([]keyed, len(rows))
	all := make([]value, len(rows)*len(o))
	for i, row := range rows {
		list[i] = keyed{row, all[i*len(o) : (i+1)*len(o)]}
		for j, k := range o {
			list[i].vals[j] = k.get(int(row))
		}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		for j, k := range o {
			if n := k.before(a.vals[j], b.vals[j]); n != 0 {
				return n
			}
		}
		return 0
	})
	for i := range list {
		rows[i] = list[i].row
	}
}

func sortRows(rows []int32) { slices.Sort(rows) }
