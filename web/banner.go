package web

import (
	"net/http"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// triggerLabel says how a run came about.
func triggerLabel(run db.Run) string {
	label := triggerLabels[run.Trigger]
	if run.Missed > 0 {
		label += ", late, " + ui.Count(run.Missed) + " missed"
	}
	return label
}

var triggerLabels = map[string]string{db.TriggerFirst: "first sync", db.TriggerManual: "started by hand", db.TriggerSchedule: "on schedule"}

func runPath(connectionID int64, shortID string) string {
	return orgPath(connectionID, "/runs/"+shortID)
}

// runTitle says what a run is: "Accounts sync", "Undo of R-7KQ2MX".
func runTitle(run db.Run) string {
	if run.OfRun != "" {
		return "Undo of " + run.OfRun
	}
	return run.Entity.SyncLabel()
}

func runLine(run db.Run) views.RunLine {
	return views.RunLine{
		ShortID: run.ShortID, Href: runPath(run.ConnectionID, run.ShortID), State: views.RunState(run.State), Outcome: run.Outcome, Error: run.Error,
		Surprising:   run.Surprising,
		Title:        runTitle(run),
		TriggerLabel: triggerLabel(run), By: run.RequestedByName, CreatedAt: run.CreatedAt, StartedAt: run.StartedAt,
		FinishedAt: run.FinishedAt, Version: run.SettingsVersion,
	}
}

// bannerRun adds to a run how far it is.
func (s *Server) bannerRun(r *http.Request, run db.Run) (views.BannerRun, error) {
	out := views.BannerRun{
		RunLine: runLine(run), Phase: run.Phase, WaitingUntil: run.WaitingUntil, WaitingReason: run.WaitingReason, CancelRequested: run.CancelRequestedAt != nil,
	}
	if run.State == db.RunQueued {
		first, err := s.DB.RunInFocus(r.Context(), run.ConnectionID)
		if err != nil {
			return out, err
		}
		if first != nil && first.ID != run.ID {
			out.Behind = first.ShortID
		}
	}
	if run.State != db.RunRunning {
		return out, nil
	}
	p, err := s.DB.RunProgress(r.Context(), run.ID)
	if err != nil {
		return out, err
	}
	out.Done, out.PerSecond, out.Left, out.Stalled = p.Read+p.InFlight, p.PerSecond, p.Remaining, p.Stalled
	if p.Known {
		out.Total = p.Expected
		out.Done = min(out.Done, out.Total) // what is in flight is a second old
	}
	return out, nil
}

// bannerView is the state of the connection's run in progress or else its latest, with what can be done about it and what comes next.
func (s *Server) bannerView(r *http.Request, c db.Connection) (views.Banner, error) {
	view := views.Banner{URL: orgPath(c.ID, "/banner"), Admin: isAdmin(r), RunAction: orgPath(c.ID, "/runs")}
	shown, err := s.DB.RunInFocus(r.Context(), c.ID)
	if err != nil {
		return view, err
	}
	if shown != nil {
		run, err := s.bannerRun(r, *shown)
		if err != nil {
			return view, err
		}
		view.Run, view.CancelAction = &run, run.Href+"/cancel"
	}
	if view.Next, err = s.nextRun(r, c); err != nil {
		return view, err
	}
	if view.Blocked, err = s.whyNoRun(r, c, pipeline.EntityAll); err != nil || view.Blocked != "" || !view.Admin {
		return view, err
	}
	view.Cost, err = s.costWords(r, c)
	return view, err
}

// nextRun is the run of the connection that its schedules start next, nil when they start none.
func (s *Server) nextRun(r *http.Request, c db.Connection) (*views.NextRun, error) {
	if c.Status != db.StatusConnected {
		return nil, nil
	}
	all, err := s.DB.Schedules(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	var next *views.NextRun
	for _, one := range all {
		if one.NextRunAt != nil && (next == nil || one.NextRunAt.Before(next.At)) {
			next = &views.NextRun{Title: one.Entity.SyncLabel(), At: *one.NextRunAt}
		}
	}
	return next, nil
}

// whyNoRun says why no run of an entity of the connection can be started now, or "".
func (s *Server) whyNoRun(r *http.Request, c db.Connection, entity pipeline.Entity) (string, error) {
	active, err := s.DB.ActiveRun(r.Context(), c.ID, entity)
	if err != nil {
		return "", err
	}
	switch {
	case active != nil:
		return "A sync is active already.", nil
	case c.Status == db.StatusNeedsReconnect:
		return "The org must be reconnected first.", nil
	case c.Status == db.StatusDisconnected:
		return "The org is disconnected.", nil
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return "", err
	}
	if current == nil {
		return "Save an account filter first.", nil
	}
	return entity.WhyOff(current.Settings), nil
}

// banner answers the live update of the banner. It tells the page when the run waits or is over, so that
// cards and lists can show what that changed.
func (s *Server) banner(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	view, err := s.bannerView(r, c)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("wakes") != "" {
		view.Wakes, view.URL = true, view.URL+"?wakes=1"
	}
	switch {
	case view.Run == nil || !view.Run.State.Active():
		w.Header().Set("HX-Trigger", "run-finished")
	case view.Run.State == views.RunWaiting:
		w.Header().Set("HX-Trigger", "run-waiting")
	}
	return s.render(w, r, http.StatusOK, views.SyncBanner(view))
}
