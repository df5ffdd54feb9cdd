package db_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
)

func newSession(t *testing.T, d *db.DB, userID int64) string {
	t.Helper()
	id, err := d.StartSession(t.Context(), userID, "192.0.2.1", "Browser\x00 \xff"+strings.Repeat("é", 500))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *db.DB, db.User, string, db.Session) error{
		"signed out": func(t *testing.T, d *db.DB, _ db.User, id string, _ db.Session) error {
			return d.EndSession(t.Context(), id)
		},
		"by its owner": func(t *testing.T, d *db.DB, u db.User, _ string, s db.Session) error {
			return d.EndSessionByHash(t.Context(), u.ID, s.Hash)
		},
		"all of a user": func(t *testing.T, d *db.DB, u db.User, _ string, _ db.Session) error {
			return d.EndUserSessions(t.Context(), u.ID, "")
		},
		"new password": func(t *testing.T, d *db.DB, u db.User, _ string, _ db.Session) error {
			return d.SetPassword(t.Context(), u.ID, "another-long-one")
		},
		"disabled": func(t *testing.T, d *db.DB, u db.User, _ string, _ db.Session) error {
			return d.DisableUser(t.Context(), u.ID)
		},
		"idle": func(t *testing.T, d *db.DB, _ db.User, _ string, _ db.Session) error {
			exec(t, d, `UPDATE millrace.sessions SET last_seen_at = now() - interval '31 minutes'`)
			return nil
		},
		"old": func(t *testing.T, d *db.DB, _ db.User, _ string, _ db.Session) error {
			exec(t, d, `UPDATE millrace.sessions SET created_at = now() - interval '721 minutes'`)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			newUser(t, d, "admin@example.com", db.RoleAdmin)
			u := newUser(t, d, "bob@example.com", db.RoleViewer)
			id := newSession(t, d, u.ID)
			s, who, err := d.Session(t.Context(), id)
			if err != nil || who.ID != u.ID || who.Email != u.Email || s.UserID != u.ID || len(s.UserAgent) > 300 {
				t.Fatalf("got %+v, %+v, %v", s, who, err)
			}
			if err := end(t, d, u, id, s); err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.Session(t.Context(), id); !errors.Is(err, db.ErrNoSession) {
				t.Errorf("got %v", err)
			}
			if list, err := d.UserSessions(t.Context(), u.ID); len(list) != 0 || err != nil {
				t.Errorf("listed: %v, %v", list, err)
			}
		})
	}
}

func TestSessionsAreTheirOwners(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ann, bob := newUser(t, d, "ann@example.com", db.RoleAdmin), newUser(t, d, "bob@example.com", db.RoleViewer)
	keep, other, bobs := newSession(t, d, ann.ID), newSession(t, d, ann.ID), newSession(t, d, bob.ID)
	s, _, err := d.Session(t.Context(), keep)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EndSessionByHash(t.Context(), bob.ID, s.Hash); err != nil {
		t.Fatal(err)
	}
	if err := d.EndUserSessions(t.Context(), ann.ID, keep); err != nil {
		t.Fatal(err)
	}
	for id, alive := range map[string]bool{keep: true, other: false, bobs: true, s.Hash: false} {
		if _, _, err := d.Session(t.Context(), id); (err == nil) != alive {
			t.Errorf("alive %t: got %v", alive, err)
		}
	}
	if stored := get[int](t, d, `SELECT count(*) FROM millrace.sessions WHERE encode(id_hash, 'escape') LIKE '%' || $1 || '%'`, keep); stored != 0 {
		t.Error("a session's id is stored in plain")
	}
}

func TestSessionUseIsNotedOncePerMinute(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	id := newSession(t, d, newUser(t, d, "ann@example.com", db.RoleAdmin).ID)
	for _, c := range []struct {
		ago  string
		want bool
	}{{"30 seconds", false}, {"2 minutes", true}} {
		exec(t, d, `UPDATE millrace.sessions SET last_seen_at = now() - $1::interval`, c.ago)
		if _, _, err := d.Session(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := get[bool](t, d, `SELECT last_seen_at > now() - interval '20 seconds' FROM millrace.sessions`); got != c.want {
			t.Errorf("seen %s ago: noted %t", c.ago, got)
		}
	}
}

func TestOAuthFlow(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	flow := db.OAuthFlow{Environment: "sandbox", LoginURL: "https://test.salesforce.com", ClientID: "id", ClientSecret: "canary-secret", Verifier: "canary-verifier"}
	start := func() string {
		state, err := d.StartOAuthFlow(t.Context(), "session", flow)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := start()
	if got := get[int](t, d, `SELECT count(*) FROM millrace.oauth_flows f WHERE f::text LIKE '%canary%' OR encode(verifier_sealed, 'escape') LIKE '%canary%'`); got != 0 {
		t.Error("a secret is stored in plain")
	}
	for name, c := range map[string][2]string{"other session": {"other", state}, "no session": {"", state}, "no state": {"session", ""}, "wrong state": {"session", "x"}} {
		if _, err := d.TakeOAuthFlow(t.Context(), c[0], c[1]); !errors.Is(err, db.ErrNoFlow) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := d.TakeOAuthFlow(t.Context(), "session", state)
			switch {
			case err == nil && got == flow:
				won.Add(1)
			case !errors.Is(err, db.ErrNoFlow):
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("taken %d times", won.Load())
	}
	old := start()
	exec(t, d, `UPDATE millrace.oauth_flows SET created_at = now() - interval '601 seconds'`)
	if _, err := d.TakeOAuthFlow(t.Context(), "session", old); !errors.Is(err, db.ErrNoFlow) {
		t.Errorf("old: got %v", err)
	}
}
