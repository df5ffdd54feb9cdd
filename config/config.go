// Package config turns the command line and the environment into checked configuration. It is the only reader of the environment.
package config

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrUsage marks a bad command line; the process exits with status 2.
var ErrUsage = errors.New("bad usage")

// Demo configures `millrace demo`.
type Demo struct {
	Server
	OrgAddr  string // where the simulated org listens
	Accounts int    // accounts in the simulated org
	Seed     int64  // of the simulated org's data
	Ready    bool   // connect, filter and sync without being asked
}

// Org configures `millrace org`.
type Org struct {
	Addr                string
	Accounts            int
	Contacts            int
	Opportunities       int
	Seed                int64
	DailyAPILimit       int
	RotateRefreshTokens bool
	Sandbox             bool          // the org says that it is one
	FiscalYearStart     time.Month    // in which the fiscal year begins
	MultiCurrency       bool          // records have currencies of their own
	JWTCertificate      string        // file with the certificate whose JWT assertions are believed; empty for none
	JobDelay            time.Duration // how long bulk jobs and deployments take
}

// Server configures everything that serves the app or opens its database.
type Server struct {
	Addr        string
	DataDir     string // home of the private Postgres and of the files that the demo keeps
	DatabaseURL string // replaces the private Postgres
	PostgresBin string // folder of initdb and postgres; empty to search
	SecretKey   string // seals the secrets at rest
	BaseURL     string // address under which browsers reach the app; needed for OAuth callbacks unless that is a loopback address
	// The connected app offered on the Connect page for Production, Sandbox and My Domain; empty to let the admin enter one.
	SalesforceClientID     string
	SalesforceClientSecret string
	SalesforceOrigins      string        // further origins that connections may use besides Salesforce's own hosts, comma-separated
	Lease                  time.Duration // how long a runner that has died keeps what it works on from the others
	PageRows               int           // how many records of a bulk result are asked for at a time
	Overlap                time.Duration // how far before the last read a sync of changes asks again
	ReadAllEvery           time.Duration // how often a sync reads everything, changed or not
	FormulasEvery          time.Duration // how often formula fields are read of all records
	LogLevel               string
	AuditDays              int // how long entries of the audit log and record errors are kept; 0 for ever
	RunDays                int // how long runs are kept; 0 for ever
	Notices
	// An OpenAI-compatible endpoint that is asked how conversations sound; without an address they are rated by the built-in word list alone.
	SentimentURL        string // up to what stands before /chat/completions
	SentimentModel      string
	SentimentKey        string
	SentimentDailyCalls int // most calls a day for each connection
}

// User configures `millrace user add` and `millrace user passwd`.
type User struct {
	Server
	Email, Name, Role string
}

// SOQLCheck configures `millrace soql check`.
type SOQLCheck struct {
	Object string
}

// Source is where configuration comes from; tests replace it.
type Source struct {
	Getenv func(string) string
	Output io.Writer // for usage texts
}

// OS reads the real environment.
func OS() Source { return Source{Getenv: os.Getenv, Output: os.Stderr} }

// Demo parses the arguments of `millrace demo`.
func (s Source) Demo(args []string) (Demo, error) {
	var c Demo
	err := s.parse("demo", args, func(fs *flag.FlagSet) {
		c.Server.flags(fs)
		fs.StringVar(&c.OrgAddr, "org-addr", "127.0.0.1:8081", "address of the simulated Salesforce org; port 0 picks a free one")
		fs.IntVar(&c.Accounts, "accounts", 250, "accounts in the simulated org")
		fs.Int64Var(&c.Seed, "seed", 7, "seed of the simulated org's data")
		fs.BoolVar(&c.Ready, "ready", false, "connect the simulated org, save a first filter and sync it")
	})
	if err == nil {
		err = errors.Join(c.Server.validate(false), checkAddr("org-addr", c.OrgAddr), checkPositive("accounts", c.Accounts))
	}
	return c, s.usage(err)
}

// Org parses the arguments of `millrace org`.
func (s Source) Org(args []string) (Org, error) {
	c := Org{FiscalYearStart: time.January}
	err := s.parse("org", args, func(fs *flag.FlagSet) {
		fs.StringVar(&c.Addr, "addr", "127.0.0.1:8081", "address to listen on; port 0 picks a free one")
		fs.IntVar(&c.Accounts, "accounts", 250, "accounts in the org")
		fs.IntVar(&c.Contacts, "contacts", 0, "contacts in the org; 0 for 3.6 to an account")
		fs.IntVar(&c.Opportunities, "opportunities", 0, "opportunities in the org; 0 for 1.6 to an account")
		fs.Int64Var(&c.Seed, "seed", 7, "seed of the data: the same seed gives the same records")
		fs.IntVar(&c.DailyAPILimit, "daily-api-limit", 100000, "API calls allowed in 24 hours")
		fs.BoolVar(&c.RotateRefreshTokens, "rotate-refresh-tokens", false, "give a new refresh token at each refresh and end the old one")
		fs.BoolVar(&c.Sandbox, "sandbox", false, "the org says that it is a sandbox")
		fs.Func("fiscal-year-start", "`month` in which the fiscal year begins, as a name or a number (default january)", func(text string) (err error) {
			c.FiscalYearStart, err = parseMonth(text)
			return err
		})
		fs.BoolVar(&c.MultiCurrency, "multi-currency", false, "records have currencies of their own")
		fs.StringVar(&c.JWTCertificate, "jwt-certificate", "", "`file` with the PEM certificate or public key of the connected app, for the JWT bearer grant")
		fs.DurationVar(&c.JobDelay, "job-delay", 0, "how long bulk query jobs and metadata deployments take")
	})
	if err == nil {
		err = errors.Join(checkAddr("addr", c.Addr), checkPositive("accounts", c.Accounts), checkPositive("daily-api-limit", c.DailyAPILimit))
		for name, n := range map[string]int{"contacts": c.Contacts, "opportunities": c.Opportunities} {
			if n < 0 {
				err = errors.Join(err, fmt.Errorf("-%s is %d; it must not be negative", name, n))
			}
		}
		if c.JobDelay < 0 {
			err = errors.Join(err, fmt.Errorf("-job-delay is %s; it must not be negative", c.JobDelay))
		}
	}
	return c, s.usage(err)
}

// Serve parses the arguments of `millrace serve`; a secret key is required.
func (s Source) Serve(args []string) (Server, error) {
	var c Server
	err := s.parse("serve", args, c.flags)
	if err == nil {
		err = c.validate(true)
	}
	return c, s.usage(err)
}

// Migrate parses the arguments of `millrace migrate`.
func (s Source) Migrate(args []string) (Server, error) {
	var c Server
	err := s.parse("migrate", args, c.flags)
	if err == nil {
		err = c.validate(false)
	}
	return c, s.usage(err)
}

// User parses the arguments of `millrace user add` or `millrace user passwd`; action is the second word.
func (s Source) User(action string, args []string) (User, error) {
	var c User
	err := s.parse("user "+action, args, func(fs *flag.FlagSet) {
		c.Server.flags(fs)
		fs.StringVar(&c.Email, "email", "", "the person's e-mail address, which is their sign-in name")
		if action == "add" {
			fs.StringVar(&c.Name, "name", "", "the person's name")
			fs.StringVar(&c.Role, "role", "admin", "admin (everything) or viewer (status and data, no settings)")
		}
	})
	if err == nil {
		err = c.Server.validate(false)
		if c.Email == "" {
			err = errors.Join(err, errors.New("-email is required"))
		}
		if action == "add" && c.Role != "admin" && c.Role != "viewer" {
			err = errors.Join(err, fmt.Errorf("-role is %q; it must be admin or viewer", c.Role))
		}
	}
	return c, s.usage(err)
}

// SOQLCheck parses the arguments of `millrace soql check`.
func (s Source) SOQLCheck(args []string) (SOQLCheck, error) {
	var c SOQLCheck
	err := s.parse("soql check", args, func(fs *flag.FlagSet) {
		fs.StringVar(&c.Object, "object", "", "check WHERE conditions on this object instead of whole queries")
	})
	return c, s.usage(err)
}

func (c *Server) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.Addr, "addr", "127.0.0.1:8080", "address of the app; port 0 picks a free one")
	fs.StringVar(&c.DataDir, "data", ".millrace", "folder of the private Postgres and of generated keys")
	fs.StringVar(&c.DatabaseURL, "database-url", "", "Postgres to use instead of the private one (also: DATABASE_URL)")
	fs.StringVar(&c.PostgresBin, "postgres-bin", "", "folder with the Postgres server's programs; empty to search for them")
	fs.StringVar(&c.SecretKey, "secret-key", "", "at least 32 characters that seal the secrets at rest; better given as MILLRACE_SECRET_KEY")
	fs.StringVar(&c.BaseURL, "base-url", "", "address under which browsers reach the app, such as https://millrace.example.com")
	fs.StringVar(&c.SalesforceClientID, "salesforce-client-id", "", "consumer key of the connected app offered on the Connect page")
	fs.StringVar(&c.SalesforceClientSecret, "salesforce-client-secret", "", "consumer secret of that app; better given as MILLRACE_SALESFORCE_CLIENT_SECRET")
	fs.StringVar(&c.SalesforceOrigins, "salesforce-origins", "", "further origins that connections may use besides Salesforce's own hosts, such as http://127.0.0.1:8081 of millrace org; comma-separated")
	fs.DurationVar(&c.Lease, "lease", 15*time.Second, "how long a runner that has died keeps what it works on from the others; at least 1s")
	fs.IntVar(&c.PageRows, "page-rows", 50_000, "how many records of a large result are asked for at a time; fewer divide a run more finely among replicas; 1000 to 250000")
	fs.DurationVar(&c.Overlap, "overlap", 10*time.Minute, "how far before the last sync changes are asked for again, for records that Salesforce commits late; 1m to 24h")
	fs.DurationVar(&c.ReadAllEvery, "read-all-every", 7*24*time.Hour, "how often a sync reads everything, changed or not; 1h to 2160h, which are 90 days")
	fs.DurationVar(&c.FormulasEvery, "formulas-every", 24*time.Hour, "how often formula and roll-up fields, whose changes Salesforce does not tell of, are read of all records; 15m to 720h")
	fs.StringVar(&c.SentimentURL, "sentiment-url", "", "address of an OpenAI-compatible endpoint that rates how case conversations sound, such as https://api.openai.com/v1; empty to rate them here")
	fs.StringVar(&c.SentimentModel, "sentiment-model", "", "model to ask there")
	fs.StringVar(&c.SentimentKey, "sentiment-key", "", "key of that endpoint; better given as MILLRACE_SENTIMENT_KEY")
	fs.IntVar(&c.SentimentDailyCalls, "sentiment-daily-calls", 1000, "most calls of that endpoint a day for each connection")
	fs.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	fs.IntVar(&c.AuditDays, "audit-days", 90, "days for which the audit log and record errors are kept; 0 for ever")
	fs.IntVar(&c.RunDays, "run-days", 365, "days for which runs are kept; 0 for ever")
	c.Notices.flags(fs)
}

func (c Server) validate(needKey bool) error {
	errs := []error{checkAddr("addr", c.Addr), c.Notices.validate()}
	if needKey && c.SecretKey == "" {
		errs = append(errs, fmt.Errorf("MILLRACE_SECRET_KEY is not set. It seals the Salesforce tokens; make one once with `openssl rand -base64 32` and keep it with your other secrets"))
	}
	if c.SecretKey != "" && len(c.SecretKey) < 32 {
		errs = append(errs, fmt.Errorf("MILLRACE_SECRET_KEY has %d characters; at least 32 are needed", len(c.SecretKey)))
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.Trim(u.Path, "/") != "" {
			errs = append(errs, fmt.Errorf("-base-url is %q; it must be an address such as https://millrace.example.com", c.BaseURL))
		}
	}
	if c.Lease < time.Second {
		errs = append(errs, fmt.Errorf("-lease is %v; it must be at least 1s", c.Lease))
	}
	if c.PageRows < 1000 || c.PageRows > 250_000 {
		errs = append(errs, fmt.Errorf("-page-rows is %d; it must be from 1000 to 250000", c.PageRows))
	}
	for _, d := range []struct {
		name        string
		is          time.Duration
		least, most time.Duration
	}{
		{"overlap", c.Overlap, time.Minute, 24 * time.Hour},
		{"read-all-every", c.ReadAllEvery, time.Hour, 90 * 24 * time.Hour},
		{"formulas-every", c.FormulasEvery, 15 * time.Minute, 30 * 24 * time.Hour},
	} {
		if d.is < d.least || d.is > d.most {
			errs = append(errs, fmt.Errorf("-%s is %v; it must be from %v to %v", d.name, d.is, d.least, d.most))
		}
	}
	if c.AuditDays < 0 || c.RunDays < 0 {
		errs = append(errs, errors.New("-audit-days and -run-days must not be negative; 0 keeps for ever"))
	}
	for _, o := range c.ExtraOrigins() {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || o != u.Scheme+"://"+u.Host {
			errs = append(errs, fmt.Errorf("-salesforce-origins has %q; each must be an origin such as http://127.0.0.1:8081", o))
		}
	}
	if (c.SalesforceClientID == "") != (c.SalesforceClientSecret == "") {
		errs = append(errs, errors.New("-salesforce-client-id and -salesforce-client-secret belong together; only one is set"))
	}
	errs = append(errs, c.checkSentiment())
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		errs = append(errs, fmt.Errorf("-log-level is %q; it must be debug, info, warn or error", c.LogLevel))
	}
	return errors.Join(errs...)
}

// ExtraOrigins returns the origins of SalesforceOrigins.
func (c Server) ExtraOrigins() []string {
	return strings.FieldsFunc(c.SalesforceOrigins, func(r rune) bool { return r == ',' || r == ' ' })
}

// SecretKeyBytes returns the key as bytes: decoded where it is base64 of 32 bytes or more, else the text itself.
func (c Server) SecretKeyBytes() []byte {
	if b, err := base64.StdEncoding.DecodeString(c.SecretKey); err == nil && len(b) >= 32 {
		return b
	}
	return []byte(c.SecretKey)
}

// parse declares the flags, presets each from MILLRACE_<NAME>, and parses args.
func (s Source) parse(command string, args []string, declare func(*flag.FlagSet)) error {
	return s.parseWord(command, args, nil, declare)
}

// parseWord is parse for a command that takes one word besides its flags, before, between or after them; nil for none.
func (s Source) parseWord(command string, args []string, word *string, declare func(*flag.FlagSet)) error {
	fs := flag.NewFlagSet("millrace "+command, flag.ContinueOnError)
	fs.SetOutput(s.Output)
	declare(fs)
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := EnvName(f.Name)
		value := s.Getenv(name)
		if f.Name == "database-url" && value == "" {
			name, value = "DATABASE_URL", s.Getenv("DATABASE_URL")
		}
		if value != "" {
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s is %q: %w", name, value, err))
			}
		}
	})
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return alreadySaid{err}
		}
		if fs.NArg() == 0 || word == nil || *word != "" {
			break
		}
		*word, args = fs.Arg(0), fs.Args()[1:]
	}
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", fs.Arg(0)))
	}
	return errors.Join(errs...)
}

// EnvName returns the environment variable that presets the flag.
func EnvName(flagName string) string {
	return "MILLRACE_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// alreadySaid is an error that package flag has printed together with the usage text.
type alreadySaid struct{ error }

func (s Source) usage(err error) error {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	var said alreadySaid
	if !errors.As(err, &said) {
		fmt.Fprintln(s.Output, err)
	}
	return fmt.Errorf("%w: %w", ErrUsage, err)
}

func checkAddr(name, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("-%s is %q; it must be host:port, such as 127.0.0.1:8080", name, addr)
	}
	return nil
}

// parseMonth reads a month by its English name, the first three letters of it, or its number.
func parseMonth(text string) (time.Month, error) {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(text, m.String()) || strings.EqualFold(text, m.String()[:3]) || text == strconv.Itoa(int(m)) {
			return m, nil
		}
	}
	return 0, errors.New("it must be the name of a month or a number from 1 to 12")
}

func checkPositive(name string, n int) error {
	if n < 1 {
		return fmt.Errorf("-%s is %d; it must be at least 1", name, n)
	}
	return nil
}

// checkSentiment checks the endpoint for sentiments.
func (c Server) checkSentiment() error {
	if c.SentimentURL == "" {
		if c.SentimentModel != "" || c.SentimentKey != "" {
			return errors.New("-sentiment-model and -sentiment-key need -sentiment-url")
		}
		return nil
	}
	u, err := url.Parse(c.SentimentURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("-sentiment-url must be an address such as https://api.openai.com/v1, without a user name or a query")
	case c.SentimentModel == "":
		return errors.New("-sentiment-model is not set; -sentiment-url needs it")
	case u.Scheme == "http" && c.SentimentKey != "" && !loopback(u.Hostname()):
		return errors.New("-sentiment-url must begin with https where a key is sent to another machine")
	case c.SentimentDailyCalls < 0:
		return fmt.Errorf("-sentiment-daily-calls is %d; it must not be negative", c.SentimentDailyCalls)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
