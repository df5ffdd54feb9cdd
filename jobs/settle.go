package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// settle notes how a run stands after its execution has stopped with err. stop is the runner's own context: when it has ended, the run is given back.
func (r *Runner) settle(stop context.Context, run *db.Run, calls *callTally, err error, log *slog.Logger) {
	stopping := stop.Err() != nil && err != nil
	within := endTime
	if stopping {
		within = settleTime
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), within)
	defer cancel()
	// The run stays held meanwhile: another runner would only come to the same end.
	keep, leave := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer leave(nil)
	keeping.Go(func() { r.beat(keep, run, new(atomic.Int64), calls, leave, log) })
	r.noteCalls(ctx, run.ID, calls, log)
	var settled error
	switch {
	case errors.Is(err, db.ErrFenced):
		log.Warn("fenced: another runner has taken the run over")
	case errors.Is(err, db.ErrCancelled):
		settled = r.cancelled(ctx, run, log)
	case stopping:
		log.Info("giving the run back")
		settled = r.DB.Release(ctx, run.ID, run.Fence)
	case err == nil:
		settled = r.completed(ctx, run, log)
	case errors.Is(err, db.ErrDisconnected):
		settled = r.cancelled(ctx, run, log)
	default:
		settled = r.faulted(ctx, run, pipeline.FaultOf(err), log)
	}
	if errors.Is(settled, db.ErrCancelled) {
		settled = r.cancelled(ctx, run, log)
	}
	if settled != nil {
		log.Error("cannot note how the run stands; it is claimed again when its lease has run out", "err", settled)
	}
}

func (r *Runner) completed(ctx context.Context, run *db.Run, log *slog.Logger) error {
	steps, err := r.DB.RunSteps(ctx, run.ID)
	if err != nil {
		return err
	}
	now, err := r.DB.RunByID(ctx, run.ID)
	if err != nil {
		return err
	}
	here := map[string]int64{}
	for _, object := range parted(steps) {
		if here[object], err = r.DB.InStep(ctx, run.ConnectionID, object); err != nil {
			return err
		}
	}
	e := ending(steps, now.Retired, here)
	e.Outcome = late(e.Outcome, run.Missed)
	switch run.Entity {
	case pipeline.EntityImpact:
		e.Outcome, e.Surprising = "Compared with what is here", false
	case pipeline.EntityUndo:
		e = undone(run.OfRun, steps)
	case pipeline.EntityGap:
		e = gapClosed(steps)
	case pipeline.EntityRetry:
		result, _, err := r.DB.RetryOf(ctx, run.ID)
		if err != nil {
			return err
		}
		e = retried(result)
	}
	drifts, err := r.DB.NoticedBy(ctx, run.ID)
	if err != nil {
		return err
	}
	if words := noticedWords(drifts); words != "" {
		e.Outcome += ". Changed in Salesforce: " + words
	}
	log.Info("run ended", "state", e.State, "outcome", e.Outcome)
	return r.DB.Finish(ctx, run.ID, run.Fence, e)
}

func (r *Runner) cancelled(ctx context.Context, run *db.Run, log *slog.Logger) error {
	steps, err := r.DB.RunSteps(ctx, run.ID)
	if err != nil {
		return err
	}
	now, err := r.DB.RunByID(ctx, run.ID)
	if err != nil {
		return err
	}
	log.Info("run cancelled", "cause", now.CancelCause)
	outcome := cutShortOf(run, "Cancelled", steps)
	if now.CancelCause == db.CauseDisconnected {
		outcome = "Cancelled: the org was disconnected" + by(now.CancelledByName) + ". " + cutShort("It ended", steps)
	}
	return r.DB.Finish(ctx, run.ID, run.Fence, db.Ending{State: db.RunCancelled, Outcome: outcome})
}

// faulted decides between a pause and the end of the run.
func (r *Runner) faulted(ctx context.Context, run *db.Run, f *pipeline.Fault, log *slog.Logger) error {
	now, err := r.DB.RunByID(ctx, run.ID)
	if err != nil {
		return err
	}
	switch f.Kind {
	case pipeline.NeedsReconnect:
		log.Warn("run waits for a person to reconnect the org", "err", f)
		if err := r.DB.MarkNeedsReconnect(ctx, run.ConnectionID, f.Grant, f.Message); err != nil {
			return err
		}
		return r.DB.Wait(ctx, run.ID, run.Fence, db.Wait{Person: true, Grant: f.Grant, Reason: f.Message})
	case pipeline.Blocked:
		log.Warn("run waits for a person to change what forbids the way to Salesforce", "code", f.Code, "err", f)
		return r.DB.Wait(ctx, run.ID, run.Fence, db.Wait{Person: true, Reason: f.Message + " This run then goes on from where it stopped."})
	case pipeline.DailyLimit:
		log.Warn("run waits for the daily API limit", "err", f)
		return r.DB.Wait(ctx, run.ID, run.Fence, db.Wait{AtHour: true, Budget: true, Reason: f.Message +
			" It counts the requests of the last 24 hours, so room appears bit by bit; Millrace looks again at each full hour and then goes on from here."})
	case pipeline.OverBudget:
		log.Warn("run waits for the allowance of API requests", "until", f.Until, "err", f)
		return r.DB.Wait(ctx, run.ID, run.Fence, db.Wait{Until: f.Until, AtHour: f.Until == nil, Budget: true, Reason: f.Message +
			" The run goes on from here as soon as there is room; an admin can change the allowance under API budget."})
	case pipeline.Transient, pipeline.Conflict:
		if now.Waits < len(r.Pauses) {
			pause := r.Pauses[now.Waits]
			log.Warn("run rests after a fault", "pause", pause, "err", f)
			return r.DB.Wait(ctx, run.ID, run.Fence, db.Wait{For: apart(pause), Fault: true, Reason: sentence(f) + " Trying again in " + words(pause) + "."})
		}
	}
	steps, err := r.DB.RunSteps(ctx, run.ID)
	if err != nil {
		return err
	}
	log.Error("run failed", "code", f.Code, "err", f)
	said := sentence(f)
	if f.Kind == pipeline.Transient || f.Kind == pipeline.Conflict {
		said += " It was tried again and again for a while; run the sync again once that has passed."
	}
	outcome := cutShortOf(run, "Failed", steps)
	if run.Entity == pipeline.EntityUndo {
		said = strings.ReplaceAll(said, "run the sync again", "undo the run again")
	}
	return r.DB.Finish(ctx, run.ID, run.Fence, db.Ending{State: db.RunFailed, Outcome: outcome, Code: f.Code, Error: said})
}

// apart lengthens a pause by up to a fifth, so that runs which were held up together do not all come back at once.
func apart(pause time.Duration) time.Duration { return pause + rand.N(pause/5+1) }

// sentence is what people are told about a fault. A fault without words of its own is a bug: its details are for the log only.
func sentence(f *pipeline.Fault) string {
	if f.Message == "" {
		return "Something unexpected went wrong; the log has the details."
	}
	return f.Message
}

// by names the person who did something, where the name is known.
func by(name string) string {
	if name == "" {
		return ""
	}
	return " by " + name
}

func words(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	}
	if d == time.Minute {
		return "a minute"
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}
