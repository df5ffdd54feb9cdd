package sim_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

const callback = "http://localhost:1717/OauthRedirect"

// visit is one authorize request walked through as a browser would; it returns the parameters of the callback.
func (c *caller) visit(q url.Values, decision string) url.Values {
	c.t.Helper()
	path := "/services/oauth2/authorize?" + q.Encode()
	signedIn := c.do("POST", path, url.Values{"username": {sim.DefaultUsername}, "password": {sim.DefaultPassword}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if signedIn.status != 303 {
		c.t.Fatalf("sign-in: %v", signedIn)
	}
	cookie := strings.Split(signedIn.header.Get("Set-Cookie"), ";")[0]
	page := c.get(signedIn.header.Get("Location"), "Cookie", cookie)
	_, after, ok := strings.Cut(page.body, `name="confirm" value="`)
	if !ok {
		c.t.Fatalf("no consent page: %v", page)
	}
	confirm, _, _ := strings.Cut(after, `"`)
	a := c.do("POST", path, url.Values{"confirm": {confirm}, "decision": {decision}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie)
	if a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), callback) {
		c.t.Fatalf("consent: %v", a)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		c.t.Fatal(err)
	}
	return u.Query()
}

func authorizeQuery(extra ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {sim.DefaultClientID}, "redirect_uri": {callback}, "scope": {"api id refresh_token"}, "state": {"a b&c"}}
	for i := 0; i+1 < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	return q
}

func exchange(code string, extra ...string) url.Values {
	q := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {sim.DefaultClientID}, "client_secret": {sim.DefaultClientSecret}, "redirect_uri": {callback}}
	for i := 0; i+1 < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	return q
}

func renewal(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {sim.DefaultClientID}, "client_secret": {sim.DefaultClientSecret}}
}

func (c *caller) wantError(a answer, code, description string) {
	c.t.Helper()
	if a.status != 400 || a.json()["error"] != code || a.json()["error_description"] != description {
		c.t.Errorf("got %v, want %s: %s", a, code, description)
	}
}

// TestCodes covers the life of an authorization code.
func TestCodes(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	verifier := "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])

	if got := c.visit(authorizeQuery(), "deny"); got.Get("error") != "access_denied" || got.Get("state") != "a b&c" {
		t.Errorf("deny: %v", got)
	}
	got := c.visit(authorizeQuery("code_challenge", challenge), "allow") // S256 goes without saying
	if got.Get("state") != "a b&c" || !strings.HasSuffix(got.Get("code"), "==") {
		t.Errorf("allow: %v", got)
	}
	c.wantError(c.askToken(exchange("nonsense")), "invalid_grant", "invalid authorization code")
	c.wantError(c.askToken(exchange(got.Get("code"), "redirect_uri", "http://localhost/other")), "redirect_uri_mismatch", "redirect_uri must match configuration")
	a := c.askToken(exchange(got.Get("code"), "code_verifier", verifier))
	if a.status != 200 || a.json()["refresh_token"] == nil || a.json()["expires_in"] != nil || a.json()["instance_url"] != c.url {
		t.Errorf("token: %v", a)
	}
	c.wantError(c.askToken(exchange(got.Get("code"), "code_verifier", verifier)), "invalid_grant", "expired authorization code")

	got = c.visit(authorizeQuery("code_challenge", challenge, "code_challenge_method", "S256"), "allow")
	c.wantError(c.askToken(exchange(got.Get("code"), "code_verifier", "wrong")), "invalid_request", "invalid code verifier")
	got = c.visit(authorizeQuery("code_challenge", challenge), "allow")
	c.wantError(c.askToken(exchange(got.Get("code"))), "invalid_grant", "missing code verifier")

	got = c.visit(authorizeQuery(), "allow")
	org.Advance(16 * time.Minute)
	c.wantError(c.askToken(exchange(got.Get("code"))), "invalid_grant", "expired authorization code")
	c.wantError(c.askToken(exchange("x", "client_id", "other")), "invalid_client_id", "client identifier invalid")
	c.wantError(c.askToken(exchange("x", "client_secret", "other")), "invalid_client", "invalid client credentials")
	c.wantError(c.askToken(url.Values{"grant_type": {"magic"}}), "unsupported_grant_type", "grant type not supported")
}

// TestAuthorizePages covers what never reaches the callback.
func TestAuthorizePages(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	for name, q := range map[string]url.Values{
		"invalid_client_id":     authorizeQuery("client_id", "nobody"),
		"redirect_uri_mismatch": authorizeQuery("redirect_uri", "https://evil.example/cb"),
	} {
		a := c.get("/services/oauth2/authorize?" + q.Encode())
		if a.status != 400 || !strings.Contains(a.body, name) || a.header.Get("Location") != "" {
			t.Errorf("%s: %v", name, a)
		}
	}
	a := c.do("POST", "/services/oauth2/authorize?"+authorizeQuery().Encode(), "username=admin&password=wrong", "Content-Type", "application/x-www-form-urlencoded")
	if a.status != 200 || !strings.Contains(a.body, "Please check your username and password") {
		t.Errorf("wrong password: %v", a)
	}
	org.BlockApp(true)
	signedIn := c.do("POST", "/services/oauth2/authorize?"+authorizeQuery().Encode(), url.Values{"username": {sim.DefaultUsername}, "password": {sim.DefaultPassword}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded")
	a = c.get(signedIn.header.Get("Location"), "Cookie", strings.Split(signedIn.header.Get("Set-Cookie"), ";")[0])
	if !strings.Contains(a.body, "OAUTH_APPROVAL_ERROR_GENERIC") {
		t.Errorf("blocked app: %v", a)
	}
}

// TestRefresh covers renewal, rotation, revocation and the cap of five approvals.
func TestRefresh(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	grant := func() string {
		return c.askToken(exchange(c.visit(authorizeQuery(), "allow").Get("code"))).json()["refresh_token"].(string)
	}
	first := grant()
	a := c.askToken(renewal(first))
	if a.status != 200 || a.json()["refresh_token"] != nil {
		t.Errorf("without rotation: %v", a)
	}
	org.SetRotation(true)
	second, _ := c.askToken(renewal(first)).json()["refresh_token"].(string)
	if second == "" || second == first {
		t.Fatalf("rotation gave %q", second)
	}
	c.wantError(c.askToken(renewal(first)), "invalid_grant", "expired access/refresh token")
	org.SetRotation(false)
	access := c.askToken(renewal(second)).json()["access_token"].(string)
	if a := c.do("POST", "/services/oauth2/revoke", "token="+url.QueryEscape(second), "Content-Type", "application/x-www-form-urlencoded"); a.status != 200 {
		t.Errorf("revoke: %v", a)
	}
	c.wantError(c.askToken(renewal(second)), "invalid_grant", "expired access/refresh token")
	c.token = access
	if a := c.get("/services/data/v66.0/limits"); a.status != 401 || !strings.Contains(a.body, `"errorCode":"INVALID_SESSION_ID"`) {
		t.Errorf("the access token of a revoked grant: %v", a)
	}
	tokens := []string{grant(), grant(), grant(), grant(), grant(), grant()}
	c.wantError(c.askToken(renewal(tokens[0])), "invalid_grant", "expired access/refresh token")
	if a := c.askToken(renewal(tokens[1])); a.status != 200 {
		t.Errorf("the fifth newest approval: %v", a)
	}
	if err := org.Update("User", org.Credentials().UserID, row{"IsActive": false}); err != nil {
		t.Fatal(err)
	}
	c.wantError(c.askToken(renewal(tokens[1])), "invalid_grant", "inactive user")
}

// TestAppChanges has the consumer secret rotated, and the app deleted and made anew: what is signed in before is refused at its next refresh, and what signs in with the new credentials is not.
func TestAppChanges(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	was := org.Credentials()
	a := c.askToken(exchange(c.visit(authorizeQuery(), "allow").Get("code")))
	token, _ := a.json()["refresh_token"].(string)
	c.token, _ = a.json()["access_token"].(string)
	secret, _ := c.do("POST", "/control/rotate-secret", "{}", "Content-Type", "application/json").json()["clientSecret"].(string)
	if secret == was.ClientSecret || secret != org.Credentials().ClientSecret || org.Credentials().ClientID != was.ClientID {
		t.Errorf("the app is %+v, the answer %q", org.Credentials(), secret)
	}
	if a := c.get("/services/data/v66.0/limits"); a.status != 200 {
		t.Errorf("an access token after the rotation: %v", a)
	}
	form := renewal(token)
	c.wantError(c.askToken(form), "invalid_client", "invalid client credentials")
	form.Set("client_secret", secret)
	if a := c.askToken(form); a.status != 200 {
		t.Errorf("a refresh with the new secret: %v", a)
	}

	made := c.do("POST", "/control/replace-app", "{}", "Content-Type", "application/json").json()
	now := org.Credentials()
	if now.ClientID == was.ClientID || now.ClientSecret == secret || made["clientId"] != now.ClientID || made["clientSecret"] != now.ClientSecret {
		t.Errorf("the app is %+v, the answer %v", now, made)
	}
	if a := c.get("/services/data/v66.0/limits"); a.status != 401 {
		t.Errorf("an access token of the app that is gone: %v", a)
	}
	c.wantError(c.askToken(form), "invalid_client_id", "client identifier invalid")
	if a := c.get("/services/oauth2/authorize?" + authorizeQuery().Encode()); a.status != 400 || !strings.Contains(a.body, "invalid_client_id") {
		t.Errorf("a sign-in through the app that is gone: %v", a)
	}
	form.Set("client_id", now.ClientID)
	form.Set("client_secret", now.ClientSecret)
	c.wantError(c.askToken(form), "invalid_grant", "expired access/refresh token")
	code := c.visit(authorizeQuery("client_id", now.ClientID), "allow").Get("code")
	if a := c.askToken(exchange(code, "client_id", now.ClientID, "client_secret", now.ClientSecret)); a.status != 200 || a.json()["refresh_token"] == nil {
		t.Errorf("a sign-in through the new app: %v", a)
	}
}

// TestSessions covers idle time-out, missing headers and the identity URL.
func TestSessions(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 1})
	c := serve(t, org)
	if a := c.get("/services/data/v66.0/limits", "Authorization", "OAuth "+c.token); a.status != 200 {
		t.Errorf("OAuth scheme: %v", a)
	}
	id := "/id/" + org.Credentials().OrgID + "/" + org.Credentials().UserID
	if a := c.get(id + "?version=latest&format=json"); a.json()["username"] != sim.DefaultUsername || strings.Contains(a.body, "{version}") {
		t.Errorf("identity: %v", a)
	}
	if a := c.get(id); !strings.Contains(a.body, "{version}") {
		t.Errorf("identity without a version: %v", a)
	}
	if a := c.get("/services/oauth2/userinfo"); a.json()["preferred_username"] != sim.DefaultUsername {
		t.Errorf("userinfo: %v", a)
	}
	org.Advance(90 * time.Minute)
	if a := c.get("/services/data/v66.0/limits"); a.status != 200 {
		t.Errorf("used within the time-out: %v", a)
	}
	org.Advance(90 * time.Minute)
	if a := c.get("/services/data/v66.0/limits"); a.status != 200 {
		t.Errorf("the time-out does not slide: %v", a)
	}
	org.Advance(2*time.Hour + time.Second)
	if a := c.get("/services/data/v66.0/limits"); a.status != http.StatusUnauthorized {
		t.Errorf("after the time-out: %v", a)
	}
	if a := c.get(id); a.status != 403 || a.body != "Bad_OAuth_Token" {
		t.Errorf("identity with a dead token: %v", a)
	}
	c.token = ""
	if a := c.get(id); a.body != "Missing_OAuth_Token" {
		t.Errorf("identity without a token: %v", a)
	}
	if a := c.get("/services/data/v66.0/limits"); a.status != 401 || !strings.Contains(a.body, "INVALID_AUTH_HEADER") {
		t.Errorf("without a header: %v", a)
	}
}
