package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// A parent may not match just while its children are asked for, and match before and after: to the steps that read it, it has stayed. Whether that was so nobody knows, but something tells that it may have been:
// a child that has changed was not met; the parent has changed since all children were read; it came into the copy and has changed since. Such parents are in doubt, and their children are asked for by the
// parents' ids.

// commits is how long after the time of a change others may come to see it.
const commits = "interval '1 hour'"

// mostDue is how many parents of a set are put in doubt at once: far more than are asked for by name, and few to write.
const mostDue = 10_000

// asksParents reports whether the records of a table can be asked for by the ids of their parents, which the same filters select. What is read only by such ids needs no filter to be read.
func asksParents(step pipeline.Step) bool {
	return step.Table.Parent != "" && step.Batches == nil && !keyed(step.Table)
}

// keyed reports whether a table's records name their parents by an External ID.
func keyed(t pipeline.Table) bool {
	return slices.ContainsFunc(t.Lookups, func(l pipeline.Lookup) bool { return l.Key != "" })
}

// writtenOr is the condition that a parent p of the table, or the account that it belongs to, was written since the run $2; $1 is the connection.
func writtenOr(t pipeline.Table) string {
	if t.Under == "" {
		return "p.last_seen_run > $2"
	}
	return "(p.last_seen_run > $2 OR EXISTS (SELECT FROM millrace.accounts a WHERE a.connection_id = $1 AND a.sf_id = p.account_id AND a.last_seen_run > $2))"
}

// doubted selects, with a look at each, the parents in doubt whose children the set $3 asks for: $1 is the connection and $2 the run that read the set last.
func doubted(t pipeline.Table) string {
	return `SELECT d.sf_id FROM millrace.doubted_parents d
			 WHERE d.connection_id = $1 AND d.records = $3
			   AND (SELECT d.due OR ` + writtenOr(t) + ` FROM millrace.` + t.ParentTable() + ` p WHERE p.connection_id = $1 AND p.sf_id = d.sf_id AND p.left_filter_at IS NULL)`
}

// doubtParents notes the parents that are here of records which have changed and were not met. A record may not match by itself, or its parent may not just now: see Entered.
func (s *RunStore) doubtParents(ctx context.Context, tx *sqlx.Tx, step pipeline.Step, ids, parents []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, doubtInto(step.Table, "unnest($4::text[], $5::text[]) g (sf_id, parent)", unmet("g", "$3")),
		s.connectionID, s.runID, step.Table.Records(), pq.Array(ids), pq.Array(parents))
	return err
}

// doubtInto is an INSERT of the parents that are here of records g, which have the column parent, as far as where selects them; $1 is the connection, $2 the run and $3 the set of the records.
func doubtInto(t pipeline.Table, from, where string) string {
	return `INSERT INTO millrace.doubted_parents (connection_id, records, sf_id, run_id)
		SELECT DISTINCT $1::bigint, $3, p.sf_id, $2::bigint
		  FROM ` + from + ` JOIN millrace.` + t.ParentTable() + ` p ON p.connection_id = $1 AND p.sf_id = g.parent AND p.left_filter_at IS NULL
		 WHERE ` + where + `
		ON CONFLICT (connection_id, records, sf_id) DO UPDATE SET run_id = excluded.run_id, due = false`
}

// doubtChanged puts those records of a step's set in doubt that have changed since a set of children was read in full, when they have not been read between: they may not have matched just then, nor may what
// belongs to them. It comes before the set's own state is written.
func (s *RunStore) doubtChanged(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	t := step.Table
	if !hasChildren(t) {
		return nil
	}
	var of []struct {
		Records string       `db:"records"`
		Parent  string       `db:"parent_table"`
		Run     int64        `db:"run_id"`
		Whole   int64        `db:"whole_run"`
		At      sql.NullTime `db:"whole_at"`
	}
	err := tx.SelectContext(ctx, &of, `
		SELECT records, parent_table, run_id, whole_run, whole_at FROM millrace.read_states
		 WHERE connection_id = $1 AND (parent_table = $2 OR $2 = 'accounts' AND parent_table <> '')
		   AND EXISTS (SELECT FROM millrace.runs r JOIN millrace.run_steps p ON p.run_id = r.id WHERE r.connection_id = $1 AND r.id > whole_run AND p.object = $4 AND p.touched > 0)
		   AND whole_run >= coalesce((SELECT run_id FROM millrace.read_states WHERE connection_id = $1 AND records = $3), 0)`, s.connectionID, t.Name, t.Records(), t.Object)
	if err != nil {
		return err
	}
	for _, c := range of {
		from := "p"
		if c.Parent != t.Name {
			from = "a JOIN millrace." + c.Parent + " p ON p.connection_id = $1 AND p.account_id = a.sf_id AND p.left_filter_at IS NULL"
		}
		alias := from[:1]
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`
			INSERT INTO millrace.doubted_parents AS d (connection_id, records, sf_id, run_id, due)
			SELECT $1, $2, p.sf_id, $3, true FROM millrace.%[1]s %[2]s
			 WHERE %[3]s.connection_id = $1 AND %[3]s.last_seen_run > $4 AND coalesce(%[3]s.entered_run, 0) <= $4 AND %[3]s.left_filter_at IS NULL
			   AND coalesce(%[3]s.system_modstamp >= $5::timestamptz - %[4]s, true)
			 LIMIT %[5]d
			ON CONFLICT (connection_id, records, sf_id) DO UPDATE SET run_id = greatest(d.run_id, excluded.run_id), due = true`, t.Name, from, alias, commits, mostDue),
			s.connectionID, c.Records, c.Run, c.Whole, c.At)
		if err != nil {
			return err
		}
	}
	return nil
}

// undoubt forgets the parents in doubt whose children the step has asked for, and notes those that have come: they may not have matched just when they were asked for.
func (s *RunStore) undoubt(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	t := step.Table
	if t.Parent == "" {
		return nil
	}
	// Of those that are not due, the ones that had changed were asked for. What they belong to has been read since.
	_, err := tx.ExecContext(ctx, `
		DELETE FROM millrace.doubted_parents
		 WHERE connection_id = $1 AND records = $2
		   AND (due OR run_id < (SELECT min(run_id) FROM millrace.read_states WHERE connection_id = $1 AND table_name IN ($3, 'accounts')))`, s.connectionID, t.Records(), t.ParentTable())
	if r := step.Reading; err != nil || !r.Changes && !r.Doubted || !asksParents(step) {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO millrace.doubted_parents (connection_id, records, sf_id, run_id)
		SELECT $1, $2, p.sf_id, $3 FROM millrace.`+t.ParentTable()+` p WHERE p.connection_id = $1 AND p.entered_run > $4 AND p.left_filter_at IS NULL
		ON CONFLICT (connection_id, records, sf_id) DO UPDATE SET run_id = excluded.run_id`, s.connectionID, t.Records(), s.runID, step.Reading.After)
	return err
}
