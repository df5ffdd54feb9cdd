package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ThrottledError says that a sign-in came too soon after failed ones.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed sign-ins; try again in %s", e.RetryAfter.Round(time.Second))
}

// brake is how failed sign-ins slow further ones down: free ones first, then a wait that doubles up to a limit. Nothing is ever locked: the right
// password works after the longest wait at the latest. An hour without a try forgets everything.
type brake struct {
	free  int
	first time.Duration
	limit time.Duration
}

var (
	accountBrake = brake{free: 5, first: time.Second, limit: time.Minute}
	networkBrake = brake{free: 20, first: time.Second, limit: 15 * time.Minute}
)

// accountKey hides the address: what is typed there is sometimes a password.
func accountKey(email string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(email))))
	return "account:" + hex.EncodeToString(sum[:16])
}

// network returns the block that an address belongs to: /24 of IPv4, /64 of IPv6, which is what one customer of a provider has.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}

// spend takes one try under key before the password is looked at, so that many tries at once count as many. It returns a *ThrottledError when it is
// too early for one. The moment that counts is the one at which the row is free: a statement that has waited for another try would else, by its own
// now(), come before the moment that the other has just stored.
func (d *DB) spend(ctx context.Context, key string, b brake) error {
	var failures int
	err := d.pool.GetContext(ctx, &failures, `
		INSERT INTO millrace.sign_in_failures AS f (key, failures, next_allowed_at) VALUES ($1, 1, now())
		ON CONFLICT (key) DO UPDATE SET
		    failures = CASE WHEN f.updated_at < now() - interval '1 hour' THEN 1 ELSE f.failures + 1 END,
		    next_allowed_at = now() + CASE
		        WHEN f.updated_at < now() - interval '1 hour' OR f.failures + 1 < $2 THEN interval '0'
		        ELSE make_interval(secs => least($4::float8, $3 * 2 ^ least(f.failures + 1 - $2, 30))) END,
		    updated_at = now()
		WHERE f.next_allowed_at <= clock_timestamp()
		RETURNING failures`, key, b.free, b.first.Seconds(), b.limit.Seconds())
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var seconds float64
	err = d.pool.GetContext(ctx, &seconds, `
		SELECT extract(epoch FROM next_allowed_at - now())::float8 FROM millrace.sign_in_failures WHERE key = $1`, key)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return &ThrottledError{RetryAfter: time.Duration(max(seconds, 1) * float64(time.Second))}
}

// forgive takes back the tries under account and the one try under network after a success, and remembers the network as one from which this
// person signs in.
func (d *DB) forgive(ctx context.Context, userID int64, accountKey, networkKey, from string) error {
	_, err := d.pool.ExecContext(ctx, `
		WITH account AS (DELETE FROM millrace.sign_in_failures WHERE key = $2),
		     network AS (UPDATE millrace.sign_in_failures SET failures = greatest(failures - 1, 0), next_allowed_at = now() WHERE key = $3),
		     old     AS (DELETE FROM millrace.sign_in_failures WHERE updated_at < now() - interval '1 day' AND key NOT IN ($2, $3))
		INSERT INTO millrace.user_networks (user_id, network) VALUES ($1, $4)
		ON CONFLICT (user_id, network) DO UPDATE SET last_used_at = now()`, userID, accountKey, networkKey, from)
	return err
}

// knownNetwork reports whether the person has signed in from the network within the last 90 days. Failed tries from elsewhere do not slow those
// from there down: a stranger cannot keep the owner out.
func (d *DB) knownNetwork(ctx context.Context, userID int64, from string) (bool, error) {
	var known bool
	err := d.pool.GetContext(ctx, &known, `
		SELECT EXISTS (SELECT FROM millrace.user_networks WHERE user_id = $1 AND network = $2 AND last_used_at > now() - interval '90 days')`, userID, from)
	return known, err
}
