package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// filterPaths lists the filter boxes in the order of the page.
var filterPaths = []string{settings.PathSingle, settings.PathCustomer, settings.PathProspect, settings.PathPartner}

var filterLabels = map[string]string{
	settings.PathSingle: "Account filter", settings.PathCustomer: "Customer filter", settings.PathProspect: "Prospect filter", settings.PathPartner: "Partner filter",
}

// filterExamples stand in the empty boxes.
var filterExamples = map[string]string{
	settings.PathSingle: "Type = 'Customer' AND ARR__c > 0", settings.PathCustomer: "Type = 'Customer' AND ARR__c > 0",
	settings.PathProspect: "Type = 'Prospect'", settings.PathPartner: "Type LIKE '%Partner%'",
}

// filteringPage is what the section shows, for GET and for every refused POST.
type filteringPage struct {
	connection db.Connection
	current    *db.SettingsVersion // nil before the first save
	shown      settings.Settings   // as saved, or as typed
	base       int
	note       string
	errs       settings.FieldErrors
	results    map[string]*views.FilterResult // by field path
	blocked    *views.Blocked
	conflict   *views.Conflict
	noteErrors []string
	builders   map[string]*builder // by field path; of the boxes that are edited as rows
	whyNot     map[string]string   // by field path
	schema     soql.Schema         // for the builders
	overlap    *views.Overlap
}

// loadFiltering starts the page with what is saved.
func (s *Server) loadFiltering(r *http.Request) (*filteringPage, error) {
	c, err := s.connection(r)
	if err != nil {
		return nil, err
	}
	p := &filteringPage{connection: c, shown: settings.Defaults(), errs: settings.FieldErrors{}, results: map[string]*views.FilterResult{}, builders: map[string]*builder{}, whyNot: map[string]string{}}
	if p.current, err = s.DB.CurrentSettings(r.Context(), c.ID); err != nil {
		return nil, err
	}
	if p.current != nil {
		p.shown, p.base = p.current.Settings, p.current.Version
	}
	return p, nil
}

// read takes what was typed.
func (p *filteringPage) read(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	form := r.PostForm
	base, err := strconv.Atoi(form.Get("base"))
	if err != nil || base < 0 {
		return badForm(err)
	}
	p.base = base
	text := func(path string) string { return unixLines(form.Get(path)) }
	p.shown.Accounts = settings.AccountFiltering{
		Mode: settings.FilterMode(form.Get(settings.PathMode)), Single: text(settings.PathSingle),
		Customer: text(settings.PathCustomer), Prospect: text(settings.PathProspect), Partner: text(settings.PathPartner),
	}
	for _, path := range filterPaths {
		if b := readBuilder(form, path); b != nil {
			p.builders[path] = b
		}
	}
	var problem string
	if p.note, problem = readNote(r); problem != "" {
		p.noteErrors = []string{problem}
	}
	return nil
}

// text returns what is shown in the box of a path.
func (p *filteringPage) text(path string) *string {
	a := &p.shown.Accounts
	return map[string]*string{
		settings.PathSingle: &a.Single, settings.PathCustomer: &a.Customer, settings.PathProspect: &a.Prospect, settings.PathPartner: &a.Partner,
	}[path]
}

// renderFiltering draws the section.
func (s *Server) renderFiltering(w http.ResponseWriter, r *http.Request, status int, p *filteringPage) error {
	frame, err := s.settingsFrame(w, r, p.connection, "Account Filtering", "account-filtering", p.current)
	if err != nil {
		return err
	}
	view := views.AccountFiltering{
		Frame: frame, Mode: p.shown.Accounts.Mode, ModeErrors: p.errs[settings.PathMode], Note: p.note, NoteErrors: p.noteErrors, Base: p.base,
		Blocked: p.blocked, Conflict: p.conflict, Offline: offline(p.connection), Overlap: p.overlap,
	}
	if p.blocked != nil {
		view.Frame.State = views.SectionProblems
	}
	saved := settings.Defaults()
	if p.current != nil {
		saved = p.current.Settings
	}
	changed := map[string]bool{}
	for _, c := range settings.Diff(saved, p.shown) {
		changed[c.Path] = true
	}
	view.Changes, view.Dirty = len(changed), changed[settings.PathMode]
	for _, path := range filterPaths {
		box := views.FilterBox{
			Path: path, ID: views.BoxID(path), Label: filterLabels[path], Hint: "A SOQL condition on Account, without the word WHERE.",
			Placeholder: filterExamples[path], Value: *p.text(path), Errors: p.errs[path], Result: p.results[path], Base: orgPath(p.connection.ID, "/settings/account-filtering"),
			Builder: p.builderView(path), WhyNot: p.whyNot[path], Dirty: changed[path],
		}
		if path == settings.PathSingle {
			view.Single = box
		} else {
			view.Typed = append(view.Typed, box)
		}
	}
	return s.render(w, r, status, views.AccountFilteringPage(view))
}

func (s *Server) filteringForm(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadFiltering(r)
	if err != nil {
		return err
	}
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// validateFilter tries one filter against the org and shows the page with its result. Nothing is saved. The form's "fix" repairs the box first.
func (s *Server) validateFilter(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadFiltering(r)
	if err != nil {
		return err
	}
	if err := p.read(r); err != nil {
		return err
	}
	if err := s.assemble(r.Context(), p); err != nil {
		return err
	}
	path := r.PostForm.Get("validate")
	at := -1
	if fix := r.PostForm.Get("fix"); fix != "" { // such as accounts.single:12
		var start string
		path, start, _ = strings.Cut(fix, ":")
		if at, err = strconv.Atoi(start); err != nil {
			return badForm(err)
		}
	}
	text := p.text(path)
	if text == nil {
		return badForm(errors.New("no such filter: " + strconv.Quote(path)))
	}
	if b := p.builders[path]; b != nil && len(b.problems) > 0 {
		p.results[path] = &views.FilterResult{Problems: []views.FilterProblem{{Message: "Complete the rows, or remove them: " + b.problems[0].Message}}}
		return s.renderFiltering(w, r, http.StatusOK, p)
	}
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	if at >= 0 {
		*text = repair(*text, at, o.schema)
	}
	p.results[path] = o.try(r.Context(), filterOf(p.shown, path), *text, priorTo(p.shown, path))
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// saveFiltering stores a new version, once every filter in use has been accepted by the org.
func (s *Server) saveFiltering(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadFiltering(r)
	if err != nil {
		return err
	}
	if err := p.read(r); err != nil {
		return err
	}
	if err := s.assemble(r.Context(), p); err != nil {
		return err
	}
	p.incomplete()
	here := orgPath(p.connection.ID, "/settings/account-filtering")
	if len(p.errs) == 0 && p.current != nil && p.base == p.current.Version && len(p.noteErrors) == 0 && len(settings.Diff(p.current.Settings, p.shown)) == 0 {
		return s.see(w, r, here, "nothing-changed", "")
	}
	for path, found := range p.shown.Validate() {
		p.errs[path] = append(p.errs[path], found...)
	}
	if err := s.tryAll(r, p); err != nil {
		return err
	}
	if p.block() {
		return s.renderFiltering(w, r, http.StatusUnprocessableEntity, p)
	}
	saved, changed, err := s.DB.SaveSettings(r.Context(), p.connection.ID, p.base, p.shown.Normalize(), p.note, visitOf(r).user.ID)
	var conflict *db.VersionConflictError
	if errors.As(err, &conflict) {
		if err := s.setConflict(r, p, conflict.Current); err != nil {
			return err
		}
		return s.renderFiltering(w, r, http.StatusConflict, p)
	}
	switch {
	case err != nil:
		return err
	case !changed:
		return s.see(w, r, here, "nothing-changed", "")
	case saved.Version == 1:
		return s.see(w, r, here, "saved-first", "")
	}
	return s.see(w, r, here, "saved", strconv.Itoa(saved.Version))
}

// tryAll tries every filter in use against the org.
func (s *Server) tryAll(r *http.Request, p *filteringPage) error {
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	for _, f := range p.shown.Accounts.Filters() {
		if f.SOQL != "" {
			p.results[f.Path] = o.try(r.Context(), f, *p.text(f.Path), priorTo(p.shown, f.Path))
		}
	}
	return nil
}

// block gathers why the settings cannot be saved, and reports whether there is a reason.
func (p *filteringPage) block() bool {
	var problems []ui.Problem
	title := "The settings were not saved"
	for _, text := range p.errs[settings.PathMode] {
		problems = append(problems, ui.Problem{FieldID: views.BoxID(settings.PathMode), Text: text})
	}
	for _, path := range filterPaths {
		for _, text := range p.errs[path] {
			problems = append(problems, ui.Problem{FieldID: views.BoxID(path), Text: filterLabels[path] + ": " + text})
		}
		res := p.results[path]
		switch {
		case res == nil:
		case len(res.Problems) > 0:
			title = "SOQL validation failed"
			p.errs.Add(path, "SOQL validation failed: "+res.Problems[0].Message)
			problems = append(problems, ui.Problem{FieldID: views.BoxID(path), Text: filterLabels[path] + ": " + res.Problems[0].Message})
		case res.Unanswered != "":
			problems = append(problems, ui.Problem{FieldID: views.BoxID(path), Text: filterLabels[path] + ": it could not be validated. " + res.Unanswered})
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

// setConflict shows what somebody else saved since the form was opened. The form goes on from theirs, so that saving again is a decision.
func (s *Server) setConflict(r *http.Request, p *filteringPage, theirs db.SettingsVersion) error {
	if p.base > theirs.Version {
		p.rebase(theirs)
		return nil
	}
	before := settings.Defaults()
	if p.base > 0 {
		v, err := s.DB.SettingsVersionAt(r.Context(), p.connection.ID, p.base)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if err == nil {
			before = v.Settings
		}
	}
	p.conflict = &views.Conflict{Version: versionLabel(theirs), Changes: settings.Diff(before, theirs.Settings)}
	p.current, p.base = &theirs, theirs.Version
	return nil
}

// filterOf is the filter of a box, whether its mode is chosen or not.
func filterOf(all settings.Settings, path string) settings.Filter {
	a := all.Accounts
	a.Mode = settings.SingleFilter
	if path != settings.PathSingle {
		a.Mode = settings.TypedFilters
	}
	filters := a.Filters()
	if i := slices.IndexFunc(filters, func(f settings.Filter) bool { return f.Path == path }); i >= 0 {
		return filters[i]
	}
	return settings.Filter{Path: path, Type: settings.Customer}
}

// priorTo lists the filters that are tried before the one of path.
func priorTo(all settings.Settings, path string) []settings.Filter {
	if path == settings.PathSingle {
		return nil
	}
	a := all.Accounts
	a.Mode = settings.TypedFilters
	filters := a.Filters()
	i := slices.IndexFunc(filters, func(f settings.Filter) bool { return f.Path == path })
	return filters[:max(i, 0)]
}
