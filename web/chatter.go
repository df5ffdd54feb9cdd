package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
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
	posts            pipeline.FeedParent
	on               func(*settings.Chatter) *bool
	filter           func(*settings.Chatter) *string
	placeholder, tip string
}

var feeds = []feed{
	{
		posts: pipeline.OnAccounts, object: "AccountFeed", parent: "Account", onPath: settings.PathChatterAccounts, path: settings.PathChatterAccountFilter, label: "Filter of posts on accounts", parents: "Accounts",
		on: func(c *settings.Chatter) *bool { return &c.Accounts }, filter: func(c *settings.Chatter) *string { return &c.AccountFilter },
		placeholder: "Type = 'TextPost'", tip: "Posts on the accounts that are synced.",
	},
	{
		posts: pipeline.OnOpportunities, object: "OpportunityFeed", parent: "Opportunity", onPath: settings.PathChatterOpportunities, path: settings.PathChatterOpportunityFilter,
		label: "Filter of posts on opportunities", parents: "Opportunities",
		on: func(c *settings.Chatter) *bool { return &c.Opportunities }, filter: func(c *settings.Chatter) *string { return &c.OpportunityFilter },
		placeholder: "Type = 'TextPost'", tip: "Posts on the opportunities of those accounts.",
	},
}

func readChatter(p *settingsPage, form url.Values) {
	days := p.shown.Chatter.LookbackDays
	if form.Has(settings.PathChatterLookback) {
		days = readDays(form, settings.PathChatterLookback)
	}
	p.shown.Chatter = settings.Chatter{
		Enabled: form.Has(settings.PathChatterEnabled), Accounts: form.Has(settings.PathChatterAccounts), Opportunities: form.Has(settings.PathChatterOpportunities),
		Comments: form.Has(settings.PathChatterComments), TrackedChanges: form.Has(settings.PathChatterTrackedChanges), LookbackDays: days,
		Fields: readMany(form, settings.PathChatterFields),
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
		p.results[path] = o.tryFeed(r.Context(), f, p.shown)
		return nil
	}
	return badForm(errors.New("no such button: " + strconv.Quote(do)))
}

// tryFeed checks the filter of a feed as it stands in its box and asks the org for the posts that a run by the settings would read.
func (o *org) tryFeed(ctx context.Context, f feed, all settings.Settings) *views.FilterResult {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	text := *f.filter(&all.Chatter)
	out := &views.FilterResult{Object: f.object}
	if strings.TrimSpace(text) != "" {
		o.checkText(f.object, text, out)
	}
	if o.schema != nil {
		if err := salesforce.SchemaErr(o.schema); err != nil {
			return &views.FilterResult{Object: f.object, Unanswered: faultSentence(err)}
		}
	}
	if len(out.Problems) > 0 {
		return out
	}
	if out.Unanswered = o.why; o.source == nil {
		return out
	}
	if out.Unanswered = o.filtersReady(all); out.Unanswered != "" {
		return out
	}
	found, err := pipeline.PreviewChatter(ctx, o.source, all, f.posts, o.schema)
	var refused *pipeline.QueryRefused
	switch {
	case errors.As(err, &refused):
		out.Problems = []views.FilterProblem{refusedAt(text, strings.TrimSpace(text), refused)}
		out.Details = strings.TrimPrefix(refused.Code+": "+refused.Message, ": ")
		return out
	case err != nil:
		out.Unanswered = faultSentence(err)
		return out
	case found.Missing != "":
		out.Unanswered = found.Missing
		return out
	}
	out.Count, out.Query, out.Note, out.Took = found.Count, found.Query, found.Note, ui.Duration(found.Took)
	if days := all.Chatter.LookbackDays; days > 0 {
		out.Note = strings.TrimSpace("Only posts that were written or changed in the last " + ui.Plural(int64(days), "day", "days") + " are counted. " + out.Note)
	}
	o.fillPosts(out, f, text, found.Samples)
	if plan, err := o.client.Explain(ctx, found.Query); err == nil {
		out.Speed = speed(plan, "record")
	}
	return out
}

// fillPosts shows posts as samples: their text, type and time, and the fields that the filter compares as far as a run reads them.
func (o *org) fillPosts(out *views.FilterResult, f feed, filter string, posts []pipeline.PostSample) {
	out.Columns = []views.SampleColumn{{Name: "Type", Label: "Type"}, {Name: "CreatedDate", Label: "Created Date"}}
	for _, c := range filteredColumns(f.object, filter, o.schema) {
		known := slices.ContainsFunc(out.Columns, func(had views.SampleColumn) bool { return had.Name == c.Name })
		read := slices.ContainsFunc(posts, func(p pipeline.PostSample) bool { _, ok := p.Values[c.Name]; return ok })
		if !known && read {
			out.Columns = append(out.Columns, c)
		}
	}
	for _, p := range posts {
		sample := views.SampleAccount{ID: p.ID, Name: cmp.Or(p.Body, p.Title), Href: recordURL(o.connection, p.ID)}
		for _, c := range out.Columns {
			sample.Values = append(sample.Values, valueText(p.Values[c.Name]))
		}
		out.Samples = append(out.Samples, sample)
	}
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
		if *f.filter(&c) == "" || o.filtersReady(all) != "" { // account filters that are not ready keep the save off by themselves
			continue
		}
		switch res := o.tryFeed(ctx, f, all); {
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
	view := views.Chatter{Frame: frame, Settings: c, EnabledPath: settings.PathChatterEnabled, Lookback: ui.Field{
		ID: views.BoxID(settings.PathChatterLookback), Name: settings.PathChatterLookback, Errors: p.errs[settings.PathChatterLookback], Required: true, Type: "number",
		Label: fmt.Sprintf("Lookback in days (0 to %d)", settings.MaxLookback), Hint: "Posts that were written or changed in these days are synced; 0 reads all. What is here already stays.",
		Attrs: templ.Attributes{"min": "0", "max": strconv.Itoa(settings.MaxLookback), "step": "1"},
	}}
	if view.Lookback.Value = strconv.Itoa(c.LookbackDays); c.LookbackDays < 0 {
		view.Lookback.Value = r.PostForm.Get(settings.PathChatterLookback)
	}
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
