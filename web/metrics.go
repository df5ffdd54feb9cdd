package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"millrace/db"
)

// Metrics counts what this process does, and tells how the installation stands when it is asked. Labels have few values: a connection's id and name, a part
// that is synced, a state, a route's pattern.
type Metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	runs         *prometheus.CounterVec
	runTime      *prometheus.HistogramVec
	records      *prometheus.CounterVec
	apiCalls     *prometheus.CounterVec
	claims       *prometheus.CounterVec
	noticesTried *prometheus.CounterVec
}

// NewMetrics returns the metrics of a process on a database.
func NewMetrics(d *db.DB) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("millrace_http_requests_total", "HTTP requests answered by this process.", "route", "method", "code"),
		requestTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "millrace_http_request_duration_seconds",
			Help: "Time to answer HTTP requests.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"route"}),
		runs: counter("millrace_runs_ended_total", "Runs that ended on this process.", "connection_id", "entity", "state"),
		runTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "millrace_run_duration_seconds",
			Help: "Time from the start of a run to its end.", Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 14400, 43200}}, []string{"entity", "state"}),
		records:      counter("millrace_records_total", "Records of runs that ended on this process, by what was done.", "connection_id", "entity", "action"),
		apiCalls:     counter("millrace_run_api_calls_total", "Salesforce API requests of runs that ended on this process.", "connection_id"),
		claims:       counter("millrace_run_claims_total", "Runs that this process took up: for the first time, or to go on with after a wait, a stop or the death of another.", "kind"),
		noticesTried: counter("millrace_notice_attempts_total", "Attempts of this process to deliver notices of alerts, by how they ended.", "channel", "outcome"),
	}
	for _, kind := range []string{"first", "again"} {
		m.claims.WithLabelValues(kind)
	}
	for _, kind := range []db.ChannelKind{db.ChannelEmail, db.ChannelSlack, db.ChannelWebhook} {
		for _, outcome := range []string{"delivered", "again", "failed", "given up", "gone"} {
			m.noticesTried.WithLabelValues(string(kind), outcome)
		}
	}
	m.registry.MustRegister(m.requests, m.requestTime, m.runs, m.runTime, m.records, m.apiCalls, m.claims, m.noticesTried, stateCollector{d},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts an answered request under its route's pattern.
func (m *Metrics) Request(pattern, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	route := pattern
	if _, path, ok := strings.Cut(pattern, " "); ok {
		route = path
	}
	if route == "" {
		route = "none"
	}
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodHead:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(route).Observe(took.Seconds())
}

// RunClaimed counts a run that this process took up.
func (m *Metrics) RunClaimed(r db.Run) {
	kind := "first"
	if r.Attempt > 1 {
		kind = "again"
	}
	m.claims.WithLabelValues(kind).Inc()
}

// RunEnded counts a run that ended on this process.
func (m *Metrics) RunEnded(r db.Run, steps []db.RunStep) {
	connection, entity := strconv.FormatInt(r.ConnectionID, 10), string(r.Entity)
	m.runs.WithLabelValues(connection, entity, string(r.State)).Inc()
	m.runTime.WithLabelValues(entity, string(r.State)).Observe(r.Duration(time.Now()).Seconds())
	m.apiCalls.WithLabelValues(connection).Add(float64(r.APICalls))
	m.records.WithLabelValues(connection, entity, "left_filter").Add(float64(r.Retired))
	for _, s := range steps {
		for action, n := range map[string]int64{"created": s.Created, "updated": s.Updated, "unchanged": s.Unchanged, "skipped": s.Skipped, "failed": s.Failed, "left_filter": s.LeftFilter} {
			m.records.WithLabelValues(connection, entity, action).Add(float64(max(n, 0)))
		}
	}
}

// NoticeTried counts an attempt to deliver a notice.
func (m *Metrics) NoticeTried(channel, outcome string) {
	m.noticesTried.WithLabelValues(channel, outcome).Inc()
}

// Handler serves the metrics; with a token only to who brings it.
func (m *Metrics) Handler(token string) http.Handler {
	serve := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 20 * time.Second, ErrorHandling: promhttp.ContinueOnError})
	if token == "" {
		return serve
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !holdsToken(r, token) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		serve.ServeHTTP(w, r)
	})
}

// holdsToken compares in a time that tells nothing of the token.
func holdsToken(r *http.Request, token string) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// metrics serves them at the app's own address, where they need a token; without one there is nothing.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.Metrics == nil || s.MetricsToken == "" {
		return notFound()
	}
	s.Metrics.Handler(s.MetricsToken).ServeHTTP(w, r)
	return nil
}

// stateCollector tells how the installation stands. All processes tell the same of it, but for the pool.
type stateCollector struct{ db *db.DB }

// scrapeTime bounds the questions to the database of one scrape.
const scrapeTime = 5 * time.Second

var (
	databaseUp   = gauge("millrace_database_up", "Whether Postgres answered this scrape: 1 or 0.")
	activeRuns   = gauge("millrace_runs_active", "Runs that are queued, running or waiting.", "entity", "state")
	runAge       = gauge("millrace_run_age_seconds", "Age of the oldest run in the state.", "state")
	apiUsed      = gauge("millrace_api_requests_used", "API requests of the org within 24 hours, by everybody, as last told by Salesforce.", "connection_id", "connection")
	apiLimit     = gauge("millrace_api_requests_limit", "API requests that the org may make within 24 hours.", "connection_id", "connection")
	connectionUp = gauge("millrace_connection_up", "Whether Salesforce accepts the connection: 1 or 0.", "connection_id", "connection")
	openAlerts   = gauge("millrace_alerts_open", "Alerts that are open.", "connection_id", "cause")
	noticeQueue  = gauge("millrace_notices_waiting", "Notices of alerts that are on their way.")
	poolConns    = gauge("millrace_db_pool_connections", "Connections of this process to Postgres.", "state")
	poolWaits    = gauge("millrace_db_pool_waits_total", "How often something waited for a connection of the pool.")
	poolWaited   = gauge("millrace_db_pool_wait_seconds_total", "How long in all.")
)

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databaseUp, activeRuns, runAge, apiUsed, apiLimit, connectionUp, openAlerts, noticeQueue, poolConns, poolWaits, poolWaited} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	pool := c.db.PoolStats()
	send(poolConns, prometheus.GaugeValue, float64(pool.InUse), "in_use")
	send(poolConns, prometheus.GaugeValue, float64(pool.Idle), "idle")
	send(poolWaits, prometheus.CounterValue, float64(pool.WaitCount))
	send(poolWaited, prometheus.CounterValue, pool.WaitDuration.Seconds())

	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	state, err := c.db.OperatorState(ctx)
	if err != nil {
		send(databaseUp, prometheus.GaugeValue, 0)
		return
	}
	send(databaseUp, prometheus.GaugeValue, 1)
	send(noticeQueue, prometheus.GaugeValue, float64(state.Notices))
	oldest := map[string]float64{}
	for _, r := range state.Runs {
		send(activeRuns, prometheus.GaugeValue, float64(r.N), r.Entity, r.State)
		oldest[r.State] = max(oldest[r.State], r.Oldest)
	}
	for s, age := range oldest {
		send(runAge, prometheus.GaugeValue, age, s)
	}
	for _, o := range state.Connections {
		id, up := strconv.FormatInt(o.ID, 10), 0.0
		if o.Status == db.StatusConnected {
			up = 1
		}
		send(connectionUp, prometheus.GaugeValue, up, id, o.Name)
		if o.Used != nil && o.Limit != nil {
			send(apiUsed, prometheus.GaugeValue, float64(*o.Used), id, o.Name)
			send(apiLimit, prometheus.GaugeValue, float64(*o.Limit), id, o.Name)
		}
	}
	for _, a := range state.Alerts {
		send(openAlerts, prometheus.GaugeValue, float64(a.N), strconv.FormatInt(a.ConnectionID, 10), a.Cause)
	}
}
