package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"millrace/db"
	"millrace/views"
)

// profilePage draws the viewer's page; errs and zone are what a refused form left.
func (s *Server) profilePage(w http.ResponseWriter, r *http.Request, status int, zone string, errs map[string][]string) error {
	shell, err := s.shell(w, r, "Profile", "profile")
	if err != nil {
		return err
	}
	v := visitOf(r)
	list, err := s.DB.UserSessions(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	current, _, err := s.DB.Session(r.Context(), v.sessionID)
	if err != nil {
		return err
	}
	view := views.Profile{Shell: shell, Zone: zone, Errors: errs}
	view.Idle, view.Absolute = s.DB.SessionLimits()
	for _, one := range list {
		view.Sessions = append(view.Sessions, views.SessionRow{
			Browser: browserName(one.UserAgent), IP: one.IP, Started: one.CreatedAt, Seen: one.LastSeenAt, Current: one.Hash == current.Hash,
		})
	}
	return s.render(w, r, status, views.ProfilePage(view))
}

func (s *Server) profileForm(w http.ResponseWriter, r *http.Request) error {
	return s.profilePage(w, r, http.StatusOK, visitOf(r).user.TimeZone, nil)
}

// browserName names a browser and its system from the header that it sent, as far as people need it to know their own again.
func browserName(agent string) string {
	find := func(table [][2]string, otherwise string) string {
		for _, row := range table {
			if strings.Contains(agent, row[0]) {
				return row[1]
			}
		}
		return otherwise
	}
	name := find([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}}, "A browser")
	system := find([][2]string{{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS", "macOS"}, {"Android", "Android"}, {"Linux", "Linux"}}, "")
	if system == "" {
		return name
	}
	return name + " on " + system
}

// signOutOthers ends every session of the viewer but this one.
func (s *Server) signOutOthers(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := s.DB.EndUserSessions(r.Context(), v.user.ID, v.sessionID); err != nil {
		return err
	}
	if err := s.DB.AuditAct(r.Context(), db.AuditEntry{ActorID: &v.user.ID, Entity: "session", Action: "signed out elsewhere"}); err != nil {
		return err
	}
	return s.see(w, r, "/profile", "others-out", "")
}

// saveTimeZone stores the zone in which the viewer sees times.
func (s *Server) saveTimeZone(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	zone := strings.TrimSpace(r.PostForm.Get("time_zone"))
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" || len(zone) > 64 {
		return s.profilePage(w, r, http.StatusUnprocessableEntity, zone, map[string][]string{"time_zone": {"There is no such zone. Use an IANA name such as Europe/Berlin, or leave it empty."}})
	}
	if err := s.DB.SetTimeZone(r.Context(), visitOf(r).user.ID, zone); err != nil {
		return err
	}
	user := visitOf(r).user
	if user.TimeZone != zone {
		e := db.AuditEntry{ActorID: &user.ID, Entity: "user", Action: "time zone changed", Changes: map[string][2]string{"time_zone": {user.TimeZone, zone}}}
		if err := s.DB.AuditAct(r.Context(), e); err != nil {
			return err
		}
	}
	return s.see(w, r, "/profile", "time-zone", "")
}

// savePassword changes the viewer's password, which ends all their sessions.
func (s *Server) savePassword(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	user := visitOf(r).user
	refused := map[string][]string{}
	if refuseTexts(r, refused, "current", "password"); len(refused) > 0 {
		return s.profilePage(w, r, http.StatusUnprocessableEntity, user.TimeZone, refused)
	}
	refuse := func(field, sentence string) error {
		return s.profilePage(w, r, http.StatusUnprocessableEntity, user.TimeZone, map[string][]string{field: {sentence}})
	}
	_, err := s.DB.Authenticate(r.Context(), user.Email, r.PostForm.Get("current"), clientIP(r))
	var throttled *db.ThrottledError
	switch {
	case errors.Is(err, db.ErrBadCredentials):
		return refuse("current", "This is not your current password.")
	case errors.As(err, &throttled):
		return refuse("current", "There were too many wrong attempts. Wait a little, then try again.")
	case err != nil:
		return err
	}
	err = s.DB.SetPassword(r.Context(), user.ID, r.PostForm.Get("password"))
	var weak *db.PasswordError
	if errors.As(err, &weak) {
		return refuse("password", weak.Error())
	}
	if err != nil {
		return err
	}
	if err := s.setSessionID(w, r, ""); err != nil {
		return err
	}
	return s.see(w, r, "/sign-in", "password", "")
}
