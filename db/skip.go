package db

import (
	"context"

	"millrace/pipeline"
)

// Skip is a record that runs skip.
type Skip struct {
	Object    string `db:"object"`
	SFID      string `db:"sf_id"`
	Name      string `db:"name"`         // as it was when it was noted; may be empty
	AccountID string `db:"account_id"`   // empty where it has none
	Account   string `db:"account_name"` // the account's name here; may be empty
	Reason    string `db:"reason"`       // a plain sentence without its full stop
	New       bool   `db:"new"`          // skipped for the first time by the run that was asked about
}

// skippedUnder is the account that a skipped record is listed under: its parent, where that is one. It is empty for none.
func skippedUnder(t pipeline.Table, parent string) string {
	if t.Under != "" {
		return ""
	}
	return parent
}

// skippedBy selects the records that the run $2 of the connection $1 skipped, of the objects that it has read to their ends. A record that was skipped in two spells counts for the newer one.
const skippedBy = ` FROM millrace.skipped_records WHERE connection_id = $1 AND since_run <= $2 AND (until_run IS NULL OR until_run > $2)
	AND object IN (SELECT object FROM millrace.run_steps WHERE run_id = $2 AND state = 'done')`

// RunSkips returns a part of the records that a run which has come to its end skipped, by object and Id, and how many are listed.
func (d *DB) RunSkips(ctx context.Context, connectionID, runID int64, limit, offset int) (list []Skip, total int64, err error) {
	err = d.pool.GetContext(ctx, &total, `SELECT count(*)`+skippedBy, connectionID, runID)
	if err == nil {
		err = d.pool.SelectContext(ctx, &list, `
			SELECT k.object, k.sf_id, coalesce(k.account_id, '') AS account_id, k.reason, k.since_run = $2 AS new, coalesce(a.name, '') AS account_name,
			       coalesce(k.name, CASE WHEN k.object = 'Contact' THEN trim(concat_ws(' ', c.first_name, c.last_name)) END, '') AS name
			  FROM (SELECT *`+skippedBy+` ORDER BY object, sf_id LIMIT $3 OFFSET $4) k
			  LEFT JOIN millrace.accounts a ON a.connection_id = $1 AND a.sf_id = k.account_id
			  LEFT JOIN millrace.contacts c ON c.connection_id = $1 AND c.sf_id = k.sf_id
			 ORDER BY k.object, k.sf_id`, connectionID, runID, limit, max(offset, 0))
	}
	return list, total, wrapIf(asCancelled(ctx, err), "db.RunSkips(%d)", runID)
}

// SkippedOf counts the records of an account that are skipped at present, for one reason.
type SkippedOf struct {
	Object string `db:"object"`
	Reason string `db:"reason"`
	N      int64  `db:"n"`
}

// AccountSkips returns how many records of an account are skipped at present, by object and reason. The Id has 18 characters.
func (d *DB) AccountSkips(ctx context.Context, connectionID int64, accountID string) ([]SkippedOf, error) {
	var out []SkippedOf
	err := d.pool.SelectContext(ctx, &out, `
		SELECT object, reason, count(*) AS n FROM millrace.skipped_records
		 WHERE connection_id = $1 AND account_id = $2 AND until_run IS NULL GROUP BY object, reason ORDER BY object, reason`, connectionID, accountID)
	return out, wrapIf(asCancelled(ctx, err), "db.AccountSkips(%d, %q)", connectionID, accountID)
}
