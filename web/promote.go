package web

import (
	"net/http"
	"slices"
	"strconv"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// promotion is another connection's settings beside this one's.
type promotion struct {
	connection, other db.Connection // other has no number when there is none
	now, theirs       db.SettingsVersion
	others            []db.Connection
}

// loadPromotion reads the settings of the connection of the path and of the one that the form names, or else of the first other one.
func (s *Server) loadPromotion(r *http.Request) (p promotion, err error) {
	if p.connection, err = s.connection(r); err != nil {
		return p, err
	}
	all, err := s.DB.Connections(r.Context())
	if err != nil {
		return p, err
	}
	var wanted int64
	if with := r.Form.Get("with"); with != "" {
		if wanted, err = strconv.ParseInt(with, 10, 64); err != nil || wanted < 1 {
			return p, notFound()
		}
	}
	for _, c := range all {
		if c.ID == p.connection.ID {
			continue
		}
		p.others = append(p.others, c)
		if c.ID == wanted || p.other.ID == 0 && wanted == 0 {
			p.other = c
		}
	}
	if wanted != 0 && p.other.ID == 0 {
		return p, notFound()
	}
	if p.now, err = s.current(r.Context(), p.connection); err != nil || p.other.ID == 0 {
		return p, err
	}
	p.theirs, err = s.current(r.Context(), p.other)
	return p, err
}

// promoteForm compares the settings of two connections.
func (s *Server) promoteForm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p, err := s.loadPromotion(r)
	if err != nil {
		return err
	}
	return s.promotePage(w, r, http.StatusOK, p, views.SettingsPromote{})
}

func (s *Server) promotePage(w http.ResponseWriter, r *http.Request, status int, p promotion, view views.SettingsPromote) error {
	shell, err := s.shell(w, r, "Compare connections", "settings")
	if err != nil {
		return err
	}
	view.Shell, view.Here, view.BasePath = shell, orgView(p.connection), orgPath(p.connection.ID, "/settings")
	view.HereVersion, view.ThereVersion = p.now.Version, p.theirs.Version
	for _, c := range p.others {
		view.Others = append(view.Others, ui.Option{Value: strconv.FormatInt(c.ID, 10), Label: ConnectionName(c) + " · " + string(environment(c))})
	}
	if p.other.ID != 0 {
		there := orgView(p.other)
		view.There = &there
	}
	if p.theirs.Version > 0 {
		errs, err := s.Check(r.Context(), p.connection, p.theirs.Settings)
		if err != nil {
			return err
		}
		if view.Proposal, err = s.proposal(r, p.connection, p.now, p.theirs.Settings, errs); err != nil {
			return err
		}
		view.Differ = settings.Changed(p.now.Settings, p.theirs.Settings)
		if status == http.StatusOK {
			view.Chosen = view.Differ
		}
	}
	return s.render(w, r, status, views.SettingsPromotePage(view))
}

// promote puts the chosen sections of the other connection's settings into the viewer's draft.
func (s *Server) promote(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p, err := s.loadPromotion(r)
	if err != nil {
		return err
	}
	if p.other.ID == 0 {
		return badForm(nil)
	}
	view := views.SettingsPromote{}
	for _, key := range settings.Sections {
		if slices.Contains(r.PostForm["section"], string(key)) {
			view.Chosen = append(view.Chosen, key)
		}
	}
	switch {
	case r.PostForm.Get("base") != strconv.Itoa(p.now.Version) || r.PostForm.Get("theirs") != strconv.Itoa(p.theirs.Version) || p.theirs.Version == 0:
		view.Outdated = true
		return s.promotePage(w, r, http.StatusConflict, p, view)
	case len(view.Chosen) == 0:
		view.Errors = []string{"Choose at least one section."}
		return s.promotePage(w, r, http.StatusUnprocessableEntity, p, view)
	}
	all, note := p.now.Settings, takenNote("Taken", ConnectionName(p.other), p.theirs.Version)
	draft, err := s.DB.Draft(r.Context(), p.connection.ID, visitOf(r).user.ID)
	if err != nil {
		return err
	}
	if draft != nil {
		if draft.Base < p.now.Version {
			return s.see(w, r, orgPath(p.connection.ID, "/settings/merge"), "merge-first", "")
		}
		if all = draft.Settings; draft.Note != "" {
			note = draft.Note
		}
	}
	for _, key := range view.Chosen {
		all = all.Take(key, p.theirs.Settings)
	}
	errs, err := s.Check(r.Context(), p.connection, all)
	if err != nil {
		return err
	}
	return s.take(w, r, p.connection, p.now, all, note, errs)
}
