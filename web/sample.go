package web

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// sampleColumns is how many filtered fields the samples show.
const sampleColumns = 6

// elaborate adds to a count what helps to judge it: the filtered fields of the samples and whether an index serves the query. Both are asked at once;
// without their answer the result stands as it is.
func (o *org) elaborate(ctx context.Context, f settings.Filter, found pipeline.PreviewResult, out *views.FilterResult) {
	for _, a := range found.Samples {
		out.Samples = append(out.Samples, views.SampleAccount{ID: a.ID, Name: a.Name, Href: recordURL(o.connection, a.ID)})
	}
	var g errgroup.Group
	g.Go(func() error {
		if plan, err := o.client.Explain(ctx, found.Query); err == nil {
			out.Speed = speed(plan, "account")
		}
		return nil
	})
	if len(out.Samples) > 0 {
		out.Columns = filteredColumns("Account", f.SOQL, o.schema)
		if err := o.fillSamples(ctx, out); err != nil {
			out.Columns = nil
		}
	}
	_ = g.Wait() // its function returns no error
}

// filteredColumns are the fields that a filter compares, without those that every sample shows anyway.
func filteredColumns(object, filter string, schema soql.Schema) []views.SampleColumn {
	var out []views.SampleColumn
	e, _ := soql.ParseFilter(filter)
	paths := soql.Paths(e)
	names := make([]string, 0, len(paths)+2)
	for _, p := range paths {
		names = append(names, p.String())
	}
	if object == "Account" && !slices.ContainsFunc(names, isExtra) {
		names = append(names, "Type", "Industry")
	}
	for _, name := range names {
		if path, f, problem := soql.FieldAt(name, object, schema); problem == "" && isExtra(path) && len(out) < sampleColumns {
			out = append(out, views.SampleColumn{Name: path, Label: columnLabel(path, f), Num: soql.InputOf(f, soql.OpEquals).Kind == soql.InputNumber})
		}
	}
	return out
}

// columnLabel is the label of a field; that of a related record's says whose it is.
func columnLabel(path string, f soql.Field) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i] + ": " + f.Label
	}
	return f.Label
}

func isExtra(name string) bool {
	return !strings.EqualFold(name, "Id") && !strings.EqualFold(name, "Name")
}

// fillSamples reads the columns of the samples.
func (o *org) fillSamples(ctx context.Context, out *views.FilterResult) error {
	fields, ids := []string{"Id"}, make([]string, len(out.Samples))
	for _, c := range out.Columns {
		fields = append(fields, c.Name)
	}
	for i, a := range out.Samples {
		ids[i] = a.ID
	}
	these, err := soql.In("Id", ids)
	if err != nil {
		return err
	}
	query, err := soql.Select("Account", fields, these)
	if err != nil {
		return err
	}
	rows, err := o.source.Rows(ctx, query.String())
	if err != nil {
		return err
	}
	for _, row := range rows.Records {
		i := slices.Index(ids, valueText(row["Id"]))
		if i < 0 {
			continue
		}
		for _, name := range fields[1:] {
			out.Samples[i].Values = append(out.Samples[i].Values, valueText(along(row, name)))
		}
	}
	return nil
}

// along follows a path such as Owner.Name, written as the describe writes it, into a record.
func along(record map[string]any, path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return record[name]
	}
	parent, _ := record[name].(map[string]any)
	return along(parent, rest)
}

// valueText writes a value of a record as people read it.
func valueText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSuffix(v, ".000+0000")
	case json.Number:
		return plain(v)
	case map[string]any: // a compound field: its parts, without what the API says about it
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if text := valueText(v[key]); text != "" && key != "attributes" {
				parts = append(parts, text)
			}
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(value)
}

// speed says in words what Salesforce's plan for a query means.
func speed(p salesforce.Plan, noun string) *views.Speed {
	rows, all := ui.Plural(p.Cardinality, noun, noun+"s"), ui.Count(p.ObjectRows)
	out := &views.Speed{Cost: fmt.Sprintf("%s, relative cost %.2f", p.LeadingOperation, p.RelativeCost), Notes: p.Notes}
	switch {
	case strings.EqualFold(p.LeadingOperation, "TableScan"):
		out.Text = "Not selective: Salesforce looks at all " + all + " " + noun + "s to find these. That is fine for a sync; in an org with very many " + noun + "s it takes longer."
	case p.RelativeCost < 1:
		out.Selective = true
		out.Text = "Selective: an index leads Salesforce to about " + rows + " of " + all + "."
	default:
		out.Text = "Partly selective: an index leads Salesforce to about " + rows + " of " + all + ", which costs as much as looking at all of them."
	}
	return out
}

// plain writes a number without an exponent, its thousands apart.
func plain(n json.Number) string {
	f, err := n.Float64()
	if err != nil || math.Abs(f) >= 1<<53 {
		return n.String()
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	i, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.HasPrefix(whole, "-0") {
		return whole + "." + fraction
	}
	if fraction == "" {
		return ui.Count(i)
	}
	return ui.Count(i) + "." + fraction
}
