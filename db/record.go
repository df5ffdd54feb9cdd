package db

import (
	"context"
	"fmt"
	"time"
)

// Record is a contact or an opportunity with what its own page shows.
type Record struct {
	SFID         string     `db:"sf_id"`
	Name         string     `db:"name"`
	AccountID    string     `db:"account_id"`
	AccountName  string     `db:"account_name"`
	OwnerName    string     `db:"owner_name"`
	Email        string     `db:"email"`
	Phone        string     `db:"phone"`
	Title        string     `db:"title"`
	Department   string     `db:"department"`
	Stage        string     `db:"stage"`
	Amount       *string    `db:"amount"`
	Currency     string     `db:"currency"`
	CloseDate    *time.Time `db:"close_date"`
	SyncedAt     *time.Time `db:"synced_at"` // nil for a record that is not here
	LeftFilterAt *time.Time `db:"left_filter_at"`
	DeletedAt    *time.Time `db:"deleted_in_salesforce_at"`
	MergedInto   string     `db:"merged_into_id"` // the record into which it was merged in Salesforce; empty for none
	Skipped      string     `db:"skipped"`        // why it is not updated any more; empty while it is
}

const recordSelect = `
	SELECT p.sf_id, %s, coalesce(p.account_id, '') AS account_id, coalesce(a.name, '') AS account_name, coalesce(u.name, '') AS owner_name,
	       p.synced_at, p.left_filter_at, p.deleted_in_salesforce_at, coalesce(k.reason, '') AS skipped
	  FROM millrace.%s p
	  LEFT JOIN millrace.accounts a ON a.connection_id = $1 AND a.sf_id = p.account_id
	  LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = p.owner_id
	  LEFT JOIN millrace.skipped_records k ON k.connection_id = $1 AND k.object = '%s' AND k.sf_id = p.sf_id AND k.until_run IS NULL
	 WHERE p.connection_id = $1 AND p.sf_id = $2`

// Contact returns one contact by its 15- or 18-character Id. It returns ErrNotFound when it is not here.
func (d *DB) Contact(ctx context.Context, connectionID int64, sfID string) (Record, error) {
	return d.record(ctx, connectionID, sfID, fmt.Sprintf(recordSelect, `trim(coalesce(p.first_name, '') || ' ' || coalesce(p.last_name, '')) AS name, coalesce(p.email, '') AS email, coalesce(p.merged_into_id, '') AS merged_into_id,
		coalesce(p.phone, '') AS phone, coalesce(p.title, '') AS title, coalesce(p.department, '') AS department`, "contacts", "Contact"))
}

// Opportunity returns one opportunity by its 15- or 18-character Id. It returns ErrNotFound when it is not here.
func (d *DB) Opportunity(ctx context.Context, connectionID int64, sfID string) (Record, error) {
	return d.record(ctx, connectionID, sfID, fmt.Sprintf(recordSelect, `coalesce(p.name, '') AS name, coalesce(salesforce.label($1, 'Opportunity', 'StageName', p.stage), '') AS stage,
		p.amount::text AS amount, coalesce(p.currency, '') AS currency, p.close_date`, "opportunities", "Opportunity"))
}

func (d *DB) record(ctx context.Context, connectionID int64, sfID, query string) (Record, error) {
	var r Record
	if err := d.pool.GetContext(ctx, &r, query, connectionID, fullID(sfID)); err != nil {
		return r, fmt.Errorf("db.record(%d, %q): %w", connectionID, sfID, asCancelled(ctx, notFound(err)))
	}
	return r, nil
}
