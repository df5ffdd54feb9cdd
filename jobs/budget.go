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

	taking sync.Mutex // those who find the purse empty ask Postgres one after the other

	mu   sync.Mutex
	left int64          // calls that are granted and not made
	next int64          // ticket of the next of them
	of   db.APICalls    // the grant that they are of
	last *db.APIReading // not recorded yet
}

// handful is how many calls a purse asks for at once, where there is plenty of room.
const handful = 8

// beginsAnyway is how long a run waits for room for all of its calls; then it begins with what room there is, and pauses in between.
const beginsAnyway = 24 * time.Hour

// pay is the salesforce.Meter of the run.
func (p *purse) pay(ctx context.Context, kind salesforce.Call) (told func(salesforce.Usage), err error) {
	if kind == salesforce.CallToken { // it is none of the calls that are limited
		p.calls.add(kind, "")
		return nil, nil
	}
	ticket, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	p.calls.add(kind, pipeline.Purpose(ctx))
	return func(u salesforce.Usage) { p.told(ctx, db.APIReading{Used: u.Used, Limit: u.Limit, Ticket: ticket}) }, nil
}

// spend takes a call that is granted already.
func (p *purse) spend() (ticket int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return 0, false
	}
	ticket = p.next
	p.left, p.next = p.left-1, p.next+1
	return ticket, true
}

// take returns the ticket of one call; where there is no room it returns a fault that says so. The first who finds none looks, which serves all.
func (p *purse) take(ctx context.Context) (ticket int64, err error) {
	if ticket, ok := p.spend(); ok {
		return ticket, nil
	}
	p.taking.Lock()
	defer p.taking.Unlock()
	if ticket, ok := p.spend(); ok {
		return ticket, nil
	}
	b, err := p.fill(ctx)
	if err != nil {
		return 0, err
	}
	if ticket, ok := p.spend(); ok {
		return ticket, nil
	}
	looked, err := p.look(ctx)
	if err != nil {
		return 0, err
	}
	if looked {
		if b, err = p.fill(ctx); err != nil {
			return 0, err
		}
		if ticket, ok := p.spend(); ok {
			return ticket, nil
		}
	}
	return 0, b.Fault(1)
}

// fill asks Postgres for calls and returns how the allowance stands.
func (p *purse) fill(ctx context.Context) (pipeline.Budget, error) {
	of, err := p.db.TakeAPICalls(ctx, p.connection, handful, p.unrecorded())
	if err != nil {
		return of.Budget, uncounted(ctx, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of, p.left, p.next = of, of.Granted, of.Ticket-of.Granted+1
	return of.Budget, nil
}

// empty takes out what is granted and not used.
func (p *purse) empty() (calls int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls, p.left = p.left, 0
	return calls, p.of.Budget.Now
}

// look asks the org how much of its limit is used, when what is known is old: room may have appeared since. It is the one call that is made without room.
// Where another run or helper is asking already, it waits for that answer. It reports whether there is a new one.
func (p *purse) look(ctx context.Context) (looked bool, err error) {
	for waited := false; ; waited = true {
		due, err := p.db.APILookDue(ctx, p.connection, p.since)
		switch {
		case err != nil:
			return false, uncounted(ctx, err)
		case due == db.LookNow:
			return true, p.ask(ctx)
		case due == db.LookNot:
			return waited, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(lookPoll):
		}
	}
}

// lookPoll is how often it is seen after whether the answer that another has asked for is there.
const lookPoll = 50 * time.Millisecond

// ask asks the org how much of its limit is used, and notes the answer.
func (p *purse) ask(ctx context.Context) error {
	p.log.Info("asking how many API requests are used")
	p.calls.add(salesforce.CallLimits, "")
	var use salesforce.Usage
	heard := func(context.Context, salesforce.Call) (func(salesforce.Usage), error) {
		return func(u salesforce.Usage) { use = u }, nil
	}
	limits, err := p.client.Limits(salesforce.Metered(ctx, heard))
	if err != nil && !salesforce.IsDailyLimit(err) {
		return remote.Fault(err)
	}
	if use.Limit == 0 { // a proxy keeps the header to itself
		day := limits["DailyApiRequests"]
		use.Used, use.Limit = day.Max-day.Remaining, day.Max
	}
	if use.Limit == 0 {
		return nil
	}
	return uncounted(ctx, p.db.RecordAPIUse(ctx, p.connection, db.APIReading{Used: use.Used, Limit: use.Limit}))
}

// told keeps a reading for the next grant, which records it. Where it leaves little room, what is granted in advance goes back.
func (p *purse) told(ctx context.Context, r db.APIReading) {
	p.mu.Lock()
	if p.last == nil || r.Ticket > p.last.Ticket || r.Used > p.last.Used {
		p.last = &r
	}
	b := p.of.Budget
	b.Used, b.Limit = r.Used, r.Limit
	room, known := b.Room()
	scarce := known && p.left > 0 && room < p.left*scarcity
	p.mu.Unlock()
	if scarce {
		p.giveBack(ctx)
	}
}

// scarcity is how much room there must be for each call that is granted in advance, for it to be kept.
const scarcity = 16

// giveBack returns what is granted and not used. Where Postgres does not hear of it, it counts as used.
func (p *purse) giveBack(ctx context.Context) {
	calls, at := p.empty()
	if calls == 0 {
		return
	}
	if err := p.db.ReturnAPICalls(ctx, p.connection, calls, at); err != nil {
		p.log.Warn("cannot give back API requests that were not made", "requests", calls, "err", err)
	}
}

func (p *purse) unrecorded() *db.APIReading {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.last
	p.last = nil
	return r
}

// close records the last reading and gives back what was not used.
func (p *purse) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	p.giveBack(ctx)
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
