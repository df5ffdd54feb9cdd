package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
)

// shownFields is how many fields of a custom object's records an account's page shows.
const shownFields = 5

// bookkeeping are fields that every record has and that say little about it.
var bookkeeping = []string{"OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "LastActivityDate", "RecordTypeId"}

// addRecords adds the records of custom objects to an account's page, by object.
func (s *Server) addRecords(r *http.Request, c db.Connection, objects []db.ObjectOfAccount, offsets map[string]int, ages formulaAges, view *views.Account) error {
	for _, o := range objects {
		key := recordsKey(o.Object)
		rows, err := s.DB.AccountRecords(r.Context(), c.ID, view.ID, o.Object, relatedRows, offsets[key])
		if err != nil {
			return err
		}
		g, err := s.recordGroup(r, c, o.Object, rows, ages)
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
func (s *Server) recordGroup(r *http.Request, c db.Connection, object string, rows []db.CustomRecord, ages formulaAges) (views.RecordGroup, error) {
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
			if telling(name, v) {
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
		g.Columns = append(g.Columns, views.RecordColumn{Label: cmp.Or(titles[name], spaced(name)), Age: ages.of(recordRead{set: pipeline.CustomStep(object)}, name)})
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

var (
	recordID = regexp.MustCompile(`^[a-zA-Z0-9]{15}[A-Z0-5]{3}$`)
	instant  = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?(Z|\+00:?00)$`)
)

// telling reports whether a value says something in a table: no bookkeeping, no Id of another record, no markup and no long text.
func telling(name string, v any) bool {
	text, _ := v.(string)
	return !slices.Contains(bookkeeping, name) && len(text) <= shownText && !recordID.MatchString(text) && !strings.HasPrefix(text, "<")
}

// spaced makes a heading of an API name, which Salesforce makes of the label.
func spaced(name string) string {
	name = strings.TrimSuffix(name, "__c")
	if at := strings.Index(name, "__"); at > 0 { // the namespace of a managed package
		name = name[at+2:]
	}
	return strings.ReplaceAll(name, "_", " ")
}

// shownValue writes a value of a further field for people. labels are those of the field's picklist values.
func shownValue(v any, labels map[string]string) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "Yes", false: "No"}[v]
	case json.Number:
		if whole, zero := strings.CutSuffix(v.String(), ".0"); zero {
			return whole
		}
	case string:
		if at := instant.FindStringSubmatch(v); at != nil {
			return at[1] + " " + at[2] + " UTC"
		}
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
