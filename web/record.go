package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

// timelineRows is how many entries a record's page shows at a time.
const timelineRows = 20

// timeline returns what the audit log says of a record, the newest first, from where the address says.
func (s *Server) timeline(r *http.Request, c db.Connection, id string) (views.Timeline, error) {
	t := views.Timeline{AllHref: withQuery(orgPath(c.ID, "/audit"), url.Values{"q": {id}})}
	q := db.AuditQuery{ConnectionID: c.ID, SFIDs: []string{id}, Limit: timelineRows}
	if !isAdmin(r) {
		q.Hidden = auditHidden
	}
	if place, ok := parsePlace(r.URL.Query().Get("before")); ok {
		q.Start, t.Newest = &place, r.URL.Path+"#timeline"
	}
	page, err := s.DB.AuditLog(r.Context(), q)
	if err != nil {
		return t, err
	}
	if page.More {
		in := r.URL.Query()
		in.Set("before", formatPlace(page.Next))
		t.Older = withQuery(r.URL.Path, in) + "#timeline"
	}
	t.Reached = page.Reached
	t.Entries, err = s.auditRows(r, c, page.Rows)
	return t, err
}

// contact shows one contact with its timeline.
func (s *Server) contact(w http.ResponseWriter, r *http.Request) error {
	return s.record(w, r, "/contacts/", s.DB.Contact, views.Record{Icon: ui.IconContact, Noun: "contact"}, func(p db.Record) [][2]string {
		return [][2]string{{"E-mail", p.Email}, {"Phone", p.Phone}, {"Title", p.Title}, {"Department", p.Department}}
	})
}

// opportunity shows one opportunity with its timeline.
func (s *Server) opportunity(w http.ResponseWriter, r *http.Request) error {
	return s.record(w, r, "/opportunities/", s.DB.Opportunity, views.Record{Icon: ui.IconHandshake, Noun: "opportunity"}, func(o db.Record) [][2]string {
		closes := ""
		if o.CloseDate != nil {
			closes = o.CloseDate.Format("2006-01-02")
		}
		return [][2]string{{"Stage", o.Stage}, {"Amount", money(o.Amount, o.Currency)}, {"Close date", closes}}
	})
}

// record shows a record that is here, or one that is only told of in the log, such as a skipped contact.
func (s *Server) record(w http.ResponseWriter, r *http.Request, at string, find func(context.Context, int64, string) (db.Record, error), view views.Record, facts func(db.Record) [][2]string) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	asked := r.PathValue("sfid")
	rec, err := find(r.Context(), c.ID, asked)
	known := err == nil
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if !known {
		rec.SFID = db.FullID(asked)
	}
	if rec.SFID == "" {
		return notFound()
	}
	if rec.SFID != asked {
		return s.see(w, r, orgPath(c.ID, at+rec.SFID), "", "")
	}
	if view.Timeline, err = s.timeline(r, c, rec.SFID); err != nil {
		return err
	}
	if !known && len(view.Timeline.Entries) == 0 {
		return notFound()
	}
	view.Name, view.ID, view.Here, view.OrgHref = rec.Name, rec.SFID, known, recordURL(c, rec.SFID)
	if !known {
		ref := db.RecordRef{Entity: view.Noun, SFID: rec.SFID}
		names, err := s.DB.RecordNames(r.Context(), c.ID, []db.RecordRef{ref})
		if err != nil {
			return err
		}
		view.Name = names[ref]
	}
	if view.Merged, err = s.survivor(r.Context(), c, view.Noun, at, rec.MergedInto); err != nil {
		return err
	}
	view.Synced, view.LeftAt, view.DeletedAt, view.Skipped = rec.SyncedAt, rec.LeftFilterAt, rec.DeletedAt, rec.Skipped
	view.Account, view.AccountsHref = rec.AccountName, orgPath(c.ID, "/accounts")
	if rec.AccountID != "" {
		view.AccountHref = orgPath(c.ID, "/accounts/"+rec.AccountID)
	}
	if known {
		view.Facts = append(facts(rec), [2]string{"Owner", rec.OwnerName})
	}
	title := view.Name
	if title == "" {
		title = rec.SFID
	}
	if view.Shell, err = s.shell(w, r, title, "accounts"); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.RecordPage(view))
}

// survivor says where the record is into which another was merged, nil for none; at is where records of its kind are here.
func (s *Server) survivor(ctx context.Context, c db.Connection, entity, at, id string) (*views.Survivor, error) {
	if id == "" {
		return nil, nil
	}
	ref := db.RecordRef{Entity: entity, SFID: id}
	names, err := s.DB.RecordNames(ctx, c.ID, []db.RecordRef{ref})
	if err != nil {
		return nil, err
	}
	out := &views.Survivor{ID: id, Name: names[ref], Href: recordURL(c, id)}
	if out.Name != "" {
		out.Href = orgPath(c.ID, at+id)
	}
	return out, nil
}
