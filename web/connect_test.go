package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
)

func TestConnectAndDisconnect(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	b.get("/integrations").is(http.StatusOK).says("#salesforce-card", "Not connected", "Connect")
	b.get("/integrations/salesforce/connect").is(http.StatusOK).says("#refusals", "OAUTH_APPROVAL_ERROR_GENERIC", "Connected Apps OAuth Usage", "redirect_uri_mismatch")
	form := b.get(connectPath).is(http.StatusOK)
	form.has("input[name=environment][value='preset:demo'][checked]")
	form.says("aside", "External Client App", o.url+callbackPath)
	c := o.connected(b)
	card := b.get("/integrations").is(http.StatusOK)
	card.says("#salesforce-card", "Connected", "Demo", c.OrgName, c.Username, c.OrgID)
	card.says("nav", "Demo")

	b.get(orgPath(c.ID, "/disconnect")).is(http.StatusOK).says("main", "Nothing is synced any more", "Settings and history stay")
	b.follow(b.post(orgPath(c.ID, "/disconnect"), nil)).says("#salesforce-card", "Disconnected", "Connect again")
	if _, err := o.db.Grant(t.Context(), c.ID); err == nil {
		t.Error("the grant is still stored")
	}
	again := url.Values{"environment": {"preset:demo"}, "connection": {itoa(c.ID)}}
	b.follow(b.get(o.authorize(b, again, "allow"))).says("#salesforce-card", "Connected")
}

func TestConnectRefusesBadInput(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: -1})
	b := o.as(o.admin)
	for name, want := range map[string]struct {
		form  url.Values
		field string
	}{
		"nothing":        {url.Values{}, "env-production"},
		"unknown preset": {url.Values{"environment": {"preset:x"}}, "env-production"},
		"no key":         {url.Values{"environment": {"production"}, "client_secret": {"s"}}, "client_id"},
		"no secret":      {url.Values{"environment": {"sandbox"}, "client_id": {"k"}}, "client_secret"},
		"no domain":      {url.Values{"environment": {"my_domain"}, "client_id": {"k"}, "client_secret": {"s"}}, "login_url"},
		"metadata host":  {url.Values{"environment": {"my_domain"}, "client_id": {"k"}, "client_secret": {"s"}, "login_url": {"http://169.254.169.254"}}, "login_url"},
		"user in host":   {url.Values{"environment": {"my_domain"}, "client_id": {"k"}, "client_secret": {"s"}, "login_url": {"https://login.salesforce.com@evil.example"}}, "login_url"},
		"suffix":         {url.Values{"environment": {"my_domain"}, "client_id": {"k"}, "client_secret": {"s"}, "login_url": {"https://evil.my.salesforce.com.evil.example"}}, "login_url"},
	} {
		p := b.post(connectPath, want.form).is(http.StatusUnprocessableEntity)
		p.has("#summary a[href='#" + want.field + "']")
		if p.attr("#client_id", "value") != want.form.Get("client_id") {
			t.Errorf("%s: the typed key is lost", name)
		}
		if p.attr("#client_secret", "value") != "" {
			t.Errorf("%s: the secret comes back", name)
		}
	}
}

func TestStoredSecretGoesNowhereElse(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	b.get(connectPath+"?connection="+itoa(c.ID)).is(http.StatusOK).says("#client_secret-hint", "Leave it empty to keep it")
	form := url.Values{"environment": {"my_domain"}, "connection": {itoa(c.ID)}, "client_id": {"key"}, "login_url": {"https://other.my.salesforce.com"}}
	b.post(connectPath, form).is(http.StatusUnprocessableEntity).has("#client_secret[aria-invalid=true]")
	form = url.Values{"environment": {"production"}, "connection": {itoa(c.ID)}, "client_id": {"key"}}
	p := b.post(connectPath, form).is(http.StatusOK)
	if next := p.attr("#continue", "href"); !strings.HasPrefix(next, "https://login.salesforce.com/services/oauth2/authorize?") || !strings.Contains(next, "code_challenge_method=S256") || strings.Contains(next, "secret=") {
		t.Errorf("the way on is %q", next)
	}
}

// TestReconnectWithAnotherSecret has the app's secret rotated: the preflight finds it out, the page to reconnect says why, what this server was set up with and the stored secret are refused,
// and the current key and secret connect the org again, also those of another app.
func TestReconnectWithAnotherSecret(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: -1})
	b := o.as(o.admin)
	c := o.connected(b)
	o.org.RotateSecret()
	o.org.ExpireAccessTokens()
	if got := checkOf(b.get(orgPath(c.ID, "/preflight")).is(http.StatusOK), "API access"); !strings.Contains(got, "no longer accepts the consumer secret") || !strings.Contains(got, "current consumer key and secret") {
		t.Errorf("the preflight says %q", got)
	}
	b.get("/integrations").is(http.StatusOK).says("#salesforce-card", "Needs reconnect", "Reconnect")
	reconnect := connectPath + "?connection=" + itoa(c.ID)
	b.get(reconnect).is(http.StatusOK).says("#reason", "no longer accepts this connection", "The grant was revoked.")
	b.get(o.authorize(b, url.Values{"environment": {"preset:demo"}, "connection": {itoa(c.ID)}}, "allow")).is(http.StatusBadRequest).
		says("#oauth-problem", "does not accept the consumer secret", "this server was set up with", "choose another environment")

	form := url.Values{"environment": {"my_domain"}, "login_url": {o.host}, "connection": {itoa(c.ID)}, "client_id": {o.org.Credentials().ClientID}}
	again := b.post(connectPath, form).is(http.StatusUnprocessableEntity)
	again.says("#reason", "The grant was revoked.")
	again.has("#client_secret[aria-invalid=true]")
	form.Set("client_secret", o.org.Credentials().ClientSecret)
	b.follow(b.get(o.authorize(b, form, "allow")).is(http.StatusSeeOther)).says("#salesforce-card", "Connected")
	o.org.ExpireAccessTokens()
	if got := checkOf(b.get(orgPath(c.ID, "/preflight")).is(http.StatusOK), "API access"); !strings.Contains(got, "answers the connected user") {
		t.Errorf("afterwards the preflight says %q", got)
	}

	// The app is made anew, and then its secret is rotated. Leaving the field empty keeps the stored one, which is refused.
	o.org.ReplaceApp()
	form.Set("client_id", o.org.Credentials().ClientID)
	form.Set("client_secret", o.org.Credentials().ClientSecret)
	b.follow(b.get(o.authorize(b, form, "allow")).is(http.StatusSeeOther)).says("#salesforce-card", "Connected")
	o.org.RotateSecret()
	form.Del("client_secret")
	b.get(reconnect).is(http.StatusOK).says("#client_secret-hint", "unless it was changed in Salesforce")
	refused := b.get(o.authorize(b, form, "allow")).is(http.StatusBadRequest)
	if refused.says("#oauth-problem", "does not accept the consumer secret"); strings.Contains(refused.text("#oauth-problem"), "this server was set up with") {
		t.Error("a secret of the connection's own is called the server's")
	}
	form.Set("client_secret", o.org.Credentials().ClientSecret)
	b.follow(b.get(o.authorize(b, form, "allow")).is(http.StatusSeeOther)).says("#salesforce-card", "Connected")
}

func TestCallbackRefuses(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: -1})
	b := o.as(o.admin)
	none := func(step string) {
		t.Helper()
		if list, err := o.db.Connections(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%s: %d connections, %v", step, len(list), err)
		}
	}
	b.get(callbackPath).is(http.StatusBadRequest).says("#oauth-problem", "no mark")
	b.get(callbackPath+"?code=x").is(http.StatusBadRequest).says("#oauth-problem", "Nothing was stored")
	b.get(callbackPath + "?code=x&state=").is(http.StatusBadRequest)
	b.get(callbackPath+"?code=x&state=wrong").is(http.StatusBadRequest).says("h1", "not started here")
	none("state")

	denied := o.authorize(b, demoForm, "deny")
	b.get(denied).is(http.StatusBadRequest).says("main", "access was denied", "press Allow", "access_denied")
	none("deny")

	back := o.authorize(b, demoForm, "allow")
	o.as(o.admin).get(back).is(http.StatusBadRequest).says("h1", "not started here") // another session of the same person
	none("another session")

	// A code that the org does not know, under a state that is right.
	state, err := url.Parse(o.authorize(b, demoForm, "allow"))
	if err != nil {
		t.Fatal(err)
	}
	q := state.Query()
	q.Set("code", "wrong")
	b.get(callbackPath+"?"+q.Encode()).is(http.StatusBadRequest).says("#oauth-problem", "Details")
	none("wrong code")
	b.get(state.RequestURI()).is(http.StatusBadRequest) // its state is used up

	back = o.authorize(b, demoForm, "allow")
	b.get(back).is(http.StatusSeeOther)
	b.get(back).is(http.StatusBadRequest).says("h1", "not started here") // reused
	b.get(callbackPath+"?error=OAUTH_APPROVAL_ERROR_GENERIC&error_description=%3Cscript%3E").is(http.StatusBadRequest).
		says("#oauth-problem", "not installed in this org", "Connected Apps OAuth Usage")
}

func TestCallbackRepeatsOnlyWhatAnswersAFlow(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: -1})
	b := o.as(o.admin)
	said := url.Values{"error": {"CALL_555_0100"}, "error_description": {"Your licence ended, " + strings.Repeat("pay ", 500)}}
	mocked := url.Values{"error": {"OAUTH_APPROVAL_ERROR_GENERIC"}, "error_description": {"Call 555-0100 to unlock"}}
	for _, state := range []string{"", "wrong"} {
		for _, q := range []url.Values{said, mocked} {
			q.Set("state", state)
			p := b.get(callbackPath + "?" + q.Encode()).is(http.StatusBadRequest)
			if strings.Contains(p.Body, "555_0100") || strings.Contains(p.Body, "555-0100") || strings.Contains(p.Body, "licence") || !strings.Contains(p.text("main"), "Not connected") {
				t.Errorf("with the state %q the page repeats what the address says: %s", state, p.text("main"))
			}
		}
	}
	flow, err := url.Parse(o.authorize(b, demoForm, "allow"))
	if err != nil {
		t.Fatal(err)
	}
	said.Set("state", flow.Query().Get("state"))
	p := b.get(callbackPath + "?" + said.Encode()).is(http.StatusBadRequest)
	p.says("#oauth-problem", "CALL_555_0100", "Your licence ended", "pay …")
	if n := strings.Count(p.text("main"), "pay"); n > 200 {
		t.Errorf("%d words of the description are repeated", n)
	}
}

func TestAnotherOrgIsNotPutInTheFirstOnesPlace(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: -1})
	other := o.connection("acme")
	b := o.as(o.admin)
	back := o.authorize(b, url.Values{"environment": {"preset:demo"}, "connection": {itoa(other.ID)}}, "allow")
	p := b.get(back).is(http.StatusConflict)
	p.says("#oauth-problem", "acme", "mixed", "Connect the other org as well")
	kept, err := o.db.Connection(t.Context(), other.ID)
	if err != nil || kept.OrgID != other.OrgID || kept.Status != db.StatusConnected {
		t.Errorf("the connection became %+v: %v", kept, err)
	}
	grant, err := o.db.Grant(t.Context(), other.ID)
	if err != nil || grant.AccessToken != "access" {
		t.Errorf("its grant became %q: %v", grant.AccessToken, err)
	}
}

func TestCallbackNeedsAKnownAddress(t *testing.T) {
	t.Parallel()
	s := &Server{}
	for host, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/oauth/callback", "localhost:1": "http://localhost:1/oauth/callback", "[::1]:2": "http://[::1]:2/oauth/callback",
		"evil.example": "", "10.0.0.1:80": "",
	} {
		if got := s.callbackURL(&http.Request{Host: host}); got != want {
			t.Errorf("for %s the callback is %q, want %q", host, got, want)
		}
	}
	s.BaseURL = "https://millrace.example.com"
	if got := s.callbackURL(&http.Request{Host: "evil.example"}); got != "https://millrace.example.com/oauth/callback" {
		t.Errorf("the callback is %q", got)
	}
}
