package salesforce

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

func TestAuthCodeURL(t *testing.T) {
	t.Parallel()
	app := App{LoginURL: "https://login.salesforce.com", ClientID: "key", ClientSecret: "hidden", RedirectURL: "https://m.example/callback"}
	u, err := url.Parse(app.AuthCodeURL("the-state", "the-verifier"))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"response_type": {"code"}, "client_id": {"key"}, "redirect_uri": {"https://m.example/callback"}, "scope": {"api refresh_token id"},
		"state": {"the-state"}, "code_challenge": {oauth2.S256ChallengeFromVerifier("the-verifier")}, "code_challenge_method": {"S256"}}
	if u.Query().Encode() != want.Encode() || u.Path != "/services/oauth2/authorize" || u.Host != "login.salesforce.com" {
		t.Errorf("%s", u)
	}
}

func TestExchangeSendsSecretAndVerifier(t *testing.T) {
	t.Parallel()
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for key, want := range map[string]string{"grant_type": "authorization_code", "code": "the-code", "client_id": "key", "client_secret": "secret",
			"code_verifier": "the-verifier", "redirect_uri": "http://m.example/callback"} {
			if got := r.PostFormValue(key); got != want {
				t.Errorf("%s is %q", key, got)
			}
		}
		writeJSON(w, 200, fmt.Sprintf(`{"access_token":"a","refresh_token":"r","scope":"api id","instance_url":%q,"id":"https://x/id/1/2","issued_at":"1764000000123","token_type":"Bearer"}`, s.url))
	})
	app := s.cfg.App
	app.RedirectURL = "http://m.example/callback"
	got, err := app.Exchange(t.Context(), s.transport, "the-code", "the-verifier")
	if err != nil {
		t.Fatal(err)
	}
	if got.Access != "a" || got.Refresh != "r" || got.Scope != "api id" || got.InstanceURL != s.url || got.IdentityURL != "https://x/id/1/2" || got.IssuedAt.UnixMilli() != 1764000000123 {
		t.Errorf("%+v", got)
	}
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	ok := func(change string) string {
		return strings.Replace(`{"access_token":"a","instance_url":"HERE","id":"i","issued_at":"1"}`, change[:strings.Index(change, "|")], change[strings.Index(change, "|")+1:], 1)
	}
	type outcome struct{ oauth, answer, host, dead, transient bool }
	tests := []struct {
		name   string
		status int
		body   string
		want   outcome
	}{
		{"good", 200, ok("x|x"), outcome{}},
		{"instance swapped", 200, ok("HERE|https://evil.tld"), outcome{host: true}},
		{"instance inside", 200, ok("HERE|http://169.254.169.254"), outcome{host: true}},
		{"no instance", 200, ok(`"instance_url":"HERE",|`), outcome{answer: true, transient: true}},
		{"issued_at no number", 200, ok(`"issued_at":"1"|"issued_at":"soon"`), outcome{answer: true, transient: true}},
		{"no token", 200, `{}`, outcome{answer: true, transient: true}},
		{"a page", 200, `<html>`, outcome{answer: true, transient: true}},
		{"refused grant", 400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`, outcome{oauth: true, dead: true}},
		{"wrong secret", 400, `{"error":"invalid_client","error_description":"invalid client credentials"}`, outcome{oauth: true, dead: true}},
		{"app deleted", 400, `{"error":"invalid_client_id","error_description":"client identifier invalid"}`, outcome{oauth: true, dead: true}},
		{"busy with another", 400, `{"error":"invalid_grant","error_description":"token request is already being processed"}`, outcome{oauth: true, transient: true}},
		{"unknown refusal", 400, `{"error":"something_new"}`, outcome{oauth: true}},
		{"login rate", 400, `{"error":"rate_limit_exceeded","error_description":"login rate exceeded"}`, outcome{oauth: true, transient: true}},
		{"overloaded", 503, `<html>access_token=CANARY`, outcome{oauth: true, transient: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, nil)
			s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(tt.body, "<") {
					w.Header().Set("Content-Type", "text/html")
					w.WriteHeader(tt.status)
					io.WriteString(w, tt.body)
					return
				}
				writeJSON(w, tt.status, strings.Replace(tt.body, "HERE", s.url, 1))
			})
			_, err := s.cfg.App.Renew(t.Context(), s.transport, Token{Refresh: "r"})
			var oauth *OAuthError
			var answer *AnswerError
			var host *HostError
			got := outcome{errors.As(err, &oauth), errors.As(err, &answer), errors.As(err, &host), IsGrantDead(err), IsTransient(err)}
			if got != tt.want || strings.Contains(fmt.Sprint(err), "CANARY") {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestRenewWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	if _, err := (App{}).Renew(t.Context(), nil, Token{Access: "a"}); !IsGrantDead(err) {
		t.Error(err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		body   string
		code   string // of the error; empty for none
	}{
		{200, "", ""},
		{400, `{"error":"unsupported_token_type","error_description":"this token type is not supported"}`, ""},
		{400, "error=invalid_token&error_description=gone", ""},
		{400, "error=invalid_request&error_description=no", "invalid_request"},
		{503, "<html>", "-"},
	}
	for _, tt := range tests {
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
			if r.PostFormValue("token") != "the-token" || r.URL.RawQuery != "" {
				t.Errorf("%s %s", r.URL, r.Form)
			}
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		err := s.cfg.App.Revoke(t.Context(), s.transport, "the-token")
		var e *OAuthError
		if tt.code == "" && err != nil || tt.code != "" && (!errors.As(err, &e) || e.Code != strings.Trim(tt.code, "-")) {
			t.Errorf("%d %q: %v", tt.status, tt.body, err)
		}
	}
}

func TestExplainOAuth(t *testing.T) {
	t.Parallel()
	tests := []struct{ code, description, sentence, remedy string }{
		{"access_denied", "end-user denied authorization", "pressed Deny", "press Allow"},
		{"OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occurred during authentication. Please try again.", "September 2025", "Connected Apps OAuth Usage"},
		{"invalid_client", "app must be installed into org", "September 2025", "press Install"},
		{"redirect_uri_mismatch", "redirect_uri must match configuration", "callback address", "callback URL"},
		{"invalid_client_id", "client identifier invalid", "consumer key", "ten minutes"},
		{"invalid_client", "invalid client credentials", "consumer secret", "secret again"},
		{"invalid_grant", "expired authorization code", "used up", "Connect again"},
		{"invalid_grant", "invalid authorization code", "does not know the code", "Connect again"},
		{"invalid_grant", "invalid code verifier", "not the one that was started here", "one browser"},
		{"invalid_request", "invalid code verifier", "not the one that was started here", "one browser"},
		{"invalid_request", "invalid code challenge method", "PKCE", "Connect again"},
		{"invalid_grant", "expired access/refresh token", "ended the connection", "Reconnect"},
		{"invalid_grant", "inactive user", "deactivated or frozen", "Setup → Users"},
		{"invalid_grant", "inactive organization", "org is deactivated", "Ask Salesforce"},
		{"invalid_grant", "ip restricted", "network address", "IP Relaxation"},
		{"invalid_grant", "token validity expired", "policy ended", "until revoked"},
		{"invalid_grant", "authentication failure", "could not sign", "Login History"},
		{"invalid_grant", "something new", "no longer accepts", "Reconnect"},
		{"invalid_scope", "the requested scope is not allowed", "permissions", "refresh_token"},
		{"invalid_app_access", "user is not admin approved to access this app", "not among those", "Permitted Users"},
		{"rate_limit_exceeded", "login rate exceeded", "too often", "hour"},
		{"unsupported_grant_type", "grant type not supported", "web server", "authorization code"},
		{"brand_new", "It broke.", "It broke (brand_new).", "Login History"},
		{"brand_new", "", "error brand_new", "Login History"},
		{"", "", "without saying why", "Login History"},
	}
	for _, tt := range tests {
		sentence, remedy := ExplainOAuth(tt.code, tt.description)
		if !strings.Contains(sentence, tt.sentence) || !strings.Contains(remedy, tt.remedy) {
			t.Errorf("%s, %s:\n%s\n%s", tt.code, tt.description, sentence, remedy)
		}
	}
	for _, e := range slices.Concat(explanations, renewals) {
		for _, text := range []string{e.sentence, e.remedy} {
			if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "”.") {
				t.Errorf("not a sentence: %q", text)
			}
		}
	}
}

// TestExplainRenewal reads what is said of an app that was known and is refused now. What is lost is not called wrong, and each says to reconnect.
func TestExplainRenewal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ code, description, sentence, remedy string }{
		{"invalid_client_id", "client identifier invalid", "no longer knows the connected app", "Reconnect the org with the app's current consumer key and secret"},
		{"OAUTH_EC_APP_NOT_FOUND", "", "no longer knows the connected app", "Reconnect the org with the app's current consumer key and secret"},
		{"invalid_client", "invalid client credentials", "no longer accepts the consumer secret", "Reconnect the org with the app's current consumer key and secret"},
		{"invalid_client", "", "consumer key and secret", "Then reconnect the org"},
		{"invalid_client", "app must be installed into org", "September 2025", "Then reconnect the org"},
		{"unsupported_grant_type", "grant type not supported", "no longer lets Millrace renew", "Then reconnect the org"},
		{"invalid_app_access", "user is not admin approved to access this app", "not among those", "Then reconnect the org"},
		{"invalid_grant", "inactive user", "deactivated or frozen", "reconnect with another user"},
	} {
		sentence, remedy := ExplainRenewal(fmt.Errorf("renewing: %w", &OAuthError{Status: 400, Code: c.code, Description: c.description}))
		if !strings.Contains(sentence, c.sentence) || !strings.Contains(remedy, c.remedy) {
			t.Errorf("%s, %s:\n%s\n%s", c.code, c.description, sentence, remedy)
		}
	}
}
