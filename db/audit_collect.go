package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// auditFind is where an entry is that was collected.
type auditFind struct {
	Day int `db:"day"` // which of the window's; negative for none
	AuditRow
	Met  int `db:"met"`
	Over int `db:"over"`
}

// collect takes what the indexes of the days lead to, day by day until it is too much, and returns the first n entries. Over is the first day that was not
// read to its end; it is negative for none.
func (r *auditReader) collect(ctx context.Context, w auditWindow, n int) (rows []AuditRow, over int, err error) {
	most := r.db.bounds.most
	switch {
	case r.bare:
		most = max(n-r.met, 1)
	case len(w.parts) > 1:
		most = r.db.bounds.mostOfDays
	}
	var b auditSQL
	var days []string
	found, narrow := r.subject.indexed(&b), ""
	if r.filters(&auditSQL{}) != "" {
		narrow = ", a.entity, a.action, a.run_id, a.actor_id"
	}
	for i, p := range w.parts {
		days = append(days, fmt.Sprintf("SELECT %d AS day, a.at, a.ctid AS place, a.connection_id%s FROM millrace.%s a WHERE ", i, narrow, pq.QuoteIdentifier(p.Name))+
			allOf(r.withinDay(&b, p, w.start), found))
	}
	// Heaps lie in the order of time, so that what is met first is not what is read first: a day counts when all of it was met.
	complete := "met.over < 0 OR a.day < met.over"
	if r.bare {
		complete = "true"
	}
	var finds []auditFind
	err = r.byIndex(ctx, w, &finds, `
		WITH m AS MATERIALIZED (SELECT * FROM (`+strings.Join(days, "\nUNION ALL ")+`) m LIMIT `+b.add(most+1)+`),
		     met AS (SELECT count(*) AS met, CASE WHEN count(*) > `+b.add(most)+` THEN max(day) ELSE -1 END AS over FROM m)
		SELECT coalesce(f.day, -1) AS day, met.met, met.over, coalesce(f.at, now()) AS at, coalesce(f.place::text, '') AS place FROM met LEFT JOIN LATERAL (
		    SELECT a.day, a.at, a.place FROM m a WHERE (`+complete+`) AND `+allOf(r.ofConnections(&b), r.filters(&b))+r.order("a.")+` LIMIT `+b.add(n)+`) f ON true`, b.args)
	if err != nil || len(finds) == 0 {
		return nil, -1, err
	}
	r.met, over = r.met+finds[0].Met, finds[0].Over
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
