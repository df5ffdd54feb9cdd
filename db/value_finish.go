package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
	"millrace/settings"
)

// listedAccounts bounds the accounts that are listed because their value could not be worked out.
const listedAccounts = 1000

// workOut makes the value of each account from the records that the step has read, and writes an audit row for each that changes. It agrees with
// pipeline.Aggregate. A step that did not read all its records changes nothing: a sum of some of them would be wrong.
func (s *RunStore) workOut(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	var whole bool
	if err := tx.GetContext(ctx, &whole, `SELECT expected = read FROM millrace.run_steps WHERE run_id = $1 AND position = $2`, s.runID, step.Position); err != nil || !whole {
		return err
	}
	if step.Reading.Changes || step.Refresh {
		needed, err := s.outdated(ctx, tx, step)
		if err != nil || !needed {
			return err
		}
	}
	// The planner knows nothing of a table that has just been filled, and would compare each record with each.
	if _, err := tx.ExecContext(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`); err != nil {
		return err
	}
	kind := step.Calculation.Kind
	var columns, assign, changes []string
	for _, c := range kind.Columns() {
		columns = append(columns, "a."+c+" AS old_"+c+", m."+c)
		assign = append(assign, c+" = d."+c)
		changes = append(changes, fmt.Sprintf("('%s', to_jsonb(d.old_%s), to_jsonb(d.%s))", c, c, c))
	}
	if !step.Table.Aside {
		// A hash from before the run may be of a line with the value that Salesforce had, under settings that take it from a field and may come back: that one does not hold on.
		assign = append(assign, hashColumn+" = CASE WHEN a.last_seen_run = $2 THEN "+sameLine("a")+" ELSE a."+hashColumn+" END")
	}
	row := func(alias string) string {
		return "ROW(" + alias + strings.Join(kind.Columns(), ", "+alias) + ")"
	}
	_, err := tx.ExecContext(ctx, `
		WITH made AS MATERIALIZED (`+aggregate(*step.Calculation, asideOf(step.Table))+`),
		differ AS MATERIALIZED (
		    SELECT a.sf_id, `+strings.Join(columns, ", ")+`
		      FROM millrace.`+asideOf(step.Table)+`accounts a LEFT JOIN made m ON m.account_id = a.sf_id
		     WHERE a.connection_id = $1 AND a.left_filter_at IS NULL AND `+row("a.")+` IS DISTINCT FROM `+row("m.")+`),
		upd AS (
		    UPDATE millrace.`+asideOf(step.Table)+`accounts a SET `+strings.Join(assign, ", ")+`, last_seen_run = $2, synced_at = now()
		      FROM differ d WHERE a.connection_id = $1 AND a.sf_id = d.sf_id),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		    SELECT $1, $2, 'account', d.sf_id, 'updated', (
		        SELECT jsonb_object_agg(c.k, jsonb_build_array(c.o, c.n)) FROM (VALUES `+strings.Join(changes, ", ")+`) AS c (k, o, n) WHERE c.o IS DISTINCT FROM c.n)
		      FROM differ d WHERE NOT $7::boolean),
		stuck AS (
		    SELECT m.account_id FROM made m JOIN millrace.`+asideOf(step.Table)+`accounts a ON a.connection_id = $1 AND a.sf_id = m.account_id AND a.left_filter_at IS NULL WHERE m.stuck),
		listed AS (
		    INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records)
		    SELECT $2, $3, 'Account', account_id, $4, $5, CASE WHEN NOT $7 THEN $1 END, $4 FROM stuck ORDER BY account_id LIMIT $6),
		over AS (
		    UPDATE millrace.run_errors SET until_run = $2
		     WHERE connection_id = $1 AND until_run IS NULL AND records = $4 AND cause = $4 AND run_id < $2 AND NOT $7)
		UPDATE millrace.run_steps SET updated = (SELECT count(*) FROM differ), failed = failed + (SELECT count(*) FROM stuck)
		 WHERE run_id = $2 AND position = $3`,
		s.connectionID, s.runID, step.Position, string(kind), pipeline.MixedCurrencies, listedAccounts, step.Table.Aside)
	return err
}

// outdated reports whether anything has changed that a value is made of: its records, the rates, or who is here.
func (s *RunStore) outdated(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) (bool, error) {
	written, err := s.writtenSince(ctx, tx, step, step.Table.Records(), string(step.Calculation.Kind), "CurrencyType")
	if err != nil || written {
		return written, err
	}
	err = tx.GetContext(ctx, &written, `SELECT EXISTS (SELECT FROM millrace.accounts WHERE connection_id = $1 AND entered_run > $2)`, s.connectionID, step.Reading.After)
	return written, err
}

// asideOf begins the names of the tables that a step fills together with t.
func asideOf(t pipeline.Table) string {
	if t.Aside {
		return pipeline.AsidePrefix
	}
	return ""
}

// aggregate selects account_id, the columns of the kind, and stuck, whether the account's value cannot be worked out, from the value records of the
// connection $1, whose tables begin with aside. The rule's filter has been applied by Salesforce.
func aggregate(c pipeline.Calculation, aside string) string {
	kind, rule := c.Kind, c.Rule
	value, rates := "v.amount", "connection_id = $1"
	if !c.Rates {
		rates = "false" // those of an earlier run may have changed
	}
	if kind == pipeline.Renewal {
		value = "v.day"
	}
	from := `FROM millrace.` + aside + `value_records v WHERE v.connection_id = $1 AND v.kind = '` + string(kind) + `' AND ` + value + ` IS NOT NULL`
	switch {
	case rule.Combine == settings.Latest:
		columns := "v.amount AS arr, v.currency AS arr_currency"
		if kind == pipeline.Renewal {
			columns = "v.day AS renewal_date"
		}
		return `SELECT DISTINCT ON (v.account_id) v.account_id, ` + columns + `, false AS stuck ` + from + ` AND v.latest_by IS NOT NULL
		    ORDER BY v.account_id, v.latest_by DESC, v.system_modstamp DESC NULLS LAST, v.sf_id DESC`
	case kind == pipeline.Renewal:
		return `SELECT v.account_id, max(v.day) AS renewal_date, false AS stuck ` + from + ` GROUP BY v.account_id`
	}
	combine := "sum"
	if rule.Combine == settings.Max {
		combine = "max"
	}
	// Twenty digits behind the point keep the quotient exact to the six that are kept of it.
	return `
		    SELECT g.account_id, CASE WHEN g.one THEN g.plain WHEN g.rated THEN trim_scale(g.converted) END AS arr,
		           CASE WHEN g.one THEN g.currency WHEN g.rated THEN g.corporate END AS arr_currency, NOT g.one AND NOT g.rated AS stuck
		      FROM (SELECT v.account_id, ` + combine + `(v.amount) AS plain, ` + combine + `(round(round(v.amount, 20) / r.rate, 6)) AS converted,
		                   min(coalesce(v.currency, '')) = max(coalesce(v.currency, '')) AS one, min(v.currency) AS currency,
		                   bool_and(r.rate IS NOT NULL) AND max(r.corporate) IS NOT NULL AS rated, max(r.corporate) AS corporate
		              FROM (SELECT v.* ` + from + `) v
		              LEFT JOIN (SELECT DISTINCT ON (iso_code) iso_code, nullif(greatest(rate, 0), 0) AS rate,
		                                (SELECT min(iso_code) FROM millrace.` + aside + `currencies WHERE connection_id = $1 AND is_corporate) AS corporate
		                           FROM millrace.` + aside + `currencies WHERE ` + rates + `) r ON r.iso_code = v.currency
		             GROUP BY v.account_id) g`
}
