package jobs

import (
	"fmt"
	"strconv"
	"strings"

	"millrace/db"
)

// tally sums up steps.
type tally struct {
	read, created, updated, unchanged, skipped, failed, left, accounts int64
	short                                                              []string // what did not arrive in full
}

func sum(steps []db.RunStep) tally {
	var t tally
	for _, s := range steps {
		t.read += s.Read
		t.created += s.Created
		t.updated += s.Updated
		t.unchanged += s.Unchanged
		t.skipped += s.Skipped
		t.failed += s.Failed
		t.left += s.LeftFilter
		if s.Object == "Account" {
			t.accounts += s.Read
		}
		if s.State == "done" && !s.Complete() && s.Expected != nil {
			t.short = append(t.short, fmt.Sprintf("of %s %s %s arrived", count(*s.Expected), strings.ToLower(s.Label), count(s.Read)))
		}
	}
	return t
}

// ending says what a run did that came to its end.
func ending(steps []db.RunStep) db.Ending {
	t := sum(steps)
	e := db.Ending{State: db.RunCompleted, Outcome: t.did()}
	if t.accounts == 0 {
		e.Outcome = "Nothing matched: no account in Salesforce matches the filter"
		if t.left > 0 {
			e.Outcome += "; " + count(t.left) + " records left it"
		}
	}
	if t.failed > 0 {
		e.State = db.RunCompletedWithErrors
		e.Outcome += "; " + count(t.failed) + " could not be stored"
	}
	if len(t.short) > 0 {
		e.State, e.Code = db.RunCompletedWithErrors, "incomplete"
		e.Error = "Salesforce sent fewer or more records than it had announced: " + strings.Join(t.short, ", ") +
			". Records may be missing, so none were marked as having left the filter. Run the sync again."
		e.Outcome = "Incomplete: " + e.Outcome
	}
	return e
}

// did lists the changes.
func (t tally) did() string {
	var parts []string
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, count(n)+" "+what)
		}
	}
	add(t.created, "created")
	add(t.updated, "updated")
	add(t.left, "left the filter")
	if len(parts) == 0 {
		parts = append(parts, "Nothing changed: "+count(t.unchanged)+" records checked")
	} else {
		add(t.unchanged, "unchanged")
	}
	add(t.skipped, "skipped")
	return strings.Join(parts, ", ")
}

// cutShort says what a run did before it ended early.
func cutShort(how string, steps []db.RunStep) string {
	t := sum(steps)
	if t.read == 0 {
		return how + " before the first record was stored"
	}
	return how + " after " + count(t.read) + " records; what was stored stays"
}

// count writes a number with separators.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
