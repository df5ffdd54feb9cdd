package db

import (
	"cmp"
	"context"

	"github.com/lib/pq"
)

// auditHit is what a walk meets: an entry that is picked, or the last one that was looked at, or both.
type auditHit struct {
	AuditRow
	Fits bool `db:"fits"`
	Edge bool `db:"edge"`
}

// auditWalk says which entries a walk picks.
type auditWalk struct {
	found func(*auditSQL) string // the condition, besides the filters
	of    func(auditKind) bool   // only of these kinds, where kinds have an index; nil for all
	reach int                    // how many entries are looked at
	each  int                    // the same of each kind, where kinds have an index; 0 for an even part of reach
}

// everything is the walk that picks all that is selected.
func (r *auditReader) everything(reach int) auditWalk {
	return auditWalk{reach: reach, found: func(b *auditSQL) string {
		if r.subject == nil {
			return ""
		}
		return r.subject.found(b, r.ConnectionID)
	}}
}

// namesakes is the walk that picks entries about records of a name that many have.
func (r *auditReader) namesakes() auditWalk {
	reach := r.db.bounds.reachNames
	if r.bare {
		reach = r.db.bounds.glance
	}
	return auditWalk{
		reach: reach,
		found: func(b *auditSQL) string { return r.subject.named(b, r.ConnectionID) },
		of:    func(k auditKind) bool { return r.subject.of(k, r.ConnectionID) },
	}
}

// reach is how many entries a walk looks at that picks all that is selected.
func (r *auditReader) reach() int {
	switch {
	case r.subject == nil || r.subject.words == "":
		return r.db.bounds.reach
	case r.bare:
		return r.db.bounds.count
	}
	return r.db.bounds.reachWords
}

// auditPaths are the ways along which entries are met in their order: those of each kind where kinds are asked for and have an index, otherwise those of each
// connection.
type auditPaths struct {
	from  string // the paths as a table k
	on    string // the condition that an entry a lies on a path k
	picks string // the condition that it is picked; empty for all
	reach int    // of each path; 0 for no path at all
}

func (r *auditReader) paths(ctx context.Context, b *auditSQL, w auditWindow, walk auditWalk, n int) (auditPaths, error) {
	var p auditPaths
	if w.indexed && r.ActorID == 0 && (walk.of != nil || r.byKind()) {
		kinds, err := r.kinds(ctx, w, walk.of)
		if err != nil || len(kinds) == 0 {
			return p, err
		}
		p.from, p.on = kindTable(b, kinds), ofKind
		p.picks, p.reach = allOf(r.ofRun(b), walk.found(b)), cmp.Or(walk.each, max(walk.reach/len(kinds), r.db.bounds.reachLeast))
	} else {
		p.from, p.on = "unnest("+b.add(pq.Array(r.connections))+"::bigint[]) AS k (connection_id)", allOf("a.connection_id = k.connection_id", r.ofPerson(b))
		p.picks, p.reach = allOf(r.filters(b), walk.found(b)), walk.reach
	}
	if p.picks == "" {
		p.picks, p.reach = "true", n
	}
	return p, nil
}

// walk goes from entry to entry in their order and returns the first n that are picked, and its edge when it ended before.
func (r *auditReader) walk(ctx context.Context, w auditWindow, n int, walk auditWalk) (rows []AuditRow, edge *AuditPlace, err error) {
	hits, err := r.hits(ctx, w, n, walk)
	for _, h := range hits {
		if h.Fits {
			rows = append(rows, h.AuditRow)
		}
		if h.Edge && len(rows) < n {
			return rows, &AuditPlace{At: h.At, Place: h.Place}, err
		}
	}
	return rows, nil, err
}

// hits returns the first that are met on a walk: n that are picked, and the edges before them.
func (r *auditReader) hits(ctx context.Context, w auditWindow, n int, walk auditWalk) (hits []auditHit, err error) {
	var b auditSQL
	p, err := r.paths(ctx, &b, w, walk, n)
	if err != nil || p.reach == 0 {
		return nil, err
	}
	columns, shown := auditColumns, shownColumns
	if r.bare {
		columns, shown = `a.at, a.ctid AS place`, `at, place::text AS place`
	}
	// Nothing here is sorted as a whole, so it ends with the n-th that is picked.
	err = r.tx.SelectContext(ctx, &hits, `
		SELECT `+shown+`, fits, edge FROM (
		    SELECT x.* FROM `+p.from+` CROSS JOIN LATERAL (
		        SELECT * FROM (
		            SELECT *, row_number() OVER (`+r.order("")+`) = `+b.add(p.reach)+` AS edge FROM (
		                SELECT `+columns+`, coalesce(`+p.picks+`, false) AS fits FROM millrace.audit_log a WHERE `+p.on+` AND `+r.within(&b, w)+r.order("")+` LIMIT `+b.add(p.reach)+`) y) z
		         WHERE fits OR edge`+r.order("")+` LIMIT `+b.add(n)+`) x
		    `+r.order("")+` LIMIT `+b.add(n)+`) a`+r.order("a."), b.args...)
	return hits, err
}

// kinds returns the kinds of entries in the window that are selected.
func (r *auditReader) kinds(ctx context.Context, w auditWindow, of func(auditKind) bool) ([]auditKind, error) {
	met := map[auditKind]bool{}
	var out []auditKind
	for _, p := range w.parts {
		all, err := r.db.kindsOf(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, k := range all {
			if !met[k] && r.selects(k) && (of == nil || of(k)) {
				met[k] = true
				out = append(out, k)
			}
		}
	}
	return out, nil
}

const ofKind = `a.connection_id = k.connection_id AND a.entity = k.entity AND a.action = k.action`

// kindTable is a table k of kinds.
func kindTable(b *auditSQL, kinds []auditKind) string {
	var connections []int64
	var entities, actions []string
	for _, k := range kinds {
		connections, entities, actions = append(connections, k.ConnectionID), append(entities, k.Entity), append(actions, k.Action)
	}
	return "unnest(" + b.add(pq.Array(connections)) + "::bigint[], " + b.add(pq.Array(entities)) + "::text[], " + b.add(pq.Array(actions)) + "::text[]) AS k (connection_id, entity, action)"
}
