package db

import (
	"context"
	"fmt"
	"strings"
)

// readIndexes serve the sorts and the search of the accounts list. Maintaining them during a first load would more than double its time, and a small
// connection needs none of them, so they are made for a connection's own part once it is large. None holds a column that each change of an account writes, such as synced_at: it would be written
// whatever has changed, and the others with it.
var readIndexes = []struct{ name, definition string }{
	{"name", `(connection_id, lower(name), sf_id)`},
	{"type", `(connection_id, account_type, sf_id)`},
	{"website", `(connection_id, (domain COLLATE "C"), sf_id)`},
	{"industry", `(connection_id, industry, sf_id)`},
	{"owner", `(connection_id, owner_id, sf_id)`},
	{"words", `USING gin (to_tsvector('simple', name))`},
}

// readIndexRows is the size from which a connection's accounts get read indexes.
const readIndexRows = 10_000

// EnsureReadIndexes makes the indexes that keep the accounts list fast, once the connection has enough accounts. It takes seconds per million and
// hinders neither readers nor runs; call it after a run. Where another process is at it already, it returns at once.
func (d *DB) EnsureReadIndexes(ctx context.Context, connectionID int64) error {
	err := d.Pinned(ctx, func(c *Conn) error {
		table := fmt.Sprintf("millrace.accounts_%d", connectionID)
		var large bool
		if err := c.Get(ctx, &large, `SELECT to_regclass($1) IS NOT NULL AND (
			SELECT count(*) FROM (SELECT FROM millrace.accounts WHERE connection_id = $2 LIMIT $3) f) = $3`, table, connectionID, readIndexRows); err != nil || !large {
			return err
		}
		return c.alone(ctx, fmt.Sprintf(`hashtext('millrace.read_indexes'), %d`, connectionID), func() error { return makeReadIndexes(ctx, c, connectionID, table) })
	})
	if err != nil {
		return fmt.Errorf("db.EnsureReadIndexes(%d): %w", connectionID, err)
	}
	return nil
}

func makeReadIndexes(ctx context.Context, c *Conn, connectionID int64, table string) error {
	made := false
	for _, ix := range readIndexes {
		name := readIndexName(connectionID, ix.name)
		var state string
		err := c.Get(ctx, &state, `
			SELECT coalesce((SELECT CASE WHEN indisvalid THEN 'valid' ELSE 'invalid' END FROM pg_index WHERE indexrelid = to_regclass($1)), 'missing')`, name)
		if err != nil {
			return err
		}
		if state == "valid" {
			continue
		}
		if state == "invalid" { // left by an attempt that was cut short
			if _, err := c.Exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+name); err != nil {
				return err
			}
		}
		if _, err := c.Exec(ctx, `CREATE INDEX CONCURRENTLY `+strings.TrimPrefix(name, "millrace.")+` ON `+table+` `+ix.definition); err != nil {
			return err
		}
		made = true
	}
	if !made {
		return nil
	}
	_, err := c.Exec(ctx, `ANALYZE `+table) // the index of words has statistics of its own
	return err
}

func readIndexName(connectionID int64, name string) string {
	return fmt.Sprintf("millrace.accounts_%d_by_%s", connectionID, name)
}

// validReadIndexes returns which read indexes of a connection can be used.
func (d *DB) validReadIndexes(ctx context.Context, connectionID int64) (map[string]bool, error) {
	prefix := fmt.Sprintf("accounts_%d_by_", connectionID)
	var names []string
	err := d.pool.SelectContext(ctx, &names, `
		SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		 WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND starts_with(c.relname, $2)`, fmt.Sprintf("millrace.accounts_%d", connectionID), prefix)
	valid := map[string]bool{}
	for _, name := range names {
		valid[strings.TrimPrefix(name, prefix)] = true
	}
	return valid, err
}
