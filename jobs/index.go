package jobs

import (
	"context"
	"slices"
	"sync"
	"time"
)

// indexEvery is how often the days of the audit log that are over are looked at for their indexes, also where no run ends.
const indexEvery = time.Hour

// unindexed are the connections of runs that have ended, whose tables may have become large enough for indexes.
type unindexed struct {
	mu          sync.Mutex
	connections []int64
	told        chan struct{} // holds one word at most: there is something to look at
}

func (u *unindexed) add(connection int64) {
	u.mu.Lock()
	if !slices.Contains(u.connections, connection) {
		u.connections = append(u.connections, connection)
	}
	u.mu.Unlock()
	select {
	case u.told <- struct{}{}:
	default:
	}
}

func (u *unindexed) take() (all []int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all, u.connections = u.connections, nil
	return all
}

// makeIndexes makes the indexes of lists and of the audit log, one after the other, until ctx ends, which ends the one in progress. Postgres waits with each for every transaction that is older than
// it, whoever has begun that: a backup's takes hours. Nothing else may wait for them, no run and no other upkeep.
func (r *Runner) makeIndexes(ctx context.Context) {
	for {
		for _, connection := range r.unindexed.take() {
			r.makeIndex(ctx, func() error { return r.DB.EnsureReadIndexes(ctx, connection) })
			r.makeIndex(ctx, func() error { return r.DB.EnsureNameIndexes(ctx, connection) })
		}
		r.makeIndex(ctx, func() error { return r.DB.EnsureAuditIndexes(ctx) })
		select {
		case <-ctx.Done():
			return
		case <-r.unindexed.told:
		case <-time.After(indexEvery):
		}
	}
}

func (r *Runner) makeIndex(ctx context.Context, ensure func() error) {
	if ctx.Err() != nil {
		return
	}
	if err := ensure(); err != nil && ctx.Err() == nil {
		r.Log.Warn("cannot make the indexes of the lists; trying again after the next run", "err", err)
	}
}
