package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// ErrorKind says what an ErrorGroup is about.
type ErrorKind string

// The kinds of causes.
const (
	RecordErrors ErrorKind = "record" // records with a value that cannot be stored
	ValueErrors  ErrorKind = "value"  // accounts whose value cannot be worked out
	SkipErrors   ErrorKind = "skip"   // records that lack something that is required
	StepErrors   ErrorKind = "step"   // an object that cannot be read
	RunErrorKind ErrorKind = "run"    // a sync that failed
)

// ErrorGroup is one cause of trouble with the data of a connection, from its beginning to its end.
type ErrorGroup struct {
	ID           int64      `db:"id"`
	ConnectionID int64      `db:"connection_id"`
	Kind         ErrorKind  `db:"kind"`
	Subject      string     `db:"subject"` // the set of records, the object, the name of the step, or the entity of the run
	Cause        string     `db:"cause"`   // the field, the reason, or a code
	Object       string     `db:"object"`  // API name
	Label        string     `db:"label"`   // of the step
	Message      string     `db:"message"` // what was said last
	Records      int64      `db:"records"`
	Run          string     `db:"run"` // short id of the newest run that met it; empty when it is not kept any more
	OpenedAt     time.Time  `db:"opened_at"`
	CuredAt      *time.Time `db:"cured_at"`
	CuredRun     string     `db:"cured_run"`
	MutedAt      *time.Time `db:"muted_at"`
	MutedBy      string     `db:"muted_by"`
	MutedRecords *int64     `db:"muted_records"` // how many there were then
	WokenAt      *time.Time `db:"woken_at"`      // when a mute ended because there were many more
}

// Listed reports whether the group has records.
func (g ErrorGroup) Listed() bool {
	return g.Kind == RecordErrors || g.Kind == ValueErrors || g.Kind == SkipErrors
}

// Retryable reports whether records of the group can be read once more by themselves.
func (g ErrorGroup) Retryable() bool {
	return (g.Kind == RecordErrors || g.Kind == SkipErrors) && !slices.Contains(pipeline.ValueKinds, pipeline.ValueKind(g.Subject))
}

const groupSelect = `
	SELECT g.id, g.connection_id, g.kind, g.subject, g.cause, g.object, g.label, g.message, g.records, coalesce(r.short_id, '') AS run, g.opened_at, g.cured_at,
	       coalesce(c.short_id, '') AS cured_run, g.muted_at, coalesce(nullif(u.name, ''), u.email, '') AS muted_by, g.muted_records, g.woken_at
	  FROM millrace.error_groups g
	  LEFT JOIN millrace.runs r ON r.id = g.run_id
	  LEFT JOIN millrace.runs c ON c.id = g.cured_run
	  LEFT JOIN millrace.users u ON u.id = g.muted_by`

// maxGroups bounds how many causes a page lists.
const maxGroups = 200

// ErrorGroups lists what is wrong at present: what stops most first, and then what touches the most records. Muted causes come last.
func (d *DB) ErrorGroups(ctx context.Context, connectionID int64) ([]ErrorGroup, error) {
	var out []ErrorGroup
	err := d.pool.SelectContext(ctx, &out, groupSelect+`
		 WHERE g.connection_id = $1 AND g.cured_at IS NULL
		 ORDER BY g.muted_at IS NOT NULL, array_position(ARRAY['run', 'step', 'record', 'value', 'skip'], g.kind), g.records DESC, g.id LIMIT $2`, connectionID, maxGroups)
	return out, wrapIf(asCancelled(ctx, err), "db.ErrorGroups(%d)", connectionID)
}

// curedSpan is how long causes that are over stay on the page.
const curedSpan = "30 days"

// CuredErrorGroups lists the causes that went within the last 30 days, the newest first.
func (d *DB) CuredErrorGroups(ctx context.Context, connectionID int64, limit int) ([]ErrorGroup, error) {
	var out []ErrorGroup
	err := d.pool.SelectContext(ctx, &out, groupSelect+`
		 WHERE g.connection_id = $1 AND g.cured_at > now() - interval '`+curedSpan+`' ORDER BY g.cured_at DESC, g.id DESC LIMIT $2`, connectionID, limit)
	return out, wrapIf(asCancelled(ctx, err), "db.CuredErrorGroups(%d)", connectionID)
}

// ErrorGroup returns one cause of a connection, open or over. It returns ErrNotFound when there is none.
func (d *DB) ErrorGroup(ctx context.Context, connectionID, id int64) (ErrorGroup, error) {
	var g ErrorGroup
	err := d.pool.GetContext(ctx, &g, groupSelect+` WHERE g.connection_id = $1 AND g.id = $2`, connectionID, id)
	if err != nil {
		return g, fmt.Errorf("db.ErrorGroup(%d, %d): %w", connectionID, id, notFound(asCancelled(ctx, err)))
	}
	return g, nil
}

// openGroup holds for a cause in the error inbox that is open and not muted.
const openGroup = `cured_at IS NULL AND muted_at IS NULL`

// CountErrorGroups returns how many causes are open and not muted.
func (d *DB) CountErrorGroups(ctx context.Context, connectionID int64) (int, error) {
	var n int
	err := d.pool.GetContext(ctx, &n, `SELECT count(*) FROM millrace.error_groups WHERE connection_id = $1 AND `+openGroup, connectionID)
	return n, wrapIf(asCancelled(ctx, err), "db.CountErrorGroups(%d)", connectionID)
}

// ErrorRecord is one record behind a cause.
type ErrorRecord struct {
	Place       string    `db:"place"` // by which the list goes on
	Object      string    `db:"object"`
	SFID        string    `db:"sf_id"` // empty where Salesforce sent no valid one
	Name        string    `db:"name"`
	AccountID   string    `db:"account_id"`
	AccountName string    `db:"account_name"`
	Message     string    `db:"message"`
	Run         string    `db:"run"` // short id of the run that listed it; empty when it is not kept any more
	Since       time.Time `db:"since"`
	Retry       string    `db:"retry"`     // outcome of the last retry; "asked" while it is not over; empty for none
	RetryRun    string    `db:"retry_run"` // its short id
	Here        bool      `db:"here"`      // there is a copy of it
}

// ErrorRecords returns records of a cause, in a fixed order, from behind a place on; the zero place is the beginning.
func (d *DB) ErrorRecords(ctx context.Context, g ErrorGroup, after string, limit int) ([]ErrorRecord, error) {
	var out []ErrorRecord
	var err error
	switch {
	case !storable(after):
		return nil, nil
	case g.Kind == SkipErrors:
		err = d.pool.SelectContext(ctx, &out, `
			SELECT k.sf_id AS place, k.object, k.sf_id, coalesce(k.name, '') AS name, coalesce(k.account_id, '') AS account_id, k.reason AS message,
			       coalesce(r.short_id, '') AS run, coalesce(r.finished_at, r.created_at, $6) AS since
			  FROM millrace.skipped_records k LEFT JOIN millrace.runs r ON r.id = k.since_run
			 WHERE k.connection_id = $1 AND k.object = $2 AND k.reason = $3 AND k.until_run IS NULL AND k.sf_id > $4
			 ORDER BY k.sf_id LIMIT $5`, g.ConnectionID, g.Subject, g.Cause, after, limit, g.OpenedAt)
	case g.Listed():
		from, badPlace := strconv.ParseInt(cmp.Or(after, "0"), 10, 64)
		if badPlace != nil {
			return nil, nil
		}
		err = d.pool.SelectContext(ctx, &out, `
			SELECT e.id::text AS place, e.object, e.sf_id, coalesce(e.name, '') AS name, '' AS account_id, e.message, r.short_id AS run, e.created_at AS since
			  FROM millrace.run_errors e JOIN millrace.runs r ON r.id = e.run_id
			 WHERE e.connection_id = $1 AND e.records = ANY ($2) AND e.cause = $3 AND e.until_run IS NULL AND e.id > $4
			 ORDER BY e.id LIMIT $5`, g.ConnectionID, pq.Array(groupSets(g)), g.Cause, from, limit)
	}
	if err == nil && len(out) > 0 {
		err = d.describeErrors(ctx, g, out)
	}
	return out, wrapIf(asCancelled(ctx, err), "db.ErrorRecords(%d)", g.ID)
}

// groupSets are the sets whose errors a group holds: its own, and that of its fields which are read by themselves.
func groupSets(g ErrorGroup) []string { return []string{g.Subject, pipeline.RefreshPrefix + g.Subject} }

// describeErrors adds names, accounts and retries to records of a group.
func (d *DB) describeErrors(ctx context.Context, g ErrorGroup, list []ErrorRecord) error {
	var refs []RecordRef
	ids := []string{}
	for _, r := range list {
		if r.SFID != "" {
			refs = append(refs, RecordRef{entityOfObject(r.Object), r.SFID})
			ids = append(ids, r.SFID)
		}
		if r.AccountID != "" {
			refs = append(refs, RecordRef{"account", r.AccountID})
		}
	}
	names, err := d.RecordNames(ctx, g.ConnectionID, refs)
	if err != nil {
		return err
	}
	var retries []struct {
		SFID    string `db:"sf_id"`
		Outcome string `db:"outcome"`
		Run     string `db:"run"`
	}
	err = d.pool.SelectContext(ctx, &retries, `
		SELECT DISTINCT ON (k.sf_id) k.sf_id, CASE WHEN r.state IN ('queued', 'running', 'waiting') THEN 'asked' WHEN k.outcome = '' THEN 'unread' ELSE k.outcome END AS outcome, r.short_id AS run
		  FROM millrace.retry_records k JOIN millrace.runs r ON r.id = k.run_id
		 WHERE k.group_id = $1 AND k.sf_id = ANY ($2) ORDER BY k.sf_id, k.run_id DESC`, g.ID, pq.Array(ids))
	if err != nil {
		return err
	}
	for i := range list {
		r := &list[i]
		if name, ok := names[RecordRef{entityOfObject(r.Object), r.SFID}]; ok && r.SFID != "" {
			r.Here = true
			if name != "" {
				r.Name = name
			}
		}
		r.AccountName = names[RecordRef{"account", r.AccountID}]
		for _, k := range retries {
			if k.SFID == r.SFID {
				r.Retry, r.RetryRun = k.Outcome, k.Run
			}
		}
	}
	return nil
}

// entityOfObject is what the audit log calls a record of an object.
func entityOfObject(object string) string {
	if t, ok := pipeline.TableOf(object); ok {
		return t.Entity
	}
	if object == "Case" {
		return "case"
	}
	return object
}

// MuteErrorGroup has a cause not counted any more, or again. One that is over stays as it is. It returns ErrNotFound for no such group.
func (d *DB) MuteErrorGroup(ctx context.Context, connectionID, id int64, mute bool, by int64) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		var g struct {
			Open  bool   `db:"open"`
			Muted bool   `db:"muted"`
			Words string `db:"words"`
		}
		if err := tx.GetContext(ctx, &g, `
			SELECT cured_at IS NULL AS open, muted_at IS NOT NULL AS muted, kind || ' ' || subject || ': ' || cause AS words FROM millrace.error_groups WHERE connection_id = $1 AND id = $2 FOR UPDATE`,
			connectionID, id); err != nil {
			return notFound(err)
		}
		if !g.Open || g.Muted == mute {
			return nil
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.error_groups SET muted_at = CASE WHEN $2 THEN now() END, muted_by = CASE WHEN $2 THEN $3::bigint END, muted_records = CASE WHEN $2 THEN records END, woken_at = NULL
			 WHERE id = $1`, id, mute, by)
		if err != nil {
			return err
		}
		action := map[bool]string{true: "muted", false: "unmuted"}[mute]
		return Audit(ctx, tx, AuditEntry{ConnectionID: connectionID, ActorID: &by, Entity: "error", Action: action, Detail: g.Words})
	})
	return wrapIf(err, "db.MuteErrorGroup(%d)", id)
}
