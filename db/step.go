package db

import (
	"context"
	"time"

	"millrace/pipeline"
	"millrace/settings"
)

// RunStep is one object of a run, or one account filter, with its counts.
type RunStep struct {
	RunID      int64         `db:"run_id"`
	Position   int           `db:"position"`
	Name       string        `db:"name"`
	Label      string        `db:"label"`
	Object     string        `db:"object"` // API name
	Query      string        `db:"query"`
	State      string        `db:"state"` // pending, running, done or failed
	Mode       pipeline.Mode `db:"mode"`
	Fresh      bool          `db:"fresh"`
	JobID      string        `db:"job_id"`
	Note       string        `db:"note"`      // what is left out and why
	Expected   *int64        `db:"expected"`  // records of the result; nil while unknown
	Read       int64         `db:"read"`      // records of committed pages
	Created    int64         `db:"created"`   // new here
	Updated    int64         `db:"updated"`   // changed here
	Unchanged  int64         `db:"unchanged"` // here already, just so
	Skipped    int64         `db:"skipped"`   // lack something that is required
	Elsewhere  int64         `db:"elsewhere"` // taken by an earlier filter, or of an account that is not synced
	Failed     int64         `db:"failed"`    // listed as errors
	LeftFilter int64         `db:"left_filter"`
	Deleted    int64         `db:"deleted"` // of those that left: deleted in Salesforce
	StartedAt  *time.Time    `db:"started_at"`
	FinishedAt *time.Time    `db:"finished_at"`
}

// Complete reports whether the step read its whole result.
func (s RunStep) Complete() bool {
	return s.State == "done" && s.Expected != nil && *s.Expected == s.Read
}

const stepColumns = `run_id, position, name, label, object, query, state, mode, fresh, job_id, note, expected, read, created, updated, unchanged,
       skipped, elsewhere, failed, left_filter, deleted, started_at, finished_at`

// RunSteps returns the steps of a run in order; none before it is planned.
func (d *DB) RunSteps(ctx context.Context, runID int64) ([]RunStep, error) {
	var out []RunStep
	err := d.pool.SelectContext(ctx, &out, `SELECT `+stepColumns+` FROM millrace.run_steps WHERE run_id = $1 ORDER BY position`, runID)
	return out, wrapIf(err, "db.RunSteps(%d)", runID)
}

// plan returns the step as the pipeline knows it.
func (s RunStep) plan() pipeline.Step {
	table, _ := pipeline.TableOf(s.Object)
	p := pipeline.Step{
		Position: s.Position, Name: s.Name, Label: s.Label, Table: table, Query: s.Query, Note: s.Note, Expected: s.Expected, Mode: s.Mode,
		Fresh: s.Fresh, JobID: s.JobID, Done: s.State == "done",
	}
	if table.Typed {
		p.AccountType = settings.AccountType(s.Name[len("accounts:"):])
	}
	return p
}
