package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"millrace/config"
	"millrace/db"
	"millrace/db/private"
)

// database is the open database of a command and, unless the operator named one, the private Postgres behind it.
type database struct {
	*db.DB
	url string
	own *ownPostgres // nil when the operator named a database
}

// openDatabase opens the database that c names, starting the private Postgres when it names none.
func openDatabase(ctx context.Context, c config.Server) (*database, error) {
	d := &database{url: c.DatabaseURL}
	if d.url == "" {
		own, err := startOwnPostgres(ctx, private.Options{Dir: filepath.Join(c.DataDir, "postgres"), BinDir: c.PostgresBin})
		if err != nil {
			return nil, err
		}
		d.own, d.url = own, own.server.URL()
	}
	key := c.SecretKeyBytes()
	if len(key) == 0 { // a command that neither seals nor opens a secret
		key = make([]byte, 32)
		rand.Read(key)
	}
	var err error
	if d.DB, err = db.Open(ctx, db.Options{URL: d.url, SecretKey: key, Owner: ownerName()}); err != nil {
		d.stopOwn()
		return nil, err
	}
	return d, nil
}

// close closes the pool and stops the private Postgres.
func (d *database) close() {
	if err := d.Close(); err != nil {
		slog.Error("closing the database", "err", err)
	}
	d.stopOwn()
}

func (d *database) stopOwn() {
	if d.own != nil {
		d.own.stop()
	}
}

// keep holds the private Postgres up until ctx ends.
func (d *database) keep(ctx context.Context, log *slog.Logger) error {
	if d.own == nil {
		return nil
	}
	return d.own.keep(ctx, log)
}

// prepareToServe brings the schema up to date and refuses a secret key that does not open what is stored.
func (d *database) prepareToServe(ctx context.Context) error {
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	return d.CheckSecretKey(ctx)
}

// ownPostgres is the private Postgres of this process.
type ownPostgres struct {
	options private.Options
	mu      sync.Mutex
	server  *private.Server
}

// restartPatience is how long the private Postgres may fail to start again before the app gives up.
const restartPatience = time.Minute

func startOwnPostgres(ctx context.Context, o private.Options) (*ownPostgres, error) {
	server, err := private.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return &ownPostgres{options: o, server: server}, nil
}

// keep starts the server again whenever it ends by itself, at the same address, since the pool goes on with that. It returns an error when that cannot be
// done; the app then has no database and stops.
func (p *ownPostgres) keep(ctx context.Context, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.server.Exited():
		}
		if ctx.Err() != nil {
			return nil
		}
		log.Error("the private Postgres ended by itself; starting it again", "log", filepath.Join(p.options.Dir, "postgres.log"))
		if err := p.restart(ctx); err != nil {
			return err
		}
		log.Info("the private Postgres runs again")
	}
}

func (p *ownPostgres) restart(ctx context.Context) error {
	address := p.server.URL()
	p.stop()
	for deadline, pause := time.Now().Add(restartPatience), 100*time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		server, err := private.Start(ctx, p.options)
		if err == nil {
			p.mu.Lock()
			p.server = server
			p.mu.Unlock()
			if server.URL() != address {
				return fmt.Errorf("the private Postgres came back at another address, because its port is taken now; start the app again")
			}
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the private Postgres ended and does not start again: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (p *ownPostgres) stop() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		slog.Error("stopping the private Postgres", "err", err)
	}
}
