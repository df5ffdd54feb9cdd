package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"
)

// auditFind is where an entry is that was collected.
type auditFind struct {
	Day int `db:"day"` // which of the window's; negative for none
	AuditRow
	Met  int `db:"met"`
	Fit  int `db:"fit"` // of those that were met: selected
	Over int `db:"over"`
}

// collect takes what the indexes of the days lead to, day by day until it is too much to be put in order, and returns the first n entries. Over is the first day that was
// not read to its end; it is negative for none.
func (r *auditReader) collect(ctx context.Context, w auditWindow, n int) (rows []AuditRow, over int, err error) {
	most := r.db.bounds.collected
	if r.bare {
		most = max(n-r.met, 1)
	}
	var b auditSQL
	var days []string
	found := r.subject.indexed(&b)
	for i, p := range w.parts {
		days = append(days, fmt.Sprintf("SELECT %d AS day, a.at, a.ctid AS place, a.connection_id%s FROM millrace.%s a WHERE ", i, r.narrow(), pq.QuoteIdentifier(p.Name))+
			allOf(r.withinDay(&b, p, w.start), found))
	}
	// Heaps lie in the order of time, so that what is met first is not what is read first: a day counts when all of it was met.
	complete := "met.over < 0 OR a.day < met.over"
	if r.bare {
		complete = "true"
	}
	fits := allOf(r.ofConnections(&b), r.filters(&b))
	var finds []auditFind
	err = r.byIndex(ctx, w, &finds, `
		WITH m AS MATERIALIZED (SELECT * FROM (`+strings.Join(days, "\nUNION ALL ")+`) m LIMIT `+b.add(most+1)+`),
		     met AS (SELECT count(*) AS met, count(*) FILTER (WHERE `+fits+`) AS fit, CASE WHEN count(*) > `+b.add(most)+` THEN max(day) ELSE -1 END AS over FROM m a)
		SELECT coalesce(f.day, -1) AS day, met.met, met.fit, met.over, coalesce(f.at, now()) AS at, coalesce(f.place::text, '') AS place FROM met LEFT JOIN LATERAL (
		    SELECT a.day, a.at, a.place FROM m a WHERE (`+complete+`) AND `+fits+r.order("a.")+` LIMIT `+b.add(n)+`) f ON true`, b.args)
	if err != nil || len(finds) == 0 {
		return nil, -1, err
	}
	r.known = max(r.known, r.fit+finds[0].Fit)
	if finds[0].Over < 0 {
		r.fit += finds[0].Fit
	}
	// Otherwise the days from there on are read again. With filters those of several days count too: few may fit them, and then it is not gone on for long.
	if over = finds[0].Over; over < 0 || r.bare || r.narrow() != "" && len(w.parts) > 1 {
		r.met += finds[0].Met
	}
	switch {
	case finds[0].Day < 0:
	case r.bare:
		for _, f := range finds {
			rows = append(rows, f.AuditRow)
		}
	default:
		rows, err = r.whole(ctx, w, finds)
	}
	return rows, over, err
}

// large reads the first n entries of a day whose indexes lead to too many to be put in order: only those that are not farther than n that are known. Without such n there are few that
// are selected. Over is 0 when it was too much even so.
func (r *auditReader) large(ctx context.Context, w auditWindow, n int) (rows []AuditRow, over int, err error) {
	far, err := r.farthest(ctx, w, n)
	if err != nil {
		return nil, -1, err
	}
	var b auditSQL
	most := r.db.bounds.most
	found := allOf(r.withinDay(&b, w.parts[0], w.start), r.subject.indexed(&b), r.near(&b, far))
	fits := allOf(r.ofConnections(&b), r.filters(&b))
	var finds []auditFind
	// Gathered in arrays, they are gone through once, without being kept as rows.
	err = r.byIndex(ctx, w, &finds, `
		SELECT met, coalesce(f.at, now()) AS at, coalesce(f.place::text, '') AS place FROM (
		    SELECT count(*) AS met, array_agg(a.at) FILTER (WHERE a.fits) AS ats, array_agg(a.place) FILTER (WHERE a.fits) AS places FROM (
		        SELECT a.at, a.ctid AS place, (`+fits+`) AS fits FROM millrace.`+pq.QuoteIdentifier(w.parts[0].Name)+` a WHERE `+found+` LIMIT `+b.add(most+1)+`) a) m
		  LEFT JOIN LATERAL (SELECT * FROM unnest(m.ats, m.places) AS a (at, place)`+r.order("a.")+` LIMIT `+b.add(n)+`) f ON true`, b.args)
	if err != nil {
		return nil, -1, err
	}
	r.met += finds[0].Met
	switch {
	case finds[0].Met > most:
		return nil, 0, nil
	case finds[0].Place == "":
		return nil, -1, nil
	}
	rows, err = r.whole(ctx, w, finds)
	return rows, -1, err
}

// near is the condition that an entry a is not farther than a time; empty for no time.
func (r *auditReader) near(b *auditSQL, far *time.Time) string {
	switch {
	case far == nil:
		return ""
	case r.Ascending:
		return "a.at <= " + b.add(*far)
	}
	return "a.at >= " + b.add(*far)
}

// farthest returns a time beyond which none of the first n entries of a day lies that are searched for: that of the n-th of some of them. It returns nil when it knows of fewer.
func (r *auditReader) farthest(ctx context.Context, w auditWindow, n int) (*time.Time, error) {
	if r.narrow() == "" { // with filters there may be none near
		// A text that is frequent belongs to one kind as a rule.
		const kinds = 64 // each of which may bring an edge
		hits, err := r.hits(ctx, w, n+kinds, auditWalk{
			each:  min(2*n, r.db.bounds.reachLeast),
			found: r.subject.indexed,
			of:    func(auditKind) bool { return true },
		})
		hits = slices.DeleteFunc(hits, func(h auditHit) bool { return !h.Fits })
		switch {
		case err != nil:
			return nil, err
		case len(hits) >= n:
			return &hits[n-1].At, nil
		}
	}
	return r.sampled(ctx, w, n)
}

// sampled is farthest by a sample of the whole day. Heaps lie in the order of time, more or less.
func (r *auditReader) sampled(ctx context.Context, w auditWindow, n int) (*time.Time, error) {
	const blockBytes = 8 << 10 // a Postgres built with other ones is sampled less evenly
	const blocks, perBlock = 256, 4
	var places []string
	total := w.parts[0].Bytes / blockBytes
	for i := range min(total, blocks) {
		for row := range perBlock {
			places = append(places, fmt.Sprintf("(%d,%d)", i*total/min(total, blocks), row+1))
		}
	}
	var b auditSQL
	found := allOf("a.ctid = ANY ("+b.add(pq.Array(places))+"::tid[])", r.withinDay(&b, w.parts[0], w.start), r.ofConnections(&b), r.filters(&b), r.subject.indexed(&b))
	var far []time.Time
	err := r.tx.SelectContext(ctx, &far, "SELECT a.at FROM (SELECT a.at, a.ctid AS place FROM millrace."+pq.QuoteIdentifier(w.parts[0].Name)+" a WHERE "+found+") a"+r.order("a.")+" LIMIT 1 OFFSET "+b.add(n-1), b.args...)
	if err != nil || len(far) == 0 {
		return nil, err
	}
	return &far[0], nil
}

// narrow are the columns that the filters look at, after others.
func (r *auditReader) narrow() string {
	if r.filters(&auditSQL{}) == "" {
		return ""
	}
	return ", a.entity, a.action, a.run_id, a.actor_id"
}

// byIndex runs a statement that takes entries by their indexes, which the planner would not believe to be few.
func (r *auditReader) byIndex(ctx context.Context, w auditWindow, into any, query string, args []any) error {
	if err := setScans(ctx, r.tx, !w.indexed); err != nil {
		return err
	}
	if err := r.tx.SelectContext(ctx, into, query, args...); err != nil {
		return err
	}
	return setScans(ctx, r.tx, true)
}

// whole reads the entries at the places that were found.
func (r *auditReader) whole(ctx context.Context, w auditWindow, finds []auditFind) ([]AuditRow, error) {
	var b auditSQL
	var days []string
	for i, p := range w.parts {
		var places []string
		for _, f := range finds {
			if f.Day == i {
				places = append(places, f.Place)
			}
		}
		if len(places) > 0 {
			days = append(days, "SELECT "+auditColumns+" FROM millrace."+pq.QuoteIdentifier(p.Name)+" a WHERE a.ctid = ANY ("+b.add(pq.Array(places))+"::tid[])")
		}
	}
	var rows []AuditRow
	err := r.tx.SelectContext(ctx, &rows, "SELECT "+shownColumns+" FROM ("+strings.Join(days, "\nUNION ALL ")+") a", b.args...)
	slices.SortFunc(rows, r.compare)
	return rows, err
}
