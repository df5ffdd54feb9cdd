package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"millrace/db"
	"millrace/jobs"
	"millrace/salesforce"
)

// client returns a Salesforce client with the org's access token.
func (j job) client() *salesforce.Client {
	token := salesforce.Token{Access: j.Token, InstanceURL: j.Org}
	return salesforce.New(salesforce.Config{
		App:   salesforce.App{LoginURL: j.Org, ClientID: j.ClientID, ClientSecret: j.ClientSecret},
		Hosts: salesforce.HostPolicy{Extra: []string{j.Org}},
		Token: func(context.Context) (salesforce.Token, error) { return token, nil },
		Refresh: func(context.Context, salesforce.Token, func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			return token, errors.New("the access token has expired")
		},
	})
}

// engine runs the app's own runner on the run that is queued, until it has ended. The time is that of the accounts and the contacts, from the creation of the
// first bulk job to the checkpoint of the last page.
func engine(ctx context.Context, j job) (measure, error) {
	store, err := db.Open(ctx, db.Options{URL: j.Database, SecretKey: secretKey, LeaveOutAudit: j.NoAudit})
	if err != nil {
		return measure{}, err
	}
	defer store.Close()
	run, err := store.LatestRun(ctx, j.Connection)
	if err != nil {
		return measure{}, err
	}
	meter, err := newMeter(ctx, j)
	if err != nil {
		return measure{}, err
	}
	client := j.client()
	runner := jobs.New(jobs.Options{
		DB: store, Owner: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Client: func(context.Context, int64) (*salesforce.Client, error) { return client, nil },
	})
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	err = meter.ended(ctx, run.ID)
	var m measure
	if err == nil {
		err = meter.read(ctx, &m)
	}
	stop() // the indexes that the accounts list gets after a run are not part of it
	if err = errors.Join(err, <-done); err != nil {
		return measure{}, err
	}
	err = taken(context.Background(), store, run.ID, &m)
	return m, err
}

// ended waits for the end of a run. It asks for as little as it can: what it asks counts as the engine's.
func (m *meter) ended(ctx context.Context, run int64) error {
	for ctx.Err() == nil {
		var now struct {
			State db.RunState `db:"state"`
			Why   string      `db:"why"`
		}
		if err := m.database.GetContext(ctx, &now, `SELECT state, concat(error, waiting_reason) AS why FROM millrace.runs WHERE id = `+strconv.FormatInt(run, 10)); err != nil {
			return err
		}
		switch now.State {
		case db.RunCompleted, db.RunCompletedWithErrors:
			return nil
		case db.RunFailed, db.RunWaiting:
			return errors.New("the run stopped: " + now.Why)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

// taken adds to a measure what the run of a connection took, by its own account.
func taken(ctx context.Context, store *db.DB, id int64, m *measure) error {
	run, err := store.RunByID(ctx, id)
	if err != nil {
		return err
	}
	steps, err := store.RunSteps(ctx, id)
	if err != nil {
		return err
	}
	m.Calls, m.Whole, m.Of = run.APICalls, run.Duration(time.Now()).Seconds(), map[string]float64{}
	for _, selection := range selections {
		for _, s := range steps {
			if s.Object != selection.object {
				continue
			}
			if !s.Complete() || s.Failed > 0 {
				return fmt.Errorf("%s did not arrive in full", s.Name)
			}
			m.Of[s.Object] += s.FinishedAt.Sub(*s.StartedAt).Seconds()
			m.Rows += s.Read
			m.Touched += s.Created + s.Updated
		}
		m.Seconds += m.Of[selection.object]
	}
	return nil
}

// accountsStep waits for the end of the first run's accounts step and returns what it took.
func accountsStep(ctx context.Context, store *db.DB, connection int64) (measure, error) {
	run, err := store.LatestRun(ctx, connection)
	if err != nil {
		return measure{}, err
	}
	for ctx.Err() == nil {
		now, err := store.RunByID(ctx, run.ID)
		if err != nil {
			return measure{}, err
		}
		if now.State == db.RunFailed || now.State == db.RunWaiting {
			return measure{}, errors.New("the run stopped: " + now.Error + now.WaitingReason)
		}
		steps, err := store.RunSteps(ctx, run.ID)
		if err != nil {
			return measure{}, err
		}
		for _, s := range steps {
			if s.Object != "Account" || s.State != "done" {
				continue
			}
			if !s.Complete() || s.Created != s.Read {
				return measure{}, errors.New("the accounts did not arrive in full")
			}
			return measure{Seconds: s.FinishedAt.Sub(*s.StartedAt).Seconds(), Rows: s.Read}, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return measure{}, ctx.Err()
}
