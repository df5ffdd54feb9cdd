package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// withQuery appends a query to a path.
func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// namedRun returns the connection and the run of the address.
func (s *Server) namedRun(r *http.Request) (db.Connection, db.Run, error) {
	c, err := s.connection(r)
	if err != nil {
		return c, db.Run{}, err
	}
	run, err := s.DB.Run(r.Context(), c.ID, r.PathValue("run"))
	return c, run, err
}

// run shows one run with its counts per object.
func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	c, run, err := s.namedRun(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, runTitle(run)+" "+run.ShortID, "runs")
	if err != nil {
		return err
	}
	line, err := s.bannerRun(r, run)
	if err != nil {
		return err
	}
	shell.Refresh = run.State.Active()
	view := views.Run{Shell: shell, Run: line, ListHref: orgPath(c.ID, "/runs"), Here: line.Href, APICalls: run.APICalls, ErrorCode: run.ErrorCode}
	if isAdmin(r) {
		view.SettingsRef = versionPath(c.ID, run.SettingsVersion)
		if run.State.Active() {
			view.CancelAction = line.Href + "/cancel"
		}
	}
	steps, err := s.DB.RunSteps(r.Context(), run.ID)
	if err != nil {
		return err
	}
	for _, step := range steps {
		view.Steps = append(view.Steps, stepRow(step))
		view.ErrorsTotal += int(step.Failed)
	}
	if err := s.addLive(r, run, steps, view.Steps); err != nil {
		return err
	}
	view.Totals = runTotals(r, c, run, steps)
	if err := s.addAgain(r, c, run, &view); err != nil {
		return err
	}
	if err := s.addBefore(r, c, run, steps, &view); err != nil {
		return err
	}
	if err := s.addTimeline(r, run, &view); err != nil {
		return err
	}
	if err := s.addCalls(r, run, &view); err != nil {
		return err
	}
	if err := s.addSkips(r, c, run, &view); err != nil {
		return err
	}
	if err := s.addUndo(r, c, run, steps, &view); err != nil {
		return err
	}
	if err := s.addChecks(r, c, run, &view); err != nil {
		return err
	}
	const shown = 100
	list, err := s.DB.RunErrors(r.Context(), run.ID, shown, 0)
	if err != nil {
		return err
	}
	view.ErrorsTotal = max(view.ErrorsTotal, len(list))
	if err := s.addFailed(r, c, run, &view); err != nil {
		return err
	}
	for _, e := range list {
		view.Errors = append(view.Errors, views.RunErrorRow{Object: e.Object, ID: e.SFID, Href: recordURL(c, e.SFID), Cause: e.Cause, Message: e.Message})
	}
	return s.render(w, r, http.StatusOK, views.RunPage(view))
}

func stepRow(step db.RunStep) views.StepRow {
	row := views.StepRow{
		Label: step.Label, Object: step.Object, State: step.State, Mode: modeLabels[string(step.Mode)], Query: step.Query, Note: step.Note, Expected: -1,
		Read: step.Read, Created: step.Created, Updated: step.Updated, Unchanged: step.Unchanged, Skipped: step.Skipped,
		Elsewhere: step.Elsewhere, Failed: step.Failed, LeftFilter: step.LeftFilter, Facts: stepFacts(step),
	}
	if step.Expected != nil {
		row.Expected = *step.Expected
	}
	if step.StartedAt != nil {
		end := time.Now()
		if step.FinishedAt != nil {
			end = *step.FinishedAt
		}
		row.Took = end.Sub(*step.StartedAt)
	}
	return row
}

// stepFacts says what stands behind the counts of a step.
func stepFacts(step db.RunStep) (facts []string) {
	switch {
	case step.Reading == "changes" && step.Since != nil:
		facts = append(facts, "Only changes since "+step.Since.UTC().Format("2 January 15:04")+" UTC")
	case step.Reading == "changes":
		facts = append(facts, "Only of records that have changed")
	case step.Reading == "whole" && step.Why != "":
		facts = append(facts, "Everything: "+step.Why)
	}
	table, _ := pipeline.TableOf(step.Records)
	if kind := pipeline.ValueKind(step.Records); slices.Contains(pipeline.ValueKinds, kind) && step.Updated > 0 {
		facts = append(facts, "another value for "+ui.Plural(step.Updated, "account", "accounts"))
	}
	if step.Skipped > 0 {
		facts = append(facts, ui.Count(step.Skipped)+" skipped: "+lowerFirst(table.Lacking))
	}
	switch {
	case step.Elsewhere > 0 && table.Typed:
		facts = append(facts, ui.Count(step.Elsewhere)+" matched an earlier filter")
	case step.Elsewhere > 0:
		facts = append(facts, ui.Count(step.Elsewhere)+" of accounts that are not synced")
	}
	switch {
	case step.Deleted > step.LeftFilter:
		facts = append(facts, ui.Count(step.Deleted)+" found deleted in Salesforce, with those that had left before")
	case step.Deleted > 0:
		facts = append(facts, ui.Count(step.Deleted)+" of the "+ui.Count(step.LeftFilter)+" that left were deleted in Salesforce")
	}
	return facts
}

// addSkips adds to the page of an ended run a part of the records that it skipped.
func (s *Server) addSkips(r *http.Request, c db.Connection, run db.Run, view *views.Run) error {
	if run.State.Active() || run.Entity == pipeline.EntityUndo {
		return nil
	}
	offsets := map[string]int{"skipped": readOffset(r, "skipped"), "pages": readOffset(r, "pages")}
	list, total, err := s.DB.RunSkips(r.Context(), c.ID, run.ID, relatedRows, offsets["skipped"])
	if err != nil {
		return err
	}
	for _, k := range list {
		row := views.SkipRow{Object: k.Object, ID: k.SFID, Name: k.Name, Href: recordURL(c, k.SFID), AccountID: k.AccountID, Account: k.Account, Reason: k.Reason, New: k.New}
		if k.AccountID != "" {
			row.AccountHref = orgPath(c.ID, "/accounts/"+k.AccountID)
		}
		view.Skips = append(view.Skips, row)
	}
	view.SkipsPages = relatedPages(r, offsets, "skipped", len(list), int(total), "skipped record")
	view.SkipsPages.Nouns = "skipped records"
	return nil
}

var modeLabels = map[string]string{"bulk": "Bulk API 2.0", "rest": "REST"}

// requestRun queues a run of everything, or of the entity that the form names. Pressed twice, or by two admins, it leads to the same run; but not to one that has begun with
// older settings.
func (s *Server) requestRun(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	entity := pipeline.EntityAll
	if wanted := r.PostForm.Get("entity"); wanted != "" {
		if entity = pipeline.Entity(wanted); !slices.Contains(pipeline.Entities, entity) {
			return &failure{status: http.StatusBadRequest, title: "No sync was started", sentence: "There is nothing of that name to sync. Go back and press the button again."}
		}
	}
	active, err := s.DB.ActiveRun(r.Context(), c.ID, entity)
	if err != nil {
		return err
	}
	if active == nil {
		why, err := s.whyNoRun(r, c, entity)
		if err != nil {
			return err
		}
		if why != "" {
			return &failure{status: http.StatusConflict, title: "No sync was started", sentence: why}
		}
	}
	by := visitOf(r).user.ID
	run, started, err := s.DB.RequestRun(r.Context(), c.ID, entity, db.TriggerManual, &by)
	var off *db.EntityOffError
	if errors.As(err, &off) {
		return &failure{status: http.StatusConflict, title: "No sync was started", sentence: off.Reason}
	}
	if errors.Is(err, db.ErrNoSettings) {
		return &failure{status: http.StatusConflict, title: "No sync was started", sentence: "Save an account filter first: it decides which accounts are synced."}
	}
	if err != nil {
		return err
	}
	if !started {
		return s.see(w, r, runPath(c.ID, run.ShortID), "run-active", run.ShortID)
	}
	older, err := s.DB.OlderRun(r.Context(), c.ID, entity)
	if err != nil {
		return err
	}
	notice := "run-started"
	if older != nil {
		notice = "run-behind"
	}
	return s.see(w, r, runPath(c.ID, run.ShortID), notice, run.ShortID)
}

// cancelRun asks a run to stop.
func (s *Server) cancelRun(w http.ResponseWriter, r *http.Request) error {
	c, run, err := s.namedRun(r)
	if err != nil {
		return err
	}
	if !run.State.Active() {
		return s.see(w, r, runPath(c.ID, run.ShortID), "run-over", run.ShortID)
	}
	if err := s.DB.RequestCancel(r.Context(), run.ID, visitOf(r).user.ID); err != nil {
		return err
	}
	return s.see(w, r, runPath(c.ID, run.ShortID), "run-cancelled", run.ShortID)
}
