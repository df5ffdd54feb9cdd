package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"millrace/db"
	"millrace/salesforce"
)

// Options is what a Server needs. DB and Client are required.
type Options struct {
	DB *db.DB
	// Client returns the client of a connection; it fails for one that does not exist or has no grant.
	Client func(ctx context.Context, connectionID int64) (*salesforce.Client, error)
	// Forget drops what Client may have kept of a connection, after its grant changed.
	Forget func(connectionID int64)
	// Presets are orgs that need no key and secret to be typed, such as the simulated one.
	Presets []Preset
	// Hosts says which Salesforce hosts may be talked to.
	Hosts salesforce.HostPolicy
	// BaseURL is the address that browsers use, such as https://millrace.example.com; it makes the OAuth callback URL. When it is empty, the callback
	// follows the request's host, which only works on this machine.
	BaseURL string
	// Secure says that browsers come by https: cookies are then bound to it and to this host. A BaseURL of https implies it.
	Secure bool
	Log    *slog.Logger
	// DemoOrgURL is where the simulated org can be looked at; empty outside the demo.
	DemoOrgURL string
	Version    string
	// AuditDays is for how many days the entries of the audit log are kept; 0 for ever.
	AuditDays int
	// FormulasEvery is how often formula fields are read of all records.
	FormulasEvery time.Duration
	// MailFrom is the sender of mails; empty when there is no mail server.
	MailFrom string
	// NoticeOrigins are the origins that webhooks of alerts may be sent to besides public https addresses.
	NoticeOrigins []string
	// Metrics counts the requests; nil for no metrics.
	Metrics *Metrics
	// MetricsToken opens /metrics at the app's own address; empty for nobody.
	MetricsToken string
}

// Preset is an org that can be connected by a click.
type Preset struct {
	Key, Label, Hint       string
	Environment            string // as stored with the connection, such as "demo"
	LoginURL               string
	ClientID, ClientSecret string
}

// Server serves the screens.
type Server struct {
	Options
	cookies   cookieStore
	transport http.RoundTripper // for the OAuth exchange, before a client exists
	handler   http.Handler
	// asking bounds the validations that wait for Salesforce at once.
	asking chan struct{}
	known  shelf
	lists  fieldLists
	// exporting bounds the exports that are written at once.
	exporting chan struct{}
}

// New checks the options and returns a server.
func New(o Options) (*Server, error) {
	if o.DB == nil || o.Client == nil {
		return nil, errors.New("web.New: DB and Client are required")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Forget == nil {
		o.Forget = func(int64) {}
	}
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
			return nil, fmt.Errorf("web.New: the base URL %q is not like https://millrace.example.com", o.BaseURL)
		}
		o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
		o.Secure = o.Secure || u.Scheme == "https"
	}
	s := &Server{Options: o, cookies: newCookieStore(o.Secure), transport: salesforce.Guarded(o.Hosts), asking: make(chan struct{}, 8), exporting: make(chan struct{}, exportsBusy)}
	s.Forget = func(id int64) {
		s.known.drop(id)
		o.Forget(id)
	}
	s.handler = s.chain(s.mux())
	return s, nil
}

// Handler returns the handler of every path of the app.
func (s *Server) Handler() http.Handler { return s.handler }

// callbackURL returns the address that Salesforce sends the browser back to, or "" when it is not known.
func (s *Server) callbackURL(r *http.Request) string {
	if s.BaseURL != "" {
		return s.BaseURL + callbackPath
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return "http://" + r.Host + callbackPath
}
