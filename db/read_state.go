package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// ReadStates implements pipeline.Store.
func (s *RunStore) ReadStates(ctx context.Context) (states map[string]pipeline.ReadState, whole bool, err error) {
	if err := s.db.pool.GetContext(ctx, &whole, `SELECT whole FROM millrace.runs WHERE id = $1`, s.runID); err != nil {
		return nil, false, storeFault("read what the run was asked for", err)
	}
	var rows []struct {
		Records     string         `db:"records"`
		Fingerprint string         `db:"fingerprint"`
		Watermark   time.Time      `db:"watermark"`
		Run         int64          `db:"run_id"`
		Quiet       float64        `db:"quiet"`
		Whole       float64        `db:"whole"`
		Silent      float64        `db:"silent"`
		Again       pq.StringArray `db:"again"`
		Stranger    bool           `db:"stranger"`
	}
	err = s.db.pool.SelectContext(ctx, &rows, `
		SELECT records, fingerprint, watermark, run_id, again, sf_user_id <> (SELECT sf_user_id FROM millrace.connections WHERE id = $1) AS stranger, extract(epoch FROM now() - read_at)::float8 AS quiet,
		       extract(epoch FROM now() - whole_read_at)::float8 AS whole, extract(epoch FROM now() - silent_read_at)::float8 AS silent
		  FROM millrace.read_states WHERE connection_id = $1`, s.connectionID)
	if err != nil {
		return nil, false, storeFault("read what is complete here", err)
	}
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	states = make(map[string]pipeline.ReadState, len(rows))
	for _, r := range rows {
		states[r.Records] = pipeline.ReadState{
			Fingerprint: r.Fingerprint, Watermark: r.Watermark, Run: r.Run, Quiet: seconds(r.Quiet), Whole: seconds(r.Whole), Silent: seconds(r.Silent), Again: r.Again, Stranger: r.Stranger,
		}
	}
	return states, whole, nil
}

// ForgetStates implements pipeline.Store.
func (s *RunStore) ForgetStates(ctx context.Context, sets []string) error {
	return s.transact(ctx, "forget what was read", func(tx *sqlx.Tx) error { return s.forgetStates(ctx, tx, sets...) })
}

func (s *RunStore) forgetStates(ctx context.Context, tx *sqlx.Tx, sets ...string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1 AND records = ANY ($2)`, s.connectionID, pq.Array(sets))
	return err
}

// SetReading implements pipeline.Store.
func (s *RunStore) SetReading(ctx context.Context, steps ...pipeline.Step) error {
	return s.transact(ctx, "note what "+steps[0].Name+" reads", func(tx *sqlx.Tx) error {
		for _, step := range steps {
			body, err := bodyOf(step)
			if err != nil {
				return err
			}
			reading, since, why := readingOf(step)
			_, err = tx.ExecContext(ctx, `
				UPDATE millrace.run_steps SET query = $3, body = $4, reading = $5, since = $6, why = $7, note = $8 WHERE run_id = $1 AND position = $2`,
				s.runID, step.Position, step.Query, body, reading, since, why, step.Note)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// leeway is for a database clock that was set back: what happened since a moment is looked for from a while before it.
const leeway = "interval '1 hour'"

// ParentNews implements pipeline.Store.
func (s *RunStore) ParentNews(ctx context.Context, step pipeline.Step, limit int) (pipeline.ParentNews, error) {
	var news struct {
		Lost    bool `db:"lost"`
		Entered int  `db:"entered"`
		Doubted int  `db:"doubted"`
		Written bool `db:"written"`
	}
	parent := step.Table.ParentTable()
	written := "false"
	if keyed(step.Table) {
		written = `EXISTS (SELECT FROM millrace.` + parent + ` p WHERE p.connection_id = $1 AND (p.last_seen_run > $2 OR p.left_filter_at >= k.read_at - ` + leeway + `))`
	}
	err := s.db.pool.GetContext(ctx, &news, `
		SELECT k.read_at IS NULL AS lost,
		       (SELECT count(*) FROM (SELECT FROM millrace.`+parent+` p WHERE p.connection_id = $1 AND p.entered_run > $2 LIMIT $4) e) AS entered,
		       (SELECT count(*) FROM (`+doubted(step.Table)+` LIMIT $4) d) AS doubted,
		       `+written+` AS written
		  FROM (SELECT (SELECT read_at FROM millrace.read_states WHERE connection_id = $1 AND records = $3 AND run_id = $2) AS read_at) k`,
		s.connectionID, step.Reading.After, step.Table.Records(), limit)
	if err != nil {
		return pipeline.ParentNews{}, storeFault("look for new parents of "+step.Name, err)
	}
	return pipeline.ParentNews(news), nil
}

// awhile is how far back, before a set was last read, a record that has left is looked at again: runs that read the records but not their parents may lie between.
const awhile = "interval '1 day'"

// Entered implements pipeline.Store. A parent in doubt counts as one that has come, and so does one that was written, itself or its account, where some record of it has left although it stayed: it may not
// have matched just while its records were read. The few parents of such records are looked up one by one: made a join, Postgres would read all of them.
func (s *RunStore) Entered(ctx context.Context, step pipeline.Step, after string, limit int) ([]string, error) {
	t := step.Table
	query := fmt.Sprintf(`SELECT sf_id FROM millrace.%s WHERE connection_id = $1 AND entered_run > $2 AND sf_id > $4 AND left_filter_at IS NULL
			UNION
			%s AND d.sf_id > $4`, t.ParentTable(), doubted(t))
	if !t.Quiet {
		query += fmt.Sprintf(`
			UNION
			SELECT c.sf_id
			  FROM (SELECT DISTINCT t.%[2]s AS sf_id FROM millrace.%[1]s t
			         WHERE t.connection_id = $1 AND t.left_filter_at >= (SELECT read_at - %[4]s FROM millrace.read_states WHERE connection_id = $1 AND records = $3)
			           AND t.deleted_in_salesforce_at IS NULL AND t.%[2]s > $4%[5]s) c
			 WHERE (SELECT %[6]s AND p.left_filter_at IS NULL FROM millrace.%[3]s p WHERE p.connection_id = $1 AND p.sf_id = c.sf_id)`, t.Name, t.Parent, t.ParentTable(), awhile, sameSet(t, "t."), writtenOr(t))
	}
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, query+` ORDER BY sf_id LIMIT $5`, s.connectionID, step.Reading.After, t.Records(), after, limit)
	return ids, storeFault("list the new parents of "+step.Name, err)
}

// Again implements pipeline.Store.
func (s *RunStore) Again(ctx context.Context, step pipeline.Step, after string, limit int) ([]string, error) {
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, `
		SELECT a.sf_id FROM unnest($3::text[]) AS a (sf_id)
		 WHERE a.sf_id COLLATE "C" > $4 AND a.sf_id NOT IN (SELECT unnest(e.ids) FROM millrace.run_seen e WHERE e.run_id = $1 AND e.object = $2)
		 ORDER BY a.sf_id COLLATE "C" LIMIT $5`, s.runID, step.Table.Records(), pq.Array(step.Reading.Again), after, limit)
	return ids, storeFault("list what could not be stored of "+step.Name, err)
}

// Here implements pipeline.Store.
func (s *RunStore) Here(ctx context.Context, step pipeline.Step) (n int64, err error) {
	kept := " AND left_filter_at IS NULL"
	if step.Table.Quiet {
		kept = ""
	}
	err = s.db.pool.GetContext(ctx, &n, `SELECT count(*) FROM millrace.`+step.Table.Name+` WHERE connection_id = $1`+kept+sameSet(step.Table, ""), s.connectionID)
	return n, storeFault("count what is here of "+step.Name, err)
}

// setSteps is what the steps of a set have come to so far. The one that asks counts as done.
type setSteps struct {
	Complete  bool         `db:"complete"`  // each has read as many records as Salesforce said
	Known     bool         `db:"known"`     // whom they met is still known
	Fresh     bool         `db:"fresh"`     // some have filled an empty table, and not noted whom they met
	Replanned bool         `db:"replanned"` // some were read without fields that have gone meanwhile
	Clock     sql.NullTime `db:"clock"`     // the earliest of the org
	Asked     sql.NullTime `db:"asked"`     // by the org's clock; Salesforce was asked for the records no later
	Started   time.Time    `db:"started"`
}

func (s *RunStore) setSteps(ctx context.Context, q sqlx.QueryerContext, step pipeline.Step) (set setSteps, err error) {
	err = sqlx.GetContext(ctx, q, &set, `
		SELECT bool_and((p.state = 'done' OR p.position = $3) AND p.reading <> 'none' AND p.read = coalesce(p.expected, p.read)) AS complete,
		       bool_or(p.fresh) AS fresh, bool_or(coalesce(p.body -> 'Reading' ->> 'Replanned', '') = 'true') AS replanned,
		       CASE WHEN bool_and(p.clock IS NOT NULL) THEN min(p.clock) END AS clock, CASE WHEN bool_and(p.asked_at IS NOT NULL) THEN max(p.asked_at) END AS asked, min(coalesce(p.started_at, now())) AS started,
		       `+listsIntact+` AS known
		  FROM millrace.run_steps p WHERE p.run_id = $1 AND p.records = $2`, s.runID, step.Table.Records(), step.Position)
	return set, err
}

// saveState writes up to where the step's set is complete, when all of it is. Without the org's clock the newest time of change here bounds the watermark. Where the org was connected anew
// in the middle, nobody knows whose view of the records it is.
func (s *RunStore) saveState(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	r := step.Reading
	if step.Refresh && r.Last {
		return s.saveRefresh(ctx, tx, step)
	}
	if r.Fingerprint == "" || !r.Last {
		return nil
	}
	set, err := s.setSteps(ctx, tx, step)
	if err != nil || !set.Complete || !set.Known {
		return err
	}
	again, ok, err := s.failures(ctx, tx, step)
	if err != nil || !ok {
		return err
	}
	if set.Replanned {
		r.Fingerprint = "" // that of no plan
	}
	watermark := set.Clock
	if !watermark.Valid {
		err := tx.GetContext(ctx, &watermark, fmt.Sprintf(`
			SELECT least($2, max(system_modstamp)) FROM millrace.%s WHERE connection_id = $1 AND system_modstamp IS NOT NULL%s HAVING count(*) > 0`,
			step.Table.Name, sameSet(step.Table, "")), s.connectionID, set.Started)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	key, parent := "", ""
	if len(step.Table.Keys) > 0 {
		key = step.Table.Keys[0].Value
	}
	if step.Table.Parent != "" {
		parent = step.Table.ParentTable()
		if other, err := s.otherwise(ctx, tx, step.Table); err != nil {
			return err
		} else if other {
			return s.forgetStates(ctx, tx, step.Table.Records())
		}
	}
	if err := s.doubtChanged(ctx, tx, step); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO millrace.read_states AS r (connection_id, records, table_name, set_key, parent_table, fingerprint, watermark, run_id, read_at, whole_read_at,
		                                       silent_read_at, silent, again, whole_run, whole_at, sf_user_id)
		SELECT $1, $2, $3, $4, $5, $6, $7::timestamptz, $8::bigint, $9, $9, $9, $10, $11, CASE WHEN $13 THEN $8::bigint END, CASE WHEN $13 THEN $7::timestamptz END,
		       CASE WHEN connected_at < $9 THEN sf_user_id ELSE '' END FROM millrace.connections WHERE id = $1
		ON CONFLICT (connection_id, records) DO UPDATE
		SET sf_user_id = excluded.sf_user_id, table_name = $3, set_key = $4, parent_table = $5, fingerprint = $6, watermark = $7, run_id = $8, read_at = $9, silent = $10, again = $11,
		    whole_run = coalesce(excluded.whole_run, r.whole_run), whole_at = coalesce(excluded.whole_at, r.whole_at),
		    whole_read_at = CASE WHEN $12 THEN r.whole_read_at ELSE $9 END, silent_read_at = CASE WHEN $12 THEN r.silent_read_at ELSE $9 END`,
		s.connectionID, step.Table.Records(), step.Table.Name, key, parent, r.Fingerprint, watermark.Time, s.runID, set.Started,
		pq.Array(append([]string{}, r.Silent...)), pq.Array(again), r.Changes, !r.Changes && !r.Doubted && asksParents(step))
	if err != nil {
		return err
	}
	return s.undoubt(ctx, tx, step)
}

// otherwise reports whether the records of a set were read by other settings than their parents, or than the accounts that all hangs on: a parent that is here did perhaps not match when its children
// were asked for, and they will not be asked for again when it does. Nothing is known of accounts in the middle of being read by new settings.
func (s *RunStore) otherwise(ctx context.Context, tx *sqlx.Tx, t pipeline.Table) (other bool, err error) {
	const chosen = `(SELECT CASE p.table_name WHEN 'cases' THEN jsonb_build_array(v.body -> 'accounts', v.body -> 'cases') ELSE v.body -> 'accounts' END
		FROM millrace.runs r JOIN millrace.settings_versions v ON v.connection_id = r.connection_id AND v.version = r.settings_version WHERE r.id = %s)`
	err = tx.GetContext(ctx, &other, `
		SELECT NOT coalesce(bool_or(p.table_name = 'accounts') AND bool_and(`+fmt.Sprintf(chosen, "p.run_id")+` IS NOT DISTINCT FROM `+fmt.Sprintf(chosen, "$2")+`), false)
		  FROM millrace.read_states p WHERE p.connection_id = $1 AND p.table_name IN ('accounts', $3)`, s.connectionID, s.runID, t.ParentTable())
	return other, err
}

// saveRefresh notes that the fields whose changes do not show have been read of all records of a set.
func (s *RunStore) saveRefresh(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) error {
	set, err := s.setSteps(ctx, tx, step)
	if err != nil || !set.Complete {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE millrace.read_states SET silent_read_at = $3 WHERE connection_id = $1 AND records = $2`,
		s.connectionID, strings.TrimPrefix(step.Table.Records(), pipeline.RefreshPrefix), set.Started)
	return err
}

// maxAgain bounds how many records are remembered because they could not be stored. Beyond, the next run reads the set as this one did.
const maxAgain = 5000

// writtenSince reports whether rows of any of these sets were written, or removed from working data, by this run or one after the one that the step goes on from.
func (s *RunStore) writtenSince(ctx context.Context, tx *sqlx.Tx, step pipeline.Step, sets ...string) (written bool, err error) {
	err = tx.GetContext(ctx, &written, `
		SELECT EXISTS (SELECT FROM millrace.runs r JOIN millrace.run_steps p ON p.run_id = r.id
		                WHERE r.connection_id = $1 AND r.id > $2 AND p.records = ANY ($3) AND p.touched > 0)`, s.connectionID, step.Reading.After, pq.Array(sets))
	return written, err
}

// failures lists the records of the step's set that this run could not store; ok is false when not all of them are known.
func (s *RunStore) failures(ctx context.Context, tx *sqlx.Tx, step pipeline.Step) (ids []string, ok bool, err error) {
	ids = []string{}
	err = tx.SelectContext(ctx, &ids, `
		SELECT DISTINCT e.sf_id FROM millrace.run_errors e JOIN millrace.run_steps p USING (run_id, position)
		 WHERE e.run_id = $1 AND p.records = $2 AND e.object = p.object ORDER BY e.sf_id LIMIT $3`, s.runID, step.Table.Records(), maxAgain+1)
	if err != nil {
		return nil, false, err
	}
	return ids, len(ids) <= maxAgain && (len(ids) == 0 || ids[0] != ""), nil
}

// InStep counts the records of a core object of a connection that are in step with Salesforce.
func (d *DB) InStep(ctx context.Context, connectionID int64, object string) (int64, error) {
	t, ok := pipeline.TableOf(object)
	if !ok {
		return 0, nil
	}
	var n int64
	err := d.pool.GetContext(ctx, &n, `SELECT count(*) FROM millrace.`+t.Name+` WHERE connection_id = $1 AND left_filter_at IS NULL`, connectionID)
	return n, wrapIf(err, "db.InStep(%d, %s)", connectionID, object)
}
