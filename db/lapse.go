package db

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lib/pq"
)

// A process that stands still, or that nothing is heard of, may have a transaction open in which it has locked what whoever takes over its work needs. Postgres
// would keep it until the silence is too long for it, and one in the middle of a COPY for ever. So whoever takes over ends what the process had begun by then and Postgres waits to hear more of. A
// statement that is still at work is left alone: what it locks may be what keeps its living process from extending the lease.

// lapse is a lease that its holder has let run out.
type lapse struct {
	Was    string     `db:"was"`    // the holder; empty for none
	Lapsed *time.Time `db:"lapsed"` // when the lease ran out; nil where it was given back
}

// another reports whether the lease was let run out, by another process than owner.
func (l lapse) another(owner string) bool { return l.Was != "" && l.Was != owner && l.Lapsed != nil }

// sessionName is what the sessions of a process are called in pg_stat_activity.
func sessionName(owner string) string { return nameOfSession("millrace", owner) }

// renewingName is what a session of a process is called while it waits for Salesforce to renew a grant. It is left alone whatever its process has let run out: the grant that it waits for is the only one.
func renewingName(owner string) string { return nameOfSession("millrace renewing", owner) }

// nameOfSession names a session. Postgres keeps 63 bytes: of a longer name the end, which tells processes of one machine apart.
func nameOfSession(what, owner string) string {
	if owner == "" {
		return what
	}
	return what + " " + owner[max(len(owner)-(63-len(what)-1), 0):]
}

// takenOver remembers, for a while, the leases that were taken over from others: what their holders had begun may have been at work then.
type takenOver struct {
	mu  sync.Mutex
	all []takeover
}

// takeover is one of them, with the time at which it was taken over by the clock here.
type takeover struct {
	lapse
	at time.Time
}

// rememberFor is how long: longer than any statement of a run works.
const rememberFor = time.Hour

func (t *takenOver) add(l lapse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, takeover{l, time.Now()})
}

func (t *takenOver) list() (all []lapse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all, func(o takeover) bool { return time.Since(o.at) > rememberFor })
	for _, o := range t.all {
		all = append(all, o.lapse)
	}
	return all
}

// removeUnits is a list of WITH queries that removes the units that from and where select, and notes the leases of those that others hold than owner, which is SQL. A holder learns from the lack of its unit that
// it is not to commit, unless it stands still: with the unit would go what tells of it.
func removeUnits(from, where, owner string) string {
	return `removed AS (DELETE FROM millrace.run_units u ` + from + ` WHERE ` + where + ` RETURNING u.owner, u.lease_until),
		noted AS (INSERT INTO millrace.left_leases (owner, lease_until) SELECT owner, max(lease_until) FROM removed WHERE owner NOT IN ('', ` + owner + `) AND lease_until IS NOT NULL GROUP BY owner)`
}

// forgetLeft forgets the leases of removed units that have run out so long ago that whoever held them has been met.
func (d *DB) forgetLeft(ctx context.Context) error {
	_, err := d.pool.ExecContext(ctx, `DELETE FROM millrace.left_leases WHERE lease_until < now() - interval '1 day'`)
	return err
}

// EndLapsed ends the transactions that processes other than owner had begun before a lease of theirs ran out, while they say nothing more, and returns how many: one
// of them may have locked what is to be claimed, or what was. The lease of a unit that was removed runs out by itself: it tells of a process that stands still where that holds no other lease.
func (d *DB) EndLapsed(ctx context.Context, owner string) (int, error) {
	var all []lapse
	err := d.pool.SelectContext(ctx, &all, kept(`
		SELECT owner AS was, max(lease_until) AS lapsed
		  FROM (SELECT owner, lease_until FROM millrace.runs WHERE state = 'running' AND lease_until < now()
		        UNION ALL SELECT owner, lease_until FROM millrace.run_units WHERE lease_until < now()
		        UNION ALL SELECT owner, lease_until FROM millrace.left_leases g WHERE lease_until < now()
		           AND NOT EXISTS (SELECT FROM millrace.runs r WHERE r.owner = g.owner AND r.state = 'running' AND r.lease_until >= now())
		           AND NOT EXISTS (SELECT FROM millrace.run_units u WHERE u.owner = g.owner AND u.lease_until >= now())) l
		 WHERE owner <> '' GROUP BY owner`))
	if err != nil {
		return 0, wrapIf(asCancelled(ctx, err), "db.EndLapsed")
	}
	return d.endOf(ctx, owner, append(all, d.lapses.list()...)...)
}

// takeOver ends what the last holder of a lease that owner has claimed had begun before it ran out. It does not hold up the claim, nor make it fail: EndLapsed looks again.
func (d *DB) takeOver(ctx context.Context, owner string, l lapse) {
	if l.another(owner) {
		d.lapses.add(l)
		_, _ = d.endOf(ctx, owner, l)
	}
}

// endOf ends the transactions that the holders of leases had begun before these ran out, but those of owner, who takes over, and returns how many.
func (d *DB) endOf(ctx context.Context, owner string, all ...lapse) (ended int, err error) {
	var names []string
	var until []time.Time
	for _, l := range all {
		if l.another(owner) {
			names, until = append(names, sessionName(l.Was)), append(until, *l.Lapsed)
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	err = d.pool.GetContext(ctx, &ended, `
		SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
		  FROM unnest($1::text[], $2::timestamptz[]) l (name, until) JOIN pg_stat_activity a ON a.application_name = l.name AND a.xact_start < l.until AND l.until < now()
		 WHERE a.datname = current_database() AND a.usename = current_user AND a.wait_event_type = 'Client'`, pq.Array(names), pq.Array(until))
	return ended, wrapIf(asCancelled(ctx, err), "db.endOf")
}
