package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
	"millrace/settings"
)

// SettingsVersion is one saved copy of a connection's settings.
type SettingsVersion struct {
	ConnectionID int64
	Version      int // from 1
	Settings     settings.Settings
	Note         string
	AuthorID     *int64
	AuthorName   string // or the author's address
	CreatedAt    time.Time
}

// VersionConflictError says that somebody else has saved since the settings were read.
type VersionConflictError struct{ Current SettingsVersion }

// Error implements error.
func (e *VersionConflictError) Error() string {
	return fmt.Sprintf("version %d was saved meanwhile by %s", e.Current.Version, e.Current.AuthorName)
}

// SettingsTextError says that settings or their note hold texts that cannot be stored.
type SettingsTextError struct{ Fields settings.FieldErrors }

// Error implements error.
func (e *SettingsTextError) Error() string {
	return fmt.Sprintf("%d texts of the settings cannot be stored", len(e.Fields))
}

type settingsRow struct {
	ConnectionID int64     `db:"connection_id"`
	Version      int       `db:"version"`
	Body         []byte    `db:"body"`
	Note         string    `db:"note"`
	AuthorID     *int64    `db:"author_id"`
	AuthorName   string    `db:"author_name"`
	CreatedAt    time.Time `db:"created_at"`
}

const settingsSelect = `
	SELECT v.connection_id, v.version, v.body, v.note, v.author_id, coalesce(nullif(u.name, ''), u.email, '') AS author_name, v.created_at
	  FROM millrace.settings_versions v
	  LEFT JOIN millrace.users u ON u.id = v.author_id
	 WHERE v.connection_id = $1`

func (r settingsRow) decode() (SettingsVersion, error) {
	v := SettingsVersion{ConnectionID: r.ConnectionID, Version: r.Version, Note: r.Note, AuthorID: r.AuthorID, AuthorName: r.AuthorName, CreatedAt: r.CreatedAt}
	v.Settings = settings.Defaults() // for what a later release adds
	if err := json.Unmarshal(r.Body, &v.Settings); err != nil {
		return v, fmt.Errorf("read settings version %d: %w", r.Version, err)
	}
	return v, nil
}

// CurrentSettings returns a connection's newest settings, nil when nobody has saved any.
func (d *DB) CurrentSettings(ctx context.Context, connectionID int64) (*SettingsVersion, error) {
	v, err := currentSettings(ctx, d.pool, connectionID)
	if err != nil {
		return nil, fmt.Errorf("db.CurrentSettings(%d): %w", connectionID, asCancelled(ctx, err))
	}
	return v, nil
}

func currentSettings(ctx context.Context, q sqlx.QueryerContext, connectionID int64) (*SettingsVersion, error) {
	var row settingsRow
	err := sqlx.GetContext(ctx, q, &row, kept(settingsSelect+` ORDER BY v.version DESC LIMIT 1`), connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := row.decode()
	return &v, err
}

// SettingsVersionAt returns one version of a connection's settings. It returns ErrNotFound when it does not exist.
func (d *DB) SettingsVersionAt(ctx context.Context, connectionID int64, version int) (SettingsVersion, error) {
	var row settingsRow
	err := d.pool.GetContext(ctx, &row, kept(settingsSelect+` AND v.version = $2`), connectionID, version)
	var v SettingsVersion
	if err == nil {
		v, err = row.decode()
	}
	if err != nil {
		return v, fmt.Errorf("db.SettingsVersionAt(%d, %d): %w", connectionID, version, asCancelled(ctx, notFound(err)))
	}
	return v, nil
}

// SettingsVersions lists a connection's versions, the newest first, at most limit of them; with before above 0 only those that are older than it.
func (d *DB) SettingsVersions(ctx context.Context, connectionID int64, before, limit int) ([]SettingsVersion, error) {
	query, args := settingsSelect, []any{connectionID, limit}
	if before > 0 {
		query, args = query+` AND v.version < $3`, append(args, before)
	}
	var rows []settingsRow
	if err := d.pool.SelectContext(ctx, &rows, query+` ORDER BY v.version DESC LIMIT $2`, args...); err != nil {
		return nil, fmt.Errorf("db.SettingsVersions(%d): %w", connectionID, asCancelled(ctx, err))
	}
	all := make([]SettingsVersion, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = row.decode(); err != nil {
			return nil, fmt.Errorf("db.SettingsVersions(%d): %w", connectionID, err)
		}
	}
	return all, nil
}

// SaveSettings stores s as the version after base, which is the version that the author saw; 0 for none. It returns saved false, with the current
// version, when s changes nothing, a *VersionConflictError when base is not the current version any more, a *SettingsTextError when a text cannot be stored, and ErrNotFound for no connection. The audit
// row is part of the transaction, and so are the schedules that follow from s, the end of the author's draft if that holds nothing else, and the first run, which version 1 queues.
func (d *DB) SaveSettings(ctx context.Context, connectionID int64, base int, s settings.Settings, note string, author int64) (v SettingsVersion, saved bool, err error) {
	return d.saveVersion(ctx, connectionID, base, s, newVersion{note: note, author: author, action: "saved"})
}

// ImportSettings stores s as SaveSettings does, on behalf of somebody who is not at the screens: the author's draft stays.
func (d *DB) ImportSettings(ctx context.Context, connectionID int64, base int, s settings.Settings, note string, author int64) (SettingsVersion, bool, error) {
	return d.saveVersion(ctx, connectionID, base, s, newVersion{note: note, author: author, action: "imported"})
}

// RestoreSettings stores an older version once more, as the version after base, as SaveSettings does. The author's draft stays: nobody has looked at it.
func (d *DB) RestoreSettings(ctx context.Context, connectionID int64, base, version int, author int64) (SettingsVersion, bool, error) {
	old, err := d.SettingsVersionAt(ctx, connectionID, version)
	if err != nil {
		return SettingsVersion{}, false, err
	}
	return d.saveVersion(ctx, connectionID, base, old.Settings, newVersion{note: fmt.Sprintf("Restored v%d", version), author: author, action: "restored", detail: fmt.Sprintf(" from version %d", version)})
}

// newVersion is what a new version of the settings holds besides them.
type newVersion struct {
	note           string
	author         int64
	action, detail string               // for the audit log
	also           func(*sqlx.Tx) error // part of the transaction, which it runs last in; nil for nothing
	turn           FormTurn             // the form that it is saved from
}

// SettingsForm is what somebody saves at the screens.
type SettingsForm struct {
	Base     int // the version that the author saw; 0 for none
	Settings settings.Settings
	Note     string
	Author   int64
	Turn     FormTurn
	// The schedule of Chatter is saved with the settings, as SaveChatterSchedule and DisableChatterSchedule do, even where those change nothing; nil for not.
	Chatter *settings.ChatterFrequency
}

// SaveForm is SaveSettings for a page: what that page has sent before and arrives later is no draft any more, and what it sends from then on goes on from
// the new version. It returns the errors of SaveChatterSchedule besides.
func (d *DB) SaveForm(ctx context.Context, connectionID int64, f SettingsForm) (v SettingsVersion, saved bool, err error) {
	of := newVersion{note: f.Note, author: f.Author, action: "saved", turn: f.Turn}
	if f.Chatter != nil {
		of.also = func(tx *sqlx.Tx) error {
			if *f.Chatter == settings.NoChatterSchedule {
				return disableChatter(ctx, tx, connectionID, f.Author)
			}
			return saveChatter(ctx, tx, connectionID, *f.Chatter, f.Settings.Normalize().Sync.TimeZone, f.Author)
		}
	}
	return d.saveVersion(ctx, connectionID, f.Base, f.Settings, of)
}

// endDraft ends the author's draft with a version. What the author has typed elsewhere since these settings were read stays a draft, and goes on from the
// version: it was typed on what that holds.
func endDraft(ctx context.Context, tx *sqlx.Tx, connectionID int64, of newVersion, version int, body []byte) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM millrace.settings_drafts WHERE connection_id = $1 AND user_id = $2 AND body = $3`, connectionID, of.author, body); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE millrace.settings_drafts SET base = $3 WHERE connection_id = $1 AND user_id = $2 AND base = $3 - 1`, connectionID, of.author, version); err != nil {
		return err
	}
	return noteSaved(ctx, tx, connectionID, of.author, of.turn, version)
}

func (d *DB) saveVersion(ctx context.Context, connectionID int64, base int, s settings.Settings, of newVersion) (v SettingsVersion, saved bool, err error) {
	if bad := s.CheckTexts(of.note); len(bad) > 0 {
		return v, false, fmt.Errorf("db.saveVersion(%d, base %d): %w", connectionID, base, &SettingsTextError{Fields: bad})
	}
	s = s.Normalize()
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if of.action == "saved" { // before the connection, as whoever keeps a draft does
			if err := lockDraft(ctx, tx, connectionID, of.author); err != nil {
				return err
			}
		}
		var id int64
		if err := tx.GetContext(ctx, &id, `SELECT id FROM millrace.connections WHERE id = $1 FOR UPDATE`, connectionID); err != nil {
			return notFound(err)
		}
		current, err := currentSettings(ctx, tx, connectionID)
		if err != nil {
			return err
		}
		var was SettingsVersion
		if current != nil {
			was = *current
		}
		if was.Version != base {
			return &VersionConflictError{Current: was}
		}
		changes := settings.Diff(was.Settings, s)
		if was.Version > 0 && len(changes) == 0 {
			v = was
		} else if v, saved, err = insertSettings(ctx, tx, was.Version+1, connectionID, s, of, changes); err != nil {
			return err
		}
		if of.also != nil {
			return of.also(tx)
		}
		return nil
	})
	if err != nil {
		return SettingsVersion{}, false, fmt.Errorf("db.saveVersion(%d, base %d): %w", connectionID, base, err)
	}
	return v, saved, nil
}

func insertSettings(ctx context.Context, tx *sqlx.Tx, version int, connectionID int64, s settings.Settings, of newVersion,
	changes []settings.Change) (SettingsVersion, bool, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return SettingsVersion{}, false, err
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.settings_versions (connection_id, version, body, note, author_id) VALUES ($1, $2, $3, $4, $5)`,
		connectionID, version, body, strings.TrimSpace(of.note), of.author); err != nil {
		return SettingsVersion{}, false, err
	}
	before := map[string][2]string{}
	for _, c := range changes {
		before[c.Path] = [2]string{c.Before, c.After}
	}
	entry := AuditEntry{ConnectionID: connectionID, ActorID: &of.author, Entity: "settings", Action: of.action, Changes: before, Detail: fmt.Sprintf("version %d", version) + of.detail}
	if err := Audit(ctx, tx, entry); err != nil {
		return SettingsVersion{}, false, err
	}
	if of.action == "saved" {
		if err := endDraft(ctx, tx, connectionID, of, version, body); err != nil {
			return SettingsVersion{}, false, err
		}
	}
	// Syncs that have not begun go by these settings.
	if _, err := tx.ExecContext(ctx, `
		UPDATE millrace.runs SET settings_version = $2
		 WHERE connection_id = $1 AND state = 'queued' AND started_at IS NULL AND entity NOT IN `+noSync, connectionID, version); err != nil {
		return SettingsVersion{}, false, err
	}
	if err := saveSchedules(ctx, tx, connectionID, s); err != nil {
		return SettingsVersion{}, false, err
	}
	if version == 1 {
		first := newRun{connection: connectionID, version: version, entity: pipeline.EntityAll, trigger: TriggerFirst, by: &of.author}
		if _, _, err := queueRun(ctx, tx, first); err != nil {
			return SettingsVersion{}, false, fmt.Errorf("queue the first run: %w", err)
		}
	}
	v, err := currentSettings(ctx, tx, connectionID)
	if err != nil {
		return SettingsVersion{}, false, err
	}
	return *v, true, nil
}
