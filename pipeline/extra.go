package pipeline

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// kindOf returns the kind in which a value of a describe's type is kept, and whether it can be kept at all.
func kindOf(describeType string) (k Kind, ok bool) {
	if _, refused := unsyncable[describeType]; refused {
		return Text, false
	}
	switch describeType {
	case "int", "long", "double", "currency", "percent":
		return Number, true
	case "boolean":
		return Bool, true
	case "id", "reference":
		return ID, true
	case "date":
		return Date, true
	case "datetime":
		return DateTime, true
	}
	return Text, true
}

// fieldOf returns the field of that name, in any case of letters, or nil.
func fieldOf(object *soql.Object, name string) *soql.Field {
	for i := range object.Fields {
		if strings.EqualFold(object.Fields[i].Name, name) {
			return &object.Fields[i]
		}
	}
	return nil
}

// with returns the table with further fields, each kept under its name in the column fields. Fields that the table has anyway are not added.
func (t Table) with(fields ...settings.FieldMapping) Table {
	t.Extra = slices.Clone(t.Extra)
	for _, f := range fields {
		if !slices.ContainsFunc(t.Extra, func(c Column) bool { return strings.EqualFold(c.Name, f.As()) }) {
			t.Extra = append(t.Extra, Column{Field: f.Field, Name: f.As()})
		}
	}
	return t
}

// named turns field names into mappings that keep the names.
func named(fields []string) []settings.FieldMapping {
	out := make([]settings.FieldMapping, len(fields))
	for i, f := range fields {
		out[i].Field = f
	}
	return out
}

// has reports whether a column of the table comes from the field.
func (t Table) has(field string) bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return strings.EqualFold(c.Field, field) })
}

// leave returns the table without some columns: they stay as they are in every record.
func (t Table) leave(names []string) Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return slices.Contains(names, c.Name) })
	t.Beside = slices.DeleteFunc(slices.Clone(t.Beside), func(b Beside) bool { return slices.Contains(names, b.Column) })
	return t
}

// without returns the table without the columns that come from these fields: they become empty in every record that is read.
func (t Table) without(drop func(c Column) bool) Table {
	var kept []Column
	t.Cleared = slices.Clone(t.Cleared)
	for _, c := range t.Columns {
		if drop(c) {
			t.Cleared = append(t.Cleared, c.Name)
		} else {
			kept = append(kept, c)
		}
	}
	t.Columns = kept
	return t
}

// inJSON returns further fields in the order in which Postgres keeps them.
func inJSON(extra []Column) []Column {
	return slices.SortedFunc(slices.Values(extra), func(a, b Column) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// fields appends the record's further fields to b as a JSON object, written as Postgres writes one, so that texts can be compared. Their values have been checked.
func (p *Page) fields(b []byte, record [][]byte) []byte {
	b = append(b, '{')
	first := true
	for i, c := range p.Extra {
		v := record[p.extra[i]]
		if len(v) == 0 {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = append(append(b, p.keys[i]...), ": "...)
		switch c.Kind {
		case Number:
			b = appendNumber(b, v)
		case Bool:
			b = append(b, v...)
		case ID:
			var id [18]byte
			fullID(&id, v)
			b = append(append(append(b, '"'), id[:]...), '"')
		case DateTime:
			b = append(appendInstant(append(b, '"'), v), '"')
		default:
			b = appendText(b, v)
		}
	}
	return append(b, '}')
}

// appendNumber appends a checked decimal in the form that JSON wants, with all its digits.
func appendNumber(b, v []byte) []byte {
	if v[0] == '+' {
		v = v[1:]
	} else if v[0] == '-' {
		b = append(b, '-')
		v = v[1:]
	}
	for len(v) > 1 && v[0] == '0' && isDigit(v[1]) {
		v = v[1:]
	}
	if v[0] == '.' {
		b = append(b, '0')
	}
	for i, c := range v {
		if c == '.' && (i+1 == len(v) || !isDigit(v[i+1])) {
			continue
		}
		b = append(b, c)
	}
	return b
}

// appendInstant appends a checked instant in one form for all APIs, of which one writes 2024-01-31T10:00:00.000+0000 and another 2024-01-31T10:00:00.000Z: the latter.
func appendInstant(b, v []byte) []byte {
	const seconds, thousandths = len("2024-01-31T10:00:00"), ".000"
	zone := seconds
	for v[zone] == '.' || isDigit(v[zone]) {
		zone++
	}
	b = append(b, v[:zone]...)
	b = append(b, thousandths[min(zone-seconds, len(thousandths)):]...)
	switch string(v[zone:]) {
	case "+0000", "+00:00", "-0000", "-00:00":
		return append(b, 'Z')
	}
	return append(b, v[zone:]...)
}

const hexDigits = "0123456789abcdef"

// appendText appends v as a JSON string.
func appendText(b, v []byte) []byte {
	b = append(b, '"')
	start := 0
	for i, c := range v {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, v[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, v[start:]...), '"')
}

// checkExtra is check for a value that is kept in JSON, which no RowWriter looks into.
func (k Kind) checkExtra(v []byte) (wrong string) {
	if bytes.IndexByte(v, 0) >= 0 {
		return "The value contains a NUL character, which Postgres cannot store."
	}
	if !utf8.Valid(v) {
		return "The value is not valid UTF-8."
	}
	return k.check(v)
}
