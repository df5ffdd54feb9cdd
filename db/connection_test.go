package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
)

func newConnection(by int64, orgID string) db.NewConnection {
	return db.NewConnection{Environment: "sandbox", LoginURL: "https://test.salesforce.com", ClientID: "client", ClientSecret: "canary-client-secret",
		OrgID: orgID, OrgName: "Acme", IsSandbox: true, UserID: "005000000000001AAA", Username: "ann@acme.test", DisplayName: "Ann",
		Grant: db.Grant{AccessToken: "canary-access-1", RefreshToken: "canary-refresh-1", InstanceURL: "https://acme.my.salesforce.com"}, By: by}
}

const (
	org1 = "00D000000000001AAA"
	org2 = "00D000000000002AAA"
)

// connected returns a database with an admin and a connection.
func connected(t *testing.T) (*db.DB, db.User, db.Connection) {
	t.Helper()
	d := dbtest.New(t)
	u := newUser(t, d, "ann@example.com", db.RoleAdmin)
	c, err := d.SaveConnection(t.Context(), newConnection(u.ID, org1))
	if err != nil {
		t.Fatal(err)
	}
	return d, u, c
}

func TestSaveConnection(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if c.Name != "Acme" || c.Status != db.StatusConnected || c.ConnectedBy == nil || *c.ConnectedBy != u.ID {
		t.Errorf("got %+v", c)
	}
	parts := get[int](t, d, `SELECT count(*) FROM pg_inherits WHERE inhrelid::regclass::text ~ ('^(millrace\.)?(sf_users|accounts|contacts|opportunities)_' || $1 || '$')`, c.ID)
	if parts != 4 {
		t.Errorf("%d parts, want 4", parts)
	}
	again := newConnection(u.ID, org1)
	again.Grant = db.Grant{AccessToken: "a2", RefreshToken: "r2", InstanceURL: "https://new.my.salesforce.com"}
	if err := d.MarkNeedsReconnect(t.Context(), c.ID, 0, "refused"); err != nil {
		t.Fatal(err)
	}
	same, err := d.SaveConnection(t.Context(), again)
	if err != nil || same.ID != c.ID || same.Status != db.StatusConnected || same.StatusReason != "" {
		t.Errorf("same org again: %+v, %v", same, err)
	}
	g, err := d.Grant(t.Context(), c.ID)
	if err != nil || g.AccessToken != "a2" || g.RefreshToken != "r2" || g.Version != 2 {
		t.Errorf("got %+v, %v", g, err)
	}
	other := newConnection(u.ID, org2)
	other.OrgName, other.Replace = "Globex", &c.ID
	var mismatch *db.OrgMismatchError
	if _, err := d.SaveConnection(t.Context(), other); !errors.As(err, &mismatch) || mismatch.Existing != "Acme" || mismatch.Got != "Globex" {
		t.Errorf("other org over this one: %v", err)
	}
	if all, err := d.Connections(t.Context()); len(all) != 1 || err != nil {
		t.Errorf("something was stored: %v, %v", all, err)
	}
	missing := c.ID + 100
	other.Replace = &missing
	if _, err := d.SaveConnection(t.Context(), other); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("replacing nothing: %v", err)
	}
}

func TestTwoSignInsToOneOrgMakeOneConnection(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	u := newUser(t, d, "ann@example.com", db.RoleAdmin)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := d.SaveConnection(t.Context(), newConnection(u.ID, org1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all, err := d.Connections(t.Context()); len(all) != 1 || err != nil {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestSecretsAreNotStoredInPlain(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	if _, err := d.RefreshGrant(t.Context(), c.ID, 1, func(context.Context, db.Grant) (db.Grant, error) {
		return db.Grant{AccessToken: "canary-access-2", RefreshToken: "canary-refresh-2"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"connections", "audit_log", "oauth_flows", "key_check", "users", "sessions"} {
		found := get[int](t, d, `SELECT count(*) FROM millrace.`+table+` x WHERE x::text LIKE '%canary%' OR x::text LIKE '%' || encode('canary', 'hex') || '%'`)
		if found != 0 {
			t.Errorf("%s holds a secret in plain", table)
		}
	}
	login, id, secret, err := d.ConnectionApp(t.Context(), c.ID)
	if err != nil || login != "https://test.salesforce.com" || id != "client" || secret != "canary-client-secret" {
		t.Errorf("got %q %q %q %v", login, id, secret, err)
	}
}

func TestRefreshGrantSpendsTheTokenOnce(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	url := dbtest.URLOf(t, d)
	replica := dbtest.Open(t, db.Options{URL: url})
	var exchanges atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		on := []*db.DB{d, replica}[i%2]
		wg.Go(func() {
			g, err := on.RefreshGrant(t.Context(), c.ID, 1, func(_ context.Context, stored db.Grant) (db.Grant, error) {
				exchanges.Add(1)
				if stored.RefreshToken != "canary-refresh-1" {
					t.Errorf("exchanged %q", stored.RefreshToken)
				}
				return db.Grant{AccessToken: "a2", RefreshToken: "r2"}, nil
			})
			if err != nil || g.AccessToken != "a2" || g.RefreshToken != "r2" || g.Version != 2 || g.InstanceURL != "https://acme.my.salesforce.com" {
				t.Errorf("got %+v, %v", g, err)
			}
		})
	}
	wg.Wait()
	if exchanges.Load() != 1 {
		t.Errorf("%d exchanges", exchanges.Load())
	}
	if !d.Unlocked(c.ID) {
		t.Error("the lock is still remembered")
	}
}

func TestRefreshGrantStoresWhatACallerWhoLeftHasSpent(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := d.RefreshGrant(ctx, c.ID, 1, func(context.Context, db.Grant) (db.Grant, error) {
		cancel() // the caller goes away while Salesforce rotates the token
		return db.Grant{AccessToken: "a2", RefreshToken: "r2"}, nil
	})
	if err != nil {
		t.Error(err)
	}
	if g, err := d.Grant(t.Context(), c.ID); err != nil || g.RefreshToken != "r2" {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestRefusedRefreshChangesNothing(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	refused := errors.New("invalid_grant")
	if _, err := d.RefreshGrant(t.Context(), c.ID, 1, func(context.Context, db.Grant) (db.Grant, error) { return db.Grant{}, refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if g, err := d.Grant(t.Context(), c.ID); err != nil || g.RefreshToken != "canary-refresh-1" || g.Version != 1 {
		t.Errorf("got %+v, %v", g, err)
	}
	if err := d.Disconnect(t.Context(), c.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grant(t.Context(), c.ID); !errors.Is(err, db.ErrDisconnected) {
		t.Errorf("disconnected: got %v", err)
	}
	if _, err := d.Grant(t.Context(), c.ID+100); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown: got %v", err)
	}
}

func TestWrongSecretKeyIsRefused(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	url := dbtest.URLOf(t, d)
	key := bytes.Repeat([]byte("n"), 40)
	open := func(o db.Options) *db.DB {
		o.URL = url
		n, err := db.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		return n
	}
	if err := open(db.Options{SecretKey: key}).CheckSecretKey(t.Context()); !errors.Is(err, db.ErrWrongSecretKey) {
		t.Fatalf("got %v", err)
	}
	if err := open(db.Options{SecretKey: key, OldSecretKeys: [][]byte{dbtest.SecretKey}}).CheckSecretKey(t.Context()); err != nil {
		t.Fatalf("rotation: %v", err)
	}
	alone := open(db.Options{SecretKey: key}) // the old key is forgotten
	if err := alone.CheckSecretKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g, err := alone.Grant(t.Context(), c.ID); err != nil || g.AccessToken != "canary-access-1" {
		t.Errorf("got %+v, %v", g, err)
	}
	if err := d.CheckSecretKey(t.Context()); !errors.Is(err, db.ErrWrongSecretKey) {
		t.Errorf("the old key after the rotation: %v", err)
	}
	if _, err := db.Open(t.Context(), db.Options{URL: url, SecretKey: []byte("short")}); err == nil || !strings.Contains(err.Error(), "at least 32") {
		t.Errorf("short key: %v", err)
	}
}

func TestSealedValuesDoNotOpenElsewhere(t *testing.T) {
	t.Parallel()
	for name, paste := range map[string]string{
		"another row":    `UPDATE millrace.connections SET access_token_sealed = (SELECT access_token_sealed FROM millrace.connections WHERE id <> $1 LIMIT 1) WHERE id = $1`,
		"row and key":    `UPDATE millrace.connections c SET data_key_sealed = o.data_key_sealed, access_token_sealed = o.access_token_sealed FROM millrace.connections o WHERE c.id = $1 AND o.id <> $1`,
		"another column": `UPDATE millrace.connections SET access_token_sealed = refresh_token_sealed WHERE id = $1`,
		"a changed byte": `UPDATE millrace.connections SET access_token_sealed = set_byte(access_token_sealed, 30, get_byte(access_token_sealed, 30) # 1) WHERE id = $1`,
		"cut short":      `UPDATE millrace.connections SET access_token_sealed = substr(access_token_sealed, 1, 20) WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, u, c := connected(t)
			if _, err := d.SaveConnection(t.Context(), newConnection(u.ID, org2)); err != nil {
				t.Fatal(err)
			}
			exec(t, d, paste, c.ID)
			if g, err := d.Grant(t.Context(), c.ID); err == nil || !strings.Contains(err.Error(), "does not open") {
				t.Errorf("got %+v, %v", g, err)
			}
		})
	}
}

func TestRenameConnectionAndAPIUse(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if err := d.RenameConnection(t.Context(), c.ID, "Europe", u.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordAPIUse(t.Context(), c.ID, db.APIReading{Used: 12, Limit: 15000}); err != nil {
		t.Fatal(err)
	}
	got, err := d.Connection(t.Context(), c.ID)
	if err != nil || got.Name != "Europe" || got.APIUsed == nil || *got.APIUsed != 12 || *got.APILimit != 15000 || got.APISeenAt == nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := d.RenameConnection(t.Context(), c.ID+100, "x", u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestChangedRecordsStayOnTheirPage has pages of synced records keep some room, so that a change of one writes none of the table's indexes.
func TestChangedRecordsStayOnTheirPage(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	for _, table := range []string{"contacts", "opportunities", "custom_records", "cases"} {
		columns, values := "connection_id, sf_id, first_seen_run, last_seen_run", "$1, '003' || lpad(i::text, 12, '0') || 'AAA', 1, 1"
		if table == "custom_records" {
			columns, values = columns+", object", values+", 'Thing__c'"
		}
		exec(t, d, `INSERT INTO millrace.`+table+` (`+columns+`) SELECT `+values+` FROM generate_series(1, 1000) i`, c.ID)
		err := d.Pinned(t.Context(), func(conn *db.Conn) error {
			if err := conn.Begin(t.Context()); err != nil {
				return err
			}
			if n, err := conn.Exec(t.Context(), `UPDATE millrace.`+table+` SET last_seen_run = 2, synced_at = now() WHERE connection_id = $1 AND sf_id = '003000000000007AAA'`, c.ID); err != nil || n != 1 {
				return errors.Join(err, fmt.Errorf("%d rows of %s were changed", n, table))
			}
			var stayed int64
			err := conn.Get(t.Context(), &stayed, `SELECT pg_stat_get_xact_tuples_hot_updated($1::regclass)`, fmt.Sprintf("millrace.%s_%d", table, c.ID))
			if err == nil && stayed != 1 {
				t.Errorf("the changed record of %s has left its page", table)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReconnectIsNotOverwritten has a refusal of an old grant arrive after a person has reconnected: the connection stays, and the run that met it goes on.
func TestReconnectIsNotOverwritten(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	r, err := d.Claim(t.Context(), "test", time.Hour)
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	refused, err := d.Grant(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SaveConnection(t.Context(), newConnection(u.ID, org1)); err != nil {
		t.Fatal(err)
	}
	if err := d.MarkNeedsReconnect(t.Context(), c.ID, refused.Version, "refused"); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(t.Context(), r.ID, r.Fence, db.Wait{Person: true, Grant: refused.Version, Reason: "refused"}); err != nil {
		t.Fatal(err)
	}
	now, err := d.Connection(t.Context(), c.ID)
	if err != nil || now.Status != db.StatusConnected {
		t.Errorf("the connection is %s, %v", now.Status, err)
	}
	if again, err := d.Claim(t.Context(), "test", time.Hour); err != nil || again == nil || again.ID != r.ID || again.WaitingReason != "" {
		t.Fatalf("the run does not go on: %+v, %v", again, err)
	}
	// The grant of now is refused too.
	current, err := d.Grant(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.MarkNeedsReconnect(t.Context(), c.ID, current.Version, "refused \x00 again"); err != nil {
		t.Fatal(err)
	}
	if now, err = d.Connection(t.Context(), c.ID); err != nil || now.Status != db.StatusNeedsReconnect {
		t.Errorf("the connection is %s, %v", now.Status, err)
	}
}
