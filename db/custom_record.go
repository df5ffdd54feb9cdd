package db

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// ObjectOfAccount is a custom object with how many of its records an account has.
type ObjectOfAccount struct {
	Object string `db:"object"`
	Name   string `db:"name"` // what the settings call its records
	Total  int    `db:"total"`
}

// AccountObjects returns the custom objects that are synced, by name, each with how many of its records the account has; those without any are left out.
func (d *DB) AccountObjects(ctx context.Context, connectionID int64, accountID string) ([]ObjectOfAccount, error) {
	var out []ObjectOfAccount
	err := d.pool.SelectContext(ctx, &out, `
		SELECT o.object, o.name, n.total
		  FROM millrace.custom_objects o
		 CROSS JOIN LATERAL (SELECT count(*) AS total FROM millrace.custom_records r WHERE r.connection_id = $1 AND r.account_id = $2 AND r.object = o.object) n
		 WHERE o.connection_id = $1 AND o.removed_at IS NULL AND n.total > 0 ORDER BY lower(o.name), o.object`, connectionID, fullID(accountID))
	return out, wrapIf(asCancelled(ctx, err), "db.AccountObjects(%d, %q)", connectionID, accountID)
}

// CustomRecord is a record of a custom object.
type CustomRecord struct {
	SFID    string `db:"sf_id"`
	Name    string `db:"name"`
	Contact string `db:"contact"` // of a record that belongs to a contact
	Fields  []byte `db:"fields"`  // a JSON object
	Left    bool   `db:"has_left"`
	Deleted bool   `db:"is_deleted"`
}

// AccountRecords returns records of a custom object that belong to an account, in order of their Ids.
func (d *DB) AccountRecords(ctx context.Context, connectionID int64, accountID, object string, limit, offset int) ([]CustomRecord, error) {
	var out []CustomRecord
	err := d.pool.SelectContext(ctx, &out, `
		SELECT r.sf_id, coalesce(r.name, '') AS name, coalesce(concat_ws(' ', c.first_name, c.last_name), '') AS contact, r.fields,
		       r.left_filter_at IS NOT NULL AS has_left, r.deleted_in_salesforce_at IS NOT NULL AS is_deleted
		  FROM millrace.custom_records r LEFT JOIN millrace.contacts c ON c.connection_id = $1 AND c.sf_id = r.contact_id
		 WHERE r.connection_id = $1 AND r.account_id = $2 AND r.object = $3 ORDER BY r.sf_id LIMIT $4 OFFSET $5`,
		connectionID, fullID(accountID), object, min(limit, maxRelated), max(offset, 0))
	return out, wrapIf(asCancelled(ctx, err), "db.AccountRecords(%d, %q, %s)", connectionID, accountID, object)
}

// Labels are the labels of picklist values, by field and value.
type Labels map[string]map[string]string

// Labels returns the labels of these values in these fields of an object, as far as there are any. Values without a label of their own are left out.
func (d *DB) Labels(ctx context.Context, connectionID int64, object string, fields, values []string) (Labels, error) {
	out := Labels{}
	if len(fields) == 0 || len(values) == 0 {
		return out, nil
	}
	var rows []struct{ Field, Value, Label string }
	err := d.pool.SelectContext(ctx, &rows, `
		SELECT field, value, label FROM millrace.picklist_labels
		 WHERE connection_id = $1 AND object = $2 AND field = ANY ($3) AND value = ANY ($4) AND label <> value`,
		connectionID, object, pq.Array(fields), pq.Array(values))
	if err != nil {
		return nil, fmt.Errorf("db.Labels(%d, %s): %w", connectionID, object, asCancelled(ctx, err))
	}
	for _, r := range rows {
		if out[r.Field] == nil {
			out[r.Field] = map[string]string{}
		}
		out[r.Field][r.Value] = r.Label
	}
	return out, nil
}
