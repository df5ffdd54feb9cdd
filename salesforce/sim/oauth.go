package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// cliClient is the public client of Salesforce's own command line, known to every org.
const cliClient = "PlatformCLI"

// serveOAuth routes /services/oauth2/….
func (o *Org) serveOAuth(w http.ResponseWriter, r *http.Request, path string) {
	if err := r.ParseForm(); err != nil {
		oauthError(w, "invalid_request", "the request could not be read")
		return
	}
	switch path {
	case "authorize":
		o.authorize(w, r)
	case "token":
		o.token(w, r)
	case "revoke":
		o.revoke(w, r)
	case "introspect":
		o.introspect(w, r)
	case "userinfo":
		o.userInfo(w, r)
	default:
		writeError(w, notFound())
	}
}

// oauthError answers the token endpoint's way: an object, status 400.
func oauthError(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description}, false)
}

// client checks the credentials of a token request; PlatformCLI has no secret.
func (o *Org) client(w http.ResponseWriter, r *http.Request) (id string, ok bool) {
	id, given := r.Form.Get("client_id"), r.Form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, given = unescaped(user), unescaped(pass)
	}
	app := o.app.Load()
	switch {
	case id == cliClient:
		return id, true
	case id != app.key:
		oauthError(w, "invalid_client_id", "client identifier invalid")
	case subtle.ConstantTimeCompare([]byte(given), []byte(app.secret)) != 1:
		oauthError(w, "invalid_client", "invalid client credentials")
	default:
		return id, true
	}
	return "", false
}

func unescaped(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// redirectAllowed tells whether a callback is registered. Every loopback address is, with any port and path.
func (o *Org) redirectAllowed(redirect string) bool {
	for _, u := range o.opt.RedirectURIs {
		if u == redirect {
			return true
		}
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// token serves POST /services/oauth2/token.
func (o *Org) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		oauthError(w, "invalid_request", "must use HTTP POST")
		return
	}
	grantType := r.Form.Get("grant_type")
	switch grantType {
	case "authorization_code", "refresh_token", "client_credentials", "password":
	case grantJWT:
		o.bearerAssertion(w, r)
		return
	case "device":
		o.pollDevice(w, r)
		return
	case "":
		if r.Form.Get("response_type") == "device_code" {
			o.startDevice(w, r)
			return
		}
		oauthError(w, "invalid_request", "grant_type is required")
		return
	default:
		oauthError(w, "unsupported_grant_type", "grant type not supported")
		return
	}
	client, ok := o.client(w, r)
	if !ok {
		return
	}
	switch grantType {
	case "authorization_code":
		o.exchange(w, r, client)
	case "refresh_token":
		o.refresh(w, r, client)
	case "client_credentials":
		o.direct(w, r, client, userIntegration)
	case "password":
		user, ok := o.userByName(r.Form.Get("username"), r.Form.Get("password"))
		if !ok {
			oauthError(w, "invalid_grant", "authentication failure")
			return
		}
		o.direct(w, r, client, user)
	}
}

// exchange turns an authorization code into tokens.
func (o *Org) exchange(w http.ResponseWriter, r *http.Request, client string) {
	a := &o.auth
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.codes[r.Form.Get("code")]
	verifier := r.Form.Get("code_verifier")
	switch {
	case c == nil || c.client != client:
		oauthError(w, "invalid_grant", "invalid authorization code")
		return
	case c.used || o.now().Sub(c.issued) > codeLife:
		oauthError(w, "invalid_grant", "expired authorization code")
		return
	case c.redirect != r.Form.Get("redirect_uri"):
		oauthError(w, "redirect_uri_mismatch", "redirect_uri must match configuration")
		return
	}
	c.used = true
	switch {
	case c.challenge != "" && verifier == "":
		oauthError(w, "invalid_grant", "missing code verifier")
		return
	case c.challenge != "" && s256(verifier) != c.challenge:
		oauthError(w, "invalid_request", "invalid code verifier")
		return
	case !o.userActive(c.user):
		oauthError(w, "invalid_grant", "inactive user")
		return
	}
	var g *grant
	if hasScope(c.scope, "refresh_token") || hasScope(c.scope, "offline_access") {
		g = o.openGrant(c.user, client, c.scope)
	}
	s := o.openSession(c.user, client, c.scope, g)
	answer := o.tokenAnswer(r, s)
	if g != nil {
		answer["refresh_token"] = g.refresh
	}
	writeJSON(w, http.StatusOK, answer, false)
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refresh turns a refresh token into a new access token, and with rotation into a new refresh token.
func (o *Org) refresh(w http.ResponseWriter, r *http.Request, client string) {
	a := &o.auth
	a.mu.Lock()
	defer a.mu.Unlock()
	token := r.Form.Get("refresh_token")
	g := o.findGrant(token)
	if g == nil || g.dead || g.refresh != token || g.client != client {
		oauthError(w, "invalid_grant", "expired access/refresh token")
		return
	}
	if !o.userActive(g.user) {
		oauthError(w, "invalid_grant", "inactive user")
		return
	}
	answer := o.tokenAnswer(r, o.openSession(g.user, client, g.scope, g))
	if a.rotate {
		o.renewGrant(g)
		answer["refresh_token"] = g.refresh
	}
	writeJSON(w, http.StatusOK, answer, false)
}

// direct serves the grants without a browser; none of them returns a refresh token.
func (o *Org) direct(w http.ResponseWriter, r *http.Request, client string, user int) {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	writeJSON(w, http.StatusOK, o.tokenAnswer(r, o.openSession(user, client, "api id web", nil)), false)
}

// tokenAnswer is the body of a successful token response without a refresh token. Salesforce sends no expires_in.
func (o *Org) tokenAnswer(r *http.Request, s *session) map[string]any {
	id := o.identityURL(r, s.user)
	issued := strconv.FormatInt(s.issued.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(o.app.Load().secret))
	mac.Write([]byte(id + issued))
	answer := map[string]any{
		"access_token": s.token, "instance_url": o.origin(r), "id": id, "token_type": "Bearer", "issued_at": issued,
		"signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)), "scope": s.scope,
	}
	return answer
}

// revoke serves POST (and GET) /services/oauth2/revoke.
func (o *Org) revoke(w http.ResponseWriter, r *http.Request) {
	a := &o.auth
	a.mu.Lock()
	defer a.mu.Unlock()
	token := r.Form.Get("token")
	if g := o.findGrant(token); g != nil && !g.dead {
		o.killGrant(g)
		w.WriteHeader(http.StatusOK)
		return
	}
	if s := a.sessions[token]; s != nil && !s.dead {
		s.dead = true
		w.WriteHeader(http.StatusOK)
		return
	}
	oauthError(w, "invalid_token", "invalid token: "+strings.Repeat("*", min(len(token), 8)))
}

// introspect serves POST /services/oauth2/introspect.
func (o *Org) introspect(w http.ResponseWriter, r *http.Request) {
	client, ok := o.client(w, r)
	if !ok {
		return
	}
	token := r.Form.Get("token")
	if s := o.live(token); s != nil && s.client == client {
		user := o.userRecord(s.user)
		writeJSON(w, http.StatusOK, map[string]any{"active": true, "scope": s.scope, "client_id": s.client, "username": user["Username"],
			"sub": o.identityURL(r, s.user), "token_type": "access_token", "iat": s.issued.Unix(), "nbf": s.issued.Unix(),
			"exp": s.lastUsed.Add(o.opt.SessionTimeout).Unix()}, false)
		return
	}
	o.auth.mu.Lock()
	g := o.findGrant(token)
	active := g != nil && !g.dead && g.refresh == token && g.client == client
	o.auth.mu.Unlock()
	if active {
		writeJSON(w, http.StatusOK, map[string]any{"active": true, "scope": g.scope, "client_id": g.client, "username": o.userRecord(g.user)["Username"],
			"sub": o.identityURL(r, g.user), "token_type": "refresh_token"}, false)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"active": false}, false)
}
