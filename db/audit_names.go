package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// named are the tables whose records people know by a name: the name as SQL, and the entities that the audit log calls them by. Entries hold no names, since
// a record's name changes; they are found through these tables, and shown with the present name.
var named = []struct {
	table    string
	name     string
	entities []string // none for the API name of the object
}{
	{"accounts", `a.name`, []string{"account"}},
	{"contacts", `coalesce(a.first_name, '') || ' ' || coalesce(a.last_name, '')`, []string{"contact"}},
	{"opportunities", `a.name`, []string{"opportunity"}},
	{"sf_users", `a.name`, []string{"user"}},
	{"cases", `coalesce(a.case_number, '') || ' ' || coalesce(a.subject, '')`, []string{"case"}},
	{"custom_records", `a.name`, nil},
}

// unsought are further names for showing, which are not searched: there are many of them, and nobody knows them by heart.
var unsought = []struct {
	table, name string
	entities    []string
}{
	{"case_messages", `coalesce(nullif(a.subject, ''), left(a.body, 80))`, []string{"case comment", "email message", "case message"}},
	{"chatter_posts", `coalesce(nullif(a.title, ''), left(a.body, 80))`, []string{"chatter post"}},
	{"chatter_comments", `left(a.body, 80)`, []string{"chatter comment"}},
}

// maxNamed is how many records of one name are looked for.
const maxNamed = 100

// EnsureNameIndexes makes the indexes by which the records of a connection are found by their names, for the tables that are large enough, as
// EnsureReadIndexes does for accounts.
func (d *DB) EnsureNameIndexes(ctx context.Context, connectionID int64) error {
	err := d.Pinned(ctx, func(c *Conn) error {
		for _, n := range named[1:] {
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

// recordsNamed returns the records of a connection whose name has every word of text, or one that begins like it, but at most maxNamed; cut says that there
// are more.
func (d *DB) recordsNamed(ctx context.Context, connectionID int64, text string) (ids []string, cut bool, err error) {
	ids = []string{}
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
			return err
		}
		var indexed []string
		if err := tx.SelectContext(ctx, &indexed, `
			SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
			 WHERE i.indisvalid AND c.relnamespace = 'millrace'::regnamespace AND c.relname = ANY ($1)`, pq.Array(wordIndexes(connectionID))); err != nil {
			return err
		}
		// Those of exactly this name come first.
		if err := tx.SelectContext(ctx, &ids, `SELECT sf_id FROM millrace.accounts WHERE connection_id = $1 AND lower(name) = lower($2) LIMIT $3`, connectionID, text, maxNamed); err != nil {
			return err
		}
		if len(ids) == maxNamed {
			cut = true
			return nil
		}
		for _, n := range named {
			var more []string
			query, args := `SELECT a.sf_id FROM millrace.`+n.table+` a WHERE a.connection_id = $1`, []any{connectionID}
			found := slices.Contains(indexed, wordIndex(n.table, connectionID))
			if found {
				args = append(args, prefixQuery(text))
				query += ` AND ` + nameVector(n.name) + ` @@ to_tsquery('simple', $2)`
			} else {
				for _, word := range strings.Fields(text) {
					args = append(args, "% "+likePrefix(word))
					query += fmt.Sprintf(` AND ' ' || %s ILIKE $%d`, n.name, len(args))
				}
			}
			if err := setScans(ctx, tx, !found); err != nil {
				return err
			}
			if err := tx.SelectContext(ctx, &more, query+fmt.Sprintf(` LIMIT %d`, maxNamed+1), args...); err != nil {
				return err
			}
			ids = append(ids, more...)
		}
		return nil
	})
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > maxNamed {
		ids, cut = ids[:maxNamed], true
	}
	return ids, cut, err
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
	for _, n := range named {
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
	for _, n := range slices.Concat(named, unsought) {
		if slices.Contains(n.entities, entity) {
			return n.table, n.name
		}
	}
	return "custom_records", "a.name"
}
