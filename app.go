package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/config"
	"millrace/db"
	"millrace/jobs"
	"millrace/mood"
	"millrace/notify"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/web"
)

// shutdownGrace bounds how long open requests may take to finish at a stop.
const shutdownGrace = 8 * time.Second

// app is the web server and the sync runner over one database.
type app struct {
	db      *database
	config  config.Server
	hosts   salesforce.HostPolicy
	presets []web.Preset
	demoOrg string // address of the simulated org, for the demo's banner
	log     *slog.Logger
}

// serve answers on l and runs syncs until ctx ends; ready is called once both have begun.
func (a app) serve(ctx context.Context, l net.Listener, ready func(context.Context) error) error {
	clients := newClients(a.db.DB, a.hosts, a.log)
	metrics := web.NewMetrics(a.db.DB)
	site, err := web.New(web.Options{
		DB: a.db.DB, Client: clients.open, Forget: clients.forget,
		Presets: a.presets, Hosts: a.hosts, BaseURL: a.config.BaseURL,
		Log: a.log, DemoOrgURL: a.demoOrg, Version: version, AuditDays: a.config.AuditDays, FormulasEvery: a.config.FormulasEvery,
		MailFrom: a.config.SMTPFrom, NoticeOrigins: a.config.NoticeOrigins(), Metrics: metrics, MetricsToken: a.config.MetricsToken,
	})
	if err != nil {
		return err
	}
	runner := jobs.New(jobs.Options{DB: a.db.DB, Client: clients.open, Owner: ownerName(), Lease: a.config.Lease, PageRows: a.config.PageRows, Log: a.log, Scorer: scorer(a.config),
		Pipeline: pipeline.Options{Overlap: a.config.Overlap, Reconcile: a.config.ReadAllEvery, Silent: a.config.FormulasEvery},
		Claimed:  metrics.RunClaimed, Ended: metrics.RunEnded})
	server := newServer(site.Handler(), a.log)
	alerts := jobs.NewAlerts(jobs.AlertOptions{
		DB: a.db.DB, Sender: notify.New(a.notices()), Owner: ownerName(), BaseURL: cmp.Or(a.config.BaseURL, origin(l)), Log: a.log,
		Sent: func(n db.Delivery, _ notify.Outcome, fate string) { metrics.NoticeTried(string(n.ChannelKind), fate) },
	})

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(ctx, server, l) })
	group.Go(func() error { return a.serveMetrics(ctx, metrics, site.Handler()) })
	group.Go(func() error { return runner.Run(ctx) })
	group.Go(func() error { return a.upkeep().run(ctx) })
	group.Go(func() error { return alerts.Run(ctx) })
	group.Go(func() error { return a.db.keep(ctx, a.log) })
	group.Go(func() error { return ready(ctx) })
	return group.Wait()
}

// serveMetrics answers on the address of the metrics until ctx ends: the metrics, and what tells whether the process is in order.
func (a app) serveMetrics(ctx context.Context, metrics *web.Metrics, app http.Handler) error {
	if a.config.MetricsAddr == "" {
		return nil
	}
	l, err := listen(a.config.MetricsAddr, "metrics-addr")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(a.config.MetricsToken))
	mux.Handle("GET /healthz", app)
	mux.Handle("GET /readyz", app)
	a.log.Info("serving metrics", "address", origin(l)+"/metrics")
	return serveHTTP(ctx, newServer(mux, a.log), l)
}

// notices says how notices leave this installation.
func (a app) notices() notify.Options {
	c := a.config.Notices
	return notify.Options{
		Mail: notify.Mail{
			Host: c.SMTPHost(), Port: c.SMTPPort(), TLS: notify.TLS(c.SMTPSecurity()), User: c.SMTPUser, Password: c.SMTPPassword, From: c.SMTPFrom,
		},
		Origins: c.NoticeOrigins(), Version: version,
	}
}

// newServer bounds what a client may make the process hold on to.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serveHTTP serves until ctx ends, then lets open requests finish for a short while.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	}()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return fmt.Errorf("serving on %s: %w", l.Addr(), err)
}

// ownerName names this process in the runs that it claims, and its sessions in Postgres. Host and number alone may be those of a process before it, or of one in another container.
var ownerName = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strings.ToLower(rand.Text()[:4]))
})

// listen opens addr; its error names the flag to change.
func listen(addr, flagName string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (choose another address with -%s, or port 0 for a free one)", err, flagName)
	}
	return l, nil
}

// origin is the address under which a browser on this machine reaches l.
func origin(l net.Listener) string {
	a := l.Addr().(*net.TCPAddr)
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(a.Port))
}

func newLog(level string, w io.Writer) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}

// scorer returns the operator's endpoint for sentiments, nil when there is none. Its transport reaches nothing else.
func scorer(c config.Server) *pipeline.Scorer {
	at, err := url.Parse(c.SentimentURL)
	if err != nil || c.SentimentURL == "" {
		return nil
	}
	client := mood.New(mood.Config{
		BaseURL: c.SentimentURL, Model: c.SentimentModel, Key: c.SentimentKey,
		Transport: salesforce.Guarded(salesforce.HostPolicy{Extra: []string{at.Scheme + "://" + at.Host}, Stall: 15 * time.Second}),
	})
	return &pipeline.Scorer{Method: client.Method(), DailyCalls: c.SentimentDailyCalls, Score: func(ctx context.Context, text string, again func() bool) (float64, error) {
		n, err := client.Score(ctx, text, again)
		if why := new(mood.Error); errors.As(err, &why) {
			err = &pipeline.ScoreError{Says: why.Says, Text: why.Text}
		}
		return n, err
	}}
}
