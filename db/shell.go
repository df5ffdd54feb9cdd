package db

import "context"

// Shell is what the frame of every page tells besides the viewer.
type Shell struct {
	Connections []Connection  // the oldest first
	Errors      map[int64]int // open causes in the error inbox, by connection
	Alerts      int           // open alerts that are not muted, of all connections
}

// Shell returns what the frame of every page tells, in one exchange.
func (d *DB) Shell(ctx context.Context) (Shell, error) {
	var rows []struct {
		Connection
		Errors int `db:"open_errors"`
		Alerts int `db:"open_alerts"`
	}
	err := d.pool.SelectContext(ctx, &rows, kept(`
		SELECT `+connectionColumns+`,
		       (SELECT count(*) FROM millrace.error_groups g WHERE g.connection_id = c.id AND `+openGroup+`) AS open_errors, (`+countAlerts+`) AS open_alerts
		  FROM millrace.connections c ORDER BY id`))
	out := Shell{Errors: make(map[int64]int, len(rows))}
	for _, r := range rows {
		out.Connections, out.Errors[r.ID], out.Alerts = append(out.Connections, r.Connection), r.Errors, r.Alerts
	}
	if err == nil && len(rows) == 0 {
		out.Alerts, err = d.CountOpenAlerts(ctx)
	}
	return out, wrapIf(asCancelled(ctx, err), "db.Shell")
}
