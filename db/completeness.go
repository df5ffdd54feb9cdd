package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// Check is what Salesforce counted of a step's records, and what was here.
type Check struct {
	RunID       int64     `db:"run_id"`
	Run         string    `db:"run"`              // its short id
	Settings    int       `db:"settings_version"` // that the run went by
	Name        string    `db:"name"`
	Part        string    `db:"part"`
	Label       string    `db:"label"`
	Object      string    `db:"object"`
	AccountType string    `db:"account_type"`
	Salesforce  *int64    `db:"in_salesforce"` // nil when it was not counted
	Here        int64     `db:"here"`
	Skipped     int64     `db:"skipped"`
	Failed      int64     `db:"failed"`
	Waiting     int64     `db:"waiting"`     // of records that could not be stored
	Elsewhere   int64     `db:"elsewhere"`   // of accounts that are not synced
	Unexplained *int64    `db:"unexplained"` // missing here; below 0: here, but not in Salesforce any more; nil when it was not counted
	Note        string    `db:"note"`        // why it was not counted or compared
	CheckedAt   time.Time `db:"checked_at"`
}

// Open reports whether there is a gap: records are missing here, or are here that Salesforce no longer has.
func (c Check) Open() bool { return c.Unexplained != nil && *c.Unexplained != 0 }

const checkColumns = `c.run_id, r.short_id AS run, coalesce(r.settings_version, 0) AS settings_version, c.name, c.part, c.label, c.object, c.account_type, c.in_salesforce, c.here, c.skipped, c.failed, c.waiting, c.elsewhere,
	c.unexplained, c.note, c.checked_at FROM millrace.completeness_checks c JOIN millrace.runs r ON r.id = c.run_id`

// RunChecks returns the checks at the end of a run, in the order of its steps.
func (d *DB) RunChecks(ctx context.Context, runID int64) ([]Check, error) {
	var out []Check
	err := d.pool.SelectContext(ctx, &out, `SELECT `+checkColumns+` WHERE c.run_id = $1 ORDER BY c.position`, runID)
	return out, wrapIf(asCancelled(ctx, err), "db.RunChecks(%d)", runID)
}

// partsOn are the parts of the connection $1 that its settings do not switch off, as pipeline.Entity.WhyOff says.
const partsOn = `(SELECT k.part FROM (VALUES ('accounts', '{sync,accounts,off}'::text[], 'true'), ('contacts', '{sync,contacts,off}', 'true'), ('cases', '{cases,enabled}', 'false'),
	                                    ('chatter', '{chatter,enabled}', 'false')) AS k (part, path, off)
	         WHERE (SELECT v.body #>> k.path FROM millrace.settings_versions v WHERE v.connection_id = $1 ORDER BY v.version DESC LIMIT 1) IS DISTINCT FROM k.off) AS p`

// latestChecks selects, of the connection $1, the newest check of each step that the newest sync of its entity had. Parts that are switched off are left out.
const latestChecks = `
	SELECT DISTINCT ON (c.part, c.name) c.part, c.name, c.run_id
	  FROM ` + partsOn + `
	 CROSS JOIN LATERAL (SELECT n.run_id FROM millrace.completeness_checks n JOIN millrace.runs r ON r.id = n.run_id
	                      WHERE n.connection_id = $1 AND n.part = p.part AND r.entity <> 'gap' ORDER BY n.run_id DESC LIMIT 1) AS newest
	  JOIN millrace.completeness_checks c ON c.connection_id = $1 AND c.part = p.part AND c.run_id >= newest.run_id
	 ORDER BY c.part, c.name, c.run_id DESC`

// LatestChecks returns the newest check of each object and account type of a connection: how complete the copy is, as far as is known.
func (d *DB) LatestChecks(ctx context.Context, connectionID int64) ([]Check, error) {
	var out []Check
	err := d.pool.SelectContext(ctx, &out, `
		SELECT `+checkColumns+` JOIN (`+latestChecks+`) l ON l.run_id = c.run_id AND l.name = c.name
		 ORDER BY array_position(ARRAY['accounts', 'contacts', 'cases', 'chatter'], c.part), c.position, c.name`, connectionID)
	return out, wrapIf(asCancelled(ctx, err), "db.LatestChecks(%d)", connectionID)
}

// RequestGap queues a run that closes the gaps of a connection: it fetches what is missing, and marks what Salesforce no longer has. Pressed twice, one run starts. It returns an
// *EntityOffError when there is no gap.
func (d *DB) RequestGap(ctx context.Context, connectionID int64, by int64) (run Run, started bool, err error) {
	var id int64
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		var found int64
		if err := tx.GetContext(ctx, &found, `SELECT id FROM millrace.connections WHERE id = $1 FOR KEY SHARE`, connectionID); err != nil {
			return notFound(err)
		}
		current, err := currentSettings(ctx, tx, connectionID)
		if err != nil {
			return err
		}
		if current == nil {
			return ErrNoSettings
		}
		var gaps []string
		if err := tx.SelectContext(ctx, &gaps, openGaps, connectionID); err != nil {
			return err
		}
		if len(gaps) == 0 {
			return &EntityOffError{"There is no gap to close: as far as the last counts tell, everything is here."}
		}
		id, started, err = queueRun(ctx, tx, newRun{connection: connectionID, version: current.Version, entity: pipeline.EntityGap, trigger: TriggerManual, by: &by})
		return err
	})
	if err != nil {
		return run, false, fmt.Errorf("db.RequestGap(%d): %w", connectionID, err)
	}
	run, err = d.RunByID(ctx, id)
	return run, started, err
}

// openGaps selects the steps of the connection $1 with a gap that a run can close.
const openGaps = `
	SELECT c.name FROM millrace.completeness_checks c JOIN (` + latestChecks + `) l ON l.run_id = c.run_id AND l.name = c.name
	 WHERE c.unexplained <> 0 AND c.part <> 'chatter'`

// Gaps implements pipeline.Store.
func (s *RunStore) Gaps(ctx context.Context) ([]string, error) {
	var out []string
	err := s.db.pool.SelectContext(ctx, &out, openGaps, s.connectionID)
	return out, storeFault("list the gaps", err)
}

// here selects the records t of a check that are here and in step, the window left aside.
func here(c pipeline.Check) string { return everHere(c) + " AND t.left_filter_at IS NULL" }

// everHere selects those that have left too.
func everHere(c pipeline.Check) string {
	where := "t.connection_id = $1" + sameSet(c.Table, "t.")
	if c.AccountType != "" {
		where += " AND t.account_type = " + pq.QuoteLiteral(string(c.AccountType))
	}
	return "FROM millrace." + c.Table.Name + " t WHERE " + where
}

// NotStored implements pipeline.Store.
func (s *RunStore) NotStored(ctx context.Context, t pipeline.Table, offset, limit int) ([]string, error) {
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, `
		SELECT DISTINCT e.sf_id FROM millrace.run_errors e
		 WHERE e.connection_id = $1 AND e.until_run IS NULL AND e.records = $2 AND e.sf_id <> ''
		   AND NOT EXISTS (SELECT FROM millrace.`+t.Name+` t WHERE t.connection_id = $1 AND t.sf_id = e.sf_id AND t.left_filter_at IS NULL)
		 ORDER BY 1 OFFSET $3 LIMIT $4`, s.connectionID, t.Records(), offset, limit)
	return ids, storeFault("list what could not be stored of "+t.Label, err)
}

// SaveChecks implements pipeline.Store.
func (s *RunStore) SaveChecks(ctx context.Context, checks []pipeline.Check) (missing []string, err error) {
	err = s.transactLong(ctx, "hold the copy against the counts", func(tx *sqlx.Tx) error {
		missing = nil
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL random_page_cost = 1.1`); err != nil {
			return err
		}
		if err := trimWrites(ctx, tx); err != nil {
			return err
		}
		for _, c := range checks {
			row, err := s.measure(ctx, tx, c)
			if err != nil {
				return err
			}
			_, err = tx.NamedExecContext(ctx, `
				INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, account_type, in_salesforce, here, skipped, failed, waiting, elsewhere, unexplained, note)
				VALUES (:run_id, :name, `+strconv.FormatInt(s.connectionID, 10)+`, :part, `+strconv.Itoa(c.Position)+`, :label, :object, :account_type, :in_salesforce, :here, :skipped, :failed, :waiting, :elsewhere, :unexplained, :note)
				ON CONFLICT (run_id, name) DO UPDATE SET in_salesforce = excluded.in_salesforce, here = excluded.here, skipped = excluded.skipped, failed = excluded.failed,
				    waiting = excluded.waiting, elsewhere = excluded.elsewhere, unexplained = excluded.unexplained, note = excluded.note, checked_at = now()`, row)
			if err != nil {
				return err
			}
			if n := row.Unexplained; n != nil && *n > 0 {
				missing = append(missing, row.Name)
			}
		}
		return nil
	})
	return missing, err
}

// failedSpan is how far back records that could not be stored explain that they are not here.
const failedSpan = "90 days"

// measure counts what is here of one check, and explains the difference as far as it can.
func (s *RunStore) measure(ctx context.Context, tx *sqlx.Tx, c pipeline.Check) (Check, error) {
	out := Check{
		RunID: s.runID, Name: c.Name, Part: string(c.Part), Label: c.Label, Object: c.Table.Object, AccountType: string(c.AccountType), Salesforce: c.Salesforce, Note: c.Note,
	}
	// A run that reads only changes meets few of those whose accounts are not synced: the others are as many as the last check says, or a complete read after it, such as that of a run that was cancelled.
	var step struct {
		Elsewhere int64 `db:"elsewhere"`
		Read      int64 `db:"read"`
		Whole     bool  `db:"whole"`
	}
	err := tx.GetContext(ctx, &step, `
		SELECT p.read, p.reading = 'whole' AS whole, p.elsewhere + CASE WHEN p.reading = 'whole' THEN 0 ELSE coalesce(w.elsewhere, l.elsewhere, 0) END AS elsewhere
		  FROM millrace.run_steps p
		  LEFT JOIN LATERAL (SELECT c.run_id, c.elsewhere FROM millrace.completeness_checks c
		                      WHERE c.connection_id = $3 AND c.part = $4 AND c.run_id < $1 AND c.name = $2 ORDER BY c.run_id DESC LIMIT 1) l ON true
		  LEFT JOIN LATERAL (SELECT o.elsewhere FROM millrace.runs r JOIN millrace.run_steps o ON o.run_id = r.id
		                      WHERE r.connection_id = $3 AND r.id < $1 AND r.id > coalesce(l.run_id, 0) AND o.name = $2 AND o.reading = 'whole' AND o.state = 'done'
		                      ORDER BY r.id DESC LIMIT 1) w ON true
		 WHERE p.run_id = $1 AND p.name = $2`, s.runID, c.Name, s.connectionID, c.Part)
	if err != nil && !errors.Is(notFound(err), ErrNotFound) {
		return out, err
	}
	// A record at the border of a window may be counted there and not here, or the other way round, because the window begins with the day of the connected user.
	least, most, err := s.countHere(ctx, tx, c, step.Whole)
	if err != nil {
		return out, err
	}
	out.Here = most
	if c.Table.Require != "" {
		// Of the few that are skipped each is looked up: a scalar subquery is never made a join that goes through the whole table.
		out.Skipped, err = s.count(ctx, tx, step.Whole, `
			SELECT count(*) FROM millrace.skipped_records k WHERE k.connection_id = $1 AND k.object = `+pq.QuoteLiteral(c.Table.Object)+` AND k.until_run IS NULL
			   AND (SELECT 1 `+here(c)+` AND t.sf_id = k.sf_id) IS NULL`, c.Table.Name, "skipped_records")
		if err != nil {
			return out, err
		}
	}
	if c.Salesforce == nil {
		out.Elsewhere = step.Elsewhere // for the next run
		return out, nil
	}
	missing := func() int64 { return *c.Salesforce - out.Here - out.Skipped - out.Failed - out.Waiting - out.Elsewhere }
	if n := missing(); n < 0 && least < most {
		out.Here = max(least, most+n)
	}
	if missing() < 0 {
		// What has become of them could not be stored, such as that they are of another type now.
		var unsure int64
		err := tx.GetContext(ctx, &unsure, `
			SELECT count(DISTINCT e.sf_id) FROM millrace.run_errors e
			 WHERE e.connection_id = $1 AND e.until_run IS NULL AND e.records = $2 AND e.sf_id <> '' AND EXISTS (SELECT `+here(c)+` AND t.sf_id = e.sf_id)`, s.connectionID, c.Table.Records())
		if err != nil {
			return out, err
		}
		out.Here -= min(unsure, -missing())
	}
	if missing() > 0 {
		var failed int64
		err := tx.GetContext(ctx, &failed, `
			SELECT count(DISTINCT e.sf_id) FROM millrace.run_errors e JOIN millrace.runs r ON r.id = e.run_id
			 WHERE r.connection_id = $1 AND e.object = $2 AND e.sf_id <> '' AND e.created_at > now() - interval '`+failedSpan+`'
			   AND NOT EXISTS (SELECT `+here(c)+` AND t.sf_id = e.sf_id)`, s.connectionID, c.Table.Object)
		if err != nil {
			return out, err
		}
		out.Failed = min(failed, missing())
	}
	out.Waiting = min(c.Waiting, max(missing(), 0))
	if c.AccountType == "" && missing() > 0 {
		out.Elsewhere = min(step.Elsewhere, missing())
	}
	if t := c.Table; t.Parent != "" && missing() > 0 { // Salesforce counts what still names a deleted parent
		var orphans int64
		err := tx.GetContext(ctx, &orphans, `
			SELECT count(*) FROM millrace.`+t.Name+` t JOIN millrace.`+t.ParentTable()+` p ON p.connection_id = $1 AND p.sf_id = t.`+t.Parent+`
			 WHERE t.connection_id = $1 AND t.left_filter_at IS NOT NULL AND t.deleted_in_salesforce_at IS NULL AND p.deleted_in_salesforce_at IS NOT NULL`+sameSet(t, "t."), s.connectionID)
		if err != nil {
			return out, err
		}
		out.Elsewhere += min(orphans, missing())
		out.Elsewhere += min(max(c.Orphans-out.Elsewhere, 0), missing())
	}
	// A run that reads changes may read as many as that: some twice, and none of accounts that have left.
	if c.Loose && (!step.Whole || step.Read < *c.Salesforce) && missing() != 0 {
		out.Elsewhere, out.Note = 0, "Not compared: Salesforce cannot say of these records which belong to synced accounts, and this run did not read all of them."
		return out, nil
	}
	n := missing()
	out.Unexplained = &n
	return out, nil
}

// countHere counts the records of a check that are here and in step: those that are surely in the window of their table, which ends when Salesforce counted, and those that may be. Where there is no window, indexes
// alone tell how many have ever been here and how many of them have left.
func (s *RunStore) countHere(ctx context.Context, tx *sqlx.Tx, c pipeline.Check, anew bool) (least, most int64, err error) {
	if c.Table.Window != nil {
		err = tx.QueryRowxContext(ctx, `SELECT `+windowed(c.Table, sql.NullTime{Time: c.Asked, Valid: !c.Asked.IsZero()})+` `+here(c), s.connectionID).Scan(&least, &most)
		return least, most, err
	}
	most, err = s.count(ctx, tx, anew, `SELECT (SELECT count(*) `+everHere(c)+`) - (SELECT count(*) `+everHere(c)+` AND t.left_filter_at IS NOT NULL)`, c.Table.Name)
	return most, most, err
}

// windowed are two counts of a check's records: of those that are surely in the window of the table, and of those that may be: because they are at its border, or because what has become of them could not be stored.
// It ends when Salesforce counted, by the org's clock.
func windowed(t pipeline.Table, asked sql.NullTime) string {
	changed, id, set := "t.system_modstamp", "t.sf_id", t.Records()
	if t.Window.Under != "" {
		id, set = "t."+t.Parent, setsOf(t.Window.Under)[0]
		changed = "(SELECT w.system_modstamp FROM millrace." + t.Window.Under + " w WHERE w.connection_id = $1 AND w.sf_id = " + id + ")"
	}
	within := func(from string) string {
		return fmt.Sprintf("%s >= %s - interval '%d days' %s", changed, moment(asked), t.Window.Days, from)
	}
	return "count(*) FILTER (WHERE " + within("+ interval '1 hour'") + "), count(*) FILTER (WHERE " + within("- interval '2 days'") +
		" OR " + id + " IN (SELECT e.sf_id FROM millrace.run_errors e WHERE e.connection_id = $1 AND e.until_run IS NULL AND e.records = " + pq.QuoteLiteral(set) + "))"
}

// Missing implements pipeline.Store.
func (s *RunStore) Missing(ctx context.Context, step pipeline.Step, after string, limit int) ([]string, error) {
	if step.Missing.Retry {
		return s.retryIDs(ctx, step, after, limit)
	}
	same := sameSet(step.Table, "t.")
	if step.AccountType != "" {
		same += " AND t.account_type = " + pq.QuoteLiteral(string(step.AccountType))
	}
	parent := ""
	if step.Table.Parent != "" {
		parent = " AND (g.parent_id IS NULL OR EXISTS (SELECT FROM millrace." + step.Table.ParentTable() + " p WHERE p.connection_id = $1 AND p.sf_id = g.parent_id AND p.left_filter_at IS NULL))"
	}
	skipped := ""
	if step.Table.Require != "" {
		skipped = " AND NOT EXISTS (SELECT FROM millrace.skipped_records k WHERE k.connection_id = $1 AND k.object = " + pq.QuoteLiteral(step.Table.Object) + " AND k.sf_id = g.sf_id AND k.until_run IS NULL)"
	}
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, `
		SELECT g.sf_id FROM millrace.gap_ids g
		 WHERE g.connection_id = $1 AND g.records = $2 AND g.sf_id > $3
		   AND NOT EXISTS (SELECT FROM millrace.gap_ids e WHERE e.connection_id = $1 AND e.records = ANY ($4) AND e.sf_id = g.sf_id)
		   AND NOT EXISTS (SELECT FROM millrace.`+step.Table.Name+` t WHERE t.connection_id = $1 AND t.sf_id = g.sf_id AND t.left_filter_at IS NULL`+same+`)`+parent+skipped+`
		 ORDER BY g.sf_id LIMIT $5`, s.connectionID, step.Missing.Ids, after, pq.Array(step.Missing.Not), limit)
	return ids, storeFault("list what is missing of "+step.Name, err)
}

// finishMissing ends a step that has fetched what was missing. With the last one of a set, records whose Ids Salesforce did not send are marked as having left.
func (s *RunStore) finishMissing(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	names := append([]string{step.Missing.Ids}, step.Missing.Not...)
	var ids []string
	for _, n := range names {
		ids = append(ids, "ids:"+n)
	}
	var whole bool
	var asked sql.NullTime
	err := tx.QueryRowxContext(ctx, `
		WITH done AS (UPDATE millrace.run_steps SET state = 'done', finished_at = now(), expected = read WHERE run_id = $1 AND position = $2)
		SELECT count(*) = cardinality($3::text[]) AND bool_and(state = 'done' AND expected = read), CASE WHEN bool_and(asked_at IS NOT NULL) THEN max(asked_at) END FROM millrace.run_steps WHERE run_id = $1 AND name = ANY ($3)`,
		s.runID, step.Position, pq.Array(ids)).Scan(&whole, &asked)
	if err != nil || !step.Missing.Last || !whole {
		return err
	}
	changed := ""
	if w := step.Table.Window; w != nil {
		column := "t.system_modstamp"
		if w.Under != "" {
			column = "(SELECT w.system_modstamp FROM millrace." + w.Under + " w WHERE w.connection_id = $1 AND w.sf_id = t." + step.Table.Parent + ")"
		}
		changed = " AND " + column + " >= " + border(step.Table, asked)
	}
	_, err = tx.ExecContext(ctx, `
		WITH gone AS (
		    UPDATE millrace.`+step.Table.Name+` t SET left_filter_at = now()
		     WHERE t.connection_id = $1 AND t.left_filter_at IS NULL`+sameSet(step.Table, "t.")+changed+`
		       AND NOT EXISTS (SELECT FROM millrace.gap_ids g WHERE g.connection_id = $1 AND g.records = ANY ($6) AND g.sf_id = t.sf_id)
		    RETURNING t.sf_id),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, detail)
		    SELECT $1, $2, $4, sf_id, 'left', 'Salesforce did not list it when the gap was closed' FROM gone)
		UPDATE millrace.run_steps SET left_filter = (SELECT count(*) FROM gone), leavers_open = leavers_open OR EXISTS (SELECT FROM gone) WHERE run_id = $2 AND position = $5 AND object = $3`,
		s.connectionID, s.runID, step.Table.Object, step.Table.Entity, step.Position, pq.Array(names))
	if err != nil || step.Table.Parent == "" {
		return err
	}
	// Their parents may match again by the next sync: to it they would look as if nothing had happened, and their children would not be asked for.
	_, err = tx.ExecContext(ctx, `
		DELETE FROM millrace.read_states WHERE connection_id = $1 AND records = $2
		   AND EXISTS (SELECT FROM millrace.run_steps WHERE run_id = $3 AND position = $4 AND left_filter > 0)`,
		s.connectionID, step.Table.Records(), s.runID, step.Position)
	return err
}
