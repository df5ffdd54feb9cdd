package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Unit is one page of a bulk result that is known and not committed, in the hands of one worker. Other workers, in this process and in others, have the
// units beside it.
type Unit struct {
	Page    int    // within the step, counted from 1
	Locator string // where it starts; empty for the first
	Rows    int    // how many records to ask for
	Claim   int64  // by which the store knows who holds it; no other claim has the same
}

// ErrUnitLost means that a unit is somebody else's now, or nobody's: its lease ran out, its step was begun anew, or its run is over. The worker drops what
// it has of the page.
var ErrUnitLost = errors.New("the page is somebody else's now")

// readPages has Options.Workers workers load the units of a step, each of so many records, until none is left, whoever worked on them.
func (j Work) readPages(ctx context.Context, s Step, rows int) error {
	if err := j.attempt(ctx, func() error { return j.Store.OpenUnits(ctx, s, rows) }); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	added := make(chan struct{}, j.Options.Workers)
	for range j.Options.Workers {
		g.Go(func() error { return j.takeUnits(gctx, s, added) })
	}
	return g.Wait()
}

// takeUnits loads one unit after the other. While others hold all that are left it waits: they may add one, or drop theirs.
func (j Work) takeUnits(ctx context.Context, s Step, added chan struct{}) error {
	for {
		var u *Unit
		var more bool
		ticket := rand.Int64()
		err := j.attempt(ctx, func() (err error) {
			u, more, err = j.Store.ClaimUnit(ctx, s, ticket, j.Options.Lease)
			return err
		})
		switch {
		case err != nil:
			return err
		case u != nil:
			err := j.loadUnit(ctx, s, *u, func() { signal(added) })
			if errors.Is(err, ErrUnitLost) {
				j.Log.Warn("a page is somebody else's now; going on with another", "step", s.Name, "page", u.Page)
			} else if err != nil {
				return err
			}
			signal(added) // it may have been the last
		case !more:
			signal(added)
			return nil
		default:
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-added:
			case <-time.After(j.Options.UnitPoll):
			}
		}
	}
}

// signal lets one who waits look again. Who does not wait now looks before it waits.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// LoadUnit loads a unit of a run that another runner leads. Whatever comes of it, the unit is not held any more when it returns.
func LoadUnit(ctx context.Context, j Work, s Step, u Unit) error {
	j.Options = j.Options.withDefaults()
	j.poisoned = new(sync.Map)
	return j.loadUnit(forPurpose(ctx, s.Label), s, u, func() {})
}

// loadUnit brings one page over, in as many attempts as it is worth, and holds it meanwhile. Once Salesforce has answered, it adds the next page's unit and
// calls added. What it could not load it gives back at once.
func (j Work) loadUnit(ctx context.Context, s Step, u Unit, added func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	j.InFlight = new(atomic.Int64)
	beating.Go(func() { j.keepUnit(ctx, s, u, cancel) })
	told := ""
	err := j.attempt(ctx, func() error {
		res, err := j.Source.Results(ctx, s.JobID, u.Locator, u.Rows)
		if err != nil {
			return err
		}
		defer res.Close()
		if res.Next != told {
			if err := j.Store.AddUnit(ctx, s, u, res.Next); err != nil {
				return err
			}
			told = res.Next
			added()
		}
		p, err := newPage(res.Header, s.Table, res.Records)
		if err != nil {
			return err
		}
		p.Number, p.Locator, p.Next, p.Declared, p.Claim, p.close = u.Page, u.Locator, res.Next, res.Count, u.Claim, res.Close
		return j.commit(ctx, s, p)
	})
	if cause := context.Cause(ctx); err != nil && (errors.Is(cause, ErrUnitLost) || errors.Is(cause, ErrCancelled) || errors.Is(cause, ErrFenced)) {
		err = cause
	}
	cancel(nil)
	beating.Wait()
	if err != nil && !errors.Is(err, ErrUnitLost) {
		j.releaseUnit(ctx, s, u)
	}
	return err
}

// keepUnit extends the hold on a unit until ctx ends, and notes how many of its records have arrived. When the unit is lost or the run to be cancelled
// it ends ctx with that cause. When the store does not answer it goes on trying: should somebody take the unit meanwhile, its page is refused.
func (j Work) keepUnit(ctx context.Context, s Step, u Unit, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(min(j.Options.Lease/3, pulse))
	defer tick.Stop()
	var noted int64
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		arrived := j.InFlight.Load()
		if arrived == noted && time.Since(last) < j.Options.Lease/3-pulse/2 {
			continue
		}
		last = time.Now()
		bounded, done := context.WithTimeout(ctx, max(j.Options.Lease/2, 5*time.Second))
		err := j.Store.KeepUnit(bounded, s, u, j.Options.Lease, arrived)
		done()
		switch {
		case err == nil:
			noted = arrived
		case errors.Is(err, ErrUnitLost), errors.Is(err, ErrCancelled):
			cancel(err)
			return
		case ctx.Err() == nil:
			j.Log.Warn("cannot extend the hold on a page; trying on", "step", s.Name, "page", u.Page, "err", err)
		}
	}
}

// pulse is the longest time between two looks at how many records have arrived, for the people who watch.
const pulse = time.Second

// releaseUnit gives a unit back at once, also when the worker is told to stop. Where that fails the lease does it.
func (j Work) releaseUnit(ctx context.Context, s Step, u Unit) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := j.Store.ReleaseUnit(ctx, s, u); err != nil {
		j.Log.Warn("cannot give a page back; it is free when its lease has run out", "step", s.Name, "page", u.Page, "err", err)
	}
}

// LocatorDiffers is the fault of a page that names another successor than when it was asked for before: between the two, records would be missed.
func LocatorDiffers(s Step, page int, locator string) error {
	return &Fault{Kind: Gone, Code: "locator_differs", Message: "Salesforce cut the result into other pages than before.",
		Err: fmt.Errorf("bulk job %s: after page %d comes %q, which it did not before", s.JobID, page, locator)}
}
