package db

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
)

// auditReader reads a search window after window. Entries are either met by walking through time, or collected by the indexes of what is searched for and then
// sorted. What is frequent is met soon, what is rare is collected soon, and each step has a bound.
type auditReader struct {
	*auditSearch
	tx     *sqlx.Tx
	bare   bool // only the times and places of entries, in any order, for counting
	looked int  // how often a record was looked up in a day
	met    int  // entries that indexes led to
	fit    int  // entries that are selected, of the days that were collected
	known  int  // so many entries are selected at least
}

// page reads a page, and how many there are if that is asked for.
func (r *auditReader) page(ctx context.Context) (AuditPage, error) {
	var page AuditPage
	rows, edge, err := r.read(ctx, r.Start, r.Limit+1)
	if err != nil {
		return page, err
	}
	if page.Rows = rows; len(rows) > r.Limit {
		page.Rows, page.More = rows[:r.Limit], true
	} else if edge != nil {
		page.More, page.Reached, page.Next = true, &edge.At, *edge
	}
	if n := len(page.Rows); n > 0 && page.Reached == nil {
		page.Next = AuditPlace{At: page.Rows[n-1].At, Place: page.Rows[n-1].Place}
	}
	switch {
	case r.Count == 0:
	case r.Start == nil && !page.More:
		page.Total = len(page.Rows)
	case r.Start == nil && edge != nil && r.subject != nil: // counting would not look farther
		page.Total, page.TotalMore = len(page.Rows), true
	case r.known > min(r.Count, r.db.bounds.count):
		page.Total, page.TotalMore = min(r.Count, r.db.bounds.count), true
	default:
		if page.Total, page.TotalMore, err = r.count(ctx, nil, r.Count); page.TotalMore {
			page.Total = max(page.Total, len(page.Rows))
		}
	}
	if r.Ascending {
		slices.Reverse(page.Rows)
	}
	return page, err
}

// read returns at most n entries from the start on in the order of reading, and the edge of what was looked through if it was not all.
func (r *auditReader) read(ctx context.Context, start *AuditPlace, n int) (rows []AuditRow, edge *AuditPlace, err error) {
	todo := r.windows(start)
	if len(todo) > 0 && !r.bare && r.subject != nil && !r.subject.byID() {
		// What is frequent fills the page at once.
		if rows, edge, err = r.walk(ctx, todo[0], n, r.everything(r.db.bounds.glance)); err != nil || len(rows) == n {
			return rows, nil, err
		}
		if edge == nil {
			todo = todo[1:]
		} else {
			todo[0].start = edge
		}
	}
	for len(todo) > 0 && len(rows) < n {
		w := todo[0]
		todo = todo[1:]
		most := r.affords()
		if most == 0 {
			return rows, r.entrance(w), nil
		}
		if most < len(w.parts) {
			w, todo = w.first(most), slices.Insert(todo, 0, w.behind(most))
		}
		more, over, edge, err := r.window(ctx, w, n-len(rows))
		if rows = append(rows, more...); err != nil || edge != nil {
			return rows, edge, err
		}
		if over > 0 {
			rest := w.behind(over)
			rest.large = len(rest.parts) == 1
			todo = slices.Insert(todo, 0, rest)
		} else if over == 0 {
			first := w.first(1)
			first.large = true
			todo = slices.Insert(todo, 0, first, w.behind(1))
		}
	}
	return rows, nil, nil
}

// affords returns how many days may still be looked through.
func (r *auditReader) affords() int {
	switch {
	case r.met >= r.db.bounds.enough:
		return 0
	case r.subject == nil || len(r.subject.ids) == 0:
		return len(r.parts)
	case r.looked == 0:
		return max(r.db.bounds.lookups/len(r.subject.ids), 1)
	}
	return (r.db.bounds.lookups - r.looked) / len(r.subject.ids)
}

// entrance is the place where a window begins.
func (r *auditReader) entrance(w auditWindow) *AuditPlace {
	switch {
	case w.start != nil && w.parts[0].holds(w.start.At):
		return w.start
	case r.Ascending:
		return &AuditPlace{At: w.parts[0].Day}
	}
	return &AuditPlace{At: w.parts[0].end()}
}

// window reads at most n entries of a window. Over is the first of its days that was not read, since the days together held too much; it is negative for none.
func (r *auditReader) window(ctx context.Context, w auditWindow, n int) (rows []AuditRow, over int, edge *AuditPlace, err error) {
	if r.subject == nil || !w.indexed && !(r.subject.byID() && w.parts[0].Bytes < auditWholeScan) {
		rows, edge, err = r.walk(ctx, w, n, r.everything(r.reach()))
		return rows, -1, edge, err
	}
	over = -1
	if r.subject.collectable() {
		r.looked += len(r.subject.ids) * len(w.parts)
		large := w.large && !r.bare
		if !large {
			if rows, over, err = r.collect(ctx, w, n); err != nil {
				return nil, -1, nil, err
			}
			if r.bare && over >= 0 {
				return rows, -1, r.entrance(w), nil
			}
			large = over == 0 && len(w.parts) == 1
		}
		if large {
			if rows, over, err = r.large(ctx, w, n); err != nil {
				return nil, -1, nil, err
			}
		}
		if over == 0 && len(w.parts) == 1 {
			rows, edge, err = r.walk(ctx, w, n, r.everything(r.reach()))
			return rows, -1, edge, err
		}
	}
	if len(r.subject.many) == 0 || over == 0 {
		return rows, over, nil, nil
	}
	met := w
	if over > 0 {
		met = w.first(over)
	}
	more, edge, err := r.walk(ctx, met, n, r.namesakes())
	rows, edge = r.merge(rows, more, edge, n)
	return rows, over, edge, err
}

// merge puts entries together that were found in two ways, up to n and as far as both ways went.
func (r *auditReader) merge(a, b []AuditRow, edge *AuditPlace, n int) ([]AuditRow, *AuditPlace) {
	all := append(a, b...)
	slices.SortFunc(all, r.compare)
	all = slices.CompactFunc(all, func(a, b AuditRow) bool { return r.compare(a, b) == 0 })
	if edge != nil {
		if at := slices.IndexFunc(all, func(row AuditRow) bool { return r.compare(row, AuditRow{At: edge.At, Place: edge.Place}) > 0 }); at >= 0 {
			all = all[:at]
		}
	}
	if len(all) >= n {
		return all[:n], nil
	}
	return all, edge
}

// compare orders entries as they are read.
func (r *auditReader) compare(a, b AuditRow) int {
	if r.Ascending {
		return comparePlaces(a, b)
	}
	return comparePlaces(b, a)
}

// comparePlaces compares where two entries are.
func comparePlaces(a, b AuditRow) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	ablock, aoffset := readPlace(a.Place)
	bblock, boffset := readPlace(b.Place)
	return cmp.Or(cmp.Compare(ablock, bblock), cmp.Compare(aoffset, boffset))
}

func readPlace(place string) (block, offset int64) {
	first, second, _ := strings.Cut(strings.Trim(place, "()"), ",")
	block, _ = strconv.ParseInt(first, 10, 64) // Postgres wrote it
	offset, _ = strconv.ParseInt(second, 10, 64)
	return block, offset
}
