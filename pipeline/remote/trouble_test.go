package remote_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// TestTroubleInWords has an org fail in each way that may pass, and reads what people are told.
func TestTroubleInWords(t *testing.T) {
	t.Parallel()
	org, err := sim.New(sim.Options{Accounts: 20})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	keys := org.Credentials()
	resp, err := http.PostForm(server.URL+"/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {keys.ClientID}, "client_secret": {keys.ClientSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
		t.Fatal(err)
	}
	client := salesforce.New(salesforce.Config{
		App: salesforce.App{LoginURL: server.URL, ClientID: keys.ClientID}, Hosts: salesforce.HostPolicy{Extra: []string{server.URL}},
		Token: func(context.Context) (salesforce.Token, error) {
			return salesforce.Token{Access: token.Access, InstanceURL: server.URL}, nil
		},
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	for _, c := range []struct {
		says  string
		fault sim.Fault
	}{
		{"an error of its own (HTTP 500)", sim.Fault{Status: 500, Body: "<html><body>Internal error</body></html>"}},
		{"asks to slow down", sim.Fault{Status: 429}},
		{"asks to slow down", sim.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentPerOrgLongTxn Limit exceeded."}},
		{"not available at the moment (HTTP 503)", sim.Fault{Status: 503}},
		{"locked by somebody else", sim.Fault{Status: 400, Code: "UNABLE_TO_LOCK_ROW"}},
		{"took too long", sim.Fault{Status: 400, Code: "QUERY_TIMEOUT"}},
		{"broke off", sim.Fault{TruncateAfter: 10}},
		{"did not answer in time", sim.Fault{Stall: time.Minute}},
		{"not data", sim.Fault{Status: 200, Body: "<html><body>Scheduled maintenance</body></html>"}},
	} {
		c.fault.Match, c.fault.Count = "/services/data", -1
		org.Fail(c.fault)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if c.fault.Stall > 0 {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		_, err := remote.New(client).Count(ctx, "SELECT COUNT() FROM Account")
		cancel()
		org.ClearFaults(0)
		f := pipeline.FaultOf(err)
		if f.Kind != pipeline.Transient || !strings.Contains(f.Message, c.says) {
			t.Errorf("kind %d, %q lacks %q (%v)", f.Kind, f.Message, c.says, err)
		}
	}
	server.Close()
	if _, err := remote.New(client).Count(t.Context(), "SELECT COUNT() FROM Account"); !strings.Contains(pipeline.FaultOf(err).Message, "cannot be reached") {
		t.Errorf("of a dead server: %q", pipeline.FaultOf(err).Message)
	}
}
