package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Kinds of notices.
const (
	NoticeOpened    = "opened"
	NoticeRecovered = "recovered"
	NoticeTest      = "test"
)

// DeliveryState is where a notice stands.
type DeliveryState string

// The states of a notice.
const (
	DeliveryQueued    DeliveryState = "queued"
	DeliverySending   DeliveryState = "sending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed" // and is not tried again by itself
)

// DeliveryStates lists the states in the order in which people look for them.
var DeliveryStates = []DeliveryState{DeliveryQueued, DeliverySending, DeliveryDelivered, DeliveryFailed}

// Pending reports whether the notice is still on its way.
func (s DeliveryState) Pending() bool { return s == DeliveryQueued || s == DeliverySending }

// Delivery is one notice of one channel, to one address where that has several.
type Delivery struct {
	ID             int64         `db:"id"`
	MessageID      string        `db:"message_id"` // the same at each attempt
	ChannelID      int64         `db:"channel_id"`
	ChannelName    string        `db:"channel_name"`
	ChannelKind    ChannelKind   `db:"channel_kind"`
	ChannelRemoved bool          `db:"channel_removed"`
	AddressRemoved bool          `db:"address_removed"` // the channel does not write to the address any more
	Kind           string        `db:"kind"`            // NoticeOpened, NoticeRecovered or NoticeTest
	Address        string        `db:"address"`
	State          DeliveryState `db:"state"`
	Outcome        string        `db:"outcome"`
	Attempts       int           `db:"attempts"`
	Tries          int           `db:"tries"` // attempts since a person last asked for it
	NextAttemptAt  time.Time     `db:"next_attempt_at"`
	Fence          int64         `db:"fence"`
	CreatedAt      time.Time     `db:"created_at"`
	EndedAt        *time.Time    `db:"ended_at"`
	RequestedBy    string        `db:"requested_by_name"`

	// Of the alert; empty for a test.
	AlertID     int64      `db:"alert_id"`
	Cause       string     `db:"cause"`
	Subject     string     `db:"subject"`
	Title       string     `db:"title"`
	Detail      string     `db:"detail"`
	Place       string     `db:"place"`
	PlaceLabel  string     `db:"place_label"`
	OpenedAt    *time.Time `db:"opened_at"`
	AlertEnded  *time.Time `db:"alert_ended_at"`
	EndedText   string     `db:"ended_text"`
	OpeningID   string     `db:"opening_id"` // message id of the notice of the alert's beginning, to the same address
	Connection  string     `db:"connection_name"`
	ConnID      int64      `db:"connection_id"`
	Environment string     `db:"environment"`
}

const deliverySelect = `
SELECT d.id, d.message_id, d.channel_id, ch.name AS channel_name, ch.kind AS channel_kind, ch.removed_at IS NOT NULL AS channel_removed,
       d.address <> '' AND d.address <> ALL (ch.addresses) AS address_removed, d.kind, d.address,
       d.state, d.outcome, d.attempts, d.tries, d.next_attempt_at, d.fence, d.created_at, d.ended_at,
       coalesce(nullif(u.name, ''), u.email, '') AS requested_by_name,
       coalesce(a.id, 0) AS alert_id, coalesce(a.cause, '') AS cause, coalesce(a.subject, '') AS subject, coalesce(a.title, '') AS title,
       coalesce(a.detail, '') AS detail, coalesce(a.place, '') AS place, coalesce(a.place_label, '') AS place_label, a.opened_at,
       a.ended_at AS alert_ended_at, coalesce(a.ended_text, '') AS ended_text, coalesce(o.message_id, '') AS opening_id,
       coalesce(c.name, '') AS connection_name, coalesce(c.id, 0) AS connection_id, coalesce(c.environment, '') AS environment
  FROM millrace.alert_deliveries d
  JOIN millrace.alert_channels ch ON ch.id = d.channel_id
  LEFT JOIN millrace.users u ON u.id = d.requested_by
  LEFT JOIN millrace.alerts a ON a.id = d.alert_id
  LEFT JOIN millrace.connections c ON c.id = a.connection_id
  LEFT JOIN millrace.alert_deliveries o ON d.kind = 'recovered' AND o.alert_id = d.alert_id AND o.channel_id = d.channel_id AND o.kind = 'opened' AND o.address = d.address`

// DeliveryFilter selects notices. Zero values mean all.
type DeliveryFilter struct {
	ChannelID int64
	State     DeliveryState
	BeforeID  int64 // only notices older than this one
	Limit     int
}

// Deliveries lists notices, the newest first.
func (d *DB) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	var out []Delivery
	err := d.pool.SelectContext(ctx, &out, deliverySelect+`
		 WHERE ($1 = 0 OR d.channel_id = $1) AND ($2 = '' OR d.state = $2) AND ($3 = 0 OR d.id < $3) ORDER BY d.id DESC LIMIT $4`,
		f.ChannelID, f.State, f.BeforeID, f.Limit)
	return out, wrapIf(asCancelled(ctx, err), "db.Deliveries")
}

// Delivery returns a notice. It returns ErrNotFound when there is none.
func (d *DB) Delivery(ctx context.Context, id int64) (Delivery, error) {
	var out Delivery
	err := d.pool.GetContext(ctx, &out, deliverySelect+` WHERE d.id = $1`, id)
	return out, wrapIf(asCancelled(ctx, notFound(err)), "db.Delivery(%d)", id)
}

// Attempt is one attempt to hand a notice over.
type Attempt struct {
	N       int       `db:"attempt"`
	At      time.Time `db:"at"`
	TookMS  int       `db:"took_ms"`
	Code    int       `db:"code"`    // that the receiver answered; 0 for no answer
	Excerpt string    `db:"excerpt"` // of the answer
	Said    string    `db:"said"`    // how it went, in a sentence
}

// Attempts lists the attempts of a notice, the newest first.
func (d *DB) Attempts(ctx context.Context, deliveryID int64) ([]Attempt, error) {
	var out []Attempt
	err := d.pool.SelectContext(ctx, &out, `
		SELECT attempt, at, took_ms, code, excerpt, said FROM millrace.alert_attempts WHERE delivery_id = $1 ORDER BY attempt DESC`, deliveryID)
	return out, wrapIf(asCancelled(ctx, err), "db.Attempts(%d)", deliveryID)
}

// ClaimDelivery takes over the next notice that is due, for as long as lease: one whose time has come, or one whose sender has let its lease run out. The
// notices of one channel go one after the other, and an alert's end never before its beginning, so that a slow receiver holds up only itself. It returns nil when
// there is none.
func (d *DB) ClaimDelivery(ctx context.Context, owner string, lease time.Duration) (*Delivery, error) {
	var id int64
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		// Claims take turns: two at once would not see each other's, and could take two notices of one channel.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('millrace.alert_deliveries'))`); err != nil {
			return err
		}
		return tx.GetContext(ctx, &id, kept(`
			UPDATE millrace.alert_deliveries
			   SET state = 'sending', owner = $1, fence = fence + 1, attempts = attempts + 1, tries = tries + 1, lease_until = now() + $2 * interval '1 second'
			 WHERE id = (SELECT d.id FROM millrace.alert_deliveries d
			              WHERE (d.state = 'queued' AND d.next_attempt_at <= now() OR d.state = 'sending' AND d.lease_until < now())
			                AND NOT EXISTS (SELECT FROM millrace.alert_deliveries o
			                                 WHERE o.channel_id = d.channel_id AND o.state = 'sending' AND o.lease_until >= now() AND o.id <> d.id)
			                AND NOT EXISTS (SELECT FROM millrace.alert_deliveries o
			                                 WHERE d.kind = 'recovered' AND o.alert_id = d.alert_id AND o.channel_id = d.channel_id AND o.address = d.address
			                                   AND o.kind = 'opened' AND o.state IN ('queued', 'sending'))
			              ORDER BY d.next_attempt_at, d.id FOR UPDATE OF d SKIP LOCKED LIMIT 1)
			RETURNING id`), owner, lease.Seconds())
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, wrapIf(asCancelled(ctx, err), "db.ClaimDelivery")
	}
	out, err := d.Delivery(ctx, id)
	return &out, err
}

// AttemptEnd is how an attempt went, and what becomes of its notice.
type AttemptEnd struct {
	Delivered bool
	Code      int
	Excerpt   string
	Said      string
	Took      time.Duration
	Retry     time.Duration // until the next attempt; 0 gives up
	Gone      string        // why the channel is switched off with it; empty when it is not
}

// EndAttempt notes how an attempt of a claimed notice went. It returns ErrFenced when somebody else has taken the notice over meanwhile.
func (d *DB) EndAttempt(ctx context.Context, claimed Delivery, e AttemptEnd) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		state := DeliveryFailed
		switch {
		case e.Delivered:
			state = DeliveryDelivered
		case e.Retry > 0:
			state = DeliveryQueued
		}
		var attempts int
		err := tx.GetContext(ctx, &attempts, `
			UPDATE millrace.alert_deliveries
			   SET state = $3, outcome = $4, owner = '', lease_until = NULL, next_attempt_at = now() + $5 * interval '1 second',
			       ended_at = CASE WHEN $3 IN ('delivered', 'failed') THEN now() END
			 WHERE id = $1 AND fence = $2 AND state = 'sending' RETURNING attempts`, claimed.ID, claimed.Fence, state, e.Said, e.Retry.Seconds())
		if errors.Is(err, sql.ErrNoRows) {
			return ErrFenced
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.alert_attempts (delivery_id, attempt, at, took_ms, code, excerpt, said)
			VALUES ($1, $2, now() - $3 * interval '1 millisecond', $3, $4, $5, $6)`, claimed.ID, attempts, e.Took.Milliseconds(), e.Code, e.Excerpt, e.Said); err != nil {
			return err
		}
		if e.Gone == "" {
			return nil
		}
		return switchedOff(ctx, tx, claimed, e.Gone)
	})
	return wrapIf(asCancelled(ctx, err), "db.EndAttempt(%d)", claimed.ID)
}

// switchedOff switches a notice's channel off because its receiver wants no more.
func switchedOff(ctx context.Context, tx *sqlx.Tx, n Delivery, why string) error {
	r, err := tx.ExecContext(ctx, `
		UPDATE millrace.alert_channels SET enabled = false, off_reason = $2, version = version + 1 WHERE id = $1 AND enabled`, n.ChannelID, why)
	if err != nil {
		return err
	}
	if hit, err := r.RowsAffected(); err != nil || hit == 0 {
		return err
	}
	if err := giveUpOn(ctx, tx, n.ChannelID, "The channel was switched off before this was sent: "+why); err != nil {
		return err
	}
	return Audit(ctx, tx, AuditEntry{Entity: "alert", Action: "channel switched off", Detail: n.ChannelName + ": " + why})
}

// TestAlertChannel queues a test notice to each address of a channel, also of one that is switched off, and returns how many. A form that was sent before queues none.
func (d *DB) TestAlertChannel(ctx context.Context, id int64, formKey string, by int64) (int64, error) {
	var n int64
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var name string
		if err := tx.GetContext(ctx, &name, `SELECT name FROM millrace.alert_channels WHERE id = $1 AND removed_at IS NULL FOR KEY SHARE`, id); err != nil {
			return notFound(err)
		}
		r, err := tx.ExecContext(ctx, `
			INSERT INTO millrace.alert_deliveries (message_id, channel_id, kind, address, form_key, requested_by)
			SELECT `+newMessageID+`, c.id, 'test', coalesce(x.address, ''), $2, $3
			  FROM millrace.alert_channels c LEFT JOIN LATERAL unnest(c.addresses) AS x (address) ON true WHERE c.id = $1
			ON CONFLICT DO NOTHING`, id, formKey, by)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ActorID: &by, Entity: "alert", Action: "channel tested", Detail: name})
	})
	return n, wrapIf(err, "db.TestAlertChannel(%d)", id)
}

// ErrAddressRemoved means that a notice went to an address that its channel does not write to any more.
var ErrAddressRemoved = errors.New("the address is no longer one of the channel's")

// Redeliver queues a notice once more, under the same message id, if it is not on its way and has had so many attempts as whoever asks has seen. It reports
// whether it did. It returns ErrNotFound for a notice whose channel is gone, and ErrAddressRemoved for
// one to an address that the channel does not write to any more.
func (d *DB) Redeliver(ctx context.Context, id int64, attempts int, by int64) (queued bool, err error) {
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		var to struct {
			Name    string `db:"name"`
			Removed bool   `db:"removed"`
		}
		err := tx.GetContext(ctx, &to, `
			SELECT c.name, d.address <> '' AND d.address <> ALL (c.addresses) AS removed
			  FROM millrace.alert_deliveries d JOIN millrace.alert_channels c ON c.id = d.channel_id WHERE d.id = $1 AND c.removed_at IS NULL FOR SHARE OF c`, id)
		if err != nil {
			return notFound(err)
		}
		if to.Removed {
			return ErrAddressRemoved
		}
		r, err := tx.ExecContext(ctx, `
			UPDATE millrace.alert_deliveries SET state = 'queued', tries = 0, next_attempt_at = now(), ended_at = NULL, requested_by = $3
			 WHERE id = $1 AND attempts = $2 AND state IN ('delivered', 'failed')`, id, attempts, by)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		queued = true
		return Audit(ctx, tx, AuditEntry{ActorID: &by, Entity: "alert", Action: "notice sent again", Detail: fmt.Sprintf("notice %d to %s", id, to.Name)})
	})
	return queued, wrapIf(err, "db.Redeliver(%d)", id)
}
