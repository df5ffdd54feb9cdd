package web

import (
	"net/http"

	"millrace/db"
	"millrace/views"
)

var triggerLabels = map[string]string{db.TriggerFirst: "first sync", db.TriggerManual: "started by hand", db.TriggerSchedule: "on schedule"}

func runPath(connectionID int64, shortID string) string {
	return orgPath(connectionID, "/runs/"+shortID)
}

func runLine(run db.Run) views.RunLine {
	return views.RunLine{
		ShortID: run.ShortID, Href: runPath(run.ConnectionID, run.ShortID), State: views.RunState(run.State), Outcome: run.Outcome, Error: run.Error,
		Surprising:   run.Surprising,
		TriggerLabel: triggerLabels[run.Trigger], By: run.RequestedByName, CreatedAt: run.CreatedAt, StartedAt: run.StartedAt,
		FinishedAt: run.FinishedAt, Version: run.SettingsVersion,
	}
}

// bannerRun adds to a run how far it is.
func (s *Server) bannerRun(r *http.Request, run db.Run) (views.BannerRun, error) {
	out := views.BannerRun{
		RunLine: runLine(run), Phase: run.Phase, WaitingUntil: run.WaitingUntil, WaitingReason: run.WaitingReason, CancelRequested: run.CancelRequestedAt != nil,
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

// bannerView is the state of the connection's latest run, with what can be done about it.
func (s *Server) bannerView(r *http.Request, c db.Connection) (views.Banner, error) {
	view := views.Banner{URL: orgPath(c.ID, "/banner"), Admin: isAdmin(r), RunAction: orgPath(c.ID, "/runs")}
	latest, err := s.DB.LatestRun(r.Context(), c.ID)
	if err != nil {
		return view, err
	}
	if latest != nil {
		run, err := s.bannerRun(r, *latest)
		if err != nil {
			return view, err
		}
		view.Run, view.CancelAction = &run, run.Href+"/cancel"
	}
	view.Blocked, err = s.whyNoRun(r, c, latest)
	return view, err
}

// whyNoRun says why no run of the connection can be started now, or "".
func (s *Server) whyNoRun(r *http.Request, c db.Connection, latest *db.Run) (string, error) {
	switch {
	case latest != nil && latest.State.Active():
		return "A sync is active already.", nil
	case c.Status == db.StatusNeedsReconnect:
		return "The org must be reconnected first.", nil
	case c.Status == db.StatusDisconnected:
		return "The org is disconnected.", nil
	case latest != nil:
		return "", nil
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil || current != nil {
		return "", err
	}
	return "Save an account filter first.", nil
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
	switch {
	case view.Run == nil || !view.Run.State.Active():
		w.Header().Set("HX-Trigger", "run-finished")
	case view.Run.State == views.RunWaiting:
		w.Header().Set("HX-Trigger", "run-waiting")
	}
	return s.render(w, r, http.StatusOK, views.SyncBanner(view))
}
