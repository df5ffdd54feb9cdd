package jobs

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// The simulation: a seed makes an org, settings, a history of changes and runs, and faults at every boundary; then the faults end, one more run follows, and the copy has to be what the settings say.
// Everything of a seed happens one after the other, by the count of requests and of exchanges with Postgres, so that a seed that fails fails again:
//
//	go test ./jobs -run TestSimulation -simulate 4711
//
// shows what happened. MILLRACE_SEEDS=20000 (make simulate SEEDS=20000) lives through so many.
var simulateSeed = flag.String("simulate", "", "the one seed that TestSimulation lives through, telling what happens")

// seedsVariable says how many seeds TestSimulation lives through, and firstVariable from which one on.
const (
	seedsVariable = "MILLRACE_SEEDS"
	firstVariable = "MILLRACE_SEED_FIRST"
	defaultSeeds  = 12
)

func fromEnv(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	from, n := fromEnv(firstVariable, 1), fromEnv(seedsVariable, defaultSeeds)
	if one, err := strconv.ParseUint(*simulateSeed, 10, 64); err == nil {
		from, n = one, 1
	}
	var next, failed, lived atomic.Uint64
	next.Store(from)
	began := time.Now()
	t.Cleanup(func() {
		fmt.Printf("simulation: lived through %d seeds from %d on in %s, %d failed\n", lived.Load(), from, time.Since(began).Round(time.Second), failed.Load())
	})
	for worker := range min(runtime.GOMAXPROCS(0), int(n)) {
		t.Run(fmt.Sprint("worker", worker), func(t *testing.T) {
			t.Parallel()
			s := newSimulation(t)
			for failed.Load() < 5 {
				seed := next.Add(1) - 1
				if seed >= from+n {
					return
				}
				lived.Add(1)
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { s.live(t, seed) }) {
					failed.Add(1)
					t.Logf("seed %d failed; to see it again: go test ./jobs -run TestSimulation -simulate %d", seed, seed)
				}
			}
		})
	}
}

// simulation is what seeds share, one after the other: a database, an address of the org, and the way between them.
type simulation struct {
	*scene
	wire   *wire
	behind *db.DB // the database past the wire
	lived  int

	*rand.Rand // of the seed
	mutator    *mutator
	clock      atomic.Int64 // of the org, in nanoseconds from its beginning
	skew       time.Duration
	known      *salesforce.Client
	story      *bytes.Buffer
	dead       atomic.Bool // the process that works on the run is gone
	requests   int
	at         map[int]func() // what happens at a request to come, by its number
	mu         sync.Mutex
	set        settings.Settings
	mayPurge   bool // records may vanish without trace, which only reading everything finds
	purges     bool
	setBack    bool        // the clock of Postgres was
	hidden     [][2]string // fields that the connected user does not see for a while
	faulty     bool
	plagued    func(run db.Run, kill func()) // plans the faults of a process instead of chance
	helps      int                           // pages to come of which a helper takes the one after them
	labels     map[string]string             // that picklist values were given, by object, field and value
	currencies bool                          // the org has several
}

var simulationBegins = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func newSimulation(t *testing.T) *simulation {
	address := dbtest.NewURL(t)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, at.Host)
	at.Host = w.addr
	s := &simulation{scene: newSceneIn(t, address, sim.Options{Accounts: -1, Now: func() time.Time { return simulationBegins }}), wire: w}
	s.behind = s.db
	s.server.Config.Handler = http.HandlerFunc(s.serve)
	s.hosts.Stall = 400 * time.Millisecond
	s.db = dbtest.Open(t, db.Options{URL: at.String(), KeepParentsFrom: 1, SiftFrom: 1, KeepLeftTo: 2})
	var leaves []string // in which tables a seed leaves rows
	s.must(s.sql.Select(&leaves, `
		SELECT relname FROM pg_class WHERE relnamespace = 'millrace'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
		   AND relname NOT IN ('users', 'key_check', 'connections', 'schema_migrations', 'migrations') ORDER BY relname`))
	for _, p := range poisons {
		s.mustExec(`ALTER TABLE millrace.` + p.table + ` ADD CONSTRAINT poison CHECK (` + p.column + ` NOT LIKE 'poison%')`)
	}
	s.sql.SetMaxOpenConns(1) // so that the setting below holds
	s.mustExec(`SET session_replication_role = replica`)
	// A function's statements are planned once.
	s.mustExec(`CREATE FUNCTION pg_temp.forget_seed() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM millrace.` + strings.Join(leaves, "; DELETE FROM millrace.") + `; END'`)
	return s
}

// begin makes everything as it was before the first seed, and another org.
func (s *simulation) begin(t *testing.T, seed uint64) {
	s.t = t
	s.Rand = rand.New(rand.NewPCG(seed, 51))
	s.story = &bytes.Buffer{}
	s.log = slog.New(slog.NewTextHandler(s.story, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s.mustExec(`SELECT pg_temp.forget_seed()`)
	if s.lived++; s.lived%100 == 0 {
		s.mustExec(`VACUUM`)
	}
	s.clock.Store(0)
	s.skew = time.Duration(s.IntN(1200)-600) * time.Second
	org, err := sim.New(sim.Options{Accounts: 20 + s.IntN(20), Seed: 7, DailyAPILimit: 10_000_000, SessionTimeout: 1000 * time.Hour, Now: s.now})
	s.must(err)
	s.org, s.known = org, nil
	s.mutator = newMutator(org, seed)
	s.mutator.Rand = s.Rand
	s.requests, s.at, s.purges, s.setBack, s.mayPurge, s.faulty, s.hidden = 0, map[int]func(){}, false, false, s.chance(8), false, nil
	s.helps, s.labels, s.currencies = 0, map[string]string{}, s.chance(3)
	org.SetMultiCurrency(s.currencies)
	s.wire.clear()
	s.dead.Store(false)
	s.connect()
}

// now is the clock of the org.
func (s *simulation) now() time.Time { return simulationBegins.Add(time.Duration(s.clock.Load())) }

func (s *simulation) advance(d time.Duration) { s.clock.Add(int64(d)) }

// tell adds to the story of the seed.
func (s *simulation) tell(format string, args ...any) {
	fmt.Fprintf(s.story, "%s  %s\n", s.now().Format("01-02 15:04:05"), fmt.Sprintf(format, args...))
}

// connect signs in past the wire.
func (s *simulation) connect() {
	through := s.db
	s.scene.db = s.behind
	s.scene.connect()
	s.scene.db = through
}

// serve is the org. Time passes with each request.
func (s *simulation) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	happens := s.at[s.requests]
	delete(s.at, s.requests)
	s.mu.Unlock()
	s.advance(137 * time.Millisecond)
	if happens != nil {
		happens()
	}
	if s.dead.Load() {
		if hijack, ok := w.(http.Hijacker); ok {
			if conn, _, err := hijack.Hijack(); err == nil {
				conn.Close()
				return
			}
		}
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat)) // the org's own answers say so too, but not all faults
	if s.helps > 0 && strings.HasSuffix(r.URL.Path, "/results") && len(s.org.Faults()) == 0 {
		s.serveHelped(w, r)
		return
	}
	s.org.ServeHTTP(w, r)
}

// process returns a runner of a new process, which does one thing at a time. What it knows of the org's fields is sometimes what the one before it knew, which saves asking for them.
func (s *simulation) process(n int) *Runner {
	if s.known == nil || s.chance(4) {
		s.known = salesforce.New(salesforce.Config{
			App: s.app, Hosts: s.hosts, Now: func() time.Time { return s.now().Add(s.skew) }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			Token: s.token, Refresh: s.renew,
		})
	}
	client := s.known
	return New(Options{
		DB: s.db, Client: func(context.Context, int64) (*salesforce.Client, error) { return client, nil }, Owner: fmt.Sprint("process ", n), Lease: time.Hour, Log: s.log, Workers: 1,
		PageRows: 10 + s.IntN(60), Pauses: make([]time.Duration, 60), UndoRows: 7,
		Pipeline: pipeline.Options{RESTLimit: int64(5 + s.IntN(120)), Backoff: time.Nanosecond, PollMin: time.Microsecond, PollMax: time.Microsecond, UnitPoll: time.Millisecond, Silent: time.Nanosecond,
			Entering: pick(s, 2, 2000)},
	})
}

func (s *simulation) token(ctx context.Context) (salesforce.Token, error) {
	g, err := s.db.Grant(ctx, s.conn)
	return tokenOf(g), err
}

func (s *simulation) renew(ctx context.Context, spent salesforce.Token, exchange func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
	g, err := s.db.RefreshGrant(ctx, s.conn, spent.Version, func(ctx context.Context, g db.Grant) (db.Grant, error) {
		t, err := exchange(ctx, tokenOf(g))
		return db.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, InstanceURL: t.InstanceURL}, err
	})
	return tokenOf(g), err
}

// live lives through a seed.
func (s *simulation) live(t *testing.T, seed uint64) {
	s.begin(t, seed)
	defer func() {
		if t.Failed() || *simulateSeed != "" {
			t.Logf("what happened with seed %d:\n%s", seed, s.story)
		}
	}()
	s.set = s.anySettings()
	s.save("first settings")
	var runs []db.Run
	for range 1 + s.IntN(3) {
		s.change(s.IntN(12))
		if s.chance(3) {
			s.alter()
		}
		s.pass()
		runs = append(runs, s.run(s.anyRun(runs)))
	}
	s.change(s.IntN(6))
	s.pass()
	s.faulty, s.known = false, nil
	for _, f := range s.hidden {
		s.org.ShowField(f[0], f[1])
	}
	if s.chance(2) {
		s.mend(1000)
	}
	whole := s.purges || s.chance(4)
	s.tell("the faults end; whole: %t", whole)
	ask := func() (db.Run, error) {
		if whole {
			run, _, _, err := s.behind.RequestWholeRun(context.Background(), s.conn, pipeline.EntityAll, &s.admin)
			return run, err
		}
		return s.request(pipeline.EntityAll)
	}
	last := s.lastRun(ask)
	ran := []db.Run{last}
	if s.set.Chatter.Enabled {
		ran = append(ran, s.lastRun(func() (db.Run, error) { return s.request(pipeline.EntityChatter) }))
	}
	m := s.model(s.set)
	m.labels, m.currencies = s.labels, s.currencies
	m.listed = s.listed(ran, m.poisoned)
	m.compare()
	m.beside(last.ID, s.purges)
	s.consistent()
}

// lastRun runs what is asked for by the newest settings, from its first step on. A run that had begun before, of older settings or of an older org, goes by its own to its end, and then it is another's turn.
func (s *simulation) lastRun(ask func() (db.Run, error)) db.Run {
	newest, err := s.behind.CurrentSettings(context.Background(), s.conn)
	s.must(err)
	begun := false
	run := s.run(func() (db.Run, error) {
		asked, err := ask()
		begun = asked.Attempt > 0
		return asked, err
	})
	if begun || run.SettingsVersion < newest.Version {
		run = s.run(ask)
	}
	return run
}

// request asks for a run.
func (s *simulation) request(e pipeline.Entity) (db.Run, error) {
	run, _, err := s.behind.RequestRun(context.Background(), s.conn, e, db.TriggerManual, &s.admin)
	return run, err
}

// change changes the org a number of times.
func (s *simulation) change(n int) {
	if s.chance(3) {
		s.poison()
	}
	for range n {
		switch s.IntN(43) {
		case 0, 1:
			s.lateCommit()
		case 3:
			s.poison()
		case 4:
			s.relabel()
		case 5:
			if s.currencies {
				s.exchange()
			}
		case 2:
			if s.mayPurge {
				object := pick(s, "Contact", "Opportunity", "Subscription__c", "CaseComment")
				s.purges = true
				s.mutator.did(s.org.Purge(object), "purge %s", object)
				delete(s.mutator.deleted, object)
			}
		default:
			s.mutator.step()
		}
	}
	for _, did := range s.mutator.log {
		s.tell("org: %s", did)
	}
	s.mutator.log = nil
}

// lateCommit changes a record in a transaction that began minutes ago: the stamp of the change is as old.
func (s *simulation) lateCommit() {
	object := pick(s, "Account", "Contact", "Opportunity", "Subscription__c", "Case")
	if id := s.mutator.any(object); id != "" {
		at := s.now().Add(-time.Duration(s.IntN(580)) * time.Second).Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
		field := map[string]string{"Contact": "LastName", "Subscription__c": "Billing_Reference__c", "Case": "Subject"}[object]
		s.mutator.did(s.org.Update(object, id, map[string]any{first(field, "Name"): s.mutator.word(), "SystemModstamp": at}), "late commit: update %s %s as of %s", object, id, at)
	}
}

// pass lets time pass for the org, and sometimes moves the clock of Postgres.
func (s *simulation) pass() {
	d := []time.Duration{0, time.Second, time.Minute, 9 * time.Minute, 15 * time.Minute, time.Hour, 30 * time.Hour, 20 * 24 * time.Hour}[s.IntN(8)]
	s.advance(d)
	s.tell("%s pass", d)
	if s.chance(6) {
		jump := pick(s, 25*time.Hour, 8*24*time.Hour, 15*24*time.Hour, -50*time.Minute)
		if jump < 0 && s.setBack { // twice is more than the hour that is allowed for between two reads of a set
			return
		}
		s.setBack = s.setBack || jump < 0
		s.tell("the clock of Postgres jumps by %s", jump)
		s.jump(jump)
	}
}

// jump makes everything that has happened longer ago for Postgres, or shorter.
func (s *simulation) jump(by time.Duration) {
	seconds := fmt.Sprintf("interval '%d seconds'", int(by.Seconds()))
	s.mustExec(`UPDATE millrace.read_states SET read_at = read_at - ` + seconds + `, whole_read_at = whole_read_at - ` + seconds + `, silent_read_at = silent_read_at - ` + seconds)
	for _, table := range []string{"sf_users", "accounts", "contacts", "opportunities", "custom_records", "cases", "case_messages", "chatter_posts", "chatter_comments"} {
		s.mustExec(`UPDATE millrace.` + table + ` SET left_filter_at = left_filter_at - ` + seconds + ` WHERE left_filter_at IS NOT NULL`)
	}
}

// run asks for a run and has processes work on it until it ends, whatever happens to them.
func (s *simulation) run(ask func() (db.Run, error)) db.Run {
	run, err := ask()
	s.must(err)
	s.tell("run %d: %s", run.ID, run.Entity)
	for n := 1; ; n++ {
		if n > 80 {
			s.t.Fatalf("the run does not end: %+v", run)
		}
		ctx, kill := context.WithCancel(context.Background())
		p := s.process(n)
		s.trouble(run, kill)
		s.helps = pick(s, 0, 0, 0, 2)
		s.tell("%s", p.Owner)
		held, err := p.claimNow(ctx)
		switch {
		case held != nil:
			p.execute(ctx, held)
		case err != nil:
			s.tell("claim: %v", err)
		}
		kill()
		s.wire.clear()
		s.mu.Lock()
		clear(s.at)
		s.mu.Unlock()
		s.org.ClearFaults(0)
		if s.dead.Swap(false) {
			s.tell("the process was killed")
		}
		s.wire.setDown(false)
		if run, err = s.behind.RunByID(context.Background(), run.ID); err != nil {
			s.t.Fatal(err)
		}
		if ended(run) {
			s.tell("run %d is %s: %s %s", run.ID, run.State, run.Outcome, run.Error)
			if *simulateSeed != "" {
				s.tellSteps(run)
			}
			return run
		}
		s.heal()
	}
}

// tellSteps adds to the story what the steps of a run have read and why.
func (s *simulation) tellSteps(run db.Run) {
	steps, err := s.behind.RunSteps(context.Background(), run.ID)
	s.must(err)
	for _, p := range steps {
		s.tell("  %s: %d read, %d created, %d updated, %d left, %d skipped, %d failed; %s %s", p.Name, p.Read, p.Created, p.Updated, p.LeftFilter, p.Skipped, p.Failed, p.Why, p.Query)
	}
}

// heal does what people and time would do for runs that wait.
func (s *simulation) heal() {
	var status string
	s.must(s.sql.Get(&status, `SELECT status FROM millrace.connections WHERE id = $1`, s.conn))
	if status != string(db.StatusConnected) {
		s.tell("somebody reconnects the org")
		s.connect()
	}
	s.mustExec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE state = 'running'`)
	s.mustExec(`UPDATE millrace.runs SET waiting_until = now() - interval '1 second' WHERE state = 'waiting' AND waiting_until IS NOT NULL`)
	s.mustExec(`UPDATE millrace.connections SET api_seen_at = api_seen_at - interval '1 hour'`)
	s.mustExec(`UPDATE millrace.api_budgets SET looked_at = looked_at - interval '1 hour'`)
}

// consistent checks what holds whatever happened: nothing is audited twice, the counts of a step are those of the audit log, no page was committed twice.
func (s *simulation) consistent() {
	s.t.Helper()
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.run_pages GROUP BY run_id, position, locator HAVING count(*) > 1) twice`); n != 0 {
		s.t.Errorf("%d pages were committed twice", n)
	}
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE action = 'created' AND sf_id <> '' GROUP BY entity, sf_id HAVING count(*) > 1) twice`); n != 0 {
		s.t.Errorf("%d records were created twice, by the audit log", n)
	}
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE action = 'failed' AND sf_id <> '' GROUP BY run_id, entity, sf_id HAVING count(*) > 1) twice`); n != 0 {
		s.t.Errorf("%d records were refused twice in a run, by the audit log", n)
	}
	s.must(s.behind.ForgetEnded(context.Background())) // as processes do now and then
	var left []string
	s.must(s.sql.Select(&left, `
		SELECT format('run_seen of run %s: %s, %s records', run_id, object, n) FROM millrace.run_seen
		UNION ALL SELECT format('run_units of run %s: step %s, page %s', run_id, position, page) FROM millrace.run_units`))
	for _, l := range left {
		s.t.Errorf("left of a run that has ended: %s", l)
	}
	var differ []string
	s.must(s.sql.Select(&differ, `
		SELECT format('run %s (%s): %s counted as created, %s audited; %s updated, %s audited; %s left, %s audited', r.id, r.entity, s.created, l.created, s.updated, l.updated, s.left_filter, l.left_filter)
		  FROM millrace.runs r
		  CROSS JOIN LATERAL (SELECT coalesce(sum(created), 0) AS created, coalesce(sum(updated), 0) AS updated, coalesce(sum(left_filter), 0) AS left_filter FROM millrace.run_steps WHERE run_id = r.id) s
		  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE action = 'created') AS created, count(*) FILTER (WHERE action IN ('updated', 'returned')) AS updated,
		                             count(*) FILTER (WHERE action = 'left') AS left_filter FROM millrace.audit_log WHERE run_id = r.id AND sf_id <> '') l
		 WHERE r.entity NOT IN ('undo', 'impact') AND (s.created, s.updated) <> (l.created, l.updated)`))
	for _, d := range differ {
		s.t.Error(d)
	}
}
