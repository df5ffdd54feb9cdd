package jobs

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"millrace/db"
	"millrace/notify"
)

// AlertOptions is what Alerts needs. Zero durations and numbers mean the defaults.
type AlertOptions struct {
	DB      *db.DB
	Sender  *notify.Sender
	Owner   string // names this process in the notices that it sends
	BaseURL string // of the app, for links in notices; empty leaves them out
	Log     *slog.Logger

	Look    time.Duration   // pause between looks at the connections; 5 s by default
	Poll    time.Duration   // pause between looks for due notices; 500 ms by default
	Lease   time.Duration   // how long a notice stays with a sender that shows no sign of life; 2 min by default
	Senders int             // notices sent at once; 4 by default
	Pauses  []time.Duration // after each failed attempt; then it is given up
	Keep    int             // days for which ended alerts and their notices are kept; 90 by default

	Sent func(db.Delivery, notify.Outcome, string) // told of each attempt with what became of it; for the metrics
}

func (o AlertOptions) withDefaults() AlertOptions {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Look == 0 {
		o.Look = 5 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Lease == 0 {
		o.Lease = 2 * time.Minute
	}
	if o.Senders == 0 {
		o.Senders = 4
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour}
	}
	if o.Keep == 0 {
		o.Keep = 90
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	if o.Sent == nil {
		o.Sent = func(db.Delivery, notify.Outcome, string) {}
	}
	return o
}

// Alerts watches the connections and hands notices over. Any number of processes may do so on one database. It has nothing to do with runs: it reads what
// they left behind, and a receiver that is slow or gone holds up no sync.
type Alerts struct{ AlertOptions }

// NewAlerts returns Alerts; Run starts them.
func NewAlerts(o AlertOptions) *Alerts { return &Alerts{o.withDefaults()} }

// Run works until ctx ends, and returns once the attempts in progress are over. No fault of Postgres or of a receiver ends it; it always returns nil.
func (a *Alerts) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { a.watch(ctx) })
	slots := make(chan struct{}, a.Senders)
	failing := false
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		n, err := a.claim(ctx)
		failing = a.note(ctx, "due notices", err, failing)
		if n != nil {
			all.Go(func() {
				defer func() { <-slots }()
				a.deliver(ctx, *n)
			})
			continue
		}
		<-slots
		if !pause(ctx, a.Poll) {
			return nil
		}
	}
}

// claim asks once. A stop does not interrupt it: a notice that is claimed and of which nobody has heard would wait for its lease.
func (a *Alerts) claim(ctx context.Context) (*db.Delivery, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return a.DB.ClaimDelivery(ctx, a.Owner, a.Lease)
}

// note says once that something cannot be done, and once that it can be again.
func (a *Alerts) note(ctx context.Context, what string, err error, failing bool) bool {
	switch {
	case err != nil && ctx.Err() == nil && !failing:
		a.Log.Error("cannot look for "+what+"; trying on", "err", err)
	case err == nil && failing:
		a.Log.Info("looking for " + what + " again")
	}
	return err != nil
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// watch looks at every connection again and again.
func (a *Alerts) watch(ctx context.Context) {
	failing := false
	var swept time.Time
	for ctx.Err() == nil {
		err := a.look(ctx)
		if err == nil && time.Since(swept) > time.Hour {
			err, swept = a.DB.ForgetAlerts(ctx, a.Keep), time.Now()
		}
		failing = a.note(ctx, "what is wrong with connections", err, failing)
		if !pause(ctx, a.Look) {
			return
		}
	}
}

// look looks at each connection once. What cannot be seen of one does not keep the others from being looked at.
func (a *Alerts) look(ctx context.Context) error {
	connections, err := a.DB.Connections(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range connections {
		changes, err := a.DB.WatchAlerts(ctx, c.ID, alertWords, alertOver)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, change := range changes {
			log := a.Log.With("connection_id", c.ID, "alert_id", change.ID, "cause", change.Cause, "subject", change.Subject, "notices", change.Told)
			if change.Opened {
				log.Warn("alert opened", "title", change.Title)
			} else {
				log.Info("alert ended", "outcome", change.EndedText)
			}
		}
	}
	return errors.Join(errs...)
}

// deliver makes one attempt and notes how it went.
func (a *Alerts) deliver(stop context.Context, n db.Delivery) {
	log := a.Log.With("delivery_id", n.ID, "channel_id", n.ChannelID, "alert_id", n.AlertID, "attempt", n.Attempts)
	// An attempt that has begun is carried to its end, or else nobody knew whether the receiver has the notice; it is short.
	ctx := context.WithoutCancel(stop)
	o := a.attempt(ctx, n)
	end := db.AttemptEnd{Delivered: o.Delivered, Code: o.Code, Excerpt: o.Excerpt, Said: o.Said, Took: o.Took}
	fate := "delivered"
	switch {
	case o.Delivered:
	case o.Gone:
		fate, end.Gone = "gone", o.Said
	case o.Final:
		fate = "failed"
		end.Said += " It is not tried again by itself."
	case n.Tries > len(a.Pauses):
		fate = "given up"
		end.Said += " It was tried " + count(int64(n.Tries)) + " times and is given up."
	default:
		fate, end.Retry = "again", a.wait(n.Tries, o.RetryAfter)
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	err := a.DB.EndAttempt(ctx, n, end)
	switch {
	case errors.Is(err, db.ErrFenced):
		log.Warn("fenced: the notice was taken over, or its channel switched off")
		return
	case err != nil:
		log.Error("cannot note how a notice went; it is sent again when its lease has run out", "err", err)
		return
	}
	a.Sent(n, o, fate)
	switch fate {
	case "delivered":
		log.Info("notice delivered", "code", o.Code)
	case "again":
		log.Warn("notice not delivered; trying again", "code", o.Code, "cause", o.Said, "pause", end.Retry)
	default:
		log.Error("notice given up", "code", o.Code, "cause", end.Said)
	}
}

// wait is the pause after the given number of attempts: what the receiver asked for, within reason, or else the usual, up to a fifth longer or shorter so that
// not everything that failed at once comes back at once.
func (a *Alerts) wait(tries int, asked time.Duration) time.Duration {
	usual := a.Pauses[min(max(tries, 1), len(a.Pauses))-1]
	jittered := time.Duration(float64(usual) * (0.8 + 0.4*rand.Float64()))
	return max(jittered, min(asked, time.Hour), time.Millisecond)
}

// attempt sends a notice once.
func (a *Alerts) attempt(ctx context.Context, n db.Delivery) notify.Outcome {
	m := a.message(n)
	if n.ChannelKind == db.ChannelEmail {
		return a.Sender.Email(ctx, n.Address, m)
	}
	target, err := a.DB.ChannelTarget(ctx, n.ChannelID)
	if errors.Is(err, db.ErrNotFound) {
		return notify.Outcome{Final: true, Said: "The channel was removed."}
	}
	if err != nil {
		a.Log.Error("cannot open a channel", "channel_id", n.ChannelID, "err", err)
		return notify.Outcome{Said: "The address of the channel could not be read."}
	}
	if n.ChannelKind == db.ChannelSlack {
		return a.Sender.Slack(ctx, target.URL, m)
	}
	return a.Sender.Webhook(ctx, target.URL, target.Secrets, m, time.Now())
}
