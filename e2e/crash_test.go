package e2e

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestServeKilledAtRandom kills `millrace serve`, and its private Postgres with it, at random points of a first sync of 50,000 accounts, starts it again
// each time, and compares what is in the tables at the end with the org, record by record. MILLRACE_CRASHES sets the number of kills.
func TestServeKilledAtRandom(t *testing.T) {
	t.Parallel()
	crashes := 4
	if n, err := strconv.Atoi(os.Getenv("MILLRACE_CRASHES")); err == nil {
		crashes = n
	}
	org := &demo{}
	var clientID, clientSecret string
	org.process = startProcess(t, nil, map[string]func(string){
		"Salesforce (simulated): ": into(&org.org), "Client id: ": into(&clientID), "Client secret: ": into(&clientSecret),
	}, "org", "--addr", "127.0.0.1:0", "--accounts", "50000")
	// Slow pages, so that a kill falls into the middle of one.
	org.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "count", "-1", "slowBytesPerSecond", "8000000")

	s := &serving{t: t, args: []string{"serve", "--addr", freeAddress(t), "--data", filepath.Join(sharedTempDir(t), "data"), "--lease", "2s", "--salesforce-origins", org.org}}
	s.start("Create the first admin: ")
	b := newBrowser(t)
	b.open(s.setup)
	b.fill("#name", "Ana")
	b.fill("#email", "ana@example.com")
	b.fill("#password", "a long enough sentence")
	b.follow("form[action='/setup'] button")
	b.follow("a[href='/integrations/salesforce/connect']")
	b.click("#env-my_domain")
	b.fill("#login_url", org.org)
	b.fill("#client_id", clientID)
	b.fill("#client_secret", clientSecret)
	b.follow("form[action='/integrations/salesforce/connect'] button:not([type=button])")
	b.waitFor("the org's sign-in", `document.querySelector("#Login") !== null`)
	b.follow("#Login")
	b.follow("#oaapprove")
	b.follow("#preflight footer a[href*='/settings']")
	b.fill("#accounts-single", "Id != null")
	b.follow("[data-save]")
	b.waitText("body", "v1")

	killed := 0
	for killed < crashes && !s.done() {
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond) // the whole sync takes a few seconds
		if s.done() {
			break
		}
		s.kill()
		killed++
		s.start("Millrace: ")
	}
	if killed == 0 {
		t.Fatal("the sync was over before the first kill")
	}
	t.Logf("killed %d times", killed)
	waitUntil(t, "the run to finish", s.done)
	s.compare(org.org)
}

// serving is `millrace serve`, started again and again on the same folder.
type serving struct {
	*process
	t          *testing.T
	args       []string
	setup, app string
	db         *sql.DB
}

func (s *serving) start(line string) {
	s.t.Helper()
	wants := map[string]func(string){"Millrace: ": into(&s.app)}
	if line != "Millrace: " {
		wants[line] = into(&s.setup)
	}
	s.process = startProcess(s.t, []string{"MILLRACE_SECRET_KEY=a key for tests only, of forty characters"}, wants, s.args...)
	s.db = open(s.t, &demo{postgres: postgresURL(s.t, s.args[4])})
}

// postgresURL finds the private Postgres of a data folder as its own files describe it.
func postgresURL(t *testing.T, dir string) string {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(filepath.Join(dir, "postgres", "password"))
	if err != nil {
		t.Fatal(err)
	}
	port := strings.Split(string(pid), "\n")[3]
	return fmt.Sprintf("postgres://millrace:%s@127.0.0.1:%s/millrace?sslmode=disable", strings.TrimSpace(string(password)), port)
}

func (s *serving) done() bool {
	var active, completed int
	if err := s.db.QueryRow(`SELECT count(*) FILTER (WHERE state IN ('queued', 'running', 'waiting')), count(*) FILTER (WHERE state = 'completed') FROM millrace.runs`).
		Scan(&active, &completed); err != nil {
		s.t.Fatal(err)
	}
	if active == 0 && completed != 1 {
		s.t.Fatalf("no run is active and %d have completed", completed)
	}
	return active == 0
}

// compare reads both sides record by record.
func (s *serving) compare(org string) {
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
	}
}

func (s *serving) compareObject(object string, have, want map[string]string) {
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
func (s *serving) table(query string) map[string]string {
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
