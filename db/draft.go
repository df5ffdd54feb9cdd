package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
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
	Forms     map[string]DraftForm // the boxes that are edited as rows, by field path
	UpdatedAt time.Time

	replaced bool // all of it, by other settings
}

// DraftForm is a box as it is being edited in rows. Its setting holds what the finished rows stand for.
type DraftForm struct {
	Rows       []DraftRow `json:"rows"`
	Unfinished string     `json:"unfinished,omitempty"` // what the first row lacks that is not finished; empty when all are
}

// DraftRow is one row as it was typed.
type DraftRow struct {
	Field    string   `json:"field"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	Picks    []string `json:"picks,omitempty"` // the ticked values
}

type draftRow struct {
	Base      int       `db:"base"`
	Body      []byte    `db:"body"`
	Note      string    `db:"note"`
	Problems  []byte    `db:"problems"`
	Forms     []byte    `db:"forms"`
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
	if err := json.Unmarshal(r.Forms, &d.Forms); err != nil {
		return nil, fmt.Errorf("read a draft's rows: %w", err)
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
	err := sqlx.GetContext(ctx, q, &row, kept(`
		SELECT base, body, note, problems, forms, updated_at FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`), connectionID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.decode()
}

// SectionForm is a section of the settings as somebody's page has sent it.
type SectionForm struct {
	Base     int // the version that the page was opened on
	Section  settings.Section
	Settings settings.Settings // of which only the section counts
	Note     string
	Rows     map[string]DraftForm // the boxes that are edited as rows, by field path
	Turn     FormTurn
}

// KeepSection keeps a section with its rows, and the note, in a person's draft, which begins with the version of the form where there is none yet, and
// returns the draft, or nil when nothing is being edited any more, not even a note; it is dropped then. Where the form's version is older than the draft's own, the draft goes
// back to it: what others have saved since is to be decided anew. What the person has saved since is not, where it is of this page or of other sections. It
// returns ErrOvertaken for a form that a later one of its page has overtaken, a *SettingsTextError for texts that cannot be stored and ErrNotFound for a
// version that does not exist.
func (d *DB) KeepSection(ctx context.Context, connectionID, userID int64, f SectionForm) (*Draft, error) {
	find := func(tx *sqlx.Tx) (int, error) {
		base, err := takeTurn(ctx, tx, connectionID, userID, f.Turn)
		if err != nil || base >= f.Base && base > 0 {
			return base, err
		}
		return ownSince(ctx, tx, connectionID, userID, f)
	}
	return d.changeDraft(ctx, connectionID, userID, find, f.Note, func(draft *Draft) {
		draft.Settings = draft.Settings.Take(f.Section, f.Settings)
		for path := range draft.Problems {
			if settings.SectionOf(path) == f.Section {
				delete(draft.Problems, path)
			}
		}
		maps.DeleteFunc(draft.Forms, func(path string, _ DraftForm) bool { return settings.SectionOf(path) == f.Section })
		for path, form := range f.Rows {
			if settings.SectionOf(path) == f.Section {
				draft.Forms[path] = form.storable()
			}
		}
	})
}

// KeepDraft replaces all settings of a person's draft by s on the version base, like KeepSection. Boxes whose text stays the same keep their rows; nothing
// is kept when s is the version itself.
func (d *DB) KeepDraft(ctx context.Context, connectionID, userID int64, base int, s settings.Settings, note string) (*Draft, error) {
	find := func(*sqlx.Tx) (int, error) { return base, nil }
	return d.changeDraft(ctx, connectionID, userID, find, note, func(draft *Draft) {
		for _, c := range settings.Diff(draft.Settings, s) {
			delete(draft.Forms, c.Path)
		}
		draft.Base, draft.Settings, draft.Problems, draft.replaced = base, s, settings.FieldErrors{}, true
	})
}

// storable is the form without what a database cannot hold.
func (f DraftForm) storable() DraftForm {
	clean := func(text string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	}
	out := DraftForm{Unfinished: clean(f.Unfinished)}
	for _, row := range f.Rows {
		kept := DraftRow{Field: clean(row.Field), Operator: clean(row.Operator), Value: clean(row.Value)}
		for _, v := range row.Picks {
			kept.Picks = append(kept.Picks, clean(v))
		}
		out.Rows = append(out.Rows, kept)
	}
	return out
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

// DropDraft forgets a person's draft, and with it what the page that asked for that has sent before and arrives later.
func (d *DB) DropDraft(ctx context.Context, connectionID, userID int64, turn FormTurn) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockDraft(ctx, tx, connectionID, userID); err != nil {
			return err
		}
		if _, err := takeTurn(ctx, tx, connectionID, userID, turn); err != nil && !errors.Is(err, ErrOvertaken) {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`, connectionID, userID)
		return err
	})
	return wrapIf(err, "db.DropDraft(%d, %d)", connectionID, userID)
}

// lockDraft has two tabs of one person wait for each other, so that neither loses the other's section.
func lockDraft(ctx context.Context, tx *sqlx.Tx, connectionID, userID int64) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('settings draft', $1 * 1000003 + $2))`, connectionID, userID)
	return err
}

// changeDraft changes a person's draft; find returns the version that the change was made on.
func (d *DB) changeDraft(ctx context.Context, connectionID, userID int64, find func(*sqlx.Tx) (int, error), note string, change func(*Draft)) (*Draft, error) {
	var out *Draft
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockDraft(ctx, tx, connectionID, userID); err != nil {
			return err
		}
		base, err := find(tx)
		if err != nil {
			return err
		}
		draft, err := draftOf(ctx, tx, connectionID, userID)
		if err != nil {
			return err
		}
		fresh := draft == nil
		if fresh {
			draft = &Draft{Problems: settings.FieldErrors{}, Forms: map[string]DraftForm{}}
		} else if fresh, err = unchanged(ctx, tx, connectionID, draft); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if fresh { // no setting differs from its version, so that it begins with any
			draft.Base = base
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
		same, err := unchanged(ctx, tx, connectionID, draft)
		if err != nil {
			return err
		}
		late, err := saved(ctx, tx, connectionID, draft)
		if err != nil {
			return err
		}
		if late || same && (len(draft.Forms) == 0 && draft.Note == "" || draft.replaced) {
			_, err = tx.ExecContext(ctx, `DELETE FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2`, connectionID, userID)
			return err
		}
		out = draft
		return storeDraft(ctx, tx, connectionID, userID, draft)
	})
	return out, wrapIf(err, "db.changeDraft(%d, %d)", connectionID, userID)
}

// unchanged reports whether a draft's settings are those of the version that it began with.
func unchanged(ctx context.Context, tx *sqlx.Tx, connectionID int64, draft *Draft) (bool, error) {
	from, err := versionOrDefaults(ctx, tx, connectionID, draft.Base)
	return err == nil && len(settings.Diff(from, draft.Settings)) == 0, err
}

// saved reports whether a later version than a draft began with is all that the draft holds: it was on its way while its sender saved.
func saved(ctx context.Context, tx *sqlx.Tx, connectionID int64, draft *Draft) (bool, error) {
	for _, form := range draft.Forms {
		if form.Unfinished != "" {
			return false, nil
		}
	}
	current, err := currentSettings(ctx, tx, connectionID)
	if err != nil || current == nil || current.Version <= draft.Base {
		return false, err
	}
	return len(settings.Diff(current.Settings, draft.Settings)) == 0, nil
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
	forms, err := json.Marshal(draft.Forms)
	if err != nil {
		return err
	}
	return tx.GetContext(ctx, &draft.UpdatedAt, `
		INSERT INTO millrace.settings_drafts (connection_id, user_id, base, body, note, problems, forms) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (connection_id, user_id) DO UPDATE
		SET base = excluded.base, body = excluded.body, note = excluded.note, problems = excluded.problems, forms = excluded.forms, updated_at = now()
		RETURNING updated_at`, connectionID, userID, draft.Base, body, draft.Note, problems, forms)
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
