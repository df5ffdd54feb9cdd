package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/sessions"

	"millrace/db"
	"millrace/views"
)

// cookieStore is a gorilla sessions.Store that carries nothing but the session's opaque id: 256 random bits, which need no signature. Whom it
// belongs to, and whether it still counts, is decided by the database at every request.
type cookieStore struct {
	name    string
	options sessions.Options
}

// newCookieStore returns a store. Where browsers come by https the cookie's name binds it to this host and to https.
func newCookieStore(secure bool) cookieStore {
	name := "millrace"
	if secure {
		name = "__Host-millrace"
	}
	return cookieStore{name: name, options: sessions.Options{Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}}
}

// Get returns the request's session, from gorilla's registry of this request.
func (c cookieStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(c, name)
}

// New returns a session with the id from the request's cookie; it is new when there is none.
func (c cookieStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(c, name)
	options := c.options
	session.Options = &options
	session.IsNew = true
	if cookie, err := r.Cookie(name); err == nil && cookie.Value != "" {
		session.ID, session.IsNew = cookie.Value, false
	}
	return session, nil
}

// Save writes the cookie, or removes it when the session has no id any more.
func (c cookieStore) Save(_ *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.ID == "" {
		session.Options.MaxAge = -1
	}
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

// sessionID returns the id that the browser sent, or "".
func (s *Server) sessionID(r *http.Request) string {
	session, err := s.cookies.Get(r, s.cookies.name)
	if err != nil {
		return ""
	}
	return session.ID
}

// setSessionID gives the browser a new id; "" takes it away.
func (s *Server) setSessionID(w http.ResponseWriter, r *http.Request, id string) error {
	session, err := s.cookies.Get(r, s.cookies.name)
	if err != nil {
		return err
	}
	session.ID = id
	return session.Save(r, w)
}

// requireUser lets only signed-in users through and sends others to the sign-in page.
func (s *Server) requireUser(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := s.sessionID(r)
		if id == "" {
			return s.askToSignIn(w, r)
		}
		_, user, err := s.DB.Session(r.Context(), id)
		if errors.Is(err, db.ErrNoSession) {
			if err := s.setSessionID(w, r, ""); err != nil {
				return err
			}
			return s.askToSignIn(w, r)
		}
		if err != nil {
			return err
		}
		v := visitOf(r)
		v.sessionID, v.user = id, user
		return next(w, r)
	}
}

// askToSignIn leads to the sign-in page. A request by htmx is told to load it as a page, so that it never ends up inside another one.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	next := wayBack(r)
	if fields := keptOf(r); len(fields) > 0 && r.Header.Get("HX-Request") == "" {
		return s.signInPage(w, r, http.StatusUnauthorized, views.SignIn{Next: keptPage(r.URL.Path), Kept: fields})
	}
	target := "/sign-in"
	if next != "/" {
		target += "?next=" + url.QueryEscape(next)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "HX-Request")
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", target)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// wayBack returns the local path of the page that a request belongs to, to come back to after signing in.
func wayBack(r *http.Request) string {
	if r.URL.Path == callbackPath {
		return connectPath // a code must not travel on, and its state was bound to the old session
	}
	if r.Method == http.MethodGet && r.Header.Get("HX-Request") == "" {
		return localPath(r.URL.RequestURI())
	}
	from, err := url.Parse(cmp.Or(r.Header.Get("HX-Current-URL"), r.Header.Get("Referer")))
	if err != nil || from.Path == "" {
		return cmp.Or(keptPage(r.URL.Path), "/")
	}
	if page := keptPage(from.Path); page != "" {
		return localPath(page) // the page may have answered a POST to an address below its own
	}
	return localPath(from.RequestURI())
}

// localPath returns path if it is one of this server, else "/". A redirect never goes where a request says unless it passes here.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") || u.Host != "" || u.Scheme != "" {
		return "/"
	}
	return u.RequestURI()
}
