package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
)

// settingsFrame fills what every section shows: the version in the header, the sections' states, the banner and the bar to save with.
func (s *Server) settingsFrame(w http.ResponseWriter, r *http.Request, p *settingsPage) (views.SettingsFrame, error) {
	shell, err := s.shell(w, r, p.section.Label(), "settings")
	if err != nil {
		return views.SettingsFrame{}, err
	}
	banner, err := s.bannerView(r, p.connection)
	if err != nil {
		return views.SettingsFrame{}, err
	}
	frame := views.SettingsFrame{
		Shell: shell, OrgName: ConnectionName(p.connection), Current: p.section, Banner: banner, BasePath: orgPath(p.connection.ID, "/settings"),
		Sections: sectionItems(p), Bar: saveBar(p), Blocked: p.blocked, Offline: offline(p.connection),
	}
	if frame.Bar.Turns, err = s.turns(r, p); err != nil {
		return frame, err
	}
	// A page whose fields refused their text answers a POST; its own address is the section's.
	frame.Shell.Path = p.path(p.section)
	if p.current != nil {
		label := versionFor(r, *p.current)
		frame.Version = &label
		frame.Outdated = p.base < p.current.Version
	}
	frame.Drift = s.driftSince(r.Context(), p.connection, p.current, p.seen)
	return frame, nil
}

// sectionItems says of each section how far it is.
func sectionItems(p *settingsPage) []views.SectionItem {
	unsaved, chosen := p.changes(), settings.Changed(settings.Defaults(), p.shown)
	problems := map[settings.Section]bool{}
	for _, found := range []settings.FieldErrors{p.errs, p.elsewhere} {
		for path := range found {
			problems[settings.SectionOf(path)] = true
		}
	}
	lacking := map[settings.Section]bool{}
	for path := range p.shown.Validate() {
		lacking[settings.SectionOf(path)] = true
	}
	var out []views.SectionItem
	for _, key := range settings.Sections {
		item := views.SectionItem{Key: key, Unsaved: slices.ContainsFunc(unsaved, func(c settings.Change) bool { return c.Section == key }), State: views.SectionDefault}
		switch {
		case problems[key] || key == p.section && p.blocked != nil && len(p.errs) > 0:
			item.State = views.SectionProblems
		case key == settings.SectionFiltering && !slices.Contains(chosen, key):
			item.State = views.SectionRequired
		case key == settings.SectionFiltering && p.current == nil:
			item.State = views.SectionRequired
		case lacking[key]:
			item.State = views.SectionIncomplete
		case key == settings.SectionCases && !p.shown.Cases.Enabled, key == settings.SectionChatter && !p.shown.Chatter.Enabled:
			item.State = views.SectionOff
		case slices.Contains(chosen, key):
			item.State = views.SectionConfigured
		case key == settings.SectionValue, key == settings.SectionCustomObjects:
			item.State = views.SectionNotSetUp
		}
		out = append(out, item)
	}
	return out
}

func saveBar(p *settingsPage) views.SaveBar {
	return views.SaveBar{Base: p.base, Note: p.note, NoteErrors: p.noteErrors, Changes: p.changes(), Section: p.section, KeptAt: p.keptAt, Given: p.unkept}
}

// turns tells the page which forms of the viewer's have arrived, so that it knows whether a draft in the tab is ahead of the one here.
func (s *Server) turns(r *http.Request, p *settingsPage) (string, error) {
	turns, err := p.turns, error(nil)
	if r.Method != http.MethodGet { // what was sent counts
		turns, err = s.DB.FormTurns(r.Context(), p.connection.ID, visitOf(r).user.ID, knownTurns)
	}
	var out []string
	for _, turn := range turns {
		out = append(out, turn.Page, strconv.FormatInt(turn.Number, 10))
	}
	return strings.Join(out, " "), err
}

// knownTurns is how many pages a page knows the forms of.
const knownTurns = 20

func versionLabel(v db.SettingsVersion) views.VersionLabel {
	return views.VersionLabel{Version: v.Version, At: v.CreatedAt, By: v.AuthorName, Note: v.Note}
}

// versionFor is versionLabel for whoever asks.
func versionFor(r *http.Request, v db.SettingsVersion) views.VersionLabel {
	label := versionLabel(v)
	label.Own = v.AuthorID != nil && *v.AuthorID == visitOf(r).user.ID
	return label
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
