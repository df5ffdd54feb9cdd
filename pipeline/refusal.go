package pipeline

import (
	"context"
	"fmt"
	"strings"

	"millrace/settings"
)

// explained turns a refusal of a query into one that says which filter no longer fits the org, and what to write instead. A refusal for another reason
// stays as it is, and so does any other error.
func (j Work) explained(ctx context.Context, err error) error {
	if KindOf(err) != Refused {
		return err
	}
	schema, schemaErr := j.Source.Schema(ctx, false)
	if schemaErr != nil {
		return err
	}
	for _, f := range typedFilters(j.Settings) {
		var wrong []string
		for _, finding := range CheckFilterOf(f.object, f.text, schema) {
			if !finding.Warning {
				wrong = append(wrong, finding.Message)
			}
		}
		if len(wrong) == 0 {
			continue
		}
		return &Fault{Kind: Refused, Code: FaultOf(err).Code, Err: err, Message: fmt.Sprintf(
			"%s no longer fits the org: %s A field may have been renamed, deleted or hidden from the connected user. Correct the filter in the settings and save it.",
			f.which, strings.Join(wrong, " "))}
	}
	return err
}

// typedFilter is a condition that an admin typed.
type typedFilter struct{ which, object, text string }

// typedFilters lists the conditions of the settings that are in use.
func typedFilters(s settings.Settings) []typedFilter {
	var out []typedFilter
	for _, f := range s.Accounts.Filters() {
		which := "The account filter"
		if f.Type != "" && len(s.Accounts.Filters()) > 1 {
			which = "The " + f.Type.Label() + " filter"
		}
		out = append(out, typedFilter{which, accounts.Object, f.SOQL})
	}
	add := func(which, object, text string, used bool) {
		if used && strings.TrimSpace(text) != "" {
			out = append(out, typedFilter{which, object, text})
		}
	}
	for _, k := range ValueKinds {
		rule := k.Rule(s)
		add("The filter of "+k.Label(), rule.Object, rule.Filter, rule.Mode == settings.CalculatedValue)
	}
	for _, c := range s.CustomObjects {
		add("The filter of "+c.Name, c.Object, c.Filter, true)
	}
	add("The case filter", cases.Object, s.Cases.Filter, s.Cases.Enabled)
	for _, f := range FeedParents {
		text, chosen := f.chosen(s.Chatter)
		add("The filter of "+f.Label(), f.Object(), text, s.Chatter.Enabled && chosen)
	}
	return out
}
