package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"millrace/db"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// orgApp is an app beside a simulated org.
type orgApp struct {
	*app
	org  *sim.Org
	host string // of the org
}

// newOrgApp starts a simulated org and an app that has it as a preset; change may adapt the app's options.
func newOrgApp(t testing.TB, opt sim.Options, change ...func(*Options)) *orgApp {
	t.Helper()
	org, err := sim.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	host := httptest.NewServer(org)
	t.Cleanup(host.Close)
	o := &orgApp{org: org, host: host.URL}
	cred := org.Credentials()
	hosts := salesforce.HostPolicy{Extra: []string{host.URL}}
	open := &clients{hosts: hosts, byID: map[int64]*salesforce.Client{}}
	o.app = newApp(t, func(opt *Options) {
		for _, c := range change {
			c(opt)
		}
		open.db = opt.DB
		opt.Client, opt.Forget, opt.Hosts, opt.DemoOrgURL = open.open, open.forget, hosts, host.URL
		opt.Presets = []Preset{{Key: "demo", Label: "Demo org", Environment: "demo", LoginURL: host.URL, ClientID: cred.ClientID, ClientSecret: cred.ClientSecret, Hint: "Simulated."}}
	})
	return o
}

// clients makes the Salesforce clients of the test's connections.
type clients struct {
	db    *db.DB
	hosts salesforce.HostPolicy
	mu    sync.Mutex
	byID  map[int64]*salesforce.Client
}

func (c *clients) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

func (c *clients) open(ctx context.Context, id int64) (*salesforce.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client, ok := c.byID[id]; ok {
		return client, nil
	}
	login, key, secret, err := c.db.ConnectionApp(ctx, id)
	if err != nil {
		return nil, err
	}
	token := func(g db.Grant) salesforce.Token {
		return salesforce.Token{Access: g.AccessToken, Refresh: g.RefreshToken, InstanceURL: g.InstanceURL, Version: g.Version}
	}
	c.byID[id] = salesforce.New(salesforce.Config{
		App: salesforce.App{LoginURL: login, ClientID: key, ClientSecret: secret}, Hosts: c.hosts,
		Token: func(ctx context.Context) (salesforce.Token, error) {
			g, err := c.db.Grant(ctx, id)
			return token(g), err
		},
		Refresh: func(ctx context.Context, spent salesforce.Token, exchange func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			g, err := c.db.RefreshGrant(ctx, id, spent.Version, func(ctx context.Context, g db.Grant) (db.Grant, error) {
				next, err := exchange(ctx, token(g))
				return db.Grant{AccessToken: next.Access, RefreshToken: next.Refresh, InstanceURL: next.InstanceURL}, err
			})
			if salesforce.IsGrantDead(err) {
				if err := c.db.MarkNeedsReconnect(ctx, id, 0, "The grant was revoked."); err != nil {
					return salesforce.Token{}, err
				}
			}
			return token(g), err
		},
	})
	return c.byID[id], nil
}

// authorize goes on to the org from the Connect form and signs in there, with the decision "allow" or "deny"; it returns the way back.
func (o *orgApp) authorize(b *browser, form url.Values, decision string) string {
	o.t.Helper()
	leave := b.post(connectPath, form).is(http.StatusOK)
	next := leave.attr("#continue", "href")
	if !strings.HasPrefix(next, o.host) || leave.Header.Get("Refresh") != "0; url="+next {
		o.t.Fatalf("the way on is %q, the header %q", next, leave.Header.Get("Refresh"))
	}
	cred := o.org.Credentials()
	p := b.get(next)
	at, _ := url.Parse(next)
	for range 10 {
		if where := p.Header.Get("Location"); where != "" {
			target, err := at.Parse(where)
			if err != nil {
				o.t.Fatal(err)
			}
			if strings.HasPrefix(target.String(), o.url) {
				return strings.TrimPrefix(target.String(), o.url)
			}
			at, p = target, b.get(target.String())
			continue
		}
		values := url.Values{}
		for _, n := range p.all("form input[name]") {
			values.Set(nodeAttr(n, "name"), nodeAttr(n, "value"))
		}
		if len(p.all("input[type=password]")) > 0 {
			values.Set("username", cred.Username)
			values.Set("password", cred.Password)
		} else {
			values.Set("decision", decision)
		}
		target, err := at.Parse(p.attr("form", "action"))
		if err != nil {
			o.t.Fatal(err)
		}
		at, p = target, b.post(target.String(), values)
	}
	o.t.Fatalf("the org leads nowhere: %s", p.text("main"))
	return ""
}

var demoForm = url.Values{"environment": {"preset:demo"}}

// connected connects the org and returns the connection.
func (o *orgApp) connected(b *browser) db.Connection {
	o.t.Helper()
	b.follow(b.get(o.authorize(b, demoForm, "allow")).is(http.StatusSeeOther)).is(http.StatusOK)
	list, err := o.db.Connections(o.t.Context())
	if err != nil || len(list) != 1 {
		o.t.Fatalf("%d connections: %v", len(list), err)
	}
	return list[0]
}
