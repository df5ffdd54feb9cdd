package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"millrace/db"
	"millrace/settings"
)

// settingsOf fills two connections with settings, a draft and an impact of the admin's, and gives the second one more version.
func twoConnections(t *testing.T) (a *app, one, two db.Connection) {
	t.Helper()
	a = newApp(t, nil)
	one, two = a.connection("acme"), a.connection("globex")
	a.configure(one, "Name = 'secret of acme'")
	a.configure(two, "Name = 'secret of globex'")
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name = 'second secret of globex'"}}
	if _, _, err := a.db.SaveSettings(t.Context(), two.ID, 1, s, "", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	a.as(a.admin).post(orgPath(two.ID, "/settings/account-filtering/keep"), single("2", "Name = 'draft of globex'")).is(http.StatusOK)
	return a, one, two
}

// Numbers of another connection lead nowhere, and no page of one connection shows anything of the other.
func TestConnectionsKeepTheirSettingsApart(t *testing.T) {
	t.Parallel()
	a, one, two := twoConnections(t)
	b := a.as(a.admin)
	base := orgPath(one.ID, "/settings")
	for _, path := range []string{"/history/2", "/history/2/restore", "/export.yaml?version=2", "/history/compare?from=1&to=2"} {
		p := b.get(base + path)
		if p.Status == http.StatusOK && strings.Contains(path, "export") || strings.Contains(p.Body, "globex'") {
			t.Errorf("%s answers %d with %s", path, p.Status, p.text("main"))
		}
	}
	for _, path := range []string{"/account-filtering", "/history", "/impact", "/merge", "/export.yaml"} {
		if p := b.get(base + path); strings.Contains(p.Body, "of globex'") {
			t.Errorf("%s shows what is of the other connection", path)
		}
	}
	b.post(base+"/history/2/restore", url.Values{"base": {"1"}, "do": {"restore"}}).is(http.StatusNotFound)
	b.post(base+"/account-filtering/discard", url.Values{}).is(http.StatusSeeOther)
	if d := a.draft(two, a.admin); d == nil || d.Settings.Accounts.Single != "Name = 'draft of globex'" {
		t.Errorf("discarding here has changed the draft there: %+v", d)
	}
	for _, other := range []string{"999", "-1", "x", itoa(one.ID)} {
		if p := b.get(base + "/compare-connections?with=" + other); p.Status >= 500 {
			t.Errorf("comparing with %q answers %d", other, p.Status)
		}
		if p := b.post(base+"/compare-connections", url.Values{"with": {other}, "section": {"owner-mapping"}, "base": {"1"}}); p.Status < 400 {
			t.Errorf("taking over from %q answers %d", other, p.Status)
		}
	}
	if v, err := a.db.CurrentSettings(t.Context(), one.ID); err != nil || v.Version != 1 {
		t.Errorf("the first connection is at %+v, %v", v, err)
	}
}

// A viewer and another site change nothing and see nothing, whichever route of the settings they try.
func TestSettingsAreClosedToViewersAndOtherSites(t *testing.T) {
	t.Parallel()
	a, one, two := twoConnections(t)
	if _, err := a.db.KeepSection(t.Context(), one.ID, a.admin.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}}); err != nil {
		t.Fatal(err)
	}
	form := single("1", "Name = 'forged'")
	for name, value := range map[string]string{"do": "save", "theirs": "1", "with": itoa(two.ID), "section": "account-filtering", "text": "format: millrace-settings/1\nsettings:\n  owners:\n    csm: CSM__c\n"} {
		form.Set(name, value)
	}
	foreign := a.as(a.admin)
	foreign.header.Set("Origin", "https://evil.example")
	foreign.header.Set("Sec-Fetch-Site", "cross-site")
	viewer := a.as(a.viewer)
	tried := 0
	for _, rt := range a.server.routes() {
		method, path := address(rt.pattern, one, "R-NONE")
		if !strings.Contains(path, "/settings") {
			continue
		}
		tried++
		if p := viewer.do(method, path, form); p.Status != http.StatusForbidden || strings.Contains(p.Body, "secret of") {
			t.Errorf("%s answers a viewer %d", rt.pattern, p.Status)
		}
		if method != http.MethodPost {
			continue
		}
		if p := foreign.post(path, form); p.Status != http.StatusForbidden {
			t.Errorf("%s answers another site %d", rt.pattern, p.Status)
		}
	}
	if tried < 30 {
		t.Errorf("only %d routes were tried", tried)
	}
	if v, err := a.db.CurrentSettings(t.Context(), one.ID); err != nil || v.Version != 1 {
		t.Errorf("the settings are at %+v, %v", v, err)
	}
	if d := a.draft(one, a.admin); d == nil || d.Settings.Owners.CSM != "CSM__c" || d.Settings.Accounts.Single != "Name = 'secret of acme'" {
		t.Errorf("the admin's draft is %+v", d)
	}
	if d := a.draft(one, a.viewer); d != nil {
		t.Errorf("the viewer has a draft: %+v", d)
	}
}

// locked is a buffer that several write into.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A refused request is in the log, with who sent it, what it was, and its id, and without what it held.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	var said locked
	a := newApp(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	a.as(a.viewer).post("/alerts/channels", url.Values{"email": {"secret@example.com"}}).is(http.StatusForbidden)
	a.as(a.viewer).get(orgPath(1, "/runs/R-NONE")).is(http.StatusNotFound)
	for _, want := range []string{
		`msg="request refused" request_id=[^ ]+ method=POST path=/alerts/channels status=403 user_id=` + itoa(a.viewer.ID),
		`msg="request refused" request_id=[^ ]+ method=GET path=/connections/1/runs/R-NONE status=404 user_id=` + itoa(a.viewer.ID),
	} {
		if !regexp.MustCompile(want).MatchString(said.String()) {
			t.Errorf("the log does not say %s:\n%s", want, said.String())
		}
	}
	if strings.Contains(said.String(), "secret") {
		t.Errorf("the log says what was sent:\n%s", said.String())
	}
}
