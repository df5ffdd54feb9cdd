package web

import (
	"errors"
	"net/http"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// addChecks adds to the page of an ended run what Salesforce counted at its end, and the way to close a gap.
func (s *Server) addChecks(r *http.Request, c db.Connection, run db.Run, view *views.Run) error {
	if run.State.Active() {
		return nil
	}
	checks, err := s.DB.RunChecks(r.Context(), run.ID)
	if err != nil || len(checks) == 0 {
		return err
	}
	for _, check := range checks {
		view.Complete.Rows = append(view.Complete.Rows, checkRow(check))
	}
	latest, err := s.DB.LatestChecks(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for _, check := range latest {
		if check.Open() && check.Part != "chatter" {
			view.Complete.Gaps++
		}
		if check.Open() && check.RunID == run.ID {
			view.Complete.Newest = true
		}
	}
	if isAdmin(r) && view.Complete.Gaps > 0 && view.Complete.Newest && c.Status == db.StatusConnected {
		view.Complete.Action = orgPath(c.ID, "/gap")
	}
	return nil
}

// checkRow describes one check.
func checkRow(c db.Check) views.CheckRow {
	row := views.CheckRow{Label: c.Label, Object: c.Object, Salesforce: -1, Here: c.Here, Compared: c.Unexplained != nil, NotStored: c.Failed + c.Waiting, Note: c.Note}
	if c.AccountType != "" && c.Label == "Accounts" {
		row.Label += ": " + settings.AccountType(c.AccountType).Label()
	}
	if c.Salesforce != nil {
		row.Salesforce = *c.Salesforce
	}
	if c.Unexplained != nil {
		row.Unexplained = *c.Unexplained
	}
	if c.Skipped > 0 {
		row.Explained = append(row.Explained, ui.Count(c.Skipped)+" skipped for lack of Email")
	}
	if c.Failed > 0 {
		row.Explained = append(row.Explained, ui.Count(c.Failed)+" could not be stored")
	}
	if c.Waiting > 0 {
		row.Explained = append(row.Explained, ui.Count(c.Waiting)+" of "+parentsWord(c)+" that could not be stored")
	}
	if c.Elsewhere > 0 {
		row.Explained = append(row.Explained, ui.Count(c.Elsewhere)+" of accounts that are not synced")
	}
	return row
}

// parentsWord says what the records of a check belong to.
func parentsWord(c db.Check) string {
	switch {
	case c.Part == string(pipeline.EntityCases) && c.Object != "Case":
		return "cases or accounts"
	case strings.HasPrefix(c.Object, "Opportunity") && c.Part == string(pipeline.EntityChatter):
		return "opportunities or accounts"
	case strings.HasPrefix(c.Name, pipeline.CustomStep("")):
		return "accounts or contacts"
	}
	return "accounts"
}

// closeGap queues a run that fetches what is missing. Pressed twice, or by two admins, it leads to the same run.
func (s *Server) closeGap(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		return &failure{status: http.StatusConflict, title: "No backfill was started", sentence: why}
	}
	switch c.Status {
	case db.StatusNeedsReconnect:
		return refuse("The org must be reconnected first.")
	case db.StatusDisconnected:
		return refuse("The org is disconnected.")
	}
	run, started, err := s.DB.RequestGap(r.Context(), c.ID, visitOf(r).user.ID)
	var off *db.EntityOffError
	switch {
	case errors.As(err, &off):
		return refuse(off.Reason)
	case errors.Is(err, db.ErrNoSettings):
		return refuse("Save an account filter first: it decides which accounts are synced.")
	case err != nil:
		return err
	case !started:
		return s.see(w, r, runPath(c.ID, run.ShortID), "gap-active", run.ShortID)
	}
	return s.see(w, r, runPath(c.ID, run.ShortID), "gap-started", run.ShortID)
}
