package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// saveAll stores all sections as a new version once everything in them is accepted, here and by the org. Refused, it answers with draw, or with the page
// on which two people's changes are put together. also has further problems of the page in view; it may be nil.
func (s *Server) saveAll(w http.ResponseWriter, r *http.Request, p *settingsPage, also func(context.Context, *org), draw func(status int) error) error {
	if p.base > p.version() {
		p.rebase()
		return draw(http.StatusConflict)
	}
	if p.base < p.version() && p.isSaved() {
		return s.seeSaved(w, r, p)
	}
	if err := s.keep(r, p); err != nil {
		return err
	}
	if p.base < p.version() {
		return s.mergePage(w, r, http.StatusConflict, p)
	}
	if len(p.errs) == 0 && len(p.noteErrors) == 0 && p.chatter == nil && p.current != nil && len(p.changes()) == 0 {
		return s.see(w, r, p.path(p.section), "nothing-changed", "")
	}
	if err := s.checkAll(r, p, also); err != nil {
		return err
	}
	if p.block() {
		all := settings.FieldErrors{}
		for _, found := range []settings.FieldErrors{p.errs, p.elsewhere} {
			for path, sentences := range found {
				all[path] = sentences
			}
		}
		if !p.unkept {
			if err := s.DB.NoteProblems(r.Context(), p.connection.ID, visitOf(r).user.ID, all); err != nil {
				return err
			}
		}
		return draw(http.StatusUnprocessableEntity)
	}
	return s.store(w, r, p)
}

// store saves p.shown as the version after p.base and leads back to the section.
func (s *Server) store(w http.ResponseWriter, r *http.Request, p *settingsPage) error {
	saved, changed, err := s.storeSettings(r, p)
	var conflict *db.VersionConflictError
	switch {
	case errors.As(err, &conflict):
		p.current = &conflict.Current
		if p.isSaved() {
			return s.seeSaved(w, r, p)
		}
		return s.mergePage(w, r, http.StatusConflict, p)
	case err != nil:
		return err
	case !changed && p.chatter != nil:
		return s.see(w, r, p.path(p.section), chatterFlash(*p.chatter), "")
	case !changed:
		return s.see(w, r, p.path(p.section), "nothing-changed", "")
	}
	s.NoteSchema(r.Context(), p.connection, saved.Settings)
	switch {
	case p.chatter != nil:
		return s.see(w, r, p.path(p.section), chatterFlash(*p.chatter)+"-too", strconv.Itoa(saved.Version))
	case saved.Version == 1:
		return s.see(w, r, p.path(p.section), "saved-first", "")
	}
	return s.see(w, r, p.path(p.section), "saved", strconv.Itoa(saved.Version))
}

// isSaved reports whether the current version, which is newer than the one that the page goes on from, holds all that is changed here: the form was sent twice, another tab of the same
// person saved the draft that they share, or somebody had the same thought.
func (p *settingsPage) isSaved() bool {
	if p.chatter != nil || len(p.errs) > 0 || len(p.noteErrors) > 0 || len(p.unfinished()) > 0 {
		return false
	}
	return len(settings.Diff(p.current.Settings, p.shown)) == 0 || p.holdsChanges()
}

// holdsChanges reports whether something is changed, and all of it is in the current version.
func (p *settingsPage) holdsChanges() bool {
	mine := settings.Changed(p.saved, p.shown)
	return len(mine) > 0 && !slices.ContainsFunc(mine, func(key settings.Section) bool {
		return len(settings.Diff(p.current.Settings, p.current.Settings.Take(key, p.shown))) > 0
	})
}

// seeSaved says that the current version is what was to be saved.
func (s *Server) seeSaved(w http.ResponseWriter, r *http.Request, p *settingsPage) error {
	flash := "saved-by-other"
	if by := p.current.AuthorID; by != nil && *by == visitOf(r).user.ID {
		flash = "saved"
	}
	if err := s.DB.DropDraft(r.Context(), p.connection.ID, visitOf(r).user.ID, p.turn); err != nil {
		return err
	}
	return s.see(w, r, p.path(p.section), flash, strconv.Itoa(p.current.Version))
}

// storeSettings saves the settings, and the schedule of Chatter where that was asked for too.
func (s *Server) storeSettings(r *http.Request, p *settingsPage) (db.SettingsVersion, bool, error) {
	return s.DB.SaveForm(r.Context(), p.connection.ID, db.SettingsForm{
		Base: p.base, Settings: p.shown.Normalize(), Note: p.note, Author: visitOf(r).user.ID, Turn: p.turn, Chatter: p.chatter,
	})
}

// checkAll gathers everything that is wrong with the settings of the page: what can be known here, and what only the org knows.
func (s *Server) checkAll(r *http.Request, p *settingsPage, also func(context.Context, *org)) error {
	p.elsewhere = settings.FieldErrors{}
	p.refuseUnfinished()
	found, err := s.check(r.Context(), p.connection, p.shown, also)
	p.found(found)
	return err
}

// Check returns what is wrong with settings of a connection, by field path, as Save finds it: by itself and by what the org says. Nothing is stored.
func (s *Server) Check(ctx context.Context, c db.Connection, all settings.Settings) (settings.FieldErrors, error) {
	return s.check(ctx, c, all, nil)
}

// check is Check; also may try the account filters in another way.
func (s *Server) check(ctx context.Context, c db.Connection, all settings.Settings, also func(context.Context, *org)) (settings.FieldErrors, error) {
	errs := all.Validate()
	add := func(found settings.FieldErrors) {
		for path, sentences := range found {
			errs[path] = append(errs[path], sentences...)
		}
	}
	o, err := s.openOrg(ctx, c)
	if err != nil {
		return errs, err
	}
	defer o.close()
	asking, cancel := context.WithTimeout(ctx, askLimit) // for all sections together
	defer cancel()
	if also != nil {
		also(asking, o)
	} else {
		add(o.checkFilters(asking, all))
	}
	if o.source == nil {
		return errs, nil // the filters have said why
	}
	for _, x := range sections() {
		if x.check == nil {
			continue
		}
		found, err := x.check(asking, o, all)
		if err != nil {
			if ctx.Err() != nil {
				return errs, ctx.Err()
			}
			found = settings.FieldErrors{}
			found.Add(string(x.key), "It could not be checked. "+s.unanswered(ctx, c, err))
		}
		add(found)
	}
	return errs, nil
}

// checkFilters tries the account filters in use against the org.
func (o *org) checkFilters(ctx context.Context, all settings.Settings) settings.FieldErrors {
	errs := settings.FieldErrors{}
	for _, f := range all.Accounts.Filters() {
		if f.SOQL == "" {
			continue
		}
		switch res := o.try(ctx, f, f.SOQL, priorTo(all, f.Path)); {
		case len(res.Problems) > 0:
			errs.Add(f.Path, "SOQL validation failed: "+res.Problems[0].Message)
		case res.Unanswered != "":
			errs.Add(f.Path, "It could not be validated. "+res.Unanswered)
		}
	}
	return errs
}

// found notes findings where they belong: at the section in view or elsewhere.
func (p *settingsPage) found(errs settings.FieldErrors) {
	for path, sentences := range errs {
		at := p.elsewhere
		if settings.SectionOf(path) == p.section {
			at = p.errs
		}
		for _, text := range sentences {
			if !slices.Contains(at[path], text) {
				at.Add(path, text)
			}
		}
	}
}

// labels names the settings by their field paths.
func (p *settingsPage) labels() map[string]string {
	out := map[string]string{}
	for _, c := range settings.Diff(settings.Settings{}, p.shown) {
		out[c.Path] = c.Label
	}
	for _, more := range []map[string]string{filterLabels, customObjectLabels(p.shown.CustomObjects)} {
		maps.Copy(out, more)
	}
	return out
}

// block gathers why the settings cannot be saved, and reports whether there is a reason.
func (p *settingsPage) block() bool {
	var problems []ui.Problem
	title := "The settings were not saved"
	labels := p.labels()
	for _, found := range []settings.FieldErrors{p.errs, p.elsewhere} {
		for _, path := range sortedPaths(found) {
			label := labels[path]
			key := settings.SectionOf(path)
			problem := ui.Problem{FieldID: views.BoxID(path)}
			if key != "" && key != p.section { // the note is on every page
				problem.Href = p.path(key) + "#" + problem.FieldID
				label = strings.TrimSuffix(key.Label()+": "+label, ": ")
			}
			for _, text := range found[path] {
				if rest, ok := strings.CutPrefix(text, "SOQL validation failed: "); ok {
					title, text = "SOQL validation failed", rest
					if key == p.section { // the field says what; this leads there
						text = "its SOQL is not valid"
					}
				}
				problem.Text = strings.TrimPrefix(label+": "+text, ": ")
				problems = append(problems, problem)
			}
		}
	}
	for _, text := range p.noteErrors {
		problems = append(problems, ui.Problem{FieldID: "note", Text: text})
	}
	if len(problems) == 0 {
		return false
	}
	p.blocked = &views.Blocked{Title: title + ": nothing was saved, and nothing that you typed is lost", Problems: problems}
	return true
}

// sortedPaths lists the paths of findings in the order of the screens.
func sortedPaths(errs settings.FieldErrors) []string {
	var out []string
	for path := range errs {
		out = append(out, path)
	}
	place := func(path string) int { return slices.Index(settings.Sections, settings.SectionOf(path)) }
	slices.SortFunc(out, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		if i, j := slices.Index(filterPaths, a), slices.Index(filterPaths, b); i != j {
			return i - j
		}
		return byPlace(a, b)
	})
	return out
}

// byPlace compares field paths part by part: numbers by their size, so that the tenth comes after the second.
func byPlace(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	return slices.CompareFunc(as, bs, func(a, b string) int {
		i, errA := strconv.Atoi(a)
		j, errB := strconv.Atoi(b)
		if errA == nil && errB == nil {
			return i - j
		}
		return strings.Compare(a, b)
	})
}

// rebase goes on from the current version with a form that was opened on a version that there is none of, as after a backup was restored. Nobody else
// saved anything, so nothing is compared.
func (p *settingsPage) rebase() {
	now := "there is no version yet"
	if p.base = p.version(); p.base > 0 {
		now = "v" + strconv.Itoa(p.base) + " is the current one"
	}
	p.blocked = &views.Blocked{
		Title:    "This page was out of date: nothing was saved, and nothing that you typed is lost",
		Problems: []ui.Problem{{Text: "It was opened on a version of the settings that does not exist here; " + now + ". Look through what you typed below, then save again."}},
	}
}
