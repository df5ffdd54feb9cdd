package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/a-h/templ"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
)

// loadSettings starts a section's page with the viewer's draft, or else with what is saved.
func (s *Server) loadSettings(r *http.Request, key settings.Section) (*settingsPage, error) {
	id := pathID(r, "id")
	if id == 0 {
		return nil, notFound()
	}
	edited, err := s.DB.Edited(r.Context(), id, visitOf(r).user.ID, knownTurns)
	if err != nil {
		return nil, err
	}
	p := &settingsPage{connection: edited.Connection, section: key, saved: settings.Defaults(), errs: settings.FieldErrors{}, elsewhere: settings.FieldErrors{}, results: map[string]any{},
		current: edited.Current, seen: edited.Seen, turns: edited.Turns}
	if p.current != nil {
		p.saved, p.base = p.current.Settings, p.current.Version
	}
	p.shown = p.saved
	if edited.Draft == nil {
		return p, nil
	}
	return p, s.showDraft(r, p, edited.Draft)
}

// showDraft goes on from a draft. One that began with a version that is gone, as after a backup was restored, goes on from the current one.
func (s *Server) showDraft(r *http.Request, p *settingsPage, draft *db.Draft) error {
	p.shown, p.note, p.keptAt, p.forms = draft.Settings, draft.Note, draft.UpdatedAt, draft.Forms
	for path, sentences := range draft.Problems {
		if path == settings.PathNote || settings.SectionOf(path) == p.section {
			p.errs[path] = sentences
		} else {
			p.elsewhere[path] = sentences
		}
	}
	if p.current == nil || draft.Base >= p.current.Version {
		return nil
	}
	p.base, p.saved = draft.Base, settings.Defaults()
	if draft.Base > 0 {
		switch v, err := s.DB.SettingsVersionAt(r.Context(), p.connection.ID, draft.Base); {
		case errors.Is(err, db.ErrNotFound):
			return nil
		case err != nil:
			return err
		default:
			p.saved = v.Settings
		}
	}
	if len(settings.Diff(p.saved, p.shown)) == 0 || len(p.unfinished()) == 0 && len(draft.Problems) == 0 && p.holdsChanges() {
		p.goOn()
	}
	return nil
}

// goOn takes a draft that changes no setting of its version, or none that the current one lacks, to the current one. Rows of boxes that somebody has changed since are let go.
func (p *settingsPage) goOn() {
	for _, c := range settings.Diff(p.saved, p.current.Settings) {
		delete(p.forms, c.Path)
	}
	p.base, p.saved, p.shown = p.current.Version, p.current.Settings, p.current.Settings
}

// goTo goes on from another version.
func (s *Server) goTo(r *http.Request, p *settingsPage, version int) error {
	v, err := s.DB.SettingsVersionAt(r.Context(), p.connection.ID, version)
	if err != nil {
		return err
	}
	if p.base, p.saved = version, v.Settings; p.version() < version {
		p.current = &v
	}
	return nil
}

// changes lists what is not saved yet; rows that are not finished are a change too.
func (p *settingsPage) changes() []settings.Change {
	out := settings.Diff(p.saved, p.shown)
	for _, path := range p.unfinished() {
		if !slices.ContainsFunc(out, func(c settings.Change) bool { return c.Path == path }) {
			out = append(out, settings.Change{Section: settings.SectionOf(path), Path: path, Label: filterLabels[path] + " (rows that are not finished)"})
		}
	}
	slices.SortStableFunc(out, func(a, b settings.Change) int {
		return slices.Index(settings.Sections, a.Section) - slices.Index(settings.Sections, b.Section)
	})
	return out
}

// unfinished lists the boxes with rows that are not finished, in the order of the screens.
func (p *settingsPage) unfinished() []string {
	var out []string
	for _, path := range filterPaths {
		if p.forms[path].Unfinished != "" {
			out = append(out, path)
		}
	}
	return out
}

// refuseUnfinished refuses rows that are not finished, in boxes in use: they stand for nothing yet, and saving would lose them.
func (p *settingsPage) refuseUnfinished() {
	for _, path := range p.unfinished() {
		if slices.ContainsFunc(p.shown.Accounts.Filters(), func(f settings.Filter) bool { return f.Path == path }) {
			p.found(settings.FieldErrors{path: {"Complete the rows, or remove them: " + p.forms[path].Unfinished}})
		}
	}
}

// keep stores the section, as typed, in the viewer's draft. Where the form was opened on a version that there is none of, nothing is kept.
func (s *Server) keep(r *http.Request, p *settingsPage) error {
	if p.unkept = p.base > p.version() || len(p.noteErrors) > 0; p.unkept {
		return nil
	}
	draft, err := s.DB.KeepSection(r.Context(), p.connection.ID, visitOf(r).user.ID, db.SectionForm{
		Base: p.base, Section: p.section, Settings: p.shown, Note: p.note, Rows: p.forms, Turn: p.turn,
	})
	var unfit *db.SettingsTextError
	switch {
	case errors.Is(err, db.ErrOvertaken):
		return nil // the draft is ahead of what was typed here
	case errors.As(err, &unfit):
		for path, found := range unfit.Fields {
			p.errs[path] = found
		}
		p.unkept = true
		return nil
	case err != nil:
		return err
	case draft == nil:
		return nil
	}
	own := p.errs
	if p.base < draft.Base { // the versions since are the viewer's own
		if err := s.goTo(r, p, draft.Base); err != nil {
			return err
		}
	}
	p.elsewhere = settings.FieldErrors{}
	if err := s.showDraft(r, p, draft); err != nil {
		return err
	}
	p.errs = own
	return nil
}

// leaves reports whether a button keeps the draft and leads elsewhere.
func leaves(do string) bool { return do == "keep" || do == "impact" }

// leave keeps the draft and leads on: back to the section, or to what the draft would do. What cannot be kept stays in view, with the reason.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, p *settingsPage, do string, draw func(status int) error) error {
	if err := s.keep(r, p); err != nil {
		return err
	}
	if p.unkept {
		return p.refuse(draw)
	}
	if do == "impact" {
		return s.see(w, r, orgPath(p.connection.ID, "/settings/impact"), "", "")
	}
	return s.see(w, r, p.path(p.section), "draft-kept", "")
}

// refuse shows the page as it was typed, with why the draft cannot hold it.
func (p *settingsPage) refuse(draw func(status int) error) error {
	if p.base > p.version() {
		p.rebase()
		return draw(http.StatusConflict)
	}
	p.block()
	return draw(http.StatusUnprocessableEntity)
}

// keepSection stores what is being typed in the draft and answers with what changes around the form: the count of unsaved changes and the list of
// sections.
func (s *Server) keepSection(w http.ResponseWriter, r *http.Request) error {
	var p *settingsPage
	var x section
	if settings.Section(r.PathValue("section")) == settings.SectionFiltering {
		f, err := s.readFiltering(r)
		if err != nil {
			return err
		}
		f.noteRows()
		p = f.settingsPage
	} else {
		var err error
		if x, err = sectionOf(r); err != nil {
			return err
		}
		if p, err = s.readSection(r, x); err != nil {
			return err
		}
	}
	if err := s.keep(r, p); err != nil {
		return err
	}
	frame := views.SettingsFrame{Current: p.section, BasePath: orgPath(p.connection.ID, "/settings"), Sections: sectionItems(p), Bar: saveBar(p)}
	parts := views.SettingsKept(frame)
	if x.beside != nil {
		beside, err := x.beside(s, r, p, frame)
		if err != nil {
			return err
		}
		parts = templ.Join(parts, beside)
	}
	return s.render(w, r, http.StatusOK, parts)
}

// discard forgets the viewer's draft.
func (s *Server) discard(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	key := settings.Section(r.PathValue("section"))
	if !slices.Contains(settings.Sections, key) {
		return notFound()
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if err := s.DB.DropDraft(r.Context(), c.ID, visitOf(r).user.ID, readTurn(r.PostForm)); err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/settings/"+string(key)), "draft-discarded", "")
}
