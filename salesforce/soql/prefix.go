package soql

import (
	"fmt"
	"strings"
)

// Prefix rewrites a condition about a parent so that it can filter the parent's children: every field path gains the relationship before it, and
// the parent's own Id becomes idField, the child's lookup. With "Account" and "AccountId", Type = 'x' becomes Account.Type = 'x' and
// Id IN (SELECT …) becomes AccountId IN (SELECT …). The condition itself is left as it is. An error says what has no form on the child: a path
// that would follow more than five relationships, a semi-join on another field than the parent's Id, or FORMULA, whose text is opaque.
//
// A child without a parent sees nulls in all of the parent's fields, so the caller adds idField != NULL. When the condition holds a semi-join,
// Salesforce's rules for those may refuse the result: see JoinedObjects.
func Prefix(e Expr, relationship, idField string) (Expr, error) {
	rel, err := NewPath(relationship)
	if err != nil {
		return nil, err
	}
	id, err := NewPath(idField)
	if err != nil {
		return nil, err
	}
	p := &prefixer{relationship: rel.Names, id: id.Names}
	out := p.expr(e)
	if p.err != nil {
		return nil, p.err
	}
	return out, nil
}

type prefixer struct {
	relationship, id []string
	err              error
}

func (p *prefixer) expr(e Expr) Expr {
	switch e := e.(type) {
	case *And:
		return &And{Terms: p.terms(e.Terms)}
	case *Or:
		return &Or{Terms: p.terms(e.Terms)}
	case *Not:
		return &Not{X: p.expr(e.X)}
	case *Group:
		return &Group{X: p.expr(e.X)}
	case *Comparison:
		return &Comparison{Left: p.operand(e.Left), Op: e.Op, Right: e.Right}
	case *InList:
		return &InList{Left: p.operand(e.Left), Not: e.Not, Values: e.Values}
	case *SemiJoin:
		left := p.operand(e.Left)
		if path, ok := left.(*Path); ok && len(path.Names) > 1 {
			p.fail(path.String() + " cannot stand before a subquery, because it lies behind a relationship")
		}
		return &SemiJoin{Left: left, Not: e.Not, Query: e.Query}
	case *Includes:
		return &Includes{Left: p.operand(e.Left), Not: e.Not, Values: e.Values}
	}
	return e
}

func (p *prefixer) terms(terms []Expr) []Expr {
	out := make([]Expr, len(terms))
	for i, term := range terms {
		out[i] = p.expr(term)
	}
	return out
}

func (p *prefixer) operand(o Operand) Operand {
	switch o := o.(type) {
	case *Path:
		return p.path(o)
	case *Call:
		if o.Func == FuncFormula {
			p.fail("FORMULA cannot be rewritten for related records")
		}
		call := &Call{Func: o.Func, Args: make([]Operand, len(o.Args))}
		for i, arg := range o.Args {
			call.Args[i] = p.operand(arg)
		}
		return call
	}
	return o
}

func (p *prefixer) path(path *Path) *Path {
	names := path.Names
	// Salesforce lets a query write its own object before a field, as in Account.Name from Account.
	if own := p.relationship[len(p.relationship)-1]; len(names) > 1 && strings.EqualFold(names[0], own) {
		names = names[1:]
	}
	if len(names) == 1 && strings.EqualFold(names[0], "Id") {
		return &Path{Names: p.id}
	}
	out := &Path{Names: append(append(make([]string, 0, len(p.relationship)+len(names)), p.relationship...), names...)}
	if levels := len(out.Names) - 1; levels > maxLevels {
		p.fail(fmt.Sprintf("%s would follow %d relationships, and Salesforce follows at most %d", out, levels, maxLevels))
	}
	return out
}

func (p *prefixer) fail(reason string) {
	if p.err == nil {
		p.err = fmt.Errorf("soql: %s", reason)
	}
}

// JoinedObjects returns the objects that the condition's semi-joins read, in the order of the text. Salesforce refuses a semi-join that reads the
// object that the query itself is about, a third one in a query, and one directly beside OR or behind NOT.
func JoinedObjects(e Expr) []string {
	var objects []string
	walk(e, func(e Expr) {
		if join, ok := e.(*SemiJoin); ok {
			objects = append(objects, join.Query.Object())
		}
	})
	return objects
}

// Paths returns the field paths that the condition compares, each once in the order of the text. Those inside semi-joins are not among them.
func Paths(e Expr) []*Path {
	var paths []*Path
	seen := map[string]bool{}
	add := func(p *Path) {
		if key := strings.ToLower(p.String()); !seen[key] {
			seen[key] = true
			paths = append(paths, p)
		}
	}
	walk(e, func(e Expr) {
		switch o := leftOf(e).(type) {
		case *Path:
			add(o)
		case *Call:
			if p := o.Path(); p != nil {
				add(p)
			}
		}
	})
	return paths
}

func leftOf(e Expr) Operand {
	switch e := e.(type) {
	case *Comparison:
		return e.Left
	case *InList:
		return e.Left
	case *SemiJoin:
		return e.Left
	case *Includes:
		return e.Left
	}
	return nil
}

// walk calls visit for the condition and every one inside it, but not for those of subqueries.
func walk(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	switch e := e.(type) {
	case *And:
		for _, term := range e.Terms {
			walk(term, visit)
		}
	case *Or:
		for _, term := range e.Terms {
			walk(term, visit)
		}
	case *Not:
		walk(e.X, visit)
	case *Group:
		walk(e.X, visit)
	}
}
