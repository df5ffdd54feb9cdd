package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// ErrSetupLink says that a setup link does not exist, has been used, is older than a day, or came after the first user.
var ErrSetupLink = errors.New("this setup link is not valid any more")

// newToken returns a random text of 256 bits and the hash under which it is stored.
func newToken() (token string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// NewSetupLink makes the token of a link by which the first admin is created, within a day. Earlier ones stop working. It returns ErrSetupLink when
// there is a user already.
func (d *DB) NewSetupLink(ctx context.Context) (token string, err error) {
	token, hash := newToken()
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if err := lockEmptyUsers(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM millrace.setup_links`); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO millrace.setup_links (token_hash, expires_at) VALUES ($1, now() + interval '1 day')`, hash)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("db.NewSetupLink: %w", err)
	}
	return token, nil
}

// SetupLinkValid reports whether a setup link may still be redeemed, without redeeming it.
func (d *DB) SetupLinkValid(ctx context.Context, token string) (bool, error) {
	var valid bool
	err := d.pool.GetContext(ctx, &valid, `
		SELECT EXISTS (SELECT FROM millrace.setup_links WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now())
		       AND NOT EXISTS (SELECT FROM millrace.users)`, hashToken(token))
	if err != nil {
		return false, fmt.Errorf("db.SetupLinkValid: %w", err)
	}
	return valid, nil
}

// RedeemSetupLink creates the first admin. It returns ErrSetupLink, ErrBadEmail or a *PasswordError; after the latter two the link still works.
func (d *DB) RedeemSetupLink(ctx context.Context, token, email, name, password string) (User, error) {
	var u User
	hash, email, err := d.newCredentials(ctx, email, name, password)
	if err == nil {
		err = d.Transact(ctx, func(tx *sqlx.Tx) error {
			if err := lockEmptyUsers(ctx, tx); err != nil {
				return err
			}
			var used bool
			err := tx.GetContext(ctx, &used, `
				UPDATE millrace.setup_links SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now() RETURNING true`, hashToken(token))
			if errors.Is(notFound(err), ErrNotFound) {
				return ErrSetupLink
			}
			if err != nil {
				return err
			}
			u, err = insertUser(ctx, tx, email, name, hash, RoleAdmin)
			return err
		})
	}
	if err != nil {
		return User{}, fmt.Errorf("db.RedeemSetupLink: %w", err)
	}
	return u, nil
}

// lockEmptyUsers keeps others from adding users until the transaction ends. It returns ErrSetupLink when there is one.
func lockEmptyUsers(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `LOCK TABLE millrace.users IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return err
	}
	var any bool
	if err := tx.GetContext(ctx, &any, `SELECT EXISTS (SELECT FROM millrace.users)`); err != nil {
		return err
	}
	if any {
		return ErrSetupLink
	}
	return nil
}
