package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"millrace/db"
	"millrace/views"
)

func (s *Server) bare(w http.ResponseWriter, r *http.Request, title string) views.Bare {
	return views.Bare{Title: title, Theme: theme(r), Flashes: s.takeFlashes(w, r), DemoOrgURL: s.DemoOrgURL}
}

// signInPage draws the form, empty or as it was refused.
func (s *Server) signInPage(w http.ResponseWriter, r *http.Request, status int, view views.SignIn) error {
	view.Bare = s.bare(w, r, "Sign in")
	return s.render(w, r, status, views.SignInPage(view))
}

func (s *Server) signInForm(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if id := s.sessionID(r); id != "" {
		if _, _, err := s.DB.Session(r.Context(), id); err == nil {
			return s.see(w, r, next, "", "")
		}
	}
	users, err := s.DB.UserCount(r.Context())
	if err != nil {
		return err
	}
	return s.signInPage(w, r, http.StatusOK, views.SignIn{Next: next, Unused: users == 0})
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	view := views.SignIn{Email: r.PostForm.Get("email"), Next: localPath(r.PostForm.Get("next"))}
	if keptPage(view.Next) == view.Next {
		view.Kept = kept(r.PostForm)
	}
	user, err := s.DB.Authenticate(r.Context(), view.Email, r.PostForm.Get("password"), clientIP(r))
	var throttled *db.ThrottledError
	switch {
	case errors.Is(err, db.ErrBadCredentials):
		view.Problem = "The e-mail or the password is wrong."
		return s.signInPage(w, r, http.StatusUnprocessableEntity, view)
	case errors.As(err, &throttled):
		seconds := int(throttled.RetryAfter.Round(time.Second).Seconds()) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		view.Problem = "There were too many wrong attempts. Wait " + strconv.Itoa(seconds) + " seconds, then try again."
		return s.signInPage(w, r, http.StatusTooManyRequests, view)
	case err != nil:
		return err
	}
	if err := s.begin(w, r, user); err != nil {
		return err
	}
	if len(view.Kept) > 0 && user.Role == db.RoleAdmin {
		return s.resume(w, r, view.Next)
	}
	return s.see(w, r, view.Next, "", "")
}

// begin starts a session for user under a new id and ends the one that the browser had.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, user db.User) error {
	if old := s.sessionID(r); old != "" {
		if err := s.DB.EndSession(r.Context(), old); err != nil {
			return err
		}
	}
	id, err := s.DB.StartSession(r.Context(), user.ID, clientIP(r), r.UserAgent())
	if err != nil {
		return err
	}
	if err := s.setSessionID(w, r, id); err != nil {
		return err
	}
	v := visitOf(r)
	v.sessionID, v.user = id, user
	s.Log.InfoContext(r.Context(), "signed in", "request_id", v.requestID, "user_id", user.ID)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if id := s.sessionID(r); id != "" {
		_, user, err := s.DB.Session(r.Context(), id)
		if err != nil && !errors.Is(err, db.ErrNoSession) {
			return err
		}
		if err := s.DB.EndSession(r.Context(), id); err != nil {
			return err
		}
		if user.ID != 0 {
			if err := s.DB.AuditAct(r.Context(), db.AuditEntry{ActorID: &user.ID, Entity: "session", Action: "signed out"}); err != nil {
				return err
			}
		}
	}
	if err := s.setSessionID(w, r, ""); err != nil {
		return err
	}
	return s.see(w, r, "/sign-in", "signed-out", "")
}
