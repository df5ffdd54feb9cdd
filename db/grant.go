package db

import (
	"context"
	"errors"
	"fmt"
	"time"

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
// stored before it is returned: a rotated refresh token is never lost to a caller that goes away, nor with a connection to Postgres. An empty RefreshToken or InstanceURL keeps the old one.
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
	var renewed *renewal
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
		if _, err := tx.ExecContext(lasting, `SELECT set_config('application_name', $1, true)`, renewingName(d.opts.Owner)); err != nil {
			return err
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
		renewed = &renewal{id, stored.Version, key, g}
		_, err = renewed.store(lasting, tx)
		return err
	})
	if err != nil && renewed != nil {
		g, err = d.keepRenewal(lasting, *renewed)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("db.RefreshGrant(%d): %w", id, err)
	}
	return g, nil
}

// renewal is a grant that Salesforce has given for that of the version was, which is spent.
type renewal struct {
	id  int64
	was int64
	key sealKey
	Grant
}

// store stores the grant in the place of the spent one, and reports whether that was there still.
func (r renewal) store(ctx context.Context, q sqlx.ExecerContext) (bool, error) {
	res, err := q.ExecContext(ctx, `
		UPDATE millrace.connections SET access_token_sealed = $2, refresh_token_sealed = $3, instance_url = $4, token_version = $5 WHERE id = $1 AND token_version = $6`,
		r.id, r.key.seal(connectionPlace(r.id, "access_token_sealed"), []byte(r.AccessToken)),
		r.key.seal(connectionPlace(r.id, "refresh_token_sealed"), []byte(r.RefreshToken)), r.InstanceURL, r.Version, r.was)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// How long a renewed grant whose transaction was lost is tried to be stored all the same: Postgres keeps the lock of a connection that it does not know to be broken for 35 seconds.
// And for how long one attempt, and the longest pause between two.
const (
	keepRenewalFor   = time.Minute
	keepRenewalTry   = 10 * time.Second
	keepRenewalPause = 2 * time.Second
)

// keepRenewal stores a renewed grant whose transaction was lost, on another connection: nobody else has it, and without it a person has to connect the org anew. Where the spent grant is there no more, what is there
// comes back: the renewed one, when only Postgres' answer was lost, or a newer one.
func (d *DB) keepRenewal(ctx context.Context, r renewal) (Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, keepRenewalFor)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, keepRenewalPause) {
		g, err := d.tryRenewal(ctx, r)
		if err == nil || errors.Is(err, ErrDisconnected) || errors.Is(err, ErrNotFound) {
			return g, err
		}
		select {
		case <-ctx.Done():
			return Grant{}, fmt.Errorf("keep the renewed grant: %w", err)
		case <-time.After(pause):
		}
	}
}

func (d *DB) tryRenewal(ctx context.Context, r renewal) (Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, keepRenewalTry)
	defer cancel()
	if stored, err := r.store(ctx, d.pool); err != nil || stored {
		return r.Grant, asCancelled(ctx, err)
	}
	return d.Grant(ctx, r.id)
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
