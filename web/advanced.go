package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// sizeResult is where the section keeps its estimate.
const sizeResult = "size"

// advancedSection trims and extends the fields that are read.
func advancedSection() section {
	return section{key: settings.SectionAdvanced, read: readAdvanced, act: actAdvanced, draw: drawAdvanced, check: checkAdvanced, beside: besideAdvanced}
}

func readAdvanced(p *settingsPage, form url.Values) {
	a := settings.Advanced{
		AccountAllowlist: readMany(form, settings.PathAccountAllowlist), OpportunityAllowlist: readMany(form, settings.PathOpportunityAllowlist),
		ExcludedContact: form[settings.PathExcludedContact],
	}
	for i := 0; ; i++ {
		field, name := settings.PathContactField(i)+settings.PartField, settings.PathContactField(i)+settings.PartName
		if !form.Has(field) && !form.Has(name) {
			break
		}
		a.ContactFields = append(a.ContactFields, settings.FieldMapping{Field: strings.TrimSpace(form.Get(field)), Name: strings.TrimSpace(form.Get(name))})
	}
	p.shown.Advanced = a
}

// actAdvanced adds and removes rows of further Contact fields, and estimates the size of a full sync.
func actAdvanced(s *Server, r *http.Request, p *settingsPage, do string) error {
	rows := &p.shown.Advanced.ContactFields
	if at, ok := strings.CutPrefix(do, "row:remove:"); ok {
		i, err := strconv.Atoi(at)
		if err != nil || i < 0 || i >= len(*rows) {
			return badForm(errors.New("no such row: " + strconv.Quote(at)))
		}
		*rows = slices.Delete(*rows, i, i+1)
		return nil
	}
	switch do {
	case "row:add":
		*rows = append(*rows, settings.FieldMapping{})
		return nil
	case "estimate":
		o, err := s.openOrg(r.Context(), p.connection)
		if err != nil {
			return err
		}
		defer o.close()
		p.results[sizeResult] = s.estimate(r.Context(), o, p.shown)
		return nil
	}
	return badForm(errors.New("no such button: " + strconv.Quote(do)))
}

// estimate measures a sample of what a full sync reads, or says why there is no answer.
func (s *Server) estimate(ctx context.Context, o *org, all settings.Settings) *views.SizeResult {
	out := &views.SizeResult{Unanswered: o.why}
	if o.source == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if out.Unanswered = o.filtersReady(all); out.Unanswered != "" {
		return out
	}
	found, err := pipeline.EstimateSizes(ctx, o.source, all, o.schema)
	if err != nil {
		out.Unanswered = s.unanswered(ctx, o.connection, err)
		return out
	}
	out.Estimate = &found
	return out
}

func drawAdvanced(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known := s.catalog(r.Context(), p.connection)
	a := p.shown.Advanced
	view := views.Advanced{Frame: frame}
	view.AccountTrim, view.OpportunityTrim = pipeline.TrimOf(p.shown)
	for _, list := range []struct {
		to           *ui.ManyPicker
		path, object string
		chosen       []string
	}{
		{&view.Accounts, settings.PathAccountAllowlist, "Account", a.AccountAllowlist},
		{&view.Opportunities, settings.PathOpportunityAllowlist, "Opportunity", a.OpportunityAllowlist},
	} {
		m := known.many(list.path, list.object, forAllowlist, list.chosen, r.PostForm)
		m.Label, m.Errors = "Only these "+list.object+" fields", p.errs[list.path]
		m.Empty = "No list: nothing is left out."
		*list.to = m
	}
	contact, _ := known.object("Contact")
	for i, m := range a.ContactFields {
		path := settings.PathContactField(i)
		pick := known.one(path+settings.PartField, "Contact", forAdditional, m.Field)
		pick.Label, pick.Errors, pick.Required = "Contact field", p.errs[path+settings.PartField], true
		name := ui.Field{ID: views.BoxID(path + settings.PartName), Name: path + settings.PartName, Label: "Kept as", Value: m.Name, Errors: p.errs[path+settings.PartName],
			Placeholder: m.As(), MaxLength: 255, Autocomplete: "off", Mono: true}
		row := views.MappingRow{Field: pick, Name: name, Title: m.Field}
		if contact != nil {
			if f := contact.Field(m.Field); f != nil {
				row.Title = f.Label
			}
		}
		view.Rows = append(view.Rows, row)
	}
	view.RowsErrors, view.Doctor = p.errs[settings.PathContactFields], doctorPath(p.connection, "Contact")
	for _, name := range settings.Excludable() {
		view.Excludable = append(view.Excludable, views.Exclusion{
			Field: name, Label: contactLabels[name], Lost: contactLosses[name],
			Off: slices.ContainsFunc(a.ExcludedContact, func(e string) bool { return strings.EqualFold(e, name) }),
		})
	}
	view.ExcludedErrors = p.errs[settings.PathExcludedContact]
	view.Size, _ = p.results[sizeResult].(*views.SizeResult)
	return views.AdvancedPage(view), nil
}

// besideAdvanced draws anew what the allowlists do.
func besideAdvanced(_ *Server, _ *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	view := views.Advanced{Frame: frame}
	view.AccountTrim, view.OpportunityTrim = pipeline.TrimOf(p.shown)
	return views.AdvancedKept(view), nil
}

// contactLabels and contactLosses name the Contact fields that can be excluded, and what is lost with each.
var contactLabels = map[string]string{"FirstName": "First Name", "Phone": "Business Phone", "Title": "Title", "Department": "Department"}

var contactLosses = map[string]string{
	"FirstName":  "People are then known by their last name only.",
	"Phone":      "No phone number is kept.",
	"Title":      "A person's role is not known, such as VP Sales.",
	"Department": "The department is not known.",
}

// checkAdvanced finds listed fields that the org does not have, does not show, or that cannot be synced.
func checkAdvanced(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	errs := settings.FieldErrors{}
	a := all.Advanced
	check := func(object, path string, names []string, fit pipeline.Fit) error {
		if len(names) == 0 {
			return nil
		}
		described, err := o.client.Describe(ctx, object)
		if err == nil {
			checkFields(errs, path, described, names, fit)
		}
		return err
	}
	if err := check("Account", settings.PathAccountAllowlist, a.AccountAllowlist, pipeline.Syncable); err != nil {
		return nil, err
	}
	if err := check("Opportunity", settings.PathOpportunityAllowlist, a.OpportunityAllowlist, pipeline.Syncable); err != nil {
		return nil, err
	}
	for i, m := range a.ContactFields {
		if err := check("Contact", settings.PathContactField(i)+settings.PartField, []string{m.Field}, pipeline.Additional("Contact")); err != nil {
			return nil, err
		}
	}
	return errs, nil
}
