package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
)

// shownFindings is how many findings stand under a box while it is edited; the rest are counted.
const shownFindings = 4

// checkFilter answers what the local check finds in one box. It never asks Salesforce.
func (s *Server) checkFilter(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	path := r.URL.Query().Get("box")
	if !isFilter(path) {
		return badForm(errors.New("no such filter: " + strconv.Quote(path)))
	}
	object, err := objectOf(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.FilterFindings(s.findings(c.ID, object, path, unixLines(r.PostForm.Get(path)))))
}

// isFilter reports whether a field path can be that of a filter box.
func isFilter(path string) bool {
	switch settings.SectionOf(path) {
	case "":
		return false
	case settings.SectionFiltering:
		return slices.Contains(filterPaths, path)
	}
	return true
}

// objectOf returns the object whose filter a request is about: accounts, unless its address names another.
func objectOf(r *http.Request) (string, error) {
	name := r.URL.Query().Get("object")
	switch {
	case name == "":
		return "Account", nil
	case !settings.IsName(name):
		return "", badForm(errors.New("no such object: " + strconv.Quote(name)))
	}
	return name, nil
}

// findings is what is known of the text of a box without asking Salesforce.
func (s *Server) findings(connection int64, object, path, text string) views.Findings {
	section := orgPath(connection, "/settings/account-filtering")
	out := views.Findings{Box: views.FilterBox{Path: path, ID: views.BoxID(path), Base: section, Section: ownSection(connection, path)}}
	if object != "Account" {
		out.Box.Object = object
	}
	if strings.TrimSpace(text) == "" {
		return out
	}
	out.Checked = true
	var found []soql.Finding
	if local := s.known.local(connection, object); local != nil {
		found = local.check(text)
		if out.Unread = local.unread(); out.Unread != "" {
			out.Read = withQuery(section+"/schema", map[string][]string{"object": {out.Unread}})
		}
	} else {
		found = pipeline.CheckFilterOf(object, text, nil)
		out.Cold = true
		if object != "Account" { // the page itself asks for what a run reads
			out.Read = withQuery(section+"/schema", map[string][]string{"object": {object}})
		}
	}
	// Errors come before warnings: they are what stands in the way.
	slices.SortStableFunc(found, func(a, b soql.Finding) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case b.Warning:
			return -1
		}
		return 1
	})
	for i, f := range found {
		if i == shownFindings {
			out.More = len(found) - i
			break
		}
		p := problemAt(text, f)
		if f.Warning {
			out.Warnings = append(out.Warnings, p)
		} else {
			out.Problems = append(out.Problems, p)
		}
	}
	return out
}

// ownSection is the address that the buttons of a filter box send to when it is not one of Account Filtering; those have addresses of their own.
func ownSection(connection int64, path string) string {
	if key := settings.SectionOf(path); key != settings.SectionFiltering {
		return orgPath(connection, "/settings/"+string(key))
	}
	return ""
}

// repair applies the certain repair that begins at the byte start of text, a condition on the object, if a check by schema knows one. A nil schema is fine.
func repair(object, text string, start int, schema soql.Schema) string {
	for _, finding := range pipeline.CheckFilterOf(object, text, schema) {
		if fix := finding.Fix; fix != nil && fix.Start == start && fits(text, fix) {
			return text[:fix.Start] + fix.Text + text[fix.End:]
		}
	}
	return text
}

func fits(text string, fix *soql.Fix) bool {
	return 0 <= fix.Start && fix.Start <= fix.End && fix.End <= len(text)
}

// editOf describes the replacement of bytes of text for a script, which counts in UTF-16 units.
func editOf(text string, start, end int, replacement string) views.Edit {
	from := units(text[:start])
	return views.Edit{From: from, To: from + units(text[start:end]), Was: text[start:end], Text: replacement, Start: start}
}

// units is the length of text as scripts and Salesforce count it.
func units(text string) int { return len(utf16.Encode([]rune(text))) }

// unixLines undoes the line ends of forms.
func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
