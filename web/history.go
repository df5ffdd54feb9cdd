package web

import (
	"errors"
	"net/http"
	"strconv"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
)

// versionPath is the address of one version of a connection's settings.
func versionPath(connectionID int64, version int) string {
	return orgPath(connectionID, "/settings/history/"+strconv.Itoa(version))
}

// history lists the versions of a connection's settings, newest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Settings history", "settings")
	if err != nil {
		return err
	}
	now, err := s.current(r.Context(), c)
	if err != nil {
		return err
	}
	const rows = 25
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 32) // a number beyond the greatest version is the greatest
	// One more row says what the last one changed.
	list, err := s.DB.SettingsVersions(r.Context(), c.ID, int(max(before, 0)), rows+1)
	if err != nil {
		return err
	}
	view := views.SettingsHistory{Shell: shell, OrgName: ConnectionName(c), BasePath: orgPath(c.ID, "/settings"), Total: now.Version}
	for i, v := range list[:min(len(list), rows)] {
		was := settings.Defaults()
		if i+1 < len(list) {
			was = list[i+1].Settings
		}
		view.Rows = append(view.Rows, views.VersionRow{VersionLabel: versionLabel(v), Current: v.Version == now.Version, Changed: settings.Changed(was, v.Settings)})
	}
	if len(list) > rows {
		view.Older = orgPath(c.ID, "/settings/history?before="+strconv.Itoa(list[rows-1].Version))
	}
	if before > 0 {
		view.Newest = orgPath(c.ID, "/settings/history")
	}
	return s.render(w, r, http.StatusOK, views.SettingsHistoryPage(view))
}

// compareVersions shows the difference between two versions.
func (s *Server) compareVersions(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Compare versions", "settings")
	if err != nil {
		return err
	}
	now, err := s.current(r.Context(), c)
	if err != nil {
		return err
	}
	if now.Version == 0 {
		return s.see(w, r, orgPath(c.ID, "/settings/history"), "", "")
	}
	view := views.SettingsCompare{Shell: shell, OrgName: ConnectionName(c), BasePath: orgPath(c.ID, "/settings")}
	from, to := &db.SettingsVersion{}, &db.SettingsVersion{}
	status := http.StatusOK
	for _, side := range []struct {
		name   string
		usual  int
		v      *db.SettingsVersion
		number *int
		label  **views.VersionLabel
		errs   *[]string
	}{
		{"from", max(now.Version-1, 1), from, &view.FromNumber, &view.From, &view.FromErrors},
		{"to", now.Version, to, &view.ToNumber, &view.To, &view.ToErrors},
	} {
		*side.number = side.usual
		if typed := r.URL.Query().Get(side.name); typed != "" {
			if *side.number, err = strconv.Atoi(typed); err != nil {
				*side.number = 0
			}
		}
		*side.v, err = s.versionAt(r, c, *side.number)
		if errors.Is(err, db.ErrNotFound) {
			status = http.StatusUnprocessableEntity
			*side.errs = []string{"There is no such version. They go from 1 to " + strconv.Itoa(now.Version) + "."}
			continue
		}
		if err != nil {
			return err
		}
		label := versionLabel(*side.v)
		*side.label = &label
	}
	view.Changes = settings.Diff(from.Settings, to.Settings)
	return s.render(w, r, status, views.SettingsComparePage(view))
}

// versionAt returns a version, or db.ErrNotFound for a number that no version can have.
func (s *Server) versionAt(r *http.Request, c db.Connection, version int) (db.SettingsVersion, error) {
	if version < 1 || version > 1<<31-1 {
		return db.SettingsVersion{}, db.ErrNotFound
	}
	return s.DB.SettingsVersionAt(r.Context(), c.ID, version)
}

// namedVersion returns the connection, the version that the path names, and the current one.
func (s *Server) namedVersion(r *http.Request) (c db.Connection, v, now db.SettingsVersion, err error) {
	if c, err = s.connection(r); err != nil {
		return c, v, now, err
	}
	if v, err = s.versionAt(r, c, int(pathID(r, "version"))); err != nil {
		return c, v, now, err
	}
	now, err = s.current(r.Context(), c)
	return c, v, now, err
}

// version shows one version: what it changed, and all it holds.
func (s *Server) version(w http.ResponseWriter, r *http.Request) error {
	c, v, now, err := s.namedVersion(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Settings v"+strconv.Itoa(v.Version), "settings")
	if err != nil {
		return err
	}
	view := views.SettingsVersionView{
		Shell: shell, OrgName: ConnectionName(c), BasePath: orgPath(c.ID, "/settings"), Version: versionLabel(v), Newest: now.Version, Values: v.Settings.Values(),
	}
	if v.Version > 1 {
		was, err := s.versionAt(r, c, v.Version-1)
		if err != nil {
			return err
		}
		view.Changes = settings.Diff(was.Settings, v.Settings)
	}
	return s.render(w, r, http.StatusOK, views.SettingsVersionPage(view))
}

// restoreForm asks before a version becomes the current one again, with what would change and what the org says of it.
func (s *Server) restoreForm(w http.ResponseWriter, r *http.Request) error {
	c, v, now, err := s.namedVersion(r)
	if err != nil {
		return err
	}
	errs, err := s.Check(r.Context(), c, v.Settings)
	if err != nil {
		return err
	}
	return s.restorePage(w, r, http.StatusOK, c, v, now, errs)
}

func (s *Server) restorePage(w http.ResponseWriter, r *http.Request, status int, c db.Connection, v, now db.SettingsVersion, errs settings.FieldErrors) error {
	shell, err := s.shell(w, r, "Restore v"+strconv.Itoa(v.Version), "settings")
	if err != nil {
		return err
	}
	proposal, err := s.proposal(r, c, now, v.Settings, errs)
	if err != nil {
		return err
	}
	return s.render(w, r, status, views.SettingsRestorePage(views.SettingsRestore{
		Shell: shell, OrgName: ConnectionName(c), BasePath: orgPath(c.ID, "/settings"), Version: versionLabel(v), Current: versionLabel(now),
		Conflict: status == http.StatusConflict, Proposal: proposal,
	}))
}

// restore saves an older version once more, after the same checks as any save, or makes it the viewer's draft.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) error {
	c, v, now, err := s.namedVersion(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	base, err := strconv.Atoi(r.PostForm.Get("base"))
	if err != nil {
		return badForm(err)
	}
	errs, err := s.Check(r.Context(), c, v.Settings)
	if err != nil {
		return err
	}
	switch do := r.PostForm.Get("do"); {
	case base != now.Version:
		return s.restorePage(w, r, http.StatusConflict, c, v, now, errs)
	case do == "draft":
		return s.take(w, r, c, now, v.Settings, "Back to v"+strconv.Itoa(v.Version), errs)
	case len(errs) > 0:
		return s.restorePage(w, r, http.StatusUnprocessableEntity, c, v, now, errs)
	}
	saved, changed, err := s.DB.RestoreSettings(r.Context(), c.ID, base, v.Version, visitOf(r).user.ID)
	var conflict *db.VersionConflictError
	switch {
	case errors.As(err, &conflict):
		return s.restorePage(w, r, http.StatusConflict, c, v, conflict.Current, errs)
	case err != nil:
		return err
	case !changed:
		return s.see(w, r, orgPath(c.ID, "/settings/history"), "nothing-to-restore", "")
	}
	s.NoteSchema(r.Context(), c, saved.Settings)
	return s.see(w, r, orgPath(c.ID, "/settings/history"), "restored", strconv.Itoa(saved.Version))
}
