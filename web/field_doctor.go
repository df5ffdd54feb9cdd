package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/views"
	"millrace/views/ui"
)

// doctorPath is the address of the page that says which fields of an object are missing from the pickers and why.
func doctorPath(c db.Connection, object string) string {
	return withQuery(orgPath(c.ID, "/settings/field-doctor"), url.Values{"object": {object}})
}

// fieldDoctor compares what the org has with what the connected user can read.
func (s *Server) fieldDoctor(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	view := views.FieldDoctor{
		Back: orgPath(c.ID, "/settings"), Action: orgPath(c.ID, "/settings/field-doctor"), Object: cmp.Or(strings.TrimSpace(r.URL.Query().Get("object")), "Account"),
		User: cmp.Or(c.DisplayName, c.Username), Username: c.Username,
	}
	if view.Shell, err = s.shell(w, r, "Field doctor", "settings"); err != nil {
		return err
	}
	k := s.catalog(r.Context(), c)
	object, unanswered := k.object(view.Object)
	view.Unanswered = unanswered
	view.Objects = ui.Picker{Field: ui.Field{
		ID: "object", Name: "object", Label: "Object", Value: view.Object, Class: "min-w-0 flex-1 basis-72", Hint: "An object that is not in the list is one that the connected user cannot see.",
	}, Unanswered: unanswered}
	view.Objects.Attrs = map[string]any{"data-submit": true}
	if unanswered == "" {
		view.Objects.Groups, _ = k.objects(nil)
		s.diagnose(r.Context(), c, &view, object)
	}
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.render(w, r, http.StatusOK, views.FieldDoctorPage(view))
}

// diagnose sorts the fields of an object, nil for one that the connected user cannot see, into what is hidden and what cannot be synced.
func (s *Server) diagnose(ctx context.Context, c db.Connection, view *views.FieldDoctor, object *salesforce.Describe) {
	if view.NoObject = object == nil; !view.NoObject {
		view.Object, view.Label, view.Readable = object.Name, object.Label, len(object.Fields)
		for i := range object.Fields {
			f := object.Fields[i].Field
			if why := pipeline.Syncable(f); why != "" {
				view.Unfit = append(view.Unfit, ui.Item{Name: f.Name, Label: f.Label, Type: pipeline.TypeLabel(f), Why: why})
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	client, err := s.Client(ctx, c.ID)
	var all []salesforce.FieldDefinition
	if err == nil {
		all, err = client.FieldDefinitions(ctx, view.Object)
	}
	if err != nil {
		view.Unknown = "The list of all fields comes from the Tooling API, which the connected user may not use: that needs “View Setup and Configuration”. Compare the lists here with Setup → Object Manager → " +
			view.Object + " → Fields & Relationships. " + s.unanswered(ctx, c, err)
		return
	}
	for _, d := range all {
		if object == nil || object.Field(d.Name) == nil {
			view.Hidden = append(view.Hidden, ui.Item{Name: d.Name, Label: d.Label, Type: d.DataType})
		}
	}
	byLabel := func(a, b ui.Item) int { return strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label)) }
	slices.SortFunc(view.Hidden, byLabel)
	slices.SortFunc(view.Unfit, byLabel)
}
