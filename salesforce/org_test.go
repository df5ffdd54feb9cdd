package salesforce

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"millrace/salesforce/sim"
)

// orgStand is a client connected to a simulated org over HTTP.
type orgStand struct {
	*Client
	org    *sim.Org
	app    App
	rt     http.RoundTripper
	tokens *tokens
	waits  *waits
}

// newOrg starts a simulated org and connects a client to it by way of its sign-in and consent pages.
func newOrg(t *testing.T, opt sim.Options, change ...func(*Config)) *orgStand {
	t.Helper()
	s := newApp(t, opt)
	verifier := oauth2.GenerateVerifier()
	answer := s.authorize(t, "the state", verifier, "allow")
	if answer.Get("state") != "the state" {
		t.Fatalf("the org sent back %v", answer)
	}
	token, err := s.app.Exchange(t.Context(), s.rt, answer.Get("code"), verifier)
	if err != nil {
		t.Fatal(err)
	}
	s.tokens = &tokens{token: token}
	s.waits = &waits{}
	cfg := Config{App: s.app, Token: s.tokens.Token, Refresh: s.tokens.Refresh, Transport: s.rt, Sleep: s.waits.sleep}
	for _, c := range change {
		c(&cfg)
	}
	s.Client = New(cfg)
	return s
}

// newApp starts a simulated org without connecting to it.
func newApp(t *testing.T, opt sim.Options) *orgStand {
	t.Helper()
	org, err := sim.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	rt := newGuarded(HostPolicy{Extra: []string{server.URL}, Stall: time.Second}, nil)
	t.Cleanup(func() {
		rt.CloseIdleConnections()
		server.Close()
	})
	c := org.Credentials()
	return &orgStand{org: org, rt: rt, app: App{LoginURL: server.URL, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: "http://127.0.0.1:1/callback"}}
}

// authorize walks through the org's pages as a browser without scripts does, and returns the parameters of the callback.
func (s *orgStand) authorize(t *testing.T, state, verifier, decision string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var callback url.Values
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.app.RedirectURL) {
			callback = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page := s.app.AuthCodeURL(state, verifier)
	resp, err := browser.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	c := s.org.Credentials()
	resp = submit(t, browser, resp, url.Values{"username": {c.Username}, "password": {c.Password}})
	resp = submit(t, browser, resp, url.Values{"decision": {decision}})
	resp.Body.Close()
	if callback == nil {
		t.Fatalf("the org did not come back, but answered %s", resp.Status)
	}
	return callback
}

// submit sends the form of a page with its hidden fields and the given ones.
func submit(t *testing.T, browser *http.Client, page *http.Response, fields url.Values) *http.Response {
	t.Helper()
	defer page.Body.Close()
	doc, err := html.Parse(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := cascadia.Query(doc, cascadia.MustCompile("form"))
	if form == nil {
		t.Fatalf("%s has no form", page.Request.URL.Path)
	}
	for _, input := range cascadia.QueryAll(form, cascadia.MustCompile("input[type=hidden]")) {
		fields.Set(attribute(input, "name"), attribute(input, "value"))
	}
	action, err := page.Request.URL.Parse(attribute(form, "action"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := browser.PostForm(action.String(), fields)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestOrgConnect(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 10, Sandbox: true})
	id, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := s.org.Credentials()
	if id.OrgID != c.OrgID || id.UserID != c.UserID || id.Username != c.Username || id.OrgName != sim.DefaultOrgName || !id.IsSandbox {
		t.Errorf("%+v", id)
	}
	if tok := s.tokens.token; tok.Refresh == "" || tok.InstanceURL != s.app.LoginURL || time.Since(tok.IssuedAt) > time.Hour || !strings.Contains(tok.Scope, "api") {
		t.Errorf("%+v", tok)
	}
	if u := s.Usage(); u.Used == 0 || u.Limit != sim.DefaultDailyAPILimit {
		t.Errorf("usage %+v", u)
	}
	limits, err := s.Limits(t.Context())
	if err != nil || limits["DailyApiRequests"].Max != sim.DefaultDailyAPILimit {
		t.Errorf("%v, %v", limits, err)
	}
}

func TestOrgRefusesToConnect(t *testing.T) {
	t.Parallel()
	s := newApp(t, sim.Options{Accounts: -1})
	verifier := oauth2.GenerateVerifier()
	denied := s.authorize(t, "s", verifier, "deny")
	if sentence, _ := ExplainOAuth(denied.Get("error"), denied.Get("error_description")); !strings.Contains(sentence, "Deny") || denied.Get("state") != "s" {
		t.Errorf("%v: %s", denied, sentence)
	}
	refused := func(what string, app App, code, verifier, says string) {
		t.Helper()
		_, err := app.Exchange(t.Context(), s.rt, code, verifier)
		var e *OAuthError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", what, err)
			return
		}
		if sentence, _ := ExplainOAuth(e.Code, e.Description); !strings.Contains(sentence, says) {
			t.Errorf("%s: %v: %s", what, err, sentence)
		}
	}
	code := s.authorize(t, "s", verifier, "allow").Get("code")
	wrongSecret, wrongKey, elsewhere := s.app, s.app, s.app
	wrongSecret.ClientSecret, wrongKey.ClientID, elsewhere.RedirectURL = "wrong", "wrong", "http://127.0.0.1:2/callback"
	refused("wrong secret", wrongSecret, code, verifier, "consumer secret")
	refused("wrong key", wrongKey, code, verifier, "consumer key")
	refused("other callback", elsewhere, code, verifier, "callback address")
	if _, err := s.app.Exchange(t.Context(), s.rt, code, verifier); err != nil {
		t.Errorf("the right one: %v", err)
	}
	refused("code used twice", s.app, code, verifier, "used up")
	refused("made-up code", s.app, "aPrx==", verifier, "does not know the code")
	refused("other verifier", s.app, s.authorize(t, "s", verifier, "allow").Get("code"), oauth2.GenerateVerifier(), "started here")
}

// Twenty calls meet an expired token, with a refresh token that is good for one use: one refresh serves them all, again and again.
func TestOrgRotation(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 10, RotateRefreshTokens: true})
	for round := 1; round <= 3; round++ {
		before := s.tokens.token.Refresh
		s.org.ExpireAccessTokens()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if n, err := s.Count(t.Context(), "SELECT COUNT() FROM Account"); err != nil || n != 10 {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		wg.Wait()
		if s.tokens.exchanges != round || s.tokens.token.Refresh == before {
			t.Errorf("round %d: %d refreshes", round, s.tokens.exchanges)
		}
	}
}

func TestOrgEndsTheGrant(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 1})
	s.org.ExpireAccessTokens()
	s.org.Fail(sim.Fault{Match: "/services/oauth2/token", Status: 503, Count: -1})
	if _, err := s.Limits(t.Context()); !IsTransient(err) || IsGrantDead(err) {
		t.Errorf("a login host that is down: %v", err)
	}
	s.org.ClearFaults(0)
	if _, err := s.Limits(t.Context()); err != nil {
		t.Errorf("and up again: %v", err)
	}
	if err := s.app.Revoke(t.Context(), s.rt, s.tokens.token.Refresh); err != nil {
		t.Fatal(err)
	}
	if err := s.app.Revoke(t.Context(), s.rt, s.tokens.token.Refresh); err != nil {
		t.Errorf("revoking twice: %v", err)
	}
	calls := s.Calls()
	if _, err := s.Limits(t.Context()); !IsGrantDead(err) || IsTransient(err) || s.Calls() != calls+1 {
		t.Errorf("%d calls, %v", s.Calls()-calls, err)
	}
}

// TestOrgLosesTheApp has an administrator rotate the app's secret, and delete the app, while the app is signed in. One refresh each finds it out.
func TestOrgLosesTheApp(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 1})
	for _, lose := range []func(){func() { s.org.RotateSecret(); s.org.ExpireAccessTokens() }, s.org.ReplaceApp} {
		lose()
		calls, exchanges := s.Calls(), s.tokens.exchanges
		if _, err := s.Limits(t.Context()); !IsGrantDead(err) || !IsAppRefused(err) || IsTransient(err) || s.Calls() != calls+1 || s.tokens.exchanges != exchanges+1 {
			t.Errorf("%d calls, %d refreshes, %v", s.Calls()-calls, s.tokens.exchanges-exchanges, err)
		}
	}
	s.tokens.token.Refresh = "5Aep861revoked"
	s.app.ClientID = s.org.Credentials().ClientID
	s.app.ClientSecret = s.org.Credentials().ClientSecret
	if _, err := s.app.Renew(t.Context(), s.rt, s.tokens.token); !IsGrantDead(err) || IsAppRefused(err) {
		t.Errorf("a grant that is dead, by an app that is known: %v", err)
	}
}

func TestOrgPaging(t *testing.T) {
	t.Parallel()
	const accounts = 4300
	s := newOrg(t, sim.Options{Accounts: accounts})
	seen := map[any]bool{}
	r, err := s.Query(t.Context(), "SELECT Id, Name, Owner.Name FROM Account ORDER BY Id")
	for err == nil {
		for _, rec := range r.Records {
			seen[rec["Id"]] = true
			if owner, ok := rec["Owner"].(map[string]any); !ok || owner["Name"] == nil {
				t.Fatalf("%v has no owner", rec)
			}
		}
		if r.TotalSize != accounts || r.Done != (r.Next == "") {
			t.Fatalf("%d of %d, done %v, next %q", len(r.Records), r.TotalSize, r.Done, r.Next)
		}
		if r.Done {
			break
		}
		r, err = s.QueryMore(t.Context(), r.Next)
	}
	if err != nil || len(seen) != accounts {
		t.Errorf("%d accounts, %v", len(seen), err)
	}
	var e *APIError
	if _, err := s.QueryMore(t.Context(), "/services/data/v66.0/query/01gXX0000000000AAA-2000"); !errors.As(err, &e) || e.Code != "INVALID_QUERY_LOCATOR" {
		t.Error(err)
	}
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account WHERE Nmae = 'x'"); err == nil {
		t.Error("a wrong field passed")
	} else if line, col, text, ok := QueryPosition(err); !ok || line != 1 || col != 30 || !strings.Contains(text, "Nmae") {
		t.Errorf("%d:%d %q in %v", line, col, text, err)
	}
}

func TestOrgLongQuery(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 20})
	long := "SELECT COUNT() FROM Account WHERE Name != '" + strings.Repeat("x", 200) + "'" + strings.Repeat(" AND Name != '"+strings.Repeat("y", 180)+"'", 100)
	if n, err := s.Count(t.Context(), long); err != nil || n != 20 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestOrgDescribe(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 1})
	objects, err := s.DescribeGlobal(t.Context())
	if err != nil || len(objects) < 5 {
		t.Fatal(objects, err)
	}
	schema, err := s.Schema(t.Context(), "Account")
	if err != nil {
		t.Fatal(err)
	}
	account, user := schema.Object("Account"), schema.Object("user")
	if account == nil || user == nil || user.Name != "User" || schema.Object("Nope__c") != nil || SchemaErr(schema) != nil {
		t.Errorf("%v, %v, %v", account, user, SchemaErr(schema))
	}
	d, err := s.Describe(t.Context(), "Account")
	if err != nil || d.KeyPrefix != "001" || d.Field("Name").Length != 255 || !d.Field("Name").NameField {
		t.Errorf("%+v, %v", d, err)
	}
}

// download reads all pages of a job and returns the Name of each row by its Id.
func (s *orgStand) download(t *testing.T, id string, maxRecords int) map[string]string {
	t.Helper()
	names := map[string]string{}
	for locator, pages := "", 0; ; pages++ {
		r, err := s.Results(t.Context(), id, locator, maxRecords)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := readCSV(NewCSVReader(r.Body))
		r.Body.Close()
		switch {
		case IsTransient(err) && pages < 50:
			continue // the same page again
		case err != nil:
			t.Fatal(err)
		case int64(len(rows)-1) != r.Records:
			t.Fatalf("%d rows where %d are announced", len(rows)-1, r.Records)
		}
		for _, row := range rows[1:] {
			names[row[0]] = row[1]
		}
		if locator = r.Locator; locator == "" {
			return names
		}
	}
}

func (s *orgStand) job(t *testing.T, query string) Job {
	t.Helper()
	job, err := s.CreateQueryJob(t.Context(), query)
	for err == nil && job.State != JobComplete {
		job, err = s.Job(t.Context(), job.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestOrgBulk(t *testing.T) {
	t.Parallel()
	const accounts = 2500
	s := newOrg(t, sim.Options{Accounts: accounts})
	job := s.job(t, "SELECT Id, Name, Description FROM Account")
	if job.Processed != accounts {
		t.Errorf("%+v", job)
	}
	want := map[string]string{}
	for rec := range s.org.Records("Account") {
		want[fmt.Sprint(rec["Id"])] = fmt.Sprint(rec["Name"])
	}
	check := func(what string, got map[string]string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %d rows", what, len(got))
		}
		for id, name := range want {
			if got[id] != name {
				t.Fatalf("%s: %s is %q, not %q", what, id, got[id], name)
			}
		}
	}
	check("pages of 700", s.download(t, job.ID, 700))
	results := "/services/data/*/jobs/query/*/results"
	for i := range 10 {
		s.org.Fail(sim.Fault{Match: results, Nth: 2, TruncateAfter: 1 + i*4001})
		check("cut stream", s.download(t, job.ID, 700))
	}
	s.org.Fail(sim.Fault{Match: results, StallAfter: 100, Stall: time.Hour})
	check("stalled stream", s.download(t, job.ID, 700))
	s.org.ExpireAccessTokens()
	check("expired token", s.download(t, job.ID, 700))
	s.org.Fail(sim.Fault{Match: results, Status: 503, Body: "<html>maintenance</html>", Count: 3})
	check("overload", s.download(t, job.ID, 700))
	if err := s.DeleteJob(t.Context(), job.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.Results(t.Context(), job.ID, "", 0); !isNotFound(err) {
		t.Errorf("results of a deleted job: %v", err)
	}
}

func TestOrgCorruptPage(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 50})
	job := s.job(t, "SELECT Id, Name FROM Account")
	s.org.Fail(sim.Fault{Match: "/services/data/*/jobs/query/*/results", CorruptRow: 7})
	r, err := s.Results(t.Context(), job.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	_, err = readCSV(NewCSVReader(r.Body))
	var e *CSVError
	if !errors.As(err, &e) || e.Row < 7 || e.Row > 8 {
		t.Error(err)
	}
}

func TestOrgJobThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 5, JobDelay: time.Hour})
	job, err := s.CreateQueryJob(t.Context(), "SELECT Id FROM Account")
	if err != nil {
		t.Fatal(err)
	}
	if job, err = s.Job(t.Context(), job.ID); err != nil || job.State != JobInProgress && job.State != JobUploadComplete {
		t.Fatalf("%+v, %v", job, err)
	}
	if _, err := s.Results(t.Context(), job.ID, "", 0); err == nil || IsTransient(err) {
		t.Errorf("results before their time: %v", err)
	}
	if err := errors.Join(s.AbortJob(t.Context(), job.ID), s.DeleteJob(t.Context(), job.ID)); err != nil {
		t.Error(err)
	}
	if _, err := s.CreateQueryJob(t.Context(), "SELECT Id FROM Acount"); err == nil || IsTransient(err) {
		t.Errorf("a job for an unknown object: %v", err)
	}
}

func TestOrgDailyLimit(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 5})
	s.org.SetAPILimit(100, 100)
	calls := s.Calls()
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); !IsDailyLimit(err) || s.Calls() != calls+1 {
		t.Errorf("%d calls, %v", s.Calls()-calls, err)
	}
	s.org.SetAPILimit(0, 100)
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
		t.Error(err)
	}
}

func TestOrgFaultsAreRetried(t *testing.T) {
	t.Parallel()
	s := newOrg(t, sim.Options{Accounts: 5})
	for name, fault := range map[string]sim.Fault{
		"server error":    {Status: 500, Count: 2},
		"overload":        {Status: 503, Count: 2},
		"page":            {Status: 502, Body: "<html>bad gateway</html>", Count: 2},
		"page as success": {Status: 200, Body: "<html>maintenance</html>", Count: 2},
		"lock":            {Status: 400, Code: "UNABLE_TO_LOCK_ROW", Count: 2},
		"cut":             {TruncateAfter: 20, Count: 2},
		"cut cleanly":     {TruncateAfter: 20, CleanCut: true, Count: 2},
		"stall":           {StallAfter: 20, Stall: time.Hour, Count: 1},
	} {
		s.org.ClearFaults(0)
		fault.Match = "/services/data/*/query"
		s.org.Fail(fault)
		if n, err := s.Count(t.Context(), "SELECT COUNT() FROM Account"); err != nil || n != 5 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if s.waits.count() == 0 {
		t.Error("nothing was retried")
	}
}
