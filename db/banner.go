package db

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"millrace/pipeline"
)

// Banner is what stands above the pages of a connection: its run in focus, what comes next, and what is known of a run that somebody could start now.
type Banner struct {
	Run        *Run            // as RunInFocus; nil for none
	NextEntity pipeline.Entity // of the schedule that is due next; empty for none
	NextAt     time.Time
	Configured bool            // settings were saved
	Active     bool            // a run of everything by the newest settings is active
	Cost       *int64          // API requests of the newest run of everything that came to its end; nil for none
	Budget     pipeline.Budget // without its hours
}

type bannerFacts struct {
	budgetRow
	OwnUsed    int64           `db:"own_used"`
	NextEntity pipeline.Entity `db:"next_entity"`
	NextAt     *time.Time      `db:"next_at"`
	Configured bool            `db:"configured"`
	Busy       bool            `db:"busy"`
	Cost       *int64          `db:"cost"`
}

// bannerSelect reads the facts of the connection $1, of which $2 is the usual reserve.
const bannerSelect = `
	SELECT ` + budgetColumns + `,
	       coalesce((SELECT sum(h.calls) FROM millrace.api_usage h WHERE h.connection_id = c.id AND h.hour >= date_trunc('hour', now()) - interval '24 hours'), 0)::bigint AS own_used,
	       coalesce(n.entity, '') AS next_entity, n.next_run_at AS next_at,
	       EXISTS (SELECT FROM millrace.settings_versions v WHERE v.connection_id = c.id) AS configured,
	       EXISTS (SELECT FROM millrace.runs x WHERE x.connection_id = c.id AND x.state IN ('queued', 'running', 'waiting') AND x.entity = 'all' AND ` + byNewest + `) AS busy,
	       (SELECT x.api_calls FROM millrace.runs x
	         WHERE x.connection_id = c.id AND x.entity = 'all' AND x.state IN ('completed', 'completed_with_errors') ORDER BY x.id DESC LIMIT 1) AS cost
	  FROM ` + budgetTables + `
	  LEFT JOIN LATERAL (
	       SELECT s.entity, s.next_run_at FROM millrace.schedules s
	        WHERE s.connection_id = c.id AND s.next_run_at IS NOT NULL ORDER BY s.next_run_at, ` + scheduleOrder + ` LIMIT 1) n ON true
	 WHERE c.id = $1`

// Banner returns what stands above the pages of a connection, in one exchange where it has had a run. It returns ErrNotFound when there is no such connection.
func (d *DB) Banner(ctx context.Context, connectionID int64) (Banner, error) {
	var row struct {
		Run
		bannerFacts
	}
	args := []any{connectionID, pipeline.DefaultAllowance.ReservePercent}
	err := d.pool.GetContext(ctx, &row, kept(`SELECT f.*, b.* FROM (`+runSelect+` WHERE `+inFocus+`) f, (`+bannerSelect+`) b`), args...)
	out := Banner{Run: &row.Run}
	if errors.Is(err, sql.ErrNoRows) {
		out.Run = nil
		err = d.pool.GetContext(ctx, &row.bannerFacts, kept(bannerSelect), args...)
	}
	if err != nil {
		return Banner{}, wrapIf(asCancelled(ctx, notFound(err)), "db.Banner(%d)", connectionID)
	}
	out.NextEntity, out.Configured, out.Active, out.Cost, out.Budget = row.NextEntity, row.Configured, row.Busy, row.Cost, row.budget()
	out.Budget.Own = row.OwnUsed
	if row.NextAt != nil {
		out.NextAt = *row.NextAt
	}
	return out, nil
}
