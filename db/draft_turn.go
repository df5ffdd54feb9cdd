package db

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jmoiron/sqlx"

	"millrace/settings"
)

// ErrOvertaken is returned, wrapped, for a form that arrives after a later one of the same page.
var ErrOvertaken = errors.New("a later form of this page has arrived before")

// FormTurn places a form among those that one page has sent: the network does not keep their order. The zero value is a form that nothing is known of, as
// of a browser without scripts, which sends one thing at a time.
type FormTurn struct {
	Page   string // a name that the page has given itself when it was loaded
	Number int64  // rises with each form
	// What the same tab had sent last of the form before this page was loaded; this page goes on from that.
	BeforePage   string
	BeforeNumber int64
}

// FormTurns lists the last form of each of a person's pages that has arrived, of at most limit pages, the newest first.
func (d *DB) FormTurns(ctx context.Context, connectionID, userID int64, limit int) ([]FormTurn, error) {
	var rows []struct {
		Page   string `db:"page"`
		Number int64  `db:"turn"`
	}
	err := d.pool.SelectContext(ctx, &rows, kept(`
		SELECT page, turn FROM millrace.settings_draft_turns WHERE connection_id = $1 AND user_id = $2 ORDER BY at DESC LIMIT $3`), connectionID, userID, limit)
	var out []FormTurn
	for _, r := range rows {
		out = append(out, FormTurn{Page: r.Page, Number: r.Number})
	}
	return out, wrapIf(asCancelled(ctx, err), "db.FormTurns(%d, %d)", connectionID, userID)
}

// takeTurn notes that a form has arrived and returns the newest version that was saved from its page, 0 for none. It returns ErrOvertaken when a later one
// has arrived before. The draft must be locked.
func takeTurn(ctx context.Context, tx *sqlx.Tx, connectionID, userID int64, turn FormTurn) (saved int, err error) {
	if turn.Page == "" {
		return 0, nil
	}
	if _, err := tx.ExecContext(ctx, `
		DELETE FROM millrace.settings_draft_turns WHERE connection_id = $1 AND user_id = $2 AND at < now() - interval '7 days'`, connectionID, userID); err != nil {
		return 0, err
	}
	if turn.BeforePage != "" {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.settings_draft_turns (connection_id, user_id, page, turn) VALUES ($1, $2, $3, $4)
			ON CONFLICT (connection_id, user_id, page) DO UPDATE SET turn = excluded.turn WHERE settings_draft_turns.turn < excluded.turn`,
			connectionID, userID, turn.BeforePage, turn.BeforeNumber); err != nil {
			return 0, err
		}
	}
	err = tx.GetContext(ctx, &saved, `
		INSERT INTO millrace.settings_draft_turns (connection_id, user_id, page, turn) VALUES ($1, $2, $3, $4)
		ON CONFLICT (connection_id, user_id, page) DO UPDATE SET turn = excluded.turn, at = now() WHERE settings_draft_turns.turn < excluded.turn
		RETURNING saved_version`, connectionID, userID, turn.Page, turn.Number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrOvertaken
	}
	return saved, err
}

// noteSaved notes that a version was saved from a page: what that page sends from then on goes on from the version.
func noteSaved(ctx context.Context, tx *sqlx.Tx, connectionID, userID int64, turn FormTurn, version int) error {
	if turn.Page == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.settings_draft_turns (connection_id, user_id, page, turn, saved_version) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (connection_id, user_id, page) DO UPDATE
		SET turn = greatest(settings_draft_turns.turn, excluded.turn), saved_version = excluded.saved_version, at = now()`,
		connectionID, userID, turn.Page, turn.Number, version)
	return err
}

// ownSince returns the version that a form goes on from: the current one where every version since its own was saved by the same person, in other tabs,
// and left the form's section as it was; its own otherwise.
func ownSince(ctx context.Context, tx *sqlx.Tx, connectionID, userID int64, f SectionForm) (int, error) {
	current, err := currentSettings(ctx, tx, connectionID)
	if err != nil || current == nil || current.Version <= f.Base {
		return f.Base, err
	}
	var own bool
	if err := tx.GetContext(ctx, &own, `
		SELECT coalesce(bool_and(author_id IS NOT DISTINCT FROM $2), false) FROM millrace.settings_versions WHERE connection_id = $1 AND version > $3`,
		connectionID, userID, f.Base); err != nil || !own {
		return f.Base, err
	}
	from, err := versionOrDefaults(ctx, tx, connectionID, f.Base)
	if errors.Is(err, ErrNotFound) {
		return f.Base, nil
	}
	if err != nil || len(settings.Diff(from, from.Take(f.Section, current.Settings))) > 0 {
		return f.Base, err
	}
	return current.Version, nil
}
