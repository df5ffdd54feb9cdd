package sim

import (
	"net/http"
	"strings"
	"time"
)

const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second // a device that asks more often is told to slow down
	devicePage     = "/setup/connect"
)

// device is a sign-in of something without a browser, until a person has entered its code on the page.
type device struct {
	code, userCode, client, scope string
	issued, asked                 time.Time
	user                          int
	allowed, denied               bool
}

// startDevice answers a device with a code for the person and one for itself.
func (o *Org) startDevice(w http.ResponseWriter, r *http.Request) {
	client := r.Form.Get("client_id")
	if client != o.app.Load().key && client != cliClient {
		oauthError(w, "invalid_client_id", "client identifier invalid")
		return
	}
	scope := strings.Join(strings.Fields(r.Form.Get("scope")), " ")
	if scope == "" {
		scope = "api refresh_token id"
	}
	d := &device{code: secret(60), userCode: strings.ToUpper(strings.NewReplacer("_", "7", ".", "9").Replace(secret(8))), client: client, scope: scope, issued: o.now()}
	o.auth.mu.Lock()
	o.auth.devices[d.code] = d
	o.auth.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"device_code": d.code, "user_code": d.userCode, "verification_uri": o.origin(r) + devicePage,
		"interval": int(deviceInterval.Seconds())}, false)
}

// pollDevice answers a device that asks whether its person has decided.
func (o *Org) pollDevice(w http.ResponseWriter, r *http.Request) {
	a := &o.auth
	a.mu.Lock()
	defer a.mu.Unlock()
	d, now := a.devices[r.Form.Get("code")], o.now()
	if d == nil || d.client != r.Form.Get("client_id") {
		oauthError(w, "invalid_grant", "invalid device code")
		return
	}
	soon := now.Sub(d.asked) < deviceInterval
	d.asked = now
	switch {
	case now.Sub(d.issued) > deviceLife:
		delete(a.devices, d.code)
		oauthError(w, "expired_token", "the device code has expired")
	case d.denied:
		delete(a.devices, d.code)
		oauthError(w, "access_denied", "end-user denied authorization")
	case d.allowed:
		delete(a.devices, d.code)
		var g *grant
		if hasScope(d.scope, "refresh_token") || hasScope(d.scope, "offline_access") {
			g = o.openGrant(d.user, d.client, d.scope)
		}
		answer := o.tokenAnswer(r, o.openSession(d.user, d.client, d.scope, g))
		if g != nil {
			answer["refresh_token"] = g.refresh
		}
		writeJSON(w, http.StatusOK, answer, false)
	case soon:
		oauthError(w, "slow_down", "polling too frequently")
	default:
		oauthError(w, "authorization_pending", "waiting for end-user authorization")
	}
}

// connectDevice serves the page on which a person enters a device's code.
func (o *Org) connectDevice(w http.ResponseWriter, r *http.Request) {
	data := map[string]any{"Code": r.FormValue("user_code"), "Hint": o.opt, "Username": o.opt.Username}
	if r.Method == http.MethodPost {
		data["Username"] = r.PostFormValue("username")
		data["Error"], data["Done"] = o.decideDevice(r)
	}
	o.page(w, http.StatusOK, "device", data)
}

// decideDevice records a person's decision and returns what to tell them: what is wrong, or what happened.
func (o *Org) decideDevice(r *http.Request) (wrong, done string) {
	user, ok := o.userByName(r.PostFormValue("username"), r.PostFormValue("password"))
	if !ok {
		return "Please check your username and password. If you still can't log in, contact your Salesforce administrator.", ""
	}
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	for _, d := range o.auth.devices {
		if !strings.EqualFold(d.userCode, strings.TrimSpace(r.PostFormValue("user_code"))) || o.now().Sub(d.issued) > deviceLife || d.allowed || d.denied {
			continue
		}
		if o.auth.blocked {
			return "OAUTH_APPROVAL_ERROR_GENERIC : An unexpected error has occurred during authentication. Please try again.", ""
		}
		d.user, d.allowed = user, r.PostFormValue("decision") == "allow"
		if d.denied = !d.allowed; d.denied {
			return "", "The device was not connected."
		}
		return "", "The device is connected. You may close this page."
	}
	return "That code is not known, or it has expired.", ""
}
