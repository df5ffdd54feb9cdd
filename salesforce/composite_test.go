package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// composites serves composite requests by way of the handler of single ones, and notes how many subrequests each had. refused answers them instead, when it is set.
type composites struct {
	single  http.HandlerFunc
	refused http.HandlerFunc

	mu    sync.Mutex
	sizes []int
	alone int // requests by themselves
}

func (c *composites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path != "/services/data/v66.0/composite" {
		c.alone++
		c.single(w, r)
		return
	}
	var in struct {
		AllOrNone        bool
		CompositeRequest []struct {
			Method, URL, ReferenceID string
			HTTPHeaders              map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.AllOrNone || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	c.sizes = append(c.sizes, len(in.CompositeRequest))
	if c.refused != nil {
		c.refused(w, r)
		return
	}
	var out []any
	for _, s := range in.CompositeRequest {
		one := httptest.NewRequest(s.Method, s.URL, nil)
		for name, value := range s.HTTPHeaders {
			one.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		c.single(rec, one)
		body := json.RawMessage(rec.Body.Bytes())
		if len(body) == 0 {
			body = json.RawMessage("null")
		}
		header := map[string]string{}
		if m := rec.Header().Get("Last-Modified"); m != "" {
			header["Last-Modified"] = m
		}
		out = append(out, map[string]any{"body": body, "httpHeaders": header, "httpStatusCode": rec.Code, "referenceId": s.ReferenceID})
	}
	slices.Reverse(out) // collated subrequests may be answered in any order
	b, _ := json.Marshal(map[string]any{"compositeResponse": out})
	writeJSON(w, 200, string(b))
}

// took tells of the requests since it was asked last.
func (c *composites) took() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := fmt.Sprintf("together %v, alone %d", c.sizes, c.alone)
	c.sizes, c.alone = nil, 0
	return said
}

// counting answers a count of the object that the query names last by the number in that name.
func counting(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query().Get("q")
	if r.URL.Path == "/services/data/v66.0/composite/batch" {
		writeJSON(w, 200, `{"hasErrors":false,"results":[{"statusCode":200,"result":{"totalSize":99,"done":true,"records":[]}}]}`)
		return
	}
	var n int
	if _, err := fmt.Sscanf(q, "SELECT COUNT() FROM N%d", &n); err != nil {
		writeJSON(w, 400, errorJSON("MALFORMED_QUERY", "no"))
		return
	}
	writeJSON(w, 200, fmt.Sprintf(`{"totalSize":%d,"done":true,"records":[]}`, n))
}

func countOf(n int) string { return fmt.Sprintf("SELECT COUNT() FROM N%d", n) }

func TestCounts(t *testing.T) {
	t.Parallel()
	c := &composites{single: counting}
	s := newStand(t, c.ServeHTTP)
	check := func(requests string, n int, more ...string) []Counted {
		t.Helper()
		var queries []string
		for i := range n {
			queries = append(queries, countOf(i))
		}
		got := s.Counts(t.Context(), append(queries, more...))
		for i := range n {
			if got[i] != (Counted{Records: int64(i)}) {
				t.Errorf("of %d, number %d: %+v", n, i, got[i])
			}
		}
		if took := c.took(); took != requests {
			t.Errorf("%d counts took %s, want %s", n, took, requests)
		}
		return got[n:]
	}
	check("together [], alone 0", 0)
	check("together [], alone 1", 1)
	check("together [5], alone 0", 5)
	check("together [5], alone 1", 6)
	check("together [5 5 2], alone 0", 12)
	var api *APIError
	if bad := check("together [4], alone 0", 3, "SELECT nonsense"); !errors.As(bad[0].Err, &api) || api.Code != "MALFORMED_QUERY" {
		t.Errorf("%+v", bad)
	}
	if long := check("together [2], alone 1", 2, "SELECT COUNT() FROM Account WHERE Name = '"+strings.Repeat("x", longURI)+"'"); long[0] != (Counted{Records: 99}) {
		t.Errorf("%+v", long)
	}
}

// TestCountsThatFailForATime has one of the counts run out of time, or find its session ended, when it is asked with others: it is asked by itself, and the others are not asked again.
func TestCountsThatFailForATime(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{"QUERY_TIMEOUT": 400, "INVALID_SESSION_ID": 401} {
		var failing atomic.Bool
		c := &composites{single: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("q") == countOf(2) && failing.Swap(false) {
				writeJSON(w, status, errorJSON(code, "no"))
				return
			}
			counting(w, r)
		}}
		s := newStand(t, c.ServeHTTP)
		failing.Store(true)
		got := s.Counts(t.Context(), []string{countOf(1), countOf(2), countOf(3)})
		if want := []Counted{{Records: 1}, {Records: 2}, {Records: 3}}; !slices.Equal(got, want) {
			t.Errorf("%s: %+v", code, got)
		}
		if took := c.took(); took != "together [3], alone 1" {
			t.Errorf("%s: %s", code, took)
		}
	}
}

// TestCompositeFails has an org, or something before it, that does not answer composite requests: everything is asked by itself, and together again after a while, which is longer where that is likely to last.
func TestCompositeFails(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, status, body) }
	}
	const one = `{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[]},"httpStatusCode":200,"referenceId":"r0"}`
	for name, c := range map[string]struct {
		refused http.HandlerFunc
		alone   int // of the two queries
		lasts   time.Duration
	}{
		"not there":   {answer(404, errorJSON("NOT_FOUND", "The requested resource does not exist")), 2, aloneWhenRefused},
		"not allowed": {answer(403, errorJSON("FUNCTIONALITY_NOT_ENABLED", "no")), 2, aloneWhenRefused},
		"method refused": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>no</html>", http.StatusMethodNotAllowed)
		}, 2, aloneWhenRefused},
		"a proxy's page":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>no</html>") }, 2, aloneWhenFailed},
		"too slow":          {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 2, aloneWhenRefused},
		"unavailable":       {answer(503, errorJSON("SERVER_UNAVAILABLE", "Server Unavailable")), 2, aloneWhenFailed},
		"cut":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 2, aloneWhenFailed},
		"too large":         {answer(200, strings.Repeat(" ", maxJSON+1)), 2, aloneWhenFailed},
		"another answer":    {answer(200, `{"totalSize":1,"done":true,"records":[]}`), 2, aloneWhenFailed},
		"no answers":        {answer(200, `{"compositeResponse":[]}`), 2, aloneWhenFailed},
		"one answer":        {answer(200, one+`]}`), 1, aloneWhenFailed},
		"one answer, cut":   {answer(200, one), 1, aloneWhenFailed},
		"one answer twice":  {answer(200, one+`,`+strings.TrimPrefix(one, `{"compositeResponse":[`)+`]}`), 1, aloneWhenFailed},
		"another's answer":  {answer(200, one+`,{"body":null,"httpStatusCode":200,"referenceId":"r7"}]}`), 1, aloneWhenFailed},
		"headers of a kind": {answer(200, `{"compositeResponse":[{"body":null,"httpHeaders":[],"httpStatusCode":200,"referenceId":"r0"}]}`), 2, aloneWhenFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org := &composites{single: counting, refused: c.refused}
			var clock atomic.Int64
			s := newStand(t, org.ServeHTTP, func(c *Config) {
				c.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
				guarded := newGuarded(c.Hosts, nil)
				guarded.base.ResponseHeaderTimeout = time.Second
				c.Transport = guarded
			})
			check := func(want string) {
				t.Helper()
				if got := s.Counts(t.Context(), []string{countOf(1), countOf(2)}); got[0] != (Counted{Records: 1}) || got[1] != (Counted{Records: 2}) {
					t.Errorf("%+v", got)
				}
				if took := org.took(); took != want {
					t.Errorf("%s, want %s", took, want)
				}
			}
			check(fmt.Sprintf("together [2], alone %d", c.alone))
			clock.Add(int64(c.lasts/time.Second) - 1)
			check("together [], alone 2")
			clock.Add(1)
			check(fmt.Sprintf("together [2], alone %d", c.alone))
		})
	}
}

// TestCountsEnd has what would meet every count: the daily limit, a meter that has no more to spend, a caller that has gone. None is a reason to ask for each by itself.
func TestCountsEnd(t *testing.T) {
	t.Parallel()
	queries := []string{countOf(1), countOf(2), countOf(3), countOf(4), countOf(5), countOf(6), countOf(7), "SELECT COUNT() FROM A WHERE Name = '" + strings.Repeat("x", longURI) + "'"}
	limit := func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 403, errorJSON("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
	}
	c := &composites{single: counting, refused: limit}
	s := newStand(t, c.ServeHTTP)
	for i, n := range s.Counts(t.Context(), queries[:7]) {
		if !IsDailyLimit(n.Err) {
			t.Errorf("%d: %+v", i, n)
		}
	}
	if took := c.took(); took != "together [5], alone 0" {
		t.Error(took)
	}
	c.refused = nil
	c.single = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("q") == countOf(2) {
			limit(w, r)
			return
		}
		counting(w, r)
	}
	if got := s.Counts(t.Context(), queries[:3]); got[0].Err != nil || !IsDailyLimit(got[1].Err) || got[2].Err != nil {
		t.Errorf("%+v", got)
	}
	c.took()
	c.single = counting
	broke := errors.New("nothing left")
	for paid := range 3 {
		left := paid
		ctx := Metered(t.Context(), func(context.Context, Call) (func(Usage), error) {
			if left == 0 {
				return nil, fmt.Errorf("%w: %w", broke, &APIError{Status: 403, Code: "API_CURRENTLY_DISABLED"})
			}
			left--
			return nil, nil
		})
		failed := 0
		for _, n := range s.Counts(ctx, queries) {
			if errors.Is(n.Err, broke) {
				failed++
			} else if n.Err != nil {
				t.Error(n.Err)
			}
		}
		if want := []int{8, 7, 2}[paid]; failed != want {
			t.Errorf("%d requests paid: %d counts failed, want %d", paid, failed, want)
		}
		if took := c.took(); took != []string{"together [], alone 0", "together [], alone 1", "together [5], alone 1"}[paid] {
			t.Error(took)
		}
	}
	if got := s.Counts(t.Context(), queries[:5]); got[0].Err != nil || c.took() != "together [5], alone 0" {
		t.Error("a meter without means is taken for an org without composite requests")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, n := range s.Counts(gone, queries[:3]) {
		if !errors.Is(n.Err, context.Canceled) {
			t.Errorf("%+v", n)
		}
	}
}

// TestRenewalThatFailsOnceAmongCounts has the access token expire, and the token endpoint be busy once, when counts are asked for together. They are asked for all the same, by themselves this time.
func TestRenewalThatFailsOnceAmongCounts(t *testing.T) {
	t.Parallel()
	c := &composites{single: counting}
	var busy atomic.Int64
	busy.Store(1)
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/services/oauth2/token" && busy.Add(-1) >= 0:
			writeJSON(w, 503, `{}`)
		case r.URL.Path == "/services/oauth2/token":
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!second","instance_url":%q,"issued_at":"1764000000000","id":%q}`, s.url, s.url+"/id/00D000000000001AAA/005000000000001AAA"))
		case r.Header.Get("Authorization") == "Bearer "+access:
			writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
		default:
			c.ServeHTTP(w, r)
		}
	})
	ask := func(took string) {
		t.Helper()
		for i, n := range s.Counts(t.Context(), []string{countOf(1), countOf(2)}) {
			if n.Err != nil || n.Records != int64(i+1) {
				t.Errorf("%d: %+v", i, n)
			}
		}
		if got := c.took(); got != took {
			t.Errorf("%s, want %s", got, took)
		}
	}
	ask("together [], alone 2")
	ask("together [2], alone 0")
}

// TestDescribesAreRevalidatedTogether has describes grow old: one request asks whether they hold, what has changed comes with it, and what is gone is asked for by itself.
func TestDescribesAreRevalidatedTogether(t *testing.T) {
	t.Parallel()
	const first, later = "Tue, 10 Nov 2026 10:00:00 GMT", "Wed, 11 Nov 2026 10:00:00 GMT"
	changed, gone := map[string]bool{}, map[string]bool{}
	c := &composites{single: func(w http.ResponseWriter, r *http.Request) {
		u, _ := url.PathUnescape(r.URL.Path)
		object := strings.Split(u, "/")[5]
		field, modified := "Old", first
		if changed[object] {
			field, modified = "New", later
		}
		switch {
		case gone[object]:
			writeJSON(w, 404, errorJSON("NOT_FOUND", "The requested resource does not exist"))
		case r.Header.Get("If-Modified-Since") == modified:
			w.WriteHeader(304)
		default:
			w.Header().Set("Last-Modified", modified)
			writeJSON(w, 200, fmt.Sprintf(`{"name":%q,"queryable":true,"fields":[{"name":%q,"type":"string"}]}`, object, field))
		}
	}}
	var clock atomic.Int64
	s := newStand(t, c.ServeHTTP, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	objects := []string{"Account", "Contact", "Case", "account", "no object"}
	check := func(requests string, want map[string]string) {
		t.Helper()
		schema, err := s.Schema(t.Context(), objects...)
		if err != nil {
			t.Fatal(err)
		}
		for name, field := range want {
			o := schema.Object(name)
			if field == "" && o == nil {
				continue
			}
			if o == nil || o.Fields[0].Name != field {
				t.Errorf("%s: %+v, want %s", name, o, field)
			}
		}
		if took := c.took(); took != requests {
			t.Errorf("took %s, want %s", took, requests)
		}
	}
	older := func() { clock.Add(int64(schemaTTL / time.Second)) }
	check("together [], alone 3", map[string]string{"Account": "Old", "Contact": "Old", "Case": "Old"})
	check("together [], alone 0", nil)
	older()
	check("together [3], alone 0", map[string]string{"Account": "Old", "Contact": "Old", "Case": "Old"})
	check("together [], alone 0", nil)
	older()
	changed["Contact"] = true
	check("together [3], alone 0", map[string]string{"Account": "Old", "Contact": "New", "Case": "Old"})
	older()
	check("together [3], alone 0", map[string]string{"Contact": "New"}) // by the date that came with it
	older()
	gone["Case"] = true
	check("together [3], alone 1", map[string]string{"Account": "Old", "Case": ""})
	older()
	c.refused = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusMethodNotAllowed) }
	check("together [3], alone 3", map[string]string{"Account": "Old", "Contact": "New", "Case": ""})
	older()
	check("together [], alone 3", map[string]string{"Account": "Old", "Contact": "New", "Case": ""})
	clock.Add(int64(aloneWhenRefused / time.Second))
	c.refused = func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 403, errorJSON("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
	}
	if _, err := s.Schema(t.Context(), objects...); !IsDailyLimit(err) {
		t.Errorf("the daily limit: %v", err)
	}
	c.took()
	c.refused = nil
	check("together [3], alone 1", map[string]string{"Account": "Old", "Contact": "New", "Case": ""})
	older()
	objects = []string{"Account"}
	check("together [], alone 1", map[string]string{"Account": "Old"})
}

// unchanging describes any object, and says that nothing has changed when it is asked.
func unchanging(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("If-Modified-Since") != "" {
		w.WriteHeader(304)
		return
	}
	w.Header().Set("Last-Modified", "Tue, 10 Nov 2026 10:00:00 GMT")
	writeJSON(w, 200, `{"name":"X","queryable":true,"fields":[{"name":"Id","type":"id"}]}`)
}

// TestManyDescribesAreRevalidated has more objects than one composite request takes.
func TestManyDescribesAreRevalidated(t *testing.T) {
	t.Parallel()
	c := &composites{single: unchanging}
	var clock atomic.Int64
	s := newStand(t, c.ServeHTTP, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	var objects []string
	for i := range 51 {
		objects = append(objects, fmt.Sprintf("O%d__c", i))
	}
	for _, want := range []string{"together [], alone 51", "together [25 25], alone 1"} {
		if _, err := s.Schema(t.Context(), objects...); err != nil {
			t.Fatal(err)
		}
		if took := c.took(); took != want {
			t.Errorf("took %s, want %s", took, want)
		}
		clock.Add(int64(schemaTTL / time.Second))
	}
}

// TestChangesWhileDescribesAreAnswered has a field hidden after its object was described and before the answers are dated, from an org that says nothing of when a describe was changed. It is seen the next time.
func TestChangesWhileDescribesAreAnswered(t *testing.T) {
	t.Parallel()
	var clock, changed atomic.Int64 // the org's clock, and when it was changed
	clock.Store(1_000_000)
	var describing atomic.Bool // the change comes while the describes are answered
	c := &composites{single: func(w http.ResponseWriter, r *http.Request) {
		since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
		if err == nil && changed.Load() <= since.Unix() {
			w.WriteHeader(304)
			return
		}
		writeJSON(w, 200, fmt.Sprintf(`{"name":"X","queryable":true,"fields":[{"name":"F%d","type":"string"}]}`, changed.Load()))
		if describing.Load() {
			clock.Add(2)
			changed.Store(clock.Load())
			clock.Add(2)
		}
	}}
	dated := func(w http.ResponseWriter, r *http.Request) {
		c.ServeHTTP(&lateDate{w, &clock}, r)
	}
	s := newStand(t, dated, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	read := func() string {
		t.Helper()
		schema, err := s.Schema(t.Context(), "A__c", "B__c")
		if err != nil {
			t.Fatal(err)
		}
		return schema.Object("A__c").Fields[0].Name
	}
	read()
	clock.Add(1000)
	changed.Store(clock.Load())
	clock.Add(1000)
	describing.Store(true)
	read()
	describing.Store(false)
	clock.Add(1000)
	if got, want := read(), fmt.Sprintf("F%d", changed.Load()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// lateDate dates an answer when its header is sent.
type lateDate struct {
	http.ResponseWriter
	clock *atomic.Int64
}

func (l *lateDate) WriteHeader(status int) {
	l.Header().Set("Date", time.Unix(l.clock.Load(), 0).UTC().Format(http.TimeFormat))
	l.ResponseWriter.WriteHeader(status)
}

// TestSchemasAtOnce has many ask for describes that have grown old, some of whom go away: nobody waits for ever, and all see them.
func TestSchemasAtOnce(t *testing.T) {
	t.Parallel()
	c := &composites{single: unchanging}
	var clock atomic.Int64
	s := newStand(t, c.ServeHTTP, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	objects := []string{"A", "B", "c", "D", "b", "C"}
	for range 5 {
		var g errgroup.Group
		for n := range 20 {
			g.Go(func() error {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if n%5 == 4 {
					cancel()
				}
				mine := slices.Clone(objects)
				if n%2 == 1 {
					slices.Reverse(mine)
				}
				schema, err := s.Schema(ctx, mine...)
				if n%5 == 4 {
					return nil
				}
				if err == nil && schema.Object("a") == nil {
					err = errors.New("no describe")
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		clock.Add(int64(schemaTTL / time.Second))
	}
}

// FuzzCompositeAnswer reads any text as the answer to a composite request: where there is no error each subrequest was answered once, by what the text has under its name.
func FuzzCompositeAnswer(f *testing.F) {
	for _, s := range []string{`{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[]},"httpHeaders":{"ETag":"x"},"httpStatusCode":200,"referenceId":"r0"},{"body":null,"httpHeaders":{},"httpStatusCode":304,"referenceId":"r1"}]}`,
		`{"compositeResponse":[{"body":[{"errorCode":"X","message":"y"}],"httpStatusCode":400,"referenceId":"r1"},{"referenceId":"r0"}]}`, `{"compositeResponse":null}`, `{}`, `[]`, `{"compositeResponse":[{"referenceId":"r0"},{"referenceId":"r0"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		resp := httptest.NewRecorder()
		writeJSON(resp, 200, string(in))
		got := map[string]int{}
		err := subanswers(request{path: "/composite"}, resp.Result(), 2, func(i int, a subanswer) {
			id := fmt.Sprintf("r%d", i)
			if _, twice := got[id]; twice || i < 0 || i > 1 {
				t.Fatalf("answer %d comes again, or nobody asked for it", i)
			}
			got[id] = a.status
			e := newKept[Describe]()
			if a.revalidates(e, time.Unix(1, 0), time.Unix(1, 0)); e.answer.Load() != nil && len(e.answer.Load().Fields) == 0 {
				t.Fatal("a describe without fields is kept")
			}
		})
		if err != nil {
			return
		}
		var whole struct {
			CompositeResponse []struct {
				ReferenceID    string
				HTTPStatusCode int
			}
		}
		if json.NewDecoder(bytes.NewReader(in)).Decode(&whole) != nil {
			return // something is wrong behind the last answer
		}
		for _, a := range whole.CompositeResponse {
			if status, ok := got[a.ReferenceID]; ok && status == a.HTTPStatusCode {
				delete(got, a.ReferenceID)
			}
		}
		if len(got) > 0 {
			t.Fatalf("answered by nothing in the text: %v", got)
		}
	})
}
