package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// ConnectionStatus says whether a connection can be used.
type ConnectionStatus string

// The states of a connection.
const (
	StatusConnected      ConnectionStatus = "connected"
	StatusNeedsReconnect ConnectionStatus = "needs_reconnect" // Salesforce refuses the stored grant
	StatusDisconnected   ConnectionStatus = "disconnected"    // a person ended it; the synced data stays
)

// Connection is a Salesforce org connected to the workspace, without its secrets.
type Connection struct {
	ID           int64            `db:"id"`
	Name         string           `db:"name"`
	Environment  string           `db:"environment"` // production, sandbox, my_domain or demo
	LoginURL     string           `db:"login_url"`
	ClientID     string           `db:"client_id"`
	InstanceURL  string           `db:"instance_url"`
	OrgID        string           `db:"org_id"` // 18 characters
	OrgName      string           `db:"org_name"`
	IsSandbox    bool             `db:"is_sandbox"`
	UserID       string           `db:"sf_user_id"` // of the connected Salesforce user
	Username     string           `db:"sf_username"`
	DisplayName  string           `db:"sf_display_name"`
	Status       ConnectionStatus `db:"status"`
	StatusReason string           `db:"status_reason"`
	Leavers      string           `db:"leavers"`  // LeaversKeep or LeaversArchive
	APIUsed      *int64           `db:"api_used"` // calls of the org within 24 hours, by everybody
	APILimit     *int64           `db:"api_limit"`
	APISeenAt    *time.Time       `db:"api_seen_at"`
	ConnectedBy  *int64           `db:"connected_by"`
	ConnectedAt  time.Time        `db:"connected_at"`
	CreatedAt    time.Time        `db:"created_at"`
}

const connectionColumns = `id, name, environment, login_url, client_id, instance_url, org_id, org_name, is_sandbox, sf_user_id, sf_username,
	sf_display_name, status, status_reason, api_used, api_limit, api_seen_at, connected_by, connected_at, created_at, leavers`

// NewConnection is what a completed sign-in at Salesforce brings.
type NewConnection struct {
	Name, Environment, LoginURL   string
	ClientID, ClientSecret        string
	OrgID, OrgName                string
	IsSandbox                     bool
	UserID, Username, DisplayName string
	Grant                         Grant
	By                            int64  // the person who connected
	Replace                       *int64 // the connection that was to be reconnected; nil for a new one
}

// OrgMismatchError says that a reconnect ended in another org than the connection's.
type OrgMismatchError struct {
	Existing, Got string // the orgs' names, or their ids where they have none
}

// Error implements error.
func (e *OrgMismatchError) Error() string {
	return fmt.Sprintf("this connection belongs to the org %s, but you signed in to %s: sign in to the same org, or connect the other one as a new connection", e.Existing, e.Got)
}

// partitioned are the tables with a part per connection.
var partitioned = []string{"sf_users", "accounts", "contacts", "opportunities", "value_records", "currencies",
	"custom_records", "cases", "case_messages", "chatter_posts", "chatter_comments", "impact_accounts", "impact_value_records", "impact_currencies", "gap_ids"}

// SaveConnection stores a completed sign-in. A new org becomes a connection with parts of its own in the synced tables; the org of an existing one
// renews that one's grant, whichever of the two was meant, and wakes the runs that waited for it. When Replace names a connection of another org
// nothing is stored and a *OrgMismatchError is returned; ErrNotFound when it names none.
func (d *DB) SaveConnection(ctx context.Context, n NewConnection) (Connection, error) {
	var c Connection
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		// Two sign-ins to the same org at once take turns.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('millrace.connections'))`); err != nil {
			return err
		}
		id, sealed, err := d.connectionFor(ctx, tx, n)
		if err != nil {
			return err
		}
		if err := d.upsertConnection(ctx, tx, id, sealed, n); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &c, `SELECT `+connectionColumns+` FROM millrace.connections WHERE id = $1`, id); err != nil {
			return err
		}
		for _, table := range partitioned {
			if _, err := tx.ExecContext(ctx, `SELECT millrace.add_connection_partition($1, $2)`, table, id); err != nil {
				return err
			}
		}
		if err := wakeRuns(ctx, tx, id); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: id, ActorID: &n.By, Entity: "connection", Action: "connected", Detail: n.OrgName + " as " + n.Username})
	})
	if err != nil {
		return Connection{}, fmt.Errorf("db.SaveConnection(org %s): %w", n.OrgID, err)
	}
	return c, nil
}

// MoveDemoOrg has the connection of the simulated org, if there is one, go on at the address that the org has now.
func (d *DB) MoveDemoOrg(ctx context.Context, address string) error {
	_, err := d.pool.ExecContext(ctx, `
		UPDATE millrace.connections SET login_url = $1, instance_url = CASE instance_url WHEN '' THEN '' ELSE $1 END WHERE environment = 'demo' AND login_url <> $1`, address)
	if err != nil {
		return fmt.Errorf("db.MoveDemoOrg(%s): %w", address, asCancelled(ctx, err))
	}
	return nil
}

// connectionFor returns the id of the org's connection with its sealed data key, or a new id without one.
func (d *DB) connectionFor(ctx context.Context, tx *sqlx.Tx, n NewConnection) (id int64, sealed []byte, err error) {
	if n.Replace != nil {
		var existing struct {
			OrgID   string `db:"org_id"`
			OrgName string `db:"org_name"`
		}
		if err := tx.GetContext(ctx, &existing, `SELECT org_id, org_name FROM millrace.connections WHERE id = $1`, *n.Replace); err != nil {
			return 0, nil, notFound(err)
		}
		if existing.OrgID != n.OrgID {
			return 0, nil, &OrgMismatchError{Existing: orgLabel(existing.OrgName, existing.OrgID), Got: orgLabel(n.OrgName, n.OrgID)}
		}
	}
	var row struct {
		ID     int64  `db:"id"`
		Sealed []byte `db:"data_key_sealed"`
	}
	err = tx.GetContext(ctx, &row, `SELECT id, data_key_sealed FROM millrace.connections WHERE org_id = $1 FOR UPDATE`, n.OrgID)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return row.ID, row.Sealed, err
	}
	err = tx.GetContext(ctx, &id, `SELECT nextval(pg_get_serial_sequence('millrace.connections', 'id'))`)
	return id, nil, err
}

func orgLabel(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

func (d *DB) upsertConnection(ctx context.Context, tx *sqlx.Tx, id int64, sealedKey []byte, n NewConnection) error {
	var key sealKey
	var err error
	if sealedKey == nil {
		key, sealedKey, err = d.keys.newDataKey(dataKeyPlace(id))
	} else {
		key, err = d.keys.dataKey(dataKeyPlace(id), sealedKey)
	}
	if err != nil {
		return err
	}
	name := strings.TrimSpace(n.Name)
	if name == "" {
		name = orgLabel(n.OrgName, n.OrgID)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO millrace.connections AS c (id, name, environment, login_url, client_id, data_key_sealed, client_secret_sealed, access_token_sealed,
		    refresh_token_sealed, token_version, instance_url, org_id, org_name, is_sandbox, sf_user_id, sf_username, sf_display_name, status, connected_by)
		OVERRIDING SYSTEM VALUE
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $12, $13, $14, $15, $16, 'connected', $17)
		ON CONFLICT (id) DO UPDATE SET
		    environment = excluded.environment, login_url = excluded.login_url, client_id = excluded.client_id,
		    client_secret_sealed = excluded.client_secret_sealed, access_token_sealed = excluded.access_token_sealed,
		    refresh_token_sealed = excluded.refresh_token_sealed, token_version = c.token_version + 1, instance_url = excluded.instance_url,
		    org_name = excluded.org_name, is_sandbox = excluded.is_sandbox, sf_user_id = excluded.sf_user_id, sf_username = excluded.sf_username,
		    sf_display_name = excluded.sf_display_name, status = 'connected', status_reason = '', connected_by = excluded.connected_by, connected_at = now()`,
		id, name, n.Environment, n.LoginURL, n.ClientID, sealedKey,
		key.seal(connectionPlace(id, "client_secret_sealed"), []byte(n.ClientSecret)),
		key.seal(connectionPlace(id, "access_token_sealed"), []byte(n.Grant.AccessToken)),
		key.seal(connectionPlace(id, "refresh_token_sealed"), []byte(n.Grant.RefreshToken)),
		n.Grant.InstanceURL, n.OrgID, n.OrgName, n.IsSandbox, n.UserID, n.Username, n.DisplayName, n.By)
	return err
}

// Connections lists all connections, the oldest first.
func (d *DB) Connections(ctx context.Context) ([]Connection, error) {
	var all []Connection
	if err := d.pool.SelectContext(ctx, &all, kept(`SELECT `+connectionColumns+` FROM millrace.connections ORDER BY id`)); err != nil {
		return nil, fmt.Errorf("db.Connections: %w", asCancelled(ctx, err))
	}
	return all, nil
}

// Connection returns a connection. It returns ErrNotFound when there is none.
func (d *DB) Connection(ctx context.Context, id int64) (Connection, error) {
	var c Connection
	if err := d.pool.GetContext(ctx, &c, kept(`SELECT `+connectionColumns+` FROM millrace.connections WHERE id = $1`), id); err != nil {
		return c, fmt.Errorf("db.Connection(%d): %w", id, asCancelled(ctx, notFound(err)))
	}
	return c, nil
}

// RenameConnection gives a connection another name.
func (d *DB) RenameConnection(ctx context.Context, id int64, name string, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var was string
		if err := tx.GetContext(ctx, &was, `SELECT name FROM millrace.connections WHERE id = $1 FOR UPDATE`, id); err != nil {
			return notFound(err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.connections SET name = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: id, ActorID: &by, Entity: "connection", Action: "renamed", Changes: map[string][2]string{"name": {was, name}}})
	})
	if err != nil {
		return fmt.Errorf("db.RenameConnection(%d): %w", id, err)
	}
	return nil
}

// MarkNeedsReconnect notes that Salesforce refuses the grant of a version, so that nobody tries it again until somebody reconnects. A newer one, of a reconnect meanwhile, is left alone; version 0 is any.
func (d *DB) MarkNeedsReconnect(ctx context.Context, id, version int64, reason string) error {
	reason = shorten(reason, mostSaid)
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var changed int64
		err := tx.GetContext(ctx, &changed, `
			UPDATE millrace.connections SET status = 'needs_reconnect', status_reason = $2
			 WHERE id = $1 AND status = 'connected' AND ($3 = 0 OR token_version <= $3) RETURNING id`, id, reason, version)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // known already, or disconnected
		}
		if err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: id, Entity: "connection", Action: "needs reconnect", Detail: reason})
	})
	if err != nil {
		return fmt.Errorf("db.MarkNeedsReconnect(%d): %w", id, err)
	}
	return nil
}

// Disconnect forgets the tokens and ends what waits for its turn; a run in progress is asked to stop. The synced data stays. The client's secret
// stays too, for a reconnect.
func (d *DB) Disconnect(ctx context.Context, id, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var found int64
		err := tx.GetContext(ctx, &found, `
			UPDATE millrace.connections
			   SET status = 'disconnected', status_reason = '', access_token_sealed = NULL, refresh_token_sealed = NULL, token_version = token_version + 1
			 WHERE id = $1 RETURNING id`, id)
		if err != nil {
			return notFound(err)
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE millrace.runs
			   SET cancel_requested_at = coalesce(cancel_requested_at, now()), cancel_requested_by = coalesce(cancel_requested_by, $2),
			       cancel_cause = CASE WHEN cancel_requested_at IS NULL THEN 'disconnected' ELSE cancel_cause END,
			       state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
			       outcome = CASE WHEN state = 'running' THEN outcome ELSE 'Cancelled: the org was disconnected' || coalesce((SELECT ' by ' || coalesce(nullif(name, ''), email) FROM millrace.users WHERE id = $2), '') END,
			       finished_at = CASE WHEN state = 'running' THEN finished_at ELSE now() END, waiting_until = NULL, waiting_reason = ''
			 WHERE connection_id = $1 AND state IN ('queued', 'running', 'waiting')`, id, by)
		if err != nil {
			return err
		}
		return Audit(ctx, tx, AuditEntry{ConnectionID: id, ActorID: &by, Entity: "connection", Action: "disconnected"})
	})
	if err != nil {
		return fmt.Errorf("db.Disconnect(%d): %w", id, err)
	}
	return nil
}
