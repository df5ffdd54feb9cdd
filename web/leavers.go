package web

import (
	"net/http"

	"millrace/db"
	"millrace/views"
)

// leaversOf completes the query of a list by what the connection does with leavers: archived ones are left out unless they are asked for.
func leaversOf(c db.Connection, q db.AccountQuery) db.AccountQuery {
	switch {
	case q.Left == "all":
		q.Left = ""
	case q.Left == "" && c.Leavers == db.LeaversArchive:
		q.Left = db.LeftNone
	}
	return q
}

// leavers says what the list tells of accounts that left.
func (s *Server) leavers(r *http.Request, c db.Connection, q db.AccountQuery) (views.Leavers, error) {
	_, left, err := s.DB.CountAccounts(r.Context(), c.ID)
	if err != nil {
		return views.Leavers{}, err
	}
	only := db.AccountQuery{ConnectionID: c.ID, Left: db.LeftOnly, Sort: "name", Page: 1, PerPage: q.PerPage}
	out := views.Leavers{Choice: q.Left, Archived: c.Leavers == db.LeaversArchive, Count: left, Href: accountsAddress(only)}
	if isAdmin(r) {
		out.Action = orgPath(c.ID, "/leavers")
	}
	return out, nil
}

// setLeavers archives the leavers of a connection or shows them again.
func (s *Server) setLeavers(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	flash := map[string]string{db.LeaversKeep: "leavers-kept", db.LeaversArchive: "leavers-archived"}[r.PostForm.Get("policy")]
	if flash == "" {
		return &failure{status: http.StatusBadRequest, title: "Nothing was changed", sentence: "Go back to the accounts and press the button again."}
	}
	if err := s.DB.SetLeavers(r.Context(), c.ID, r.PostForm.Get("policy"), visitOf(r).user.ID); err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/accounts"), flash, "")
}
