package jobs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/notify"
	"millrace/notify/notifytest"
	"millrace/salesforce/sim"
)

// The alert victim is this test program itself, started again as a process that does nothing but hand notices over until it is killed.
const (
	alertVictimURL    = "MILLRACE_TEST_ALERT_VICTIM_DATABASE"
	alertVictimOrigin = "MILLRACE_TEST_ALERT_VICTIM_ORIGIN"
)

func alertVictim(address, origin string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: address, SecretKey: dbtest.SecretKey})
	if err != nil {
		return err
	}
	return NewAlerts(AlertOptions{
		DB: d, Sender: notify.New(notify.Options{Origins: []string{origin}, Timeout: time.Minute}), Owner: strconv.Itoa(os.Getpid()),
		Lease: time.Second, Poll: 20 * time.Millisecond, Look: 20 * time.Millisecond, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}).Run(ctx)
}

// TestEveryCauseHasWords holds db's table of causes against the words here.
func TestEveryCauseHasWords(t *testing.T) {
	t.Parallel()
	for _, c := range db.AlertCauses {
		if _, ok := causeWords[c.Key]; !ok {
			t.Errorf("%s has no words", c.Key)
		}
		for _, code := range []string{"", "off", "overdue", "skipped", "late", "chatter"} {
			w := alertWords(db.Connection{ID: 4}, db.Seen{Cause: c.Key, Subject: "accounts", Run: "R-1", Code: code, Detail: "Because", N: 3, Of: 10})
			for _, text := range []string{w.Title, w.Detail, w.Place, w.PlaceLabel, alertOver(db.Alert{Cause: c.Key, Subject: "accounts"})} {
				if text == "" || strings.Contains(text, "  ") || strings.HasPrefix(text, " ") || strings.Contains(text, "..") {
					t.Errorf("%s %s says %q", c.Key, code, text)
				}
			}
			if strings.HasSuffix(w.Title, ".") || !strings.HasSuffix(w.Detail, ".") || !strings.HasPrefix(w.Place, "/") {
				t.Errorf("%s %s: %+v", c.Key, code, w)
			}
		}
	}
	if len(causeWords) != len(db.AlertCauses) {
		t.Errorf("%d causes, words for %d", len(db.AlertCauses), len(causeWords))
	}
}

// TestNoticesHoldNoRecords keeps what Postgres quotes of a record out of notices.
func TestNoticesHoldNoRecords(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"postgres_22P02", "too_many_refused"} {
		w := alertWords(db.Connection{ID: 1}, db.Seen{Cause: "run_failed", Subject: "all", Run: "R-1", Code: code, Detail: `Postgres refused the records: invalid input: "canary".`})
		if strings.Contains(w.Detail, "canary") || !strings.Contains(w.Detail, "the page of the sync has the details") {
			t.Errorf("%s says %q", code, w.Detail)
		}
	}
}

// inbox is a receiver of webhooks that keeps the ids of what it gets.
type inbox struct {
	url string

	mu     sync.Mutex
	ids    []string
	bodies []string
	answer func(w http.ResponseWriter, r *http.Request)
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a killed sender's ends early
		b.mu.Lock()
		b.ids, b.bodies = append(b.ids, r.Header.Get("webhook-id")), append(b.bodies, string(body))
		answer := b.answer
		b.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *inbox) answers(f func(w http.ResponseWriter, r *http.Request)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

func (b *inbox) got() (ids, bodies []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ids), slices.Clone(b.bodies)
}

// hook makes a signed webhook channel.
func (s *scene) hook(name, address string) int64 {
	s.t.Helper()
	id, _, err := s.db.CreateAlertChannel(s.t.Context(), db.NewChannel{Kind: db.ChannelWebhook, Name: name, URL: address}, s.admin)
	s.must(err)
	return id
}

// alerts are impatient Alerts of the scene.
func (s *scene) alerts(o notify.Options) AlertOptions {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return AlertOptions{
		DB: s.db, Sender: notify.New(o), Owner: "test", BaseURL: "https://millrace.example.com", Log: s.log,
		Look: 20 * time.Millisecond, Poll: 10 * time.Millisecond, Pauses: []time.Duration{5 * time.Millisecond, 5 * time.Millisecond},
	}
}

// startAlerts starts Alerts, which stop when the returned function is called, or at the end of the test.
func (s *scene) startAlerts(o AlertOptions) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := NewAlerts(o).Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

// eventually waits for a condition.
func (s *scene) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// deliveries counts notices in a state.
func (s *scene) deliveries(state db.DeliveryState) int64 {
	return s.count(`SELECT count(*) FROM millrace.alert_deliveries WHERE state = $1`, state)
}

// TestAlertsFromBeginningToEnd lets a sync meet a field that has gone, and cures it: a mail and a webhook tell of both, once.
func TestAlertsFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	smtp, in := notifytest.NewSMTP(t), newInbox(t)
	_, _, err := s.db.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelEmail, Name: "Ops", Addresses: []string{"ops@example.com"}}, s.admin)
	s.must(err)
	s.hook("Pager", in.url)
	s.startAlerts(s.alerts(notify.Options{Origins: []string{in.url}, Mail: notify.Mail{Host: smtp.Host, Port: smtp.Port, TLS: notify.NoTLS, From: "m@example.org"}}))
	s.filter("Gone__c = true")
	run := s.sync()
	if run.State != db.RunCompletedWithErrors {
		t.Fatalf("the run is %s", run.State)
	}
	s.eventually("the notices", func() bool { return s.deliveries(db.DeliveryDelivered) == 2 })
	s.filter(allAccounts)
	s.completed(s.sync())
	s.eventually("the notices of the end", func() bool { return s.deliveries(db.DeliveryDelivered) == 4 })
	mails := smtp.Mails()
	if len(mails) != 2 || !strings.Contains(mails[0].Body, "Gone__c") || !strings.Contains(mails[0].Body, "https://millrace.example.com/connections/"+fmt.Sprint(s.conn)+"/settings") ||
		!strings.Contains(mails[1].Header.Get("Subject"), "Over: Something that the settings use has changed") {
		t.Errorf("mails %+v", mails)
	}
	ids, bodies := in.got()
	if len(ids) != 2 || ids[0] == ids[1] || !strings.Contains(bodies[0], `"type":"alert.opened"`) || !strings.Contains(bodies[1], `"type":"alert.recovered"`) {
		t.Errorf("webhooks %v %v", ids, bodies)
	}
}

// TestThreeReplicasTellOnce lets three processes' worth of Alerts work on many notices.
func TestThreeReplicasTellOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	in := newInbox(t)
	for i := range 5 {
		s.hook("Hook "+strconv.Itoa(i), in.url)
	}
	for range 3 {
		s.startAlerts(s.alerts(notify.Options{Origins: []string{in.url}}))
	}
	const rounds = 8
	for i := range rounds {
		_, err := s.sql.Exec(`UPDATE millrace.connections SET status = 'needs_reconnect', status_reason = 'Revoked.'`)
		s.must(err)
		s.eventually("the beginning", func() bool { return s.deliveries(db.DeliveryDelivered) == int64(i*10+5) })
		_, err = s.sql.Exec(`UPDATE millrace.connections SET status = 'connected'`)
		s.must(err)
		s.eventually("the end", func() bool { return s.deliveries(db.DeliveryDelivered) == int64(i*10+10) })
	}
	ids, _ := in.got()
	slices.Sort(ids)
	if len(ids) != rounds*10 || len(slices.Compact(slices.Clone(ids))) != rounds*10 {
		t.Errorf("%d notices arrived, %d of them different", len(ids), len(slices.Compact(ids)))
	}
}

// TestKilledSender kills the process that is sending: another one sends the notice again, under the same id.
func TestKilledSender(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	in := newInbox(t)
	hold := make(chan struct{})
	defer close(hold)
	in.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	s.hook("Pager", in.url)
	_, err := s.sql.Exec(`UPDATE millrace.connections SET status = 'needs_reconnect', status_reason = 'Revoked.'`)
	s.must(err)
	self, err := os.Executable()
	s.must(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), alertVictimURL+"="+s.url, alertVictimOrigin+"="+in.url)
	s.must(cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it is dead by then
		_ = cmd.Wait()
	})
	s.eventually("the first attempt", func() bool { ids, _ := in.got(); return len(ids) == 1 })
	s.must(cmd.Process.Signal(syscall.SIGKILL))
	in.answers(nil)
	s.startAlerts(s.alerts(notify.Options{Origins: []string{in.url}}))
	s.eventually("the second", func() bool { return s.deliveries(db.DeliveryDelivered) == 1 })
	if ids, _ := in.got(); len(ids) != 2 || ids[0] != ids[1] || !strings.HasPrefix(ids[0], "msg_") {
		t.Errorf("the ids are %v", ids)
	}
}

// TestSlowReceiverHoldsUpNothing runs a sync, and tells another receiver, while one receiver never answers.
func TestSlowReceiverHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	slow, quick := newInbox(t), newInbox(t)
	hold := make(chan struct{})
	slow.answers(func(http.ResponseWriter, *http.Request) { <-hold })
	s.hook("Slow", slow.url)
	s.hook("Quick", quick.url)
	s.startAlerts(s.alerts(notify.Options{Origins: []string{slow.url, quick.url}}))
	defer close(hold)
	_, err := s.sql.Exec(`UPDATE millrace.connections SET api_used = 95, api_limit = 100, api_seen_at = now()`)
	s.must(err)
	s.filter(allAccounts)
	s.eventually("the slow receiver", func() bool { ids, _ := slow.got(); return len(ids) == 1 })
	s.completed(s.sync())
	s.eventually("the quick receiver", func() bool { ids, _ := quick.got(); return len(ids) >= 1 })
	if ids, _ := slow.got(); len(ids) != 1 {
		t.Errorf("the slow receiver got %d", len(ids))
	}
	if n := s.count(`SELECT count(*) FROM millrace.alert_deliveries WHERE state = 'sending'`); n != 1 {
		t.Errorf("%d notices are being sent", n)
	}
}

// TestGivingUp tries a receiver that refuses again and again, gives up and says so; sent again by a person, the notice begins anew.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	in := newInbox(t)
	in.answers(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) })
	id := s.hook("Pager", in.url)
	s.startAlerts(s.alerts(notify.Options{Origins: []string{in.url}}))
	_, err := s.db.TestAlertChannel(t.Context(), id, "form", s.admin)
	s.must(err)
	s.eventually("the end of patience", func() bool { return s.deliveries(db.DeliveryFailed) == 1 })
	list, err := s.db.Deliveries(t.Context(), db.DeliveryFilter{Limit: 5})
	s.must(err)
	if n := list[0]; n.Attempts != 3 || !strings.Contains(n.Outcome, "answered 503") || !strings.Contains(n.Outcome, "tried 3 times and is given up") {
		t.Errorf("got %+v", n)
	}
	attempts, err := s.db.Attempts(t.Context(), list[0].ID)
	if err != nil || len(attempts) != 3 || attempts[0].Code != 503 || attempts[0].Excerpt != "busy" {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	in.answers(nil)
	queued, err := s.db.Redeliver(t.Context(), list[0].ID, 3, s.admin)
	if err != nil || !queued {
		t.Fatal(queued, err)
	}
	s.eventually("the delivery", func() bool { return s.deliveries(db.DeliveryDelivered) == 1 })
	if ids, _ := in.got(); len(ids) != 4 || ids[0] != ids[3] {
		t.Errorf("the ids are %v", ids)
	}
}

// TestGoneReceiver switches its channel off.
func TestGoneReceiver(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	in := newInbox(t)
	in.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	id := s.hook("Pager", in.url)
	_, err := s.sql.Exec(`UPDATE millrace.connections SET status = 'needs_reconnect'`)
	s.must(err)
	s.startAlerts(s.alerts(notify.Options{Origins: []string{in.url}}))
	s.eventually("the switch", func() bool {
		c, err := s.db.AlertChannel(t.Context(), id)
		return err == nil && !c.Enabled && strings.Contains(c.OffReason, "410")
	})
	if ids, _ := in.got(); len(ids) != 1 {
		t.Errorf("%d attempts", len(ids))
	}
}

// TestPausesGrowAndDiffer holds the pauses between attempts.
func TestPausesGrowAndDiffer(t *testing.T) {
	t.Parallel()
	a := NewAlerts(AlertOptions{})
	seen := map[time.Duration]bool{}
	for i, usual := range a.Pauses {
		for range 20 {
			got := a.wait(i+1, 0)
			seen[got] = true
			if got < usual*8/10 || got > usual*12/10 {
				t.Errorf("pause %d is %s, usually %s", i+1, got, usual)
			}
		}
		if i > 0 && usual <= a.Pauses[i-1] {
			t.Errorf("pause %d is no longer than the one before", i+1)
		}
	}
	if len(seen) < 50 {
		t.Error("the pauses hardly differ")
	}
	if got := a.wait(1, 20*time.Minute); got != 20*time.Minute {
		t.Errorf("asked for 20 minutes: %s", got)
	}
	if got := a.wait(1, 48*time.Hour); got != time.Hour {
		t.Errorf("asked for two days: %s", got)
	}
}
