package web

import (
	"net/http"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/views"
)

// settingsStart leads to the first section.
func (s *Server) settingsStart(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/settings/account-filtering"), "", "")
}

// settingsFrame fills what every section shows: the version in the header, the sections' states and the banner.
func (s *Server) settingsFrame(w http.ResponseWriter, r *http.Request, c db.Connection, title, section string, current *db.SettingsVersion) (views.SettingsFrame, error) {
	shell, err := s.shell(w, r, title, "settings")
	if err != nil {
		return views.SettingsFrame{}, err
	}
	banner, err := s.bannerView(r, c)
	if err != nil {
		return views.SettingsFrame{}, err
	}
	frame := views.SettingsFrame{
		Shell: shell, OrgName: connectionName(c), Current: section, State: views.SectionRequired, Banner: banner, BasePath: orgPath(c.ID, "/settings"),
	}
	// A page whose fields refused their text answers a POST; its own address is the section's.
	frame.Shell.Path = frame.BasePath + "/" + section
	if current != nil {
		frame.State = views.SectionConfigured
		label := versionLabel(*current)
		frame.Version = &label
	}
	return frame, nil
}

func versionLabel(v db.SettingsVersion) views.VersionLabel {
	return views.VersionLabel{Version: v.Version, At: v.CreatedAt, By: v.AuthorName, Note: v.Note}
}

// readNote reads the note of a version: one line of at most 200 characters.
func readNote(r *http.Request) (note string, problem string) {
	note = strings.Join(strings.Fields(r.PostForm.Get("note")), " ")
	if n := len([]rune(note)); n > 200 {
		return note, "The note has " + strconv.Itoa(n) + " characters; 200 is the most."
	}
	if !storable(note) {
		return note, badText
	}
	return note, ""
}
