package db

import (
	"database/sql"
	"fmt"
	"slices"

	"millrace/pipeline"
)

// hasChildren reports whether records of other tables belong to those of the table: it has the column entered_run then.
func hasChildren(t pipeline.Table) bool {
	return !t.Aside && slices.Contains([]string{"accounts", "contacts", "opportunities", "cases", "chatter_posts"}, t.Name)
}

// merges reports whether Salesforce can merge records of the table: it has the column merged_into_id then.
func merges(t pipeline.Table) bool {
	return !t.Aside && slices.Contains([]string{"accounts", "contacts", "cases"}, t.Name)
}

// enters is the condition under which a record t that is written now comes into the copy, so that its children must be asked for: it comes back, or it was older than the window in which its children are read.
func (m merge) enters() string {
	enters := "v.verdict = 'returned'"
	if w := m.step.Table.Window; w != nil && w.Under == "" {
		now := moment(sql.NullTime{Time: m.step.Clock, Valid: !m.step.Clock.IsZero()})
		enters += fmt.Sprintf(" OR t.system_modstamp < %s - interval '%d days' + interval '25 hours'", now, w.Days)
	}
	return enters
}
