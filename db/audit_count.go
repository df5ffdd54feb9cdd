package db

import "context"

// count counts the entries that are selected from the start on, up to limit. More says that there may be further ones.
func (r *auditReader) count(ctx context.Context, start *AuditPlace, limit int) (n int, more bool, err error) {
	if r.subject != nil {
		bare := auditReader{auditSearch: r.auditSearch, tx: r.tx, bare: true}
		limit = min(limit, r.db.bounds.count)
		rows, edge, err := bare.read(ctx, start, limit+1)
		return min(len(rows), limit), len(rows) > limit || edge != nil, err
	}
	for _, w := range r.windows(start) {
		in, edge, err := r.countIn(ctx, w, limit+1-n)
		if err != nil {
			return 0, false, err
		}
		if n += in; n > limit {
			return limit, true, nil
		}
		if edge {
			return n, true, nil
		}
	}
	return n, false, nil
}

// countIn counts the entries of a window, up to n. It reports an edge when not all was looked through.
func (r *auditReader) countIn(ctx context.Context, w auditWindow, n int) (in int, edge bool, err error) {
	var b auditSQL
	p, err := r.paths(ctx, &b, w, r.everything(max(r.db.bounds.reach, n)), n)
	if err != nil || p.reach == 0 {
		return 0, false, err
	}
	var row struct {
		N    int  `db:"n"`
		Edge bool `db:"edge"`
	}
	err = r.tx.GetContext(ctx, &row, `
		SELECT count(*) FILTER (WHERE fits) AS n, coalesce(bool_or(edge), false) AS edge FROM (
		    SELECT x.* FROM `+p.from+` CROSS JOIN LATERAL (
		        SELECT fits, nth = `+b.add(p.reach)+` AS edge FROM (
		            SELECT fits, row_number() OVER () AS nth FROM (
		                SELECT coalesce(`+p.picks+`, false) AS fits FROM millrace.audit_log a WHERE `+p.on+` AND `+r.within(&b, w)+` ORDER BY a.at DESC LIMIT `+b.add(p.reach)+`) y) z
		         WHERE fits OR nth = `+b.add(p.reach)+` LIMIT `+b.add(n)+`) x LIMIT `+b.add(n)+`) c`, b.args...)
	return row.N, row.Edge && row.N < n, err
}
