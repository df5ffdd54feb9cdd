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
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// valuesSection says where an account's ARR and renewal date come from.
func valuesSection() section {
	return section{key: settings.SectionValue, read: readValues, act: actValues, draw: drawValues, check: checkValues}
}

// rulePath is the field path of a kind's rule.
func rulePath(k pipeline.ValueKind) string {
	if k == pipeline.Renewal {
		return settings.PathRenewal
	}
	return settings.PathARR
}

// ruleOf returns where a kind's rule is kept.
func ruleOf(s *settings.Settings, k pipeline.ValueKind) *settings.ValueRule {
	if k == pipeline.Renewal {
		return &s.Renewal
	}
	return &s.ARR
}

// kindAt returns the kind whose rule a field path belongs to.
func kindAt(path string) (pipeline.ValueKind, bool) {
	rule, _, _ := strings.Cut(path, ".")
	for _, k := range pipeline.ValueKinds {
		if rule == rulePath(k) {
			return k, true
		}
	}
	return "", false
}

// fitOfValue is the use of a field that holds a kind of value.
func fitOfValue(k pipeline.ValueKind) string {
	if k == pipeline.Renewal {
		return forDate
	}
	return forAmount
}

// What is asked of one account; this is no setting.
const (
	partAccount = ".explain.account"
	partCompare = ".explain.compare"
)

func readValues(p *settingsPage, form url.Values) {
	for _, k := range pipeline.ValueKinds {
		path := rulePath(k)
		text := func(part string) string { return strings.TrimSpace(unixLines(form.Get(path + part))) }
		*ruleOf(&p.shown, k) = settings.ValueRule{
			Mode: settings.ValueMode(text(settings.PartMode)), Field: text(settings.PartField), Object: text(settings.PartObject), Link: text(settings.PartLink),
			Value: text(settings.PartValue), Combine: settings.Combine(text(settings.PartCombine)), LatestBy: text(settings.PartLatestBy),
			Filter: unixLines(form.Get(path + settings.PartFilter)),
		}
	}
}

// checkValues finds what does not fit the org in the rules that are in use.
func checkValues(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	errs := settings.FieldErrors{}
	for _, k := range pipeline.ValueKinds {
		found, err := o.ruleProblems(k, all)
		if err != nil {
			return nil, err
		}
		for path, sentences := range found {
			errs[path] = append(errs[path], sentences...)
		}
		rule := k.Rule(all)
		if len(found) > 0 || rule.Mode != settings.CalculatedValue || strings.TrimSpace(rule.Filter) == "" {
			continue
		}
		path := rulePath(k) + settings.PartFilter
		switch res := o.tryRecords(ctx, rule); {
		case len(res.Problems) > 0:
			errs.Add(path, "SOQL validation failed: "+res.Problems[0].Message)
		case res.Unanswered != "":
			errs.Add(path, "It could not be validated. "+res.Unanswered)
		}
	}
	return errs, nil
}

// tryRecords tries the filter of a rule, among the records that belong to an account.
func (o *org) tryRecords(ctx context.Context, rule settings.ValueRule) *views.FilterResult {
	var linked soql.Expr
	if rule.Link != "" {
		if e, err := soql.Compare(rule.Link, soql.NotEqual, soql.Null()); err == nil {
			linked = e
		}
	}
	return o.tryObject(ctx, rule.Object, linked, rule.Filter)
}

// ruleProblems says what of a rule in use does not fit the org, by the describes alone.
func (o *org) ruleProblems(k pipeline.ValueKind, all settings.Settings) (settings.FieldErrors, error) {
	errs, path, rule := settings.FieldErrors{}, rulePath(k), k.Rule(all)
	check := func(part, object, name string, fit pipeline.Fit) {
		if name == "" {
			return // validation says so
		}
		_, f, problem := soql.FieldAt(name, object, o.schema)
		if problem == "" {
			if why := fit(f); why != "" {
				problem = f.Label + " (" + f.Name + ") cannot be used here: " + why + "."
			}
		}
		if problem != "" {
			errs.Add(path+part, problem)
		}
	}
	fit := fitOf(fitOfValue(k), "")
	switch {
	case rule.Mode == settings.DirectValue:
		check(settings.PartField, "Account", rule.Field, fit)
	case rule.Mode == settings.CalculatedValue && rule.Object != "":
		if o.schema.Object(rule.Object) == nil {
			errs.Add(path+settings.PartObject, "The connected user cannot see the object "+rule.Object+". Choose another, or give that user read access to it.")
			break
		}
		check(settings.PartLink, rule.Object, rule.Link, pipeline.LinksTo("Account"))
		check(settings.PartValue, rule.Object, rule.Value, fit)
		if rule.Combine == settings.Latest {
			check(settings.PartLatestBy, rule.Object, rule.LatestBy, pipeline.Day)
		}
		if strings.TrimSpace(rule.Filter) == "" {
			break
		}
		for _, f := range pipeline.CheckFilterOf(rule.Object, rule.Filter, o.schema) {
			if !f.Warning {
				errs.Add(path+settings.PartFilter, "SOQL validation failed: "+f.Message)
				break
			}
		}
	}
	return errs, salesforce.SchemaErr(o.schema)
}

// actValues carries out the section's buttons: the fields of a newly chosen object, Validate of a filter box, Validate of a rule, and the explanation of one
// account.
func actValues(s *Server, r *http.Request, p *settingsPage, do string) error {
	verb, path, _ := strings.Cut(do, ":")
	k, known := kindAt(strings.Split(path, ":")[0])
	if !known {
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	}
	rule := ruleOf(&p.shown, k)
	if verb == "fields" {
		s.followObject(r.Context(), p, rule)
		return nil
	}
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	_, box, at, isBox := boxButton(do)
	switch {
	case isBox && box == rulePath(k)+settings.PartFilter:
		if verb == "fix" {
			rule.Filter = repair(rule.Object, rule.Filter, at, o.schema)
		}
		p.results[box] = o.tryRecords(r.Context(), *rule)
	case verb == "validate" && path == rulePath(k):
		p.results[path], err = s.previewValue(r.Context(), o, p, k)
	case verb == "explain":
		account, chosen := strings.CutPrefix(path, rulePath(k)+":")
		if !chosen {
			account = r.PostForm.Get(rulePath(k) + partAccount)
		}
		ask := pipeline.ValueQuestion{Kind: k, Account: account, Compare: strings.TrimSpace(r.PostForm.Get(rulePath(k) + partCompare))}
		p.results[rulePath(k)+partAccount], err = s.explainValue(r.Context(), o, p, ask)
	default:
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	}
	return err
}

// followObject makes a rule's fields those of its object: what the object does not have is forgotten, and its only link to the account is chosen.
func (s *Server) followObject(ctx context.Context, p *settingsPage, rule *settings.ValueRule) {
	d, unanswered := s.catalog(ctx, p.connection).object(rule.Object)
	if d == nil || unanswered != "" {
		return
	}
	for _, name := range []*string{&rule.Link, &rule.Value, &rule.LatestBy} {
		if d.Field(*name) == nil {
			*name = ""
		}
	}
	var links []string
	for i := range d.Fields {
		if pipeline.LinksTo("Account")(d.Fields[i].Field) == "" {
			links = append(links, d.Fields[i].Name)
		}
	}
	if rule.Link == "" && len(links) == 1 {
		rule.Link = links[0]
	}
}

// ready says why the org cannot be asked about a rule, each reason with the field that it is about; it is empty when it can.
func (o *org) ready(p *settingsPage, k pipeline.ValueKind) (unanswered string, problems []ui.Problem, err error) {
	if o.source == nil {
		return o.why, nil, nil
	}
	path := rulePath(k)
	if k.Rule(p.shown).Mode == settings.NoValue {
		return "None is chosen, so nothing is synced and there is nothing to validate.", nil, nil
	}
	found := settings.FieldErrors{}
	for at, sentences := range p.shown.Validate() {
		if strings.HasPrefix(at, path+".") {
			found[at] = sentences
		}
	}
	if len(found) == 0 {
		if found, err = o.ruleProblems(k, p.shown); err != nil {
			return "", nil, err
		}
	}
	p.found(found)
	labels := p.labels()
	for _, at := range sortedPaths(found) {
		for _, text := range found[at] {
			problems = append(problems, ui.Problem{FieldID: views.BoxID(at), Text: strings.TrimPrefix(labels[at]+": "+text, ": ")})
		}
	}
	if len(problems) > 0 {
		return "", problems, nil
	}
	return o.filtersReady(p.shown), nil, nil
}

// previewValue works a rule out for a few accounts, or says why it cannot.
func (s *Server) previewValue(ctx context.Context, o *org, p *settingsPage, k pipeline.ValueKind) (*views.ValueResult, error) {
	out := &views.ValueResult{Kind: k, Path: rulePath(k), Direct: k.Rule(p.shown).Mode == settings.DirectValue}
	var err error
	if out.Unanswered, out.Problems, err = o.ready(p, k); err == nil && out.Unanswered == "" && len(out.Problems) == 0 {
		asking, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		var found pipeline.ValuePreview
		if found, err = pipeline.PreviewValue(asking, o.source, k, p.shown, o.schema); err == nil {
			out.Preview, out.Took = &found, ui.Duration(found.Took)
			for _, a := range found.Accounts {
				out.Hrefs = append(out.Hrefs, recordURL(o.connection, a.ID))
			}
		}
	}
	if err != nil {
		out.Unanswered, err = s.valueUnanswered(ctx, o, err)
	}
	return out, err
}

// explainValue explains the value of one account, or says why it cannot.
func (s *Server) explainValue(ctx context.Context, o *org, p *settingsPage, ask pipeline.ValueQuestion) (*views.ValueExplained, error) {
	out := &views.ValueExplained{Kind: ask.Kind, Path: rulePath(ask.Kind), Rule: ask.Kind.Rule(p.shown)}
	var err error
	if out.Unanswered, out.Problems, err = o.ready(p, ask.Kind); err == nil && out.Unanswered == "" && len(out.Problems) == 0 {
		asking, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		var found pipeline.ValueExplanation
		var object *salesforce.Describe
		if object, err = o.client.Describe(asking, out.Rule.Object); err == nil {
			ask.NameField, out.Object = nameField(object), object.Label
			found, err = pipeline.ExplainValue(asking, o.source, ask, p.shown, o.schema)
		}
		if err == nil {
			out.Answer, out.Href = &found, recordURL(o.connection, found.Account.ID)
			for _, r := range found.Records {
				out.Hrefs = append(out.Hrefs, recordURL(o.connection, r.ID))
			}
		}
	}
	if err != nil {
		out.Unanswered, err = s.valueUnanswered(ctx, o, err)
	}
	return out, err
}

// valueUnanswered is what to say of an error on the way to a value; it returns the error itself when the request is over.
func (s *Server) valueUnanswered(ctx context.Context, o *org, err error) (string, error) {
	var refused *pipeline.QueryRefused
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &refused):
		return "Salesforce does not accept the filter: " + refused.Message, nil
	}
	return s.unanswered(ctx, o.connection, err), nil
}

func drawValues(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known := s.catalog(r.Context(), p.connection)
	view := views.Values{Frame: frame}
	for _, k := range pipeline.ValueKinds {
		rule, path := *ruleOf(&p.shown, k), rulePath(k)
		pick := func(part, object, use, value, label, hint string) ui.Picker {
			out := known.one(path+part, object, use, value)
			out.Label, out.Hint, out.Errors = label, hint, p.errs[path+part]
			out.Attrs = templ.Attributes{"data-result": path + "-result"}
			return out
		}
		v := views.Value{Kind: k, Path: path, Rule: rule, ModeErrors: p.errs[path+settings.PartMode], CombineErrors: p.errs[path+settings.PartCombine]}
		kinds := "Number and currency fields; percentages are not among them."
		if k == pipeline.Renewal {
			kinds = "Date fields without a time."
		}
		v.Field = pick(settings.PartField, "Account", fitOfValue(k), rule.Field, "Account field", kinds)
		v.Object = known.picker(path+settings.PartObject, choiceQuery{use: forRelated}, rule.Object)
		v.Object.Label, v.Object.Hint, v.Object.Errors, v.Object.Attrs = "Related object", "Objects with a field that points to Account.", p.errs[path+settings.PartObject], fieldsOf(p, path)
		if rule.Object != "" {
			v.Link = pick(settings.PartLink, rule.Object, forLink, rule.Link, "Link to the account", "The field that points to the account.")
			v.Value = pick(settings.PartValue, rule.Object, fitOfValue(k), rule.Value, "Value field", kinds)
			v.LatestBy = pick(settings.PartLatestBy, rule.Object, forDay, rule.LatestBy, "Latest by", "The date by which the latest record is found.")
			v.Filter = p.filterBox(path+settings.PartFilter, rule.Object, "Filter of the related records", rule.Filter)
			v.Filter.Placeholder = "Status__c = 'Active'"
		}
		v.Account = ui.Field{
			ID: ui.PathID(path + partAccount), Name: path + partAccount, Label: "Account", Value: r.PostForm.Get(path + partAccount), MaxLength: 200, Autocomplete: "off",
			Hint: "Its name, its Id, or the address of its page in Salesforce.",
		}
		v.Compare = pick(partCompare, "Account", fitOfValue(k), r.PostForm.Get(path+partCompare), "Compare with", "An Account field that should say the same.")
		v.Compare.None = "Nothing"
		delete(v.Compare.Attrs, "data-result")
		v.Result, _ = p.results[path].(*views.ValueResult)
		v.Explained, _ = p.results[path+partAccount].(*views.ValueExplained)
		view.Values = append(view.Values, v)
	}
	return views.ValuesPage(view), nil
}

// fieldsOf has the choice of an object bring the pickers of its fields.
func fieldsOf(p *settingsPage, path string) templ.Attributes {
	place := "#" + path + "-fields"
	return templ.Attributes{
		"data-result": path + "-result", "hx-post": p.path(p.section), "hx-trigger": "change", "hx-vals": fmt.Sprintf(`{"do":"fields:%s"}`, path), "hx-target": place, "hx-select": place, "hx-swap": "outerHTML",
		"hx-sync": "this:replace",
	}
}
