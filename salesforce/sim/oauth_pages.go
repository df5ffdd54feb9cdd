package sim

import (
	"crypto/subtle"
	_ "embed" // the pages are embedded
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed pages.html
var pagesHTML string

var pages = template.Must(template.New("pages").Parse(pagesHTML))

const browserCookie = "sim_sid"

// authorize serves the web-server flow: a sign-in page, a consent page, and the way back to the app. The pages post to their own address, so
// that everything works without scripts.
func (o *Org) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method == http.MethodPost && q.Get("client_id") == "" {
		q = r.Form
	}
	clientID, redirect := q.Get("client_id"), q.Get("redirect_uri")
	if clientID != o.app.Load().key && clientID != cliClient {
		o.refusal(w, "invalid_client_id", "client identifier invalid")
		return
	}
	if !o.redirectAllowed(redirect) {
		o.refusal(w, "redirect_uri_mismatch", "redirect_uri must match configuration")
		return
	}
	back := func(pairs ...string) { o.sendBack(w, r, redirect, q.Get("state"), pairs...) }
	if q.Get("response_type") != "code" {
		back("error", "unsupported_response_type", "error_description", "response type not supported")
		return
	}
	scope := strings.Join(strings.Fields(q.Get("scope")), " ")
	if scope == "" {
		scope = "api refresh_token id"
	}
	for _, s := range strings.Fields(scope) {
		if !slices.Contains(appScopes, s) {
			back("error", "invalid_scope", "error_description", "the requested scope is not allowed")
			return
		}
	}
	if m := q.Get("code_challenge_method"); q.Get("code_challenge") != "" && m != "" && m != "S256" {
		back("error", "invalid_request", "error_description", "invalid code challenge method")
		return
	}
	b := o.browser(r)
	if r.Method == http.MethodPost && r.PostForm.Has("username") {
		o.signIn(w, r, q)
		return
	}
	if b == nil || q.Get("prompt") == "login" {
		if q.Get("prompt") == "none" || q.Get("immediate") == "true" {
			back("error", "immediate_unsuccessful", "error_description", "The user must be logged in to approve the access")
			return
		}
		o.page(w, http.StatusOK, "signin", map[string]any{"Username": q.Get("login_hint"), "Action": actionURL(q), "Hint": o.opt})
		return
	}
	o.auth.mu.Lock()
	blocked := o.auth.blocked
	o.auth.mu.Unlock()
	if blocked {
		o.refusal(w, "OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occurred during authentication. Please try again.")
		return
	}
	if r.Method != http.MethodPost || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("confirm")), []byte(b.secret)) != 1 {
		user := o.userRecord(b.user)
		o.page(w, http.StatusOK, "consent", map[string]any{"Action": actionURL(q), "Secret": b.secret, "User": user["Username"], "Scopes": describeScopes(scope),
			"Back": redirectHost(redirect)})
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		back("error", "access_denied", "error_description", "end-user denied authorization")
		return
	}
	code := "aPrx" + strings.NewReplacer("_", "x", ".", "y").Replace(secret(60)) + "=="
	o.auth.mu.Lock()
	o.auth.codes[code] = &authCode{client: clientID, redirect: redirect, scope: scope, challenge: strings.TrimRight(q.Get("code_challenge"), "="), user: b.user, issued: o.now()}
	if u, err := url.Parse(redirect); err == nil {
		o.auth.app = u.Scheme + "://" + u.Host + "/"
	}
	o.auth.mu.Unlock()
	back("code", code)
}

// sendBack redirects to the app with the given parameters and the app's state.
func (o *Org) sendBack(w http.ResponseWriter, r *http.Request, redirect, state string, pairs ...string) {
	u, err := url.Parse(redirect)
	if err != nil { // redirectAllowed has parsed it
		o.refusal(w, "redirect_uri_mismatch", "redirect_uri must match configuration")
		return
	}
	v := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	if state != "" {
		v.Set("state", state)
	}
	u.RawQuery = v.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// signIn takes the sign-in form and comes back to the same request as a signed-in browser.
func (o *Org) signIn(w http.ResponseWriter, r *http.Request, q url.Values) {
	user, ok := o.userByName(r.PostForm.Get("username"), r.PostForm.Get("password"))
	if !ok {
		o.page(w, http.StatusOK, "signin", map[string]any{"Username": r.PostForm.Get("username"), "Action": actionURL(q), "Hint": o.opt,
			"Error": "Please check your username and password. If you still can't log in, contact your Salesforce administrator."})
		return
	}
	id := secret(40)
	o.auth.mu.Lock()
	o.auth.browsers[id] = &browser{user: user, secret: secret(32)}
	o.auth.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	q.Del("prompt")
	http.Redirect(w, r, actionURL(q), http.StatusSeeOther)
}

func (o *Org) browser(r *http.Request) *browser {
	c, err := r.Cookie(browserCookie)
	if err != nil {
		return nil
	}
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	return o.auth.browsers[c.Value]
}

// actionURL is the authorize address of a request without the form fields of the pages.
func actionURL(q url.Values) string {
	v := url.Values{}
	for key, values := range q {
		switch key {
		case "username", "password", "confirm", "decision":
		default:
			v[key] = values
		}
	}
	return "/services/oauth2/authorize?" + v.Encode()
}

func redirectHost(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return redirect
	}
	return u.Host
}

// describeScopes is the list that the consent page shows.
func describeScopes(scope string) (out []string) {
	text := map[string]string{
		"api": "Manage user data via APIs", "refresh_token": "Perform requests at any time", "offline_access": "Perform requests at any time",
		"id": "Access the identity URL service", "profile": "Access the identity URL service", "openid": "Access unique user identifiers",
		"web": "Manage user data via Web browsers", "full": "Full access", "chatter_api": "Access Connect REST API resources",
	}
	for _, s := range strings.Fields(scope) {
		if t := text[s]; t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// refusal shows an error on the org's own page, without a redirect.
func (o *Org) refusal(w http.ResponseWriter, code, description string) {
	o.page(w, http.StatusBadRequest, "refusal", map[string]any{"Code": code, "Description": description})
}

// page renders one of the org's own pages.
func (o *Org) page(w http.ResponseWriter, status int, name string, data map[string]any) {
	var b strings.Builder
	data["Org"] = o.opt.OrgName
	data["Sandbox"] = o.opt.Sandbox
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // only fails when the caller is gone
}
