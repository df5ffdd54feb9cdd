package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// tokens is a token store in memory that keeps Config's contract.
type tokens struct {
	mu        sync.Mutex
	token     Token
	refreshes int // calls of Refresh
	exchanges int // of them, those that asked Salesforce
}

func (s *tokens) Token(context.Context) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, nil
}

func (s *tokens) Refresh(ctx context.Context, spent Token, exchange func(context.Context, Token) (Token, error)) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes++
	if s.token.Access != spent.Access {
		return s.token, nil
	}
	s.exchanges++
	fresh, err := exchange(ctx, s.token)
	if err != nil {
		return Token{}, err
	}
	s.token = fresh
	return fresh, nil
}

// waits records what the client would have waited.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func (w *waits) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// stand is a client in front of a handler that plays one fault.
type stand struct {
	*Client
	tokens *tokens
	waits  *waits
	url    string
	server *httptest.Server
}

const access = "00D000000000001!AQ0AQ.first"

func newStand(t *testing.T, handler http.HandlerFunc, change ...func(*Config)) *stand {
	t.Helper()
	server := httptest.NewServer(handler)
	hosts := HostPolicy{Extra: []string{server.URL}}
	s := &stand{server: server, url: server.URL, waits: &waits{}, tokens: &tokens{token: Token{Access: access, Refresh: "5Aep861first", InstanceURL: server.URL,
		IdentityURL: server.URL + "/id/00D000000000001AAA/005000000000001AAA"}}}
	cfg := Config{App: App{LoginURL: server.URL, ClientID: "key", ClientSecret: "secret"}, Token: s.tokens.Token, Refresh: s.tokens.Refresh,
		Hosts: hosts, Sleep: s.waits.sleep}
	for _, c := range change {
		c(&cfg)
	}
	s.Client = New(cfg)
	t.Cleanup(func() {
		s.http.CloseIdleConnections()
		server.Close()
	})
	return s
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func errorJSON(code, message string) string {
	b, _ := json.Marshal([]map[string]string{{"errorCode": code, "message": message}})
	return string(b)
}

const onePage = `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account"},"Name":"Acme","AnnualRevenue":12345678901234567.89}]}`

func TestQuery(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/services/data/v66.0/query" || r.URL.Query().Get("q") != "SELECT Name FROM Account" || r.Header.Get("Authorization") != "Bearer "+access {
			t.Errorf("request %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		w.Header().Set("Sforce-Limit-Info", "api-usage=18/15000; per-app-api-usage=17/250(appName=x)")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		z := gzip.NewWriter(w)
		io.WriteString(z, onePage)
		z.Close()
	}, func(c *Config) {
		c.Now = func() time.Time { return time.Unix(1000, 0) }
	})
	var told atomic.Int64
	s.cfg.OnUsage = func(u Usage) { told.Store(u.Used) }
	got, err := s.Query(t.Context(), "SELECT Name FROM Account")
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := got.Records[0]["AnnualRevenue"].(json.Number); !ok || n.String() != "12345678901234567.89" {
		t.Errorf("the number came back as %#v", got.Records[0]["AnnualRevenue"])
	}
	if u := s.Usage(); u != (Usage{Used: 18, Limit: 15000, At: time.Unix(1000, 0)}) || told.Load() != 18 {
		t.Errorf("usage %+v, told %d", u, told.Load())
	}
	if s.Calls() != 1 {
		t.Errorf("%d calls", s.Calls())
	}
}

// Which answers are repeated, which are not, and which may succeed in a later run.
func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		writeJSON(w, 200, onePage)
	}
	refuse := func(status int, code, message string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { writeJSON(w, status, errorJSON(code, message)) }
	}
	tests := []struct {
		name               string
		answer             func(http.ResponseWriter)
		repeats, transient bool
	}{
		{"server error", refuse(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."), true, true},
		{"bad gateway", func(w http.ResponseWriter) { w.WriteHeader(502) }, true, true},
		{"overloaded, as a page", func(w http.ResponseWriter) { w.WriteHeader(503); io.WriteString(w, "<html>maintenance</html>") }, true, true},
		{"gateway timeout", func(w http.ResponseWriter) { w.WriteHeader(504) }, true, true},
		{"too many requests", refuse(429, "TOO_MANY", "slow down"), true, true},
		{"lock", refuse(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"), true, true},
		{"concurrent limit", refuse(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."), true, true},
		{"page with status 200", func(w http.ResponseWriter) { io.WriteString(w, "<html>maintenance</html>") }, true, true},
		{"nothing", func(w http.ResponseWriter) { writeJSON(w, 200, "") }, true, true},
		{"half an answer", func(w http.ResponseWriter) { writeJSON(w, 200, onePage[:30]) }, true, true},
		{"cut connection", cut, true, true},
		{"not a query result", func(w http.ResponseWriter) { writeJSON(w, 200, "{}") }, false, true},
		{"daily limit", refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), false, false},
		{"query timeout", refuse(400, "QUERY_TIMEOUT", "Your query request was running for too long."), false, true},
		{"bad query", refuse(400, "MALFORMED_QUERY", "unexpected token: q"), false, false},
		{"forbidden", refuse(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."), false, false},
		{"not found", refuse(404, "NOT_FOUND", "The requested resource does not exist"), false, false},
		{"redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(302)
		}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				tt.answer(w)
			})
			_, err := s.Query(t.Context(), "SELECT Id FROM Account")
			want := int64(1)
			if tt.repeats {
				want = maxTries
			}
			if err == nil || calls.Load() != want || int64(s.waits.count()) != want-1 {
				t.Errorf("%d calls, %d waits, error %v; want %d calls", calls.Load(), s.waits.count(), err, want)
			}
			if IsTransient(err) != tt.transient {
				t.Errorf("IsTransient(%v) = %v", err, !tt.transient)
			}
			if daily := strings.Contains(tt.name, "daily"); IsDailyLimit(err) != daily {
				t.Errorf("IsDailyLimit(%v) = %v", err, !daily)
			}
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < maxTries {
			w.WriteHeader(503)
			return
		}
		writeJSON(w, 200, onePage)
	})
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
		t.Fatal(err)
	}
	for i, d := range s.waits.all {
		if limit := min(backoffCap, backoffBase<<i) + time.Millisecond; d <= 0 || d > limit {
			t.Errorf("wait %d is %v; want at most %v", i+1, d, limit)
		}
	}
}

func TestCreateJobIsNeverRepeated(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	_, err := s.CreateQueryJob(t.Context(), "SELECT Id FROM Account")
	if !IsTransient(err) || s.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Calls(), err)
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, func(c *Config) {
		c.Sleep = func(ctx context.Context, d time.Duration) error {
			cancel()
			return sleepContext(ctx, time.Hour)
		}
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); !errors.Is(err, context.Canceled) || IsTransient(err) || s.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Calls(), err)
	}
}

func TestCancelledCallIsRecognisable(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); !errors.Is(err, context.Canceled) || IsTransient(err) || s.waits.count() != 0 {
		t.Errorf("%d waits, %v", s.waits.count(), err)
	}
}

// Twenty calls are refused with the same token: one refresh serves them all, late ones included.
func TestOneRefreshForAll(t *testing.T) {
	t.Parallel()
	var refused, grants atomic.Int64
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/services/oauth2/token":
			grants.Add(1)
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!second","refresh_token":"5Aep861second","instance_url":%q,"issued_at":"1764000000000","id":%q}`,
				s.url, s.url+"/id/00D000000000001AAA/005000000000001AAA"))
		case r.Header.Get("Authorization") == "Bearer "+access:
			refused.Add(1)
			writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
		default:
			writeJSON(w, 200, onePage)
		}
	})
	stale, _ := s.tokens.Token(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if late, err := s.renew(t.Context(), stale); err != nil || late.Access != "00D000000000001!second" {
		t.Errorf("a late call got %+v, %v", late, err)
	}
	if grants.Load() != 1 || s.tokens.refreshes != 1 {
		t.Errorf("%d refused calls led to %d grants and %d refreshes", refused.Load(), grants.Load(), s.tokens.refreshes)
	}
	if tok := s.tokens.token; tok.Refresh != "5Aep861second" || tok.IssuedAt.UnixMilli() != 1764000000000 {
		t.Errorf("stored %+v", tok)
	}
}

func TestRefusedTwiceIsNoLoop(t *testing.T) {
	t.Parallel()
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/services/oauth2/token" {
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!n%d","instance_url":%q,"issued_at":"1"}`, s.Calls(), s.url))
			return
		}
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	})
	var e *APIError
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); !errors.As(err, &e) || e.Status != 401 || s.Calls() != 2 || s.tokens.exchanges != 1 {
		t.Errorf("%d calls, %d exchanges, %v", s.Calls(), s.tokens.exchanges, err)
	}
	if s.tokens.token.Refresh != "5Aep861first" {
		t.Errorf("the refresh token was not kept: %q", s.tokens.token.Refresh)
	}
}

func TestDeadGrant(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/services/oauth2/token" {
			writeJSON(w, 400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
			return
		}
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	})
	_, err := s.Query(t.Context(), "SELECT Id FROM Account")
	if !IsGrantDead(err) || IsTransient(err) || s.Calls() != 1 || s.waits.count() != 0 {
		t.Errorf("%d calls, %d waits, %v", s.Calls(), s.waits.count(), err)
	}
}

func TestRefreshOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	refreshed := make(chan error, 1)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	}, func(c *Config) {
		c.Refresh = func(ctx context.Context, spent Token, _ func(context.Context, Token) (Token, error)) (Token, error) {
			cancel()
			refreshed <- ctx.Err()
			return Token{}, errors.New("enough")
		}
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); err == nil {
		t.Error("no error")
	}
	if err := <-refreshed; err != nil {
		t.Errorf("the refresh ended with its caller: %v", err)
	}
}

func TestMissingScopeIsNotRefreshed(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "This session is not valid for use with the REST API"))
	})
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err == nil || s.tokens.refreshes != 0 {
		t.Errorf("%d refreshes, %v", s.tokens.refreshes, err)
	}
}

// At most five requests run at a time, and an open stream counts as one.
func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if strings.HasSuffix(r.URL.Path, "/results") {
			csvPage(w, "null", 0, "\"Id\"\n")
			return
		}
		writeJSON(w, 200, onePage)
	})
	const limit = 5
	var open []*Results
	for range limit {
		r, err := s.Results(t.Context(), "750000000000001AAA", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// With all slots taken the ended context is the only way on; were one free, the request would be counted.
	for range 30 {
		if _, err := s.Query(ended, "SELECT Id FROM Account"); !errors.Is(err, context.Canceled) || s.Calls() != limit {
			t.Fatalf("%d calls, %v", s.Calls(), err)
		}
	}
	for _, r := range open {
		r.Body.Close()
		r.Body.Close() // closing twice frees one slot only
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d requests at a time", most.Load())
	}
	if len(s.slots) != 0 {
		t.Errorf("%d slots are lost", len(s.slots))
	}
}

// A gzip bomb ends at the limit, not in memory.
func TestInflateLimit(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		z := gzip.NewWriter(w)
		defer z.Close()
		io.WriteString(z, `{"totalSize":1,"done":true,"records":[{"Name":"`)
		zeros := []byte(strings.Repeat("0", 1<<20))
		for range 1024 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
	})
	_, err := s.Query(t.Context(), "SELECT Id FROM Account")
	if !errors.Is(err, ErrTooLarge) || IsTransient(err) || s.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Calls(), err)
	}
}

func TestErrorsHoldNoTokens(t *testing.T) {
	t.Parallel()
	const canary = "CANARY123"
	for _, body := range []string{
		`{"access_token":"` + canary + `"}`, "<html>Bearer " + canary + "</html>", "refresh_token=" + canary + "&x=1", "sid=" + canary,
		"<sessionId>00D000000000001!" + canary + "</sessionId>", `[{"errorCode":"X","message":"token 00D000000000001!` + canary + ` refused"}]`, "5Aep861" + canary,
		access,
	} {
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 400, body) })
		_, err := s.Query(t.Context(), "SELECT Id FROM Account WHERE Name = 'secret name'")
		var e *APIError
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", body, err)
		}
		if text := fmt.Sprintf("%v %+v", err, *e); strings.Contains(text, canary) || strings.Contains(text, "first") || strings.Contains(text, "secret name") {
			t.Errorf("%q leaves %s", body, text)
		}
	}
}

// The token in use is removed by its value, whatever it looks like, and a network failure does not repeat the address with its query.
func TestErrorsHoldNoQueryAndNoOddToken(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/limits") {
			w.WriteHeader(400)
			io.WriteString(w, r.Header.Get("Authorization")[len("Bearer "):])
			return
		}
		panic(http.ErrAbortHandler)
	})
	s.tokens.token.Access = "odd-looking"
	if _, err := s.Limits(t.Context()); err == nil || strings.Contains(err.Error(), "odd-looking") {
		t.Error(err)
	}
	var network *NetworkError
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account WHERE Name = 'Ada'"); !errors.As(err, &network) || strings.Contains(err.Error(), "Ada") || network.Path != "/services/data/v66.0/query" {
		t.Error(err)
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	dead := &OAuthError{Status: 400, Code: "invalid_grant"}
	tests := []struct {
		err                    error
		transient, daily, dead bool
	}{
		{nil, false, false, false},
		{errors.New("other"), false, false, false},
		{&NetworkError{Err: io.EOF}, true, false, false},
		{&NetworkError{Err: context.Canceled}, false, false, false},
		{fmt.Errorf("page: %w", context.DeadlineExceeded), true, false, false},
		{&CSVError{Err: ErrTruncated}, true, false, false},
		{&CSVError{Err: ErrStalled}, true, false, false},
		{&CSVError{Err: ErrTooLarge}, false, false, false},
		{&CSVError{Reason: "syntax"}, false, false, false},
		{fmt.Errorf("run: %w", dead), false, false, true},
		{&OAuthError{Status: 400, Code: "inactive_user"}, false, false, true},
		{&OAuthError{Status: 502}, true, false, false},
		{&OAuthError{Status: 400, Code: "invalid_client"}, false, false, false},
		{&APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, false, true, false},
		{&APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}, true, false, false},
		{&NetworkError{Err: &HostError{Host: "x"}}, false, false, false},
	}
	for _, tt := range tests {
		if IsTransient(tt.err) != tt.transient || IsDailyLimit(tt.err) != tt.daily || IsGrantDead(tt.err) != tt.dead {
			t.Errorf("%v: transient %v, daily %v, dead %v", tt.err, IsTransient(tt.err), IsDailyLimit(tt.err), IsGrantDead(tt.err))
		}
	}
}

func TestQueryPosition(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("run: %w", &APIError{Status: 400, Code: "INVALID_FIELD",
		Message: "\nSELECT Id, Nmae FROM Account\n           ^\nERROR at Row:2:Column:12\nNo such column 'Nmae' on entity 'Account'."})
	line, col, text, ok := QueryPosition(err)
	if !ok || line != 2 || col != 12 || text != "No such column 'Nmae' on entity 'Account'." {
		t.Errorf("%d:%d %q %v", line, col, text, ok)
	}
	for _, err := range []error{nil, errors.New("ERROR at Row:1:Column:1\nx"), &APIError{Message: "unexpected token: q"},
		&APIError{Message: "ERROR at Row:99999999999999999999:Column:1\nx"}} {
		if _, _, _, ok := QueryPosition(err); ok {
			t.Errorf("%v has no position", err)
		}
	}
}

func csvPage(w http.ResponseWriter, locator string, records int, body string) {
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	w.Header().Set("Sforce-Locator", locator)
	w.Header().Set("Sforce-NumberOfRecords", fmt.Sprint(records))
	io.WriteString(w, body)
}
