package remote_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// TestBlockedAddress has orgs at an address that is not allowed, and at one whose certificate nobody trusts.
func TestBlockedAddress(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	plain, secure := httptest.NewServer(answer), httptest.NewUnstartedServer(answer)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for _, c := range []struct {
		name, instance string
		extra          []string
		says           []string
	}{
		{"a host that is not allowed", plain.URL, nil, []string{strings.TrimPrefix(plain.URL, "http://"), "not allowed here", "MILLRACE_SALESFORCE_ORIGINS", "reconnect"}},
		{"a foreign host", "https://acme.example.com", nil, []string{"acme.example.com", "not allowed here", "Salesforce's own hosts"}},
		{"a certificate of an unknown authority", secure.URL, []string{secure.URL}, []string{"example.com", "certificate", "not trusted here", "reconnect"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			token := salesforce.Token{Access: "00D!token", InstanceURL: c.instance}
			client := salesforce.New(salesforce.Config{
				App: salesforce.App{LoginURL: c.instance, ClientID: "key"}, Hosts: salesforce.HostPolicy{Extra: c.extra},
				Token: func(context.Context) (salesforce.Token, error) { return token, nil },
				Refresh: func(context.Context, salesforce.Token, func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
					return token, errors.New("no refresh here")
				},
			})
			_, err := remote.New(client).Count(t.Context(), "SELECT COUNT() FROM Account")
			f := pipeline.FaultOf(err)
			if f.Kind != pipeline.Blocked {
				t.Errorf("kind %d: %v", f.Kind, err)
			}
			for _, want := range c.says {
				if !strings.Contains(f.Message, want) {
					t.Errorf("%q lacks %q", f.Message, want)
				}
			}
		})
	}
}

// TestTooLargeIsSaid has an answer of JSON that is refused for its size; of a page of records see TestBombInAPage.
func TestTooLargeIsSaid(t *testing.T) {
	t.Parallel()
	f := pipeline.FaultOf(remote.Fault(&salesforce.AnswerError{Path: "/query", Reason: "the JSON is larger than 32 MiB", Err: salesforce.ErrTooLarge}))
	if f.Kind != pipeline.Fatal || f.Code != "too_large" || !strings.Contains(f.Message, "refused for its size") {
		t.Errorf("kind %d, %s: %q", f.Kind, f.Code, f.Message)
	}
}

// TestRefusedRenewal has an org refuse to renew a sign-in in every way: people reconnect what can only be mended by that, what passes is tried again, and what nobody knows is said as Salesforce
// said it.
func TestRefusedRenewal(t *testing.T) {
	t.Parallel()
	org, err := sim.New(sim.Options{Accounts: 1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	keys := org.Credentials()
	token := salesforce.Token{Access: "00D!ended", Refresh: "5Aep861ended", InstanceURL: server.URL}
	client := salesforce.New(salesforce.Config{
		App:   salesforce.App{LoginURL: server.URL, ClientID: keys.ClientID, ClientSecret: keys.ClientSecret},
		Hosts: salesforce.HostPolicy{Extra: []string{server.URL}},
		Token: func(context.Context) (salesforce.Token, error) { return token, nil },
		Refresh: func(ctx context.Context, spent salesforce.Token, exchange func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			return exchange(ctx, spent)
		},
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	for _, c := range []struct {
		name  string
		fault sim.Fault
		lose  func() // what is done to the app instead of a fault
		kind  pipeline.FaultKind
		code  string
		says  []string
	}{
		{"a grant that ended", sim.Fault{}, func() {}, pipeline.NeedsReconnect, "needs_reconnect", []string{"sign-in", "Reconnect the org"}},
		{"a grant type that is off", sim.Fault{Status: 400, Code: "unsupported_grant_type", Message: "grant type not supported"}, nil, pipeline.NeedsReconnect, "needs_reconnect",
			[]string{"no longer lets Millrace renew", "Then reconnect the org", "goes on from where it stopped"}},
		{"a user who may not use the app", sim.Fault{Status: 400, Code: "invalid_app_access", Message: "user is not admin approved to access this app"}, nil, pipeline.NeedsReconnect, "needs_reconnect",
			[]string{"not among those who may use the app", "Permitted Users", "Then reconnect the org"}},
		{"a refusal that nobody knows", sim.Fault{Status: 400, Code: "something_new", Message: "The moon is full."}, nil, pipeline.Fatal, "sign_in_refused",
			[]string{"could not be renewed", "The moon is full (something_new)", "Login History"}},
		{"a refusal without a reason", sim.Fault{Status: 403, Body: "<html><body>Not from here</body></html>"}, nil, pipeline.Fatal, "sign_in_refused", []string{"HTTP 403", "without a reason", "proxy"}},
		{"an outage", sim.Fault{Status: 503}, nil, pipeline.Transient, "salesforce_error", []string{"could not renew", "HTTP 503"}},
		{"too many requests", sim.Fault{Status: 429}, nil, pipeline.Transient, "salesforce_error", []string{"could not renew", "HTTP 429"}},
		{"an error of Salesforce's own", sim.Fault{Status: 400, Code: "server_error", Message: "try again later"}, nil, pipeline.Transient, "salesforce_error", []string{"could not renew"}},
		{"another refresh at the same time", sim.Fault{Status: 400, Code: "invalid_grant", Message: "token request is already being processed"}, nil, pipeline.Transient, "salesforce_error",
			[]string{"could not renew"}},
		{"a secret that was rotated", sim.Fault{}, func() { org.RotateSecret() }, pipeline.NeedsReconnect, "needs_reconnect",
			[]string{"consumer secret of the connected app", "current consumer key and secret", "goes on from where it stopped"}},
		{"an app that was deleted", sim.Fault{}, org.ReplaceApp, pipeline.NeedsReconnect, "needs_reconnect",
			[]string{"no longer knows the connected app", "current consumer key and secret", "goes on from where it stopped"}},
	} {
		if c.lose != nil {
			c.lose()
		} else {
			c.fault.Match, c.fault.Count = "/services/oauth2/token", -1
			org.Fail(c.fault)
		}
		_, err := remote.New(client).Count(t.Context(), "SELECT COUNT() FROM Account")
		org.ClearFaults(0)
		f := pipeline.FaultOf(err)
		if f.Kind != c.kind || f.Code != c.code || strings.Contains(f.Message, "page of records") {
			t.Errorf("%s: kind %d, %s: %q (%v)", c.name, f.Kind, f.Code, f.Message, err)
		}
		for _, want := range c.says {
			if !strings.Contains(f.Message, want) {
				t.Errorf("%s: %q lacks %q", c.name, f.Message, want)
			}
		}
	}
}
