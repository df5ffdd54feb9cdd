package web

import (
	"context"
	"errors"
	"net/http"

	"millrace/db"
	"millrace/settings"
	"millrace/views"
)

// Settings that come from elsewhere than the forms, such as an older version or a file, are shown beside the current ones, checked as Save checks them,
// and become the viewer's draft or a new version only when the viewer says so.

// current returns a connection's newest version, or one without a number that holds the defaults where nobody has saved any.
func (s *Server) current(ctx context.Context, c db.Connection) (db.SettingsVersion, error) {
	v, err := s.DB.CurrentSettings(ctx, c.ID)
	if err != nil || v == nil {
		return db.SettingsVersion{ConnectionID: c.ID, Settings: settings.Defaults()}, err
	}
	return *v, nil
}

// proposal says what settings would change from now, and what is wrong with them by errs.
func (s *Server) proposal(r *http.Request, c db.Connection, now db.SettingsVersion, all settings.Settings, errs settings.FieldErrors) (views.SettingsProposal, error) {
	p := views.SettingsProposal{Changes: settings.Diff(now.Settings, all), Findings: Findings(all, errs, nil)}
	draft, err := s.DB.Draft(r.Context(), c.ID, visitOf(r).user.ID)
	if err != nil || draft == nil {
		return p, err
	}
	from := settings.Defaults()
	if draft.Base > 0 {
		v, err := s.DB.SettingsVersionAt(r.Context(), c.ID, draft.Base)
		switch {
		case errors.Is(err, db.ErrNotFound): // a backup was restored since: the draft goes on from what is current
			from = now.Settings
		case err != nil:
			return p, err
		default:
			from = v.Settings
		}
	}
	changed := settings.Diff(from, draft.Settings)
	if p.Unsaved = len(changed); p.Unsaved > 0 {
		p.DraftRef = orgPath(c.ID, "/settings/"+string(changed[0].Section))
	}
	return p, nil
}

// Findings names what is wrong with settings in the order of the screens; line tells the line of a field path in a file, and is nil without one.
func Findings(all settings.Settings, errs settings.FieldErrors, line func(path string) int) []views.SettingsFinding {
	labels := map[string]string{}
	for _, v := range all.Values() {
		labels[v.Path] = v.Label
	}
	var out []views.SettingsFinding
	for _, path := range sortedPaths(errs) {
		for _, text := range errs[path] {
			f := views.SettingsFinding{Where: whereIs(path, labels), Text: text}
			if line != nil {
				f.Line = line(path)
			}
			out = append(out, f)
		}
	}
	return out
}

// whereIs names the section and the setting of a field path.
func whereIs(path string, labels map[string]string) string {
	key := settings.SectionOf(path)
	if key == "" {
		return ""
	}
	if label := labels[path]; label != "" {
		return key.Label() + ", " + label
	}
	return key.Label()
}

// take makes settings the viewer's draft of a connection and leads to the first section that they change.
func (s *Server) take(w http.ResponseWriter, r *http.Request, c db.Connection, now db.SettingsVersion, all settings.Settings, note string, errs settings.FieldErrors) error {
	user := visitOf(r).user.ID
	draft, err := s.DB.KeepDraft(r.Context(), c.ID, user, now.Version, all, note)
	if err != nil {
		return err
	}
	if draft == nil {
		return s.see(w, r, orgPath(c.ID, "/settings/"+string(settings.SectionFiltering)), "nothing-to-take", "")
	}
	flash, to := "taken", settings.Changed(now.Settings, all)[0]
	if len(errs) > 0 {
		flash = "taken-problems"
		if err := s.DB.NoteProblems(r.Context(), c.ID, user, errs); err != nil {
			return err
		}
		if key := settings.SectionOf(sortedPaths(errs)[0]); key != "" {
			to = key
		}
	}
	return s.see(w, r, orgPath(c.ID, "/settings/"+string(to)), flash, "")
}
