package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"millrace/db"
	"millrace/salesforce"
	"millrace/views"
)

// callback is where Salesforce sends the browser back to. The state is taken, and so used up, before anything else; nothing is stored unless
// every step went well.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Referrer-Policy", "no-referrer") // the address holds a code
	query := r.URL.Query()
	v := visitOf(r)
	state := query.Get("state")
	flow, err := s.DB.TakeOAuthFlow(r.Context(), v.sessionID, state)
	if state == "" || errors.Is(err, db.ErrNoFlow) {
		s.Log.WarnContext(r.Context(), "OAuth callback refused", "request_id", v.requestID, "user_id", v.user.ID, "reason", "state")
		// Without a flow of this session the words may be anybody's: they choose an explanation, and are not repeated.
		if sentence, remedy, known := salesforce.ExplainKnownOAuth(query.Get("error"), query.Get("error_description")); known && state == "" {
			return s.oauthPage(w, r, http.StatusBadRequest, views.OAuthProblem{Title: "Not connected: Salesforce refused", Sentences: []string{sentence, remedy}}, nil)
		}
		return s.oauthPage(w, r, http.StatusBadRequest, views.OAuthProblem{
			Title: "Not connected: this sign-in was not started here, or not lately",
			Sentences: []string{
				"The answer from Salesforce carries no mark, or one that this browser session does not know. Either the page was loaded a second time, more than ten minutes passed, you signed in to Millrace anew in between, or somebody else's link was opened.",
				"Start again from here and finish in the same browser.",
			},
		}, nil)
	}
	if err != nil {
		return err
	}
	if code := query.Get("error"); code != "" {
		s.Log.WarnContext(r.Context(), "OAuth callback refused", "request_id", v.requestID, "user_id", v.user.ID, "reason", code)
		return s.oauthRefused(w, r, flow, code, query.Get("error_description"))
	}
	if query.Get("code") == "" {
		return s.oauthRefused(w, r, flow, "", "")
	}
	connection, err := s.conclude(r, flow, query.Get("code"))
	var mismatch *db.OrgMismatchError
	var refused *salesforce.OAuthError
	switch {
	case errors.As(err, &mismatch):
		return s.otherOrg(w, r, flow, mismatch)
	case errors.As(err, &refused):
		s.Log.WarnContext(r.Context(), "OAuth exchange refused", "request_id", v.requestID, "user_id", v.user.ID, "reason", refused.Code)
		return s.oauthRefused(w, r, flow, refused.Code, refused.Description)
	case errors.Is(err, errSalesforce):
		s.Log.WarnContext(r.Context(), "OAuth exchange failed", "request_id", v.requestID, "err", err)
		return s.oauthPage(w, r, http.StatusBadGateway, views.OAuthProblem{
			Title:     "Not connected: Salesforce did not answer as expected",
			Sentences: []string{"You were signed in, but Salesforce could not be reached to finish the connection, or answered with something else than was asked for. Try again; if it stays, check that this server can reach Salesforce."},
		}, flow.ConnectionID)
	case err != nil:
		return err
	}
	s.Forget(connection.ID)
	version, err := s.DB.CurrentSettings(r.Context(), connection.ID)
	if err != nil {
		return err
	}
	switch {
	case version == nil && flow.ConnectionID == nil:
		return s.see(w, r, orgPath(connection.ID, "/preflight"), "connected", "")
	case version == nil:
		return s.see(w, r, "/integrations", "connected", "")
	}
	return s.see(w, r, "/integrations", "reconnected", "")
}

// errSalesforce marks a failure that lies between this server and Salesforce.
var errSalesforce = errors.New("salesforce did not answer as expected")

// conclude changes the code for a grant, asks whose it is, and stores the connection.
func (s *Server) conclude(r *http.Request, flow db.OAuthFlow, code string) (db.Connection, error) {
	ctx := r.Context()
	app := salesforce.App{LoginURL: flow.LoginURL, ClientID: flow.ClientID, ClientSecret: flow.ClientSecret, RedirectURL: s.callbackURL(r)}
	token, err := app.Exchange(ctx, s.transport, code, flow.Verifier)
	if err != nil {
		return db.Connection{}, asSalesforce(err)
	}
	client := salesforce.New(salesforce.Config{
		App: app, Hosts: s.Hosts, Transport: s.transport,
		Token: func(context.Context) (salesforce.Token, error) { return token, nil },
		// A grant that is refused right after it was given is not renewed here: nothing of it is stored yet.
		Refresh: func(_ context.Context, spent salesforce.Token, _ func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			return spent, errSalesforce
		},
	})
	who, err := client.Identity(ctx)
	if err != nil {
		return db.Connection{}, asSalesforce(err)
	}
	name := who.OrgName
	if name == "" {
		name = who.OrgID
	}
	return s.DB.SaveConnection(ctx, db.NewConnection{
		Name: name, Environment: flow.Environment, LoginURL: flow.LoginURL, ClientID: flow.ClientID, ClientSecret: flow.ClientSecret,
		OrgID: who.OrgID, OrgName: who.OrgName, IsSandbox: who.IsSandbox, UserID: who.UserID, Username: who.Username, DisplayName: who.DisplayName,
		Grant: db.Grant{AccessToken: token.Access, RefreshToken: token.Refresh, InstanceURL: token.InstanceURL},
		By:    visitOf(r).user.ID, Replace: flow.ConnectionID,
	})
}

// asSalesforce marks err as coming from the other side, and keeps a refusal readable.
func asSalesforce(err error) error {
	var refused *salesforce.OAuthError
	if errors.As(err, &refused) {
		return err
	}
	return errors.Join(errSalesforce, err)
}

// oauthRefused explains Salesforce's refusal. Of an app that this server was set up with, it says who can change its key and secret.
func (s *Server) oauthRefused(w http.ResponseWriter, r *http.Request, flow db.OAuthFlow, code, description string) error {
	sentence, remedy := salesforce.ExplainOAuth(code, description)
	sentences := []string{sentence, remedy}
	if slices.Contains([]string{"invalid_client_id", "invalid_client", "OAUTH_EC_APP_NOT_FOUND"}, code) && s.presetOf(flow.LoginURL, flow.ClientID) >= 0 {
		sentences = append(sentences, "The key and secret are those that this server was set up with: whoever runs Millrace can change them. Or choose another environment, and enter the key and secret of an app of your own.")
	}
	title := "Not connected: Salesforce refused"
	if code == "access_denied" {
		title = "Not connected: access was denied"
	}
	return s.oauthPage(w, r, http.StatusBadRequest, views.OAuthProblem{Title: title, Sentences: sentences, Code: clip(code), Detail: clip(description)}, flow.ConnectionID)
}

// otherOrg refuses to put one org in the place of another, and offers what may be meant.
func (s *Server) otherOrg(w http.ResponseWriter, r *http.Request, flow db.OAuthFlow, m *db.OrgMismatchError) error {
	existing, err := s.DB.Connection(r.Context(), *flow.ConnectionID)
	if err != nil {
		return err
	}
	s.Log.WarnContext(r.Context(), "OAuth callback refused", "request_id", visitOf(r).requestID, "connection_id", existing.ID, "reason", "another org")
	return s.oauthPage(w, r, http.StatusConflict, views.OAuthProblem{
		Title: "Not connected: that is a different org",
		Sentences: []string{
			"This connection belongs to " + ConnectionName(existing) + " (" + existing.OrgID + "), but you signed in to another org (" + m.Got + "). Its data would have been mixed with the accounts that are here, so it was refused.",
			"To renew this connection, try again and sign in to " + ConnectionName(existing) + ". To sync the other org as well, connect it as a second one.",
		},
		OtherHref: connectPath, OtherLabel: "Connect the other org as well",
	}, flow.ConnectionID)
}

func (s *Server) oauthPage(w http.ResponseWriter, r *http.Request, status int, view views.OAuthProblem, connectionID *int64) error {
	shell, err := s.shell(w, r, view.Title, "integrations")
	if err != nil {
		return err
	}
	shell.Path = connectPath // the address holds an answer, which is not to be loaded again
	view.Shell, view.RetryHref = shell, connectPath
	if connectionID != nil {
		view.RetryHref += "?connection=" + strconv.FormatInt(*connectionID, 10)
	}
	return s.render(w, r, status, views.OAuthProblemPage(view))
}

// clip bounds a text that came in an address.
func clip(text string) string {
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return text
}
