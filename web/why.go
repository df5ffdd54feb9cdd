package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
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
		RunsHref: orgPath(c.ID, "/runs"), SettingsHref: orgPath(c.ID, "/settings/account-filtering"), Query: readAccountQuery(c.ID, r.URL.Query()).Search,
	}
	if view.Shell, err = s.shell(w, r, "Why is this record not here?", "accounts"); err != nil {
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
	if view.Answer != nil && view.Answer.Child != nil {
		id = view.Answer.Child.ID
		view.ChildHref, view.ChildOrgHref = childPage(c, *view.Answer.Child), recordURL(c, id)
	}
	if err := s.standing(r, c, id, view); err != nil {
		return err
	}
	if view.Answer != nil && view.Answer.Account.ID != "" {
		id = view.Answer.Account.ID
	}
	if strings.HasPrefix(id, "001") {
		return s.copyHere(r, c, id, view)
	}
	return nil
}

// childPage is the page here of a record that belongs to an account; empty where it has none.
func childPage(c db.Connection, child pipeline.ExplainedChild) string {
	if t, ok := pipeline.TableOf(child.Object); ok {
		return recordPage(c.ID, t.Entity, child.ID)
	}
	return ""
}

// standing adds what is known here of the very record that was asked for: its copy, why it is skipped or could not be stored, and whether another connection has it.
func (s *Server) standing(r *http.Request, c db.Connection, id string, view *views.Why) error {
	var found db.Standing
	var err error
	if id == "" {
		found.Elsewhere, err = s.DB.AccountsElsewhere(r.Context(), c.ID, view.Query)
	} else {
		found, err = s.DB.RecordStanding(r.Context(), c.ID, id)
	}
	if err != nil {
		return err
	}
	note := func(text, label, href string) {
		view.Known = append(view.Known, views.ErrorNote{Text: text, Label: label, Href: href})
	}
	inbox := ""
	if found.Group > 0 {
		inbox = orgPath(c.ID, "/errors/"+strconv.FormatInt(found.Group, 10))
	}
	if found.Failed != "" {
		note("The last sync could not store it: "+found.Failed, "See what to do, in the error inbox", inbox)
	}
	if found.Skipped != "" {
		note("The syncs skip it: "+lowerFirst(found.Skipped)+".", "See what to do, in the error inbox", inbox)
	}
	if id != "" && !strings.HasPrefix(id, "001") {
		s.childHere(found, view, note)
	}
	for _, e := range found.Elsewhere {
		name := "The record"
		if e.Name != "" {
			name = "An account of this name"
		}
		note(name+" is in the copy of another connection: "+ConnectionName(e.Connection)+".", "Look there", orgPath(e.Connection.ID, "/accounts/why")+"?"+url.Values{"q": {e.SFID}}.Encode())
	}
	return nil
}

// childHere tells of the copy of a record that belongs to an account.
func (s *Server) childHere(found db.Standing, view *views.Why, note func(text, label, href string)) {
	switch {
	case found.DeletedAt != nil:
		note("It was here, and was deleted in Salesforce. The copy is kept, but no longer updated.", "See the copy", view.ChildHref)
	case found.LeftAt != nil:
		note("It was here, and no longer belongs to what is synced. The copy is kept, but no longer updated.", "See the copy", view.ChildHref)
	case found.Here:
		note("It is here.", "See the copy", view.ChildHref)
	case view.Answer != nil && view.Answer.Child != nil && view.Answer.Type != "" && len(view.Answer.Child.Problems) == 0 && found.Failed == "":
		note("It is not here yet: no sync since it came has brought it. The next sync does.", "See the syncs", view.RunsHref)
	}
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
