package sim

import (
	"slices"
	"strings"

	"millrace/salesforce/soql"
)

const maxJoins = 2

// semiJoin compiles column IN (SELECT …) and its anti-join. The inner query is run once.
func (c *compiler) semiJoin(o *object, x *soql.SemiJoin) (test, error) {
	misplaced := c.misplaced
	c.misplaced = ""
	col, err := c.filterable(o, x.Left)
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) (test, error) {
		return nil, c.at("MALFORMED_QUERY", x.Start, format, args...)
	}
	if p, ok := x.Left.(*soql.Path); ok && len(c.local(o, p.Names)) > 1 {
		return refuse("The left operand in the where expression for outer query cannot use relationships: '%s'", p)
	}
	if col.f.typ != "id" && col.f.typ != "reference" {
		return refuse("The left operand field in the where expression for outer query should be an id field, cannot use: '%s'", x.Left)
	}
	if misplaced != "" {
		return refuse("%s", misplaced)
	}
	if c.inner {
		return refuse("Nesting of semi join sub-selects is not supported")
	}
	if c.joins++; c.joins > maxJoins {
		return refuse("Maximum %d semi join sub-selects are allowed", maxJoins)
	}
	ids, err := c.joined(o, col, x.Query)
	if err != nil {
		return nil, err
	}
	get := col.get
	if x.Not {
		return func(row int) bool { v := get(row); return v.kind != kID || !ids[v.n] }, nil
	}
	return func(row int) bool { v := get(row); return v.kind == kID && ids[v.n] }, nil
}

// joined runs the query inside a semi-join and returns the ids that it selects. left is the column of o that they are compared with.
func (c *compiler) joined(outer *object, left column, q *soql.Query) (map[int64]bool, error) {
	if len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil || q.GroupBy != nil || q.Having != nil || len(q.For) > 0 || q.IsCount() {
		return nil, c.at("MALFORMED_QUERY", q.Start, "Semi join sub-selects cannot use COUNT, LIMIT, ORDER BY, GROUP BY or FOR")
	}
	inner := &compiler{w: c.w, text: c.text, now: c.now, zone: c.zone, user: c.user, inner: true, alias: q.From[0].Alias}
	o, err := inner.source(q.From[0])
	if err != nil {
		return nil, err
	}
	if len(q.Select) != 1 {
		return nil, c.at("MALFORMED_QUERY", q.Start, "A semi join sub-select must select exactly one id field")
	}
	p, ok := q.Select[0].Value.(*soql.Path)
	if !ok {
		return nil, c.at("MALFORMED_QUERY", q.Start, "The selected field in the semi join inner select should be an id field, cannot use: '%s'", q.Select[0].Value)
	}
	if len(inner.local(o, p.Names)) > 1 {
		return nil, c.at("MALFORMED_QUERY", p.Start, "The selected field in the semi join inner select cannot use relationships: '%s'", p)
	}
	col, err := inner.path(o, p)
	if err != nil {
		return nil, err
	}
	switch {
	case col.f.typ != "id" && col.f.typ != "reference":
		return nil, c.at("MALFORMED_QUERY", p.Start, "The selected field in the semi join inner select should be an id field, cannot use: '%s'", p)
	case !shareTarget(left.points(), col.points()):
		return nil, c.at("MALFORMED_QUERY", p.Start, "The inner select field '%s' and the outer field '%s' are not of the same type", p, left.f.name)
	case o == outer:
		return nil, c.at("MALFORMED_QUERY", q.From[0].Start, "The inner and outer selects should not be on the same object type")
	}
	rows, err := inner.matching(o, q.Where, false)
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]bool, len(rows))
	for _, row := range rows {
		if v := col.get(int(row)); v.kind == kID {
			ids[v.n] = true
		}
	}
	return ids, nil
}

// points are the objects whose ids a column holds.
func (col column) points() []string {
	if col.f.typ == "id" {
		return []string{col.obj.name}
	}
	return col.f.refs
}

// shareTarget tells whether two columns can hold the id of the same record, as far as is known.
func shareTarget(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// bareJoin tells whether a condition is a semi-join, in parentheses or not. OR and NOT may not stand directly around one; an AND between them and the
// semi-join makes it sound again.
func bareJoin(x soql.Expr) bool {
	switch x := x.(type) {
	case *soql.SemiJoin:
		return true
	case *soql.Group:
		return bareJoin(x.X)
	}
	return false
}

// matching returns the rows of an object that a condition (nil for none) selects, in row order. all takes in deleted rows.
func (c *compiler) matching(o *object, x soql.Expr, all bool) ([]int32, error) {
	var filter test
	if x != nil {
		var err error
		if filter, err = c.where(o, x); err != nil {
			return nil, err
		}
	}
	t := c.w.table(o)
	var mine func(int) bool
	if o.view != nil {
		parent, packed := c.w.getter(o, o.field("ParentId")), c.w.object(o.viewOf).packed
		mine = func(row int) bool { return parent(row).n>>seqBits == packed }
	}
	keep := func(row int) bool {
		r := t.rec(row)
		return (r == nil || !r.purged && (all || !r.deleted)) && (mine == nil || mine(row)) && (filter == nil || filter(row))
	}
	if some, ok := c.candidates(o, x); ok {
		out := make([]int32, 0, len(some))
		for _, row := range some {
			if keep(int(row)) {
				out = append(out, row)
			}
		}
		return out, nil
	}
	out := make([]int32, 0, t.rows)
	for row := range t.rows {
		if keep(row) {
			out = append(out, int32(row))
		}
	}
	if len(out) < cap(out)/2 {
		out = slices.Clone(out)
	}
	return out, nil
}

// candidates narrows a condition to the rows that an id, a reference or a time of change in it can select, so that asking for one record of a million, or for
// what has changed lately, does not look at each. It returns false when the condition names none.
func (c *compiler) candidates(o *object, x soql.Expr) ([]int32, bool) {
	switch x := x.(type) {
	case *soql.Group:
		return c.candidates(o, x.X)
	case *soql.And:
		for _, term := range x.Terms {
			if rows, ok := c.candidates(o, term); ok {
				return rows, true
			}
		}
	case *soql.Comparison:
		switch x.Op {
		case soql.Equal:
			return c.pointed(o, x.Left, []*soql.Literal{x.Right})
		case soql.Greater, soql.GreaterOrEqual:
			return c.written(o, x)
		}
	case *soql.InList:
		if !x.Not {
			return c.pointed(o, x.Left, x.Values)
		}
	}
	return nil, false
}

// pointed returns the rows whose id or reference is one of the literals, in row order.
func (c *compiler) pointed(o *object, left soql.Operand, list []*soql.Literal) ([]int32, bool) {
	p, ok := left.(*soql.Path)
	if !ok {
		return nil, false
	}
	names := c.local(o, p.Names)
	if len(names) != 1 {
		return nil, false
	}
	f := c.w.visibleField(o, names[0])
	if f == nil || f.typ != "id" && f.typ != "reference" || f.col < 0 {
		return nil, false
	}
	packed := o.packed
	if o.view != nil {
		packed = o.view.packed
	}
	t := c.w.table(o)
	seen := map[int32]bool{}
	for _, l := range list {
		id, ok := parseID(l.Text)
		if l.Kind != soql.StringLiteral {
			return nil, false
		}
		if !ok {
			continue
		}
		prefix, row := splitID(id)
		if f.typ == "id" {
			if prefix == packed && t.exists(row-o.first) {
				seen[int32(row-o.first)] = true
			}
			continue
		}
		if parent := c.w.byPrefix[prefix]; parent != nil && row >= 0 {
			for _, child := range c.w.children(o, f, parent).of(row) {
				seen[child] = true
			}
		}
	}
	rows := make([]int32, 0, len(seen))
	for row := range seen {
		rows = append(rows, row)
	}
	sortRows(rows)
	return rows, true
}

// written returns the rows that have been written to, where a condition asks for changes since the epoch: no generated row was changed after it.
func (c *compiler) written(o *object, x *soql.Comparison) ([]int32, bool) {
	p, ok := x.Left.(*soql.Path)
	if !ok || !strings.EqualFold(p.Field(), "SystemModstamp") || len(c.local(o, p.Names)) != 1 {
		return nil, false
	}
	f := c.w.visibleField(o, p.Field())
	if f == nil || f.col < 0 || f.calc != nil {
		return nil, false
	}
	if v, _, _, err := c.constant(column{f: f, obj: o}, x.Right); err != nil || v.kind != kDateTime || v.n < c.w.org.gen.epoch {
		return nil, false
	}
	t := c.w.table(o)
	rows := []int32{}
	for i, chunk := range t.chunks {
		if chunk == nil {
			continue
		}
		for k, r := range chunk {
			if r != nil {
				rows = append(rows, int32(i*chunkRows+k))
			}
		}
	}
	return rows, true
}

// scoped turns USING SCOPE into a test; everything is the default.
func (c *compiler) scoped(o *object, q *soql.Query) (test, error) {
	switch lower(q.Scope) {
	case "", "everything", "delegated", "team", "my_territory", "my_team_territory", "scopingrule":
		return nil, nil
	case "mine", "mine_and_my_groups", "queue_owned":
		f := o.field("OwnerId")
		if f == nil {
			break
		}
		get, me := c.w.getter(o, f), rowID(prefixUser, c.user)
		if strings.EqualFold(q.Scope, "queue_owned") {
			return func(row int) bool { return get(row).n>>seqBits != prefixUser }, nil
		}
		return func(row int) bool { return get(row).n == me }, nil
	}
	return nil, c.at("MALFORMED_QUERY", q.Start, "Unsupported scope '%s' for entity '%s'", q.Scope, o.name)
}
