package web

import (
	"net/http"

	"millrace/db"
	"millrace/views"
)

// shownSlots is how many of the coming runs of a schedule are shown.
const shownSlots = 3

// scheduleRows lists what of a connection is synced by itself, and when.
func (s *Server) scheduleRows(r *http.Request, c db.Connection) ([]views.ScheduleRow, error) {
	all, err := s.DB.Schedules(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]views.ScheduleRow, len(all))
	for i, one := range all {
		rows[i] = views.ScheduleRow{Title: one.Entity.SyncLabel(), Next: one.Upcoming(shownSlots), Skipped: one.Skipped, Reason: one.SkipReason}
		if one.Enabled {
			rows[i].Frequency = one.Spec.String()
		}
		if one.LastRunShortID != "" {
			rows[i].LastRun = views.RunRef{ShortID: one.LastRunShortID, Href: runPath(c.ID, one.LastRunShortID)}
		}
	}
	return rows, nil
}
