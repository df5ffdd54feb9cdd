package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"millrace/db"
)

// address fills the wildcards of a route with things that exist.
func address(pattern string, c db.Connection, run string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{$}", "", "{id}", itoa(c.ID), "{run}", run, "{version}", "1", "{sfid}", "001000000000001AAA", "{hash}", "0", "{file}", "app.css").Replace(path)
}

func TestEveryRouteAsksForItsRole(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Type = 'Customer'")
	latest, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil || latest == nil {
		t.Fatal(latest, err)
	}
	for _, rt := range a.server.routes() {
		method, path := address(rt.pattern, c, latest.ShortID)
		// The sessions are fresh for each route, since some routes end them.
		nobody := a.nobody().do(method, path, url.Values{})
		viewer := a.as(a.viewer).do(method, path, url.Values{})
		toSignIn := nobody.Status == http.StatusSeeOther && strings.HasPrefix(nobody.Header.Get("Location"), "/sign-in")
		switch rt.access {
		case public:
			if path != "/sign-out" && toSignIn {
				t.Errorf("%s: asks for a session", rt.pattern)
			}
		case signedIn:
			if !toSignIn {
				t.Errorf("%s: nobody got %d", rt.pattern, nobody.Status)
			}
			if viewer.Status == http.StatusForbidden {
				t.Errorf("%s: a viewer is refused", rt.pattern)
			}
		case adminOnly:
			if !toSignIn {
				t.Errorf("%s: nobody got %d", rt.pattern, nobody.Status)
			}
			if viewer.Status != http.StatusForbidden {
				t.Errorf("%s: a viewer got %d", rt.pattern, viewer.Status)
			}
		}
		admin := a.as(a.admin).do(method, path, url.Values{})
		if admin.Status == http.StatusForbidden || admin.Status >= 500 {
			t.Errorf("%s: an admin got %d: %s", rt.pattern, admin.Status, admin.text("main"))
		}
	}
}

func TestEveryPostRefusesOtherSites(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	admin := a.as(a.admin)
	for _, origin := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}},
	} {
		admin.header = origin
		for _, rt := range a.server.routes() {
			if method, path := address(rt.pattern, c, "R-NONE"); method == http.MethodPost {
				if p := admin.post(path, url.Values{}); p.Status != http.StatusForbidden {
					t.Errorf("%s with %v: %d", rt.pattern, origin, p.Status)
				}
			}
		}
	}
	if latest, err := a.db.LatestRun(t.Context(), c.ID); err != nil || latest != nil {
		t.Errorf("a forged request started a run: %v %v", latest, err)
	}
}

func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	admin := a.as(a.admin)
	for _, rt := range a.server.routes() {
		if method, path := address(rt.pattern, c, "R-NONE"); method == http.MethodGet {
			admin.get(path)
		}
	}
	after, err := a.db.Connection(t.Context(), c.ID)
	if err != nil || after.Status != db.StatusConnected {
		t.Errorf("after every GET the connection is %q: %v", after.Status, err)
	}
	admin.get("/profile").is(http.StatusOK)
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(o *Options) { o.Secure = true })
	for _, path := range []string{"/sign-in", "/healthz", "/nowhere", "/static/0/app.css"} {
		h := a.nobody().get(path).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "X-Frame-Options": "DENY",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if h.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
	}
	for _, forbidden := range []string{"unsafe-inline", "unsafe-eval", "*"} {
		if strings.Contains(csp, forbidden) {
			t.Errorf("the policy allows %s", forbidden)
		}
	}
	if h := newApp(t, nil).nobody().get("/sign-in").Header; h.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS is sent where browsers come by http")
	}
}

// TestPagesHoldNothingInline looks for what the policy would block.
func TestPagesHoldNothingInline(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Type = 'Customer'")
	admin := a.as(a.admin)
	for _, rt := range a.server.routes() {
		method, path := address(rt.pattern, c, "R-NONE")
		if method != http.MethodGet {
			continue
		}
		p := admin.get(path)
		p.lacks("style")
		p.lacks("[style]")
		p.lacks("script:not([src])")
		p.lacks("iframe, object, embed, base")
		for _, name := range []string{"onclick", "onload", "onerror", "onsubmit", "onchange", "hx-on", `hx-on\:click`, "hx-vals"} {
			p.lacks("[" + name + "]")
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	p := a.nobody().post("/sign-in", url.Values{"email": {strings.Repeat("x", formLimit)}})
	p.is(http.StatusRequestEntityTooLarge).says("h1", "That is too much")
	c := a.connection("acme")
	big := url.Values{"base": {"0"}, "accounts.mode": {"single"}, "accounts.single": {strings.Repeat("x", settingsLimit)}}
	a.as(a.admin).post("/connections/"+itoa(c.ID)+"/settings/account-filtering", big).is(http.StatusRequestEntityTooLarge)
}

// TestManyFieldsAreRefused sends forms with very many fields: nothing of what follows the limit is read, other people go on, and a form of as many fields as the limit allows is read.
func TestManyFieldsAreRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	admin := a.as(a.admin)
	settings := "/connections/" + itoa(c.ID) + "/settings/account-filtering"
	many := func(n int) url.Values {
		form := url.Values{}
		for i := range n {
			form.Set("f"+strconv.Itoa(i), "x")
		}
		return form
	}
	for _, in := range []struct {
		as    *browser
		path  string
		limit int
	}{{a.nobody(), "/sign-in", formFields}, {admin, settings, settingsFields}, {admin, "/theme", formFields}} {
		for _, n := range []int{in.limit + 1, 10_000} {
			if n*10 > formLimit && in.limit == formFields {
				n = formLimit / 10 // it is refused for its size else
			}
			in.as.post(in.path, many(n)).is(http.StatusRequestEntityTooLarge).says("main", "more than "+strconv.Itoa(in.limit)+" fields")
		}
		if p := in.as.post(in.path, many(in.limit)); p.Status == http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a form of %d fields is refused", in.path, in.limit)
		}
	}
	r, rest := httptest.NewRequest(http.MethodPost, "/sign-in", nil), strings.NewReader(strings.Repeat("a&", 30_000))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Body = io.NopCloser(rest)
	w := httptest.NewRecorder()
	a.server.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || rest.Len() < 50_000 {
		t.Errorf("the answer is %d, after reading all but %d bytes", w.Code, rest.Len())
	}
	admin.get("/").is(http.StatusSeeOther)
}

func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "/", "/accounts?q=a&page=2": "/accounts?q=a&page=2", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/",
		"/\tx": "/", "javascript:alert(1)": "/", "/a\r\nSet-Cookie: x": "/", "accounts": "/", "/%5cevil.example": "/%5cevil.example", "/#x": "/",
	} {
		if got := localPath(in); got != want {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
	a := newApp(t, nil)
	p := a.nobody().post("/theme", url.Values{"theme": {"dark"}, "next": {"//evil.example"}})
	if got := p.is(http.StatusSeeOther).Header.Get("Location"); got != "/" {
		t.Errorf("the theme form leads to %q", got)
	}
}
