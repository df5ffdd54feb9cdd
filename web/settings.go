package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// section is one page of the settings besides Account Filtering, which has handlers of its own. Its form posts to the section's own address; the
// value of "do" says which button was pressed: nothing or "save" for Save, "keep" for keeping the draft, a button of a PickMany shows the page again with what
// readMany made of it, anything else is the section's own.
type section struct {
	key settings.Section
	// read takes what was typed into p.shown; what cannot be read as a setting at all is noted in p.errs.
	read func(p *settingsPage, form url.Values)
	// act carries out a button of the section's own, such as Validate; nil where there is none. What it finds goes into p.results.
	act func(s *Server, r *http.Request, p *settingsPage, do string) error
	// draw shows the section with what p holds. The org is asked for nothing that its cached describes do not know.
	draw func(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error)
	// check returns what only the org knows to be wrong with the section's settings; nil where there is nothing to check.
	check func(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error)
	// beside draws what else of the page follows from what is typed, each part with an id; it takes the place of the old parts when a draft was kept. It may
	// be nil.
	beside func(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error)
}

// sections lists the sections that are served through their table entry.
func sections() []section {
	return []section{fieldsSection(), ownerMappingSection(), valuesSection(), customObjectsSection(), casesSection(), chatterSection(), advancedSection()}
}

// settingsPage is what a section shows, for GET and for every POST: the settings as saved and as they are being changed.
type settingsPage struct {
	connection db.Connection
	section    settings.Section
	current    *db.SettingsVersion // nil before the first save
	saved      settings.Settings   // the version that the page goes on from
	shown      settings.Settings   // as saved, or as typed
	base       int
	note       string
	noteErrors []string
	errs       settings.FieldErrors
	elsewhere  settings.FieldErrors // of other sections, from the last refused save
	blocked    *views.Blocked
	keptAt     time.Time                  // of the draft; zero without one
	forms      map[string]db.DraftForm    // the boxes that are edited as rows, by field path
	results    map[string]any             // what a section's own buttons found, by field path
	unkept     bool                       // the draft does not hold what was typed
	chatter    *settings.ChatterFrequency // saved together with the settings; nil when only these are saved
}

// loadSettings starts a section's page with the viewer's draft, or else with what is saved.
func (s *Server) loadSettings(r *http.Request, key settings.Section) (*settingsPage, error) {
	c, err := s.connection(r)
	if err != nil {
		return nil, err
	}
	p := &settingsPage{connection: c, section: key, saved: settings.Defaults(), errs: settings.FieldErrors{}, elsewhere: settings.FieldErrors{}, results: map[string]any{}}
	if p.current, err = s.DB.CurrentSettings(r.Context(), c.ID); err != nil {
		return nil, err
	}
	if p.current != nil {
		p.saved, p.base = p.current.Settings, p.current.Version
	}
	p.shown = p.saved
	draft, err := s.DB.Draft(r.Context(), c.ID, visitOf(r).user.ID)
	if err != nil || draft == nil {
		return p, err
	}
	return p, s.showDraft(r, p, draft)
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
	if len(settings.Diff(p.saved, p.shown)) == 0 {
		p.goOn()
	}
	return nil
}

// goOn takes a draft that changes no setting of its version to the current one. Rows of boxes that somebody has changed since are let go.
func (p *settingsPage) goOn() {
	for _, c := range settings.Diff(p.saved, p.current.Settings) {
		delete(p.forms, c.Path)
	}
	p.base, p.saved, p.shown = p.current.Version, p.current.Settings, p.current.Settings
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

// readFrame takes what every section's form holds: the version it was opened on and the note.
func (p *settingsPage) readFrame(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	base, err := strconv.Atoi(r.PostForm.Get("base"))
	if err != nil || base < 0 {
		return badForm(err)
	}
	p.base = base
	var problem string
	if p.note, problem = readNote(r); problem != "" {
		p.noteErrors = []string{problem}
	}
	p.errs = settings.FieldErrors{} // what was said of an earlier text
	return nil
}

// version is the number of the current version; 0 before the first save.
func (p *settingsPage) version() int {
	if p.current == nil {
		return 0
	}
	return p.current.Version
}

// path is the address of a section of the page's connection.
func (p *settingsPage) path(key settings.Section) string {
	return orgPath(p.connection.ID, "/settings/"+string(key))
}

// keep stores the section, as typed, in the viewer's draft. Where the form was opened on a version that there is none of, nothing is kept.
func (s *Server) keep(r *http.Request, p *settingsPage) error {
	if p.unkept = p.base > p.version() || len(p.noteErrors) > 0; p.unkept {
		return nil
	}
	draft, err := s.DB.KeepSection(r.Context(), p.connection.ID, visitOf(r).user.ID, p.base, p.section, p.shown, p.note, p.forms)
	var unfit *db.SettingsTextError
	switch {
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
	p.elsewhere = settings.FieldErrors{}
	if err := s.showDraft(r, p, draft); err != nil {
		return err
	}
	p.errs = own
	return nil
}

// settingsStart leads to the first section.
func (s *Server) settingsStart(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/settings/"+string(settings.SectionFiltering)), "", "")
}

// sectionOf returns the section that the path names.
func sectionOf(r *http.Request) (section, error) {
	key := settings.Section(r.PathValue("section"))
	all := sections()
	if i := slices.IndexFunc(all, func(x section) bool { return x.key == key }); i >= 0 {
		return all[i], nil
	}
	return section{}, notFound()
}

func (s *Server) sectionForm(w http.ResponseWriter, r *http.Request) error {
	x, err := sectionOf(r)
	if err != nil {
		return err
	}
	p, err := s.loadSettings(r, x.key)
	if err != nil {
		return err
	}
	return s.drawSection(w, r, http.StatusOK, x, p)
}

// drawSection answers with the section's page.
func (s *Server) drawSection(w http.ResponseWriter, r *http.Request, status int, x section, p *settingsPage) error {
	frame, err := s.settingsFrame(w, r, p)
	if err != nil {
		return err
	}
	page, err := x.draw(s, r, p, frame)
	if err != nil {
		return err
	}
	return s.render(w, r, status, page)
}

// postSection carries out whichever button of a section was pressed.
func (s *Server) postSection(w http.ResponseWriter, r *http.Request) error {
	x, err := sectionOf(r)
	if err != nil {
		return err
	}
	p, err := s.readSection(r, x)
	if err != nil {
		return err
	}
	draw := func(status int) error { return s.drawSection(w, r, status, x, p) }
	switch do := r.PostForm.Get("do"); {
	case picks(r.PostForm):
		if err := s.keep(r, p); err != nil {
			return err
		}
		return draw(http.StatusOK)
	case do == "" || do == "save":
		return s.saveAll(w, r, p, nil, draw)
	case leaves(do):
		return s.leave(w, r, p, do, draw)
	case x.act == nil:
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	default:
		if err := x.act(s, r, p, do); err != nil {
			return err
		}
		if err := s.keep(r, p); err != nil {
			return err
		}
		return draw(http.StatusOK)
	}
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

func (s *Server) readSection(r *http.Request, x section) (*settingsPage, error) {
	p, err := s.loadSettings(r, x.key)
	if err != nil {
		return nil, err
	}
	if err := p.readFrame(r); err != nil {
		return nil, err
	}
	x.read(p, r.PostForm)
	return p, nil
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
	if err := s.DB.DropDraft(r.Context(), c.ID, visitOf(r).user.ID); err != nil {
		return err
	}
	key := settings.Section(r.PathValue("section"))
	if !slices.Contains(settings.Sections, key) {
		return notFound()
	}
	return s.see(w, r, orgPath(c.ID, "/settings/"+string(key)), "draft-discarded", "")
}

// saveAll stores all sections as a new version once everything in them is accepted, here and by the org. Refused, it answers with draw, or with the page
// on which two people's changes are put together. also has further problems of the page in view; it may be nil.
func (s *Server) saveAll(w http.ResponseWriter, r *http.Request, p *settingsPage, also func(context.Context, *org), draw func(status int) error) error {
	if p.base > p.version() {
		p.rebase()
		return draw(http.StatusConflict)
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

// storeSettings saves the settings, and the schedule of Chatter where that was asked for too.
func (s *Server) storeSettings(r *http.Request, p *settingsPage) (db.SettingsVersion, bool, error) {
	by := visitOf(r).user.ID
	if p.chatter != nil {
		return s.DB.SaveSettingsAndChatter(r.Context(), p.connection.ID, p.base, p.shown.Normalize(), p.note, by, *p.chatter)
	}
	return s.DB.SaveSettings(r.Context(), p.connection.ID, p.base, p.shown.Normalize(), p.note, by)
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
		if settings.SectionOf(path) == p.section || path == string(p.section) {
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
			if key == "" {
				key = settings.Section(path)
			}
			problem := ui.Problem{FieldID: views.BoxID(path)}
			if key != p.section {
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
	place := func(path string) int {
		key := settings.SectionOf(path)
		if key == "" {
			key = settings.Section(path)
		}
		return slices.Index(settings.Sections, key)
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		if i, j := slices.Index(filterPaths, a), slices.Index(filterPaths, b); i != j {
			return i - j
		}
		return strings.Compare(a, b)
	})
	return out
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

// settingsFrame fills what every section shows: the version in the header, the sections' states, the banner and the bar to save with.
func (s *Server) settingsFrame(w http.ResponseWriter, r *http.Request, p *settingsPage) (views.SettingsFrame, error) {
	shell, err := s.shell(w, r, p.section.Label(), "settings")
	if err != nil {
		return views.SettingsFrame{}, err
	}
	banner, err := s.bannerView(r, p.connection)
	if err != nil {
		return views.SettingsFrame{}, err
	}
	frame := views.SettingsFrame{
		Shell: shell, OrgName: ConnectionName(p.connection), Current: p.section, Banner: banner, BasePath: orgPath(p.connection.ID, "/settings"),
		Sections: sectionItems(p), Bar: saveBar(p), Blocked: p.blocked, Offline: offline(p.connection),
	}
	// A page whose fields refused their text answers a POST; its own address is the section's.
	frame.Shell.Path = p.path(p.section)
	if p.current != nil {
		label := versionLabel(*p.current)
		frame.Version = &label
		frame.Outdated = p.base < p.current.Version
	}
	frame.Drift, err = s.drift(r.Context(), p.connection, p.current)
	return frame, err
}

// sectionItems says of each section how far it is.
func sectionItems(p *settingsPage) []views.SectionItem {
	unsaved, chosen := p.changes(), settings.Changed(settings.Defaults(), p.shown)
	problems := map[settings.Section]bool{}
	for _, found := range []settings.FieldErrors{p.errs, p.elsewhere} {
		for path := range found {
			key := settings.SectionOf(path)
			if key == "" {
				key = settings.Section(path)
			}
			problems[key] = true
		}
	}
	var out []views.SectionItem
	for _, key := range settings.Sections {
		item := views.SectionItem{Key: key, Unsaved: slices.ContainsFunc(unsaved, func(c settings.Change) bool { return c.Section == key }), State: views.SectionDefault}
		switch {
		case problems[key] || key == p.section && p.blocked != nil && len(p.errs) > 0:
			item.State = views.SectionProblems
		case key == settings.SectionFiltering && !slices.Contains(chosen, key):
			item.State = views.SectionRequired
		case key == settings.SectionFiltering && p.current == nil:
			item.State = views.SectionRequired
		case key == settings.SectionCases && !p.shown.Cases.Enabled, key == settings.SectionChatter && !p.shown.Chatter.Enabled:
			item.State = views.SectionOff
		case slices.Contains(chosen, key):
			item.State = views.SectionConfigured
		case key == settings.SectionValue, key == settings.SectionCustomObjects:
			item.State = views.SectionNotSetUp
		}
		out = append(out, item)
	}
	return out
}

func saveBar(p *settingsPage) views.SaveBar {
	return views.SaveBar{Base: p.base, Note: p.note, NoteErrors: p.noteErrors, Changes: p.changes(), Section: p.section, KeptAt: p.keptAt}
}

func versionLabel(v db.SettingsVersion) views.VersionLabel {
	return views.VersionLabel{Version: v.Version, At: v.CreatedAt, By: v.AuthorName, Note: v.Note}
}

// readNote reads the note of a version: one line of at most 200 characters.
func readNote(r *http.Request) (note string, problem string) {
	note = strings.Join(strings.Fields(r.PostForm.Get("note")), " ")
	if n := len([]rune(note)); n > 200 {
		return note, "The note has " + strconv.Itoa(n) + " characters; 200 is the most."
	}
	if !storable(note) {
		return note, badText
	}
	return note, ""
}
