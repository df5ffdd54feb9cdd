package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"

	"millrace/db"
	"millrace/settings"
)

var secretKey = bytes.Repeat([]byte("b"), 32)

// filter selects every account of the org.
const filter = "Name != null"

// database is a fresh database with the app's schema, one connection and its settings.
type database struct {
	url        string
	name       string
	admin      *sqlx.DB
	own        *sqlx.DB // nil until connect
	connection int64
}

func newDatabase(ctx context.Context, server string, o *org) (*database, error) {
	admin, err := sqlx.ConnectContext(ctx, "postgres", server)
	if err != nil {
		return nil, err
	}
	d := &database{admin: admin, name: fmt.Sprintf("bench_%d", time.Now().UnixNano())}
	if _, err := admin.ExecContext(ctx, `CREATE DATABASE `+d.name); err != nil {
		return nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.url = u.String()
	if err := d.fill(ctx, o); err != nil {
		d.drop()
		return nil, err
	}
	// Each measurement begins right after a checkpoint.
	_, err = admin.ExecContext(ctx, `CHECKPOINT`)
	return d, err
}

// fill makes the schema, the connection and its settings, which queue the first run.
func (d *database) fill(ctx context.Context, o *org) error {
	store, err := db.Open(ctx, db.Options{URL: d.url, SecretKey: secretKey})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	if err := store.CheckSecretKey(ctx); err != nil {
		return err
	}
	user, err := store.CreateUser(ctx, "bench@example.com", "Bench", strings.Repeat("long and dull ", 3), db.RoleAdmin)
	if err != nil {
		return err
	}
	c, err := store.SaveConnection(ctx, db.NewConnection{
		Name: "Bench", Environment: "demo", LoginURL: o.address, ClientID: o.clientID, ClientSecret: o.clientSecret,
		OrgID: "00D000000000001AAA", By: user.ID, Grant: db.Grant{AccessToken: o.token, InstanceURL: o.address},
	})
	if err != nil {
		return err
	}
	d.connection = c.ID
	s := settings.Defaults()
	s.Accounts.Single = filter
	_, _, err = store.SaveSettings(ctx, c.ID, 0, s, "", user.ID)
	return err
}

// connect returns a pool on the database itself, the same one each time.
func (d *database) connect(ctx context.Context) (*sqlx.DB, error) {
	if d.own == nil {
		own, err := sqlx.ConnectContext(ctx, "postgres", d.url)
		if err != nil {
			return nil, err
		}
		d.own = own
	}
	return d.own, nil
}

func (d *database) drop() {
	if d.own != nil {
		_ = d.own.Close()
	}

	_, _ = d.admin.Exec(`DROP DATABASE ` + d.name + ` WITH (FORCE)`) // the whole server goes soon
	_ = d.admin.Close()
}
