package jobs

import (
	"context"
	"log/slog"
	"sync"

	"millrace/db"
	"millrace/salesforce"
)

// callTally counts the API calls of a run that are not noted in Postgres yet. The zero value is ready for use.
type callTally struct {
	mu    sync.Mutex
	calls []db.RunCalls
}

func (t *callTally) add(kind salesforce.Call, purpose string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum(db.RunCalls{Kind: string(kind), Purpose: purpose, Calls: 1, Free: kind == salesforce.CallToken})
}

// sum is called with mu held.
func (t *callTally) sum(c db.RunCalls) {
	for i := range t.calls {
		if k := &t.calls[i]; k.Kind == c.Kind && k.Purpose == c.Purpose {
			k.Calls += c.Calls
			return
		}
	}
	t.calls = append(t.calls, c)
}

// take returns what is counted, and begins anew.
func (t *callTally) take() []db.RunCalls {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.calls
	t.calls = nil
	return calls
}

// putBack has calls counted again that take has returned.
func (t *callTally) putBack(calls []db.RunCalls) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range calls {
		t.sum(c)
	}
}

// noteCalls notes the calls that were made for a run, by one statement for however many there are. What cannot be noted stays in the tally.
func (r *Runner) noteCalls(ctx context.Context, runID int64, t *callTally, log *slog.Logger) {
	calls := t.take()
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := r.DB.AddAPICalls(ctx, runID, calls); err != nil {
		log.Warn("cannot note the API calls", "err", err)
		t.putBack(calls)
	}
}
