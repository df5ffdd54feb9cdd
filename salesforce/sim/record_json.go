package sim

import (
	"strconv"
)

// writer appends records to a JSON answer.
type writer struct {
	w    *world
	root string // "/services/data/v66.0"
}

// record appends one record: its attributes and then the nodes in the order of the query.
func (jw *writer) record(dst []byte, o *object, row int, nodes []*node) []byte {
	dst = append(dst, `{"attributes":{"type":"`...)
	dst = append(append(dst, o.name...), `","url":"`...)
	dst = append(append(dst, jw.root...), "/sobjects/"...)
	dst = append(append(dst, o.name...), '/')
	dst = append(appendID(dst, o.id(row)), `"}`...)
	for _, n := range nodes {
		dst = appendJSONString(append(dst, ','), n.name)
		dst = jw.node(append(dst, ':'), o, row, n)
	}
	return append(dst, '}')
}

func (jw *writer) node(dst []byte, o *object, row int, n *node) []byte {
	switch {
	case n.child != nil:
		return jw.children(dst, row, n.child)
	case n.parent != nil:
		target, at := jw.w.target(n.link(row))
		if target == nil {
			return append(dst, "null"...)
		}
		nodes, ok := n.parent[target]
		if !ok {
			return append(dst, "null"...)
		}
		return jw.record(dst, target, at, nodes)
	case n.f.typ == "address":
		return jw.address(dst, o, row, n.f)
	}
	return n.get(row).appendJSON(dst)
}

// children appends the result of a subquery; none at all is null.
func (jw *writer) children(dst []byte, row int, k *childQuery) []byte {
	rows := k.rows(row)
	if len(rows) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"totalSize":`...)
	dst = strconv.AppendInt(dst, int64(len(rows)), 10)
	dst = append(dst, `,"done":true,"records":[`...)
	for i, r := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jw.record(dst, k.obj, int(r), k.nodes)
	}
	return append(dst, "]}"...)
}

// address appends a compound address, null when all its parts are.
func (jw *writer) address(dst []byte, o *object, row int, f *field) []byte {
	start := len(dst)
	dst = append(dst, '{')
	some := false
	for i, name := range [...]string{"City", "Country", "GeocodeAccuracy", "Latitude", "Longitude", "PostalCode", "State", "Street"} {
		part := o.field(f.name[:len(f.name)-len("Address")] + name)
		v := null
		if part != nil {
			v = jw.w.get(o, part, row)
		}
		some = some || !v.isNull()
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, string(name[0]|0x20)+name[1:])
		dst = v.appendJSON(append(dst, ':'))
	}
	if !some {
		return append(dst[:start], "null"...)
	}
	return append(dst, '}')
}
