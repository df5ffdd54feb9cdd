package web

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"millrace/db"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/views"
)

// preflight says whether a connected org is ready to be synced: each check by itself, all at once, none longer than describeLimit.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Preflight", "integrations")
	if err != nil {
		return err
	}
	view := views.Preflight{
		Shell: shell, OrgName: ConnectionName(c), Here: orgPath(c.ID, "/preflight"), SettingsHref: orgPath(c.ID, "/settings"),
		ReconnectHref: connectPath + "?connection=" + strconv.FormatInt(c.ID, 10) + "#refusals",
	}
	if c.Status != db.StatusConnected {
		view.Checks = []views.Check{{Title: "Sign-in", State: views.CheckProblem, Sentence: notConnected(c), Cure: "Reconnect on the Integrations page; then check again."}}
		return s.render(w, r, http.StatusOK, views.PreflightPage(view))
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	p := preflight{s: s, c: c, all: settings.Defaults()}
	if current != nil {
		p.all = current.Settings
	}
	client, err := s.Client(r.Context(), c.ID)
	if err != nil {
		view.Checks = []views.Check{{Title: "Sign-in", State: views.CheckProblem, Sentence: s.unanswered(r.Context(), c, err), Cure: "Reconnect on the Integrations page; then check again."}}
		return s.render(w, r, http.StatusOK, views.PreflightPage(view))
	}
	p.client = client
	view.Checks = p.run(r.Context())
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.render(w, r, http.StatusOK, views.PreflightPage(view))
}

func notConnected(c db.Connection) string {
	if c.Status == db.StatusNeedsReconnect {
		return "Salesforce no longer accepts this connection. " + c.StatusReason
	}
	return "The org is disconnected."
}

// preflight is one round of checks.
type preflight struct {
	s      *Server
	c      db.Connection
	client *salesforce.Client
	all    settings.Settings
}

// run does every check at the same time and returns their findings in the order of the page.
func (p *preflight) run(ctx context.Context) []views.Check {
	checks := []struct {
		title string
		do    func(ctx context.Context) (views.Check, error)
	}{
		{"API access", p.apiAccess}, {"Connected app", p.connectedApp}, {"Edition", p.edition}, {"Objects that every sync reads", p.coreObjects},
		{"Objects of the further sections", p.sectionObjects}, {"Sight of all records", p.sight}, {"Daily API budget", p.budget},
	}
	out := make([]views.Check, len(checks))
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, describeLimit)
			defer cancel()
			found, err := check.do(limited)
			if err != nil {
				found = p.failed(ctx, err)
			}
			found.Title = check.title
			out[i] = found
		})
	}
	wg.Wait()
	return out
}
