package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// readBulk reads a step through a bulk query job: the one of an earlier attempt while Salesforce still has it, else a new one. The job goes with a run that is cancelled.
func (j Work) readBulk(ctx context.Context, s Step) (err error) {
	defer func() {
		if s.JobID != "" && (errors.Is(err, ErrCancelled) || errors.Is(context.Cause(ctx), ErrCancelled)) {
			j.dropJob(ctx, s.JobID)
		}
	}()
	if s.JobID == "" {
		if err := j.startJob(ctx, &s); err != nil {
			return err
		}
	} else if done, err := j.Store.Pages(ctx, s); err != nil {
		return err
	} else if whole(done) {
		j.dropJob(ctx, s.JobID)
		return nil
	}
	job, err := j.awaitJob(ctx, s)
	if err != nil {
		return err
	}
	if err := j.Store.SetExpected(ctx, s, job.Processed, j.Source.Clock()); err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Loading "+lower(s.Label)); err != nil {
		return err
	}
	if err := j.readPages(ctx, s, j.Options.pageRows(s, job.Processed)); err != nil {
		return err
	}
	j.dropJob(ctx, s.JobID)
	return nil
}

// leastPageRows is how few records a page of changes is cut down to.
const leastPageRows = 1_500

// pageRows is how many of a job's records a page has. Of what has changed each worker gets two pages, where that is not too little: its records lie scattered over their table, and most of the time goes into
// writing them.
func (o Options) pageRows(s Step, records int64) int {
	rows := o.mostRows(s)
	if !s.Reading.Changes {
		return rows
	}
	pages := int64(2 * o.Workers)
	return min(rows, max(leastPageRows, int((records+pages-1)/pages)))
}

// mostRows is how many records a page of the step has at most.
func (o Options) mostRows(s Step) int {
	if s.Table.Instead != nil {
		return min(o.PageRows, insteadRows)
	}
	return o.PageRows
}

// whole reports whether the committed pages of a step, by locator, lead from its beginning to its end.
func whole(done map[string]PageMark) bool {
	locator := ""
	for range done {
		mark, ok := done[locator]
		if !ok {
			return false
		}
		if mark.Next == "" {
			return true
		}
		locator = mark.Next
	}
	return false
}

func (j Work) startJob(ctx context.Context, s *Step) error {
	err := j.attempt(ctx, func() (err error) {
		s.JobID, err = j.Source.StartJob(ctx, s.Query)
		return err
	})
	if err != nil {
		return err
	}
	if err := j.Store.SetJob(ctx, *s, s.JobID); err != nil {
		j.dropJob(ctx, s.JobID)
		return err
	}
	return nil
}

// dropJob tidies the org up. Salesforce deletes forgotten jobs after seven days, so a failure is only worth a line in the log.
func (j Work) dropJob(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := j.Source.DropJob(ctx, id); err != nil {
		j.Log.Info("could not delete the bulk job", "job_id", id, "err", err)
	}
}

// awaitJob polls until the job's results can be read. It gives up on a job that makes no progress for Options.Patience.
func (j Work) awaitJob(ctx context.Context, s Step) (Job, error) {
	var last int64 = -1
	var moved time.Time
	for pause := j.Options.PollMin; ; pause = min(pause*3/2, j.Options.PollMax) {
		var job Job
		err := j.attempt(ctx, func() (err error) {
			job, err = j.Source.Job(ctx, s.JobID)
			return err
		})
		switch {
		case errors.Is(context.Cause(ctx), ErrCancelled):
			return job, ErrCancelled
		case err != nil:
			return job, err
		case job.State == JobComplete:
			return job, nil
		case job.State == JobFailed:
			return job, failedJob(s, job)
		}
		if job.Processed != last {
			last, moved = job.Processed, time.Now()
			if err := j.Store.SetPhase(ctx, "Waiting for Salesforce to prepare "+lower(s.Label)); err != nil {
				return job, err
			}
		}
		if time.Since(moved) > j.Options.Patience {
			j.dropJob(ctx, s.JobID)
			return job, &Fault{Kind: Gone, Code: "job_stuck", Message: "Salesforce did not prepare the records in time.",
				Err: fmt.Errorf("bulk job %s made no progress for %s", s.JobID, j.Options.Patience)}
		}
		if err := sleep(ctx, pause); err != nil {
			return job, err
		}
	}
}

// failedJob explains a job that Salesforce failed or somebody aborted. A refused query shows only here when Salesforce checks it late.
func failedJob(s Step, job Job) error {
	f := &Fault{Kind: Gone, Code: "job_failed", Err: fmt.Errorf("bulk job %s: %s", s.JobID, job.Message),
		Message: "Salesforce could not prepare the records: " + job.Message}
	if refusal(job.Message) {
		f.Kind = Refused
	}
	return f
}
