package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// auditSearch is an AuditQuery with what it takes to carry it out.
type auditSearch struct {
	AuditQuery
	db          *DB
	parts       []auditPart // that may hold what is asked for, in the order of reading
	connections []int64
	lo, hi      time.Time     // of what is asked for; zero for open
	subject     *auditSubject // what is searched for; nil for everything
	nothing     bool          // there is surely nothing
}

// auditSearch prepares q.
func (d *DB) auditSearch(ctx context.Context, q AuditQuery) (*auditSearch, error) {
	s := &auditSearch{AuditQuery: q, db: d, lo: q.From, hi: q.Until}
	for _, c := range []int64{q.ConnectionID, 0} {
		global := c == 0
		if (!global || q.Global) && (len(q.Entities) == 0 || slices.ContainsFunc(q.Entities, func(e AuditEntity) bool { return e.Global == global })) {
			s.connections = append(s.connections, c)
		}
	}
	s.nothing = len(s.connections) == 0 || q.SFIDs != nil && len(q.SFIDs) == 0
	if s.nothing {
		return s, nil
	}
	if err := s.resolve(ctx); err != nil || s.nothing {
		return s, err
	}
	if err := s.boundByRun(ctx); err != nil || s.nothing {
		return s, err
	}
	var err error
	s.parts, err = d.auditParts(ctx)
	return s, err
}

// resolve works out what is searched for.
func (s *auditSearch) resolve(ctx context.Context) (err error) {
	if s.SFIDs != nil {
		s.subject = &auditSubject{ids: s.SFIDs}
	}
	if blank(s.Search) {
		return nil
	}
	s.subject, err = s.db.auditSubject(ctx, s.AuditQuery)
	s.nothing = err == nil && s.subject.empty()
	return err
}

// boundByRun narrows the time to that of the run that is asked for.
func (s *auditSearch) boundByRun(ctx context.Context) error {
	if s.RunID == 0 {
		return nil
	}
	var run struct {
		From  time.Time    `db:"created_at"`
		Until sql.NullTime `db:"finished_at"`
	}
	// What ends a run is written right after its end.
	err := s.db.pool.GetContext(ctx, &run, `SELECT created_at, finished_at + interval '10 minutes' AS finished_at FROM millrace.runs WHERE id = $1 AND connection_id = $2`, s.RunID, s.ConnectionID)
	if errors.Is(err, sql.ErrNoRows) {
		s.nothing = true
		return nil
	}
	s.lo = later(s.lo, run.From)
	if run.Until.Valid && (s.hi.IsZero() || run.Until.Time.Before(s.hi)) {
		s.hi = run.Until.Time
	}
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// selects reports whether entries of a kind are selected, whatever is searched for.
func (s *auditSearch) selects(k auditKind) bool {
	return slices.Contains(s.connections, k.ConnectionID) && !slices.Contains(s.Hidden, k.Entity) &&
		(len(s.Actions) == 0 || slices.Contains(s.Actions, k.Action)) &&
		(len(s.Entities) == 0 || slices.Contains(s.Entities, AuditEntity{Name: k.Entity, Global: k.ConnectionID == 0}))
}

// look runs fn in a transaction with the planner set for it: what is read has an index, and no statement is worth compiling.
func (s *auditSearch) look(ctx context.Context, fn func(*sqlx.Tx) error) error {
	return s.db.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '32MB'; SET LOCAL random_page_cost = 1.1; SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
			return err
		}
		return fn(tx)
	})
}
