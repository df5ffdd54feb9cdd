package jobs

import (
	"strings"

	"millrace/db"
)

// undoTally sums up the steps of an undo, whose counts have meanings of their own.
type undoTally struct{ values, back, marked, withdrawn, kept int64 }

func sumUndo(steps []db.RunStep) undoTally {
	var t undoTally
	for _, s := range steps {
		u := s.Undo()
		t.values += u.Values
		t.back += u.Back
		t.marked += u.Marked
		t.withdrawn += u.Withdrawn
		t.kept += u.Later
	}
	return t
}

// undone says what an undo did that came to its end.
func undone(of string, steps []db.RunStep) db.Ending {
	t := sumUndo(steps)
	e := db.Ending{State: db.RunCompleted, Outcome: "Undid " + of + ": " + t.did()}
	switch done := t.values + t.back + t.marked + t.withdrawn; {
	case done == 0 && t.kept == 0:
		e.Outcome = "Nothing to undo: what " + of + " did had been put back already, or it changed nothing here"
	case done == 0:
		e.Outcome = "Nothing was undone of " + of
	}
	if t.kept > 0 {
		e.Surprising = true
		e.Outcome += "; " + count(t.kept) + " stay as they are, because they have changed since"
	}
	return e
}

// undoCutShort says what an undo did that ended early.
func undoCutShort(how, of string, steps []db.RunStep) string {
	t := sumUndo(steps)
	if t.values+t.back+t.marked+t.withdrawn == 0 {
		return how + " before anything of " + of + " was undone"
	}
	return how + " after a part of " + of + " was undone: " + t.did() + ". Undo " + of + " again to go on"
}

func (t undoTally) did() string {
	var parts []string
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, count(n)+" "+what)
		}
	}
	add(t.values, "got their earlier values back")
	add(t.withdrawn, "withdrawn, because it had created them")
	add(t.back, "no longer marked as having left")
	add(t.marked, "marked as having left again")
	return strings.Join(parts, ", ")
}
