package web

import (
	"strings"

	"millrace/salesforce/soql"
	"millrace/views"
)

// operatorWords are SOQL's operators with what they mean.
var operatorWords = []views.Option{
	{Text: "=", Label: "equals"}, {Text: "!=", Label: "is not"}, {Text: "<", Label: "below"}, {Text: "<=", Label: "at most"}, {Text: ">", Label: "above"},
	{Text: ">=", Label: "at least"}, {Text: "LIKE", Label: "matches a pattern: % is any text, _ any character"}, {Text: "IN", Label: "is one of"},
	{Text: "NOT IN", Label: "is none of"}, {Text: "INCLUDES", Label: "has one of"}, {Text: "EXCLUDES", Label: "has none of"},
}

// operatorOptions are the operators that fit a field.
func operatorOptions(f soql.Field) []views.Option {
	var out []views.Option
	kind := soql.InputOf(f, soql.OpEquals).Kind
	for _, o := range operatorWords {
		fits := true
		switch o.Text {
		case "<", "<=", ">", ">=":
			fits = kind == soql.InputNumber || kind == soql.InputDate || kind == soql.InputDateTime || kind == soql.InputTime
		case "LIKE":
			fits = kind == soql.InputText || kind == soql.InputPicklist
		case "IN", "NOT IN":
			fits = kind != soql.InputMultiPicklist && kind != soql.InputNone
		case "INCLUDES", "EXCLUDES":
			fits = kind == soql.InputMultiPicklist
		}
		if fits {
			o.Insert, o.More = o.Text+" ", true
			if strings.HasSuffix(o.Text, "IN") || kind == soql.InputMultiPicklist && len(o.Text) > 2 {
				o.Insert += "("
			}
			out = append(out, o)
		}
	}
	return out
}

// dateWords are the relative dates that are worth offering before the others.
var dateWords = []views.Option{
	{Text: "TODAY"}, {Text: "YESTERDAY"}, {Text: "THIS_WEEK"}, {Text: "LAST_WEEK"}, {Text: "THIS_MONTH"}, {Text: "LAST_MONTH"}, {Text: "THIS_QUARTER"},
	{Text: "LAST_QUARTER"}, {Text: "THIS_YEAR"}, {Text: "LAST_YEAR"}, {Text: "LAST_90_DAYS"}, {Text: "THIS_FISCAL_QUARTER"}, {Text: "THIS_FISCAL_YEAR"},
	{Text: "LAST_N_DAYS:30", Label: "the 30 days up to today"}, {Text: "LAST_N_MONTHS:6", Label: "the 6 months before this one"}, {Text: "N_DAYS_AGO:30", Label: "the day 30 days ago"},
	{Text: "NEXT_N_DAYS:30", Label: "the 30 days from tomorrow on"}, {Text: "NEXT_MONTH"}, {Text: "NEXT_QUARTER"}, {Text: "TOMORROW"},
}

// valueOptions are the values that fit a field and what is typed of one.
func valueOptions(f soql.Field, at spot) []views.Option {
	var out []views.Option
	add := func(o views.Option) {
		o.Insert = o.Text
		if at.want == wantValue {
			o.Insert += " "
			o.More = true
		}
		out = append(out, o)
	}
	typed := strings.ToLower(strings.TrimPrefix(at.partial, "'"))
	for _, p := range f.Picklist {
		if p.Active && len(out) < mostOptions && (typed == "" || strings.Contains(strings.ToLower(p.Value), typed) || strings.Contains(strings.ToLower(p.Label), typed)) {
			o := views.Option{Text: soql.Text(p.Value).String()}
			if p.Label != p.Value {
				o.Label = p.Label
			}
			add(o)
		}
	}
	if strings.HasPrefix(at.partial, "'") {
		return out
	}
	switch soql.InputOf(f, soql.OpEquals).Kind {
	case soql.InputDate, soql.InputDateTime:
		for _, o := range startingWith(append([]views.Option(nil), dateWords...), at.partial) {
			add(o)
		}
	}
	if f.Type == "boolean" {
		for _, o := range startingWith([]views.Option{{Text: "TRUE", Label: "ticked"}, {Text: "FALSE", Label: "not ticked"}}, at.partial) {
			add(o)
		}
	} else if at.want == wantValue {
		for _, o := range startingWith([]views.Option{{Text: "NULL", Label: "empty"}}, at.partial) {
			add(o)
		}
	}
	return out
}
