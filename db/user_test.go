package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/db/dbtest"
)

const goodPassword = "tree-river-stone"

func newUser(t *testing.T, d *db.DB, email string, role db.Role) db.User {
	t.Helper()
	u, err := d.CreateUser(t.Context(), email, "Ann Example", goodPassword, role)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// exec runs a statement that no method offers, such as making time pass.
func exec(t *testing.T, d *db.DB, query string, args ...any) {
	t.Helper()
	if err := d.Pinned(t.Context(), func(c *db.Conn) error {
		_, err := c.Exec(t.Context(), query, args...)
		return err
	}); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func get[T any](t *testing.T, d *db.DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := d.Pinned(t.Context(), func(c *db.Conn) error { return c.Get(t.Context(), &v, query, args...) }); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestCreateUserRefusals(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	newUser(t, d, "ann@example.com", db.RoleAdmin)
	var weak *db.PasswordError
	for _, c := range []struct {
		email, password string
		is              func(error) bool
	}{
		{"ANN@example.com", goodPassword, func(err error) bool { return errors.Is(err, db.ErrEmailTaken) }},
		{"nobody", goodPassword, func(err error) bool { return errors.Is(err, db.ErrBadEmail) }},
		{"Bob <bob@example.com>", goodPassword, func(err error) bool { return errors.Is(err, db.ErrBadEmail) }},
		{"bob@example.com", "password1", func(err error) bool { return errors.As(err, &weak) }},
	} {
		if _, err := d.CreateUser(t.Context(), c.email, "", c.password, db.RoleViewer); !c.is(err) {
			t.Errorf("%s: got %v", c.email, err)
		}
	}
	if n, err := d.UserCount(t.Context()); n != 1 || err != nil {
		t.Errorf("%d users, %v", n, err)
	}
}

func TestWeakPasswords(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"short", "password", "P@ssw0rd!", "Password123", "iloveyou2", "qwertyuiop", "1q2w3e4r", "12345678", "19870412", "aaaaaaaa", "abcabcabc",
		"letmein99", "Welcome2024!", "monkeymonkey", "abcdefgh", "87654321", "asdfghjkl;", "Liverpool1", "!!Summer2025!!", "salesforce1", "ann.smith1",
		strings.Repeat("x7", 65), "bad\xffutf8"} {
		if err := db.CheckNewPassword(p, "ann.smith@example.com", "Ann Smith"); err == nil {
			t.Errorf("%q was accepted", p)
		}
	}
	for _, p := range []string{goodPassword, "correct horse battery staple", "g7#kQ2!vX", "мойдлинныйпароль", "kleiner-Fluss-7", "passwords are not enough alone"} {
		if err := db.CheckNewPassword(p, "ann.smith@example.com", "Ann Smith"); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	admin := newUser(t, d, "ann@example.com", db.RoleAdmin)
	viewer := newUser(t, d, "bob@example.com", db.RoleViewer)
	if u, err := d.Authenticate(t.Context(), " Ann@Example.com", goodPassword, "192.0.2.1"); err != nil || u.ID != admin.ID {
		t.Errorf("got %v, %v", u, err)
	}
	if err := d.DisableUser(t.Context(), viewer.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"ann@example.com", "wrong"}, {"nobody@example.com", goodPassword}, {"bob@example.com", goodPassword}, {"ann@example.com", strings.Repeat("x", 10_000)}} {
		if _, err := d.Authenticate(t.Context(), c[0], c[1], "192.0.2.1"); !errors.Is(err, db.ErrBadCredentials) {
			t.Errorf("%s: got %v", c[0], err)
		}
	}
	if got := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'session'`); got != 5 {
		t.Errorf("%d audit rows, want 5", got)
	}
	if err := d.DisableUser(t.Context(), admin.ID); !errors.Is(err, db.ErrLastAdmin) {
		t.Errorf("last admin: got %v", err)
	}
}

func TestThrottlePerAccount(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	newUser(t, d, "ann@example.com", db.RoleAdmin)
	if _, err := d.Authenticate(t.Context(), "ann@example.com", goodPassword, "198.51.100.9"); err != nil { // the owner's network is known from here on
		t.Fatal(err)
	}
	var refused, throttled atomic.Int32
	var wg sync.WaitGroup
	for i := range 12 { // at once, each from a network of its own
		wg.Go(func() {
			_, err := d.Authenticate(t.Context(), "ann@example.com", "wrong", fmt.Sprintf("10.%d.0.1", i))
			var wait *db.ThrottledError
			switch {
			case errors.As(err, &wait):
				throttled.Add(1)
				if wait.RetryAfter <= 0 || wait.RetryAfter > time.Minute {
					t.Errorf("wait of %s", wait.RetryAfter)
				}
			case errors.Is(err, db.ErrBadCredentials):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if refused.Load() < 5 || throttled.Load() == 0 {
		t.Errorf("%d refused, %d throttled; want the first five refused and others throttled", refused.Load(), throttled.Load())
	}
	exec(t, d, `UPDATE millrace.sign_in_failures SET next_allowed_at = now() + interval '1 minute' WHERE key LIKE 'account:%'`)
	var wait *db.ThrottledError
	if _, err := d.Authenticate(t.Context(), "ann@example.com", goodPassword, "203.0.113.5"); !errors.As(err, &wait) {
		t.Errorf("right password from an unknown network too soon: got %v", err)
	}
	if _, err := d.Authenticate(t.Context(), "ann@example.com", goodPassword, "198.51.100.77"); err != nil {
		t.Errorf("the owner, from a known network: %v", err)
	}
	exec(t, d, `UPDATE millrace.sign_in_failures SET next_allowed_at = now() - interval '1 second'`)
	if _, err := d.Authenticate(t.Context(), "ann@example.com", goodPassword, "203.0.113.5"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if got := get[int](t, d, `SELECT count(*) FROM millrace.sign_in_failures WHERE key LIKE 'account:%' AND key NOT LIKE '% from %'`); got != 0 {
		t.Error("a success did not clear the account's failures")
	}
}

// TestThrottleWaitsForNobody has two first tries from one network meet: the second began before the first was written down, and goes on after it.
func TestThrottleWaitsForNobody(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	const key = `'network:192.0.2.0/24'`
	exec(t, d, `INSERT INTO millrace.sign_in_failures (key, failures, next_allowed_at) VALUES (`+key+`, 0, now())`)
	answer := make(chan error, 1)
	if err := d.Transact(t.Context(), func(tx *sqlx.Tx) error {
		if _, err := tx.Exec(`SELECT FROM millrace.sign_in_failures WHERE key = ` + key + ` FOR UPDATE`); err != nil {
			return err
		}
		go func() {
			_, err := d.Authenticate(t.Context(), "second@example.com", "wrong", "192.0.2.7")
			answer <- err
		}()
		const waiting = `SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`
		for began, n := time.Now(), 0; n == 0; time.Sleep(10 * time.Millisecond) {
			if err := tx.Get(&n, waiting); err != nil {
				return err
			}
			if time.Since(began) > 10*time.Second {
				t.Error("nobody waits for the row")
				break
			}
		}
		_, err := tx.Exec(`UPDATE millrace.sign_in_failures SET failures = 1, next_allowed_at = clock_timestamp() WHERE key = ` + key)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, db.ErrBadCredentials) {
		t.Errorf("the second of two first tries: %v", err)
	}
}

func TestThrottlePerNetworkGrows(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	last := time.Duration(0)
	exec(t, d, `INSERT INTO millrace.sign_in_failures (key, failures, next_allowed_at) VALUES ('network:192.0.2.0/24', 19, now())`)
	for i := range 4 {
		if _, err := d.Authenticate(t.Context(), fmt.Sprintf("u%d@example.com", i), "wrong", "192.0.2.7"); !errors.Is(err, db.ErrBadCredentials) {
			t.Fatal(err)
		}
		// The pause begins anew: checking the password may have taken longer than it.
		exec(t, d, `UPDATE millrace.sign_in_failures SET next_allowed_at = now() + (next_allowed_at - updated_at)`)
		_, err := d.Authenticate(t.Context(), "other@example.com", "wrong", "192.0.2.200")
		var wait *db.ThrottledError
		if !errors.As(err, &wait) || wait.RetryAfter < last {
			t.Fatalf("after %s: got %v", last, err)
		}
		last = wait.RetryAfter
		exec(t, d, `UPDATE millrace.sign_in_failures SET next_allowed_at = now()`)
	}
	if last < 5*time.Second {
		t.Errorf("the wait has only grown to %s", last)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "host": "unknown"} {
		if got := db.Network(ip); got != want {
			t.Errorf("%q: got %s, want %s", ip, got, want)
		}
	}
}

func TestHashingGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.CreateUser(ctx, "ann@example.com", "", goodPassword, db.RoleAdmin); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSetupLink(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first, err := d.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := d.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := d.SetupLinkValid(t.Context(), first); ok || err != nil {
		t.Errorf("the earlier link: %v, %v", ok, err)
	}
	var weak *db.PasswordError
	if _, err := d.RedeemSetupLink(t.Context(), token, "ann@example.com", "Ann", "12345678"); !errors.As(err, &weak) {
		t.Errorf("weak password: got %v", err)
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			u, err := d.RedeemSetupLink(t.Context(), token, fmt.Sprintf("u%d@example.com", i), "", goodPassword)
			switch {
			case err == nil && u.Role == db.RoleAdmin:
				won.Add(1)
			case !errors.Is(err, db.ErrSetupLink):
				t.Errorf("got %v, %v", u, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d admins were made", won.Load())
	}
	if _, err := d.NewSetupLink(t.Context()); !errors.Is(err, db.ErrSetupLink) {
		t.Errorf("a link after the first user: got %v", err)
	}
}

// TestUnknownUsersCostAsMuch has the password of an address that nobody has be hashed as that of any other: an answer that comes sooner would tell who has an account.
func TestUnknownUsersCostAsMuch(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	newUser(t, d, "ann@example.com", db.RoleAdmin)
	letGo := d.TakeHashing()
	answers := make(chan error, 2)
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		go func() {
			_, err := d.Authenticate(t.Context(), email, "not "+goodPassword, "203.0.113.7")
			answers <- err
		}()
	}
	left := 2
	select {
	case err := <-answers:
		t.Errorf("an answer came without a hash: %v", err)
		left--
	case <-time.After(time.Second / 2):
	}
	letGo()
	for range left {
		if err := <-answers; !errors.Is(err, db.ErrBadCredentials) {
			t.Error(err)
		}
	}
}
