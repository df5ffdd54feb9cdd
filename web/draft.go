package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"millrace/settings"
	"millrace/views"
)

// What was typed into a settings form comes back when the form could not be carried out: with the sign-in page when the session had ended, and with
// the error page when something failed. Settings hold no secrets; no other form is kept. Browsers with scripts keep a draft of their own besides.

// keptLimit bounds in bytes the form that a page gives back.
const keptLimit = 2 << 20

// keptPage returns the page of the settings form that posts to path, or "" when the forms of path are not kept.
func keptPage(path string) string {
	parts := strings.Split(path, "/") // such as /connections/1/settings/account-filtering/validate
	if len(parts) < 5 || len(parts) > 6 || parts[1] != "connections" || parts[3] != "settings" || !slices.Contains(settings.Sections, settings.Section(parts[4])) {
		return ""
	}
	return strings.Join(parts[:5], "/")
}

// keepsField reports whether a field of a settings form is one that people fill in, or says what they filled it in on.
func keepsField(name string) bool {
	return name == "base" || name == settings.PathNote || name == chatterFrequency || settings.SectionOf(name) != ""
}

// pressed are the buttons of a settings form that trying again presses anew.
var pressed = []string{"validate", "fix", "open", "add", "remove", "do"}

// kept returns the fields that a posted settings form holds; nil when it holds none, is too large or cannot be read.
func kept(form url.Values, also ...string) []views.KeptField {
	var out []views.KeptField
	size := 0
	for name, values := range form {
		if !keepsField(name) && !slices.Contains(also, name) {
			continue
		}
		for _, value := range values {
			field := views.KeptField{Name: name, Value: strings.ToValidUTF8(value, "\uFFFD"), Label: filterLabels[name]}
			if name == settings.PathNote {
				field.Label = "Note"
			}
			out = append(out, field)
			size += len(name) + len(value)
		}
	}
	if size > keptLimit || !form.Has("base") {
		return nil
	}
	// A form sends its values of one name in order; the names follow the page.
	slices.SortStableFunc(out, func(a, b views.KeptField) int {
		if i, j := slices.Index(filterPaths, a.Name), slices.Index(filterPaths, b.Name); i != j {
			return i - j
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// keptOf returns what a request posted to a settings form, reading it if nobody has.
func keptOf(r *http.Request, also ...string) []views.KeptField {
	if r.Method != http.MethodPost || keptPage(r.URL.Path) == "" {
		return nil
	}
	if r.PostForm == nil {
		r.Body = http.MaxBytesReader(nil, r.Body, keptLimit)
		if err := r.ParseForm(); err != nil {
			return nil
		}
	}
	return kept(r.PostForm, also...)
}

// resume shows a settings form as it was posted before its sender had to sign in. It is shown and not carried out: what was typed is not saved, and
// whoever signed in decides.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, page string) error {
	for _, name := range pressed {
		r.PostForm.Del(name)
	}
	parts := strings.Split(page, "/") // such as /connections/1/settings/account-filtering
	r.SetPathValue("id", parts[2])
	r.SetPathValue("section", parts[4])
	visitOf(r).notice = "kept"
	if settings.Section(parts[4]) == settings.SectionFiltering {
		return s.resumeRows(w, r)
	}
	x, err := sectionOf(r)
	if err != nil {
		return err
	}
	p, err := s.readSection(r, x)
	if err != nil {
		return err
	}
	p.unkept = true
	return s.drawSection(w, r, http.StatusOK, x, p)
}
