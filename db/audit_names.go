package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// named is a table whose records people know by a name. Entries of the audit log hold no names, since a record's name changes: they are found through these
// tables, and shown with the present name.
type named struct {
	table    string
	name     string   // as SQL, of a record a
	entities []string // that the audit log calls the records by; nil for the API names of their objects
}

// sought are the tables that a name is searched in.
var sought = []named{
	{"accounts", `a.name`, []string{"account"}},
	{"contacts", `coalesce(a.first_name, '') || ' ' || coalesce(a.last_name, '')`, []string{"contact"}},
	{"opportunities", `a.name`, []string{"opportunity"}},
	{"sf_users", `a.name`, []string{"user"}},
	{"cases", `coalesce(a.case_number, '') || ' ' || coalesce(a.subject, '')`, []string{"case"}},
	{"custom_records", `a.name`, nil},
}

// unsought are further names for showing, which are not searched: there are many of them, and nobody knows them by heart.
var unsought = []named{
	{"case_messages", `coalesce(nullif(a.subject, ''), left(a.body, 80))`, []string{"case comment", "email message", "case message"}},
	{"chatter_posts", `coalesce(nullif(a.title, ''), left(a.body, 80))`, []string{"chatter post"}},
	{"chatter_comments", `left(a.body, 80)`, []string{"chatter comment"}},
}

// standard are the entities that are not called by the API name of their object.
var standard = func() (all []string) {
	for _, n := range slices.Concat(sought, unsought) {
		all = append(all, n.entities...)
	}
	return all
}()

// called reports whether the audit log calls records of the table so. What has no table at all may count as a custom object, of which there is no record then.
func (n named) called(entity string) bool {
	if n.entities == nil {
		return !slices.Contains(standard, entity)
	}
	return slices.Contains(n.entities, entity)
}

// calls is called as SQL.
func (n named) calls(b *auditSQL, entity string) string {
	if n.entities == nil {
		return entity + " <> ALL (" + b.add(pq.Array(standard)) + ")"
	}
	return entity + " = ANY (" + b.add(pq.Array(n.entities)) + ")"
}

// matches is the condition that the name of a record, which is called so in the statement, has every word of text, or one that begins like it.
func (n named) matches(b *auditSQL, record, text string, indexed bool) string {
	name := strings.ReplaceAll(n.name, "a.", record+".")
	if indexed {
		return nameVector(name) + " @@ to_tsquery('simple', " + b.add(prefixQuery(text)) + ")"
	}
	var all []string
	for _, word := range strings.Fields(text) {
		all = append(all, "' ' || "+name+" ILIKE "+b.add("% "+likePrefix(word)))
	}
	return allOf(all...)
}

// samplePages is how much of a table is looked at to estimate how many records have a name.
const samplePages = 8

// EnsureNameIndexes makes the indexes by which the records of a connection are found by their names, for the tables that are large enough, as
// EnsureReadIndexes does for accounts.
func (d *DB) EnsureNameIndexes(ctx context.Context, connectionID int64) error {
	err := d.Pinned(ctx, func(c *Conn) error {
		for _, n := range sought[1:] {
			table := fmt.Sprintf("%s_%d", n.table, connectionID)
			var missing bool
			err := c.Get(ctx, &missing, fmt.Sprintf(`SELECT to_regclass($1) IS NOT NULL
				AND NOT coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1 || '_by_words')), false)
				AND (SELECT count(*) FROM (SELECT FROM millrace.%s WHERE connection_id = $2 LIMIT $3) f) = $3`, n.table),
				"millrace."+table, connectionID, readIndexRows)
			if err != nil {
				return err
			}
			if !missing {
				continue
			}
			err = c.alone(ctx, fmt.Sprintf(`hashtext('millrace.%s'), %d`, n.table, connectionID), func() error {
				for _, statement := range []string{
					`DROP INDEX CONCURRENTLY IF EXISTS millrace.` + table + `_by_words`, // one that an attempt left which was cut short
					`CREATE INDEX CONCURRENTLY ` + table + `_by_words ON millrace.` + table + ` USING gin (` + strings.ReplaceAll(nameVector(n.name), "a.", "") + `)`,
					`ANALYZE millrace.` + table,
				} {
					if _, err := c.Exec(ctx, statement); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrapIf(err, "db.EnsureNameIndexes(%d)", connectionID)
}

func nameVector(name string) string { return "to_tsvector('simple', " + name + ")" }

// recordsNamed returns the records that q may select entries of whose name has every word of text, or one that begins like it. The tables with many of them
// are returned instead of their records.
func (d *DB) recordsNamed(ctx context.Context, q AuditQuery, text string) (ids []string, many []nameSet, err error) {
	tables := slices.DeleteFunc(slices.Clone(sought), func(n named) bool {
		return len(q.Entities) > 0 && !slices.ContainsFunc(q.Entities, func(e AuditEntity) bool { return !e.Global && n.called(e.Name) })
	})
	if len(tables) == 0 {
		return nil, nil, nil
	}
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
			return err
		}
		var large []struct { // those with an index
			Table string  `db:"relname"`
			Pages float64 `db:"relpages"`
			Rows  float64 `db:"reltuples"`
		}
		if err := tx.SelectContext(ctx, &large, `
			SELECT t.relname, t.relpages, t.reltuples FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
			 WHERE i.indisvalid AND c.relnamespace = 'millrace'::regnamespace AND c.relname = ANY ($1)`, pq.Array(wordIndexes(q.ConnectionID))); err != nil {
			return err
		}
		for _, n := range tables {
			set := nameSet{named: n, text: text}
			for _, t := range large {
				if t.Table == fmt.Sprintf("%s_%d", n.table, q.ConnectionID) {
					set.indexed, set.pages, set.rows = true, t.Pages, t.Rows
				}
			}
			some, more, err := set.records(ctx, tx, d.bounds.sureNamed, q.ConnectionID, d.bounds.named-len(ids))
			if err != nil {
				return err
			}
			if more {
				many = append(many, set)
			} else {
				ids = append(ids, some...)
			}
		}
		return nil
	})
	return ids, many, err
}

// records returns the records of the set, unless there are more than n.
func (set nameSet) records(ctx context.Context, tx *sqlx.Tx, sure int, connectionID int64, n int) (ids []string, more bool, err error) {
	if set.indexed && int(set.rows) > sure {
		if expected, err := set.expected(ctx, tx, connectionID); err != nil || expected > sure {
			return nil, true, err
		}
	}
	if err := setScans(ctx, tx, !set.indexed); err != nil {
		return nil, false, err
	}
	var b auditSQL
	err = tx.SelectContext(ctx, &ids, `SELECT a.sf_id FROM millrace.`+set.table+` a WHERE a.connection_id = `+b.add(connectionID)+
		` AND `+set.matches(&b, "a", set.text, set.indexed)+` LIMIT `+b.add(n+1), b.args...)
	return ids, len(ids) > n, err
}

// expected estimates from a sample how many records the set has. The planner does not know how frequent the beginning of a word is.
func (set nameSet) expected(ctx context.Context, tx *sqlx.Tx, connectionID int64) (int, error) {
	var b auditSQL
	var share float64
	err := tx.GetContext(ctx, &share, `SELECT coalesce(avg((`+set.matches(&b, "a", set.text, true)+`)::int), 0) FROM `+
		fmt.Sprintf("millrace.%s_%d", set.table, connectionID)+` a TABLESAMPLE SYSTEM (`+b.add(min(100, 100*samplePages/set.pages))+`)`, b.args...)
	return int(share * set.rows), err
}

// setScans allows all ways to read a table, or leaves bitmaps of an index.
func setScans(ctx context.Context, tx *sqlx.Tx, all bool) error {
	on := map[bool]string{true: "on", false: "off"}[all]
	_, err := tx.ExecContext(ctx, `SET LOCAL enable_seqscan = `+on+`; SET LOCAL enable_indexscan = `+on)
	return err
}

func wordIndex(table string, connectionID int64) string {
	return fmt.Sprintf("%s_%d_by_words", table, connectionID)
}

func wordIndexes(connectionID int64) []string {
	var out []string
	for _, n := range sought {
		out = append(out, wordIndex(n.table, connectionID))
	}
	return out
}

// RecordRef names a record as the audit log does.
type RecordRef struct{ Entity, SFID string }

// skippable are the objects of which records are skipped, by what the audit log calls one.
var skippable = map[string]string{"contact": "Contact"}

// RecordNames returns the present names of those of the records that are here and have one, and of those that are skipped the name that was noted.
func (d *DB) RecordNames(ctx context.Context, connectionID int64, refs []RecordRef) (map[RecordRef]string, error) {
	out := map[RecordRef]string{}
	by := map[string][]string{}
	for _, r := range refs {
		if r.SFID != "" && !slices.Contains(by[r.Entity], r.SFID) {
			by[r.Entity] = append(by[r.Entity], r.SFID)
		}
	}
	for entity, ids := range by {
		table, name := nameOf(entity)
		var rows []struct {
			SFID string `db:"sf_id"`
			Name string `db:"name"`
		}
		query, args := `SELECT a.sf_id, coalesce(trim(`+name+`), '') AS name FROM millrace.`+table+` a WHERE a.connection_id = $1 AND a.sf_id = ANY ($2)`, []any{connectionID, pq.Array(ids)}
		if table == "custom_records" {
			query, args = query+` AND a.object = $3`, append(args, entity)
		}
		if err := d.pool.SelectContext(ctx, &rows, query, args...); err != nil {
			return nil, fmt.Errorf("db.RecordNames(%d, %s): %w", connectionID, entity, asCancelled(ctx, err))
		}
		for _, r := range rows {
			if r.Name != "" {
				out[RecordRef{entity, r.SFID}] = r.Name
			}
		}
		object := skippable[entity]
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return out[RecordRef{entity, id}] != "" })
		if object == "" || len(ids) == 0 {
			continue
		}
		rows = nil
		if err := d.pool.SelectContext(ctx, &rows, `SELECT sf_id, name FROM millrace.skipped_records WHERE connection_id = $1 AND object = $2 AND sf_id = ANY ($3) AND name <> ''`,
			connectionID, object, pq.Array(ids)); err != nil {
			return nil, fmt.Errorf("db.RecordNames(%d, skipped %s): %w", connectionID, entity, asCancelled(ctx, err))
		}
		for _, r := range rows {
			out[RecordRef{entity, r.SFID}] = r.Name
		}
	}
	return out, nil
}

// nameOf returns where the names of the records of an entity are.
func nameOf(entity string) (table, name string) {
	for _, n := range slices.Concat(sought, unsought) {
		if slices.Contains(n.entities, entity) {
			return n.table, n.name
		}
	}
	return "custom_records", "a.name"
}
