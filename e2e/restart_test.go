package e2e

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledDemoGoesOn kills everything with SIGKILL in the middle of a first sync and starts it again on the same folder: the run finishes, nothing is
// missing and nothing is there twice, although the org has another address then.
func TestKilledDemoGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedTempDir(t), "data")
	const accounts = "6000"
	d := startDemoIn(t, dir, "--accounts", accounts)
	d.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "count", "-1", "slowBytesPerSecond", "400000")
	b := newBrowser(t)
	signIn(d, b)
	connect(d, b)
	b.follow("#salesforce-card a[href*='/settings']")
	b.fill("#accounts-single", "Id != null")
	b.follow("[data-save]")
	db := open(t, d)
	waitUntil(t, "the sync to be under way", func() bool {
		return count(t, db, `SELECT count(*) FROM millrace.runs WHERE state = 'running'`) == 1 && count(t, db, `SELECT count(*) FROM millrace.sf_users`) > 0
	})
	d.kill()

	again := startDemoIn(t, dir, "--accounts", accounts)
	db = open(t, again)
	waitUntil(t, "the run to finish", func() bool { return count(t, db, `SELECT count(*) FROM millrace.runs WHERE state = 'completed'`) == 1 })
	if n := count(t, db, `SELECT count(*) FROM millrace.runs`); n != 1 {
		t.Errorf("%d runs, want the one that went on", n)
	}
	if n := count(t, db, `SELECT attempt FROM millrace.runs`); n < 2 {
		t.Errorf("the run was claimed %d times; it did not go on", n)
	}
	if n := count(t, db, `SELECT count(*) FROM salesforce.account`); n != 6000 {
		t.Errorf("%d accounts, want 6000", n)
	}
	if n := count(t, db, `SELECT count(*) FROM (SELECT sf_id FROM millrace.audit_log WHERE action = 'created' GROUP BY entity, sf_id HAVING count(*) > 1) twice`); n != 0 {
		t.Errorf("%d records were created twice", n)
	}

	if err := again.stop(); err != nil {
		t.Errorf("stopping on request: %v", err)
	}
}

// TestPrivatePostgresComesBack kills the private Postgres under the running app, which starts it again and goes on.
func TestPrivatePostgresComesBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedTempDir(t), "data")
	d := startReadyIn(t, dir)
	b := newBrowser(t)
	signIn(d, b)
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.awaitLog(t, "the private Postgres runs again")
	waitUntil(t, "the app to be ready", func() bool {
		resp, err := http.Get(d.app + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	b.open(d.app + "/connections/1/runs")
	b.follow("#run-sync")
	awaitSync(b, "Completed")
}

func open(t *testing.T, d *demo) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", d.postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func count(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// waitUntil waits for something that has no page to show it.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
