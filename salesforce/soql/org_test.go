package soql_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
)

// noon is the clock of the org: a Wednesday, 12:00 in Los Angeles.
var noon = time.Date(2026, 5, 13, 19, 0, 0, 0, time.UTC)

// newOrg starts a simulated org and describes it through the real client.
func newOrg(t *testing.T, accounts int, prepare func(*sim.Org)) (*sim.Org, soql.Schema) {
	t.Helper()
	org, err := sim.New(sim.Options{Accounts: accounts, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(org)
	}
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	keys := org.Credentials()
	resp, err := server.Client().PostForm(server.URL+"/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {keys.ClientID}, "client_secret": {keys.ClientSecret}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var grant struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&grant); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the org gives no token: %s, %v", resp.Status, err)
	}
	client := salesforce.New(salesforce.Config{
		Hosts: salesforce.HostPolicy{Extra: []string{server.URL}},
		Token: func(context.Context) (salesforce.Token, error) {
			return salesforce.Token{Access: grant.AccessToken, InstanceURL: server.URL}, nil
		},
	})
	schema, err := client.Schema(t.Context(), "Account", "Contact", "User")
	if err != nil {
		t.Fatal(err)
	}
	return org, schema
}
