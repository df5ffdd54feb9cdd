package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// ownersResult is where the section keeps its preview.
const ownersResult = "owners"

// ownerMappingSection says which Account field holds each of the people who look after an account.
func ownerMappingSection() section {
	return section{
		key:  settings.SectionOwners,
		read: readOwners,
		act:  actOwners,
		draw: drawOwners,
		check: func(_ context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
			return ownerProblems(all.Owners, o.schema)
		},
	}
}

func readOwners(p *settingsPage, form url.Values) {
	for _, t := range settings.OwnerTypes {
		*p.shown.Owners.Field(t) = strings.TrimSpace(form.Get(settings.PathOwner(t)))
	}
	if p.shown.Owners.AccountOwner == "" {
		p.errs.Add(settings.PathOwner(settings.AccountOwner), "Choose a field: every account has an owner. Salesforce's own is OwnerId.")
	}
}

// ownerProblems says which of the chosen fields cannot hold an owner, and why.
func ownerProblems(owners settings.OwnerMapping, schema soql.Schema) (settings.FieldErrors, error) {
	errs := settings.FieldErrors{}
	for _, t := range settings.OwnerTypes {
		name := *owners.Field(t)
		if name == "" {
			continue
		}
		_, f, problem := soql.FieldAt(name, "Account", schema)
		if problem == "" {
			if why := pipeline.UserReference(f); why != "" {
				problem = f.Label + " (" + f.Name + ") cannot hold an owner. " + why + "."
			}
		}
		if problem != "" {
			errs.Add(settings.PathOwner(t), problem)
		}
	}
	return errs, salesforce.SchemaErr(schema)
}

// actOwners carries out Preview and the buttons that take a suggested field.
func actOwners(s *Server, r *http.Request, p *settingsPage, do string) error {
	if which, ok := strings.CutPrefix(do, "use:"); ok {
		return useSuggested(s, r, p, which)
	}
	if do != "preview" {
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	}
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	preview, err := s.previewOwners(r.Context(), o, p)
	p.results[ownersResult] = preview
	return err
}

// useSuggested chooses the usual field of an owner type, or those of all that have none.
func useSuggested(s *Server, r *http.Request, p *settingsPage, which string) error {
	account, _ := s.catalog(r.Context(), p.connection).object("Account")
	used := false
	for _, t := range settings.OwnerTypes {
		if which != "all" && which != settings.PathOwner(t) {
			continue
		}
		used = true
		if name := suggestedOwner(account, t, p.shown.Owners); name != "" {
			*p.shown.Owners.Field(t) = name
			delete(p.errs, settings.PathOwner(t))
		}
	}
	if !used {
		return badForm(errors.New("no such owner: " + strconv.Quote(which)))
	}
	return nil
}

// suggestedOwner returns the field that usually holds an owner, where the org has it and none is chosen.
func suggestedOwner(account *salesforce.Describe, t settings.OwnerType, chosen settings.OwnerMapping) string {
	if account == nil || *chosen.Field(t) != "" {
		return ""
	}
	f := account.Field(t.Suggested())
	if f == nil || pipeline.UserReference(f.Field) != "" {
		return ""
	}
	return f.Name
}

// previewOwners asks the org for the people of a few accounts, or says why there is no answer.
func (s *Server) previewOwners(ctx context.Context, o *org, p *settingsPage) (*views.OwnersResult, error) {
	out := &views.OwnersResult{Unanswered: o.why}
	if o.source == nil {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if out.Unanswered = o.filtersReady(p.shown); out.Unanswered != "" {
		return out, nil
	}
	wrong, err := ownerProblems(p.shown.Owners, o.schema)
	if err == nil && len(wrong) > 0 {
		p.found(wrong)
		out.Unanswered = "One of the chosen fields cannot hold an owner. It is marked above."
		return out, nil
	}
	var found pipeline.OwnersPreview
	if err == nil {
		found, err = pipeline.PreviewOwners(ctx, o.source, p.shown, o.schema)
	}
	if err != nil {
		out.Unanswered = s.unanswered(ctx, o.connection, err)
		return out, nil
	}
	out.Preview = &found
	for _, a := range found.Accounts {
		out.Hrefs = append(out.Hrefs, recordURL(o.connection, a.ID))
	}
	return out, nil
}

// filtersReady says why the account filters of the settings cannot be used for a preview, or "" when they can.
func (o *org) filtersReady(all settings.Settings) string {
	filters := all.Accounts.Filters()
	ready := 0
	for _, f := range filters {
		if f.SOQL == "" {
			continue
		}
		ready++
		if soql.Refused(pipeline.CheckFilter(f.SOQL, o.schema)) {
			return "An account filter is not valid, so it is not known which accounts to show. Correct it under Account Filtering."
		}
	}
	if ready == 0 {
		return "No account filter is set yet, so no account is synced. Set one under Account Filtering first."
	}
	return ""
}

func drawOwners(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known := s.catalog(r.Context(), p.connection)
	account, _ := known.object("Account")
	view := views.OwnerMapping{Frame: frame}
	for _, t := range settings.OwnerTypes {
		path := settings.PathOwner(t)
		pick := known.one(path, "Account", forOwner, *p.shown.Owners.Field(t))
		pick.Label, pick.Errors, pick.None = t.Label(), p.errs[path], "None: not synced"
		pick.Attrs = templ.Attributes{"data-result": "owners-result"}
		row := views.OwnerRow{Picker: pick, Path: path}
		if t == settings.AccountOwner {
			row.Picker.None, row.Picker.Hint, row.Picker.Required = "", "Every account has one; Salesforce's own field is OwnerId.", true
		}
		if name := suggestedOwner(account, t, p.shown.Owners); name != "" {
			row.Suggested = ui.Item{Name: name, Label: account.Field(name).Label}
			view.Suggestions++
		}
		view.Rows = append(view.Rows, row)
	}
	view.Result, _ = p.results[ownersResult].(*views.OwnersResult)
	return views.OwnerMappingPage(view), nil
}
