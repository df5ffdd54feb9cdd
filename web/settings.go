package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
)

// section is one page of the settings besides Account Filtering, which has handlers of its own. Its form posts to the section's own address; the
// value of "do" says which button was pressed: nothing or "save" for Save, "keep" for keeping the draft, a button of a PickMany shows the page again with what
// readMany made of it, anything else is the section's own.
type section struct {
	key settings.Section
	// read takes what was typed into p.shown; what cannot be read as a setting at all is noted in p.errs.
	read func(p *settingsPage, form url.Values)
	// act carries out a button of the section's own, such as Validate; nil where there is none. What it finds goes into p.results.
	act func(s *Server, r *http.Request, p *settingsPage, do string) error
	// draw shows the section with what p holds. The org is asked for nothing that its cached describes do not know.
	draw func(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error)
	// check returns what only the org knows to be wrong with the section's settings; nil where there is nothing to check.
	check func(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error)
	// beside draws what else of the page follows from what is typed, each part with an id; it takes the place of the old parts when a draft was kept. It may
	// be nil.
	beside func(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error)
}

// sections lists the sections that are served through their table entry.
func sections() []section {
	return []section{fieldsSection(), ownerMappingSection(), valuesSection(), customObjectsSection(), casesSection(), chatterSection(), advancedSection()}
}

// settingsPage is what a section shows, for GET and for every POST: the settings as saved and as they are being changed.
type settingsPage struct {
	connection db.Connection
	section    settings.Section
	current    *db.SettingsVersion // nil before the first save
	saved      settings.Settings   // the version that the page goes on from
	shown      settings.Settings   // as saved, or as typed
	base       int
	turn       db.FormTurn // of the form that was sent
	note       string
	noteErrors []string
	errs       settings.FieldErrors
	elsewhere  settings.FieldErrors // of other sections, from the last refused save
	blocked    *views.Blocked
	keptAt     time.Time                  // of the draft; zero without one
	forms      map[string]db.DraftForm    // the boxes that are edited as rows, by field path
	results    map[string]any             // what a section's own buttons found, by field path
	unkept     bool                       // the draft does not hold what was typed
	turns      []db.FormTurn              // of the viewer's pages, as the page was loaded
	seen       []pipeline.SeenObject      // what the saved settings used of the org, as it was last seen
	chatter    *settings.ChatterFrequency // saved together with the settings; nil when only these are saved
}

// readFrame takes what every section's form holds: the version it was opened on and the note.
func (p *settingsPage) readFrame(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	base, err := strconv.Atoi(r.PostForm.Get("base"))
	if err != nil || base < 0 {
		return badForm(err)
	}
	p.base, p.turn = base, readTurn(r.PostForm)
	var problem string
	if p.note, problem = readNote(r); problem != "" {
		p.noteErrors = []string{problem}
	}
	p.errs = settings.FieldErrors{} // what was said of an earlier text
	return nil
}

// readTurn takes what a page says of the order of its forms: its name and a number, and the same of the page before it. A form that says nothing proper
// counts like one of a browser without scripts.
func readTurn(form url.Values) db.FormTurn {
	words := strings.Fields(form.Get("turn"))
	if len(words) != 2 && len(words) != 4 {
		return db.FormTurn{}
	}
	var numbers [2]int64
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i+1], 10, 64)
		if err != nil || n < 1 || len(words[i]) > 40 || strings.Trim(words[i], flashAlphabet) != "" {
			return db.FormTurn{}
		}
		numbers[i/2] = n
	}
	turn := db.FormTurn{Page: words[0], Number: numbers[0]}
	if len(words) == 4 && words[2] != words[0] {
		turn.BeforePage, turn.BeforeNumber = words[2], numbers[1]
	}
	return turn
}

// version is the number of the current version; 0 before the first save.
func (p *settingsPage) version() int {
	if p.current == nil {
		return 0
	}
	return p.current.Version
}

// path is the address of a section of the page's connection.
func (p *settingsPage) path(key settings.Section) string {
	return orgPath(p.connection.ID, "/settings/"+string(key))
}

// settingsStart leads to the first section.
func (s *Server) settingsStart(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/settings/"+string(settings.SectionFiltering)), "", "")
}

// sectionOf returns the section that the path names.
func sectionOf(r *http.Request) (section, error) {
	key := settings.Section(r.PathValue("section"))
	all := sections()
	if i := slices.IndexFunc(all, func(x section) bool { return x.key == key }); i >= 0 {
		return all[i], nil
	}
	return section{}, notFound()
}

func (s *Server) sectionForm(w http.ResponseWriter, r *http.Request) error {
	x, err := sectionOf(r)
	if err != nil {
		return err
	}
	p, err := s.loadSettings(r, x.key)
	if err != nil {
		return err
	}
	return s.drawSection(w, r, http.StatusOK, x, p)
}

// drawSection answers with the section's page.
func (s *Server) drawSection(w http.ResponseWriter, r *http.Request, status int, x section, p *settingsPage) error {
	frame, err := s.settingsFrame(w, r, p)
	if err != nil {
		return err
	}
	page, err := x.draw(s, r, p, frame)
	if err != nil {
		return err
	}
	return s.render(w, r, status, page)
}

// postSection carries out whichever button of a section was pressed.
func (s *Server) postSection(w http.ResponseWriter, r *http.Request) error {
	x, err := sectionOf(r)
	if err != nil {
		return err
	}
	p, err := s.readSection(r, x)
	if err != nil {
		return err
	}
	draw := func(status int) error { return s.drawSection(w, r, status, x, p) }
	switch do := r.PostForm.Get("do"); {
	case picks(r.PostForm):
		if err := s.keep(r, p); err != nil {
			return err
		}
		return draw(http.StatusOK)
	case do == "" || do == "save":
		return s.saveAll(w, r, p, nil, draw)
	case leaves(do):
		return s.leave(w, r, p, do, draw)
	case x.act == nil:
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	default:
		if err := x.act(s, r, p, do); err != nil {
			return err
		}
		if err := s.keep(r, p); err != nil {
			return err
		}
		return draw(http.StatusOK)
	}
}

func (s *Server) readSection(r *http.Request, x section) (*settingsPage, error) {
	p, err := s.loadSettings(r, x.key)
	if err != nil {
		return nil, err
	}
	if err := p.readFrame(r); err != nil {
		return nil, err
	}
	x.read(p, r.PostForm)
	return p, nil
}
