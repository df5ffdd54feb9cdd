package web

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/views"
	"millrace/views/ui"
)

// tryObject checks a condition on any object as it stands in its box, text, and asks the org which records it selects together with a condition of ours;
// that may be nil, and text may be empty for all records. The samples show the fields of also and those that the text compares.
func (o *org) tryObject(ctx context.Context, object string, condition soql.Expr, text string, also ...string) *views.FilterResult {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	out := &views.FilterResult{Object: object}
	if strings.TrimSpace(text) != "" {
		o.checkText(object, text, out)
	}
	if o.schema != nil {
		if err := salesforce.SchemaErr(o.schema); err != nil {
			return &views.FilterResult{Object: object, Unanswered: faultSentence(err)}
		}
	}
	if len(out.Problems) > 0 {
		return out
	}
	if o.source == nil {
		out.Unanswered = o.why
		return out
	}
	described, err := o.client.Describe(ctx, object)
	switch {
	case isNotFound(err):
		out.Unanswered = "The connected user cannot see the object " + object + ". Choose another, or give that user read access to it."
		return out
	case err != nil:
		out.Unanswered = faultSentence(err)
		return out
	}
	out.Object = described.Label
	fields := sampleFields(described)
	for _, name := range also {
		if path, f, problem := soql.FieldAt(name, described.Name, o.schema); problem == "" {
			out.Columns = append(out.Columns, views.SampleColumn{Name: path, Label: columnLabel(path, f)})
		}
	}
	for _, c := range filteredColumns(described.Name, text, o.schema) {
		if !slices.ContainsFunc(out.Columns, func(had views.SampleColumn) bool { return had.Name == c.Name }) {
			out.Columns = append(out.Columns, c)
		}
	}
	for _, c := range out.Columns {
		if !slices.Contains(fields, c.Name) {
			fields = append(fields, c.Name)
		}
	}
	filter := strings.TrimSpace(text)
	found, err := pipeline.PreviewRecords(ctx, o.source, described.Name, fields, condition, filter)
	var refused *pipeline.QueryRefused
	switch {
	case errors.As(err, &refused):
		out.Problems = []views.FilterProblem{refusedAt(text, filter, refused)}
		out.Details = strings.TrimPrefix(refused.Code+": "+refused.Message, ": ")
		return out
	case err != nil:
		out.Unanswered = faultSentence(err)
		return out
	}
	out.Count, out.Query, out.Took = found.Count, found.Query, ui.Duration(found.Took)
	for _, record := range found.Records {
		sample := views.SampleAccount{ID: valueText(record["Id"]), Name: valueText(record[nameField(described)])}
		sample.Href = recordURL(o.connection, sample.ID)
		for _, c := range out.Columns {
			sample.Values = append(sample.Values, valueText(along(record, c.Name)))
		}
		out.Samples = append(out.Samples, sample)
	}
	if plan, err := o.client.Explain(ctx, found.Query); err == nil {
		out.Speed = speed(plan, "record")
	}
	return out
}

// checkText notes what the local check finds in a condition on an object.
func (o *org) checkText(object, text string, out *views.FilterResult) {
	for _, finding := range pipeline.CheckFilterOf(object, text, o.schema) {
		problem := problemAt(text, finding)
		if finding.Warning {
			out.Warnings = append(out.Warnings, problem)
		} else {
			out.Problems = append(out.Problems, problem)
		}
	}
}

// nameField is the field by which people know a record of the object, such as Name or CaseNumber; "" when it has none.
func nameField(d *salesforce.Describe) string {
	for i := range d.Fields {
		if d.Fields[i].NameField {
			return d.Fields[i].Name
		}
	}
	return ""
}

// sampleFields are the fields that every sample of an object shows.
func sampleFields(d *salesforce.Describe) []string {
	if name := nameField(d); name != "" {
		return []string{"Id", name}
	}
	return []string{"Id"}
}

// filterBox fills the box of a condition on an object in a section other than Account Filtering, with the last result of its Validate.
func (p *settingsPage) filterBox(path, object, label, value string) views.FilterBox {
	result, _ := p.results[path].(*views.FilterResult)
	return views.FilterBox{
		Path: path, ID: views.BoxID(path), Base: orgPath(p.connection.ID, "/settings/account-filtering"), Section: p.path(p.section), Object: object, Label: label, Value: value,
		Hint:   "A SOQL condition on " + object + ", without the word WHERE. Empty means all records.",
		Errors: p.errs[path], Result: result,
	}
}

// boxButton reads the button of a filter box: verb is "validate" or "fix", and at the place of the repair. It reports false for other buttons.
func boxButton(do string) (verb, path string, at int, ok bool) {
	verb, path, _ = strings.Cut(do, ":")
	switch verb {
	case "validate":
		return verb, path, 0, path != ""
	case "fix":
		path, start, _ := strings.Cut(path, ":")
		at, err := strconv.Atoi(start)
		return verb, path, at, err == nil && at >= 0
	}
	return "", "", 0, false
}
