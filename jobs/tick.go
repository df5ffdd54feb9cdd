package jobs

import (
	"context"
	"time"
)

// tick queues the runs whose time has come, until ctx ends. Each runner looks; a slot goes to whoever comes first.
func (r *Runner) tick(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		bounded, done := context.WithTimeout(ctx, patience)
		t, err := r.DB.Tick(bounded)
		done()
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			r.Log.Error("cannot look for due schedules; trying on", "err", err)
		case err == nil && failing:
			r.Log.Info("looking for due schedules again")
		}
		failing = err != nil
		if t != nil {
			log := r.Log.With("connection_id", t.ConnectionID, "entity", t.Entity, "scheduled_for", t.ScheduledFor)
			if t.Skipped != "" {
				log.Info("slot of the schedule skipped", "cause", t.Skipped)
			} else {
				log.Info("run queued by the schedule", "run_id", t.RunID, "missed", t.Missed)
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.Poll):
		}
	}
}
