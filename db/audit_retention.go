package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// How long dropping a day waits for those who use the log, and how often it tries. Whoever comes later waits behind it only for that time.
const (
	dropPatience = "2s"
	dropTries    = 5
	dropPause    = time.Second
)

// RetainAudit drops the days of the audit log that ended more than the given number of days ago, and returns their names; 0 keeps all. Neither writers nor
// readers of other days are held up. Where another process is at it already, it returns at once.
func (d *DB) RetainAudit(ctx context.Context, days int) (dropped []string, err error) {
	if days <= 0 {
		return nil, nil
	}
	err = d.Pinned(ctx, func(c *Conn) error {
		return c.alone(ctx, `hashtext('millrace.audit_retention'), 0`, func() error {
			// A day that is only detached, or about to be, was left by an attempt that was cut short.
			var old []struct {
				Name  string `db:"name"`
				State string `db:"state"`
			}
			err := c.Select(ctx, &old, `
				SELECT c.relname AS name, CASE WHEN i.inhrelid IS NULL THEN 'detached' WHEN i.inhdetachpending THEN 'leaving' ELSE 'attached' END AS state
				  FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'millrace.audit_log'::regclass
				 WHERE c.relnamespace = 'millrace'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^audit_log_[0-9]{8}$'
				   AND substr(c.relname, 11) < to_char(now() AT TIME ZONE 'UTC' - make_interval(days => $1), 'YYYYMMDD')
				 ORDER BY 1`, days)
			for _, day := range old {
				if err == nil {
					err = c.dropDay(ctx, day.Name, day.State)
				}
				if err == nil {
					dropped = append(dropped, day.Name)
				}
			}
			return err
		})
	})
	return dropped, wrapIf(err, "db.RetainAudit(%d)", days)
}

// dropDay detaches a day without locking the log, then drops it when nobody can see it any more.
func (c *Conn) dropDay(ctx context.Context, name, state string) error {
	table := "millrace." + pq.QuoteIdentifier(name)
	if _, err := c.Exec(ctx, `SET lock_timeout = '`+dropPatience+`'`); err != nil {
		return err
	}
	defer func() {
		if _, err := c.Exec(context.WithoutCancel(ctx), `RESET lock_timeout`); err != nil {
			c.broken = true
		}
	}()
	detach := map[string]string{"attached": " CONCURRENTLY", "leaving": " FINALIZE"}
	for try := 1; ; try++ {
		var err error
		if how, ok := detach[state]; ok {
			_, err = c.Exec(ctx, `ALTER TABLE millrace.audit_log DETACH PARTITION `+table+how)
		}
		if err == nil {
			state = "detached"
			_, err = c.Exec(ctx, `DROP TABLE IF EXISTS `+table)
		}
		if err == nil {
			return nil
		}
		if !isCode(err, "55P03") || try == dropTries {
			return fmt.Errorf("drop %s: %w", name, err)
		}
		if state == "attached" { // it may have come half way
			if err := c.Get(ctx, &state, `SELECT coalesce((SELECT CASE WHEN inhdetachpending THEN 'leaving' ELSE 'attached' END FROM pg_inherits WHERE inhrelid = to_regclass($1)), 'detached')`, table); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dropPause):
		}
	}
}

// keptRuns is how many of a connection's newest runs stay at any age: the screens go by them.
const keptRuns = 50

// RetainRuns removes runs that ended more than runDays ago, with all that belongs to them, and the record errors older than errorDays; 0 keeps all. It works
// in small pieces, so that nobody waits for it.
func (d *DB) RetainRuns(ctx context.Context, runDays, errorDays int) error {
	for _, piece := range []struct {
		days  int
		query string
	}{
		{errorDays, `DELETE FROM millrace.run_errors WHERE id IN (
			SELECT id FROM (SELECT id, created_at FROM millrace.run_errors ORDER BY id LIMIT 2000) e WHERE created_at < now() - make_interval(days => $1))`},
		{runDays, `DELETE FROM millrace.runs WHERE id IN (
			SELECT r.id FROM millrace.runs r
			 WHERE r.finished_at < now() - make_interval(days => $1) AND r.state NOT IN ('queued', 'running', 'waiting')
			   AND r.id < (SELECT min(n.id) FROM (SELECT k.id FROM millrace.runs k WHERE k.connection_id = r.connection_id ORDER BY k.id DESC LIMIT ` + fmt.Sprint(keptRuns) + `) n)
			 ORDER BY r.id LIMIT 20 FOR UPDATE SKIP LOCKED)`},
	} {
		if piece.days <= 0 {
			continue
		}
		for n := int64(1); n > 0; {
			err := d.Transact(ctx, func(tx *sqlx.Tx) error {
				res, err := tx.ExecContext(ctx, piece.query, piece.days)
				if err != nil {
					return err
				}
				n, err = res.RowsAffected()
				return err
			})
			if err != nil {
				return fmt.Errorf("db.RetainRuns(%d, %d): %w", runDays, errorDays, err)
			}
		}
	}
	return nil
}
