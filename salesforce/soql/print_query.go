package soql

import (
	"strconv"
	"strings"
)

// String prints the query as canonical SOQL: upper-case keywords, single blanks, names as written.
func (q *Query) String() string {
	var b strings.Builder
	q.print(&b)
	return b.String()
}

// String prints the subquery in its parentheses.
func (s *Subquery) String() string { return "(" + s.Query.String() + ")" }

// String prints the whole TYPEOF … END.
func (t *TypeOf) String() string {
	var b strings.Builder
	b.WriteString("TYPEOF " + t.Relationship.String())
	for _, branch := range t.When {
		b.WriteString(" WHEN " + branch.Object + " THEN ")
		printPaths(&b, branch.Fields)
	}
	if t.Else != nil {
		b.WriteString(" ELSE ")
		printPaths(&b, t.Else)
	}
	b.WriteString(" END")
	return b.String()
}

func printPaths(b *strings.Builder, paths []*Path) {
	for i, p := range paths {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
}

func (q *Query) print(b *strings.Builder) {
	b.WriteString("SELECT ")
	for i, item := range q.Select {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(item.Value.String())
		if item.Alias != "" {
			b.WriteString(" " + item.Alias)
		}
	}
	b.WriteString(" FROM ")
	for i, source := range q.From {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(source.Name.String())
		if source.Alias != "" {
			b.WriteString(" " + source.Alias)
		}
	}
	if q.Scope != "" {
		b.WriteString(" USING SCOPE " + q.Scope)
	}
	if q.Where != nil {
		b.WriteString(" WHERE ")
		printExpr(b, q.Where)
	}
	if q.With != nil {
		q.With.print(b)
	}
	q.printGrouping(b)
	for i, item := range q.OrderBy {
		if i == 0 {
			b.WriteString(" ORDER BY ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(item.Value.String())
		if item.Desc {
			b.WriteString(" DESC")
		}
		if item.Nulls != NullsDefault {
			b.WriteString(" NULLS " + string(item.Nulls))
		}
	}
	if q.Limit != nil {
		b.WriteString(" LIMIT " + strconv.FormatInt(q.Limit.N, 10))
	}
	if q.Offset != nil {
		b.WriteString(" OFFSET " + strconv.FormatInt(q.Offset.N, 10))
	}
	for _, name := range q.For {
		b.WriteString(" FOR " + name)
	}
	if len(q.Update) > 0 {
		b.WriteString(" UPDATE " + strings.Join(q.Update, ", "))
	}
}

func (q *Query) printGrouping(b *strings.Builder) {
	if q.GroupBy == nil {
		return
	}
	b.WriteString(" GROUP BY ")
	if q.GroupBy.Mode != GroupPlain {
		b.WriteString(string(q.GroupBy.Mode) + "(")
	}
	for i, item := range q.GroupBy.Items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(item.String())
	}
	if q.GroupBy.Mode != GroupPlain {
		b.WriteByte(')')
	}
	if q.Having != nil {
		b.WriteString(" HAVING ")
		printExpr(b, q.Having)
	}
}

func (w *With) print(b *strings.Builder) {
	b.WriteString(" WITH ")
	switch {
	case w.Mode != "":
		b.WriteString(w.Mode)
	case w.Where != nil:
		printExpr(b, w.Where)
	case w.Context != nil:
		b.WriteString("RecordVisibilityContext (")
		for i, setting := range w.Context {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(setting.Name + " = " + setting.Value)
		}
		b.WriteByte(')')
	default:
		b.WriteString("DATA CATEGORY ")
		for i, filter := range w.Categories {
			if i > 0 {
				b.WriteString(" AND ")
			}
			b.WriteString(filter.Group + " " + filter.Selector + " ")
			if len(filter.Categories) == 1 {
				b.WriteString(filter.Categories[0])
				continue
			}
			b.WriteString("(" + strings.Join(filter.Categories, ", ") + ")")
		}
	}
}
