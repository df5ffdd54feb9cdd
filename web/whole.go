package web

import (
	"errors"
	"net/http"
	"slices"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// wholeForm asks before everything is read again, and says what that costs.
func (s *Server) wholeForm(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Read everything again", "runs")
	if err != nil {
		return err
	}
	view := views.Whole{Shell: shell, OrgName: ConnectionName(c), ListHref: orgPath(c.ID, "/runs"), Action: orgPath(c.ID, "/whole")}
	if view.Refused, err = s.whyNoWhole(r, c); err != nil {
		return err
	}
	past, err := s.DB.WholeRead(r.Context(), c.ID)
	if err != nil {
		return err
	}
	view.Since = past.Since
	if past.ShortID != "" {
		view.Cost = &views.WholeCost{Run: views.RunRef{ShortID: past.ShortID, Href: runPath(c.ID, past.ShortID)}, Calls: past.Calls, Took: past.Took}
	}
	budget, err := s.DB.APIBudget(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if room, known := budget.Room(); known {
		view.Room = &room
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for _, e := range pipeline.Entities {
		if current == nil || e.WhyOff(current.Settings) == "" {
			view.Parts = append(view.Parts, ui.Option{Value: string(e), Label: wholeLabel(e, current)})
		}
	}
	return s.render(w, r, http.StatusOK, views.WholePage(view))
}

// wholeLabel names a part that is read again. Chatter is no part of everything.
func wholeLabel(e pipeline.Entity, current *db.SettingsVersion) string {
	if e == pipeline.EntityAll && current != nil && current.Settings.Chatter.Enabled {
		return "Everything but Chatter"
	}
	return e.Label()
}

// whyNoWhole says why no run can be asked for; empty when one can. Unlike before an ordinary run, one that is active is no reason: it may become one that reads everything.
func (s *Server) whyNoWhole(r *http.Request, c db.Connection) (string, error) {
	switch c.Status {
	case db.StatusNeedsReconnect:
		return "The org must be reconnected first.", nil
	case db.StatusDisconnected:
		return "The org is disconnected.", nil
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil || current != nil {
		return "", err
	}
	return "Save an account filter first: it decides which accounts are synced.", nil
}

// readWhole queues a run that reads everything. Pressed twice, or by two admins, it leads to the same run.
func (s *Server) readWhole(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	refuse := func(why string) error {
		return &failure{status: http.StatusConflict, title: "Nothing is read again", sentence: why}
	}
	entity := pipeline.EntityAll
	if wanted := r.PostForm.Get("entity"); wanted != "" {
		if entity = pipeline.Entity(wanted); !slices.Contains(pipeline.Entities, entity) {
			return &failure{status: http.StatusBadRequest, title: "Nothing is read again", sentence: "There is nothing of that name to sync. Go back and choose again."}
		}
	}
	why, err := s.whyNoWhole(r, c)
	if err != nil {
		return err
	}
	if why != "" {
		return refuse(why)
	}
	by := visitOf(r).user.ID
	run, started, whole, err := s.DB.RequestWholeRun(r.Context(), c.ID, entity, &by)
	var off *db.EntityOffError
	switch {
	case errors.As(err, &off):
		return refuse(off.Reason)
	case errors.Is(err, db.ErrNoSettings):
		return refuse("Save an account filter first: it decides which accounts are synced.")
	case err != nil:
		return err
	case !whole:
		return s.see(w, r, runPath(c.ID, run.ShortID), "whole-late", run.ShortID)
	case !started:
		return s.see(w, r, runPath(c.ID, run.ShortID), "whole-active", run.ShortID)
	}
	return s.see(w, r, runPath(c.ID, run.ShortID), "whole-started", run.ShortID)
}
