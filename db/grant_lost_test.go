package db_test

import (
	"context"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
)

// renewing is the condition on pg_stat_activity that a session waits for Salesforce to renew a grant.
const renewing = `datname = current_database() AND pg_stat_activity.state = 'idle in transaction' AND application_name LIKE 'millrace renewing%'`

// TestRenewedGrantOutlivesItsConnection loses the connection to Postgres when Salesforce has spent the refresh token: its successor is stored on another one, unless the org was connected anew meanwhile.
func TestRenewedGrantOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	lose := func() {
		t.Helper()
		if n := get[int](t, d, `SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE `+renewing); n != 1 {
			t.Errorf("%d sessions were ended, want the one of the exchange", n)
		}
	}
	g, err := d.RefreshGrant(t.Context(), c.ID, 1, func(context.Context, db.Grant) (db.Grant, error) {
		lose()
		return db.Grant{AccessToken: "a2", RefreshToken: "r2"}, nil
	})
	if err != nil || g.RefreshToken != "r2" || g.Version != 2 {
		t.Errorf("got %+v, %v", g, err)
	}
	if g, err := d.Grant(t.Context(), c.ID); err != nil || g.RefreshToken != "r2" || g.Version != 2 {
		t.Errorf("stored is %+v, %v", g, err)
	}
	g, err = d.RefreshGrant(t.Context(), c.ID, 2, func(context.Context, db.Grant) (db.Grant, error) {
		lose()
		if _, err := d.SaveConnection(t.Context(), newConnection(u.ID, org1)); err != nil {
			t.Error(err)
		}
		return db.Grant{AccessToken: "a4", RefreshToken: "r4"}, nil
	})
	if err != nil || g.RefreshToken != "canary-refresh-1" || g.Version != 3 {
		t.Errorf("after the org was connected anew: %+v, %v", g, err)
	}
}

// TestRenewalIsNotEnded lets the lease of a process run out while it waits for Salesforce to renew a grant: whoever takes over leaves that transaction alone.
func TestRenewalIsNotEnded(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	slow, heir := dbtest.Open(t, db.Options{URL: url, Owner: "slow"}), dbtest.Open(t, db.Options{URL: url, Owner: "heir"})
	u := newUser(t, slow, "ann@example.com", db.RoleAdmin)
	c, err := slow.SaveConnection(t.Context(), newConnection(u.ID, org1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := slow.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := slow.RequestRun(t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, &u.ID); err != nil {
		t.Fatal(err)
	}
	if run, err := slow.Claim(t.Context(), "slow", time.Hour); err != nil || run == nil {
		t.Fatal(run, err)
	}
	g, err := slow.RefreshGrant(t.Context(), c.ID, 1, func(context.Context, db.Grant) (db.Grant, error) {
		exec(t, heir, `UPDATE millrace.runs SET lease_until = clock_timestamp()`)
		// The session says that it waits some moments after it has answered.
		underWay := `SELECT count(*) FROM pg_stat_activity, millrace.runs WHERE ` + renewing + ` AND wait_event_type = 'Client' AND xact_start < lease_until`
		for began := time.Now(); get[int](t, heir, underWay) != 1; time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Error("no exchange is under way")
				break
			}
		}
		if n, err := heir.EndLapsed(t.Context(), "heir"); n != 0 || err != nil {
			t.Errorf("%d transactions were ended: %v", n, err)
		}
		return db.Grant{AccessToken: "a2", RefreshToken: "r2"}, nil
	})
	if err != nil || g.RefreshToken != "r2" {
		t.Errorf("got %+v, %v", g, err)
	}
	if n := get[int](t, heir, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'millrace renewing%'`); n != 0 {
		t.Errorf("%d sessions still bear the name of an exchange", n)
	}
}
