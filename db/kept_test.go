package db_test

import (
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
)

// TestKeptStatementAfterAChange has a table get another column type under a session that keeps a statement on it, as when a newer program migrates the database while an older one runs. The
// statement answers nevertheless, and is prepared anew.
func TestKeptStatementAfterAChange(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	exec(t, d, `CREATE TABLE public.changing (id bigint PRIMARY KEY, n int)`)
	exec(t, d, `INSERT INTO public.changing VALUES (1, 7)`)
	if err := d.Pinned(t.Context(), func(c *db.Conn) error {
		ask := func() (n string, err error) {
			return n, c.Get(t.Context(), &n, db.Kept(`SELECT n::text FROM (SELECT n FROM public.changing WHERE id = $1) x`), 1)
		}
		for range 2 {
			if n, err := ask(); err != nil || n != "7" {
				t.Errorf("got %q, %v", n, err)
			}
		}
		var kept int
		if err := c.Get(t.Context(), &kept, `SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%public.changing%'`); err != nil || kept != 1 {
			t.Errorf("%d statements are kept: %v", kept, err)
		}
		whole := func() error {
			var row struct {
				ID int64
				N  string
			}
			return c.Get(t.Context(), &row, db.Kept(`SELECT id, n FROM public.changing WHERE id = $1`), 1)
		}
		if err := whole(); err != nil {
			t.Error(err)
		}
		if _, err := c.Exec(t.Context(), `ALTER TABLE public.changing ALTER n TYPE text`); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := whole(); err != nil {
				t.Error(err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestPasswordsOfServers are hashed at full cost, unlike those of tests.
func TestPasswordsOfServers(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Options{URL: dbtest.NewURL(t), SecretKey: dbtest.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u := newUser(t, d, "ann@example.com", db.RoleAdmin)
	if !get[bool](t, d, `SELECT password_hash LIKE '$argon2id$v=19$m=65536,t=3,p=1$%' FROM millrace.users WHERE id = $1`, u.ID) {
		t.Error("the hash is of another cost")
	}
	if _, err := d.Authenticate(t.Context(), u.Email, goodPassword, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}
