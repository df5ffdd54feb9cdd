package sim

import (
	"strings"

	"millrace/salesforce/soql"
)

// node is one key of a record in a REST answer: a field, a parent record, or the records of a child relationship.
type node struct {
	name    string
	get     getter // of a field
	f       *field
	head    string                           // how the query spells the field, for the header of bulk results
	text    func(dst []byte, row int) []byte // appends the field's text without a detour over a value; nil where there is no such way
	firstID int64                            // the id of row 0 when the field is the record's own id

	// A parent record.
	world  *world
	link   getter
	parent map[*object][]*node // by the type that the reference points to
	order  []*object

	child *childQuery
}

// childQuery is a subquery in a SELECT list.
type childQuery struct {
	obj    *object
	link   *field // of the child, pointing to the parent
	parent *object
	nodes  []*node
	filter test
	order  ordering
	q      *soql.Query
	all    bool
	w      *world
}

// selectList compiles a SELECT list into the tree of a record.
func (c *compiler) selectList(o *object, q *soql.Query, m mode) ([]*node, error) {
	var nodes []*node
	seen := map[string]bool{}
	limit := int64(-1)
	if q.Limit != nil {
		limit = q.Limit.N
	}
	for _, item := range q.Select {
		switch x := item.Value.(type) {
		case *soql.Path:
			key := lower(strings.Join(c.local(o, x.Names), "."))
			if seen[key] {
				return nil, c.refuse(x.Start, soql.Finding{Kind: soql.KindDuplicateField, Subject: x.String()})
			}
			seen[key] = true
			var err error
			if nodes, err = c.addPath(nodes, o, c.local(o, x.Names), x); err != nil {
				return nil, err
			}
		case *soql.Call:
			if x.Func == soql.FuncFields {
				var err error
				if nodes, err = c.fields(nodes, o, x, limit, m); err != nil {
					return nil, err
				}
				continue
			}
			col, err := c.call(o, x)
			if err != nil {
				return nil, err
			}
			name := item.Alias
			if name == "" {
				name = col.f.name
			}
			nodes = append(nodes, &node{name: name, get: col.get, f: col.f, head: name})
		case *soql.Subquery:
			if m.bulk {
				return nil, badRequest("API_ERROR", "Parent to child queries are not supported in Bulk Query")
			}
			n, err := c.subquery(o, x.Query, m)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		case *soql.TypeOf:
			if m.bulk {
				return nil, badRequest("API_ERROR", "TYPEOF is not supported in Bulk Query")
			}
			n, err := c.typeOf(o, x)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		}
	}
	if m.bulk {
		for _, n := range nodes {
			if n.f != nil && (n.f.typ == "address" || n.f.typ == "location") {
				return nil, badRequest("API_ERROR", "Selecting compound data not supported in Bulk Query")
			}
		}
	}
	return nodes, nil
}

// addPath adds a field path to a record's tree, beside what is already there of the same parent.
func (c *compiler) addPath(nodes []*node, o *object, names []string, p *soql.Path) ([]*node, error) {
	if len(names) == 1 {
		f := c.w.visibleField(o, names[0])
		if f == nil {
			return nil, c.noColumn(names[0], o.name, p.Start)
		}
		return append(nodes, c.leaf(o, f, f.name, p.String())), nil
	}
	if len(p.Relationships()) > maxLevels+1 {
		return nil, c.refuse(p.Start, soql.Finding{Kind: soql.KindTooManyLevels, Subject: p.String()})
	}
	// Resolving the whole path first gives every error its text and place.
	if _, err := c.resolve(o, names, p); err != nil {
		return nil, err
	}
	ref := c.relation(o, names[0])
	var n *node
	for _, have := range nodes {
		if have.parent != nil && have.name == ref.relName {
			n = have
		}
	}
	if n == nil {
		n = &node{name: ref.relName, world: c.w, link: c.w.getter(o, ref), parent: map[*object][]*node{}}
		nodes = append(nodes, n)
	}
	for _, r := range ref.refs {
		target := c.w.visibleObject(r)
		if target == nil {
			continue
		}
		if _, ok := n.parent[target]; !ok {
			n.order = append(n.order, target)
		}
		if ref.polymorphic {
			n.parent[target] = append(n.parent[target], c.polymorphicLeaf(target, names[1], p))
			continue
		}
		kids, err := c.addPath(n.parent[target], target, names[1:], p)
		if err != nil {
			return nil, err
		}
		n.parent[target] = kids
	}
	return nodes, nil
}

// polymorphicLeaf is a field of the Name pseudo-object on one of its types.
func (c *compiler) polymorphicLeaf(target *object, name string, p *soql.Path) *node {
	f := c.w.visibleField(target, name)
	if f == nil && strings.EqualFold(name, "Name") {
		f = target.nameField()
	}
	switch {
	case strings.EqualFold(name, "Type"):
		return &node{name: "Type", f: textField("Type", "Type", 40), head: p.String(), get: func(int) value { return value{kind: kText, s: target.name} }}
	case f == nil:
		return &node{name: name, f: textField(name, name, 255), head: p.String(), get: func(int) value { return null }}
	case strings.EqualFold(name, "Name"):
		return c.leaf(target, f, "Name", p.String())
	}
	return c.leaf(target, f, f.name, p.String())
}

// leaf is a plain field of an object.
func (c *compiler) leaf(o *object, f *field, name, head string) *node {
	n := &node{name: name, f: f, head: head, get: c.w.getter(o, f)}
	switch {
	case f.typ == "id":
		n.firstID = o.id(0)
	case f.calcText != nil:
		w := c.w
		n.text = func(dst []byte, row int) []byte { return f.calcText(w, dst, row) }
	case f.text != nil:
		n.text = c.w.texter(o, f)
	}
	return n
}

// fields expands FIELDS(ALL), FIELDS(STANDARD) and FIELDS(CUSTOM).
func (c *compiler) fields(nodes []*node, o *object, x *soql.Call, limit int64, m mode) ([]*node, error) {
	if m.bulk {
		return nil, badRequest("MALFORMED_QUERY", "The SOQL FIELDS function is not supported in Bulk API")
	}
	which := ""
	if len(x.Args) == 1 {
		which = strings.ToUpper(x.Args[0].String())
	}
	switch which {
	case "STANDARD":
	case "ALL", "CUSTOM":
		if limit < 0 || limit > 200 {
			return nil, badRequest("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
		}
	default:
		return nil, c.at("MALFORMED_QUERY", x.Start, "unexpected token: '%s'", which)
	}
	for _, f := range o.fields {
		if !c.w.sees(o, f) || which == "STANDARD" && f.custom || which == "CUSTOM" && !f.custom {
			continue
		}
		nodes = append(nodes, c.leaf(o, f, f.name, f.name))
	}
	return nodes, nil
}

// subquery compiles a child subquery.
func (c *compiler) subquery(parent *object, q *soql.Query, m mode) (*node, error) {
	rel := q.From[0].Name.Field()
	var child *object
	var link *field
	for _, o := range c.w.order {
		if c.w.visibleObject(o.name) == nil {
			continue
		}
		for _, f := range o.fields {
			if f.childRel != "" && strings.EqualFold(f.childRel, rel) && refers(f, parent.name) && c.w.sees(o, f) {
				child, link = o, f
			}
		}
	}
	if child == nil {
		return nil, c.noRelation(rel, q.From[0].Start)
	}
	inner := &compiler{w: c.w, text: c.text, now: c.now, zone: c.zone, user: c.user, alias: q.From[0].Alias}
	k := &childQuery{obj: child, link: link, parent: parent, q: q, w: c.w, all: m.all}
	var err error
	if k.nodes, err = inner.selectList(child, q, m); err != nil {
		return nil, err
	}
	if q.Where != nil {
		if k.filter, err = inner.where(child, q.Where); err != nil {
			return nil, err
		}
	}
	if k.order, err = inner.ordering(child, q, false); err != nil {
		return nil, err
	}
	return &node{name: link.childRel, child: k}, nil
}

// rows are the child records of one parent row.
func (k *childQuery) rows(parentRow int) []int32 {
	t := k.w.table(k.obj)
	var out []int32
	for _, row := range k.w.children(k.obj, k.link, k.parent).of(parentRow) {
		if r := t.rec(int(row)); r != nil && (r.purged || r.deleted && !k.all) {
			continue
		}
		if k.filter == nil || k.filter(int(row)) {
			out = append(out, row)
		}
	}
	return window(k.order.sort(out, wanted(k.q)), k.q)
}

// typeOf compiles TYPEOF relationship WHEN … END.
func (c *compiler) typeOf(o *object, x *soql.TypeOf) (*node, error) {
	ref := c.relation(o, x.Relationship.Field())
	if ref == nil {
		return nil, c.noRelation(x.Relationship.String(), x.Start)
	}
	n := &node{name: ref.relName, world: c.w, link: c.w.getter(o, ref), parent: map[*object][]*node{}}
	for _, r := range ref.refs {
		target := c.w.visibleObject(r)
		if target == nil {
			continue
		}
		n.parent[target] = []*node{}
		paths, explicit := x.Else, false
		for _, b := range x.When {
			if strings.EqualFold(b.Object, target.name) {
				paths, explicit = b.Fields, true
			}
		}
		for _, p := range paths {
			if !explicit {
				n.parent[target] = append(n.parent[target], c.polymorphicLeaf(target, p.Field(), p))
				continue
			}
			kids, err := c.addPath(n.parent[target], target, p.Names, p)
			if err != nil {
				return nil, err
			}
			n.parent[target] = kids
		}
		n.order = append(n.order, target)
	}
	for _, b := range x.When {
		if !refers(ref, b.Object) {
			return nil, c.noObject(b.Object, b.Start)
		}
	}
	return n, nil
}
