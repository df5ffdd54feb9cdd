package sim_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// TestFaults arms each kind of fault and looks at what a client sees, and that the next call is served again.
func TestFaults(t *testing.T) {
	t.Parallel()
	const results = "/services/data/*/jobs/query/*/results"
	for name, tt := range map[string]struct {
		fault sim.Fault
		check func(a answer) bool
	}{
		"401": {sim.Fault{Status: 401}, func(a answer) bool { return a.status == 401 && strings.Contains(a.body, "INVALID_SESSION_ID") }},
		"403": {sim.Fault{Status: 403, Code: "API_CURRENTLY_DISABLED"}, func(a answer) bool { return a.status == 403 && strings.Contains(a.body, "API is disabled") }},
		"429": {sim.Fault{Status: 429}, func(a answer) bool { return a.status == 429 }},
		"503 html": {sim.Fault{Status: 503, Body: "<html>"}, func(a answer) bool {
			return a.body == "<html>" && strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
		}},
		"lock":       {sim.Fault{Status: 400, Code: "UNABLE_TO_LOCK_ROW"}, func(a answer) bool { return strings.Contains(a.body, "unable to obtain exclusive access") }},
		"truncated":  {sim.Fault{Match: results, TruncateAfter: 700}, func(a answer) bool { return a.err != nil && len(a.body) == 700 }},
		"clean cut":  {sim.Fault{Match: results, TruncateAfter: 700, CleanCut: true}, func(a answer) bool { return a.err == nil && len(a.body) == 700 }},
		"broken row": {sim.Fault{Match: results, CorruptRow: 2}, func(a answer) bool { return strings.Contains(a.body, `"oops`) }},
		"slow":       {sim.Fault{Match: results, SlowBytesPerSecond: 1 << 20}, func(a answer) bool { return a.err == nil && a.status == 200 }},
		"stall":      {sim.Fault{Match: results, StallAfter: 100, Stall: time.Millisecond}, func(a answer) bool { return a.err == nil && a.status == 200 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			org := newOrg(t, sim.Options{Accounts: 50})
			c := serve(t, org)
			path := "/services/data/v66.0/jobs/query/" + c.job("SELECT Id, Name, Type FROM Account") + "/results"
			good := c.get(path, "Accept-Encoding", "identity")
			org.Fail(tt.fault)
			if a := c.get(path, "Accept-Encoding", "identity"); !tt.check(a) {
				t.Errorf("got %v %v", a, a.err)
			}
			if a := c.get(path, "Accept-Encoding", "identity"); a.body != good.body {
				t.Errorf("afterwards: %v", a)
			}
		})
	}
}

// TestCutInCompressedAnswer cuts an answer before its compression has written its head: the caller sees that much and no more.
func TestCutInCompressedAnswer(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	var complaints strings.Builder
	server := httptest.NewUnstartedServer(org)
	server.Config.ErrorLog = log.New(&complaints, "", 0)
	server.Start()
	c := serve(t, org)
	org.Fail(sim.Fault{Match: "/services/data", TruncateAfter: 4})
	r, err := http.NewRequest(http.MethodGet, server.URL+"/services/data/v66.0/limits", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Accept-Encoding": {"gzip"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	server.Close()
	if len(body) != 4 || err == nil || complaints.Len() > 0 {
		t.Errorf("%d bytes, %v; the server says %q", len(body), err, complaints.String())
	}
}

// TestFaultCounts covers which of several matching requests a fault affects.
func TestFaultCounts(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	org.Fail(sim.Fault{Match: "/services/data/*/limits", Method: "GET", Nth: 2, Count: 2, Status: 500})
	var got []int
	for range 4 {
		got = append(got, c.get("/services/data/v66.0/limits").status)
	}
	if got[0] != 200 || got[1] != 500 || got[2] != 500 || got[3] != 200 {
		t.Errorf("statuses %v", got)
	}
	id := org.Fail(sim.Fault{Match: "/services/data", Status: 503, Count: -1})
	for range 3 {
		if a := c.get("/services/data/v66.0/limits"); a.status != 503 {
			t.Errorf("armed for good: %v", a)
		}
	}
	if a := c.get("/services/oauth2/userinfo"); a.status != 200 {
		t.Errorf("elsewhere: %v", a)
	}
	org.ClearFaults(id)
	if a := c.get("/services/data/v66.0/limits"); a.status != 200 || len(org.Faults()) != 0 {
		t.Errorf("cleared: %v", a)
	}
}

// TestStalledCallerLeaves hangs up on a stalled POST: the org must not hold on to the request for the rest of the stall.
func TestStalledCallerLeaves(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		org.ServeHTTP(w, r)
		close(left)
	}))
	defer server.Close()
	org.Fail(sim.Fault{Stall: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/services/oauth2/token", strings.NewReader("grant_type=password"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Error("a stalled call was answered")
	}
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the org still waits for a caller who left")
	}
}
