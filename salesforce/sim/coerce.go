package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// coerce turns what a caller sent for a field into the value that is stored: text is trimmed, an empty text is null, numbers are rounded to the
// field's scale. It accepts JSON values, Go values of the same meaning, and text as it stands in a CSV file.
func (w *world) coerce(o *object, f *field, in any) (value, error) {
	text, isText := in.(string)
	switch x := in.(type) {
	case nil:
		if f.typ == "boolean" {
			return boolValue(false), nil
		}
		return null, nil
	case value:
		return x, nil
	case time.Time:
		if f.typ == "date" {
			return dateValue(daysOf(x)), nil
		}
		return timeValue(x.Truncate(time.Second)), nil
	case bool:
		text = strconv.FormatBool(x)
	case json.Number:
		text = x.String()
	case int, int8, int16, int32, int64, float32, float64:
		text = fmt.Sprint(x)
	}
	bad := func() error {
		return badRequest("JSON_PARSER_ERROR", "Cannot deserialize instance of %s from value %s", f.typ, jsonText(in))
	}
	switch f.typ {
	case "boolean":
		switch lower(text) {
		case "true", "1":
			return boolValue(true), nil
		case "false", "0", "":
			return boolValue(false), nil
		}
		return null, bad()
	case "int", "double", "currency", "percent":
		if text == "" {
			return null, nil
		}
		v, ok := parseDecimal(strings.TrimSpace(text))
		if !ok {
			return null, bad()
		}
		if f.typ == "int" {
			return v.rounded(0), nil
		}
		v = v.rounded(f.scale).trimmed()
		if f.precision > f.scale && f.precision <= 18 && abs(v.float()) >= float64(pow10[f.precision-f.scale]) {
			return null, badRequest("NUMBER_OUTSIDE_VALID_RANGE", "%s: value outside of valid range on numeric field: %s", f.label, text).on(f.name)
		}
		return v.withPoint(), nil
	case "date":
		return coerceDate(text, bad)
	case "datetime":
		return coerceDateTime(text, bad)
	case "time":
		if text == "" {
			return null, nil
		}
		v, ok := parseTime(text)
		if !ok {
			return null, bad()
		}
		return v, nil
	case "id", "reference":
		return w.coerceReference(o, f, text)
	}
	if !isText && text == "" {
		return null, bad()
	}
	return coerceText(o, f, text)
}

func abs(x float64) float64 { return max(x, -x) }

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}

func coerceDate(text string, bad func() error) (value, error) {
	if text == "" {
		return null, nil
	}
	if v, ok := parseDate(text); ok {
		return v, nil
	}
	if v, ok := parseDateTime(text); ok {
		return dateValue(floorDiv(v.n, 86_400_000)), nil
	}
	return null, bad()
}

func coerceDateTime(text string, bad func() error) (value, error) {
	if text == "" {
		return null, nil
	}
	if v, ok := parseDate(text); ok {
		return value{kind: kDateTime, n: v.n * 86_400_000}, nil
	}
	v, ok := parseDateTime(text)
	if !ok {
		return null, bad()
	}
	v.n = floorDiv(v.n, 1000) * 1000
	return v, nil
}

// coerceReference checks that an id has the shape of one, exists, and is of a type that the field may point to.
func (w *world) coerceReference(o *object, f *field, text string) (value, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "000000000000000AAA" || f.name == "RecordTypeId" && text == masterRecordType {
		return null, nil
	}
	if !validIDText(text) {
		return null, badRequest("MALFORMED_ID", "%s: id value of incorrect type: %s", f.label, text).on(f.name)
	}
	id, ok := parseID(text)
	target, row := w.find(id)
	if !ok || target == nil || !w.table(target).alive(row) {
		return null, badRequest("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").on(f.name)
	}
	if f.typ == "reference" && !refers(f, target.name) {
		return null, badRequest("MALFORMED_ID", "%s: id value of incorrect type: %s", f.label, text).on(f.name)
	}
	if f.name == "RecordTypeId" && !slices.Contains(w.recordTypes(o), row) {
		return null, badRequest("INVALID_CROSS_REFERENCE_KEY", "%s: this ID value isn't valid for the user: %s", f.label, text).on(f.name)
	}
	return idValue(id), nil
}

func coerceText(o *object, f *field, text string) (value, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return null, nil
	}
	if f.typ == "textarea" {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	}
	if n := len(utf16.Encode([]rune(text))); f.length > 0 && n > f.length && f.typ != "id" {
		return null, badRequest("STRING_TOO_LONG", "%s: data value too large: %s (max length=%d)", f.label, text, f.length).on(f.name)
	}
	switch f.typ {
	case "email":
		if _, err := mail.ParseAddress(text); err != nil {
			return null, badRequest("INVALID_EMAIL_ADDRESS", "%s: invalid email address: %s", f.label, text).on(f.name)
		}
	case "picklist", "multipicklist":
		if f.restricted {
			for _, part := range strings.Split(text, ";") {
				if !f.offers(part) {
					return null, badRequest("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "%s: bad value for restricted picklist field: %s", f.label, part).on(f.name)
				}
			}
		}
		for _, p := range f.picks { // values are stored in the spelling of the picklist
			if strings.EqualFold(p.value, text) {
				text = p.value
			}
		}
	}
	return textValue(text), nil
}

func (f *field) offers(v string) bool {
	for _, p := range f.picks {
		if strings.EqualFold(p.value, v) && !p.inactive {
			return true
		}
	}
	return false
}

func requiredMissing(names []string) error {
	return fail(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "Required fields are missing: [%s]", strings.Join(names, ", ")).on(names...)
}
