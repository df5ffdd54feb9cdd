package pipeline

import (
	"strings"

	"millrace/salesforce/soql"
)

// PicklistLabel is what people see for a value of a picklist.
type PicklistLabel struct{ Object, Field, Value, Label string }

// labels returns the labels of the picklists that the steps read.
func labels(schema soql.Schema, steps []Step) []PicklistLabel {
	var out []PicklistLabel
	seen := map[string]bool{}
	for _, s := range steps {
		object := schema.Object(s.Table.Object)
		if object == nil {
			continue
		}
		for _, c := range append(s.Table.Columns[:len(s.Table.Columns):len(s.Table.Columns)], s.Table.Extra...) {
			f := fieldOf(object, c.Field)
			if f == nil || f.Type != "picklist" && f.Type != "multipicklist" && f.Type != "combobox" {
				continue
			}
			for _, v := range f.Picklist {
				key := strings.Join([]string{object.Name, f.Name, v.Value}, "\x00")
				if !seen[key] && v.Label != "" {
					seen[key] = true
					out = append(out, PicklistLabel{object.Name, f.Name, v.Value, v.Label})
				}
			}
		}
	}
	return out
}
