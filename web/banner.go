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
	out, err := s.runInFocus(r, run)
	if err != nil || run.State != db.RunQueued {
		return out, err
	}
	first, err := s.DB.RunInFocus(r.Context(), run.ConnectionID)
	if err == nil && first != nil && first.ID != run.ID {
		out.Behind = first.ShortID
	}
	return out, err
}

// runInFocus is bannerRun for a run that waits for no other.
func (s *Server) runInFocus(r *http.Request, run db.Run) (views.BannerRun, error) {
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

// bannerView is the state of the connection's run in progress or else its latest, with what can be done about it and what comes next.
func (s *Server) bannerView(r *http.Request, c db.Connection) (views.Banner, error) {
	view := views.Banner{URL: orgPath(c.ID, "/banner"), Admin: isAdmin(r), RunAction: orgPath(c.ID, "/runs")}
	known, err := s.DB.Banner(r.Context(), c.ID)
	if err != nil {
		return view, err
	}
	if known.Run != nil {
		run, err := s.runInFocus(r, *known.Run)
		if err != nil {
			return view, err
		}
		view.Run, view.CancelAction = &run, run.Href+"/cancel"
	}
	if known.NextEntity != "" && c.Status == db.StatusConnected {
		view.Next = &views.NextRun{Title: known.NextEntity.SyncLabel(), At: known.NextAt}
	}
	if view.Blocked = blocked(c, known.Active, known.Configured); view.Blocked == "" && view.Admin && known.Cost != nil {
		view.Cost = costWords(*known.Cost, known.Budget)
	}
	return view, nil
}

// whyNoRun says why no run of an entity of the connection can be started now, or "".
func (s *Server) whyNoRun(r *http.Request, c db.Connection, entity pipeline.Entity) (string, error) {
	active, err := s.DB.ActiveRun(r.Context(), c.ID, entity)
	if err != nil {
		return "", err
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return "", err
	}
	if why := blocked(c, active != nil, current != nil); why != "" {
		return why, nil
	}
	return entity.WhyOff(current.Settings), nil
}

// blocked says why no run of the connection can be started now, whatever it is to bring, or "".
func blocked(c db.Connection, active, configured bool) string {
	switch {
	case active:
		return "A sync is active already."
	case c.Status == db.StatusNeedsReconnect:
		return "The org must be reconnected first."
	case c.Status == db.StatusDisconnected:
		return "The org is disconnected."
	case !configured:
		return "Save an account filter first."
	}
	return ""
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
