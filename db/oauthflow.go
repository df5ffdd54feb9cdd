package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// ErrNoFlow says that a sign-in at Salesforce cannot be completed: nobody started it, it was completed already, another session started it, or it
// is older than ten minutes.
var ErrNoFlow = errors.New("this sign-in at Salesforce was not started here, has been completed already, or took longer than ten minutes")

// OAuthFlow is a sign-in at Salesforce in progress.
type OAuthFlow struct {
	ConnectionID *int64 // the connection to reconnect; nil for a new one
	Environment  string
	LoginURL     string
	ClientID     string
	ClientSecret string
	Verifier     string // of PKCE
}

// StartOAuthFlow stores a flow of the browser session and returns the state to send along. Flows past their time are removed.
func (d *DB) StartOAuthFlow(ctx context.Context, sessionID string, f OAuthFlow) (state string, err error) {
	state, hash := newToken()
	_, err = d.pool.ExecContext(ctx, `
		WITH past AS (DELETE FROM millrace.oauth_flows WHERE created_at < now() - interval '10 minutes')
		INSERT INTO millrace.oauth_flows (state_hash, session_hash, connection_id, environment, login_url, client_id, client_secret_sealed, verifier_sealed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		hash, hashToken(sessionID), f.ConnectionID, f.Environment, f.LoginURL, f.ClientID,
		d.keys.seal(flowPlace(hash, "client_secret_sealed"), []byte(f.ClientSecret)), d.keys.seal(flowPlace(hash, "verifier_sealed"), []byte(f.Verifier)))
	if err != nil {
		return "", fmt.Errorf("db.StartOAuthFlow: %w", err)
	}
	return state, nil
}

// TakeOAuthFlow returns the flow that the session started with the state and forgets it, so that it is completed at most once. It returns ErrNoFlow
// for any other.
func (d *DB) TakeOAuthFlow(ctx context.Context, sessionID, state string) (OAuthFlow, error) {
	f, err := d.takeOAuthFlow(ctx, sessionID, state)
	if err != nil {
		return OAuthFlow{}, fmt.Errorf("db.TakeOAuthFlow: %w", err)
	}
	return f, nil
}

func (d *DB) takeOAuthFlow(ctx context.Context, sessionID, state string) (OAuthFlow, error) {
	if sessionID == "" || state == "" {
		return OAuthFlow{}, ErrNoFlow
	}
	hash := hashToken(state)
	var row struct {
		ConnectionID *int64 `db:"connection_id"`
		Environment  string `db:"environment"`
		LoginURL     string `db:"login_url"`
		ClientID     string `db:"client_id"`
		Secret       []byte `db:"client_secret_sealed"`
		Verifier     []byte `db:"verifier_sealed"`
	}
	// The lookup is by hash and by both values in one statement: nothing about the other session's flow can be learned from the time it takes.
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &row, `
			DELETE FROM millrace.oauth_flows
			 WHERE state_hash = $1 AND session_hash = $2 AND created_at > now() - interval '10 minutes'
			RETURNING connection_id, environment, login_url, client_id, client_secret_sealed, verifier_sealed`, hash, hashToken(sessionID))
	})
	if errors.Is(notFound(err), ErrNotFound) {
		return OAuthFlow{}, ErrNoFlow
	}
	if err != nil {
		return OAuthFlow{}, err
	}
	secret, _, secretErr := d.keys.open(flowPlace(hash, "client_secret_sealed"), row.Secret)
	verifier, _, verifierErr := d.keys.open(flowPlace(hash, "verifier_sealed"), row.Verifier)
	if err := errors.Join(secretErr, verifierErr); err != nil {
		return OAuthFlow{}, err
	}
	return OAuthFlow{ConnectionID: row.ConnectionID, Environment: row.Environment, LoginURL: row.LoginURL, ClientID: row.ClientID,
		ClientSecret: string(secret), Verifier: string(verifier)}, nil
}
