package web

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
)

// fields is the page of the fields that a filter can use; the filter box shows it as its picker.
func (s *Server) fields(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	in := r.URL.Query()
	root, err := objectOf(r)
	if err != nil {
		return err
	}
	section := orgPath(c.ID, "/settings/account-filtering")
	view := views.Fields{
		Back: section, Section: settings.SectionFiltering.Label(), Action: section + "/fields", Search: strings.TrimSpace(in.Get("q")), Box: in.Get("box"), Via: in.Get("via"), Root: root,
	}
	if !isFilter(view.Box) {
		view.Box = ""
	} else {
		key := settings.SectionOf(view.Box)
		view.Section, view.Back = key.Label(), orgPath(c.ID, "/settings/"+string(key))+"#"+views.BoxID(view.Box)
	}
	if view.Shell, err = s.shell(w, r, "Fields", "settings"); err != nil {
		return err
	}
	if view.Unanswered = offline(c); view.Unanswered == "" {
		if err := s.learn(r.Context(), c, root); err != nil {
			if r.Context().Err() != nil {
				return r.Context().Err()
			}
			view.Unanswered = s.unanswered(r.Context(), c, err)
		}
	}
	switch local := s.known.local(c.ID, root); {
	case view.Unanswered != "":
	case local == nil:
		return notFound()
	default:
		object, via, err := s.objectVia(r, local, view.Via)
		if err != nil {
			return err
		}
		if object == nil {
			return notFound()
		}
		view.Via, view.Object = via, object.Label
		fillFields(&view, object)
	}
	return s.render(w, r, http.StatusOK, views.FieldsPage(view))
}

// managed finds the namespace of a managed package in an API name.
var managed = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*__.+__[a-z]+$`)

// fillFields sorts the fields of an object into the groups of the picker.
func fillFields(view *views.Fields, object *soql.Object) {
	groups := []views.FieldGroup{{Title: "Custom fields"}, {Title: "Standard fields"}, {Title: "Fields of managed packages"}}
	prefix := ""
	if view.Via != "" {
		prefix = view.Via + "."
	}
	words := strings.Fields(strings.ToLower(view.Search))
	fields := slices.Clone(object.Fields)
	slices.SortStableFunc(fields, func(a, b soql.Field) int {
		return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label))
	})
	for _, f := range fields {
		row := views.FieldRow{Name: prefix + f.Name, Label: f.Label, Type: pipeline.TypeLabel(f), Why: pipeline.Filterable(f), Find: strings.ToLower(f.Label + " " + prefix + f.Name)}
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(row.Find, w) }) {
			continue
		}
		if f.RelationshipName != "" && len(f.ReferenceTo) == 1 && strings.Count(prefix, ".") < 5 {
			row.Related = f.ReferenceTo[0]
			row.RelatedHref = withQuery(view.Action, url.Values{"via": {prefix + f.RelationshipName}, "box": {view.Box}, "object": {view.Root}})
		}
		group := &groups[1]
		switch {
		case managed.MatchString(f.Name):
			group = &groups[2]
		case f.Custom:
			group = &groups[0]
		}
		group.Rows = append(group.Rows, row)
		view.Found++
	}
	view.Groups = slices.DeleteFunc(groups, func(g views.FieldGroup) bool { return len(g.Rows) == 0 })
}
