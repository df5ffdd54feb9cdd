package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// fieldsSection decides what is read of accounts and contacts, and when.
func fieldsSection() section {
	return section{key: settings.SectionFields, read: readFields, draw: drawFields, check: checkAccountFields}
}

func readFields(p *settingsPage, form url.Values) {
	p.shown.AccountFields = readMany(form, settings.PathAccountFields)
	hours := func(path string) int {
		n, err := strconv.Atoi(form.Get(path))
		if err != nil {
			return -1 // no choice of the list: validation says so
		}
		return n
	}
	p.shown.Sync = settings.Frequencies{
		Accounts: settings.Frequency{Off: !form.Has(settings.PathAccountsSync), Hours: hours(settings.PathAccountsHours)},
		Contacts: settings.Frequency{Off: !form.Has(settings.PathContactsSync), Hours: hours(settings.PathContactsHours)},
		Start:    form.Get(settings.PathStart), TimeZone: form.Get(settings.PathTimeZone),
	}
}

// accountMappings and contactMappings say where the fields that are always synced are kept.
var accountMappings = []views.Mapping{
	{Field: "Name", Label: "Account Name", Kept: "Account name"}, {Field: "Website", Label: "Website", Kept: "Website and primary domain"},
	{Field: "OwnerId", Label: "Owner ID", Kept: "Account owner"}, {Field: "Description", Label: "Description", Kept: "Description"},
	{Field: "Id", Label: "Account ID", Kept: "Salesforce Id"}, {Field: "Type", Label: "Account Type", Kept: "Salesforce type"},
	{Field: "Industry", Label: "Industry", Kept: "Industry"},
}

var contactMappings = []views.Mapping{
	{Field: "FirstName", Label: "First Name", Kept: "First name"}, {Field: "LastName", Label: "Last Name", Kept: "Last name"},
	{Field: "Email", Label: "Email", Kept: "Email", Required: true}, {Field: "Phone", Label: "Business Phone", Kept: "Phone number"},
	{Field: "Title", Label: "Title", Kept: "Title or position"}, {Field: "Department", Label: "Department", Kept: "Department"},
	{Field: "AccountId", Label: "Account ID", Kept: "Link to the account"},
}

func drawFields(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	schedules, err := s.DB.Schedules(r.Context(), p.connection.ID)
	if err != nil {
		return nil, err
	}
	set := p.shown.Sync
	view := views.FieldsAndFrequency{
		Frame: frame, Fields: s.catalog(r.Context(), p.connection).many(settings.PathAccountFields, "Account", forAdditional, p.shown.AccountFields, r.PostForm),
		Accounts: views.EntitySync{
			Entity: string(pipeline.EntityAccounts), Title: "Accounts", OnPath: settings.PathAccountsSync, HoursPath: settings.PathAccountsHours, On: !set.Accounts.Off,
			Hours: set.Accounts.Hours, HoursErrors: p.errs[settings.PathAccountsHours], Mappings: accountMappings,
		},
		Contacts: views.EntitySync{
			Entity: string(pipeline.EntityContacts), Title: "Contacts", OnPath: settings.PathContactsSync, HoursPath: settings.PathContactsHours, On: !set.Contacts.Off,
			Hours: set.Contacts.Hours, HoursErrors: p.errs[settings.PathContactsHours], Mappings: contactMappings,
		},
		Start:    ui.Field{Value: set.Start, Errors: p.errs[settings.PathStart]},
		TimeZone: ui.Field{Value: set.TimeZone, Errors: p.errs[settings.PathTimeZone]}, Zones: timeZones(),
		Saved: p.current != nil, RunPath: orgPath(p.connection.ID, "/runs"),
	}
	view.Fields.Label, view.Fields.Empty, view.Fields.Errors = "Further Account fields", "No further field is synced.", p.errs[settings.PathAccountFields]
	for _, e := range []*views.EntitySync{&view.Accounts, &view.Contacts} {
		fillSchedule(e, schedules, p)
	}
	return views.FieldsAndFrequencyPage(view), nil
}

// fillSchedule says when an entity is next due by what is saved, and that what is shown is something else.
func fillSchedule(e *views.EntitySync, schedules []db.Schedule, p *settingsPage) {
	for _, sch := range schedules {
		if string(sch.Entity) == e.Entity {
			e.Next, e.Skipped = sch.Upcoming(3), sch.SkipReason
		}
	}
	for _, c := range settings.Diff(p.saved, p.shown) {
		if c.Path == e.OnPath || c.Path == e.HoursPath || c.Path == settings.PathStart || c.Path == settings.PathTimeZone {
			e.Stale = true
		}
	}
}

// checkAccountFields finds further Account fields that the org does not have, does not show, or that cannot be synced.
func checkAccountFields(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	errs := settings.FieldErrors{}
	if len(all.AccountFields) == 0 {
		return errs, nil
	}
	account, err := o.client.Describe(ctx, "Account")
	if err != nil {
		return nil, err
	}
	checkFields(errs, settings.PathAccountFields, account, all.AccountFields, pipeline.Syncable)
	return errs, nil
}

// checkFields notes each of names that the object does not have or that does not fit.
func checkFields(errs settings.FieldErrors, path string, object *salesforce.Describe, names []string, fit pipeline.Fit) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if f := object.Field(name); f == nil {
			errs.Add(path, name+" is not a field of "+object.Label+" that the connected user can read. Remove it, or give that user access to it in Salesforce.")
		} else if why := fit(f.Field); why != "" {
			errs.Add(path, f.Label+" ("+f.Name+") cannot be used here: "+why+".")
		}
	}
}
