package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
)

// addDetail adds to an account's page who looks after it, what it is worth and when it renews, with the origin of each, and its further fields.
func (s *Server) addDetail(r *http.Request, c db.Connection, view *views.Account) error {
	d, err := s.DB.AccountDetail(r.Context(), c.ID, view.ID)
	if err != nil {
		return err
	}
	applied, done, err := s.DB.AppliedSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if applied == nil {
		applied = &settings.Settings{}
	}
	for _, t := range settings.OwnerTypes {
		p, there := d.People[t]
		from := *applied.Owners.Field(t)
		if !there && (from == "" || t == settings.AccountOwner) {
			continue
		}
		view.People = append(view.People, views.AccountPerson{Role: t.Label(), From: from, Name: p.Name, ID: p.ID, Href: recordURL(c, p.ID), Inactive: there && !p.Active})
	}
	view.ARR = views.AccountValue{Value: money(d.ARR, d.ARRIn), Origin: origin(pipeline.ARR, *applied, done)}
	view.Renewal = views.AccountValue{Value: d.Renewal, Origin: origin(pipeline.Renewal, *applied, done)}
	view.Fields, err = furtherFields(d.Fields, s.labels(c.ID, "Account"))
	return err
}

// origin says where a value came from when it was last written; it is empty while that is under way or when the value is not synced.
func origin(k pipeline.ValueKind, applied settings.Settings, done []string) string {
	rule := k.Rule(applied)
	if rule.Mode == settings.CalculatedValue && !slices.Contains(done, string(k)) {
		return ""
	}
	return rule.Origin()
}

// labels returns the labels of an object's fields by API name, as far as they are known without asking Salesforce.
func (s *Server) labels(connection int64, object string) map[string]string {
	out := map[string]string{}
	if o, _ := s.known.find(connection, object); o != nil {
		for _, f := range o.Fields {
			out[f.Name] = f.Label
		}
	}
	return out
}

// furtherFields lists a record's further fields by name.
func furtherFields(object []byte, labels map[string]string) ([]views.FurtherField, error) {
	values := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, fmt.Errorf("read the further fields of a record: %w", err)
	}
	var out []views.FurtherField
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := views.FurtherField{Name: name, Label: labels[name]}
		switch v := values[name].(type) {
		case bool:
			f.Value = map[bool]string{true: "Yes", false: "No"}[v]
		case string:
			f.Value = strings.ReplaceAll(v, "\r\n", "\n")
		default:
			f.Value = fmt.Sprint(v)
		}
		out = append(out, f)
	}
	return out, nil
}
