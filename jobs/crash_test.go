package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
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
	victimURL = "MILLRACE_TEST_VICTIM_DATABASE"
	victimOrg = "MILLRACE_TEST_VICTIM_ORG"
	// killsVariable raises the number of kills of TestKilledAtRandom.
	killsVariable = "MILLRACE_TEST_KILLS"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(victimURL); address != "" {
		if err := victim(address, os.Getenv(victimOrg)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim runs syncs of one database against one org.
func victim(address, org string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Options{URL: address, SecretKey: dbtest.SecretKey})
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
		DB: d, Client: s.open, Owner: strconv.Itoa(os.Getpid()), Lease: time.Second, Poll: 50 * time.Millisecond, PageRows: 4000,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}).Run(ctx)
}

// spawn starts a victim.
func (s *scene) spawn() *os.Process {
	s.t.Helper()
	self, err := os.Executable()
	s.must(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victimURL+"="+s.url, victimOrg+"="+s.server.URL)
	s.must(cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // most are dead by then
		_ = cmd.Wait()
	})
	return cmd.Process
}

// TestKilledAtRandom kills the process that syncs 50,000 accounts again and again, at random moments, and starts another. In the end the copy equals the
// org, record by record, and nothing was lost, doubled or loaded twice.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	kills := 10
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		kills = n
	}
	s := newScene(t, sim.Options{Accounts: 50_000, DailyAPILimit: 10_000_000})
	s.filter(allAccounts)
	run := s.request()
	for n := range kills {
		process := s.spawn()
		s.until(run.ID, func(r db.Run) bool { return r.Attempt > n || ended(r) })
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		s.must(process.Signal(syscall.SIGKILL))
	}
	s.spawn()
	done := s.completed(s.until(run.ID, ended))
	t.Logf("%d claims, %d pages", done.Attempt, s.count(`SELECT count(*) FROM millrace.run_pages`))
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
	s.must(sleeper.Signal(syscall.SIGSTOP))
	heir := s.spawn()
	s.until(run.ID, func(r db.Run) bool { return r.Owner == strconv.Itoa(heir.Pid) })
	s.must(sleeper.Signal(syscall.SIGCONT))
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	s.auditedOnce()
	s.equalsOrg("", "AccountId != null")
}
