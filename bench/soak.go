package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/db/private"
	"millrace/settings"
)

// soakSamples is how often a soak looks how things stand.
const soakSamples = 24

// slots are the schedules and their hours between two slots.
var slots = []struct {
	entity string
	hours  int
}{{"chatter", 1}, {"accounts", 4}, {"contacts", 4}, {"cases", 24}}

// sample is how things stand at some time.
type sample struct {
	hour        int
	rss         int64 // bytes of all replicas
	heap        int64
	goroutines  int
	connections int
	idleTx      int              // sessions that idle in a transaction
	bytes       map[string]int64 // of tables with their indexes
	rows        map[string]int64 // alive, as Postgres counts them
}

// soak has days of schedules happen on two replicas in a short time, and fails when something goes up that must stay flat. The schedules are the app's own, in
// their table; what is accelerated is when their slots come: an hour after the other is made to be now, since only the clock of Postgres counts for them. After each
// hour some records of the org change.
func soak(ctx context.Context, accounts, days int, length time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "millrace-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	binary := filepath.Join(dir, "millrace")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	pg, err := private.Start(ctx, private.Options{Dir: filepath.Join(dir, "postgres"), Log: io.Discard})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err = errors.Join(err, pg.Stop(ctx))
	}()
	o, err := startOrg(ctx, binary, accounts)
	if err != nil {
		return err
	}
	defer o.stop()
	s := soaking{org: o}
	if s.database, err = newDatabase(ctx, pg.URL(), o); err != nil {
		return err
	}
	defer s.drop()
	// The server cleans up after a minute of its own clock at most, which is most of a day here.
	for _, set := range []string{`ALTER SYSTEM SET autovacuum_naptime = '1s'`, `SELECT pg_reload_conf()`} {
		if _, err := s.admin.ExecContext(ctx, set); err != nil {
			return err
		}
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	for i := range 2 {
		r, stop, err := soaker(job{Database: s.url, Connection: s.connection, Org: o.address, Token: o.token, ClientID: o.clientID, ClientSecret: o.clientSecret, PageRows: 1000, Name: fmt.Sprint("replica", i)})
		if err != nil {
			return err
		}
		defer stop()
		s.replicas = append(s.replicas, r)
	}
	if err := s.settle(ctx); err != nil { // the first run fills the tables, and counts for nothing
		return err
	}
	began, hours := time.Now(), days*24
	for hour := 1; hour <= hours; hour++ {
		if err := s.hour(ctx, hour); err != nil {
			return err
		}
		if hour%(hours/soakSamples) == 0 {
			x, err := s.take(ctx, hour)
			if err != nil {
				return err
			}
			s.samples = append(s.samples, x)
			fmt.Fprintf(os.Stderr, "hour %d: %.0f MB resident, %d goroutines, %d connections\n", hour, float64(x.rss)/1e6, x.goroutines, x.connections)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(length * time.Duration(hour) / time.Duration(hours)))):
		}
	}
	return s.report(ctx, accounts, days, time.Since(began))
}

type soaking struct {
	*database
	org      *org
	replicas []*replicaState
	samples  []sample
	changes  int // rounds of them
	slots    int
}

// prepare switches on everything that has a schedule.
func (s *soaking) prepare(ctx context.Context) error {
	store, err := db.Open(ctx, db.Options{URL: s.url, SecretKey: secretKey})
	if err != nil {
		return err
	}
	defer store.Close()
	now, err := store.CurrentSettings(ctx, s.connection)
	if err != nil {
		return err
	}
	all := now.Settings
	all.Accounts.Single = filter
	all.Cases = settings.Cases{Enabled: true, LookbackDays: settings.DefaultLookback, Conversation: settings.CaseComments}
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	if _, _, err := store.SaveSettings(ctx, s.connection, now.Version, all, "", 1); err != nil {
		return err
	}
	return store.SaveChatterSchedule(ctx, s.connection, settings.Hourly, "UTC", 1)
}

// hour has the slots of one hour come, and some records change.
func (s *soaking) hour(ctx context.Context, hour int) error {
	for _, slot := range slots {
		if hour%slot.hours != 0 {
			continue
		}
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, `UPDATE millrace.schedules SET next_run_at = clock_timestamp() WHERE entity = $1 AND enabled`, slot.entity); err != nil {
			return fmt.Errorf("the slot of %s: %w", slot.entity, err)
		}
		s.slots++
	}
	if err := s.mutate(ctx); err != nil {
		return err
	}
	return s.settle(ctx)
}

// mutate changes some accounts and contacts of the org, and replaces a contact by a new one.
func (s *soaking) mutate(ctx context.Context) error {
	for range 5 {
		s.changes++
		for _, object := range []string{"Account", "Contact"} {
			ids, err := s.some(ctx, object)
			if err != nil {
				return err
			}
			field := map[string]string{"Account": "Description", "Contact": "Title"}[object]
			if err := s.control(ctx, "update", url.Values{"object": {object}, "id": {ids}, "field": {field}, "value": {fmt.Sprint("Change ", s.changes)}}, nil); err != nil {
				return err
			}
		}
	}
	contact, err := s.some(ctx, "Contact")
	if err != nil {
		return err
	}
	return s.control(ctx, "delete", url.Values{"object": {"Contact"}, "id": {contact}}, nil)
}

// some returns the id of some record that is here.
func (s *soaking) some(ctx context.Context, object string) (id string, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	table := map[string]string{"Account": "accounts", "Contact": "contacts"}[object]
	err = conn.GetContext(ctx, &id, `
		SELECT sf_id FROM millrace.`+table+` WHERE left_filter_at IS NULL OFFSET ($1::float8 * (SELECT count(*) FROM millrace.`+table+` WHERE left_filter_at IS NULL))::bigint LIMIT 1`, rand.Float64()*0.999)
	return id, err
}

func (s *soaking) control(ctx context.Context, action string, form url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.org.address+"/control/"+action, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadRequest { // a record may be gone already
		return fmt.Errorf("control %s: %s", action, resp.Status)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// settle waits until the replicas have nothing more to do, so that a slow machine takes longer instead of doing less.
func (s *soaking) settle(ctx context.Context) error {
	for ; ; time.Sleep(20 * time.Millisecond) {
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		var active, bad int
		err = conn.QueryRowContext(ctx, `
			SELECT (SELECT count(*) FROM millrace.schedules WHERE next_run_at <= now()) + count(*) FILTER (WHERE state IN ('queued', 'running', 'waiting')),
			       count(*) FILTER (WHERE state IN ('failed', 'waiting')) FROM millrace.runs`).Scan(&active, &bad)
		switch {
		case err != nil:
			return err
		case bad > 0:
			return errors.New("a run has failed or waits")
		case active == 0:
			return nil
		}
	}
}

// take looks how things stand.
func (s *soaking) take(ctx context.Context, hour int) (sample, error) {
	x := sample{hour: hour, bytes: map[string]int64{}, rows: map[string]int64{}}
	for _, r := range s.replicas {
		m, err := r.ask()
		if err != nil {
			return x, err
		}
		x.rss, x.heap, x.goroutines = x.rss+m.RSS, x.heap+m.Heap, x.goroutines+m.Goroutines
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return x, err
	}
	err = conn.QueryRowContext(ctx, `
		SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '10 seconds') FROM pg_stat_activity
		 WHERE datname = current_database() AND application_name LIKE 'millrace%'`).Scan(&x.connections, &x.idleTx)
	if err != nil {
		return x, err
	}
	var tables []struct {
		Name  string `db:"name"`
		Bytes int64  `db:"bytes"`
		Rows  int64  `db:"n"`
	}
	err = conn.SelectContext(ctx, &tables, `
		SELECT relname AS name, pg_total_relation_size(relid) AS bytes, n_live_tup AS n FROM pg_stat_user_tables WHERE schemaname = 'millrace'`)
	for _, t := range tables {
		x.bytes[t.Name], x.rows[t.Name] = t.Bytes, t.Rows
	}
	return x, err
}

// history tells the tables that hold what has happened, and grow with it.
func history(table string) bool {
	for _, name := range []string{"audit_log", "runs", "run_steps", "run_pages", "run_errors"} {
		if table == name || name == "audit_log" && strings.HasPrefix(table, name) {
			return true
		}
	}
	return false
}

// report prints the samples and says what went up between the second and the last third of the time.
func (s *soaking) report(ctx context.Context, accounts, days int, took time.Duration) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	var runs, completed, audited int64
	err = conn.QueryRowContext(ctx, `
		SELECT count(*), count(*) FILTER (WHERE state LIKE 'completed%'), (SELECT count(*) FROM millrace.audit_log) FROM millrace.runs`).Scan(&runs, &completed, &audited)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %s: %d accounts, %d days in %s, two replicas, %d runs (%d completed) for %d slots, %d rounds of changes, %d audit rows\n\n", time.Now().UTC().Format("2006-01-02"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), accounts, days, took.Round(time.Second), runs, completed, s.slots, s.changes, audited)
	fmt.Print("| Hour | Resident memory of both | Heap of both | Goroutines of both | Connections | Tables of records | Working tables | History |\n|---|---|---|---|---|---|---|---|\n")
	for i, x := range s.samples {
		if (i+1)%(soakSamples/6) == 0 {
			records, working, past := x.sums()
			fmt.Printf("| %d | %.0f MB | %.1f MB | %d | %d | %.1f MB | %.1f MB | %.1f MB |\n", x.hour, float64(x.rss)/1e6, float64(x.heap)/1e6, x.goroutines, x.connections,
				float64(records)/1e6, float64(working)/1e6, float64(past)/1e6)
		}
	}
	if runs != int64(s.slots)+1 {
		return fmt.Errorf("%d slots and the first save have %d runs", s.slots, runs)
	}
	return s.verdict()
}

// sums adds up the bytes of the tables with records, of those that a run writes and empties again, and of those with what has happened.
func (x sample) sums() (records, working, past int64) {
	for name, n := range x.bytes {
		switch {
		case history(name):
			past += n
		case strings.ContainsAny(name[len(name)-1:], "0123456789"): // the part of a table with a connection's records
			records += n
		default:
			working += n
		}
	}
	return records, working, past
}

// verdict compares the mean of the last third of the samples with that of the second: what is flat differs by less than a tenth and some slack.
func (s *soaking) verdict() error {
	var all []error
	flat := func(what string, slack float64, of func(sample) float64) {
		third := len(s.samples) / 3
		before, after := mean(s.samples[third:2*third], of), mean(s.samples[2*third:], of)
		if after > before*1.1+slack {
			all = append(all, fmt.Errorf("%s went up, from %.0f to %.0f", what, before, after))
		}
	}
	flat("resident memory", 8e6, func(x sample) float64 { return float64(x.rss) })
	flat("the heap", 4e6, func(x sample) float64 { return float64(x.heap) })
	flat("the number of goroutines", 10, func(x sample) float64 { return float64(x.goroutines) })
	flat("the number of connections", 2, func(x sample) float64 { return float64(x.connections) })
	flat("the number of sessions idle in a transaction", 0.5, func(x sample) float64 { return float64(x.idleTx) })
	for name := range s.samples[len(s.samples)-1].bytes {
		if !history(name) {
			flat("the size of table "+name, 256<<10, func(x sample) float64 { return float64(x.bytes[name]) })
		}
	}
	return errors.Join(all...)
}

func mean(all []sample, of func(sample) float64) (sum float64) {
	for _, x := range all {
		sum += of(x) / float64(len(all))
	}
	return sum
}

// replicaState asks a replica's process how it stands.
type replicaState struct {
	in  io.Writer
	out *bufio.Scanner
}

type processState struct {
	RSS, Heap  int64
	Goroutines int
}

func (r *replicaState) ask() (m processState, err error) {
	if _, err := fmt.Fprintln(r.in); err != nil {
		return m, err
	}
	if !r.out.Scan() {
		return m, cmp.Or(r.out.Err(), errors.New("a replica has ended"))
	}
	return m, json.Unmarshal(r.out.Bytes(), &m)
}

// soaker starts a replica that can be asked.
func soaker(j job) (*replicaState, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self, "replica", must(json.Marshal(j)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()
	}
	r := &replicaState{in: in, out: bufio.NewScanner(out)}
	if !r.out.Scan() {
		stop()
		return nil, nil, errors.New("a replica ended before it looked for work")
	}
	return r, stop, nil
}

// answer says on out how this process stands, for each line that comes in.
func answer(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		runtime.GC() // what is left is what is held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		rss, _ := residentNow() // 0 where the kernel does not tell
		_, _ = fmt.Fprintln(out, must(json.Marshal(processState{RSS: rss, Heap: int64(m.HeapAlloc), Goroutines: runtime.NumGoroutine()})))
	}
}

// residentNow returns the resident memory of this process in bytes.
func residentNow() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errors.New("/proc/self/statm is too short")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
