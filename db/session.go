package db

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// ErrNoSession says that a session does not exist, has ended or has timed out, or that its user was disabled.
var ErrNoSession = errors.New("no such session")

// Session is a signed-in browser. Its id is known to the browser alone; only the id's hash is stored.
type Session struct {
	Hash       string    `db:"hash"` // names the session in lists; it does not open it
	UserID     int64     `db:"user_id"`
	CreatedAt  time.Time `db:"created_at"`
	LastSeenAt time.Time `db:"last_seen_at"` // to the minute
	IP         string    `db:"ip"`
	UserAgent  string    `db:"user_agent"`
}

// SessionLimits returns how long a session lives without use, and how long at the most.
func (d *DB) SessionLimits() (idle, absolute time.Duration) {
	return d.opts.SessionIdle, d.opts.SessionAbsolute
}

// StartSession starts a session and returns its id, the only time that it is known here.
func (d *DB) StartSession(ctx context.Context, userID int64, ip, userAgent string) (id string, err error) {
	id, hash := newToken()
	_, err = d.pool.ExecContext(ctx, `
		WITH ended AS (DELETE FROM millrace.sessions WHERE last_seen_at < now() - make_interval(secs => $5) OR created_at < now() - make_interval(secs => $6))
		INSERT INTO millrace.sessions (id_hash, user_id, ip, user_agent) VALUES ($1, $2, $3, $4)`,
		hash, userID, ip, shorten(userAgent, 300), d.opts.SessionIdle.Seconds(), d.opts.SessionAbsolute.Seconds())
	if err != nil {
		return "", fmt.Errorf("db.StartSession(%d): %w", userID, err)
	}
	return id, nil
}

// shorten cuts s to at most n bytes, on a character's border, and drops what Postgres cannot store.
func shorten(s string, n int) string {
	out := make([]byte, 0, min(n, len(s)))
	for _, r := range s {
		if r == 0 || r == '\uFFFD' {
			continue
		}
		if len(out)+len(string(r)) > n {
			break
		}
		out = append(out, string(r)...)
	}
	return string(out)
}

// Session returns a live session and its user, and notes its use at most once a minute. It returns ErrNoSession for any other.
func (d *DB) Session(ctx context.Context, id string) (Session, User, error) {
	var row struct {
		Session
		User  `db:"user"`
		Stale bool `db:"stale"`
	}
	hash := hashToken(id)
	err := d.pool.GetContext(ctx, &row, kept(`
		SELECT encode(s.id_hash, 'hex') AS hash, s.user_id, s.created_at, s.last_seen_at, s.ip, s.user_agent,
		       s.last_seen_at < now() - interval '1 minute' AS stale,
		       u.id AS "user.id", u.email AS "user.email", u.name AS "user.name", u.role AS "user.role", u.time_zone AS "user.time_zone",
		       u.created_at AS "user.created_at", u.disabled_at AS "user.disabled_at"
		  FROM millrace.sessions s
		  JOIN millrace.users u ON u.id = s.user_id AND u.disabled_at IS NULL
		 WHERE s.id_hash = $1 AND s.last_seen_at > now() - make_interval(secs => $2) AND s.created_at > now() - make_interval(secs => $3)`),
		hash, d.opts.SessionIdle.Seconds(), d.opts.SessionAbsolute.Seconds())
	if errors.Is(notFound(err), ErrNotFound) {
		return Session{}, User{}, fmt.Errorf("db.Session: %w", ErrNoSession)
	}
	if err == nil && row.Stale {
		_, err = d.pool.ExecContext(ctx, `UPDATE millrace.sessions SET last_seen_at = now() WHERE id_hash = $1`, hash)
	}
	if err != nil {
		return Session{}, User{}, fmt.Errorf("db.Session: %w", asCancelled(ctx, err))
	}
	return row.Session, row.User, nil
}

// EndSession ends a session by its id. One that has ended already is no error.
func (d *DB) EndSession(ctx context.Context, id string) error {
	if _, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.sessions WHERE id_hash = $1`, hashToken(id)); err != nil {
		return fmt.Errorf("db.EndSession: %w", err)
	}
	return nil
}

// EndSessionByHash ends one of a person's own sessions by the hash shown in their list. Others' sessions are left alone.
func (d *DB) EndSessionByHash(ctx context.Context, userID int64, hash string) error {
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return fmt.Errorf("db.EndSessionByHash(%d): %w", userID, ErrNoSession)
	}
	if _, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.sessions WHERE id_hash = $1 AND user_id = $2`, raw, userID); err != nil {
		return fmt.Errorf("db.EndSessionByHash(%d): %w", userID, err)
	}
	return nil
}

// UserSessions lists a person's live sessions, the one used last first.
func (d *DB) UserSessions(ctx context.Context, userID int64) ([]Session, error) {
	var all []Session
	err := d.pool.SelectContext(ctx, &all, `
		SELECT encode(id_hash, 'hex') AS hash, user_id, created_at, last_seen_at, ip, user_agent
		  FROM millrace.sessions
		 WHERE user_id = $1 AND last_seen_at > now() - make_interval(secs => $2) AND created_at > now() - make_interval(secs => $3)
		 ORDER BY last_seen_at DESC, id_hash`, userID, d.opts.SessionIdle.Seconds(), d.opts.SessionAbsolute.Seconds())
	if err != nil {
		return nil, fmt.Errorf("db.UserSessions(%d): %w", userID, err)
	}
	return all, nil
}

// EndUserSessions ends all of a person's sessions but the one with the id keep; keep may be empty.
func (d *DB) EndUserSessions(ctx context.Context, userID int64, keep string) error {
	if _, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.sessions WHERE user_id = $1 AND id_hash <> $2`, userID, hashToken(keep)); err != nil {
		return fmt.Errorf("db.EndUserSessions(%d): %w", userID, err)
	}
	return nil
}

func endSessionsOf(ctx context.Context, tx *sqlx.Tx, userID int64, why string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM millrace.sessions WHERE user_id = $1`, userID); err != nil {
		return err
	}
	return Audit(ctx, tx, AuditEntry{Entity: "user", Action: why, ActorID: &userID})
}
