package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// readBulk reads a step through a bulk query job: the one of an earlier attempt while Salesforce still has it, else a new one.
func (j Work) readBulk(ctx context.Context, s Step) error {
	if s.JobID == "" {
		if err := j.startJob(ctx, &s); err != nil {
			return err
		}
	}
	job, err := j.awaitJob(ctx, s)
	if err != nil {
		return err
	}
	if err := j.Store.SetExpected(ctx, s, job.Processed); err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Loading "+lower(s.Label)); err != nil {
		return err
	}
	if err := j.readPages(ctx, s); err != nil {
		return err
	}
	j.dropJob(ctx, s.JobID)
	return nil
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
			j.dropJob(ctx, s.JobID)
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
			if errors.Is(err, ErrCancelled) {
				j.dropJob(ctx, s.JobID)
			}
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

// readPages follows the chain of locators. A page that an earlier attempt committed is skipped, the others are loaded by Options.Workers workers; the
// next page is asked for as soon as its locator is known, which is before the rows of the page in front of it have arrived.
func (j Work) readPages(ctx context.Context, s Step) error {
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(j.Options.Workers)
	met := map[string]bool{}
	for number, locator := 1, ""; number == 1 || locator != ""; number++ {
		if met[locator] {
			at := locator
			g.Go(func() error { return repeated(s, at) })
			break
		}
		met[locator] = true
		if mark, ok := done[locator]; ok {
			locator = mark.Next
			continue
		}
		next, at := make(chan string, 1), locator
		g.Go(func() error { return j.loadPage(gctx, s, number, at, next) })
		select {
		case locator = <-next:
		case <-gctx.Done():
			locator = ""
		}
	}
	return g.Wait()
}

// loadPage brings one page over, in as many attempts as it is worth. Once Salesforce has answered, it sends the next page's locator to next.
func (j Work) loadPage(ctx context.Context, s Step, number int, locator string, next chan<- string) error {
	told := false
	return j.attempt(ctx, func() error {
		res, err := j.Source.Results(ctx, s.JobID, locator, j.Options.PageRows)
		if err != nil {
			return err
		}
		defer res.Close()
		if !told {
			told = true
			next <- res.Next
		}
		p, err := newPage(res.Header, s.Table, res.Records)
		if err != nil {
			return err
		}
		p.Number, p.Locator, p.Next, p.Declared = number, locator, res.Next, res.Count
		return j.commit(ctx, s, p)
	})
}

func repeated(s Step, locator string) error {
	return &Fault{Kind: Gone, Code: "locator_repeats", Message: "Salesforce's pages of results lead back to one another.",
		Err: fmt.Errorf("bulk job %s: locator %q comes twice", s.JobID, locator)}
}
