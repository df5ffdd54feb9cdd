package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"millrace/salesforce/sim"
)

const typedText = "Name = 'Müller & \"Söhne\" <1>'\nAND Type = 'Customer'"

// again gathers what a form of a page would send.
func (p *page) again(form string) url.Values {
	p.t.Helper()
	out := url.Values{}
	for _, n := range p.all(form + " input[name], " + form + " textarea[name]") {
		value := nodeAttr(n, "value")
		if n.Data == "textarea" {
			value = ""
			if n.FirstChild != nil {
				value = n.FirstChild.Data
			}
		}
		checked := nodeAttr(n, "type") != "radio"
		for _, a := range n.Attr {
			checked = checked || a.Key == "checked"
		}
		if checked {
			out.Add(nodeAttr(n, "name"), value)
		}
	}
	return out
}

func inner(nodes []*html.Node) string {
	if len(nodes) == 0 || nodes[0].FirstChild == nil {
		return ""
	}
	return nodes[0].FirstChild.Data
}

func TestFormSurvivesTheEndOfTheSession(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"", "/validate"} {
		a := newApp(t, nil)
		c := a.connection("acme")
		path := orgPath(c.ID, "/settings/account-filtering")
		b := a.as(a.admin)
		if err := a.db.EndUserSessions(t.Context(), a.admin.ID, ""); err != nil {
			t.Fatal(err)
		}
		form := single("0", typedText)
		form.Set("note", "why")
		form.Set("validate", "accounts.single")
		form.Set("email", "eve@example.com") // not of this kind of form
		p := b.post(path+action, form).is(http.StatusUnauthorized)
		p.says("main", "Nothing was saved", "sign in")
		carried := p.again("form")
		if carried.Get("accounts.single") != typedText || carried.Get("note") != "why" || carried.Get("next") != path || len(carried["email"]) != 1 || carried.Get("email") != "" {
			t.Fatalf("the sign-in page carries %q", carried)
		}
		target := p.attr("form", "action")
		carried.Set("email", a.admin.Email)
		carried.Set("password", "wrong")
		p = b.post(target, carried).is(http.StatusUnprocessableEntity)
		carried = p.again("form")
		carried.Set("password", password)
		p = b.post(target, carried).is(http.StatusOK)
		p.says("#flash", "What you typed before you were signed out is back. Nothing of it is saved yet.")
		if got := inner(p.all("#accounts-single")); strings.TrimPrefix(got, "\n") != typedText {
			t.Errorf("the box holds %q", got)
		}
		if got := p.attr("#note", "value"); got != "why" {
			t.Errorf("the note is %q", got)
		}
		if got := p.attr("form[data-guard]", "action"); got != path {
			t.Errorf("the form goes to %q", got)
		}
		p.lacks("#result-accounts-single .result") // nothing was carried out
		if v, err := a.db.CurrentSettings(t.Context(), c.ID); err != nil || v != nil {
			t.Errorf("saved: %v, %v", v, err)
		}
		b.get(path).is(http.StatusOK).lacks("#flash")
		b.get(target).is(http.StatusSeeOther)
	}
}

func TestOnlyAdminsResume(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	path := orgPath(c.ID, "/settings/account-filtering")
	form := single("0", typedText)
	form.Set("email", a.viewer.Email)
	form.Set("password", password)
	form.Set("next", path)
	p := a.nobody().post("/sign-in?next="+url.QueryEscape(path), form).is(http.StatusSeeOther)
	if got := p.Header.Get("Location"); got != path {
		t.Errorf("a viewer is led to %q", got)
	}
}

func TestKeptFormsAreLimited(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	path := orgPath(a.connection("acme").ID, "/settings/account-filtering")
	b := a.nobody()
	b.post(path, single("0", strings.Repeat("x", keptLimit))).is(http.StatusSeeOther).lacks("form")
	b.post(path, single("0", strings.Repeat("x", keptLimit-formLimit))).is(http.StatusUnauthorized)
	b.post("/sign-in?next="+url.QueryEscape(path), url.Values{"email": {strings.Repeat("x", keptLimit+formLimit)}}).is(http.StatusRequestEntityTooLarge)
}

func TestTheWayBackAfterSigningIn(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	page := orgPath(c.ID, "/settings/account-filtering")
	for _, tt := range []struct{ method, path, header, from, want string }{
		{"GET", "/connections/1/accounts?q=x&page=2", "", "", "/connections/1/accounts?q=x&page=2"},
		{"POST", "/profile/time-zone", "Referer", "/profile", "/profile"},
		{"POST", "/profile/time-zone", "Referer", "//evil.example/x", "/x"}, // only its path counts
		{"POST", "/profile/time-zone", "", "", ""},
		{"POST", page, "Referer", page + "/validate", page},
		{"POST", page + "/validate", "", "", page},
		{"GET", callbackPath + "?code=x", "", "", connectPath},
	} {
		b := a.nobody()
		if tt.header != "" {
			b.header.Set(tt.header, a.url+tt.from)
			if strings.HasPrefix(tt.from, "//") {
				b.header.Set(tt.header, "http:"+tt.from)
			}
		}
		want := "/sign-in"
		if tt.want != "" {
			want += "?next=" + url.QueryEscape(tt.want)
		}
		if got := b.do(tt.method, tt.path, url.Values{}).is(http.StatusSeeOther).Header.Get("Location"); got != want {
			t.Errorf("%s %s from %q leads to %q, want %q", tt.method, tt.path, tt.from, got, want)
		}
	}
}

func TestFailureGivesTheTextBack(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	path := orgPath(c.ID, "/settings/account-filtering")
	b := a.as(a.admin)
	form := single("0", typedText)
	form.Set("note", "why")
	form.Set("validate", "accounts.single")

	b.header.Set("Origin", "https://evil.example")
	b.post(path, form).is(http.StatusForbidden).lacks("#kept")
	b.header.Del("Origin")

	if err := a.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"", "/validate"} {
		p := b.post(path+action, form)
		if p.Status < 500 {
			t.Fatalf("%d without a database", p.Status)
		}
		p.says("#kept", "Here is what you typed. Copy it, or press Try again.")
		p.has("#kept textarea[readonly][name='accounts.single']")
		if got := p.attr("#kept", "action"); got != path+action {
			t.Errorf("Try again goes to %q", got)
		}
		again := p.again("#kept")
		again.Set("accounts.single", strings.TrimPrefix(again.Get("accounts.single"), "\n"))
		if again.Encode() != form.Encode() {
			t.Errorf("Try again sends %q, want %q", again.Encode(), form.Encode())
		}
	}
	b.post(connectPath, url.Values{"client_secret": {"hush"}, "accounts.mode": {"single"}}).lacks("#kept")
}

func TestTextsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/account-filtering")
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		o.nobody().post("/sign-in", url.Values{"email": {bad}, "password": {password}}).is(http.StatusUnprocessableEntity).says("#problem", "The e-mail or the password is wrong.")
		o.nobody().post("/sign-in", url.Values{"email": {o.admin.Email}, "password": {bad}}).is(http.StatusUnprocessableEntity).says("#problem", "The e-mail or the password is wrong.")

		b.post(path, single("0", "Name = '"+bad+"'")).is(http.StatusUnprocessableEntity).says("#accounts-single-error", "cannot be stored")
		noted := single("0", "Name != null")
		noted.Set("note", bad)
		b.post(path, noted).is(http.StatusUnprocessableEntity).says("#note-error", "cannot be stored")
		b.post(path+"/validate", validating("Name = '"+bad+"'")).is(http.StatusOK)
		if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v != nil {
			t.Errorf("saved: %v, %v", v, err)
		}
		b.post("/profile/time-zone", url.Values{"time_zone": {bad}}).is(http.StatusUnprocessableEntity).has("#time_zone[aria-invalid=true]")
		b.post("/profile/password", url.Values{"current": {password}, "password": {"long enough " + bad}}).is(http.StatusUnprocessableEntity).says("#password-error", "cannot be stored")
		b.post(connectPath, url.Values{"environment": {"production"}, "client_id": {bad}, "client_secret": {"x"}}).is(http.StatusUnprocessableEntity).says("#client_id-error", "cannot be stored")
		b.post("/theme", url.Values{"theme": {"dark"}, "next": {bad}}).is(http.StatusBadRequest).says("#failure", "cannot be stored")
		b.get("/accounts?q=" + url.QueryEscape(bad)).is(http.StatusBadRequest)
		b.get("/connections/" + itoa(c.ID) + "/accounts?q=" + url.QueryEscape(bad)).is(http.StatusBadRequest)
		b.get("/connections/" + itoa(c.ID) + "/accounts/" + url.PathEscape(bad)).is(http.StatusBadRequest)
		b.get("/connections/" + itoa(c.ID) + "/runs/" + url.PathEscape(bad)).is(http.StatusBadRequest)
		o.nobody().get("/setup?token=" + url.QueryEscape(bad)).is(http.StatusBadRequest)
		// Every route answers for such texts; none of them fails.
		for _, rt := range o.server.routes() {
			method, at := address(rt.pattern, c, "R-NONE")
			if method == http.MethodPost && at != "/sign-out" {
				p := o.as(o.admin).post(at, url.Values{"base": {bad}, "accounts.single": {bad}, "theme": {bad}, "next": {bad}, "token": {bad}, "name": {bad}, "connection": {bad}, "before": {bad}, "x": {bad}})
				if p.Status >= 500 || p.Status < 400 && !saysItself[rt.pattern] {
					t.Errorf("%s: %d", rt.pattern, p.Status)
				}
			}
		}
	}
}

func TestSetupRefusesTextsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	a := newEmptyApp(t, nil)
	token, err := a.db.NewSetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "email", "password"} {
		form := url.Values{"token": {token}, "name": {"Ana"}, "email": {"ana@example.com"}, "password": {password}}
		form.Set(field, form.Get(field)+"\x00")
		a.nobody().post("/setup", form).is(http.StatusUnprocessableEntity).says("#"+field+"-error", "cannot be stored")
	}
	a.nobody().post("/setup", url.Values{"token": {token + "\x00"}, "name": {"Ana"}, "email": {"ana@example.com"}, "password": {password}}).is(http.StatusGone)
}
