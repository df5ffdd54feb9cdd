package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ConnectionID int64  // 0 for what belongs to no connection
	RunID        *int64 // the run that did it
	ActorID      *int64 // the person who did it
	Entity       string // what was touched, such as "account", "settings", "connection" or "session"
	SFID         string // the Salesforce record
	Action       string // such as "created", "saved" or "signed in"
	Changes      any    // stored as JSON; nil for none
	Detail       string // a sentence or a name, never a secret
}

// AuditAhead is how many days of the audit log, the present one included, have their parts made ahead.
const AuditAhead = 14

// EnsureAuditPartitions makes the daily parts of the audit log for the given number of days from today on. Migrate has called it; a process that
// runs for long calls it daily. Several at the same time do no harm.
func (d *DB) EnsureAuditPartitions(ctx context.Context, days int) error {
	if _, err := d.pool.ExecContext(ctx, `SELECT millrace.add_audit_partitions($1)`, max(days, 1)); err != nil {
		return fmt.Errorf("db.EnsureAuditPartitions(%d): %w", days, asCancelled(ctx, err))
	}
	return nil
}

// lacksAuditDay reports whether Postgres refused an entry of the audit log because there is no part for its day: a load names the part itself, all others leave it to Postgres. An entry of another day
// than that of its part is refused in nearly the same words, and is another thing.
func lacksAuditDay(err error) bool {
	var pe *pq.Error
	if !errors.As(err, &pe) {
		return false
	}
	return pe.Code == "42P01" && strings.Contains(pe.Message, `"millrace.`+auditPartPrefix) ||
		pe.Code == "23514" && pe.Constraint == "" && pe.Schema == "millrace" && pe.Table == "audit_log"
}

// healAudit makes the next days of the audit log where err says that one was lacking, as on a machine that has slept since they were made last: the same work succeeds then. It returns err.
func (d *DB) healAudit(ctx context.Context, err error) error {
	if !lacksAuditDay(err) {
		return err
	}
	if made := d.EnsureAuditPartitions(ctx, AuditAhead); made != nil {
		return fmt.Errorf("%w (%v)", err, made)
	}
	return err
}

// Audit writes e in the transaction of what it tells about.
func Audit(ctx context.Context, tx *sqlx.Tx, e AuditEntry) error {
	var changes []byte
	if e.Changes != nil {
		var err error
		if changes, err = json.Marshal(e.Changes); err != nil {
			return fmt.Errorf("db.Audit(%s %s): %w", e.Entity, e.Action, err)
		}
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO millrace.audit_log (connection_id, run_id, actor_id, entity, sf_id, action, changes, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''))`,
		e.ConnectionID, e.RunID, e.ActorID, e.Entity, e.SFID, e.Action, changes, e.Detail)
	if err != nil {
		return fmt.Errorf("db.Audit(%s %s): %w", e.Entity, e.Action, err)
	}
	return nil
}
