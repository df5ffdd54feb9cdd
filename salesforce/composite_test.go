package salesforce

import (
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

// TestCountsThatFailForATime has one of the counts run out of time when it is asked with others: it is asked by itself, and the others are not asked again.
func TestCountsThatFailForATime(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	c := &composites{single: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("q") == countOf(2) && slow.Swap(false) {
			writeJSON(w, 400, errorJSON("QUERY_TIMEOUT", "Your query request was running for too long."))
			return
		}
		counting(w, r)
	}}
	s := newStand(t, c.ServeHTTP)
	slow.Store(true)
	got := s.Counts(t.Context(), []string{countOf(1), countOf(2), countOf(3)})
	if want := []Counted{{Records: 1}, {Records: 2}, {Records: 3}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if took := c.took(); took != "together [3], alone 1" {
		t.Error(took)
	}
}

// TestCompositeIsRefused has an org, or a proxy before it, that takes no composite requests: everything is asked by itself, and another composite request is tried after a day.
func TestCompositeIsRefused(t *testing.T) {
	t.Parallel()
	refusals := map[string]http.HandlerFunc{
		"not there": func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 404, errorJSON("NOT_FOUND", "The requested resource does not exist"))
		},
		"not allowed": func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 403, errorJSON("FUNCTIONALITY_NOT_ENABLED", "no"))
		},
		"a page of a proxy": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>no</html>", 405) },
		"too large":         func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, strings.Repeat(" ", maxJSON+1)) },
	}
	for name, refused := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &composites{single: counting, refused: refused}
			var clock atomic.Int64
			s := newStand(t, c.ServeHTTP, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
			check := func(want string) {
				t.Helper()
				if got := s.Counts(t.Context(), []string{countOf(1), countOf(2)}); got[0] != (Counted{Records: 1}) || got[1] != (Counted{Records: 2}) {
					t.Errorf("%+v", got)
				}
				if took := c.took(); took != want {
					t.Errorf("%s, want %s", took, want)
				}
			}
			check("together [2], alone 2")
			check("together [], alone 2")
			clock.Add(int64(aloneFor / time.Second))
			check("together [2], alone 2")
		})
	}
}

// TestCountsEndWithTheLimit has the daily limit reached, and then an org that fails: neither is a reason to ask for each count by itself, nor for the ones that follow the limit.
func TestCountsEndWithTheLimit(t *testing.T) {
	t.Parallel()
	c := &composites{single: counting, refused: func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 403, errorJSON("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
	}}
	s := newStand(t, c.ServeHTTP)
	queries := []string{countOf(1), countOf(2), countOf(3), countOf(4), countOf(5), countOf(6), countOf(7)}
	for i, n := range s.Counts(t.Context(), queries) {
		if !IsDailyLimit(n.Err) {
			t.Errorf("%d: %+v", i, n)
		}
	}
	if took := c.took(); took != "together [5], alone 0" {
		t.Error(took)
	}
	c.refused = func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 503, errorJSON("SERVER_UNAVAILABLE", "Server Unavailable"))
	}
	for i, n := range s.Counts(t.Context(), queries[:2]) {
		if n.Err == nil || !IsTransient(n.Err) {
			t.Errorf("%d: %+v", i, n)
		}
	}
	if took := c.took(); took != "together [2 2 2 2 2], alone 0" {
		t.Error(took)
	}
	c.refused = func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, `{"compositeResponse":[]}`) }
	for i, n := range s.Counts(t.Context(), queries[:2]) {
		if n.Err == nil || n.Records != 0 {
			t.Errorf("an answer without results, %d: %+v", i, n)
		}
	}
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
	c.refused = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 405) }
	check("together [3], alone 3", map[string]string{"Account": "Old", "Contact": "New", "Case": ""})
	older()
	objects = []string{"Account"}
	check("together [], alone 1", map[string]string{"Account": "Old"})
}

// TestManyDescribesAreRevalidated has more objects than one composite request takes.
func TestManyDescribesAreRevalidated(t *testing.T) {
	t.Parallel()
	c := &composites{single: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(304)
			return
		}
		w.Header().Set("Last-Modified", "Tue, 10 Nov 2026 10:00:00 GMT")
		writeJSON(w, 200, `{"name":"X","queryable":true,"fields":[{"name":"Id","type":"id"}]}`)
	}}
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

// FuzzCompositeAnswer reads any text as the answer to a composite request: it has an answer for each subrequest, or there is an error.
func FuzzCompositeAnswer(f *testing.F) {
	for _, s := range []string{`{"compositeResponse":[{"body":{"totalSize":1,"done":true,"records":[]},"httpHeaders":{"ETag":"x"},"httpStatusCode":200,"referenceId":"r0"},{"body":null,"httpHeaders":{},"httpStatusCode":304,"referenceId":"r1"}]}`,
		`{"compositeResponse":[{"body":[{"errorCode":"X","message":"y"}],"httpStatusCode":400,"referenceId":"r1"},{"referenceId":"r0"}]}`, `{"compositeResponse":null}`, `{}`, `[]`, `{"compositeResponse":[{"referenceId":"r0"},{"referenceId":"r0"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		resp := httptest.NewRecorder()
		writeJSON(resp, 200, string(in))
		answers, err := subanswers(request{path: "/composite"}, resp.Result(), 2)
		if (err == nil) != (len(answers) == 2) {
			t.Fatalf("%d answers, %v", len(answers), err)
		}
		for _, a := range answers {
			var w queryWire
			if a.into("/query", &w) == nil && (a.status < 200 || a.status >= 300) {
				t.Fatalf("status %d is a success", a.status)
			}
			e := newKept[Describe]()
			if a.revalidates(e, time.Unix(1, 0)); e.answer.Load() != nil && len(e.answer.Load().Fields) == 0 {
				t.Fatal("a describe without fields is kept")
			}
		}
	})
}
