package db

import (
	"fmt"
	"strings"
)

// refresh brings the columns that a page holds up to date in the records that are here. It adds nobody and lets nobody go.
func (m merge) refresh() string {
	m.cols = m.refreshed()
	var is, becomes, set []string
	for _, c := range m.cols {
		is, becomes, set = append(is, "t."+c.name), append(becomes, c.value), append(set, c.name+" = "+c.value)
	}
	log := "log AS (" + auditInto + "\n    SELECT $1, $2, $3, s.sf_id, v.verdict, " + m.untyped().changes() + ", NULL\n" +
		"    FROM verdict v JOIN " + stage + " s ON s.ctid = v.tid\n    JOIN " + m.table + " t ON t.connection_id = $1 AND t.sf_id = s.sf_id" +
		sameSet(m.step.Table, "t.") + "\n    WHERE v.verdict = 'updated')\n"
	if m.step.Table.Quiet {
		log = "log AS (SELECT 1)\n"
	}
	here := "t.sf_id IS NULL"
	if !m.step.Table.Quiet {
		here += " OR t.left_filter_at IS NOT NULL"
	}
	return fmt.Sprintf(`WITH verdict AS MATERIALIZED (
    SELECT s.ctid AS tid, CASE WHEN %s THEN 'absent' WHEN ROW(%s) IS DISTINCT FROM ROW(%s) THEN 'updated' ELSE 'unchanged' END AS verdict
      FROM %s s LEFT JOIN %s t ON t.connection_id = $1 AND t.sf_id = s.sf_id AND t.sf_id BETWEEN $5 AND $6%s),
upd AS (UPDATE %[5]s t SET %[7]s, last_seen_run = $2, synced_at = now()
    FROM verdict v JOIN %[4]s s ON s.ctid = v.tid
    WHERE v.verdict = 'updated' AND t.connection_id = $1 AND t.sf_id = s.sf_id%[6]s),
`, here, strings.Join(is, ", "), strings.Join(becomes, ", "), stage, m.table, sameSet(m.step.Table, "t."), strings.Join(set, ", ")) + log +
		"SELECT verdict, count(*) AS n, 0 AS seen FROM verdict GROUP BY verdict"
}

// refreshed lists the columns that come with the page.
func (m merge) refreshed() []mergeColumn {
	var out []mergeColumn
	for _, c := range m.cols {
		if c.typ != "" && !c.found {
			out = append(out, c)
		}
	}
	return out
}

// untyped is the merge without the account type, which a refresh does not decide.
func (m merge) untyped() merge {
	m.step.Table.Typed = false
	return m
}
