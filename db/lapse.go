package db

import (
	"context"
	"time"

	"github.com/lib/pq"
)

// A process that stands still, or that nothing is heard of, may have a transaction open in which it has locked what whoever takes over its work needs. Postgres
// would keep it until the silence is too long for it, and one in the middle of a COPY for ever. So whoever takes over ends what the process had begun by then.

// lapse is a lease that its holder has let run out.
type lapse struct {
	Was    string     `db:"was"`    // the holder; empty for none
	Lapsed *time.Time `db:"lapsed"` // when the lease ran out; nil where it was given back
}

// sessionName is what the sessions of a process are called in pg_stat_activity. Postgres keeps 63 bytes: of a longer name the end, which tells processes of one
// machine apart.
func sessionName(owner string) string {
	const prefix, room = "millrace ", 63 - len("millrace ")
	if owner == "" {
		return "millrace"
	}
	return prefix + owner[max(len(owner)-room, 0):]
}

// EndLapsed ends the transactions that processes other than owner had begun before a lease of theirs ran out that nobody has taken over yet, and returns how many: one
// of them may have locked what is to be claimed.
func (d *DB) EndLapsed(ctx context.Context, owner string) (int, error) {
	var all []lapse
	err := d.pool.SelectContext(ctx, &all, kept(`
		SELECT owner AS was, max(lease_until) AS lapsed
		  FROM (SELECT owner, lease_until FROM millrace.runs WHERE state = 'running' AND lease_until < now()
		        UNION ALL SELECT owner, lease_until FROM millrace.run_units WHERE lease_until < now()) l
		 WHERE owner <> '' GROUP BY owner`))
	if err != nil {
		return 0, wrapIf(asCancelled(ctx, err), "db.EndLapsed")
	}
	return d.endOf(ctx, owner, all...)
}

// endOf ends the transactions that the holders of leases had begun before these ran out, but those of owner, who takes over, and returns how many.
func (d *DB) endOf(ctx context.Context, owner string, all ...lapse) (ended int, err error) {
	var names []string
	var until []time.Time
	for _, l := range all {
		if l.Was != "" && l.Was != owner && l.Lapsed != nil {
			names, until = append(names, sessionName(l.Was)), append(until, *l.Lapsed)
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	err = d.pool.GetContext(ctx, &ended, `
		SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
		  FROM unnest($1::text[], $2::timestamptz[]) l (name, until) JOIN pg_stat_activity a ON a.application_name = l.name AND a.xact_start < l.until
		 WHERE a.datname = current_database() AND a.usename = current_user`, pq.Array(names), pq.Array(until))
	return ended, wrapIf(asCancelled(ctx, err), "db.endOf")
}
