package web

import (
	"net/http"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

// shownSlots is how many of the coming runs of a schedule are shown.
const shownSlots = 3

// scheduleRows lists what of a connection is synced by itself, and when.
func (s *Server) scheduleRows(r *http.Request, c db.Connection) ([]views.ScheduleRow, error) {
	all, err := s.DB.Schedules(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	costs, err := s.DB.RunCosts(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]views.ScheduleRow, len(all))
	for i, one := range all {
		rows[i] = views.ScheduleRow{Title: one.Entity.SyncLabel(), Next: one.Upcoming(shownSlots), Skipped: one.Skipped, Reason: one.SkipReason}
		if one.Enabled {
			rows[i].Frequency = one.Spec.String()
			switch cost, known, stale := costOf(costs, one.Entity); {
			case known:
				rows[i].Cost = scheduleCost(cost, one)
			case stale:
				rows[i].Cost = "How many API requests it takes is not known yet for the current settings"
			}
		}
		if one.LastRunShortID != "" {
			rows[i].LastRun = views.RunRef{ShortID: one.LastRunShortID, Href: runPath(c.ID, one.LastRunShortID)}
		}
	}
	return rows, nil
}

// scheduleCost says how many API requests a schedule takes.
func scheduleCost(cost db.RunCost, one db.Schedule) string {
	about := "About "
	if cost.Entity != one.Entity {
		about = "At most about "
	}
	return about + ui.Plural(cost.Calls, "API request", "API requests") + " a run, " + ui.Count(perDayOf(cost.Calls, one.Spec)) + " a day"
}
