package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"millrace/pipeline"
)

// SchemaSeen returns what the settings of a connection used of its org, and when that was seen; it is empty when nothing was.
func (d *DB) SchemaSeen(ctx context.Context, connectionID int64) (objects []pipeline.SeenObject, at time.Time, err error) {
	var row struct {
		Objects []byte    `db:"objects"`
		SeenAt  time.Time `db:"seen_at"`
	}
	err = d.pool.GetContext(ctx, &row, kept(`SELECT objects, seen_at FROM millrace.schema_seen WHERE connection_id = $1`), connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, time.Time{}, nil
	}
	if err == nil {
		err = json.Unmarshal(row.Objects, &objects)
	}
	return objects, row.SeenAt, wrapIf(asCancelled(ctx, err), "db.SchemaSeen(%d)", connectionID)
}

// KeepSchemaSeen replaces what the settings of a connection use of its org.
func (d *DB) KeepSchemaSeen(ctx context.Context, connectionID int64, objects []pipeline.SeenObject) error {
	if objects == nil {
		objects = []pipeline.SeenObject{}
	}
	body, err := json.Marshal(objects)
	if err == nil {
		_, err = d.pool.ExecContext(ctx, `
			INSERT INTO millrace.schema_seen (connection_id, objects) VALUES ($1, $2)
			ON CONFLICT (connection_id) DO UPDATE SET objects = excluded.objects, seen_at = now()`, connectionID, body)
	}
	return wrapIf(asCancelled(ctx, err), "db.KeepSchemaSeen(%d)", connectionID)
}
