package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// undoPatience is how long a preview may count.
const undoPatience = 20 * time.Second

// undoRows is how many records a list of an undo shows.
const undoRows = 25

// undoForm asks before a run is undone, with what that would do.
func (s *Server) undoForm(w http.ResponseWriter, r *http.Request) error {
	c, run, err := s.namedRun(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Undo "+run.ShortID, "runs")
	if err != nil {
		return err
	}
	view := views.Undo{Shell: shell, Run: runLine(run), ListHref: orgPath(c.ID, "/runs"), Action: runPath(c.ID, run.ShortID) + "/undo", Settings: orgPath(c.ID, "/settings/history")}
	if view.Refused, err = s.DB.UndoRefusal(r.Context(), run); err != nil {
		return err
	}
	if view.Refused != "" {
		return s.render(w, r, http.StatusOK, views.UndoPage(view))
	}
	busy, err := s.DB.ActiveRun(r.Context(), c.ID, pipeline.EntityUndo)
	if err != nil {
		return err
	}
	if busy != nil {
		line := runLine(*busy)
		view.Busy = &line
	}
	err = s.countUndo(r, c, run, &view)
	if errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		view.Uncount, view.Counts, view.Records, err = true, nil, nil, nil
	}
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.UndoPage(view))
}

// countUndo adds the counts and a part of the records.
func (s *Server) countUndo(r *http.Request, c db.Connection, run db.Run, view *views.Undo) error {
	ctx, cancel := context.WithTimeout(r.Context(), undoPatience)
	defer cancel()
	counts, err := s.DB.UndoPreview(ctx, run)
	if err != nil || len(counts) == 0 {
		return err
	}
	q := r.URL.Query()
	view.Filter = views.UndoFilter{Set: q.Get("set"), Kept: q.Get("kept") != ""}
	chosen, first := -1, -1
	for i, n := range counts {
		row := undoCount(n)
		row.Key = strings.TrimSuffix(n.Table+":"+n.Part, ":")
		view.Counts = append(view.Counts, row)
		view.Filter.Options = append(view.Filter.Options, ui.Option{Value: row.Key, Label: n.Label})
		if row.Key == view.Filter.Set {
			chosen = i
		}
		if first < 0 && n.Todo() > 0 {
			first = i
		}
	}
	if chosen < 0 {
		chosen = max(first, 0)
		view.Filter.Set = view.Counts[chosen].Key
	}
	list, err := s.DB.UndoRecords(ctx, run, db.UndoQuery{
		Table: counts[chosen].Table, Part: counts[chosen].Part, Kept: view.Filter.Kept, After: q.Get("after"), Limit: undoRows + 1,
	})
	if err != nil {
		return err
	}
	if len(list) > undoRows {
		list = list[:undoRows]
		next := url.Values{"set": {view.Filter.Set}, "after": {list[undoRows-1].SFID}}
		if view.Filter.Kept {
			next.Set("kept", "1")
		}
		view.More = withQuery(view.Action, next) + "#undo-records"
	}
	view.Records = undoRecords(c, list)
	return nil
}

func undoCount(n db.UndoCount) views.UndoCount {
	return views.UndoCount{Label: n.Label, Object: n.Object, Values: n.Values, Withdrawn: n.Withdrawn, Back: n.Back, Marked: n.Marked, Kept: n.Later, Done: n.Done}
}

var undoActions = map[db.UndoKind]string{
	db.UndoValues: "Gets its earlier values back", db.UndoWithdrawn: "Withdrawn: the run created it", db.UndoBack: "In step again", db.UndoMarked: "Marked as left again",
}

// undoRecords describes records of an undo.
func undoRecords(c db.Connection, list []db.UndoRecord) (out []views.UndoRecord) {
	for _, u := range list {
		row := views.UndoRecord{Object: u.Object, ID: u.SFID, Name: u.Name, Href: recordURL(c, u.SFID), Action: undoActions[u.Kind]}
		if u.Table == "accounts" {
			row.Local = orgPath(c.ID, "/accounts/"+u.SFID)
		}
		switch u.Kept {
		case "later":
			row.Action, row.Why = "Stays as it is", "A later run has changed it."
			if u.Later != "" {
				row.Why, row.WhyHref = u.Later+" has changed it since.", runPath(c.ID, u.Later)
			}
		case "changed":
			row.Action, row.Why = "Stays as it is", "It no longer has the values that the run gave it."
		case "missing":
			row.Action, row.Why = "Stays as it is", "It is not here any more."
		}
		for _, change := range u.Changes {
			row.Changes = append(row.Changes, views.UndoChange(change))
		}
		out = append(out, row)
	}
	return out
}

// undo queues the undo of a run. Pressed twice, it leads to the same one.
func (s *Server) undo(w http.ResponseWriter, r *http.Request) error {
	c, run, err := s.namedRun(r)
	if err != nil {
		return err
	}
	undo, started, err := s.DB.RequestUndo(r.Context(), run, visitOf(r).user.ID)
	var off *db.EntityOffError
	switch {
	case errors.As(err, &off):
		return &failure{status: http.StatusConflict, title: "Nothing was undone", sentence: off.Reason}
	case err != nil:
		return err
	case !started && undo.OfRun != run.ShortID:
		return s.see(w, r, runPath(c.ID, run.ShortID)+"/undo", "undo-busy", undo.ShortID)
	case !started:
		return s.see(w, r, runPath(c.ID, undo.ShortID), "undo-active", undo.ShortID)
	}
	return s.see(w, r, runPath(c.ID, undo.ShortID), "undo-started", run.ShortID)
}

// addUndo adds to the page of a run its undos and, when it is one itself, what it did.
func (s *Server) addUndo(r *http.Request, c db.Connection, run db.Run, steps []db.RunStep, view *views.Run) error {
	undos, err := s.DB.UndosOf(r.Context(), run.ID)
	if err != nil {
		return err
	}
	for _, u := range undos {
		view.UndoneBy = append(view.UndoneBy, runLine(u))
	}
	if isAdmin(r) {
		why, err := s.DB.UndoRefusal(r.Context(), run)
		if err != nil {
			return err
		}
		if why == "" && touchedAnything(steps) {
			view.UndoHref = runPath(c.ID, run.ShortID) + "/undo"
		}
	}
	if run.Entity != pipeline.EntityUndo {
		return nil
	}
	done := &views.UndoDone{Of: run.OfRun, OfHref: runPath(c.ID, run.OfRun)}
	for _, step := range steps {
		done.Counts = append(done.Counts, undoCount(step.Undo()))
	}
	view.Undo = done
	if run.State.Active() {
		return nil
	}
	table, rest, _ := strings.Cut(r.URL.Query().Get("kept"), ":")
	part, id, _ := strings.Cut(rest, ":")
	list, total, err := s.DB.UndoKept(r.Context(), run, db.UndoRecord{Table: table, Part: part, SFID: id}, undoRows+1)
	if err != nil {
		return err
	}
	if len(list) > undoRows {
		list = list[:undoRows]
		last := list[undoRows-1]
		done.More = withQuery(runPath(c.ID, run.ShortID), url.Values{"kept": {last.Table + ":" + last.Part + ":" + last.SFID}}) + "#undo-kept"
	}
	done.Kept, done.KeptTotal = undoRecords(c, list), total
	return nil
}

// touchedAnything reports whether a run's own counts say that it changed a record here.
func touchedAnything(steps []db.RunStep) bool {
	for _, s := range steps {
		if s.Created+s.Updated+s.LeftFilter+s.Deleted > 0 {
			return true
		}
	}
	return false
}
