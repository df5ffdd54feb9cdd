package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
)

// RefreshPrefix begins the names of the sets and steps that bring fields up to date whose changes do not show.
const RefreshPrefix = "formulas:"

// RefreshAfter is how long after they were read fields are due again that are read every so often: a little earlier, so that a sync at the same time each day finds those due each day that are
// read once a day.
func RefreshAfter(every time.Duration) time.Duration { return every - min(every/10, time.Hour) }

// refreshes returns the steps that read, of all records of a set, the fields whose changes do not show on the record, and nothing else. They go on from the state that the set's own steps go on from.
func refreshes(steps []Step, set []int) ([]Step, error) {
	var out []Step
	for _, i := range set {
		s := steps[i]
		if len(s.silent) == 0 || s.Batches != nil {
			continue
		}
		query, err := only(s.Reading.Whole, s.silentFields)
		if err != nil {
			return nil, fmt.Errorf("plan the formula fields of %s: %w", s.Name, err)
		}
		r := Step{
			Name: RefreshPrefix + s.Name, Label: s.Label + ", formula fields", Table: s.Table, AccountType: s.AccountType, Query: query, CountQuery: s.CountQuery, Refresh: true,
			Calculation: s.Calculation,
			Reading:     Reading{After: s.Reading.After, Why: "formula fields of records that have not changed", Whole: query, Silent: s.silent},
		}
		r.Table.Set = RefreshPrefix + s.Table.Records()
		out = append(out, r)
	}
	if n := len(out); n > 0 {
		out[n-1].Reading.Last = true
	}
	return out, nil
}

// only reduces a query to the Id and some of its fields.
func only(query string, fields []string) (string, error) {
	q, err := soql.ParseQuery(query)
	if err != nil {
		return "", err
	}
	q.Select = slices.DeleteFunc(q.Select, func(item soql.SelectItem) bool {
		name := item.Value.String()
		return !strings.EqualFold(name, "Id") && !slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, name) })
	})
	return q.String(), nil
}
