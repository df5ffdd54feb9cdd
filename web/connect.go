package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"millrace/db"
	"millrace/salesforce"
	"millrace/views"
)

// presetPrefix marks a preset among the environments of the form.
const presetPrefix = "preset:"

// connectPage draws the form that starts a connection, empty or as it was refused.
func (s *Server) connectPage(w http.ResponseWriter, r *http.Request, status int, view views.Connect) error {
	title := "Connect Salesforce"
	if view.Connection != 0 {
		c, err := s.DB.Connection(r.Context(), view.Connection)
		if err != nil {
			return err
		}
		title, view.OrgName = "Reconnect "+ConnectionName(c), ConnectionName(c)
		if c.Status == db.StatusNeedsReconnect {
			view.Reason = c.StatusReason
		}
	}
	shell, err := s.shell(w, r, title, "integrations")
	if err != nil {
		return err
	}
	view.Shell, view.CallbackURL = shell, s.callbackURL(r)
	for _, p := range s.Presets {
		preset := views.ConnectPreset{Value: presetPrefix + p.Key, Label: p.Label, Hint: p.Hint, Demo: p.Environment == "demo"}
		if preset.Hint == "" {
			preset.Hint = "With the app that this server was set up with: no key and no secret to enter."
		}
		view.Presets = append(view.Presets, preset)
	}
	for _, code := range unreturned {
		means, remedy := salesforce.ExplainOAuth(code, "")
		view.Refusals = append(view.Refusals, views.Refusal{Code: code, Means: means, Remedy: remedy})
	}
	return s.render(w, r, status, views.ConnectPage(view))
}

func (s *Server) connectForm(w http.ResponseWriter, r *http.Request) error {
	view := views.Connect{Environment: "production"}
	if len(s.Presets) > 0 {
		view.Environment = presetPrefix + s.Presets[0].Key
	}
	if id, err := strconv.ParseInt(r.URL.Query().Get("connection"), 10, 64); err == nil {
		c, err := s.DB.Connection(r.Context(), id)
		if err != nil {
			return err
		}
		view.Connection, view.Environment = c.ID, c.Environment
		if i := s.presetOf(c.LoginURL, c.ClientID); i >= 0 {
			view.Environment = presetPrefix + s.Presets[i].Key
		} else {
			view.ClientID, view.SecretKept = c.ClientID, true
			if c.Environment == "my_domain" {
				view.LoginURL = c.LoginURL
			}
		}
	}
	return s.connectPage(w, r, http.StatusOK, view)
}

// presetOf finds the preset that a connection is made with, or -1.
func (s *Server) presetOf(loginURL, clientID string) int {
	return slices.IndexFunc(s.Presets, func(p Preset) bool { return p.LoginURL == loginURL && p.ClientID == clientID })
}

// unreturned are the refusals that Salesforce shows on a page of its own, without leading back here.
var unreturned = []string{"OAUTH_APPROVAL_ERROR_GENERIC", "redirect_uri_mismatch", "invalid_client_id"}

// connect starts the web-server flow. The browser is led on by a page and not by a redirect: browsers hold every redirect that follows a form against
// the form-action of its page, which names no other site, and an org may lead on to any identity provider.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	view, flow, err := s.readConnect(r)
	if err != nil {
		return err
	}
	refuseTexts(r, view.Errors, "environment", "login_url", "client_id", "client_secret")
	callback := s.callbackURL(r)
	if callback == "" {
		view.Errors["callback"] = append(view.Errors["callback"], "This server does not know its own address, so Salesforce could not send you back. Set MILLRACE_BASE_URL to the address that you see in your browser.")
	}
	if len(view.Errors) > 0 {
		return s.connectPage(w, r, http.StatusUnprocessableEntity, view)
	}
	flow.Verifier = oauth2.GenerateVerifier()
	state, err := s.DB.StartOAuthFlow(r.Context(), visitOf(r).sessionID, flow)
	if err != nil {
		return err
	}
	app := salesforce.App{LoginURL: flow.LoginURL, ClientID: flow.ClientID, ClientSecret: flow.ClientSecret, RedirectURL: callback}
	target := app.AuthCodeURL(state, flow.Verifier)
	w.Header().Set("Refresh", "0; url="+target)
	return s.render(w, r, http.StatusOK, views.LeavePage(s.bare(w, r, "Going on to Salesforce"), target))
}

// readConnect reads the form into what to show again and what to start; view.Errors says what is wrong.
func (s *Server) readConnect(r *http.Request) (views.Connect, db.OAuthFlow, error) {
	form := r.PostForm
	view := views.Connect{
		Environment: form.Get("environment"), LoginURL: strings.TrimSpace(form.Get("login_url")), ClientID: strings.TrimSpace(form.Get("client_id")),
		Errors: map[string][]string{},
	}
	flow := db.OAuthFlow{Environment: view.Environment, ClientID: view.ClientID, ClientSecret: strings.TrimSpace(form.Get("client_secret"))}
	var stored db.Connection
	if text := form.Get("connection"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return view, flow, notFound()
		}
		if stored, err = s.DB.Connection(r.Context(), id); err != nil {
			return view, flow, err
		}
		view.Connection, flow.ConnectionID = id, &id
		view.SecretKept = s.presetOf(stored.LoginURL, stored.ClientID) < 0
	}
	if key, ok := strings.CutPrefix(view.Environment, presetPrefix); ok {
		i := slices.IndexFunc(s.Presets, func(p Preset) bool { return p.Key == key })
		if i < 0 {
			view.Errors["environment"] = []string{"Choose one of the environments."}
			return view, flow, nil
		}
		p := s.Presets[i]
		flow.Environment, flow.LoginURL, flow.ClientID, flow.ClientSecret = p.Environment, p.LoginURL, p.ClientID, p.ClientSecret
		return view, flow, nil
	}
	switch view.Environment {
	case "production":
		flow.LoginURL = "https://login.salesforce.com"
	case "sandbox":
		flow.LoginURL = "https://test.salesforce.com"
	case "my_domain":
		login, err := s.Hosts.CheckLoginURL(view.LoginURL)
		if err != nil {
			view.Errors["login_url"] = []string{err.Error()}
		}
		flow.LoginURL = login
	default:
		view.Errors["environment"] = []string{"Choose one of the environments."}
	}
	if flow.ClientID == "" {
		view.Errors["client_id"] = []string{"Enter the consumer key of your External Client App."}
	}
	// An empty secret keeps the stored one, but only for the same app at the same address: it is never sent anywhere else.
	if flow.ClientSecret == "" && view.SecretKept && flow.ClientID == stored.ClientID && flow.LoginURL == stored.LoginURL {
		_, _, secret, err := s.DB.ConnectionApp(r.Context(), stored.ID)
		if err != nil {
			return view, flow, err
		}
		flow.ClientSecret = secret
	}
	if flow.ClientSecret == "" {
		view.Errors["client_secret"] = []string{"Enter the consumer secret of your External Client App."}
	}
	return view, flow, nil
}
