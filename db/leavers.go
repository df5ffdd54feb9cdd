package db

import (
	"context"

	"github.com/jmoiron/sqlx"
)

// What a connection does with records that leave the filter.
const (
	LeaversKeep    = "keep"    // they stay in lists and views, with a badge
	LeaversArchive = "archive" // lists and views leave them out; they stay in the tables
)

// SetLeavers chooses what becomes of records that leave the filter. It takes effect at once, and can be taken back at any time.
func (d *DB) SetLeavers(ctx context.Context, connectionID int64, policy string, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var was string
		if err := tx.GetContext(ctx, &was, `SELECT leavers FROM millrace.connections WHERE id = $1 FOR UPDATE`, connectionID); err != nil {
			return notFound(err)
		}
		if was == policy {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.connections SET leavers = $2 WHERE id = $1`, connectionID, policy); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &by, Entity: "connection", Action: "leavers", Changes: map[string]any{"leavers": []string{was, policy}}})
	})
	return wrapIf(err, "db.SetLeavers(%d, %s)", connectionID, policy)
}
