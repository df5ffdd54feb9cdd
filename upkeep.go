package main

import (
	"context"
	"log/slog"
	"time"

	"millrace/config"
	"millrace/db"
)

// How often the upkeep of the audit log and the runs is due, and how often it is looked whether it is. Timers do not count the time for which a machine sleeps.
const (
	upkeepEvery = time.Hour
	upkeepLook  = time.Minute
)

// upkeep looks after the audit log and the runs while the app is up, so that a process that runs for months never writes into a day without a partition,
// and what has been kept long enough goes. Every replica does it; they do not get into each other's way. Indexes are the runner's: making one may take as long as somebody's transaction.
type upkeep struct {
	db     *db.DB
	config config.Server
	log    *slog.Logger
	now    func() time.Time // by the clock on the wall
	look   time.Duration
}

func (a app) upkeep() upkeep {
	return upkeep{a.db.DB, a.config, a.log, func() time.Time { return time.Now().Round(0) }, upkeepLook}
}

// run keeps until ctx ends: at first, and whenever an hour has passed on the clock, or that was set back.
func (u upkeep) run(ctx context.Context) error {
	last := u.now()
	u.keep(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(u.look):
		}
		if now := u.now(); now.Before(last) || now.Sub(last) >= upkeepEvery {
			last = now
			u.keep(ctx)
		}
	}
}

func (u upkeep) keep(ctx context.Context) {
	for _, part := range []struct {
		what string
		do   func() error
	}{
		{"making the audit log's next days", func() error { return u.db.EnsureAuditPartitions(ctx, db.AuditAhead) }},
		{"dropping old audit days", func() error {
			dropped, err := u.db.RetainAudit(ctx, u.config.AuditDays)
			if len(dropped) > 0 {
				u.log.Info("audit days dropped, since their retention has passed", "days", dropped)
			}
			return err
		}},
		{"removing old runs", func() error { return u.db.RetainRuns(ctx, u.config.RunDays, u.config.AuditDays) }},
		{"forgetting whom runs met that have ended", func() error { return u.db.ForgetEnded(ctx) }},
	} {
		if err := part.do(); err != nil && ctx.Err() == nil {
			u.log.Error(part.what, "err", err)
		}
	}
}
