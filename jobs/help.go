package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
)

// eager is how long after its last page a helper looks for another one often.
const eager = 10 * time.Second

// help takes pages of runs that other runners lead, as many at once as a run of its own has workers, while this runner leads none. It returns when ctx has
// ended and the pages in work are given back.
func (r *Runner) help(ctx context.Context) {
	var helping sync.WaitGroup
	defer helping.Wait()
	workers := r.Pipeline.Workers
	if workers == 0 {
		workers = pipeline.DefaultWorkers
	}
	free := make(chan struct{}, workers)
	var last time.Time
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		var h *db.HelpUnit
		for h == nil {
			if r.leading.Load() == 0 {
				h = r.claimUnit(ctx)
			}
			pause := r.Poll
			if time.Since(last) < eager {
				pause = min(pause, r.Poll/5)
			}
			if h == nil {
				select {
				case <-ctx.Done():
					return
				case <-time.After(pause):
				}
			}
		}
		last = time.Now()
		helping.Go(func() {
			defer func() { <-free }()
			r.helpWith(ctx, h)
		})
	}
}

// claimUnit asks once for a page to help with. As a claim of a run, it is not interrupted by a stop.
func (r *Runner) claimUnit(ctx context.Context) *db.HelpUnit {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	h, err := r.DB.ClaimUnitToHelp(ctx, r.Owner, r.Lease, r.shunned.list())
	if err != nil {
		return nil // that Postgres cannot be reached is said by whoever looks for due runs
	}
	return h
}

// helpWith loads one page for another runner's run. A fault ends the help for a while, not the run: what is wrong with the org meets its lead as well.
func (r *Runner) helpWith(ctx context.Context, h *db.HelpUnit) {
	log := r.Log.With("run_id", h.RunID, "connection_id", h.ConnectionID)
	store := r.DB.HelpStore(h, r.Owner)
	client, err := r.Client(ctx, h.ConnectionID)
	if err != nil {
		err = errors.Join(err, store.ReleaseUnit(context.WithoutCancel(ctx), h.Step, h.Unit))
	} else {
		log.Debug("helping with a page", "step", h.Step.Name, "page", h.Unit.Page)
		calls := new(callTally)
		purse := &purse{db: r.DB, client: client, connection: h.ConnectionID, log: log, calls: calls}
		err = pipeline.LoadUnit(ctx, pipeline.Work{Source: remote.Metered(client, purse.pay), Store: store, Options: r.Pipeline, Log: log}, h.Step, h.Unit)
		purse.close(ctx)
		r.noteCalls(ctx, h.RunID, calls, log)
	}
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, pipeline.ErrUnitLost), errors.Is(err, db.ErrCancelled):
		log.Info("the page is not wanted from here any more", "step", h.Step.Name, "page", h.Unit.Page, "err", err)
	default:
		log.Warn("gave a page back to the run's lead", "step", h.Step.Name, "page", h.Unit.Page, "code", pipeline.FaultOf(err).Code, "err", err)
		r.shunned.add(h.RunID, r.Lease)
	}
}

// shunned holds the runs that a helper leaves alone, and until when. The zero value is ready for use.
type shunned struct {
	mu    sync.Mutex
	until map[int64]time.Time
}

func (s *shunned) add(run int64, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[int64]time.Time{}
	}
	s.until[run] = time.Now().Add(d)
}

func (s *shunned) list() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs []int64
	for run, until := range s.until {
		if time.Now().After(until) {
			delete(s.until, run)
		} else {
			runs = append(runs, run)
		}
	}
	return runs
}
