package db

import (
	"context"
	"encoding/json"
	"fmt"
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
	Object     string        `db:"object"`  // API name
	Records    string        `db:"records"` // the set of records that the step fills: the object, unless it is working data or a further object
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
	Deleted    int64         `db:"deleted"` // found deleted in Salesforce, of those that left and of those that had left before
	StartedAt  *time.Time    `db:"started_at"`
	FinishedAt *time.Time    `db:"finished_at"`

	Reading string     `db:"reading"` // whole, changes or none; empty for steps of before there was a choice
	Since   *time.Time `db:"since"`   // of changes, by the org's clock
	Why     string     `db:"why"`     // why everything was read
	Clock   *time.Time `db:"clock"`   // of the org, when the step began

	Body []byte `db:"body"` // what else was planned, as JSON
}

// Complete reports whether the step read its whole result.
func (s RunStep) Complete() bool {
	return s.State == "done" && s.Expected != nil && *s.Expected == s.Read
}

const stepColumns = `run_id, position, name, label, object, records, query, state, mode, fresh, job_id, note, expected, read, created, updated, unchanged,
       skipped, elsewhere, failed, left_filter, deleted, started_at, finished_at, reading, since, why, clock, body`

// RunSteps returns the steps of a run in order; none before it is planned.
func (d *DB) RunSteps(ctx context.Context, runID int64) ([]RunStep, error) {
	var out []RunStep
	err := d.pool.SelectContext(ctx, &out, `SELECT `+stepColumns+` FROM millrace.run_steps WHERE run_id = $1 ORDER BY position`, runID)
	return out, wrapIf(err, "db.RunSteps(%d)", runID)
}

// stepBody is what is kept of a planned step besides the columns of run_steps.
type stepBody struct {
	Table       pipeline.Table
	AccountType settings.AccountType
	Calculation *pipeline.Calculation
	Batches     *pipeline.Batches
	Missing     *pipeline.Missing
	Refusal     *pipeline.Refusal
	Fields      []string
	Reading     pipeline.Reading
	Refresh     bool
}

// plan returns the step as the pipeline knows it.
func (s RunStep) plan() (pipeline.Step, error) {
	var body stepBody
	if err := json.Unmarshal(s.Body, &body); err != nil {
		return pipeline.Step{}, fmt.Errorf("read the plan of step %s: %w", s.Name, err)
	}
	step := pipeline.Step{
		Position: s.Position, Name: s.Name, Label: s.Label, Table: body.Table, AccountType: body.AccountType, Calculation: body.Calculation, Batches: body.Batches, Missing: body.Missing, Refusal: body.Refusal, Fields: body.Fields, Query: s.Query, Note: s.Note,
		Reading: body.Reading, Refresh: body.Refresh,
		Expected: s.Expected, Mode: s.Mode, Fresh: s.Fresh, JobID: s.JobID, Done: s.State == "done" || s.State == "failed",
	}
	if s.Clock != nil {
		step.Clock = *s.Clock
	}
	return step, nil
}

// readingOf returns what the columns reading, since and why say of a step.
func readingOf(s pipeline.Step) (reading string, since *time.Time, why string) {
	r := s.Reading
	switch {
	case s.Query == "":
		return "none", nil, ""
	case !r.Changes:
		return "whole", nil, r.Why
	case !r.Since.IsZero():
		since = &r.Since
	}
	return "changes", since, ""
}

func bodyOf(s pipeline.Step) ([]byte, error) {
	return json.Marshal(stepBody{Table: s.Table, AccountType: s.AccountType, Calculation: s.Calculation, Batches: s.Batches, Missing: s.Missing, Refusal: s.Refusal, Fields: s.Fields, Reading: s.Reading, Refresh: s.Refresh})
}
