package db_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
)

const hook = "https://hooks.example.com/services/T0/B0/canary-of-the-address"

func newHook(t *testing.T, d *db.DB, u db.User) (id int64, secret string) {
	t.Helper()
	id, secret, err := d.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelWebhook, Name: "Pager", URL: hook, Shown: "https://hooks.example.com/…", FormKey: "f1"}, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret
}

// TestSecretsOfChannelsAreSealed looks for them in every row, rotates them, and opens them after the key of the installation has changed.
func TestSecretsOfChannelsAreSealed(t *testing.T) {
	t.Parallel()
	address := dbtest.NewURL(t)
	d := dbtest.Open(t, db.Options{URL: address})
	u := newUser(t, d, "ada@example.com", db.RoleAdmin)
	id, secret := newHook(t, d, u)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) < 40 {
		t.Fatalf("the secret is %q", secret)
	}
	next, err := d.RotateChannelSecret(t.Context(), id, 1, u.ID)
	if err != nil || next == secret {
		t.Fatal(next, err)
	}
	target, err := d.ChannelTarget(t.Context(), id)
	if err != nil || target.URL != hook || strings.Join(target.Secrets, " ") != next+" "+secret {
		t.Fatalf("opened as %+v, %v", target, err)
	}
	for _, table := range []string{"alert_channels", "audit_log", "alert_deliveries"} {
		dump := get[string](t, d, `SELECT coalesce(string_agg(r::text, chr(10)), '') FROM millrace.`+table+` r`)
		for _, canary := range []string{"canary-of-the-address", strings.TrimPrefix(secret, "whsec_"), strings.TrimPrefix(next, "whsec_")} {
			if strings.Contains(dump, canary) || strings.Contains(dump, hexOf(canary)) {
				t.Errorf("%s holds %q", table, canary)
			}
		}
	}
	changed := dbtest.Open(t, db.Options{URL: address, SecretKey: bytes.Repeat([]byte("n"), 32), OldSecretKeys: [][]byte{dbtest.SecretKey}})
	if again, err := changed.ChannelTarget(t.Context(), id); err != nil || again.URL != hook {
		t.Errorf("with another key: %+v, %v", again, err)
	}
	alone := dbtest.Open(t, db.Options{URL: address, SecretKey: bytes.Repeat([]byte("n"), 32)})
	if again, err := alone.ChannelTarget(t.Context(), id); err != nil || len(again.Secrets) != 2 {
		t.Errorf("once the old key is forgotten: %+v, %v", again, err)
	}
	if err := alone.EndOldSecret(t.Context(), id, 2, u.ID); err != nil {
		t.Fatal(err)
	}
	if target, err = alone.ChannelTarget(t.Context(), id); err != nil || strings.Join(target.Secrets, " ") != next {
		t.Errorf("after the end of the old secret: %+v, %v", target, err)
	}
	// A sealed value of one channel does not open in another.
	other, _, err := alone.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelSlack, Name: "Chat", URL: "https://chat.example.com/x"}, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE millrace.alert_channels SET url_sealed = (SELECT url_sealed FROM millrace.alert_channels WHERE id = $1) WHERE id = $2`, id, other)
	if _, err := alone.ChannelTarget(t.Context(), other); err == nil {
		t.Error("a pasted address opens")
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// TestChannelsOfTwoAdmins refuses the second change of what both have read, and makes one channel of a form that is sent twice.
func TestChannelsOfTwoAdmins(t *testing.T) {
	t.Parallel()
	d, u, _ := connected(t)
	id, _ := newHook(t, d, u)
	again, secret, err := d.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelWebhook, Name: "Pager", URL: hook, FormKey: "f1"}, u.ID)
	if !errors.Is(err, db.ErrSameForm) || again != id || secret != "" {
		t.Errorf("the same form: %d %q %v", again, secret, err)
	}
	if err := d.SaveAlertChannel(t.Context(), id, 1, db.NewChannel{Name: "Duty"}, u.ID); err != nil {
		t.Fatal(err)
	}
	var conflict *db.AlertConflictError
	for what, err := range map[string]error{
		"save":   d.SaveAlertChannel(t.Context(), id, 1, db.NewChannel{Name: "Other"}, u.ID),
		"switch": d.SwitchAlertChannel(t.Context(), id, 1, false, u.ID),
		"remove": d.RemoveAlertChannel(t.Context(), id, 1, u.ID),
	} {
		if !errors.As(err, &conflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if target, err := d.ChannelTarget(t.Context(), id); err != nil || target.URL != hook {
		t.Errorf("an address that was not entered anew is %q, %v", target.URL, err)
	}
	if err := d.RemoveAlertChannel(t.Context(), id, 2, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AlertChannel(t.Context(), id); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_channels WHERE url_sealed IS NULL AND secret_sealed IS NULL`); n != 1 {
		t.Error("the removed channel keeps its secrets")
	}
	all, err := d.AlertChannels(t.Context())
	if err != nil || len(all) != 0 {
		t.Errorf("listed: %v %v", all, err)
	}
}

func claim(t *testing.T, d *db.DB) *db.Delivery {
	t.Helper()
	n, err := d.ClaimDelivery(t.Context(), "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNoticesAreClaimedInOrder holds the order of one channel, takes over what was left behind, and refuses who comes too late.
func TestNoticesAreClaimedInOrder(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	slow := channel(t, d, u, "a@example.com")
	fast, _ := newHook(t, d, u)
	endedRun(t, d, c, "accounts", db.RunFailed)
	look(t, d, c)
	endedRun(t, d, c, "accounts", db.RunCompleted)
	look(t, d, c)
	one, two := claim(t, d), claim(t, d)
	if one == nil || two == nil || one.ChannelID != slow || two.ChannelID != fast || one.Kind != db.NoticeOpened || two.Kind != db.NoticeOpened {
		t.Fatalf("claimed %+v, %+v", one, two)
	}
	if third := claim(t, d); third != nil {
		t.Errorf("the end was claimed before the beginning is out: %+v", third)
	}
	if err := d.EndAttempt(t.Context(), *two, db.AttemptEnd{Delivered: true, Code: 204, Said: "ok"}); err != nil {
		t.Fatal(err)
	}
	if third := claim(t, d); third == nil || third.ChannelID != fast || third.Kind != db.NoticeRecovered || third.OpeningID != two.MessageID {
		t.Errorf("then %+v", third)
	}
	exec(t, d, `UPDATE millrace.alert_deliveries SET lease_until = now() - interval '1 second' WHERE id = $1`, one.ID)
	heir := claim(t, d)
	if heir == nil || heir.ID != one.ID || heir.MessageID != one.MessageID || heir.Attempts != 2 {
		t.Fatalf("taken over as %+v", heir)
	}
	if err := d.EndAttempt(t.Context(), *one, db.AttemptEnd{Delivered: true}); !errors.Is(err, db.ErrFenced) {
		t.Errorf("who lost it: %v", err)
	}
	if err := d.EndAttempt(t.Context(), *heir, db.AttemptEnd{Said: "no", Retry: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if n := claim(t, d); n != nil {
		t.Errorf("before its time: %+v", n)
	}
	if err := d.SwitchAlertChannel(t.Context(), slow, 1, false, u.ID); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries WHERE channel_id = $1 AND state = 'failed'`, slow); n != 2 {
		t.Errorf("%d notices of the channel that was switched off are given up", n)
	}
}

// TestGoneReceiverIsSwitchedOff switches the channel off, gives up what waits for it, and says so.
func TestGoneReceiverIsSwitchedOff(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	id, _ := newHook(t, d, u)
	for _, e := range []string{"accounts", "contacts"} {
		endedRun(t, d, c, e, db.RunFailed)
	}
	look(t, d, c)
	n := claim(t, d)
	if err := d.EndAttempt(t.Context(), *n, db.AttemptEnd{Code: 410, Said: "Gone.", Gone: "It wants no more."}); err != nil {
		t.Fatal(err)
	}
	off, err := d.AlertChannel(t.Context(), id)
	if err != nil || off.Enabled || off.OffReason != "It wants no more." || off.Waiting != 0 {
		t.Errorf("the channel is %+v, %v", off, err)
	}
	if got := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE action = 'channel switched off' AND actor_id IS NULL`); got != 1 {
		t.Errorf("%d audit rows", got)
	}
	endedRun(t, d, c, "cases", db.RunFailed)
	if got := look(t, d, c); len(got) != 1 || got[0].Told != 0 {
		t.Errorf("a later alert: %+v", got)
	}
}

// TestRedeliver sends again once, under the same id, however often it is asked for.
func TestRedeliver(t *testing.T) {
	t.Parallel()
	d, u, _ := connected(t)
	id, _ := newHook(t, d, u)
	for want := range 2 {
		n, err := d.TestAlertChannel(t.Context(), id, "form", u.ID)
		if err != nil || n != int64(1-want) {
			t.Errorf("test %d queued %d: %v", want, n, err)
		}
	}
	first := claim(t, d)
	if queued, err := d.Redeliver(t.Context(), first.ID, 1, u.ID); queued || err != nil {
		t.Errorf("on its way: %v %v", queued, err)
	}
	if err := d.EndAttempt(t.Context(), *first, db.AttemptEnd{Code: 500, Said: "no"}); err != nil {
		t.Fatal(err)
	}
	for want := range 2 {
		if queued, err := d.Redeliver(t.Context(), first.ID, 1, u.ID); queued != (want == 0) || err != nil {
			t.Errorf("asked for %d times: %v %v", want+1, queued, err)
		}
	}
	second := claim(t, d)
	if second == nil || second.MessageID != first.MessageID || second.Tries != 1 || second.Attempts != 2 {
		t.Fatalf("claimed as %+v", second)
	}
	if err := d.EndAttempt(t.Context(), *second, db.AttemptEnd{Delivered: true, Code: 200, Said: "ok", Took: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if queued, err := d.Redeliver(t.Context(), first.ID, 1, u.ID); queued || err != nil {
		t.Errorf("asked for from an old page: %v %v", queued, err)
	}
	attempts, err := d.Attempts(t.Context(), first.ID)
	if err != nil || len(attempts) != 2 || attempts[0].Code != 200 || attempts[0].TookMS != 5 || attempts[1].Code != 500 {
		t.Errorf("attempts: %+v %v", attempts, err)
	}
	if err := d.RemoveAlertChannel(t.Context(), id, 1, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Redeliver(t.Context(), first.ID, 2, u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("of a removed channel: %v", err)
	}
	if list, err := d.Deliveries(t.Context(), db.DeliveryFilter{ChannelID: id, State: db.DeliveryDelivered, Limit: 5}); err != nil || len(list) != 1 || !list[0].ChannelRemoved {
		t.Errorf("the log: %+v %v", list, err)
	}
}

// TestOldAlertsAreForgotten removes what is older than wanted.
func TestOldAlertsAreForgotten(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	channel(t, d, u, "a@example.com")
	for _, e := range []string{"accounts", "contacts"} {
		endedRun(t, d, c, e, db.RunFailed)
		look(t, d, c)
	}
	endedRun(t, d, c, "all", db.RunCompleted)
	look(t, d, c)
	exec(t, d, `UPDATE millrace.alerts SET ended_at = now() - interval '91 days' WHERE subject = 'accounts'`)
	if err := d.ForgetAlerts(t.Context(), 90); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries`); n != 2 {
		t.Errorf("%d notices are left", n)
	}
}

// TestOneNoticeOfAChannelAtATime has several processes claim at once, again and again: of one channel only one gets a notice.
func TestOneNoticeOfAChannelAtATime(t *testing.T) {
	t.Parallel()
	d, u, _ := watched(t)
	id := channel(t, d, u, "a@example.com")
	for _, key := range []string{"one", "two", "three", "four"} {
		if _, err := d.TestAlertChannel(t.Context(), id, key, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		var all sync.WaitGroup
		var claimed atomic.Int64
		for range 6 {
			all.Go(func() {
				n, err := d.ClaimDelivery(t.Context(), "test", time.Minute)
				if err != nil {
					t.Error(err)
				}
				if n != nil {
					claimed.Add(1)
				}
			})
		}
		all.Wait()
		if n := claimed.Load(); n != 1 {
			t.Fatalf("%d notices of one channel were claimed at once", n)
		}
		exec(t, d, `UPDATE millrace.alert_deliveries SET state = 'queued', lease_until = NULL`)
	}
}

// TestRemovedAddressIsNotWrittenTo takes an address out of an e-mail channel: what waits for it is given up, what went to it is not sent again.
func TestRemovedAddressIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	d, u, _ := connected(t)
	id, _, err := d.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelEmail, Name: "Team", Addresses: []string{"stays@example.com", "goes@example.com", "waits@example.com"}, FormKey: "f1"}, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.TestAlertChannel(t.Context(), id, "test", u.ID); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for range 2 {
		n := claim(t, d)
		if err := d.EndAttempt(t.Context(), *n, db.AttemptEnd{Delivered: true, Said: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SaveAlertChannel(t.Context(), id, 1, db.NewChannel{Kind: db.ChannelEmail, Name: "Team", Addresses: []string{"stays@example.com"}}, u.ID); err != nil {
		t.Fatal(err)
	}
	list, err := d.Deliveries(t.Context(), db.DeliveryFilter{ChannelID: id, Limit: 5})
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	for _, n := range list {
		gone := n.Address != "stays@example.com"
		if n.AddressRemoved != gone || n.State.Pending() {
			t.Errorf("%s: %+v", n.Address, n)
		}
		if n.Attempts == 0 && (n.State != db.DeliveryFailed || n.Outcome != "The address was removed from the channel before this was sent.") {
			t.Errorf("what waited for %s is %s: %s", n.Address, n.State, n.Outcome)
		}
		queued, err := d.Redeliver(t.Context(), n.ID, n.Attempts, u.ID)
		if queued == gone || errors.Is(err, db.ErrAddressRemoved) != gone {
			t.Errorf("sent again to %s: %v %v", n.Address, queued, err)
		}
	}
}
