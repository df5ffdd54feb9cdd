package db

import (
	"context"
	"encoding/json"

	"millrace/pipeline"
)

// Edited is what the pages of a connection's settings begin with, for one person.
type Edited struct {
	Connection Connection
	Current    *SettingsVersion      // as CurrentSettings
	Draft      *Draft                // as Draft
	Turns      []FormTurn            // as FormTurns
	Seen       []pipeline.SeenObject // as SchemaSeen
}

// Edited returns what the pages of a connection's settings begin with, in one exchange; of the turns it returns at most limit. It returns ErrNotFound when
// there is no such connection.
func (d *DB) Edited(ctx context.Context, connectionID, userID int64, limit int) (Edited, error) {
	var row struct {
		Connection
		Current settingsRow `db:"current"`
		Drafted bool        `db:"drafted"`
		Draft   draftRow    `db:"draft"`
		Turns   []byte      `db:"turns"`
		Seen    []byte      `db:"seen"`
	}
	err := d.pool.GetContext(ctx, &row, kept(`
		SELECT c.*,
		       c.id AS "current.connection_id", coalesce(v.version, 0) AS "current.version", v.body AS "current.body", coalesce(v.note, '') AS "current.note",
		       v.author_id AS "current.author_id", coalesce(v.author_name, '') AS "current.author_name", coalesce(v.created_at, c.created_at) AS "current.created_at",
		       f.base IS NOT NULL AS drafted, coalesce(f.base, 0) AS "draft.base", f.body AS "draft.body", coalesce(f.note, '') AS "draft.note",
		       f.problems AS "draft.problems", f.forms AS "draft.forms", coalesce(f.updated_at, c.created_at) AS "draft.updated_at",
		       (SELECT json_agg(json_build_object('Page', t.page, 'Number', t.turn) ORDER BY t.at DESC)
		          FROM (SELECT page, turn, at FROM millrace.settings_draft_turns WHERE connection_id = $1 AND user_id = $2 ORDER BY at DESC LIMIT $3) t) AS turns,
		       (SELECT objects FROM millrace.schema_seen WHERE connection_id = $1) AS seen
		  FROM (SELECT `+connectionColumns+` FROM millrace.connections WHERE id = $1) c
		  LEFT JOIN LATERAL (`+settingsSelect+` ORDER BY v.version DESC LIMIT 1) v ON true
		  LEFT JOIN millrace.settings_drafts f ON f.connection_id = $1 AND f.user_id = $2`), connectionID, userID, limit)
	out := Edited{Connection: row.Connection}
	if err != nil {
		return out, wrapIf(asCancelled(ctx, notFound(err)), "db.Edited(%d, %d)", connectionID, userID)
	}
	if row.Current.Version > 0 {
		current, err := row.Current.decode()
		if err != nil {
			return out, wrapIf(err, "db.Edited(%d, %d)", connectionID, userID)
		}
		out.Current = &current
	}
	if row.Drafted {
		if out.Draft, err = row.Draft.decode(); err != nil {
			return out, wrapIf(err, "db.Edited(%d, %d)", connectionID, userID)
		}
	}
	if row.Turns != nil {
		err = json.Unmarshal(row.Turns, &out.Turns)
	}
	if err == nil && row.Seen != nil {
		err = json.Unmarshal(row.Seen, &out.Seen)
	}
	return out, wrapIf(err, "db.Edited(%d, %d)", connectionID, userID)
}
