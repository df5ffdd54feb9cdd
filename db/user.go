package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// Role is what a person may do.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"  // everything
	RoleViewer Role = "viewer" // status and data, no settings
)

// User is a person who may sign in.
type User struct {
	ID         int64      `db:"id"`
	Email      string     `db:"email"`
	Name       string     `db:"name"`
	Role       Role       `db:"role"`
	TimeZone   string     `db:"time_zone"` // IANA name; empty for the browser's
	CreatedAt  time.Time  `db:"created_at"`
	DisabledAt *time.Time `db:"disabled_at"`
}

const userColumns = `id, email, name, role, time_zone, created_at, disabled_at`

// Errors of users.
var (
	ErrEmailTaken     = errors.New("this e-mail address belongs to another user already")
	ErrBadEmail       = errors.New("this is not an e-mail address")
	ErrBadCredentials = errors.New("the e-mail address or the password is not right")
	ErrLastAdmin      = errors.New("this is the last admin: make somebody else admin first")
)

// CreateUser adds a person. It returns ErrBadEmail, ErrEmailTaken or a *PasswordError when the input is refused.
func (d *DB) CreateUser(ctx context.Context, email, name, password string, role Role) (User, error) {
	var u User
	hash, email, err := d.newCredentials(ctx, email, name, password)
	if err == nil {
		err = d.Transact(ctx, func(tx *sqlx.Tx) error {
			u, err = insertUser(ctx, tx, email, name, hash, role)
			return err
		})
	}
	if err != nil {
		return User{}, fmt.Errorf("db.CreateUser: %w", err)
	}
	return u, nil
}

func (d *DB) newCredentials(ctx context.Context, email, name, password string) (hash, address string, err error) {
	parsed, err := mail.ParseAddress(strings.TrimSpace(email))
	if err != nil || parsed.Name != "" || len(parsed.Address) > 254 {
		return "", "", ErrBadEmail
	}
	if err := checkNewPassword(password, parsed.Address, name); err != nil {
		return "", "", err
	}
	hash, err = d.hashPassword(ctx, password)
	return hash, parsed.Address, err
}

func insertUser(ctx context.Context, tx *sqlx.Tx, email, name, hash string, role Role) (User, error) {
	var u User
	err := tx.GetContext(ctx, &u, `
		INSERT INTO millrace.users (email, name, role, password_hash) VALUES ($1, $2, $3, $4) RETURNING `+userColumns,
		email, strings.TrimSpace(name), role, hash)
	if isUnique(err, "users_email") {
		return u, ErrEmailTaken
	}
	if err != nil {
		return u, err
	}
	return u, Audit(ctx, tx, AuditEntry{Entity: "user", Action: "created", ActorID: &u.ID, Detail: string(role)})
}

// Users lists everybody by e-mail address.
func (d *DB) Users(ctx context.Context) ([]User, error) {
	var all []User
	if err := d.pool.SelectContext(ctx, &all, `SELECT `+userColumns+` FROM millrace.users ORDER BY lower(email)`); err != nil {
		return nil, fmt.Errorf("db.Users: %w", err)
	}
	return all, nil
}

// UserByEmail returns a person by address, in any case. It returns ErrNotFound when there is none.
func (d *DB) UserByEmail(ctx context.Context, email string) (User, error) {
	var u User
	if !storable(email) {
		return u, fmt.Errorf("db.UserByEmail: %w", ErrNotFound)
	}
	err := d.pool.GetContext(ctx, &u, `SELECT `+userColumns+` FROM millrace.users WHERE lower(email) = lower($1)`, strings.TrimSpace(email))
	if err != nil {
		return u, fmt.Errorf("db.UserByEmail: %w", notFound(err))
	}
	return u, nil
}

// UserCount returns how many people there are, disabled ones included.
func (d *DB) UserCount(ctx context.Context) (int, error) {
	var n int
	if err := d.pool.GetContext(ctx, &n, `SELECT count(*) FROM millrace.users`); err != nil {
		return 0, fmt.Errorf("db.UserCount: %w", err)
	}
	return n, nil
}

// SetPassword replaces a person's password and ends all their sessions. It returns a *PasswordError for a weak one, ErrNotFound for nobody.
func (d *DB) SetPassword(ctx context.Context, userID int64, password string) error {
	var u User
	err := d.pool.GetContext(ctx, &u, `SELECT `+userColumns+` FROM millrace.users WHERE id = $1`, userID)
	if err != nil {
		return fmt.Errorf("db.SetPassword(%d): %w", userID, notFound(err))
	}
	hash, _, err := d.newCredentials(ctx, u.Email, u.Name, password)
	if err == nil {
		err = d.Transact(ctx, func(tx *sqlx.Tx) error {
			if _, err := tx.ExecContext(ctx, `UPDATE millrace.users SET password_hash = $2 WHERE id = $1`, userID, hash); err != nil {
				return err
			}
			return endSessionsOf(ctx, tx, userID, "password changed")
		})
	}
	if err != nil {
		return fmt.Errorf("db.SetPassword(%d): %w", userID, err)
	}
	return nil
}

// SetTimeZone stores a person's IANA time zone; empty means the browser's.
func (d *DB) SetTimeZone(ctx context.Context, userID int64, zone string) error {
	if _, err := time.LoadLocation(zone); err != nil {
		return fmt.Errorf("db.SetTimeZone(%d): %w", userID, err)
	}
	if _, err := d.pool.ExecContext(ctx, `UPDATE millrace.users SET time_zone = $2 WHERE id = $1`, userID, zone); err != nil {
		return fmt.Errorf("db.SetTimeZone(%d): %w", userID, err)
	}
	return nil
}

// DisableUser ends a person's sessions and lets them sign in no more. It returns ErrLastAdmin for the only admin left.
func (d *DB) DisableUser(ctx context.Context, userID int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		// Two admins who disable each other must not both succeed.
		if _, err := tx.ExecContext(ctx, `LOCK TABLE millrace.users IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		var others int
		err := tx.GetContext(ctx, &others, `SELECT count(*) FROM millrace.users WHERE role = 'admin' AND disabled_at IS NULL AND id <> $1`, userID)
		if err != nil {
			return err
		}
		if others == 0 {
			return ErrLastAdmin
		}
		var id int64
		err = tx.GetContext(ctx, &id, `UPDATE millrace.users SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1 RETURNING id`, userID)
		if err != nil {
			return notFound(err)
		}
		return endSessionsOf(ctx, tx, userID, "disabled")
	})
	if err != nil {
		return fmt.Errorf("db.DisableUser(%d): %w", userID, err)
	}
	return nil
}

// Authenticate checks a sign-in from an address. It returns ErrBadCredentials for a wrong password, an unknown or a disabled person, after the same
// time for all three, and a *ThrottledError when failed ones came before it too soon.
func (d *DB) Authenticate(ctx context.Context, email, password, ip string) (User, error) {
	u, err := d.authenticate(ctx, email, password, ip)
	if err != nil {
		return User{}, fmt.Errorf("db.Authenticate: %w", asCancelled(ctx, err))
	}
	return u, nil
}

func (d *DB) authenticate(ctx context.Context, email, password, ip string) (User, error) {
	var row struct {
		User
		Hash string `db:"password_hash"`
	}
	err := sql.ErrNoRows
	if storable(email) {
		err = d.pool.GetContext(ctx, &row, `SELECT `+userColumns+`, password_hash FROM millrace.users WHERE lower(email) = lower($1)`, strings.TrimSpace(email))
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return User{}, err
	}
	from := network(ip)
	account, origin := accountKey(email), "network:"+from
	known, err := d.knownNetwork(ctx, row.ID, from)
	if err != nil {
		return User{}, err
	}
	if known {
		account += " from " + from
	}
	if err := d.spend(ctx, origin, networkBrake); err != nil {
		return User{}, err
	}
	if err := d.spend(ctx, account, accountBrake); err != nil {
		return User{}, err
	}
	if row.ID == 0 {
		row.Hash = d.unmatchable()
	}
	right := false
	if len(password) <= 4*maxPassword { // more bytes than any accepted password has
		if right, err = d.checkPassword(ctx, row.Hash, password); err != nil {
			return User{}, err
		}
	}
	if !right || row.ID == 0 || row.DisabledAt != nil {
		return User{}, errors.Join(ErrBadCredentials, d.auditSignIn(ctx, row.ID, "sign-in refused", from))
	}
	if err := d.forgive(ctx, row.ID, account, origin, from); err != nil {
		return User{}, err
	}
	return row.User, d.auditSignIn(ctx, row.ID, "signed in", from)
}

func (d *DB) auditSignIn(ctx context.Context, userID int64, action, from string) error {
	return d.Transact(ctx, func(tx *sqlx.Tx) error {
		e := AuditEntry{Entity: "session", Action: action, Detail: "from " + from}
		if userID != 0 {
			e.ActorID = &userID
		}
		return Audit(ctx, tx, e)
	})
}
