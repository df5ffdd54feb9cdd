package web

import (
	"encoding/csv"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
)

const (
	errorRows  = 25  // records of a cause per page
	curedShown = 20  // causes that are over
	retryIDs   = 200 // records that one form may name
)

// errorInbox lists what is wrong with the data of a connection, by cause.
func (s *Server) errorInbox(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Error inbox", "errors")
	if err != nil {
		return err
	}
	open, err := s.DB.ErrorGroups(r.Context(), c.ID)
	if err != nil {
		return err
	}
	cured, err := s.DB.CuredErrorGroups(r.Context(), c.ID, curedShown)
	if err != nil {
		return err
	}
	latest, err := s.DB.LatestRun(r.Context(), c.ID)
	if err != nil {
		return err
	}
	v := views.ErrorInbox{Shell: shell, OrgName: ConnectionName(c), Here: orgPath(c.ID, "/errors"), Synced: latest != nil && (latest.FinishedAt != nil || len(cured) > 0)}
	v.Lost = lostNote(c, latest, isAdmin(r))
	if latest == nil && isAdmin(r) {
		v.Start = orgPath(c.ID, "/settings/"+string(settings.SectionFiltering))
	}
	for _, g := range open {
		if group := groupView(c, g, isAdmin(r)); g.MutedAt != nil {
			v.Muted = append(v.Muted, group)
		} else {
			v.Open = append(v.Open, group)
		}
	}
	for _, g := range cured {
		v.Cured = append(v.Cured, groupView(c, g, isAdmin(r)))
	}
	return s.render(w, r, http.StatusOK, views.ErrorInboxPage(v))
}

// lostNote says what keeps every sync from working at present; nil for nothing.
func lostNote(c db.Connection, latest *db.Run, admin bool) *views.ErrorNote {
	n := views.ErrorNote{}
	switch {
	case c.Status == db.StatusNeedsReconnect:
		n = views.ErrorNote{Title: "Salesforce no longer accepts the connection", Text: c.StatusReason + " No sync works until an admin connects the org again.", Href: "/integrations", Label: "Reconnect"}
	case c.Status == db.StatusDisconnected:
		n = views.ErrorNote{Title: "The org is disconnected", Text: "Nothing is synced. What is here stays as it was.", Href: "/integrations", Label: "Connect again"}
	case latest != nil && latest.State == db.RunWaiting:
		n = views.ErrorNote{Title: "A sync waits", Text: latest.WaitingReason, Href: runPath(c.ID, latest.ShortID), Label: "See " + latest.ShortID}
		return &n
	default:
		return nil
	}
	if !admin {
		n.Href = ""
	}
	return &n
}

// group returns the cause that the path names, with its connection.
func (s *Server) group(r *http.Request) (db.Connection, db.ErrorGroup, error) {
	c, err := s.connection(r)
	if err != nil {
		return c, db.ErrorGroup{}, err
	}
	id := pathID(r, "group")
	if id == 0 {
		return c, db.ErrorGroup{}, notFound()
	}
	g, err := s.DB.ErrorGroup(r.Context(), c.ID, id)
	return c, g, err
}

func groupPath(c db.Connection, g db.ErrorGroup) string {
	return orgPath(c.ID, "/errors/"+strconv.FormatInt(g.ID, 10))
}

// errorGroup shows one cause with a page of its records.
func (s *Server) errorGroup(w http.ResponseWriter, r *http.Request) error {
	c, g, err := s.group(r)
	if err != nil {
		return err
	}
	v := views.ErrorGroupView{
		OrgName: ConnectionName(c), ListHref: orgPath(c.ID, "/errors"), Here: r.URL.RequestURI(), Group: groupView(c, g, isAdmin(r)), Export: groupPath(c, g) + "/export", MostRetry: db.MaxRetry,
	}
	if v.Shell, err = s.shell(w, r, v.Group.Title, "errors"); err != nil {
		return err
	}
	after := r.URL.Query().Get("after")
	if g.CuredAt == nil {
		list, err := s.DB.ErrorRecords(r.Context(), g, after, errorRows+1)
		if err != nil {
			return err
		}
		if len(list) > errorRows {
			list = list[:errorRows]
			v.Next = withQuery(groupPath(c, g), url.Values{"after": {list[errorRows-1].Place}}) + "#records"
		}
		if after != "" {
			v.First = groupPath(c, g) + "#records"
		}
		for _, e := range list {
			v.Rows = append(v.Rows, errorRow(c, e))
		}
	}
	if err := s.addRetry(r, c, g, &v); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.ErrorGroupPage(v))
}

// addRetry adds what can be done about a cause here, and what came of it the last time.
func (s *Server) addRetry(r *http.Request, c db.Connection, g db.ErrorGroup, v *views.ErrorGroupView) error {
	last, err := s.DB.LatestRetry(r.Context(), g.ID)
	if err != nil {
		return err
	}
	if last != nil {
		line := runLine(*last)
		v.Retry = &line
	}
	if !isAdmin(r) || g.CuredAt != nil {
		return nil
	}
	if g.Retryable() {
		v.RetryPath, v.RetryAll, v.Blocked = groupPath(c, g)+"/retry", g.Records <= db.MaxRetry, noRetry(c)
	}
	if !g.Retryable() || !v.RetryAll {
		v.RunPath, v.RunEntity = orgPath(c.ID, "/runs"), string(pipeline.EntityAll)
		if entity := pipeline.Entity(g.Subject); g.Kind == db.RunErrorKind && slices.Contains(pipeline.Entities, entity) {
			v.RunEntity = string(entity)
		}
	}
	return nil
}

// noRetry says why nothing can be read now; it is empty when it can.
func noRetry(c db.Connection) string {
	switch c.Status {
	case db.StatusNeedsReconnect:
		return "The org must be reconnected first."
	case db.StatusDisconnected:
		return "The org is disconnected."
	}
	return ""
}

// retryWords tell what came of a record's last retry.
var retryWords = map[string]string{
	"asked": "Under way", "stored": "Taken over", "failed": "Failed again", "skipped": "Skipped again", "gone": "Not to be here any more", "unread": "Not read",
}

func errorRow(c db.Connection, e db.ErrorRecord) views.ErrorRow {
	row := views.ErrorRow{Object: e.Object, ID: e.SFID, Name: e.Name, OrgHref: recordURL(c, e.SFID), Message: e.Message, Run: e.Run, Since: e.Since}
	if e.Here {
		if t, ok := pipeline.TableOf(e.Object); ok {
			row.Href = recordPage(c.ID, t.Entity, e.SFID)
		}
	}
	if e.AccountID != "" {
		row.Account, row.AccountHref = e.AccountName, orgPath(c.ID, "/accounts/"+e.AccountID)
	}
	if e.Run != "" {
		row.RunHref = runPath(c.ID, e.Run)
	}
	if e.Retry != "" {
		row.Retry, row.RetryHref = retryWords[e.Retry], runPath(c.ID, e.RetryRun)
	}
	return row
}

// retryErrors queues a run that reads records of a cause once more. Pressed twice, or by two admins, it leads to the same run.
func (s *Server) retryErrors(w http.ResponseWriter, r *http.Request) error {
	c, g, err := s.group(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	if why := noRetry(c); why != "" {
		return noRetryStarted(why)
	}
	var ids []string
	if r.PostForm.Get("what") != "all" {
		if ids = r.PostForm["id"]; len(ids) == 0 || len(ids) > retryIDs {
			return &failure{status: http.StatusUnprocessableEntity, title: "No retry was started", sentence: "Select the records that are to be read once more: go back and tick them."}
		}
		for _, id := range ids {
			if ref, problem := pipeline.ParseRecordRef(id); problem != "" || ref.ID != id {
				return badRequest("What the browser sent is not a form that this page sends.", errors.New("no record id"))
			}
		}
	}
	retry, err := s.DB.RequestRetry(r.Context(), c.ID, g.ID, ids, visitOf(r).user.ID)
	return s.retried(w, r, retry, err, groupPath(c, g))
}

func noRetryStarted(why string) error {
	return &failure{status: http.StatusConflict, title: "No retry was started", sentence: why}
}

// retried answers a wish to read records once more, and leads on to a page.
func (s *Server) retried(w http.ResponseWriter, r *http.Request, retry db.Retry, err error, to string) error {
	var off *db.EntityOffError
	switch {
	case errors.As(err, &off):
		return noRetryStarted(off.Reason)
	case errors.Is(err, db.ErrNoSettings):
		return noRetryStarted("Save an account filter first: it decides which accounts are synced.")
	case err != nil:
		return err
	}
	flash := "retry-active"
	switch {
	case retry.Started:
		flash = "retry-started"
	case retry.Added:
		flash = "retry-added"
	case retry.Run.State != db.RunQueued:
		flash = "retry-busy"
	}
	return s.see(w, r, to, flash, retry.Run.ShortID)
}

// muteErrors has a cause not counted any more, or again.
func (s *Server) muteErrors(mute bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, g, err := s.group(r)
		if err != nil {
			return err
		}
		if err := s.DB.MuteErrorGroup(r.Context(), c.ID, g.ID, mute, visitOf(r).user.ID); err != nil {
			return err
		}
		return s.see(w, r, orgPath(c.ID, "/errors"), map[bool]string{true: "errors-muted", false: "errors-unmuted"}[mute], "")
	}
}

// exportErrors streams the records of a cause as CSV. Only a look's records are in memory.
func (s *Server) exportErrors(w http.ResponseWriter, r *http.Request) error {
	c, g, err := s.group(r)
	if err != nil {
		return err
	}
	if !g.Listed() || g.CuredAt != nil {
		return &failure{status: http.StatusConflict, title: "Nothing was exported", sentence: "This has no records, or none any more."}
	}
	select {
	case s.exporting <- struct{}{}:
		defer func() { <-s.exporting }()
	default:
		return &failure{status: http.StatusServiceUnavailable, title: "Nothing was exported", sentence: "Other exports are being written at the moment. Try again in a minute."}
	}
	by := visitOf(r).user.ID
	words := groupView(c, g, false).Title
	if err := s.DB.AuditAct(r.Context(), db.AuditEntry{ConnectionID: c.ID, ActorID: &by, Entity: "export", Action: "exported", Detail: "error inbox as CSV: " + words}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="errors-`+strconv.FormatInt(g.ID, 10)+"-"+time.Now().UTC().Format("20060102-150405")+`.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := writeSafe(out, []string{"object", "record_name", "record_id", "salesforce_link", "account_name", "account_id", "problem", "since_utc", "run", "last_retry"}); err != nil {
		return gone(err)
	}
	after := ""
	for n := 0; n < exportLimit; {
		list, err := s.DB.ErrorRecords(r.Context(), g, after, exportLook)
		if err != nil {
			s.cutOff(r, err)
		}
		for _, e := range list {
			err := writeSafe(out, []string{e.Object, e.Name, e.SFID, recordURL(c, e.SFID), e.AccountName, e.AccountID, e.Message, e.Since.UTC().Format(time.RFC3339), e.Run, retryWords[e.Retry]})
			if err != nil {
				return gone(err)
			}
			after = e.Place
		}
		if n += len(list); len(list) < exportLook {
			break
		}
	}
	out.Flush()
	return gone(out.Error())
}
