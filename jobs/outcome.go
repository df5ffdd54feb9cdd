package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/pipeline"
)

// tally sums up steps.
type tally struct {
	read, created, updated, unchanged, skipped, failed, left, deleted int64
	earlier, outside                                                  int64    // taken by an earlier filter; of an account that is not synced
	retired                                                           int64    // left because the settings do not ask for them any more
	accounts                                                          int64    // read
	asked                                                             bool     // all accounts of some filter were to be read
	unasked                                                           bool     // those of some filter were not
	changes                                                           bool     // of some records, only what had changed was read
	whole                                                             bool     // of some, everything
	notMade                                                           string   // what failed besides storing; empty for nothing
	short                                                             []string // what did not arrive in full
	refused                                                           []refusedFor
	went                                                              bool // something besides the users was read
}

// refusedFor is a reason why Salesforce does not let some steps be read.
type refusedFor struct {
	labels []string
	note   string
}

func (r refusedFor) String() string { return strings.Join(r.labels, ", ") + ": " + r.note }

// refuse notes that a step could not be read. What has one reason is said once.
func (t *tally) refuse(label, note string) {
	if at := slices.IndexFunc(t.refused, func(r refusedFor) bool { return r.note == note }); at >= 0 {
		t.refused[at].labels = append(t.refused[at].labels, label)
		return
	}
	t.refused = append(t.refused, refusedFor{[]string{label}, note})
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
		t.deleted += s.Deleted
		if s.State == "failed" {
			t.refuse(s.Label, s.Note)
		} else if s.Records != "User" {
			t.went = true
		}
		t.changes = t.changes || s.Reading == "changes"
		t.whole = t.whole || s.Reading == "whole" || s.Reading == ""
		if s.Records == "Account" {
			t.accounts += s.Read
			if s.State == "failed" || s.Reading == "changes" || s.Reading == "none" {
				t.unasked = true
			} else {
				t.asked = true
			}
			t.earlier += s.Elsewhere
		} else if !slices.Contains(pipeline.ValueKinds, pipeline.ValueKind(s.Records)) {
			t.outside += s.Elsewhere
		} else if s.Failed > 0 {
			t.notMade = " or worked out"
		}
		if s.State == "done" && !s.Complete() && s.Expected != nil {
			t.short = append(t.short, fmt.Sprintf("of %s %s %s arrived", count(*s.Expected), strings.ToLower(s.Label), count(s.Read)))
		}
	}
	return t
}

// ending says what a run did that came to its end. retired counts the records that left with what the settings do not ask for any more; here counts those of a core object that are in step now.
func ending(steps []db.RunStep, retired int64, here map[string]int64) db.Ending {
	t := sum(steps)
	t.retired = retired
	e := db.Ending{State: db.RunCompleted, Outcome: t.did()}
	if lost := exodus(steps, here); lost != "" {
		e.Surprising = true
		e.Outcome = "Completed, but " + lost + ". If that is a surprise, check the filter's last change. In all: " + t.did()
	}
	if len(steps) == 0 && retired == 0 {
		e.Outcome = "Nothing to do: the settings switch this off"
	}
	if t.asked && !t.unasked && t.accounts == 0 {
		e.Surprising = true
		e.Outcome = "Nothing matched: no account in Salesforce matches the filter"
		if t.left > 0 {
			e.Outcome += "; " + count(t.left) + " records left it"
		}
	}
	if t.failed > 0 {
		e.State = db.RunCompletedWithErrors
		e.Outcome += "; " + count(t.failed) + " could not be stored" + t.notMade
	}
	if len(t.short) > 0 {
		e.State, e.Code = db.RunCompletedWithErrors, "incomplete"
		e.Error = "Salesforce sent fewer or more records than it had announced: " + strings.Join(t.short, ", ") +
			". Records may be missing, so none were marked as having left the filter. Run the sync again."
		e.Outcome = "Incomplete: " + e.Outcome
	}
	if len(t.refused) > 0 {
		e.State, e.Code = db.RunCompletedWithErrors, "refused"
		var said []string
		for _, r := range t.refused {
			said = append(said, r.String())
		}
		e.Error = strings.TrimSpace(strings.Join(said, " ") + " " + e.Error)
		if !t.went {
			e.State, e.Outcome = db.RunFailed, cutShort("Failed", steps)
		}
	}
	return e
}

// noticedWords says which changes in the org a run was the first to notice, or "".
func noticedWords(drifts []db.SchemaDrift) string {
	var parts []string
	for _, d := range drifts {
		part := d.Sentence
		if len(d.UsedBy) > 0 {
			part += " (used by " + strings.Join(d.UsedBy, ", ") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// late adds to the outcome of a run that it makes up for slots of its schedule.
func late(outcome string, missed int64) string {
	if missed == 0 {
		return outcome
	}
	return outcome + " (late, " + count(missed) + " missed)"
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
	add(t.retired, "not asked for by the settings any more")
	add(t.deleted, "found deleted in Salesforce") // most of them left with this run, others with an earlier one
	switch {
	case len(parts) == 0 && t.changes && !t.whole:
		parts = append(parts, "Nothing changed since the last sync")
	case len(parts) == 0:
		parts = append(parts, "Nothing changed: "+count(t.unchanged)+" records checked")
	case t.whole:
		add(t.unchanged, "unchanged")
	}
	add(t.skipped, "skipped")
	add(t.earlier, "matched an earlier filter")
	add(t.outside, "of accounts that are not synced")
	return strings.Join(parts, ", ")
}

// An object whose records leave in such numbers deserves a look: more than this many, and more than half of those that were here.
const exodusFrom = 10

// parted lists the objects of which so many records have left that it matters how many are still here.
func parted(steps []db.RunStep) []string {
	left := map[string]int64{}
	for _, s := range steps {
		left[s.Records] += s.LeftFilter
	}
	return slices.DeleteFunc(pipeline.Objects(), func(object string) bool { return left[object] <= exodusFrom })
}

// exodus says of which object most records have left, or "". Accounts come first: their contacts and opportunities follow them.
func exodus(steps []db.RunStep, here map[string]int64) string {
	for _, object := range []string{"Account", "Contact", "Opportunity", "User"} {
		var left, created int64
		for _, s := range steps {
			if s.Records == object {
				left += s.LeftFilter
				created += s.Created
			}
		}
		were := here[object] + left - created
		if table, ok := pipeline.TableOf(object); ok && left > exodusFrom && left*2 > were {
			return fmt.Sprintf("%s of %s %s left the filter", count(left), count(were), strings.ToLower(table.Label))
		}
	}
	return ""
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
