package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
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

// engine runs the app's own runner on the queued first run, until its accounts are there. The time is that of the accounts step, from the creation
// of the bulk job to the checkpoint of the last page.
func engine(ctx context.Context, j job) (measure, error) {
	store, err := db.Open(ctx, db.Options{URL: j.Database, SecretKey: secretKey})
	if err != nil {
		return measure{}, err
	}
	defer store.Close()
	client := j.client()
	runner := jobs.New(jobs.Options{
		DB: store, Owner: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Client: func(context.Context, int64) (*salesforce.Client, error) { return client, nil },
	})
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	m, err := accountsStep(ctx, store, j.Connection)
	stop()
	return m, errors.Join(err, <-done)
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
