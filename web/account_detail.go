package web

import (
	"bytes"
	"cmp"
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
func (s *Server) addDetail(r *http.Request, c db.Connection, ages formulaAges, view *views.Account) error {
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
	account := recordRead{set: "Account", since: d.Since, left: view.LeftAt}
	for _, t := range settings.OwnerTypes {
		p, there := d.People[t]
		from := *applied.Owners.Field(t)
		if !there && (from == "" || t == settings.AccountOwner) {
			continue
		}
		view.People = append(view.People, views.AccountPerson{Role: t.Label(), From: from, Name: p.Name, ID: p.ID, Href: recordURL(c, p.ID), Inactive: there && !p.Active,
			Age: ages.of(account, pipeline.OwnerColumn(t))})
	}
	view.ARR = views.AccountValue{Value: money(d.ARR, d.ARRIn), Origin: origin(pipeline.ARR, *applied, done), Age: ages.ofValue(account, pipeline.ARR)}
	view.Renewal = views.AccountValue{Value: d.Renewal, Origin: origin(pipeline.Renewal, *applied, done), Age: ages.ofValue(account, pipeline.Renewal)}
	view.Fields, err = s.furtherFields(r, c, d.Fields)
	if err != nil {
		return err
	}
	for i, f := range view.Fields {
		view.Fields[i].Age = ages.of(account, f.Name)
	}
	labels, err := s.DB.Labels(r.Context(), c.ID, "Account", []string{"Type", "Industry"}, []string{view.SFType, view.Industry})
	if err != nil {
		return err
	}
	view.SFType, view.Industry = cmp.Or(labels["Type"][view.SFType], view.SFType), cmp.Or(labels["Industry"][view.Industry], view.Industry)
	return nil
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

// furtherFields lists an account's further fields by name, picklist values by their labels.
func (s *Server) furtherFields(r *http.Request, c db.Connection, object []byte) ([]views.FurtherField, error) {
	values := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, fmt.Errorf("read the further fields of a record: %w", err)
	}
	names := slices.Sorted(maps.Keys(values))
	var texts []string
	for _, v := range values {
		if text, ok := v.(string); ok && len(text) <= shownText {
			texts = append(texts, strings.Split(text, ";")...)
		}
	}
	labels, err := s.DB.Labels(r.Context(), c.ID, "Account", names, texts)
	if err != nil {
		return nil, err
	}
	titles := s.labels(c.ID, "Account")
	var out []views.FurtherField
	for _, name := range names {
		out = append(out, views.FurtherField{Name: name, Label: titles[name], Value: shownValue(values[name], labels[name])})
	}
	return out, nil
}
