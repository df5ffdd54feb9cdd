package soql

import (
	"slices"
	"strings"
)

const (
	maxOffset      = 2000
	maxFieldsLimit = 200
	maxSubqueries  = 20
	maxNesting     = 5
)

// scopes are the names that USING SCOPE takes, in lower case.
var scopes = nameSet("delegated", "everything", "mine", "mine_and_my_groups", "my_territory", "my_team_territory", "queue_owned", "team", "scopingrule")

// scopeOf resolves the FROM clause. In a child subquery, parent is the scope around it and the name is that of a relationship.
func (c *checker) scopeOf(q *Query, parent *scope) *scope {
	sc := &scope{name: q.Object(), aliases: map[string]*Object{}}
	if c.schema == nil {
		return sc
	}
	first := q.From[0]
	if parent == nil {
		sc.object = c.schema.Object(sc.name)
		if sc.object == nil {
			c.unknownObject(first.Span, sc.name)
		} else if !sc.object.Queryable {
			c.note(first.Span, Finding{
				Kind: KindUnknownObject, Subject: sc.name, Message: sc.name + " cannot be queried.",
				server: "entity type " + sc.name + " does not support query", code: "INVALID_TYPE_FOR_OPERATION",
			})
		}
	} else if parent.object != nil {
		sc.object = c.child(first, parent)
	}
	if first.Alias != "" {
		sc.aliases[strings.ToLower(first.Alias)] = sc.object
	}
	for _, source := range q.From[1:] {
		sc.aliases[strings.ToLower(source.Alias)] = c.joined(source, sc)
	}
	return sc
}

// child finds the object of a child subquery.
func (c *checker) child(source Source, parent *scope) *Object {
	name := source.Name.Field()
	for _, rel := range parent.object.Children {
		if rel.Name != "" && strings.EqualFold(rel.Name, name) {
			return c.schema.Object(rel.Object)
		}
	}
	var known []Suggestion
	for _, rel := range parent.object.Children {
		known = append(known, Suggestion{Name: rel.Name, Label: rel.Object})
	}
	found := nearest(name, known)
	c.note(source.Span, Finding{
		Kind: KindUnknownRelationship, Subject: name, Object: parent.object.Name, Suggestions: found, code: "INVALID_TYPE",
		Message: name + " is not a child relationship of " + parent.object.Name + "." + didYouMean(found),
		server:  "Didn't understand relationship '" + name + "' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.",
	})
	return nil
}

// joined resolves a second source such as a.Owner u.
func (c *checker) joined(source Source, sc *scope) *Object {
	object := sc.object
	names := source.Name.Names
	if len(names) > 1 {
		if aliased, ok := sc.aliases[strings.ToLower(names[0])]; ok {
			object, names = aliased, names[1:]
		} else if strings.EqualFold(names[0], sc.name) {
			names = names[1:]
		}
	}
	for _, name := range names {
		if object == nil {
			return nil
		}
		ref := relationship(object, name)
		if ref == nil {
			c.unknownRelationship(source.Span, name, object)
			return nil
		}
		object = c.target(ref)
	}
	return object
}

// query checks a whole query. parent is nil at the top and the scope around a child subquery.
func (c *checker) query(q *Query, parent *scope) {
	sc := c.scopeOf(q, parent)
	c.selectList(q, sc, parent)
	if q.Scope != "" && !scopes[strings.ToLower(q.Scope)] {
		c.note(q.ScopeSpan, Finding{Kind: KindScope, Subject: q.Scope, Message: q.Scope + " is not a scope. Use everything, mine, team or another that Salesforce documents."})
	}
	if q.Where != nil {
		c.where(q.Where, sc, alone)
	}
	if q.With != nil && q.With.Mode != "" {
		c.note(q.With.Span, Finding{Kind: KindApexOnly, Subject: "WITH " + q.With.Mode, Message: "WITH " + q.With.Mode + " works only in Apex code.", server: "unexpected token: '" + q.With.Mode + "'"})
	}
	if q.With != nil && q.With.Where != nil {
		c.where(q.With.Where, sc, alone)
	}
	c.grouping(q, sc)
	for _, item := range q.OrderBy {
		c.operand(item.Value, sc, use{sort: true})
	}
	c.limits(q)
}

func (c *checker) limits(q *Query) {
	if q.Offset != nil && q.Offset.N > maxOffset {
		c.note(q.Offset.Span, Finding{Kind: KindLimit, Message: "OFFSET may be at most 2,000.", server: "Maximum SOQL offset allowed is 2000", code: "NUMBER_OUTSIDE_VALID_RANGE"})
	}
	if q.Limit != nil && q.GroupBy == nil && q.IsAggregate() {
		c.note(q.Limit.Span, Finding{Kind: KindLimit, Message: "LIMIT needs GROUP BY beside an aggregate function.", server: "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"})
	}
}

func (c *checker) selectList(q *Query, sc, parent *scope) {
	seen := map[string]bool{}
	for _, item := range q.Select {
		switch v := item.Value.(type) {
		case *Path:
			key := strings.ToLower(c.withoutAlias(v, sc))
			if seen[key] && item.Alias == "" {
				c.note(v.Span, Finding{Kind: KindDuplicateField, Subject: v.String(), Message: v.String() + " is selected twice."})
			}
			seen[key] = true
			c.path(v, sc, use{})
		case *Call:
			if v.Func == FuncFields {
				c.fieldsCall(v, q)
			} else {
				c.operand(v, sc, use{})
			}
		case *TypeOf:
			c.typeOf(v, sc)
		case *Subquery:
			if c.children++; c.children == maxSubqueries+1 {
				c.note(v.Span, Finding{Kind: KindSubquery, Message: "A query may hold at most 20 child subqueries.", server: "The query exceeds the maximum of 20 child relationship subqueries"})
			}
			c.subquery(v, q, sc, parent)
		}
	}
}

// ownNames are the names of the path as it would be written without the alias or name of the object before it.
func (c *checker) ownNames(p *Path, sc *scope) []string {
	if len(p.Names) > 1 {
		_, aliased := sc.aliases[strings.ToLower(p.Names[0])]
		if aliased || strings.EqualFold(p.Names[0], sc.name) {
			return p.Names[1:]
		}
	}
	return p.Names
}

func (c *checker) withoutAlias(p *Path, sc *scope) string {
	return strings.Join(c.ownNames(p, sc), ".")
}

func (c *checker) subquery(s *Subquery, outer *Query, sc, parent *scope) {
	c.nesting++
	defer func() { c.nesting-- }()
	switch {
	case c.nesting >= maxNesting:
		c.note(s.Span, Finding{Kind: KindSubquery, Message: "Child subqueries may be nested at most five levels deep.", server: "SOQL statements cannot query aggregate relationships more than 4 levels away from the root entity object."})
	case s.Query.IsCount():
		c.note(s.Query.Select[0].Span, Finding{Kind: KindSubquery, Message: "COUNT() cannot stand in a subquery.", server: "unexpected token: 'COUNT()'"})
		return
	case outer.GroupBy != nil:
		c.note(s.Span, Finding{Kind: KindSubquery, Message: "A grouped query cannot hold a subquery.", server: "Grouped query cannot contain a subquery in its select list"})
	}
	c.query(s.Query, sc)
}

func (c *checker) fieldsCall(call *Call, q *Query) {
	which := call.Path().String()
	switch strings.ToUpper(which) {
	case "STANDARD":
	case "ALL", "CUSTOM":
		if q.Limit == nil || q.Limit.N > maxFieldsLimit {
			c.note(call.Span, Finding{Kind: KindFields, Subject: which, Message: "FIELDS(" + which + ") needs LIMIT 200 or less.", server: "The SOQL FIELDS function must have a LIMIT of at most 200"})
		}
	default:
		c.note(call.Span, Finding{Kind: KindFields, Subject: which, Message: "FIELDS takes ALL, CUSTOM or STANDARD.", server: "The SOQL FIELDS function does not support '" + which + "'"})
	}
}

func (c *checker) typeOf(t *TypeOf, sc *scope) {
	if sc.object == nil {
		return
	}
	name := t.Relationship.Field()
	object := sc.object
	for _, step := range t.Relationship.Relationships() {
		ref := relationship(object, step)
		if ref == nil {
			c.unknownRelationship(t.Relationship.Span, step, object)
			return
		}
		if object = c.target(ref); object == nil {
			return
		}
	}
	if relationship(object, name) == nil {
		c.unknownRelationship(t.Relationship.Span, name, object)
		return
	}
	c.climbs(t.Relationship.Span, sc, t.Relationship.Names)
	for _, branch := range t.When {
		inner := &scope{name: branch.Object, object: c.schema.Object(branch.Object)}
		if inner.object == nil {
			c.unknownObject(branch.Span, branch.Object)
			continue
		}
		c.climbs(branch.Span, sc, []string{t.Relationship.String() + " when " + branch.Object}) // each counts as a relationship of its own
		for _, field := range branch.Fields {
			c.path(field, inner, use{})
		}
	}
	other := &scope{name: "Name", object: c.nameObject()}
	for _, field := range t.Else {
		c.path(field, other, use{})
	}
}

// grouping checks GROUP BY and HAVING, and that a grouped query selects only what is grouped or aggregated.
func (c *checker) grouping(q *Query, sc *scope) {
	var grouped []string
	if q.GroupBy != nil {
		for _, item := range q.GroupBy.Items {
			c.operand(item, sc, use{group: true})
			grouped = append(grouped, c.groupKey(item, sc))
		}
	}
	if q.Having != nil {
		c.where(q.Having, sc, alone)
	}
	if !q.IsAggregate() {
		return
	}
	check := func(o Operand) {
		if call, ok := o.(*Call); ok && (call.HasAggregate() || call.Func == FuncGrouping || call.Func == FuncFields) {
			return
		}
		if !slices.Contains(grouped, c.groupKey(o, sc)) {
			c.note(o.Bounds(), Finding{Kind: KindNotGrouped, Subject: o.String(), Message: o.String() + " must be grouped by or aggregated."})
		}
	}
	for _, item := range q.Select {
		if o, ok := item.Value.(Operand); ok {
			check(o)
		}
	}
	for _, item := range q.OrderBy {
		if !c.isAlias(q, item.Value) {
			check(item.Value)
		}
	}
}

func (c *checker) isAlias(q *Query, o Operand) bool {
	return slices.ContainsFunc(q.Select, func(item SelectItem) bool { return item.Alias != "" && strings.EqualFold(item.Alias, o.String()) })
}

// groupKey is the operand in the form by which GROUP BY and SELECT are compared. A wrapper such as toLabel does not change what is grouped.
func (c *checker) groupKey(o Operand, sc *scope) string {
	switch o := o.(type) {
	case *Path:
		return strings.ToLower(c.withoutAlias(o, sc))
	case *Call:
		if o.Func.Kind() == ConvertFunc && len(o.Args) == 1 {
			return c.groupKey(o.Args[0], sc)
		}
		if len(o.Args) == 1 {
			return strings.ToLower(string(o.Func)) + "(" + c.groupKey(o.Args[0], sc) + ")"
		}
	}
	return strings.ToLower(o.String())
}
