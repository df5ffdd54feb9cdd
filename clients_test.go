package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// TestReconnectReachesOtherProcesses has the app's secret rotated and the org reconnected in one process. Another one, which has had its client all along, renews by the new secret.
func TestReconnectReachesOtherProcesses(t *testing.T) {
	t.Parallel()
	org, err := sim.New(sim.Options{Accounts: 3})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	d := dbtest.New(t)
	admin, err := d.CreateUser(t.Context(), "ada@example.com", "Ada", "correct horse battery", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	log, hosts := slog.New(slog.NewTextHandler(io.Discard, nil)), salesforce.HostPolicy{Extra: []string{server.URL}}
	here, other := newClients(d, hosts, log), newClients(d, hosts, log)
	connect := func() int64 {
		keys := org.Credentials()
		app := salesforce.App{LoginURL: server.URL, ClientID: keys.ClientID, ClientSecret: keys.ClientSecret, RedirectURL: "http://127.0.0.1/callback"}
		const verifier = "0123456789012345678901234567890123456789012345"
		token, err := app.Exchange(t.Context(), salesforce.Guarded(hosts), allow(t, app.AuthCodeURL("state", verifier), keys), verifier)
		if err != nil {
			t.Fatal(err)
		}
		c, err := d.SaveConnection(t.Context(), db.NewConnection{
			Environment: "demo", LoginURL: app.LoginURL, ClientID: app.ClientID, ClientSecret: app.ClientSecret, OrgID: keys.OrgID, OrgName: "Test", By: admin.ID,
			Grant: db.Grant{AccessToken: token.Access, RefreshToken: token.Refresh, InstanceURL: token.InstanceURL},
		})
		if err != nil {
			t.Fatal(err)
		}
		here.forget(c.ID)
		return c.ID
	}
	id := connect()
	kept, err := other.open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	org.RotateSecret()
	org.ExpireAccessTokens()
	if _, err := kept.Limits(t.Context()); !salesforce.IsAppRefused(err) {
		t.Errorf("after the rotation: %v", err)
	}
	if c, err := d.Connection(t.Context(), id); err != nil || c.Status != db.StatusNeedsReconnect || c.StatusReason == "" {
		t.Errorf("the connection is %s: %q (%v)", c.Status, c.StatusReason, err)
	}
	connect()
	org.ExpireAccessTokens()
	if _, err := kept.Limits(t.Context()); err != nil {
		t.Errorf("in the other process: %v", err)
	}
	if c, err := d.Connection(t.Context(), id); err != nil || c.Status != db.StatusConnected {
		t.Errorf("the connection is %s: %q (%v)", c.Status, c.StatusReason, err)
	}
}

// allow signs in at the org, allows what the address asks for, and returns the code that comes back.
func allow(t *testing.T, address string, keys sim.Credentials) (code string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	send := func(form url.Values) (page string, back *url.URL) {
		resp, err := browser.PostForm(address, form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		back, _ = resp.Location() // none while the pages go on
		return string(body), back
	}
	page, _ := send(url.Values{"username": {keys.Username}, "password": {keys.Password}})
	confirm := regexp.MustCompile(`name="confirm" value="([^"]*)"`).FindStringSubmatch(page)
	if confirm == nil {
		t.Fatalf("no page asks for consent: %s", page)
	}
	_, back := send(url.Values{"confirm": {confirm[1]}, "decision": {"allow"}})
	if back == nil {
		t.Fatal("the org did not send the browser back")
	}
	return back.Query().Get("code")
}

func TestWhyReconnectTellsNothingInternal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{&salesforce.OAuthError{Status: 400, Code: "invalid_grant", Description: "inactive user"}, "The Salesforce user of this connection is deactivated or frozen."},
		{&salesforce.OAuthError{Status: 400, Code: "invalid_grant", Description: "new words"}, "Salesforce no longer accepts this connection's grant."},
		{&salesforce.OAuthError{Status: 400, Code: "invalid_client", Description: "invalid client credentials"},
			"Salesforce no longer accepts the consumer secret of the connected app: it was rotated, or the app was made anew. Reconnect the org with the app's current consumer key and secret."},
		{errors.New("pq: no such row"), "Salesforce no longer accepts the sign-in."},
	} {
		if got := whyReconnect(fmt.Errorf("db.RefreshGrant(1): salesforce: %w", c.err)); got != c.want {
			t.Errorf("%v: told %q, want %q", c.err, got, c.want)
		}
	}
}
