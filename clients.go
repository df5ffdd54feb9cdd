package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"millrace/db"
	"millrace/salesforce"
)

// usageInterval is how often at most the API use that responses report is stored.
const usageInterval = time.Second

// clients opens the Salesforce client of each connection once per process, so that its limits (concurrent requests, single-flight refresh, describe
// cache) hold for web and jobs together.
type clients struct {
	db    *db.DB
	hosts salesforce.HostPolicy
	log   *slog.Logger

	mu   sync.Mutex
	byID map[int64]*salesforce.Client
}

func newClients(d *db.DB, hosts salesforce.HostPolicy, log *slog.Logger) *clients {
	return &clients{db: d, hosts: hosts, log: log, byID: map[int64]*salesforce.Client{}}
}

// open returns the client of a connection.
func (c *clients) open(ctx context.Context, connectionID int64) (*salesforce.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client, ok := c.byID[connectionID]; ok {
		return client, nil
	}
	app, err := c.app(ctx, connectionID)
	if err != nil {
		return nil, err
	}
	client := salesforce.New(salesforce.Config{
		App:     app,
		AppNow:  func(ctx context.Context) (salesforce.App, error) { return c.app(ctx, connectionID) },
		Token:   func(ctx context.Context) (salesforce.Token, error) { return c.token(ctx, connectionID) },
		Refresh: c.refresher(connectionID),
		OnUsage: c.usageRecorder(connectionID),
		Hosts:   c.hosts,
	})
	c.byID[connectionID] = client
	return client, nil
}

// forget drops the client of a connection whose app or grant was replaced. Other processes keep theirs: they read both anew.
func (c *clients) forget(connectionID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, connectionID)
}

// app reads the app by which a connection was made last.
func (c *clients) app(ctx context.Context, connectionID int64) (salesforce.App, error) {
	loginURL, id, secret, err := c.db.ConnectionApp(ctx, connectionID)
	return salesforce.App{LoginURL: loginURL, ClientID: id, ClientSecret: secret}, err
}

func (c *clients) token(ctx context.Context, connectionID int64) (salesforce.Token, error) {
	g, err := c.db.Grant(ctx, connectionID)
	return fromGrant(g), err
}

// refresher renews a grant under the row lock of its connection, so that no two processes spend the same refresh token, and notes a dead one.
func (c *clients) refresher(connectionID int64) func(context.Context, salesforce.Token, func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
	return func(ctx context.Context, spent salesforce.Token, exchange func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
		g, err := c.db.RefreshGrant(ctx, connectionID, spent.Version, func(ctx context.Context, g db.Grant) (db.Grant, error) {
			t, err := exchange(ctx, fromGrant(g))
			return db.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, InstanceURL: t.InstanceURL}, err
		})
		if salesforce.IsGrantDead(err) {
			c.log.WarnContext(ctx, "salesforce ended a grant", "connection_id", connectionID, "err", err)
			if markErr := c.db.MarkNeedsReconnect(ctx, connectionID, spent.Version, whyReconnect(err)); markErr != nil {
				c.log.Error("marking a connection for reconnect", "connection_id", connectionID, "err", markErr)
			}
		}
		return fromGrant(g), err
	}
}

// whyReconnect is what people are told of a connection that ended, wherever it is said that they are to connect again. Where that alone does not help, it says
// what does. Nothing of the error but Salesforce's own code and description gets into it.
func whyReconnect(err error) string {
	sentence, remedy := salesforce.ExplainRenewal(err)
	if salesforce.IsAppRefused(err) {
		return sentence + " " + remedy
	}
	return sentence
}

func fromGrant(g db.Grant) salesforce.Token {
	return salesforce.Token{Access: g.AccessToken, Refresh: g.RefreshToken, InstanceURL: g.InstanceURL, Version: g.Version}
}

// usageRecorder counts the calls that are not made for a run, and stores them with the API use that answers report, at most once per usageInterval.
func (c *clients) usageRecorder(connectionID int64) func(salesforce.Usage) {
	var mu sync.Mutex
	var reading db.APIReading
	var last, told time.Time
	var due bool // a later moment is set for what is not stored yet
	store := func() {
		mu.Lock()
		r := reading
		r.Age = time.Since(told)
		reading.Calls, last, due = 0, time.Now(), false
		mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.db.RecordAPIUse(ctx, connectionID, r); err != nil {
			c.log.Warn("storing the API use", "connection_id", connectionID, "err", err)
		}
	}
	return func(u salesforce.Usage) {
		mu.Lock()
		reading.Used, reading.Limit, reading.Calls, told = u.Used, u.Limit, reading.Calls+1, time.Now()
		now := !due && time.Since(last) >= usageInterval
		if !now && !due {
			due = true
			time.AfterFunc(usageInterval, store)
		}
		mu.Unlock()
		if now {
			store()
		}
	}
}
