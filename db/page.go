package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"millrace/pipeline"
)

// CommitPage implements pipeline.Store. The page is copied into a temporary table while it arrives, then merged; one transaction holds all of it.
func (s *RunStore) CommitPage(ctx context.Context, step pipeline.Step, p *pipeline.Page) error {
	w := pageWork{RunStore: s, step: step, page: p, merge: newMerge(step, p, s.connectionID)}
	cancelled := false
	err := s.db.Pinned(ctx, func(c *Conn) error {
		w.conn = c
		if err := c.Begin(ctx); err != nil {
			return err
		}
		done, err := w.standing(ctx)
		if err != nil || done {
			return err
		}
		if cancelled, err = w.takeOver(ctx); err != nil {
			return err
		}
		return c.Commit(ctx)
	})
	if err == nil && step.Table.Name == accountTable {
		s.parents.keepLoaded(w.loaded)
	}
	switch {
	case err == nil && cancelled:
		return ErrCancelled
	case w.step.Fresh && (isCode(err, "23505") || errors.Is(err, errTwice)):
		// A record came twice, in one page or in two: from here on the step compares. That is right whoever says it.
		if _, err := s.db.pool.ExecContext(ctx, `UPDATE millrace.run_steps SET fresh = false WHERE run_id = $1 AND position = $2`, s.runID, step.Position); err != nil {
			return storeFault("stop plain inserts", asCancelled(ctx, err))
		}
	}
	return storeFault(fmt.Sprintf("store page %d of %s", p.Number, step.Name), err)
}

// pageWork is one page in its transaction.
type pageWork struct {
	*RunStore
	step     pipeline.Step
	page     *pipeline.Page
	merge    merge
	conn     *Conn
	began    time.Time // when its transaction began, by Postgres' clock
	sifted   bool      // all records of the page are here just so: nothing is staged
	expected int64     // records of the whole step; 0 where that is not known
	report   pipeline.Report
	counts   pageCounts
	loaded   []byte // ids of the records that were loaded, one after the other

	transaction uint32 // its number, where records are loaded
}

type pageCounts struct {
	created, updated, unchanged, skipped, elsewhere, seen int64
	touched                                               int64 // rows that were written
}

// standing reads whether the step still inserts plainly, and reports whether the page is committed already: a connection lost during COMMIT leaves its
// outcome open to the one who asked.
func (w *pageWork) standing(ctx context.Context) (done bool, err error) {
	var row struct {
		Fresh    bool      `db:"fresh"`
		Later    bool      `db:"later"`
		Expected int64     `db:"expected"`
		Done     bool      `db:"done"`
		Now      time.Time `db:"now"`
		Number   int64     `db:"number"`
	}
	err = w.conn.Get(ctx, &row, `
		SELECT fresh, coalesce(expected, 0) AS expected, EXISTS (SELECT FROM millrace.run_steps e WHERE e.run_id = s.run_id AND e.records = s.records AND e.position < s.position) AS later,
		       EXISTS (SELECT FROM millrace.run_pages p WHERE p.run_id = s.run_id AND p.position = s.position AND p.page = $3) AS done, clock_timestamp() AS now,
		       CASE WHEN fresh THEN `+topTransaction+`::text::bigint ELSE 0 END AS number
		  FROM millrace.run_steps s WHERE run_id = $1 AND position = $2`, w.runID, w.step.Position, w.page.Number)
	w.step.Fresh, w.merge.step.Fresh, w.merge.later, w.expected, w.began, w.transaction = row.Fresh, row.Fresh, row.Later, row.Expected, row.Now, uint32(row.Number)
	return row.Done, err
}

// takeOver does all of the page's work up to its commit.
func (w *pageWork) takeOver(ctx context.Context) (cancelled bool, err error) {
	steps := []func(context.Context) error{w.copy, w.mergeRows, w.noteErrors}
	if w.merge.direct() && !w.page.Careful {
		steps = []func(context.Context) error{w.load, w.noteErrors}
	}
	for _, do := range steps {
		if err := do(ctx); err != nil {
			return false, err
		}
	}
	return w.checkpoint(ctx)
}

func (w *pageWork) copy(ctx context.Context) error {
	if w.page.Careful {
		return w.copyCarefully(ctx)
	}
	if w.sifts() {
		return w.sift(ctx)
	}
	if _, err := w.conn.Exec(ctx, w.merge.prepare()); err != nil {
		return err
	}
	err := w.conn.CopyText(ctx, stage, w.merge.stagedColumns(), func(cw *CopyWriter) (err error) {
		w.merge.hashLines(cw, 0)
		w.report, err = w.page.Copy(ctx, rowWriter{cw})
		return err
	})
	if err == nil && w.report.Duplicates {
		_, err = w.conn.Exec(ctx, w.merge.dedupe())
	}
	for _, find := range w.merge.lookUp() {
		if err == nil && w.report.MinID != "" {
			_, err = w.conn.Exec(ctx, w.merge.bind(find, w.connectionID, w.runID, w.report))
		}
	}
	return err
}

// rowWriter lets the pipeline write into a COPY.
type rowWriter struct{ *CopyWriter }

// EndRow implements pipeline.RowWriter.
func (w rowWriter) EndRow() error {
	return rowError(w.CopyWriter.EndRow())
}

// rowError tells a record that cannot be stored from a COPY that cannot go on.
func rowError(err error) error {
	if err == nil {
		return nil
	}
	var bad *FieldError
	if errors.As(err, &bad) {
		return &pipeline.RowError{Field: bad.Column, Message: "The value " + bad.Reason + "."}
	}
	return err
}

// mergeRows takes the staged rows over and counts what became of them.
func (w *pageWork) mergeRows(ctx context.Context) error {
	if !w.step.Fresh && !w.step.Refresh {
		if err := w.seenIntact(ctx); err != nil {
			return err
		}
	}
	if w.report.MinID == "" || w.sifted {
		return nil
	}
	return w.mergeOrBisect(ctx)
}

// mergeStaged merges what is staged, in one statement.
func (w *pageWork) mergeStaged(ctx context.Context) error {
	query := w.merge.general()
	switch {
	case w.step.Refresh:
		query = w.merge.refresh()
	case w.step.Fresh:
		query = w.merge.fresh()
	}
	var rows []struct {
		Verdict string `db:"verdict"`
		N       int64  `db:"n"`
		Seen    int64  `db:"seen"`
	}
	if err := w.conn.Select(ctx, &rows, w.merge.bind(query, w.connectionID, w.runID, w.report)); err != nil {
		return err
	}
	var seen int64 // the same in each row
	for _, r := range rows {
		if !w.step.Table.Quiet || r.Verdict == "elsewhere" {
			w.counts.add(r.Verdict, r.N)
		}
		if r.Verdict == "created" || r.Verdict == "updated" || r.Verdict == "returned" {
			w.counts.touched += r.N
		}
		seen = r.Seen
	}
	w.counts.seen += seen
	return nil
}

func (c *pageCounts) add(verdict string, n int64) {
	switch verdict {
	case "created":
		c.created += n
	case "updated", "returned":
		c.updated += n
	case "unchanged":
		c.unchanged += n
	case "skipped":
		c.skipped += n
	case "elsewhere":
		c.elsewhere += n
	}
}

// seenIntact checks that Postgres has not emptied run_seen in a crash since the run began.
func (w *pageWork) seenIntact(ctx context.Context) error {
	var intact bool
	err := w.conn.Get(ctx, &intact, `SELECT EXISTS (SELECT FROM millrace.run_seen WHERE run_id = $1 AND object = '')`, w.runID)
	if err == nil && !intact {
		return pipeline.ErrSeenLost
	}
	return err
}

// noteErrors lists the records with bad values. They count as met, and not as deleted: the org still has them, only their new values could not be stored.
func (w *pageWork) noteErrors(ctx context.Context) error {
	if len(w.report.BadIDs) > 0 && !w.step.Fresh && !w.step.Refresh {
		if err := w.noteMet(ctx, w.report.BadIDs); err != nil {
			return err
		}
		if !w.step.Table.Quiet {
			_, err := w.conn.Exec(ctx, "WITH "+restored(w.step.Table, "(SELECT unnest($4::text[]) AS sf_id)")+"\nSELECT", w.connectionID, w.runID, w.step.Table.Entity, pq.Array(w.report.BadIDs))
			if err != nil {
				return err
			}
		}
	}
	if err := w.listedBefore(ctx); err != nil {
		return err
	}
	bad := w.report.Bad
	if rest := w.report.BadTotal - int64(len(bad)); rest > 0 {
		bad = append(bad, pipeline.RowError{Message: fmt.Sprintf("%d more records of this page could not be stored.", rest)})
	}
	if len(bad) == 0 {
		return nil
	}
	var lines []int64
	var ids, causes, messages, names []string
	for _, e := range bad {
		names = append(names, e.Name)
		lines, ids = append(lines, e.Line), append(ids, e.ID)
		causes, messages = append(causes, e.Field), append(messages, e.Message)
	}
	_, err := w.conn.Exec(ctx, `
		WITH e AS (SELECT * FROM unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $11::text[]) AS e (sf_id, line, cause, message, name)),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, detail)
		    SELECT $8::bigint, $1, $9::text, e.sf_id, 'failed', CASE WHEN e.cause = '' THEN '' ELSE e.cause || ': ' END || e.message FROM e WHERE $10::boolean)
		INSERT INTO millrace.run_errors (run_id, position, object, sf_id, line, cause, message, connection_id, records, name)
		SELECT $1, $2, $3, e.sf_id, nullif(e.line, 0), e.cause, e.message, CASE WHEN $13::boolean THEN $8 END, $12, nullif(e.name, '') FROM e`,
		w.runID, w.step.Position, w.step.Table.Object, pq.Array(ids), pq.Array(lines), pq.Array(causes), pq.Array(messages),
		w.connectionID, w.step.Table.Entity, w.audited(), pq.Array(names), w.step.Table.Records(), w.lasting())
	return err
}

// listedBefore takes out of the page's errors the records that the run has listed already: it meets some twice, such as under an account that has just come in, or by two filters.
func (w *pageWork) listedBefore(ctx context.Context) error {
	if len(w.report.BadIDs) == 0 || !w.lasting() {
		return nil
	}
	var ids []string
	err := w.conn.Select(ctx, &ids, `
		SELECT DISTINCT sf_id FROM millrace.run_errors
		 WHERE connection_id = $1 AND sf_id = ANY ($4) AND until_run IS NULL AND run_id = $2 AND records = $3`, w.connectionID, w.runID, w.step.Table.Records(), pq.Array(w.report.BadIDs))
	if err != nil || len(ids) == 0 {
		return err
	}
	listed := setOf(ids)
	w.report.Bad = slices.DeleteFunc(w.report.Bad, func(e pipeline.RowError) bool { return listed[e.ID] })
	for _, id := range w.report.BadIDs {
		if listed[id] {
			w.report.BadTotal--
		}
	}
	return nil
}

// checkpoint records the page and checks the unit's claim or the run's fence, last and in one statement, so that the run's row is locked for a moment
// only. The run is locked before the unit, as everywhere.
func (w *pageWork) checkpoint(ctx context.Context) (cancelled bool, err error) {
	c := w.counts
	err = w.conn.Get(ctx, &cancelled, kept(`
		WITH run AS (
		    UPDATE millrace.runs r SET waits = 0, in_flight = CASE WHEN $15 = 0 THEN greatest(in_flight - $7, 0) ELSE in_flight END, moved_at = now()
		     WHERE r.id = $1 AND CASE WHEN $15 = 0 THEN r.fence = $2 AND r.state = 'running' ELSE `+activeRun+` END
		    RETURNING r.id, r.fence, r.cancel_requested_at IS NOT NULL AS cancelled),
		unit AS (
		    DELETE FROM millrace.run_units u USING run
		     WHERE u.run_id = run.id AND u.position = $3 AND u.page = $4 AND u.claim = $15 AND $15 <> 0 RETURNING u.page),
		held AS (SELECT id, fence, cancelled FROM run WHERE $15 = 0 OR EXISTS (SELECT FROM unit)),
		page AS (
		    INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence)
		    SELECT id, $3, $4, $5, $6, $7, $8, fence FROM held),
		step AS (
		    UPDATE millrace.run_steps s
		       SET read = read + $7, expected = CASE WHEN $19::boolean THEN expected + $7 ELSE expected END, touched = touched + $20, created = created + $9, updated = updated + $10, unchanged = unchanged + $11, skipped = skipped + $12,
		           elsewhere = elsewhere + $13, failed = failed + $14
		      FROM held WHERE s.run_id = held.id AND s.position = $3),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, action, detail)
		    SELECT $16::bigint, id, $17::text, 'fetched', $18::text FROM held WHERE $18::text <> '')
		SELECT cancelled FROM held`),
		w.runID, w.fence, w.step.Position, w.page.Number, w.page.Locator, w.page.Next, w.report.Read, c.seen,
		c.created, c.updated, c.unchanged, c.skipped, c.elsewhere, w.report.BadTotal, w.page.Claim,
		w.connectionID, w.step.Table.Entity, w.fetched(), w.page.Beside, c.touched)
	if errors.Is(err, sql.ErrNoRows) {
		if w.page.Claim != 0 {
			return false, pipeline.ErrUnitLost
		}
		return false, ErrFenced
	}
	return cancelled, err
}

// audited reports whether the step's records are told of in the audit log: working data and what is only tried is not.
func (w *pageWork) audited() bool { return !w.step.Table.Quiet && !w.step.Table.Aside }

// lasting reports whether the page's errors belong to the error inbox: those of data that is only compared with what is here, or that lists Ids, do not.
func (w *pageWork) lasting() bool { return !w.step.Table.Aside && w.step.Table.Name != "gap_ids" }

// fetched says in the audit log that a page was read, since records that are here just so have no entry of their own; it is empty for nothing to say.
func (w *pageWork) fetched() string {
	if !w.audited() || w.report.Read == 0 {
		return ""
	}
	if w.page.Beside {
		return fmt.Sprintf("%s: %d records read by their Ids, beside what has changed", w.step.Label, w.report.Read)
	}
	return fmt.Sprintf("%s: page %d, %d records read", w.step.Label, w.page.Number, w.report.Read)
}

// isCode reports whether Postgres refused with this SQLSTATE.
func isCode(err error, code pqerror.Code) bool {
	var pe *pq.Error
	return errors.As(err, &pe) && pe.Code == code
}
