package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/settings"
)

// Run executes one claimed run from wherever it stands until nothing of its plan is left, and returns nil then; the store knows the counts. It
// stops early with ErrFenced, ErrCancelled, the context's error, or the Fault that no attempt could get past. It may be called again later.
func Run(ctx context.Context, j Work) error {
	j.Options = j.Options.withDefaults()
	j.poisoned = new(sync.Map)
	if j.InFlight == nil {
		j.InFlight = new(atomic.Int64)
	}
	j.lists = lists{}
	if err := j.plan(forPurpose(ctx, purposePlan)); err != nil {
		return j.explained(ctx, err)
	}
	if err := j.retire(ctx); err != nil {
		return err
	}
	if err := j.afford(ctx); err != nil {
		return err
	}
	for {
		step, ok, err := j.next(ctx)
		if err != nil {
			return err
		}
		if !ok && j.Entity == EntityImpact {
			return j.compare(forPurpose(ctx, purposeCheck))
		}
		if !ok {
			return j.conclude(ctx)
		}
		switch err := j.execute(forPurpose(ctx, step.Label), step); {
		case errors.Is(err, ErrSeenLost):
			j.Log.Warn("postgres lost the list of met records; reading the object again", "object", step.Table.Object)
			if err := j.Store.RestartObject(ctx, step); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("step %s: %w", step.Name, j.explained(ctx, err))
		}
	}
}

// conclude does what is left when all steps are done. All of it may be done again.
func (j Work) conclude(ctx context.Context) error {
	if j.Entity.includes(EntityCases) && j.Settings.Cases.Enabled {
		if err := j.sentiments(ctx); err != nil {
			return err
		}
	}
	if err := j.findDeleted(forPurpose(ctx, purposeDeleted)); err != nil {
		return err
	}
	if j.Entity == EntityRetry { // how complete the copy is was not its question
		return nil
	}
	return j.check(forPurpose(ctx, purposeCheck))
}

// Work is everything that one run needs.
type Work struct {
	Settings settings.Settings
	Entity   Entity // what the run brings over; empty for all
	Source   Source
	Store    Store
	Options  Options
	Log      *slog.Logger
	InFlight *atomic.Int64 // counts the records that have arrived of uncommitted pages; may be nil
	poisoned *sync.Map     // set by Run and LoadUnit
	Scorer   *Scorer       // asked how conversations sound; nil for the built-in way alone
	// Afford, when set, is asked before records are read whether so many API requests fit the allowance; a Fault says why not and until when.
	Afford func(ctx context.Context, calls int64) error

	lists lists
}

// plan makes, counts and stores the steps, unless an earlier attempt did.
func (j Work) plan(ctx context.Context) error {
	steps, err := j.Store.Steps(ctx)
	if err != nil || len(steps) > 0 {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Reading the org's fields"); err != nil {
		return err
	}
	plan, err := j.describe(ctx, false, false)
	if outgrown(FaultOf(err).Code) && j.Entity != EntityImpact {
		plan, err = j.describe(ctx, true, true)
	}
	if err != nil {
		return err
	}
	if j.Entity == EntityGap {
		return j.planGap(ctx, plan)
	}
	if j.Entity == EntityRetry {
		return j.planRetry(ctx, plan)
	}
	if err := j.decide(ctx, &plan); err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Counting records"); err != nil {
		return err
	}
	if err := j.count(ctx, plan, false); KindOf(err) == Refused {
		if plan, err = j.describe(ctx, true, j.Entity != EntityImpact); err != nil {
			return err
		}
		if err = j.decide(ctx, &plan); err != nil {
			return err
		}
		err = j.count(ctx, plan, j.Entity != EntityImpact)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if j.Entity == EntityImpact {
		steps, err := j.forecast(ctx, plan)
		if err != nil {
			return err
		}
		if err := j.Store.SaveForecast(ctx, steps); err != nil {
			return err
		}
		plan = plan.Aside()
	} else if err := j.Store.SaveLabels(ctx, plan.Labels); err != nil {
		return err
	}
	return j.Store.SaveSteps(ctx, plan.Steps)
}

// planned is the entity for which steps are planned: an impact is that of a sync of everything.
func (j Work) planned() Entity {
	if j.Entity == EntityImpact || j.Entity == EntityGap || j.Entity == EntityRetry {
		return EntityAll
	}
	return j.Entity
}

// describe plans by the fields that the org has, as they were some minutes ago at most, or afresh.
func (j Work) describe(ctx context.Context, fresh, lenient bool) (Plan, error) {
	var plan Plan
	err := j.attempt(ctx, func() error {
		schema, err := j.Source.Schema(ctx, fresh, ObjectsOf(j.Settings)...)
		if err != nil {
			return err
		}
		if plan, err = makePlan(j.Settings, schema, j.planned(), lenient); err != nil {
			return err
		}
		return j.notice(ctx, schema)
	})
	return plan, err
}

// count notes how many records each step expects. An org that cannot count in time leaves the number open, which means many.
// A lenient count notes which steps Salesforce refuses.
func (j Work) count(ctx context.Context, plan Plan, lenient bool) error {
	for i := range plan.Steps {
		s := &plan.Steps[i]
		if s.CountQuery == "" || s.Reading.Changes {
			continue
		}
		err := j.attempt(ctx, func() error {
			n, err := j.Source.Count(ctx, s.CountQuery)
			if err == nil {
				s.Expected = &n
			}
			return err
		})
		if lenient && KindOf(err) == Refused {
			f := FaultOf(j.explained(ctx, err))
			s.Refusal = &Refusal{Code: f.Code, Message: f.Message}
			continue
		}
		if err != nil && FaultOf(err).Code != "QUERY_TIMEOUT" {
			return fmt.Errorf("count %s: %w", s.Name, err)
		}
	}
	return nil
}

// next returns the first step that is not done.
func (j Work) next(ctx context.Context) (Step, bool, error) {
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return Step{}, false, err
	}
	for _, s := range steps {
		if !s.Done {
			return s, true, nil
		}
	}
	return Step{}, false, nil
}

// execute reads one step to its end. A query that Salesforce refuses although it was planned from a describe names a field that has gone meanwhile: the
// step is planned again from a fresh describe, once. A job or cursor that has gone is started anew, once.
func (j Work) execute(ctx context.Context, s Step) error {
	if s.Refusal == nil {
		steps, err := j.Store.Steps(ctx)
		if err != nil {
			return err
		}
		s.Refusal = barred(steps, s)
	}
	if s.Refusal != nil {
		return j.Store.FailStep(ctx, s)
	}
	if s.Query == "" {
		return j.Store.GiveUp(ctx, s)
	}
	if s.Mode == "" {
		// What is refused here is refused again when it is read, and the step is then planned anew.
		if approached, err := j.approach(ctx, s); err == nil {
			s = approached
		} else if KindOf(err) != Refused {
			return err
		}
	}
	replanned, restarted := false, false
	for {
		err := j.read(ctx, s)
		switch KindOf(err) {
		case Refused:
			if replanned && j.Entity != EntityImpact {
				return j.refuse(ctx, s, err)
			}
			if replanned {
				return err
			}
			replanned = true
			var there bool
			if s, there, err = j.replan(ctx, s); err != nil || !there {
				return err
			}
		case Gone:
			if restarted {
				return err
			}
			restarted = true
			j.Log.Warn("the query's result has gone from Salesforce; reading the step again", "step", s.Name, "err", err)
			if err := j.Store.RestartStep(ctx, s); err != nil {
				return err
			}
			s.JobID = ""
		default:
			if err != nil {
				return err
			}
			return j.finish(ctx, s)
		}
	}
}

func (j Work) finish(ctx context.Context, s Step) error {
	if (s.Reading.Changes || s.windowed()) && s.Reading.Last && s.Reading.List != "" {
		if err := j.sweep(ctx, s); err != nil {
			return err
		}
	}
	if s.Calculation != nil {
		if err := j.Store.SetPhase(ctx, "Working out "+lower(s.Calculation.Kind.Label())); err != nil {
			return err
		}
	}
	return j.attempt(ctx, func() error { return j.Store.FinishStep(ctx, s) })
}

func (j Work) read(ctx context.Context, s Step) error {
	mode, started := s.Mode, s.Expected != nil
	if mode == "" {
		mode = j.mode(s)
	}
	var err error
	if s, err = j.Store.StartStep(ctx, s, mode); err != nil {
		return err
	}
	switch {
	case s.Missing != nil:
		return j.readMissing(ctx, s)
	case s.Reading.Changes:
		return j.readChanges(ctx, s, started)
	case s.Batches != nil:
		return j.readBatches(ctx, s)
	}
	if err := j.readSelected(ctx, s); err != nil {
		return err
	}
	return j.readBehind(ctx, s)
}

// longQuery is the length from which a query does not fit into the address of a REST call.
const longQuery = 12_000

func (j Work) mode(s Step) Mode {
	switch {
	case s.Table.Paged, s.Missing != nil:
		return REST
	case len(url.QueryEscape(s.Query)) > longQuery:
		return Bulk
	case s.Reading.Try:
		return REST
	}
	if s.Expected != nil && *s.Expected <= j.Options.RESTLimit {
		return REST
	}
	return Bulk
}

// replan plans s again from a fresh describe and says which fields it now leaves out. Where the org no longer has what the step is about, the step is
// given up, and there is false.
func (j Work) replan(ctx context.Context, s Step) (again Step, there bool, err error) {
	plan, err := j.describe(ctx, true, j.Entity != EntityImpact)
	if err != nil {
		return s, false, err
	}
	if j.Entity == EntityImpact {
		plan = plan.Aside()
	}
	name := strings.TrimPrefix(s.Name, RefreshPrefix)
	for _, again := range plan.Steps {
		if again.Name != name {
			continue
		}
		j.Log.Warn("salesforce refused the query; planned again", "step", s.Name, "note", again.Note)
		if again.Refusal != nil {
			s.Refusal = again.Refusal
			return s, false, j.Store.FailStep(ctx, s)
		}
		if again.Query != "" {
			if again, err = again.like(s); err != nil {
				return s, false, err
			}
		}
		if again.Query == "" {
			s.Note = again.Note
			return s, false, j.Store.GiveUp(ctx, s)
		}
		s.Query, s.Reading, s.CountQuery, s.Note, s.Table, s.Calculation, s.Batches, s.JobID = again.Query, again.Reading, again.CountQuery, again.Note, again.Table, again.Calculation, again.Batches, ""
		if err := j.Store.SetQuery(ctx, s); err != nil {
			return s, false, err
		}
		return s, true, j.Store.RestartStep(ctx, s)
	}
	s.Note = "Left as it was: the connected Salesforce user cannot see the object any more, or one of the fields that this needs."
	j.Log.Warn("salesforce has no longer what the step reads; it is given up", "step", s.Name)
	return s, false, j.Store.GiveUp(ctx, s)
}

// commit hands a page to the store, with what its records hold in place of empty fields. Its records count as in flight until the store is done with them, whatever became of them.
func (j Work) commit(ctx context.Context, s Step, p *Page) error {
	j.instead(ctx, s.Table, p)
	var arrived int64
	p.arrived = func() { arrived++; j.InFlight.Add(1) }
	defer func() { j.InFlight.Add(-arrived) }()
	_, p.Careful = j.poisoned.Load(poisonedPage{s.Name, p.Number})
	err := j.Store.CommitPage(ctx, s, p)
	if KindOf(err) == Poisoned {
		j.poisoned.Store(poisonedPage{s.Name, p.Number}, true)
	}
	return err
}

// poisonedPage names a page of which the store has refused some record.
type poisonedPage struct {
	step string
	page int
}

// attempt calls fn until it succeeds, fails for good, or Options.Attempts are used up.
func (j Work) attempt(ctx context.Context, fn func() error) error {
	for n, failures := 1, 1; ; n, failures = n+1, failures+1 {
		err := fn()
		if f := (*Fault)(nil); errors.As(err, &f) && f.Tried > 1 {
			n += f.Tried - 1 // by the client, with pauses of its own
		}
		if err == nil || n >= j.Options.Attempts || !retryable(ctx, err) {
			return err
		}
		j.Log.Info("trying again", "attempt", n, "err", err)
		if err := sleep(ctx, j.Options.pause(failures, KindOf(err))); err != nil {
			return err
		}
	}
}

// pause is how long to wait after the n-th failure: twice as long each time, and not the same for all who failed together. What stood in the way within Postgres, or wants another way of storing, is
// over sooner.
func (o Options) pause(n int, k FaultKind) time.Duration {
	if k == Conflict || k == Poisoned {
		return rand.N(o.Backoff)
	}
	pause := o.Backoff << (n - 1)
	return pause/2 + rand.N(pause)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// lower returns a label for the middle of a sentence. An abbreviation stays as it is.
func lower(label string) string {
	if strings.ToUpper(label) == label {
		return label
	}
	return strings.ToLower(label)
}
