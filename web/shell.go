package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/views"
)

// shell fills the frame of a signed-in page: the viewer, the connection of the path or else the first one, and the messages that wait.
func (s *Server) shell(w http.ResponseWriter, r *http.Request, title, section string) (views.Shell, error) {
	v := visitOf(r)
	known, err := s.DB.Shell(r.Context())
	if err != nil {
		return views.Shell{}, err
	}
	connections := known.Connections
	shell := views.Shell{
		Title: title, Section: section, Theme: theme(r), DemoOrgURL: s.DemoOrgURL, Version: s.Version,
		Viewer:  views.Viewer{Name: displayName(v.user), Email: v.user.Email, RoleLabel: roleLabel(v.user.Role), Admin: isAdmin(r), TimeZone: v.user.TimeZone},
		Flashes: s.takeFlashes(w, r), Alerts: known.Alerts,
	}
	if r.Method == http.MethodGet {
		shell.Path = r.URL.RequestURI()
	}
	current := pathID(r, "id")
	if current == 0 && len(connections) > 0 {
		current = connections[0].ID
	}
	for _, c := range connections {
		org := orgView(c)
		org.Current = c.ID == current
		shell.Orgs = append(shell.Orgs, org)
		if org.Current {
			shell.Org, shell.Errors = &org, known.Errors[c.ID]
		}
	}
	return shell, nil
}

func orgView(c db.Connection) views.Org {
	return views.Org{
		ID: c.ID, Name: ConnectionName(c), Username: c.Username, Environment: environment(c),
		Connected: c.Status == db.StatusConnected, NeedsReconnect: c.Status == db.StatusNeedsReconnect,
	}
}

// ConnectionName is what people call a connection.
func ConnectionName(c db.Connection) string {
	switch {
	case c.Name != "":
		return c.Name
	case c.OrgName != "":
		return c.OrgName
	}
	return c.OrgID
}

// environment is what the org is, whichever address it was signed in at.
func environment(c db.Connection) views.Environment {
	switch {
	case c.Environment == "demo":
		return views.Demo
	case c.IsSandbox || c.Environment == "sandbox":
		return views.Sandbox
	}
	return views.Production
}

func displayName(u db.User) string {
	if u.Name != "" {
		return u.Name
	}
	return u.Email
}

func roleLabel(role db.Role) string {
	if role == db.RoleAdmin {
		return "Admin"
	}
	return "Viewer"
}

func isAdmin(r *http.Request) bool { return visitOf(r).user.Role == db.RoleAdmin }

// pathID returns the number in a path's wildcard, or 0.
func pathID(r *http.Request, name string) int64 {
	id, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// connection returns the connection that the path names.
func (s *Server) connection(r *http.Request) (db.Connection, error) {
	id := pathID(r, "id")
	if id == 0 {
		return db.Connection{}, notFound()
	}
	return s.DB.Connection(r.Context(), id)
}

// orgPath is the address of something of a connection.
func orgPath(id int64, rest string) string { return "/connections/" + strconv.FormatInt(id, 10) + rest }

// recordURL leads into the org, or is empty when the org's address is not known.
func recordURL(c db.Connection, id string) string {
	if c.InstanceURL == "" || id == "" {
		return ""
	}
	return strings.TrimSuffix(c.InstanceURL, "/") + "/" + id
}

// theme is what the viewer chose; empty for the system's.
func theme(r *http.Request) string {
	if c, err := r.Cookie("theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// setTheme remembers the chosen theme in the browser.
func (s *Server) setTheme(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	cookie := &http.Cookie{Name: "theme", Value: r.PostForm.Get("theme"), Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode}
	if !slices.Contains([]string{"light", "dark"}, cookie.Value) {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, localPath(r.PostForm.Get("next")), http.StatusSeeOther)
	return nil
}
