package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
)

// chatterSection decides which Chatter posts are synced. When they are synced is a schedule of its own, see chatterSchedule.
func chatterSection() section {
	return section{key: settings.SectionChatter, read: readChatter, act: actChatter, draw: drawChatter, check: checkChatter, beside: besideChatter}
}

// feed is one of the two kinds of posts.
type feed struct {
	object, parent   string // API names
	onPath, path     string // of the switch and of the filter
	label, parents   string
	on               func(*settings.Chatter) *bool
	filter           func(*settings.Chatter) *string
	placeholder, tip string
}

var feeds = []feed{
	{
		object: "AccountFeed", parent: "Account", onPath: settings.PathChatterAccounts, path: settings.PathChatterAccountFilter, label: "Filter of posts on accounts", parents: "Accounts",
		on: func(c *settings.Chatter) *bool { return &c.Accounts }, filter: func(c *settings.Chatter) *string { return &c.AccountFilter },
		placeholder: "Type = 'TextPost'", tip: "Posts on the accounts that are synced.",
	},
	{
		object: "OpportunityFeed", parent: "Opportunity", onPath: settings.PathChatterOpportunities, path: settings.PathChatterOpportunityFilter,
		label: "Filter of posts on opportunities", parents: "Opportunities",
		on: func(c *settings.Chatter) *bool { return &c.Opportunities }, filter: func(c *settings.Chatter) *string { return &c.OpportunityFilter },
		placeholder: "Type = 'TextPost'", tip: "Posts on the opportunities of those accounts.",
	},
}

func readChatter(p *settingsPage, form url.Values) {
	p.shown.Chatter = settings.Chatter{
		Enabled: form.Has(settings.PathChatterEnabled), Accounts: form.Has(settings.PathChatterAccounts), Opportunities: form.Has(settings.PathChatterOpportunities),
		Comments: form.Has(settings.PathChatterComments), TrackedChanges: form.Has(settings.PathChatterTrackedChanges), Fields: readMany(form, settings.PathChatterFields),
	}
	for _, f := range feeds {
		*f.filter(&p.shown.Chatter) = unixLines(form.Get(f.path))
	}
}

// actChatter carries out Validate and the repairs of the two filter boxes.
func actChatter(s *Server, r *http.Request, p *settingsPage, do string) error {
	verb, path, at, ok := boxButton(do)
	for _, f := range feeds {
		if !ok || f.path != path {
			continue
		}
		o, err := s.openOrg(r.Context(), p.connection)
		if err != nil {
			return err
		}
		defer o.close()
		text := f.filter(&p.shown.Chatter)
		if verb == "fix" {
			*text = repair(f.object, *text, at, o.schema)
		}
		p.results[path] = o.tryFeed(r.Context(), f, p.shown.Chatter)
		return nil
	}
	return badForm(errors.New("no such button: " + strconv.Quote(do)))
}

// tryFeed asks the org for the posts that the settings select. Without tracked changes, those that Salesforce writes itself do not count.
func (o *org) tryFeed(ctx context.Context, f feed, c settings.Chatter) *views.FilterResult {
	var own soql.Expr
	if !c.TrackedChanges {
		var err error
		if own, err = soql.Compare("Type", soql.NotEqual, soql.Text("TrackedChange")); err != nil {
			return &views.FilterResult{Unanswered: faultSentence(err)}
		}
	}
	res := o.tryObject(ctx, f.object, own, *f.filter(&c), "Type", "CreatedDate", "Parent.Name")
	if res.Query != "" {
		res.Note = "Counted over all " + f.parents + " that the connected user can see. A sync keeps the posts on those that are synced."
	}
	return res
}

// checkChatter finds feeds that the org does not have, filters that it refuses, and fields that it does not show.
func checkChatter(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	errs := settings.FieldErrors{}
	c := all.Chatter
	if !c.Enabled {
		return errs, nil
	}
	for _, f := range feeds {
		if !*f.on(&c) {
			continue
		}
		described, err := o.client.Describe(ctx, f.object)
		if isNotFound(err) {
			errs.Add(f.onPath, f.parents+" have no feed that the connected user can see. Switch this off, or enable the feed in Salesforce: "+views.FeedSetup(f.parent)+".")
			continue
		}
		if err != nil {
			return nil, err
		}
		checkFields(errs, settings.PathChatterFields, described, c.Fields, pipeline.Syncable)
		if *f.filter(&c) == "" {
			continue
		}
		switch res := o.tryFeed(ctx, f, c); {
		case len(res.Problems) > 0:
			errs.Add(f.path, "SOQL validation failed: "+res.Problems[0].Message)
		case res.Unanswered != "":
			errs.Add(f.path, "It could not be validated. "+res.Unanswered)
		}
	}
	return errs, nil
}

func drawChatter(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known := s.catalog(r.Context(), p.connection)
	c := p.shown.Chatter
	view := views.Chatter{Frame: frame, Settings: c, EnabledPath: settings.PathChatterEnabled}
	var err error
	if view.State, err = s.chatterState(r, p); err != nil {
		return nil, err
	}
	for _, f := range feeds {
		described, unanswered := known.object(f.object)
		box := p.filterBox(f.path, f.object, f.label, *f.filter(&c))
		box.Placeholder = f.placeholder
		view.Feeds = append(view.Feeds, views.Feed{
			OnPath: f.onPath, Parent: f.parent, Parents: f.parents, Hint: f.tip, On: *f.on(&c), Errors: p.errs[f.onPath], Box: box,
			Missing: described == nil && unanswered == "",
		})
	}
	view.Fields = known.many(settings.PathChatterFields, feeds[0].object, forAdditional, c.Fields, r.PostForm)
	view.Fields.Label, view.Fields.Errors = "Further feed fields", p.errs[settings.PathChatterFields]
	view.Fields.Empty = "No further field is synced: text, title, link, type, author and time are read anyway."
	if view.Frequency = r.PostForm.Get(chatterFrequency); view.Frequency == "" {
		view.Frequency = string(view.State.Frequency)
	}
	if wrong, ok := p.results[chatterFrequency].(string); ok {
		view.FrequencyErrors = []string{wrong}
	}
	return views.ChatterPage(view), nil
}

// besideChatter draws anew what follows from the switch.
func besideChatter(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	frame.Shell.Viewer.TimeZone = visitOf(r).user.TimeZone
	state, err := s.chatterState(r, p)
	return views.ChatterKept(views.Chatter{Frame: frame, State: state}), err
}
