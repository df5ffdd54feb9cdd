package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// The victim is this test program itself, started again as a process that does nothing but run syncs until it is killed.
const (
	victimURL   = "MILLRACE_TEST_VICTIM_DATABASE"
	victimOrg   = "MILLRACE_TEST_VICTIM_ORG"
	victimLease = "MILLRACE_TEST_VICTIM_LEASE"
	victimRows  = "MILLRACE_TEST_VICTIM_ROWS" // of a page
	// killsVariable raises the number of kills of TestKilledAtRandom, and of the slots of TestSlotsWithProcessesKilled.
	killsVariable = "MILLRACE_TEST_KILLS"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(victimURL); address != "" {
		if err := victim(address, os.Getenv(victimOrg), os.Getenv(victimLease)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv(alertVictimURL); address != "" {
		if err := alertVictim(address, os.Getenv(alertVictimOrigin)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim runs syncs of one database against one org.
func victim(address, org, lease string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	held, err := time.ParseDuration(lease)
	if err != nil {
		return err
	}
	rows, err := strconv.Atoi(os.Getenv(victimRows))
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Options{URL: address, SecretKey: dbtest.SecretKey, Owner: strconv.Itoa(os.Getpid())})
	if err != nil {
		return err
	}
	s := &scene{db: d, hosts: salesforce.HostPolicy{Extra: []string{org}}}
	var id int64 = 1
	url, clientID, secret, err := d.ConnectionApp(ctx, id)
	if err != nil {
		return err
	}
	s.app = salesforce.App{LoginURL: url, ClientID: clientID, ClientSecret: secret}
	return New(Options{
		DB: d, Client: s.open, Owner: strconv.Itoa(os.Getpid()), Lease: held, Poll: 50 * time.Millisecond, PageRows: rows,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}).Run(ctx)
}

// spawn starts a victim that holds what it works on for a second.
func (s *scene) spawn() *os.Process { return s.spawnHolding(time.Second) }

func (s *scene) spawnHolding(lease time.Duration) *os.Process {
	s.t.Helper()
	self, err := os.Executable()
	s.must(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victimURL+"="+s.url, victimOrg+"="+s.server.URL, victimLease+"="+lease.String(), victimRows+"="+strconv.Itoa(s.victimRows))
	s.must(cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // most are dead by then
		_ = cmd.Wait()
	})
	return cmd.Process
}

// freeze stops a process, whatever it is about, and waits until it has stopped.
func (s *scene) freeze(p *os.Process) {
	s.t.Helper()
	s.must(p.Signal(syscall.SIGSTOP))
	_, err := syscall.Wait4(p.Pid, nil, syscall.WUNTRACED, nil)
	s.must(err)
}

// sessions is the condition on pg_stat_activity that a session is one of a process.
func sessions(p *os.Process) string {
	return `application_name = 'millrace ` + strconv.Itoa(p.Pid) + `'`
}

// expire lets everything run out that a process holds.
func (s *scene) expire(p *os.Process) {
	s.t.Helper()
	owner := strconv.Itoa(p.Pid)
	for _, table := range []string{"runs", "run_units", "left_leases"} {
		_, err := s.sql.Exec(`UPDATE millrace.`+table+` SET lease_until = now() - interval '1 millisecond' WHERE owner = $1 AND lease_until IS NOT NULL`, owner)
		s.must(err)
	}
}

// gone waits until Postgres has noticed that a process was killed: until then, what the process asked for last may still be done, such as to claim the run.
func (s *scene) gone(p *os.Process) {
	s.t.Helper()
	for giveUp := time.Now().Add(2 * time.Minute); s.count(`SELECT count(*) FROM pg_stat_activity WHERE `+sessions(p)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(giveUp) {
			s.t.Fatal("a process that was killed still has a session")
		}
	}
}

// holds reports how many pages a process works on.
func (s *scene) holds(p *os.Process) int64 {
	return s.count(`SELECT count(*) FROM millrace.run_units WHERE owner = '` + strconv.Itoa(p.Pid) + `'`)
}

// TestKilledAtRandom has two processes sync thousands of accounts (50,000 where many kills are asked for), and kills one of them again and again, at random moments, and starts another in its place: now
// the run's lead, now a helper. In the end the copy equals the org, record by record, nothing was lost or doubled, and no page was fetched again but those that
// a killed process had in work. The leases are long, so that no page is lost for another reason, and run out when their holder has died.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	kills, accounts, rows := int(fromEnv(killsVariable, 5)), 6000, 500
	if kills > 10 {
		accounts, rows = 50_000, 4000
	}
	s := newScene(t, sim.Options{Accounts: accounts, DailyAPILimit: 10_000_000})
	s.victimRows = rows
	s.filter(allAccounts)
	run := s.request()
	processes := []*os.Process{s.spawnHolding(time.Hour), s.spawnHolding(time.Hour)}
	leads, helpers, again := 0, 0, int64(0)
	for n := 0; n < kills; {
		at := rand.IntN(2)
		s.until(run.ID, func(r db.Run) bool {
			return r.Owner == strconv.Itoa(processes[at].Pid) || s.holds(processes[at]) > 0 || ended(r)
		})
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		s.must(processes[at].Signal(syscall.SIGKILL))
		_, err := processes[at].Wait()
		s.must(err)
		s.gone(processes[at])
		now := s.until(run.ID, func(db.Run) bool { return true })
		if ended(now) && n > 0 {
			t.Logf("the run was over after %d kills", n)
			break
		}
		n++
		if now.Owner == strconv.Itoa(processes[at].Pid) {
			leads++
		} else {
			helpers++
		}
		again += s.holds(processes[at])
		s.expire(processes[at])
		processes[at] = s.spawnHolding(time.Hour)
	}
	done := s.completed(s.until(run.ID, ended))
	pages := s.count(`SELECT count(*) FROM millrace.run_pages p JOIN millrace.run_steps s USING (run_id, position) WHERE s.mode = 'bulk'`)
	t.Logf("%d leads and %d helpers were killed; %d claims, %d pages, %d of them fetched %d times in all", leads, helpers, done.Attempt, s.count(`SELECT count(*) FROM millrace.run_pages`), pages, s.pages.Load())
	if extra := s.pages.Load() - pages; extra > again {
		t.Errorf("%d pages were fetched again where killed processes had %d in work", extra, again)
	}
	s.auditedOnce()
	for _, object := range []string{"Account", "Opportunity"} {
		where := map[string]string{"Opportunity": "AccountId != null"}[object]
		same(t, object, s.inOrg(tableOf(t, object), where), s.inTable(tableOf(t, object)))
	}
}

// TestFrozenProcess stops a process past its lease and wakes it up again: another one has taken over, and the sleeper's writes are refused.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 3000})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 300_000})
	run := s.request()
	sleeper := s.spawn()
	s.until(run.ID, func(r db.Run) bool { return r.Phase == "Loading accounts" })
	s.freeze(sleeper)
	heir := s.spawn()
	s.until(run.ID, func(r db.Run) bool { return r.Owner == strconv.Itoa(heir.Pid) })
	s.must(sleeper.Signal(syscall.SIGCONT))
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}

// TestFrozenInTheMiddleOfAPage stops a process that has written part of a page and not committed it: what it has locked does not hold up the one that takes over,
// which is done before the sleeper wakes up.
func TestFrozenInTheMiddleOfAPage(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 6000})
	s.filter(allAccounts)
	s.victimRows = 5000
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 100_000})
	run := s.request()
	sleeper := s.spawn()
	written := `SELECT count(*) FROM pg_stat_progress_copy c JOIN pg_stat_activity a USING (pid)
		WHERE c.relid::regclass::text LIKE '%accounts\_%' AND c.tuples_processed > 1500 AND ` + sessions(sleeper)
	s.until(run.ID, func(db.Run) bool { return s.count(written) > 0 })
	s.freeze(sleeper)
	if s.count(written) == 0 {
		t.Fatal("the page was over when the process stopped")
	}
	s.org.ClearFaults(0)
	heir := s.spawn()
	done := s.completed(s.until(run.ID, ended))
	t.Logf("claimed %d times; %d began it, %d ended it", done.Attempt, sleeper.Pid, heir.Pid)
	s.must(sleeper.Signal(syscall.SIGCONT))
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}

// TestFrozenHelper stops a helper past its lease and wakes it up again: its page is the lead's by then, and what the sleeper brings is refused.
func TestFrozenHelper(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 6000})
	run := s.request()
	lead := s.spawnHolding(time.Hour)
	s.until(run.ID, func(r db.Run) bool { return r.Phase == "Loading accounts" })
	sleeper := s.spawnHolding(time.Hour)
	s.until(run.ID, func(db.Run) bool { return s.holds(sleeper) > 0 })
	s.freeze(sleeper)
	claims := s.claims(sleeper)
	s.expire(sleeper)
	s.org.ClearFaults(0)
	s.until(run.ID, func(r db.Run) bool { return s.holds(sleeper) == 0 || ended(r) })
	s.must(sleeper.Signal(syscall.SIGCONT))
	done := s.completed(s.until(run.ID, ended))
	if done.Attempt != 1 || done.Owner != "" {
		t.Errorf("the lead %d was disturbed: %+v", lead.Pid, done)
	}
	t.Logf("the sleeper had the pages of the claims %v", claims)
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}

// TestFrozenHelperOfACancelledRun stops a helper that has written part of a page, whose run is then cancelled: what tells of the helper goes with the run's pages. The next run does not wait for what it has
// locked, when its lease has run out.
func TestFrozenHelperOfACancelledRun(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 15_000})
	s.filter(allAccounts)
	s.victimRows = 5000
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 60_000})
	run := s.request()
	lead := s.spawnHolding(time.Hour)
	s.until(run.ID, func(r db.Run) bool { return r.Phase == "Loading accounts" })
	sleeper := s.spawnHolding(time.Hour)
	written := `SELECT count(*) FROM pg_stat_progress_copy c JOIN pg_stat_activity a USING (pid)
		WHERE c.relid::regclass::text LIKE '%accounts\_%' AND c.tuples_processed > 500 AND ` + sessions(sleeper)
	s.until(run.ID, func(db.Run) bool { return s.count(written) > 0 })
	s.freeze(sleeper)
	if s.count(written) == 0 {
		t.Fatal("the page was over when the process stopped")
	}
	s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	s.until(run.ID, inState(db.RunCancelled))
	if s.count(written) == 0 {
		t.Error("what the helper had begun was ended before its lease was over")
	}
	s.must(lead.Kill()) // with what it remembers
	s.gone(lead)
	s.org.ClearFaults(0)
	s.expire(sleeper)
	next := s.request()
	s.spawnHolding(time.Hour)
	s.completed(s.until(next.ID, ended))
	s.must(sleeper.Kill())
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}

// claims are the numbers under which a process holds pages.
func (s *scene) claims(p *os.Process) []int64 {
	var all []int64
	s.must(s.sql.Select(&all, `SELECT claim FROM millrace.run_units WHERE owner = $1`, strconv.Itoa(p.Pid)))
	return all
}

// TestLeadDies leaves its run to the helper, which goes on with its own pages and takes those of the dead at once when the run's lease is over.
func TestLeadDies(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 6000})
	run := s.request()
	lead := s.spawnHolding(time.Hour)
	s.until(run.ID, func(r db.Run) bool { return r.Phase == "Loading accounts" })
	helper := s.spawnHolding(time.Hour)
	s.until(run.ID, func(db.Run) bool { return s.holds(helper) > 0 && s.holds(lead) > 0 })
	s.must(lead.Signal(syscall.SIGKILL))
	s.gone(lead)
	_, err := s.sql.Exec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE id = $1`, run.ID)
	s.must(err)
	s.until(run.ID, func(r db.Run) bool { return r.Owner == strconv.Itoa(helper.Pid) && s.holds(lead) == 0 })
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}

// TestProcessToldToStop gives up what it has in work at once, and ends; another one goes on before the lease is over.
func TestProcessToldToStop(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000})
	s.filter(allAccounts)
	s.org.Fail(sim.Fault{Match: anyResults, Count: -1, SlowBytesPerSecond: 6000})
	run := s.request()
	lead := s.spawnHolding(time.Hour)
	s.until(run.ID, func(r db.Run) bool { return s.holds(lead) > 0 })
	s.must(lead.Signal(syscall.SIGTERM))
	state, err := lead.Wait()
	s.must(err)
	if !state.Success() {
		t.Errorf("it ended with %s", state)
	}
	if now := s.until(run.ID, func(db.Run) bool { return true }); now.State != db.RunQueued || s.holds(lead) != 0 {
		t.Errorf("after the stop the run is %s, and %d pages are held", now.State, s.holds(lead))
	}
	s.org.ClearFaults(0)
	s.spawnHolding(time.Hour)
	s.completed(s.until(run.ID, ended))
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}
