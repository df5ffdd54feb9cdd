package pipeline

import (
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Fit says why a field cannot stand at a place of the settings, or "" when it can. Pickers show the reason beside a field that cannot be chosen, and a
// check of the settings says it of a field that is there all the same.
type Fit func(soql.Field) string

// unsyncable are the describe types of which no value is kept, with the reason.
var unsyncable = map[string]string{
	"address":         "Compound addresses are not synced: choose their parts, such as the city",
	"location":        "Compound geolocations are not synced: choose latitude and longitude",
	"base64":          "Files are not synced",
	"complexvalue":    "Values with an inner structure are not synced",
	"anyType":         "Has no type of its own, so its values cannot be kept",
	"encryptedstring": "Encrypted: Salesforce hides its values",
}

// Syncable accepts every field whose value can be read in a query of any size and kept as one value.
func Syncable(f soql.Field) string { return unsyncable[f.Type] }

// UserReference accepts fields that point to a user.
func UserReference(f soql.Field) string {
	switch {
	case f.Type != "reference":
		return "Does not point to a user"
	case !pointsTo(f, "User"):
		return "Points to " + list(f.ReferenceTo) + ", not to a user"
	}
	return ""
}

// Amount accepts fields that hold a number or an amount of money.
func Amount(f soql.Field) string {
	switch f.Type {
	case "currency", "double", "int", "long":
		return ""
	case "percent":
		return "A percentage, not an amount"
	}
	return "Not a number"
}

// Day accepts fields that hold a date, with or without a time.
func Day(f soql.Field) string {
	if f.Type == "date" || f.Type == "datetime" {
		return ""
	}
	return "Not a date"
}

// CalendarDay accepts fields that hold a date without a time.
func CalendarDay(f soql.Field) string {
	switch f.Type {
	case "date":
		return ""
	case "datetime":
		return "Holds a time too, not a date alone"
	}
	return "Not a date"
}

// Filterable accepts fields that a condition can be about.
func Filterable(f soql.Field) string {
	switch {
	case f.Filterable:
		return ""
	case f.Type == "textarea":
		return "Long text, which Salesforce cannot filter by"
	case f.Type == "address":
		return "Compound: filter by one of its parts, such as the city"
	case f.Type == "location":
		return "Compound: use DISTANCE, or one of its parts"
	case f.Type == "encryptedstring":
		return "Encrypted, which Salesforce cannot filter by"
	}
	return "Salesforce does not let this field be filtered by"
}

// LinksTo accepts fields that point to a record of the object.
func LinksTo(object string) Fit {
	return func(f soql.Field) string {
		switch {
		case f.Type != "reference":
			return "Does not point to a record"
		case !pointsTo(f, object):
			return "Points to " + list(f.ReferenceTo) + ", not to " + object
		}
		return ""
	}
}

// Matches accepts fields that tell which record of the object theirs belongs to: by pointing to it, or by holding its External ID as text.
func Matches(object string) Fit {
	return func(f soql.Field) string {
		if f.Type == "reference" {
			return LinksTo(object)(f)
		}
		if isText(f) {
			return ""
		}
		return "Neither points to " + object + " nor is a text that can hold its External ID"
	}
}

// ExternalID accepts fields by whose value another system's records are recognised.
func ExternalID(f soql.Field) string {
	switch {
	case !f.ExternalID:
		return "Not marked as External ID"
	case !isText(f):
		return "Not a text"
	}
	return ""
}

// Additional accepts what can be synced of an object besides the fields that are synced anyway.
func Additional(object string) Fit {
	always := []string{"Id"}
	if t, ok := TableOf(object); ok {
		for _, c := range t.Columns {
			always = append(always, c.Field)
		}
	}
	for _, f := range FeedParents {
		if strings.EqualFold(object, f.Object()) {
			always = feedTable(f, settings.Chatter{}).fieldNames()
		}
	}
	if strings.EqualFold(object, cases.Object) {
		always = append(always, CaseFields()...)
	}
	if strings.EqualFold(object, "Contact") {
		always = append(always, settings.PredefinedContactFields...)
	}
	return func(f soql.Field) string {
		if slices.ContainsFunc(always, func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			return "Synced anyway"
		}
		return Syncable(f)
	}
}

func isText(f soql.Field) bool { return f.Type == "string" || f.Type == "email" }

func pointsTo(f soql.Field, object string) bool {
	return slices.ContainsFunc(f.ReferenceTo, func(name string) bool { return strings.EqualFold(name, object) })
}

// list names a few objects in a sentence.
func list(names []string) string {
	switch {
	case len(names) == 0:
		return "something else"
	case len(names) > 3:
		return "other objects"
	}
	return strings.Join(names, ", ")
}

// typeLabels are the field types as Salesforce's Object Manager names them.
var typeLabels = map[string]string{
	"string": "Text", "textarea": "Text Area", "url": "URL", "email": "Email", "phone": "Phone", "combobox": "Combobox", "encryptedstring": "Text (Encrypted)",
	"int": "Number", "long": "Number", "double": "Number", "percent": "Percent", "currency": "Currency", "date": "Date", "datetime": "Date/Time", "time": "Time",
	"picklist": "Picklist", "multipicklist": "Picklist (Multi-Select)", "boolean": "Checkbox", "id": "Record Id", "reference": "Lookup", "address": "Address",
	"location": "Geolocation", "base64": "File", "anyType": "Any", "complexvalue": "Compound",
}

// TypeLabel names the type of a field for people; a formula is named as such.
func TypeLabel(f soql.Field) string {
	label := typeLabels[f.Type]
	switch {
	case label == "":
		label = f.Type
	case f.Type == "reference" && len(f.ReferenceTo) > 0:
		label = "Lookup(" + strings.Join(f.ReferenceTo, ", ") + ")"
	}
	if f.Calculated {
		label = "Formula (" + label + ")"
	}
	return label
}
