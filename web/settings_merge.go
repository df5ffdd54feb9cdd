package web

import (
	"net/http"
	"slices"
	"strconv"

	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// Somebody else's save in the meantime: both sides' changes since the version that the draft began with are laid side by side, section by section, and
// the viewer says whose each section is to be.

const (
	mine   = "mine"
	theirs = "theirs"
)

// mergeForm shows the viewer's draft beside what was saved since it began.
func (s *Server) mergeForm(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return err
	}
	if p.base >= p.version() {
		return s.see(w, r, p.path(p.section), "", "")
	}
	return s.mergePage(w, r, http.StatusOK, p)
}

func (s *Server) mergePage(w http.ResponseWriter, r *http.Request, status int, p *settingsPage) error {
	frame, err := s.settingsFrame(w, r, p)
	if err != nil {
		return err
	}
	view := views.SettingsMerge{Frame: frame, Theirs: versionFor(r, *p.current), Base: p.base, Note: p.note, From: p.section}
	my, their := settings.Diff(p.saved, p.shown), settings.Diff(p.saved, p.current.Settings)
	of := func(all []settings.Change, key settings.Section) (out []settings.Change) {
		for _, c := range all {
			if c.Section == key {
				out = append(out, c)
			}
		}
		return out
	}
	for _, key := range settings.Sections {
		m := views.MergeSection{Key: key, Mine: of(my, key), Theirs: of(their, key)}
		switch {
		case len(m.Mine) == 0 && len(m.Theirs) == 0, slices.Equal(m.Mine, m.Theirs):
			continue
		case len(m.Theirs) == 0:
			m.Choice = mine
		case len(m.Mine) == 0:
			m.Choice = theirs
		default:
			m.Errors = p.errs["merge."+string(key)]
			m.Choice = r.PostForm.Get("merge." + string(key))
		}
		view.Sections = append(view.Sections, m)
	}
	return s.render(w, r, status, views.SettingsMergePage(view))
}

// merge puts the viewer's draft together with the current version as chosen; the result is the new draft, which goes on from the current version.
func (s *Server) merge(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return err
	}
	if p.base >= p.version() {
		return s.see(w, r, p.path(p.section), "", "")
	}
	if from := settings.Section(r.PostForm.Get("from")); slices.Contains(settings.Sections, from) {
		p.section = from
	}
	if r.PostForm.Get("theirs") != strconv.Itoa(p.version()) {
		return s.mergePage(w, r, http.StatusConflict, p) // a further save since the page was drawn
	}
	my, their := settings.Changed(p.saved, p.shown), settings.Changed(p.saved, p.current.Settings)
	merged := p.current.Settings
	for _, key := range my {
		choice := r.PostForm.Get("merge." + string(key))
		if !slices.Contains(their, key) || len(settings.Diff(p.current.Settings, p.current.Settings.Take(key, p.shown))) == 0 {
			choice = mine
		}
		switch choice {
		case mine:
			merged = merged.Take(key, p.shown)
		case theirs:
		default:
			text := "Choose yours or theirs."
			if versionFor(r, *p.current).Own {
				text = "Choose one of the two."
			}
			p.errs.Add("merge."+string(key), text)
		}
	}
	if len(p.errs) > 0 {
		var problems []ui.Problem
		for _, key := range settings.Sections {
			for _, text := range p.errs["merge."+string(key)] {
				problems = append(problems, ui.Problem{FieldID: views.BoxID("merge." + string(key)), Text: key.Label() + ": " + text})
			}
		}
		p.blocked = &views.Blocked{Title: "Nothing is merged yet", Problems: problems}
		return s.mergePage(w, r, http.StatusUnprocessableEntity, p)
	}
	draft, err := s.DB.KeepDraft(r.Context(), p.connection.ID, visitOf(r).user.ID, p.version(), merged, p.note)
	if err != nil {
		return err
	}
	if draft == nil {
		return s.see(w, r, p.path(p.section), "merged-theirs", "")
	}
	return s.see(w, r, p.path(p.section), "merged", strconv.Itoa(p.version()))
}
