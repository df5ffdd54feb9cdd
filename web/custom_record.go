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
	"millrace/views"
)

// shownFields is how many fields of a custom object's records an account's page shows.
const shownFields = 5

// bookkeeping are fields that every record has and that say little about it.
var bookkeeping = []string{"OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "LastActivityDate", "RecordTypeId"}

// addRecords adds the records of custom objects to an account's page, by object.
func (s *Server) addRecords(r *http.Request, c db.Connection, objects []db.ObjectOfAccount, offsets map[string]int, view *views.Account) error {
	for _, o := range objects {
		key := recordsKey(o.Object)
		rows, err := s.DB.AccountRecords(r.Context(), c.ID, view.ID, o.Object, relatedRows, offsets[key])
		if err != nil {
			return err
		}
		g, err := s.recordGroup(r, c, o.Object, rows)
		if err != nil {
			return err
		}
		g.ID, g.Name, g.Total = key, o.Name, o.Total
		g.Pages = relatedPages(r, offsets, key, len(rows), o.Total, "record")
		g.Pages.Nouns = "records"
		view.Records = append(view.Records, g)
	}
	return nil
}

// recordsKey names an object's part of the page.
func recordsKey(object string) string { return "records-" + object }

// recordGroup chooses the fields to show, those that most of the records have, and writes their values for people.
func (s *Server) recordGroup(r *http.Request, c db.Connection, object string, rows []db.CustomRecord) (views.RecordGroup, error) {
	var g views.RecordGroup
	decoded := make([]map[string]any, len(rows))
	counts := map[string]int{}
	for i, row := range rows {
		d := json.NewDecoder(bytes.NewReader(row.Fields))
		d.UseNumber()
		if err := d.Decode(&decoded[i]); err != nil {
			return g, fmt.Errorf("read the fields of record %s: %w", row.SFID, err)
		}
		for name, v := range decoded[i] {
			if text, _ := v.(string); len(text) <= shownText && !slices.Contains(bookkeeping, name) {
				counts[name]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	names = names[:min(len(names), shownFields)]
	var values []string
	for _, of := range decoded {
		for _, name := range names {
			if text, ok := of[name].(string); ok {
				values = append(values, strings.Split(text, ";")...)
			}
		}
	}
	labels, err := s.DB.Labels(r.Context(), c.ID, object, names, values)
	if err != nil {
		return g, err
	}
	titles := s.labels(c.ID, object)
	for _, name := range names {
		g.Columns = append(g.Columns, cmp.Or(titles[name], name))
	}
	for i, row := range rows {
		v := views.RecordRow{Name: row.Name, Href: recordURL(c, row.SFID), Contact: row.Contact, Left: row.Left, Deleted: row.Deleted}
		for _, name := range names {
			v.Values = append(v.Values, shownValue(decoded[i][name], labels[name]))
		}
		g.Rows = append(g.Rows, v)
	}
	return g, nil
}

// shownValue writes a value of a further field for people. labels are those of the field's picklist values.
func shownValue(v any, labels map[string]string) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "Yes", false: "No"}[v]
	case string:
		if len(labels) == 0 {
			return strings.ReplaceAll(v, "\r\n", "\n")
		}
		parts := strings.Split(v, ";")
		for i, p := range parts {
			parts[i] = cmp.Or(labels[p], p)
		}
		return strings.Join(parts, "; ")
	}
	return fmt.Sprint(v)
}
