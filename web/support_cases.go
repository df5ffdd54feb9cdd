package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// casesResult is where the section keeps its count.
const casesResult = "cases"

// casesSection decides which support cases are synced, and where their conversations are.
func casesSection() section {
	return section{key: settings.SectionCases, read: readCases, act: actCases, draw: drawCases, check: checkCases}
}

// readDays reads a number of days. It is negative where there is none: validation says so.
func readDays(form url.Values, path string) int {
	days, err := strconv.Atoi(strings.TrimSpace(form.Get(path)))
	if err != nil {
		return -1
	}
	return days
}

func readCases(p *settingsPage, form url.Values) {
	days := readDays(form, settings.PathCasesLookback)
	if days == 0 {
		days = -1 // none either, of cases
	}
	p.shown.Cases = settings.Cases{
		Enabled: form.Has(settings.PathCasesEnabled), Filter: unixLines(form.Get(settings.PathCasesFilter)), LookbackDays: days,
		Conversation: settings.Conversation(form.Get(settings.PathCasesConversation)), Fields: readMany(form, settings.PathCasesFields),
	}
}

// caseSource is the object that a conversation is read from.
func caseSource(c settings.Conversation) string {
	if c == settings.EmailMessages {
		return "EmailMessage"
	}
	return "CaseComment"
}

// unreadable says why a source of conversations has nothing to read.
func unreadable(c settings.Conversation) string {
	if c == settings.EmailMessages {
		return "Email Messages cannot be read: Email-to-Case is not set up in this org, or the connected user may not read EmailMessage."
	}
	return "Case Comments cannot be read: the connected user may not read CaseComment."
}

// actCases carries out Count and Validate of the filter; both count the messages.
func actCases(s *Server, r *http.Request, p *settingsPage, do string) error {
	verb, box, at, isBox := boxButton(do)
	isBox = isBox && box == settings.PathCasesFilter
	if !isBox && do != "count" {
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	}
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	c := &p.shown.Cases
	if isBox {
		if verb == "fix" {
			c.Filter = repair("Case", c.Filter, at, o.schema)
		}
		res := o.tryCases(r.Context(), *c)
		p.results[box] = res
		if len(res.Problems) > 0 || res.Unanswered != "" {
			return nil
		}
	}
	p.results[casesResult], err = s.countCases(r.Context(), o, p)
	return err
}

// tryCases tries the case filter among the cases of accounts that the lookback covers.
func (o *org) tryCases(ctx context.Context, c settings.Cases) *views.FilterResult {
	linked, err := soql.Compare("AccountId", soql.NotEqual, soql.Null())
	if err == nil && c.LookbackDays >= settings.MinLookback && c.LookbackDays <= settings.MaxLookback {
		var lately soql.Expr
		if lately, err = soql.Compare("SystemModstamp", soql.GreaterOrEqual, soql.LastDays(c.LookbackDays)); err == nil {
			linked = soql.AllOf(linked, lately)
		}
	}
	if err != nil {
		linked = nil
	}
	return o.tryObject(ctx, "Case", linked, c.Filter, "Subject", "Status", "Priority")
}

// countCases counts the cases that the settings select and their messages by either source, or says why it cannot.
func (s *Server) countCases(ctx context.Context, o *org, p *settingsPage) (*views.CasesResult, error) {
	out := &views.CasesResult{Chosen: p.shown.Cases.Conversation, Days: p.shown.Cases.LookbackDays}
	if o.source == nil {
		out.Unanswered = o.why
		return out, nil
	}
	for path, sentences := range p.shown.Validate() {
		if settings.SectionOf(path) == settings.SectionCases {
			p.found(settings.FieldErrors{path: sentences})
			for _, text := range sentences {
				out.Problems = append(out.Problems, ui.Problem{FieldID: views.BoxID(path), Text: text})
			}
		}
	}
	if len(out.Problems) > 0 {
		return out, nil
	}
	if out.Unanswered = o.filtersReady(p.shown); out.Unanswered != "" {
		return out, nil
	}
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	found, err := pipeline.PreviewCases(asking, o.source, p.shown, o.schema)
	if err != nil {
		out.Unanswered, err = s.valueUnanswered(ctx, o, err)
		return out, err
	}
	out.Preview, out.Took = &found, ui.Duration(found.Took)
	for _, c := range found.Samples {
		out.Hrefs = append(out.Hrefs, recordURL(o.connection, c.ID))
	}
	out.Advice = adviseConversation(found, p.shown.Cases.Conversation)
	return out, nil
}

// adviseConversation says in words which source the conversations are in.
func adviseConversation(found pipeline.CasesPreview, chosen settings.Conversation) string {
	best, most, other := settings.CaseComments, found.Comments, found.Emails
	if found.Emails > found.Comments {
		best, most, other = settings.EmailMessages, found.Emails, found.Comments
	}
	var text string
	switch {
	case most == pipeline.Unknown:
		return unreadable(settings.CaseComments) + " " + unreadable(settings.EmailMessages)
	case most == 0:
		text = "Neither source holds a message of these cases. Lengthen the lookback or widen the filter to see where conversations are."
	case other <= 0:
		text = fmt.Sprintf("The conversations of these cases are in %s.", best.Label())
	default:
		text = fmt.Sprintf("Most of the conversation is in %s: %s of %s messages.", best.Label(), ui.Count(most), ui.Count(most+other))
	}
	switch {
	case most > 0 && best == chosen:
		text += " That is what is chosen."
	case most > 0:
		text += " Choose " + best.Label() + "."
	}
	if found.Emails == pipeline.Unknown {
		text += " " + unreadable(settings.EmailMessages)
	}
	if found.Comments == pipeline.Unknown {
		text += " " + unreadable(settings.CaseComments)
	}
	return text
}

// checkCases finds what does not fit the org, while cases are synced.
func checkCases(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	errs, c := settings.FieldErrors{}, all.Cases
	if !c.Enabled {
		return errs, nil
	}
	d, err := o.client.Describe(ctx, "Case")
	switch {
	case isNotFound(err):
		errs.Add(settings.PathCasesEnabled, "The connected user cannot see cases. Give that user read access to the object, or switch this off.")
		return errs, nil
	case err != nil:
		return nil, err
	}
	checkFields(errs, settings.PathCasesFields, d, c.Fields, pipeline.Syncable)
	if c.Conversation == settings.CaseComments || c.Conversation == settings.EmailMessages {
		if _, err := o.client.Describe(ctx, caseSource(c.Conversation)); isNotFound(err) {
			errs.Add(settings.PathCasesConversation, unreadable(c.Conversation)+" Choose the other source.")
		} else if err != nil {
			return nil, err
		}
	}
	if strings.TrimSpace(c.Filter) == "" {
		return errs, nil
	}
	switch res := o.tryCases(ctx, c); {
	case len(res.Problems) > 0:
		errs.Add(settings.PathCasesFilter, "SOQL validation failed: "+res.Problems[0].Message)
	case res.Unanswered != "":
		errs.Add(settings.PathCasesFilter, "It could not be validated. "+res.Unanswered)
	}
	return errs, nil
}

func drawCases(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known, c := s.catalog(r.Context(), p.connection), p.shown.Cases
	view := views.SupportCases{
		Frame: frame, Settings: c, EnabledErrors: p.errs[settings.PathCasesEnabled], ConversationErrors: p.errs[settings.PathCasesConversation],
		Filter: p.filterBox(settings.PathCasesFilter, "Case", "Case filter", c.Filter), Fields: known.many(settings.PathCasesFields, "Case", forAdditional, c.Fields, r.PostForm),
		Missing: map[settings.Conversation]string{},
		Lookback: ui.Field{ID: views.BoxID(settings.PathCasesLookback), Name: settings.PathCasesLookback, Errors: p.errs[settings.PathCasesLookback], Required: true, Type: "number",
			Label: fmt.Sprintf("Lookback in days (%d to %d)", settings.MinLookback, settings.MaxLookback), Hint: "Cases that were created or changed in these days are synced.",
			Attrs: templ.Attributes{"min": strconv.Itoa(settings.MinLookback), "max": strconv.Itoa(settings.MaxLookback), "step": "1", "data-result": "cases-result"}},
	}
	if c.LookbackDays >= 0 {
		view.Lookback.Value = strconv.Itoa(c.LookbackDays)
	} else if typed := r.PostForm.Get(settings.PathCasesLookback); typed != "" {
		view.Lookback.Value = typed
	}
	view.Filter.Placeholder, view.Filter.Beside = "Priority = 'High'", "#cases-result"
	view.Fields.Label, view.Fields.Empty, view.Fields.Errors = "Further Case fields", "No further field is synced.", p.errs[settings.PathCasesFields]
	for _, from := range []settings.Conversation{settings.CaseComments, settings.EmailMessages} {
		if d, unanswered := known.object(caseSource(from)); d == nil && unanswered == "" {
			view.Missing[from] = unreadable(from)
		}
	}
	if d, _ := known.object("Case"); d != nil {
		for _, name := range pipeline.CaseFields() {
			if f := d.Field(name); f != nil {
				view.Core = append(view.Core, ui.Item{Name: f.Name, Label: f.Label})
			}
		}
	}
	view.Result, _ = p.results[casesResult].(*views.CasesResult)
	return views.SupportCasesPage(view), nil
}
