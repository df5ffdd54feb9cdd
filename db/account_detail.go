package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"millrace/pipeline"
	"millrace/settings"
)

// AccountDetail is what an account's own page shows beyond Account.
type AccountDetail struct {
	People  map[settings.OwnerType]Person // without the types that nobody is of
	ARR     *string                       // exact decimal
	ARRIn   string                        // its currency; empty for the org's own
	Renewal string                        // as 2006-01-02; empty for none
	Fields  []byte                        // the further fields, a JSON object
	Since   *time.Time                    // all of it was read then or later, as far as the account itself tells; nil where it does not
}

// Person is somebody who looks after an account.
type Person struct {
	ID     string `db:"sf_id"`
	Name   string `db:"name"` // empty for an Id of no user here, such as that of a queue
	Active bool   `db:"active"`
}

// AccountDetail returns more about an account by its 18-character Id. It returns ErrNotFound when the account is not here.
func (d *DB) AccountDetail(ctx context.Context, connectionID int64, sfID string) (AccountDetail, error) {
	out := AccountDetail{People: map[settings.OwnerType]Person{}}
	ids := make([]sql.NullString, len(settings.OwnerTypes))
	var renewal sql.NullString
	into := []any{&out.ARR, &out.ARRIn, &renewal, &out.Fields, &out.Since}
	columns := `arr::text, coalesce(arr_currency, ''), renewal_date::text, fields,
		greatest(CASE WHEN system_modstamp < now() THEN system_modstamp END, (SELECT started_at FROM millrace.runs WHERE id = entered_run))`
	for i, t := range settings.OwnerTypes {
		columns += ", " + pipeline.OwnerColumn(t)
		into = append(into, &ids[i])
	}
	err := d.pool.QueryRowContext(ctx, `SELECT `+columns+` FROM millrace.accounts WHERE connection_id = $1 AND sf_id = $2`, connectionID, sfID).Scan(into...)
	if err != nil {
		return out, fmt.Errorf("db.AccountDetail(%d, %q): %w", connectionID, sfID, asCancelled(ctx, notFound(err)))
	}
	out.Renewal = renewal.String
	var known []Person
	if err := d.pool.SelectContext(ctx, &known, `
		SELECT sf_id, coalesce(name, '') AS name, coalesce(is_active, true) AS active FROM millrace.sf_users WHERE connection_id = $1 AND sf_id = ANY ($2)`,
		connectionID, pq.Array(ids)); err != nil {
		return out, fmt.Errorf("db.AccountDetail(%d, %q): %w", connectionID, sfID, asCancelled(ctx, err))
	}
	for i, t := range settings.OwnerTypes {
		if !ids[i].Valid {
			continue
		}
		p := Person{ID: ids[i].String, Active: true}
		for _, k := range known {
			if k.ID == p.ID {
				p = k
			}
		}
		out.People[t] = p
	}
	return out, nil
}

// AppliedSettings returns the settings by which the accounts of a connection were last brought over, and the names of that run's steps that are done.
// It returns nil when that has not happened yet.
func (d *DB) AppliedSettings(ctx context.Context, connectionID int64) (*settings.Settings, []string, error) {
	var row struct {
		Version int            `db:"settings_version"`
		Steps   pq.StringArray `db:"steps"`
	}
	err := d.pool.GetContext(ctx, &row, `
		SELECT r.settings_version, (SELECT array_agg(s.name) FROM millrace.run_steps s WHERE s.run_id = r.id AND s.state = 'done') AS steps
		  FROM millrace.runs r
		 WHERE r.connection_id = $1
		   AND EXISTS (SELECT FROM millrace.run_steps s WHERE s.run_id = r.id AND s.state = 'done' AND s.records = 'Account')
		 ORDER BY r.id DESC LIMIT 1`, connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, wrapIf(asCancelled(ctx, err), "db.AppliedSettings(%d)", connectionID)
	}
	v, err := d.SettingsVersionAt(ctx, connectionID, row.Version)
	return &v.Settings, row.Steps, err
}

// latestReads is how many of the newest syncs of each kind are asked whether a step was read.
const latestReads = 20

// ReadSinceAccountCame returns which of the steps have been read to their end by a sync, that one or a later one, since an account came here.
func (d *DB) ReadSinceAccountCame(ctx context.Context, connectionID int64, account string, steps []string) (map[string]bool, error) {
	var read []string
	err := d.pool.SelectContext(ctx, &read, `
		SELECT n.name FROM unnest($3::text[]) AS n (name)
		 WHERE EXISTS (
		       SELECT FROM (VALUES ('all'), ('accounts'), ('contacts')) AS e (entity)
		        CROSS JOIN LATERAL (SELECT id FROM millrace.runs
		                             WHERE connection_id = $1 AND entity = e.entity AND state IN ('completed', 'completed_with_errors', 'failed')
		                               AND id >= (SELECT greatest(first_seen_run, entered_run) FROM millrace.accounts WHERE connection_id = $1 AND sf_id = $2)
		                             ORDER BY id DESC LIMIT $4) r
		         JOIN millrace.run_steps s ON s.run_id = r.id AND s.name = n.name AND s.state = 'done' AND s.reading <> 'none')`,
		connectionID, account, pq.Array(steps), latestReads)
	out := make(map[string]bool, len(read))
	for _, name := range read {
		out[name] = true
	}
	return out, wrapIf(asCancelled(ctx, err), "db.ReadSinceAccountCame(%d, %s)", connectionID, account)
}
