package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

// measured is an app with metrics of which every series has a value.
func measured(t *testing.T) (*app, *Metrics) {
	t.Helper()
	var m *Metrics
	a := newApp(t, func(o *Options) {
		m = NewMetrics(o.DB)
		o.Metrics, o.MetricsToken = m, "a token of some length"
	})
	return a, m
}

func scrape(t *testing.T, h http.Handler, token string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

var series = regexp.MustCompile(`(?:millrace|go|process)_[a-z_]+`)

// TestDashboardNamesExistingSeries holds every query of the dashboard and of the example rules against what is served.
func TestDashboardNamesExistingSeries(t *testing.T) {
	t.Parallel()
	a, m := measured(t)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	a.lose(c)
	err := a.db.Pinned(t.Context(), func(c *db.Conn) error {
		_, err := c.Exec(t.Context(), `UPDATE millrace.connections SET api_used = 5, api_limit = 100, api_seen_at = now()`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Minute)
	m.RunClaimed(db.Run{Attempt: 2})
	m.RunEnded(db.Run{ConnectionID: c.ID, Entity: "accounts", State: db.RunCompleted, StartedAt: &start}, []db.RunStep{{Created: 3}})
	m.NoticeTried("email", "delivered")
	a.as(a.admin).get("/alerts").is(http.StatusOK)
	_, served := scrape(t, m.Handler(""), "")
	known := map[string]bool{}
	for line := range strings.Lines(served) {
		if name := series.FindString(line); name != "" && !strings.HasPrefix(line, "#") {
			known[name] = true
		}
	}
	text, err := os.ReadFile("../docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	used := 0
	check := func(where, expr string) {
		names := series.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s: %q names no series", where, expr)
		}
		for _, name := range names {
			if used++; !known[name] {
				t.Errorf("%s: there is no series %s", where, name)
			}
		}
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			check(p.Title, regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(target.Expr, ""))
		}
	}
	rules, err := os.ReadFile("../docs/prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rules)) {
		if _, expr, ok := strings.Cut(line, "expr: "); ok && !strings.HasPrefix(expr, "up{") {
			check("rules", expr)
		}
	}
	if used < 25 {
		t.Errorf("only %d names were found", used)
	}
	for _, want := range []string{`millrace_alerts_open{cause="connection_lost",connection_id="1"} 1`, `millrace_records_total{action="created",connection_id="1",entity="accounts"} 3`,
		`millrace_http_requests_total{code="200",method="GET",route="/alerts"} 1`, `millrace_connection_up{connection="acme",connection_id="1"} 0`, `millrace_runs_active{entity="all",state="queued"} 1`} {
		if !strings.Contains(served, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestMetricsNeedTheirToken at the app's own address, where there are none without.
func TestMetricsNeedTheirToken(t *testing.T) {
	t.Parallel()
	newApp(t, nil).nobody().get("/metrics").is(http.StatusNotFound)
	a, m := measured(t)
	b := a.nobody()
	b.get("/metrics").is(http.StatusUnauthorized)
	b.header = http.Header{"Authorization": {"Bearer wrong"}}
	b.get("/metrics").is(http.StatusUnauthorized)
	b.header = http.Header{"Authorization": {"Bearer a token of some length"}}
	if p := b.get("/metrics").is(http.StatusOK); !strings.Contains(p.Body, "go_goroutines") {
		t.Error("no metrics")
	}
	if code, _ := scrape(t, m.Handler("t"), ""); code != http.StatusUnauthorized {
		t.Errorf("the other address: %d", code)
	}
	// Addresses that nobody serves make one route.
	for _, path := range []string{"/x", "/y", "/z"} {
		b.get(path)
	}
	if _, text := scrape(t, m.Handler(""), ""); strings.Contains(text, `"/x"`) || !strings.Contains(text, `code="404"`) {
		t.Error("unknown addresses are labels")
	}
}

// TestReadyOnlyWithItsSchema holds what is asked before traffic is sent here.
func TestReadyOnlyWithItsSchema(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	a.nobody().get("/readyz").is(http.StatusOK)
	err := a.db.Pinned(t.Context(), func(c *db.Conn) error {
		_, err := c.Exec(t.Context(), `INSERT INTO millrace.migrations (number, name, checksum) VALUES (9000, '9000_later.sql', 'x')`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := a.nobody().get("/readyz").is(http.StatusServiceUnavailable)
	if !strings.Contains(p.Body, "schema version 9000") {
		t.Errorf("says %q", p.Body)
	}
	a.nobody().get("/healthz").is(http.StatusOK)
}
