package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// ErrDisconnected says that a connection has no tokens: somebody disconnected it.
var ErrDisconnected = errors.New("the connection is disconnected")

// Grant is what Salesforce gave a connection: its tokens and the host that they are for.
type Grant struct {
	AccessToken  string
	RefreshToken string
	InstanceURL  string
	Version      int64 // grows with each change
}

// grantRow is a connection's sealed columns.
type grantRow struct {
	DataKey     []byte `db:"data_key_sealed"`
	Access      []byte `db:"access_token_sealed"`
	Refresh     []byte `db:"refresh_token_sealed"`
	InstanceURL string `db:"instance_url"`
	Version     int64  `db:"token_version"`
}

const grantSelect = `
	SELECT data_key_sealed, access_token_sealed, refresh_token_sealed, instance_url, token_version FROM millrace.connections WHERE id = $1`

func (d *DB) openGrant(id int64, r grantRow) (Grant, sealKey, error) {
	if r.Access == nil {
		return Grant{}, sealKey{}, ErrDisconnected
	}
	key, err := d.keys.dataKey(dataKeyPlace(id), r.DataKey)
	if err != nil {
		return Grant{}, key, err
	}
	access, accessErr := key.open(connectionPlace(id, "access_token_sealed"), r.Access)
	refresh, refreshErr := key.open(connectionPlace(id, "refresh_token_sealed"), r.Refresh)
	return Grant{AccessToken: string(access), RefreshToken: string(refresh), InstanceURL: r.InstanceURL, Version: r.Version}, key, errors.Join(accessErr, refreshErr)
}

// Grant returns a connection's newest stored grant. It returns ErrNotFound for no connection and ErrDisconnected for one without tokens.
func (d *DB) Grant(ctx context.Context, id int64) (Grant, error) {
	var row grantRow
	var g Grant
	err := d.pool.GetContext(ctx, &row, kept(grantSelect), id)
	if err == nil {
		g, _, err = d.openGrant(id, row)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("db.Grant(%d): %w", id, asCancelled(ctx, notFound(err)))
	}
	return g, nil
}

// RefreshGrant renews the grant whose version was refused by Salesforce. Of all callers at the same time, in all processes, one spends the refresh
// token by calling exchange, while the others wait for what it got; a grant that is newer than spent comes back as it is. What exchange returns is
// stored before it is returned: a rotated refresh token is never lost to a caller that goes away. An empty RefreshToken or InstanceURL keeps the old one.
// exchange's error comes back wrapped; nothing changes then.
func (d *DB) RefreshGrant(ctx context.Context, id, spent int64, exchange func(context.Context, Grant) (Grant, error)) (Grant, error) {
	release, err := d.refresh.acquire(ctx, id)
	if err != nil {
		return Grant{}, fmt.Errorf("db.RefreshGrant(%d): %w", id, err)
	}
	defer release()
	// Once the refresh token is spent its successor must be stored, even when the caller's context ends meanwhile.
	lasting := context.WithoutCancel(ctx)
	var g Grant
	err = d.Transact(lasting, func(tx *sqlx.Tx) error {
		var row grantRow
		if err := tx.GetContext(ctx, &row, grantSelect+` FOR UPDATE`, id); err != nil {
			return asCancelled(ctx, notFound(err))
		}
		stored, key, err := d.openGrant(id, row)
		if err != nil {
			return err
		}
		if stored.Version > spent {
			g = stored
			return nil
		}
		if g, err = exchange(ctx, stored); err != nil {
			return err
		}
		if g.RefreshToken == "" {
			g.RefreshToken = stored.RefreshToken
		}
		if g.InstanceURL == "" {
			g.InstanceURL = stored.InstanceURL
		}
		g.Version = stored.Version + 1
		_, err = tx.ExecContext(lasting, `
			UPDATE millrace.connections SET access_token_sealed = $2, refresh_token_sealed = $3, instance_url = $4, token_version = $5 WHERE id = $1`,
			id, key.seal(connectionPlace(id, "access_token_sealed"), []byte(g.AccessToken)),
			key.seal(connectionPlace(id, "refresh_token_sealed"), []byte(g.RefreshToken)), g.InstanceURL, g.Version)
		return err
	})
	if err != nil {
		return Grant{}, fmt.Errorf("db.RefreshGrant(%d): %w", id, err)
	}
	return g, nil
}

// ConnectionApp returns the app and the login host through which a connection was made. It returns ErrNotFound for no connection.
func (d *DB) ConnectionApp(ctx context.Context, id int64) (loginURL, clientID, clientSecret string, err error) {
	var row struct {
		LoginURL string `db:"login_url"`
		ClientID string `db:"client_id"`
		DataKey  []byte `db:"data_key_sealed"`
		Secret   []byte `db:"client_secret_sealed"`
	}
	err = d.pool.GetContext(ctx, &row, `SELECT login_url, client_id, data_key_sealed, client_secret_sealed FROM millrace.connections WHERE id = $1`, id)
	if err != nil {
		return "", "", "", fmt.Errorf("db.ConnectionApp(%d): %w", id, asCancelled(ctx, notFound(err)))
	}
	key, err := d.keys.dataKey(dataKeyPlace(id), row.DataKey)
	if err != nil {
		return "", "", "", fmt.Errorf("db.ConnectionApp(%d): %w", id, err)
	}
	secret, err := key.open(connectionPlace(id, "client_secret_sealed"), row.Secret)
	if err != nil {
		return "", "", "", fmt.Errorf("db.ConnectionApp(%d): %w", id, err)
	}
	return row.LoginURL, row.ClientID, string(secret), nil
}
