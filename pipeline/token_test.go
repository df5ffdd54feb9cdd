package pipeline_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"millrace/salesforce"
	"millrace/salesforce/sim"
)

// directToken signs in with the client's own credentials.
func directToken(t *testing.T, org string, keys sim.Credentials) salesforce.Token {
	t.Helper()
	resp, err := http.PostForm(org+"/services/oauth2/token",
		url.Values{"grant_type": {"client_credentials"}, "client_id": {keys.ClientID}, "client_secret": {keys.ClientSecret}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("HTTP %d: %v", resp.StatusCode, err)
	}
	return salesforce.Token{Access: answer.Token, InstanceURL: org}
}
