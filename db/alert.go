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
)

// Alert is one cause of trouble, from its beginning to its end. While it lasts there is one row of it, and one notice.
type Alert struct {
	ID             int64      `db:"id"`
	ConnectionID   int64      `db:"connection_id"`
	ConnectionName string     `db:"connection_name"`
	Environment    string     `db:"environment"`
	Cause          string     `db:"cause"`   // the key of an AlertCause
	Subject        string     `db:"subject"` // tells alerts of one cause apart; may be empty
	Title          string     `db:"title"`
	Detail         string     `db:"detail"`
	Place          string     `db:"place"` // path of the page on which it is cured
	PlaceLabel     string     `db:"place_label"`
	OpenedAt       time.Time  `db:"opened_at"`
	ToldAt         *time.Time `db:"told_at"` // when the notice of it was queued; nil when nobody was told
	EndedAt        *time.Time `db:"ended_at"`
	EndedText      string     `db:"ended_text"`
	Quiet          bool       `db:"quiet"` // it was called off, not cured
	Muted          bool       `db:"muted"`
}

// muted holds for an alert a of which nobody is to be told at present.
const muted = `EXISTS (SELECT FROM millrace.alert_mutes m
	WHERE m.connection_id = a.connection_id AND m.cause IN ('', a.cause) AND m.subject IN ('', a.subject) AND (m.until IS NULL OR m.until > now()))`

const alertSelect = `
SELECT a.id, a.connection_id, c.name AS connection_name, c.environment, a.cause, a.subject, a.title, a.detail, a.place, a.place_label, a.opened_at, a.told_at,
       a.ended_at, a.ended_text, a.quiet, ` + muted + ` AS muted
  FROM millrace.alerts a JOIN millrace.connections c ON c.id = a.connection_id`

// OpenAlerts lists what is wrong at present, the newest first.
func (d *DB) OpenAlerts(ctx context.Context) ([]Alert, error) {
	var out []Alert
	err := d.pool.SelectContext(ctx, &out, alertSelect+` WHERE a.ended_at IS NULL ORDER BY a.opened_at DESC, a.id DESC`)
	return out, wrapIf(asCancelled(ctx, err), "db.OpenAlerts")
}

const countAlerts = `SELECT count(*) FROM millrace.alerts a WHERE a.ended_at IS NULL AND NOT ` + muted

// CountOpenAlerts returns how many alerts are open, those left aside of which nobody is told at present.
func (d *DB) CountOpenAlerts(ctx context.Context) (int, error) {
	var n int
	err := d.pool.GetContext(ctx, &n, countAlerts)
	return n, wrapIf(asCancelled(ctx, err), "db.CountOpenAlerts")
}

// EndedAlert is a place in the list of ended alerts; the zero value is its beginning.
type EndedAlert struct {
	At time.Time
	ID int64
}

// EndedAlerts lists alerts that are over, the last ended first, from after a place on.
func (d *DB) EndedAlerts(ctx context.Context, after EndedAlert, limit int) ([]Alert, error) {
	var out []Alert
	err := d.pool.SelectContext(ctx, &out, alertSelect+`
		 WHERE a.ended_at IS NOT NULL AND ($1 = 0 OR (a.ended_at, a.id) < ($2, $1)) ORDER BY a.ended_at DESC, a.id DESC LIMIT $3`, after.ID, after.At, limit)
	return out, wrapIf(asCancelled(ctx, err), "db.EndedAlerts")
}

// AlertRule is what a cause is watched for at one connection.
type AlertRule struct {
	Off       bool  `json:"off,omitempty"`
	Threshold int64 `json:"threshold,omitempty"` // 0 for the cause's default
}

// AlertRules are the rules of a connection by cause. A cause that is not there is on, with its default.
type AlertRules struct {
	Version   int // 0 before the first change
	Causes    map[string]AlertRule
	ChangedBy string
	ChangedAt time.Time
}

// Of returns the rule of a cause with its threshold.
func (r AlertRules) Of(c AlertCause) AlertRule {
	rule := r.Causes[c.Key]
	if rule.Threshold == 0 {
		rule.Threshold = c.Default
	}
	return rule
}

// AlertRules returns the rules of a connection.
func (d *DB) AlertRules(ctx context.Context, connectionID int64) (AlertRules, error) {
	r, err := alertRules(ctx, d.pool, connectionID)
	return r, wrapIf(asCancelled(ctx, err), "db.AlertRules(%d)", connectionID)
}

func alertRules(ctx context.Context, q sqlx.QueryerContext, connectionID int64) (AlertRules, error) {
	var row struct {
		Version   int       `db:"version"`
		Body      []byte    `db:"body"`
		ChangedBy string    `db:"changed_by"`
		ChangedAt time.Time `db:"changed_at"`
	}
	r := AlertRules{Causes: map[string]AlertRule{}}
	err := sqlx.GetContext(ctx, q, &row, `
		SELECT r.version, r.body, coalesce(nullif(u.name, ''), u.email, '') AS changed_by, r.changed_at
		  FROM millrace.alert_rules r LEFT JOIN millrace.users u ON u.id = r.changed_by WHERE r.connection_id = $1`, connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(row.Body, &r.Causes)
	}
	r.Version, r.ChangedBy, r.ChangedAt = row.Version, row.ChangedBy, row.ChangedAt
	return r, err
}

// AlertConflictError says that somebody else has changed what was to be changed since it was read.
type AlertConflictError struct{ By string } // may be empty

// Error implements error.
func (e *AlertConflictError) Error() string { return "changed meanwhile by " + e.By }

// SaveAlertRules replaces the rules of a connection. It returns an *AlertConflictError when they are no longer at the version that r began with, and
// ErrNotFound for no connection.
func (d *DB) SaveAlertRules(ctx context.Context, connectionID int64, r AlertRules, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var id int64
		if err := tx.GetContext(ctx, &id, `SELECT id FROM millrace.connections WHERE id = $1 FOR UPDATE`, connectionID); err != nil {
			return notFound(err)
		}
		was, err := alertRules(ctx, tx, connectionID)
		if err != nil {
			return err
		}
		if was.Version != r.Version {
			return &AlertConflictError{was.ChangedBy}
		}
		body, err := json.Marshal(r.Causes)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.alert_rules (connection_id, version, body, changed_by) VALUES ($1, 1, $2, $3)
			ON CONFLICT (connection_id) DO UPDATE SET version = alert_rules.version + 1, body = excluded.body, changed_by = excluded.changed_by, changed_at = now()`,
			connectionID, body, by); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &by, Entity: "alert", Action: "rules saved", Changes: ruleChanges(was, r)})
	})
	return wrapIf(err, "db.SaveAlertRules(%d)", connectionID)
}

// ruleChanges tells each cause that changed, before and after.
func ruleChanges(was, is AlertRules) map[string][2]string {
	words := func(r AlertRule, c AlertCause) string {
		switch {
		case r.Off:
			return "off"
		case c.HasThreshold():
			return fmt.Sprintf("on, from %d %s", r.Threshold, c.Unit)
		}
		return "on"
	}
	out := map[string][2]string{}
	for _, c := range AlertCauses {
		if before, after := words(was.Of(c), c), words(is.Of(c), c); before != after {
			out[c.Label] = [2]string{before, after}
		}
	}
	return out
}

// AlertMute is something of which nobody is told for a while.
type AlertMute struct {
	ID             int64      `db:"id"`
	ConnectionID   int64      `db:"connection_id"`
	ConnectionName string     `db:"connection_name"`
	Cause          string     `db:"cause"`   // empty for all
	Subject        string     `db:"subject"` // empty for all
	Until          *time.Time `db:"until"`   // nil: until somebody ends it
	MadeBy         string     `db:"made_by"`
	MadeAt         time.Time  `db:"made_at"`
}

// AlertMutes lists the mutes in force.
func (d *DB) AlertMutes(ctx context.Context) ([]AlertMute, error) {
	var out []AlertMute
	err := d.pool.SelectContext(ctx, &out, `
		SELECT m.id, m.connection_id, c.name AS connection_name, m.cause, m.subject, m.until, coalesce(nullif(u.name, ''), u.email, '') AS made_by, m.made_at
		  FROM millrace.alert_mutes m JOIN millrace.connections c ON c.id = m.connection_id LEFT JOIN millrace.users u ON u.id = m.made_by
		 WHERE m.until IS NULL OR m.until > now() ORDER BY m.id`)
	return out, wrapIf(asCancelled(ctx, err), "db.AlertMutes")
}

// MuteAlerts has nobody told of a connection's alerts of a cause and a subject, each of which may be empty for all, for so long; 0 is until somebody ends it.
// A mute of the same is replaced. It returns ErrNotFound for no connection.
func (d *DB) MuteAlerts(ctx context.Context, connectionID int64, cause, subject string, long time.Duration, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var id int64
		if err := tx.GetContext(ctx, &id, `SELECT id FROM millrace.connections WHERE id = $1 FOR KEY SHARE`, connectionID); err != nil {
			return notFound(err)
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.alert_mutes (connection_id, cause, subject, until, made_by)
			VALUES ($1, $2, $3, CASE WHEN $4 > 0 THEN now() + $4 * interval '1 second' END, $5)
			ON CONFLICT (connection_id, cause, subject) DO UPDATE SET until = excluded.until, made_by = excluded.made_by, made_at = now()`,
			connectionID, cause, subject, long.Seconds(), by); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &by, Entity: "alert", Action: "muted", Detail: muteWords(cause, subject, long)})
	})
	return wrapIf(err, "db.MuteAlerts(%d)", connectionID)
}

func muteWords(cause, subject string, long time.Duration) string {
	what := "all alerts"
	if c, _ := AlertCauseOf(cause); cause != "" {
		what = strings.TrimSpace(c.Label + " " + subject)
	}
	if long == 0 {
		return what + ", until it is ended"
	}
	return fmt.Sprintf("%s, for %s", what, long)
}

// EndAlertMute ends a mute. Ending one that is over already does nothing.
func (d *DB) EndAlertMute(ctx context.Context, id, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var m AlertMute
		err := tx.GetContext(ctx, &m, `DELETE FROM millrace.alert_mutes WHERE id = $1 RETURNING id, connection_id, cause, subject`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: m.ConnectionID, ActorID: &by, Entity: "alert", Action: "unmuted", Detail: muteWords(m.Cause, m.Subject, 0)})
	})
	return wrapIf(err, "db.EndAlertMute(%d)", id)
}
