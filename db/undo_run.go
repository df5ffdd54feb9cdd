package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"millrace/pipeline"
)

// untouchable are the columns that an undo never puts back: they tell which record it is, or when it was written.
var untouchable = []string{"connection_id", "sf_id", "object", "source", "parent_object", "fields", "first_seen_run", "last_seen_run", "synced_at", "entered_run"}

// Undo puts back what the run that this one undoes did to the records here, and writes an audit row for each, so many records in one transaction: a wish to
// cancel takes effect within it, and a killed runner loses no more. It goes on where an earlier attempt stopped. Records that something else has touched since
// are left alone and kept on a list.
func (s *RunStore) Undo(ctx context.Context, batch int) error {
	of, err := s.undone(ctx)
	if err != nil {
		return err
	}
	steps, err := s.Steps(ctx)
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		if err := s.SetPhase(ctx, "Finding out what "+of.ShortID+" changed"); err != nil {
			return err
		}
		if err := s.collectUndo(ctx, of); err != nil {
			return err
		}
		if steps, err = s.Steps(ctx); err != nil {
			return err
		}
	}
	for _, step := range steps {
		if step.Done {
			continue
		}
		if err := s.undoStep(ctx, step, batch); err != nil {
			return err
		}
	}
	return nil
}

// undone returns the run that this one undoes.
func (s *RunStore) undone(ctx context.Context) (Run, error) {
	var out Run
	err := s.db.pool.GetContext(ctx, &out, runSelect+` JOIN millrace.runs undo ON undo.of_run = r.id WHERE undo.id = $1`, s.runID)
	if err != nil {
		return out, storeFault("look up the run to undo", notFound(err))
	}
	return out, nil
}

// collectUndo notes what is to be put back, and makes a step of each set of records, all at once or not at all. Records that later runs have touched are noted as left alone. An undo may have waited for
// long: it is refused where a part of the audit log that it needs has been removed meanwhile.
func (s *RunStore) collectUndo(ctx context.Context, of Run) error {
	name, err := s.db.undoNames(ctx, s.connectionID)
	if err != nil {
		return storeFault("collect what is undone", err)
	}
	from, to := of.span()
	return s.transactLong(ctx, "collect what is undone", func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, tuneUndo); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, touched()+`
			INSERT INTO millrace.undo_records (run_id, tab, part, sf_id, entity, kind, before, after, kept, later_run)
			SELECT $5, tab, part, sf_id, entity, kind, before, after, CASE WHEN later_run IS NULL THEN '' ELSE 'later' END, later_run
			  FROM undo_source WHERE NOT undone`, s.connectionID, of.ID, from, to, s.runID)
		if err != nil {
			return err
		}
		// What is left of the log is locked by now: none of it is removed before the commit.
		if kept, err := auditKept(ctx, tx, of); err != nil {
			return err
		} else if !kept {
			return &pipeline.Fault{Kind: pipeline.Fatal, Code: "audit_removed", Message: auditRemoved}
		}
		var sets []struct {
			UndoCount
			N int64 `db:"n"`
		}
		err = tx.SelectContext(ctx, &sets, `
			SELECT tab, part, count(*) AS n, count(*) FILTER (WHERE kept <> '') AS n_later FROM millrace.undo_records WHERE run_id = $1 GROUP BY tab, part`, s.runID)
		if err != nil {
			return err
		}
		place := 0
		for _, t := range undoTables {
			for _, set := range sets {
				if set.Table != t.name {
					continue
				}
				place++
				label, object := name(set.Table, set.Part)
				step := pipeline.Step{Table: pipeline.Table{Name: t.name, Object: object, Label: label}}
				if set.Part != "" {
					step.Table.Keys = []pipeline.Key{{Name: "object", Value: set.Part}}
				}
				body, err := bodyOf(step)
				if err != nil {
					return err
				}
				_, err = tx.ExecContext(ctx, `
					INSERT INTO millrace.run_steps (run_id, position, name, label, object, records, query, expected, read, skipped, body) VALUES ($1, $2, $3, $4, $5, $3, '', $6, $7, $7, $8)`,
					s.runID, place, strings.TrimSuffix("undo:"+set.Table+":"+set.Part, ":"), label, object, set.N, set.Later, body)
				if err != nil {
					return err
				}
			}
		}
		if err := s.readAnew(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `ANALYZE millrace.undo_records`)
		return err
	})
}

// undoStep puts one set of records back: first those that the run created, for which a mark is all there is to set, then the others.
func (s *RunStore) undoStep(ctx context.Context, step pipeline.Step, batch int) error {
	if err := s.SetPhase(ctx, "Putting back "+strings.ToLower(step.Table.Label)); err != nil {
		return err
	}
	if err := s.update(ctx, "start "+step.Name, step, `state = 'running', started_at = coalesce(started_at, now())`); err != nil {
		return err
	}
	w := undoWork{RunStore: s, step: step, rows: batch, table: fmt.Sprintf("millrace.%s_%d", step.Table.Name, s.connectionID)}
	if len(step.Table.Keys) > 0 {
		w.part = step.Table.Keys[0].Value
	}
	if err := w.readColumns(ctx); err != nil {
		return err
	}
	for _, statement := range []string{w.withdraw(), w.putBack()} {
		for after := ""; ; {
			last, err := w.batch(ctx, statement, after)
			if err != nil {
				return err
			}
			if last == "" {
				break
			}
			after = last
		}
	}
	return s.update(ctx, "finish "+step.Name, step, `state = 'done', finished_at = now()`)
}

// undoWork puts one set of records back.
type undoWork struct {
	*RunStore
	step    pipeline.Step
	rows    int
	table   string // the part of the table that holds the connection's records
	part    string
	columns []string // that are put back
	open    bool     // there are further fields
}

func (w *undoWork) readColumns(ctx context.Context) error {
	var all []string
	err := w.db.pool.SelectContext(ctx, &all, `
		SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, w.table)
	if err != nil {
		return storeFault("read the columns of "+w.table, err)
	}
	for _, c := range all {
		w.open = w.open || c == "fields"
		if !slices.Contains(untouchable, c) {
			w.columns = append(w.columns, c)
		}
	}
	return nil
}

// batch runs one statement for the records behind after, and returns the last of them; empty when there are none.
func (w *undoWork) batch(ctx context.Context, statement, after string) (last string, err error) {
	err = w.transactLong(ctx, "put back "+w.step.Name, func(tx *sqlx.Tx) error {
		// A batch is small against its table, however much of that it is about to change.
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL random_page_cost = 1.1; SET LOCAL work_mem = '64MB'; SET LOCAL enable_seqscan = off`); err != nil {
			return err
		}
		var c struct {
			Last      string `db:"last"`
			N         int64  `db:"n"`
			Values    int64  `db:"n_values"`
			Withdrawn int64  `db:"n_withdrawn"`
			Back      int64  `db:"n_back"`
			Marked    int64  `db:"n_marked"`
		}
		if err := tx.GetContext(ctx, &c, statement, w.connectionID, w.runID, w.step.Table.Name, w.part, after, w.rows); err != nil {
			return err
		}
		last = c.Last
		if c.N == 0 {
			return nil
		}
		// The counts of a step have other names here: created stands for what is no longer marked as having left, left_filter for what is marked.
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.run_steps SET read = read + $3, updated = updated + $4, created = created + $5, left_filter = left_filter + $6, deleted = deleted + $7, skipped = skipped + $8
			 WHERE run_id = $1 AND position = $2`, w.runID, w.step.Position, c.N, c.Values, c.Back, c.Marked+c.Withdrawn, c.Withdrawn, c.N-c.Values-c.Withdrawn-c.Back-c.Marked)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE millrace.runs SET waits = 0, moved_at = now() WHERE id = $1`, w.runID)
		return err
	})
	return last, err
}

// todo is the head of a statement on the next records of some kinds. Their places: $1 connection, $2 run, $3 table, $4 part, $5 after, $6 how many.
func (w *undoWork) todo(kinds string) string {
	return `
		WITH batch AS MATERIALIZED (
		    SELECT sf_id, entity, kind, before, after FROM millrace.undo_records
		     WHERE run_id = $2 AND tab = $3 AND part = $4 AND sf_id > $5 AND kept = '' AND kind ` + kinds + ` ORDER BY sf_id LIMIT $6)`
}

// settled is the tail of such a statement: what hit names is done and goes from the list, the rest stays on it for what why says.
func (w *undoWork) settled(why string) string {
	return `,
		gone AS (
		    DELETE FROM millrace.undo_records u USING hit h WHERE u.run_id = $2 AND u.tab = $3 AND u.part = $4 AND u.sf_id = h.sf_id),
		kept AS (
		    UPDATE millrace.undo_records u SET kept = CASE WHEN ` + why + ` THEN 'changed' ELSE 'missing' END FROM batch b
		     WHERE u.run_id = $2 AND u.tab = $3 AND u.part = $4 AND u.sf_id = b.sf_id AND NOT EXISTS (SELECT FROM hit h WHERE h.sf_id = b.sf_id))
		SELECT coalesce((SELECT max(sf_id) FROM batch), '') AS last, (SELECT count(*) FROM batch) AS n,
		       count(*) FILTER (WHERE kind = 'values') AS n_values, count(*) FILTER (WHERE kind = 'withdrawn') AS n_withdrawn,
		       count(*) FILTER (WHERE kind = 'back') AS n_back, count(*) FILTER (WHERE kind = 'marked') AS n_marked FROM hit`
}

// same is the condition that a record t of the table is the one with the Id in b.
func (w *undoWork) same() string {
	return "t.connection_id = $1 AND t.sf_id = b.sf_id" + sameSet(w.step.Table, "t.")
}

// withdraw marks records as having left that are here because of the run.
func (w *undoWork) withdraw() string {
	return w.todo("= 'withdrawn'") + `,
		hit AS (
		    UPDATE ` + w.table + ` t SET left_filter_at = now(), last_seen_run = $2, synced_at = now()
		      FROM batch b WHERE ` + w.same() + ` AND t.left_filter_at IS NULL RETURNING t.sf_id, b.entity, b.kind),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		    SELECT $1, $2, entity, sf_id, 'undone', jsonb_build_object('left_filter_at', jsonb_build_array(NULL, now())) FROM hit)` +
		w.settled(`EXISTS (SELECT FROM `+w.table+` t WHERE `+w.same()+`)`)
}

// putBack gives records their earlier values, where they still have those that the run gave them.
func (w *undoWork) putBack() string {
	own := func(side string) string {
		if !w.open {
			return "millrace.of_columns(b." + side + ", c.names)"
		}
		return "millrace.of_columns(b." + side + ", c.names) || jsonb_build_object('fields', jsonb_strip_nulls(t.fields || millrace.of_fields(b." + side + ", c.names)))"
	}
	names, set := "", ""
	for _, c := range w.columns {
		names += ", '" + c + "'"
		set += c + " = (g.earlier)." + c + ", "
	}
	if w.open {
		set += "fields = (g.earlier).fields, "
	}
	return w.todo("<> 'withdrawn'") + `,
		found AS MATERIALIZED (
		    SELECT b.sf_id, b.entity, b.kind, b.before, b.after || ` + w.marksOf() + ` AS after, jsonb_populate_record(t, ` + own("before") + `) AS earlier, jsonb_populate_record(t, ` + own("after") + `) IS NOT DISTINCT FROM t AS intact
		      FROM batch b JOIN ` + w.table + ` t ON ` + w.same() + ` CROSS JOIN (SELECT ARRAY[` + strings.TrimPrefix(names, ", ") + `] AS names) c),
		hit AS (
		    UPDATE ` + w.table + ` t SET ` + set + `last_seen_run = $2, synced_at = now()
		      FROM found g JOIN batch b ON b.sf_id = g.sf_id WHERE g.intact AND ` + w.same() + ` RETURNING t.sf_id, g.entity, g.kind, g.before, g.after),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes)
		    SELECT $1, $2, entity, sf_id, 'undone', (SELECT jsonb_object_agg(e.key, jsonb_build_array(h.after -> e.key, e.value)) FROM jsonb_each(h.before) e) FROM hit h)` +
		w.settled(`EXISTS (SELECT FROM found g WHERE g.sf_id = b.sf_id)`)
}

// marksOf is what the marks of a record t are that are about to change: the audit log does not hold the moment at which a mark was set.
func (w *undoWork) marksOf() string {
	var b strings.Builder
	b.WriteString("'{}'")
	for _, mark := range marks {
		fmt.Fprintf(&b, " || CASE WHEN b.before ? '%[1]s' THEN jsonb_build_object('%[1]s', t.%[1]s) ELSE '{}' END", mark)
	}
	return b.String()
}

// readAnew makes the next sync read all records of the connection: by their times of change, those that are put back look as if they had been read.
func (s *RunStore) readAnew(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1`, s.connectionID)
	return err
}
