package sim

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	codeLife      = 15 * time.Minute
	grantsPerUser = 5 // of one user and app; the oldest is dropped beyond
)

// appScopes are what the org's apps may ask for.
var appScopes = split("api,refresh_token,offline_access,id,profile,email,address,phone,openid,web,full,chatter_api,custom_permissions,visualforce,sfap_api")

// authState is all that sign-in knows. Its zero value needs init.
type authState struct {
	mu       sync.Mutex
	rotate   bool
	blocked  bool // the org refuses apps that it has not installed
	codes    map[string]*authCode
	grants   map[string]*grant // by refresh token, dead ones included
	sessions map[string]*session
	browsers map[string]*browser // signed-in browsers by cookie
	order    []*grant
	devices  map[string]*device // by device code
	app      string             // origin of the app that was approved last

	certificate *rsa.PublicKey // whose assertions are believed; nil for none

	revokedAt time.Time // when every approval ended last
}

// authCode is an authorization code on its way to the token endpoint.
type authCode struct {
	client, redirect, scope, challenge string
	user                               int
	issued                             time.Time
	used                               bool
}

// grant is one user's approval of one app, alive until revoked. With rotation it has one live refresh token at a time.
type grant struct {
	client, scope, refresh string
	user                   int
	dead                   bool
}

// session is one access token.
type session struct {
	token    string
	client   string
	scope    string
	user     int
	issued   time.Time
	lastUsed time.Time
	grant    *grant // nil for grants without a refresh token
	dead     bool
}

// browser is a person who has signed in to the org's own pages.
type browser struct {
	user   int
	secret string // proves that a consent comes from the page that was shown
}

func (a *authState) init(rotate bool) {
	a.rotate = rotate
	a.codes, a.grants, a.sessions, a.browsers = map[string]*authCode{}, map[string]*grant{}, map[string]*session{}, map[string]*browser{}
	a.devices = map[string]*device{}
}

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

// secret returns n random characters that may stand in a token.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = tokenAlphabet[b[i]&63]
	}
	return string(b)
}

// open starts a session. It wants a.mu held.
func (o *Org) openSession(user int, client, scope string, g *grant) *session {
	now := o.now()
	s := &session{token: o.orgID[:15] + "!AQ" + secret(90), client: client, scope: scope, user: user, issued: now, lastUsed: now, grant: g}
	o.auth.sessions[s.token] = s
	return s
}

// openGrant records an approval and drops the user's oldest ones of the app. It wants a.mu held.
func (o *Org) openGrant(user int, client, scope string) *grant {
	g := &grant{client: client, scope: scope, user: user}
	o.renewGrant(g)
	o.auth.order = append(o.auth.order, g)
	alive := 0
	for _, other := range slices.Backward(o.auth.order) {
		if other.user == user && other.client == client && !other.dead {
			if alive++; alive > grantsPerUser {
				o.killGrant(other)
			}
		}
	}
	o.auth.order = slices.DeleteFunc(o.auth.order, func(g *grant) bool { return g.dead })
	return g
}

// renewGrant gives a grant a new refresh token; the old one stays known, as one that has been used.
func (o *Org) renewGrant(g *grant) {
	g.refresh = o.newRefreshToken(g)
	o.auth.grants[g.refresh] = g
}

// killGrant ends a grant and its access tokens. It wants a.mu held.
func (o *Org) killGrant(g *grant) {
	g.dead = true
	for _, s := range o.auth.sessions {
		if s.grant == g {
			s.dead = true
		}
	}
}

// bearer finds the access token of a request in the places where clients put it.
func bearer(r *http.Request) string {
	h := r.Header.Get("Authorization")
	for _, scheme := range []string{"Bearer ", "OAuth "} {
		if len(h) > len(scheme) && strings.EqualFold(h[:len(scheme)], scheme) {
			return strings.TrimSpace(h[len(scheme):])
		}
	}
	if h == "" {
		return r.Header.Get("X-SFDC-Session")
	}
	return ""
}

// live returns the session of a token, or nil when it is unknown, expired or revoked, and keeps it alive.
func (o *Org) live(token string) *session {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	s := o.auth.sessions[token]
	now := o.now()
	if s == nil || s.dead || now.Sub(s.lastUsed) > o.opt.SessionTimeout {
		return nil
	}
	s.lastUsed = now
	return s
}

// authenticate finds the session of a data call.
func (o *Org) authenticate(r *http.Request) (*session, error) {
	token := bearer(r)
	if token == "" {
		return nil, fail(http.StatusUnauthorized, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
	}
	s := o.live(token)
	if s == nil {
		return nil, sessionInvalid()
	}
	if !hasScope(s.scope, "api") && !hasScope(s.scope, "full") && !hasScope(s.scope, "web") {
		return nil, fail(http.StatusForbidden, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	}
	return s, nil
}

func hasScope(scopes, one string) bool { return slices.Contains(strings.Fields(scopes), one) }

// userByName finds the active user of a username and password. A security token after the password is accepted, as clients append one.
func (o *Org) userByName(username, password string) (row int, ok bool) {
	if !strings.HasPrefix(password, o.opt.Password) {
		return 0, false
	}
	row, ok = o.userNamed(username)
	return row, ok && o.userActive(row)
}

// userNamed finds the user of a username, active or not.
func (o *Org) userNamed(username string) (row int, ok bool) {
	w := o.world.Load()
	users := w.object("User")
	name := users.field("Username")
	for row := range w.table(users).rows {
		if strings.EqualFold(w.get(users, name, row).s, username) && w.table(users).alive(row) {
			return row, true
		}
	}
	return 0, false
}

// userActive tells whether a user may still do anything.
func (o *Org) userActive(row int) bool {
	w := o.world.Load()
	users := w.object("User")
	return w.get(users, users.field("IsActive"), row).isTrue()
}

// ExpireAccessTokens ends every access token, as the session timeout would; refresh tokens live on.
func (o *Org) ExpireAccessTokens() {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	clear(o.auth.sessions)
}

// RevokeRefreshTokens ends every approval with its refresh and access tokens, as an administrator does who revokes an app.
func (o *Org) RevokeRefreshTokens() {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	for _, g := range o.auth.grants {
		g.dead = true
	}
	o.auth.order = nil
	o.auth.revokedAt = o.now()
	clear(o.auth.sessions)
}

// SetRotation turns refresh-token rotation on or off.
func (o *Org) SetRotation(on bool) {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	o.auth.rotate = on
}

// BlockApp makes the org refuse the app after sign-in with OAUTH_APPROVAL_ERROR_GENERIC, as it does with apps that are not installed.
func (o *Org) BlockApp(on bool) {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	o.auth.blocked = on
}
