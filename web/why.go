package web

import (
	"errors"
	"net/http"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
)

// why explains for one account why it is here, or why it is not.
func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	view := views.Why{
		Action: orgPath(c.ID, "/accounts/why"), ListHref: orgPath(c.ID, "/accounts"), OrgName: ConnectionName(c), Admin: isAdmin(r),
		SettingsHref: orgPath(c.ID, "/settings/account-filtering"), Query: readAccountQuery(c.ID, r.URL.Query()).Search,
	}
	if view.Shell, err = s.shell(w, r, "Why is this account not here?", "accounts"); err != nil {
		return err
	}
	if view.Query != "" {
		if err := s.explain(r, c, &view); err != nil {
			return err
		}
	}
	return s.render(w, r, http.StatusOK, views.WhyPage(view))
}

// explain asks the org and the copy here about the account that the query names.
func (s *Server) explain(r *http.Request, c db.Connection, view *views.Why) error {
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if current == nil {
		view.Unanswered = "No account filter is saved yet, so nothing is synced."
		return nil
	}
	view.Typed, view.Version = current.Settings.Accounts.Mode == settings.TypedFilters, current.Version
	id := ""
	if ref, problem := pipeline.ParseRecordRef(view.Query); problem == "" {
		id = ref.ID
	}
	o, err := s.openOrg(r.Context(), c)
	if err != nil {
		return err
	}
	defer o.close()
	if view.Unanswered = o.why; o.source != nil {
		found, err := pipeline.Explain(r.Context(), o.source, view.Query, current.Settings, o.schema)
		switch {
		case r.Context().Err() != nil:
			return r.Context().Err()
		case err != nil:
			view.Unanswered = s.unanswered(r.Context(), c, err)
		default:
			view.Answer = &found
			for _, a := range found.Candidates {
				view.Candidates = append(view.Candidates, views.WhyCandidate{Name: a.Name, ID: a.ID, Type: a.Type, Industry: a.Industry, Href: withQuery(view.Action, map[string][]string{"q": {a.ID}})})
			}
			if found.Account.ID != "" {
				id = found.Account.ID
				view.RecordHref = recordURL(c, id)
			}
		}
	}
	if strings.HasPrefix(id, "001") {
		return s.copyHere(r, c, id, view)
	}
	return nil
}

// copyHere adds what is in Postgres of the account.
func (s *Server) copyHere(r *http.Request, c db.Connection, id string, view *views.Why) error {
	view.Looked = true
	a, err := s.DB.Account(r.Context(), c.ID, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	view.Here = &views.WhyHere{
		Name: a.Name, Href: orgPath(c.ID, "/accounts/"+a.SFID), Type: settings.AccountType(a.Type).Label(), Synced: a.LastSynced, LeftAt: a.LeftFilterAt, DeletedAt: a.DeletedAt,
	}
	run, err := s.DB.RunByID(r.Context(), a.LastSeenRun)
	if errors.Is(err, db.ErrNotFound) { // runs of long ago are not kept
		return nil
	}
	if err != nil {
		return err
	}
	line := runLine(run)
	view.Here.Run = &line
	return nil
}
