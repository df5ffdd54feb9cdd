package jobs

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/db/private"
	"millrace/salesforce/sim"
)

// refuse makes Postgres refuse writes to the accounts with a code, as often as given.
func (s *scene) refuse(code string, times int) {
	s.t.Helper()
	_, err := s.sql.Exec(`
		CREATE SEQUENCE public.refusals;
		CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    IF nextval('public.refusals') <= ` + strings.Repeat("1+", times) + `0 THEN
		        RAISE EXCEPTION 'no more room' USING ERRCODE = '` + code + `';
		    END IF;
		    RETURN NULL;
		END $$;
		CREATE TRIGGER refuse AFTER INSERT ON millrace.accounts_1 FOR EACH STATEMENT EXECUTE FUNCTION public.refuse()`)
	s.must(err)
}

// TestConflictsAreTriedAgain has Postgres end page transactions for the sake of others.
func TestConflictsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40P01", "40001"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 130})
			s.filter(allAccounts)
			s.refuse(code, 3)
			s.completed(s.sync())
			s.equalsOrg("", "AccountId != null")
			s.auditedOnce()
		})
	}
}

// TestDiskFull fails the run with a sentence that names the cause, leaves nothing half-written, and the next run goes through.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter(allAccounts)
	s.refuse("53100", 1)
	o := s.quick()
	o.Workers = 1
	run := s.syncWith(o)
	if run.State != db.RunFailed || run.ErrorCode != "postgres_disk_full" || !strings.Contains(run.Error, "disk") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts`); n != 0 {
		t.Errorf("%d rows of a refused page are there", n)
	}
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestTimeLimitOfPostgres fails the run with a sentence that names the setting.
func TestTimeLimitOfPostgres(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter(allAccounts)
	s.refuse("57014", 1)
	o := s.quick()
	o.Workers = 1
	run := s.syncWith(o)
	if run.State != db.RunFailed || run.ErrorCode != "postgres_timeout" || !strings.Contains(run.Error, "statement_timeout") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts`); n != 0 {
		t.Errorf("%d rows of a refused page are there", n)
	}
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestPostgresRestartsAtOnce has Postgres end without a shutdown, as when its machine loses power, in the middle of a run of two runners, and start again:
// the run goes on in the same processes. Which records it had met is lost, so nobody is marked as gone by mistake.
func TestPostgresRestartsAtOnce(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "millrace-jobs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server runs as another user when this is root
		t.Fatal(err)
	}
	start := func() *private.Server {
		server, err := private.Start(context.Background(), private.Options{Dir: dir, FsyncOff: true})
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
	server := start()
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	d, err := db.Open(t.Context(), db.Options{URL: server.URL(), SecretKey: dbtest.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Migrate(t.Context()), d.EnsureAuditPartitions(t.Context(), 2), d.Close()); err != nil {
		t.Fatal(err)
	}
	s := newSceneIn(t, server.URL(), sim.Options{Accounts: 400})
	s.save(typedFilters)
	s.completed(s.sync())
	types := `SELECT coalesce(sum(hashtext(sf_id || account_type)), 0) FROM millrace.accounts WHERE left_filter_at IS NULL`
	before := s.count(types)
	s.slow()
	run := s.request()
	for _, name := range []string{"ash", "birch"} {
		o, _ := s.replica(name)
		o.Pauses = slices.Repeat([]time.Duration{50 * time.Millisecond}, 1000)
		s.start(o)
	}
	for range 2 {
		s.midway(run.ID)
		endAtOnce(t, server, dir)
		server = start()
	}
	s.org.ClearFaults(0)
	s.completed(s.until(run.ID, ended))
	if after := s.count(types); after != before {
		t.Error("the accounts' types have changed")
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d accounts are marked as having left", n)
	}
	s.completed(s.sync())
}

// endAtOnce ends a server in immediate mode.
func endAtOnce(t *testing.T, server *private.Server, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	<-server.Exited()
	if err := server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestFewConnections has two runners and their helpers share a role that may have three connections, while another session has one of them and comes and
// goes: they get in each other's way, and the run comes to its end all the same.
func TestFewConnections(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	role := strings.ToLower("millrace_few_" + rand.Text()[:10])
	_, err := s.sql.Exec(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'few' CONNECTION LIMIT 3 IN ROLE ` + pq.QuoteIdentifier(s.role()))
	s.must(err)
	address, err := url.Parse(s.url)
	s.must(err)
	address.User = url.UserPassword(role, "few")
	t.Cleanup(func() {
		_, err := s.sql.Exec(`DROP ROLE ` + role)
		s.must(err)
	})
	few := dbtest.Open(t, db.Options{URL: address.String()})
	run := s.request()
	for _, name := range []string{"ash", "birch"} {
		o, _ := s.replica(name)
		o.DB, o.Pauses = few, slices.Repeat([]time.Duration{10 * time.Millisecond}, 10_000)
		defer s.start(o)()
	}
	hog, err := sqlx.Open("postgres", address.String())
	s.must(err)
	defer hog.Close()
	refused := 0
	for !ended(s.until(run.ID, func(db.Run) bool { return true })) {
		if c, err := hog.Connx(t.Context()); err != nil {
			refused++
		} else {
			time.Sleep(20 * time.Millisecond)
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // so that it is closed
		}
	}
	t.Logf("the other session was refused %d times", refused)
	s.completed(s.until(run.ID, ended))
	s.equalsOrg("", "AccountId != null")
	s.auditedOnce()
}

func (s *scene) role() (name string) {
	s.t.Helper()
	s.must(s.sql.Get(&name, `SELECT current_user`))
	return name
}

// TestRecordInTwoPages brings a record that an earlier page brought already: the plain insert gives way to the comparing merge.
func TestRecordInTwoPages(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 180})
	s.filter(allAccounts)
	var first []byte
	rewrite := func(page []byte) []byte {
		lines := strings.SplitAfter(string(page), "\n")
		if !strings.Contains(lines[0], "Website") || len(lines) < 3 {
			return page
		}
		if first == nil {
			first = []byte(lines[1])
			return page
		}
		lines[1] = string(first)
		return []byte(strings.Join(lines, ""))
	}
	s.rewrite.Store(&rewrite)
	o := s.quick()
	o.Workers = 1
	run := s.completed(s.syncWith(o))
	p := s.step(run, "accounts:customer")
	if rows := s.count(`SELECT count(*) FROM millrace.accounts`); p.Fresh || rows != p.Created || rows >= 180 {
		t.Errorf("%d rows after %+v", rows, p)
	}
	s.auditedOnce()
}

// TestProgress can be asked for at any time.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	s.filter(allAccounts)
	run := s.request()
	if p, err := s.db.RunProgress(t.Context(), run.ID); err != nil || p != (db.Progress{}) {
		t.Errorf("before the start: %+v, %v", p, err)
	}
	s.completed(s.sync())
	p, err := s.db.RunProgress(t.Context(), run.ID)
	if err != nil || !p.Known || p.Read != p.Expected || p.Read < 130 || p.PerSecond != 0 || p.Remaining != 0 || p.InFlight != 0 || p.Stalled {
		t.Errorf("after the end: %+v, %v", p, err)
	}
	runs, total, err := s.db.Runs(t.Context(), db.RunFilter{ConnectionID: s.conn})
	if err != nil || total != 1 || len(runs) != 1 || runs[0].RequestedByName != "" && runs[0].RequestedByName != "Ada" {
		t.Errorf("%d runs: %+v, %v", total, runs, err)
	}
	if again, err := s.db.Run(t.Context(), s.conn, runs[0].ShortID); err != nil || again.ID != run.ID || again.Duration(time.Now()) <= 0 {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := s.db.Run(t.Context(), s.conn+1, runs[0].ShortID); err == nil {
		t.Error("another connection shows the run")
	}
}
