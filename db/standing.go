package db

import (
	"context"
	"strings"
	"time"
)

// Standing is what is known here of one record of Salesforce, synced or not.
type Standing struct {
	Here      bool       `db:"here"` // there is a copy of it
	LeftAt    *time.Time `db:"left_at"`
	DeletedAt *time.Time `db:"deleted_at"`
	Synced    *time.Time `db:"synced"`
	Run       string     `db:"run"`      // short id of the run that last wrote it
	Skipped   string     `db:"skipped"`  // why it is skipped; empty when it is not
	Failed    string     `db:"failed"`   // why it cannot be stored; empty when it can
	Group     int64      `db:"group_id"` // the cause of either in the error inbox; 0 for none

	Elsewhere []ElsewhereRecord `db:"-"`
}

// ElsewhereRecord is a record of the same Id or name in the copy of another connection.
type ElsewhereRecord struct {
	Connection Connection `db:"connection"` // its id and what it is called by only
	SFID       string     `db:"sf_id"`
	Name       string     `db:"name"`
}

// calledColumns are those of a connection c that say what it is called.
const calledColumns = `c.id AS "connection.id", c.name AS "connection.name", c.org_name AS "connection.org_name", c.org_id AS "connection.org_id"`

// tablesByPrefix are the tables and objects of records by the beginning of their ids.
var tablesByPrefix = map[string][2]string{"001": {"accounts", "Account"}, "003": {"contacts", "Contact"}, "006": {"opportunities", "Opportunity"}, "500": {"cases", "Case"}}

// RecordStanding tells what is known of the record with an id of 18 characters, here and in the other connections. Of a kind of record that is not kept in a table of its own nothing is.
func (d *DB) RecordStanding(ctx context.Context, connectionID int64, id string) (Standing, error) {
	var out Standing
	kind, ok := tablesByPrefix[id[:min(3, len(id))]]
	if !ok || len(id) != 18 || !storable(id) {
		return out, nil
	}
	err := d.pool.GetContext(ctx, &out, `
		SELECT t.sf_id IS NOT NULL AS here, t.left_filter_at AS left_at, t.deleted_in_salesforce_at AS deleted_at, t.synced_at AS synced, coalesce(r.short_id, '') AS run,
		       coalesce(k.reason, '') AS skipped, coalesce(e.message, '') AS failed, coalesce(g.id, 0) AS group_id
		  FROM (SELECT) one
		  LEFT JOIN millrace.`+kind[0]+` t ON t.connection_id = $1 AND t.sf_id = $2
		  LEFT JOIN millrace.runs r ON r.id = t.last_seen_run
		  LEFT JOIN millrace.skipped_records k ON k.connection_id = $1 AND k.object = $3 AND k.sf_id = $2 AND k.until_run IS NULL
		  LEFT JOIN LATERAL (SELECT records, cause, message FROM millrace.run_errors WHERE connection_id = $1 AND sf_id = $2 AND until_run IS NULL AND object = $3 ORDER BY id DESC LIMIT 1) e ON true
		  LEFT JOIN millrace.error_groups g ON g.connection_id = $1 AND g.cured_at IS NULL
		       AND (g.kind = 'skip' AND g.subject = k.object AND g.cause = k.reason OR g.kind = 'record' AND g.subject = e.records AND g.cause = e.cause)
		 ORDER BY g.kind LIMIT 1`, connectionID, id, kind[1])
	if err != nil {
		return out, wrapIf(asCancelled(ctx, err), "db.RecordStanding(%d, %q)", connectionID, id)
	}
	err = d.pool.SelectContext(ctx, &out.Elsewhere, `
		SELECT `+calledColumns+`, t.sf_id, '' AS name
		  FROM millrace.connections c JOIN millrace.`+kind[0]+` t ON t.connection_id = c.id AND t.sf_id = $2 WHERE c.id <> $1 ORDER BY c.id LIMIT 5`, connectionID, id)
	return out, wrapIf(asCancelled(ctx, err), "db.RecordStanding(%d, %q)", connectionID, id)
}

// AccountsElsewhere returns accounts of exactly that name in the copies of other connections, at most one of each.
func (d *DB) AccountsElsewhere(ctx context.Context, connectionID int64, name string) ([]ElsewhereRecord, error) {
	var out []ElsewhereRecord
	if name = strings.TrimSpace(name); name == "" || !storable(name) {
		return nil, nil
	}
	err := d.pool.SelectContext(ctx, &out, `
		SELECT `+calledColumns+`, t.sf_id, t.name
		  FROM millrace.connections c
		 CROSS JOIN LATERAL (SELECT a.sf_id, a.name FROM millrace.accounts a WHERE a.connection_id = c.id AND lower(a.name) = lower($2) LIMIT 1) t
		 WHERE c.id <> $1 ORDER BY c.id LIMIT 5`, connectionID, name)
	return out, wrapIf(asCancelled(ctx, err), "db.AccountsElsewhere(%d)", connectionID)
}
