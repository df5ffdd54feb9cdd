package db

import (
	"context"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// FailStep implements pipeline.Store.
func (s *RunStore) FailStep(ctx context.Context, step pipeline.Step) error {
	body, err := bodyOf(step)
	if err != nil {
		return storeFault("fail "+step.Name, err)
	}
	return s.update(ctx, "fail "+step.Name, step, `state = 'failed', started_at = coalesce(started_at, now()), finished_at = now(), note = $3, body = $4`,
		strings.TrimSpace(fullStop(step.Refusal.Message)+" What is here stays as it was."), body)
}

// fullStop ends a sentence that Salesforce has left open.
func fullStop(text string) string {
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// SeenObjects implements pipeline.Store.
func (s *RunStore) SeenObjects(ctx context.Context) ([]pipeline.SeenObject, error) {
	objects, _, err := s.db.SchemaSeen(ctx, s.connectionID)
	return objects, storeFault("read what was seen of the org", err)
}

// NoteDrifts implements pipeline.Store.
func (s *RunStore) NoteDrifts(ctx context.Context, drifts []pipeline.NoticedDrift) error {
	return s.transact(ctx, "note changes in the org", func(tx *sqlx.Tx) error {
		keys := []string{}
		for _, d := range drifts {
			keys = append(keys, string(d.Kind)+" "+d.Object+" "+d.Field)
			_, err := tx.ExecContext(ctx, `
				INSERT INTO millrace.schema_drifts AS d (connection_id, object, field, kind, used_by, sentence, first_run) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (connection_id, object, field, kind) DO UPDATE
				   SET used_by = excluded.used_by, sentence = excluded.sentence, last_seen_at = now(), resolved_at = NULL,
				       first_seen_at = CASE WHEN d.resolved_at IS NULL THEN d.first_seen_at ELSE now() END,
				       first_run     = CASE WHEN d.resolved_at IS NULL THEN d.first_run ELSE excluded.first_run END`,
				s.connectionID, d.Object, d.Field, d.Kind, pq.Array(d.UsedBy), d.Sentence, s.runID)
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.schema_drifts SET resolved_at = now()
			 WHERE connection_id = $1 AND resolved_at IS NULL AND NOT (kind || ' ' || object || ' ' || field = ANY ($2))`, s.connectionID, pq.Array(keys))
		return err
	})
}

// SchemaDrift is a change in an org that touches the settings of its connection.
type SchemaDrift struct {
	Object     string             `db:"object"`
	Field      string             `db:"field"` // empty for the object as such
	Kind       pipeline.DriftKind `db:"kind"`
	UsedBy     pq.StringArray     `db:"used_by"`
	Sentence   string             `db:"sentence"` // without its full stop
	FirstSeen  time.Time          `db:"first_seen_at"`
	FirstRun   int64              `db:"first_run"`
	LastSeen   time.Time          `db:"last_seen_at"`
	ResolvedAt *time.Time         `db:"resolved_at"`
}

// SchemaDrifts returns the changes in a connection's org that last, the oldest first.
func (d *DB) SchemaDrifts(ctx context.Context, connectionID int64) ([]SchemaDrift, error) {
	return d.schemaDrifts(ctx, `connection_id = $1 AND resolved_at IS NULL`, connectionID)
}

// NoticedBy returns the changes that a run was the first to notice.
func (d *DB) NoticedBy(ctx context.Context, runID int64) ([]SchemaDrift, error) {
	return d.schemaDrifts(ctx, `first_run = $1`, runID)
}

func (d *DB) schemaDrifts(ctx context.Context, where string, id int64) ([]SchemaDrift, error) {
	var out []SchemaDrift
	err := d.pool.SelectContext(ctx, &out, `
		SELECT object, field, kind, used_by, sentence, first_seen_at, first_run, last_seen_at, resolved_at
		  FROM millrace.schema_drifts WHERE `+where+` ORDER BY first_seen_at, object, field`, id)
	return out, wrapIf(asCancelled(ctx, err), "db.schemaDrifts(%d)", id)
}
