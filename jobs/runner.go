// Package jobs runs syncs. A Runner claims runs that are due, executes them through the pipeline under a lease that it keeps extending, and decides
// what an error means for a run: another attempt, a pause, or its end. Any number of runners may work on one database; none of them is special. A
// runner without a run helps others with theirs, page by page.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/settings"
)

// Options is what a Runner needs. Zero durations and numbers mean the defaults.
type Options struct {
	DB       *db.DB
	Client   func(ctx context.Context, connectionID int64) (*salesforce.Client, error)
	Owner    string        // names this process in the runs that it holds
	Lease    time.Duration // how long a run stays held without a sign of life; 15 s by default
	Poll     time.Duration // pause between looks for due runs; 500 ms by default
	Workers  int           // pages of one run in progress at once; 2 by default
	Log      *slog.Logger
	PageRows int              // records per page of a bulk result; 50,000 by default
	Scorer   *pipeline.Scorer // asked how conversations sound; nil for the built-in way alone
	UndoRows int              // records that an undo puts back in one transaction; 10,000 by default

	Claimed func(db.Run)               // told of each run that is taken up; for the metrics
	Ended   func(db.Run, []db.RunStep) // told of each run that has ended here; for the metrics

	Pauses   []time.Duration  // how long a run rests after a fault, by how often it has rested since its last page; then it fails
	Pipeline pipeline.Options // further tuning; Workers and PageRows above win
}

// maxRuns is how many runs a runner executes at once, each of its own connection.
const maxRuns = 2

// settleTime bounds small questions that a stop does not interrupt, such as giving a run back. endTime bounds noting how a run ended, which sums up what it
// left behind: an end that is given up is noted once more by whoever claims the run, and never where its time is too short for it.
const (
	settleTime = 5 * time.Second
	endTime    = 2 * time.Minute
)

func (o Options) withDefaults() Options {
	if o.Lease == 0 {
		o.Lease = 15 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute}
	}
	if o.UndoRows == 0 {
		o.UndoRows = 10_000
	}
	if o.Workers != 0 {
		o.Pipeline.Workers = o.Workers
	}
	if o.PageRows != 0 {
		o.Pipeline.PageRows = o.PageRows
	}
	o.Pipeline.Lease = o.Lease
	return o
}

// Runner claims and executes runs.
type Runner struct {
	Options
	leading   atomic.Int64 // runs that it holds
	shunned   shunned
	unindexed unindexed
}

// New returns a runner; Run starts it.
func New(o Options) *Runner {
	return &Runner{Options: o.withDefaults(), unindexed: unindexed{told: make(chan struct{}, 1)}}
}

// Run works until ctx ends, and returns once the runs in progress are given back for others to go on with. No fault of Postgres or Salesforce ends it; it
// always returns nil.
func (r *Runner) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { r.wake(ctx) })
	running.Go(func() { r.tick(ctx) })
	running.Go(func() { r.help(ctx) })
	running.Go(func() { r.endLapsed(ctx) })
	running.Go(func() { r.makeIndexes(ctx) })
	slots := make(chan struct{}, maxRuns)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		run := r.claim(ctx)
		if run == nil {
			return nil
		}
		r.leading.Add(1)
		running.Go(func() {
			defer func() { <-slots; r.leading.Add(-1) }()
			r.execute(ctx, run)
		})
	}
}

// wake lets runs go on that wait for a setting of the operator: settings change with a restart, and this is one.
func (r *Runner) wake(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := r.DB.WakeBlocked(ctx)
		if err == nil {
			if n > 0 {
				r.Log.Info("looking again at runs that waited for a setting", "runs", n)
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.Poll):
		}
	}
}

// patience is how long a loop waits for an answer of Postgres to a short question. Where none comes, the next one goes over another connection.
const patience = 30 * time.Second

// endLapsed ends, again and again until ctx ends, what processes have begun in Postgres whose leases have run out.
func (r *Runner) endLapsed(ctx context.Context) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.Poll):
		}
		bounded, done := context.WithTimeout(ctx, patience)
		n, err := r.DB.EndLapsed(bounded, r.Owner)
		done()
		switch {
		case n > 0:
			r.Log.Warn("ended what silent processes had begun in Postgres", "transactions", n)
		case err != nil && ctx.Err() == nil && !failing && !db.Retryable(err): // that Postgres cannot be reached is said by whoever looks for due runs
			r.Log.Error("cannot end what silent processes have begun in Postgres; trying on", "err", err)
		}
		failing = err != nil
	}
}

// claim waits for a run that is due; nil means that ctx has ended.
func (r *Runner) claim(ctx context.Context) *db.Run {
	failing := false
	for ctx.Err() == nil {
		run, err := r.claimNow(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			r.Log.Error("cannot look for due runs; trying on", "err", err)
		case run != nil:
			return run
		case err == nil && failing:
			r.Log.Info("looking for due runs again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(r.Poll):
		}
	}
	return nil
}

// claimNow asks once. A stop does not interrupt it: a claim that Postgres has made and nobody has heard of would hold the run until its lease runs out.
func (r *Runner) claimNow(ctx context.Context) (*db.Run, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return r.DB.Claim(ctx, r.Owner, r.Lease)
}

// execute works on a claimed run until it is done or cannot go on, and notes how it stands.
func (r *Runner) execute(stop context.Context, run *db.Run) {
	log := r.Log.With("run_id", run.ID, "connection_id", run.ConnectionID, "config_version", run.SettingsVersion, "fence", run.Fence)
	ctx, cancel := context.WithCancelCause(stop)
	defer cancel(nil)
	var beating sync.WaitGroup
	var inFlight atomic.Int64
	calls := new(callTally)
	beating.Go(func() { r.beat(ctx, run, &inFlight, calls, cancel, log) })

	log.Info("run claimed", "attempt", run.Attempt)
	if r.Claimed != nil {
		r.Claimed(*run)
	}
	err := r.sync(ctx, run, &inFlight, calls, log)
	if cause := context.Cause(ctx); errors.Is(cause, db.ErrFenced) || errors.Is(cause, db.ErrCancelled) {
		err = cause
	}
	cancel(nil)
	beating.Wait()
	r.settle(stop, run, calls, err, log)
	r.tellEnded(stop, run)
	r.unindexed.add(run.ConnectionID)
}

// tellEnded tells of a run that has ended under the fence of this execution. What cannot be read is not counted.
func (r *Runner) tellEnded(stop context.Context, run *db.Run) {
	if r.Ended == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), settleTime)
	defer cancel()
	now, err := r.DB.RunByID(ctx, run.ID)
	if err != nil || now.State.Active() || now.Fence != run.Fence {
		return
	}
	if steps, err := r.DB.RunSteps(ctx, run.ID); err == nil {
		r.Ended(now, steps)
	}
}

// sync runs the pipeline and counts the API calls that it takes.
func (r *Runner) sync(ctx context.Context, run *db.Run, inFlight *atomic.Int64, calls *callTally, log *slog.Logger) error {
	if run.CancelRequestedAt != nil {
		return db.ErrCancelled
	}
	if run.Entity == pipeline.EntityUndo {
		return r.DB.RunStore(run).Undo(ctx, r.UndoRows)
	}
	set, err := r.settings(ctx, run)
	if err != nil {
		return unprepared(err)
	}
	client, err := r.Client(ctx, run.ConnectionID)
	if err != nil {
		return unprepared(err)
	}
	purse := &purse{db: r.DB, client: client, connection: run.ConnectionID, since: run.CreatedAt, log: log, calls: calls}
	defer purse.close(ctx)
	return pipeline.Run(ctx, pipeline.Work{
		Settings: set, Entity: run.Entity, Source: remote.Metered(client, purse.pay), Store: r.DB.RunStore(run), Options: r.Pipeline, Log: log,
		InFlight: inFlight, Afford: purse.afford, Scorer: r.Scorer,
	})
}

// settings returns what a run goes by: a version, or what an impact tries.
func (r *Runner) settings(ctx context.Context, run *db.Run) (settings.Settings, error) {
	if run.Entity == pipeline.EntityImpact {
		impact, err := r.DB.ImpactOf(ctx, run.ID)
		if err != nil {
			return settings.Settings{}, err
		}
		return impact.Settings, nil
	}
	version, err := r.DB.SettingsVersionAt(ctx, run.ConnectionID, run.SettingsVersion)
	return version.Settings, err
}

// unprepared makes a fault of an error before the first step. Only Postgres is asked up to there.
func unprepared(err error) error {
	f := &pipeline.Fault{Kind: pipeline.Transient, Code: "postgres_unreachable", Message: "Postgres cannot be reached.", Err: err}
	if errors.Is(err, db.ErrNotFound) {
		f.Kind, f.Code, f.Message = pipeline.Fatal, "connection_gone", "The connection or its settings no longer exist."
	}
	return f
}

// pulse is the longest time between two looks at how many records have arrived, for the people who watch.
const pulse = time.Second

// beat extends the run's lease until ctx ends, and notes how many records have arrived of the pages in progress and which API calls were made. When the run has been taken over or is to be cancelled it ends ctx with that cause. When Postgres does not
// answer it goes on trying: should the lease run out meanwhile, the next page is refused.
func (r *Runner) beat(ctx context.Context, run *db.Run, inFlight *atomic.Int64, calls *callTally, cancel context.CancelCauseFunc, log *slog.Logger) {
	tick := time.NewTicker(min(r.Lease/3, pulse))
	defer tick.Stop()
	var noted int64
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.noteCalls(ctx, run.ID, calls, log)
		arrived := inFlight.Load()
		if arrived == noted && time.Since(last) < r.Lease/3-pulse/2 {
			continue
		}
		last = time.Now()
		bounded, done := context.WithTimeout(ctx, max(r.Lease/2, settleTime))
		err := r.DB.Heartbeat(bounded, run.ID, run.Fence, r.Lease, arrived)
		done()
		if err == nil {
			noted = arrived
		}
		switch {
		case errors.Is(err, db.ErrFenced), errors.Is(err, db.ErrCancelled):
			cancel(err)
			return
		case err != nil && ctx.Err() == nil:
			log.Warn("cannot extend the lease; trying on", "err", err)
		}
	}
}
