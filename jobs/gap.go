package jobs

import (
	"strings"

	"millrace/db"
	"millrace/pipeline"
)

// gapClosed says what a run did that was to close a gap.
func gapClosed(steps []db.RunStep) db.Ending {
	e := ending(steps, 0, nil)
	var fetched, left, failed int64
	for _, s := range steps {
		fetched += s.Created + s.Updated
		left += s.LeftFilter
		failed += s.Failed
	}
	var parts []string
	if fetched > 0 {
		parts = append(parts, count(fetched)+" fetched")
	}
	if left > 0 {
		parts = append(parts, count(left)+" marked as having left")
	}
	e.Surprising = false
	e.Outcome = "Gap closed: " + strings.Join(parts, ", ")
	if len(parts) == 0 {
		e.Outcome = "Nothing was missing"
	}
	if failed > 0 {
		e.Outcome += "; " + count(failed) + " could not be stored"
	}
	if e.Code == "incomplete" {
		e.Error = "Salesforce sent fewer or more Ids than it had announced, so nothing was marked as having left. Backfill the gap again."
		e.Outcome = "Incomplete: " + e.Outcome
	}
	return e
}

// gapCutShort says so of one that ended early.
func gapCutShort(how string, steps []db.RunStep) string {
	var fetched int64
	for _, s := range steps {
		fetched += s.Created + s.Updated
	}
	if fetched == 0 {
		return how + " before the first missing record was fetched"
	}
	return how + " after " + count(fetched) + " missing records were fetched; they stay"
}

// cutShortOf says what a run of an entity did before it ended early.
func cutShortOf(run *db.Run, how string, steps []db.RunStep) string {
	switch run.Entity {
	case pipeline.EntityUndo:
		return undoCutShort(how, run.OfRun, steps)
	case pipeline.EntityGap:
		return gapCutShort(how, steps)
	case pipeline.EntityRetry:
		return retryCutShort(how, steps)
	}
	return cutShort(how, steps)
}
