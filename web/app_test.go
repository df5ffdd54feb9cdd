package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce"
	"millrace/settings"
)

const password = "correct horse battery"

// app is a server over a database of its own, and the people who use it.
type app struct {
	t      testing.TB
	db     *db.DB
	server *Server
	url    string
	admin  db.User
	viewer db.User
}

// newApp starts an app; change may adapt its options.
func newApp(t testing.TB, change func(*Options)) *app {
	t.Helper()
	a := newEmptyApp(t, change)
	a.admin = a.user("ana@example.com", "Ana Ruiz", db.RoleAdmin)
	a.viewer = a.user("vic@example.com", "Vic Tran", db.RoleViewer)
	return a
}

// newEmptyApp starts an app that nobody has an account of.
func newEmptyApp(t testing.TB, change func(*Options)) *app {
	t.Helper()
	a := &app{t: t, db: dbtest.New(t)}
	o := Options{
		DB: a.db, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: func(ctx context.Context, id int64) (*salesforce.Client, error) { return nil, db.ErrDisconnected },
	}
	if change != nil {
		change(&o)
		a.db = o.DB
	}
	var err error
	if a.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(a.server.Handler())
	t.Cleanup(ts.Close)
	a.url = ts.URL
	return a
}

func (a *app) user(email, name string, role db.Role) db.User {
	a.t.Helper()
	u, err := a.db.CreateUser(a.t.Context(), email, name, password, role)
	if err != nil {
		a.t.Fatal(err)
	}
	return u
}

// browser is somebody's browser. It does not follow redirects.
type browser struct {
	t      testing.TB
	url    string
	client *http.Client
	header http.Header
}

func (a *app) nobody() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return &browser{t: a.t, url: a.url, header: http.Header{}, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as returns the browser of a signed-in user. The session is made without the form, whose password check is slow by design.
func (a *app) as(u db.User) *browser {
	a.t.Helper()
	id, err := a.db.StartSession(a.t.Context(), u.ID, "127.0.0.1", "test")
	if err != nil {
		a.t.Fatal(err)
	}
	b := a.nobody()
	at, err := url.Parse(a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: a.server.cookies.name, Value: id, Path: "/"}})
	return b
}

// page is an answer with its parsed body.
type page struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   string
	root   *html.Node
}

func (b *browser) do(method, path string, form url.Values) *page {
	b.t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	target := path
	if !strings.HasPrefix(path, "http") {
		target = b.url + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range b.header {
		req.Header[name] = values
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.send(req)
}

func (b *browser) send(req *http.Request) *page {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(text)))
	if err != nil {
		b.t.Fatal(err)
	}
	if run := runIntoTime.Find(text); run != nil {
		b.t.Errorf("%s: a word runs into a time: %s", req.URL.Path, run)
	}
	return &page{t: b.t, Status: resp.StatusCode, Header: resp.Header, Body: string(text), root: root}
}

// runIntoTime is a text that ends where a time begins, without a space between them.
var runIntoTime = regexp.MustCompile(`[^<>]*[\pL\pN·,:]<time[^>]*>[^<]*`)

func (b *browser) get(path string) *page { b.t.Helper(); return b.do(http.MethodGet, path, nil) }
func (b *browser) post(path string, form url.Values) *page {
	b.t.Helper()
	return b.do(http.MethodPost, path, form)
}

// follow gets where a redirect leads.
func (b *browser) follow(p *page) *page {
	b.t.Helper()
	if p.Status != http.StatusSeeOther && p.Status != http.StatusFound {
		b.t.Fatalf("status %d is no redirect: %s", p.Status, p.text("main"))
	}
	return b.get(p.Header.Get("Location"))
}

func (p *page) all(selector string) []*html.Node {
	p.t.Helper()
	return cascadia.QueryAll(p.root, cascadia.MustCompile(selector))
}

// has fails unless the page has the selector.
func (p *page) has(selector string) {
	p.t.Helper()
	if len(p.all(selector)) == 0 {
		p.t.Errorf("no %s in the page: %s", selector, p.text("main"))
	}
}

// lacks fails if the page has the selector.
func (p *page) lacks(selector string) {
	p.t.Helper()
	if len(p.all(selector)) > 0 {
		p.t.Errorf("%s is in the page", selector)
	}
}

// text returns the words of what the selector finds.
func (p *page) text(selector string) string {
	p.t.Helper()
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
			b.WriteByte(' ')
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	for _, n := range p.all(selector) {
		walk(n)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// says fails unless the words of the selector contain each text.
func (p *page) says(selector string, texts ...string) {
	p.t.Helper()
	words := p.text(selector)
	for _, want := range texts {
		if !strings.Contains(words, want) {
			p.t.Errorf("%s says %q, which lacks %q", selector, words, want)
		}
	}
}

// attr returns an attribute of the first element that the selector finds.
func (p *page) attr(selector, name string) string {
	p.t.Helper()
	for _, n := range p.all(selector) {
		return nodeAttr(n, name)
	}
	return ""
}

func nodeAttr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// is fails unless the answer has the status.
func (p *page) is(status int) *page {
	p.t.Helper()
	if p.Status != status {
		p.t.Errorf("status %d, want %d: %s", p.Status, status, p.text("main"))
	}
	return p
}

// connection stores a connection to an org that nobody asks.
func (a *app) connection(org string) db.Connection {
	a.t.Helper()
	c, err := a.db.SaveConnection(a.t.Context(), db.NewConnection{
		Name: org, Environment: "production", LoginURL: "https://login.salesforce.com", ClientID: "key", ClientSecret: "secret", OrgID: orgID(org), OrgName: org,
		UserID: "005000000000001AAA", Username: "ana@" + org + ".example", DisplayName: "Ana",
		Grant: db.Grant{AccessToken: "access", RefreshToken: "refresh", InstanceURL: "https://" + org + ".my.salesforce.com"}, By: a.admin.ID,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func orgID(name string) string { return ("00D" + name + strings.Repeat("0", 15))[:15] + "AAA" }

// configure saves a first version of a connection's settings, which queues its first run.
func (a *app) configure(c db.Connection, filter string) {
	a.t.Helper()
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: filter}}
	if _, _, err := a.db.SaveSettings(a.t.Context(), c.ID, 0, s, "", a.admin.ID); err != nil {
		a.t.Fatal(err)
	}
}
