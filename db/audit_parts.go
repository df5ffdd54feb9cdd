package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// auditIndexes serve what the audit log is asked by, besides by time. Keeping them while a first sync writes a row per record would cost it more than the
// rows themselves, so a day's part gets them once it has been written: see EnsureAuditIndexes.
var auditIndexes = []struct{ name, definition string }{
	{"record", `(sf_id, at)`},
	{"kind", `(connection_id, entity, action, at)`},
	{"person", `(connection_id, actor_id, at) WHERE actor_id IS NOT NULL`},
	{"words", `USING gin (millrace.audit_words(changes, detail)) WITH (gin_pending_list_limit = 512) WHERE ` + wordyEntry},
}

// wordyEntry is the condition under which an entry a has words to be found by.
const wordyEntry = `(changes IS NOT NULL OR detail IS NOT NULL)`

// From these sizes in bytes a part is worth its indexes; below, reading all of it is as quick. The part of a day in progress has to be larger, since most of
// what it will hold may be still to come.
const (
	auditIndexFrom      = 128 << 10
	auditIndexFromToday = 2 << 20
)

// auditPart is the part of the audit log that holds a day of UTC.
type auditPart struct {
	Name    string         `db:"name"` // of the table
	Bytes   int64          `db:"bytes"`
	Leaving bool           `db:"leaving"` // it is being dropped
	Valid   pq.StringArray `db:"valid"`   // names of its indexes that can be used
	Day     time.Time      // its beginning
}

// auditKind is one kind of entries.
type auditKind struct {
	ConnectionID int64  `db:"connection_id"`
	Entity       string `db:"entity"`
	Action       string `db:"action"`
}

func (p auditPart) end() time.Time { return p.Day.AddDate(0, 0, 1) }

func (p auditPart) holds(at time.Time) bool { return !at.Before(p.Day) && at.Before(p.end()) }

func (p auditPart) indexed() bool {
	return !slices.ContainsFunc(auditIndexes, func(ix struct{ name, definition string }) bool {
		return !slices.Contains(p.Valid, p.indexName(ix.name))
	})
}

func (p auditPart) indexName(name string) string { return p.Name + "_by_" + name }

// auditParts returns the days of the audit log that hold something, the newest first.
func (d *DB) auditParts(ctx context.Context) ([]auditPart, error) {
	var all []auditPart
	err := d.pool.SelectContext(ctx, &all, `
		SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes, i.inhdetachpending AS leaving,
		       ARRAY(SELECT x.relname::text FROM pg_index k JOIN pg_class x ON x.oid = k.indexrelid WHERE k.indrelid = c.oid AND k.indisvalid) AS valid
		  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		 WHERE i.inhparent = 'millrace.audit_log'::regclass`)
	if err != nil {
		return nil, err
	}
	held := all[:0]
	for _, p := range all {
		if p.Day, err = auditDay(p.Name); err == nil && p.Bytes > 0 && !p.Leaving {
			held = append(held, p)
		}
	}
	slices.SortFunc(held, func(a, b auditPart) int { return b.Day.Compare(a.Day) })
	return held, nil
}

// The name of a day's table.
const (
	auditPartPrefix = "audit_log_"
	auditPartDay    = "20060102"
)

// auditDay returns the beginning of the day whose entries a table holds.
func auditDay(table string) (time.Time, error) {
	return time.ParseInLocation(auditPartDay, strings.TrimPrefix(table, auditPartPrefix), time.UTC)
}

// auditKinds remembers which kinds of entries the days hold that are over.
type auditKinds struct {
	mu sync.Mutex
	of map[string][]auditKind
}

// kindsOf returns which kinds of entries an indexed part holds.
func (d *DB) kindsOf(ctx context.Context, p auditPart) ([]auditKind, error) {
	d.kinds.mu.Lock()
	known, ok := d.kinds.of[p.Name]
	d.kinds.mu.Unlock()
	if ok {
		return known, nil
	}
	kinds := []auditKind{}
	// Jumps along the index from one kind to the next.
	err := d.pool.SelectContext(ctx, &kinds, fmt.Sprintf(`
		WITH RECURSIVE kinds AS (
		    (SELECT connection_id, entity, action FROM millrace.%[1]s ORDER BY connection_id, entity, action LIMIT 1)
		    UNION ALL
		    SELECT n.* FROM kinds k CROSS JOIN LATERAL (
		        SELECT a.connection_id, a.entity, a.action FROM millrace.%[1]s a
		         WHERE (a.connection_id, a.entity, a.action) > (k.connection_id, k.entity, k.action)
		         ORDER BY a.connection_id, a.entity, a.action LIMIT 1) n)
		SELECT connection_id, entity, action FROM kinds`, pq.QuoteIdentifier(p.Name)))
	if err != nil {
		return nil, err
	}
	// A run that began before midnight writes with the clock, so a day that ended a while ago is complete.
	if time.Since(p.end()) > time.Hour {
		d.kinds.mu.Lock()
		d.kinds.of[p.Name] = kinds
		d.kinds.mu.Unlock()
	}
	return kinds, nil
}

// EnsureAuditIndexes makes the indexes of the days of the audit log that are large enough, without hindering readers or runs; call it after a run, and now and
// then. The day in progress waits for its indexes while a run is at work or about to be. Where another process is at it already, it returns at once.
func (d *DB) EnsureAuditIndexes(ctx context.Context) error {
	parts, err := d.auditParts(ctx)
	if err == nil {
		parts = slices.DeleteFunc(parts, func(p auditPart) bool { return p.indexed() || p.Bytes < auditIndexFrom })
	}
	if err != nil || len(parts) == 0 {
		return wrapIf(asCancelled(ctx, err), "db.EnsureAuditIndexes")
	}
	err = d.Pinned(ctx, func(c *Conn) error {
		var now struct {
			At   time.Time `db:"at"`
			Busy bool      `db:"busy"`
		}
		if err := c.Get(ctx, &now, `SELECT now() AS at, EXISTS (SELECT FROM millrace.runs WHERE state IN ('queued', 'running')) AS busy`); err != nil {
			return err
		}
		parts = slices.DeleteFunc(parts, func(p auditPart) bool {
			return now.At.Before(p.end()) && (now.Busy || p.Bytes < auditIndexFromToday)
		})
		if len(parts) == 0 {
			return nil
		}
		return c.alone(ctx, `hashtext('millrace.audit_indexes'), 0`, func() error {
			for _, p := range parts {
				if err := makeAuditIndexes(ctx, c, p); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return wrapIf(err, "db.EnsureAuditIndexes")
}

func makeAuditIndexes(ctx context.Context, c *Conn, p auditPart) error {
	table := "millrace." + pq.QuoteIdentifier(p.Name)
	for _, ix := range auditIndexes {
		name := p.indexName(ix.name)
		if slices.Contains(p.Valid, name) {
			continue
		}
		// One that is there but cannot be used was left by an attempt that was cut short.
		if _, err := c.Exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS millrace.`+pq.QuoteIdentifier(name)); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `CREATE INDEX CONCURRENTLY `+pq.QuoteIdentifier(name)+` ON `+table+` `+ix.definition); err != nil {
			if isCode(err, "42P01") { // its retention has passed meanwhile
				return nil
			}
			return err
		}
	}
	_, err := c.Exec(ctx, `VACUUM (ANALYZE) `+table)
	return err
}
