package web

import (
	"net/http"

	"millrace/db"
	"millrace/salesforce"
	"millrace/views"
)

// disconnectForm asks before a connection is ended, with what follows from it.
func (s *Server) disconnectForm(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if c.Status == db.StatusDisconnected {
		return s.see(w, r, "/integrations", "", "")
	}
	shell, err := s.shell(w, r, "Disconnect", "integrations")
	if err != nil {
		return err
	}
	accounts, left, err := s.DB.CountAccounts(r.Context(), c.ID)
	if err != nil {
		return err
	}
	latest, err := s.DB.RunInFocus(r.Context(), c.ID)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.DisconnectPage(views.Disconnect{
		Shell: shell, Org: orgView(c), Accounts: accounts - left, Left: left, ActiveRun: latest != nil && latest.State.Active(), Action: orgPath(c.ID, "/disconnect"),
	}))
}

// disconnect forgets the grant and then gives it back to Salesforce. Forgetting comes first and does not depend on the rest.
func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if c.Status == db.StatusDisconnected {
		return s.see(w, r, "/integrations", "", "")
	}
	grant, grantErr := s.DB.Grant(r.Context(), c.ID)
	login, clientID, secret, appErr := s.DB.ConnectionApp(r.Context(), c.ID)
	if err := s.DB.Disconnect(r.Context(), c.ID, visitOf(r).user.ID); err != nil {
		return err
	}
	s.Forget(c.ID)
	if grantErr == nil && appErr == nil {
		token := grant.RefreshToken
		if token == "" {
			token = grant.AccessToken
		}
		app := salesforce.App{LoginURL: login, ClientID: clientID, ClientSecret: secret}
		if err := app.Revoke(r.Context(), s.transport, token); token != "" && err != nil {
			s.Log.WarnContext(r.Context(), "the grant could not be given back", "connection_id", c.ID, "err", err)
		}
	}
	return s.see(w, r, "/integrations", "disconnected", "")
}
