package web

import (
	"net/http"
	"strconv"

	"millrace/db"
	"millrace/views"
)

const connectPath = "/integrations/salesforce/connect"

// integrations shows the connections and the first steps.
func (s *Server) integrations(w http.ResponseWriter, r *http.Request) error {
	shell, err := s.shell(w, r, "Integrations", "integrations")
	if err != nil {
		return err
	}
	view := views.Integrations{Shell: shell, Here: "/integrations", CanConnect: shell.Viewer.Admin, ConnectHref: connectPath}
	connections, err := s.DB.Connections(r.Context())
	if err != nil {
		return err
	}
	first := firstSteps{}
	for i, c := range connections {
		card, err := s.connectionCard(r, c)
		if err != nil {
			return err
		}
		view.Cards = append(view.Cards, card)
		if i == 0 {
			banner, err := s.bannerView(r, c)
			if err != nil {
				return err
			}
			view.Banner = &banner
			view.Shell.Refresh = banner.Run != nil && banner.Run.State.Active()
			first.connection = &c
			if first.done, err = s.DB.FirstSteps(r.Context(), c.ID); err != nil {
				return err
			}
		}
	}
	if shell.Viewer.Admin {
		view.Checklist = first.tasks()
	}
	return s.render(w, r, http.StatusOK, views.IntegrationsPage(view))
}

func (s *Server) connectionCard(r *http.Request, c db.Connection) (views.ConnectionCard, error) {
	version, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return views.ConnectionCard{}, err
	}
	accounts, left, err := s.DB.CountAccounts(r.Context(), c.ID)
	if err != nil {
		return views.ConnectionCard{}, err
	}
	card := views.ConnectionCard{
		Org: orgView(c), Status: views.ConnectionStatus(c.Status), Reason: c.StatusReason, OrgID: c.OrgID,
		DisplayName: c.DisplayName, ConnectedAt: c.ConnectedAt, Accounts: accounts - left, Left: left,
		SettingsHref: orgPath(c.ID, "/settings/account-filtering"), AccountsHref: orgPath(c.ID, "/accounts"),
		ReconnectHref: connectPath + "?connection=" + strconv.FormatInt(c.ID, 10), DisconnectHref: orgPath(c.ID, "/disconnect"),
		PreflightHref: orgPath(c.ID, "/preflight"), BudgetHref: orgPath(c.ID, "/api-budget"),
	}
	if version != nil {
		card.VersionText = "v" + strconv.Itoa(version.Version)
	}
	if c.APIUsed != nil && c.APILimit != nil {
		card.APIUsed, card.APILimit = *c.APIUsed, *c.APILimit
	}
	return card, nil
}

// first sends the browser to a page of the first connection, or to the integrations while there is none.
func (s *Server) first(rest string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		connections, err := s.DB.Connections(r.Context())
		if err != nil {
			return err
		}
		if len(connections) == 0 {
			return s.see(w, r, "/integrations", "", "")
		}
		return s.see(w, r, orgPath(connections[0].ID, rest), "", "")
	}
}
