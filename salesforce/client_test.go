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

func csvPage(w http.ResponseWriter, locator string, records int, body string) {
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	w.Header().Set("Sforce-Locator", locator)
	w.Header().Set("Sforce-NumberOfRecords", fmt.Sprint(records))
	io.WriteString(w, body)
}
