package e2e

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/settings"
)

// replicaKey seals what the replicas of a test store.
const replicaKey = "a key for tests only, of forty characters"

// replicas is an org, a database connected to it, and processes of `millrace serve` on that database.
type replicas struct {
	t       *testing.T
	org     *demo
	db      *sql.DB
	store   *db.DB
	address string // of the database
	conn    int64
	flags   []string
	serving []*process
}

// newReplicas connects a database to an org of so many accounts, all of which are to be synced.
func newReplicas(t *testing.T, accounts int, flags ...string) *replicas {
	t.Helper()
	r := &replicas{t: t, org: &demo{}, address: dbtest.NewURL(t), flags: flags}
	var clientID, clientSecret string
	r.org.process = startProcess(t, nil, map[string]func(string){
		"Salesforce (simulated): ": into(&r.org.org), "Client id: ": into(&clientID), "Client secret: ": into(&clientSecret),
	}, "org", "--addr", "127.0.0.1:0", "--accounts", strconv.Itoa(accounts), "--daily-api-limit", "100000000")
	r.store = dbtest.Open(t, db.Options{URL: r.address, SecretKey: []byte(replicaKey)})
	r.db = open(t, &demo{postgres: r.address})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret}}
	resp, err := http.PostForm(r.org.org+"/services/oauth2/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.Access == "" {
		t.Fatalf("no token: %v", err)
	}
	user, err := r.store.CreateUser(t.Context(), "ana@example.com", "Ana", "a long enough sentence", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.store.SaveConnection(t.Context(), db.NewConnection{
		Name: "Org", Environment: "demo", LoginURL: r.org.org, ClientID: clientID, ClientSecret: clientSecret, OrgID: "00D000000000001AAA", By: user.ID,
		Grant: db.Grant{AccessToken: token.Access, InstanceURL: r.org.org},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.conn = c.ID
	s := settings.Defaults()
	s.Accounts.Single = "Id != null"
	if _, _, err := r.store.SaveSettings(t.Context(), c.ID, 0, s, "", user.ID); err != nil {
		t.Fatal(err)
	}
	return r
}

// start starts a process and returns its number.
func (r *replicas) start() int {
	r.t.Helper()
	args := append([]string{"serve", "--addr", "127.0.0.1:0", "--salesforce-origins", r.org.org}, r.flags...)
	p := startProcess(r.t, []string{"MILLRACE_SECRET_KEY=" + replicaKey, "DATABASE_URL=" + r.address}, map[string]func(string){"Millrace: ": func(string) {}}, args...)
	r.serving = append(r.serving, p)
	return len(r.serving) - 1
}

// owner is the beginning of the name of a process in what it holds.
func (r *replicas) owner(n int) string {
	r.t.Helper()
	host, err := os.Hostname()
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%s/%d/", host, r.serving[n].cmd.Process.Pid)
}

// holding says what a process works on.
func (r *replicas) holding(n int) (leads, pages int) {
	r.t.Helper()
	err := r.db.QueryRow(`SELECT (SELECT count(*) FROM millrace.runs WHERE state = 'running' AND starts_with(owner, $1)), (SELECT count(*) FROM millrace.run_units WHERE starts_with(owner, $1))`,
		r.owner(n)).Scan(&leads, &pages)
	if err != nil {
		r.t.Fatal(err)
	}
	return leads, pages
}

func (r *replicas) exec(query string) {
	r.t.Helper()
	if _, err := r.db.Exec(query); err != nil {
		r.t.Fatal(err)
	}
}

// idle reports whether no run is active.
func (r *replicas) idle() bool {
	return count(r.t, r.db, `SELECT count(*) FROM millrace.runs WHERE state IN ('queued', 'running', 'waiting')`) == 0
}

// slotNow makes a slot of the accounts' schedule come now and waits until it has its run.
func (r *replicas) slotNow() {
	r.t.Helper()
	before := count(r.t, r.db, `SELECT count(*) FROM millrace.runs`)
	r.exec(`UPDATE millrace.schedules SET next_run_at = clock_timestamp() WHERE entity = 'accounts'`)
	waitUntil(r.t, "the slot's run", func() bool { return count(r.t, r.db, `SELECT count(*) FROM millrace.runs`) > before })
}

// TestServeKilledAtRandom has two replicas of `millrace serve` share one Postgres and kills one of them again and again, at random points of syncs of an org that
// changes: now the lead of the run, now its helper. What is in the tables at the end is compared with the org, record by record. MILLRACE_CRASHES sets the number
// of kills; with a hundred and more, in a larger org, what a killed process had in work must have been taken up within the lease and a second.
func TestServeKilledAtRandom(t *testing.T) {
	t.Parallel()
	crashes, measured, size, pageRows, bytesPerSecond := 3, false, 10_000, 1000, 70_000
	if n, err := strconv.Atoi(os.Getenv("MILLRACE_CRASHES")); err == nil {
		crashes = n
		if measured = n >= 100; measured {
			size, pageRows, bytesPerSecond = 30_000, 2000, 200_000
		}
	}
	const lease = 2 * time.Second
	r := newReplicas(t, size, "--lease", lease.String(), "--page-rows", strconv.Itoa(pageRows))
	// Slow pages, so that a kill falls into the middle of one.
	r.org.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "count", "-1", "slowBytesPerSecond", strconv.Itoa(bytesPerSecond))
	live := [2]int{r.start(), r.start()}
	accounts := slices.Collect(maps.Keys(orgRecords(t, r.org.org, "Account", []string{"Id"}, func(map[string]any) bool { return true })))
	resumed := map[string][]time.Duration{}
	changed, slots := 0, 0
	for range crashes {
		if r.idle() {
			for range 7 {
				r.org.control(t, "update", "object", "Account", "id", accounts[changed], "field", "Name", "value", fmt.Sprintf("Changed %d", changed))
				changed++
			}
			r.slotNow()
			slots++
		}
		time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
		at := rand.IntN(2)
		victim := live[at]
		leads, pages := r.holding(victim)
		r.serving[victim].kill()
		dead := time.Now()
		role := "idle"
		if leads > 0 {
			role = "lead"
		} else if pages > 0 {
			role = "helper"
		}
		waitUntil(t, "what the killed process had in work to be taken up", func() bool {
			leads, pages := r.holding(victim)
			return leads+pages == 0
		})
		resumed[role] = append(resumed[role], time.Since(dead))
		live[at] = r.start()
	}
	for role, times := range resumed {
		slices.Sort(times)
		t.Logf("killed as %s: %d times; taken up after %v at the median, %v at the 90th percentile, %v at most", role, len(times),
			times[len(times)/2].Round(time.Millisecond), times[len(times)*9/10].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
		if longest := times[len(times)-1]; measured && longest > lease+time.Second {
			t.Errorf("a killed %s was replaced after %v", role, longest)
		}
	}
	waitUntil(t, "the runs to finish", r.idle)
	r.org.control(t, "reset-faults")
	r.slotNow()
	waitUntil(t, "the last run to finish", r.idle)
	if n := count(t, r.db, `SELECT count(*) FROM millrace.runs WHERE state <> 'completed'`); n != 0 {
		t.Errorf("%d runs did not complete", n)
	}
	if n := count(t, r.db, `SELECT count(*) FROM millrace.runs WHERE scheduled_for IS NOT NULL`); n != slots+1 {
		t.Errorf("%d slots have %d runs", slots+1, n)
	}
	if n := count(t, r.db, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'account' AND action = 'updated'`); n != changed {
		t.Errorf("%d accounts were changed, %d changes are audited", changed, n)
	}
	(&copied{t, r.db}).compare(r.org.org)
}

// TestServeToldToStop stops the replica that leads a run in the middle of a page. It ends in order, and another one goes on at once.
func TestServeToldToStop(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 10_000, "--lease", "10m", "--page-rows", "1000")
	r.org.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "count", "-1", "slowBytesPerSecond", "3000")
	first := r.start()
	waitUntil(t, "a page in work", func() bool {
		return count(t, r.db, `SELECT count(*) FROM millrace.run_units WHERE in_flight > 0`) > 0
	})
	second := r.start()
	asked := time.Now()
	if err := r.serving[first].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.serving[first].wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	t.Logf("it ended after %v", time.Since(asked).Round(time.Millisecond))
	waitUntil(t, "the other one to lead", func() bool {
		leads, _ := r.holding(second)
		return leads == 1
	})
	if _, pages := r.holding(first); pages != 0 {
		t.Errorf("it still holds %d pages", pages)
	}
	r.org.control(t, "reset-faults")
	waitUntil(t, "the run to finish", r.idle)
	(&copied{t, r.db}).compare(r.org.org)
}

// copied is the copy in a database.
type copied struct {
	t  *testing.T
	db *sql.DB
}

// compare reads both sides record by record.
func (s *copied) compare(org string) {
	s.t.Helper()
	for _, c := range []struct {
		object, query string
		fields        []string
		keep          func(record map[string]any) bool
	}{
		{"Account", `SELECT id, name, website, type, industry, description, owner_id FROM salesforce.account`,
			[]string{"Id", "Name", "Website", "Type", "Industry", "Description", "OwnerId"}, func(map[string]any) bool { return true }},
		{"Contact", `SELECT id, account_id, first_name, last_name, email, phone, title FROM salesforce.contact`,
			[]string{"Id", "AccountId", "FirstName", "LastName", "Email", "Phone", "Title"},
			func(r map[string]any) bool { return r["Email"] != nil && r["AccountId"] != nil }},
		{"Opportunity", `SELECT id, account_id, name, stage, close_date::text, owner_id FROM salesforce.opportunity`,
			[]string{"Id", "AccountId", "Name", "StageName", "CloseDate", "OwnerId"}, func(r map[string]any) bool { return r["AccountId"] != nil }},
	} {
		s.compareObject(c.object, s.table(c.query), orgRecords(s.t, org, c.object, c.fields, c.keep))
		var twice, logged int
		if err := s.db.QueryRow(`SELECT count(*) FILTER (WHERE n > 1), count(*) FROM (SELECT count(*) AS n FROM millrace.audit_log WHERE entity = lower($1) AND action = 'created' GROUP BY sf_id) c`,
			c.object).Scan(&twice, &logged); err != nil {
			s.t.Fatal(err)
		}
		if twice != 0 {
			s.t.Errorf("%s: %d records have two audit rows of their creation", c.object, twice)
		}
		if rows := count(s.t, s.db, `SELECT count(*) FROM salesforce.`+strings.ToLower(c.object)); rows != logged {
			s.t.Errorf("%s: %d records, %d audit rows of creations", c.object, rows, logged)
		}
	}
	if n := count(s.t, s.db, `SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE run_id IS NOT NULL AND sf_id <> '' GROUP BY run_id, entity, sf_id, action HAVING count(*) > 1) twice`); n != 0 {
		s.t.Errorf("%d changes are audited twice", n)
	}
}

func (s *copied) compareObject(object string, have, want map[string]string) {
	s.t.Helper()
	if len(have) != len(want) {
		s.t.Errorf("%s: %d records here, %d in the org", object, len(have), len(want))
	}
	shown := 0
	for id, w := range want {
		if h, ok := have[id]; h != w && shown < 5 {
			shown++
			s.t.Errorf("%s %s is here: %t\n%s\nin the org\n%s", object, id, ok, h, w)
		}
	}
}

// table reads rows of text, by id.
func (s *copied) table(query string) map[string]string {
	s.t.Helper()
	rows, err := s.db.Query(query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			s.t.Fatal(err)
		}
		var line strings.Builder
		for _, v := range values[1:] {
			fmt.Fprintf(&line, "%q,", v.String)
		}
		out[values[0].String] = line.String()
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// orgRecords reads the truth from the org's control API.
func orgRecords(t *testing.T, org, object string, fields []string, keep func(map[string]any) bool) map[string]string {
	t.Helper()
	resp, err := http.Get(org + "/control/records?object=" + url.QueryEscape(object))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]string{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		record := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		if !keep(record) {
			continue
		}
		var line strings.Builder
		for _, f := range fields[1:] {
			value, _ := record[f].(string)
			fmt.Fprintf(&line, "%q,", value)
		}
		out[record["Id"].(string)] = line.String()
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
