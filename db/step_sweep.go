package db

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// Unmet implements pipeline.Store.
func (s *RunStore) Unmet(ctx context.Context, step pipeline.Step, all []pipeline.Listed) ([]string, error) {
	var ids, parents, out []string
	for _, l := range all {
		ids, parents = append(ids, l.ID), append(parents, l.Parent)
	}
	err := s.db.pool.SelectContext(ctx, &out, `
		SELECT l.sf_id FROM unnest($4::text[], $5::text[]) AS l (sf_id, parent) JOIN millrace.`+step.Table.ParentTable()+` p ON p.connection_id = $1 AND p.sf_id = l.parent
		 WHERE p.left_filter_at IS NULL AND `+unmet("l", "$3"), s.connectionID, s.runID, step.Table.Records(), pq.Array(ids), pq.Array(parents))
	return out, storeFault("tell what was not met of "+step.Name, err)
}

// Behind implements pipeline.Store.
func (s *RunStore) Behind(ctx context.Context, step pipeline.Step, all []pipeline.Listed) (out []string, err error) {
	set, err := s.setSteps(ctx, s.db.pool, step)
	if err == nil {
		var ids []string
		var changed []time.Time
		for _, l := range all {
			ids, changed = append(ids, l.ID), append(changed, l.Changed)
		}
		err = s.db.pool.SelectContext(ctx, &out, fmt.Sprintf(`
			SELECT m.sf_id FROM unnest($4::text[], $5::timestamptz[]) AS m (sf_id, changed) JOIN millrace.%s o ON o.connection_id = $1 AND o.sf_id = m.sf_id%s
			 WHERE o.left_filter_at IS NULL AND (%s) IS NOT TRUE AND %s`, step.Table.Name, sameSet(step.Table, "o."), inWindow(step.Table, set.Asked), unmet("m", "$3")),
			s.connectionID, s.runID, step.Table.Records(), pq.Array(ids), pq.Array(changed))
	}
	return out, storeFault("tell what has become too old of "+step.Name, err)
}

// Sweep implements pipeline.Store. What the run itself has brought is not looked up, as in markLeft.
func (s *RunStore) Sweep(ctx context.Context, step pipeline.Step, all []pipeline.Listed) error {
	var ids, masters, living, parents []string
	var deleted []bool
	var changed []time.Time
	for _, l := range all {
		ids, masters, deleted, changed = append(ids, l.ID), append(masters, l.Master), append(deleted, l.Deleted), append(changed, l.Changed)
		if l.Parent != "" && !l.Deleted {
			living, parents = append(living, l.ID), append(parents, l.Parent)
		}
	}
	return s.transact(ctx, "go through what has changed of "+step.Table.Records(), func(tx *sqlx.Tx) error {
		set, err := s.setSteps(ctx, tx, step)
		if err != nil || !set.Complete || set.Fresh {
			return err
		}
		if !set.Known {
			return pipeline.ErrSeenLost
		}
		if asksParents(step) {
			if err := s.doubtParents(ctx, tx, step, living, parents); err != nil {
				return err
			}
		}
		// What has changed since the set's first step began may have been where no step looked when it looked: the next run tells.
		args := []any{s.connectionID, s.runID, step.Table.Records(), pq.Array(ids), pq.Array(deleted), pq.Array(masters), pq.Array(changed), set.Clock}
		missed := `
			WITH listed AS MATERIALIZED (
			    SELECT DISTINCT ON (l.sf_id) l.sf_id, l.deleted, nullif(l.master, '') AS master, l.changed
			      FROM unnest($4::text[], $5::boolean[], $6::text[], $7::timestamptz[]) AS l (sf_id, deleted, master, changed)
			     WHERE l.deleted OR $8::timestamptz IS NULL OR l.changed <= $8 ORDER BY l.sf_id),
			missed AS MATERIALIZED (
			    SELECT l.* FROM listed l
			     WHERE ` + unmet("l", "$3") + `)`
		if step.Table.Quiet {
			_, err = tx.ExecContext(ctx, missed+fmt.Sprintf(`,
			gone AS (DELETE FROM millrace.%s t USING missed m WHERE t.connection_id = $1 AND t.sf_id = m.sf_id AND t.first_seen_run <> $2%s RETURNING 1)
			UPDATE millrace.run_steps SET touched = touched + (SELECT count(*) FROM gone) WHERE run_id = $2 AND position = $9`,
				step.Table.Name, sameSet(step.Table, "t.")), append(args, step.Position)...)
			return err
		}
		if _, err = tx.ExecContext(ctx, missed+sweepMarks(step, set.Asked), append(args, step.Position, step.Table.Entity)...); err != nil || step.Table.Require == "" {
			return err
		}
		_, err = tx.ExecContext(ctx, missed+`
			UPDATE millrace.skipped_records k SET until_run = $2 FROM missed m
			 WHERE k.connection_id = $1 AND k.object = $9 AND k.sf_id = m.sf_id AND k.until_run IS NULL AND k.since_run <> $2`, append(args, step.Table.Object)...)
		return err
	})
}

// undeletedChanges is what the audit log says of a record that is not deleted any more, as SQL over was_deleted and was_merged.
const undeletedChanges = `jsonb_build_object('deleted_in_salesforce_at', jsonb_build_array(was_deleted, NULL)) ||
			           CASE WHEN was_merged IS NULL THEN '{}' ELSE jsonb_build_object('merged_into_id', jsonb_build_array(was_merged, NULL)) END`

// sweepMarks marks the records missed that are here: as having left, as deleted, as merged into another, or as not deleted any more. $9 is the position and $10 the entity.
func sweepMarks(step pipeline.Step, asked sql.NullTime) string {
	t, would := step.Table, "true"
	if step.Reading.Anytime == "" { // else what is too old was asked for by its Id
		would = inWindow(t, asked)
	}
	merged, into := "", "NULL::text"
	if merges(t) {
		merged, into = ", merged_into_id = d.master", "o.merged_into_id"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `,
			differ AS MATERIALIZED (
			    SELECT m.sf_id, m.deleted, m.master, o.left_filter_at IS NULL AND (m.deleted OR %[2]s) AS leaves, o.deleted_in_salesforce_at IS NULL AS lived, o.deleted_in_salesforce_at AS was_deleted, %[4]s AS was_merged
			      FROM missed m JOIN millrace.%[1]s o ON o.connection_id = $1 AND o.sf_id = m.sf_id AND o.first_seen_run <> $2%[3]s
			     WHERE o.left_filter_at IS NULL AND (m.deleted OR %[2]s) OR m.deleted IS DISTINCT FROM (o.deleted_in_salesforce_at IS NOT NULL) AND (m.deleted OR o.left_filter_at IS NOT NULL)
			        OR m.deleted AND m.master IS DISTINCT FROM %[4]s),
			marked AS (
			    UPDATE millrace.%[1]s t
			       SET left_filter_at = CASE WHEN d.leaves THEN now() ELSE t.left_filter_at END,
			           deleted_in_salesforce_at = CASE WHEN d.deleted THEN coalesce(t.deleted_in_salesforce_at, now()) END%[5]s
			      FROM differ d WHERE t.connection_id = $1 AND t.sf_id = d.sf_id%[6]s),
			log AS (
			    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes, detail)
			    SELECT $1, $2, $10, sf_id, 'left',
			           CASE WHEN NOT deleted AND lived AND was_merged IS NOT NULL THEN jsonb_build_object('left_filter_at', jsonb_build_array(NULL, now()), 'merged_into_id', jsonb_build_array(was_merged, NULL)) END, NULL
			      FROM differ WHERE leaves
			    UNION ALL
			    SELECT $1, $2, $10, sf_id, 'deleted',
			           CASE WHEN master IS DISTINCT FROM was_merged THEN jsonb_build_object('deleted_in_salesforce_at', jsonb_build_array(NULL, now()), 'merged_into_id', jsonb_build_array(was_merged, master)) END,
			           'Merged into ' || master
			      FROM differ WHERE deleted AND lived
			    UNION ALL
			    SELECT $1, $2, $10, sf_id, 'deleted', jsonb_build_object('merged_into_id', jsonb_build_array(was_merged, master)), 'Merged into ' || master
			      FROM differ WHERE deleted AND NOT lived AND master IS DISTINCT FROM was_merged
			    UNION ALL
			    SELECT $1, $2, $10, sf_id, 'undeleted',
			           `+undeletedChanges+`, NULL
			      FROM differ WHERE NOT deleted AND NOT lived)
			UPDATE millrace.run_steps
			   SET left_filter = left_filter + (SELECT count(*) FROM differ WHERE leaves),
			       deleted = deleted + (SELECT count(*) FROM differ WHERE deleted AND lived)
			 WHERE run_id = $2 AND position = $9`,
		t.Name, would, sameSet(t, "o."), into, merged, sameSet(t, "t."))
	return b.String()
}

// inWindow is the condition that a record o of a table with a window, which was listed as m, would have been met if it were still selected.
func inWindow(t pipeline.Table, asked sql.NullTime) string {
	if t.Window == nil {
		return "true"
	}
	changed := "m.changed"
	if t.Window.Under != "" {
		changed = "(SELECT w.system_modstamp FROM millrace." + t.Window.Under + " w WHERE w.connection_id = $1 AND w.sf_id = o." + t.Parent + ")"
	}
	return changed + " >= " + border(t, asked)
}

// follow brings the records of a set in line with what has become of their parents since the set was last read: those whose parents left leave too, and columns that are looked up from a parent follow it.
// A record that is skipped, or cannot be stored, is here under the parent that it had before. Of the first kind the skip names the present one; the others were asked for by their Ids: they
// belong to another now when they were met, and have left when they were not.
func (s *RunStore) follow(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	t := step.Table
	if t.Parent == "" {
		return nil
	}
	set, err := s.setSteps(ctx, tx, step)
	if err != nil || !set.Complete {
		return err
	}
	parent := "millrace." + t.ParentTable()
	since := `(SELECT read_at - ` + leeway + ` FROM millrace.read_states WHERE connection_id = $1 AND records = $3)`
	gone := fmt.Sprintf(`SELECT sf_id FROM %s WHERE connection_id = $1 AND left_filter_at >= %s`, parent, since)
	if t.Quiet {
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`
			WITH gone AS (DELETE FROM millrace.%s t USING (%s) p WHERE t.connection_id = $1 AND t.%s = p.sf_id%s RETURNING 1)
			UPDATE millrace.run_steps SET touched = touched + (SELECT count(*) FROM gone) WHERE run_id = $2 AND position = $4`,
			t.Name, gone, t.Parent, sameSet(t, "t.")), s.connectionID, s.runID, t.Records(), step.Position)
		return err
	}
	elsewhere := ""
	if t.Require != "" && t.Under == "" {
		elsewhere = fmt.Sprintf(` AND NOT EXISTS (SELECT FROM millrace.skipped_records k JOIN %s h ON h.connection_id = $1 AND h.sf_id = k.account_id AND h.left_filter_at IS NULL
		                      WHERE k.connection_id = $1 AND k.object = %s AND k.sf_id = t.sf_id AND k.until_run IS NULL)`, parent, pq.QuoteLiteral(t.Object))
	}
	_, err = tx.ExecContext(ctx, leave(fmt.Sprintf(`millrace.%s t SET left_filter_at = now() FROM (%s) p
		     WHERE t.connection_id = $1 AND t.%s = p.sf_id AND t.left_filter_at IS NULL%s%s%s AND %s`, t.Name, gone, t.Parent, sameSet(t, "t."), within(t, set.Asked), elsewhere, unmet("t", "$3")), "position = $4"), s.connectionID, s.runID, t.Records(), step.Position, t.Entity)
	if err != nil {
		return err
	}
	if t.Require != "" && t.Under == "" {
		_, err := tx.ExecContext(ctx, leave(fmt.Sprintf(`millrace.%s t SET left_filter_at = now() FROM (%s) p JOIN millrace.skipped_records k ON k.connection_id = $1 AND k.account_id = p.sf_id
		     WHERE k.object = $6 AND k.until_run IS NULL AND t.connection_id = $1 AND t.sf_id = k.sf_id AND t.left_filter_at IS NULL%s`, t.Name, gone, sameSet(t, "t.")), "position = $4"),
			s.connectionID, s.runID, t.Records(), step.Position, t.Entity, t.Object)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE millrace.skipped_records k SET until_run = $2 FROM (`+gone+`) p
			 WHERE k.connection_id = $1 AND k.object = $4 AND k.until_run IS NULL AND k.account_id = p.sf_id`, s.connectionID, s.runID, t.Records(), t.Object)
		if err != nil {
			return err
		}
	}
	if step.Batches == nil && step.Reading.Last && len(step.Reading.Again) > 0 && set.Known {
		_, err := tx.ExecContext(ctx, leave(fmt.Sprintf(`millrace.%s t SET left_filter_at = now()
		     WHERE t.connection_id = $1 AND t.sf_id = ANY ($6) AND t.left_filter_at IS NULL%s%s AND %s`, t.Name, sameSet(t, "t."), within(t, set.Asked), unmet("t", "$3")), "position = $4"),
			s.connectionID, s.runID, t.Records(), step.Position, t.Entity, pq.Array(step.Reading.Again))
		if err != nil {
			return err
		}
	}
	if step.Batches != nil && set.Known {
		if err := s.unanswered(ctx, tx, step); err != nil {
			return err
		}
	}
	for _, l := range t.Lookups {
		if err := s.followLookup(ctx, tx, step, l); err != nil {
			return err
		}
	}
	return nil
}

// followLookup renews a column that is looked up from another record where that record was written since the set was last read.
func (s *RunStore) followLookup(ctx context.Context, tx *sqlx.Tx, step pipeline.Step, l pipeline.Lookup) error {
	if written, err := s.writtenSince(ctx, tx, step, setsOf(l.Table)...); err != nil || !written {
		return err
	}
	return s.lookAgain(ctx, tx, step, l, fmt.Sprintf(" AND p.last_seen_run > %d", step.Reading.After))
}

// lookAgain renews a column that is looked up from other records p, of those that also selects. A record's own id never becomes another.
func (s *RunStore) lookAgain(ctx context.Context, tx *sqlx.Tx, step pipeline.Step, l pipeline.Lookup, also string) error {
	if l.Key != "" || l.Take == "sf_id" {
		return nil
	}
	t := step.Table
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		WITH differ AS MATERIALIZED (
		    SELECT t.sf_id, t.%[2]s AS was, p.%[5]s AS becomes
		      FROM millrace.%[1]s t JOIN millrace.%[3]s p ON p.connection_id = $1 AND p.sf_id = t.%[4]s
		     WHERE t.connection_id = $1 AND t.left_filter_at IS NULL AND p.left_filter_at IS NULL AND t.%[2]s IS DISTINCT FROM p.%[5]s%[6]s%[7]s),
		upd AS (
		    UPDATE millrace.%[1]s t SET %[2]s = d.becomes, last_seen_run = $2, synced_at = now() FROM differ d WHERE t.connection_id = $1 AND t.sf_id = d.sf_id%[6]s),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		    SELECT $1, $2, $4, sf_id, 'updated', jsonb_build_object('%[2]s', jsonb_build_array(was, becomes)) FROM differ)
		UPDATE millrace.run_steps SET updated = updated + (SELECT count(*) FROM differ) WHERE run_id = $2 AND position = $3`,
		t.Name, l.Column, l.Table, l.By, l.Take, sameSet(t, "t."), also), s.connectionID, s.runID, step.Position, t.Entity)
	return err
}

// setsOf returns the sets of records that fill a table.
func setsOf(table string) []string {
	if table == "chatter_posts" {
		return []string{pipeline.OnAccounts.Object(), pipeline.OnOpportunities.Object()}
	}
	return map[string][]string{"accounts": {"Account"}, "contacts": {"Contact"}, "opportunities": {"Opportunity"}, "cases": {"Case"}}[table]
}

// unanswered marks the records whose parents were asked for their children and did not name them.
func (s *RunStore) unanswered(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	t := step.Table
	_, err := tx.ExecContext(ctx, leave(fmt.Sprintf(`millrace.%[1]s t SET left_filter_at = now() FROM millrace.%[2]s p
		     WHERE p.connection_id = $1 AND p.last_seen_run > $3 AND p.left_filter_at IS NULL
		       AND t.connection_id = $1 AND t.%[3]s = p.sf_id AND t.left_filter_at IS NULL%[4]s
		       AND %[5]s`, t.Name, t.ParentTable(), t.Parent, sameSet(t, "t."), unmet("t", "$6")), "position = $4"), s.connectionID, s.runID, step.Reading.After, step.Position, t.Entity, t.Records())
	return err
}
