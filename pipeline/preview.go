package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// sampleSize is how many accounts a preview shows.
const sampleSize = 5

// PreviewResult is what a filter selects at this moment.
type PreviewResult struct {
	Count   int64 // accounts that match
	Taken   int64 // of these, the ones that an earlier filter takes first; -1 when the org cannot count them
	Samples []Sample
	Query   string // that the run will use
	Note    string // what the run leaves out and why; empty for nothing
	Took    time.Duration
}

// Sample is one matching account, with its type and industry by their labels.
type Sample struct {
	ID, Name                string
	Type, Industry, Website string
}

// QueryRefused is Salesforce's refusal of a query, with the place in the admin's own text.
type QueryRefused struct {
	Message string
	Code    string
	Pos     soql.Pos // zero when Salesforce names no place inside the filter
}

// Error implements error.
func (e *QueryRefused) Error() string { return e.Code + ": " + e.Message }

// Preview counts the accounts that filter selects and shows a few of them, through the same plan as a run and without writing anything. prior are the
// filters before it in match order. It returns *QueryRefused when Salesforce does not accept the filter, and a Fault for other failures.
func Preview(ctx context.Context, source Sampler, filter settings.Filter, schema soql.Schema, prior []settings.Filter) (PreviewResult, error) {
	started := time.Now()
	p := planner{schema: schema}
	read, count := p.addFilter(accounts, accounts.Label, filter)
	if p.err != nil {
		return PreviewResult{}, p.err
	}
	step := p.plan.Steps[0]
	out := PreviewResult{Query: step.Query, Note: step.Note}
	var err error
	if out.Count, err = source.Count(ctx, step.CountQuery); err != nil {
		return PreviewResult{}, refused(err, count)
	}
	if out.Count > 0 {
		rows, err := source.Rows(ctx, limited(step.Query, sampleSize))
		if err != nil {
			return PreviewResult{}, refused(err, read)
		}
		out.Samples = samples(rows, schema)
		out.Taken = taken(ctx, source, filter, prior)
	}
	out.Took = time.Since(started)
	return out, nil
}

// taken counts the matches that an earlier filter takes. Some pairs of valid filters cannot be combined in one query; then the number stays open.
func taken(ctx context.Context, source Sampler, filter settings.Filter, prior []settings.Filter) int64 {
	if len(prior) == 0 {
		return 0
	}
	query, err := overlap(filter, prior)
	if err != nil {
		return -1
	}
	n, err := source.Count(ctx, query)
	if err != nil {
		return -1
	}
	return n
}

func samples(rows *Rows, schema soql.Schema) []Sample {
	label := func(r map[string]any, field string) string {
		value := textOf(r, field)
		_, f, _ := soql.FieldAt(field, accounts.Object, schema)
		if i := slices.IndexFunc(f.Picklist, func(v soql.PicklistValue) bool { return v.Value == value }); i >= 0 {
			return cmp.Or(f.Picklist[i].Label, value)
		}
		return value
	}
	var out []Sample
	for _, r := range rows.Records {
		out = append(out, Sample{ID: textOf(r, "Id"), Name: textOf(r, "Name"), Type: label(r, "Type"), Industry: label(r, "Industry"), Website: textOf(r, "Website")})
	}
	return out
}

// refused turns a refusal of a query into one that speaks of the filter in it. Other errors stay as they are.
func refused(err error, query *soql.Composed) error {
	var f *Fault
	if !errors.As(err, &f) || f.Kind != Refused {
		return err
	}
	out := &QueryRefused{Message: strings.TrimPrefix(f.Message, refusedPrefix), Code: f.Code}
	if pos, ok := query.Locate(f.Line, f.Column); ok {
		out.Pos = pos
	}
	return out
}

// refusedPrefix begins the message of a fault about a refused query; after it comes Salesforce's own text.
const refusedPrefix = "Salesforce does not accept the query: "

// RefusedMessage is the message of a Fault of kind Refused for which Salesforce gives the reason.
func RefusedMessage(reason string) string { return refusedPrefix + reason }

// CheckFilter checks the text of an account filter box against the org and returns all findings, in the order of the text; it is empty when there are
// none. A nil schema checks the syntax only.
func CheckFilter(text string, schema soql.Schema) []soql.Finding {
	return CheckFilterOf(accounts.Object, text, schema)
}

// CheckFilterOf is CheckFilter for a condition on any object.
func CheckFilterOf(object, text string, schema soql.Schema) []soql.Finding {
	return soql.CheckFilter(text, object, schema)
}

// limited returns query for its first n records.
func limited(query string, n int) string { return fmt.Sprintf("%s LIMIT %d", query, n) }
