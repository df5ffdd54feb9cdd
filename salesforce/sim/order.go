package sim

import (
	"slices"

	"millrace/salesforce/soql"
)

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

// keyed is a row with the values that it is ordered by.
type keyed struct {
	row  int32
	vals []value
}

// compare orders rows by the keys and, where these are equal, by row, so that pages never overlap.
func (o ordering) compare(a, b keyed) int {
	for j, k := range o {
		if n := k.before(a.vals[j], b.vals[j]); n != 0 {
			return n
		}
	}
	return int(a.row) - int(b.row)
}

// sort returns the first n of the rows in order, or all of them for a negative n. rows are in ascending order and may be overwritten.
func (o ordering) sort(rows []int32, n int) []int32 {
	if len(o) == 0 {
		return rows
	}
	if n < 0 || n > len(rows)/4 {
		n = len(rows)
	}
	list := o.first(rows, n)
	slices.SortFunc(list, o.compare)
	for i := range list {
		rows[i] = list[i].row
	}
	return rows[:len(list)]
}

// first returns the n rows that come first, in no order. It holds no more than n at a time, in a heap whose root is the last of them.
func (o ordering) first(rows []int32, n int) []keyed {
	if n == 0 {
		return nil
	}
	heap := make([]keyed, 0, n)
	all := make([]value, (n+1)*len(o)) // one more for the row in hand
	spare := all[n*len(o):]
	for _, row := range rows {
		for j, k := range o {
			spare[j] = k.get(int(row))
		}
		if len(heap) < n {
			i := len(heap)
			mine := all[i*len(o) : (i+1)*len(o)]
			copy(mine, spare)
			if heap = append(heap, keyed{row, mine}); len(heap) == n && n < len(rows) {
				for at := n/2 - 1; at >= 0; at-- {
					o.sink(heap, at)
				}
			}
			continue
		}
		if o.compare(keyed{row, spare}, heap[0]) < 0 {
			heap[0].vals, spare = spare, heap[0].vals
			heap[0].row = row
			o.sink(heap, 0)
		}
	}
	return heap
}

// sink moves an entry down the heap until none below it comes later.
func (o ordering) sink(heap []keyed, at int) {
	for {
		child := 2*at + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && o.compare(heap[child+1], heap[child]) > 0 {
			child++
		}
		if o.compare(heap[child], heap[at]) <= 0 {
			return
		}
		heap[at], heap[child] = heap[child], heap[at]
		at = child
	}
}

func sortRows(rows []int32) { slices.Sort(rows) }
