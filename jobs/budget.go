package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
)

// purse pays the API calls of one execution of a run, or of help with it, out of the connection's allowance, one call after the other, so that the processes that work on an org
// never use more than it together.
type purse struct {
	db         *db.DB
	client     *salesforce.Client
	connection int64
	since      time.Time // when the run was asked for
	log        *slog.Logger
	calls      *callTally

	looking sync.Mutex

	mu   sync.Mutex
	last *db.APIReading // not recorded yet
}

// beginsAnyway is how long a run waits for room for all of its calls; then it begins with what room there is, and pauses in between.
const beginsAnyway = 24 * time.Hour

// pay is the salesforce.Meter of the run.
func (p *purse) pay(ctx context.Context, kind salesforce.Call) (told func(salesforce.Usage), err error) {
	if kind == salesforce.CallToken { // it is none of the calls that are limited
		p.calls.add(kind, "")
		return nil, nil
	}
	call, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	p.calls.add(kind, pipeline.Purpose(ctx))
	return func(u salesforce.Usage) { p.told(db.APIReading{Used: u.Used, Limit: u.Limit, Ticket: call.Ticket}) }, nil
}

// take asks for one call; where there is no room it returns a fault that says so. Those who find none look one after the other, so that the first one's look
// serves all.
func (p *purse) take(ctx context.Context) (db.APICall, error) {
	call, err := p.db.TakeAPICall(ctx, p.connection, p.unrecorded())
	if err != nil || call.Granted {
		return call, uncounted(ctx, err)
	}
	p.looking.Lock()
	defer p.looking.Unlock()
	if call, err = p.db.TakeAPICall(ctx, p.connection, nil); err != nil || call.Granted {
		return call, uncounted(ctx, err)
	}
	looked, err := p.look(ctx)
	if err != nil {
		return call, err
	}
	if looked {
		if call, err = p.db.TakeAPICall(ctx, p.connection, nil); err != nil || call.Granted {
			return call, uncounted(ctx, err)
		}
	}
	return call, call.Budget.Fault(1)
}

// look asks the org how much of its limit is used, when what is known is old: room may have appeared since. It is the one call that is made without room.
func (p *purse) look(ctx context.Context) (looked bool, err error) {
	due, err := p.db.APILookDue(ctx, p.connection, p.since)
	if err != nil || !due {
		return false, uncounted(ctx, err)
	}
	p.log.Info("asking how many API requests are used")
	p.calls.add(salesforce.CallLimits, "")
	if _, err := p.client.Limits(salesforce.Metered(ctx, nil)); err != nil && !salesforce.IsDailyLimit(err) {
		return false, remote.Fault(err)
	}
	u := p.client.Usage()
	return true, uncounted(ctx, p.db.RecordAPIUse(ctx, p.connection, db.APIReading{Used: u.Used, Limit: u.Limit}))
}

// told keeps a reading for the next call, which records it.
func (p *purse) told(r db.APIReading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || r.Ticket > p.last.Ticket || r.Used > p.last.Used {
		p.last = &r
	}
}

func (p *purse) unrecorded() *db.APIReading {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.last
	p.last = nil
	return r
}

// close records the last reading.
func (p *purse) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if r := p.unrecorded(); r != nil {
		if err := p.db.RecordAPIUse(ctx, p.connection, *r); err != nil {
			p.log.Warn("cannot note the API use", "err", err)
		}
	}
}

// afford says whether there is room for so many calls. A run that the whole allowance does not hold, or that has waited for long, begins with what room
// there is.
func (p *purse) afford(ctx context.Context, need int64) error {
	for looked := false; ; looked = true {
		b, err := p.db.APIBudget(ctx, p.connection)
		if err != nil {
			return uncounted(ctx, err)
		}
		room, known := b.Room()
		whole, _ := b.Whole()
		if !known || need <= room || need > whole || b.Now.Sub(p.since) > beginsAnyway {
			return nil
		}
		if looked {
			return b.Fault(need)
		}
		now, err := p.look(ctx)
		if err != nil {
			return err
		}
		if !now {
			return b.Fault(need)
		}
	}
}

// uncounted makes a fault of an error of Postgres.
func uncounted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &pipeline.Fault{Kind: pipeline.Transient, Code: "postgres_unreachable", Message: "Postgres cannot be reached.", Err: err}
}
