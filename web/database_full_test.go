package web

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/db/dbtest"
)

// TestDatabaseWithoutConnections takes all of the app's connections to Postgres away: pages say so, and when to come again, until it has some.
func TestDatabaseWithoutConnections(t *testing.T) {
	t.Parallel()
	whole := dbtest.NewURL(t)
	raw, err := sqlx.Open("postgres", whole)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	exec := func(query string) {
		t.Helper()
		if _, err := raw.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	role := strings.ToLower("millrace_none_" + rand.Text()[:10])
	exec(`DO $$ BEGIN EXECUTE format('CREATE ROLE ` + role + ` LOGIN PASSWORD ''none'' CONNECTION LIMIT 10 IN ROLE %I', current_user); END $$`)
	t.Cleanup(func() { exec(`DROP ROLE ` + role) })
	address, err := url.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword(role, "none")
	a := newApp(t, func(o *Options) { o.DB = dbtest.Open(t, db.Options{URL: address.String()}) })
	b := a.as(a.viewer)
	b.get("/integrations").is(http.StatusOK)
	exec(`ALTER ROLE ` + role + ` CONNECTION LIMIT 0`)
	exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '` + role + `'`)
	p := b.get("/integrations").is(http.StatusServiceUnavailable)
	p.says("#failure", "Try again in a few seconds")
	if p.Header.Get("Retry-After") == "" {
		t.Error("the answer does not say when to come again")
	}
	exec(`ALTER ROLE ` + role + ` CONNECTION LIMIT 10`)
	b.get("/integrations").is(http.StatusOK)
}
