package sim

import (
	"bytes"
	"io"
	"sync"
)

// csvColumn is one column of a bulk result, compiled to a function that appends a row's value in quotes.
type csvColumn struct {
	header string
	append func(dst []byte, row int) []byte
}

// flatten turns the tree of a record into columns. link leads from the queried object's row to the row of the tree's own object; nil stands for
// the same row.
func flatten(nodes []*node, prefix string, link func(row int) (*object, int)) []csvColumn {
	var out []csvColumn
	for _, n := range nodes {
		if n.parent != nil {
			out = append(out, flattenParent(n, prefix, link)...)
			continue
		}
		head := n.head
		if head == "" {
			head = prefix + n.name
		}
		out = append(out, csvColumn{head, n.quoted(link)})
	}
	return out
}

// flattenParent gives the columns of a parent record. A polymorphic parent has the same columns for each type.
func flattenParent(n *node, prefix string, link func(int) (*object, int)) []csvColumn {
	var out []csvColumn
	hop := n.link
	for _, target := range n.order {
		w := n.world
		step := func(row int) (*object, int) {
			if link != nil {
				o, at := link(row)
				if o == nil {
					return nil, 0
				}
				row = at
			}
			o, at := w.target(hop(row))
			if o != target {
				return nil, 0
			}
			return o, at
		}
		cols := flatten(n.parent[target], prefix+n.name+".", step)
		if out == nil {
			out = cols
			continue
		}
		for i := range out {
			first, second := out[i].append, cols[i].append
			out[i].append = func(dst []byte, row int) []byte {
				start := len(dst)
				if dst = first(dst, row); len(dst)-start > 2 {
					return dst
				}
				return second(dst[:start], row)
			}
		}
	}
	return out
}

// quoted compiles a field to quoted text.
func (n *node) quoted(link func(int) (*object, int)) func([]byte, int) []byte {
	get := n.get
	text := n.text
	if link != nil {
		return func(dst []byte, row int) []byte {
			o, at := link(row)
			if o == nil {
				return append(dst, '"', '"')
			}
			dst = append(dst, '"')
			start := len(dst)
			if text != nil {
				dst = text(dst, at)
			} else {
				dst = get(at).appendText(dst, true)
			}
			return closeQuote(dst, start)
		}
	}
	if text != nil {
		return func(dst []byte, row int) []byte {
			dst = append(dst, '"')
			start := len(dst)
			return closeQuote(text(dst, row), start)
		}
	}
	if n.f.typ == "id" && n.firstID != 0 {
		first := n.firstID
		return func(dst []byte, row int) []byte {
			return append(appendID(append(dst, '"'), first+int64(row)), '"')
		}
	}
	return func(dst []byte, row int) []byte {
		dst = append(dst, '"')
		v := get(row)
		if v.kind == kText {
			start := len(dst)
			return closeQuote(append(dst, v.s...), start)
		}
		return append(v.appendText(dst, true), '"')
	}
}

// closeQuote doubles the quotes inside dst[start:] and ends the value.
func closeQuote(dst []byte, start int) []byte {
	if bytes.IndexByte(dst[start:], '"') >= 0 {
		inner := bytes.ReplaceAll(dst[start:], []byte{'"'}, []byte{'"', '"'})
		dst = append(dst[:start], inner...)
	}
	return append(dst, '"')
}

const csvBuffer = 128 << 10

var csvBuffers = sync.Pool{New: func() any { b := make([]byte, 0, csvBuffer+64<<10); return &b }}

// writeCSV writes the header and the rows. The corrupt-th row (counted from 1; 0 for none) gets a quote that nothing closes.
func writeCSV(w io.Writer, cols []csvColumn, rows []int32, comma byte, ending string, corrupt int) {
	pooled := csvBuffers.Get().(*[]byte)
	defer csvBuffers.Put(pooled)
	buf := (*pooled)[:0]
	for i, c := range cols {
		if i > 0 {
			buf = append(buf, comma)
		}
		buf = append(append(append(buf, '"'), c.header...), '"')
	}
	buf = append(buf, ending...)
	for n, row := range rows {
		for i := range cols {
			if i > 0 {
				buf = append(buf, comma)
			}
			buf = cols[i].append(buf, int(row))
		}
		if n+1 == corrupt {
			buf = append(buf[:len(buf)-1], `"oops`...)
		}
		buf = append(buf, ending...)
		if len(buf) >= csvBuffer {
			if _, err := w.Write(buf); err != nil {
				return // the caller is gone
			}
			buf = buf[:0]
		}
	}
	_, _ = w.Write(buf) // only fails when the caller is gone
	*pooled = buf[:0]
}
