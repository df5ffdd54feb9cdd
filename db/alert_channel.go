package db

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// ChannelKind is how a channel's notices travel.
type ChannelKind string

// The kinds of channels.
const (
	ChannelEmail   ChannelKind = "email"
	ChannelSlack   ChannelKind = "slack"   // a Slack-compatible incoming webhook
	ChannelWebhook ChannelKind = "webhook" // signed as Standard Webhooks says
)

// AlertChannel is where notices go, without its secrets.
type AlertChannel struct {
	ID             int64          `db:"id"`
	Kind           ChannelKind    `db:"kind"`
	Name           string         `db:"name"`
	Enabled        bool           `db:"enabled"`
	OffReason      string         `db:"off_reason"` // why it was switched off by itself
	Addresses      pq.StringArray `db:"addresses"`  // of e-mail
	Shown          string         `db:"shown"`      // the part of the address that people may see
	SecretMadeAt   *time.Time     `db:"secret_made_at"`
	OldSecretUntil *time.Time     `db:"old_secret_until"` // until when the secret before this one signs too; nil when it does not
	Version        int            `db:"version"`
	CreatedByName  string         `db:"created_by_name"`
	CreatedAt      time.Time      `db:"created_at"`
	Waiting        int64          `db:"waiting"`    // notices that are on their way
	LastState      string         `db:"last_state"` // of the newest notice; empty for none
	LastKind       string         `db:"last_kind"`  // and what it was
	LastOutcome    string         `db:"last_outcome"`
	LastAt         *time.Time     `db:"last_at"`
}

const channelSelect = `
SELECT c.id, c.kind, c.name, c.enabled, c.off_reason, c.addresses, c.shown, c.secret_made_at,
       CASE WHEN c.old_secret_until > now() THEN c.old_secret_until END AS old_secret_until, c.version,
       coalesce(nullif(u.name, ''), u.email, '') AS created_by_name, c.created_at,
       (SELECT count(*) FROM millrace.alert_deliveries d WHERE d.channel_id = c.id AND d.state IN ('queued', 'sending')) AS waiting,
       coalesce(last.state, '') AS last_state, coalesce(last.kind, '') AS last_kind, coalesce(last.outcome, '') AS last_outcome,
       coalesce(last.ended_at, last.created_at) AS last_at
  FROM millrace.alert_channels c
  LEFT JOIN millrace.users u ON u.id = c.created_by
  LEFT JOIN LATERAL (SELECT d.state, d.kind, d.outcome, d.ended_at, d.created_at FROM millrace.alert_deliveries d WHERE d.channel_id = c.id ORDER BY d.id DESC LIMIT 1) AS last ON true
 WHERE c.removed_at IS NULL`

// AlertChannels lists the channels, the oldest first.
func (d *DB) AlertChannels(ctx context.Context) ([]AlertChannel, error) {
	var out []AlertChannel
	err := d.pool.SelectContext(ctx, &out, channelSelect+` ORDER BY c.id`)
	return out, wrapIf(asCancelled(ctx, err), "db.AlertChannels")
}

// AlertChannel returns a channel. It returns ErrNotFound when there is none.
func (d *DB) AlertChannel(ctx context.Context, id int64) (AlertChannel, error) {
	var c AlertChannel
	err := d.pool.GetContext(ctx, &c, channelSelect+` AND c.id = $1`, id)
	return c, wrapIf(asCancelled(ctx, notFound(err)), "db.AlertChannel(%d)", id)
}

// NewChannel is a channel as somebody enters it.
type NewChannel struct {
	Kind      ChannelKind
	Name      string
	Addresses []string
	URL       string // of a webhook; empty for e-mail, and for an unchanged one
	Shown     string
	FormKey   string // of the form that was sent
}

// oldSecretLife is how long the secret before a new one goes on signing beside it.
const oldSecretLife = 24 * time.Hour

// newSecret makes a secret for signing, as Standard Webhooks writes them.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

func channelPlace(id int64, column string) place {
	return place{"alert_channels", strconv.FormatInt(id, 10), column}
}

// ErrSameForm says that the form had been sent before: what it asked for exists.
var ErrSameForm = errors.New("the form was sent before")

// CreateAlertChannel stores a channel and returns its id and, of a signed webhook, the secret, which is not given out again. A form that was sent before
// makes nothing: it returns ErrSameForm with the id of what it made.
func (d *DB) CreateAlertChannel(ctx context.Context, n NewChannel, by int64) (id int64, secret string, err error) {
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := tx.GetContext(ctx, &id, `SELECT nextval(pg_get_serial_sequence('millrace.alert_channels', 'id'))`); err != nil {
			return err
		}
		key, sealedKey, err := d.keys.newDataKey(channelPlace(id, "data_key_sealed"))
		if err != nil {
			return err
		}
		var url, sealed []byte
		if n.Kind != ChannelEmail {
			url = key.seal(channelPlace(id, "url_sealed"), []byte(n.URL))
		}
		if n.Kind == ChannelWebhook {
			secret = newSecret()
			sealed = key.seal(channelPlace(id, "secret_sealed"), []byte(secret))
		}
		var formKey *string
		if n.FormKey != "" {
			formKey = &n.FormKey
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.alert_channels (id, kind, name, addresses, shown, data_key_sealed, url_sealed, secret_sealed, secret_made_at, form_key, created_by)
			OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8::bytea IS NOT NULL THEN now() END, $9, $10)`,
			id, n.Kind, n.Name, pq.StringArray(orNone(n.Addresses)), n.Shown, sealedKey, url, sealed, formKey, by); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ActorID: &by, Entity: "alert", Action: "channel added", Detail: n.Name})
	})
	if isUnique(err, "alert_channels_form_key_key") {
		if err := d.pool.GetContext(ctx, &id, `SELECT id FROM millrace.alert_channels WHERE form_key = $1`, n.FormKey); err != nil {
			return 0, "", wrapIf(notFound(err), "db.CreateAlertChannel")
		}
		return id, "", ErrSameForm
	}
	return id, secret, wrapIf(err, "db.CreateAlertChannel")
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// SaveAlertChannel changes a channel's name, addresses and, when it is not empty, its URL; the kind stays. What waits for an address that goes with it is given up. It returns an *AlertConflictError when the channel
// is no longer at the version, and ErrNotFound when it is gone.
func (d *DB) SaveAlertChannel(ctx context.Context, id int64, version int, n NewChannel, by int64) error {
	return d.changeChannel(ctx, "db.SaveAlertChannel", id, version, by, "channel changed", func(tx *sqlx.Tx, _ AlertChannel, key sealKey) error {
		_, err := tx.ExecContext(ctx, `UPDATE millrace.alert_channels SET name = $2, addresses = $3 WHERE id = $1`, id, n.Name, pq.StringArray(orNone(n.Addresses)))
		if err == nil {
			_, err = tx.ExecContext(ctx, `
				UPDATE millrace.alert_deliveries SET state = 'failed', outcome = 'The address was removed from the channel before this was sent.', ended_at = now()
				 WHERE channel_id = $1 AND state = 'queued' AND address <> '' AND address <> ALL ($2)`, id, pq.StringArray(orNone(n.Addresses)))
		}
		if err == nil && n.URL != "" {
			_, err = tx.ExecContext(ctx, `UPDATE millrace.alert_channels SET url_sealed = $2, shown = $3 WHERE id = $1`,
				id, key.seal(channelPlace(id, "url_sealed"), []byte(n.URL)), n.Shown)
		}
		return err
	})
}

// SwitchAlertChannel switches a channel on or off. What waits for one that is switched off is given up.
func (d *DB) SwitchAlertChannel(ctx context.Context, id int64, version int, on bool, by int64) error {
	action := "channel switched off"
	if on {
		action = "channel switched on"
	}
	return d.changeChannel(ctx, "db.SwitchAlertChannel", id, version, by, action, func(tx *sqlx.Tx, _ AlertChannel, _ sealKey) error {
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.alert_channels SET enabled = $2, off_reason = '' WHERE id = $1`, id, on); err != nil || on {
			return err
		}
		return giveUpOn(ctx, tx, id, "The channel was switched off before this was sent.")
	})
}

// RemoveAlertChannel removes a channel with its secrets. Its notices stay in the log.
func (d *DB) RemoveAlertChannel(ctx context.Context, id int64, version int, by int64) error {
	return d.changeChannel(ctx, "db.RemoveAlertChannel", id, version, by, "channel removed", func(tx *sqlx.Tx, _ AlertChannel, _ sealKey) error {
		if _, err := tx.ExecContext(ctx, `
			UPDATE millrace.alert_channels
			   SET removed_at = now(), enabled = false, url_sealed = NULL, secret_sealed = NULL, old_secret_sealed = NULL, old_secret_until = NULL, addresses = '{}'
			 WHERE id = $1`, id); err != nil {
			return err
		}
		return giveUpOn(ctx, tx, id, "The channel was removed before this was sent.")
	})
}

// RotateChannelSecret gives a signed webhook a new secret and returns it; it is not given out again. For a day the secret before it signs too, so that the
// receiver can change over without missing anything.
func (d *DB) RotateChannelSecret(ctx context.Context, id int64, version int, by int64) (secret string, err error) {
	err = d.changeChannel(ctx, "db.RotateChannelSecret", id, version, by, "channel secret rotated", func(tx *sqlx.Tx, c AlertChannel, key sealKey) error {
		if c.Kind != ChannelWebhook {
			return ErrNotFound
		}
		var sealed []byte
		if err := tx.GetContext(ctx, &sealed, `SELECT secret_sealed FROM millrace.alert_channels WHERE id = $1`, id); err != nil {
			return err
		}
		old, err := key.open(channelPlace(id, "secret_sealed"), sealed)
		if err != nil {
			return err
		}
		secret = newSecret()
		_, err = tx.ExecContext(ctx, `
			UPDATE millrace.alert_channels
			   SET secret_sealed = $2, secret_made_at = now(), old_secret_sealed = $3, old_secret_until = now() + $4 * interval '1 second' WHERE id = $1`,
			id, key.seal(channelPlace(id, "secret_sealed"), []byte(secret)), key.seal(channelPlace(id, "old_secret_sealed"), old), oldSecretLife.Seconds())
		return err
	})
	return secret, err
}

// EndOldSecret has the secret before the current one sign nothing any more.
func (d *DB) EndOldSecret(ctx context.Context, id int64, version int, by int64) error {
	return d.changeChannel(ctx, "db.EndOldSecret", id, version, by, "old channel secret ended", func(tx *sqlx.Tx, _ AlertChannel, _ sealKey) error {
		_, err := tx.ExecContext(ctx, `UPDATE millrace.alert_channels SET old_secret_sealed = NULL, old_secret_until = NULL WHERE id = $1`, id)
		return err
	})
}

// changeChannel carries out a change of a channel at a version, with its audit row.
func (d *DB) changeChannel(ctx context.Context, op string, id int64, version int, by int64, action string, change func(*sqlx.Tx, AlertChannel, sealKey) error) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var sealedKey []byte
		if err := tx.GetContext(ctx, &sealedKey, `SELECT data_key_sealed FROM millrace.alert_channels WHERE id = $1 AND removed_at IS NULL FOR UPDATE`, id); err != nil {
			return notFound(err)
		}
		var c AlertChannel
		if err := tx.GetContext(ctx, &c, channelSelect+` AND c.id = $1`, id); err != nil {
			return notFound(err)
		}
		if c.Version != version {
			return &AlertConflictError{}
		}
		key, err := d.keys.dataKey(channelPlace(id, "data_key_sealed"), sealedKey)
		if err != nil {
			return err
		}
		if err := change(tx, c, key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.alert_channels SET version = version + 1 WHERE id = $1`, id); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ActorID: &by, Entity: "alert", Action: action, Detail: c.Name})
	})
	return wrapIf(err, "%s(%d)", op, id)
}

// giveUpOn ends the notices that wait for a channel.
func giveUpOn(ctx context.Context, tx *sqlx.Tx, channelID int64, why string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE millrace.alert_deliveries SET state = 'failed', outcome = $2, ended_at = now(), fence = fence + 1, lease_until = NULL
		 WHERE channel_id = $1 AND state IN ('queued', 'sending')`, channelID, why)
	return err
}

// ChannelTarget is where a channel's notices go, opened for sending.
type ChannelTarget struct {
	Kind    ChannelKind
	URL     string
	Secrets []string // that sign, the current one first
}

// ChannelTarget opens a channel's address and secrets. It returns ErrNotFound for one that is gone.
func (d *DB) ChannelTarget(ctx context.Context, id int64) (ChannelTarget, error) {
	var row struct {
		Kind ChannelKind `db:"kind"`
		Key  []byte      `db:"data_key_sealed"`
		URL  []byte      `db:"url_sealed"`
		New  []byte      `db:"secret_sealed"`
		Old  []byte      `db:"old_secret_sealed"`
	}
	err := d.pool.GetContext(ctx, &row, `
		SELECT kind, data_key_sealed, url_sealed, secret_sealed, CASE WHEN old_secret_until > now() THEN old_secret_sealed END AS old_secret_sealed
		  FROM millrace.alert_channels WHERE id = $1 AND removed_at IS NULL`, id)
	if err != nil {
		return ChannelTarget{}, fmt.Errorf("db.ChannelTarget(%d): %w", id, asCancelled(ctx, notFound(err)))
	}
	key, err := d.keys.dataKey(channelPlace(id, "data_key_sealed"), row.Key)
	if err != nil {
		return ChannelTarget{}, fmt.Errorf("db.ChannelTarget(%d): %w", id, err)
	}
	t := ChannelTarget{Kind: row.Kind}
	for column, sealed := range map[string][]byte{"url_sealed": row.URL, "secret_sealed": row.New, "old_secret_sealed": row.Old} {
		if len(sealed) == 0 {
			continue
		}
		plain, err := key.open(channelPlace(id, column), sealed)
		if err != nil {
			return ChannelTarget{}, fmt.Errorf("db.ChannelTarget(%d): %w", id, err)
		}
		switch column {
		case "url_sealed":
			t.URL = string(plain)
		case "secret_sealed":
			t.Secrets = slices.Insert(t.Secrets, 0, string(plain))
		default:
			t.Secrets = append(t.Secrets, string(plain))
		}
	}
	return t, nil
}
