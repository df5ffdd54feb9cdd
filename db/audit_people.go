package db

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// RunRef is a run as an entry of the audit log names it.
type RunRef struct {
	ID              int64  `db:"id"`
	ShortID         string `db:"short_id"`
	SettingsVersion int    `db:"settings_version"` // 0 for none
}

// RunRefs returns those of a connection's runs that are still known, by their id.
func (d *DB) RunRefs(ctx context.Context, connectionID int64, ids []int64) (map[int64]RunRef, error) {
	out := map[int64]RunRef{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []RunRef
	if err := d.pool.SelectContext(ctx, &rows, `
		SELECT id, short_id, coalesce(settings_version, 0) AS settings_version FROM millrace.runs WHERE connection_id = $1 AND id = ANY ($2)`, connectionID, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("db.RunRefs(%d): %w", connectionID, asCancelled(ctx, err))
	}
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, nil
}

// AuditAct writes e, where what it tells about has no transaction of its own.
func (d *DB) AuditAct(ctx context.Context, e AuditEntry) error {
	return d.Transact(ctx, func(tx *sqlx.Tx) error { return Audit(ctx, tx, e) })
}

// AuditedObjects returns the API names of the connection's further objects, whose records the audit log calls by them.
func (d *DB) AuditedObjects(ctx context.Context, connectionID int64) ([]string, error) {
	var out []string
	err := d.pool.SelectContext(ctx, &out, `SELECT object FROM millrace.custom_objects WHERE connection_id = $1 ORDER BY object`, connectionID)
	return out, wrapIf(asCancelled(ctx, err), "db.AuditedObjects(%d)", connectionID)
}
