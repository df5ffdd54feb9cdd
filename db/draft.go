package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/settings"
)

// Draft is what somebody has changed in a connection's settings and not saved yet.
type Draft struct {
	Base      int // the version that it started from; 0 for none
	Settings  settings.Settings
	Note      string
	Problems  settings.FieldErrors // what the last refused save said
	UpdatedAt time.Time
}

type draftRow struct {
	Base      int       `db:"base"`
	Body      []byte    `db:"body"`
	Note      string    `db:"note"`
	Problems  []byte    `db:"problems"`
	UpdatedAt time.Time `db:"updated_at"`
}

func (r draftRow) decode() (*Draft, error) {
	d := &Draft{Base: r.Base, Note: r.Note, UpdatedAt: r.UpdatedAt, Settings: settings.Defaults(), Problems: settings.FieldErrors{}}
	if err := json.Unmarshal(r.Body, &d.Settings); err != nil {
		return nil, fmt.Errorf("read a draft: %w", err)
	}
	if err := json.Unmarshal(r.Problems, &d.Problems); err != nil {
		return nil, fmt.Errorf("read a draft's problems: %w", err)
	}
	return d, nil
}

// Draft returns a person's draft of a connection's settings, nil when there is none.
func (d *DB) Draft(ctx context.Context, connectionID, userID int64) (*Draft, error) {
	draft, err := draftOf(ctx, d.pool, connectionID, userID)
	return draft, wrapIf(asCancelled(ctx, err), "db.Draft(%d, %d)", connectionID, userID)
}

func draftOf(ctx context.Context, q sqlx.QueryerContext, connectionID, userID int64) (*Draft, error) {
	var row draftRow
	err := sqlx.GetContext(ctx, q, &row, `
		SELECT base, body, note, problems, updated_at FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`, connectionID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.decode()
}

// KeepSection keeps one section of s, and the note, in a person's draft, which begins with the version base where there is none yet, and returns the
// draft, or nil when nothing in it differs from its version any more; it is dropped then. Where base is older than the draft's own version, the draft
// goes back to base: what others have saved since is to be decided anew. It returns a *SettingsTextError for texts that cannot be stored and
// ErrNotFound for a version that does not exist.
func (d *DB) KeepSection(ctx context.Context, connectionID, userID int64, base int, section settings.Section, s settings.Settings, note string) (*Draft, error) {
	return d.changeDraft(ctx, connectionID, userID, base, note, func(draft *Draft) {
		draft.Settings = draft.Settings.Take(section, s)
		for path := range draft.Problems {
			if settings.SectionOf(path) == section {
				delete(draft.Problems, path)
			}
		}
	})
}

// KeepDraft replaces all of a person's draft by s on the version base, like KeepSection.
func (d *DB) KeepDraft(ctx context.Context, connectionID, userID int64, base int, s settings.Settings, note string) (*Draft, error) {
	return d.changeDraft(ctx, connectionID, userID, base, note, func(draft *Draft) {
		draft.Base, draft.Settings, draft.Problems = base, s, settings.FieldErrors{}
	})
}

// NoteProblems keeps what a refused save said of a person's draft.
func (d *DB) NoteProblems(ctx context.Context, connectionID, userID int64, problems settings.FieldErrors) error {
	text, err := json.Marshal(problems)
	if err != nil {
		return err
	}
	_, err = d.pool.ExecContext(ctx, `UPDATE millrace.settings_drafts SET problems = $3 WHERE connection_id = $1 AND user_id = $2`, connectionID, userID, text)
	return wrapIf(err, "db.NoteProblems(%d, %d)", connectionID, userID)
}

// DropDraft forgets a person's draft.
func (d *DB) DropDraft(ctx context.Context, connectionID, userID int64) error {
	_, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`, connectionID, userID)
	return wrapIf(err, "db.DropDraft(%d, %d)", connectionID, userID)
}

func (d *DB) changeDraft(ctx context.Context, connectionID, userID int64, base int, note string, change func(*Draft)) (*Draft, error) {
	var out *Draft
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		// Two tabs of one person wait for each other here, so that neither loses the other's section.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('settings draft', $1 * 1000003 + $2))`, connectionID, userID); err != nil {
			return err
		}
		draft, err := draftOf(ctx, tx, connectionID, userID)
		if err != nil {
			return err
		}
		if draft == nil {
			draft = &Draft{Base: base, Problems: settings.FieldErrors{}}
			if draft.Settings, err = versionOrDefaults(ctx, tx, connectionID, base); err != nil {
				return err
			}
		}
		draft.Base = min(draft.Base, base)
		change(draft)
		draft.Settings, draft.Note = draft.Settings.Normalize(), note
		if bad := draft.Settings.CheckTexts(note); len(bad) > 0 {
			return &SettingsTextError{Fields: bad}
		}
		from, err := versionOrDefaults(ctx, tx, connectionID, draft.Base)
		if err != nil {
			return err
		}
		if len(settings.Diff(from, draft.Settings)) == 0 {
			_, err = tx.ExecContext(ctx, `DELETE FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`, connectionID, userID)
			return err
		}
		out = draft
		return storeDraft(ctx, tx, connectionID, userID, draft)
	})
	return out, wrapIf(err, "db.changeDraft(%d, %d, base %d)", connectionID, userID, base)
}

func storeDraft(ctx context.Context, tx *sqlx.Tx, connectionID, userID int64, draft *Draft) error {
	body, err := json.Marshal(draft.Settings)
	if err != nil {
		return err
	}
	problems, err := json.Marshal(draft.Problems)
	if err != nil {
		return err
	}
	return tx.GetContext(ctx, &draft.UpdatedAt, `
		INSERT INTO millrace.settings_drafts (connection_id, user_id, base, body, note, problems) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (connection_id, user_id) DO UPDATE
		SET base = excluded.base, body = excluded.body, note = excluded.note, problems = excluded.problems, updated_at = now()
		RETURNING updated_at`, connectionID, userID, draft.Base, body, draft.Note, problems)
}

// versionOrDefaults returns the settings of a version; the defaults for version 0.
func versionOrDefaults(ctx context.Context, tx *sqlx.Tx, connectionID int64, version int) (settings.Settings, error) {
	if version == 0 {
		return settings.Defaults(), nil
	}
	var row settingsRow
	if err := tx.GetContext(ctx, &row, settingsSelect+` AND v.version = $2`, connectionID, version); err != nil {
		return settings.Settings{}, notFound(err)
	}
	v, err := row.decode()
	return v.Settings, err
}
