package db

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
)

// UndoKind is what becomes of a record when what a run did to it is undone.
type UndoKind string

// The kinds of undo.
const (
	UndoValues    UndoKind = "values"    // it gets its earlier values back
	UndoWithdrawn UndoKind = "withdrawn" // the run created it: it is marked as having left
	UndoBack      UndoKind = "back"      // it is no longer marked as having left, and gets its earlier values back
	UndoMarked    UndoKind = "marked"    // it is marked as having left again, and gets its earlier values back
)

// UndoCount says how many records of one set an undo would touch, or touches.
type UndoCount struct {
	Table     string `db:"tab"`
	Part      string `db:"part"` // the object of custom records; empty for others
	Label     string `db:"-"`
	Object    string `db:"-"` // API name
	Values    int64  `db:"n_values"`
	Withdrawn int64  `db:"n_withdrawn"`
	Back      int64  `db:"n_back"`
	Marked    int64  `db:"n_marked"`
	Later     int64  `db:"n_later"` // left alone, because a later run has touched them
	Done      int64  `db:"n_done"`  // put back by an earlier undo of the run
}

// Todo is how many records of the set are put back.
func (c UndoCount) Todo() int64 { return c.Values + c.Withdrawn + c.Back + c.Marked }

// UndoRecord is one record that a run touched, as its undo finds it.
type UndoRecord struct {
	Table   string   `db:"tab"`
	Part    string   `db:"part"`
	SFID    string   `db:"sf_id"`
	Kind    UndoKind `db:"kind"`
	Before  []byte   `db:"before"`
	After   []byte   `db:"after"`
	Kept    string   `db:"kept"`  // why it is left alone: later, changed or missing; empty for one that is put back
	Later   string   `db:"later"` // the short id of the run that touched it later; empty for none
	Object  string   `db:"-"`
	Label   string   `db:"-"`
	Name    string   `db:"-"` // of the record; empty where it has none
	Changes []UndoChange
}

// UndoChange is one field of a record: what it is now, and what it is put back to. Empty texts stand for no value.
type UndoChange struct{ Field, Now, Then string }

// undoTable is a table whose records runs write, with the names of its records in the audit log.
type undoTable struct {
	name, label, object string
	entities            []string
	title               string // expression that names a record t
}

var undoTables = []undoTable{
	{"sf_users", "Users", "User", []string{"user"}, "t.name"},
	{"accounts", "Accounts", "Account", []string{"account"}, "t.name"},
	{"contacts", "Contacts", "Contact", []string{"contact"}, "concat_ws(' ', t.first_name, t.last_name)"},
	{"opportunities", "Opportunities", "Opportunity", []string{"opportunity"}, "t.name"},
	{"cases", "Support cases", "Case", []string{"case"}, "concat_ws(' ', t.case_number, t.subject)"},
	{"case_messages", "Messages of support cases", "", []string{"case comment", "email message", "case message"}, "t.subject"},
	{"chatter_posts", "Chatter posts", "", []string{"chatter post"}, "t.title"},
	{"chatter_comments", "Chatter comments", "FeedComment", []string{"chatter comment"}, "NULL"},
	{"custom_records", "Custom records", "", nil, "t.name"}, // named by their objects
}

// undoTableOf returns the table of that name.
func undoTableOf(name string) (undoTable, bool) {
	i := slices.IndexFunc(undoTables, func(t undoTable) bool { return t.name == name })
	if i < 0 {
		return undoTable{}, false
	}
	return undoTables[i], true
}

// named gives a set of records its names for people.
func (d *DB) undoNames(ctx context.Context, connectionID int64) (func(table, part string) (label, object string), error) {
	var rows []struct {
		Object string `db:"object"`
		Name   string `db:"name"`
	}
	if err := d.pool.SelectContext(ctx, &rows, `SELECT object, name FROM millrace.custom_objects WHERE connection_id = $1`, connectionID); err != nil {
		return nil, err
	}
	return func(table, part string) (label, object string) {
		for _, r := range rows {
			if part != "" && r.Object == part {
				return r.Name, part
			}
		}
		t, _ := undoTableOf(table)
		if part != "" {
			return part, part
		}
		return t.label, t.object
	}, nil
}

// touched is the head of a query, WITH …, after which undo_source has one row for each record that the run $2 of the connection $1 touched: what it was before the run and after
// it, and what has become of it since. A later run and its undo cancel each other out, and so do an undo and the undo of that. $3 and $4 are the times between which the run wrote; $5 is an undo that is under way, or 0.
func touched() string {
	var names []string
	for _, t := range undoTables {
		for _, e := range t.entities {
			names = append(names, "("+pq.QuoteLiteral(e)+", "+pq.QuoteLiteral(t.name)+")")
		}
	}
	return `
	WITH mine AS MATERIALIZED (
	    SELECT coalesce(k.tab, 'custom_records') AS tab, CASE WHEN k.tab IS NULL THEN l.entity ELSE '' END AS part, l.sf_id, l.entity, l.at, l.action = 'created' AS created,
	           CASE WHEN l.action = 'created' THEN '{"left_filter_at": null}'
	                WHEN l.action = 'left' AND l.changes IS NULL THEN '{"left_filter_at": null}'
	                WHEN l.action = 'deleted' AND l.changes IS NULL THEN '{"deleted_in_salesforce_at": null}'
	                WHEN l.action = 'returned' THEN jsonb_build_object('left_filter_at', l.at) || coalesce(millrace.side_of_changes(l.changes, 0), '{}')
	                ELSE millrace.side_of_changes(l.changes, 0) END AS before,
	           CASE WHEN l.action = 'created' THEN '{"left_filter_at": null}'
	                WHEN l.changes IS NULL THEN '{}'
	                WHEN l.action = 'returned' THEN '{"left_filter_at": null}' || coalesce(millrace.side_of_changes(l.changes, 1), '{}')
	                ELSE millrace.side_of_changes(l.changes, 1) END AS after
	      FROM millrace.audit_log l LEFT JOIN (VALUES ` + strings.Join(names, ", ") + `) AS k (entity, tab) ON k.entity = l.entity
	     WHERE l.run_id = $2 AND l.connection_id = $1 AND l.at BETWEEN $3 AND $4 AND l.sf_id <> '' AND l.action NOT IN ('skipped', 'failed')),
	several AS MATERIALIZED (SELECT tab, part, sf_id FROM mine GROUP BY tab, part, sf_id HAVING count(*) > 1),
	folded AS (
	    SELECT m.tab, m.part, m.sf_id, m.entity, m.created, m.before, m.after
	      FROM mine m WHERE NOT EXISTS (SELECT FROM several s WHERE s.tab = m.tab AND s.part = m.part AND s.sf_id = m.sf_id)
	    UNION ALL
	    SELECT m.tab, m.part, m.sf_id, min(m.entity), bool_or(m.created), millrace.overlay(m.before ORDER BY m.at DESC), millrace.overlay(m.after ORDER BY m.at)
	      FROM mine m JOIN several s ON s.tab = m.tab AND s.part = m.part AND s.sf_id = m.sf_id GROUP BY m.tab, m.part, m.sf_id),
	chains AS (
	    SELECT l.sf_id, coalesce(r.root_run, r.id) = coalesce(u.root_run, u.id) AS own, max(l.run_id) AS run_id
	      FROM millrace.audit_log l JOIN millrace.runs r ON r.id = l.run_id JOIN millrace.runs u ON u.id = $2
	     WHERE l.connection_id = $1 AND l.at >= $3 AND l.run_id <> $2 AND l.run_id <> $5 AND l.sf_id <> '' AND l.action NOT IN ('skipped', 'failed')
	     GROUP BY l.sf_id, coalesce(r.root_run, r.id), coalesce(u.root_run, u.id) HAVING count(DISTINCT l.run_id) % 2 = 1),
	later AS MATERIALIZED (SELECT sf_id, max(run_id) FILTER (WHERE NOT own) AS run_id, bool_or(own) AS undone FROM chains GROUP BY sf_id),
	undo_source AS (
	    SELECT f.tab, f.part, f.sf_id, f.entity, f.before, f.after, l.run_id AS later_run, coalesce(l.undone, false) AS undone, l.sf_id IS NULL AS todo,
	           CASE WHEN f.created THEN 'withdrawn'
	                WHEN f.before -> 'left_filter_at' = 'null' THEN 'back'
	                WHEN f.before ? 'left_filter_at' THEN 'marked'
	                ELSE 'values' END AS kind
	      FROM folded f LEFT JOIN later l ON l.sf_id = f.sf_id)
	`
}

// span returns the times between which a run wrote.
func (r Run) span() (from, to any) { return r.StartedAt, r.FinishedAt }

// tuneUndo is for the questions about everything that a run touched: they are hash joins over many rows.
const tuneUndo = `SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`

// UndoPreview counts what an undo of an ended run would do, by set of records.
func (d *DB) UndoPreview(ctx context.Context, r Run) ([]UndoCount, error) {
	var out []UndoCount
	from, to := r.span()
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, tuneUndo); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &out, touched()+`
			SELECT tab, part, `+undoCounts+` FROM undo_source GROUP BY tab, part`, r.ConnectionID, r.ID, from, to, 0)
	})
	if err == nil {
		err = d.nameUndo(ctx, r.ConnectionID, out)
	}
	return out, wrapIf(asCancelled(ctx, err), "db.UndoPreview(%d)", r.ID)
}

const undoCounts = `
	count(*) FILTER (WHERE todo AND kind = 'values') AS n_values, count(*) FILTER (WHERE todo AND kind = 'withdrawn') AS n_withdrawn,
	count(*) FILTER (WHERE todo AND kind = 'back') AS n_back, count(*) FILTER (WHERE todo AND kind = 'marked') AS n_marked,
	count(*) FILTER (WHERE later_run IS NOT NULL AND NOT undone) AS n_later, count(*) FILTER (WHERE undone) AS n_done`

// nameUndo names the sets and puts them into the order in which people know them.
func (d *DB) nameUndo(ctx context.Context, connectionID int64, counts []UndoCount) error {
	name, err := d.undoNames(ctx, connectionID)
	if err != nil {
		return err
	}
	for i := range counts {
		counts[i].Label, counts[i].Object = name(counts[i].Table, counts[i].Part)
	}
	slices.SortFunc(counts, func(a, b UndoCount) int {
		place := func(c UndoCount) int {
			return slices.IndexFunc(undoTables, func(t undoTable) bool { return t.name == c.Table })
		}
		if n := place(a) - place(b); n != 0 {
			return n
		}
		return strings.Compare(a.Part, b.Part)
	})
	return nil
}

// UndoQuery selects records of an undo's preview.
type UndoQuery struct {
	Table, Part string
	Kept        bool   // those that are left alone, instead of those that are put back
	After       string // only Ids behind this one
	Limit       int
}

// UndoRecords lists records that an undo of an ended run would put back, or would leave alone, by Id.
func (d *DB) UndoRecords(ctx context.Context, r Run, q UndoQuery) ([]UndoRecord, error) {
	var out []UndoRecord
	if !storable(q.Table) || !storable(q.Part) || !storable(q.After) {
		return nil, nil
	}
	from, to := r.span()
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, tuneUndo); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &out, touched()+`
			SELECT s.tab, s.part, s.sf_id, s.kind, s.before, s.after, CASE WHEN s.later_run IS NULL THEN '' ELSE 'later' END AS kept, coalesce(r.short_id, '') AS later
			  FROM undo_source s LEFT JOIN millrace.runs r ON r.id = s.later_run
			 WHERE s.tab = $6 AND s.part = $7 AND s.sf_id > $8 AND NOT s.undone AND (s.later_run IS NOT NULL) = $9
			 ORDER BY s.sf_id LIMIT $10`, r.ConnectionID, r.ID, from, to, 0, q.Table, q.Part, q.After, q.Kept, q.Limit)
	})
	if err == nil {
		err = d.describeUndo(ctx, r.ConnectionID, out)
	}
	return out, wrapIf(asCancelled(ctx, err), "db.UndoRecords(%d)", r.ID)
}

// UndoKept lists the records that an undo has left alone, behind one of them, and counts all.
func (d *DB) UndoKept(ctx context.Context, undo Run, after UndoRecord, limit int) (list []UndoRecord, total int64, err error) {
	err = d.pool.GetContext(ctx, &total, `SELECT count(*) FROM millrace.undo_records WHERE run_id = $1 AND kept <> ''`, undo.ID)
	if err == nil && total > 0 {
		err = d.pool.SelectContext(ctx, &list, `
			SELECT u.tab, u.part, u.sf_id, u.kind, u.before, u.after, u.kept, coalesce(r.short_id, '') AS later
			  FROM millrace.undo_records u LEFT JOIN millrace.runs r ON r.id = u.later_run
			 WHERE u.run_id = $1 AND u.kept <> '' AND (u.tab, u.part, u.sf_id) > ($2, $3, $4) ORDER BY u.tab, u.part, u.sf_id LIMIT $5`,
			undo.ID, after.Table, after.Part, after.SFID, limit)
	}
	if err == nil {
		err = d.describeUndo(ctx, undo.ConnectionID, list)
	}
	return list, total, wrapIf(asCancelled(ctx, err), "db.UndoKept(%d)", undo.ID)
}

// describeUndo adds what people read about records.
func (d *DB) describeUndo(ctx context.Context, connectionID int64, list []UndoRecord) error {
	name, err := d.undoNames(ctx, connectionID)
	if err != nil {
		return err
	}
	ids := map[string][]string{}
	for i := range list {
		r := &list[i]
		r.Label, r.Object = name(r.Table, r.Part)
		if r.Changes, err = undoChanges(r.Before, r.After); err != nil {
			return err
		}
		ids[r.Table] = append(ids[r.Table], r.SFID)
	}
	for table, of := range ids {
		t, known := undoTableOf(table)
		if !known {
			continue
		}
		var rows []struct {
			ID   string `db:"sf_id"`
			Name string `db:"name"`
		}
		if err := d.pool.SelectContext(ctx, &rows, `SELECT t.sf_id, coalesce(`+t.title+`, '') AS name FROM millrace.`+t.name+` t WHERE t.connection_id = $1 AND t.sf_id = ANY ($2)`,
			connectionID, pq.Array(of)); err != nil {
			return err
		}
		for _, row := range rows {
			for i := range list {
				if list[i].Table == table && list[i].SFID == row.ID {
					list[i].Name = row.Name
				}
			}
		}
	}
	return nil
}

// undoChanges lists the fields of a record by name, those that mark it last.
func undoChanges(before, after []byte) ([]UndoChange, error) {
	var then, now map[string]json.RawMessage
	if err := json.Unmarshal(before, &then); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(after, &now); err != nil {
		return nil, err
	}
	var out []UndoChange
	for _, field := range slices.Sorted(maps.Keys(then)) {
		if !slices.Contains(marks, field) {
			out = append(out, UndoChange{field, plainJSON(now[field]), plainJSON(then[field])})
		}
	}
	for _, field := range marks {
		if was, there := then[field]; there && plainJSON(was) != plainJSON(now[field]) {
			out = append(out, UndoChange{field, plainJSON(now[field]), plainJSON(was)})
		}
	}
	return out, nil
}

// plainJSON returns a value of JSON as a text.
func plainJSON(v json.RawMessage) string {
	var text string
	if len(v) == 0 || string(v) == "null" {
		return ""
	}
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(v)
}

// UndoRefusal says why an undo cannot be asked for, in a plain sentence; empty when it can. It does not look at the records.
func (d *DB) UndoRefusal(ctx context.Context, r Run) (string, error) {
	switch {
	case r.State.Active():
		return "The run has not ended yet. Wait for its end, or cancel it.", nil
	case r.Entity == pipeline.EntityImpact, r.StartedAt == nil, r.FinishedAt == nil:
		return "The run changed nothing here.", nil
	}
	kept, err := auditKept(ctx, d.pool, r)
	if err != nil {
		return "", wrapIf(asCancelled(ctx, err), "db.UndoRefusal(%d)", r.ID)
	}
	if !kept {
		return auditRemoved, nil
	}
	return "", nil
}

const auditRemoved = "The audit log of that time has been removed, as its retention asks, so it is not known any more what the run changed."

// auditKept reports whether the audit log of the time of an ended run is there, all of it: a part that is to be removed is detached first, and not read any more.
func auditKept(ctx context.Context, q sqlx.QueryerContext, r Run) (kept bool, err error) {
	err = sqlx.GetContext(ctx, q, &kept, `
		SELECT bool_and(EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = 'millrace.audit_log'::regclass AND NOT i.inhdetachpending
		                          AND i.inhrelid = to_regclass('millrace.audit_log_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD'))))
		  FROM generate_series(date_trunc('day', $1::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', $2::timestamptz, interval '1 day') day`, r.StartedAt, r.FinishedAt)
	return kept, err
}

// UndosOf returns the undos of a run, the newest first.
func (d *DB) UndosOf(ctx context.Context, runID int64) ([]Run, error) {
	var out []Run
	err := d.pool.SelectContext(ctx, &out, runSelect+` WHERE r.of_run = $1 AND r.entity = 'undo' ORDER BY r.id DESC`, runID)
	return out, wrapIf(asCancelled(ctx, err), "db.UndosOf(%d)", runID)
}

// RequestUndo queues an undo of an ended run. While an undo of the connection is active no second one starts: it returns that one, whatever run it undoes, with started false.
// It returns an *EntityOffError for a run that cannot be undone.
func (d *DB) RequestUndo(ctx context.Context, of Run, by int64) (run Run, started bool, err error) {
	why, err := d.UndoRefusal(ctx, of)
	if err == nil && why != "" {
		err = &EntityOffError{why}
	}
	var id int64
	if err == nil {
		err = d.Transact(ctx, func(tx *sqlx.Tx) error {
			var version int
			err := tx.GetContext(ctx, &version, `
				SELECT coalesce((SELECT max(version) FROM millrace.settings_versions v WHERE v.connection_id = c.id), 0) FROM millrace.connections c WHERE c.id = $1 FOR KEY SHARE`, of.ConnectionID)
			if err != nil {
				return notFound(err)
			}
			id, started, err = queueRun(ctx, tx, newRun{connection: of.ConnectionID, version: version, entity: pipeline.EntityUndo, trigger: TriggerManual, by: &by, of: of.ID})
			return err
		})
	}
	if err != nil {
		return run, false, fmt.Errorf("db.RequestUndo(%d): %w", of.ID, err)
	}
	run, err = d.RunByID(ctx, id)
	return run, started, err
}

// Undo reads a step of an undo, whose counts have meanings of their own.
func (s RunStep) Undo() UndoCount {
	return UndoCount{Label: s.Label, Object: s.Object, Values: s.Updated, Withdrawn: s.Deleted, Back: s.Created, Marked: s.LeftFilter - s.Deleted, Later: s.Skipped}
}
