package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Options. The client and the user are well known on purpose: the org holds no real data.
const (
	DefaultAccounts      = 250
	DefaultSeed          = 7
	DefaultDailyAPILimit = 100_000
	DefaultClientID      = "3MVG9.simulated.org.demo.client.A1b2C3d4E5f6G7h8I9"
	DefaultClientSecret  = "8A1C5E9B7D3F2640SIMULATEDORGSECRET0F1E2D3C4B5A6978"
	DefaultUsername      = "admin@" + orgDomain
	DefaultPassword      = "salesforce1"
	DefaultOrgName       = "Brightwater Software Inc."
	DefaultTimeZone      = "America/Los_Angeles"
)

// Options shape an org; the zero value of each field means its default.
type Options struct {
	Accounts            int              // generated accounts; the other objects grow in proportion; a negative number means none at all
	Contacts            int              // generated contacts; 0 for as many as befits the accounts
	Opportunities       int              // generated opportunities; 0 for as many as befits the accounts
	Seed                int64            // the same seed gives the same records each time, under the same org id
	DailyAPILimit       int              // calls in 24 hours before REQUEST_LIMIT_EXCEEDED
	RotateRefreshTokens bool             // each refresh returns a new refresh token and ends the old one
	Now                 func() time.Time // the clock; time.Now by default
	Epoch               time.Time        // generated dates lie around it; by default the 1st or the 16th of the current month, whichever was last, in UTC
	BaseURL             string           // the org's origin; by default what each request's Host says
	RedirectURIs        []string         // registered callbacks besides every loopback address
	ClientID            string
	ClientSecret        string
	Username            string
	Password            string
	OrgName             string
	TimeZone            string        // IANA name of the users' time zone, in which date literals are read
	Sandbox             bool          // the org says that it is a sandbox
	FiscalYearStart     time.Month    // in which the fiscal year begins; January by default
	Certificate         string        // PEM of the certificate whose assertions the JWT bearer grant believes; none by default
	SessionTimeout      time.Duration // idle life of an access token; two hours by default
	JobDelay            time.Duration // how long a bulk job or a deployment stays in progress; none by default, so that it is complete at the first poll
}

// Credentials are what a client needs to connect.
type Credentials struct {
	ClientID, ClientSecret, Username, Password string
	OrgID, UserID                              string // 18-character ids
	RestrictedUsername                         string // a second user, with the same password, who sees only what a permission set shows
}

// Org is a simulated org. It serves any number of requests at once while its methods change it.
type Org struct {
	opt   Options
	gen   *gen
	orgID string
	zone  *time.Location

	write  sync.Mutex // held by who makes the next world
	world  atomic.Pointer[world]
	offset atomic.Int64 // nanoseconds that the clock was advanced

	app        atomic.Pointer[connectedApp]
	auth       authState
	usage      usageState
	faults     faultState
	cursors    cursorState
	jobs       jobState
	deploys    deployState
	retrievals retrieveState
}

// New makes an org. It fails for a time zone or a month that does not exist, and for a certificate that is none.
func New(opt Options) (*Org, error) {
	if opt.Accounts == 0 {
		opt.Accounts = DefaultAccounts
	}
	opt.Accounts = max(opt.Accounts, 0)
	opt.Seed = cmp.Or(opt.Seed, DefaultSeed)
	opt.DailyAPILimit = cmp.Or(opt.DailyAPILimit, DefaultDailyAPILimit)
	opt.ClientID = cmp.Or(opt.ClientID, DefaultClientID)
	opt.ClientSecret = cmp.Or(opt.ClientSecret, DefaultClientSecret)
	opt.Username = cmp.Or(opt.Username, DefaultUsername)
	opt.Password = cmp.Or(opt.Password, DefaultPassword)
	opt.OrgName = cmp.Or(opt.OrgName, DefaultOrgName)
	opt.FiscalYearStart = cmp.Or(opt.FiscalYearStart, time.January)
	opt.TimeZone = cmp.Or(opt.TimeZone, DefaultTimeZone)
	opt.SessionTimeout = cmp.Or(opt.SessionTimeout, 2*time.Hour)
	opt.BaseURL = strings.TrimSuffix(opt.BaseURL, "/")
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.FiscalYearStart < time.January || opt.FiscalYearStart > time.December {
		return nil, fmt.Errorf("simulated org: the fiscal year cannot start in month %d", opt.FiscalYearStart)
	}
	zone, err := time.LoadLocation(opt.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("simulated org: time zone %q: %w", opt.TimeZone, err)
	}
	o := &Org{opt: opt, zone: zone, orgID: idText(rowID(prefixOrg, orgRow(opt.Seed)))}
	if opt.Epoch.IsZero() {
		opt.Epoch = halfMonthStart(opt.Now())
	}
	o.gen = newGen(opt.Seed, opt.Accounts, opt.Epoch)
	o.gen.n.resize(opt.Contacts, opt.Opportunities)
	o.app.Store(&connectedApp{key: opt.ClientID, secret: opt.ClientSecret})
	o.auth.init(opt.RotateRefreshTokens)
	if opt.Certificate != "" {
		if err := o.RegisterCertificate(opt.Certificate); err != nil {
			return nil, err
		}
	}
	o.usage.limit = int64(opt.DailyAPILimit)
	o.world.Store(o.newWorld())
	return o, nil
}

// newWorld puts all objects and their generated rows together.
func (o *Org) newWorld() *world {
	g := o.gen
	w := &world{org: o, objects: map[string]*object{}, byPrefix: map[int64]*object{}, hidden: map[string]bool{}, schemaAt: o.now(), sights: &sights{}, fiscal: o.opt.FiscalYearStart}
	account, contact, opportunity, cases, items := g.accounts(), g.contacts(), g.opportunities(), g.cases(), g.feedItems()
	subscription, plan := g.subscriptions(), g.plans()
	list := []*object{account, contact, opportunity, g.stageObject(), g.contactRoles(), cases, g.caseComments(), g.emails(), g.tasks(),
		subscription, plan, items, g.feedComments(items)}
	for _, parent := range []*object{account, contact, opportunity, cases, subscription, plan} {
		list = append(list, feedView(parent, items))
	}
	list = append(list, g.users(&o.opt))
	list = append(list, g.setupObjects(&o.opt, account, contact, opportunity)...)
	list = append(list, g.looseObjects()...)
	for _, obj := range list {
		w.addObject(obj)
	}
	return w
}

// addObject gives an object its table. It is for worlds that are not yet published.
func (w *world) addObject(obj *object) {
	obj.idx = len(w.tables)
	w.objects[lower(obj.name)] = obj
	w.order = append(w.order, obj)
	w.tables = append(w.tables, newTable(obj))
	if obj.prefix != "" {
		w.byPrefix[obj.packed] = obj
	}
	for _, f := range obj.fields {
		if f.custom && obj.view == nil {
			f.def = w.defs
			w.defs++
		}
	}
}

// Credentials returns the client and the user that may sign in.
func (o *Org) Credentials() Credentials {
	app := o.app.Load()
	return Credentials{ClientID: app.key, ClientSecret: app.secret, Username: o.opt.Username, Password: o.opt.Password,
		OrgID: o.orgID, UserID: idText(rowID(prefixUser, userIntegration)), RestrictedUsername: o.gen.username(userRestricted, o.opt.Username)}
}

// now is the org's clock, in UTC.
func (o *Org) now() time.Time { return o.opt.Now().Add(time.Duration(o.offset.Load())).UTC() }

// origin is the scheme and host under which the caller reached the org.
func (o *Org) origin(r *http.Request) string {
	if o.opt.BaseURL != "" {
		return o.opt.BaseURL
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func lower(s string) string { return strings.ToLower(s) }
