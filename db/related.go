package db

import (
	"context"
	"fmt"
	"time"
)

// Contact is a synced contact. Texts are empty where Salesforce has none.
type Contact struct {
	SFID         string     `db:"sf_id"`
	FirstName    string     `db:"first_name"`
	LastName     string     `db:"last_name"`
	Email        string     `db:"email"`
	Phone        string     `db:"phone"`
	Title        string     `db:"title"`
	Department   string     `db:"department"`
	LastSynced   time.Time  `db:"synced_at"`
	LeftFilterAt *time.Time `db:"left_filter_at"`
	DeletedAt    *time.Time `db:"deleted_in_salesforce_at"`
	Skipped      string     `db:"skipped"` // why it is not updated any more; empty while it is
}

// Opportunity is a synced opportunity. Texts are empty and numbers nil where Salesforce has none.
type Opportunity struct {
	SFID         string     `db:"sf_id"`
	Name         string     `db:"name"`
	Stage        string     `db:"stage"`    // its label
	Amount       *string    `db:"amount"`   // exact decimal
	Currency     string     `db:"currency"` // ISO code; empty for the org's own
	CloseDate    *time.Time `db:"close_date"`
	Probability  *float64   `db:"probability"` // percent
	IsClosed     bool       `db:"is_closed"`
	IsWon        bool       `db:"is_won"`
	SFType       string     `db:"sf_type"`
	OwnerName    string     `db:"owner_name"`
	LastSynced   time.Time  `db:"synced_at"`
	LeftFilterAt *time.Time `db:"left_filter_at"`
	DeletedAt    *time.Time `db:"deleted_in_salesforce_at"`
}

// maxRelated bounds how many related records one call returns.
const maxRelated = 1000

// AccountContacts returns an account's contacts by name, and how many there are. The Id may have 15 or 18 characters.
func (d *DB) AccountContacts(ctx context.Context, connectionID int64, accountID string, limit, offset int) (rows []Contact, total int, err error) {
	id := fullID(accountID)
	err = d.pool.SelectContext(ctx, &rows, `
		SELECT p.sf_id, coalesce(first_name, '') AS first_name, coalesce(last_name, '') AS last_name, coalesce(email, '') AS email,
		       coalesce(phone, '') AS phone, coalesce(title, '') AS title, coalesce(department, '') AS department, synced_at, left_filter_at,
		       deleted_in_salesforce_at, coalesce(k.reason, '') AS skipped
		  FROM millrace.contacts p
		  LEFT JOIN millrace.skipped_records k ON k.connection_id = $1 AND k.object = 'Contact' AND k.sf_id = p.sf_id AND k.until_run IS NULL
		 WHERE p.connection_id = $1 AND p.account_id = $2
		 ORDER BY lower(last_name), lower(first_name), p.sf_id LIMIT $3 OFFSET $4`, connectionID, id, min(limit, maxRelated), max(offset, 0))
	if err == nil {
		err = d.pool.GetContext(ctx, &total, `SELECT count(*) FROM millrace.contacts WHERE connection_id = $1 AND account_id = $2`, connectionID, id)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("db.AccountContacts(%d, %q): %w", connectionID, accountID, asCancelled(ctx, err))
	}
	return rows, total, nil
}

// AccountOpportunities returns an account's opportunities, the latest close date first, and how many there are. The Id may have 15 or 18 characters.
func (d *DB) AccountOpportunities(ctx context.Context, connectionID int64, accountID string, limit, offset int) (rows []Opportunity, total int, err error) {
	id := fullID(accountID)
	err = d.pool.SelectContext(ctx, &rows, `
		SELECT o.sf_id, coalesce(o.name, '') AS name, coalesce(salesforce.label($1, 'Opportunity', 'StageName', o.stage), '') AS stage, o.amount::text AS amount, coalesce(o.currency, '') AS currency,
		       o.close_date, o.probability::float8 AS probability, coalesce(o.is_closed, false) AS is_closed, coalesce(o.is_won, false) AS is_won,
		       coalesce(o.sf_type, '') AS sf_type, coalesce(u.name, '') AS owner_name, o.synced_at, o.left_filter_at, o.deleted_in_salesforce_at
		  FROM millrace.opportunities o LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = o.owner_id
		 WHERE o.connection_id = $1 AND o.account_id = $2
		 ORDER BY o.close_date DESC NULLS LAST, o.sf_id LIMIT $3 OFFSET $4`, connectionID, id, min(limit, maxRelated), max(offset, 0))
	if err == nil {
		err = d.pool.GetContext(ctx, &total, `SELECT count(*) FROM millrace.opportunities WHERE connection_id = $1 AND account_id = $2`, connectionID, id)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("db.AccountOpportunities(%d, %q): %w", connectionID, accountID, asCancelled(ctx, err))
	}
	return rows, total, nil
}
