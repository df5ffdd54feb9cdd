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

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
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
