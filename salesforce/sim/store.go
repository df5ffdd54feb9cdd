package sim

import (
	"strings"
	"sync"
	"time"
)

const chunkRows = 512

// record is what has been written to a row: the changed columns of a generated row, or all that an inserted row has.
type record struct {
	cols      []int32
	vals      []value
	deleted   bool
	purged    bool // gone without trace
	deletedAt int64
}

func (r *record) get(col int) (value, bool) {
	for i, c := range r.cols {
		if int(c) == col {
			return r.vals[i], true
		}
	}
	return null, false
}

// copy returns a record that may be changed; that of nothing is empty.
func (r *record) copy() *record {
	if r == nil {
		return &record{}
	}
	c := *r
	c.cols = append([]int32(nil), r.cols...)
	c.vals = append([]value(nil), r.vals...)
	return &c
}

// set changes a record that no world holds yet.
func (r *record) set(col int, v value) {
	for i, c := range r.cols {
		if int(c) == col {
			r.vals[i] = v
			return
		}
	}
	r.cols, r.vals = append(r.cols, int32(col)), append(r.vals, v)
}

// table holds the rows of one object: size generated ones that cost nothing until read, then the inserted ones, with what was written over
// either in chunks. A table is immutable; put makes the next one.
type table struct {
	obj     *object
	size    int // generated rows
	rows    int // all rows, deleted ones included
	gone    int // deleted or purged ones
	chunks  []*[chunkRows]*record
	version uint64
	index   *indexes
}

func newTable(o *object) *table { return &table{obj: o, size: o.size, rows: o.size, index: &indexes{}} }

func (t *table) rec(row int) *record {
	if c := row / chunkRows; c < len(t.chunks) && t.chunks[c] != nil {
		return t.chunks[c][row%chunkRows]
	}
	return nil
}

// put returns a table with the row's record replaced; row may be t.rows, which appends.
func (t *table) put(row int, r *record) *table {
	n := *t
	n.version++
	n.index = &indexes{}
	c := row / chunkRows
	n.chunks = make([]*[chunkRows]*record, max(len(t.chunks), c+1))
	copy(n.chunks, t.chunks)
	chunk := new([chunkRows]*record)
	if n.chunks[c] != nil {
		*chunk = *n.chunks[c]
	}
	old := chunk[row%chunkRows]
	if old != nil && (old.deleted || old.purged) {
		n.gone--
	}
	if r.deleted || r.purged {
		n.gone++
	}
	chunk[row%chunkRows] = r
	n.chunks[c] = chunk
	n.rows = max(n.rows, row+1)
	return &n
}

// state of a row in a query.
func (t *table) alive(row int) bool {
	r := t.rec(row)
	return r == nil || !r.deleted && !r.purged
}

func (t *table) exists(row int) bool {
	if row < 0 || row >= t.rows {
		return false
	}
	r := t.rec(row)
	return r == nil || !r.purged
}

// world is one immutable state of the whole org.
type world struct {
	org          *Org
	objects      map[string]*object // by lower-case name
	order        []*object
	byPrefix     map[int64]*object
	tables       []*table        // by object.idx
	hidden       map[string]bool // "object" or "object.field", lower case
	schemaAt     time.Time       // of the last change of objects, fields or who sees them
	sights       *sights         // what the users see
	sight        *sight          // of the user who looks at this copy of the world
	multiCurrent bool            // multi-currency is on
	fiscal       time.Month      // in which the fiscal year begins
	defs         int             // how many custom fields there have been
}

func (w *world) clone() *world {
	c := *w
	c.tables = append([]*table(nil), w.tables...)
	return &c
}

// object returns the object of that name, seen or not, or nil.
func (w *world) object(name string) *object { return w.objects[strings.ToLower(name)] }

// table returns the rows behind an object; those of a feed view live in another object's table.
func (w *world) table(o *object) *table {
	if o.view != nil {
		return w.tables[o.view.idx]
	}
	return w.tables[o.idx]
}

// get reads one field of one row.
func (w *world) get(o *object, f *field, row int) value {
	if f.calc != nil {
		return f.calc(w, row)
	}
	if f.col < 0 {
		return null
	}
	if f.typ == "id" {
		return idValue(o.id(row))
	}
	t := w.table(o)
	if r := t.rec(row); r != nil {
		if v, ok := r.get(f.col); ok {
			return v
		}
	}
	if row >= t.size {
		return null
	}
	return f.base(row)
}

// find returns the object and row of an id, or nil when there is no such record, not even a deleted one.
func (w *world) find(id int64) (*object, int) {
	prefix, row := splitID(id)
	o := w.byPrefix[prefix]
	if o == nil || !w.table(o).exists(row-o.first) {
		return nil, 0
	}
	return o, row - o.first
}

// indexes are made when first needed and belong to one table version.
type indexes struct {
	mu    sync.Mutex
	byRef map[int]*refIndex
}

// refIndex lists the rows of a table by the row that a reference field points to.
type refIndex struct {
	start []int32
	rows  []int32
}

func (x *refIndex) of(row int) []int32 {
	if row+1 >= len(x.start) {
		return nil
	}
	return x.rows[x.start[row]:x.start[row+1]]
}

// children returns an index of child's rows by the parent row that f points to. Rows that point elsewhere or nowhere are left out.
func (w *world) children(child *object, f *field, parent *object) *refIndex {
	t := w.table(child)
	key := f.col<<16 | parent.idx
	t.index.mu.Lock()
	defer t.index.mu.Unlock()
	if x := t.index.byRef[key]; x != nil {
		return x
	}
	x := &refIndex{start: make([]int32, w.table(parent).rows+1)}
	targets := make([]int32, t.rows)
	for row := range t.rows {
		targets[row] = -1
		v := w.get(child, f, row)
		if v.kind != kID {
			continue
		}
		prefix, target := splitID(v.n)
		if prefix == parent.packed && target >= 0 && target < len(x.start)-1 {
			targets[row] = int32(target)
			x.start[target+1]++
		}
	}
	for i := 1; i < len(x.start); i++ {
		x.start[i] += x.start[i-1]
	}
	x.rows = make([]int32, x.start[len(x.start)-1])
	next := append([]int32(nil), x.start...)
	for row, target := range targets {
		if target >= 0 {
			x.rows[next[target]] = int32(row)
			next[target]++
		}
	}
	if t.index.byRef == nil {
		t.index.byRef = map[int]*refIndex{}
	}
	t.index.byRef[key] = x
	return x
}
