package db

import (
	"context"
	"database/sql"
	"errors"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// RunCalls is how many API calls of a kind were made for a run.
type RunCalls struct {
	Kind    string `db:"kind"`    // a salesforce.Call
	Purpose string `db:"purpose"` // the label of the step that they were made for, or what else; empty for nothing in particular
	Calls   int64  `db:"calls"`
	Free    bool   `db:"free"` // they have no part in the org's daily limit
}

// AddAPICalls adds to the API calls that were made for a run, by whomever: they were made, whoever holds the run now.
func (d *DB) AddAPICalls(ctx context.Context, runID int64, made []RunCalls) error {
	if len(made) == 0 {
		return nil
	}
	var kinds, purposes []string
	var calls []int64
	var free []bool
	limited := int64(0)
	for _, c := range made {
		kinds, purposes, calls, free = append(kinds, c.Kind), append(purposes, c.Purpose), append(calls, c.Calls), append(free, c.Free)
		if !c.Free {
			limited += c.Calls
		}
	}
	// The run's own row comes first, so that those who note calls of one run at once take turns.
	_, err := d.pool.ExecContext(ctx, `
		WITH run AS (UPDATE millrace.runs SET api_calls = api_calls + $2 WHERE id = $1 RETURNING id)
		INSERT INTO millrace.run_calls AS c (run_id, kind, purpose, calls, free)
		SELECT run.id, n.kind, n.purpose, n.calls, n.free FROM run, unnest($3::text[], $4::text[], $5::bigint[], $6::boolean[]) AS n (kind, purpose, calls, free)
		ON CONFLICT (run_id, kind, purpose) DO UPDATE SET calls = c.calls + excluded.calls`,
		runID, limited, pq.Array(kinds), pq.Array(purposes), pq.Array(calls), pq.Array(free))
	return wrapIf(asCancelled(ctx, err), "db.AddAPICalls(%d)", runID)
}

// RunCallsOf returns the API calls of a run, the most frequent kind and purpose first. Runs from before they were told apart have none.
func (d *DB) RunCallsOf(ctx context.Context, runID int64) ([]RunCalls, error) {
	var out []RunCalls
	err := d.pool.SelectContext(ctx, &out, `
		SELECT kind, purpose, calls, free FROM millrace.run_calls WHERE run_id = $1 ORDER BY free, sum(calls) OVER (PARTITION BY kind) DESC, kind, calls DESC, purpose`, runID)
	return out, wrapIf(asCancelled(ctx, err), "db.RunCallsOf(%d)", runID)
}

// CallsOfChanges implements pipeline.Store.
func (s *RunStore) CallsOfChanges(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		Label string
		Calls int64
	}
	err := s.db.pool.SelectContext(ctx, &rows, `
		SELECT label, min(calls)::bigint AS calls
		  FROM (SELECT own.label, sum(c.calls) AS calls
		          FROM (SELECT DISTINCT label FROM millrace.run_steps WHERE run_id = $1 AND reading = 'changes') own
		         CROSS JOIN LATERAL (
		               SELECT r.id FROM millrace.runs r JOIN millrace.run_steps p ON p.run_id = r.id AND p.label = own.label AND p.reading = 'changes' AND p.state = 'done'
		                WHERE r.connection_id = $2 AND r.id < $1 AND r.state IN ('completed', 'completed_with_errors') ORDER BY r.id DESC LIMIT 2) late
		          JOIN millrace.run_calls c ON c.run_id = late.id AND c.purpose = own.label AND NOT c.free
		         GROUP BY own.label, late.id) each
		 GROUP BY label`, s.runID, s.connectionID)
	if err != nil {
		return nil, storeFault("read what reading changes took", err)
	}
	out := make(map[string]int64, len(rows))
	for _, r := range rows {
		out[r.Label] = r.Calls
	}
	return out, nil
}

// QueriesBeside implements pipeline.Store.
func (s *RunStore) QueriesBeside(ctx context.Context, step pipeline.Step) (queries, records int64, err error) {
	err = s.db.pool.QueryRowContext(ctx, `
		SELECT coalesce(sum(c.calls), 0)::bigint, late.read
		  FROM (SELECT r.id, p.read FROM millrace.runs r JOIN millrace.run_steps p ON p.run_id = r.id AND p.label = $3 AND p.object = $4 AND p.mode = 'bulk' AND p.reading <> 'changes' AND p.state = 'done'
		         WHERE r.connection_id = $2 AND r.id < $1 AND r.state IN ('completed', 'completed_with_errors') ORDER BY r.id DESC LIMIT 1) late
		  LEFT JOIN millrace.run_calls c ON c.run_id = late.id AND c.purpose = $3 AND c.kind IN ('query', 'more')
		 GROUP BY late.id, late.read`, s.runID, s.connectionID, step.Label, step.Table.Object).Scan(&queries, &records)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return queries, records, storeFault("read how many queries came beside "+step.Name, err)
}
