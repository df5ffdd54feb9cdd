package sim

import (
	"fmt"
	"iter"
)

// recordMap returns all stored and computed fields of a row by name, seen by the user or not. Compound addresses are left out; their parts
// are there.
func (w *world) recordMap(o *object, row int) map[string]any {
	m := make(map[string]any, len(o.fields))
	for _, f := range o.fields {
		if f.typ != "address" {
			m[f.name] = w.get(o, f, row).any()
		}
	}
	return m
}

// Records yields the records of an object that are not deleted, in the order of their ids, with all fields by name: text, bool, int64, float64 or
// nil; dates and ids as the REST API writes them. It reads one state of the org, whatever changes meanwhile. An unknown object has no records.
func (o *Org) Records(object string) iter.Seq[map[string]any] {
	return o.records(object, false)
}

// RecordsAll is Records with the records in the Recycle Bin; IsDeleted tells them apart.
func (o *Org) RecordsAll(object string) iter.Seq[map[string]any] {
	return o.records(object, true)
}

func (o *Org) records(object string, all bool) iter.Seq[map[string]any] {
	w := o.world.Load()
	obj := w.object(object)
	return func(yield func(map[string]any) bool) {
		if obj == nil {
			return
		}
		t := w.table(obj)
		for row := range t.rows {
			if (t.alive(row) || all && t.exists(row)) && (obj.view == nil || w.inView(obj, row)) && !yield(w.recordMap(obj, row)) {
				return
			}
		}
	}
}

// inView tells whether a row of the viewed table belongs to a feed view.
func (w *world) inView(o *object, row int) bool {
	return w.get(o, o.field("ParentId"), row).n>>seqBits == w.object(o.viewOf).packed
}

// Count returns how many records of an object are not deleted; 0 for an unknown one.
func (o *Org) Count(object string) int {
	n := 0
	w := o.world.Load()
	obj := w.object(object)
	if obj == nil {
		return 0
	}
	t := w.table(obj)
	if obj.view == nil {
		return t.rows - t.gone
	}
	for row := range t.rows {
		if t.alive(row) && w.inView(obj, row) {
			n++
		}
	}
	return n
}

// Record returns all fields of a record, deleted or not, or nil when there is none of that id.
func (o *Org) Record(id string) map[string]any {
	packed, ok := parseID(id)
	if !ok {
		return nil
	}
	w := o.world.Load()
	obj, row := w.find(packed)
	if obj == nil {
		return nil
	}
	return w.recordMap(obj, row)
}

// Eval runs a query as the connected user and returns its rows: fields by name, parents and TYPEOF as nested maps, child subqueries as
// []map[string]any. The error is what the API would have answered.
func (o *Org) Eval(query string) ([]map[string]any, error) {
	w := o.world.Load()
	p, err := o.prepare(w, query, userIntegration, mode{})
	if err != nil {
		return nil, fmt.Errorf("simulated org: %w", err)
	}
	if p.count {
		return []map[string]any{{"expr0": int64(len(p.rows))}}, nil
	}
	var out []map[string]any
	if p.heads != nil {
		for _, row := range p.agg {
			m := map[string]any{}
			for i, v := range row {
				m[p.heads[i]] = v.any()
			}
			out = append(out, m)
		}
		return out, nil
	}
	for _, row := range p.rows {
		out = append(out, w.nodeMap(int(row), p.nodes))
	}
	return out, nil
}

// EvalCount returns how many records a query selects.
func (o *Org) EvalCount(query string) (int, error) {
	p, err := o.prepare(o.world.Load(), query, userIntegration, mode{})
	if err != nil {
		return 0, fmt.Errorf("simulated org: %w", err)
	}
	if p.heads != nil {
		return len(p.agg), nil
	}
	return len(p.rows), nil
}

func (w *world) nodeMap(row int, nodes []*node) map[string]any {
	m := make(map[string]any, len(nodes))
	for _, n := range nodes {
		switch {
		case n.child != nil:
			list := []map[string]any{}
			for _, r := range n.child.rows(row) {
				list = append(list, w.nodeMap(int(r), n.child.nodes))
			}
			m[n.name] = list
		case n.parent != nil:
			m[n.name] = nil
			if target, at := w.target(n.link(row)); target != nil {
				if kids, ok := n.parent[target]; ok {
					m[n.name] = w.nodeMap(at, kids)
				}
			}
		default:
			m[n.name] = n.get(row).any()
		}
	}
	return m
}
