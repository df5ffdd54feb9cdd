package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSignInOpensASessionUnderANewID(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := a.as(a.viewer) // somebody else's session is in this browser
	at, _ := url.Parse(a.url)
	before := b.client.Jar.Cookies(at)[0].Value
	p := b.post("/sign-in", url.Values{"email": {a.admin.Email}, "password": {password}, "next": {"/profile"}}).is(http.StatusSeeOther)
	if got := p.Header.Get("Location"); got != "/profile" {
		t.Errorf("sign-in leads to %q", got)
	}
	cookie := p.Header.Get("Set-Cookie")
	for _, flag := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, flag) {
			t.Errorf("the cookie lacks %s: %s", flag, cookie)
		}
	}
	after := b.client.Jar.Cookies(at)[0].Value
	if after == before || len(after) < 26 {
		t.Errorf("the session id went from %q to %q", before, after)
	}
	if _, _, err := a.db.Session(t.Context(), before); err == nil {
		t.Error("the session that the browser had lives on")
	}
	b.get("/profile").is(http.StatusOK).says("#sessions", "This one")
}

func TestCookiesAreBoundToHTTPS(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(o *Options) { o.Secure = true })
	p := a.nobody().post("/sign-in", url.Values{"email": {a.admin.Email}, "password": {password}}).is(http.StatusSeeOther)
	cookie := p.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "__Host-millrace=") || !strings.Contains(cookie, "Secure") || strings.Contains(cookie, "Domain") {
		t.Errorf("the cookie is %q", cookie)
	}
}

func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := a.nobody()
	wrong := b.post("/sign-in", url.Values{"email": {a.admin.Email}, "password": {"wrong"}, "next": {"/profile"}}).is(http.StatusUnprocessableEntity)
	unknown := b.post("/sign-in", url.Values{"email": {"nobody@example.com"}, "password": {"wrong"}}).is(http.StatusUnprocessableEntity)
	wrong.says("#problem", "The e-mail or the password is wrong.")
	if wrong.text("#problem") != unknown.text("#problem") {
		t.Error("a wrong password and an unknown user are told apart")
	}
	if got := wrong.attr("#email", "value"); got != a.admin.Email {
		t.Errorf("the typed address became %q", got)
	}
	if got := wrong.attr("[name=next]", "value"); got != "/profile" {
		t.Errorf("the way on became %q", got)
	}
	if wrong.attr("#password", "value") != "" {
		t.Error("the password comes back")
	}
}

func TestSignInThrottles(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := a.nobody()
	for range 40 {
		p := b.post("/sign-in", url.Values{"email": {a.admin.Email}, "password": {"wrong"}})
		if p.Status == http.StatusTooManyRequests {
			if p.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			p.says("#problem", "too many wrong attempts")
			return
		}
	}
	t.Error("40 wrong passwords were all looked at")
}

func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b := a.as(a.admin)
	at, _ := url.Parse(a.url)
	copied := b.client.Jar.Cookies(at)
	b.follow(b.post("/sign-out", nil)).says("#flash", "You are signed out.")
	other := a.nobody()
	other.client.Jar.SetCookies(at, copied)
	if p := other.get("/integrations"); p.Status != http.StatusSeeOther {
		t.Errorf("a copied cookie still opens: %d", p.Status)
	}
}

func TestHTMXIsSentToTheSignInPage(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.nobody()
	b.header.Set("HX-Request", "true")
	b.header.Set("HX-Current-URL", a.url+"/connections/1/accounts?q=x")
	p := b.get("/connections/" + itoa(c.ID) + "/banner").is(http.StatusUnauthorized)
	if got := p.Header.Get("HX-Redirect"); got != "/sign-in?next=%2Fconnections%2F1%2Faccounts%3Fq%3Dx" {
		t.Errorf("HX-Redirect is %q", got)
	}
	if p.Body != "" || !strings.Contains(p.Header.Get("Vary"), "HX-Request") {
		t.Errorf("body %q, Vary %q", p.Body, p.Header.Get("Vary"))
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	a.nobody().get("/setup?token=x").is(http.StatusGone).says("h1", "no longer works")
	a.nobody().post("/setup", url.Values{"token": {"x"}, "name": {"Eve"}, "email": {"eve@example.com"}, "password": {"a long enough one"}}).is(http.StatusGone)
}

func TestSetupMakesTheFirstAdmin(t *testing.T) {
	t.Parallel()
	a := newEmptyApp(t, nil)
	token, err := a.db.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := a.nobody()
	if got := b.get("/setup?token="+token).is(http.StatusOK).attr("[name=token]", "value"); got != token {
		t.Errorf("the form carries the token %q", got)
	}
	form := url.Values{"token": {token}, "name": {""}, "email": {"ana@example.com"}, "password": {"correct horse battery"}}
	b.post("/setup", form).is(http.StatusUnprocessableEntity).says("#name-error", "Enter your name")
	form.Set("name", "Ana")
	form.Set("password", "12345678")
	weak := b.post("/setup", form).is(http.StatusUnprocessableEntity)
	weak.has("#password[aria-invalid=true]")
	if weak.attr("#email", "value") != "ana@example.com" {
		t.Error("the typed address is lost")
	}
	form.Set("password", password)
	b.follow(b.post("/setup", form)).is(http.StatusOK).has("#salesforce-card")
	b.post("/setup", form).is(http.StatusGone)
}

func TestProfile(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	b, other := a.as(a.viewer), a.as(a.viewer)
	if n := len(b.get("/profile").is(http.StatusOK).all("#sessions li")); n != 2 {
		t.Errorf("%d sessions are listed", n)
	}
	b.follow(b.post("/profile/sign-out-others", nil)).says("#flash", "signed out everywhere else")
	other.get("/profile").is(http.StatusSeeOther)
	b.post("/profile/time-zone", url.Values{"time_zone": {"Mars/Olympus"}}).is(http.StatusUnprocessableEntity).has("#time_zone[aria-invalid=true][value='Mars/Olympus']")
	if got := b.follow(b.post("/profile/time-zone", url.Values{"time_zone": {"Europe/Berlin"}})).attr("html", "data-time-zone"); got != "Europe/Berlin" {
		t.Errorf("the page's zone is %q", got)
	}
	b.post("/profile/password", url.Values{"current": {"wrong"}, "password": {"another good one"}}).is(http.StatusUnprocessableEntity).has("#current[aria-invalid=true]")
	b.post("/profile/password", url.Values{"current": {password}, "password": {"12345678"}}).is(http.StatusUnprocessableEntity).has("#password[aria-invalid=true]")
	b.follow(b.post("/profile/password", url.Values{"current": {password}, "password": {"another good one"}})).says("#flash", "password was changed")
	b.get("/profile").is(http.StatusSeeOther)
}

func TestBrokenStore(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	if err := a.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/integrations", "/readyz", "/connections/" + itoa(c.ID) + "/accounts", "/connections/" + itoa(c.ID) + "/settings/account-filtering"} {
		p := b.get(path)
		if p.Status < 500 || strings.Contains(p.Body, "sql:") || strings.Contains(p.Body, "closed") {
			t.Errorf("%s: %d %s", path, p.Status, p.text("main"))
		}
		if path != "/readyz" {
			p.says("#failure", p.Header.Get("X-Request-Id"))
		}
	}
	b.get("/healthz").is(http.StatusOK)
}
