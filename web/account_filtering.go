package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
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
	*settingsPage
	results  map[string]*views.FilterResult // by field path
	builders map[string]*builder            // by field path; of the boxes that are edited as rows
	away     map[string]db.DraftForm        // likewise, of those whose rows cannot be drawn while the org is not there
	whyNot   map[string]string              // by field path
	schema   soql.Schema                    // for the builders
	overlap  *views.Overlap
}

// loadFiltering starts the page with the viewer's draft, or else with what is saved.
func (s *Server) loadFiltering(r *http.Request) (*filteringPage, error) {
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return nil, err
	}
	return &filteringPage{settingsPage: p, results: map[string]*views.FilterResult{}, builders: map[string]*builder{}, away: map[string]db.DraftForm{}, whyNot: map[string]string{}}, nil
}

// read takes what was typed.
func (p *filteringPage) read(r *http.Request) error {
	if err := p.readFrame(r); err != nil {
		return err
	}
	form := r.PostForm
	text := func(path string) string { return unixLines(form.Get(path)) }
	drafted := p.shown.Accounts
	p.shown.Accounts = settings.AccountFiltering{
		Mode: settings.FilterMode(form.Get(settings.PathMode)), Single: text(settings.PathSingle),
		Customer: text(settings.PathCustomer), Prospect: text(settings.PathProspect), Partner: text(settings.PathPartner),
	}
	for _, path := range filterPaths {
		if b := readBuilder(form, path); b != nil {
			p.builders[path] = b
		} else if rows, ok := p.forms[path]; ok && form.Get(path+".view") == awayView && sameText(*filterText(&drafted, path), *p.text(path)) {
			p.away[path] = rows
		}
	}
	return nil
}

// sameText compares texts as they would be stored.
func sameText(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// readFiltering loads the page, takes what was typed, and writes the SOQL of the boxes that are edited as rows.
func (s *Server) readFiltering(r *http.Request) (*filteringPage, error) {
	p, err := s.loadFiltering(r)
	if err != nil {
		return nil, err
	}
	if err := p.read(r); err != nil {
		return nil, err
	}
	return p, s.assemble(r.Context(), p)
}

// text returns what is shown in the box of a path.
func (p *filteringPage) text(path string) *string { return filterText(&p.shown.Accounts, path) }

func filterText(a *settings.AccountFiltering, path string) *string {
	return map[string]*string{
		settings.PathSingle: &a.Single, settings.PathCustomer: &a.Customer, settings.PathProspect: &a.Prospect, settings.PathPartner: &a.Partner,
	}[path]
}

// renderFiltering draws the section.
func (s *Server) renderFiltering(w http.ResponseWriter, r *http.Request, status int, p *filteringPage) error {
	frame, err := s.settingsFrame(w, r, p.settingsPage)
	if err != nil {
		return err
	}
	view := views.AccountFiltering{Frame: frame, Mode: p.shown.Accounts.Mode, ModeErrors: p.errs[settings.PathMode], Overlap: p.overlap}
	changed := map[string]bool{}
	for _, c := range settings.Diff(p.saved, p.shown) {
		changed[c.Path] = true
	}
	for _, path := range filterPaths {
		box := views.FilterBox{
			Path: path, ID: views.BoxID(path), Label: filterLabels[path], Hint: "A SOQL condition on Account, without the word WHERE.",
			Placeholder: filterExamples[path], Value: *p.text(path), Errors: p.errs[path], Result: p.results[path], Base: p.path(p.section),
			Builder: p.builderView(path), Away: p.isAway(path), WhyNot: p.whyNot[path], Dirty: changed[path],
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
	if err := s.reopen(r.Context(), p); err != nil {
		return err
	}
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// validateFilter tries one filter against the org and shows the page with its result. Nothing is saved, but the draft is kept. The form's "fix" repairs the box first.
func (s *Server) validateFilter(w http.ResponseWriter, r *http.Request) error {
	p, err := s.readFiltering(r)
	if err != nil {
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
	if err := s.keepFiltering(r, p); err != nil {
		return err
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
		*text = repair("Account", *text, at, o.schema)
	}
	p.results[path] = o.try(r.Context(), filterOf(p.shown, path), *text, priorTo(p.shown, path))
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// saveFiltering saves all sections, from this one.
func (s *Server) saveFiltering(w http.ResponseWriter, r *http.Request) error {
	p, err := s.readFiltering(r)
	if err != nil {
		return err
	}
	p.noteRows()
	draw := func(status int) error { return s.renderFiltering(w, r, status, p) }
	if do := r.PostForm.Get("do"); leaves(do) {
		return s.leave(w, r, p.settingsPage, do, draw)
	}
	also := func(ctx context.Context, o *org) { p.tryAll(ctx, o) }
	return s.saveAll(w, r, p.settingsPage, also, draw)
}

// tryAll tries every filter in use against the org and keeps the results for the page.
func (p *filteringPage) tryAll(ctx context.Context, o *org) {
	for _, f := range p.shown.Accounts.Filters() {
		if f.SOQL == "" {
			continue
		}
		res := o.try(ctx, f, *p.text(f.Path), priorTo(p.shown, f.Path))
		p.results[f.Path] = res
		switch {
		case len(res.Problems) > 0:
			p.errs.Add(f.Path, "SOQL validation failed: "+res.Problems[0].Message)
		case res.Unanswered != "":
			p.errs.Add(f.Path, "It could not be validated. "+res.Unanswered)
		}
	}
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
