package db

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// Seen is what a look at a connection found to hold of one cause.
type Seen struct {
	Cause   string
	Subject string `db:"subject"`
	Run     string `db:"run"`  // short id; empty for none
	Code    string `db:"code"` // tells cases of a cause apart
	Detail  string `db:"detail"`
	N       int64  `db:"n"`
	Of      int64  `db:"of"`
}

// AlertWords says to people what was seen, and where it is cured.
type AlertWords struct{ Title, Detail, Place, PlaceLabel string }

// AlertChange is an alert that a look has opened or ended.
type AlertChange struct {
	Alert
	Opened bool
	Told   int64 // notices that were queued
}

// endedQuietly says why an alert ended that was not cured.
const (
	quietDisconnected = "The org was disconnected, so it is not watched any more."
	quietLost         = "The connection was lost, which has an alert of its own."
	quietOff          = "This alert was switched off."
)

// WatchAlerts looks once at a connection: it opens the alerts of what has begun, ends those of what is over, and queues one notice of each to every channel,
// all in one transaction. Of several callers at once one looks, the others return at once. Words puts into words what begins, and over what ends. It returns what
// changed.
func (d *DB) WatchAlerts(ctx context.Context, connectionID int64, words func(Connection, Seen) AlertWords, over func(Alert) string) ([]AlertChange, error) {
	w := watch{id: connectionID, words: words, over: over}
	err := d.Transact(ctx, func(tx *sqlx.Tx) error { return w.look(ctx, tx) })
	return w.changes, wrapIf(err, "db.WatchAlerts(%d)", connectionID)
}

// watch is one look at one connection.
type watch struct {
	id         int64
	words      func(Connection, Seen) AlertWords
	over       func(Alert) string
	connection Connection
	changes    []AlertChange

	statusAfter ConnectionStatus // when all causes were asked for
}

func (w *watch) look(ctx context.Context, tx *sqlx.Tx) error {
	var mine bool
	if err := tx.GetContext(ctx, &mine, `SELECT pg_try_advisory_xact_lock(hashtextextended('millrace.alerts', $1))`, w.id); err != nil || !mine {
		return err
	}
	if err := tx.GetContext(ctx, &w.connection, `SELECT `+connectionColumns+` FROM millrace.connections WHERE id = $1`, w.id); err != nil {
		return notFound(err)
	}
	rules, err := alertRules(ctx, tx, w.id)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	var open []Alert
	if err := tx.SelectContext(ctx, &open, alertSelect+` WHERE a.connection_id = $1 AND a.ended_at IS NULL`, w.id); err != nil {
		return err
	}
	var seen []Seen
	if w.connection.Status != StatusDisconnected {
		if seen, err = w.see(ctx, tx, rules); err != nil {
			return err
		}
	}
	for _, s := range seen {
		i := slices.IndexFunc(open, func(a Alert) bool { return a.Cause == s.Cause && a.Subject == s.Subject })
		if i < 0 {
			err = w.begin(ctx, tx, s)
		} else {
			err = w.goOn(ctx, tx, open[i], s)
			open = slices.Delete(open, i, i+1)
		}
		if err != nil {
			return err
		}
	}
	// The connection may have been lost or found between the first question and the last one.
	if err := tx.GetContext(ctx, &w.statusAfter, `SELECT status FROM millrace.connections WHERE id = $1`, w.id); err != nil {
		return err
	}
	for _, a := range open {
		if err := w.end(ctx, tx, a, rules); err != nil {
			return err
		}
	}
	return w.tell(ctx, tx)
}

// see asks for each cause what holds.
func (w *watch) see(ctx context.Context, tx *sqlx.Tx, rules AlertRules) ([]Seen, error) {
	var all []Seen
	for _, c := range AlertCauses {
		rule := rules.Of(c)
		if rule.Off {
			continue
		}
		var some []Seen
		if err := tx.SelectContext(ctx, &some, c.watch, w.id, rule.Threshold, c.Key); err != nil {
			return nil, fmt.Errorf("look for %s: %w", c.Key, err)
		}
		for _, s := range some {
			s.Cause = c.Key
			all = append(all, s)
		}
	}
	return all, nil
}

func (w *watch) begin(ctx context.Context, tx *sqlx.Tx, s Seen) error {
	said := w.words(w.connection, s)
	var a Alert
	err := tx.GetContext(ctx, &a, `
		WITH new AS (
		    INSERT INTO millrace.alerts (connection_id, cause, subject, title, detail, place, place_label) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *)
		SELECT a.id, a.connection_id, c.name AS connection_name, c.environment, a.cause, a.subject, a.title, a.detail, a.place, a.place_label, a.opened_at,
		       a.told_at, a.ended_at, a.ended_text, a.quiet, `+muted+` AS muted
		  FROM new a JOIN millrace.connections c ON c.id = a.connection_id`,
		w.id, s.Cause, s.Subject, said.Title, said.Detail, said.Place, said.PlaceLabel)
	w.changes = append(w.changes, AlertChange{Alert: a, Opened: true})
	return err
}

// goOn keeps the words of an open alert up to date; nobody is told again.
func (w *watch) goOn(ctx context.Context, tx *sqlx.Tx, a Alert, s Seen) error {
	said := w.words(w.connection, s)
	if said == (AlertWords{a.Title, a.Detail, a.Place, a.PlaceLabel}) {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE millrace.alerts SET title = $2, detail = $3, place = $4, place_label = $5 WHERE id = $1`,
		a.ID, said.Title, said.Detail, said.Place, said.PlaceLabel)
	return err
}

func (w *watch) end(ctx context.Context, tx *sqlx.Tx, a Alert, rules AlertRules) error {
	cause, known := AlertCauseOf(a.Cause)
	text, quiet := w.over(a), true
	switch {
	case w.connection.Status == StatusDisconnected, w.statusAfter == StatusDisconnected:
		text = quietDisconnected
	case !known || rules.Of(cause).Off:
		text = quietOff
	case a.Cause != "connection_lost" && (w.connection.Status != StatusConnected || w.statusAfter != StatusConnected):
		text = quietLost
	default:
		quiet = false
	}
	if err := tx.GetContext(ctx, &a.EndedAt, `UPDATE millrace.alerts SET ended_at = now(), ended_text = $2, quiet = $3 WHERE id = $1 RETURNING ended_at`,
		a.ID, text, quiet); err != nil {
		return err
	}
	a.EndedText, a.Quiet = text, quiet
	w.changes = append(w.changes, AlertChange{Alert: a})
	if quiet {
		return nil
	}
	// Who was told of the beginning is told of the end, unless it is muted by now.
	r, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.alert_deliveries (message_id, channel_id, alert_id, kind, address)
		SELECT `+newMessageID+`, o.channel_id, a.id, 'recovered', o.address
		  FROM millrace.alerts a JOIN millrace.alert_deliveries o ON o.alert_id = a.id AND o.kind = 'opened' JOIN millrace.alert_channels c ON c.id = o.channel_id
		 WHERE a.id = $1 AND c.enabled AND c.removed_at IS NULL AND (c.kind <> 'email' OR o.address = ANY (c.addresses)) AND NOT `+muted, a.ID)
	if err != nil {
		return err
	}
	w.changes[len(w.changes)-1].Told, err = r.RowsAffected()
	return err
}

// newMessageID makes the id of a notice, under which its receiver knows it again.
const newMessageID = `'msg_' || replace(gen_random_uuid()::text, '-', '')`

// tell queues the notices of open alerts that nobody has been told of: new ones, those that were muted until now, and those from before there was a channel.
func (w *watch) tell(ctx context.Context, tx *sqlx.Tx) error {
	var told []struct {
		AlertID int64 `db:"alert_id"`
		N       int64 `db:"n"`
	}
	err := tx.SelectContext(ctx, &told, `
		WITH due AS (SELECT a.id FROM millrace.alerts a WHERE a.connection_id = $1 AND a.ended_at IS NULL AND a.told_at IS NULL AND NOT `+muted+`),
		new AS (
		    INSERT INTO millrace.alert_deliveries (message_id, channel_id, alert_id, kind, address)
		    SELECT `+newMessageID+`, c.id, due.id, 'opened', coalesce(x.address, '')
		      FROM due CROSS JOIN millrace.alert_channels c LEFT JOIN LATERAL unnest(c.addresses) AS x (address) ON true
		     WHERE c.enabled AND c.removed_at IS NULL
		    ON CONFLICT DO NOTHING RETURNING alert_id),
		noted AS (UPDATE millrace.alerts SET told_at = now() WHERE id IN (SELECT alert_id FROM new))
		SELECT alert_id, count(*) AS n FROM new GROUP BY alert_id`, w.id)
	for _, t := range told {
		for i := range w.changes {
			if w.changes[i].ID == t.AlertID && w.changes[i].Opened {
				w.changes[i].Told = t.N
			}
		}
	}
	return err
}

// ForgetAlerts removes ended alerts and notices older than so many days, a part of them at a time, and mutes that are over.
func (d *DB) ForgetAlerts(ctx context.Context, days int) error {
	_, err := d.pool.ExecContext(ctx, `
		WITH old AS (
		    DELETE FROM millrace.alerts WHERE id IN (
		        SELECT id FROM millrace.alerts WHERE ended_at < now() - $1 * interval '1 day' ORDER BY ended_at LIMIT 1000)),
		tests AS (
		    DELETE FROM millrace.alert_deliveries WHERE id IN (
		        SELECT id FROM millrace.alert_deliveries WHERE alert_id IS NULL AND ended_at < now() - $1 * interval '1 day' ORDER BY id LIMIT 1000))
		DELETE FROM millrace.alert_mutes WHERE until < now()`, days)
	return wrapIf(asCancelled(ctx, err), "db.ForgetAlerts")
}
