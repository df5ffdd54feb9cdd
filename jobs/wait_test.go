package jobs

import (
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// TestRestsGrowAndDiffer holds how long a run rests after a fault: longer and longer, and not as long as all others that were held up with it.
func TestRestsGrowAndDiffer(t *testing.T) {
	t.Parallel()
	pauses := Options{}.withDefaults().Pauses
	for i, usual := range pauses {
		if i > 0 && usual < pauses[i-1] || i == len(pauses)-1 && usual < 10*pauses[0] {
			t.Errorf("rest %d is %v", i+1, usual)
		}
		seen := map[time.Duration]bool{}
		for range 100 {
			d := apart(usual)
			if d < usual || d > usual+usual/5 {
				t.Fatalf("a rest of %v, usually %v", d, usual)
			}
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Errorf("of %v there are only %d different rests", usual, len(seen))
		}
	}
}

// TestBlockedAddressWaits has a connection whose address is no longer allowed. The run waits for a person, the connection stays as it is, and a runner
// that starts with the address allowed goes on with the run.
func TestBlockedAddressWaits(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter(allAccounts)
	allowed := s.hosts
	s.hosts = salesforce.HostPolicy{}
	run := s.request()
	stop := s.start(s.quick())
	waiting := s.until(run.ID, inState(db.RunWaiting))
	stop()
	if waiting.WaitingUntil != nil {
		t.Errorf("it waits until %v", waiting.WaitingUntil)
	}
	for _, want := range []string{strings.TrimPrefix(s.server.URL, "http://"), "not allowed here", "MILLRACE_SALESFORCE_ORIGINS", "reconnect"} {
		if !strings.Contains(waiting.WaitingReason, want) {
			t.Errorf("%q lacks %q", waiting.WaitingReason, want)
		}
	}
	c, err := s.db.Connection(t.Context(), s.conn)
	s.must(err)
	if c.Status != db.StatusConnected {
		t.Errorf("the connection is %s", c.Status)
	}
	s.mu.Lock()
	s.hosts, s.client = allowed, nil
	s.mu.Unlock()
	s.start(s.quick())
	s.completed(s.until(run.ID, ended))
}

// TestOnlyBlockedRunsAreWoken leaves a run asleep that waits for a reconnect.
func TestOnlyBlockedRunsAreWoken(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 5})
	s.filter(allAccounts)
	run, err := s.db.Claim(t.Context(), "test", 1<<40)
	s.must(err)
	s.must(s.db.Wait(t.Context(), run.ID, run.Fence, db.Wait{Person: true, Reason: "waiting"}))
	s.must(s.db.MarkNeedsReconnect(t.Context(), s.conn, 0, "refused"))
	if n, err := s.db.WakeBlocked(t.Context()); err != nil || n != 0 {
		t.Errorf("%d woken, %v", n, err)
	}
	_, err = s.sql.Exec(`UPDATE millrace.connections SET status = 'connected'`)
	s.must(err)
	if n, err := s.db.WakeBlocked(t.Context()); err != nil || n != 1 {
		t.Errorf("%d woken, %v", n, err)
	}
}

// TestDisconnectSaysWhoDidIt cancels a run that is under way, and one that is not.
func TestDisconnectSaysWhoDidIt(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	run := s.request()
	s.slow()
	stop := s.start(s.quick())
	s.midway(run.ID)
	s.must(s.db.Disconnect(t.Context(), s.conn, s.admin))
	over := s.until(run.ID, ended)
	stop()
	if over.State != db.RunCancelled || !strings.HasPrefix(over.Outcome, "Cancelled: the org was disconnected by Ada. It ended after ") {
		t.Errorf("the run under way says %s %q", over.State, over.Outcome)
	}
	s.connect()
	queued := s.request()
	s.must(s.db.Disconnect(t.Context(), s.conn, s.admin))
	if over := s.until(queued.ID, ended); over.Outcome != "Cancelled: the org was disconnected by Ada" {
		t.Errorf("the queued run says %q", over.Outcome)
	}
}

// TestSlowPageShows counts the records of a page that is still on its way.
func TestSlowPageShows(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 1000})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 4_000})
	o := s.quick()
	o.PageRows, o.Lease = 1000, 0
	run := s.request()
	s.start(o)
	s.until(run.ID, func(r db.Run) bool {
		if ended(r) {
			t.Fatal("the run ended before a page in progress was seen")
		}
		p, err := s.db.RunProgress(t.Context(), run.ID)
		return err == nil && p.InFlight > 0 && s.count(`SELECT count(*) FROM millrace.run_pages WHERE run_id = $1 AND position = 2`, run.ID) == 0
	})
	s.org.ClearFaults(0)
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	over := s.until(run.ID, ended)
	if p, err := s.db.RunProgress(t.Context(), over.ID); err != nil || p.InFlight != 0 {
		t.Errorf("after its end %d are in flight, %v", p.InFlight, err)
	}
}
