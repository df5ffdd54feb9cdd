package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
)

// exportFile sends a version of the settings as a YAML file: the current one, or the one that the query names.
func (s *Server) exportFile(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	v, err := s.current(r.Context(), c)
	if err != nil {
		return err
	}
	if named := r.URL.Query().Get("version"); named != "" {
		n, err := strconv.Atoi(named)
		if err != nil {
			return notFound()
		}
		if v, err = s.versionAt(r, c, n); err != nil {
			return err
		}
	}
	data, err := settings.File{Org: ConnectionName(c), Version: v.Version, ExportedAt: time.Now(), Settings: v.Settings}.YAML()
	if err != nil {
		return err
	}
	by := visitOf(r).user.ID
	e := db.AuditEntry{ConnectionID: c.ID, ActorID: &by, Entity: "export", Action: "exported", Detail: fmt.Sprintf("settings, version %d, as YAML", v.Version)}
	if err := s.DB.AuditAct(r.Context(), e); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/yaml; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"millrace-settings-%d-v%d.yaml\"", c.ID, v.Version))
	h.Set("Cache-Control", "no-store")
	return write(w, r, http.StatusOK, data)
}

// importForm asks for a file.
func (s *Server) importForm(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	now, err := s.current(r.Context(), c)
	if err != nil {
		return err
	}
	return s.importPage(w, r, http.StatusOK, c, views.SettingsImport{Now: now.Version})
}

func (s *Server) importPage(w http.ResponseWriter, r *http.Request, status int, c db.Connection, view views.SettingsImport) error {
	shell, err := s.shell(w, r, "Import settings", "settings")
	if err != nil {
		return err
	}
	view.Shell, view.OrgName, view.BasePath = shell, ConnectionName(c), orgPath(c.ID, "/settings")
	return s.render(w, r, status, views.SettingsImportPage(view))
}

// importFile checks a file against the org and shows what it would change, or makes it the viewer's draft. It saves nothing.
func (s *Server) importFile(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	text, err := postedFile(r)
	if err != nil {
		return err
	}
	now, err := s.current(r.Context(), c)
	if err != nil {
		return err
	}
	view := views.SettingsImport{Text: strings.ToValidUTF8(text, "\uFFFD"), Now: now.Version}
	if strings.TrimSpace(text) == "" {
		view.Errors = []string{"Choose a file, or paste its text."}
		return s.importPage(w, r, http.StatusUnprocessableEntity, c, view)
	}
	f, line, problems := settings.ReadFile([]byte(text), now.Settings)
	if len(problems) > 0 {
		for _, p := range problems {
			view.Problems = append(view.Problems, views.SettingsFinding{Line: p.Line, Text: p.Text})
		}
		return s.importPage(w, r, http.StatusUnprocessableEntity, c, view)
	}
	errs, err := s.Check(r.Context(), c, f.Settings)
	if err != nil {
		return err
	}
	note := takenNote("Imported", f.Org, f.Version)
	if unfit := f.Settings.CheckTexts(note); r.PostForm.Get("do") == "draft" && len(unfit) == 0 {
		return s.take(w, r, c, now, f.Settings, note, errs)
	}
	proposal, err := s.proposal(r, c, now, f.Settings, errs)
	if err != nil {
		return err
	}
	proposal.Findings = Findings(f.Settings, errs, line)
	view.Proposal, view.From, view.Version = &proposal, f.Org, f.Version
	return s.importPage(w, r, http.StatusOK, c, view)
}

// postedFile returns the text of the uploaded file, or else the pasted one.
func postedFile(r *http.Request) (string, error) {
	if err := r.ParseMultipartForm(settingsLimit); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return "", badForm(err)
	}
	file, _, err := r.FormFile("file")
	if err != nil { // none was chosen
		return unixLines(r.PostForm.Get("text")), nil
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, settings.MaxFile+1))
	if err != nil {
		return "", badForm(err)
	}
	if len(data) == 0 {
		return unixLines(r.PostForm.Get("text")), nil
	}
	return string(data), nil
}

// takenNote is the note of a draft that was taken from elsewhere.
func takenNote(how, org string, version int) string {
	note := how
	if org = strings.Join(strings.Fields(org), " "); org != "" {
		note += " from " + org
	}
	if version > 0 {
		note += " v" + strconv.Itoa(version)
	}
	if runes := []rune(note); len(runes) > 200 {
		note = string(runes[:200])
	}
	return note
}
