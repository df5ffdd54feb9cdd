package jobs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/net/html"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// scene is an org, a database connected to it, and what is needed to run syncs between them.
type scene struct {
	t      *testing.T
	db     *db.DB
	url    string   // of the database
	sql    *sqlx.DB // for looking past db
	org    *sim.Org
	server *httptest.Server
	hosts  salesforce.HostPolicy
	app    salesforce.App
	conn   int64
	admin  int64
	log    *slog.Logger

	rewrite  atomic.Pointer[func(page []byte) []byte] // changes the bulk results on their way, when set
	relocate atomic.Bool                              // makes the later pages of bulk results name the second one as the next
	seconds  sync.Map                                 // locators of second pages, by path
	pages    atomic.Int64                             // of bulk results that were asked for
	serving  atomic.Int64                             // of them: being sent

	victimRows int // of a page of the processes that spawn starts

	mu     sync.Mutex
	client *salesforce.Client
	clock  func() time.Time // of the clients; nil for the real one
}

func newScene(t *testing.T, o sim.Options) *scene {
	t.Helper()
	return newSceneIn(t, dbtest.NewURL(t), o)
}

// newSceneInTime is newScene with an org whose clock is ahead by what pass has added.
func newSceneInTime(t *testing.T, o sim.Options) (s *scene, pass func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	o.Now = func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	return newScene(t, o), func(d time.Duration) { passed.Add(int64(d)) }
}

// insert adds a record to the org and returns its id.
func (s *scene) insert(object string, fields map[string]any) string {
	s.t.Helper()
	id, err := s.org.Insert(object, fields)
	s.must(err)
	return id
}

// newSceneIn is newScene in a database of the test's own choice.
func newSceneIn(t *testing.T, address string, o sim.Options) *scene {
	t.Helper()
	d := dbtest.Open(t, db.Options{URL: address, KeepParentsFrom: 1, SiftFrom: 1})
	raw, err := sqlx.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	org, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, db: d, url: address, sql: raw, org: org, victimRows: 500, log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.server.Close)
	s.hosts = salesforce.HostPolicy{Extra: []string{s.server.URL}}
	keys := org.Credentials()
	s.app = salesforce.App{LoginURL: s.server.URL, ClientID: keys.ClientID, ClientSecret: keys.ClientSecret, RedirectURL: "http://127.0.0.1/callback"}
	user, err := d.CreateUser(t.Context(), "ada@example.com", "Ada", "correct horse battery", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	s.admin = user.ID
	s.connect()
	return s
}

// serve is the org, with rewrite between it and its caller.
func (s *scene) serve(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/results") {
		s.org.ServeHTTP(w, r)
		return
	}
	s.pages.Add(1)
	s.serving.Add(1)
	defer s.serving.Add(-1)
	rewrite := s.rewrite.Load()
	if at := r.URL.Query().Get("locator"); s.relocate.Load() && at != "" {
		if second, _ := s.seconds.LoadOrStore(r.URL.Path, at); second != at {
			w = leadingBack{w, second.(string)}
		}
	}
	if rewrite == nil {
		s.org.ServeHTTP(w, r)
		return
	}
	r.Header.Del("Accept-Encoding")
	page := httptest.NewRecorder()
	s.org.ServeHTTP(page, r)
	body := (*rewrite)(page.Body.Bytes())
	for key, values := range page.Header() {
		if key != "Content-Length" {
			w.Header()[key] = values
		}
	}
	w.WriteHeader(page.Code)
	_, _ = w.Write(body) // the caller may have gone
}

// refusing has code called before the org answers a REST query whose address and text have all parts; where it returns one, the query is refused with it. It lasts until end is called.
func (s *scene) refusing(code func() string, parts ...string) (end func()) {
	org := s.server.Config.Handler
	var over atomic.Bool
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Path + " " + r.URL.Query().Get("q")
		refused := ""
		if !over.Load() && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(query, p) }) {
			refused = code()
		}
		if refused == "" {
			org.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", s.org.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `[{"errorCode": %q, "message": "No."}]`, refused)
	})
	return func() { over.Store(true) }
}

// insertOld adds a record that nobody has changed for twenty years.
func (s *scene) insertOld(object string, fields map[string]any) string {
	s.t.Helper()
	for _, field := range []string{"CreatedDate", "LastModifiedDate", "SystemModstamp"} {
		fields[field] = "2006-01-02T15:04:05.000Z"
	}
	return s.insert(object, fields)
}

// smallPages has the org answer queries in pages of 200 records, the least that Salesforce has, and tells asked of each request.
func (s *scene) smallPages(asked func(r *http.Request)) {
	org := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Sforce-Query-Options", "batchSize=200")
		asked(r)
		org.ServeHTTP(w, r)
	})
}

// leadingBack is an answer whose page names another page as the next one.
type leadingBack struct {
	http.ResponseWriter
	locator string
}

// WriteHeader implements http.ResponseWriter.
func (l leadingBack) WriteHeader(status int) {
	l.Header().Set("Sforce-Locator", l.locator)
	l.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (l leadingBack) Write(p []byte) (int, error) {
	l.Header().Set("Sforce-Locator", l.locator)
	return l.ResponseWriter.Write(p)
}

// connect signs in at the org as a person would and stores the connection.
func (s *scene) connect() {
	s.t.Helper()
	token, err := s.app.Exchange(s.t.Context(), salesforce.Guarded(s.hosts), signIn(s.t, s.org, s.app), verifier)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.db.SaveConnection(s.t.Context(), db.NewConnection{
		Name: "Test org", Environment: "demo", LoginURL: s.app.LoginURL, ClientID: s.app.ClientID, ClientSecret: s.app.ClientSecret,
		OrgID: s.org.Credentials().OrgID, OrgName: "Test", By: s.admin,
		Grant: db.Grant{AccessToken: token.Access, RefreshToken: token.Refresh, InstanceURL: token.InstanceURL},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.conn = c.ID
	s.mu.Lock()
	s.client = nil
	s.mu.Unlock()
}

const verifier = "0123456789012345678901234567890123456789012345"

// signIn walks the org's pages and returns the code that it sends back.
func signIn(t *testing.T, org *sim.Org, app salesforce.App) (code string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), app.RedirectURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	address := app.AuthCodeURL("state", verifier)
	keys := org.Credentials()
	body := post(t, &browser, address, url.Values{"username": {keys.Username}, "password": {keys.Password}})
	resp, err := browser.PostForm(address, url.Values{"confirm": {inputValue(t, body, "confirm")}, "decision": {"allow"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("the org did not send the browser back: %v (HTTP %d)", err, resp.StatusCode)
	}
	return back.Query().Get("code")
}

func post(t *testing.T, c *http.Client, address string, form url.Values) string {
	t.Helper()
	resp, err := c.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// inputValue finds the value of a form's input by its name.
func inputValue(t *testing.T, page, name string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		attrs := map[string]string{}
		for _, a := range n.Attr {
			attrs[a.Key] = a.Val
		}
		if n.Data == "input" && attrs["name"] == name {
			return attrs["value"]
		}
	}
	t.Fatalf("the page has no input %q:\n%s", name, page)
	return ""
}

// open returns the client of the scene's connection.
func (s *scene) open(ctx context.Context, id int64) (*salesforce.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		s.client = s.newClient(id)
	}
	return s.client, nil
}

// newClient returns a client of its own, as another process has.
func (s *scene) newClient(id int64) *salesforce.Client {
	return salesforce.New(salesforce.Config{
		App: s.app, Hosts: s.hosts, Now: s.clock,
		Token: func(ctx context.Context) (salesforce.Token, error) {
			g, err := s.db.Grant(ctx, id)
			return tokenOf(g), err
		},
		Refresh: func(ctx context.Context, spent salesforce.Token, exchange func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			g, err := s.db.RefreshGrant(ctx, id, spent.Version, func(ctx context.Context, g db.Grant) (db.Grant, error) {
				t, err := exchange(ctx, tokenOf(g))
				return db.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, InstanceURL: t.InstanceURL}, err
			})
			return tokenOf(g), err
		},
	})
}

func tokenOf(g db.Grant) salesforce.Token {
	return salesforce.Token{Access: g.AccessToken, Refresh: g.RefreshToken, InstanceURL: g.InstanceURL, Version: g.Version}
}

// quick makes runs of a test small and impatient. They read everything each time; those of incremental do not.
func (s *scene) quick() Options {
	return Options{
		DB: s.db, Client: s.open, Owner: "test", Lease: 2 * time.Second, Poll: 40 * time.Millisecond, Log: s.log, PageRows: 50,
		Pauses: []time.Duration{10 * time.Millisecond, 10 * time.Millisecond},
		Pipeline: pipeline.Options{RESTLimit: 100, Backoff: 5 * time.Millisecond, PollMin: 5 * time.Millisecond, PollMax: 20 * time.Millisecond,
			Reconcile: time.Nanosecond},
	}
}

// incremental is quick for runs that read only what has changed.
func (s *scene) incremental() Options {
	o := s.quick()
	o.Pipeline.Reconcile = 0
	return o
}

// start starts a runner, which stops when the returned function is called, or at the end of the test.
func (s *scene) start(o Options) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := New(o).Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

// filter saves a single account filter, which queues the first run when there was none.
func (s *scene) filter(soql string) {
	s.t.Helper()
	s.save(settings.AccountFiltering{Mode: settings.SingleFilter, Single: soql})
}

func (s *scene) save(a settings.AccountFiltering) {
	s.t.Helper()
	base := 0
	if now, err := s.db.CurrentSettings(s.t.Context(), s.conn); err != nil {
		s.t.Fatal(err)
	} else if now != nil {
		base = now.Version
	}
	if _, _, err := s.db.SaveSettings(s.t.Context(), s.conn, base, settings.Settings{Accounts: a}, "", s.admin); err != nil {
		s.t.Fatal(err)
	}
}

// request asks for a run, or returns the active one.
func (s *scene) request() db.Run {
	s.t.Helper()
	run, _, err := s.db.RequestRun(s.t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin)
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// until waits for a run to be as ok wants it.
func (s *scene) until(id int64, ok func(db.Run) bool) db.Run {
	s.t.Helper()
	giveUp := time.Now().Add(2 * time.Minute)
	for {
		run, err := s.db.RunByID(s.t.Context(), id)
		if err == nil && ok(run) {
			return run
		}
		if s.t.Context().Err() != nil || time.Now().After(giveUp) {
			s.t.Fatalf("gave up on run %+v: %v", run, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func ended(r db.Run) bool { return !r.State.Active() }

func inState(state db.RunState) func(db.Run) bool {
	return func(r db.Run) bool { return r.State == state }
}

// sync runs one sync to its end with a runner of its own.
func (s *scene) sync() db.Run {
	s.t.Helper()
	return s.syncWith(s.quick())
}

func (s *scene) syncWith(o Options) db.Run {
	s.t.Helper()
	run := s.request()
	stop := s.start(o)
	defer stop()
	return s.until(run.ID, ended)
}

// completed fails the test unless the run has ended well.
func (s *scene) completed(r db.Run) db.Run {
	s.t.Helper()
	if r.State != db.RunCompleted {
		s.t.Fatalf("the run ended as %s: %s %s %s\n%s", r.State, r.Outcome, r.ErrorCode, r.Error, s.steps(r))
	}
	return r
}

func (s *scene) steps(r db.Run) string {
	steps, err := s.db.RunSteps(s.t.Context(), r.ID)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, p := range steps {
		fmt.Fprintf(&b, "%+v\n", p)
	}
	return b.String()
}

func (s *scene) step(r db.Run, name string) db.RunStep {
	s.t.Helper()
	steps, err := s.db.RunSteps(s.t.Context(), r.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range steps {
		if p.Name == name {
			return p
		}
	}
	s.t.Fatalf("run %d has no step %s", r.ID, name)
	return db.RunStep{}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
